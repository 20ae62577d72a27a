"""The load of the database over time: the verdict in words, the stacked chart, what it is made of."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import streamlit as st

from ui import address, charts, context, format, tables
from ui import theme as looks
from ui.clean import inert
from ui.panel import About
from ui.series_panel import plot
from ui.tables import Column
from ui.theme import Theme
from views.database.load.panels.verdict import HOUR, MEANS
from views.database.panels import PART
from views.database.rules import activity

if TYPE_CHECKING:
    from collectors.span import Span
    from views.database.load.view import OverTime, Parts

SPLIT = "by"
"""Name of the choice of the dimension in the address; what the page is narrowed to has the dimensions' own names."""

MOST_IN_LEGEND = 12
HEIGHT = 340
ROWS = 8

_CLASS_COLOURS: Mapping[str, str] = {
    "CPU": "green", "IO": "blue", "Lock": "purple", "LWLock": "indigo", "BufferPin": "brown", "IPC": "sky",
    "Client": "olive", "Timeout": "slate", "Extension": "brown", activity.OTHER: "slate",
}  # fmt: skip
_SHADES = (0.0, 0.35, 0.6, 0.2, 0.5)
"""How far the events of one class are moved towards the page's background."""


def chosen_by(titles: Mapping[str, str]) -> str:
    """By what the load is told apart; the choice is in the address.

    Args:
        titles: Name in the address → title, in their order.
    """
    now = address.choice(SPLIT, titles, next(iter(titles)))
    key = f"load-by-{now}"

    def chosen() -> None:
        context.change(**{SPLIT: st.session_state[key] or now})

    st.segmented_control(
        "Load by", list(titles), default=now, format_func=lambda name: f"by {titles[name]}", key=key,
        on_change=chosen, label_visibility="collapsed",
    )  # fmt: skip
    return now


def narrowed(names: Iterable[str]) -> dict[str, str]:
    """What the page is narrowed to: dimension → value, from the address."""
    found = {}
    for name in names:
        value = address.text(name)
        if name == "query":
            if address.whole(value, *address.BIGINT) is not None:
                found[name] = value
        elif value and len(value) <= 100:
            found[name] = value
    return found


def chips(narrow: Mapping[str, str], titles: Mapping[str, str]) -> None:
    """What the page is narrowed to, each as a chip that a click removes."""
    if not narrow:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="load-narrowed"):
        for name, value in narrow.items():
            st.button(
                f"only {titles[name]} {inert(value, 60)}",
                key=f"load-only-{name}-{value}",
                icon=":material/close:",
                help="Remove this filter",
                on_click=partial(context.change, **{name: ""}),
            )


def chart(found: OverTime, span: Span) -> None:
    """Average active sessions over time, one part on top of the other, and the processors as a line."""
    visit = context.current()
    window = (span.start, span.end)
    waits = found.by == "wait"
    order = activity.stacked_order(list(found.frame.columns)) if waits else list(found.frame.columns)
    frame = found.frame[order]
    count = found.processors.count
    figure = charts.stacked(
        frame, unit="", window=window, names=found.names,
        colours=colours_of_waits(order, visit.theme) if waits else _rest_aside(visit.theme),
        thresholds=[charts.Threshold(count, "processors", "unknown")] if count is not None else [],
        legend=MOST_IN_LEGEND, held=True, events=found.events, tz=visit.tz, height=HEIGHT, theme=visit.theme,
    )  # fmt: skip
    plot("load-chart", figure, window, alt="Average active sessions over time")


def colours_of_waits(waits: Iterable[str], theme: Theme) -> dict[str, str]:
    """The colour of each wait event: that of its class, in shades where a chart has several events of one."""
    found: dict[str, str] = {}
    taken: set[tuple[str, int]] = set()
    for wait in sorted(waits):
        name = activity.class_of(wait)
        start = 0 if name == wait else zlib.crc32(wait.encode("utf-8", "replace")) % len(_SHADES)
        turns = [(start + turn) % len(_SHADES) for turn in range(len(_SHADES))]
        shade = next((turn for turn in turns if (name, turn) not in taken), start)
        taken.add((name, shade))
        colour = looks.series(_CLASS_COLOURS.get(name, "slate"), theme)
        found[wait] = _mixed(colour, looks.LOOKS[theme].background, _SHADES[shade])
    return found


def _rest_aside(theme: Theme) -> dict[str, str]:
    """The rest is paler than any name may be."""
    return {activity.OTHER: _mixed(looks.series("slate", theme), looks.LOOKS[theme].background, 0.6)}


def _mixed(colour: str, other: str, share: float) -> str:
    pairs = [(int(colour[at : at + 2], 16), int(other[at : at + 2], 16)) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(own + (to - own) * share):02x}" for own, to in pairs)


def why_empty(found: OverTime) -> str:
    """Why there is no chart; an empty text where there is one."""
    return found.unknown


def why_no_parts(found: Parts) -> str:
    """Why there are no tables; an empty text where there are."""
    return found.unknown


def about_chart(found: OverTime, _span: Span) -> About:
    """What the chart shows and how it comes about."""
    meaning = "; ".join(f"{name} {words}" for name, words in MEANS.items())
    remarks = [found.processors.told] if found.processors.count is None else []
    if found.step >= HOUR:
        remarks.append("Samples are kept by the minute for two days; what is older is told by the hour.")
    return About(
        "Sessions that ran or waited, looked at every second and averaged: 2 means that two were active at any time. "
        "The line is the number of processors: what is above it waits. Drag over a spike to see what it is made of. "
        f"Classes of waits: {meaning}.",
        ("SELECT wait_event_type, wait_event, query_id, usename, application_name FROM pg_stat_activity …",),
        remarks,
    )


def parts(found: Parts, _span: Span) -> None:
    """What the load is made of: queries, waits, users and clients with their shares; a click narrows the page."""
    _shares(found, "query", "Query", wide=True)
    for place, (name, title) in zip(
        st.columns(3), (("wait", "Wait event"), ("user", "User"), ("client", "Client")), strict=True
    ):
        with place:
            _shares(found, name, title)


def about_parts(found: Parts, _span: Span) -> About:
    """How the tables come about."""
    return About(
        f"What was seen in {format.count(found.looks)} looks of this window. A click on a row shows only its sessions; "
        "a query opens with its history and plan. Values in statements are left out before they are kept. Background "
        "work has no statement identifier, and nothing has one where compute_query_id is off.",
    )


def _shares(found: Parts, name: str, title: str, *, wide: bool = False) -> None:
    visit = context.current()
    frame = found.shares[name].copy()
    columns = [
        Column("name", title, width=750 if wide else 185, limit=300 if wide else 80),
        Column("load", "Sessions", "number", unit="", width=75, help="Average active sessions."),
        Column("share", "Share", "number", unit="ratio", width=70, help="Of all of the load in this window."),
    ]
    if wide:
        columns = [*columns[1:], columns[0]]
        params = {**visit.params(), PART: "queries"}
        frame["open"] = [_address(params, key) for key in frame["key"]]
        columns.append(Column("open", "Its page", "link", width=75))
    asked = address.text(name, 100)
    # A new table with each choice, so that the click's mark goes with it.
    key = f"load-{name}-{zlib.crc32(asked.encode('utf-8', 'replace'))}"
    drawn = f"{key} drawn"
    st.session_state[drawn] = list(frame["key"])

    def chosen() -> None:
        rows, keys = st.session_state[key]["selection"]["rows"], st.session_state[drawn]
        if rows and int(rows[0]) < len(keys) and keys[int(rows[0])]:
            context.change(**{name: keys[int(rows[0])]})

    tables.table(
        frame,
        columns=columns,
        key=key,
        height=35 * (min(max(len(frame), 1), ROWS) + 1) + 3,
        on_select=chosen,
        alt=f"Load by {title.lower()}",
    )


def _address(params: Mapping[str, str], key: str) -> str:
    if key in {"", "0"}:
        return ""
    return f"/database?{urlencode({**params, 'query': key})}"
