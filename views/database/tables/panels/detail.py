"""One table of the database: growth, upkeep, bloat as measured, its indexes and partitions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from ui import charts, context, diagnoses, format, tables
from ui.clean import clean, inert
from ui.series_panel import plot
from ui.tables import Column
from ui.theme import STATUS
from views.database.rules import growth
from views.database.rules.indexes import bytes_of
from views.database.tables.panels.all import TABLE, opened_table

if TYPE_CHECKING:
    from collectors.advice import Advice
    from collectors.span import Span
    from views.database.rules.relations import Table
    from views.database.tables.detail import Opened

_MEASURED = "database-table-measured"
"""Where the session keeps which table it asked to be measured; a link must not make the database read one."""


def measuring() -> bool:
    """Whether the opened table is to be measured."""
    return _MEASURED in st.session_state and st.session_state[_MEASURED] == _opened()


def why_gone(found: Opened) -> str:
    """Why there is nothing to show; an empty text where there is something."""
    return "" if found.table is not None else "There is no table of this name, or it is too small to be listed."


def one_table(found: Opened, _span: Span, *, advice: Mapping[str, Advice]) -> None:
    """What is known of the opened table."""
    table = found.table
    if table is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button("Close", key="database-table-close", icon=":material/close:", type="tertiary", on_click=_close)
        if table.kind != "p" and not measuring():
            st.button(
                "Measure its bloat",
                key="database-table-measure",
                icon=":material/straighten:",
                type="tertiary",
                help="Reads the table once, and its B-tree indexes, where they are not bigger than 2 GiB.",
                on_click=_measure,
            )
    if found.findings:
        diagnoses.diagnoses(found.findings, advice)
    _growth(found, table)
    _facts(found, table)
    _measured(found)
    _indexes(found)
    _partitions(found)


def _opened() -> tuple[str, str]:
    return context.current().environment, opened_table()


def _measure() -> None:
    st.session_state[_MEASURED] = _opened()
    context.run_again()


def _close() -> None:
    st.session_state.pop(_MEASURED, None)
    context.change(**{TABLE: ""})


def _growth(found: Opened, table: Table) -> None:
    if len(found.track) < 2:
        st.caption("Its growth will be drawn after the second look of the worker.")
        return
    visit = context.current()
    sizes = {moment: float(one.bytes) for moment, one in found.track}
    dead = {moment: _number(one.dead_rows) for moment, one in found.track}
    both = growth.even({"size": sizes, "dead rows": dead})
    frame, index = both[["size"]], both.index
    window = (index[0].to_pydatetime(), index[-1].to_pydatetime())
    figure = charts.timeseries(frame, unit="B", window=window, events=None, tz=visit.tz, height=180, theme=visit.theme)
    st.caption("Size, by the console's own records")
    plot("tables-growth", figure, window, alt="Size of the table over time")
    if table.kind == "p":
        return
    rows = both[["dead rows"]]
    due = found.relations.dues.get(table.name)
    levels = [charts.Threshold(due.vacuum, "autovacuum comes", "risk")] if due is not None and due.enabled else []
    figure = charts.timeseries(
        rows, unit="count", window=window, thresholds=levels, events=None, tz=visit.tz, height=180, theme=visit.theme
    )
    st.caption("Dead rows")
    plot("tables-dead", figure, window, alt="Dead rows of the table over time")


def _number(value: int | None) -> float:
    return float("nan") if value is None else float(value)


def _facts(found: Opened, table: Table) -> None:
    now = found.relations.figures.as_of
    due = found.relations.dues.get(table.name)
    bloat = found.relations.heaps.get(table.oid)
    grown = found.relations.remembered.grown("table", table.name, now)
    facts: list[tuple[str, str]] = [
        ("Rows themselves", format.value(table.heap_bytes, "B")),
        ("TOAST (long values)", format.value(table.toast_bytes, "B")),
        ("Indexes", format.value(table.index_bytes, "B")),
        ("Growth a day", format.value(grown, "B")),
        (
            "Living and dead rows",
            f"{format.value(table.live_rows, 'count')} and {format.value(table.dead_rows, 'count')}",
        ),
        *_cleaned(table, now),
        ("Rows changed since", format.value(table.modified, "count")),
        ("Full scans", f"{format.value(table.seq_scans, 'count')}, {format.value(table.seq_rows, 'count')} rows read"),
        ("Index scans", format.value(table.index_scans, "count")),
        ("Age of transaction ids", format.value(table.xid_age, "count")),
    ]
    if due is not None:
        insert = f", at {format.value(due.insert, 'count')} inserted" if due.insert is not None else ""
        at = f"at {format.value(due.vacuum, 'count')} dead rows{insert}"
        facts.insert(7, ("Autovacuum comes", at if due.enabled else "never: it is switched off"))
    if bloat is not None:
        estimate = f"about {format.value(bloat.wasted, 'B')} ({format.value(bloat.share, 'ratio')}), an estimate"
        facts.insert(4, ("Not needed", estimate))
    if table.options:
        facts.append(("Own options", ", ".join(table.options)))
    if table.locked:
        facts.append(("Locked", "somebody holds or awaits a lock against everybody; sizes are the planner's"))
    frame = pd.DataFrame(facts, columns=["what", "value"])
    columns = [Column("what", "What", width=170), Column("value", "Value", width="large")]
    tables.table(frame, columns=columns, key="database-table-facts", alt="What is known of the table")


def _cleaned(table: Table, now: datetime) -> list[tuple[str, str]]:
    """When it was vacuumed and analyzed; a partitioned table itself never is vacuumed."""
    looked = ("Last analyze", _when(table.analyzed, now))
    if table.kind == "p":
        return [looked]
    return [
        ("Last vacuum", _when(table.last_vacuum, now)),
        ("Last autovacuum", _when(table.last_autovacuum, now)),
        looked,
    ]


def _when(moment: datetime | None, now: datetime) -> str:
    return format.ago(moment, now) if moment is not None else "not since the statistics were reset"


def _measured(found: Opened) -> None:
    if found.refused is not None:
        word = STATUS["unknown"]
        st.markdown(f":{word.markdown}[{word.icon}] It could not be measured: {inert(found.refused.what, 300)}.")
        if found.refused.hint:
            st.code(clean(found.refused.hint, 500, lines=True), language=None, wrap_lines=True)
        return
    if not measuring():
        return
    one = found.measured
    if one is None:
        if found.table is not None and found.table.kind != "p":
            st.caption("It is bigger than what the console reads to measure it (2 GiB).")
        return
    free = one.dead_bytes + one.free_bytes
    share = format.value(free / one.bytes if one.bytes else None, "ratio")
    st.markdown(
        f"**Measured:** {inert(share)} of its {inert(format.value(one.bytes, 'B'))} is not in use: "
        f"{inert(format.value(one.dead_bytes, 'B'))} dead rows, {inert(format.value(one.free_bytes, 'B'))} free."
    )
    st.caption(
        f"pgstattuple_approx; {inert(format.value(one.scanned, 'percent'))} of its pages were read, of the others the "
        "free-space map was believed."
    )


def _indexes(found: Opened) -> None:
    density = {one.name: one.density for one in found.measured_indexes}
    sizes = bytes_of(found.relations.indexes)
    rows = [
        {
            "marks": ", ".join(found.relations.marks.get(one.name, ())),
            "name": one.short_name,
            "bytes": sizes[one.name],
            "scans": found.relations.uses[one.name].scans,
            "density": density.get(one.name),
            "definition": one.definition.partition(" USING ")[2] or one.definition,
        }
        for one in found.indexes
    ]
    if not rows:
        st.caption("It has no index.")
        return
    columns = [
        Column("name", "Index", width=200),
        *([Column("marks", "What", width=100)] if any(row["marks"] for row in rows) else []),
        Column("bytes", "Size", "number", unit="B", width=80),
        Column("scans", "Scans", "number", unit="count", width=70),
        Column("definition", "On", width="medium", limit=200),
    ]
    if density:
        filled = Column("density", "Filled", "number", unit="percent", width=75, help="Leaf pages, measured.")
        columns.insert(len(columns) - 1, filled)
    tables.table(pd.DataFrame(rows), columns=columns, key="database-table-indexes", alt="Its indexes")


def _partitions(found: Opened) -> None:
    bounds = {one.name: one.bounds for one in found.relations.partitions}
    rows = [
        {
            "name": one.name,
            "bytes": one.bytes,
            "rows": one.live_rows,
            "dead": one.dead_share,
            "bounds": bounds.get(one.name, "").removeprefix("FOR VALUES "),
        }
        for one in found.partitions
    ]
    if not rows:
        return
    columns = [
        Column("name", "Partition", width=200),
        Column("bytes", "Size", "number", unit="B", width=80),
        Column("rows", "Rows", "number", unit="count", width=80),
        Column("dead", "Dead", "number", unit="ratio", width=70),
        Column("bounds", "Bounds", width="medium"),
    ]
    tables.table(pd.DataFrame(rows), columns=columns, key="database-table-partitions", alt="Its partitions")
