"""How fast something grows, and when it stopped moving, from samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pandas as pd

DAY = 86400.0

SHORTEST = timedelta(hours=20)
"""Samples over less time than this tell nothing about a day: they miss its rhythm, or hold one deed only."""

Samples = Sequence[tuple[datetime, float]]
"""Values over time, the newest last."""


def per_day(samples: Samples) -> float | None:
    """How much a value grows in a day: the slope of the line with the least squared distance from all samples.

    A truncated table is no growth of the past week, nor is one that was filled at once: what is before the last fall by
    more than half, and before a single step of more than half of what there is now, is left out.

    Returns:
        ``None`` where samples are fewer than three or cover less than ``SHORTEST``.
    """
    kept: list[tuple[datetime, float]] = []
    now = samples[-1][1] if samples else 0.0
    for moment, value in samples:
        if kept and (value < kept[-1][1] / 2 or value - kept[-1][1] > now / 2):
            kept = []
        kept.append((moment, value))
    if len(kept) < 3 or kept[-1][0] - kept[0][0] < SHORTEST:
        return None
    times = np.array([(moment - kept[0][0]).total_seconds() for moment, _ in kept])
    values = np.array([value for _, value in kept], dtype=np.float64)
    times -= times.mean()
    return float((times * (values - values.mean())).sum() / (times**2).sum() * DAY)


def full_in(used: float | None, limit: float | None, growth: float | None) -> float | None:
    """Seconds until something is full; ``None`` where it does not grow, or any of it is not known."""
    if used is None or limit is None or growth is None or growth <= 0:
        return None
    return max(limit - used, 0.0) / growth * DAY


def still_since(counted: Samples) -> datetime | None:
    """From when on a counter did not move; ``None`` where it moved between the last two samples, or there are no two.

    A counter that was reset and counts again has moved.
    """
    since = None
    for (moment, value), (_, later) in zip(reversed(counted[:-1]), reversed(counted[1:]), strict=True):
        if later != value and later != 0:
            break
        since = moment
    return since


def rates(counted: Samples) -> list[float]:
    """How much a counter moved a second from each sample to the next; after a reset it counts from zero."""
    return [
        (later - value if later >= value else later) / max((end - start).total_seconds(), 1.0)
        for (start, value), (end, later) in pairwise(counted)
    ]


_BRIDGED = 2
"""Steps of an even grid over which a size is taken to have stayed as it was noted."""


def even(tracks: Mapping[str, Mapping[datetime, float]]) -> pd.DataFrame:
    """Sizes at even times, for a chart: looks are taken at any time, and of older ones only some are read.

    Args:
        tracks: Name → moment → size.

    Returns:
        Index: UTC times, even; a float column a name, NaN where nothing was noted for longer than two steps.
    """
    frame = pd.DataFrame({name: pd.Series(values, dtype=float) for name, values in tracks.items()}).sort_index()
    if len(frame) < 2:
        return frame
    apart = np.diff(frame.index.to_numpy()) / np.timedelta64(1, "s")
    # Most of the looks are this far apart; newer ones may be closer together.
    step = pd.Timedelta(seconds=max(round(float(np.quantile(apart, 0.75))), 1))
    return frame.resample(step, origin="end").last().ffill(limit=_BRIDGED)
