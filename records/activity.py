"""What the sessions of the database did: samples of the worker, summed to minutes, and after a while to hours.

One worker at a time writes, under a lease. What it writes is added to what is there, so that two workers may share the
minute in which one took over from the other. A minute without samples is not there at all: nothing is known of it.
The number of rows is bounded: of each stretch the largest groups are kept, and the rest becomes one group for each
class of waits, so that sums stay right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from records.database import Database
from records.leases import Lease, check_lease
from records.patterns import storable
from records.schema import (
    ACTIVITY_LENGTH,
    STATEMENT_LENGTH,
    activity,
    activity_blocking,
    activity_samples,
    statement_texts,
)

MINUTE, HOUR = 60, 3600
"""Seconds of the two kinds of stretch that are kept."""

MINUTES_KEPT = timedelta(days=2)
"""How long minutes are kept; of what is older there are hours."""

MOST_GROUPS: Mapping[int, int] = {MINUTE: 100, HOUR: 200}
"""Most groups of one stretch, by its seconds."""

MOST_BLOCKING = 2000
"""Most moments of blocking that are kept of one environment."""

NO_QUERY, OTHER_QUERY = 0, -1
"""Instead of a statement's identifier: it had none; it belongs to the rest that is not told apart."""

OTHER = "(other)"
"""User, client and wait event of the rest that is not told apart."""

Dimension = Literal["wait", "query_id", "user", "client"]
"""What load can be told apart by: a column."""

_CLASSES = frozenset(
    {"CPU", "Activity", "BufferPin", "Client", "Extension", "IO", "IPC", "InjectionPoint", "Lock", "LWLock", "Timeout"}
)


@dataclass(frozen=True, slots=True)
class Group:
    """Sessions that did the same.

    Attributes:
        wait: What they waited for, such as ``Lock:transactionid``; ``CPU`` for nothing.
        query_id: Identifier of their statement, :data:`NO_QUERY` or :data:`OTHER_QUERY`.
        user: Their role.
        client: Name of their program.
    """

    wait: str
    query_id: int
    user: str
    client: str

    @property
    def wait_class(self) -> str:
        """The class of what they waited for."""
        return self.wait.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Stretch:
    """The samples of one stretch of time.

    Attributes:
        start: Its beginning, aware UTC.
        samples: How often it was looked.
        sessions: Active sessions that were seen in all of these looks together.
    """

    start: datetime
    samples: int
    sessions: Mapping[Group, int]


@dataclass(frozen=True, slots=True)
class Blocking:
    """Sessions that wait for others, at one moment.

    Attributes:
        taken_at: When, aware UTC.
        waiting: How many waited.
        root: Who was in front of most of them and what it did, as a text.
        sessions: All of them, as JSON; empty where only the list was asked for.
    """

    taken_at: datetime
    waiting: int
    root: str
    sessions: str = ""


def minute_of(moment: datetime) -> datetime:
    """Start of the minute of a moment, aware UTC."""
    return start_of(moment, MINUTE)


def folded(sessions: Mapping[Group, int], most: int) -> dict[Group, int]:
    """At most ``most`` groups with the same sum: the largest, and the rest by classes of waits."""
    own = {group: count for group, count in sessions.items() if group.query_id != OTHER_QUERY}
    if len(sessions) <= most:
        return dict(sessions)
    # Room for one group of each class, and one for classes that nobody knows yet.
    largest = sorted(own, key=lambda group: (-own[group], group.wait, group.query_id, group.user, group.client))
    kept = {group: own[group] for group in largest[: max(most - len(_CLASSES) - 1, 0)]}
    for group, count in sessions.items():
        if group not in kept:
            name = group.wait_class if group.wait_class in _CLASSES else "Extension"
            rest = Group(name if name == "CPU" else f"{name}:{OTHER}", OTHER_QUERY, OTHER, OTHER)
            kept[rest] = kept.get(rest, 0) + count
    return kept


def save_activity(
    database: Database,
    lease: Lease,
    environment: str,
    stretches: Sequence[Stretch],
    *,
    texts: Mapping[int, str] | None = None,
    blocking: Sequence[Blocking] = (),
    now: datetime,
    keep: timedelta,
) -> None:
    """Add samples to what is kept, and forget what is too old.

    Args:
        database: The records.
        lease: The right to do so.
        environment: Key of the environment.
        stretches: Minutes; what is kept of the same minute already is added to.
        texts: Statements by their identifiers, without people's values; those that are kept already stay.
        blocking: Moments at which sessions waited for others.
        now: The time.
        keep: How long all of it is kept.

    Raises:
        LeaseLostError: Another worker has taken over; nothing was written.
        RecordsError: The database could not be used; nothing was written.
    """
    with database.writing() as connection:
        check_lease(connection, lease)
        for one in stretches:
            _add(connection, environment, one)
        _keep_texts(connection, environment, texts or {}, now)
        if blocking:
            rows = [
                {
                    "environment": environment,
                    "taken_at": one.taken_at,
                    "waiting": one.waiting,
                    "root": storable(one.root, STATEMENT_LENGTH),
                    "sessions": one.sessions,
                }
                for one in blocking
            ]
            connection.execute(_dialect(connection).insert(activity_blocking).on_conflict_do_nothing(), rows)
        _sum_up(connection, environment, [one.start for one in stretches], now)
        _forget(connection, environment, now, keep)


def start_of(moment: datetime, step: int) -> datetime:
    """Start of the stretch of ``step`` seconds that a moment is in, aware UTC."""
    return datetime.fromtimestamp(moment.timestamp() // step * step, UTC)


def within(table: Any, environment: str, step: int, start: datetime, end: datetime) -> list[ColumnElement[bool]]:
    """The rows of a table of stretches that begin within ``[start, end)``."""
    c = table.c
    return [c.environment == environment, c.step == step, c.bucket >= start, c.bucket < end]


def summed_until(connection: Connection, environment: str) -> datetime | None:
    """End of the last hour that is summed up; ``None`` where none is."""
    s = activity_samples
    query = select(func.max(s.c.bucket)).where(s.c.environment == environment, s.c.step == HOUR)
    last: datetime | None = connection.execute(query).scalar_one_or_none()
    return last + timedelta(seconds=HOUR) if last is not None else None


def _dialect(connection: Connection) -> Any:
    return sqlite if connection.dialect.name == "sqlite" else postgresql


def _read(connection: Connection, environment: str, step: int, start: datetime, end: datetime) -> dict[Group, int]:
    a = activity
    by = (a.c.wait, a.c.query_id, a.c.user, a.c.client)
    query = select(*by, func.sum(a.c.sessions)).where(*within(a, environment, step, start, end)).group_by(*by)
    return {Group(*row[:4]): int(row[4]) for row in connection.execute(query)}


def _write(
    connection: Connection, environment: str, step: int, start: datetime, samples: int, sessions: Mapping[Group, int]
) -> None:
    """Put a stretch in the place of what is kept of it."""
    key = {"environment": environment, "step": step, "bucket": start}
    for table in (activity, activity_samples):
        c = table.c
        connection.execute(delete(table).where(c.environment == environment, c.step == step, c.bucket == start))
    connection.execute(insert(activity_samples), [{**key, "samples": samples}])
    kept = folded(sessions, MOST_GROUPS[step])
    rows = [
        {**key, "wait": one.wait, "query_id": one.query_id, "user": one.user, "client": one.client, "sessions": count}
        for one, count in kept.items()
    ]
    if rows:
        connection.execute(insert(activity), rows)


def _add(connection: Connection, environment: str, one: Stretch) -> None:
    after = one.start + timedelta(seconds=MINUTE)
    s = activity_samples
    looks = select(s.c.samples).where(s.c.environment == environment, s.c.step == MINUTE, s.c.bucket == one.start)
    before = connection.execute(looks).scalar_one_or_none()
    sessions = _read(connection, environment, MINUTE, one.start, after) if before is not None else {}
    for group, count in one.sessions.items():
        key = Group(
            storable(group.wait, ACTIVITY_LENGTH),
            group.query_id,
            storable(group.user, 63),
            storable(group.client, ACTIVITY_LENGTH),
        )
        sessions[key] = sessions.get(key, 0) + count
    _write(connection, environment, MINUTE, one.start, (before or 0) + one.samples, sessions)


def _sum_up(connection: Connection, environment: str, written: Sequence[datetime], now: datetime) -> None:
    """Make hours of the minutes of each hour that is over, and anew of one that was added to."""
    s = activity_samples
    until = summed_until(connection, environment)
    this_hour = start_of(now, HOUR)
    new = select(s.c.bucket).where(s.c.environment == environment, s.c.step == MINUTE, s.c.bucket < this_hour)
    if until is not None:
        new = new.where(s.c.bucket >= until)
    found = {start_of(moment, HOUR) for moment in connection.execute(new).scalars()}
    found |= {hour for hour in (start_of(moment, HOUR) for moment in written) if hour < this_hour}
    for hour in sorted(found):
        after = hour + timedelta(seconds=HOUR)
        looks = select(func.sum(s.c.samples)).where(*within(s, environment, MINUTE, hour, after))
        samples = int(connection.execute(looks).scalar_one() or 0)
        _write(connection, environment, HOUR, hour, samples, _read(connection, environment, MINUTE, hour, after))


def _keep_texts(connection: Connection, environment: str, texts: Mapping[int, str], now: datetime) -> None:
    rows = [
        {
            "environment": environment,
            "query_id": query_id,
            "text": storable(text, STATEMENT_LENGTH),
            "first_seen": now,
            "last_seen": now,
        }
        for query_id, text in texts.items()
    ]
    if rows:
        connection.execute(_dialect(connection).insert(statement_texts).on_conflict_do_nothing(), rows)


def _forget(connection: Connection, environment: str, now: datetime, keep: timedelta) -> None:
    for table in (activity, activity_samples):
        c = table.c
        for step, age in ((MINUTE, min(keep, MINUTES_KEPT)), (HOUR, keep)):
            old = start_of(now - age, step)
            connection.execute(delete(table).where(c.environment == environment, c.step == step, c.bucket < old))
    b = activity_blocking
    connection.execute(delete(b).where(b.c.environment == environment, b.c.taken_at < now - keep))
    beyond = (
        select(b.c.taken_at)
        .where(b.c.environment == environment)
        .order_by(b.c.taken_at.desc())
        .offset(MOST_BLOCKING)
        .limit(1)
    )
    oldest = connection.execute(beyond).scalar_one_or_none()
    if oldest is not None:
        connection.execute(delete(b).where(b.c.environment == environment, b.c.taken_at <= oldest))
