"""Episodes of trouble: what the verdict had to say, how bad it was at its worst, and from when to when.

One worker at a time writes, under a lease. All times are of the database's own clock, which is the one that all
consoles share, but for a beginning that lies farther back because a source knows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, delete, insert, or_, select, update

from records.database import Database
from records.leases import Lease, check_lease, database_time
from records.patterns import storable
from records.schema import TROUBLE_LENGTH, TROUBLE_TEXT, troubles

GONE = timedelta(seconds=25)
"""How long a trouble must not have been there before it is over: it may be missed once."""

MOST = 5000
"""Most episodes that are kept of one environment."""

MOST_AT_ONCE = 50
"""Most troubles that are written at once."""

FARTHEST = timedelta(days=8)
"""How far back a beginning may lie that a source tells."""

_RANK: Mapping[str, int] = {"broken": 2, "risk": 1}


@dataclass(frozen=True, slots=True)
class Trouble:
    """An episode of trouble.

    Attributes:
        key: Which trouble it is.
        subject: What it is about.
        cause: Which kind of thing it is, as a number.
        status: How bad it was at its worst: ``broken``, ``risk`` or ``unknown``.
        weight: How bad that was within its status.
        text: The sentence of then, with times in UTC.
        began_at: When it began, aware UTC.
        seen_at: When it was there last.
        ended_at: When it was over; ``None`` where it lasts.
    """

    key: str
    subject: str
    cause: int
    status: str
    weight: float
    text: str
    began_at: datetime
    seen_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Present:
    """A trouble that is there now; attributes as of :class:`Trouble`.

    Attributes:
        since: When it began, where a source knows that.
    """

    key: str
    subject: str
    cause: int
    status: str
    weight: float
    text: str
    since: datetime | None = None


def save_troubles(
    database: Database, lease: Lease, environment: str, present: Sequence[Present], keep: timedelta
) -> None:
    """Note what there is now: new episodes begin, those that go on are prolonged, the others end after a while.

    Args:
        database: The records.
        lease: The right to do so.
        environment: Key of the environment.
        present: All that is there now, the first one of each key.
        keep: How long episodes are kept.

    Raises:
        LeaseLostError: Another worker has taken over; nothing was written.
        RecordsError: The database could not be used; nothing was written.
    """
    t = troubles
    with database.writing() as connection:
        check_lease(connection, lease)
        now = database_time(connection)
        here = t.c.environment == environment
        # What nobody looked at for a while ended then, as far as is known: this worker does not prolong it.
        stale = and_(here, t.c.ended_at.is_(None), t.c.seen_at < now - GONE)
        connection.execute(update(t).where(stale).values(ended_at=t.c.seen_at))
        open_ones = {
            row.key: row
            for row in connection.execute(
                select(t.c.id, t.c.key, t.c.status, t.c.weight).where(here, t.c.ended_at.is_(None))
            )
        }
        for one in present[:MOST_AT_ONCE]:
            key = storable(one.key, TROUBLE_LENGTH)
            row = open_ones.pop(key, None)
            worst = {"status": one.status, "weight": one.weight, "text": storable(one.text, TROUBLE_TEXT)}
            if row is None:
                began = now
                if one.since is not None and now - FARTHEST < one.since < now:
                    began = one.since
                values = {"environment": environment, "key": key, "subject": storable(one.subject, TROUBLE_LENGTH)}
                connection.execute(
                    insert(t).values(**values, **worst, cause=one.cause, began_at=began, seen_at=now, ended_at=None)
                )
                continue
            as_bad = (_RANK.get(one.status, 0), one.weight) >= (_RANK.get(row.status, 0), row.weight)
            connection.execute(
                update(t).where(t.c.id == row.id).values(seen_at=now, cause=one.cause, **(worst if as_bad else {}))
            )
        _forget(connection, environment, now - keep)


def list_troubles(database: Database, environment: str, start: datetime, end: datetime | None = None) -> list[Trouble]:
    """The episodes that overlap a stretch of time, in order of their beginnings.

    Args:
        database: The records.
        environment: Key of the environment.
        start: From when, aware.
        end: Up to when; by default until now, so that those that last are among them.

    Raises:
        RecordsError: The database could not be used.
    """
    t = troubles
    query = (
        select(t)
        .where(t.c.environment == environment, or_(t.c.ended_at.is_(None), t.c.ended_at >= start))
        .order_by(t.c.began_at.desc())
        .limit(500)
    )
    if end is not None:
        query = query.where(t.c.began_at <= end)
    with database.reading() as connection:
        rows = connection.execute(query).all()
    return [
        Trouble(
            row.key, row.subject, row.cause, row.status, row.weight, row.text, row.began_at, row.seen_at, row.ended_at
        )
        for row in reversed(rows)
    ]


def _forget(connection: Connection, environment: str, before: datetime) -> None:
    t = troubles
    here = t.c.environment == environment
    connection.execute(delete(t).where(here, t.c.ended_at < before))
    beyond = select(t.c.id).where(here).order_by(t.c.began_at.desc(), t.c.id.desc()).offset(MOST).limit(1000)
    gone = list(connection.execute(beyond).scalars())
    if gone:
        connection.execute(delete(t).where(t.c.id.in_(gone)))
