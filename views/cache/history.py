"""The cache over a window: the samples that the worker kept, with the newest one asked now."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from collectors.cache import Answer
from collectors.errors import SourceError
from collectors.redis.info import COUNTERS, Info
from collectors.registry import Sources
from collectors.span import STEPS, Span
from records.cache import DENSE, THIN
from records.database import Database
from records.errors import RecordsError
from views.cache.rules import samples as cache_samples
from views.cache.rules.samples import Between, Sample
from views.cache.sampler import remembered, sample_of

PAUSE = 2.5
"""Intervals of the worker without a sample from which on nothing is drawn."""


@dataclass(frozen=True)
class History:
    """A cache over a window.

    Attributes:
        info: What it tells now; ``None`` for a window of the past, and where it does not answer.
        samples: The samples within the window and the last one before it, in order of time.
        found: Each two of them that follow each other.
        cells: Ends of the cells of a chart, aware UTC.
        longest: Seconds between two samples from which on nothing is drawn between them.
        error: Why it is not newer.
        remarks: What the reader must know.
    """

    info: Info | None
    samples: tuple[Sample, ...]
    found: tuple[Between, ...]
    cells: pd.DatetimeIndex
    longest: float
    error: SourceError | None
    remarks: tuple[str, ...]

    @property
    def step(self) -> timedelta:
        """Length of a cell."""
        return (self.cells[1] - self.cells[0]).to_pytimedelta() if len(self.cells) > 1 else timedelta(minutes=1)

    @property
    def covered(self) -> bool:
        """Whether anything is known of what it did within the window."""
        return any(not one.broken for one in self.found)


@dataclass(frozen=True)
class Memory:
    """Where samples are kept.

    Attributes:
        database: The records; ``None`` where they cannot be reached.
        interval: Seconds between two samples.
        enabled: Whether a worker of this console takes them.
    """

    database: Database | None
    interval: float
    enabled: bool = True


def load_history(sources: Sources, memory: Memory, span: Span) -> Answer[History]:
    """A cache over a window.

    Raises:
        SourceError: It does not answer, and no sample of the window is kept.
    """
    moment = (span.start, span.end, span.step)
    view = (sources.environment, "redis", "history")
    kept = sources.cache.get(view, moment, lambda: _history(sources, memory, span))
    history = kept.value
    if history.error is not None and not history.samples:
        raise history.error
    as_of = history.samples[-1].moment if history.error is not None and history.samples else kept.as_of
    return Answer(history, as_of, history.error or kept.error)


def _history(sources: Sources, memory: Memory, span: Span) -> History:
    remarks: list[str] = []
    thin = span.start < datetime.now(UTC) - DENSE
    longest = PAUSE * max(memory.interval, THIN.total_seconds() if thin else 0.0)
    samples: list[Sample] = []
    if memory.database is not None:
        try:
            start = span.start - timedelta(seconds=longest)
            samples = remembered(memory.database, sources.environment, start, span.end)
        except RecordsError as error:
            remarks.append(f"The samples of the past cannot be read: {error}.")
    else:
        remarks.append("The console's records cannot be reached, so nothing is known of the past.")
    before = [one for one in samples if one.moment < span.start]
    samples = [*before[-1:], *(one for one in samples if one.moment >= span.start)]
    info: Info | None = None
    failure: SourceError | None = None
    if span.reaches_now:
        try:
            kept = sources.redis.latest()
            info, times = kept.value
            failure = kept.error
            newest = sample_of(info, times, kept.as_of, sources.redis.settings.database)
            samples = [*(one for one in samples if one.moment < newest.moment), newest]
        except SourceError as error:
            failure = error
    if not memory.enabled and len(samples) < 2:
        remarks.append("The worker of this console is switched off ([worker] enabled), so no samples are taken.")
    found = cache_samples.between(samples, COUNTERS)
    remarks += [
        f"Its counters were reset before {one.after.moment:%Y-%m-%d %H:%M:%S} UTC; what was counted just before is not "
        "known."
        for one in found
        if one.broken == "reset" and one.after.moment >= span.start
    ]
    return History(
        info, tuple(samples), tuple(found), _cells(span, memory.interval, thin), longest, failure, tuple(remarks)
    )


def _cells(span: Span, interval: float, thin: bool) -> pd.DatetimeIndex:
    """Ends of the cells of a chart: no finer than samples are taken."""
    wanted = max(span.step, interval, THIN.total_seconds() if thin else 0.0)
    step = next((step for step in STEPS if step >= wanted), math.ceil(wanted))
    first = math.ceil(span.start.timestamp() / step) * step
    # The newest sample of a live window is taken after its end, which lies on the grid of its step.
    last = (span.end.timestamp() // step + 1) * step if span.live else span.end.timestamp()
    ends = np.arange(first, last + 1, step, dtype="int64")
    return pd.DatetimeIndex(pd.to_datetime(ends, unit="s", utc=True))
