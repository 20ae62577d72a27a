"""Native histograms: one sample that holds all buckets, read as if it were a classic histogram with fixed bounds.

A native histogram has buckets where it was observed something, each a little wider than the one before it. For views
they become cumulative counts at bounds that are always the same, ``2 ** (i / 4)``: these are bounds of every native
histogram of schema 2 and finer, so nothing is guessed there. In coarser ones the observations of a bucket are taken to
be spread evenly on a logarithmic axis, as newer versions of Prometheus do it. Native histograms with custom buckets
(NHCB: classic ones that Prometheus converted) keep their own bounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from collectors.prometheus.wire import MatrixSeries, NativeBucket, Point

BOUNDS = np.array([2.0 ** (place / 4) for place in range(-12 * 4, 6 * 4 + 1)])
"""Upper bounds in seconds: a quarter of a millisecond to 64 s, each 19 % above the one before."""

Floats = npt.NDArray[np.float64]


def expanded(series: Sequence[MatrixSeries]) -> list[MatrixSeries]:
    """The series of a range answer, with classic ones (``le`` among their labels) in the place of each native one."""
    found: list[MatrixSeries] = []
    for one in series:
        if not one.histograms:
            found.append(one)
            continue
        bounds = _bounds(bucket for point in one.histograms for bucket in point.histogram.buckets)
        times = [point.time for point in one.histograms]
        counts = np.array(
            [cumulative(point.histogram.buckets, point.histogram.count, bounds) for point in one.histograms]
        )
        names = [*(f"{bound:.6g}" for bound in bounds), "+Inf"]
        found += [
            MatrixSeries({**one.metric, "le": bound}, [Point(*pair) for pair in zip(times, column, strict=True)])
            for bound, column in zip(names, counts.T.tolist(), strict=True)
        ]
    return found


def cumulative(buckets: Sequence[NativeBucket], count: float, bounds: Floats = BOUNDS) -> list[float]:
    """How many observations were at most each of ``bounds``, and all of them last.

    Args:
        buckets: The buckets that are not empty.
        count: All observations.
        bounds: Upper bounds in seconds, ascending.
    """
    totals = np.zeros(len(bounds))
    spread = _evenly if any(_custom(bucket) for bucket in buckets) else _logarithmically
    for bucket in buckets:
        if not np.isfinite(bucket.count):
            continue
        # What was observed is a length of time, so a first bucket without a lower end begins at nothing.
        low = max(bucket.low, 0.0) if bucket.high > 0 else bucket.low
        whole = bucket.high <= bounds * (1 + 1e-9)
        totals[whole] += bucket.count
        inside = ~whole & (low < bounds)
        if inside.any() and np.isfinite(bucket.high):
            totals[inside] += bucket.count * spread(bounds[inside], low, bucket.high)
    return [*totals.tolist(), max(count, float(totals[-1])) if len(totals) else count]


def _bounds(buckets: Iterable[NativeBucket]) -> Floats:
    """The bounds to count a histogram by: its own where they were chosen by people, fixed ones otherwise."""
    ends = {(bucket.low, bucket.high) for bucket in buckets}
    if not any(_custom(NativeBucket(0, low, high, 0.0)) for low, high in ends):
        return BOUNDS
    return np.array(sorted({end for pair in ends for end in pair if 0 < end < math.inf}))


def _custom(bucket: NativeBucket) -> bool:
    """Whether a bucket cannot be one of an exponential histogram, whose bounds are powers of ``2 ** (2 ** -8)``.

    A classic histogram that Prometheus stores as a native one (NHCB) keeps its bounds, the first from minus
    infinity, the last to infinity.
    """
    if math.isinf(bucket.low) or math.isinf(bucket.high):
        return True
    places = [math.log2(end) * 2**FINEST for end in (bucket.low, bucket.high) if end > 0]
    return any(abs(place - round(place)) > 1e-3 for place in places) and bucket.low > ZERO


FINEST = 8
"""Highest schema of an exponential histogram: 256 buckets from one power of two to the next."""

ZERO = 1e-9
"""Seconds up to which a lower bound is the one around zero, which may be anything."""


def _evenly(bounds: Floats, low: float, high: float) -> Floats:
    """Which share of a bucket's observations lies at or below bounds within it, where they are spread evenly."""
    share: Floats = (bounds - low) / (high - low)
    return share


def _logarithmically(bounds: Floats, low: float, high: float) -> Floats:
    """The same where they are spread evenly on a logarithmic axis."""
    if low <= 0:
        return _evenly(bounds, low, high)
    share: Floats = np.log2(bounds / low) / math.log2(high / low)
    return share
