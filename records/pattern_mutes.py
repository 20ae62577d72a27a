"""Mutes of log patterns: for a while, with a reason, a pattern is not told as new or surged."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import RowMapping, insert, select, update

from records.database import Database
from records.leases import database_time
from records.patterns import TEMPLATE_LENGTH, storable
from records.schema import NAME_LENGTH, NOTE_LENGTH, log_pattern_mutes

LONGEST = timedelta(days=30)
"""Longest time of a mute: what is muted for ever is never seen again."""

MOST_LISTED = 500


class InvalidMute(ValueError):
    """A pattern cannot be muted so; ``str()`` says why, for the person who wanted to."""


@dataclass(frozen=True, slots=True)
class Mute:
    """A pattern that is not told for a while.

    Attributes:
        id: Its identity, for lifting it.
        environment: Key of the environment.
        pattern_id: Which pattern.
        template: The pattern's template when it was muted.
        reason: Why.
        muted_by: Who muted it.
        muted_at: When, aware UTC.
        expires_at: When it ends by itself, aware UTC.
    """

    id: uuid.UUID
    environment: str
    pattern_id: str
    template: str
    reason: str
    muted_by: str
    muted_at: datetime
    expires_at: datetime


def mute_pattern(
    database: Database,
    *,
    environment: str,
    pattern_id: str,
    template: str,
    reason: str,
    muted_by: str,
    length: timedelta,
) -> Mute:
    """Mute a pattern; when this returns, it is on disk. A mute that it has already is replaced by the new one.

    Args:
        database: The records.
        environment: Key of the environment.
        pattern_id: Which pattern.
        template: Its template.
        reason: Why: printable text of at most 2,000 characters.
        muted_by: Name of the viewer.
        length: For how long, at most 30 days.

    Raises:
        InvalidMute: A value is not as described.
        RecordsError: The database could not be used; nothing was muted.
    """
    why = _reason(reason)
    if not timedelta(0) < length <= LONGEST:
        raise InvalidMute(f"A mute lasts at most {LONGEST.days} days, and ends after it begins.")
    t = log_pattern_mutes
    with database.writing() as connection:
        now = database_time(connection)
        mute = Mute(
            id=uuid.uuid4(),
            environment=environment,
            pattern_id=pattern_id,
            template=storable(template, TEMPLATE_LENGTH),
            reason=why,
            muted_by=muted_by[:NAME_LENGTH],
            muted_at=now,
            expires_at=now + length,
        )
        earlier = (t.c.environment == environment, t.c.pattern_id == pattern_id, t.c.lifted_at.is_(None))
        connection.execute(
            update(t).where(*earlier, t.c.expires_at > now).values(lifted_by=mute.muted_by, lifted_at=now)
        )
        connection.execute(insert(t).values({name: getattr(mute, name) for name in Mute.__slots__}))
    return mute


def list_mutes(database: Database, environment: str) -> list[Mute]:
    """The mutes that hold now, by the database's clock; the one that ends first comes first.

    Raises:
        RecordsError: The database could not be used.
    """
    t = log_pattern_mutes
    with database.reading() as connection:
        query = (
            select(t)
            .where(t.c.environment == environment, t.c.lifted_at.is_(None), t.c.expires_at > database_time(connection))
            .order_by(t.c.expires_at, t.c.id)
            .limit(MOST_LISTED)
        )
        return [_mute(row) for row in connection.execute(query).mappings()]


def lift_mute(database: Database, mute_id: uuid.UUID, by: str) -> bool:
    """End a mute before its time; the records keep who did.

    Returns:
        Whether it still held; ``False`` when it had ended, or somebody else has lifted it meanwhile.

    Raises:
        RecordsError: The database could not be used; nothing was changed.
    """
    t = log_pattern_mutes
    with database.writing() as connection:
        now = database_time(connection)
        change = (
            update(t)
            .where(t.c.id == mute_id, t.c.lifted_at.is_(None), t.c.expires_at > now)
            .values(lifted_by=by[:NAME_LENGTH], lifted_at=now)
        )
        return connection.execute(change).rowcount == 1


def _reason(text: str) -> str:
    reason = text.strip()
    if not reason:
        raise InvalidMute("A mute needs a reason.")
    if len(reason) > NOTE_LENGTH:
        raise InvalidMute(f"A reason has at most {NOTE_LENGTH:,} characters; this one has {len(reason):,}.")
    if not all(character.isprintable() or character in "\n\t" for character in reason):
        raise InvalidMute("A reason holds no control characters besides new lines and tabs.")
    return reason


def _mute(row: RowMapping) -> Mute:
    return Mute(**{name: row[name] for name in Mute.__slots__})
