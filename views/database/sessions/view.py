"""The database at this moment: who waits for whom, who holds what, and how many connections are left.

Who waits and what is locked are two questions, a moment apart. A lock that is not found in the second answer is not
told; nothing is guessed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from collectors.cache import Answer
from collectors.errors import NotConfigured, SourceError
from collectors.postgres.client import Postgres
from collectors.postgres.now import (
    Lock,
    Prepared,
    SessionLock,
    Standing,
    load_locks,
    load_prepared,
    load_session_locks,
    load_standing,
)
from collectors.postgres.sessions import IDLE_IN_TRANSACTION, Session, Sessions, load_sessions
from collectors.postgres.upkeep import Holder, holders
from collectors.registry import Sources
from collectors.signals import catalogue
from views.database.rules import locks as lock_words
from views.database.rules.blocking import PREPARED, Node, blocking
from views.shared.ages import oldest
from views.shared.parallel import side_by_side, soon

T = TypeVar("T")

POOL_SECONDS = 0.8
"""How long the look at the database waits for Prometheus to tell the size of the pools."""

POOL_GRID = 15
"""Seconds between two moments at which the pools are asked for: they are configured and hardly change."""


@dataclass(frozen=True)
class Seat:
    """A session in the tree of who waits for whom.

    Attributes:
        node: Its place.
        session: What it does; ``None`` for prepared transactions, and where it ended meanwhile.
        prepared: The prepared transactions in the way, where ``node`` stands for them.
        wants: The lock that it waits for, in words; empty for a root and where it cannot be told.
        holds: The locks that others wait for and it has, in words.
        since: When its wait began; ``None`` where unknown.
    """

    node: Node
    session: Session | None
    prepared: tuple[Prepared, ...]
    wants: str
    holds: tuple[str, ...]
    since: datetime | None


@dataclass(frozen=True)
class Now:
    """What the sessions do.

    Attributes:
        sessions: All of them.
        seats: The trees of who waits for whom, in the order in which they are drawn.
        cpus: Processors of the machine; ``None`` where they are not configured.
    """

    sessions: Sessions
    seats: tuple[Seat, ...]
    cpus: int | None

    @property
    def waiting(self) -> int:
        """How many sessions wait for a lock of another one."""
        return sum(1 for seat in self.seats if seat.node.blockers)

    @property
    def active(self) -> list[Session]:
        """Sessions that run a statement."""
        return [one for one in self.sessions.clients if one.state == "active"]

    @property
    def idle_in_transaction(self) -> list[Session]:
        """Sessions that do nothing within a transaction, the longest first."""
        found = [one for one in self.sessions.clients if one.state in IDLE_IN_TRANSACTION]
        return sorted(found, key=lambda one: -(one.since(one.state_change) or 0.0))

    @property
    def oldest(self) -> Session | None:
        """The session whose transaction is the oldest."""
        inside = [one for one in self.sessions.clients if one.xact_start is not None]
        return max(inside, key=lambda one: one.since(one.xact_start) or 0.0, default=None)


@dataclass(frozen=True)
class Pool:
    """What the replicas may open.

    Attributes:
        connections: Connections of all replicas together, at most.
        replicas: How many replicas told theirs.
    """

    connections: int
    replicas: int


@dataclass(frozen=True)
class Connections:
    """How many connections there are and may be, and who holds back vacuum.

    Attributes:
        standing: What the server tells.
        pool: What the replicas may open; ``None`` where that is not known.
        pool_unknown: Why not.
        holder: Who keeps the oldest rows; ``None`` where nobody does, or where it is not known.
        holder_unknown: Why not.
    """

    standing: Standing
    pool: Pool | None
    pool_unknown: str
    holder: Holder | None
    holder_unknown: str


@dataclass(frozen=True)
class Opened:
    """One session with everything about it.

    Attributes:
        session: What it does; ``None`` where it has ended.
        seat: Its place among those that wait; ``None`` where it waits for nobody and nobody for it.
        locks: Its locks, those that it waits for first.
    """

    session: Session | None
    seat: Seat | None
    locks: tuple[SessionLock, ...]


def load_now(sources: Sources) -> Answer[Now]:
    """The sessions, and who waits for whom.

    Raises:
        SourceError: The sessions could not be asked, or may not be seen, and no good answer is kept.
    """
    database = sources.postgres
    sessions = load_sessions(database)
    answers: list[Answer[object]] = [sessions]
    blocked = waits(sessions.value.rows)
    locks: Sequence[Lock] = ()
    prepared: Sequence[Prepared] = ()
    if blocked:
        # Asked only while somebody waits: reading the locks stops all who want one for an instant.
        kept_locks, kept_prepared = side_by_side(
            partial(load_locks, database),
            partial(_prepared_or_none, database, any(PREPARED in blockers for blockers in blocked.values())),
        )
        answers += [kept_locks, kept_prepared]
        locks, prepared = kept_locks.value, kept_prepared.value
    found = Now(sessions.value, seats(sessions.value, blocked, locks, prepared), database.settings.cpus)
    return oldest(answers, found)


def _prepared_or_none(database: Postgres, needed: bool) -> Answer[tuple[Prepared, ...]]:
    return load_prepared(database) if needed else Answer((), datetime.now(UTC))


def waits(rows: Iterable[Session]) -> dict[int, list[int]]:
    """Session → those in its way. What a parallel worker waits for, its session waits for."""
    found: dict[int, list[int]] = {}
    for one in rows:
        if one.blocked_by:
            pid = one.leader if one.leader is not None else one.pid
            found.setdefault(pid, []).extend(one.blocked_by)
    return found


def seats(
    sessions: Sessions, blocked: Mapping[int, list[int]], locks: Sequence[Lock], prepared: Sequence[Prepared]
) -> tuple[Seat, ...]:
    """The trees of who waits for whom, with what is known about each."""
    by_pid = sessions.by_pid
    wanted: dict[int, Lock] = {}
    queued: dict[int, str] = {}
    granted: dict[int, list[Lock]] = {}
    for one in locks:
        if one.pid is None:
            granted.setdefault(PREPARED, []).append(one)
            continue
        session = by_pid.get(one.pid)
        pid = session.leader if session is not None and session.leader is not None else one.pid
        if not one.granted:
            wanted.setdefault(pid, one)
        elif one.kind == "tuple":
            queued.setdefault(pid, one.relation)
        if one.granted:
            granted.setdefault(pid, []).append(one)
    # Who waits for a transaction waits for a row; the row's table is known from the waiter's place in its queue.
    tables: dict[str, str] = {}
    for pid, one in wanted.items():
        table = one.relation or queued.get(pid, "")
        if table:
            tables.setdefault(one.key, table)
    since = {pid: one.wait_start or _began(by_pid.get(pid)) for pid, one in wanted.items()}
    for pid in blocked:
        since.setdefault(pid, _began(by_pid.get(pid)))
    waited = {
        pid: max((sessions.as_of - moment).total_seconds(), 0.0) if moment is not None else None
        for pid, moment in since.items()
    }
    asked_for = {one.key for one in wanted.values()}

    def worded(one: Lock) -> str:
        return lock_words.words(one.kind, one.mode, one.relation or tables.get(one.key, ""), one.object)

    found = []
    for node in blocking(blocked, waited):
        held = [one for one in granted.get(node.pid, ()) if one.key in asked_for]
        numbers = {one.prepared for one in held}
        own = tuple(one for one in prepared if one.transaction in numbers) if node.pid == PREPARED else ()
        wish = wanted.get(node.pid)
        found.append(
            Seat(
                node,
                by_pid.get(node.pid),
                own,
                worded(wish) if wish is not None and node.blockers else "",
                tuple(sorted(dict.fromkeys(map(worded, held)))),
                since.get(node.pid) if node.blockers else None,
            )
        )
    return tuple(found)


def _began(session: Session | None) -> datetime | None:
    """The latest moment at which a wait can have begun, where the server has not noted it yet: its statement."""
    return session.query_start if session is not None else None


def load_connections(sources: Sources) -> Answer[Connections]:
    """Connections against their limits, and who holds back vacuum; what needs a right that lacks is told as unknown.

    Raises:
        SourceError: The server does not answer, and no good answer is kept.
    """
    database = sources.postgres
    standing, (pool, pool_unknown), (held, holder_unknown) = side_by_side(
        partial(load_standing, database),
        partial(_or_why, lambda: soon(lambda: load_pool(sources), POOL_SECONDS), "Prometheus has not answered yet"),
        partial(_or_why, lambda: holders(database), "the server has not answered yet"),
    )
    if pool is not None and pool.value is None:
        pool_unknown = "Prometheus has no sample of the pools' size"
    found = Connections(
        standing.value,
        pool.value if pool is not None else None,
        pool_unknown,
        held.value[0] if held is not None and held.value else None,
        holder_unknown,
    )
    return Answer(found, standing.as_of, standing.error)


def _or_why(call: Callable[[], T | None], nothing: str) -> tuple[T | None, str]:
    """An answer, or why there is none; it costs nothing else."""
    try:
        found = call()
    except NotConfigured as error:
        return None, f"{error.source} is not configured"
    except SourceError as error:
        return None, f"{error.source} {error.what}. {error.hint}".strip()
    return found, "" if found is not None else nothing


def load_pool(sources: Sources) -> Answer[Pool | None]:
    """What all replicas together may open, as they tell it in their metrics; ``None`` where they do not.

    Raises:
        SourceError: Prometheus could not be asked, and no good answer is kept.
    """
    at = datetime.fromtimestamp(datetime.now(UTC).timestamp() // POOL_GRID * POOL_GRID, UTC)
    kept = sources.prometheus.instant(
        catalogue()["pool_connections"], at, by=("state", sources.prometheus.settings.replica_label)
    )
    sizes = [one.value for one in kept.value.samples if one.labels.get("state") == "max" and math.isfinite(one.value)]
    pool = Pool(round(sum(sizes)), len(sizes)) if sizes else None
    return kept.with_value(pool)


def load_session(sources: Sources, pid: int | None) -> Answer[Opened]:
    """One session with its locks; nothing of it where ``pid`` is none or nobody's.

    Raises:
        SourceError: It could not be asked, and no good answer is kept.
    """
    now, locks = side_by_side(partial(load_now, sources), partial(load_session_locks, sources.postgres, pid or 0))
    session = now.value.sessions.by_pid.get(pid or 0)
    seat = next((one for one in now.value.seats if one.node.pid == pid), None)
    return oldest([now, locks], Opened(session, seat, locks.value))
