"""The load of the database over time: the verdict in words, the stacked chart, what it is made of."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from analysis import activity
from analysis.verdict import Status, before
from ui import charts, context, format, menu, tables
from ui import theme as looks
from ui.clean import clean, inert
from ui.database import PART
from ui.database_moments import AT
from ui.panel import About
from ui.series_panel import plot
from ui.tables import Column
from ui.theme import STATUS, Theme

if TYPE_CHECKING:
    from collectors.span import Span
    from records.activity import Blocking
    from views.database_load import Judged, OverTime, Parts

SPLIT = "by"
"""Name of the choice of the dimension in the address; what the page is narrowed to has the dimensions' own names."""

BROKEN = 2.0
"""How many times the processors may be active before it is more than at risk."""

MOST_OF_IT = 0.3
"""Share of the load from which on a query is named."""

AROUND = timedelta(minutes=1)
"""How much is shown before and after a time of much load when it is opened."""

HEIGHT = 340
ROWS = 8

_CLASS_COLOURS: Mapping[str, str] = {
    "CPU": "green", "IO": "blue", "Lock": "purple", "LWLock": "indigo", "BufferPin": "brown", "IPC": "sky",
    "Client": "olive", "Timeout": "slate", "Extension": "brown", activity.OTHER: "slate",
}  # fmt: skip
_SHADES = (0.0, 0.35, 0.6, 0.2, 0.5)
"""How far the events of one class are moved towards the page's background."""

HOUR = 3600
"""Seconds between two points from which on figures are told as those of an hour."""

_MEANS: Mapping[str, str] = {
    "CPU": "runs, or waits for a processor",
    "IO": "reads or writes",
    "Lock": "waits for a lock of another session",
    "LWLock": "waits for a lock of the server's own memory",
    "BufferPin": "waits for a page that another session has pinned",
    "IPC": "waits for another process of the server",
    "Client": "waits for its client",
    "Timeout": "sleeps",
}


def chosen_by(titles: Mapping[str, str]) -> str:
    """By what the load is told apart; the choice is in the address.

    Args:
        titles: Name in the address → title, in their order.
    """
    asked = st.query_params.get(SPLIT, "")
    now = asked if asked in titles else next(iter(titles))
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
        value = st.query_params.get(name, "")
        if name == "query":
            usable = value.removeprefix("-").isdecimal() and value.isascii() and len(value) <= 20
            if usable and -(2**63) <= int(value) < 2**63:
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


def verdict(found: Judged, span: Span) -> None:
    """The first row: is it too much, since when, what is it; with the figures behind it."""
    status, words = sentence(found)
    mark = STATUS[status]
    st.markdown(f"### :{mark.markdown}[{mark.icon}] {inert(words, 500)}", anchors=False)
    if found.stopped is not None:
        unknown = STATUS["unknown"]
        since = format.timestamp(found.stopped, context.current().tz, date=True)
        ago = format.ago(found.stopped, datetime.now(UTC))
        st.markdown(
            f":{unknown.markdown}[{unknown.icon} No samples since {since} ({ago}):] "
            f"{inert(found.why or 'no console has written any.', 400)}"
        )
    if found.worst is not None:
        _worst(found.worst)
    _ways(found)
    _figures(found, span)


def _worst(worst: Blocking) -> None:
    """The moment at which most sessions waited, with what was in front of them."""
    risk = STATUS["risk"]
    when = format.timestamp(worst.taken_at, context.current().tz, date=_other_day(worst.taken_at))
    many = f"{worst.waiting} session{'s' if worst.waiting != 1 else ''} waited for locks at {when}"
    front = clean(" ".join(worst.root.split()), 160)
    st.markdown(f":{risk.markdown}[{risk.icon}] {inert(many)}; in front of most of them: {inert(front)}")


def sentence(found: Judged) -> tuple[Status, str]:
    """The verdict in words."""
    load, tz = found.over_time, context.current().tz
    count = load.processors.count
    many = f"the {count} processors" if count != 1 else "its one processor"
    heavy, total = found.heavy, load.total
    last = total.dropna()
    status: Status = "ok"
    what = "This part of the load" if found.narrowed else "Load"
    by_hour = " (by the hour)" if load.step >= HOUR else ""
    if heavy is None:
        if last.empty:
            return "unknown", "Nothing is known about the load in this window."
        against = f", within {many}" if count is not None else "; how many processors it has is not known"
        return "ok", f"{what} is {_sessions(float(last.mean()))} on average{against}{_made_of(found)}."
    much = _sessions(heavy.load)
    if heavy.times > 1:
        much += f", {_times(heavy.times)} {many if count is not None else 'its usual'}"
    elif heavy.locked:
        much += f", {format.count(_rounded(heavy.locked))} of them waiting for locks"
    event = before(heavy.start, load.events)
    cause = f", after {event.title}" if event is not None else ""
    start = format.timestamp(heavy.start, tz, date=_other_day(heavy.start))
    if heavy.end is None:
        status = "broken" if heavy.times >= BROKEN else "risk"
        return status, f"{what} is {much}, since {start}{by_hour}{cause}{_made_of(found)}."
    after = total.loc[heavy.end :].dropna()
    now = f"{what} is {_sessions(float(after.mean()))} again" if len(after) else f"{what} is lower again"
    end = format.timestamp(heavy.end, tz, date=_other_day(heavy.end))
    return status, f"{now} since {end}, after {much}, from {start} on{by_hour}{cause}{_made_of(found)}."


def _other_day(moment: datetime) -> bool:
    return abs((datetime.now(UTC) - moment).total_seconds()) > 86400 / 2


def _made_of(found: Judged) -> str:
    """What most of it waits for, and which query it is."""
    waits, queries = found.parts.shares["wait"], found.parts.shares["query"]
    told = ""
    if len(waits):
        classes = waits["name"].map(activity.class_of)
        summed = waits.groupby(classes)["share"].sum()
        most = str(summed.idxmax())
        events = waits[classes.eq(most)]
        first = str(events.iloc[0]["name"])
        if most == activity.CPU:
            does = _MEANS[most]
        elif len(events) > 1 and most in _MEANS:
            does = f"{_MEANS[most]} (mostly {first})"
        else:
            does = f"waits for {first}"
        told = f"; {_percent(summed[most])} {does}"
    named = queries[queries["key"].ne("") & queries["key"].ne("0")]
    if len(named) and named.iloc[0]["share"] >= MOST_OF_IT:
        query = named.iloc[0]
        told += f"; {_percent(query['share'])} is {clean(query['name'], 90)}"
    return told


def _percent(share: float) -> str:
    return format.value(round(share, 2), "ratio")


def _rounded(number: float) -> float:
    return round(number, 2 if number < 1 else 1)


def _sessions(number: float) -> str:
    rounded = _rounded(number)
    return f"{format.count(rounded)} active session{'' if rounded == 1 else 's'}"


def _times(number: float) -> str:
    return f"{number:.0f}×" if number >= 10 else f"{number:.2g}×"


def _ways(found: Judged) -> None:
    """Links to what else is known of that time."""
    visit = context.current()
    window = visit.window
    if found.heavy is not None:
        now = datetime.now(UTC)
        end = found.heavy.end or now
        window = window.between(found.heavy.start - AROUND, min(end + AROUND, now))
    params = visit.params(window)
    with st.container(horizontal=True, gap="small"):
        if found.worst is not None:
            at = {**params, PART: "load", AT: found.worst.taken_at.isoformat()}
            menu.link("database", "Who waited for whom then", icon=":material/account_tree:", params=at)
        if found.heavy is not None:
            menu.link("database", "Only that time", icon=":material/zoom_in:", params={**params, PART: "load"})
        menu.link("database", "Queries of that time", params={**params, PART: "queries"})
        menu.link("database", "Who waits now", params={**visit.params(), PART: "now"})
        menu.link("logs", "Lines of that time", params=params)


def _figures(found: Judged, span: Span) -> None:
    load = found.over_time
    total = load.total
    known = total.dropna()
    cpu, locks = activity.in_classes(load.frame, "CPU"), activity.in_classes(load.frame, "Lock")
    tz = context.current().tz
    newest = float(known.iloc[-1]) if len(known) else None
    highest = float(known.max()) if len(known) else None
    when = (
        format.timestamp(pd.Timestamp(str(known.idxmax())).to_pydatetime(), tz, date=span.seconds > 86400)
        if len(known)
        else None
    )
    count = load.processors.count
    shown: list[tuple[str, str, str | None, str, pd.Series | None]] = [
        (
            _newest(span, load.step),
            _figure(newest),
            _against(newest, count),
            "Average active sessions in the newest stretch: sessions that ran or waited, by the number of looks.",
            total,
        ),
        ("Average", _figure(_mean(total)), None, "Average active sessions over the window.", None),
        ("Highest", _figure(highest), f"at {when}" if when else None, "The stretch with the most of them.", None),
        (
            "On a processor",
            _figure(_mean(cpu)),
            None,
            "Sessions that waited for nothing: they ran.",
            cpu,
        ),
        ("Waiting for locks", _figure(_mean(locks)), None, "Sessions that another one kept from a lock.", locks),
        (
            "Processors",
            format.count(count) if count is not None else format.UNKNOWN,
            None,
            load.processors.told,
            None,
        ),
    ]
    with st.grid(len(shown), min_column_width=140):
        for title, value, below, help_, trend in shown:
            st.metric(
                title,
                value,
                inert(below, 60) if below else None,
                delta_color="off",
                delta_arrow="off",
                help=inert(help_, 400),
                border=True,
                height=130,
                chart_data=(charts.sparkline(trend) or None) if trend is not None else None,
            )


def _newest(span: Span, step: int) -> str:
    if step >= HOUR:
        return "Newest hour"
    return "Now" if span.live else "At the end"


def _against(load: float | None, processors: int | None) -> str | None:
    if load is None or not processors:
        return None
    times = load / processors
    return f"{_times(times)} processors" if times >= 1 else f"{_percent(times)} of processors"


def _figure(number: float | None) -> str:
    return format.UNKNOWN if number is None else format.count(_rounded(number))


def _mean(series: pd.Series) -> float | None:
    known = series.dropna()
    return float(known.mean()) if len(known) else None


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
        legend=len(order), held=True, events=found.events, tz=visit.tz, height=HEIGHT, theme=visit.theme,
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


def why_no_verdict(found: Judged) -> str:
    """Why there is no verdict; an empty text where there is one."""
    return found.over_time.unknown


def why_no_parts(found: Parts) -> str:
    """Why there are no tables; an empty text where there are."""
    return found.unknown


def about_chart(found: OverTime, _span: Span) -> About:
    """What the chart shows and how it comes about."""
    meaning = "; ".join(f"{name} {words}" for name, words in _MEANS.items())
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
    asked = st.query_params.get(name, "")
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
