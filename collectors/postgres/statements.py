"""The counters of all statements, as ``pg_stat_statements`` has them: a whole look at once, texts apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import numpy as np
import numpy.typing as npt

from collectors.errors import BadAnswer
from collectors.postgres.client import Postgres
from collectors.postgres.server import Rows

CHARACTERS = 100_000
"""Most characters of a text that are read; a longer one is no statement that somebody would read."""

TRIES = 4
"""How often a look is taken again where everything was reset while it was taken."""

UNDEFINED_COLUMN = "42703"
"""SQLSTATE of a question for a column that is not there."""

_WHOLE = slice(4, 13)
_REAL = slice(13, 20)
_UNKNOWN = float("nan")


class Info(msgspec.Struct, frozen=True):
    """What the server says about its counting.

    Attributes:
        stats_reset: When all entries were discarded last.
        dealloc: How often entries were thrown out to make room.
        as_of: The server's clock.
        started_at: When it was started.
        most: How many entries there can be.
        track: Which statements are counted: ``top``, ``all`` or ``none``.
        track_planning: Whether the time of planning is counted.
        track_io_timing: Whether the time of reading and writing blocks is measured.
    """

    stats_reset: datetime | None
    dealloc: int
    as_of: datetime
    started_at: datetime
    most: int
    track: str
    track_planning: bool
    track_io_timing: bool


@dataclass(frozen=True, slots=True)
class Look:
    """All entries at one moment, in columns.

    Attributes:
        info: What the server says about its counting.
        keys: Of each entry database, user (by their numbers), statement, and whether a client sent it itself.
        whole: A row an entry: calls, rows, blocks hit, read, dirtied and written, temporary blocks read and written,
            bytes of WAL.
        real: A row an entry: milliseconds of execution, planning, reading and writing, times that WAL buffers were
            full, parallel workers planned and launched; NaN where that is not counted.
        since: Seconds since 1970 from which on each entry is counted; NaN before PostgreSQL 17.
    """

    info: Info
    keys: tuple[tuple[int, int, int, bool], ...]
    whole: npt.NDArray[np.int64]
    real: npt.NDArray[np.float64]
    since: npt.NDArray[np.float64]


def look(database: Postgres, last: tuple[datetime | None, datetime] | None = None) -> Look:
    """The counters of all statements, now.

    Args:
        database: The database.
        last: When everything was reset and when the server was started, as the look before had it: where that still
            holds, nothing was reset while this look was taken.

    Raises:
        Denied: The console's role is no member of ``pg_read_all_stats``; the hint is the GRANT.
        BadAnswer: The extension is missing, or older than the server; the hint is what mends it.
        SourceError: No usable answer.
    """
    for _ in range(TRIES):
        rows = _counters(database)
        told = info(database)
        if last == (told.stats_reset, told.started_at):
            return _columns(rows, told)
        last = (told.stats_reset, told.started_at)
    what = f"reset its statement counters {TRIES - 1} times while they were read"
    raise BadAnswer(database.source.name, database.source.address, what, trips=False)


def info(database: Postgres) -> Info:
    """What the server says about its counting.

    Raises:
        SourceError: No usable answer.
    """
    return database.source.convert(database.ask("statements_info"), Info)[0]


def texts(database: Postgres, ids: Iterable[int]) -> dict[int, str]:
    """The texts of some statements, as the server normalised them; those that it no longer has are left out.

    Raises:
        SourceError: No usable answer.
    """
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    rows = database.ask("statement_texts", {"ids": wanted, "characters": CHARACTERS}).rows
    return {int(number): str(text) for number, text in rows if text is not None}


def _counters(database: Postgres) -> Rows:
    try:
        return database.ask("statements")
    except BadAnswer as error:
        if error.code != UNDEFINED_COLUMN:
            raise
        # The server was upgraded and the extension was not: its columns are still called as before.
        what = "has an older version of pg_stat_statements than it could have"
        hint = "ALTER EXTENSION pg_stat_statements UPDATE;"
        raise BadAnswer(error.source, error.address, what, hint=hint, trips=False) from None


def names(database: Postgres) -> tuple[dict[int, str], dict[int, str]]:
    """What databases and roles are called, by their numbers.

    Raises:
        SourceError: No usable answer.
    """
    found: dict[str, dict[int, str]] = {"database": {}, "user": {}}
    for kind, number, name in database.ask("statement_names").rows:
        found[kind][number] = name
    return found["database"], found["user"]


def _columns(rows: Rows, told: Info) -> Look:
    columns = list(zip(*rows.rows, strict=True)) if rows.rows else [()] * 21
    count = len(rows.rows)
    whole = np.array(columns[_WHOLE], np.int64).reshape(-1, count).T.copy()
    # None becomes NaN here.
    real = np.array(columns[_REAL], np.float64).reshape(-1, count).T.copy()
    if not told.track_planning:
        real[:, 1] = _UNKNOWN
    if not told.track_io_timing:
        real[:, 2:4] = _UNKNOWN
    keys = tuple(zip(*columns[:4], strict=True)) if count else ()
    return Look(told, keys, whole, real, np.array(columns[20], np.float64))


def named(names: Mapping[int, str], number: int) -> str:
    """What a database or role is called; its number where it is gone meanwhile."""
    return names.get(number, f"number {number}")


def moment(seconds: float) -> datetime | None:
    """Seconds since 1970 as an aware time; ``None`` for NaN, and for what no calendar has (``infinity``)."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None
