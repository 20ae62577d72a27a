"""The memory of log patterns: when each was first seen, under which version, and how many lines of it there were.

One worker at a time writes, under a lease; what it learned from a stretch of the log, and how far it has come, are one
transaction. So a stretch counts once, whenever a worker ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, select, tuple_, update

from records.database import Database
from records.leases import Lease, LeaseLostError, check_lease, database_time
from records.schema import (
    NAME_LENGTH,
    PATTERN_WORD_LENGTH,
    log_pattern_counts,
    log_pattern_progress,
    log_patterns,
)

BUCKET = timedelta(minutes=15)
"""Length of the stretches in which lines are counted."""

COUNTS_KEPT = timedelta(days=14)
"""How long counts are kept."""

PATTERNS_KEPT = timedelta(days=90)
"""How long a pattern is kept after its last line; when it comes back after that it is new again."""

MOST_PATTERNS = 2000
"""Patterns kept of one environment; beyond it those that were not seen for the longest time are forgotten."""

TEMPLATE_LENGTH = 8000
EXAMPLE_LENGTH = 1000
"""Characters that are kept of a template and of an example."""


@dataclass(frozen=True, slots=True)
class KnownPattern:
    """A pattern as it is kept.

    Attributes:
        id: Its identity within an environment.
        level: Level of its lines.
        component: Component of its lines; may be empty.
        template: Its words, with one space between them.
        example: A line of it.
        version: What ran when it was seen first; empty where that is not known.
        first_seen: Time of its first line, aware UTC.
        last_seen: Time of its last line, aware UTC.
    """

    id: str
    level: str
    component: str
    template: str
    example: str
    version: str
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class Memory:
    """All that is known about the patterns of an environment.

    Attributes:
        since: From when on lines were looked at without a hole, aware UTC; no earlier than the oldest of them.
        until: Up to when, aware UTC.
        patterns: The one that was seen longest ago first.
    """

    since: datetime
    until: datetime
    patterns: tuple[KnownPattern, ...]


@dataclass(frozen=True, slots=True)
class Learned:
    """What was learned about one pattern from a stretch of the log.

    Attributes:
        pattern: As it is now. Of a pattern that is known already the template and the last time count, and an
            earlier first time.
        lines: Start of a bucket → lines in it, see :func:`bucket_of`.
    """

    pattern: KnownPattern
    lines: Mapping[datetime, int]


def bucket_of(moment: datetime) -> datetime:
    """Start of the bucket in which a line of this moment is counted, aware UTC."""
    seconds = BUCKET.total_seconds()
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, UTC)


def read_memory(database: Database, environment: str) -> Memory | None:
    """What is known about the patterns of an environment; ``None`` where no worker has looked yet.

    Raises:
        RecordsError: The database could not be used.
    """
    p, t = log_pattern_progress, log_patterns
    with database.reading() as connection:
        progress = connection.execute(select(p).where(p.c.environment == environment)).one_or_none()
        if progress is None:
            return None
        query = select(t).where(t.c.environment == environment).order_by(t.c.last_seen, t.c.id)
        rows = connection.execute(query).mappings().all()
    return Memory(progress.since, progress.until, tuple(_pattern(row) for row in rows))


def read_counts(
    database: Database, environment: str, start: datetime, end: datetime
) -> list[tuple[str, datetime, int]]:
    """Lines of each pattern in each bucket that begins within ``[start, end)``; buckets without lines are left out.

    Returns:
        Identity of the pattern, start of the bucket, lines; in order of time.

    Raises:
        RecordsError: The database could not be used.
    """
    t = log_pattern_counts
    query = (
        select(t.c.pattern_id, t.c.bucket, t.c.lines)
        .where(t.c.environment == environment, t.c.bucket >= start, t.c.bucket < end)
        .order_by(t.c.bucket, t.c.pattern_id)
    )
    with database.reading() as connection:
        return [(row.pattern_id, row.bucket, row.lines) for row in connection.execute(query)]


def save_learned(
    database: Database,
    lease: Lease,
    environment: str,
    *,
    start: datetime,
    end: datetime,
    learned: Sequence[Learned],
) -> None:
    """Keep what was learned from the lines from ``start`` up to ``end``, and forget what is too old.

    Args:
        database: The records.
        lease: The right to do so; another one's work is never written over.
        environment: Key of the environment.
        start: Where the stretch begins: where the one before ended; later after a pause, which is then a hole.
        end: Where it ends.
        learned: Each pattern of the stretch once.

    Raises:
        LeaseLostError: Another worker has taken over, or this stretch is kept already; nothing was written.
        RecordsError: The database could not be used; nothing was written.
    """
    with database.writing() as connection:
        check_lease(connection, lease)
        _go_on(connection, environment, start, min(end, database_time(connection)))
        _keep_patterns(connection, environment, learned)
        _keep_counts(connection, environment, learned)
        _forget(connection, environment, end)


def _go_on(connection: Connection, environment: str, start: datetime, end: datetime) -> None:
    t = log_pattern_progress
    known = connection.execute(select(t.c.until).where(t.c.environment == environment)).scalar_one_or_none()
    if known is None:
        connection.execute(insert(t).values(environment=environment, since=start, until=end))
    elif known > database_time(connection):
        # A console whose clock was ahead wrote this; until that time has come nothing would be learned.
        connection.execute(update(t).where(t.c.environment == environment).values(since=start, until=end))
    elif known == start:
        connection.execute(update(t).where(t.c.environment == environment).values(until=end))
    elif known < start or not _learned_any(connection, environment):
        # After a hole what was before it no longer counts as known. Where nothing was learned yet nothing can be
        # counted twice, so it may begin earlier.
        connection.execute(update(t).where(t.c.environment == environment).values(since=start, until=end))
    else:
        raise LeaseLostError(f"the lines of {environment} from {start.isoformat()} on are kept already")


def _learned_any(connection: Connection, environment: str) -> bool:
    t = log_patterns
    return connection.execute(select(t.c.id).where(t.c.environment == environment).limit(1)).first() is not None


def _keep_patterns(connection: Connection, environment: str, learned: Sequence[Learned]) -> None:
    t = log_patterns
    query = select(t.c.id, t.c.first_seen, t.c.last_seen).where(t.c.environment == environment)
    known = {row.id: row for row in connection.execute(query)}
    fresh = [_row(environment, one.pattern) for one in learned if one.pattern.id not in known]
    if fresh:
        connection.execute(insert(t), fresh)
    for one in learned:
        before = known.get(one.pattern.id)
        if before is None:
            continue
        values = {
            "template": storable(one.pattern.template, TEMPLATE_LENGTH),
            "first_seen": min(before.first_seen, one.pattern.first_seen),
            "last_seen": max(before.last_seen, one.pattern.last_seen),
        }
        connection.execute(update(t).where(t.c.environment == environment, t.c.id == one.pattern.id).values(**values))


def _keep_counts(connection: Connection, environment: str, learned: Sequence[Learned]) -> None:
    t = log_pattern_counts
    buckets = sorted({bucket for one in learned for bucket in one.lines})
    if not buckets:
        return
    query = select(t.c.bucket, t.c.pattern_id).where(
        t.c.environment == environment, t.c.bucket >= buckets[0], t.c.bucket <= buckets[-1]
    )
    known = {(row.bucket, row.pattern_id) for row in connection.execute(query)}
    fresh = []
    for one in learned:
        for bucket, lines in one.lines.items():
            if (bucket, one.pattern.id) not in known:
                key = {"environment": environment, "bucket": bucket, "pattern_id": one.pattern.id}
                fresh.append({**key, "lines": lines})
                continue
            this = (t.c.environment == environment, t.c.bucket == bucket, t.c.pattern_id == one.pattern.id)
            connection.execute(update(t).where(*this).values(lines=t.c.lines + lines))
    if fresh:
        connection.execute(insert(t), fresh)


def _forget(connection: Connection, environment: str, now: datetime) -> None:
    t, c = log_patterns, log_pattern_counts
    connection.execute(delete(c).where(c.c.environment == environment, c.c.bucket < now - COUNTS_KEPT))
    connection.execute(delete(t).where(t.c.environment == environment, t.c.last_seen < now - PATTERNS_KEPT))
    beyond = (
        select(t.c.environment, t.c.id)
        .where(t.c.environment == environment)
        .order_by(t.c.last_seen.desc(), t.c.id)
        .offset(MOST_PATTERNS)
        .limit(1_000_000)  # SQLite knows no offset without a limit
    )
    connection.execute(delete(t).where(tuple_(t.c.environment, t.c.id).in_(beyond)))


def storable(text: str, length: int) -> str:
    """A foreign text as both databases can keep it: PostgreSQL has no NUL, and UTF-8 has no lone surrogates."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\x00", "␀")[:length]


def _row(environment: str, pattern: KnownPattern) -> dict[str, Any]:
    return {
        "environment": environment,
        "id": pattern.id,
        "level": storable(pattern.level, PATTERN_WORD_LENGTH),
        "component": storable(pattern.component, PATTERN_WORD_LENGTH),
        "template": storable(pattern.template, TEMPLATE_LENGTH),
        "example": storable(pattern.example, EXAMPLE_LENGTH),
        "version": storable(pattern.version, NAME_LENGTH),
        "first_seen": pattern.first_seen,
        "last_seen": pattern.last_seen,
    }


def _pattern(row: RowMapping) -> KnownPattern:
    return KnownPattern(
        id=row["id"],
        level=row["level"],
        component=row["component"],
        template=row["template"],
        example=row["example"],
        version=row["version"],
        first_seen=row["first_seen"],
        last_seen=row["last_seen"],
    )
