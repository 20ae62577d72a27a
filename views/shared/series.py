"""A signal as a chart shows it: one frame with a name for each line, whatever it took to ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pandas as pd

from analysis.latency import quantile_name
from analysis.series import Limit, Series
from collectors.cache import Answer
from collectors.prometheus.wire import Range
from collectors.registry import Sources
from collectors.signals import Signal, Threshold, catalogue
from collectors.span import Span
from views.shared.ages import oldest
from views.shared.events import events_or_none
from views.shared.parallel import side_by_side


def load_series(
    sources: Sources,
    signal: str,
    span: Span,
    earlier: Span | None = None,
    *,
    by: Sequence[str] = (),
    filters: Mapping[str, Sequence[str]] | None = None,
    quantiles: Sequence[float] = (),
) -> Answer[Series]:
    """A signal over a span, split by labels or drawn at several quantiles, with what happened meanwhile.

    Args:
        sources: The environment's sources.
        signal: Key of the signal.
        span: When.
        earlier: The span of the earlier period to draw beside it.
        by: Labels to split by, ``$replica`` for the replica label; a line is named by their values.
        filters: Label → values to keep.
        quantiles: For a latency signal, its quantiles (0.95); lines are named ``p95``. Not together with ``by``.

    Returns:
        The series, as old as its oldest part, with the error of a part that is not fresh.

    Raises:
        SourceError: A part could not be asked, and no good answer is kept.
    """
    prometheus = sources.prometheus
    what = catalogue()[signal]
    labels = [prometheus.settings.replica_label if label == "$replica" else label for label in by]
    levels: Sequence[float | None] = quantiles or (None,)
    ask = partial(prometheus.range, what, by=labels, filters=filters)
    calls: list[Callable[[], Any]] = [partial(ask, span, quantile=level) for level in levels]
    if earlier is not None:
        calls += [partial(ask, earlier, quantile=level) for level in levels]
    *answers, events = side_by_side(*calls, partial(events_or_none, sources, span))  # the ribbon's events come last
    now, before = answers[: len(levels)], answers[len(levels) :]
    previous = None
    if earlier is not None:
        previous = _joined(what, before, levels, labels)
        previous.index = previous.index + (span.start - earlier.start)
    ranges = [kept.value for kept in now]
    series = Series(
        what.title,
        what.unit,
        what.help,
        _joined(what, now, levels, labels),
        tuple(dict.fromkeys(one.query for one in ranges if one.query)),
        _limits(what.threshold, whole=bool(by) and "$quantile" in what.query),
        previous,
        events,
        _remarks(ranges),
        tuple(dict.fromkeys(name for one in ranges for name in one.absent)),
    )
    return oldest(answers, series)


def _limits(threshold: Threshold | None, *, whole: bool = False) -> tuple[Limit, ...]:
    """The lines of a threshold; a promise about ``whole`` of the requests is no promise about each part of them."""
    if threshold is None:
        return ()
    of = " for all together" if whole else ""
    found: list[Limit] = []
    if threshold.risk is not None:
        found.append(Limit(threshold.risk, threshold.label + of, "risk"))
    if threshold.broken is not None:
        found.append(Limit(threshold.broken, "broken" + of, "broken"))
    return tuple(found)


def _joined(
    signal: Signal, answers: Sequence[Answer[Range]], levels: Sequence[float | None], by: Sequence[str]
) -> pd.DataFrame:
    parts = []
    for kept, level in zip(answers, levels, strict=True):
        one = kept.value
        frame = one.frame.copy(deep=False)
        if by:
            frame.columns = pd.Index(one.names(*by))
        elif len(one.labels) == 1:
            frame.columns = pd.Index([quantile_name(level) if level is not None else signal.title])
        parts.append(frame)
    return pd.concat(parts, axis=1) if len(parts) > 1 else parts[0]


def _remarks(ranges: Sequence[Range]) -> tuple[str, ...]:
    remarks = [
        f"The {len(one.labels)} largest of {one.total} series are shown." for one in ranges if one.total is not None
    ]
    remarks += [f"Prometheus remarks: {warning}" for one in ranges for warning in one.warnings]
    return tuple(dict.fromkeys(remarks))


def week_before(span: Span) -> Span:
    """The seven days up to the end of ``span``, half an hour a point: what "usual" is measured on.

    Its end is rounded to its own step, so that all viewers of half an hour share one answer.
    """
    end = span.end
    return replace(Span.of(end - timedelta(days=7), end, 340, live=True, quantum=1800.0), live=span.live)
