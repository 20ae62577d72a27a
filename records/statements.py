"""What the statements of the database gained between samples of their counters, and the counters as last seen.

One worker at a time writes, under a lease. A sample is one transaction: what was gained, the counters that changed, and
the sample itself; so a gain counts once, whenever a worker ends. What is two days old is added up to hours.

Of each sample the foremost statements are kept one by one and the others of a database together, so that sums stay
exact while the number of rows is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, Update, bindparam, func, insert, select, true, update
from sqlalchemy.dialects import postgresql, sqlite

from records.database import Database
from records.leases import Lease, LeaseLostError, check_lease
from records.patterns import storable
from records.schema import STATEMENT_LENGTH, statement_counters, statement_gains, statement_samples, statement_texts

WHOLE = (
    "calls", "rows", "blocks_hit", "blocks_read", "blocks_dirtied", "blocks_written", "temp_read", "temp_written",
    "wal_bytes",
)  # fmt: skip
REAL = ("total_ms", "plan_ms", "read_ms", "write_ms", "wal_buffers_full", "parallel_planned", "parallel_launched")
"""The counters, in the order of the arrays; those of ``REAL`` are NaN where they are not known."""

NAME_LENGTH = 100

Key = tuple[int, int, int, bool]
Foremost = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One sample, or the samples of an hour.

    Attributes:
        id: Its number; 0 for one that is not kept yet.
        step: 0 for one as it was taken, else seconds.
        since: Where its stretch begins; ``None`` for the first sample, from which nothing is known.
        taken_at: Where its stretch ends.
        seconds: How much of the stretch was watched.
        reset: Whether all counters were discarded within it.
        begun_again: Entries that began again within it.
        gone: Entries that were thrown out or removed within it.
        evictions: How often the server threw entries out within it.
        entries: Entries at its end.
        reset_at: When the server said at its end that all counters were discarded last.
        evicted_before: How often it had thrown entries out until then.
        started_at: When the server was started.
    """

    id: int
    step: int
    since: datetime | None
    taken_at: datetime
    seconds: float
    reset: bool
    begun_again: int
    gone: int
    evictions: int
    entries: int
    reset_at: datetime | None
    evicted_before: int
    started_at: datetime

    @property
    def middle(self) -> datetime:
        """The moment that says which window it belongs to."""
        return self.taken_at if self.since is None else self.since + (self.taken_at - self.since) / 2


@dataclass(frozen=True, slots=True)
class Entries:
    """Counters of entries, in columns.

    Attributes:
        ids: Their numbers in the records.
        keys: Which entries.
        whole: A row an entry, a column for each of :data:`WHOLE`.
        real: The same for :data:`REAL`.
        since: Seconds since 1970 from which on each is counted; NaN where that is not known.
    """

    ids: Mapping[Key, int]
    keys: tuple[Key, ...]
    whole: np.ndarray
    real: np.ndarray
    since: np.ndarray


@dataclass(frozen=True, slots=True)
class Fresh:
    """What a new sample brings.

    Attributes:
        sample: The sample; its number is given by the records.
        keys: All entries that it has.
        whole: Their counters.
        real: Their counters.
        since: From when on each is counted.
        changed: Which of them gained or began again, by their place.
        gains_whole: What each of these gained.
        gains_real: What each of these gained.
        first_seen: When an entry that is new to the records was first there; ``None`` where that is not known.
        names: Database and user of an entry, by their numbers.
        foremost: Which of the gains are kept one by one.
    """

    sample: SampleRow
    keys: tuple[Key, ...]
    whole: np.ndarray
    real: np.ndarray
    since: np.ndarray
    changed: np.ndarray
    gains_whole: np.ndarray
    gains_real: np.ndarray
    first_seen: Callable[[int], datetime | None]
    names: Callable[[int, int], tuple[str, str]]
    foremost: Foremost


def newest_sample(database: Database, environment: str) -> SampleRow | None:
    """The sample that was taken last; ``None`` where none was.

    Raises:
        RecordsError: The database could not be used.
    """
    with database.reading() as connection:
        return newest(connection, environment)


def read_entries(database: Database, environment: str) -> Entries:
    """The counters as the newest sample had them, and the numbers of all entries that were ever seen.

    Raises:
        RecordsError: The database could not be used.
    """
    t = statement_counters
    columns = [t.c[name] for name in (*WHOLE, *REAL)]
    query = select(
        t.c.id, t.c.present, t.c.counted_since, t.c.database_id, t.c.user_id, t.c.query_id, t.c.toplevel, *columns
    )
    with database.reading() as connection:
        rows = connection.execute(query.where(t.c.environment == environment)).all()
    ids = {(row[3], row[4], row[5], row[6]): row[0] for row in rows}
    there = [row for row in rows if row[1]]
    return Entries(
        ids,
        tuple((row[3], row[4], row[5], row[6]) for row in there),
        np.array([row[7:16] for row in there], np.int64).reshape(-1, len(WHOLE)),
        np.array([row[16:] for row in there], np.float64).reshape(-1, len(REAL)),
        np.array([row[2] for row in there], np.float64),
    )


def save_sample(
    database: Database, lease: Lease, environment: str, before: SampleRow | None, known: Entries, fresh: Fresh
) -> tuple[SampleRow, Entries]:
    """Keep a sample: what was gained, the counters that changed, and that it was taken; all or nothing.

    Args:
        database: The records.
        lease: The right to do so; another one's work is never written over.
        environment: Key of the environment.
        before: The sample that it is set against.
        known: The counters of that sample.
        fresh: The new one.

    Returns:
        The sample and the counters as they are kept now.

    Raises:
        LeaseLostError: Another worker has taken over, or has taken a sample meanwhile; nothing was written.
        RecordsError: The database could not be used; nothing was written.
    """
    with database.writing() as connection:
        check_lease(connection, lease)
        last = newest(connection, environment)
        if (last.id if last else None) != (before.id if before else None):
            raise LeaseLostError(f"statements of {environment} were sampled by another worker meanwhile")
        kept = replace(fresh.sample, id=insert_sample(connection, environment, fresh.sample))
        ids = dict(known.ids)
        _keep_counters(connection, environment, known, fresh, ids)
        if before is not None:
            numbers = np.fromiter((ids[fresh.keys[row]] for row in fresh.changed), np.int64, len(fresh.changed))
            databases = np.fromiter((fresh.keys[row][0] for row in fresh.changed), np.int64, len(fresh.changed))
            gains = Gains(numbers, databases, fresh.gains_whole, fresh.gains_real)
            keep_gains(connection, environment, kept, gains, fresh.foremost, ids, fresh.names)
    return kept, Entries(ids, fresh.keys, fresh.whole, fresh.real, fresh.since)


@dataclass(frozen=True, slots=True)
class Gains:
    """What entries gained, in columns.

    Attributes:
        ids: Their numbers in the records.
        databases: Number of the database of each.
        whole: A row an entry, a column for each of :data:`WHOLE`.
        real: The same for :data:`REAL`.
    """

    ids: np.ndarray
    databases: np.ndarray
    whole: np.ndarray
    real: np.ndarray


def newest(connection: Connection, environment: str) -> SampleRow | None:
    """The sample that was taken last, within a transaction."""
    t = statement_samples
    query = select(t).where(t.c.environment == environment, t.c.step == 0).order_by(t.c.id.desc()).limit(1)
    row = connection.execute(query).mappings().one_or_none()
    return sample_of(row) if row is not None else None


def sample_of(row: Mapping[Any, Any]) -> SampleRow:
    """A row of the samples."""
    left_out = {"environment", "middle"}
    return SampleRow(**{str(name): value for name, value in row.items() if name not in left_out})


def insert_sample(connection: Connection, environment: str, sample: SampleRow) -> int:
    """Insert a sample; its number."""
    values = {name: getattr(sample, name) for name in SampleRow.__dataclass_fields__ if name != "id"}
    done = connection.execute(insert(statement_samples).values(environment=environment, middle=sample.middle, **values))
    number: Any = done.inserted_primary_key
    return int(number[0])


def _keep_counters(connection: Connection, environment: str, known: Entries, fresh: Fresh, ids: dict[Key, int]) -> None:
    """Insert entries that are new, rewrite those that changed, and note which are no longer there."""
    t, at = statement_counters, fresh.sample.taken_at
    present, there = set(fresh.keys), set(known.keys)
    gone = [ids[key] for key in there - present]
    if gone:
        missing = update(t).where(t.c.id == bindparam("number")).values(present=False)
        connection.execute(missing, [{"number": number} for number in gone])
    new = [row for row, key in enumerate(fresh.keys) if key not in ids] if present - there else []
    if new:
        _insert_entries(connection, environment, [_entry(environment, fresh, row, at) for row in new], ids)
    returned = [row for row, key in enumerate(fresh.keys) if key not in there] if present - there else []
    rewritten = sorted({*map(int, fresh.changed), *returned} - set(new))
    if rewritten:
        counters: dict[str, Any] = {name: bindparam(f"new_{name}") for name in (*WHOLE, *REAL)}
        change = (
            update(t)
            .where(t.c.id == bindparam("number"))
            .values(present=true(), counted_since=bindparam("new_since"), **counters)
        )
        whole, real = fresh.whole[rewritten], fresh.real[rewritten]
        columns: dict[str, list[Any]] = {
            "number": [ids[fresh.keys[row]] for row in rewritten],
            "new_since": _known(fresh.since[rewritten]),
            **{f"new_{name}": whole[:, place].tolist() for place, name in enumerate(WHOLE)},
            **{f"new_{name}": _known(real[:, place]) for place, name in enumerate(REAL)},
        }
        _many(connection, change, columns)


def _many(connection: Connection, statement: Update, columns: Mapping[str, list[Any]]) -> None:
    """Run a statement for many rows of plain numbers; several times as quick as what SQLAlchemy does row by row."""
    compiled: Any = statement.compile(dialect=connection.dialect)
    if compiled.positional:
        rows = list(zip(*(columns[name] for name in compiled.positiontup), strict=True))
        connection.exec_driver_sql(compiled.string, rows)
    else:
        pairs = zip(*columns.values(), strict=True)
        connection.exec_driver_sql(compiled.string, [dict(zip(columns, row, strict=True)) for row in pairs])


def _known(values: np.ndarray) -> list[Any]:
    """Floats as Python's own, with ``None`` for NaN."""
    if not np.isnan(values).any():
        found: list[Any] = values.tolist()
        return found
    objects = values.astype(object)
    objects[np.isnan(values)] = None
    return list(objects.tolist())


def _entry(environment: str, fresh: Fresh, row: int, at: datetime) -> dict[str, Any]:
    key = fresh.keys[row]
    counters = dict(zip(WHOLE, fresh.whole[row].tolist(), strict=True))
    counters |= dict(zip(REAL, _known(fresh.real[row]), strict=True))
    first, since = fresh.first_seen(row), float(fresh.since[row])
    return _identity(environment, key, fresh.names(key[0], key[1]), at) | {
        "first_seen": first, "counted_since": None if since != since else since, **counters,
    }  # fmt: skip


def _identity(environment: str, key: Key, names: tuple[str, str], at: datetime) -> dict[str, Any]:
    return {
        "environment": environment,
        "database_id": key[0],
        "user_id": key[1],
        "query_id": key[2],
        "toplevel": key[3],
        "database": storable(names[0], NAME_LENGTH),
        "user": storable(names[1], NAME_LENGTH),
        "present": True,
        "first_seen": None,
        "counted_since": None,
    }


def _insert_entries(
    connection: Connection, environment: str, rows: Sequence[dict[str, Any]], ids: dict[Key, int]
) -> None:
    t = statement_counters
    last = connection.execute(select(func.max(t.c.id))).scalar_one() or 0
    connection.execute(insert(t), rows)
    query = select(t.c.id, t.c.database_id, t.c.user_id, t.c.query_id, t.c.toplevel)
    for number, *key in connection.execute(query.where(t.c.environment == environment, t.c.id > last)):
        ids[(key[0], key[1], key[2], key[3])] = number


def keep_gains(
    connection: Connection,
    environment: str,
    sample: SampleRow,
    gains: Gains,
    foremost: Foremost,
    ids: dict[Key, int],
    names: Callable[[int, int], tuple[str, str]],
) -> None:
    """Insert the foremost gains one by one, and the others of each database as one row."""
    if not len(gains.ids):
        return
    others = {number: key for key, number in ids.items() if key[2] == 0}
    chosen = foremost(gains.whole, gains.real) & ~np.isin(gains.ids, np.array(list(others), np.int64))
    numbers, whole, real = gains.ids[chosen], gains.whole[chosen], gains.real[chosen]
    for database_id in np.unique(gains.databases[~chosen]).tolist():
        these = ~chosen & (gains.databases == database_id)
        key: Key = (int(database_id), 0, 0, True)
        if key not in ids:
            row = _identity(environment, key, (names(int(database_id), 0)[0], ""), sample.taken_at)
            row |= dict.fromkeys(WHOLE, 0) | {"total_ms": 0.0} | dict.fromkeys(REAL[1:])
            _insert_entries(connection, environment, [row | {"present": False}], ids)
        numbers = np.append(numbers, ids[key])
        whole = np.vstack([whole, gains.whole[these].sum(axis=0)])
        real = np.vstack([real, gains.real[these].sum(axis=0)])
    values = [
        {"sample_id": sample.id, "counter_id": number, **dict(zip((*WHOLE, *REAL), (*ints, *floats), strict=True))}
        for number, ints, floats in zip(numbers.tolist(), whole.tolist(), _known(real), strict=True)
    ]
    connection.execute(insert(statement_gains), values)


def keep_texts(database: Database, lease: Lease, environment: str, texts: Mapping[int, str], at: datetime) -> None:
    """Keep the texts of statements; the first look of a text stays the first.

    Raises:
        LeaseLostError: Another worker has taken over; nothing was written.
        RecordsError: The database could not be used; nothing was written.
    """
    if not texts:
        return
    t = statement_texts
    rows = [
        {
            "environment": environment, "query_id": number, "text": storable(text, STATEMENT_LENGTH),
            "first_seen": at, "last_seen": at,
        }
        for number, text in texts.items()
    ]  # fmt: skip
    with database.writing() as connection:
        check_lease(connection, lease)
        dialect: Any = sqlite if connection.dialect.name == "sqlite" else postgresql
        put = dialect.insert(t)
        change = {"text": put.excluded.text, "last_seen": put.excluded.last_seen}
        connection.execute(put.on_conflict_do_update(index_elements=["environment", "query_id"], set_=change), rows)


def known_texts(database: Database, environment: str) -> dict[int, datetime]:
    """The statements whose text is kept, and when each was noted to be in use last.

    Raises:
        RecordsError: The database could not be used.
    """
    t = statement_texts
    query = select(t.c.query_id, t.c.last_seen).where(t.c.environment == environment)
    with database.reading() as connection:
        return {row.query_id: row.last_seen for row in connection.execute(query)}


def touch_texts(database: Database, lease: Lease, environment: str, ids: Iterable[int], at: datetime) -> None:
    """Note that statements are in use.

    Raises:
        LeaseLostError: Another worker has taken over; nothing was written.
        RecordsError: The database could not be used; nothing was written.
    """
    t = statement_texts
    rows = [{"number": number} for number in ids]
    if not rows:
        return
    with database.writing() as connection:
        check_lease(connection, lease)
        one = update(t).where(t.c.environment == environment, t.c.query_id == bindparam("number"))
        connection.execute(one.values(last_seen=at), rows)
