"""Corrections of objectives: a window that does not count against a promise, with the reason why."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import RowMapping, insert, or_, select, update

from records.database import Database
from records.leases import database_time
from records.schema import LABEL_LENGTH, NAME_LENGTH, NOTE_LENGTH, slo_corrections

MOST_LISTED = 500
"""Most corrections that one list holds, whatever limit was asked for."""


class InvalidCorrection(ValueError):
    """A correction cannot be recorded as it is; ``str()`` says why, for the person who wanted it."""


@dataclass(frozen=True, slots=True)
class Correction:
    """A window that is left out of one objective, or of all, in the corrected figures.

    Attributes:
        id: Its identity, for removing it.
        environment: Key of the environment it holds for.
        objective: Key of the objective it holds for; ``None`` where it holds for all.
        start: First moment that does not count, aware UTC.
        end: First moment that counts again, aware UTC.
        reason: Why it does not count; never empty.
        created_by: Who entered it.
        created_at: When, aware UTC.
    """

    id: uuid.UUID
    environment: str
    objective: str | None
    start: datetime
    end: datetime
    reason: str
    created_by: str
    created_at: datetime

    def holds_for(self, objective: str) -> bool:
        """Whether it is one of this objective's corrections."""
        return self.objective is None or self.objective == objective


def add_correction(
    database: Database,
    *,
    environment: str,
    objective: str | None,
    start: datetime,
    end: datetime,
    reason: str,
    created_by: str,
) -> Correction:
    """Record a correction; when this returns, it is on disk.

    Args:
        database: The records.
        environment: Key of the environment.
        objective: Key of the objective, at most 80 characters; ``None`` for all of them.
        start: First moment that does not count, aware.
        end: First moment that counts again, aware, after ``start``.
        reason: Why, in at most 2,000 characters; spaces around it are dropped.
        created_by: Name of the viewer.

    Raises:
        InvalidCorrection: A value is not as described.
        RecordsError: The database could not be used; nothing was recorded.
    """
    objective, reason = _objective(objective), _reason(reason)
    if end <= start:
        raise InvalidCorrection("A correction must end after it starts.")
    with database.writing() as connection:
        correction = Correction(
            id=uuid.uuid4(),
            environment=environment,
            objective=objective,
            start=start.astimezone(UTC),
            end=end.astimezone(UTC),
            reason=reason,
            created_by=created_by[:NAME_LENGTH],
            created_at=database_time(connection),
        )
        row = {
            "id": correction.id,
            "environment": correction.environment,
            "objective": correction.objective,
            "starts_at": correction.start,
            "ends_at": correction.end,
            "reason": correction.reason,
            "created_by": correction.created_by,
            "created_at": correction.created_at,
        }
        connection.execute(insert(slo_corrections).values(row))
    return correction


def list_corrections(
    database: Database,
    environment: str,
    *,
    objective: str | None = None,
    since: datetime | None = None,
    limit: int = MOST_LISTED,
) -> list[Correction]:
    """The corrections of an environment, the window that ended last first.

    Args:
        database: The records.
        environment: Key of the environment.
        objective: Only those that hold for this objective; ``None`` for every one.
        since: Only those whose window ends after this moment, aware.
        limit: Most corrections to return, from 1 to 500.

    Raises:
        RecordsError: The database could not be used.
    """
    t = slo_corrections
    query = select(t).where(t.c.environment == environment, t.c.deleted_at.is_(None))
    if objective is not None:
        query = query.where(or_(t.c.objective.is_(None), t.c.objective == objective))
    if since is not None:
        query = query.where(t.c.ends_at > since)
    query = query.order_by(t.c.ends_at.desc(), t.c.id).limit(max(1, min(limit, MOST_LISTED)))
    with database.reading() as connection:
        return [_correction(row) for row in connection.execute(query).mappings()]


def remove_correction(database: Database, correction_id: uuid.UUID, by: str) -> bool:
    """Remove a correction, so that its window counts again; the records keep who removed it.

    Args:
        database: The records.
        correction_id: Which one.
        by: Name of the viewer.

    Returns:
        Whether it was there; ``False`` when somebody else has removed it meanwhile.

    Raises:
        RecordsError: The database could not be used; nothing was removed.
    """
    t = slo_corrections
    with database.writing() as connection:
        change = (
            update(t)
            .where(t.c.id == correction_id, t.c.deleted_at.is_(None))
            .values(deleted_by=by[:NAME_LENGTH], deleted_at=database_time(connection))
        )
        return connection.execute(change).rowcount == 1


def _objective(key: str | None) -> str | None:
    if key is not None and not 0 < len(key) <= LABEL_LENGTH:
        raise InvalidCorrection(f"The key of an objective has 1 to {LABEL_LENGTH} characters; this one has {len(key)}.")
    return key


def _reason(text: str) -> str:
    reason = text.strip()
    if not reason:
        raise InvalidCorrection("A correction needs a reason: whoever reads the figures later must understand it.")
    if len(reason) > NOTE_LENGTH:
        raise InvalidCorrection(f"A reason has at most {NOTE_LENGTH:,} characters; this one has {len(reason):,}.")
    if not all(character.isprintable() or character in "\n\t" for character in reason):
        raise InvalidCorrection("A reason holds no control characters besides new lines and tabs.")
    return reason


def _correction(row: RowMapping) -> Correction:
    return Correction(
        id=row["id"],
        environment=row["environment"],
        objective=row["objective"],
        start=row["starts_at"],
        end=row["ends_at"],
        reason=row["reason"],
        created_by=row["created_by"],
        created_at=row["created_at"],
    )
