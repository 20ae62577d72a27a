"""The parts of Cache: verdict with figures, charts of samples, tables, keys, what a flush would cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from analysis.diagnosis import overall, worst_first
from analysis.series import Series
from analysis.verdict import Status, in_words
from collectors.cache import Answer
from collectors.span import Span
from ui import charts, context, format, tab, tables
from ui import panel as panels
from ui.clean import inert
from ui.diagnoses import diagnoses
from ui.panel import About
from ui.series_panel import plot
from ui.tables import Column
from ui.theme import STATUS
from views.cache.rules.keys import Estimate

if TYPE_CHECKING:
    from collectors.advice import Advice
    from views.cache.flush import Flush, Past
    from views.cache.rules.diagnoses import FlushCost
    from views.cache.tables import Keys, Row, SlowLog
    from views.cache.view import Figure, Verdict

TILE_HEIGHT = 150
ROWS, TABLE_HEIGHT = 8, 318
"""Rows of a table that are shown at once, and the height of such a table in pixels."""

LOOK_EVERY = 60
"""Seconds within which all who ask for a look at the keys of a large instance get the same one."""

LOOK_HOLDS = 3600.0
"""Seconds for which a look that was asked for is shown; later there is the button again."""

LoadSeries = Callable[[Span, Span | None], Answer[Series]]

NO_SAMPLES = (
    "Nothing is known of this window: what a cache did is the difference of two samples, and the worker keeps one a "
    "minute."
)


def samples_panel(key: str, load: LoadSeries, *, title: str, height: int = 240, stacked: bool = False) -> None:
    """A chart of samples over the page's window.

    Args:
        key: Name of the panel on its page.
        load: Asks for the series of a span, and of an earlier one where the page compares.
        title: Heading.
        height: Of the chart in pixels.
        stacked: Whether the series are parts of a whole.
    """
    visit = context.current()

    def draw(series: Series, span: Span) -> None:
        window = (span.start, span.end)
        common = {"unit": series.unit, "window": window, "events": series.events, "tz": visit.tz, "height": height}
        if stacked:
            figure = charts.stacked(series.frame, **common, theme=visit.theme)  # type: ignore[arg-type]
        else:
            figure = charts.timeseries(
                series.frame, **common, previous=series.previous, theme=visit.theme  # type: ignore[arg-type]
            )  # fmt: skip
        plot(f"{visit.page}-{key}", figure, window, alt=f"{title} over time")

    panels.panel(
        key,
        lambda span: load(span, context.current().earlier(span)),
        draw,
        title=title,
        height=height,
        empty=lambda series: " ".join([NO_SAMPLES, *series.remarks]) if series.empty else "",
        about=lambda series, _: About(series.help, (), series.remarks),
    )


def verdict(advice: Mapping[str, Advice]) -> Callable[[Verdict, Span], None]:
    """The first row: how the cache does in a sentence, the figures behind it, and what is wrong with it.

    Args:
        advice: What is known about each kind of diagnosis.
    """

    def draw(found: Verdict, _span: Span) -> None:
        status, words = sentence(found)
        word = STATUS[status]
        tab.mark(status)
        st.markdown(f"### :{word.markdown}[{word.icon}] {inert(words, 500)}", anchors=False)
        with st.grid(len(found.figures), min_column_width=150):
            for one in found.figures:
                _figure(one)
        diagnoses(found.diagnoses, advice)

    return draw


def sentence(found: Verdict) -> tuple[Status, str]:
    """The verdict in words; of a cache that does not answer now nothing is called well, whatever it was before."""
    ordered = worst_first(found.diagnoses)
    if found.silent:
        before = f" Before: {ordered[0].text}" if ordered else ""
        status = overall(found.diagnoses) if ordered else "unknown"
        return status, f"The cache {found.silent}. The figures are those of before.{before}"
    if ordered:
        # The sentences of diagnoses are written for the moment that they are about, which here is not now.
        return overall(found.diagnoses), f"In this window: {ordered[0].text}" if found.past else ordered[0].text
    return "ok" if found.covered else "unknown", _well(found)


def _well(found: Verdict) -> str:
    state = found.state
    used = format.value(state.used, "B")
    room = f"{used} of {format.value(state.limit, 'B')}" if state.limit else used
    if found.past:
        return _was_well(found, room)
    if not found.covered:
        return f"It answers and holds {room}; what it did within this window is not known yet."
    if state.share is None:
        return f"Nothing was looked up in this window; it holds {room}."
    evicts = "evicts nothing" if not state.evicted else f"evicted {format.value(state.evicted, 'keys/s')}"
    share, lookups = format.value(state.share, "ratio"), format.value(state.lookups, "look-ups/s")
    return f"The cache answers {share} of {lookups}, holds {room} and {evicts}."


def _was_well(found: Verdict, room: str) -> str:
    """The same of a window of the past: what its samples tell, and nothing of now."""
    state = found.state
    held = f"it held {room} at its end" if state.used is not None else ""
    if not found.covered:
        unknown = "What the cache did within this window is not known: there are too few samples of it"
        return f"{unknown}; {held}." if held else f"{unknown}."
    if state.share is None:
        return f"Nothing was looked up in this window; {held}."
    evicted = "evicted nothing" if not state.evicted else f"evicted {format.value(state.evicted, 'keys/s')}"
    share, lookups = format.value(state.share, "ratio"), format.value(state.lookups, "look-ups/s")
    return f"The cache answered {share} of {lookups}, held {room} and {evicted}."


def _figure(one: Figure) -> None:
    status = STATUS[one.status]
    fine = one.status in ("ok", "unknown")
    st.metric(
        one.title,
        format.value(one.value, one.unit),
        inert(one.beside) or None,
        delta_color="off",
        delta_arrow="off",
        icon=None if fine else status.icon,
        help=one.help,
        chart_data=charts.sparkline(one.trend) or None,
        chart_type="line",
        border=True,
        height=TILE_HEIGHT,
    )


def about_verdict(found: Verdict, _span: Span) -> About:
    """How the verdict comes about."""
    return About(
        f"Made of INFO of {found.product or 'the cache'} and of the samples of it.", ("INFO all",), found.remarks
    )


def commands(frame: pd.DataFrame, _span: Span) -> None:
    """What each command did within the window."""
    tables.table(
        frame,
        columns=[
            Column("command", "Command", width=140),
            Column(
                "share", "Share of time", "number", unit="ratio", width=110, help="Of the server's time for commands."
            ),
            Column("rate", "Calls", "number", unit="1/s", width=90),
            Column("mean", "Mean", "number", unit="s", width=90),
            Column("p50", "p50 ≤", "number", unit="s", width=90),
            Column("p99", "p99 ≤", "number", unit="s", width=90, help="Bounds are a factor of two apart."),
            Column("p99.9", "p99.9 ≤", "number", unit="s", width=90),
            Column("failed", "Failed", "number", unit="ratio", width=80, help="Since the counters began."),
        ],
        key="cache-commands",
        height=TABLE_HEIGHT if len(frame) > ROWS else None,
        alt="Commands by the time that they took",
    )


def why_no_commands(frame: pd.DataFrame) -> str:
    """Why no command is listed; an empty text where one is."""
    return "" if len(frame) else NO_SAMPLES


def slow_log(found: SlowLog, _span: Span) -> None:
    """The slow log, newest first."""
    tables.table(
        found.rows,
        columns=[
            Column("time", "Time", "time", width=170),
            Column("took", "Took", "number", unit="s", width=80),
            Column("command", "Command"),
            Column("client", "From", width=150),
            Column("name", "Name", width=120),
        ],
        key="cache-slow",
        height=280 if len(found.rows) > ROWS else None,
        alt="Slow commands",
    )


def why_no_slow(found: SlowLog) -> str:
    """Why no slow command is listed; an empty text where one is."""
    if len(found.rows):
        return ""
    if found.threshold is None:
        return f"No slow command is noted. {found.remark}"
    if found.threshold < 0:
        return "The slow log is off: CONFIG SET slowlog-log-slower-than 10000 notes commands of 10 ms and more."
    return f"No command took {format.value(found.threshold, 's')} or longer since the log was begun."


def about_slow(found: SlowLog, _span: Span) -> About:
    """What the slow log is."""
    limit = f"of {format.value(found.threshold, 's')} and more" if found.threshold is not None else ""
    return About(
        f"Commands {limit}, by the server's own clock: without waiting in line and without the network. Values are "
        "never "
        "shown, and names of keys only to those who may see identifiers.",
        ("SLOWLOG GET 128",),
        (found.remark,) if found.remark else (),
    )


def clients(frame: pd.DataFrame, _span: Span) -> None:
    """Who is connected, by name and place."""
    tables.table(
        frame,
        columns=[
            Column("name", "Name", width=130),
            Column("host", "From", width=130),
            Column("user", "User", width=90),
            Column("connections", "Connections", "number", unit="count", width=100),
            Column(
                "blocked", "Blocked", "number", unit="count", width=80, help="They wait in a command such as BLPOP."
            ),
            Column("memory", "Memory", "number", unit="B", width=90),
            Column("idle", "Longest idle", "number", unit="s", width=100),
            Column("command", "Last command", width=110),
        ],
        key="cache-clients",
        alt="Clients by name and address",
    )


def safety(rows: list[Row], _span: Span) -> None:
    """Replication and persistence, a line each."""
    for row in rows:
        word = STATUS[row.status]
        text = row.text[:1].upper() + row.text[1:]
        st.markdown(f":{word.markdown}[{word.icon}] **{inert(row.subject, 120)}** {inert(text, 400)}")


# Keys


def asked_look() -> str:
    """When this session asked for a look at a large instance; empty where it did not, or too long ago.

    It is not in the address: a link would make the cache work for whoever opens it.
    """
    asked = st.session_state.get(_look_key())
    return str(asked) if asked is not None and 0 <= time.time() - asked <= LOOK_HOLDS else ""


def _ask_for_look() -> None:
    # All who ask within the same minute get the same look, so that no two run at a time.
    st.session_state[_look_key()] = int(time.time()) // LOOK_EVERY * LOOK_EVERY
    context.run_again()


def _look_key() -> str:
    return f"cache-look-asked-{context.current().environment}"


def _look_button(label: str) -> None:
    st.button(
        label, key=f"cache-{label}", icon=":material/search:", on_click=_ask_for_look,
        help="One look, by SCAN in steps of 100 keys; it is not repeated by itself.",
    )  # fmt: skip


def keys(advice: Mapping[str, Advice]) -> Callable[[Keys, Span], None]:
    """What a look at some keys says about all of them: by prefix, the largest ones, those without an end.

    Args:
        advice: What is known about each kind of diagnosis.
    """

    def draw(found: Keys, _span: Span) -> None:
        total = format.count(found.total)
        if found.forever is not None and found.total:
            share = format.value(found.forever / found.total, "ratio")
            st.markdown(f"{total} keys, {format.count(found.forever)} of them ({share}) without a time to live.")
        if found.why_not == "large":
            st.markdown(f"This instance has more than {format.count(found.limit)} keys and is not looked at unasked.")
            _look_button(f"Look at {format.exact(found.most)} of its keys")
            return
        sampled = "all of them" if found.whole else f"{format.exact(found.seen)} of them, drawn by SCAN"
        st.caption(f"Looked at {sampled}." + ("" if found.whole else " Ranges hold at a confidence of 95 %."))
        if found.total > found.limit:
            _look_button("Look again")
        diagnoses(found.diagnoses, advice)
        _prefixes(found)
        _biggest(found)

    return draw


def _prefixes(found: Keys) -> None:
    frame = pd.DataFrame(
        [
            {
                "name": one.name,
                "keys": _between(one.keys, "count"),
                "size": _between(one.size, "B"),
                "forever": _between(one.forever, "ratio"),
                "lives": one.lives,
                "kinds": ", ".join(one.kinds),
            }
            for one in found.prefixes
        ]
    )
    tables.table(
        frame,
        columns=[
            Column("name", "Keys", width=200),
            Column("keys", "Number", width=210),
            Column("size", "Bytes", width=260),
            Column("forever", "Without end", width=200, help="Share of the keys that have no time to live."),
            Column(
                "lives", "Left to live", "number", unit="s", width=110, help="The middle of those that have an end."
            ),
            Column("kinds", "Type", width=110),
        ],
        key="cache-prefixes",
        height=TABLE_HEIGHT if len(frame) > ROWS else None,
        alt="Keys by prefix",
    )


def _biggest(found: Keys) -> None:
    tables.table(
        found.biggest,
        columns=[
            Column("key", "Largest that were seen"),
            Column("kind", "Type", width=70),
            Column("size", "Bytes", "number", unit="B", width=90, help="MEMORY USAGE with five samples."),
            Column("ttl", "Left to live", "number", unit="s", width=90),
            Column("ends", "Ends", width=60),
        ],
        key="cache-biggest",
        height=TABLE_HEIGHT if len(found.biggest) > ROWS else None,
        alt="The largest keys that were seen",
    )


def _between(found: Estimate | None, unit: str) -> str:
    """An estimate with its bounds; the value alone where it is certain."""
    if found is None:
        return format.UNKNOWN
    whole = round if unit == "count" else float
    value, low, high = (format.value(whole(one), unit) for one in (found.value, found.low, found.high))
    return value if low == high else f"{value} ({low} to {high})"


def why_no_keys(found: Keys) -> str:
    """Why there is no table of keys; an empty text where there is one, or a button."""
    if found.why_not == "off":
        return "The look at the keys is switched off: sample_keys of this source is 0."
    return "" if found.total or found.why_not else "The service's database holds no key."


def about_keys(found: Keys, _span: Span) -> About:
    """What the look at the keys is."""
    return About(
        f"At most {format.exact(found.most)} keys, by SCAN in steps of 100 and never by KEYS, with type, time to "
        "live and "
        "size of each. SCAN walks a hash table in which a key's place does not depend on its name, so its first keys "
        "stand for all. A few very large keys among many small ones are easily missed. At most one look in ten "
        "minutes.",
        ("SCAN … COUNT 100", "TYPE, PTTL, MEMORY USAGE … SAMPLES 5"),
        found.remarks,
    )


# What a flush would cost


def flush(found: Flush, _span: Span) -> None:
    """What a flush would cost in a sentence, the formula beside it, and what earlier ones did."""
    cost = found.cost
    if cost is not None:
        _cost(cost, found)
    elif found.looked_up is None:
        st.markdown(
            "What a flush would have cost in this window is not known: there are too few samples of it."
            if found.of_past
            else "What a flush would cost is not known yet: there are too few samples of this window."
        )
    else:
        then = "have sent" if found.of_past else "send"
        st.markdown(
            f"Nothing was found in the cache in this window, so a flush would {then} nothing more to the database."
        )
    told = _measured(found)
    if told:
        st.caption(inert(told, 300))
    for error in found.failures:
        when = "did then" if found.of_past else "does now"
        st.caption(inert(f"What the database {when} is not known: {error.source} {error.what}.", 300))
    _earlier(found)


def _cost(cost: FlushCost, found: Flush) -> None:
    """What it would cost now, or would have cost at the time of the window."""
    past = found.of_past
    then = ""
    if cost.reads_then is not None and cost.times is not None:
        then = (
            f": its {format.value(cost.reads_now, 'reads/s')} would {'have become' if past else 'become'} "
            f"{format.value(cost.reads_then, 'reads/s')} "
            f"({in_words(cost.times)})"
        )
    st.markdown(
        f"{'A flush in this window would have sent' if past else 'A flush now would send'} up to "
        f"**{inert(format.value(cost.hits, '1/s'))}** more reads to the database"
        f"{inert(then, 200)}. Half of the hit ratio {'would have been' if past else 'is'} back after about "
        f"{inert(format.duration(cost.half))}, nine tenths after {inert(format.duration(cost.most))}."
    )
    st.code(
        f"more reads  = hits = {format.value(cost.hits, '1/s')}\n"
        f"half back   = ln 2 × keys ÷ look-ups = "
        f"0.69 × {format.count(cost.keys)} ÷ {format.value(cost.lookups, '1/s')}\n"
        f"9/10 back   = ln 10 × keys ÷ look-ups",
        language=None,
        wrap_lines=True,
    )


def _measured(found: Flush) -> str:
    """How the database fared: now, or in a window of the past in its middle or at its worst; empty if not known."""
    named = (("search p95", found.search), ("the connection pool's use", found.pool))
    told = []
    for name, reading in named:
        if reading is None or reading.now is None:
            continue
        value = format.value(reading.now, reading.unit)
        if not found.of_past:
            told.append(f"{name} is {value}")
        else:
            told.append(f"{name} was {value} {'at its worst' if reading.until is not None else 'as a rule'}")
    if not told:
        return ""
    return f"{'In this window' if found.of_past else 'Now'} {' and '.join(told)}."


def _earlier(found: Flush) -> None:
    tz = context.current().tz
    if found.since is None:
        return
    since = format.timestamp(found.since, tz, date=True)
    if found.of_past and found.since >= found.until:
        st.caption(f"Whether it was emptied up to the end of this window is not known: samples begin at {since}.")
        return
    if not found.past and found.of_past:
        until = format.timestamp(found.until, tz, date=True)
        st.caption(f"It was not emptied from {since}, when the samples begin, to {until}.")
    elif not found.past:
        st.caption(f"It was not emptied since {since}, when the samples begin.")
    for one in found.past:
        st.markdown(f":material/history: {inert(_past(one), 600)}")


_WHAT = {"flush": "It was flushed", "restart": "It was started without its keys", "gone": "Its keys were deleted"}


def _past(one: Past) -> str:
    event, tz = one.emptied, context.current().tz
    parts = [f"{_WHAT[event.kind]} at {format.timestamp(event.moment, tz, date=True)}"]
    if one.reads_before is not None and one.reads_highest is not None:
        before, highest = (format.value(value, "reads/s") for value in (one.reads_before, one.reads_highest))
        parts.append(f"the database went from {before} to as many as {highest}")
    if one.search_before is not None and one.search_highest is not None:
        before, highest = (format.value(value, "s") for value in (one.search_before, one.search_highest))
        rose = one.search_highest > one.search_before
        parts.append(f"search p95 {f'from {before} to as much as {highest}' if rose else f'stayed below {before}'}")
    if event.refilled is not None:
        parts.append(f"the hit ratio was back after {format.duration(event.refilled - event.moment)}")
    return ", ".join(parts) + "."


def about_flush(_found: Flush, _span: Span) -> About:
    """How the cost comes about."""
    return About(
        "Hits of this window that would become reads of the database. Each read brings its key back, so with look-ups "
        "spread evenly the hit ratio grows as 1 - exp(-t · look-ups ÷ keys); uneven ones bring it back earlier. "
        "Look-ups "
        "of sessions are among them: those who are signed in would have to sign in again. Reads of the database are "
        "synaptic_storage_operations_total of operation_type read."
    )
