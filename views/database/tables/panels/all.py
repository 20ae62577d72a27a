"""Tables and indexes of the database: the verdict with its figures, sizes over time, and the tables of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from analysis.diagnosis import overall
from analysis.quantities import length
from ui import address, charts, context, diagnoses, format, tab, tables
from ui.clean import clean, inert
from ui.panel import About
from ui.series_panel import plot
from ui.tables import Column
from ui.theme import STATUS
from views.database.rules.bloat import METHOD
from views.database.rules.indexes import bytes_of

if TYPE_CHECKING:
    from collectors.advice import Advice
    from collectors.span import Span
    from views.database.rules.relations import Index, Table
    from views.database.tables.view import Relations

TABLE = "table"
"""Name of the opened table in the address."""

FIGURE_HEIGHT = 120
WORST = 3
"""Findings that are told beside the headline; all of them are in the list below."""

CALM = "Tables and indexes are well: nothing is past what autovacuum allows, invalid, superfluous or about to end."


def opened_table() -> str:
    """The table that is opened, as SQL writes its name; empty where the address names none."""
    return address.text(TABLE, 300)


def verdict(found: Relations, _span: Span) -> None:
    """The worst in words, the next ones below it, and the figures behind them."""
    worst = found.findings
    word = STATUS[overall(worst)]
    tab.mark(overall(worst))
    headline = worst[0].text if worst else CALM
    st.markdown(f"### :{word.markdown}[{word.icon}] {inert(headline, 600)}", anchors=False)
    for one in worst[1 : WORST + 1]:
        mark = STATUS[one.status]
        st.markdown(f":{mark.markdown}[{mark.icon}] {inert(one.text, 400)}")
    if len(worst) > WORST + 1:
        st.caption(f"and {len(worst) - WORST - 1} more, below")
    _figures(found)


def _figures(found: Relations) -> None:
    shown = [_size(found), _dead(found), _xids(found), _superfluous(found), _wasted(found)]
    with st.grid(len(shown), min_column_width=180):
        for title, value, below, help_, keys in shown:
            bad = overall([one for one in found.findings if one.key in keys])
            with st.container(border=True, height=FIGURE_HEIGHT, gap="small"):
                mark = f" :{STATUS[bad].markdown}[{STATUS[bad].icon}]" if bad in ("risk", "broken") else ""
                st.caption(f"{inert(title)}{mark}", help=inert(help_, 500))
                st.markdown(f"#### {inert(value)}", anchors=False)
                st.caption(inert(below, 200))


_Figure = tuple[str, str, str, str, set[str]]


def _size(found: Relations) -> _Figure:
    grown = found.grown
    below = f"{_signed(grown)} a day" if grown is not None else "growth not known yet"
    if found.full_in is not None:
        below += f", volume full in {length(found.full_in)}"
    help_ = "Size of the database, and how much it grew a day over the last week, by the console's records."
    return "Size", format.value(found.figures.bytes, "B"), below, help_, set()


def _dead(found: Relations) -> _Figure:
    keys = {"dead-rows", "autovacuum-off"}
    past = sum(one.key == "dead-rows" for one in found.findings)
    below = f"{past} {'table' if past == 1 else 'tables'} to look at" if past else "autovacuum keeps up"
    help_ = (
        "Share of the rows of all tables that are dead: old versions that vacuum has not removed. By the statistics."
    )
    return "Dead rows", format.value(found.dead_share, "ratio"), below, help_, keys


def _xids(found: Relations) -> _Figure:
    outlook = found.outlook
    left = outlook.stopped
    if left is not None:
        below = f"{length(left)} left at {format.value(outlook.rate, 'ops/s').removesuffix(' ops/s')}/s"
    else:
        below = "time left not known yet" if outlook.rate is None else "none used at present"
    help_ = (
        "Transactions since the oldest row of this server that is not frozen. The server stops writing at 2.14 G; "
        f"autovacuum comes by force at {format.value(outlook.limit, 'count')}. Time left: at the present rate, if "
        "nothing is frozen."
    )
    keys = {"xid-age", "xid-horizon", "mxid-age"}
    return "Age of transaction ids", format.value(outlook.age, "count"), below, help_, keys


def _superfluous(found: Relations) -> _Figure:
    since = format.ago(found.figures.counted_since, found.figures.as_of)
    keys = {"index-unused", "index-duplicate", "index-redundant", "index-invalid"}
    help_ = (
        "Size of indexes that were not used for a week or that another one makes superfluous; those that keep values "
        f"unique are not among them. Use is counted since {since} at least."
    )
    total = sum(one.bytes for one in found.indexes)
    return "Superfluous indexes", format.value(found.unused_bytes, "B"), f"of {format.value(total, 'B')}", help_, keys


def _wasted(found: Relations) -> _Figure:
    wasted = format.value(found.wasted, "B")
    below = "an estimate from statistics" if found.wasted is not None else "cannot be estimated: see below"
    help_ = f"Room in tables and B-tree indexes that their rows do not need. {METHOD}: as old as the last ANALYZE."
    return "Bloat", f"about {wasted}" if found.wasted is not None else wasted, below, help_, {"bloat", "index-bloat"}


def findings(found: Relations, _span: Span, *, advice: Mapping[str, Advice]) -> None:
    """All that is wrong with its reason, and what could not be told with what would bring it."""
    diagnoses.diagnoses(found.findings, advice, well=CALM)
    for one in found.lacking:
        word = STATUS["unknown"]
        with st.expander(f":{word.markdown}[{word.icon}] Not known: {inert(one.what)}"):
            st.markdown(inert(one.why, 500))
            if one.hint:
                st.code(clean(one.hint, 1000, lines=True), language=None, wrap_lines=True)
    for sentence in found.cut:
        st.caption(f":material/content_cut: {inert(sentence)}")


def sizes(frame: pd.DataFrame, _span: Span) -> None:
    """The largest tables over time, one on top of the other."""
    visit = context.current()
    window = (frame.index[0].to_pydatetime(), frame.index[-1].to_pydatetime())
    figure = charts.stacked(
        frame, unit="B", window=window, events=None, tz=visit.tz, height=260, theme=visit.theme,
        names={name: clean(name, 60) for name in frame.columns},
    )  # fmt: skip
    plot("tables-sizes", figure, window, alt="Size of the largest tables over time")
    st.caption("The console's own records, up to seven days; the page's window does not narrow it.")


def why_no_sizes(frame: pd.DataFrame) -> str:
    """Why there is no chart; an empty text where there is one."""
    return "" if len(frame) else "Sizes are noted every quarter of an hour; there will be a line after the second look."


def about_sizes(_frame: pd.DataFrame, _span: Span) -> About:
    """What the chart is made of."""
    return About("Size of each table with its TOAST and indexes, partitions by themselves, as the worker noted it.")


def all_tables(found: Relations, _span: Span) -> None:
    """The tables, partitions below the table that they are a part of; a click opens one."""
    total = sum(one.bytes for one in found.tables if one.kind != "p") or 1
    status = {one.subject: one.status for one in reversed(found.findings)}
    frame = pd.DataFrame([_table(found, one, total, status) for one in in_order(found.tables)])
    columns = [
        Column("shown", "Table", width=220),
        Column("status", "State", "status", width=90),
        Column("bytes", "Size", "number", unit="B", width=85, help="With TOAST and indexes."),
        Column("share", "Share", "number", unit="ratio", width=70, help="Of all tables."),
        Column("grown", "A day", "number", unit="B", width=85, help="Growth a day over the last week."),
        Column("trend", "Over time", "sparkline", width=110),
        Column("rows", "Rows", "number", unit="count", width=80, help="Living rows by the statistics."),
        Column("dead", "Dead", "number", unit="count", width=75),
        Column("dead_share", "Dead share", "number", unit="ratio", width=85),
        Column("threshold", "Vacuum at", "number", unit="count", width=85, help="Dead rows at which autovacuum comes."),
        Column("bloat", "Bloat (est.)", "number", unit="ratio", width=90, help="Estimated from statistics."),
        Column("vacuumed", "Vacuumed", "time", width=170),
        Column("analyzed", "Analyzed", "time", width=170),
        Column("seq", "Full scans", "number", unit="count", width=85, help="Reads from end to end since the reset."),
        Column("hit", "From buffer", "number", unit="ratio", width=90, help="Blocks found in shared_buffers."),
        Column("age", "Xid age", "number", unit="count", width=80, help="Transactions since its oldest unfrozen row."),
        Column("options", "Own options", width=220),
    ]
    # A new table with each opened one, so that the click's mark goes with it.
    key = f"database-tables-{opened_table()}"
    st.session_state["database-tables drawn"] = list(frame["name"]) if len(frame) else []

    def opened() -> None:
        names = st.session_state["database-tables drawn"]
        row = tables.chosen(key, len(names))
        if row is not None:
            context.change(**{TABLE: names[row]})

    tables.table(frame, columns=columns, key=key, on_select=opened, tz=context.current().tz, alt="Tables")


def _table(found: Relations, one: Table, total: int, status: Mapping[str, str]) -> dict[str, object]:
    now = found.figures.as_of
    due, bloat = found.dues.get(one.name), found.heaps.get(one.oid)
    return {
        "name": one.name,
        "shown": f"└ {one.name}" if one.parent else one.name,
        "status": status.get(one.name, "ok"),
        "bytes": one.bytes,
        "share": one.bytes / total,
        "grown": found.remembered.grown("table", one.name, now),
        "trend": found.remembered.sizes("table", one.name),
        "rows": one.live_rows,
        "dead": one.dead_rows,
        "dead_share": one.dead_share,
        "threshold": due.vacuum if due is not None and due.enabled else None,
        "bloat": bloat.share if bloat is not None else None,
        "vacuumed": one.vacuumed,
        "analyzed": one.analyzed,
        "seq": one.seq_scans,
        "hit": one.hit_ratio,
        "age": one.xid_age,
        "options": ", ".join(one.options),
    }


def in_order(found: tuple[Table, ...]) -> list[Table]:
    """The biggest first, and after a partitioned table its partitions, the biggest of them first."""
    names = {one.name for one in found}
    below: dict[str, list[Table]] = {}
    for one in sorted(found, key=lambda table: -table.bytes):
        below.setdefault(one.parent if one.parent in names else "", []).append(one)

    def walk(parent: str, depth: int) -> list[Table]:
        ordered: list[Table] = []
        for one in below.get(parent, ()):
            ordered.append(one)
            if depth < 10:
                ordered += walk(one.name, depth + 1)
        return ordered

    return walk("", 0)


def about_tables(found: Relations, _span: Span) -> About:
    """What the table is made of."""
    since = format.timestamp(found.figures.counted_since, context.current().tz, date=True)
    return About(
        "pg_class, pg_stat_all_tables and pg_statio_all_tables. A partitioned table shows the sums of its partitions. "
        f"Counters count since {since} at least. Bloat is an estimate; open a table to measure it.",
        remarks=found.cut,
    )


def all_indexes(found: Relations, _span: Span) -> None:
    """The indexes, those with a fault first, then the biggest; parts of a partitioned index are counted in it."""
    from_parts = {one.parent for one in found.indexes if one.parent}
    sizes_ = bytes_of(found.indexes)
    shown = [one for one in found.indexes if not one.parent or one.name in found.marks]
    shown.sort(key=lambda one: (one.name not in found.marks, -sizes_[one.name]))
    if not shown:
        st.caption("There are no indexes.")
        return
    frame = pd.DataFrame([_index(found, one, sizes_[one.name], one.name in from_parts) for one in shown])
    tables.table(frame, columns=INDEX_COLUMNS, key="database-indexes", tz=context.current().tz, alt="Indexes")


INDEX_COLUMNS = (
    Column("status", "State", "status", width=90),
    Column("marks", "What", width=150, help="Unused: for a week at least. Superfluous: another one begins like it."),
    Column("name", "Index", width=250),
    Column("table", "Table", width=180),
    Column("bytes", "Size", "number", unit="B", width=85, help="Of a partitioned table: all parts together."),
    Column("grown", "A day", "number", unit="B", width=85, help="Growth a day over the last week."),
    Column("scans", "Scans", "number", unit="count", width=80, help="Since the statistics were reset."),
    Column("used", "Use over time", "sparkline", width=110, help="Scans a second, from look to look of the worker."),
    Column("last", "Last used", "time", width=170, help="From PostgreSQL 16 on, else what the records tell."),
    Column("bloat", "Bloat (est.)", "number", unit="ratio", width=90, help="B-tree only; estimated from statistics."),
    Column("kind", "Kind", width=130),
    Column("definition", "Definition", width="large", limit=300),
)


def _index(found: Relations, one: Index, size: int, whole: bool) -> dict[str, object]:
    use = found.uses[one.name]
    worst = overall([finding for finding in found.findings if finding.subject == one.name])
    parts = [
        found.trees[part.oid]
        for part in found.indexes
        if one.name in (part.name, part.parent) and part.oid in found.trees
    ]
    kinds = [
        word
        for word, so in (
            ("primary key", one.is_primary),
            ("constraint", one.is_constraint and not one.is_primary),
            ("unique", one.is_unique and not one.is_constraint),
            ("identity", one.is_identity),
            ("partitioned", whole or one.partitioned),
        )
        if so
    ]
    return {
        "status": worst,
        "marks": ", ".join(found.marks.get(one.name, ())),
        "name": one.name,
        "table": one.table,
        "bytes": size,
        "grown": found.remembered.grown("index", one.name, found.figures.as_of),
        "scans": use.scans,
        "used": found.remembered.used(one.name),
        "last": use.last or (use.silent_since if use.scans else None),
        "bloat": sum(part.wasted for part in parts) / sum(part.bytes for part in parts) if parts else None,
        "kind": ", ".join([one.method, *kinds]),
        "definition": one.definition,
    }


def about_indexes(found: Relations, _span: Span) -> About:
    """What the table is made of."""
    return About(
        "pg_index and pg_stat_all_indexes. An index that is unused here may be used on a standby: look there before it "
        "is dropped.",
        remarks=found.cut,
    )


def partitions(found: Relations, _span: Span) -> None:
    """How far the partitions by time reach, and the statement that makes the next one."""
    tz = context.current().tz
    rows = [
        {
            "status": overall(
                finding
                for finding in found.findings
                if finding.key.startswith("partition") and finding.subject in (one.parent, one.default)
            ),
            "parent": one.parent,
            "count": one.count,
            "width": one.width.words if one.width is not None else "uneven",
            "current": one.current or "none",
            "until": one.until,
            "default": one.default or "none",
            "default_rows": float(one.default_rows) if one.default else None,
        }
        for one in found.coverages
    ]
    columns = [
        Column("status", "State", "status", width=90),
        Column("parent", "Table", width=180),
        Column("count", "Partitions", "number", unit="count", width=85),
        Column("width", "Width", width=90),
        Column("current", "Written now", width=200),
        Column("until", "There are some until", "time", width=190),
        Column("default", "The rest goes to", width=200),
        Column("default_rows", "Rows there", "number", unit="count", width=90),
    ]
    tables.table(pd.DataFrame(rows), columns=columns, key="database-partitions", tz=tz, alt="Partitions by time")
    for one in found.coverages[:5]:
        if one.statement:
            with st.expander(f"What makes the next one of {inert(one.parent)}"):
                st.code(clean(one.statement, 1000, lines=True), language=None, wrap_lines=True)


def why_no_partitions(found: Relations) -> str:
    """Why there is nothing to show; an empty text where there is something."""
    return "" if found.coverages else "No table is partitioned by time."


def sequences(found: Relations, _span: Span) -> None:
    """Sequences, the fullest first."""
    rows = [
        {
            "status": overall([finding for finding in found.findings if finding.subject == one.sequence.name]),
            "name": one.sequence.name,
            "column": f"{one.sequence.table}.{one.sequence.column}" if one.sequence.table else "",
            "type": one.sequence.column_type or one.sequence.type,
            "value": one.sequence.last_value,
            "used": one.used,
            "left": length(one.left) if one.left is not None else None,
        }
        for one in found.fills[:50]
    ]
    columns = [
        Column("status", "State", "status", width=90),
        Column("name", "Sequence", width=220),
        Column("column", "Fills", width=220),
        Column("type", "Type", width=90),
        Column("value", "Last value", "number", unit="count", width=100),
        Column("used", "Used", "number", unit="ratio", width=80),
        Column("left", "Left", width=130, help="At the rate of the last week."),
    ]
    tables.table(pd.DataFrame(rows), columns=columns, key="database-sequences", alt="Sequences")


def why_no_sequences(found: Relations) -> str:
    """Why there is nothing to show; an empty text where there is something."""
    return "" if found.fills else "There are no sequences."


def _signed(amount: float) -> str:
    text = format.value(abs(amount), "B")
    return f"{'−' if amount < 0 else '+'}{text}"
