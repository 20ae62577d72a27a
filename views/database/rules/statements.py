"""What statements have cost between two looks at counters that only grow, exactly: no more, and no less.

The counters are those of PostgreSQL's ``pg_stat_statements``. They may vanish (an entry is thrown out where there are
too many), begin again (it comes back, or somebody resets it), or all begin again at once. What was counted before such
a moment and was not looked at is unknown; it is told, and never guessed. Semantics: PostgreSQL's manual, F.32.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import repeat

import numpy as np
import numpy.typing as npt

Whole = npt.NDArray[np.int64]
Real = npt.NDArray[np.float64]

WHOLE = (
    "calls",
    "rows",
    "blocks_hit",
    "blocks_read",
    "blocks_dirtied",
    "blocks_written",
    "temp_read",
    "temp_written",
    "wal_bytes",
)
"""Counters that are always known, as whole numbers; blocks are of the server's block size, shared ones only."""

REAL = ("total_ms", "plan_ms", "read_ms", "write_ms", "wal_buffers_full", "parallel_planned", "parallel_launched")
"""The others: milliseconds, and what only some versions or settings count; NaN where it is not counted.

``total_ms`` is the time of execution and always known. ``plan_ms`` takes ``pg_stat_statements.track_planning``,
``read_ms`` and ``write_ms`` take ``track_io_timing``, the last three take PostgreSQL 18.
"""

COUNTERS = (*WHOLE, *REAL)


Key = tuple[int, int, int, bool]
"""What an entry is told apart by: numbers of database, user and statement, and whether a client sent it itself."""

OTHERS = 0
"""``query_id`` of all other statements of a database together; the server never gives it to one."""


@dataclass(frozen=True, slots=True)
class Counters:
    """The counters of all entries at one moment.

    Attributes:
        keys: Which entries, each once.
        whole: A row an entry, a column for each of :data:`WHOLE`.
        real: A row an entry, a column for each of :data:`REAL`.
        since: Seconds since 1970 from which on each is counted; NaN where the server does not tell (before 17).
    """

    keys: tuple[Key, ...]
    whole: Whole
    real: Real
    since: Real

    @classmethod
    def none(cls) -> Counters:
        """No entries."""
        return cls((), np.empty((0, len(WHOLE)), np.int64), np.empty((0, len(REAL))), np.empty(0))


@dataclass(frozen=True, slots=True)
class Book:
    """What the server says about its counting.

    Attributes:
        reset_at: When all entries were discarded last.
        evictions: How often entries were thrown out to make room.
        started_at: When the server was started.
    """

    reset_at: datetime | None
    evictions: int
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Difference:
    """What was gained between two looks.

    Attributes:
        rows: Which entries of the later look gained anything, by their place in it, ascending.
        whole: What each of them gained, a column for each of :data:`WHOLE`.
        real: The same for :data:`REAL`.
        reset: Whether everything was discarded in between: what was counted before that is unknown.
        begun_again: How many entries began again in between; what they gained is the least that it can be.
        gone: How many entries of the earlier look are no longer there; what they gained is unknown.
        evictions: How often the server threw entries out in between; those that came and went are unknown.
    """

    rows: npt.NDArray[np.intp]
    whole: Whole
    real: Real
    reset: bool = False
    begun_again: int = 0
    gone: int = 0
    evictions: int = 0

    @property
    def whole_story(self) -> bool:
        """Whether nothing is unknown."""
        return not (self.reset or self.begun_again or self.gone or self.evictions)


def difference(before: Counters, now: Counters, book_before: Book, book: Book) -> Difference:
    """What each entry gained between two looks.

    * An entry that was not there before gained all that it has.
    * One whose counter went down, or that is counted since a later moment, began again: it gained what it has now.
    * Where all were discarded (the moment of the reset changed, or a server that was started anew has lost counters),
      every entry gained what it has now.
    * A counter that was not known before, or is not known now, gained an unknown amount (NaN).

    Args:
        before: The earlier look.
        now: The later look.
        book_before: What the server said about its counting then.
        book: What it says now.
    """
    place = dict(zip(before.keys, range(len(before.keys)), strict=True))
    at = np.array(list(map(place.get, now.keys, repeat(-1))), np.intp)
    known = at >= 0
    went_down = np.zeros(len(now.keys), bool)
    rows = np.flatnonzero(known)
    if rows.size:
        earlier = at[rows]
        lower = (now.whole[rows] < before.whole[earlier]).any(axis=1)
        lower |= now.real[rows, 0] < before.real[earlier, 0]
        with np.errstate(invalid="ignore"):
            lower |= now.since[rows] > before.since[earlier]
        went_down[rows] = lower
    gone = len(before.keys) - int(known.sum())
    restarted = book.started_at != book_before.started_at
    lost = restarted and bool(went_down.any() or gone or book.evictions < book_before.evictions)
    reset = lost or book.reset_at != book_before.reset_at or book.evictions < book_before.evictions
    grown = known & ~went_down & (not reset)
    whole, real = now.whole.copy(), now.real.copy()
    rows = np.flatnonzero(grown)
    if rows.size:
        whole[rows] -= before.whole[at[rows]]
        real[rows] -= before.real[at[rows]]
    gained = np.flatnonzero((whole != 0).any(axis=1) | (real[:, 0] != 0))
    return Difference(
        gained,
        whole[gained],
        real[gained],
        reset=reset,
        begun_again=0 if reset else int(went_down.sum()),
        gone=0 if reset else gone,
        evictions=book.evictions if reset else book.evictions - book_before.evictions,
    )


@dataclass(frozen=True, slots=True)
class Most:
    """How many entries are kept by themselves of what was gained at once; the others are kept together.

    Attributes:
        all: Up to so many are all kept.
        by_time: So many that took the most time.
        by_calls: So many that were called most often.
        by_io: So many that read the most blocks, temporary ones included, or wrote the most WAL.
    """

    all: int = 120
    by_time: int = 60
    by_calls: int = 20
    by_io: int = 20


MOST = Most()


def foremost(whole: Whole, real: Real, most: Most = MOST) -> npt.NDArray[np.bool_]:
    """Which of the gains are worth a row of their own."""
    count = len(whole)
    if count <= most.all:
        return np.ones(count, bool)
    chosen = np.zeros(count, bool)
    io = whole[:, WHOLE.index("blocks_read")] + whole[:, WHOLE.index("temp_read")]
    io = io + whole[:, WHOLE.index("temp_written")] + whole[:, WHOLE.index("wal_bytes")] // 8192
    for values, number in ((real[:, 0], most.by_time), (whole[:, 0], most.by_calls), (io, most.by_io)):
        chosen[np.argpartition(values, count - number)[count - number :]] = True
    return chosen
