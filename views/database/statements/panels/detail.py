"""One statement: its history, who runs it, where it comes from, and how the database would run it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from ui import charts, context, format, menu, tables
from ui.clean import clean, inert
from ui.panel import About
from ui.series_panel import plot
from ui.tables import Column
from ui.theme import STATUS
from views.database.statements.panels import plan
from views.database.statements.panels import ranking as statements

if TYPE_CHECKING:
    from collectors.advice import Advice
    from collectors.span import Span
    from views.database.statements.detail import History, Plan

_SEARCHED = ("request_id", "trace_id", "operation", "component", "route", "controller", "action", "application")
"""Tags that lines of the log may have as well, the most exact one first."""


def back() -> None:
    """The way back to all statements."""
    st.button(
        "All statements",
        key="database-query-back",
        icon=":material/arrow_back:",
        type="tertiary",
        on_click=context.change,
        kwargs={statements.QUERY: ""},
    )


def told(found: History, _span: Span) -> None:
    """What the statement is and what it cost: a sentence, figures, the text, where it comes from."""
    total = found.total
    share = (
        f"{format.value(found.share, 'ratio')} of the database's time" if found.share is not None else "unknown time"
    )
    if total.calls:
        headline = f"“{found.short}” takes {share} in this window: {format.count(total.calls)} calls"
        headline += f", mean {format.value(total.mean, 's')}."
    else:
        headline = f"“{found.short}” is not known to have run in this window."
    st.markdown(f"### {inert(headline, 500)}", anchors=False)
    st.markdown(inert(_first_seen(found), 400))
    figures = [
        ("Calls", format.count(total.calls), "Over this window."),
        ("Mean", format.value(total.mean, "s"), "Time of execution a call."),
        ("Total", format.value(total.seconds, "s"), "Time of execution over this window."),
        (
            "Rows a call",
            format.count(total.rows / total.calls) if total.calls else format.UNKNOWN,
            "Returned or changed.",
        ),
        ("Found in memory", format.value(total.hit_share, "ratio"), "Share of blocks in the server's own memory."),
        ("Reading blocks", format.value(total.read_seconds, "s"), "Time; unknown without track_io_timing."),
    ]
    with st.grid(len(figures), min_column_width=130):
        for title, value, help_ in figures:
            st.metric(title, value, help=help_, border=True, height=100)
    if found.text:
        st.code(clean(formatted(found.text), 20_000, lines=True), language="sql", wrap_lines=True)
    else:
        st.caption("The server no longer has its text, and it was not kept.")
    _origin(found)


def _first_seen(found: History) -> str:
    tz = context.current().tz
    if found.first_seen is not None:
        moment = format.timestamp(found.first_seen, tz, date=True)
        if found.after is None:
            return f"First seen {moment}."
        later = format.duration(found.first_seen - found.after.time)
        return f"First seen {moment}, {later} after {found.after.title}."
    if found.since is None:
        return "When it was first seen is not known."
    return (
        f"It was there before the console looked for the first time ({format.timestamp(found.since, tz, date=True)})."
    )


def _origin(found: History) -> None:
    """Tags of its comments, and the ways to the log, the sessions and the tables."""
    visit = context.current()
    if found.tags:
        words = " · ".join(f"{clean(name, 60)}: {clean(value, 120)}" for name, value in found.tags.items())
        st.caption(f":material/sell: {inert('Its comment says: ' + words, 600)}")
    else:
        st.caption(":material/sell: It has no comment that says where it comes from (sqlcommenter or marginalia).")
    with st.container(horizontal=True, gap="small"):
        query = search_for(found.tags)
        if query:
            menu.link("logs", "Lines of what sent it", params={**visit.params(), "q": query})
        statements.load_link(found.query_id)
        for table in found.tables[:4]:
            _table_link(table)


def search_for(tags: Mapping[str, str]) -> str:
    """A search in the log for what sent a statement; empty where its tags name nothing that lines have.

    >>> search_for({"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
    'trace_id:"0af7651916cd43dd8448eb211c80319c"'
    >>> search_for({"component": "storage", "operation": "search"}), search_for({"db_driver": "x"})
    ('component:"storage" AND operation:"search"', '')
    """
    parts = str(tags.get("traceparent", "")).split("-")
    if len(parts) == 4 and len(parts[1]) == 32 and parts[1].isalnum():
        return f'trace_id:"{parts[1]}"'
    quoted = {name: tags[name].replace("\\", "\\\\").replace('"', '\\"') for name in _SEARCHED if tags.get(name)}
    for name in ("request_id", "trace_id"):
        if name in quoted:
            return f'{name}:"{quoted[name]}"'
    fields = [f'{name}:"{quoted[name]}"' for name in ("component", "operation") if name in quoted]
    if fields:
        return " AND ".join(fields)
    return f'"{next(iter(quoted.values()))}"' if quoted else ""


def _table_link(name: str) -> None:
    bare = name.rpartition(".")[2].strip('"')
    params = {**context.current().params(), "part": "tables", "table": bare}
    menu.link("database", inert(f"Table {bare}", 80), icon=":material/table:", params=params)


# Whatever may hold such words without meaning them comes first. Within brackets nothing is broken.
_PIECES = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|/\*.*?(?:\*/|\Z)|--[^\n]*|\((?:[^()]|\([^()]*\))*\)"
    r"|\b(?P<clause>FROM|WHERE|GROUP BY|HAVING|ORDER BY|LIMIT|OFFSET|RETURNING|VALUES|SET|ON CONFLICT|WINDOW|FOR UPDATE"
    r"|(?:(?:LEFT|RIGHT|FULL|INNER|CROSS)(?: OUTER)? )?JOIN|UNION(?: ALL)?)\b(?P<open>(?=\())?|\w+|.",
    re.IGNORECASE | re.DOTALL,
)


def formatted(text: str) -> str:
    """A statement with a line for each clause, where it is one long line; strings, names and comments stay as they are.

    >>> print(formatted("SELECT a, 'x FROM y' FROM t WHERE b = $1 ORDER BY a"))
    SELECT a, 'x FROM y'
    FROM t
    WHERE b = $1
    ORDER BY a
    """
    if "\n" in text.strip():
        # The first line lost its indent when the server took the statement out of what was sent.
        first, _, rest = text.strip().replace("\t", "    ").partition("\n")
        return f"{first}\n{textwrap.dedent(rest)}"
    parts: list[str] = []
    for piece in _PIECES.finditer(text.strip()):
        clause = piece["clause"]
        parts.append(f"\n{clause}" if clause and parts and not piece["open"] else piece[0])
    return "\n".join(line.rstrip(" ") for line in "".join(parts).split("\n"))


def history(found: History, span: Span) -> None:
    """Calls, mean time, rows and blocks over the window."""
    visit = context.current()
    window = (span.start, span.end)
    parts = (
        ("calls", "Calls a second", "1/s", ["calls"]),
        ("mean", "Mean time of execution", "s", ["mean"]),
        ("rows", "Rows a second", "1/s", ["rows"]),
        ("blocks", "Blocks a second, found in memory and read", "B/s", ["hit", "read"]),
    )
    columns = st.columns(2)
    for place, (name, title, unit, series) in enumerate(parts):
        with columns[place % 2]:
            st.caption(title)
            frame = found.frame[series]
            figure = charts.timeseries(
                frame,
                unit=unit,
                window=window,
                names={"hit": "found in memory", "read": "read"},
                events=found.events,
                tz=visit.tz,
                height=190,
                theme=visit.theme,
            )
            plot(f"database-query-{name}", figure, window, alt=f"{title} of this statement over time")
    runners = pd.DataFrame(
        [
            {
                "user": one.user,
                "database": one.database,
                "how": "itself" if one.toplevel else "within another",
                "calls": one.sums.calls,
                "mean": one.sums.mean,
                "seconds": one.sums.seconds,
            }
            for one in found.runners
        ]
    )
    if len(runners):
        tables.table(
            runners,
            columns=[
                Column("user", "Role", width="medium"),
                Column("database", "Database", width="medium"),
                Column("how", "Sent", help="By a client itself, or within a function or another statement."),
                Column("calls", "Calls", "number", unit="count"),
                Column("mean", "Mean", "number", unit="s"),
                Column("seconds", "Total", "number", unit="s"),
            ],
            key="database-query-runners",
            alt="Who ran this statement",
        )


def about_history(_found: History, _span: Span) -> About:
    """What the charts are made of."""
    return About(
        "Differences of the counters of pg_stat_statements between samples, spread over the time between them. Where "
        "it was not among the foremost statements of a sample it is drawn as zero: its part of the others is not known."
    )


def drawn_plan(found: Plan, _span: Span, *, advice: Mapping[str, Advice]) -> None:
    """The plan as a tree, what is worth a word about it, and the tables and indexes that it touches."""
    visit = context.current()
    mark = STATUS["risk"]
    figure, left_out = plan.tree(found.tree, visit.theme)
    st.plotly_chart(
        figure, key="database-query-plan", theme=None, config=charts.config("plan"),
        alt="The plan as a tree with the share of each node in the cost",
    )  # fmt: skip
    if left_out:
        st.caption(f"and {left_out:,} more nodes")
    st.caption(f":{mark.markdown}[◆] costs most. Costs are the planner's estimates; the statement was not run.")
    statements.findings(found.diagnoses, advice, well="Nothing about this plan is worth a word.")
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for _, table in found.tables[:6]:
            _table_link(table)
        if found.indexes:
            st.caption(inert("Indexes used: " + ", ".join(found.indexes[:12]), 400), width="content")
        else:
            st.caption("It uses no index.", width="content")


def plan_asked(query_id: int) -> bool:
    """Whether somebody asked for the plan of a statement in this session; before that only the button is shown.

    Planning may run functions that the statement calls, so a link alone never does it.
    """
    key = "database-query-plan-asked"
    if st.session_state.get(key) == query_id:
        return True
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        pressed = st.button("Show the plan", key="database-query-show-plan", icon=":material/account_tree:")
        st.caption(
            "How the database would run it now. Planning runs functions that the statement calls and that are marked "
            "IMMUTABLE, so it is done only for roles that the settings name, and only when asked for.",
            width="stretch",
        )
    if pressed:
        st.session_state[key] = query_id
        st.rerun()
    return False


def about_plan(found: Plan, _span: Span) -> About:
    """How the plan came about."""
    return About(
        "What the planner would do now, without values for the marks ($1): an average plan, which may differ from one "
        "for a certain value. It is asked as plan_user of the source, on a connection of its own, in a transaction "
        "that only reads and is rolled back. The statement itself is not run; functions that it calls and that are "
        "marked IMMUTABLE may be.",
        (found.statement,),
        tuple(
            f"{value} was put in the place of {mark}, because an index of the table has it there: the server had "
            "replaced it by a mark, with which no index on an expression could be recognised."
            for mark, value in found.constants.items()
        ),
    )
