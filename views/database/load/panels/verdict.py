"""The verdict about the load of the database: is it too much, since when, what is it; with the figures behind it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from analysis.verdict import Status, before
from ui import charts, context, format, menu, tab
from ui.clean import clean, inert
from ui.theme import STATUS, outdated
from views.database.load.panels.moments import AT
from views.database.panels import PART
from views.database.rules import activity

if TYPE_CHECKING:
    from collectors.span import Span
    from records.activity import Blocking
    from views.database.load.view import Judged

BROKEN = 2.0
"""How many times the processors may be active before it is more than at risk."""

MOST_OF_IT = 0.3
"""Share of the load from which on a query is named."""

AROUND = timedelta(minutes=1)
"""How much is shown before and after a time of much load when it is opened."""

HOUR = 3600
"""Seconds between two points from which on figures are told as those of an hour."""

MEANS: Mapping[str, str] = {
    "CPU": "runs, or waits for a processor",
    "IO": "reads or writes",
    "Lock": "waits for a lock of another session",
    "LWLock": "waits for a lock of the server's own memory",
    "BufferPin": "waits for a page that another session has pinned",
    "IPC": "waits for another process of the server",
    "Client": "waits for its client",
    "Timeout": "sleeps",
}
"""Class of waits → what its sessions do."""


def verdict(found: Judged, span: Span) -> None:
    """The first row: is it too much, since when, what is it; with the figures behind it."""
    status, words = sentence(found)
    with outdated() if found.stopped is not None else nullcontext():  # of now nothing is known
        mark = STATUS[status]
        tab.mark(status)
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
    when = format.timestamp(worst.taken_at, context.current().tz)
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
    start = format.timestamp(heavy.start, tz)
    if heavy.end is None:
        status = "broken" if heavy.times >= BROKEN else "risk"
        return status, f"{what} is {much}, since {start}{by_hour}{cause}{_made_of(found)}."
    after = total.loc[heavy.end :].dropna()
    now = f"{what} is {_sessions(float(after.mean()))} again" if len(after) else f"{what} is lower again"
    end = format.timestamp(heavy.end, tz)
    return status, f"{now} since {end}, after {much}, from {start} on{by_hour}{cause}{_made_of(found)}."


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
            does = MEANS[most]
        elif len(events) > 1 and most in MEANS:
            does = f"{MEANS[most]} (mostly {first})"
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
    when = format.timestamp(pd.Timestamp(str(known.idxmax())).to_pydatetime(), tz) if len(known) else None
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


def why_no_verdict(found: Judged) -> str:
    """Why there is no verdict; an empty text where there is one."""
    return found.over_time.unknown
