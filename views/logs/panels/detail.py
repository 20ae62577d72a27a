"""One line opened beside the list: all of its fields, the whole document, the lines around it, and ways on from it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import streamlit as st

from ui import context, format, menu
from ui.clean import clean, inert
from ui.panel import About
from ui.theme import LEVELS
from views.logs.panels import lines as log_list
from views.logs.panels import state as log_state

if TYPE_CHECKING:
    from collectors.logs import Around, Kinship, Line
    from collectors.span import Span
    from views.logs.view import Opened

HEIGHT = 520
FIELDS_HEIGHT = 320
LONGEST_TEXT = 4_000
"""Characters of a text in the tree; the copy of the line has more."""
LONGEST_COPY = 64_000
LARGEST_EXACT = 2**53
"""The largest whole number up to which a browser tells each from the next; larger ones are shown as texts."""
MOST_LEAVES = 2_000
"""Values of a document that the tree shows; a document of ten thousand would stop the browser."""

KINSHIPS: dict[Kinship, str] = {
    "pod": "same pod",
    "request": "same request",
    "trace": "same trace",
    "session": "same session",
    "all": "all lines",
}
_SAME = "logs-around-same"
_TITLES = {
    "request_id": "All lines of this request",
    "trace_id": "All lines of this trace",
    "session_id": "All lines of this session",
    "user_id": "All lines of this user",
    "pod": "All lines of this pod",
}
_SIGNS = (("", ":material/add:", "Show only these"), ("-", ":material/remove:", "Show all others"))
_AROUND = timedelta(minutes=15)


def kinship() -> Kinship:
    """What the lines around have in common, as the viewer chose."""
    chosen: Kinship = st.session_state.get(_SAME) or "pod"
    return chosen


def line(found: Opened | None, _span: Span) -> None:
    """The line: message, ways on, fields with filters, and all of it as a tree and as text."""
    if found is None:
        return
    shown = found.line
    status = LEVELS.get(log_list.status_of(shown.level))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        moment = format.timestamp(shown.time, context.current().tz, date=True)
        level = inert(shown.level or "no level", 20)
        mark = f":{status.markdown}[{status.icon} **{level}**]" if status is not None else f"**{level}**"
        st.markdown(f"{mark} {moment}", help=f"As the source has it: {inert(shown.stamp, 60)}", width="stretch")
        st.button(
            "Close the line",
            key="logs-close",
            icon=":material/close:",
            type="tertiary",
            help="Close",
            on_click=log_list.close,
        )
    st.code(clean(shown.message or "(no message)", LONGEST_TEXT, lines=True), language=None, wrap_lines=True)
    if "error" in shown.fields:
        st.code(clean(shown.fields["error"], LONGEST_TEXT, lines=True), language=None, wrap_lines=True)
    _ways(found)
    fields, tree, text = st.tabs(["Fields", "JSON", "Copy"])
    # Bounded, so that what it said before and after stays in sight below.
    with fields, st.container(height=FIELDS_HEIGHT, border=False, gap=None):
        _fields(found)
    with tree, st.container(height=FIELDS_HEIGHT, border=False):
        st.json(cleaned(shown.document), expanded=2)
    with text:
        whole = json.dumps(shown.document, ensure_ascii=False, indent=1, default=str)
        st.code(clean(whole, LONGEST_COPY, lines=True), language=None, wrap_lines=True, height=FIELDS_HEIGHT)


def about(found: Opened | None, _span: Span) -> About:
    """What the info button tells."""
    if found is None:
        return About()
    return About(
        "The address of this page leads to this line. A line that holds JSON as text is shown with it parsed.",
        (f"id: {found.line.id}",),
    )


def why_empty(found: Opened | None) -> str:
    """Why there is nothing to show; an empty text where there is."""
    return "This line is gone: its index was deleted, or the link is from another environment." if found is None else ""


def around(found: Around | None, _span: Span) -> None:
    """The lines around it as plain text in the order in which they were written, with the line itself marked."""
    _kinship()
    if found is None:
        return
    if found.partial:
        st.caption(inert(found.partial, 300))
    flow = [
        *(f"  {_written(one)}" for one in found.before),
        f"▶ {_written(found.line)}",
        *(f"  {_written(one)}" for one in found.after),
    ]
    st.code("\n".join(flow), language=None, height=HEIGHT - 90)


def why_nothing_around(found: Around | None) -> str:
    """Why there is nothing around; an empty text where there is."""
    return "This line is gone." if found is None else ""


def _kinship() -> None:
    st.segmented_control(
        "Lines of",
        list(KINSHIPS),
        default="pod" if _SAME not in st.session_state else None,
        format_func=lambda same: KINSHIPS[same],
        key=_SAME,
        label_visibility="collapsed",
    )


def _ways(found: Opened) -> None:
    """Where to go from here: lines that share something, its pattern, the figures of that moment."""
    with st.container(horizontal=True, gap="small", key="logs-ways"):
        for name, text in found.related.items():
            st.button(
                _TITLES[name],
                key=f"logs-related-{name}",
                icon=":material/filter_alt:",
                type="tertiary",
                on_click=log_state.only,
                args=(text,),
            )
        if found.same_pattern:
            st.button(
                "Lines of its pattern",
                key="logs-pattern",
                icon=":material/pattern:",
                type="tertiary",
                help=inert(found.pattern, 500),
                on_click=log_state.only,
                args=(found.same_pattern,),
            )
            st.button(
                "Without its pattern",
                key="logs-no-pattern",
                icon=":material/filter_alt_off:",
                type="tertiary",
                help=inert(found.pattern, 500),
                on_click=log_state.add_filter,
                args=(f"-({found.same_pattern})",),
            )
        if found.line.time is not None and "latency" in menu.PAGES:
            menu.link("latency", "Latency at that moment", params=_moment(found.line.time))


def _moment(moment: datetime) -> dict[str, str]:
    visit = context.current()
    return visit.params(visit.window.between(moment - _AROUND, moment + _AROUND))


def _fields(found: Opened) -> None:
    shown = found.line
    for name, value in {"level": shown.level, **shown.fields}.items():
        if value in ("", None):
            continue
        with st.container(horizontal=True, vertical_alignment="center", gap=None, key=f"logs-of-{name}"):
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            st.markdown(f":gray[{inert(name, 60)}] {inert(text, 300)}", width="stretch")
            text_of_filter = found.filters.get(name)
            if text_of_filter is None:
                continue
            for sign, icon, words in _SIGNS:
                st.button(
                    f"{words}: {inert(name, 60)}",
                    key=f"logs-field{sign}-{name}",
                    icon=icon,
                    type="tertiary",
                    help=words,
                    on_click=log_state.add_filter,
                    args=(f"{sign}{text_of_filter}",),
                )


def _written(one: Line) -> str:
    """A line of the flow."""
    tz = context.current().tz
    clock = format.UNKNOWN if one.time is None else format.clock(one.time, tz, milliseconds=True)
    component = str(one.fields.get("component", ""))
    error = one.fields.get("error")
    text = f"{one.message} → {error}" if error and str(error) not in one.message else one.message
    return clean(f"{clock} {one.level or format.UNKNOWN:<5} {component:<9} {text}", 1000)


def cleaned(value: Any, left: list[int] | None = None) -> Any:
    """A document for the tree: nothing hidden in any text or key, and no more of it than a browser can draw."""
    left = [MOST_LEAVES] if left is None else left
    if isinstance(value, Mapping):
        found = {}
        for key, inner in value.items():
            if left[0] <= 0:
                found["…"] = "more in Copy"
                break
            found[clean(key, 200)] = cleaned(inner, left)
        return found
    if isinstance(value, list | tuple):
        return [cleaned(inner, left) for inner in value[: max(left[0], 0)]]
    left[0] -= 1
    if isinstance(value, str):
        return clean(value, LONGEST_TEXT, lines=True)
    return value if _is_exact_in_a_browser(value) else str(value)


def _is_exact_in_a_browser(value: Any) -> bool:
    """Whether JavaScript reads it as it is: its numbers hold 53 bits, and JSON knows nothing that is not finite."""
    if isinstance(value, int):
        return abs(value) <= LARGEST_EXACT
    return not isinstance(value, float) or math.isfinite(value)
