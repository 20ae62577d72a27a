"""What PostgreSQL does to keep well: running work, replication, WAL and checkpoints, autovacuum, who holds it up.

Each function asks one statement of ``catalog/sql/upkeep_*`` and returns what it says now. Counters count since the
server's statistics were reset; how much they grew between two looks is told by :mod:`collectors.postgres.looks`.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

import msgspec

from collectors.cache import Answer
from collectors.errors import BadAnswer
from collectors.postgres.client import Postgres
from collectors.postgres.server import APPLICATION, Rows

T = TypeVar("T")

LIVE_TTL = 1.5
"""Seconds for which running work is taken for unchanged."""

SLOW_TTL = 30.0
"""The same for what costs the server more to tell, or hardly changes."""


class Work(msgspec.Struct, frozen=True):
    """A piece of work that reports its progress.

    Attributes:
        kind: ``vacuum``, ``analyze``, ``create index``, ``copy from``, ``base backup``, … in PostgreSQL's words.
        pid: Its process.
        database: In which database; empty for a base backup.
        relation: Table or index's table with its schema; a number where it is in another database.
        phase: In PostgreSQL's words.
        done: How much of the phase is done, in ``unit``; ``None`` where the phase does not tell.
        total: How much it has to do; ``None`` where that is not known.
        unit: ``blocks``, ``rows``, ``bytes``, ``indexes``, ``transactions`` or ``statistics``.
        locker: The process it waits for in a phase of waiting.
        since: When it began.
        user: Role.
        automatic: Whether autovacuum does it.
        wraparound: Whether it is a vacuum against the wraparound of transaction ids, which does not give way to locks.
        wait_type: What it waits for, as in ``pg_stat_activity``; empty where it does not.
        wait_event: More exactly.
        as_of: When it was looked at.
    """

    kind: str
    pid: int
    database: str
    relation: str
    phase: str
    done: int | None
    total: int | None
    unit: str
    locker: int | None
    since: datetime | None
    user: str
    automatic: bool
    wraparound: bool
    wait_type: str
    wait_event: str
    as_of: datetime

    @property
    def share(self) -> float | None:
        """How much of the phase is done, 0 to 1; ``None`` where that cannot be told."""
        if self.done is None or not self.total:
            return None
        return min(self.done / self.total, 1.0)


class Standby(msgspec.Struct, frozen=True):
    """A standby, base backup or subscriber that receives WAL from this server.

    Attributes:
        pid: The process that sends.
        name: ``application_name`` of the receiver.
        client: Its address; empty for a socket.
        state: ``streaming``, ``catchup``, ``startup``, ``backup``.
        sync: ``async``, ``sync``, ``quorum``, ``potential``.
        slot: Its slot; empty for none.
        unsent: Bytes of WAL that were not sent yet.
        behind: Bytes of WAL that it has not applied yet.
        write_seconds: Time until it had written what was sent last; ``None`` while nothing is written.
        flush_seconds: The same until it was on disk there.
        replay_seconds: The same until it could be seen there.
        since: When it connected.
        heard: When it answered last.
    """

    pid: int
    name: str
    client: str
    state: str
    sync: str
    slot: str
    unsent: int | None
    behind: int | None
    write_seconds: float | None
    flush_seconds: float | None
    replay_seconds: float | None
    since: datetime | None
    heard: datetime | None


class Slot(msgspec.Struct, frozen=True):
    """A replication slot.

    Attributes:
        name: Its name.
        kind: ``physical`` or ``logical``.
        plugin: Output plugin of a logical one.
        database: Database of a logical one.
        temporary: Whether it goes with its session.
        active: Whether somebody uses it.
        pid: Who.
        retained: Bytes of WAL that it keeps; ``None`` where it keeps none yet.
        wal_status: ``reserved``, ``extended``, ``unreserved`` or ``lost``.
        safe: Bytes of WAL that may still be written before it is in danger; ``None`` where nothing limits it.
        horizon: Age in transactions of the oldest rows that it keeps.
        inactive_since: Since when nobody uses it (from 17 on).
        conflicting: Whether recovery invalidated it (from 16 on).
        invalid: Why it is of no more use (from 17 on); empty where it is.
    """

    name: str
    kind: str
    plugin: str
    database: str
    temporary: bool
    active: bool
    pid: int | None
    retained: int | None
    wal_status: str
    safe: int | None
    horizon: int | None
    inactive_since: datetime | None
    conflicting: bool | None
    invalid: str


class Receiver(msgspec.Struct, frozen=True):
    """The standby's own side of replication.

    Attributes:
        standby: Whether this server is a standby; all else says nothing where it is none.
        status: ``streaming`` while WAL arrives; empty where no receiver runs.
        sender: Host that it comes from.
        port: Its port.
        slot: Slot that is used there.
        heard: When the sender said something last.
        behind: Bytes that arrived and are not applied.
        seconds: Age of the last applied transaction; 0 where all that arrived is applied.
        replayed: When that transaction was committed.
        pause: ``not paused``, ``pause requested`` or ``paused``.
    """

    standby: bool
    status: str
    sender: str
    port: int | None
    slot: str
    heard: datetime | None
    behind: int | None
    seconds: float | None
    replayed: datetime | None
    pause: str


class Wal(msgspec.Struct, frozen=True):
    """WAL that was written since ``reset_at``.

    Attributes:
        position: Bytes since the cluster was made; ``None`` on a standby.
        bytes: Bytes since the reset.
        full_pages: Whole pages that were written into it.
        buffers_full: How often it had to be written because its buffers were full.
        write_milliseconds: Time spent in writing; 0 where ``track_wal_io_timing`` is off.
        sync_milliseconds: Time spent in flushing.
        reset_at: When counting began.
        as_of: When it was looked at.
    """

    position: int | None
    bytes: int
    full_pages: int
    buffers_full: int
    write_milliseconds: float | None
    sync_milliseconds: float | None
    reset_at: datetime | None
    as_of: datetime


class Checkpoints(msgspec.Struct, frozen=True):
    """Checkpoints since ``reset_at``; restart points on a standby.

    Attributes:
        timed: Came by ``checkpoint_timeout``.
        requested: Came because ``max_wal_size`` was reached, or somebody asked.
        write_milliseconds: Time spent in writing.
        sync_milliseconds: Time spent in flushing.
        buffers: Pages that they wrote.
        reset_at: When counting began.
        as_of: When it was looked at.
    """

    timed: int
    requested: int
    write_milliseconds: float
    sync_milliseconds: float
    buffers: int
    reset_at: datetime | None
    as_of: datetime


class Archiver(msgspec.Struct, frozen=True):
    """Whether finished WAL files reach the archive.

    Attributes:
        mode: ``off``, ``on`` or ``always``.
        archived: Files since ``reset_at``.
        last_archived: The last one.
        archived_at: When.
        failed: Attempts that failed since ``reset_at``.
        last_failed: File of the last one.
        failed_at: When.
        reset_at: When counting began.
        as_of: When it was looked at.
    """

    mode: str
    archived: int
    last_archived: str
    archived_at: datetime | None
    failed: int
    last_failed: str
    failed_at: datetime | None
    reset_at: datetime | None
    as_of: datetime

    @property
    def failing(self) -> bool:
        """Whether the last attempt failed."""
        return self.failed_at is not None and (self.archived_at is None or self.failed_at > self.archived_at)


class WalFolder(msgspec.Struct, frozen=True):
    """The folder of WAL files: their number and size, and how many wait for the archive."""

    files: int
    bytes: int
    waiting: int


class Counted(msgspec.Struct, frozen=True):
    """What one database counted since ``reset_at``; the one without a name is what all of them share.

    Attributes:
        database: Its name.
        own: Whether the console looks at this one; ``None`` for what is shared.
        commits: Transactions that were committed.
        rollbacks: Transactions that were rolled back.
        deadlocks: Deadlocks that were broken.
        temp_files: Temporary files that statements wrote.
        temp_bytes: Their size.
        conflicts: Statements that recovery cancelled; on a standby.
        checksum_failures: Pages whose checksum was wrong; ``None`` without checksums.
        checksum_last_failure: When the last was found.
        sessions_abandoned: Sessions whose client went away.
        sessions_fatal: Sessions that ended by a fatal error.
        sessions_killed: Sessions that somebody ended.
        reset_at: When counting began; ``None`` where never reset.
        transaction_age: Age of its oldest transaction id.
        multixact_age: Age of its oldest multixact id.
        as_of: When it was looked at.
    """

    database: str
    own: bool | None
    commits: int
    rollbacks: int
    deadlocks: int
    temp_files: int
    temp_bytes: int
    conflicts: int
    checksum_failures: int | None
    checksum_last_failure: datetime | None
    sessions_abandoned: int
    sessions_fatal: int
    sessions_killed: int
    reset_at: datetime | None
    transaction_age: int | None
    multixact_age: int | None
    as_of: datetime


class Autovacuum(msgspec.Struct, frozen=True):
    """Autovacuum of this database.

    Attributes:
        enabled: Whether it runs at all.
        most: Most workers at once.
        workers: Workers at work, in all databases.
        over: Tables with more dead rows than their threshold, without those for which it is switched off.
        dead: Dead rows in those.
        old: Tables older than ``freeze_max_age``, or than their own lower limit, which it must freeze.
        disabled: Tables for which it is switched off.
        disabled_over: Those of them with more dead rows than their threshold.
        disabled_worst: The one with most dead rows, quoted for a statement; empty where none is over its threshold.
        disabled_dead: Its dead rows.
        freeze_max_age: The setting, in transactions.
    """

    enabled: bool
    most: int
    workers: int
    over: int
    dead: int
    old: int
    disabled: int
    disabled_over: int
    disabled_worst: str
    disabled_dead: int
    freeze_max_age: int


class Holder(msgspec.Struct, frozen=True):
    """Who keeps vacuum from removing rows that died since.

    Attributes:
        kind: ``session``, ``prepared transaction``, ``slot`` or ``standby``.
        name: Application, global id of the transaction, slot, or standby.
        pid: Its process; ``None`` for a prepared transaction and a slot that nobody uses.
        detail: State of the session, owner of the transaction, whether the slot is active.
        since: When its transaction began; ``None`` where that is not known.
        age: Transactions that began since.
    """

    kind: str
    name: str
    pid: int | None
    detail: str
    since: datetime | None
    age: int


class Io(msgspec.Struct, frozen=True):
    """What one kind of process read and wrote since ``reset_at`` (from 16 on), in bytes and milliseconds."""

    kind: str
    read_bytes: int | None
    written_bytes: int | None
    extended_bytes: int | None
    evictions: int | None
    fsyncs: int | None
    read_milliseconds: float | None
    write_milliseconds: float | None
    reset_at: datetime | None


class _At(msgspec.Struct, frozen=True):
    at: datetime | None


def work(postgres: Postgres) -> Answer[list[Work]]:
    """Work that runs now and reports its progress, the oldest first; all databases of the server.

    Raises:
        SourceError: It cannot be told.
    """
    return postgres.kept("upkeep_progress", lambda rows: postgres.source.convert(rows, Work), ttl=LIVE_TTL)


def standbys(postgres: Postgres) -> Answer[list[Standby]]:
    """Who receives WAL from this server, the farthest behind first.

    Raises:
        SourceError: It cannot be told.
    """
    return postgres.kept("upkeep_replication", lambda rows: postgres.source.convert(rows, Standby))


def slots(postgres: Postgres) -> Answer[list[Slot]]:
    """The replication slots, the one that keeps most WAL first.

    Raises:
        SourceError: It cannot be told.
    """
    return postgres.kept("upkeep_slots", lambda rows: postgres.source.convert(rows, Slot))


def receiver(postgres: Postgres) -> Answer[Receiver]:
    """The standby's own side.

    Raises:
        SourceError: It cannot be told.
    """
    return postgres.kept("upkeep_receiver", lambda rows: _only(postgres, rows, Receiver))


def wal(postgres: Postgres) -> Answer[Wal]:
    """WAL that was written.

    Raises:
        SourceError: It cannot be told.
    """
    return postgres.kept("upkeep_wal", lambda rows: _only(postgres, rows, Wal))


def checkpoints(postgres: Postgres) -> Answer[Checkpoints]:
    """Checkpoints by their cause.

    Raises:
        SourceError: It cannot be told.
    """
    return postgres.kept("upkeep_checkpoints", lambda rows: _only(postgres, rows, Checkpoints))


def last_checkpoint(postgres: Postgres) -> Answer[datetime | None]:
    """When the last checkpoint was made.

    Raises:
        SourceError: It cannot be told.
    """
    return postgres.kept("upkeep_last_checkpoint", lambda rows: _only(postgres, rows, _At).at)


def archiver(postgres: Postgres) -> Answer[Archiver]:
    """Whether WAL reaches the archive.

    Raises:
        SourceError: It cannot be told.
    """
    return postgres.kept("upkeep_archiver", lambda rows: _only(postgres, rows, Archiver))


def wal_folder(postgres: Postgres) -> Answer[WalFolder]:
    """The folder of WAL files.

    Raises:
        SourceError: It cannot be told.
    """
    return postgres.kept("upkeep_wal_directory", lambda rows: _only(postgres, rows, WalFolder), ttl=SLOW_TTL)


def counted(postgres: Postgres) -> Answer[list[Counted]]:
    """What each database counted, the console's own first.

    Raises:
        SourceError: It cannot be told.
    """
    return postgres.kept("upkeep_database", lambda rows: postgres.source.convert(rows, Counted))


def autovacuum(postgres: Postgres) -> Answer[Autovacuum]:
    """Autovacuum and its backlog.

    Raises:
        SourceError: It cannot be told.
    """
    return postgres.kept("upkeep_autovacuum", lambda rows: _only(postgres, rows, Autovacuum), ttl=SLOW_TTL)


def holders(postgres: Postgres) -> Answer[list[Holder]]:
    """Who holds back the removal of dead rows, the oldest first, at most twenty.

    Raises:
        SourceError: It cannot be told.
    """
    own = {"own": APPLICATION}
    return postgres.kept("upkeep_horizon", lambda rows: postgres.source.convert(rows, Holder), own)


def io(postgres: Postgres) -> Answer[list[Io]]:
    """Which kind of process read and wrote how much.

    Raises:
        SourceError: It cannot be told; before 16 it never can.
    """
    return postgres.kept("upkeep_io", lambda rows: postgres.source.convert(rows, Io), ttl=SLOW_TTL)


def _only(postgres: Postgres, rows: Rows, kind: type[T]) -> T:
    found = postgres.source.convert(rows, kind)
    if len(found) != 1:
        what = f"answered with {len(found)} rows where one was expected"
        raise BadAnswer(postgres.source.name, postgres.source.address, what, trips=False)
    return found[0]
