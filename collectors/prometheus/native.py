"""Native histograms: one sample that holds all buckets, read as if it were a classic histogram with fixed bounds.

A native histogram has buckets where it was observed something, each a little wider than the one before it. For views
they become cumulative counts at bounds that are always the same, ``2 ** (i / 4)``: these are bounds of every native
histogram of schema 2 and finer, so nothing is guessed there. In coarser ones the observations of a bucket are taken to
be spread evenly on a logarithmic axis, as newer versions of Prometheus do it. Native histograms with custom buckets
(NHCB: classic ones that Prometheus converted) keep their own bounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from collectors.deadline import look
from collectors.prometheus.wire import MatrixSeries, NativeBucket, Point

BOUNDS = np.array([2.0 ** (place / 4) for place in range(-12 * 4, 6 * 4 + 1)])
"""Upper bounds in seconds: a quarter of a millisecond to 64 s, each 19 % above the one before."""

Floats = npt.NDArray[np.float64]


MOST_BOUNDS = 300
"""Bounds of its own that a histogram may have: nobody chooses more, so what has more is counted at the fixed ones."""

AT_ONCE = 1000
"""Buckets that are computed at once: a bound of memory."""


class TooMany(Exception):
    """The histograms would be more samples than an answer may have."""


def expanded(series: Sequence[MatrixSeries], most: int) -> list[MatrixSeries]:
    """The series of a range answer, with classic ones (``le`` among their labels) in the place of each native one.

    Args:
        series: What was answered.
        most: Samples that may be made of native ones.

    Raises:
        TooMany: They would be more.
    """
    found: list[MatrixSeries] = []
    made = 0
    for one in series:
        if not one.histograms:
            found.append(one)
            continue
        bounds = _bounds(bucket for point in one.histograms for bucket in point.histogram.buckets)
        made += len(one.histograms) * (len(bounds) + 1)
        if made > most:
            raise TooMany
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
    rows = np.array([(one.low, one.high, one.count) for one in buckets], np.float64).reshape(-1, 3)
    evenly = bool(_custom(rows[:, 0], rows[:, 1]).any())
    for start in range(0, len(rows), AT_ONCE):
        look()
        totals += _counted(rows[start : start + AT_ONCE], bounds, evenly)
    return [*totals.tolist(), max(count, float(totals[-1])) if len(totals) else count]


def _counted(rows: Floats, bounds: Floats, evenly: bool) -> Floats:
    """How many observations of buckets (rows of low, high and count) were at most each of ``bounds``."""
    low, high, counts = rows[np.isfinite(rows[:, 2]) & (rows[:, 2] > 0)].T[:, :, np.newaxis]
    # What was observed is a length of time, so a first bucket without a lower end begins at nothing.
    low = np.where(high > 0, np.maximum(low, 0.0), low)
    whole = high <= bounds * (1 + 1e-9)
    inside = ~whole & (low < bounds) & np.isfinite(high)
    # Shares are computed everywhere and taken where a bound lies inside of a bucket.
    with np.errstate(all="ignore"):
        share = (bounds - low) / (high - low)
        if not evenly:
            start = np.log2(low)
            share = np.where(low > 0, (np.log2(bounds) - start) / (np.log2(high) - start), share)
        found: Floats = (counts * np.where(whole, 1.0, np.where(inside, share, 0.0))).sum(axis=0)
    return found


def _bounds(buckets: Iterable[NativeBucket]) -> Floats:
    """The bounds to count a histogram by: its own where they were chosen by people, fixed ones otherwise."""
    ends: set[tuple[float, float]] = set()
    for bucket in buckets:
        ends.add((bucket.low, bucket.high))
        if len(ends) > MOST_BOUNDS:
            return BOUNDS
    pairs = np.array([*ends], np.float64).reshape(-1, 2)
    if not _custom(pairs[:, 0], pairs[:, 1]).any():
        return BOUNDS
    return np.unique(pairs[(pairs > 0) & np.isfinite(pairs)])


def _custom(low: Floats, high: Floats) -> npt.NDArray[np.bool_]:
    """Which buckets cannot be of an exponential histogram, whose bounds are powers of ``2 ** (2 ** -8)``.

    A classic histogram that Prometheus stores as a native one (NHCB) keeps its bounds, the first from minus
    infinity, the last to infinity.
    """
    ends = np.stack([low, high])
    with np.errstate(all="ignore"):
        places = np.log2(ends) * 2**FINEST
        off = ((ends > 0) & (np.abs(places - np.rint(places)) > 1e-3)).any(axis=0)
    found: npt.NDArray[np.bool_] = np.isinf(ends).any(axis=0) | (off & (low > ZERO))
    return found


FINEST = 8
"""Highest schema of an exponential histogram: 256 buckets from one power of two to the next."""

ZERO = 1e-9
"""Seconds up to which a lower bound is the one around zero, which may be anything."""
