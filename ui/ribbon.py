"""The ribbon under a chart: what happened, on the chart's own time axis."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from analysis.events import Event, EventKind, Severity
from ui import theme as looks
from ui.axes import Clock
from ui.clean import for_plotly
from ui.theme import Theme

_SYMBOLS: dict[EventKind, str] = {
    EventKind.DEPLOY: "triangle-up",
    EventKind.RESTART: "circle-open",
    EventKind.ALERT: "diamond",
    EventKind.SCALING: "hourglass",
    EventKind.RUNBOOK: "square",
    EventKind.KUBERNETES: "hexagon",
    EventKind.ANNOTATION: "star",
}
_COLOURS: dict[EventKind, str] = {
    EventKind.DEPLOY: "blue",
    EventKind.RESTART: "brown",
    EventKind.ALERT: "slate",
    EventKind.SCALING: "green",
    EventKind.RUNBOOK: "purple",
    EventKind.KUBERNETES: "sky",
    EventKind.ANNOTATION: "indigo",
}
# As many places as a narrow chart has room for; what falls into the same one becomes one mark.
_PLACES = 120
_LISTED = 5
# Kinds that explain a change by themselves reach up into the chart as a faint line.
_REACHING = frozenset({EventKind.DEPLOY, EventKind.RUNBOOK, EventKind.SCALING})
_MOST_LINES = 20


@dataclass(frozen=True, slots=True)
class Ribbon:
    """Plotly traces of the ribbon's row, and shapes that reach into the chart above."""

    traces: list[dict[str, Any]] = field(default_factory=list)
    shapes: list[dict[str, Any]] = field(default_factory=list)


def draw(events: Sequence[Event], clock: Clock, theme: Theme) -> Ribbon:
    """The events within the clock's window, each kind with its own mark; red and amber only by severity."""
    span = (clock.end - clock.start).total_seconds() or 1.0
    marks: dict[tuple[EventKind, Severity, int], list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda event: event.time):
        if clock.start <= event.time <= clock.end:
            place = int((event.time - clock.start).total_seconds() / span * _PLACES)
            marks[event.kind, event.severity, place].append(event)
    ribbon = Ribbon()
    for kind in EventKind:
        groups = {key: group for key, group in marks.items() if key[0] is kind}
        if groups:
            ribbon.traces.append(_marks(kind, groups, clock, theme))
    reaching = [group[0] for (kind, _, _), group in marks.items() if kind in _REACHING]
    for event in sorted(reaching, key=lambda event: event.time)[-_MOST_LINES:]:
        moment = clock.at(event.time)
        line = {"color": _colour(event.kind, event.severity, theme), "width": 1, "dash": "dot"}
        ribbon.shapes.append(
            {"type": "line", "xref": "x", "yref": "paper", "x0": moment, "x1": moment, "y0": 0, "y1": 1}
            | {"line": line, "opacity": 0.5, "layer": "below"}
        )
    return ribbon


def _marks(
    kind: EventKind, groups: dict[tuple[EventKind, Severity, int], list[Event]], clock: Clock, theme: Theme
) -> dict[str, Any]:
    colours = [_colour(kind, severity, theme) for _, severity, _ in groups]
    return {
        "type": "scatter",
        "mode": "markers",
        "xaxis": "x",
        "yaxis": "y2",
        "x": [clock.at(group[0].time) for group in groups.values()],
        "y": [0] * len(groups),
        "name": kind.value,
        "showlegend": False,
        "customdata": [_words(group, clock) for group in groups.values()],
        "hovertemplate": "%{customdata}<extra></extra>",
        "marker": {"symbol": _SYMBOLS[kind], "size": 11, "color": colours, "line": {"width": 1.5, "color": colours}},
    }


def _colour(kind: EventKind, severity: Severity, theme: Theme) -> str:
    if severity is Severity.CRITICAL:
        return looks.LEVELS["broken"].colour(theme)
    if severity is Severity.WARNING:
        return looks.LEVELS["risk"].colour(theme)
    return looks.series(_COLOURS[kind], theme)


def _words(group: Sequence[Event], clock: Clock) -> str:
    lines = [_line(event, clock) for event in group[:_LISTED]]
    if len(group) > _LISTED:
        lines.append(f"and {len(group) - _LISTED} more")
    return "<br>".join(lines)


def _line(event: Event, clock: Clock) -> str:
    detail = f": {for_plotly(event.detail, 120)}" if event.detail else ""
    # "deploy 1.8.2" needs no second "deploy" before it.
    kind = "" if event.title.lower().startswith(event.kind.value) else f"{event.kind.value} "
    return f"{clock.time_of_day(event.time)} {kind}<b>{for_plotly(event.title)}</b>{detail}"
