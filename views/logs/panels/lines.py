"""The list of lines: a page at a time, which holds still while somebody reads it.

A live window moves every few seconds, and a list that moved with it could not be read. So the list stays as it was
loaded and says how many lines arrived meanwhile; *live tail* loads it anew instead, and stops as soon as somebody
scrolls, opens a line or turns a page. What is kept for each viewer is one page of short rows and the bookmarks of the
pages before it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from analysis.cells import csv_cell
from analysis.events import Event
from collectors.cache import Answer
from collectors.errors import BadAnswer, SourceError
from collectors.log_levels import level_of
from collectors.span import Span
from ui import context, format, screen
from ui.axes import Clock
from ui.clean import clean
from ui.components import own
from ui.panel import About
from ui.theme import LEVELS, LOOKS, Theme
from views.logs.panels import search as log_search
from views.logs.panels import state as log_state
from views.logs.panels.state import LogState, Reading

if TYPE_CHECKING:
    from views.logs.view import LogPage, Next, Row

HEIGHT = 620
"""Pixels of the list; its rows scroll within."""

TAIL_SECONDS = 5.0
"""Seconds between two looks of the live tail."""

READINGS: dict[Reading, str] = {"newest": "Newest first", "oldest": "Oldest first", "tail": "Live tail"}

_HELD = "logs list"
_TURN = "logs list turned"
_DRAWN = "logs rows drawn"
_ROUND = "logs list round"
_SCROLLED = "logs list scrolled"

_STATUS_OF = {"FATAL": "broken", "ERROR": "broken", "WARN": "risk"}
_QUIET = {"DEBUG", "TRACE"}

Ask = Callable[[Span, "Next | None"], "LogPage"]


@dataclass
class _Held:
    """What a viewer's list shows.

    Attributes:
        key: What it is a list of.
        span: The window that all of its pages are from.
        page: The page that is shown.
        asked: When it was asked for.
        bookmarks: Where each page up to this one begins.
        counts: Lines of each page before this one.
    """

    key: Hashable
    span: Span
    page: LogPage
    asked: datetime
    bookmarks: list[Next | None] = field(default_factory=lambda: [None])
    counts: list[int] = field(default_factory=list)


def held(key: Hashable, ask: Ask, *, tail: bool) -> Callable[[Span], Answer[LogPage]]:
    """Loads the list for a panel: once, then as the viewer turns its pages; the live tail at each refresh.

    Args:
        key: What it is a list of; with another one it is loaded from its beginning.
        ask: Asks for the page that begins at a bookmark.
        tail: Whether the list follows the clock.
    """

    def load(span: Span) -> Answer[LogPage]:
        old: _Held | None = st.session_state.get(_HELD)
        turn: Literal["", "next", "back", "anew"] = st.session_state.get(_TURN, "")
        another = old is None or old.key != key or turn == "anew"
        if another:
            st.session_state[_SCROLLED] = False
        if old is None or another or _follows(old, tail and not turn):
            kept = _beginning(key, ask, span, old)
        elif turn:
            kept = _turned(old, ask, turn)
        else:
            kept = Answer(old.page, old.asked)
        st.session_state[_TURN] = ""
        return kept

    return load


def _follows(old: _Held, tail: bool) -> bool:
    """Whether the live tail moves on: nobody reads further back, and nobody has scrolled."""
    return tail and len(old.bookmarks) == 1 and not st.session_state.get(_SCROLLED)


def _scrolled() -> None:
    st.session_state[_SCROLLED] = True


def _beginning(key: Hashable, ask: Ask, span: Span, old: _Held | None) -> Answer[LogPage]:
    asked = datetime.now(UTC)
    try:
        page = ask(span, None)
    except SourceError as error:
        if old is not None and old.key == key:
            return Answer(old.page, old.asked, error)
        raise
    st.session_state[_HELD] = _Held(key, span, page, asked)
    return Answer(page, asked)


def _turned(old: _Held, ask: Ask, turn: str) -> Answer[LogPage]:
    bookmarks, counts = list(old.bookmarks), list(old.counts)
    if turn == "next" and old.page.after is not None:
        bookmarks.append(old.page.after)
        counts.append(old.page.lines)
    elif turn == "back" and counts:
        bookmarks.pop()
        counts.pop()
    try:
        page = ask(old.span, bookmarks[-1])
    except BadAnswer:
        st.session_state[_HELD] = None  # the source no longer keeps this list: the next try loads it anew
        raise
    st.session_state[_HELD] = _Held(old.key, old.span, page, datetime.now(UTC), bookmarks, counts)
    _new_round()
    return Answer(page, datetime.now(UTC))


def lines(
    page: LogPage, state: LogState, fields: list[str], newer: Callable[[datetime], int | None], export: str
) -> None:
    """The list with what belongs to it.

    Args:
        page: The page of it that is shown.
        state: What the page of the console is set to.
        fields: Names of the fields that can be columns.
        newer: Counts the lines that arrived since a moment.
        export: Address that all lines of this list can be had from, without its format.
    """
    if page.mistake is not None:
        log_search.told(page.mistake, "list")
        return
    shown: _Held = st.session_state[_HELD]
    before = sum(shown.counts)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="logs-list-controls"):
        _reading(state)
        _columns(state, fields)
        with st.popover("Export", icon=":material/download:", type="tertiary", key="logs-export"):
            st.caption("All lines of this search and window, as they are shown here and whole.")
            st.link_button("NDJSON", f"{export}&format=ndjson", icon=":material/data_object:")
            st.link_button("CSV", f"{export}&format=csv", icon=":material/table:")
        _arrived(shown, state, newer)
    if page.rows:
        _table(page, state, shown)
    else:
        st.caption("No line matches within this window.")
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="logs-list-foot"):
        words = ("Newer", "Older") if state.order == "newest" else ("Older", "Newer")
        _turn_button("back", words[0], ":material/chevron_left:", disabled=not shown.counts)
        _turn_button("next", words[1], ":material/chevron_right:", disabled=page.after is None)
        last = before + page.lines
        end = "" if page.after is not None else ", the last ones"
        counted = (
            f"Lines {before + 1:,} to {last:,}{end}. Click a row to open the line." if page.lines else "No more lines."
        )
        st.caption(counted, width="content")


def about(page: LogPage, _span: Span) -> About:
    """What the info button of the list tells."""
    return About(
        "The lines that match, with deploys, restarts and alerts among them. The list stays as it was loaded; "
        "live tail loads it anew every few seconds until somebody scrolls, opens a line or turns a page.",
        (page.query,) if page.query else (),
        page.remarks,
    )


def why_empty(page: LogPage) -> str:
    """Why there is nothing to show; an empty text where there is."""
    if page.rows or page.mistake is not None or page.after is not None:
        return ""
    return " ".join(("No line matches within this window: widen it, or remove a filter.", *page.remarks))


def _reading(state: LogState) -> None:
    key = f"logs-reading-{state.reading}"
    options: list[Reading] = ["newest", "oldest", "tail"] if context.current().window.live else ["newest", "oldest"]
    st.segmented_control(
        "Order",
        options,
        default=state.reading if state.reading in options else "newest",
        format_func=lambda reading: READINGS[reading],
        key=key,
        on_change=lambda: _read_as(st.session_state[key] or "newest"),
        label_visibility="collapsed",
        width="content",
    )


def _read_as(reading: Reading) -> None:
    st.session_state[_SCROLLED] = False
    log_state.read_as(reading)


def _columns(state: LogState, fields: list[str]) -> None:
    key = f"logs-columns-{','.join(state.columns)}"
    with st.popover("Columns", icon=":material/view_column:", type="tertiary", key="logs-columns"):
        st.multiselect(
            "Columns beside time, level and message",
            list(dict.fromkeys([*state.columns, *fields])),
            default=list(state.columns),
            format_func=clean,
            key=key,
            on_change=lambda: log_state.choose_columns(st.session_state[key]),
            accept_new_options=True,
            max_selections=log_state.MOST_COLUMNS,
            help="Any field of a line can be a column, also one that is not listed, by its path.",
        )


def _arrived(shown: _Held, state: LogState, newer: Callable[[datetime], int | None]) -> None:
    """How many lines arrived since the list was loaded, as a button that shows them."""
    if not context.current().window.live:
        return
    if state.reading == "tail":
        still = ""
        if state.line:
            still = "Held while a line is open."
        elif shown.counts:
            still = "Held while you read further back."
        elif st.session_state.get(_SCROLLED):
            still = "Held since you scrolled."
        if not still:
            st.badge("following", icon=":material/sensors:", color="green")
            own("log_scroll", "<i hidden></i>")(key="logs-scroll", on_scrolled_change=_scrolled, height=1)
            return
        st.caption(f":material/pause: {still}", width="content")
    count = newer(shown.span.end)
    if count or state.reading == "tail":
        noun = "line" if count == 1 else "lines"
        st.button(
            f"{format.count(count)} new {noun}" if count else "Follow again",
            key="logs-anew",
            icon=":material/arrow_upward:",
            type="primary",
            on_click=_turn,
            args=("anew",),
            help="Load the list anew, up to now.",
        )


def _turn_button(turn: str, word: str, icon: str, *, disabled: bool) -> None:
    st.button(word, key=f"logs-{turn}", icon=icon, type="tertiary", disabled=disabled, on_click=_turn, args=(turn,))


def _turn(turn: str) -> None:
    st.session_state[_TURN] = turn
    if turn == "anew":
        _new_round()


def _new_round() -> None:
    """Draw the next table as another one: no row selected, scrolled to its top."""
    st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1


def export_address(page: LogPage, state: LogState) -> str:
    """The address that all lines of the list can be had from; it lacks the format only."""
    asked = [
        ("env", context.current().environment),
        ("from", page.start.isoformat()),
        ("to", page.end.isoformat()),
        ("order", state.order),
        ("q", state.query),
        *(("f", one) for one in state.filters),
        ("cols", ",".join(state.columns)),
    ]
    return f"/export/logs?{urlencode([(name, value) for name, value in asked if value])}"


def status_of(level: str) -> str:
    """The status that a level stands for; empty for ordinary ones."""
    return _STATUS_OF.get(level_of(level), "")


def close() -> None:
    """Close the opened line; a click on the same row opens it again."""
    _new_round()
    log_state.open_line("")


def _table(page: LogPage, state: LogState, shown: _Held) -> None:
    visit = context.current()
    key = f"logs-rows-{st.session_state.get(_ROUND, 0)}"
    drawn = tuple(None if isinstance(row, Event) else row.id for row in page.rows)
    st.session_state[_DRAWN] = drawn

    def opened() -> None:
        cells = st.session_state[key]["selection"]["cells"]
        rows: tuple[str | None, ...] = st.session_state[_DRAWN]
        if cells and int(cells[0][0]) < len(rows) and (line_id := rows[int(cells[0][0])]) is not None:
            log_state.open_line(line_id)

    clocks = Clock((shown.span.start, shown.span.end), visit.tz)
    # By number: a field may be called like one of the columns that are always there.
    names = ["time", "level", *(f"field {number}" for number in range(len(state.columns))), "text"]
    frame = pd.DataFrame([_cells(row, state, clocks) for row in page.rows], columns=names)
    looks = [_look(row, visit.theme, row_id == state.line) for row, row_id in zip(page.rows, drawn, strict=True)]
    widest = max(map(len, frame["time"]), default=0)
    narrow = screen.narrow()
    st.dataframe(
        frame.style.apply(lambda column: looks, axis=0),
        column_config={
            "time": st.column_config.TextColumn(f"Time ({clocks.zone})", width=max(76 if narrow else 104, 8 * widest)),
            "level": st.column_config.TextColumn("Level", width=72 if narrow else 82),
            **{
                f"field {number}": st.column_config.TextColumn(clean(name, 60), width=_width(frame[f"field {number}"]))
                for number, name in enumerate(state.columns)
            },
            "text": st.column_config.TextColumn("Message", width="large"),
        },
        # On a phone the others would push the message out of view; the opened line has them all.
        column_order=("time", "level", "text") if narrow else names,
        hide_index=True,
        height=min(HEIGHT, 35 * (len(frame) + 1) + 3),
        row_height=28,
        key=key,
        on_select=opened,
        selection_mode="single-cell",
        alt="Lines of the log with what happened between them",
    )


def _width(cells: pd.Series) -> int:
    """Pixels for a column: what its texts need, within bounds that leave room for the message."""
    return int(min(max(cells.str.len().max() * 7 + 20, 80), 210))


def _cells(row: Row | Event, state: LogState, clocks: Clock) -> list[str]:
    moment = _time(row.time, clocks)
    if isinstance(row, Event):
        detail = f": {row.detail}" if row.detail else ""
        return [moment, f"◆ {row.kind.value}", *("" for _ in state.columns), _text(f"{row.title}{detail}", 400)]
    status = LEVELS.get(status_of(row.level))
    level = f"{status.mark} {row.level}" if status is not None else row.level or format.UNKNOWN
    return [moment, _text(level, 20), *(_text(cell, 120) for cell in row.cells), _text(row.message, 420)]


def _time(moment: datetime | None, clocks: Clock) -> str:
    if moment is None:
        return format.UNKNOWN
    text = format.clock(moment, clocks.tz, milliseconds=not screen.narrow())
    # Where clocks change within the window the heading alone does not say which of two hours it is.
    return f"{text} {format.zone_name(moment, clocks.tz)}" if clocks.changes else text


def _text(text: str, limit: int) -> str:
    # The table's own toolbar can copy and download: what a spreadsheet takes for a formula is quoted here too.
    return str(csv_cell(clean(text, limit)))


_TINTS: dict[str, tuple[str, str]] = {
    "broken": ("#fdefee", "#3a1c1b"),
    "risk": ("#fdf3e2", "#352812"),
    "event": ("#eaf3fa", "#16293a"),
    "opened": ("#d5e8f5", "#1d4261"),
}
"""Backgrounds of rows, light and dark: those of Streamlit's own coloured texts in ``.streamlit/config.toml``."""


def _look(row: Row | Event, theme: Theme, opened: bool) -> str:
    dark = theme == "dark"
    if isinstance(row, Event):
        return f"background-color: {_TINTS['event'][dark]}; color: {LOOKS[theme].text}"
    status = status_of(row.level)
    tint = "opened" if opened else status
    background = f"background-color: {_TINTS[tint][dark]}; " if tint else ""
    if status:
        return f"{background}color: {LEVELS[status].colour(theme)}"
    return f"{background}color: {LOOKS[theme].muted if level_of(row.level) in _QUIET else LOOKS[theme].text}"
