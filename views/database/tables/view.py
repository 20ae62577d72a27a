"""Tables and indexes: what is too big, not cleaned up, not used or missing, what will end soon, and what mends it.

What the database tells is put together with what the records remember. A part that the role may not see, or that needs
an extension, is left out and named with the statement that brings it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import pandas as pd

from analysis.diagnosis import Diagnosis, worst_first
from collectors.cache import Answer
from collectors.errors import SourceError
from collectors.postgres.tables import expected, listed
from collectors.registry import Sources
from records.database import Database
from views.database.rules import bloat, growth, indexes, partitions, sequences, vacuum_due, xids
from views.database.rules.bloat import Bloat
from views.database.rules.indexes import Use
from views.database.rules.partitions import Coverage
from views.database.rules.relations import (
    Figures,
    ForeignKey,
    Frozen,
    Holder,
    Index,
    Partition,
    Sequence,
    Statistics,
    Table,
    whole_tables,
)
from views.database.rules.sequences import Fill
from views.database.rules.sql_names import identifier
from views.database.rules.vacuum_due import Due
from views.database.tables.sampler import Remembered, remembered
from views.shared.parallel import or_error, side_by_side

T = TypeVar("T")

FRESH = 8.0
"""Seconds that all that is known stays fresh: sizes are read from the file system, a file each."""

LARGEST = 4
"""Tables of the chart of sizes; the others are one, so that its legend has room beside it."""

CHART = timedelta(days=7)
"""How far back that chart goes at most."""

MOST_DIAGNOSES = 200
"""Findings that are made a list of; on a database of thousands of tables nobody reads more."""


@dataclass(frozen=True)
class Lacking:
    """A part that could not be told.

    Attributes:
        what: Which one.
        why: What the source said.
        hint: What brings it: a GRANT, a CREATE EXTENSION.
    """

    what: str
    why: str
    hint: str


@dataclass(frozen=True)
class Relations:
    """All that is known of the relations of a database.

    Attributes:
        figures: The database as a whole.
        tables: Its tables, a partitioned one with the sums of its partitions.
        dues: Name of a table → when autovacuum comes to it.
        indexes: Its indexes.
        uses: Name of an index → what is known about its use.
        marks: Name of an index → what is wrong with it, in a word or two each.
        partitions: Its partitions.
        coverages: How far those by time reach.
        fills: How full its sequences are.
        heaps: Number of a table → its estimated bloat.
        trees: Number of an index → its estimated bloat.
        used: Transaction ids used a second; ``None`` where not known.
        remembered: What the records know.
        disk: Bytes of the volume that holds it; ``None`` where the settings do not tell.
        findings: What is wrong, the worst first.
        lacking: What could not be told.
        cut: What is not listed whole, a sentence each.
    """

    figures: Figures
    tables: tuple[Table, ...]
    dues: Mapping[str, Due]
    indexes: tuple[Index, ...]
    uses: Mapping[str, Use]
    marks: Mapping[str, tuple[str, ...]]
    partitions: tuple[Partition, ...]
    coverages: tuple[Coverage, ...]
    fills: tuple[Fill, ...]
    heaps: Mapping[int, Bloat]
    trees: Mapping[int, Bloat]
    used: float | None
    remembered: Remembered
    disk: int | None
    findings: tuple[Diagnosis, ...]
    lacking: tuple[Lacking, ...]
    cut: tuple[str, ...]

    @property
    def grown(self) -> float | None:
        """Bytes that the database grows in a day; ``None`` where not known."""
        return self.remembered.database_growth(self.figures.as_of)

    @property
    def full_in(self) -> float | None:
        """Seconds until its volume is full of it; ``None`` where not known."""
        return growth.full_in(self.figures.bytes, self.disk, self.grown)

    @property
    def dead_share(self) -> float | None:
        """Share of all rows that are dead; ``None`` where there are none."""
        leaves = [one for one in self.tables if one.kind != "p"]
        dead, live = sum(one.dead_rows or 0 for one in leaves), sum(one.live_rows or 0 for one in leaves)
        return dead / (dead + live) if dead + live else None

    @property
    def unused_bytes(self) -> int:
        """Size of the indexes that are said to be unused, equal to others or superfluous."""
        sizes = indexes.bytes_of(self.indexes)
        keys = {"index-unused", "index-duplicate", "index-redundant"}
        return sum(sizes.get(one.subject, 0) for one in self.findings if one.key in keys)

    @property
    def wasted(self) -> int | None:
        """Bytes that the estimate says are not needed; ``None`` where nothing could be estimated."""
        known = [*self.heaps.values(), *self.trees.values()]
        return sum(one.wasted for one in known) if known else None

    @property
    def outlook(self) -> xids.Outlook:
        """How long transaction ids last."""
        return xids.Outlook(self.figures.oldest_xid_age, self.figures.freeze_max_age, self.used)


def load_relations(sources: Sources, database: Database | None, keep: float) -> Answer[Relations]:
    """All that is known of the relations of the database.

    Args:
        sources: The environment's sources.
        database: The records; ``None`` where they cannot be reached.
        keep: Seconds that the records keep what was seen.

    Raises:
        SourceError: The database could not be asked for its tables, and no good answer is kept.
    """
    # One answer for all panels, so that no two of them tell of different moments.
    view = (sources.environment, "postgres", "relations")
    return sources.cache.get(view, None, partial(_asked, sources, database, keep), ttl=FRESH)


_OPTIONAL: Mapping[str, tuple[str, type[Any]]] = {
    "indexes": ("Indexes", Index),
    "partitions": ("Partitions", Partition),
    "sequences": ("Sequences", Sequence),
    "oldest_xids": ("Ages of transaction ids by table", Frozen),
    "horizon": ("Who holds back vacuum", Holder),
    "foreign_keys": ("Foreign keys without an index", ForeignKey),
    "heap_statistics": ("Bloat of tables", Statistics),
    "index_statistics": ("Bloat of indexes", Statistics),
}
"""What may be missing while the rest is told: statement → what it is called, and what a row is."""


def _asked(sources: Sources, database: Database | None, keep: float) -> Relations:
    postgres = sources.postgres
    answers = side_by_side(
        partial(listed, postgres, "database_figures", Figures),
        partial(listed, postgres, "tables", Table),
        *(partial(or_error, partial(listed, postgres, name, kind)) for name, (_, kind) in _OPTIONAL.items()),
        partial(remembered, sources, database, keep),
        postgres.server,
    )
    (figures,), tables, *others, memory, server = answers
    lacking: list[Lacking] = []
    found: dict[str, tuple[Any, ...] | None] = {}
    for (name, (title, _)), answer in zip(_OPTIONAL.items(), others, strict=True):
        found[name] = None if isinstance(answer, SourceError) else answer
        if isinstance(answer, SourceError):
            lacking.append(Lacking(title, f"{answer.source} {answer.what}", answer.hint))
    if memory.error:
        lacking.append(Lacking("What was before now", memory.error, ""))
    return _concluded(figures, tables, found, memory, postgres.settings.disk_bytes, server.value.role, lacking)


def _concluded(
    figures: Figures,
    tables: tuple[Table, ...],
    found: Mapping[str, tuple[Any, ...] | None],
    memory: Remembered,
    disk: int | None,
    role: str,
    lacking: list[Lacking],
) -> Relations:
    known: tuple[Index, ...] = found["indexes"] or ()
    parts: tuple[Partition, ...] = found["partitions"] or ()
    numbers: tuple[Sequence, ...] = found["sequences"] or ()
    holders: tuple[Holder, ...] | None = found["horizon"]
    heaps = _estimates(found["heap_statistics"], partial(bloat.heap, block=figures.block_size))
    trees = _estimates(found["index_statistics"], partial(bloat.btree, block=figures.block_size))
    coverages = partitions.coverages(parts, figures.as_of)
    rates = {one.name: rate for one in numbers if (rate := memory.moving(one.name)) is not None}
    fills = sequences.fills(numbers, rates)
    uses, used = memory.uses(known, figures), memory.xid_rate(figures)
    findings = [
        *xids.diagnose(figures, found["oldest_xids"] or (), holders, used),
        *vacuum_due.diagnose(tables, figures, holders, memory.dead),
        *(_missing(tables, known, parts) if found["indexes"] is not None else ()),
        *indexes.diagnose(known, uses, parts, figures.as_of),
        *partitions.diagnose(coverages, figures.as_of),
        *sequences.diagnose(fills),
        *bloat.diagnose(tables, known, heaps, trees),
        *indexes.unindexed(found["foreign_keys"] or ()),
    ]
    lacking += _unreadable(found, tables, numbers, heaps, figures, role)
    return Relations(
        figures,
        tuple(whole_tables(tables)),
        {one.name: vacuum_due.due(one, figures) for one in tables if one.kind != "p"},
        known,
        uses,
        marks_of(known, findings),
        parts,
        tuple(coverages),
        tuple(fills),
        heaps,
        trees,
        used,
        memory,
        disk,
        tuple(worst_first(findings)[:MOST_DIAGNOSES]),
        tuple(lacking),
        tuple(_cut({"tables": tables, "indexes": known, "partitions": parts, "sequences": numbers})),
    )


_MARKS = {
    "index-invalid": "invalid",
    "index-duplicate": "duplicate",
    "index-redundant": "superfluous",
    "index-unused": "unused",
    "index-bloat": "bloated",
}


def marks_of(known: tuple[Index, ...], findings: list[Diagnosis]) -> dict[str, tuple[str, ...]]:
    """What is wrong with each index, in a word each; those without a fault are left out."""
    marks: dict[str, tuple[str, ...]] = {one.name: ("being built",) for one in known if one.building}
    for one in findings:
        if one.key in _MARKS:
            marks[one.subject] = (*marks.get(one.subject, ()), _MARKS[one.key])
    return marks


def _missing(tables: tuple[Table, ...], known: tuple[Index, ...], parts: tuple[Partition, ...]) -> list[Diagnosis]:
    asked = (
        indexes.missing(
            one.names, one.table, one.method, one.on, one.why, tables=tables, indexes=known, partitions=parts
        )
        for one in expected()
    )
    return [one for one in asked if one is not None]


def _estimates(found: tuple[Statistics, ...] | None, how: Callable[[Statistics], Bloat | None]) -> dict[int, Bloat]:
    told = ((one.oid, how(one)) for one in found or ())
    return {oid: one for oid, one in told if one is not None}


def _unreadable(
    found: Mapping[str, tuple[Any, ...] | None],
    tables: tuple[Table, ...],
    numbers: tuple[Sequence, ...],
    heaps: Mapping[int, Bloat],
    figures: Figures,
    role: str,
) -> list[Lacking]:
    """What is answered and still not known, because the role may not read it."""
    told: list[Lacking] = []
    filled = [one for one in tables if one.kind != "p" and (one.live_rows or 0) > 0]
    if filled and not heaps and found["heap_statistics"] is not None:
        told.append(
            Lacking(
                "Bloat of tables and indexes",
                "The planner's statistics of a table are shown only to roles that may read the table, so bloat is not "
                "estimated. With the extension pgstattuple it can be measured, table by table, without that right.",
                f"CREATE EXTENSION pgstattuple;\n-- or, and then it may read every table:\n"
                f"GRANT pg_read_all_data TO {identifier(role)};",
            )
        )
    hidden = sorted({one.schema for one in numbers if not one.readable})
    if hidden:
        told.append(
            Lacking(
                "Values of sequences",
                "The role may not read them.",
                "\n".join(
                    f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA {one} TO {identifier(role)};" for one in hidden[:5]
                ),
            )
        )
    if figures.bytes is None:
        told.append(
            Lacking("Size of the database", "The role may not know it.", f"GRANT pg_monitor TO {identifier(role)};")
        )
    return told


def _cut(listed_: Mapping[str, tuple[Any, ...]]) -> list[str]:
    return [
        f"{len(rows):,} of {rows[0].total:,} {name} are listed, the biggest first."
        for name, rows in listed_.items()
        if rows and rows[0].total > len(rows)
    ]


def load_sizes(sources: Sources, database: Database | None, keep: float) -> Answer[pd.DataFrame]:
    """Size of the largest tables over time, from the records; partitions each by themselves.

    Returns:
        Index: when, UTC; a column a table in bytes, ``other tables`` at last. Empty before the second look.

    Raises:
        SourceError: Never but for what the caller's deadline does.
    """
    memory = remembered(sources, database, keep)
    now = datetime.now(UTC)
    parents = {one.parent for (kind, _), track in (memory.tracks or {}).items() if kind == "table" for _, one in track}
    tracks = {
        name: {moment: float(one.bytes) for moment, one in track if moment > now - CHART}
        for (kind, name), track in (memory.tracks or {}).items()
        if kind == "table" and name not in parents
    }
    frame = growth.even({name: values for name, values in tracks.items() if values})
    if len(frame) < 2:
        return Answer(pd.DataFrame(), now)
    frame = frame[frame.iloc[-1].fillna(0.0).sort_values(ascending=False).index]
    if len(frame.columns) > LARGEST:
        rest = frame.iloc[:, LARGEST:].sum(axis=1)
        frame = frame.iloc[:, :LARGEST].assign(**{"other tables": rest})
    return Answer(frame, now)
