"""Saved searches: what was once worth looking for in the logs, so that nobody has to write it again at night."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import RowMapping, delete, exc, func, insert, select, update

from records.database import Database
from records.leases import database_time
from records.schema import LABEL_LENGTH, NAME_LENGTH, QUERY_LENGTH, saved_searches

MOST_KEPT = 200
"""Most searches of an environment at a time; who wants to save another one deletes one first."""

MOST_DELETED = 1000
"""Most deleted searches of an environment that the records remember; the oldest ones go first."""

MOST_LISTED = 500
"""Most searches that one list holds, whatever limit was asked for."""

MOST_PARTS = 50
"""Most filters, and most columns, of one search."""


class InvalidSearch(ValueError):
    """A search cannot be saved as it is; ``str()`` says why, for the person who wanted to save it."""


@dataclass(frozen=True, slots=True)
class SavedSearch:
    """A search of the logs that somebody gave a label.

    Attributes:
        id: Its identity, for deleting it.
        environment: Key of the environment it was made in.
        label: What it is called; once in an environment.
        query: The text of the search field; may be empty.
        filters: The filters beside it, each as it is written in a query.
        columns: Names of the columns that the list showed.
        created_by: Who saved it.
        created_at: When, aware UTC.
    """

    id: uuid.UUID
    environment: str
    label: str
    query: str
    filters: tuple[str, ...]
    columns: tuple[str, ...]
    created_by: str
    created_at: datetime


def save_search(
    database: Database,
    *,
    environment: str,
    label: str,
    query: str,
    filters: Sequence[str] = (),
    columns: Sequence[str] = (),
    created_by: str,
) -> SavedSearch:
    """Save a search; when this returns, it is on disk.

    Args:
        database: The records.
        environment: Key of the environment.
        label: What it is called: one printable line of at most 80 characters; spaces around it are dropped.
        query: The text of the search field, at most 2,000 characters.
        filters: The filters beside it, at most 50, each at most 2,000 characters.
        columns: The columns of the list, at most 50, each at most 2,000 characters.
        created_by: Name of the viewer.

    Raises:
        InvalidSearch: There are ``MOST_KEPT`` already, the label is taken, there is nothing to save, or a value is not
            as described.
        RecordsError: The database could not be used; nothing was saved.
    """
    label, query = _label(label), _text(query)
    filters, columns = _texts("filters", filters), _texts("columns", columns)
    if not query and not filters:
        raise InvalidSearch("There is nothing to save: the search is empty and has no filter.")
    t = saved_searches
    with database.writing() as connection:
        search = SavedSearch(
            id=uuid.uuid4(),
            environment=environment,
            label=label,
            query=query,
            filters=filters,
            columns=columns,
            created_by=created_by[:NAME_LENGTH],
            created_at=database_time(connection),
        )
        kept = select(func.count()).where(t.c.environment == environment, t.c.deleted_at.is_(None))
        if (connection.scalar(kept) or 0) >= MOST_KEPT:
            raise InvalidSearch(f"There are {MOST_KEPT} saved searches already. Delete one that nobody needs first.")
        try:
            connection.execute(
                insert(saved_searches).values(
                    id=search.id,
                    environment=environment,
                    label=search.label,
                    query=search.query,
                    filters=json.dumps(search.filters),
                    columns=json.dumps(search.columns),
                    created_by=search.created_by,
                    created_at=search.created_at,
                )
            )
        except exc.IntegrityError:
            raise InvalidSearch(f'There is already a search called "{search.label}" here.') from None
    return search


def list_searches(database: Database, environment: str, limit: int = 100) -> list[SavedSearch]:
    """The searches of an environment, the one saved last first.

    Args:
        database: The records.
        environment: Key of the environment.
        limit: Most searches to return, from 1 to 500.

    Raises:
        RecordsError: The database could not be used.
    """
    t = saved_searches
    query = (
        select(t)
        .where(t.c.environment == environment, t.c.deleted_at.is_(None))
        .order_by(t.c.created_at.desc(), t.c.id)
        .limit(max(1, min(limit, MOST_LISTED)))
    )
    with database.reading() as connection:
        return [_search(row) for row in connection.execute(query).mappings()]


def delete_search(database: Database, search_id: uuid.UUID, by: str) -> bool:
    """Delete a search; its label is free again, and the records keep who deleted it.

    Args:
        database: The records.
        search_id: Which one.
        by: Name of the viewer.

    Returns:
        Whether it was there; ``False`` when somebody else has deleted it meanwhile.

    Raises:
        RecordsError: The database could not be used; nothing was deleted.
    """
    t = saved_searches
    with database.writing() as connection:
        change = (
            update(t)
            .where(t.c.id == search_id, t.c.deleted_at.is_(None))
            .values(deleted_by=by[:NAME_LENGTH], deleted_at=database_time(connection))
        )
        found = connection.execute(change.returning(t.c.environment)).scalar()
        if found is None:
            return False
        old = (
            select(t.c.id)
            .where(t.c.environment == found, t.c.deleted_at.is_not(None))
            .order_by(t.c.deleted_at.desc(), t.c.id)
            .offset(MOST_DELETED)
        )
        connection.execute(delete(t).where(t.c.id.in_(old)))
        return True


def _label(text: str) -> str:
    label = text.strip()
    if not label:
        raise InvalidSearch("A search needs a label.")
    if len(label) > LABEL_LENGTH:
        raise InvalidSearch(f"A label has at most {LABEL_LENGTH} characters; this one has {len(label)}.")
    if not label.isprintable():
        raise InvalidSearch("A label is one line without control characters.")
    return label


def _text(text: str) -> str:
    if len(text) > QUERY_LENGTH:
        raise InvalidSearch(f"A search has at most {QUERY_LENGTH:,} characters; this one has {len(text):,}.")
    if "\0" in text:
        raise InvalidSearch("A search holds no NUL characters.")
    return text.strip()


def _texts(what: str, texts: Sequence[str]) -> tuple[str, ...]:
    if len(texts) > MOST_PARTS:
        raise InvalidSearch(f"A search has at most {MOST_PARTS} {what}; this one has {len(texts)}.")
    return tuple(_text(text) for text in texts)


def _search(row: RowMapping) -> SavedSearch:
    return SavedSearch(
        id=row["id"],
        environment=row["environment"],
        label=row["label"],
        query=row["query"],
        filters=tuple(json.loads(row["filters"])),
        columns=tuple(json.loads(row["columns"])),
        created_by=row["created_by"],
        created_at=row["created_at"],
    )
