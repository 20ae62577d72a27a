"""What the database's catalogue and statistics tell of its tables, indexes, sequences and partitions.

Who asks says as what the rows are wanted, and they are checked against it. Nothing here reads a table but
:func:`measured`, which does so only up to :data:`MOST_MEASURED` bytes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from collectors.cache import Answer
from collectors.postgres.client import Postgres
from collectors.postgres.server import APPLICATION

T = TypeVar("T")

MOST_RELATIONS = 500
"""Most tables, and most partitions, that are listed; where there are more, it is said how many."""

MOST_INDEXES = 1500
"""Most indexes that are listed."""

MOST_OTHERS = 100
"""Most sequences, foreign keys, old tables and holders of the horizon that are listed."""

MOST_MEASURED = 2 * 2**30
"""Largest table, and largest index, in bytes, that is read to measure it."""

MEASURED_FRESH = 600.0
"""Seconds that a measurement stays fresh: it reads the table."""

INDEXES_FRESH = 30.0
"""Seconds that the indexes of some tables are taken for unchanged."""

EXPECTED = Path(__file__).parent.parent / "catalog" / "expected.toml"

_MOST: Mapping[str, int] = {
    "tables": MOST_RELATIONS,
    "partitions": MOST_RELATIONS,
    "indexes": MOST_INDEXES,
    "heap_statistics": MOST_RELATIONS,
    "index_statistics": MOST_INDEXES,
}


def listed(postgres: Postgres, name: str, kind: type[T]) -> tuple[T, ...]:
    """The answer to one of the statements about relations, asked now: who concludes from several keeps them together.

    Args:
        postgres: The database.
        name: A statement of the catalogue: ``tables``, ``indexes``, ``sequences``, ``partitions``,
            ``database_figures``, ``oldest_xids``, ``horizon``, ``foreign_keys``, ``heap_statistics`` or
            ``index_statistics``.
        kind: What a row is.

    Raises:
        SourceError: No usable answer.
    """
    return tuple(postgres.source.convert(postgres.ask(name, parameters_of(name)), kind))


def parameters_of(name: str) -> dict[str, Any]:
    """The parameters of a statement about relations."""
    found: dict[str, Any] = {}
    if name != "database_figures":
        found["most"] = _MOST.get(name, MOST_OTHERS)
    if name == "horizon":
        found["own"] = APPLICATION
    return found


def measured(postgres: Postgres, name: str, kind: type[T], relation: str) -> Answer[tuple[T, ...]]:
    """A table or its indexes measured by reading them; nothing of what is larger than :data:`MOST_MEASURED`.

    Args:
        postgres: The database.
        name: ``heap_measured`` or ``index_measured``.
        kind: What a row is.
        relation: Name of the table, as SQL writes it.

    Raises:
        Denied: The role is not a member of ``pg_monitor``.
        BadAnswer: The extension ``pgstattuple`` is missing.
        SourceError: No usable answer, and no good one is kept.
    """
    asked = {"name": relation, "most": MOST_MEASURED}
    return postgres.kept(name, lambda rows: tuple(postgres.source.convert(rows, kind)), asked, ttl=MEASURED_FRESH)


class TableIndex(msgspec.Struct, frozen=True):
    """An index of a table, or the table without any.

    Attributes:
        schema: Schema of the table.
        table: The table.
        partitioned: Whether it is partitioned.
        pages: Pages of the table by the last ANALYZE.
        name: Name of the index; empty for none.
        definition: Its definition; empty for none, and while the table is locked against everybody.
    """

    schema: str
    table: str
    partitioned: bool
    pages: int
    name: str
    definition: str


def table_indexes(postgres: Postgres, names: tuple[str, ...]) -> Answer[list[TableIndex]]:
    """The valid indexes of tables.

    Args:
        postgres: The database.
        names: The tables' names, without schema.

    Raises:
        SourceError: No usable answer.
    """

    def load() -> list[TableIndex]:
        return postgres.source.convert(postgres.ask("table_indexes", {"names": list(names)}), TableIndex)

    return postgres.kept_under("table_indexes", names, load, ttl=INDEXES_FRESH)


class ExpectedError(Exception):
    """The file of expected indexes has mistakes; one sentence a line."""


class ExpectedIndex(BaseModel):
    """An index that the service needs.

    Attributes:
        names: Its names; one of them is enough.
        table: The table, without schema.
        method: Access method.
        on: Columns or expressions in brackets, and the condition after them where there is one.
        why: What it makes quick.
        source: Where it is asked for.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    names: tuple[str, ...] = Field(min_length=1)
    table: str = Field(min_length=1)
    method: str = "btree"
    on: str = Field(min_length=1)
    why: str = Field(min_length=1)
    source: str = Field(min_length=1)


@cache
def expected() -> tuple[ExpectedIndex, ...]:
    """The indexes that the service needs, as shipped in ``catalog/expected.toml``.

    Raises:
        ExpectedError: The file has mistakes.
    """
    return read_expected(EXPECTED)


def read_expected(path: Path) -> tuple[ExpectedIndex, ...]:
    """Read a file of expected indexes.

    Raises:
        ExpectedError: It cannot be read, or an entry has a mistake; the text names file, entry and key.
    """
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("index", [])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ExpectedError(f"{path.name}: {error}") from None
    found: list[ExpectedIndex] = []
    mistakes: list[str] = []
    for number, entry in enumerate(entries, 1):
        try:
            found.append(ExpectedIndex.model_validate(entry))
        except ValidationError as error:
            mistakes += [
                f"{path.name}: index {number}: {'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()
            ]
    if mistakes:
        raise ExpectedError("\n".join(mistakes))
    return tuple(found)
