"""How series are described, so that thirty days of them are computed in few array operations."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from demo.history.remote_write import Labels

Floats = NDArray[np.float64]

DAY = 86_400.0
T = TypeVar("T")


@dataclass(frozen=True)
class Grid:
    """The times for which values are asked, a day or less of them.

    Attributes:
        times: Seconds since 1970, ascending, shape (samples,).
        steps: Seconds since the sample before, shape (samples,): what a counter counts in.
        random: Source of chance, seeded by the grid, so that the same grid gives the same values.
    """

    times: Floats
    steps: Floats
    random: np.random.Generator
    _known: dict[Hashable, Any] = field(default_factory=dict)

    def once(self, key: Hashable, compute: Callable[[Floats], T]) -> T:
        """What ``compute`` makes of the times, computed once for this grid: hundreds of series ask for the same."""
        if key not in self._known:
            self._known[key] = compute(self.times)
        value: T = self._known[key]
        return value


# Something for each sample of a grid, such as events a second, shape (samples,).
Rate = Callable[[Grid], Floats]


@dataclass(frozen=True)
class Family:
    """Series that are computed together.

    Attributes:
        series: Labels of each, with ``__name__``; shape (series,).
        values: From a grid, shape (series, samples): a gauge's values (NaN: no sample), a counter's increments.
        counter: Whether the values are increments, to be added up.
        starts: When the process behind a counter started, seconds since 1970: it counts from 0 again.
    """

    series: tuple[Labels, ...]
    values: Callable[[Grid], Floats]
    counter: bool = False
    starts: tuple[float, ...] = ()


def gauges(series: Sequence[Labels], values: Callable[[Grid], Floats]) -> Family:
    """A family of gauges; ``values`` may give one row for all of them."""
    rows = len(series)
    return Family(tuple(series), lambda grid: np.broadcast_to(values(grid), (rows, len(grid.times))))


def constant(labels: Labels, value: float) -> Family:
    """A gauge that never moves."""
    return gauges([labels], lambda grid: np.full((1, len(grid.times)), value))


def events(labels: Labels, rate: Rate, starts: tuple[float, ...]) -> Family:
    """A counter of events that come by chance, ``rate`` a second."""

    def values(grid: Grid) -> Floats:
        return grid.random.poisson(rate(grid) * grid.steps).astype(np.float64)[None, :]

    return Family((labels,), values, counter=True, starts=starts)


def flow(labels: Labels, rate: Rate, starts: tuple[float, ...]) -> Family:
    """A counter of something that flows, such as bytes or seconds: ``rate`` a second, give or take some."""

    def values(grid: Grid) -> Floats:
        swing = 1 + 0.08 * grid.random.standard_normal(len(grid.times)).clip(-3, 3)
        return (rate(grid) * grid.steps * swing)[None, :]

    return Family((labels,), values, counter=True, starts=starts)


def histogram(
    labels: Labels,
    name: str,
    buckets: Sequence[float],
    rate: Rate,
    median: Rate,
    spread: float,
    starts: tuple[float, ...],
) -> Family:
    """A histogram of log-normally distributed observations.

    Chance that splits into buckets independently is again chance: each bucket gets a Poisson number of its own, so
    all buckets, ``_count`` and ``_sum`` agree with each other at each sample.

    Args:
        labels: Of all its series.
        name: Without ``_bucket``, ``_sum``, ``_count``.
        buckets: Upper bounds without +Inf, ascending.
        rate: Observations a second.
        median: Median of an observation, in the unit of the buckets.
        spread: Standard deviation of the logarithm.
        starts: See `Family`.
    """
    bounds = np.log(np.asarray(buckets, dtype=np.float64))
    series = [{**labels, "__name__": f"{name}_bucket", "le": bound_text(bound)} for bound in buckets]
    series.append({**labels, "__name__": f"{name}_bucket", "le": "+Inf"})
    series += [{**labels, "__name__": f"{name}_count"}, {**labels, "__name__": f"{name}_sum"}]

    def values(grid: Grid) -> Floats:
        middle = median(grid)
        below = normal_share((bounds[:, None] - np.log(middle)[None, :]) / spread)
        edges = np.vstack([np.zeros_like(middle), below, np.ones_like(middle)])
        expected = np.diff(edges, axis=0) * (rate(grid) * grid.steps)
        each = grid.random.poisson(expected).astype(np.float64)
        cumulative = np.cumsum(each, axis=0)
        count = cumulative[-1:]
        # The sum of n such observations: n times their mean, with the error that n leaves to chance, never below
        # what the buckets say.
        mean = middle * np.exp(spread**2 / 2)
        deviation = mean * np.sqrt(np.exp(spread**2) - 1)
        total = count * mean + np.sqrt(count) * deviation * grid.random.standard_normal(len(mean))
        lower = np.vstack(
            [np.zeros_like(middle), *np.broadcast_to(np.exp(bounds)[:, None], (len(bounds), len(middle)))]
        )
        total = np.maximum(total, (each * lower).sum(axis=0))
        return np.vstack([cumulative, count, total])

    return Family(tuple(series), values, counter=True, starts=starts)


def bound_text(bound: float) -> str:
    """A bucket's bound as Prometheus' clients write it: ``1.0``, ``0.005``."""
    return repr(float(bound))


def normal_share(z: Floats) -> Floats:
    """Share of the normal distribution below ``z``, within 0.0003 (Page's approximation by a hyperbolic tangent)."""
    share: Floats = 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))
    return share


def accumulate(families: Sequence[Family], grids: Iterable[Grid]) -> Iterator[tuple[Floats, Floats]]:
    """The times and the values, shape (series of all families, samples), of each grid in turn.

    Counters go on from grid to grid and begin at 0 where their process started.
    """
    bases = [np.zeros(len(family.series)) for family in families]
    previous = -np.inf
    for grid in grids:
        rows = []
        for number, family in enumerate(families):
            values = family.values(grid)
            if family.counter:
                values = _running(values, bases[number], previous, grid.times, family.starts)
                bases[number] = values[:, -1].copy()
            rows.append(values)
        previous = grid.times[-1]
        yield grid.times, np.vstack(rows)


def _running(increments: Floats, base: Floats, previous: float, times: Floats, starts: tuple[float, ...]) -> Floats:
    """Adds increments up from ``base``, and from 0 again at each start after ``previous``, the time of ``base``."""
    total: Floats = base[:, None] + np.cumsum(increments, axis=1)
    for start in sorted(starts):
        if previous < start <= times[-1]:
            first = int(np.searchsorted(times, start))
            total[:, first:] -= (total[:, first - 1] if first else base)[:, None].copy()
    return total


def schedule(
    start: float, end: float, fine: Sequence[tuple[float, float]], coarse_step: float, fine_step: float
) -> list[Grid]:
    """The sample times of a history, cut at UTC midnights.

    Args:
        start: First time, seconds since 1970, not included.
        end: Last time.
        fine: Spans (from, to) that are sampled every ``fine_step`` seconds.
        coarse_step: Seconds between samples elsewhere.
        fine_step: Must divide ``coarse_step``.

    Returns:
        Grids that follow each other; times are multiples of their step.
    """
    times = np.arange(np.floor(start / fine_step) + 1, np.floor(end / fine_step) + 1) * fine_step
    if not len(times):
        return []
    wanted = np.isclose(times % coarse_step, 0)
    for begin, stop in fine:
        wanted |= (times >= begin) & (times <= stop)
    times = times[wanted]
    steps = np.diff(times, prepend=times[0] - fine_step)
    cuts = np.flatnonzero(np.diff(times // DAY)) + 1
    return [
        Grid(part, step, np.random.default_rng(int(part[0])))
        for part, step in zip(np.split(times, cuts), np.split(steps, cuts), strict=True)
    ]
