"""The memory of tables, indexes and sequences: how big they were, and how much they were used, in each look at them.

A look is kept with all that was seen in it, in one transaction. Looks of the last week are kept as they were taken, of
those before it the first one of each day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, delete, insert, select

from records.database import Database
from records.leases import Lease, check_lease
from records.patterns import storable
from records.schema import RELATION_LENGTH, relation_samples, relation_sweeps

Kind = Literal["table", "index", "sequence"]

WHOLE = timedelta(days=7)
"""How long every look is kept."""

MOST_RELATIONS = 300
"""Relations kept of one look: those that come first."""

_BATCH = 200


@dataclass(frozen=True, slots=True)
class RelationSample:
    """What was seen of one relation.

    Attributes:
        kind: What it is.
        name: Its name, as SQL writes it.
        parent: The table of an index, the partitioned table of a partition; else empty.
        bytes: Its size; that of a table with TOAST and indexes.
        live_rows: Rows of a table; the last value of a sequence; ``None`` where not known.
        dead_rows: Dead rows of a table.
        scans: Sequential scans of a table, scans of an index, since the statistics were reset.
        writes: Rows inserted, updated and deleted since then.
    """

    kind: Kind
    name: str
    parent: str
    bytes: int
    live_rows: int | None = None
    dead_rows: int | None = None
    scans: int | None = None
    writes: int | None = None


@dataclass(frozen=True, slots=True)
class Sweep:
    """One look at the database.

    Attributes:
        taken_at: When, aware UTC.
        bytes: Size of the database; ``None`` where not known.
        next_xid: The transaction id that came next.
        xid_age: Transaction ids since the oldest row that was not frozen.
        mxid_age: The same for multixacts.
        relations: How many relations there were; fewer may be kept.
    """

    taken_at: datetime
    bytes: int | None
    next_xid: int
    xid_age: int
    mxid_age: int
    relations: int


Track = Sequence[tuple[datetime, RelationSample]]
"""What was seen of one relation, the newest last."""


def save_sweep(
    database: Database,
    lease: Lease,
    environment: str,
    sweep: Sweep,
    samples: Sequence[RelationSample],
    *,
    keep: timedelta,
) -> None:
    """Keep a look, and forget what is too old.

    Args:
        database: The records.
        lease: The right to do so.
        environment: Key of the environment.
        sweep: The look.
        samples: What was seen, the most important first; beyond :data:`MOST_RELATIONS` it is not kept.
        keep: How long looks are kept.

    Raises:
        LeaseLostError: Another worker has taken over; nothing was written.
        RecordsError: The database could not be used; nothing was written.
    """
    with database.writing() as connection:
        check_lease(connection, lease)
        t = relation_sweeps
        this = (t.c.environment == environment, t.c.taken_at == sweep.taken_at)
        if connection.execute(select(t.c.taken_at).where(*this)).first() is not None:
            return
        row = {name: getattr(sweep, name) for name in sweep.__slots__}
        connection.execute(insert(t).values(environment=environment, **row))
        rows = [_row(environment, sweep.taken_at, one) for one in samples[:MOST_RELATIONS]]
        if rows:
            connection.execute(insert(relation_samples), rows)
        _forget(connection, environment, sweep.taken_at, keep)


def read_sweeps(database: Database, environment: str, start: datetime, end: datetime) -> list[Sweep]:
    """The looks within ``[start, end]``, the newest last.

    Raises:
        RecordsError: The database could not be used.
    """
    t = relation_sweeps
    query = (
        select(t)
        .where(t.c.environment == environment, t.c.taken_at >= start, t.c.taken_at <= end)
        .order_by(t.c.taken_at)
    )
    with database.reading() as connection:
        return [
            Sweep(row.taken_at, row.bytes, row.next_xid, row.xid_age, row.mxid_age, row.relations)
            for row in connection.execute(query)
        ]


def read_tracks(database: Database, environment: str, moments: Sequence[datetime]) -> Mapping[tuple[str, str], Track]:
    """What was seen of every relation in certain looks.

    Args:
        database: The records.
        environment: Key of the environment.
        moments: The looks, by when they were taken.

    Returns:
        Kind and name → what was seen; a relation that was not seen in a look has no entry for it.

    Raises:
        RecordsError: The database could not be used.
    """
    t = relation_samples
    found: dict[tuple[str, str], list[tuple[datetime, RelationSample]]] = defaultdict(list)
    with database.reading() as connection:
        for begin in range(0, len(moments), _BATCH):
            query = (
                select(t)
                .where(t.c.environment == environment, t.c.taken_at.in_(moments[begin : begin + _BATCH]))
                .order_by(t.c.taken_at)
            )
            for row in connection.execute(query):
                found[row.kind, row.name].append((row.taken_at, _sample(row)))
    return found


def read_track(database: Database, environment: str, kind: Kind, name: str, start: datetime, end: datetime) -> Track:
    """What was seen of one relation within ``[start, end]``.

    Raises:
        RecordsError: The database could not be used.
    """
    t = relation_samples
    query = (
        select(t)
        .where(
            t.c.environment == environment,
            t.c.kind == kind,
            t.c.name == storable(name, RELATION_LENGTH),
            t.c.taken_at >= start,
            t.c.taken_at <= end,
        )
        .order_by(t.c.taken_at)
    )
    with database.reading() as connection:
        return [(row.taken_at, _sample(row)) for row in connection.execute(query)]


def _forget(connection: Connection, environment: str, now: datetime, keep: timedelta) -> None:
    t, s = relation_sweeps, relation_samples
    connection.execute(delete(t).where(t.c.environment == environment, t.c.taken_at < now - keep))
    connection.execute(delete(s).where(s.c.environment == environment, s.c.taken_at < now - keep))
    query = (
        select(t.c.taken_at).where(t.c.environment == environment, t.c.taken_at < now - WHOLE).order_by(t.c.taken_at)
    )
    days: set[date] = set()
    gone: list[datetime] = []
    for moment in connection.execute(query).scalars():
        day = moment.astimezone(UTC).date()
        if day in days:
            gone.append(moment)
        days.add(day)
    for begin in range(0, len(gone), _BATCH):
        part = gone[begin : begin + _BATCH]
        connection.execute(delete(t).where(t.c.environment == environment, t.c.taken_at.in_(part)))
        connection.execute(delete(s).where(s.c.environment == environment, s.c.taken_at.in_(part)))


def _row(environment: str, taken_at: datetime, one: RelationSample) -> dict[str, Any]:
    row = {name: getattr(one, name) for name in one.__slots__}
    names = {name: storable(row[name], RELATION_LENGTH) for name in ("name", "parent")}
    return {**row, **names, "environment": environment, "taken_at": taken_at}


def _sample(row: Any) -> RelationSample:
    return RelationSample(
        row.kind, row.name, row.parent, row.bytes, row.live_rows, row.dead_rows, row.scans, row.writes
    )
