"""A stretch of time as the sources are asked for it: both ends on the grid of its step.

All viewers of a live window share one quantised end, so they share answers; and points of the grid
lie at the same instants whenever they are asked for, so answers about the past can be kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

STEPS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""Steps in seconds that read well on a time axis; each chart takes the shortest that its points allow."""


REACH = timedelta(seconds=30)
"""How far from now a span that stands still may end so that it tells of this moment."""


@dataclass(frozen=True)
class Span:
    """From ``start`` to ``end``, both inclusive, aware UTC, multiples of ``step`` seconds since the epoch.

    Attributes:
        start: First instant.
        end: Last instant.
        step: Seconds between two points of a series.
        live: Whether the end moves with the clock.
    """

    start: datetime
    end: datetime
    step: int
    live: bool = False

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return (self.end - self.start).total_seconds()

    @property
    def points(self) -> int:
        """Points of one series, both ends counted."""
        return int(self.seconds // self.step) + 1

    @property
    def reaches_now(self) -> bool:
        """Whether it tells of this moment: one that does not is of the past, and nothing of now belongs to it."""
        return self.live or datetime.now(UTC) - self.end <= REACH

    def shifted(self, seconds: float) -> Span:
        """The same span ``seconds`` earlier, moved on the grid of its step."""
        by = timedelta(seconds=math.ceil(seconds / self.step) * self.step)
        return Span(self.start - by, self.end - by, self.step)

    @classmethod
    def of(cls, start: datetime, end: datetime, points: int, *, live: bool = False, quantum: float = 1.0) -> Span:
        """The span from ``start`` to ``end`` with at most ``points`` points.

        Args:
            start: First instant, aware.
            end: Last instant, aware.
            points: Most points of a series.
            live: Whether ``end`` is now.
            quantum: Seconds to which a live end is rounded down, at least one step.

        Raises:
            ValueError: ``end`` is not after ``start``.
        """
        length = (end - start).total_seconds()
        if length <= 0:
            raise ValueError("a window must end after it starts")
        wanted = length / max(points - 1, 1)
        step = next((step for step in STEPS if step >= wanted), math.ceil(wanted / 86400) * 86400)
        grid = math.ceil(quantum / step) * step if live else step
        last = math.floor(end.timestamp() / grid) * grid
        first = last - max(math.floor(length / step), 1) * step
        return cls(datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC), step, live)
