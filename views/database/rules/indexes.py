"""Indexes that cost and bring nothing, that are broken, and that are missing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from analysis.diagnosis import Diagnosis
from analysis.quantities import amount, length, size
from views.database.rules.relations import ForeignKey, Index, Partition, Table
from views.database.rules.sql_names import bare, identifier

UNUSED_AFTER = timedelta(days=7)
"""How long an index must have gone without a scan to be called unused: a week has its weekly jobs in it."""

UNUSED_BYTES = 2**20
"""Smaller ones are no finding: nobody gains anything by dropping them."""

LEFT_OVER = re.compile(r"_cc(new|old)\d*$")
"""How PostgreSQL names what a REINDEX CONCURRENTLY that failed leaves behind."""

NOTABLE_ROWS = 10_000
"""Rows of a table from which a foreign key without an index is named: deleting on the other side reads all of them."""


_DEEPEST = 10
"""Partitions of partitions that are followed: an answer of the catalogue is no reason to go round for ever."""


@dataclass(frozen=True, slots=True)
class Use:
    """What is known about the use of an index.

    Attributes:
        scans: How often it was used since the statistics were reset, with its parts; ``None`` where not known.
        since: From when on that counts at least.
        last: When it was used last, as far as known.
        silent_since: From when on it was not used, by the records; ``None`` where it was, or they do not tell.
    """

    scans: int | None
    since: datetime
    last: datetime | None = None
    silent_since: datetime | None = None

    def unused_since(self) -> datetime | None:
        """From when on it was not used at least; ``None`` where it was used, or that is not known."""
        if self.scans == 0:
            return self.since if self.silent_since is None else min(self.since, self.silent_since)
        if self.last is not None:
            return self.last
        return self.silent_since


@dataclass(frozen=True, slots=True)
class Twin:
    """An index that another one makes superfluous.

    Attributes:
        index: The superfluous one.
        other: The one that does its work.
        same: Whether both are equal; otherwise the other one begins with the same columns.
    """

    index: Index
    other: Index
    same: bool


def scans_of(indexes: Sequence[Index]) -> dict[str, int | None]:
    """How often each index was used; that of a partitioned table as often as its parts together."""
    children: dict[str, list[Index]] = defaultdict(list)
    for one in indexes:
        if one.parent:
            children[one.parent].append(one)

    def total(one: Index, depth: int = 0) -> int | None:
        if not one.partitioned or depth > _DEEPEST:
            return one.scans
        parts = [total(child, depth + 1) for child in children[one.name]]
        known = [part for part in parts if part is not None]
        return sum(known) if len(known) == len(parts) else None

    return {one.name: total(one) for one in indexes}


def last_scans_of(indexes: Sequence[Index]) -> dict[str, datetime | None]:
    """When each index was used last; that of a partitioned table when one of its parts was."""
    lasts = {one.name: one.last_scan for one in indexes}
    parents = {one.name: one.parent for one in indexes}
    for one in indexes:
        above, depth = one.parent, 0
        while one.last_scan is not None and above in lasts and depth < _DEEPEST:
            known = lasts[above]
            lasts[above] = one.last_scan if known is None else max(known, one.last_scan)
            above, depth = parents[above], depth + 1
    return lasts


def bytes_of(indexes: Sequence[Index]) -> dict[str, int]:
    """Size of each index; that of a partitioned table with its parts."""
    sizes = {one.name: one.bytes for one in indexes}
    parents = {one.name: one.parent for one in indexes}
    for one in indexes:
        above, depth = one.parent, 0
        while above in sizes and depth < _DEEPEST:
            sizes[above] += one.bytes
            above, depth = parents[above], depth + 1
    return sizes


def twins(indexes: Iterable[Index]) -> list[Twin]:
    """Indexes that another one of the same table makes superfluous; those of a partitioned table once for all parts."""
    by_table: dict[str, list[Index]] = defaultdict(list)
    for one in indexes:
        if not one.parent and one.is_valid:
            by_table[one.table].append(one)
    found: list[Twin] = []
    for group in by_table.values():
        # Of two equal ones the one that does more stays, then the one that is used more, then the older one.
        ordered = sorted(group, key=lambda one: (not one.needed, -(one.scans or 0), one.oid))
        gone: set[str] = set()
        for place, one in enumerate(ordered):
            for other in ordered[place + 1 :]:
                if not other.needed and other.name not in gone and _equal(one, other):
                    found.append(Twin(other, one, same=True))
                    gone.add(other.name)
        for one in ordered:
            wider = next((other for other in ordered if other.name not in gone and _begins(other, one)), None)
            if wider is not None and not one.needed and one.name not in gone:
                found.append(Twin(one, wider, same=False))
    return found


def diagnose(
    indexes: Sequence[Index], uses: Mapping[str, Use], partitions: Sequence[Partition], now: datetime
) -> list[Diagnosis]:
    """Indexes that are invalid, superfluous or unused.

    Args:
        indexes: The indexes.
        uses: Name of an index → what is known about its use.
        partitions: The partitions.
        now: The server's clock.
    """
    found = [_invalid(one, indexes, partitions) for one in indexes if not one.is_valid and not one.building]
    sizes = bytes_of(indexes)
    superfluous = twins(indexes)
    for twin in superfluous:
        one = twin.index
        what = "does the same as" if twin.same else "is the beginning of"
        text = (
            f"Index {one.name} ({size(sizes[one.name])}) {what} {twin.other.name}: every write to {one.table} pays for "
            "both."
        )
        key = "index-duplicate" if twin.same else "index-redundant"
        found.append(Diagnosis(key, "risk", one.name, text, dropped(one)))
    known = {twin.index.name for twin in superfluous}
    for one in indexes:
        since = uses[one.name].unused_since() if one.name in uses else None
        if one.name in known or one.parent or one.needed or not one.is_valid or since is None:
            continue
        if now - since >= UNUSED_AFTER and sizes[one.name] >= UNUSED_BYTES:
            quiet = length((now - since).total_seconds())
            text = (
                f"Index {one.name} ({size(sizes[one.name])}) was not used for {quiet}, while every write pays for it."
            )
            found.append(Diagnosis("index-unused", "risk", one.name, text, dropped(one)))
    return found


def dropped(one: Index) -> str:
    """The statement that drops an index with the least lock that PostgreSQL allows."""
    if one.partitioned:  # which cannot be dropped concurrently
        return f"SET lock_timeout = '2s';\nDROP INDEX {one.name};"
    return f"DROP INDEX CONCURRENTLY {one.name};"


def missing(
    names: Sequence[str],
    table: str,
    method: str,
    on: str,
    why: str,
    *,
    tables: Sequence[Table],
    indexes: Sequence[Index],
    partitions: Sequence[Partition],
) -> Diagnosis | None:
    """What is to be said about an index that the service needs; ``None`` where it is there, or its table is not.

    An index under another name with the same definition counts. While the definition of one of the table's indexes is
    not known nothing is said.

    Args:
        names: Its names; one of them is enough.
        table: The table, without schema.
        method: Access method.
        on: Columns or expressions in brackets, and the condition after them.
        why: What it makes quick.
        tables: The tables.
        indexes: The indexes.
        partitions: The partitions.
    """
    candidates = [one for one in tables if not one.parent and bare(one.name) == table]
    if not candidates:
        return None
    own = max(candidates, key=lambda one: (one.kind == "p", one.bytes))
    found = [
        one for one in indexes
        if one.table == own.name and serves(one.short_name, one.definition, names, method, on)
    ]  # fmt: skip
    if any(one.is_valid for one in found) or any(one.table == own.name and not one.definition for one in indexes):
        return None
    if any(one.building for one in indexes if one.table == own.name or one in found):
        return Diagnosis("index-missing", "risk", own.name, f"Index {names[0]} of {own.name} is being built.", "")
    if found:  # which the finding about invalid indexes tells already
        return None
    parts = [one.name for one in partitions if one.parent == own.name]
    read = sum((one.seq_scans or 0) for one in tables if one.name == own.name or one.parent == own.name)
    told = f" It was read from end to end {amount(read)} times since the statistics were reset." if read else ""
    either = " or ".join(names)
    text = f"{own.name} lacks the index {either}. {why.rstrip('.')}.{told}"
    return Diagnosis("index-missing", "broken", own.name, text, made(names[0], own, method, on, parts))


def serves(index: str, definition: str, names: Sequence[str], method: str, on: str) -> bool:
    """Whether an index is one that the service needs, by its name or by how it is defined.

    Args:
        index: Its name, without schema.
        definition: As ``pg_get_indexdef`` writes it.
        names: The names that the needed one may have.
        method: Access method of the needed one.
        on: Columns or expressions in brackets, and the condition after them.
    """
    return index in names or _canonical(definition).endswith(_canonical(f"USING {method} {on}"))


def made(name: str, table: Table, method: str, on: str, partitions: Sequence[str]) -> str:
    """The statements that make an index without stopping writes.

    On a partitioned table that takes a part for each partition: PostgreSQL cannot build all at once concurrently.
    """
    if table.kind != "p":
        return f"CREATE INDEX CONCURRENTLY {identifier(name)} ON {table.name} USING {method} {on};"
    whole = f"{_schema(table.name)}.{identifier(name)}"
    first = f"CREATE INDEX {identifier(name)} ON ONLY {table.name} USING {method} {on};"
    return "\n".join([first, *_parts(whole, name, f"{method} {on}", partitions)])


def unindexed(keys: Iterable[ForeignKey]) -> list[Diagnosis]:
    """Foreign keys of big tables without an index."""
    found: list[Diagnosis] = []
    for one in keys:
        if (one.planner_rows or 0) < NOTABLE_ROWS:
            continue
        columns = ", ".join(one.columns)
        text = (
            f"Foreign key {one.constraint} of {one.name} has no index: deleting a row of {one.referenced} reads all of "
            f"its {amount(one.planner_rows or 0)} rows."
        )
        how = "" if one.partitioned else "CONCURRENTLY "
        mend = f"CREATE INDEX {how}ON {one.name} ({columns});"
        found.append(Diagnosis("foreign-key-index", "risk", one.name, text, mend))
    return found


def _parts(whole: str, name: str, rest: str, partitions: Sequence[str]) -> list[str]:
    """The statements that make the parts of a partitioned index one by one, so that writes go on."""
    lines: list[str] = []
    for partition in partitions:
        # PostgreSQL cuts a name after 63 bytes.
        part = identifier(f"{bare(partition)[:31]}_{name.removeprefix('idx_')[:31]}")
        lines += [
            f"CREATE INDEX CONCURRENTLY {part} ON {partition} USING {rest};",
            f"ALTER INDEX {whole} ATTACH PARTITION {_schema(partition)}.{part};",
        ]
    return lines


def _invalid(one: Index, indexes: Sequence[Index], partitions: Sequence[Partition]) -> Diagnosis:
    if LEFT_OVER.search(one.short_name):
        text = (
            f"Index {one.name} was left behind by a REINDEX CONCURRENTLY that failed: writes pay for it, queries "
            "cannot use it."
        )
        return Diagnosis("index-invalid", "risk", one.name, text, dropped(one))
    if one.partitioned:
        there = {child.table for child in indexes if child.parent == one.name}
        lacking = [part.name for part in partitions if part.parent == one.table and part.name not in there]
        text = f"Index {one.name} is invalid: {len(lacking)} of the partitions of {one.table} lack their part of it."
        rest = one.definition.partition(f"{one.table} USING ")[2]
        mend = "\n".join(_parts(one.name, one.short_name, rest, lacking))
        return Diagnosis("index-invalid", "broken", one.name, text, mend)
    kept = "writes pay for it, and " if one.is_ready else ""
    unique = " It is unique: find the rows that are there twice first." if one.is_unique else ""
    text = f"Index {one.name} of {one.table} is invalid, because its build failed: {kept}queries cannot use it.{unique}"
    return Diagnosis("index-invalid", "broken", one.name, text, f"REINDEX INDEX CONCURRENTLY {one.name};")


def _equal(one: Index, other: Index) -> bool:
    return _shape(one) == _shape(other) and one.keys == other.keys and sorted(one.included) == sorted(other.included)


def _begins(wide: Index, narrow: Index) -> bool:
    """Whether a B-tree index begins with all keys of another one."""
    if wide.name == narrow.name or _shape(wide) != _shape(narrow) or narrow.method != "btree" or narrow.expressions:
        return False
    carried = {key.partition("/")[0] for key in wide.keys} | {str(column) for column in wide.included}
    if not {str(column) for column in narrow.included} <= carried:
        return False
    return len(wide.keys) > len(narrow.keys) and wide.keys[: len(narrow.keys)] == narrow.keys


def _shape(one: Index) -> tuple[str, str, str, str]:
    return one.table, one.method, one.expressions, one.predicate


_WORDS = re.compile(r"::(regconfig|text)\b|[\s()]+")


def _canonical(definition: str) -> str:
    """A definition without casts, brackets and blanks, which PostgreSQL adds as it likes."""
    return _WORDS.sub("", definition).lower()


def _schema(name: str) -> str:
    """The schema of a name that SQL wrote, with its quotes."""
    last = bare(name)
    return name[: -len(identifier(last)) - 1] if name.endswith(f".{identifier(last)}") else name.rpartition(".")[0]
