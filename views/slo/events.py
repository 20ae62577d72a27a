"""The events of an objective, in stretches of time: few coarse ones for the past, fine ones where it matters.

A period of thirty days at the grain that a burn rate needs would be 43,200 points. So the past is asked in at most
``POINTS`` points, in slices at fixed places, whose chunks the collector keeps; and a minute a point for the last six
hours and for the stretches in which an excluded window begins or ends.

A point at ``t`` is the rate over one step and one scrape interval, times the step. With samples at even distances
that is just the growth from the last sample before the step to the last one in it, so nothing between two points is
lost or counted twice; a counter that began anew is seen by Prometheus itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise

import numpy as np

from collectors.cache import Answer
from collectors.prometheus.client import Prometheus
from collectors.prometheus.wire import Range, Vector
from collectors.registry import Sources
from collectors.signals import Signal
from collectors.slos import Objective, all_events, counter, told_events, usable_bound
from collectors.span import STEPS, Span
from views.shared.ages import oldest
from views.shared.parallel import side_by_side
from views.slo.rules.budgets import Buckets, Floats, Window, merged

POINTS = 1440
"""Most points in which a whole period is asked: half an hour each for thirty days."""

SLICE = 240
"""Points of one question about the past. A slow server then answers a part within the deadline, and keeps it."""

FINE = 60
"""Seconds of a fine stretch, where scrapes are frequent enough for it."""

RECENT = 6 * 3600
"""Seconds before now that are asked in fine stretches."""


@dataclass(frozen=True)
class Events:
    """What was counted for an objective.

    Attributes:
        buckets: The events; every stretch of the period is there, those without samples as NaN.
        now: Epoch seconds of the last stretch's end.
        bound: The bucket bound that good events were counted by, in seconds; ``None`` for availability, and for
            latency where no bound of the server can be used: then nothing is known.
        bounds: All bucket bounds that the server has now, ascending.
        queries: The questions that were asked.
        warnings: What the server remarked.
        absent: The metric that the server does not have; nothing is known then.
    """

    buckets: Buckets
    now: float
    bound: float | None = None
    bounds: tuple[float, ...] = ()
    queries: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    def __sizeof__(self) -> int:
        """Bytes of the arrays: what the cache of answers counts."""
        return 4 * self.buckets.total.nbytes


def coarse_step(period: float) -> int:
    """Seconds of a coarse stretch: the shortest step with which a period has at most ``POINTS``."""
    return next(step for step in STEPS if step * POINTS >= period and step >= FINE)


def fine_step(scrape_interval: float, period: float) -> int:
    """Seconds of a fine stretch: a minute, or at least three scrapes.

    A rate looks back four scrapes at least. Over a shorter step it would smear what happened over the stretches
    before, and an outage would seem to begin later and to end later than it did.
    """
    coarse = coarse_step(period)
    return next((step for step in STEPS if step >= max(FINE, 3 * scrape_interval) and coarse % step == 0), coarse)


def load_events(
    sources: Sources, objective: Objective, now: datetime, excluded: Sequence[Window] = ()
) -> Answer[Events]:
    """All events of the objective's period up to ``now``.

    Args:
        sources: The environment's sources.
        objective: What is promised.
        now: The end of the period; it is rounded down to a whole fine stretch, usually a minute.
        excluded: Windows in epoch seconds; where one begins or ends the stretches are fine.

    Raises:
        SourceError: The metrics could not be asked, and no good answer is kept.
    """
    prometheus = sources.prometheus
    fine = fine_step(prometheus.settings.scrape_interval, objective.seconds)
    moment = int(now.timestamp()) // fine * fine
    windows = tuple(merged(excluded))

    def load() -> Events:
        kept = _load(prometheus, objective, moment, windows, fine)
        if kept.error is not None:
            # Old and new parts side by side would be a picture of no moment; the last good one is better.
            raise kept.error
        return kept.value

    view = (sources.environment, "slo", objective.model_dump_json(), windows)
    return sources.cache.get(view, moment, load)


def _load(
    prometheus: Prometheus, objective: Objective, moment: int, excluded: Sequence[Window], fine: int
) -> Answer[Events]:
    signal = counter(objective)
    bounds = _bounds(prometheus, signal, datetime.fromtimestamp(moment, UTC)) if objective.kind == "latency" else None
    found = _finite(bounds.value) if bounds is not None else ()
    bound = usable_bound(objective.threshold or 0.0, found) if found else objective.threshold
    spans = _spans(moment, objective.seconds, excluded, fine)
    calls: list[Callable[[], Answer[Range]]] = [
        partial(_ask, prometheus, signal, span, filters)
        for filters in (all_events(objective), told_events(objective, bound))
        for span in spans
    ]
    answers = side_by_side(*calls)
    ranges = [kept.value for kept in answers]
    total = np.concatenate([_counts(one, span) for one, span in zip(ranges[: len(spans)], spans, strict=True)])
    told = np.concatenate([_counts(one, span) for one, span in zip(ranges[len(spans) :], spans, strict=True)])
    bad = (
        bad_events(objective, total, told) if objective.kind == "availability" or bound is not None else total * np.nan
    )
    starts = np.concatenate([_starts(span) for span in spans])
    ends = starts + np.concatenate([np.full(span.points, float(span.step)) for span in spans])
    buckets = Buckets(starts, ends, bad, total).between(moment - objective.seconds, moment)
    asked = [bounds, *answers] if bounds is not None else answers
    return oldest(
        asked,
        Events(
            buckets,
            float(moment),
            bound,
            found,
            _distinct(query for one in (ranges[len(spans) - 1], ranges[-1]) for query in [one.query] if query),
            _distinct(warning for one in ranges for warning in one.warnings),
            _distinct(name for one in ranges for name in one.absent),
        ),
    )


def bad_events(objective: Objective, total: Floats, told: Floats) -> Floats:
    """The bad events, from all events and those that were told apart.

    Where events are counted and none of them has the labels of a bad one, none was bad: a counter of failures
    appears with the first failure. A histogram has all its buckets or none, so a bucket that is missing is unknown.
    """
    if objective.kind == "availability":
        return np.where(np.isnan(told) & ~np.isnan(total), 0.0, told)
    # Two rates that are equal may differ by a rounding, and that is no bad event.
    bad = total - told
    return np.where(bad < 1e-9 * total, 0.0, bad)


def _spans(now: int, period: float, edges: Sequence[Window], fine_step: int) -> list[Span]:
    """Spans that cover the period without gap or overlap, in order; a point stands for the step that ends there."""
    step = coarse_step(period)
    fine_from = (now - RECENT) // step * step
    first = int(now - period) // step * step
    cut = {int(edge) // step * step for window in edges for edge in window}
    fine = sorted(edge for edge in cut if first <= edge < fine_from)
    spans: list[Span] = []
    at = first
    for edge in [*fine, fine_from]:
        spans += _coarse(at, edge, step)
        at = min(edge + step, fine_from) if edge < fine_from else edge
        if edge < fine_from:
            spans.append(_span(edge, at, fine_step))
    spans.append(_span(fine_from, now, fine_step))
    return spans


def _coarse(start: int, end: int, step: int) -> list[Span]:
    """Spans of whole slices at fixed places, so that the answers about the past can be kept."""
    length = SLICE * step
    # A slice ends with the last point of a chunk of the collector, one step before the next chunk's first.
    cuts = [start, *range((start // length + 1) * length - step, end, length), end]
    return [_span(first, last, step) for first, last in pairwise(cuts) if last > first]


def _span(start: int, end: int, step: int) -> Span:
    """The points that stand for the steps from ``start`` to ``end``; the first one ends a step after the start."""
    return Span(datetime.fromtimestamp(start + step, UTC), datetime.fromtimestamp(end, UTC), step)


def _ask(prometheus: Prometheus, signal: Signal, span: Span, filters: Mapping[str, Sequence[str]]) -> Answer[Range]:
    return prometheus.range(signal, span, filters=filters)


def _bounds(prometheus: Prometheus, signal: Signal, now: datetime) -> Answer[Vector]:
    return prometheus.instant(signal, now, by=("le",))


def _finite(found: Vector) -> tuple[float, ...]:
    bounds = {float(sample.labels["le"]) for sample in found.samples if sample.labels.get("le")}
    return tuple(sorted(bound for bound in bounds if np.isfinite(bound)))


def _counts(answer: Range, span: Span) -> Floats:
    """Events of each step, shape (points,)."""
    if not answer.labels:
        return np.full(span.points, np.nan)
    rates: Floats = answer.frame.iloc[:, 0].to_numpy(np.float64)
    return rates * span.step


def _starts(span: Span) -> Floats:
    starts: Floats = span.start.timestamp() - span.step + np.arange(span.points, dtype=np.float64) * span.step
    return starts


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
