"""What a flush of the cache would cost the database, and what earlier ones did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

import pandas as pd

from analysis.verdict import Reading
from collectors.cache import Answer
from collectors.errors import SourceError
from collectors.redis.info import COUNTERS
from collectors.registry import Sources
from collectors.signals import catalogue
from collectors.span import Span
from records.errors import RecordsError
from views.cache.history import History, Memory, load_history
from views.cache.rules import samples as cache_samples
from views.cache.rules.diagnoses import FlushCost, flush_cost
from views.cache.rules.samples import Emptied
from views.cache.sampler import remembered
from views.shared.figures import load_figure
from views.shared.parallel import side_by_side

T = TypeVar("T")

READS: Mapping[str, tuple[str, ...]] = {"operation_type": ("read",)}
"""The storage operations that a miss of the cache causes."""

AROUND = (timedelta(minutes=15), timedelta(hours=1))
"""How much before and after an earlier flush the database is looked at."""

MOST_PAST = 3
"""Earlier flushes that are told."""

PAST_TTL = 300.0
"""Seconds for which the list of earlier flushes is taken for unchanged: it is made of all samples."""


@dataclass(frozen=True)
class Past:
    """What an earlier flush did.

    Attributes:
        emptied: The flush.
        reads_before: Reads of the database a second before; ``None`` where that is not known.
        reads_highest: The most within the hour after it.
        search_before: p95 of searches before, in seconds.
        search_highest: The highest within the hour after it.
    """

    emptied: Emptied
    reads_before: float | None
    reads_highest: float | None
    search_before: float | None
    search_highest: float | None


@dataclass(frozen=True)
class Flush:
    """What a flush would cost, and what earlier ones did.

    Attributes:
        cost: By the formula; ``None`` where nothing is looked up, or it is not known.
        pool: Share of the service's database connections that is in use now, or in a window of the past was; ``None``
            where that is not known.
        search: p95 of searches, in seconds, likewise.
        past: Flushes before the end of the window, the newest first.
        since: From when on samples are kept; ``None`` where none are.
        failures: What could not be asked.
        looked_up: Look-ups a second within the window; ``None`` where that is not known.
        until: The end of the window.
        of_past: Whether the window is one of the past.
    """

    cost: FlushCost | None
    pool: Reading | None
    search: Reading | None
    past: tuple[Past, ...]
    since: datetime | None
    failures: tuple[SourceError, ...]
    looked_up: float | None
    until: datetime
    of_past: bool


def load_flush(sources: Sources, memory: Memory, span: Span, keep: timedelta) -> Answer[Flush]:
    """What a flush would cost the database, and what earlier ones did.

    Args:
        sources: The environment's sources.
        memory: Where samples are kept.
        span: The window whose look-ups count.
        keep: How long samples are kept.

    Raises:
        SourceError: The cache does not answer, and no sample of the window is kept.
    """
    failures: dict[str, SourceError] = {}

    def measured(call: Callable[[], T]) -> T | None:
        try:
            return call()
        except SourceError as error:
            failures.setdefault(error.source, error)
            return None

    def reading(signal: str) -> Reading:
        return load_figure(sources, catalogue()[signal], span).value.reading

    kept, reads, pool, search, past = side_by_side(
        partial(load_history, sources, memory, span),
        partial(measured, lambda: _mean(_range(sources, "storage_operations", span, READS))),
        partial(measured, partial(reading, "pool_use")),
        partial(measured, partial(reading, "search_latency")),
        partial(_earlier, sources, memory, keep, span),
    )
    history: History = kept.value
    gained = [cache_samples.total(history.found, name, span.start, span.end) for name in ("hits", "keyspace_misses")]
    keys = history.samples[-1].value("keys") if history.samples else None
    earlier, first = past
    told = [_effect(sources, one) for one in earlier]
    cost = flush_cost(gained[0].rate, gained[1].rate, None if keys is None else int(keys), reads)
    looked_up = None if gained[0].rate is None or gained[1].rate is None else gained[0].rate + gained[1].rate
    if gained[0].rate and keys is None:
        looked_up = None  # something was found, and how many keys there were is not known
    found = Flush(
        cost, pool, search, tuple(told), first, tuple(failures.values()), looked_up, span.end, not span.reaches_now
    )
    return Answer(found, kept.as_of, kept.error)


def _earlier(sources: Sources, memory: Memory, keep: timedelta, span: Span) -> tuple[list[Emptied], datetime | None]:
    """The newest flushes before the end of a window that samples are kept of, and since when samples are kept."""
    database = memory.database
    if database is None:
        return [], None

    def load() -> tuple[list[Emptied], datetime | None]:
        now = datetime.now(UTC)
        samples = remembered(database, sources.environment, now - keep, now)
        found = cache_samples.emptied(cache_samples.between(samples, COUNTERS))
        return found[::-1], samples[0].moment if samples else None

    try:
        known, first = sources.cache.get((sources.environment, "redis", "flushes"), None, load, ttl=PAST_TTL).value
    except RecordsError:
        return [], None
    # The end of a live window lies a step before now; one of the past tells of no flush that came after it.
    return [one for one in known if span.reaches_now or one.moment <= span.end][:MOST_PAST], first


def _effect(sources: Sources, one: Emptied) -> Past:
    """What an earlier flush did to the database, as far as Prometheus knows it."""
    span = Span.of(one.moment - AROUND[0], one.moment + AROUND[1], 300)

    def both(signal: str, filters: Mapping[str, tuple[str, ...]] | None) -> tuple[float | None, float | None]:
        try:
            series = _range(sources, signal, span, filters)
        except SourceError:
            return None, None
        before, after = series[series.index < one.since], series[series.index >= one.since].dropna()
        return _mean(before), float(after.max()) if len(after) else None

    reads, search = side_by_side(partial(both, "storage_operations", READS), partial(both, "search_latency", None))
    return Past(one, *reads, *search)


def _range(sources: Sources, signal: str, span: Span, filters: Mapping[str, tuple[str, ...]] | None) -> pd.Series:
    answer = sources.prometheus.range(catalogue()[signal], span, filters=filters).value
    return answer.frame.iloc[:, 0] if answer.labels else pd.Series(dtype=float, index=answer.frame.index)


def _mean(series: pd.Series) -> float | None:
    known = series.dropna()
    return float(known.mean()) if len(known) else None
