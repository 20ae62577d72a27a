"""Native histograms: one sample that holds all buckets, read as if it were a classic histogram with fixed bounds.

A native histogram has buckets where it was observed something, each a little wider than the one before it. For views
they become cumulative counts at bounds that are always the same, ``2 ** (i / 4)``: these are bounds of every native
histogram of schema 2 and finer, so nothing is guessed there. In coarser ones the observations of a bucket are taken to
be spread evenly on a logarithmic axis, as newer versions of Prometheus do it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from collectors.prometheus_wire import MatrixSeries, NativeBucket, Point

BOUNDS = np.array([2.0 ** (place / 4) for place in range(-12 * 4, 6 * 4 + 1)])
"""Upper bounds in seconds: a quarter of a millisecond to 64 s, each 19 % above the one before."""

_LE = [*(f"{bound:.6g}" for bound in BOUNDS), "+Inf"]


def expanded(series: Sequence[MatrixSeries]) -> list[MatrixSeries]:
    """The series of a range answer, with classic ones (``le`` among their labels) in the place of each native one."""
    found: list[MatrixSeries] = []
    for one in series:
        if not one.histograms:
            found.append(one)
            continue
        times = [point.time for point in one.histograms]
        counts = np.array([cumulative(point.histogram.buckets, point.histogram.count) for point in one.histograms])
        found += [
            MatrixSeries({**one.metric, "le": bound}, [Point(*pair) for pair in zip(times, column, strict=True)])
            for bound, column in zip(_LE, counts.T.tolist(), strict=True)
        ]
    return found


def cumulative(buckets: Sequence[NativeBucket], count: float) -> list[float]:
    """How many observations were at most each of :data:`BOUNDS`, and all of them last.

    Args:
        buckets: The buckets that are not empty.
        count: All observations.
    """
    totals = np.zeros(len(BOUNDS))
    for bucket in buckets:
        whole = bucket.high <= BOUNDS * (1 + 1e-9)
        totals[whole] += bucket.count
        inside = ~whole & (bucket.low < BOUNDS)
        if inside.any():
            totals[inside] += bucket.count * _share(BOUNDS[inside], bucket.low, bucket.high)
    return [*totals.tolist(), max(count, float(totals[-1]))]


def _share(bounds: np.ndarray, low: float, high: float) -> np.ndarray:
    """Which share of a bucket's observations lies at or below bounds within it."""
    if low <= 0:
        return (bounds - low) / (high - low)
    return np.log2(bounds / low) / math.log2(high / low)
