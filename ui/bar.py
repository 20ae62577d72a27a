"""The bar on top of every page: environment, window, comparison, zone; always in the same place."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo, available_timezones

import streamlit as st

from records import windows as saved
from records.database import Database
from records.errors import RecordsError
from ui import context, format, zones
from ui.clean import clean, inert
from ui.context import Context
from ui.window import COMPARE_TITLES, PRESET_TITLES, PRESETS, Window, interval, stretch

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
    window = visit.window
    with st.popover(window.title(now), icon=":material/schedule:", help="Choose the window", key="bar-window"):
        key = f"bar-preset-{window.preset}"

        def chosen() -> None:
            preset = st.session_state[key]
            if preset:
                context.show(Window(preset, compare=window.compare, zone=window.zone))

        st.pills(
            "Until now",
            list(PRESETS),
            default=window.preset,
            format_func=lambda preset: PRESET_TITLES[preset].removeprefix("last "),
            key=key,
            on_change=chosen,
        )
        _from_to(visit, now)
        if database is not None:
            _labelled(visit, database, now)


def _from_to(visit: Context, now: datetime) -> None:
    tz = visit.tz
    ends = (moment.astimezone(tz) for moment in visit.window.ends(now))
    start, end = (moment.replace(tzinfo=None, second=0, microsecond=0) for moment in ends)
    with st.form(f"bar-from-to-{start}-{end}", border=False):
        left, right = st.columns(2)
        chosen_start = left.datetime_input(f"From ({visit.window.zone})", start, step=timedelta(minutes=1))
        chosen_end = right.datetime_input(f"To ({visit.window.zone})", end, step=timedelta(minutes=1))
        if st.form_submit_button("Show", icon=":material/check:") and chosen_start and chosen_end:
            if chosen_end <= chosen_start:
                st.warning("From must be before To.")
                return
            context.show(visit.window.between(_aware(chosen_start, tz), _aware(chosen_end, tz)))
            st.rerun(scope="app")


def _aware(local: datetime, tz: ZoneInfo) -> datetime:
    return local.replace(tzinfo=tz).astimezone(UTC)


def _labelled(visit: Context, database: Database, now: datetime) -> None:
    """Windows that somebody saved under a label: open, save this one, delete."""
    try:
        kept = saved.list_windows(database, visit.environment, limit=20)
    except RecordsError as error:
        st.caption(inert(f"Saved windows are not available: {error}", 300))
        return
    if kept:
        st.caption("Saved windows")
    for one in kept:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if st.button(
                inert(one.label, 60),
                key=f"bar-open-{one.id}",
                type="tertiary",
                help=inert(_described(one, visit)),
                width="stretch",
            ):
                context.show(visit.window.between(one.start, one.end))
                st.rerun(scope="app")
            if st.button(
                "", key=f"bar-delete-{one.id}", icon=":material/delete:", type="tertiary", help="Delete this label"
            ):
                _kept_or_told(partial(saved.delete_window, database, one.id, by=visit.viewer.name))
    with st.form("bar-save", border=False, clear_on_submit=True):
        label = st.text_input("Save this window as", max_chars=80, placeholder="Search outage after 1.8.2")
        if st.form_submit_button("Save", icon=":material/bookmark:") and label.strip():
            start, end = visit.window.ends(now)
            _kept_or_told(
                lambda: saved.save_window(
                    database,
                    environment=visit.environment,
                    label=label.strip(),
                    start=start,
                    end=end,
                    note="",
                    created_by=visit.viewer.name,
                )
            )


def _described(one: saved.SavedWindow, visit: Context) -> str:
    start = format.timestamp(one.start, visit.tz, date=True)
    return f"{start}, {format.duration(one.end - one.start)}, saved by {one.created_by}. {one.note}"


def _kept_or_told(write: Callable[[], object]) -> None:
    try:
        write()
    except (RecordsError, ValueError) as error:
        st.warning(inert(str(error), 300))
        return
    st.rerun(scope="app")


def _moves(visit: Context, now: datetime) -> None:
    window = visit.window
    before = context.previous_window()
    with st.container(horizontal=True, gap=None, width="content"):
        _move("earlier", ":material/chevron_left:", "One window earlier", window.moved(now, -1))
        _move("later", ":material/chevron_right:", "One window later", window.moved(now, 1), disabled=window.live)
        _move("wider", ":material/zoom_out:", "Twice as wide", window.widened(now))
        _move("undo", ":material/undo:", "Back to the window before", before or window, disabled=before is None)
        if window.live:
            _move("hold", ":material/pause:", "Hold this picture", window.held(now))
        else:
            live = Window("1h", compare=window.compare, zone=window.zone)
            _move("live", ":material/play_arrow:", "Back to the last hour, live", live)


def _move(name: str, icon: str, help: str, window: Window, *, disabled: bool = False) -> None:
    st.button(
        "", key=f"bar-{name}", icon=icon, help=help, type="tertiary", disabled=disabled, on_click=context.show,
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
