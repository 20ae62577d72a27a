"""Who waited for locks over the last minutes: what single looks at the sessions miss where locks come and go.

The looks of this process (the worker takes one a second, viewers take others) are kept for some minutes. Where another
console does the background work, the minutes that it wrote to the records stand in.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from weakref import WeakKeyDictionary

from collectors.cache import AnswerCache
from collectors.registry import Sources
from records.activity import Blocking
from records.activity_reading import list_blocking, read_groups, read_load
from records.database import Database
from records.errors import RecordsError
from views.database.rules.activity import LOCKED, class_of

KEPT = timedelta(minutes=5)
"""How far back looks are kept."""

JUDGED = timedelta(minutes=2)
"""How far back they are judged."""

RECENT = timedelta(seconds=30)
"""Within which somebody must have waited last, or it is over."""

LEAST_LOOKS = 10
"""Looks without which nothing is concluded."""

LEAST_SHARE = 0.1
"""Share of the looks in which somebody must have waited: one long queue at one moment is no habit."""

FROM_RECORDS = timedelta(minutes=4)
"""How far back the records are read: the newest minute is written when it is over."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the sessions.

    Attributes:
        at: When, aware UTC.
        active: Sessions that were active.
        waiting: Those of them that waited for a lock.
        event: What most of these waited for, such as ``Lock:relation``; empty where nobody waited.
    """

    at: datetime
    active: int
    waiting: int
    event: str = ""


@dataclass(frozen=True)
class LockLoad:
    """How much was waited for locks over some time.

    Attributes:
        seconds: How long that was.
        waiting: Sessions that waited, on average.
        share: What part of the active sessions that was, 0 to 1.
        looks: Share of the looks in which somebody waited, 0 to 1.
        lasts: Whether somebody waited at the end of it.
        event: What was waited for most; empty where not known.
        root: Who was in front, in words; empty where not known.
        since: When somebody waited first within it.
    """

    seconds: float
    waiting: float
    share: float
    looks: float
    lasts: bool
    event: str
    root: str
    since: datetime | None

    @property
    def heavy(self) -> bool:
        """Whether it is worth a word by itself."""
        return self.lasts and self.waiting >= LOCKED and self.looks >= LEAST_SHARE


class Looks:
    """The looks at one database; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._looks: deque[Look] = deque(maxlen=1000)
        self._roots: deque[tuple[datetime, int, str]] = deque(maxlen=100)

    def note(self, look: Look) -> None:
        """Remember a look."""
        with self._lock:
            self._looks.append(look)
            while self._looks and self._looks[0].at < look.at - KEPT:
                self._looks.popleft()

    def note_root(self, at: datetime, waiting: int, root: str) -> None:
        """Remember who was in front of those that waited."""
        with self._lock:
            self._roots.append((at, waiting, root))

    def load(self, now: datetime) -> LockLoad | None:
        """How much was waited over the last minutes; ``None`` where it was hardly looked."""
        with self._lock:
            looks = [one for one in self._looks if one.at >= now - JUDGED]
            roots = [one for one in self._roots if one[0] >= now - JUDGED]
        if len(looks) < LEAST_LOOKS:
            return None
        active = sum(one.active for one in looks)
        waiting = [one for one in looks if one.waiting]
        events: Counter[str] = Counter()
        for one in waiting:
            events[one.event] += one.waiting
        return LockLoad(
            max((looks[-1].at - looks[0].at).total_seconds(), 1.0),
            sum(one.waiting for one in waiting) / len(looks),
            sum(one.waiting for one in waiting) / active if active else 0.0,
            len(waiting) / len(looks),
            any(one.at >= now - RECENT for one in waiting),
            events.most_common(1)[0][0] if events else "",
            max(roots, key=lambda one: (one[1], one[0]), default=(now, 0, ""))[2],
            waiting[0].at if waiting else None,
        )


_lock = threading.Lock()
_of: WeakKeyDictionary[AnswerCache, Looks] = WeakKeyDictionary()


def looks_of(sources: Sources) -> Looks:
    """The looks at the database of an environment that this process keeps."""
    with _lock:
        found = _of.get(sources.cache)
        if found is None:
            found = _of[sources.cache] = Looks()
        return found


def load_locks_of_late(sources: Sources, database: Database | None) -> LockLoad | None:
    """How much was waited for locks over the last minutes; ``None`` where that is not known. Never raises.

    Args:
        sources: The environment's sources.
        database: The records; ``None`` where they cannot be reached.
    """
    now = datetime.now(UTC)
    own = looks_of(sources).load(now)
    if own is not None or database is None:
        return own
    try:
        return lock_load(database, sources.environment, now - FROM_RECORDS, now)
    except RecordsError:
        return None


def lock_load(database: Database, environment: str, start: datetime, end: datetime) -> LockLoad | None:
    """How much was waited for locks within a stretch of time, from the records; ``None`` where nobody looked.

    Raises:
        RecordsError: The records could not be read.
    """
    first = start - timedelta(seconds=start.timestamp() % 60)
    over_time = read_load(database, environment, "wait", first, end)
    number = sum(over_time.samples.values())
    if number == 0:
        return None
    groups = read_groups(database, environment, first, end)
    active = sum(groups.values())
    events: Counter[str] = Counter()
    for group, seen in groups.items():
        if class_of(group.wait) == "Lock":
            events[group.wait] += seen
    waiting = sum(events.values())
    minutes = sorted(moment for (moment, wait), seen in over_time.sessions.items() if seen and _is_lock(wait))
    worst = worst_moment(database, environment, first, end)
    newest = max(over_time.samples)
    return LockLoad(
        (end - first).total_seconds(),
        waiting / number,
        waiting / active if active else 0.0,
        len(set(minutes)) / len(over_time.samples),
        bool(minutes) and minutes[-1] >= newest,
        events.most_common(1)[0][0] if events else "",
        worst.root if worst is not None else "",
        minutes[0] if minutes else None,
    )


def worst_moment(database: Database, environment: str, start: datetime, end: datetime) -> Blocking | None:
    """The moment of a stretch at which most sessions waited; ``None`` where none is kept.

    Raises:
        RecordsError: The records could not be read.
    """
    return max(list_blocking(database, environment, start, end), key=lambda one: one.waiting, default=None)


def _is_lock(wait: object) -> bool:
    return wait is not None and class_of(str(wait)) == "Lock"
