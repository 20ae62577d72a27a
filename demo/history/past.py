"""A replica, or all of them, in a stretch of the past: how many requests, how many failed, how long they took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from demo import rhythm
from demo.history.model import Floats, Grid, Rate
from demo.measured import latencies
from demo.plan import Plan, Replica
from demo.rhythm import Latency


@dataclass(frozen=True)
class Past:
    """A replica in a stretch of the past.

    Attributes:
        replica: Which one.
        count: How many there were.
        origin: Where history ends, for its growth, deploys and incident; None for a stretch without them, such as
            the time in which the machine was off.
        starts: When its process started, seconds since 1970, the first before the stretch.
        versions: What ran: (from, version), ascending.
        latencies: What operations take in quiet hours.
    """

    replica: Replica
    count: int
    origin: float | None
    starts: tuple[float, ...]
    versions: tuple[tuple[float, str], ...]
    latencies: Mapping[str, Latency] = field(default_factory=lambda: rhythm.LATENCIES)

    def rate(self, operation: str, share: float = 1.0) -> Rate:
        """Requests of an operation a second at this replica, or a share of them."""
        return lambda grid: rates(grid, self.origin)[operation] * self._part(grid) * share

    def failing(self, operation: str, share: float = 1.0) -> Rate:
        """Of these, those that fail."""
        rate = self.rate(operation, share)
        return lambda grid: rate(grid) * self._errors(grid, operation)

    def succeeding(self, operation: str, share: float = 1.0) -> Rate:
        """Of these, those that do not."""
        rate = self.rate(operation, share)
        return lambda grid: rate(grid) * (1 - self._errors(grid, operation))

    def outcome(self, operation: str, status: str, share: float = 1.0) -> Rate:
        """Those with the label ``status``: ``error`` or ``success``."""
        return self.failing(operation, share) if status == "error" else self.succeeding(operation, share)

    def median(self, operation: str) -> Rate:
        """Median time of an operation in seconds."""
        quiet = self.latencies[operation].median_seconds

        def value(grid: Grid) -> Floats:
            key = ("factor", operation, self.origin)
            return quiet * grid.once(key, lambda times: rhythm.latency_factor(times, operation, self.origin))

        return value

    def depth(self, grid: Grid) -> Floats:
        """How much of the past incident is felt, 0 to 1."""
        return depth(grid, self.origin)

    def total(self, grid: Grid) -> Floats:
        """Requests of all kinds a second at this replica."""
        return total(grid, self.origin) * self._part(grid)

    def started(self, grid: Grid) -> Floats:
        """When the process that ran at each time had started."""
        return np.array(self.starts)[self._stage(grid)]

    def ran(self, grid: Grid, version: str) -> Floats:
        """1 where a version ran, NaN where another did."""
        live = np.array([one == version for _, one in self.versions])[self._stage(grid)]
        return np.where(live, 1.0, np.nan)

    def _stage(self, grid: Grid) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
        """Number of the version that ran at each time; each version is one start of the process."""
        return np.clip(np.searchsorted(np.array(self.starts), grid.times, side="right") - 1, 0, None)

    def _part(self, grid: Grid) -> Floats:
        index = self.replica.index
        return grid.once(("part", index), lambda times: rhythm.replica_share(times, index, self.count))

    def _errors(self, grid: Grid, operation: str) -> Floats:
        key = ("errors", operation, self.origin)
        return grid.once(key, lambda times: rhythm.error_share(times, operation, self.origin))


def rates(grid: Grid, origin: float | None) -> dict[str, Floats]:
    """Requests a second at all replicas, by operation."""
    return grid.once(("rates", origin), lambda times: rhythm.rates(times, origin))


def total(grid: Grid, origin: float | None) -> Floats:
    """Requests of all kinds a second at all replicas."""
    return grid.once(("total", origin), lambda _: np.add.reduce(list(rates(grid, origin).values())))


def depth(grid: Grid, origin: float | None) -> Floats:
    """How much of the past incident is felt, 0 to 1."""
    if origin is None:
        return np.zeros(len(grid.times))
    return grid.once(("depth", origin), lambda times: rhythm.incident_depth(times, origin))


def busyness(grid: Grid) -> Floats:
    """Load relative to the peak of an ordinary weekday."""
    return grid.once("busyness", rhythm.busyness)


def growth(grid: Grid, origin: float | None) -> Floats:
    """Size relative to that at the end of history."""
    if origin is None:
        return np.ones(len(grid.times))
    return grid.once(("growth", origin), lambda times: rhythm.growth(times, origin))


def hit_ratio(grid: Grid) -> Floats:
    """Share of reads that the cache answers."""
    return grid.once("hit ratio", rhythm.cache_hit_ratio)


def cached_keys(grid: Grid, origin: float | None) -> Floats:
    """Keys in the cache: what was stored or missed within the hour that a key lives, and the sessions."""
    every = rates(grid, origin)
    put = every["store"] + every["read"] * (1 - hit_ratio(grid))
    return np.round(3600 * 0.85 * put + rhythm.active_sessions(grid.times, origin))


def cache_bytes(grid: Grid, origin: float | None) -> Floats:
    """What these keys use."""
    return np.floor(1.25 * 1024 * 1024 + 700 * cached_keys(grid, origin))


def past_of(plan: Plan, replica: Replica, begin: float, origin: float | None) -> Past:
    """A replica from ``begin`` on; see `Past` for ``origin``."""
    deploys: list[tuple[float, str]] = []
    if origin is not None:
        deploys = [(one.at(origin, replica.index), one.version) for one in rhythm.DEPLOYS]
        deploys = [one for one in deploys if one[0] < origin]
    before = [one for one in deploys if one[0] <= begin]
    first = before[-1] if before else (begin, plan.version if origin is None else rhythm.FIRST_VERSION)
    versions = (first, *(one for one in deploys if one[0] > begin))
    starts = tuple(time for time, _ in versions)
    return Past(replica, plan.replicas_count, origin, starts, versions, latencies(plan))
