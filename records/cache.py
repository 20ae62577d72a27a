"""Samples of the cache: its figures as it told them, one a minute, and after two days one in ten minutes.

They are counters, so leaving out samples loses no sum. A sample with which the server was started anew or flushed
stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, insert, select

from records.database import Database
from records.leases import Lease, check_lease
from records.patterns import storable
from records.schema import RUN_LENGTH, cache_samples

DENSE = timedelta(days=2)
"""How long every sample is kept."""

THIN = timedelta(minutes=10)
"""Of what is older, one sample in so long is kept."""

_AT_ONCE = timedelta(hours=2)
"""The stretch behind ``DENSE`` in which samples are left out; longer than any pause between two of them."""


@dataclass(frozen=True, slots=True)
class CacheSample:
    """What the cache told at one moment.

    Attributes:
        taken_at: When, aware UTC.
        run_id: Changes whenever the server is started.
        flushes: How often it was flushed since its counters began; ``None`` where it does not tell.
        figures: All figures, as JSON.
    """

    taken_at: datetime
    run_id: str
    flushes: int | None
    figures: str


def save_cache_sample(database: Database, lease: Lease, environment: str, sample: CacheSample, keep: timedelta) -> None:
    """Keep a sample, and forget what is too old.

    Args:
        database: The records.
        lease: The right to do so; another one's work is never written over.
        environment: Key of the environment.
        sample: The sample.
        keep: How long samples are kept.

    Raises:
        LeaseLostError: Another worker has taken over; nothing was written.
        RecordsError: The database could not be used; nothing was written.
    """
    t = cache_samples
    with database.writing() as connection:
        check_lease(connection, lease)
        here = t.c.environment == environment
        # The clock of this machine may have gone back; what it told then is not told again.
        connection.execute(delete(t).where(here, t.c.taken_at >= sample.taken_at))
        connection.execute(
            insert(t).values(
                environment=environment,
                taken_at=sample.taken_at,
                run_id=storable(sample.run_id, RUN_LENGTH),
                flushes=sample.flushes,
                figures=sample.figures,
            )
        )
        connection.execute(delete(t).where(here, t.c.taken_at < sample.taken_at - keep))
        _leave_out(connection, environment, sample.taken_at - DENSE)


def read_cache_samples(database: Database, environment: str, start: datetime, end: datetime) -> tuple[CacheSample, ...]:
    """The samples from ``start`` to ``end``, both inclusive, in order of time.

    Raises:
        RecordsError: The database could not be used.
    """
    t = cache_samples
    query = (
        select(t.c.taken_at, t.c.run_id, t.c.flushes, t.c.figures)
        .where(t.c.environment == environment, t.c.taken_at >= start, t.c.taken_at <= end)
        .order_by(t.c.taken_at)
    )
    with database.reading() as connection:
        rows = connection.execute(query).all()
    return tuple(CacheSample(row.taken_at, row.run_id, row.flushes, row.figures) for row in rows)


def _leave_out(connection: Connection, environment: str, before: datetime) -> None:
    t = cache_samples
    query = (
        select(t.c.taken_at, t.c.run_id, t.c.flushes)
        .where(t.c.environment == environment, t.c.taken_at >= before - _AT_ONCE, t.c.taken_at < before)
        .order_by(t.c.taken_at)
    )
    gone = _superfluous([(row.taken_at, (row.run_id, row.flushes)) for row in connection.execute(query)])
    if gone:
        connection.execute(delete(t).where(t.c.environment == environment, t.c.taken_at.in_(gone)))


def _superfluous(samples: Sequence[tuple[datetime, tuple[str, int | None]]]) -> list[datetime]:
    """The moments that are left out: not the first of their stretch, and nothing changed with them or after them."""
    gone = []
    for number, (moment, state) in enumerate(samples):
        near = samples[max(number - 1, 0) : number + 2]
        first = number == 0 or _stretch(samples[number - 1][0]) != _stretch(moment)
        if not first and all(other == state for _, other in near):
            gone.append(moment)
    return gone


def _stretch(moment: datetime) -> datetime:
    seconds = THIN.total_seconds()
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, UTC)
