"""How much of a table or a B-tree index is not needed for its rows, estimated from the planner's statistics.

The formula is that of ioguix' pgsql-bloat-estimation (table_bloat.sql, btree_bloat.sql), which the PostgreSQL wiki
names under "Show database bloat": rows per page follow from the mean width of the columns, the headers of row and page
(PostgreSQL manual, Database Page Layout) and the fill factor; what is beyond the pages that so many rows need is bloat.
It is an estimate: it is as old as the last ANALYZE, it knows nothing of TOAST, and nothing of equal keys that a B-tree
keeps once, so that the bloat of an index with many equal keys is underestimated. Padding between columns is counted as
half of the alignment where a column of fixed length follows one of any length; that is not in the formula by ioguix.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from analysis.diagnosis import Diagnosis
from analysis.quantities import share, size
from views.database.rules.relations import Index, Statistics, Table

METHOD = (
    "Estimated from the widths that ANALYZE found and the number of rows (pgsql-bloat-estimation by ioguix), "
    "not measured"
)

_ALIGNMENT = 8
_PAGE_HEADER = 24
_ITEM_POINTER = 4
_ROW_HEADER = 23
_INDEX_SPECIAL = 16
_INDEX_HEADER = 8

BLOATED_SHARE = 0.4
"""Share that is not needed from which a table or an index is named."""

BLOATED_BYTES = 8 * 2**20
"""And how many bytes that must be at least: below it nobody gains anything."""


@dataclass(frozen=True, slots=True)
class Bloat:
    """What is not needed of a relation.

    Attributes:
        bytes: Its size.
        wasted: Bytes that are not needed for its rows.
        dead: Bytes of dead rows among them, where it was measured.
        measured: Whether it was measured; estimated otherwise.
    """

    bytes: int
    wasted: int
    dead: int | None = None
    measured: bool = False

    @property
    def share(self) -> float:
        """Share that is not needed, 0 to 1."""
        return self.wasted / self.bytes if self.bytes else 0.0


def heap(found: Statistics, block: int) -> Bloat | None:
    """The estimate for a table; ``None`` where the width of a column or the number of rows is not known.

    Args:
        found: Its statistics.
        block: Bytes of a block.
    """
    if not _enough(found) or found.row_count is None:
        return None
    header = _ROW_HEADER + (math.ceil(found.columns / 8) if found.nulls else 0)
    row = _ITEM_POINTER + _aligned(header) + _aligned(found.width)
    per_page = max((block - _PAGE_HEADER) * found.fillfactor / 100 / row, 1.0)
    return _over(found, math.ceil(found.row_count / per_page) * block)


def btree(found: Statistics, block: int) -> Bloat | None:
    """The estimate for a B-tree index; as :func:`heap`."""
    if not _enough(found) or found.row_count is None:
        return None
    # Where an entry has NULLs it carries a bitmap of 32 bits.
    header = _INDEX_HEADER + (4 if found.nulls else 0)
    entry = _ITEM_POINTER + _aligned(header) + _aligned(found.width)
    room = (block - _PAGE_HEADER - _INDEX_SPECIAL) * found.fillfactor / 100
    per_page = max(room / entry, 1.0)
    return _over(found, (1 + math.ceil(found.row_count / per_page)) * block)


def diagnose(
    tables: Iterable[Table], indexes: Iterable[Index], heaps: Mapping[int, Bloat], trees: Mapping[int, Bloat]
) -> list[Diagnosis]:
    """Which tables and indexes are much larger than their rows need, the one that wastes most first.

    Args:
        tables: The tables.
        indexes: The indexes.
        heaps: Number of a table → its bloat.
        trees: Number of an index → its bloat.
    """
    found: list[tuple[int, Diagnosis]] = []
    for table in tables:
        one = heaps.get(table.oid)
        if one is None or not bloated(one):
            continue
        text = f"About {share(one.share)} of {table.name} is not needed for its rows: {_wasted(one)}."
        # A name may hold a line break: it must not stand in a comment.
        mend = (
            f"VACUUM (ANALYZE) {table.name};\n"
            "-- That makes the room usable again. VACUUM FULL or pg_repack gives it back to the disk; the first of "
            "the two locks the table while it runs."
        )
        found.append((one.wasted, Diagnosis("bloat", "risk", table.name, text, mend)))
    for index in indexes:
        one = trees.get(index.oid)
        if one is None or not bloated(one) or index.building or not index.is_valid:
            continue
        text = f"About {share(one.share)} of index {index.name} is not needed for its entries: {_wasted(one)}."
        mend = f"REINDEX INDEX CONCURRENTLY {index.name};"
        found.append((one.wasted, Diagnosis("index-bloat", "risk", index.name, text, mend)))
    return [diagnosis for _, diagnosis in sorted(found, key=lambda pair: -pair[0])]


def bloated(one: Bloat) -> bool:
    """Whether it is worth a word."""
    return one.share >= BLOATED_SHARE and one.wasted >= BLOATED_BYTES


def _wasted(one: Bloat) -> str:
    how = "measured" if one.measured else "an estimate from statistics"
    return f"{size(one.wasted)} of {size(one.bytes)} ({how})"


def _enough(found: Statistics) -> bool:
    return found.columns > 0 and found.known == found.columns and found.bytes > 0


def _over(found: Statistics, needed: int) -> Bloat:
    return Bloat(found.bytes, max(found.bytes - needed, 0))


def _aligned(width: float) -> int:
    return math.ceil(width / _ALIGNMENT) * _ALIGNMENT
