"""The bar on top of every page: environment, window, comparison, zone; always in the same place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import available_timezones

import streamlit as st

from records import windows as saved
from records.database import Database
from records.errors import RecordsError
from ui import context, format, saved_windows, zones
from ui.clean import clean, inert
from ui.context import Context
from ui.copy_link import copy_link
from ui.theme import STATUS
from ui.window import COMPARE_TITLES, PRESET_TITLES, PRESETS, Window, instant, interval, stretch
from ui.window_text import EXAMPLES, LONGEST_TEXT, WindowTextError, understood

_TURN = "bar picker turn"
_PROBLEM = "bar typed window problem"

COMMON_ZONES = (
    "UTC",
    "Europe/London",
    "Europe/Berlin",
    "America/New_York",
    "America/Los_Angeles",
    "Asia/Kolkata",
    "Asia/Singapore",
    "Asia/Tokyo",
    "Australia/Sydney",
)


def bar(visit: Context, database: Database | None) -> None:
    """Draw the bar.

    Args:
        visit: The visit.
        database: Where labelled windows are kept; ``None`` where the records cannot be reached.
    """
    now = datetime.now(UTC)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="bar"):
        _environments(visit)
        _window(visit, database, now)
        _moves(visit, now)
        _compare(visit)
        _zone(visit)
        _clock(visit, now)


def _environments(visit: Context) -> None:
    environments = list(visit.settings.environments)
    if not environments:
        return
    key = f"bar-environment-{visit.environment}"

    def chosen() -> None:
        context.show_environment(st.session_state[key])

    st.selectbox(
        "Environment",
        environments,
        index=environments.index(visit.environment),
        format_func=lambda name: visit.settings.environments[name].title or name,
        key=key,
        on_change=chosen,
        label_visibility="collapsed",
        width=170,
    )


def _window(visit: Context, database: Database | None, now: datetime) -> None:
    """The picker. Each choice draws it as another one, which is closed: what was chosen is then in view."""
    turn = st.session_state.get(_TURN, 0)
    with (
        st.container(key="bar-window", width="content"),
        st.popover(
            visit.window.title(now), icon=":material/schedule:", help="Choose the window", key=f"bar-picker-{turn}"
        ),
    ):
        _typed(visit, turn)
        _presets(visit)
        _from_to(visit, now)
        if database is not None:
            saved_windows.saved_windows(visit, database, now, choose)


def choose(window: Window) -> None:
    """Show a window that was chosen in the picker, and close the picker; for callbacks."""
    st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1
    st.session_state.pop(_PROBLEM, None)
    context.show(window)


def _typed(visit: Context, turn: int) -> None:
    """A window as somebody writes it; what is wrong with it is told below, and the text stays to be changed."""
    key = f"bar-text-{turn}"

    def go() -> None:
        try:
            choose(understood(st.session_state[key], visit.window, datetime.now(UTC)))
        except WindowTextError as error:
            st.session_state[_PROBLEM] = str(error)

    with (
        st.form(f"bar-typed-{turn}", border=False),
        st.container(horizontal=True, vertical_alignment="bottom", gap="small"),
    ):
        st.text_input(
            f"Window ({visit.window.zone})",
            key=key,
            placeholder="90m, yesterday, 13:00 to 14:30",
            help=f"For example {EXAMPLES}.",
            max_chars=LONGEST_TEXT,
            width="stretch",
        )
        st.form_submit_button("Go", icon=":material/arrow_forward:", on_click=go)
    if problem := st.session_state.get(_PROBLEM):
        st.warning(inert(problem, 400), icon=STATUS["risk"].icon)


def _presets(visit: Context) -> None:
    window = visit.window
    key = f"bar-preset-{window.preset}"

    def chosen() -> None:
        if preset := st.session_state[key]:
            choose(window.ending_now(preset))

    st.pills(
        "Until now",
        list(PRESETS),
        default=window.preset if window.preset in PRESETS else None,
        format_func=lambda preset: PRESET_TITLES[preset].removeprefix("last "),
        key=key,
        on_change=chosen,
    )


def _from_to(visit: Context, now: datetime) -> None:
    tz = visit.tz
    ends = visit.window.ends(now)
    start, end = (moment.astimezone(tz).replace(tzinfo=None, second=0, microsecond=0) for moment in ends)
    with st.form(f"bar-from-to-{start}-{end}", border=False):
        left, right = st.columns(2)
        chosen_start = left.datetime_input(f"From ({visit.window.zone})", start, step=timedelta(minutes=1))
        chosen_end = right.datetime_input(f"To ({visit.window.zone})", end, step=timedelta(minutes=1))
        if st.form_submit_button("Show", icon=":material/check:") and chosen_start and chosen_end:
            # An end that was not touched is what it was: its seconds, and which of an hour that comes twice.
            first = ends[0] if chosen_start == start else instant(chosen_start, tz)
            last = ends[1] if chosen_end == end else instant(chosen_end, tz, last=True)
            if last <= first:
                st.warning("From must be before To.")
                return
            choose(visit.window.between(first, last))
            st.rerun(scope="app")


def _moves(visit: Context, now: datetime) -> None:
    window = visit.window
    before = context.previous_window()
    with st.container(horizontal=True, vertical_alignment="center", gap=None, width="content", key="bar-moves"):
        _move("earlier", ":material/chevron_left:", "One window earlier", window.moved(now, -1))
        _move("later", ":material/chevron_right:", "One window later", window.moved(now, 1), disabled=window.live)
        _move("wider", ":material/zoom_out:", "Twice as wide", window.widened(now))
        _move("undo", ":material/undo:", "Back to the window before", before or window, disabled=before is None)
        if window.live:
            _move("hold", ":material/pause:", "Hold this picture", window.held(now))
        else:
            live = Window("1h", compare=window.compare, zone=window.zone)
            _move("live", ":material/play_arrow:", "Back to the last hour, live", live)
        copy_link()


def _move(name: str, icon: str, help: str, window: Window, *, disabled: bool = False) -> None:
    st.button(
        help, key=f"bar-{name}", icon=icon, help=help, type="tertiary", disabled=disabled, on_click=context.show,
        args=(window,),
    )  # fmt: skip


def _compare(visit: Context) -> None:
    now = visit.window.compare
    titles = {**COMPARE_TITLES, **_stretches(visit)}
    if now not in titles:
        ends = interval(now)
        titles[now] = Window(None, *ends, zone=visit.window.zone).title(ends[1]) if ends else now
    options = list(titles)
    key = f"bar-compare-{now}"

    def chosen() -> None:
        window = visit.window
        context.show(Window(window.preset, window.start, window.end, st.session_state[key], window.zone))

    st.selectbox(
        "Compare with",
        options,
        index=options.index(now),
        format_func=lambda option: clean(titles[option], 60),
        key=key,
        on_change=chosen,
        label_visibility="collapsed",
        width=180,
    )


def _stretches(visit: Context) -> dict[str, str]:
    """The windows that somebody saved, to compare with; none where the records cannot be reached."""
    if visit.records is None:
        return {}
    try:
        kept = saved.list_windows(visit.records, visit.environment, limit=20)
    except RecordsError:
        return {}
    return {stretch(one.start, one.end): one.label for one in kept}


def _zone(visit: Context) -> None:
    offered = zones.offered(visit.settings.view)
    others = {name: whose for name, whose in offered.items() if name != visit.window.zone}
    names = list(dict.fromkeys([visit.window.zone, *offered, *COMMON_ZONES, *sorted(available_timezones())]))
    key = f"bar-zone-{visit.window.zone}"

    def chosen() -> None:
        window = visit.window
        zones.choose(st.session_state[key])
        context.show(Window(window.preset, window.start, window.end, window.compare, st.session_state[key]))

    st.selectbox(
        "Time zone",
        names,
        key=key,
        format_func=lambda name: f"{name} ({whose})" if (whose := others.get(name)) else name,
        on_change=chosen,
        label_visibility="collapsed",
        width=150,
    )


def _clock(visit: Context, now: datetime) -> None:
    if visit.window.live:
        every = format.duration(visit.settings.view.refresh)
        st.badge("live", icon=":material/sensors:", color="green", help=f"Panels ask again every {every}.")
    else:
        st.badge("held", icon=":material/pause:", color="gray", help="This window stands still.")
