"""What the worker notes of the database's sessions: a sample a second, summed to minutes; and who waited for whom.

A sample that could not be taken is not there: a minute is divided by the samples that it has, and a minute without any
is a gap. What is in memory is written once a minute, when the server fails, and when the work is given back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from collectors.errors import SourceError
from collectors.postgres import activity as postgres_activity
from collectors.postgres.activity import Active
from collectors.postgres.client import Postgres
from collectors.postgres.now import Lock, load_locks
from collectors.postgres.sessions import Session, Sessions, load_sessions
from collectors.registry import Sources
from records.activity import (
    MINUTE,
    MOST_GROUPS,
    NO_QUERY,
    OTHER_QUERY,
    Blocking,
    Group,
    Stretch,
    folded,
    minute_of,
    save_activity,
)
from records.activity_reading import all_texts, known_texts
from records.database import Database
from records.errors import RecordsError
from records.leases import Lease
from telemetry import logs
from views.database.rules.blocking import blocking
from views.database.rules.likeness import identifier_of, likeness
from views.database.rules.sql_text import shown
from views.database.sessions.locks import Look, Looks, looks_of
from views.database.sessions.view import waits

MOST_MINUTES = 15
"""Minutes that are held in memory while the records cannot be written; older ones are lost, which is a gap."""

MOST_KNOWN = 20_000
"""Statements of which it is remembered that their text is known."""

BLOCKING_EVERY = timedelta(seconds=10)
"""Shortest time between two moments of blocking that are kept."""

BLOCKING_STAYS = timedelta(minutes=5)
"""After so long the same root is looked at less often: the tree of an hour is not told 360 times."""

BLOCKING_SLOWLY = timedelta(seconds=60)
"""How often then."""

MOST_SESSIONS = 80
"""Sessions that are kept of one moment of blocking."""

MOST_LOCKS = 300
"""Locks that are kept of one."""

TEXT_LENGTH = 500
"""Characters that are kept of the statement of each session."""

log = logs.get_logger(__name__)


@dataclass
class _Open:
    samples: int
    sessions: dict[Group, int]


class ActivityMemory:
    """The samples of one environment that are not written yet; for one thread at a time.

    Args:
        environment: Key of the environment.
        keep: How long samples are kept in the records.
    """

    def __init__(self, environment: str, keep: timedelta) -> None:
        self._environment = environment
        self._keep = keep
        self._minutes: dict[datetime, _Open] = {}
        self._texts: dict[int, str] = {}
        self._known: dict[int, None] = {}
        self._alike: dict[str, int] = {}
        self._compared: set[int] = set()
        self._alike_at: datetime | None = None
        self._blocking: list[Blocking] = []
        self._roots: tuple[int, ...] = ()
        self._rooted_at: datetime | None = None
        self._blocked_at: datetime | None = None

    def sample(self, sources: Sources, database: Database, lease: Lease, clock: Callable[[], datetime]) -> int:
        """Look once, and write the minutes that are over.

        Args:
            sources: The environment's sources.
            database: The records.
            lease: The right to write.
            clock: Tells the time, aware UTC.

        Returns:
            How many sessions were active.

        Raises:
            SourceError: The server did not answer, or does not let the console see this; what was in memory is written.
            LeaseLostError: Another worker has taken over.
            RecordsError: The records could not be written; what is in memory stays there for a while.
        """
        postgres = sources.postgres
        try:
            found = postgres_activity.sample(postgres)
        except SourceError:
            self.write(database, lease, clock(), everything=True)
            raise
        now = clock()
        looks_of(sources).note(look_at(found, now))
        found = [self._identified(one, database, now) for one in found]
        self._add(now, found)
        self._learn(lambda ids: postgres_activity.running_texts(postgres, ids), (one.query_id for one in found))
        if any(one.wait.startswith("Lock:") for one in found):
            self._look_at_blocking(postgres, now, looks_of(sources))
        if any(start < minute_of(now) for start in self._minutes):
            self._complete(postgres, database)
            self.write(database, lease, now)
        return sum(one.sessions for one in found)

    def write(self, database: Database, lease: Lease, now: datetime, *, everything: bool = False) -> None:
        """Write the minutes that are over, or all that is in memory.

        Raises:
            LeaseLostError: Another worker has taken over.
            RecordsError: The records could not be written.
        """
        over = sorted(start for start in self._minutes if everything or start < minute_of(now))
        if not over:
            return
        for start in over[:-MOST_MINUTES]:
            del self._minutes[start]
        over = over[-MOST_MINUTES:]
        stretches = [
            Stretch(start, one.samples, folded(one.sessions, MOST_GROUPS[MINUTE]))
            for start, one in ((start, self._minutes[start]) for start in over)
        ]
        kept = {group.query_id for one in stretches for group in one.sessions}
        texts = {query_id: text for query_id, text in self._texts.items() if query_id in kept}
        save_activity(
            database,
            lease,
            self._environment,
            stretches,
            texts=texts,
            blocking=self._blocking,
            now=now,
            keep=self._keep,
        )
        for start in over:
            del self._minutes[start]
        self._texts.clear()
        self._blocking.clear()

    def _add(self, now: datetime, found: Iterable[Active]) -> None:
        one = self._minutes.setdefault(minute_of(now), _Open(0, {}))
        one.samples += 1
        for active in found:
            group = Group(active.wait, active.query_id, active.user, active.client)
            one.sessions[group] = one.sessions.get(group, 0) + active.sessions
        if len(one.sessions) > 10 * MOST_GROUPS[MINUTE]:
            one.sessions = folded(one.sessions, 5 * MOST_GROUPS[MINUTE])

    def _identified(self, one: Active, database: Database, now: datetime) -> Active:
        """With the identifier that its statement is known by from calmer times, where it has none yet."""
        if one.query_id != NO_QUERY or not one.text:
            return one
        if likeness(one.text) not in self._alike and (
            self._alike_at is None or now - self._alike_at > timedelta(seconds=MINUTE)
        ):
            self._alike_at = now
            self._compare(database)
        query_id = identifier_of(one.text, self._alike)
        if query_id not in self._known:
            self._texts[query_id] = shown(one.text, literals=False)
            self._known[query_id] = None
        return msgspec.structs.replace(one, query_id=query_id)

    def _compare(self, database: Database) -> None:
        """Learn how the statements of the records look without their values; those that are new to us."""
        try:
            texts = all_texts(database, self._environment)
        except RecordsError as error:
            log.info("texts of statements could not be read", environment=self._environment, cause=str(error))
            return
        for query_id in sorted(texts.keys() - self._compared):
            self._alike.setdefault(likeness(texts[query_id]), query_id)
        self._compared |= texts.keys()

    def _learn(self, ask: Callable[[set[int]], dict[int, str]], ids: Iterable[int]) -> None:
        """Read the texts of statements that are not known yet; one that is missed is asked for again later."""
        new = set(ids) - {NO_QUERY, OTHER_QUERY} - self._known.keys()
        if not new:
            return
        try:
            texts = ask(new)
        except SourceError as error:
            log.info("texts of statements could not be read", environment=self._environment, cause=str(error))
            return
        for query_id, text in texts.items():
            self._texts[query_id] = shown(text, literals=False)
            self._known[query_id] = None
        while len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]

    def _complete(self, postgres: Postgres, database: Database) -> None:
        """Of statements that are new to the records, the text as pg_stat_statements has it, which has no values."""
        seen = {group.query_id for one in self._minutes.values() for group in one.sessions} - {NO_QUERY, OTHER_QUERY}
        known = known_texts(database, self._environment, seen)
        for query_id in known:
            self._texts.pop(query_id, None)
            self._known[query_id] = None
        # Retention may have taken a text that was known to us.
        for query_id in seen - known - self._texts.keys():
            self._known.pop(query_id, None)
        missing = seen - known
        if missing:
            try:
                texts = postgres_activity.normalised_texts(postgres, missing)
            except SourceError:
                return
            for query_id, text in texts.items():
                self._texts[query_id] = shown(text, literals=False)
                self._known[query_id] = None

    def _look_at_blocking(self, postgres: Postgres, now: datetime, looks: Looks) -> None:
        stays = self._rooted_at is not None and now - self._rooted_at > BLOCKING_STAYS
        if self._blocked_at is not None and now - self._blocked_at < (BLOCKING_SLOWLY if stays else BLOCKING_EVERY):
            return
        try:
            sessions, locks = load_sessions(postgres), load_locks(postgres)
        except SourceError as error:
            log.info("blocking could not be looked at", environment=self._environment, cause=str(error))
            return
        if sessions.error is not None or locks.error is not None:
            return
        found, roots = pictured(sessions.value, locks.value, now)
        if found is None:
            return
        if roots != self._roots or self._blocked_at is None or now - self._blocked_at > 2 * BLOCKING_SLOWLY:
            self._roots, self._rooted_at = roots, now
        self._blocked_at = now
        looks.note_root(now, found.waiting, found.root)
        self._blocking.append(found)
        del self._blocking[: -MOST_MINUTES * 6]


def look_at(found: Sequence[Active], now: datetime) -> Look:
    """A sample as it counts for how much is waited for locks."""
    waiting: dict[str, int] = {}
    for one in found:
        if one.wait.startswith("Lock:"):
            waiting[one.wait] = waiting.get(one.wait, 0) + one.sessions
    most = max(waiting, key=lambda wait: waiting[wait], default="")
    return Look(now, sum(one.sessions for one in found), sum(waiting.values()), most)


class Picture(msgspec.Struct, frozen=True):
    """A moment of blocking, as it is kept.

    Attributes:
        sessions: Those that wait and those in their way, their statements without people's values.
        locks: What they hold and want.
    """

    sessions: Sessions
    locks: list[Lock]


def pictured(sessions: Sessions, locks: Sequence[Lock], now: datetime) -> tuple[Blocking | None, tuple[int, ...]]:
    """A moment of blocking as it is kept, and its roots; ``None`` where nobody waits.

    Of very many sessions those nearest to a root are kept.
    """
    nodes = blocking(waits(sessions.rows))
    if not nodes:
        return None, ()
    rows = sessions.by_pid
    nearest = [node.pid for node in sorted(nodes, key=lambda node: node.depth)[:MOST_SESSIONS]]
    kept = tuple(_masked(rows[pid]) for pid in nearest if pid in rows)
    theirs = [one for one in locks if one.pid is None or one.pid in nearest]
    # What is waited for first: it is what the tree is drawn with.
    theirs.sort(key=lambda one: one.granted)
    root = rows.get(nodes[0].pid)
    words = "a prepared transaction"
    if root is not None:
        words = f"{root.name}, {root.state or root.kind}: {shown(root.query, literals=False)[:TEXT_LENGTH]}"
    picture = Picture(Sessions(sessions.as_of, kept), theirs[:MOST_LOCKS])
    waiting = sum(1 for node in nodes if node.blockers)
    found = Blocking(now, waiting, words, msgspec.json.encode(picture).decode())
    return found, tuple(node.pid for node in nodes if node.depth == 0)


def opened(found: Blocking) -> Picture:
    """A moment of blocking that was kept.

    Raises:
        ValueError: It was kept in a form that this console does not know.
    """
    try:
        return msgspec.json.decode(found.sessions, type=Picture)
    except msgspec.MsgspecError as error:
        raise ValueError(f"this moment was kept in another form: {error}") from None


def _masked(session: Session) -> Session:
    return msgspec.structs.replace(session, query=shown(session.query, literals=False)[:TEXT_LENGTH])
