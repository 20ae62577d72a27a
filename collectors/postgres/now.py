"""How a PostgreSQL stands at this moment: connections against their limit, locks, prepared transactions."""

from __future__ import annotations

from datetime import datetime

import msgspec

from collectors.cache import Answer
from collectors.errors import BadAnswer
from collectors.postgres.client import Postgres
from collectors.postgres.server import Rows
from collectors.postgres.sessions import TTL


class Standing(msgspec.Struct, frozen=True):
    """What the server tells everybody.

    Attributes:
        clients: Connections of programs to all databases, the console's own among them.
        max_connections: Its setting.
        superuser_reserved: How many of them only a superuser gets.
        reserved: How many only members of ``pg_use_reserved_connections`` get; 0 before PostgreSQL 16.
        deadlock_timeout: Seconds after which it looks for a deadlock.
        deadlocks: Deadlocks of the database since ``reset_at``.
        reset_at: Since when it counts; ``None`` for since it was made.
        started_at: When the server was started.
        standby: Whether it is a standby, which takes no changes.
        read_only: Whether transactions of this database only read unless they say otherwise. The same set for the
            whole server cannot be seen from a session that only reads.
        as_of: The server's clock.
    """

    clients: int
    max_connections: int
    superuser_reserved: int
    reserved: int
    deadlock_timeout: float
    deadlocks: int
    reset_at: datetime | None
    started_at: datetime
    standby: bool
    read_only: bool
    as_of: datetime

    @property
    def usable(self) -> int:
        """Connections that an ordinary role may have."""
        return max(self.max_connections - self.superuser_reserved - self.reserved, 0)


class Lock(msgspec.Struct, frozen=True):
    """A lock that somebody waits for, as one session asks for it or holds it.

    Attributes:
        pid: The session; ``None`` for a prepared transaction.
        prepared: Number of the prepared transaction; empty for a session.
        key: Names what is locked; equal for all that ask for the same.
        kind: ``locktype``.
        mode: As in ``pg_locks``, such as ``AccessExclusiveLock``.
        granted: Whether it is held.
        wait_start: Since when it is waited for; ``None`` for a moment after the wait began.
        relation: Table or index, with its schema unless that is ``public``; empty where there is none.
        object: Number of the transaction, place of the row, or key of an advisory lock.
    """

    pid: int | None
    prepared: str
    key: str
    kind: str
    mode: str
    granted: bool
    wait_start: datetime | None
    relation: str
    object: str


class SessionLock(msgspec.Struct, frozen=True):
    """Equal locks of one session; fields as of :class:`Lock`, and how many there are."""

    kind: str
    mode: str
    granted: bool
    relation: str
    number: int
    wait_start: datetime | None


class Prepared(msgspec.Struct, frozen=True):
    """A transaction that waits for its second phase.

    Attributes:
        transaction: Its number.
        gid: Its name, by which it is committed or rolled back.
        owner: Role that prepared it.
        database: Database in which that can be done.
        since: When it was prepared.
        horizon: Transactions since then.
        as_of: The server's clock.
    """

    transaction: str
    gid: str
    owner: str
    database: str
    since: datetime
    horizon: int
    as_of: datetime


def load_standing(database: Postgres) -> Answer[Standing]:
    """Connections, deadlocks, and whether it takes changes; needs no right.

    Raises:
        SourceError: No usable answer, and none young enough is kept.
    """

    def decoded(rows: Rows) -> Standing:
        found = database.source.convert(rows, Standing)
        if not found:
            raise BadAnswer(database.source.name, database.source.address, "counts nothing for its own database")
        return found[0]

    return database.kept("now_server", decoded, ttl=TTL)


def load_locks(database: Postgres) -> Answer[tuple[Lock, ...]]:
    """Locks that somebody waits for; at most 5,000 rows. Reading them stops the lock manager for an instant.

    Raises:
        SourceError: No usable answer, and none young enough is kept.
    """
    return database.kept("now_locks", lambda rows: tuple(database.source.convert(rows, Lock)), ttl=TTL)


def load_session_locks(database: Postgres, pid: int) -> Answer[tuple[SessionLock, ...]]:
    """All locks of one session, equal ones as one.

    Raises:
        SourceError: No usable answer, and none young enough is kept.
    """

    def decoded(rows: Rows) -> tuple[SessionLock, ...]:
        return tuple(database.source.convert(rows, SessionLock))

    return database.kept("now_session_locks", decoded, {"pid": pid}, ttl=TTL)


def load_prepared(database: Postgres) -> Answer[tuple[Prepared, ...]]:
    """Prepared transactions of all databases, the oldest first.

    Raises:
        SourceError: No usable answer, and none young enough is kept.
    """
    return database.kept("now_prepared", lambda rows: tuple(database.source.convert(rows, Prepared)), ttl=TTL)
