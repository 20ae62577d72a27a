"""Saved windows: a stretch of time with a label, so that "the outage of Tuesday" can be found again."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import RowMapping, delete, exc, func, insert, select, update

from records.database import Database
from records.leases import database_time
from records.schema import LABEL_LENGTH, NAME_LENGTH, NOTE_LENGTH, saved_windows

MOST_KEPT = 200
"""Most windows of an environment at a time; who wants to save another one deletes one first."""

MOST_DELETED = 1000
"""Most deleted windows of an environment that the records remember; the oldest ones go first."""

MOST_LISTED = 500
"""Most windows that one list holds, whatever limit was asked for."""


class InvalidWindow(ValueError):
    """A window cannot be saved as it is; ``str()`` says why, for the person who wanted to save it."""


@dataclass(frozen=True, slots=True)
class SavedWindow:
    """A stretch of time that somebody gave a label.

    Attributes:
        id: Its identity, for links and for deleting it.
        environment: Key of the environment it was seen in.
        label: What it is called; once in an environment.
        start: First moment, aware UTC.
        end: Last moment, aware UTC.
        note: What is worth knowing about it; may be empty.
        created_by: Who saved it.
        created_at: When, aware UTC.
    """

    id: uuid.UUID
    environment: str
    label: str
    start: datetime
    end: datetime
    note: str
    created_by: str
    created_at: datetime


def save_window(
    database: Database, *, environment: str, label: str, start: datetime, end: datetime, created_by: str, note: str = ""
) -> SavedWindow:
    """Save a window; when this returns, it is on disk.

    Args:
        database: The records.
        environment: Key of the environment.
        label: What it is called: one printable line of at most 80 characters; spaces around it are dropped.
        start: First moment, aware.
        end: Last moment, aware, after ``start``.
        created_by: Name of the viewer.
        note: Free text of at most 2,000 characters.

    Raises:
        InvalidWindow: There are ``MOST_KEPT`` already, the label is taken, or a value is not as described.
        RecordsError: The database could not be used; nothing was saved.
    """
    label, note = _label(label), _note(note)
    if end <= start:
        raise InvalidWindow("A window must end after it starts.")
    t = saved_windows
    with database.writing() as connection:
        window = SavedWindow(
            id=uuid.uuid4(),
            environment=environment,
            label=label,
            start=start.astimezone(UTC),
            end=end.astimezone(UTC),
            note=note,
            created_by=created_by[:NAME_LENGTH],
            created_at=database_time(connection),
        )
        kept = select(func.count()).where(t.c.environment == environment, t.c.deleted_at.is_(None))
        if (connection.scalar(kept) or 0) >= MOST_KEPT:
            raise InvalidWindow(f"There are {MOST_KEPT} saved windows already. Delete one that nobody needs first.")
        try:
            connection.execute(insert(saved_windows).values(_row(window)))
        except exc.IntegrityError:
            raise InvalidWindow(f'There is already a window called "{window.label}" here.') from None
    return window


def list_windows(database: Database, environment: str, limit: int = 100) -> list[SavedWindow]:
    """The windows of an environment, the one saved last first.

    Args:
        database: The records.
        environment: Key of the environment.
        limit: Most windows to return, from 1 to 500.

    Raises:
        RecordsError: The database could not be used.
    """
    t = saved_windows
    query = (
        select(t)
        .where(t.c.environment == environment, t.c.deleted_at.is_(None))
        .order_by(t.c.created_at.desc(), t.c.id)
        .limit(max(1, min(limit, MOST_LISTED)))
    )
    with database.reading() as connection:
        return [_window(row) for row in connection.execute(query).mappings()]


def delete_window(database: Database, window_id: uuid.UUID, by: str) -> bool:
    """Delete a window; its label is free again, and the records keep who deleted it.

    Args:
        database: The records.
        window_id: Which one.
        by: Name of the viewer.

    Returns:
        Whether it was there; ``False`` when somebody else has deleted it meanwhile.

    Raises:
        RecordsError: The database could not be used; nothing was deleted.
    """
    t = saved_windows
    with database.writing() as connection:
        change = (
            update(t)
            .where(t.c.id == window_id, t.c.deleted_at.is_(None))
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
        raise InvalidWindow("A window needs a label.")
    if len(label) > LABEL_LENGTH:
        raise InvalidWindow(f"A label has at most {LABEL_LENGTH} characters; this one has {len(label)}.")
    if not label.isprintable():
        raise InvalidWindow("A label is one line without control characters.")
    return label


def _note(text: str) -> str:
    note = text.strip()
    if len(note) > NOTE_LENGTH:
        raise InvalidWindow(f"A note has at most {NOTE_LENGTH:,} characters; this one has {len(note):,}.")
    if not all(character.isprintable() or character in "\n\t" for character in note):
        raise InvalidWindow("A note holds no control characters besides new lines and tabs.")
    return note


def _row(window: SavedWindow) -> dict[str, Any]:
    return {
        "id": window.id,
        "environment": window.environment,
        "label": window.label,
        "starts_at": window.start,
        "ends_at": window.end,
        "note": window.note,
        "created_by": window.created_by,
        "created_at": window.created_at,
    }


def _window(row: RowMapping) -> SavedWindow:
    return SavedWindow(
        id=row["id"],
        environment=row["environment"],
        label=row["label"],
        start=row["starts_at"],
        end=row["ends_at"],
        note=row["note"],
        created_by=row["created_by"],
        created_at=row["created_at"],
    )
