"""Tables, indexes, sequences and partitions of a PostgreSQL database as its catalogue and statistics tell of them.

Names are as SQL writes them: schema and name, each in double quotes where it needs them, so they are identities and may
stand in a statement as they are. They are foreign text all the same: cleaned before they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Several
from datetime import datetime

import msgspec


class Table(msgspec.Struct, frozen=True):
    """A table, a materialized view or a partitioned table.

    Attributes:
        oid: Its number in the catalogue.
        name: Its name.
        kind: ``r`` table, ``m`` materialized view, ``p`` partitioned table.
        parent: The partitioned table it is a partition of; empty for none.
        heap_bytes: Size of its rows.
        toast_bytes: Size of what is kept beside them because it is long.
        index_bytes: Size of its indexes.
        locked: Whether somebody holds or awaits a lock against everybody; sizes are then the planner's.
        live_rows: Rows that are visible, by the statistics.
        dead_rows: Rows that vacuum may remove some day, by the statistics.
        modified: Rows changed since it was analyzed.
        inserted: Rows inserted since it was vacuumed.
        last_vacuum: When somebody vacuumed it.
        last_autovacuum: When autovacuum did.
        last_analyze: When somebody analyzed it.
        last_autoanalyze: When autovacuum did.
        seq_scans: Times it was read from end to end, since the statistics were reset.
        seq_rows: Rows read that way.
        index_scans: Times it was read through an index; ``None`` without an index.
        writes: Rows inserted, updated and deleted.
        blocks_hit: Blocks found in the buffer, those of indexes and TOAST included.
        blocks_read: Blocks that were not.
        options: Its storage parameters, as ``name=value``.
        planner_rows: Rows as the planner has them; ``None`` where it was never vacuumed or analyzed.
        pages: Its size in blocks as the planner has it.
        frozen_pages: Blocks of them that are frozen; ``None`` before PostgreSQL 18.
        xid_age: Transaction ids since its oldest row that is not frozen; ``None`` for a partitioned table.
        mxid_age: The same for multixacts.
        vacuuming: Whether it is being vacuumed.
        total: How many tables there are, listed or not.
    """

    oid: int
    name: str
    kind: str
    parent: str
    heap_bytes: int
    toast_bytes: int
    index_bytes: int
    locked: bool
    live_rows: int | None
    dead_rows: int | None
    modified: int | None
    inserted: int | None
    last_vacuum: datetime | None
    last_autovacuum: datetime | None
    last_analyze: datetime | None
    last_autoanalyze: datetime | None
    seq_scans: int | None
    seq_rows: int | None
    index_scans: int | None
    writes: int | None
    blocks_hit: int | None
    blocks_read: int | None
    options: list[str]
    planner_rows: float | None
    pages: int
    frozen_pages: int | None
    xid_age: int | None
    mxid_age: int | None
    vacuuming: bool
    total: int

    @property
    def bytes(self) -> int:
        """All of it."""
        return self.heap_bytes + self.toast_bytes + self.index_bytes

    @property
    def dead_share(self) -> float | None:
        """Share of its rows that are dead, 0 to 1; ``None`` where it has none."""
        return share_of(self.dead_rows, self.live_rows)

    @property
    def hit_ratio(self) -> float | None:
        """Share of the blocks asked for that were in the buffer; ``None`` where none was."""
        return share_of(self.blocks_hit, self.blocks_read)

    @property
    def vacuumed(self) -> datetime | None:
        """When it was vacuumed last, by whomever."""
        return max((one for one in (self.last_vacuum, self.last_autovacuum) if one is not None), default=None)

    @property
    def analyzed(self) -> datetime | None:
        """When it was analyzed last, by whomever."""
        return max((one for one in (self.last_analyze, self.last_autoanalyze) if one is not None), default=None)


class Index(msgspec.Struct, frozen=True):
    """An index.

    Attributes:
        oid: Its number in the catalogue.
        name: Its name.
        short_name: Its name without schema and quotes; foreign text.
        table: The table it belongs to.
        short_table: The same without schema and quotes.
        partitioned: Whether it is the index of a partitioned table, without entries of its own.
        parent: The index of the partitioned table that it is a part of; empty for none.
        bytes: Its size.
        scans: Times it was used, since the statistics were reset; ``None`` for a partitioned one.
        last_scan: When it was used last; ``None`` where it was not, and before PostgreSQL 16.
        is_unique: Whether it keeps values unique.
        is_primary: Whether it is the primary key.
        is_constraint: Whether a constraint stands on it.
        is_identity: Whether logical replication knows rows by it.
        is_valid: Whether queries may use it.
        is_ready: Whether writes keep it up to date.
        building: Whether it is being built.
        method: ``btree``, ``gin``, …
        definition: The statement that makes it; empty where its table is locked against everybody.
        keys: Column, operator class, collation and order of each key; equal texts are equal keys.
        included: Columns that are only carried along.
        expressions: Equal for equal expressions; empty for none.
        predicate: Equal for equal conditions; empty for none.
        planner_rows: Entries as the planner has them.
        total: How many indexes there are, listed or not.
    """

    oid: int
    name: str
    short_name: str
    table: str
    short_table: str
    partitioned: bool
    parent: str
    bytes: int
    scans: int | None
    last_scan: datetime | None
    is_unique: bool
    is_primary: bool
    is_constraint: bool
    is_identity: bool
    is_valid: bool
    is_ready: bool
    building: bool
    method: str
    definition: str
    keys: list[str]
    included: list[int]
    expressions: str
    predicate: str
    planner_rows: float | None
    total: int

    @property
    def needed(self) -> bool:
        """Whether it does more than make reading quicker."""
        return self.is_unique or self.is_primary or self.is_constraint or self.is_identity


class Sequence(msgspec.Struct, frozen=True):
    """A sequence.

    Attributes:
        name: Its name.
        last_value: The last value given; ``None`` where none was, or where it may not be read.
        readable: Whether it may be read.
        schema: The schema it is in.
        start_value: Its first value.
        least: Its lowest value.
        most: Its highest value.
        increment: From one value to the next.
        cycles: Whether it begins anew at its end.
        type: Its type.
        table: The table whose column it fills; empty for none.
        column: That column.
        column_type: The column's type.
        identity: Whether the column is an identity column.
        total: How many sequences there are.
    """

    name: str
    last_value: int | None
    readable: bool
    schema: str
    start_value: int
    least: int
    most: int
    increment: int
    cycles: bool
    type: str
    table: str
    column: str
    column_type: str
    identity: bool
    total: int


class Partition(msgspec.Struct, frozen=True):
    """A partition.

    Attributes:
        name: Its name.
        short_name: Its name without schema and quotes; foreign text.
        parent: The table it is a part of.
        parent_schema: The schema of that.
        short_parent: Its name without schema and quotes.
        strategy: ``range``, ``list`` or ``hash``.
        column: The one plain column that decides; empty where it is more or something else.
        type: Type of that column.
        is_default: Whether it takes what fits nowhere else.
        bounds: Its bounds, as PostgreSQL writes them in ISO form and UTC; empty where it is locked.
        live_rows: Rows by the statistics.
        total: How many partitions there are.
    """

    name: str
    short_name: str
    parent: str
    parent_schema: str
    short_parent: str
    strategy: str
    column: str
    type: str
    is_default: bool
    bounds: str
    live_rows: int
    total: int


class Figures(msgspec.Struct, frozen=True):
    """The database as a whole.

    Attributes:
        bytes: Its size; ``None`` where the role may not know it.
        next_xid: The transaction id that comes next, counted through all epochs.
        xid_age: Transaction ids since the oldest row of this database that is not frozen.
        mxid_age: The same for multixacts.
        oldest_database: The database of this server that is farthest behind.
        oldest_xid_age: Its age.
        stats_reset: When the statistics were reset; ``None`` where they never were.
        started_at: When the server was started.
        standby: Whether it is a standby.
        block_size: Bytes of a block.
        autovacuum: Whether autovacuum runs.
        workers: How many of its workers at once.
        vacuum_threshold: Setting ``autovacuum_vacuum_threshold``, rows.
        vacuum_scale: ``autovacuum_vacuum_scale_factor``.
        vacuum_max_threshold: ``autovacuum_vacuum_max_threshold``; negative for none.
        insert_threshold: ``autovacuum_vacuum_insert_threshold``; negative for never.
        insert_scale: ``autovacuum_vacuum_insert_scale_factor``.
        analyze_threshold: ``autovacuum_analyze_threshold``.
        analyze_scale: ``autovacuum_analyze_scale_factor``.
        freeze_max_age: ``autovacuum_freeze_max_age``.
        multixact_freeze_max_age: ``autovacuum_multixact_freeze_max_age``.
        failsafe_age: ``vacuum_failsafe_age``.
        as_of: The server's clock.
    """

    bytes: int | None
    next_xid: int
    xid_age: int
    mxid_age: int
    oldest_database: str
    oldest_xid_age: int
    stats_reset: datetime | None
    started_at: datetime
    standby: bool
    block_size: int
    autovacuum: bool
    workers: int
    vacuum_threshold: int
    vacuum_scale: float
    vacuum_max_threshold: int
    insert_threshold: int
    insert_scale: float
    analyze_threshold: int
    analyze_scale: float
    freeze_max_age: int
    multixact_freeze_max_age: int
    failsafe_age: int
    as_of: datetime

    @property
    def counted_since(self) -> datetime:
        """From when on the statistics count at least: their reset, else the server's start, which they survive."""
        return self.stats_reset or self.started_at


class Frozen(msgspec.Struct, frozen=True):
    """A table by how far it is behind in freezing.

    Attributes:
        name: The table; that of a TOAST table is the table it belongs to.
        toast: Whether it is the TOAST table of that.
        xid_age: Transaction ids since its oldest row that is not frozen.
        mxid_age: The same for multixacts.
        options: Storage parameters of the table.
        bytes: Its size as the planner has it.
    """

    name: str
    toast: bool
    xid_age: int
    mxid_age: int
    options: list[str]
    bytes: int


class Holder(msgspec.Struct, frozen=True):
    """Somebody who may still see old rows, so that vacuum may neither remove nor freeze them.

    Attributes:
        kind: ``session``, ``standby``, ``prepared`` or ``slot``.
        name: Process id, name of the transaction or of the slot; foreign text.
        who: User and application; owner; plugin.
        state: State of the session; whether the slot is in use.
        age: Transaction ids since the oldest one that it may still see.
        since: When its transaction began; ``None`` for a slot.
        database: Its database; empty for all.
        catalogue_only: Whether it holds back the system catalogue only.
        here: Whether it concerns this database.
    """

    kind: str
    name: str
    who: str
    state: str
    age: int | None
    since: datetime | None
    database: str
    catalogue_only: bool
    here: bool


class ForeignKey(msgspec.Struct, frozen=True):
    """A foreign key without an index on its columns.

    Attributes:
        name: Its table.
        partitioned: Whether that is a partitioned table.
        constraint: Its name, without quotes.
        referenced: The table that it refers to.
        columns: Its columns.
        planner_rows: Rows of its table as the planner has them.
    """

    name: str
    partitioned: bool
    constraint: str
    referenced: str
    columns: list[str]
    planner_rows: float | None


class Statistics(msgspec.Struct, frozen=True):
    """What the size of a table or an index is estimated from.

    Attributes:
        oid: Its number in the catalogue.
        bytes: Its size.
        row_count: Rows or entries; ``None`` where not known.
        fillfactor: Percent to which a page is filled.
        columns: Number of its columns.
        known: Number of columns whose width is known.
        width: Bytes of a row's values, on average.
        nulls: Whether a column has NULLs.
    """

    oid: int
    bytes: int
    row_count: float | None
    fillfactor: int
    columns: int
    known: int
    width: float
    nulls: bool


class MeasuredHeap(msgspec.Struct, frozen=True):
    """A table as pgstattuple_approx found it.

    Attributes:
        bytes: Its size.
        live_bytes: Bytes of rows.
        dead_bytes: Bytes of dead rows.
        free_bytes: Bytes that are free.
        scanned: Percent of its pages that were read; of the others the free-space map was believed.
    """

    bytes: int
    live_bytes: int
    dead_bytes: int
    free_bytes: int
    scanned: float


class MeasuredIndex(msgspec.Struct, frozen=True):
    """A B-tree index as pgstatindex found it.

    Attributes:
        name: Its name.
        bytes: Its size.
        density: Percent to which its leaf pages are filled; ``None`` where it is empty.
        fragmentation: Percent of its leaf pages that do not follow each other.
    """

    name: str
    bytes: int
    density: float | None
    fragmentation: float | None


def share_of(part: int | None, rest: int | None) -> float | None:
    """``part`` of ``part`` and ``rest`` together, 0 to 1; ``None`` where that says nothing."""
    if part is None or rest is None or part + rest <= 0:
        return None
    return part / (part + rest)


def options_of(options: list[str]) -> Mapping[str, str]:
    """Storage parameters by name, in lower case."""
    return {name.lower(): value for name, _, value in (one.partition("=") for one in options)}


def whole_tables(tables: Several[Table]) -> list[Table]:
    """The tables, a partitioned one with the sums of its partitions."""
    children: dict[str, list[Table]] = {}
    for one in tables:
        children.setdefault(one.parent, []).append(one)

    def leaves(name: str, depth: int = 0) -> list[Table]:
        if depth > 10:
            return []
        found: list[Table] = []
        for child in children.get(name, ()):
            found += leaves(child.name, depth + 1) if child.kind == "p" else [child]
        return found

    return [_summed(one, leaves(one.name)) if one.kind == "p" else one for one in tables]


_SUMMED = (
    "heap_bytes", "toast_bytes", "index_bytes", "live_rows", "dead_rows", "modified", "inserted", "seq_scans",
    "seq_rows", "index_scans", "writes", "blocks_hit", "blocks_read",
)  # fmt: skip


def _summed(parent: Table, parts: Several[Table]) -> Table:
    """A partitioned table with what its partitions have together."""
    sums: dict[str, int | None] = {}
    for name in _SUMMED:
        known = [value for part in parts if (value := getattr(part, name)) is not None]
        sums[name] = sum(known) if known else None
    ages = [part.xid_age for part in parts if part.xid_age is not None]
    sizes = {name: sums[name] or 0 for name in ("heap_bytes", "toast_bytes", "index_bytes")}
    return msgspec.structs.replace(
        parent, **{**sums, **sizes}, xid_age=max(ages, default=None), vacuuming=any(part.vacuuming for part in parts)
    )
