"""The figures of Overview, each judged over minutes against its threshold and its usual.

A tile and the verdict come from the same reading, so that they cannot contradict each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from math import isfinite, nan
from typing import Any

import pandas as pd

from analysis import changes
from analysis import episodes as judging
from analysis import usual as baseline
from analysis.episodes import Episode, Rule
from analysis.events import Event
from analysis.verdict import FAR, Cause, Reading, Status
from collectors.cache import Answer
from collectors.errors import SourceError
from collectors.prometheus.wire import Range
from collectors.registry import Sources
from collectors.signals import Signal, catalogue
from collectors.span import Span
from views.shared.ages import oldest
from views.shared.parallel import side_by_side
from views.shared.series import week_before

FIGURES = (
    "memory_operations",
    "search_latency",
    "error_share",
    "active_sessions",
    "pool_use",
    "memory_use",
    "failed_logins",
)
"""The guide's seven key metrics, in its order."""

ALSO_JUDGED = (
    "replicas_up",
    "pool_waiting",
    "query_error_share",
    "cache_hit_share",
    "security_violations",
    "storage_latency",
)
"""Signals without a figure of their own on the page that the verdict looks at as well."""

JUDGED = timedelta(hours=1)
"""How far back a live verdict looks at each signal, whatever the page's window is."""

JUDGED_POINTS = 361
"""Points of that: one in ten seconds."""

QUANTUM = 10.0
"""Seconds for which all viewers share the end of what is judged."""

HOLD: dict[Status, float] = {"broken": 20.0, "risk": 60.0}
"""Seconds of two minutes that a value must be beyond a threshold."""

HOLD_USUAL = 120.0
WITHIN_USUAL = 180.0
"""The same for a value that is within its limits and far from its usual: most of three minutes."""

HASTE = 0.5
"""By how much less is needed for a few minutes after a deploy: that something breaks then is likely."""

HASTE_SECONDS = timedelta(minutes=5)

LEAST_ERRORS = 5.0
LEAST_SLOW = 3.0
"""Least numbers of bad events within the time that is judged."""

FLOOR = 0.5
"""Share of its threshold below which a value is not called far from its usual: three times nearly nothing is little."""

LEAST_GAP = 10.0
"""The same for counts without a threshold: how far from its usual the value must be at least."""

_SLOWER_THAN_P95 = 0.05

EXHAUSTION = frozenset({"pool_use", "pool_waiting", "memory_use"})
"""Signals that say that something has run out."""

NOT_OF_A_DEPLOY = frozenset({"failed_logins", "security_violations", "active_sessions"})
"""Signals that users move, and not a new version."""

BUCKETS = {"search_latency": "search_buckets", "storage_latency": "storage_buckets"}
"""Quantile → the buckets that it is made of."""


@dataclass(frozen=True)
class Figure:
    """One figure of the first row.

    Attributes:
        signal: The signal.
        reading: What it says now, or at its worst in a window of the past; what is usual, and since when it is in
            trouble.
        trend: The span's values, float64 with an aware UTC index; may be empty.
        query: The PromQL behind it.
        absent: Metric names that the server does not have; the reading has no value then.
    """

    signal: Signal
    reading: Reading
    trend: pd.Series
    query: str
    absent: tuple[str, ...] = ()


def judged_span(span: Span) -> Span:
    """The stretch that is judged for a window: the last hour for a live one, or the window itself."""
    if not span.live:
        return span
    # The end of a long window lies up to a step before now.
    now = datetime.now(UTC)
    end = now if (now - span.end).total_seconds() <= span.step + 2 * QUANTUM else span.end
    return Span.of(end - JUDGED, end, JUDGED_POINTS, live=True, quantum=QUANTUM)


def load_deploys(sources: Sources, span: Span) -> Answer[tuple[Event, ...]]:
    """Deploys and roll-backs within what is judged for a window, oldest first.

    Raises:
        SourceError: They could not be asked, and no good answer is kept.
    """
    prometheus = sources.prometheus
    by = ("version", prometheus.settings.replica_label)
    kept = prometheus.range(catalogue()["build"], judged_span(span), by=by)
    return kept.with_value(tuple(changes.deploys(kept.value.frame, kept.value.labels)))


def load_reading(sources: Sources, signal: Signal, span: Span) -> Answer[Reading]:
    """A signal as it is judged, without its trend; see :func:`load_figure`.

    Raises:
        SourceError: It could not be asked, and no good answer is kept.
    """
    kept = load_figure(sources, signal, judged_span(span))
    return kept.with_value(kept.value.reading)


def load_figure(sources: Sources, signal: Signal, span: Span) -> Answer[Figure]:
    """A signal as it is judged, its trend over the span, and what is usual at this time of day.

    Args:
        sources: The environment's sources.
        signal: What.
        span: The window.

    Raises:
        SourceError: It could not be asked, and no good answer is kept.
    """
    prometheus = sources.prometheus
    recent = judged_span(span)
    calls: list[Callable[[], Answer[Any]]] = [
        partial(prometheus.range, signal, span),
        partial(prometheus.range, signal, recent),
        partial(load_deploys, sources, span),
    ]
    counted = _counted_by(signal)
    calls += [partial(prometheus.range, catalogue()[key], recent) for key in counted]
    if signal.usual != "none":
        calls.append(partial(prometheus.range, signal, week_before(span)))
    answers = side_by_side(*calls)
    trend, judged = (_series(kept.value) for kept in answers[:2])
    number = _total([_series(kept.value) for kept in answers[3 : 3 + len(counted)]])
    deploys = answers[2].value
    hasty = span.live and bool(deploys) and recent.end - deploys[-1].time <= HASTE_SECONDS
    usually = None
    if signal.usual != "none" and answers[-1].value.labels:
        usually = baseline.usual(answers[-1].value.frame.iloc[:, 0], span.end)
    found = judge(signal, judged, recent, usually, _bad(signal, judged, number), after_deploy=hasty)
    if found.status == "broken" and signal.key in BUCKETS:
        found = replace(found, at_least=_in_last_bucket(sources, signal, recent, found.now))
    if found.troubled and found.since is None and span.live and span.start < recent.start:
        found = replace(found, since=_earlier(signal, trend, span, usually))
    figure = Figure(signal, found, trend, answers[0].value.query, answers[0].value.absent)
    return oldest(answers, figure)


def judge(
    signal: Signal,
    series: pd.Series,
    span: Span,
    usually: float | None,
    bad: pd.Series | None,
    *,
    after_deploy: bool = False,
) -> Reading:
    """What a signal says: of a live span at its end, of one in the past at its worst.

    Args:
        signal: The signal.
        series: Its values over the span.
        span: What is judged.
        usually: What is usual; ``None`` where that is not known.
        bad: Bad events a second, on the same grid; ``None`` where it counts none.
        after_deploy: Whether a deploy came just before.
    """
    found = [
        one
        for rule in rules(signal, usually, after_deploy=after_deploy)
        for one in judging.episodes(series, rule, span.step, bad)
        if not span.live or one.end is None
    ]
    chosen = max(found, key=lambda one: _badness(one, span), default=None)
    now = judging.level(series, span.step) if span.live else _middle(series)
    cause = Cause.SYMPTOM
    if chosen is not None:
        now = chosen.level if span.live else chosen.worst
        if signal.key in EXHAUSTION and chosen.rule.status == "broken":
            cause = Cause.EXHAUSTED
    status: Status = "ok" if now is not None else "unknown"
    limit = None
    if chosen is not None and not chosen.rule.usual:
        status, limit = chosen.rule.status, chosen.rule.limit
    until = None
    since = _began(chosen, found)
    if chosen is not None and not span.live:
        until = chosen.end or span.end
    return Reading(
        signal.key,
        signal.title,
        signal.unit,
        now,
        usually,
        status,
        limit,
        since,
        signal.usual,
        unusual=chosen is not None and chosen.rule.usual,
        until=until,
        past=not span.live,
        cause=cause,
        of_deploy=signal.key not in NOT_OF_A_DEPLOY,
    )


def rules(signal: Signal, usually: float | None, *, after_deploy: bool = False) -> list[Rule]:
    """When a signal is in trouble: beyond a threshold, or far from its usual."""
    found: list[Rule] = []
    threshold, haste = signal.threshold, HASTE if after_deploy else 1.0
    least = _least(signal)
    if threshold is not None:
        limits: tuple[tuple[Status, float | None], ...] = (("broken", threshold.broken), ("risk", threshold.risk))
        found += [
            Rule(status, limit, HOLD[status] * haste, below=threshold.below, least=least, share=signal.unit == "ratio")
            for status, limit in limits
            if limit is not None
        ]
    if signal.usual == "none" or not usually or usually <= 0:
        return found
    usual = partial(Rule, "risk", hold=HOLD_USUAL, within=WITHIN_USUAL, usual=True)
    floor = usually + LEAST_GAP if signal.unit == "count" else 0.0
    if threshold is not None and threshold.risk is not None:
        floor = FLOOR * threshold.risk
    if threshold is None or not threshold.below:
        found.append(usual(limit=max(FAR * usually, floor), least=least))
    if signal.usual == "both" and (signal.unit != "count" or usually > LEAST_GAP):
        found.append(usual(limit=usually / FAR, below=True, share=signal.unit == "ratio"))
    return found


def _badness(one: Episode, span: Span) -> tuple[bool, bool, float]:
    """What is broken first, and a threshold before the usual; in the past what was farthest beyond its limit."""
    ratio = one.worst / one.rule.limit if one.rule.limit else one.worst
    beyond = 1 / ratio if one.rule.below and ratio else ratio
    return one.rule.status == "broken", not one.rule.usual, 0.0 if span.live else beyond


def _began(chosen: Episode | None, found: list[Episode]) -> datetime | None:
    """When the trouble began: when the mildest limit was crossed that it is still beyond."""
    if chosen is None:
        return None
    same = [
        one
        for one in found
        if one.rule.usual == chosen.rule.usual
        and (one.end is None) == (chosen.end is None)
        and (chosen.end is None or (one.end is not None and one.start is not None and _covers(one, chosen)))
    ]
    starts = [one.start for one in same]
    return None if None in starts else min((start for start in starts if start is not None), default=None)


def _covers(one: Episode, other: Episode) -> bool:
    """Whether one episode contains the beginning of another that is over as well."""
    if one.start is None or one.end is None or other.start is None:
        return one is other
    return one.start <= other.start <= one.end


def _counted_by(signal: Signal) -> tuple[str, ...]:
    """Signals that say how many events a second a signal is about."""
    return {
        "error_share": ("memory_operations", "search_operations"),
        "query_error_share": ("search_operations",),
        "search_latency": ("search_operations",),
        "storage_latency": ("storage_operations",),
        "cache_hit_share": ("cache_operations",),
    }.get(signal.key, ())


def _least(signal: Signal) -> float:
    if signal.unit == "s":
        return LEAST_SLOW if _counted_by(signal) else 0.0
    return LEAST_ERRORS if _counted_by(signal) or signal.unit == "1/h" else 0.0


def _bad(signal: Signal, series: pd.Series, number: pd.Series | None) -> pd.Series | None:
    """Bad events a second."""
    if signal.unit == "1/h":
        return series / 3600.0
    if number is None:
        return None
    if signal.unit == "s":
        return _SLOWER_THAN_P95 * number
    share = 1.0 - series if signal.threshold is not None and signal.threshold.below else series
    return share * number


def _total(series: list[pd.Series]) -> pd.Series | None:
    known = [one for one in series if one.notna().any()]
    return pd.concat(known, axis=1).sum(axis=1, min_count=1) if known else None


def _series(answer: Range) -> pd.Series:
    return answer.frame.iloc[:, 0] if answer.labels else pd.Series(index=answer.frame.index, dtype=float)


def _middle(series: pd.Series) -> float | None:
    """The middle value of a window that was without trouble."""
    values = series.dropna()
    return float(values.median()) if len(values) else None


def _earlier(signal: Signal, trend: pd.Series, span: Span, usually: float | None) -> datetime | None:
    """Since when, of a trouble that began before what is judged: as the longer window has it."""
    found = [
        one
        for rule in rules(signal, usually)
        for one in judging.episodes(trend, replace(rule, least=0.0), span.step)
        if one.end is None
    ]
    starts = [one.start for one in found]
    return None if not starts or None in starts else min(start for start in starts if start is not None)


def _in_last_bucket(sources: Sources, signal: Signal, span: Span, value: float | None) -> bool:
    """Whether a quantile lies beyond the last bound of its buckets, so that only that bound is known."""
    if value is None:
        return False
    try:
        kept = sources.prometheus.instant(catalogue()[BUCKETS[signal.key]], span.end)
    except SourceError:
        return False
    top = max((bound for one in kept.value.samples if isfinite(bound := _bound(one.labels))), default=None)
    return top is not None and value >= top * (1 - 1e-9)


def _bound(labels: Mapping[str, str]) -> float:
    """The bound of a bucket; not a number where its label is none."""
    try:
        return float(labels.get("le", "nan"))
    except ValueError:
        return nan
