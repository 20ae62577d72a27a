"""What this process saw of PostgreSQL's counters and running work at earlier looks, so that growth can be told.

A counter alone says how much there was since the server's statistics were reset, which may be a year. Two looks say
how much there was between them, and since when; nothing is invented for the time before the first.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from collectors.postgres.client import Postgres
from collectors.postgres.upkeep import Work

KEPT = timedelta(hours=1)
"""How far back looks are kept."""

MOST = 720
"""Most looks that are kept of one thing."""

LEAST_SECONDS = 2.0
"""Growth over less time than this says nothing about a rate."""


@dataclass(frozen=True, slots=True)
class Growth:
    """How much counters grew between two looks.

    Attributes:
        since: The earlier look.
        seconds: Time between the two.
        by: Name of each counter → how much it grew.
    """

    since: datetime
    seconds: float
    by: Mapping[str, float]

    def rate(self, name: str) -> float:
        """Growth a second."""
        return self.by[name] / self.seconds


@dataclass(frozen=True, slots=True)
class _Look:
    at: datetime
    values: Mapping[str, float]


class Looks:
    """Earlier looks at one server; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: dict[str, tuple[datetime | None, deque[_Look]]] = {}
        self._work: dict[tuple[object, ...], tuple[datetime, int]] = {}

    def note(self, what: str, at: datetime, reset_at: datetime | None, values: Mapping[str, float]) -> None:
        """Remember what counters say; a reset or a counter that went back forgets what was before.

        Args:
            what: Name of the group of counters.
            at: When they were looked at.
            reset_at: When the server began to count.
            values: The counters.
        """
        with self._lock:
            before, looks = self._counters.get(what, (reset_at, deque(maxlen=MOST)))
            if looks and looks[-1].at >= at:
                return
            if before != reset_at or (looks and any(values[name] < old for name, old in looks[-1].values.items())):
                looks.clear()
            looks.append(_Look(at, dict(values)))
            while looks[0].at < at - KEPT:
                looks.popleft()
            self._counters[what] = (reset_at, looks)

    def growth(self, what: str, within: timedelta = KEPT) -> Growth | None:
        """Growth since the earliest look that is not older than ``within``; ``None`` without two looks."""
        with self._lock:
            looks = list(self._counters.get(what, (None, deque()))[1])
        if len(looks) < 2:
            return None
        last = looks[-1]
        first = next(one for one in looks if one.at >= last.at - within)
        seconds = (last.at - first.at).total_seconds()
        if seconds < LEAST_SECONDS:
            # The one before lies farther back than asked for: an older answer is better than none.
            first = looks[-2]
            seconds = (last.at - first.at).total_seconds()
        if seconds < LEAST_SECONDS:
            return None
        return Growth(first.at, seconds, {name: last.values[name] - first.values[name] for name in last.values})

    def left(self, running: Sequence[Work]) -> dict[int, float]:
        """Seconds that the present phase of each piece of work will still take, by its process.

        Measured by how much was done since this phase was seen first; work that cannot be measured is left out.
        """
        found: dict[int, float] = {}
        with self._lock:
            seen = {(one.pid, one.since, one.kind, one.relation, one.phase): one for one in running}
            self._work = {key: first for key, first in self._work.items() if key in seen}
            for key, one in seen.items():
                if one.done is None or one.total is None:
                    continue
                at, done = self._work.setdefault(key, (one.as_of, one.done))
                seconds = (one.as_of - at).total_seconds()
                if seconds >= LEAST_SECONDS and one.done > done:
                    found[one.pid] = max(one.total - one.done, 0) * seconds / (one.done - done)
        return found


_lock = threading.Lock()
_of: WeakKeyDictionary[Postgres, Looks] = WeakKeyDictionary()


def looks(postgres: Postgres) -> Looks:
    """The looks at a server that this process keeps."""
    with _lock:
        return _of.setdefault(postgres, Looks())
