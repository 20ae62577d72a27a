"""What is kept of the database's sessions, read: over time, summed over a span, and past moments of blocking."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, select, text

from records.activity import HOUR, MINUTE, Blocking, Dimension, Group, start_of, summed_until, within
from records.database import Database
from records.schema import activity, activity_blocking, activity_samples, statement_texts


@dataclass(frozen=True, slots=True)
class Load:
    """What is kept of a span.

    Attributes:
        samples: Start of a stretch → how often it was looked within it.
        sessions: Start of a stretch, value of the dimension (``None`` for the rest) → sessions seen.
        newest: Start of the newest stretch that is kept of the environment at all; ``None`` where nothing is.
        oldest: Start of the oldest one.
    """

    samples: Mapping[datetime, int]
    sessions: Mapping[tuple[datetime, Any], int]
    newest: datetime | None
    oldest: datetime | None


def known_texts(database: Database, environment: str, ids: Collection[int]) -> set[int]:
    """Those of the identifiers whose statements are kept.

    Raises:
        RecordsError: The database could not be used.
    """
    return set(read_texts(database, environment, ids))


def all_texts(database: Database, environment: str, most: int = 10_000) -> dict[int, str]:
    """The statements that are kept of an environment, those in use last.

    Raises:
        RecordsError: The database could not be used.
    """
    t = statement_texts
    query = select(t.c.query_id, t.c.text).where(t.c.environment == environment).order_by(t.c.last_seen.desc())
    with database.reading() as connection:
        return {row.query_id: row.text for row in connection.execute(query.limit(most))}


def read_texts(database: Database, environment: str, ids: Collection[int]) -> dict[int, str]:
    """The statements of identifiers, as far as they are kept.

    Raises:
        RecordsError: The database could not be used.
    """
    t = statement_texts
    found: dict[int, str] = {}
    asked = sorted(ids)
    with database.reading() as connection:
        for place in range(0, len(asked), 500):  # SQLite takes so many parameters at once
            query = select(t.c.query_id, t.c.text).where(
                t.c.environment == environment, t.c.query_id.in_(asked[place : place + 500])
            )
            found |= {row.query_id: row.text for row in connection.execute(query)}
    return found


def read_load(
    database: Database,
    environment: str,
    dimension: Dimension | None,
    start: datetime,
    end: datetime,
    *,
    hours: bool = False,
    narrow: Mapping[Dimension, Any] | None = None,
    most: int | None = None,
) -> Load:
    """Sessions over time by one dimension, of the stretches that begin within ``[start, end)``.

    Args:
        database: The records.
        environment: Key of the environment.
        dimension: What they are told apart by; ``None`` to know only how often it was looked.
        start: From when, aware; with ``hours`` the hour around it counts as well.
        end: Up to when, aware.
        hours: Read hours where they are summed up, and minutes only after the last one of them.
        narrow: Only sessions with these values.
        most: How many values are told apart, the largest of the span; all others are ``None``. By default all are.

    Raises:
        RecordsError: The database could not be used.
    """
    a, s = activity, activity_samples
    samples: dict[datetime, int] = {}
    sessions: dict[tuple[datetime, Any], int] = {}
    with database.reading() as connection:
        parts = _parts(connection, environment, start, end, hours=hours)
        conditions = [[*within(a, environment, *part), *_only(narrow)] for part in parts]
        name: ColumnElement[Any] | None = a.c[dimension] if dimension is not None else None
        if name is not None and most is not None:
            largest = _largest(connection, name, conditions, most)
            name = case((name.in_(largest), name))
        for part, condition in zip(parts, conditions, strict=True):
            looks = select(s.c.bucket, s.c.samples).where(*within(s, environment, *part))
            samples |= dict(iter(connection.execute(looks)))
            if name is None:
                continue
            # By its place: PostgreSQL takes two equal expressions with parameters for different ones.
            named = name.label("name")
            seen = select(a.c.bucket, named, func.sum(a.c.sessions)).where(*condition).group_by(a.c.bucket, text("2"))
            for moment, value, number in connection.execute(seen):
                sessions[(moment, value)] = int(number)
        ends = []
        for step in (MINUTE, HOUR):
            kept = select(func.min(s.c.bucket), func.max(s.c.bucket)).where(
                s.c.environment == environment, s.c.step == step
            )
            ends += [moment for moment in connection.execute(kept).one() if moment is not None]
    return Load(samples, sessions, max(ends, default=None), min(ends, default=None))


def read_groups(
    database: Database,
    environment: str,
    start: datetime,
    end: datetime,
    *,
    hours: bool = False,
    narrow: Mapping[Dimension, Any] | None = None,
) -> dict[Group, int]:
    """Sessions by all dimensions together, summed over a span; arguments as for :func:`read_load`.

    Raises:
        RecordsError: The database could not be used.
    """
    a = activity
    found: dict[Group, int] = {}
    by = (a.c.wait, a.c.query_id, a.c.user, a.c.client)
    with database.reading() as connection:
        for step, first, last in _parts(connection, environment, start, end, hours=hours):
            query = (
                select(*by, func.sum(a.c.sessions))
                .where(*within(a, environment, step, first, last), *_only(narrow))
                .group_by(*by)
            )
            for wait, query_id, user, client, seen in connection.execute(query):
                group = Group(wait, query_id, user, client)
                found[group] = found.get(group, 0) + int(seen)
    return found


def list_blocking(
    database: Database, environment: str, start: datetime, end: datetime, limit: int = 500
) -> list[Blocking]:
    """The moments of blocking within ``[start, end]``, the newest first, without their sessions.

    Raises:
        RecordsError: The database could not be used.
    """
    t = activity_blocking
    query = (
        select(t.c.taken_at, t.c.waiting, t.c.root)
        .where(t.c.environment == environment, t.c.taken_at >= start, t.c.taken_at <= end)
        .order_by(t.c.taken_at.desc())
        .limit(limit)
    )
    with database.reading() as connection:
        return [Blocking(row.taken_at, row.waiting, row.root) for row in connection.execute(query)]


def read_blocking(database: Database, environment: str, moment: datetime) -> Blocking | None:
    """The newest moment of blocking that is not after ``moment``; ``None`` where there is none.

    Raises:
        RecordsError: The database could not be used.
    """
    t = activity_blocking
    query = (
        select(t).where(t.c.environment == environment, t.c.taken_at <= moment).order_by(t.c.taken_at.desc()).limit(1)
    )
    with database.reading() as connection:
        row = connection.execute(query).one_or_none()
    return Blocking(row.taken_at, row.waiting, row.root, row.sessions) if row is not None else None


def _parts(
    connection: Connection, environment: str, start: datetime, end: datetime, *, hours: bool
) -> list[tuple[int, datetime, datetime]]:
    """Which stretches answer for a span: their seconds, and from when to when they begin."""
    until = summed_until(connection, environment) if hours else None
    if until is None:
        return [(MINUTE, start, end)]
    first = start_of(start, HOUR)
    parts = [(HOUR, first, min(end, until))]
    if end > until:
        parts.append((MINUTE, max(first, until), end))
    return parts


def _only(narrow: Mapping[Dimension, Any] | None) -> Iterable[ColumnElement[bool]]:
    return [activity.c[name] == value for name, value in (narrow or {}).items()]


def _largest(
    connection: Connection, name: ColumnElement[Any], conditions: Sequence[Sequence[ColumnElement[bool]]], most: int
) -> list[Any]:
    """The values of a column with the most sessions of all parts together."""
    found: dict[Any, int] = {}
    for condition in conditions:
        query = select(name, func.sum(activity.c.sessions)).where(*condition).group_by(name)
        for value, number in connection.execute(query):
            found[value] = found.get(value, 0) + int(number)
    return sorted(found, key=lambda value: (-found[value], str(value)))[:most]
