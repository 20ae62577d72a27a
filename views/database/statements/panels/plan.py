"""A plan drawn as a tree: a line for each node, below the one that it works for, with its share of the cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from ui import format
from ui import theme as looks
from ui.clean import for_plotly
from ui.theme import Theme

if TYPE_CHECKING:
    from views.database.rules.plan import Node

MOST_NODES = 60
"""Most nodes that are drawn; plans over many partitions have thousands."""

ROW = 26
"""Pixels of a node."""

_INDENT = 0.018
_WORDS = 84
_BARS = 0.76
"""Where the bars begin, as a part of the width."""

COSTLY = 0.25
"""Share of the cost from which a node is marked besides the costliest."""


def tree(root: Node, theme: Theme) -> tuple[go.Figure, int]:
    """A plan as a figure.

    Args:
        root: The plan.
        theme: The page's theme.

    Returns:
        The figure, and how many nodes it leaves out.
    """
    nodes = list(root.walk())
    shown = nodes[:MOST_NODES]
    most = max(node.share for _, node in nodes)
    look = looks.LOOKS[theme]
    amber, blue = looks.STATUS["risk"].colour(theme), looks.series("blue", theme)
    notes: list[dict[str, Any]] = []
    shapes: list[dict[str, Any]] = []
    marked = next((place for place, (_, node) in enumerate(shown) if node.share == most), None)
    parents: list[int] = []
    for place, (depth, node) in enumerate(shown):
        costly = place == marked or node.share >= COSTLY
        colour = amber if costly else look.text
        words = f"{'◆ ' if place == marked else ''}<b>{for_plotly(node.kind, 60)}</b>"
        if node.detail:
            words += f" {for_plotly(_cut(node.detail))}"
        notes.append(
            {
                "x": depth * _INDENT + 0.012, "y": place, "text": words, "xref": "paper", "yref": "y",
                "showarrow": False,
                "xanchor": "left", "align": "left", "font": {"color": colour, "size": 13},
                "hovertext": _hover(node), "captureevents": True,
            }
        )  # fmt: skip
        del parents[depth:]
        if parents:
            x = (depth - 1) * _INDENT + 0.016
            line = {"color": look.grid, "width": 1}
            shapes.append(_line(x, x, parents[-1] + 0.4, place, line))
            shapes.append(_line(x, x + 0.010, place, place, line))
        parents.append(place)
    rows = [node for _, node in shown]
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [node.share for node in rows],
        "y": list(range(len(rows))),
        "text": [for_plotly(f"{format.value(node.share, 'ratio')} · {_rows(node)}") for node in rows],
        "textposition": "outside",
        "cliponaxis": False,
        "textfont": {"color": look.text, "size": 12},
        "marker": {
            "color": [amber if place == marked or node.share >= COSTLY else blue for place, node in enumerate(rows)],
            "line": {"width": 0},
        },
        "hovertext": [_hover(node) for node in rows],
        "hoverinfo": "text",
    }
    layout = looks.layout(theme) | {
        "height": ROW * len(rows) + 16,
        "margin": {"l": 4, "r": 4, "t": 4, "b": 4},
        "showlegend": False,
        "dragmode": False,
        "bargap": 0.45,
        "annotations": notes,
        "shapes": shapes,
        "xaxis": looks.axis_look(theme)
        | {"visible": False, "domain": [_BARS, 1.0], "range": [0, max(most, 0.01) * 2.2]},
        "yaxis": looks.axis_look(theme) | {"visible": False, "range": [len(rows) - 0.5, -0.5]},
    }
    return go.Figure({"data": [bars], "layout": layout}, skip_invalid=False), len(nodes) - len(shown)


def _cut(text: str) -> str:
    """The beginning of what a node is about: table and index stand there, and the whole is on hover."""
    return text if len(text) <= _WORDS else text[: _WORDS - 1].rstrip() + "…"


def _line(x0: float, x1: float, y0: float, y1: float, line: dict[str, Any]) -> dict[str, Any]:
    return {"type": "line", "xref": "paper", "yref": "y", "x0": x0, "x1": x1, "y0": y0, "y1": y1, "line": line}


def _rows(node: Node) -> str:
    rows = f"{format.count(round(node.rows))} row{'' if node.rows == 1 else 's'}"
    return rows if node.loops <= 1 else f"{rows} × {format.count(round(node.loops))}"


def _hover(node: Node) -> str:
    words = [
        f"<b>{for_plotly(node.kind)}</b>",
        for_plotly(node.detail, 300),
        f"own work: {format.value(node.share, 'ratio')} of the cost",
        f"expected: {for_plotly(_rows(node))} of {format.value(node.width, 'B')}",
        f"cost of a run with all below it: {format.count(round(node.total, 1))}",
    ]
    return "<br>".join(word for word in words if word)
