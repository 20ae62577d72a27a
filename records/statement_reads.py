"""What is asked of the gains of statements: how they add up over a window, and over time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import select

from records.database import Database
from records.schema import statement_counters, statement_gains, statement_samples, statement_texts
from records.statement_upkeep import sums
from records.statements import REAL, WHOLE, SampleRow, sample_of

TOTALS = ("query_id", "database", "user", "toplevel", "first_seen", *WHOLE, *REAL)
"""Columns of the sums of entries."""


def read_samples(database: Database, environment: str, start: datetime, end: datetime) -> list[SampleRow]:
    """The samples that belong to ``[start, end)``: those whose middle lies in it, in order of time.

    The first sample of all, from which nothing is known, is left out.

    Raises:
        RecordsError: The database could not be used.
    """
    t = statement_samples
    query = (
        select(t)
        .where(t.c.environment == environment, t.c.middle >= start, t.c.middle < end, t.c.since.is_not(None))
        .order_by(t.c.taken_at)
    )
    with database.reading() as connection:
        return [sample_of(row) for row in connection.execute(query).mappings()]


def read_first(database: Database, environment: str) -> datetime | None:
    """When the console looked for the first time, as far as that is kept; ``None`` where it never did.

    Raises:
        RecordsError: The database could not be used.
    """
    t = statement_samples
    query = select(t.c.since, t.c.taken_at).where(t.c.environment == environment).order_by(t.c.taken_at).limit(1)
    with database.reading() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else row.since or row.taken_at


def read_totals(database: Database, environment: str, start: datetime, end: datetime) -> pd.DataFrame:
    """What each entry gained in ``[start, end)``.

    Returns:
        A row an entry that gained anything, with the columns :data:`TOTALS`: int64, text, bool, time or float64; a sum
        of which a part is unknown is NaN. The row of ``query_id`` 0 has the other statements of its database together.

    Raises:
        RecordsError: The database could not be used.
    """
    g, c, s = statement_gains, statement_counters, statement_samples
    who = [c.c.query_id, c.c.database, c.c.user, c.c.toplevel, c.c.first_seen]
    query = (
        select(*who, *sums())
        .select_from(s)
        .join(g, g.c.sample_id == s.c.id)
        .join(c, c.c.id == g.c.counter_id)
        .where(s.c.environment == environment, s.c.middle >= start, s.c.middle < end)
        .group_by(c.c.id, *who)
    )
    with database.reading() as connection:
        rows = connection.execute(query).all()
    frame = pd.DataFrame.from_records([tuple(row) for row in rows], columns=list(TOTALS))
    whole: dict[str, Any] = dict.fromkeys(("query_id", *WHOLE), "int64")
    return frame.astype({**whole, "toplevel": "bool", **dict.fromkeys(REAL, "float64")})


def read_gains(
    database: Database,
    environment: str,
    start: datetime,
    end: datetime,
    columns: Sequence[str] = ("calls", "total_ms"),
    *,
    query_id: int | None = None,
    without_user: str = "",
) -> pd.DataFrame:
    """What each statement gained in each sample of ``[start, end)``, all its users and databases together.

    Args:
        database: The records.
        environment: Key of the environment.
        start: Where the window begins.
        end: Where it ends.
        columns: Which counters.
        query_id: Only this statement.
        without_user: Leave the statements of this role out.

    Returns:
        A row a sample and statement: ``sample_id``, ``query_id``, and the counters; what is unknown is NaN.

    Raises:
        RecordsError: The database could not be used.
    """
    g, c, s = statement_gains, statement_counters, statement_samples
    query = (
        select(g.c.sample_id, c.c.query_id, *(g.c[name] for name in columns))
        .select_from(s)
        .join(g, g.c.sample_id == s.c.id)
        .join(c, c.c.id == g.c.counter_id)
        .where(s.c.environment == environment, s.c.middle >= start, s.c.middle < end)
    )
    if query_id is not None:
        query = query.where(c.c.query_id == query_id)
    if without_user:
        query = query.where(c.c.user != without_user)
    with database.reading() as connection:
        rows = connection.execute(query).all()
    names = ["sample_id", "query_id", *columns]
    frame = pd.DataFrame.from_records([tuple(row) for row in rows], columns=names)
    frame = frame.astype({"sample_id": "int64", "query_id": "int64", **dict.fromkeys(columns, "float64")})
    keys = ["sample_id", "query_id"]
    if not frame.duplicated(keys).any():
        return frame
    parts = frame.groupby(keys, sort=False)
    known = parts.count().eq(parts.size(), axis=0)  # a sum of which a part is unknown is unknown
    return parts.sum().where(known).reset_index()


def read_texts(database: Database, environment: str, ids: Collection[int]) -> dict[int, str]:
    """The texts of statements, as far as they are kept.

    Raises:
        RecordsError: The database could not be used.
    """
    t = statement_texts
    found: dict[int, str] = {}
    wanted = sorted(set(ids))
    with database.reading() as connection:
        for place in range(0, len(wanted), 500):
            chosen = t.c.query_id.in_(wanted[place : place + 500])
            query = select(t.c.query_id, t.c.text).where(t.c.environment == environment, chosen)
            found |= {row.query_id: row.text for row in connection.execute(query)}
    return found


def read_first_seen(database: Database, environment: str, query_id: int) -> datetime | None:
    """When a statement was seen first; ``None`` where it was there before the console looked, or is not known at all.

    Raises:
        RecordsError: The database could not be used.
    """
    t = statement_counters
    query = select(t.c.first_seen).where(t.c.environment == environment, t.c.query_id == query_id)
    with database.reading() as connection:
        found: list[datetime | None] = list(connection.execute(query).scalars())
    known = [moment for moment in found if moment is not None]
    return min(known) if known and len(known) == len(found) else None


def read_databases(database: Database, environment: str, query_id: int) -> set[str]:
    """The databases that a statement ran in.

    Raises:
        RecordsError: The database could not be used.
    """
    t = statement_counters
    query = select(t.c.database).where(t.c.environment == environment, t.c.query_id == query_id)
    with database.reading() as connection:
        return set(connection.execute(query).scalars())
