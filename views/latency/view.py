"""Latency: is it slow or failing, for whom, since when; and what moved against an earlier time.

Everything about speed comes from histograms. One question brings the buckets over time; quantiles, the heatmap, the
number of requests and Apdex are made of the same counts, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from analysis import latency
from analysis.episodes import Episode, Rule, episodes
from analysis.events import Event
from analysis.series import Limit, Series
from collectors.cache import Answer
from collectors.numbers import number
from collectors.prometheus.wire import Range
from collectors.registry import Sources
from collectors.signals import catalogue
from collectors.span import Span
from views.latency.rules.outliers import Outlier, outliers
from views.shared.ages import oldest
from views.shared.events import events_or_none
from views.shared.figures import HOLD, LEAST_SLOW
from views.shared.parallel import side_by_side

QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
HEADLINE = 0.95
"""The quantile that figures and tables show."""

WORSE = 1.5
"""How many times its level of a week earlier a latency must be to be worth a word."""

VERY_SLOW = 2.0
"""How many times the limit a latency must be for a shorter time of it to be trouble."""

Filters = Mapping[str, Sequence[str]]
"""Label → values to keep; ``$replica`` for the replica."""

MOST_SERIES = 3_000
"""Most bucket series of a table: some 200 combinations of labels with 15 buckets each."""

MOST_BOUNDS = 6
"""Bounds of buckets that a remark names."""

TABLE_POINTS = 40
"""Points of the table's small charts; each counts all requests of its part of the window."""


@dataclass(frozen=True)
class Kind:
    """One thing whose latency is measured.

    Attributes:
        title: How it is called.
        buckets: Signal with its buckets.
        time: Signal with the time spent.
        quantile: Signal with its quantiles, for its threshold and for splits.
        errors: Signal with the share that failed; empty where none is counted.
        rate: Signal with how many there were.
        by: Labels that it can be split by, ``$replica`` for the replica.
        combination: The labels of a row in the table.
    """

    title: str
    buckets: str
    time: str
    quantile: str
    errors: str
    rate: str
    by: tuple[str, ...]
    combination: tuple[str, ...]


KINDS: Mapping[str, Kind] = {
    "search": Kind(
        "Searches", "search_buckets", "search_time", "search_latency", "query_error_share", "search_operations",
        ("query_type", "complexity", "result_size", "$replica"), ("query_type", "complexity"),
    ),
    "memory": Kind(
        "Memory operations", "memory_operation_buckets", "memory_operation_time", "memory_operation_duration",
        "error_share_by_operation", "memory_operations",
        ("operation_type", "memory_type", "$replica"), ("operation_type", "memory_type"),
    ),
    "storage": Kind(
        "Storage operations", "storage_buckets", "storage_time", "storage_latency", "", "storage_operations",
        ("operation_type", "storage_backend", "$replica"), ("operation_type", "storage_backend"),
    ),
    "vector": Kind(
        "Vector searches", "vector_search_buckets", "vector_search_time", "vector_search_latency", "", "",
        ("search_type", "index_type", "result_count", "$replica"), ("search_type", "index_type"),
    ),
}  # fmt: skip
"""What the page can show, by the word in its address."""

BY_TITLES = {
    "query_type": "query type",
    "complexity": "complexity",
    "result_size": "result size",
    "operation_type": "operation",
    "memory_type": "memory type",
    "storage_backend": "storage backend",
    "search_type": "search type",
    "index_type": "index type",
    "result_count": "result count",
    "$replica": "replica",
}


@dataclass(frozen=True)
class Distribution:
    """The latency of one kind over the window.

    Attributes:
        series: Its quantiles, ready to be drawn.
        heat: Requests a second in each bucket, cumulative; columns: bounds in seconds.
        requests: How many there were in the whole window.
        overall: Quantile name → its value over the whole window, from the sum of all counts; ``None`` where nothing
            was counted.
        apdex: Over the whole window; ``None`` where it cannot be told.
        target: The seconds that Apdex measures by.
        top: The last finite bound in seconds.
    """

    series: Series
    heat: pd.DataFrame
    requests: float
    overall: Mapping[str, float | None]
    apdex: float | None
    target: float
    top: float


def load_distribution(
    sources: Sources,
    kind: Kind,
    span: Span,
    earlier: Span | None = None,
    *,
    filters: Filters | None = None,
) -> Answer[Distribution]:
    """Quantiles, heatmap and counts of one kind.

    Args:
        sources: The environment's sources.
        kind: What.
        span: When.
        earlier: The period to draw beside it.
        filters: Label → values to keep.

    Raises:
        SourceError: It could not be asked, and no good answer is kept.
    """
    prometheus = sources.prometheus
    signal, judged = catalogue()[kind.buckets], catalogue()[kind.quantile]
    ask = partial(prometheus.range, signal, filters=_real(sources, filters or {}))
    calls = [partial(ask, span), *([partial(ask, earlier)] if earlier is not None else [])]
    *answers, events = side_by_side(*calls, partial(events_or_none, sources, span))
    now: Range = answers[0].value
    seconds = prometheus.rate(span.step, prometheus.spacing(span))
    known = _histogram(now)
    found = latency.quantiles(known, QUANTILES, seconds)
    heat = latency.filled(known)
    previous = None
    if earlier is not None:
        previous = latency.quantiles(_histogram(answers[1].value), QUANTILES, seconds).frame
        previous.index = previous.index + (span.start - earlier.start)
    counts, bounds = _summed(heat)
    target = judged.threshold.risk if judged.threshold is not None and judged.threshold.risk else 0.25
    series = Series(
        f"{kind.title} by quantile",
        "s",
        f"{judged.help} Computed from the counts of all replicas together.",
        found.frame,
        (now.query,) if now.query else (),
        _limits(kind, found),
        previous,
        events,
        tuple(_remarks(found, now, heat)),
        now.absent,
    )
    overall = {latency.quantile_name(share): _whole(counts, bounds, share) for share in QUANTILES}
    apdex = latency.apdex(counts, bounds, target)
    requests = float(counts[-1]) * span.step if len(counts) else 0.0
    return oldest(answers, Distribution(series, heat, requests, overall, apdex, target, found.top))


def load_quantiles(
    sources: Sources, kind: Kind, span: Span, earlier: Span | None = None, *, filters: Filters | None = None
) -> Answer[Series]:
    """The quantiles of one kind alone, for a chart; arguments as for :func:`load_distribution`.

    Raises:
        SourceError: It could not be asked, and no good answer is kept.
    """
    kept = load_distribution(sources, kind, span, earlier, filters=filters)
    return kept.with_value(kept.value.series)


def load_combinations(
    sources: Sources, kind: Kind, span: Span, earlier: Span | None = None, *, filters: Filters | None = None
) -> Answer[pd.DataFrame]:
    """The combinations of labels, the one that takes the most time first; and what they were in an earlier period.

    Each row is computed from the sum of all counts of its part of the window, so nothing is an average of quantiles.

    Returns:
        A frame with ``name`` (values of the labels), the labels themselves, ``requests`` (number), ``p95`` and ``mean``
        (seconds), ``share`` (of all time spent, 0 to 1), ``trend`` (p95 in parts of the window, seconds), ``noisy``
        (whether p95 rests on too few requests), and with an earlier period ``p95_before``, ``requests_before`` (scaled
        to the same length) and ``moved``: seconds of time spent more than before, per second.

    Raises:
        SourceError: It could not be asked, and no good answer is kept.
    """
    coarse = Span.of(
        span.start, span.end, TABLE_POINTS, live=span.live, quantum=sources.prometheus.settings.scrape_interval
    )
    spans = [coarse] if earlier is None else [coarse, Span.of(earlier.start, earlier.end, TABLE_POINTS)]
    labels = [_label(sources, label) for label in kind.combination]
    calls = []
    for one in spans:
        ask = partial(
            sources.prometheus.range, span=one, by=labels, filters=_real(sources, filters or {}), most=MOST_SERIES
        )
        calls += [partial(ask, catalogue()[kind.buckets]), partial(ask, catalogue()[kind.time])]
    answers = side_by_side(*calls)
    frame = _combined(answers[0].value, answers[1].value, labels, coarse)
    if earlier is not None and len(frame):
        before = _combined(answers[2].value, answers[3].value, labels, spans[1])
        before["requests"] *= coarse.seconds / spans[1].seconds
        frame = _against(frame, before)
    return oldest(answers, frame)


@dataclass(frozen=True)
class Unlike:
    """A replica that is unlike the others.

    Attributes:
        outlier: Which one, and how far.
        measure: What is measured: ``p95``, ``errors``, ``throughput``, ``CPU``, ``memory``.
        unit: Unit of the values.
    """

    outlier: Outlier
    measure: str
    unit: str


_MEASURES = (("", "p95", "s", 0.02), ("cpu_use", "CPU", "percent", 10.0), ("memory_use", "memory", "B", 32 * 2**20))


def load_unlike(sources: Sources, kind: Kind, span: Span, filters: Filters | None = None) -> Answer[tuple[Unlike, ...]]:
    """The replicas that are unlike the others over the window, the farthest first.

    Raises:
        SourceError: It could not be asked, and no good answer is kept.
    """
    replica = sources.prometheus.settings.replica_label
    signals = catalogue()
    asked = [(signals[key or kind.quantile], measure, unit, floor) for key, measure, unit, floor in _MEASURES]
    for key, measure, unit, floor in ((kind.rate, "throughput", "ops/s", 0.5), (kind.errors, "errors", "ratio", 0.01)):
        if key:
            asked.append((signals[key], measure, unit, floor))
    answers = side_by_side(
        *(
            partial(sources.prometheus.range, one, span, by=[replica], filters=fitting(sources, one.key, filters))
            for one, *_ in asked
        )
    )
    found: list[Unlike] = []
    for kept, (_, measure, unit, floor) in zip(answers, asked, strict=True):
        one: Range = kept.value
        middles = one.frame.median() if len(one.frame.columns) else pd.Series(dtype=float)
        values = {name: float(middle) for name, middle in zip(one.names(replica), middles, strict=True)}
        found += [Unlike(outlier, measure, unit) for outlier in outliers(values, floor)]
    return oldest(answers, tuple(sorted(found, key=lambda one: -abs(one.outlier.distance))))


@dataclass(frozen=True)
class Trouble:
    """The newest stretch in which p95 was beyond its limit, or the worst one of a window of the past.

    Attributes:
        start: When it began, aware UTC.
        end: When it was over; ``None`` where it lasts until the end of the window.
        p95: Seconds, over the stretch, from the sum of its counts.
        since: Seconds, over the time after it; ``None`` where it lasts or nothing was counted since.
    """

    start: datetime
    end: datetime | None
    p95: float
    since: float | None


@dataclass(frozen=True)
class SlowOrFailing:
    """What the page's first row is made of.

    Attributes:
        distribution: The latency of the chosen kind.
        before: p95 over the same stretch a week earlier; ``None`` where there is none.
        unlike: Replicas that are unlike the others.
        worst: Name and share of the combination that takes the most time; ``None`` where nothing was counted.
        trouble: When it was slow last; ``None`` where it was not.
        errors: Share that failed in the window; ``None`` where it is not counted.
        events: What happened within the window.
        slow_part: Name and p95 of the combination that is beyond the limit of all together and has the most requests
            of those, whatever all together are; ``None`` where there is none.
    """

    distribution: Distribution
    before: float | None
    unlike: tuple[Unlike, ...]
    worst: pd.Series | None
    trouble: Trouble | None
    errors: float | None
    events: tuple[Event, ...]
    slow_part: pd.Series | None = None


def load_slow_or_failing(
    sources: Sources, kind: Kind, span: Span, *, filters: Filters | None = None
) -> Answer[SlowOrFailing]:
    """Is it slow or failing, and for whom.

    Raises:
        SourceError: It could not be asked, and no good answer is kept.
    """
    calls: list[Callable[[], Answer[Any]]] = [
        partial(load_distribution, sources, kind, span, filters=filters),
        partial(load_distribution, sources, kind, span.shifted(timedelta(days=7).total_seconds()), filters=filters),
        partial(load_unlike, sources, kind, span, filters),
        partial(load_combinations, sources, kind, span, filters=filters),
    ]
    if kind.errors:
        failing = fitting(sources, kind.errors, filters)
        calls.append(partial(sources.prometheus.range, catalogue()[kind.errors], span, filters=failing))
    answers = side_by_side(*calls)
    now, week, unlike, combinations = (kept.value for kept in answers[:4])
    errors = None
    if kind.errors:
        frame = answers[4].value.frame
        known = frame.to_numpy(np.float64)[np.isfinite(frame.to_numpy(np.float64))] if len(frame.columns) else []
        errors = float(np.mean(known)) if len(known) else None
    name = latency.quantile_name(HEADLINE)
    worst = combinations.iloc[0] if len(combinations) else None
    week_before = week.overall[name]
    trouble = trouble_of(now, limit_of(kind, week_before), past=not span.live)
    events = tuple(now.series.events or ())
    slow = slow_part(kind, combinations)
    return oldest(answers, SlowOrFailing(now, week_before, unlike, worst, trouble, errors, events, slow))


def slow_part(kind: Kind, combinations: pd.DataFrame) -> pd.Series | None:
    """The row of the busiest combination whose p95 is beyond where all together are broken, and rests on enough."""
    threshold = catalogue()[kind.quantile].threshold
    if threshold is None or threshold.broken is None or not len(combinations):
        return None
    slow = combinations[(combinations["p95"] >= threshold.broken) & ~combinations["noisy"].astype(bool)]
    return slow.sort_values("requests", ascending=False).iloc[0] if len(slow) else None


def limit_of(kind: Kind, week_before: float | None) -> float | None:
    """From which p95 on it is slow, in seconds: the signal's threshold, or a multiple of a week earlier."""
    threshold = catalogue()[kind.quantile].threshold
    if threshold is not None and threshold.risk is not None:
        return threshold.risk
    return WORSE * week_before if week_before else None


def trouble_of(found: Distribution, limit: float | None, *, past: bool = False) -> Trouble | None:
    """When it was slow last, or most, judged over minutes: some slow requests at one moment are no trouble.

    Args:
        found: The latency.
        limit: From which p95 on it is slow, in seconds; ``None`` where that is not known.
        past: Whether the window is one of the past, of which the worst counts; else the newest does.

    Returns:
        ``None`` where it was not slow for long, or no limit is known.
    """
    heat = found.heat
    if limit is None or len(heat.index) < 2 or not len(heat.columns):
        return None
    p95 = found.series.frame[latency.quantile_name(HEADLINE)]
    step = (heat.index[1] - heat.index[0]).total_seconds()
    slow = heat.iloc[:, -1] * (1 - HEADLINE)
    rules = [
        Rule("risk", limit, HOLD["risk"], least=LEAST_SLOW),
        Rule("broken", VERY_SLOW * limit, HOLD["broken"], least=LEAST_SLOW),
    ]
    troubles = [
        trouble
        for rule in rules
        for one in episodes(p95, rule, step, slow)
        if (trouble := _trouble(heat, one, timedelta(seconds=step))) is not None
    ]
    if past:
        return max(troubles, key=lambda one: one.p95, default=None)
    return max(troubles, key=lambda one: (one.end is None, one.end or one.start, -one.start.timestamp()), default=None)


def _trouble(heat: pd.DataFrame, one: Episode, step: timedelta) -> Trouble | None:
    start = one.start if one.start is not None else heat.index[0].to_pydatetime()
    within = heat.loc[start : one.end - step] if one.end is not None else heat.loc[start:]
    value = _whole(*_summed(within), HEADLINE)
    if value is None:
        return None
    since = _whole(*_summed(heat.loc[one.end :]), HEADLINE) if one.end is not None else None
    return Trouble(start, one.end, value, since)


def fitting(sources: Sources, signal: str, filters: Filters | None) -> dict[str, Sequence[str]]:
    """Those of the filters that a signal has the labels for, with the labels' real names."""
    known = catalogue()[signal].by
    return _real(sources, {label: values for label, values in (filters or {}).items() if label in known})


def _histogram(answer: Range) -> pd.DataFrame:
    return latency.by_bound(answer.frame, _bounds(answer))


def _bounds(answer: Range) -> list[float]:
    """The bound of each column; NaN for those that are no bucket."""
    return [number(labels.get("le", "")) for labels in answer.labels]


def _summed(heat: pd.DataFrame) -> tuple[latency.Floats, latency.Floats]:
    """Sum of the rates over all points, and the bounds."""
    bounds = np.array([float(bound) for bound in heat.columns])
    return np.nansum(heat.to_numpy(np.float64), axis=0) if len(bounds) else np.zeros(0), bounds


def _whole(counts: latency.Floats, bounds: latency.Floats, share: float) -> float | None:
    if not len(counts) or not counts[-1] > 0:
        return None
    found = float(latency.quantile(counts[None, :], bounds, share)[0])
    return found if np.isfinite(found) else None


def _limits(kind: Kind, found: latency.Quantiles) -> tuple[Limit, ...]:
    threshold = catalogue()[kind.quantile].threshold
    limits = []
    if threshold is not None and threshold.risk is not None:
        limits.append(Limit(threshold.risk, threshold.label, "risk"))
    if any(found.beyond.values()):
        limits.append(Limit(found.top, "last bucket: higher is not known", "unknown"))
    return tuple(limits)


def _remarks(found: latency.Quantiles, answer: Range, heat: pd.DataFrame) -> list[str]:
    remarks = [f"Prometheus remarks: {warning}" for warning in answer.warnings]
    changed = latency.changed_bounds(answer.frame, _bounds(answer))
    if changed:
        some = ", ".join(f"{bound:g}" for bound in changed[:MOST_BOUNDS])
        more = f" and {len(changed) - MOST_BOUNDS} more" if len(changed) > MOST_BOUNDS else ""
        remarks.append(
            f"The bounds of the buckets changed within this window ({some}{more} s were not there all the time): "
            "quantiles are as exact as the buckets of their moment, so a small step may come from that."
        )
    for name, points in found.beyond.items():
        if points:
            remarks.append(
                f"{name} lies beyond the last bucket ({found.top:g} s) at {points} of {len(heat)} points; it is drawn "
                "there, and is really higher."
            )
    noisy = found.noisy()
    if noisy:
        remarks.append(
            f"{' and '.join(noisy)} rest on less than one request above them at a usual point: they jump with single "
            "requests. A longer window has more requests a point."
        )
    return remarks


def _label(sources: Sources, label: str) -> str:
    return sources.prometheus.settings.replica_label if label == "$replica" else label


def _real(sources: Sources, filters: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    return {_label(sources, label): values for label, values in filters.items()}


def _combined(buckets: Range, time: Range, labels: Sequence[str], span: Span) -> pd.DataFrame:
    """One row for each combination of labels; counts are rates times the step, summed over the span."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for place, found in enumerate(buckets.labels):
        groups.setdefault(tuple(found.get(label, "") for label in labels), []).append(place)
    spent = {
        tuple(found.get(label, "") for label in labels): float(np.nansum(time.frame.iloc[:, place])) * span.step
        for place, found in enumerate(time.labels)
    }
    name = latency.quantile_name(HEADLINE)
    every = _bounds(buckets)
    rows = []
    for key, places in groups.items():
        heat = latency.by_bound(buckets.frame.iloc[:, places], [every[place] for place in places])
        counts, bounds = _summed(latency.filled(heat))
        requests = float(counts[-1]) * span.step if len(counts) else 0.0
        if requests < 0.5:
            continue
        total = spent.get(key, float("nan"))
        rows.append(
            {
                "name": " · ".join(value or "(none)" for value in key),
                **dict(zip(labels, key, strict=True)),
                "requests": requests,
                "p95": _whole(counts, bounds, HEADLINE),
                "mean": total / requests,
                "spent": total / span.seconds,
                "trend": latency.quantiles(heat, [HEADLINE], span.step).frame[name].tolist(),
                "noisy": requests * (1 - HEADLINE) < latency.FEW,
            }
        )
    columns = ["name", *labels, "requests", "p95", "mean", "spent", "trend", "noisy"]
    frame = pd.DataFrame(rows, columns=columns)
    whole = frame["spent"].sum()
    frame["share"] = frame["spent"] / whole if whole > 0 else np.nan
    return frame.sort_values("spent", ascending=False, na_position="last", ignore_index=True)


def _against(now: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    """Both periods side by side, what moved most first; a combination that is gone or new moved by all of itself."""
    old = before.set_index("name")[["p95", "requests", "spent"]].add_suffix("_before")
    frame = now.set_index("name").join(old, how="outer").reset_index()
    frame["moved"] = frame["spent"].fillna(0.0) - frame["spent_before"].fillna(0.0)
    frame["trend"] = [trend if isinstance(trend, list) else [] for trend in frame["trend"]]
    order = frame["moved"].abs().sort_values(ascending=False).index
    return frame.loc[order].reset_index(drop=True)
