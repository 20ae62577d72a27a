"""The statements of a window: the verdict in words, load over time, the table, what moved, and what changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from analysis.diagnosis import Diagnosis
from analysis.verdict import Status, in_words
from ui import address, charts, context, diagnoses, format, menu, tab, tables, theme
from ui.clean import inert
from ui.panel import About
from ui.parts import all_well
from ui.series_panel import plot
from ui.tables import Column
from ui.theme import STATUS
from views.database.rules.statements import OTHERS

if TYPE_CHECKING:
    from collectors.advice import Advice
    from collectors.span import Span
    from views.database.statements.detail import Verdict
    from views.database.statements.parts import Change, Statement, Statements, Sums

QUERY, FIND = "query", "find"
"""Names of the choices in the address: the opened statement, and the words that the table is searched for."""

MOST_MOVED = 20
MOST_CHANGES = 5

BROKEN_SHARE = 0.3
"""Share of the load from which a statement that lasts in being slower is more than a risk."""


def opened() -> int | None:
    """The statement that is opened; ``None`` where the address names none."""
    return address.integer(QUERY, *address.BIGINT) or None


def searched() -> str:
    """What the table is searched for, with the field drawn."""
    now = address.text(FIND, 200)
    key = f"database-queries-find-{now}"

    def chosen() -> None:
        context.change(**{FIND: st.session_state[key].strip()})

    st.text_input(
        "Search statements", value=now, key=key, on_change=chosen, max_chars=200, label_visibility="collapsed",
        placeholder="Search: words of the statement, a role or a database", icon=":material/search:",
    )  # fmt: skip
    return now


def verdict(found: Verdict, _span: Span) -> None:
    """The first row: which statement is the trouble, since when, and what would mend it."""
    if found.culprit is None:
        return
    status, sentence = _sentence(found)
    word = STATUS[status]
    tab.mark(status)
    st.markdown(f"### :{word.markdown}[{word.icon}] {inert(sentence, 600)}", anchors=False)
    if found.hint is not None:
        mark = STATUS["risk"]
        st.markdown(f":{mark.markdown}[{mark.icon}] {inert(_short_hint(found), 700)}")
    others = [one for one in found.found.changes if one is not found.change]
    for change in others[: MOST_CHANGES - 1]:
        mark = STATUS["unknown" if change.until is not None else "risk"]
        st.markdown(f":{mark.markdown}[{mark.icon}] {inert(told(change), 500)}")
    with st.container(horizontal=True, gap="small"):
        _open_button(found.culprit, "verdict", "Look at this statement")
    _figures(found.found)


def _short_hint(found: Verdict) -> str:
    hint = found.hint
    if hint is None:
        return ""
    mend = " ".join(line for line in hint.mend.splitlines() if not line.startswith("--"))
    return hint.text + (f" Candidate: {mend}" if mend else "")


def _sentence(found: Verdict) -> tuple[Status, str]:
    culprit, change = found.culprit, found.change
    if culprit is None:
        return "unknown", "Nothing was counted in this window."
    if change is None:
        mean = format.value(culprit.sums.mean, "s")
        told_ = (
            f"{_named(culprit)} takes {format.value(culprit.share, 'ratio')} of the database's time in this window, "
            f"mean {mean}"
        )
        if found.hint is not None and found.hint.mend:
            return "risk", f"{told_}."
        return "ok", told_ + ("." if found.found.changes else "; no statement became slower or is new.")
    status: Status = "ok" if change.until is not None else "risk"
    if change.until is None and culprit.share >= BROKEN_SHARE:
        status = "broken"
    return status, told(change)


def told(change: Change) -> str:
    """A change as a sentence; foreign."""
    one, tz = change.statement, context.current().tz
    share = format.value(one.share, "ratio")
    since = format.timestamp(change.since, tz)
    cause = f", after {change.cause.title}" if change.cause is not None else ""
    over = f", over since {format.timestamp(change.until, tz)}" if change.until is not None else ""
    takes_word = "took" if change.until is not None else "takes"
    takes = f"{_named(one)} {takes_word} {share} of the database's time"
    if change.kind == "new":
        last = f", last seen {format.timestamp(change.until, tz)}" if change.until is not None else ""
        is_new = "was" if change.until is not None else "is"
        return f"{takes} and {is_new} new at {since}{cause}: mean {format.value(change.after, 's')}{last}."
    times = in_words(change.after / change.before) if change.before else "many times"
    if change.kind == "slower":
        mean = f"mean {format.value(change.after, 's')}, {times} its mean before ({format.value(change.before, 's')})"
        return f"{takes}: {mean}, since {since}{cause}{over}."
    often = f"called {format.value(change.after, 'calls/s')}, {times} as often as before"
    return f"{takes}: {often} ({format.value(change.before, 'calls/s')}), since {since}{cause}{over}."


def _named(one: Statement) -> str:
    return f"“{one.short}”"


def _figures(found: Statements) -> None:
    total, seconds, before = found.total, found.seconds, found.compared
    trend = found.load.sum(axis=1, min_count=1) if len(found.load.columns) else None

    def rate(sums: Sums | None, name: str) -> float | None:
        return getattr(sums, name) / seconds if sums is not None and seconds else None

    shown: list[tuple[str, float | None, float | None, str, str, object]] = [
        ("Statements", rate(total, "calls"), rate(before, "calls"), "1/s", "Statements that ended, a second.", None),
        (
            "Load", rate(total, "seconds"), rate(before, "seconds"), "",
            "Seconds of execution a second: as many sessions ran a statement at once, on the mean.", trend,
        ),
        (
            "Mean time", total.mean, before.mean if before else None, "s", "Time of execution a call.", None,
        ),
        (
            "Found in memory", total.hit_share, before.hit_share if before else None, "ratio",
            "Share of blocks that were in the server's own memory; the others came from the system's, or from disk.",
            None,
        ),
        ("Temporary files", rate(total, "temp"), rate(before, "temp"), "B/s", "Written, a second.", None),
        ("WAL", rate(total, "wal"), rate(before, "wal"), "B/s", "Write-ahead log written, a second.", None),
    ]  # fmt: skip
    with st.grid(len(shown), min_column_width=140):
        for title, now, earlier, unit, help_, line in shown:
            delta = f"{format.change(now, earlier)} to before" if earlier and now is not None else None
            st.metric(
                title,
                format.value(now, unit),
                delta,
                delta_color="off",
                delta_arrow="off",
                help=help_,
                border=True,
                height=130,
                chart_data=(charts.sparkline(line) or None) if isinstance(line, pd.Series) else None,
            )


def load(found: Statements, span: Span) -> None:
    """Time of execution by statement over the window."""
    visit = context.current()
    window = (span.start, span.end)
    names = {str(one.query_id): one.short for one in found.found} | {str(OTHERS): "all others"}
    labels = _told_apart({column: names.get(column, column) for column in found.load.columns})
    figure = charts.stacked(
        found.load,
        unit="",
        window=window,
        names=labels,
        colours=_colours(labels, visit.theme),
        events=found.events,
        tz=visit.tz,
        height=300,
        theme=visit.theme,
    )
    plot("database-queries-load", figure, window, alt="Seconds of execution a second by statement, over time")


def _colours(labels: Mapping[str, str], look: theme.Theme) -> dict[str, str]:
    """A colour for each column; that of the others belongs to no statement."""
    rest = theme.series("slate", look)
    dealt = theme.colours_of([label for column, label in labels.items() if column != str(OTHERS)], look)
    free = [colour for name in theme.DEALT if (colour := theme.series(name, look)) not in {rest, *dealt.values()}]
    return {
        column: rest if column == str(OTHERS) else free[0] if dealt[label] == rest else dealt[label]
        for column, label in labels.items()
    }


_LEGEND = 56
"""Characters of a statement in the legend."""


def _told_apart(names: Mapping[str, str]) -> dict[str, str]:
    """Names of which each is there once: a second one of the same words gets its number."""
    seen: set[str] = set()
    found = {}
    for key, whole in names.items():
        name = whole if len(whole) <= _LEGEND else whole[: _LEGEND - 1].rstrip() + "…"
        found[key] = f"{name} ({key[-4:]})" if name in seen else name
        seen.add(name)
    return found


def table(found: Statements, _span: Span, *, words: str) -> None:
    """The statements, the one that takes most time first; a click opens one."""
    chosen = [one for one in found.found if _matches(one, words)]
    if not chosen:
        st.caption("No statement of this window matches the search." if words else "No statement ran in this window.")
        return
    frame = pd.DataFrame([_row(one) for one in chosen])
    _openable(
        frame,
        [
            Column("statement", "Statement", width=430, limit=300),
            Column("share", "Share of load", "number", unit="ratio", width=95, help="Of the time of all statements."),
            Column("trend", "Over the window", "sparkline", width=130, help="Seconds of execution a second."),
            Column("calls", "Calls", "number", unit="count", width=80),
            Column("mean", "Mean", "number", unit="ms", width=95, help="Time of execution a call."),
            Column("seconds", "Total", "number", unit="s", width=90, help="Time of execution over the window."),
            Column("rows", "Rows a call", "number", unit="count", width=90),
            Column("hits", "In memory", "number", unit="ratio", width=85, help="Blocks found in the server's memory."),
            Column("read", "Read", "number", unit="B", width=85, help="Blocks that were not in the server's memory."),
            Column("temp", "Temp", "number", unit="B", width=75, help="Temporary files written."),
            Column("wal", "WAL", "number", unit="B", width=85),
            Column("user", "Role", width=110),
            Column("text", "Text", width="large", limit=500),
        ],
        "database-queries-table",
        alt="Statements with their share of the load",
    )
    left = [f"and {found.left_out:,} statements with less time"] if found.left_out else []
    if found.others.calls:
        share = found.others.seconds / found.total.seconds if found.total.seconds else 0.0
        left.append(f"others together: {format.value(share, 'ratio')}, {format.count(found.others.calls)} calls")
    if left:
        st.caption("; ".join(left))


def _matches(one: Statement, words: str) -> bool:
    about = f"{one.text} {' '.join(one.users)} {' '.join(one.databases)} {one.query_id}".lower()
    return all(word in about for word in words.lower().split())


def _row(one: Statement) -> dict[str, object]:
    sums = one.sums
    return {
        "query_id": one.query_id,
        "statement": one.short,
        "text": " ".join(one.text.split()),
        "share": one.share,
        "calls": sums.calls,
        "mean": sums.mean * 1000 if sums.mean is not None else None,
        "seconds": sums.seconds,
        "rows": sums.rows / sums.calls if sums.calls else None,
        "hits": sums.hit_share,
        "read": sums.blocks_read * _BLOCK,
        "temp": sums.temp,
        "wal": sums.wal,
        "trend": list(one.trend),
        "user": ", ".join(one.users),
    }


_BLOCK = 8192


def moved(found: Statements, _span: Span) -> None:
    """What moved most against the period that the page compares with."""
    rows = []
    for one in found.found:
        if one.earlier is None or not found.seconds:
            continue
        rows.append(
            {
                "query_id": one.query_id,
                "statement": one.short,
                "moved": (one.sums.seconds - one.earlier.seconds) / found.seconds,
                "load": one.sums.seconds / found.seconds,
                "load_before": one.earlier.seconds / found.seconds,
                "mean": one.sums.mean * 1000 if one.sums.mean is not None else None,
                "mean_before": one.earlier.mean * 1000 if one.earlier.mean is not None else None,
                "rate": one.sums.calls / found.seconds,
                "rate_before": one.earlier.calls / found.seconds,
            }
        )
    rows.sort(key=lambda row: -abs(float(str(row["moved"]))))
    if not rows:
        st.caption("Nothing was counted in the period that the page compares with.")
        return
    _openable(
        pd.DataFrame(rows[:MOST_MOVED]),
        [
            Column("statement", "Statement", width=480, limit=300),
            Column("moved", "Load moved", "number", width=100, help="Seconds of execution a second, more than before."),
            Column("load", "Load", "number", width=80),
            Column("load_before", "before", "number", width=80),
            Column("mean", "Mean", "number", unit="ms", width=95),
            Column("mean_before", "before", "number", unit="ms", width=95),
            Column("rate", "Calls", "number", unit="1/s", width=85),
            Column("rate_before", "before", "number", unit="1/s", width=85),
        ],
        "database-queries-moved",
        alt="Statements by how much their load moved",
    )


def changed(found: Statements, _span: Span) -> None:
    """What is not as it was: each with the deploy before it, and a way to the statement."""
    if not found.changes:
        all_well("No statement of weight became slower, is called more often or is new.")
        return
    for place, change in enumerate(found.changes[:12]):
        mark = STATUS["unknown" if change.until is not None else "risk"]
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f":{mark.markdown}[{mark.icon}] {inert(told(change), 500)}", width="stretch")
            _open_button(change.statement, f"changed-{place}", "Open")


def _open_button(one: Statement, name: str, label: str) -> None:
    st.button(
        label,
        key=f"database-queries-{name}-{one.query_id}",
        icon=":material/arrow_forward:",
        type="tertiary",
        on_click=context.change,
        kwargs={QUERY: str(one.query_id)},
    )


def _openable(frame: pd.DataFrame, columns: Sequence[Column], name: str, *, alt: str) -> None:
    """A table of statements, of which a click opens one; ``frame`` has a column ``query_id``."""
    # A new table with each opened statement, so that the click's mark goes with it.
    key = f"{name}-{opened() or 0}"
    drawn = f"{name} drawn"
    st.session_state[drawn] = [int(number) for number in frame["query_id"]]

    def clicked() -> None:
        ids = st.session_state[drawn]
        row = tables.chosen(key, len(ids))
        if row is not None:
            context.change(**{QUERY: str(ids[row])})

    tables.table(frame, columns=columns, key=key, on_select=clicked, tz=context.current().tz, alt=alt)


def about(found: Statements, _span: Span) -> About:
    """How the figures come about."""
    since, until, tz = found.since, found.until, context.current().tz
    watched = ""
    if since is not None and until is not None:
        first, last = format.timestamp(since, tz), format.timestamp(until, tz)
        watched = f" Watched here: from {first} to {last}, {format.duration(found.seconds)} in all."
    return About(
        "The counters of pg_stat_statements are looked at every minute, and differences are added up: what is shown "
        "was gained in this window. Texts are normalised by the server: $1 stands for a value." + watched,
        ("SELECT … FROM pg_stat_statements(false)",),
        found.remarks,
    )


def about_verdict(found: Verdict, span: Span) -> About:
    """How the verdict comes about."""
    return about(found.found, span)


def about_changes(_found: Statements, _span: Span) -> About:
    """What counts as a change."""
    return About(
        "A statement with at least 1 % of the load whose mean grew to 1.5 times and more, or that is called twice as "
        "often and more, against the samples before it from an hour before the window on; nearly every sample must lie "
        "above those before (Mann-Whitney), so a few slow calls are none. New is what was first seen in this window. "
        "A deploy within 15 minutes before is named."
    )


def why_empty(found: Statements) -> str:
    """Why there is nothing to show; an empty text where there is something."""
    if found.found or found.others.calls:
        return ""
    if not found.seconds:
        return (
            "No sample of this window is kept: what statements gained is known from the console's second look on, one "
            "minute after its worker began."
        )
    return "No statement ran in this window."


def why_no_verdict(found: Verdict) -> str:
    """The same for the verdict."""
    return why_empty(found.found)


def findings(found: Sequence[Diagnosis], advice: Mapping[str, Advice], *, well: str) -> None:
    """What is worth a word about a plan, each with its reason and runbook."""
    diagnoses.diagnoses(found, advice, well=well)


def load_link(query_id: int) -> None:
    """A way to the sessions that ran a statement in this window."""
    visit = context.current()
    params = {**visit.params(), "part": "load", QUERY: str(query_id)}
    menu.link("database", "Its waits and sessions", icon=":material/stacked_bar_chart:", params=params)
