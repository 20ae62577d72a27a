"""The samples of statements as they become old: added up to hours, and forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import BigInteger, Connection, case, delete, exists, func, select

from records.database import Database
from records.leases import Lease, check_lease
from records.schema import statement_counters, statement_gains, statement_samples, statement_texts
from records.statements import (
    REAL,
    WHOLE,
    Foremost,
    Gains,
    SampleRow,
    insert_sample,
    keep_gains,
    newest,
    sample_of,
)

HOUR = 3600
"""Seconds of the stretches that old samples are added up to."""

SAMPLES_KEPT = timedelta(days=2)
"""How long samples are kept as they were taken."""


def roll_up(database: Database, lease: Lease, environment: str, now: datetime, foremost: Foremost) -> bool:
    """Add the samples of the oldest hour that is more than two days old up to one; one transaction.

    Returns:
        Whether there was such an hour: then there may be another.

    Raises:
        LeaseLostError: Another worker has taken over; nothing was written.
        RecordsError: The database could not be used; nothing was written.
    """
    t = statement_samples
    before = _hour(now - SAMPLES_KEPT)
    with database.writing() as connection:
        check_lease(connection, lease)
        last = newest(connection, environment)
        mine = (t.c.environment == environment, t.c.step == 0, t.c.middle < before)
        oldest = connection.execute(select(func.min(t.c.middle)).where(*mine)).scalar_one_or_none()
        if oldest is None or last is None or last.middle < before:
            return False
        start = _hour(oldest)
        end = start + timedelta(seconds=HOUR)
        query = select(t).where(*mine, t.c.middle >= start, t.c.middle < end).order_by(t.c.taken_at)
        samples = [sample_of(row) for row in connection.execute(query).mappings()]
        told = [one for one in samples if one.since is not None]
        if told:
            _add_up(connection, environment, told, foremost)
        numbers = [one.id for one in samples]
        connection.execute(delete(statement_gains).where(statement_gains.c.sample_id.in_(numbers)))
        connection.execute(delete(t).where(t.c.id.in_(numbers)))
    return True


def _hour(moment: datetime) -> datetime:
    return datetime.fromtimestamp(moment.timestamp() // HOUR * HOUR, UTC)


def _add_up(connection: Connection, environment: str, samples: Sequence[SampleRow], foremost: Foremost) -> None:
    last = samples[-1]
    whole_hour = replace(
        last,
        step=HOUR,
        since=samples[0].since,
        seconds=sum(one.seconds for one in samples),
        reset=any(one.reset for one in samples),
        begun_again=sum(one.begun_again for one in samples),
        gone=sum(one.gone for one in samples),
        evictions=sum(one.evictions for one in samples),
    )
    kept = replace(whole_hour, id=insert_sample(connection, environment, whole_hour))
    g, c = statement_gains, statement_counters
    query = (
        select(g.c.counter_id, c.c.database_id, c.c.user_id, c.c.query_id, c.c.toplevel, c.c.database, *sums())
        .join(c, c.c.id == g.c.counter_id)
        .where(g.c.sample_id.in_([one.id for one in samples]))
        .group_by(g.c.counter_id, c.c.database_id, c.c.user_id, c.c.query_id, c.c.toplevel, c.c.database)
    )
    rows = connection.execute(query).all()
    if not rows:
        return
    ids = {(row[1], row[2], row[3], row[4]): row[0] for row in rows}
    names = {row[1]: row[5] for row in rows}
    gains = Gains(
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int64),
        np.array([row[6:15] for row in rows], np.int64),
        np.array([row[15:] for row in rows], np.float64),
    )
    query = select(c.c.id, c.c.database_id).where(c.c.environment == environment, c.c.query_id == 0)
    ids |= {(row.database_id, 0, 0, True): row.id for row in connection.execute(query)}
    keep_gains(connection, environment, kept, gains, foremost, ids, lambda number, _: (names.get(number, ""), ""))


def sums() -> list[Any]:
    """Sums of all counters; of those that may be unknown NULL where one of the parts is."""
    g = statement_gains
    whole = [func.sum(g.c[name]).cast(BigInteger).label(name) for name in WHOLE]
    # A sum that leaves out what is not known would be told as if all were known.
    full = func.count()
    real = [case((func.count(g.c[name]) == full, func.sum(g.c[name]))).label(name) for name in REAL]
    return [*whole, *real]


def forget(database: Database, lease: Lease, environment: str, before: datetime) -> None:
    """Forget the samples before a moment, and entries and texts that nothing is known of any more.

    Raises:
        LeaseLostError: Another worker has taken over; nothing was written.
        RecordsError: The database could not be used; nothing was written.
    """
    s, g, c, x = statement_samples, statement_gains, statement_counters, statement_texts
    with database.writing() as connection:
        check_lease(connection, lease)
        last = newest(connection, environment)
        old = select(s.c.id).where(
            s.c.environment == environment, s.c.middle < before, s.c.id != (last.id if last else 0)
        )
        connection.execute(delete(g).where(g.c.sample_id.in_(old)))
        connection.execute(delete(s).where(s.c.id.in_(old)))
        used = exists().where(g.c.counter_id == c.c.id)
        # Entries that came and went and were never among the foremost: there may be thousands an hour.
        connection.execute(delete(c).where(c.c.environment == environment, ~c.c.present, ~used))
        connection.execute(delete(x).where(x.c.environment == environment, x.c.last_seen < before))
