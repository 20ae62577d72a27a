"""What a latency histogram says: quantiles, how far they can be trusted, Apdex.

A histogram here is cumulative, as Prometheus counts it: for each upper bound (``le``) how many requests took at most
that long, the last bound being infinite. Quantiles are always computed from counts, never from other quantiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]

FEW = 1.0
"""Requests above a quantile below which it is noise: with fewer it is just the slowest request of its moment, since
n requests tell nothing about quantiles above 1 - 1/n."""


@dataclass(frozen=True)
class Quantiles:
    """Quantiles over time.

    Attributes:
        frame: Index as the histogram's; one float64 column a quantile, named ``p95``; NaN where nothing was counted.
        top: The last finite bound; a quantile beyond it is not known and stands at it.
        beyond: For each column how many points are not known because they lie beyond ``top``.
        requests: For each column the requests above the quantile at a usual (median) point.
    """

    frame: pd.DataFrame
    top: float
    beyond: Mapping[str, int]
    requests: Mapping[str, float]

    def noisy(self) -> list[str]:
        """The columns that rest on too few requests."""
        return [name for name, above in self.requests.items() if above < FEW]


def quantile_name(quantile: float) -> str:
    """``p95`` for 0.95, ``p99.9`` for 0.999."""
    return f"p{quantile * 100:g}"


def by_bound(frame: pd.DataFrame, bounds: Sequence[float | str]) -> pd.DataFrame:
    """A histogram with its bounds as numbers, ascending; columns of the same bound written in two ways are added.

    Bounds may come and go within a window, with a release that counts in other buckets. One that is not there at a
    moment gets what the bounds around it imply, requests being spread evenly within a bucket; so quantiles are those
    of the buckets that were there. Above the last finite bound of its moment it is NaN: nothing is known there.

    Args:
        frame: One column a series, in the order of ``bounds``.
        bounds: The ``le`` label of each column; columns whose bound is no number are left out.
    """
    numbers = np.array([float(bound) for bound in bounds])
    order = np.unique(numbers[~np.isnan(numbers)])
    values = frame.to_numpy(np.float64, copy=False)
    found = np.column_stack([_total(values[:, numbers == bound]) for bound in order] or [np.empty((len(frame), 0))])
    missing = np.isnan(found)
    # Buckets are scraped one after the other; one that seems to hold less than a smaller one holds as much.
    found = np.where(missing, np.nan, np.fmax.accumulate(found, axis=1) if len(order) else found)
    for pattern in np.unique(missing, axis=0) if missing.any() else ():
        if pattern.any() and not pattern.all():
            rows = (missing == pattern).all(axis=1)
            found[rows] = _interpolated(found[rows], order, ~pattern)
    return pd.DataFrame(found, index=frame.index, columns=order)


def _interpolated(counts: Floats, bounds: Floats, there: npt.NDArray[np.bool_]) -> Floats:
    """Counts at all bounds, from those at the bounds that are there; NaN above the last finite one of them."""
    finite = np.flatnonzero(there & np.isfinite(bounds))
    if not len(finite):
        return counts
    # Below the lowest bound the requests are spread from zero on.
    places = np.concatenate([[min(0.0, float(bounds[finite[0]]))], bounds[finite]])
    known = np.column_stack([np.zeros(len(counts)), counts[:, finite]])
    found = counts.copy()
    for column in np.flatnonzero(~there & (bounds < bounds[finite[-1]])):
        after = int(np.searchsorted(places, bounds[column]))
        if after == 0:
            found[:, column] = 0.0
            continue
        share = (bounds[column] - places[after - 1]) / (places[after] - places[after - 1])
        found[:, column] = known[:, after - 1] + share * (known[:, after] - known[:, after - 1])
    return found


def filled(histogram: pd.DataFrame) -> pd.DataFrame:
    """A histogram of :func:`by_bound` to be summed or drawn: above the last bound of a moment nothing is added."""
    values = histogram.to_numpy(np.float64, copy=False)
    if not values.size:
        return histogram
    return pd.DataFrame(np.fmax.accumulate(values, axis=1), index=histogram.index, columns=histogram.columns)


def changed_bounds(frame: pd.DataFrame, bounds: Sequence[float | str]) -> list[float]:
    """The finite bounds that are there at some moments at which something was counted, and not at others.

    Args:
        frame: As for :func:`by_bound`.
        bounds: As for :func:`by_bound`.
    """
    numbers = np.array([float(bound) for bound in bounds])
    there = np.isfinite(frame.to_numpy(np.float64, copy=False))
    counted = there.any(axis=1)
    return [
        float(bound)
        for bound in np.unique(numbers[np.isfinite(numbers)])
        if not there[:, numbers == bound].any(axis=1)[counted].all()
    ]


def _total(values: Floats) -> Floats:
    """The sum of columns; NaN only where all of them are."""
    known = np.isfinite(values)
    return np.where(known.any(axis=1), np.where(known, values, 0.0).sum(axis=1), np.nan)


def quantile(counts: Floats, bounds: Floats, share: float) -> Floats:
    """The quantile of each row of a cumulative histogram, as Prometheus' ``histogram_quantile`` has it.

    Within a bucket the requests are taken to be spread evenly. In the last, infinite bucket the answer is the last
    finite bound that the row knows; :func:`beyond` tells where.

    Args:
        counts: Shape (rows, bounds), cumulative; NaN where a row does not know a bound, as :func:`by_bound` has it.
        bounds: Ascending, the last one infinite.
        share: Between 0 and 1.

    Returns:
        Shape (rows,); NaN where nothing was counted.
    """
    total = counts[:, -1]
    rank = share * total
    with np.errstate(invalid="ignore"):
        place = np.argmax(counts >= rank[:, None], axis=1)
    rows = np.arange(len(counts))
    upper = bounds[place]
    below = place > 0
    lower = np.where(below, bounds[np.maximum(place - 1, 0)], 0.0)
    before = np.where(below, counts[rows, np.maximum(place - 1, 0)], 0.0)
    inside = counts[rows, place] - before
    with np.errstate(invalid="ignore", divide="ignore"):
        found = lower + (upper - lower) * (rank - before) / inside
    found = np.where((place == 0) & (bounds[0] <= 0), bounds[0], found)
    found = np.where(np.isinf(upper), _last_bound(counts, bounds), found)
    return np.where(total > 0, found, np.nan)


def _last_bound(counts: Floats, bounds: Floats) -> Floats:
    """The last finite bound that each row knows, shape (rows,); NaN where there is none."""
    known = np.isfinite(counts) & np.isfinite(bounds)
    last = len(bounds) - 1 - np.argmax(known[:, ::-1], axis=1)
    return np.where(known.any(axis=1), bounds[last], np.nan)


def beyond(counts: Floats, share: float) -> npt.NDArray[np.bool_]:
    """For which rows the quantile lies in the infinite bucket, so that only its lower bound is known."""
    if counts.shape[1] < 2:
        return np.zeros(len(counts), dtype=bool)
    with np.errstate(invalid="ignore"):
        within_ = np.fmax.accumulate(counts[:, :-1], axis=1)[:, -1]
        found: npt.NDArray[np.bool_] = (counts[:, -1] > 0) & (within_ < share * counts[:, -1])
    return found


def quantiles(histogram: pd.DataFrame, shares: Sequence[float], seconds: float) -> Quantiles:
    """Quantiles over time.

    Args:
        histogram: Index: times. Columns: bounds, ascending, the last one infinite. Values: requests a second,
            cumulative.
        shares: Which quantiles, each between 0 and 1.
        seconds: How long each point looks back; its rates times this are its requests.
    """
    counts = histogram.to_numpy(np.float64, copy=False)
    bounds = np.array([float(bound) for bound in histogram.columns])
    names = [quantile_name(share) for share in shares]
    if not len(bounds) or not np.isinf(bounds[-1]):
        empty = pd.DataFrame({name: np.full(len(histogram), np.nan) for name in names}, index=histogram.index)
        return Quantiles(empty, float("nan"), dict.fromkeys(names, 0), dict.fromkeys(names, float("nan")))
    total = counts[:, -1]
    busy = total[np.isfinite(total) & (total > 0)]
    usual = float(np.median(busy)) * seconds if len(busy) else float("nan")
    frame = pd.DataFrame(
        {name: quantile(counts, bounds, share) for name, share in zip(names, shares, strict=True)},
        index=histogram.index,
    )
    return Quantiles(
        frame,
        float(bounds[-2]) if len(bounds) > 1 else float("nan"),
        {name: int(beyond(counts, share).sum()) for name, share in zip(names, shares, strict=True)},
        {name: usual * (1 - share) for name, share in zip(names, shares, strict=True)},
    )


def apdex(counts: Floats, bounds: Floats, target: float) -> float | None:
    """The share of satisfied users: those served within ``target``, and half of those within four times as long.

    The definition of the Apdex Alliance (Apdex Technical Specification 1.1): (satisfied + tolerating / 2) / all.
    Between two bounds the requests are taken to be spread evenly.

    Args:
        counts: Shape (bounds,), cumulative.
        bounds: Ascending, the last one infinite.
        target: Seconds.

    Returns:
        Between 0 and 1; ``None`` where nothing was counted, or the last finite bound is below ``target``.
    """
    if not len(counts) or not counts[-1] > 0 or len(bounds) < 2 or bounds[-2] < target:
        return None
    satisfied, tolerated = (within(counts, bounds, limit) for limit in (target, 4 * target))
    return float((satisfied + tolerated) / 2 / counts[-1])


def within(counts: Floats, bounds: Floats, limit: float) -> float:
    """How many requests took at most ``limit`` seconds; beyond the last finite bound as many as were within it."""
    finite = np.isfinite(bounds)
    known, places = counts[finite], bounds[finite]
    return float(np.interp(limit, np.concatenate([[0.0], places]), np.concatenate([[0.0], known])))
