"""What is told about statements: what they cost over a window, and how they changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import pandas as pd

from analysis.events import Event
from collectors.errors import SourceError

BLOCK = 8192
"""Bytes of a block, in every build of PostgreSQL that was not made specially."""

_SUMMED = ["calls", "rows", "total_ms", "blocks_hit", "blocks_read", "temp_written", "wal_bytes", "read_ms"]


@dataclass(frozen=True)
class Sums:
    """What was counted over a window.

    Attributes:
        calls: How often it ran.
        rows: Rows that it returned or changed.
        seconds: Time of execution.
        blocks_hit: Blocks that were found in the server's own memory.
        blocks_read: Blocks that were not.
        temp: Bytes of temporary files that were written.
        wal: Bytes of write-ahead log.
        read_seconds: Time of reading blocks; NaN where the server does not measure it.
    """

    calls: float = 0.0
    rows: float = 0.0
    seconds: float = 0.0
    blocks_hit: float = 0.0
    blocks_read: float = 0.0
    temp: float = 0.0
    wal: float = 0.0
    read_seconds: float = 0.0

    @property
    def mean(self) -> float | None:
        """Seconds a call."""
        return self.seconds / self.calls if self.calls else None

    @property
    def hit_share(self) -> float | None:
        """Share of blocks that were found in memory."""
        blocks = self.blocks_hit + self.blocks_read
        return self.blocks_hit / blocks if blocks else None

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Sums:
        """All rows of :func:`records.statement_reads.read_totals` together."""
        return sums_by(frame, pd.Series(0, index=frame.index)).get(0, cls())

    def scaled(self, factor: float) -> Sums:
        """As many times as much."""
        return Sums(**{name: getattr(self, name) * factor for name in Sums.__dataclass_fields__})


def sums_by(frame: pd.DataFrame, keys: pd.Series) -> dict[int, Sums]:
    """Rows of :func:`records.statement_reads.read_totals` added up by a whole number each; an unknown part is NaN."""
    parts = frame[_SUMMED].groupby(keys, sort=False)
    known = parts.count().eq(parts.size(), axis=0)
    return {
        int(number): Sums(calls, rows, ms / 1000, hit, read, written * BLOCK, wal, read_ms / 1000)
        for number, calls, rows, ms, hit, read, written, wal, read_ms in parts.sum().where(known).itertuples(name=None)
    }


@dataclass(frozen=True)
class Statement:
    """One statement over a window, all its users and databases together.

    Attributes:
        query_id: Its number; 0 stands for all that are not kept one by one.
        text: Its text as the viewer may see it; foreign.
        short: What it does, in a few words; foreign.
        users: Roles that ran it.
        databases: Databases that it ran in.
        sums: What was counted.
        share: Its share of the time of all statements.
        trend: Time of execution a second, over the window; few points.
        first_seen: When it was seen first; ``None`` where it was there before the console looked.
        nested: Whether it only ran within others, such as in a function.
        earlier: What was counted in the period that the page compares with, scaled to the same watched time.
    """

    query_id: int
    text: str
    short: str
    users: tuple[str, ...]
    databases: tuple[str, ...]
    sums: Sums
    share: float
    trend: tuple[float, ...]
    first_seen: datetime | None
    nested: bool
    earlier: Sums | None = None


@dataclass(frozen=True)
class Change:
    """A statement that is not as it was.

    Attributes:
        kind: Its mean grew, it is called more often, or it was not there before.
        statement: Which one.
        since: When that began.
        until: When it was over; ``None`` where it lasts.
        before: Seconds a call or calls a second before; ``None`` for a new one.
        after: The same since then; for a new one seconds a call.
        cause: The deploy before it; ``None`` where there was none.
    """

    kind: Literal["slower", "oftener", "new"]
    statement: Statement
    since: datetime
    until: datetime | None
    before: float | None
    after: float
    cause: Event | None


@dataclass(frozen=True)
class Statements:
    """All about the statements of a window.

    Attributes:
        found: The statements, the one that took most time first; that of number 0 is not among them.
        others: All that are not kept one by one.
        total: Everything together.
        seconds: How much of the window was watched.
        since: Where what was watched begins.
        until: Where it ends.
        load: Seconds of execution a second over time: a column a statement (its number), the largest first, and one
            for all others (0).
        events: What happened in the window.
        changes: What is not as it was, the heaviest first.
        left_out: How many statements are beyond the table's end.
        remarks: What the reader must know.
        trouble: Why the database could not be asked now; ``None`` where it answers.
        compared: Everything together in the earlier period, scaled to the same watched time; ``None`` without one.
    """

    found: tuple[Statement, ...]
    others: Sums
    total: Sums
    seconds: float
    since: datetime | None
    until: datetime | None
    load: pd.DataFrame
    events: tuple[Event, ...]
    changes: tuple[Change, ...]
    left_out: int = 0
    remarks: tuple[str, ...] = ()
    trouble: SourceError | None = None
    compared: Sums | None = None
