"""How busy Synaptic is at any moment, and what happened to it: the one source for past and present.

The load generator asks for the rates of now; the history writer asks for those of the last 30 days. Both
call the same functions, so that the charts show no seam where the past ends. Everything is a pure function
of UTC timestamps (seconds since 1970; numpy arrays of any shape, or single numbers) and, where the past
differs from a steady present, of ``origin``: the moment at which the written history ends.

The times are those that the reference service shows on the machine that the demo was built on; they only
have to be near the live ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

DAY = 86_400.0
MEMORY_TYPES = ("short_term", "long_term")
# Share of each memory type among memories, and among operations on them.
MEMORY_TYPE_SHARES: Mapping[str, float] = {"short_term": 0.65, "long_term": 0.35}

# Requests a second of all replicas together at the peak of an ordinary weekday: some 20 in all.
PEAK_RATES: Mapping[str, float] = {
    "read": 8.6,
    "store": 2.4,
    "update": 1.4,
    "delete": 0.35,
    "full_text": 2.8,
    "ranked": 1.1,
    "recent": 1.5,
    "fuzzy": 0.06,
    "similar": 0.6,
    "login": 0.08,
    "logout": 0.076,
    "export": 0.01,
}
# Of the searches of a type that come in two page sizes, the share that asks for the small one.
SMALL_PAGE_SHARE = 0.8
# Searched words are drawn from these; the seed writes texts with them.
SEARCH_WORDS = (
    "architecture", "meeting", "invoice", "deadline", "recipe", "garden", "database", "release", "interview",
    "budget", "latency", "holiday", "customer", "prototype", "contract", "research", "travel", "migration",
    "birthday", "workshop", "telescope", "harbour", "orchestra", "glacier", "compiler", "vineyard",
)  # fmt: skip

LOGIN_FAILURE_SHARE = 0.05
ERROR_SHARE = 0.0012
CACHE_HIT_RATIO = 0.86
USERS = 500
PEAK_SESSIONS = 260.0

GROWTH_IN_30_DAYS = 0.18


@dataclass(frozen=True)
class Latency:
    """Times of one operation in quiet hours: a log-normal distribution.

    Attributes:
        median_seconds: Half of the requests take at most so long.
        sigma: Standard deviation of the logarithm; the 95th percentile is ``median * exp(1.645 * sigma)``.
    """

    median_seconds: float
    sigma: float


LATENCIES: Mapping[str, Latency] = {
    "read": Latency(0.003, 0.6),
    "store": Latency(0.008, 0.5),
    "update": Latency(0.009, 0.5),
    "delete": Latency(0.008, 0.5),
    "full_text": Latency(0.012, 0.7),
    "ranked": Latency(0.03, 0.6),
    "recent": Latency(0.006, 0.6),
    "fuzzy": Latency(0.35, 0.3),
    "similar": Latency(0.002, 0.5),
    "login": Latency(0.03, 0.4),
    "logout": Latency(0.003, 0.5),
    "export": Latency(0.4, 0.4),
}
SEARCHES = ("full_text", "ranked", "recent", "fuzzy")


@dataclass(frozen=True)
class Deploy:
    """A version that went live.

    Attributes:
        age_days: UTC days before the day on which the history ends.
        time_of_day: Seconds after midnight UTC of that day.
        version: What went live.
        note: Why, as a release note says it.
    """

    age_days: int
    time_of_day: float
    version: str
    note: str

    def at(self, origin: float, replica: int = 0) -> float:
        """When it reached a replica: they are restarted one after the other, 40 s apart."""
        return (origin // DAY - self.age_days) * DAY + self.time_of_day + 40.0 * replica


DEPLOYS: tuple[Deploy, ...] = (
    Deploy(31, 9.5 * 3600, "1.7.2", "cache keys carry the memory type"),
    Deploy(23, 13.3 * 3600, "1.7.3", "pool acquires time out after 30 s"),
    Deploy(13, 10.2 * 3600, "1.8.0", "similarity search over the working set"),
    Deploy(8, 14.6 * 3600, "1.8.1", "fewer allocations when decoding memories"),
    Deploy(4, 13.2 * 3600, "1.8.2", "new ranking of search results"),
    Deploy(4, 14.05 * 3600, "1.8.1", "roll-back of 1.8.2: searches slow, some fail"),
)
FIRST_VERSION = "1.7.2"

# The incident begins when the second replica runs 1.8.2 and ends when the last has been rolled back.
INCIDENT_SEARCH_FACTOR = 14.0
INCIDENT_ERROR_SHARE = 0.09


def version_at(time: float, origin: float, replica: int = 0) -> str:
    """The version that a replica ran at a moment of the past."""
    live = [deploy.version for deploy in DEPLOYS if deploy.at(origin, replica) <= time]
    return live[-1] if live else FIRST_VERSION


def incident_window(origin: float) -> tuple[float, float]:
    """Begin and end of the past incident, as timestamps: some 50 minutes about four days before ``origin``."""
    return DEPLOYS[4].at(origin, 1), DEPLOYS[5].at(origin, 2)


def incident_depth(times: ArrayLike, origin: float) -> Array:
    """How much of the past incident is felt: 0 outside, 1 in the middle, minutes of rise and fall."""
    moments = np.asarray(times, dtype=np.float64)
    begin, end = incident_window(origin)
    rise = np.clip((moments - begin) / 180.0, 0.0, 1.0)
    fall = np.clip((end - moments) / 120.0, 0.0, 1.0)
    return np.minimum(rise, fall)


def growth(times: ArrayLike, origin: float) -> Array:
    """Load relative to that at ``origin``: smaller before, 1 from then on."""
    age_days = np.maximum(0.0, (origin - np.asarray(times, dtype=np.float64)) / DAY)
    return np.asarray((1.0 + GROWTH_IN_30_DAYS) ** (-age_days / 30.0))


def noise(times: ArrayLike, key: str, cell_seconds: float = 300.0) -> Array:
    """Deterministic smooth noise between -1 and 1.

    Args:
        times: Timestamps.
        key: Different keys give independent noise.
        cell_seconds: Distance of the random values between which is interpolated.
    """
    position = np.asarray(times, dtype=np.float64) / cell_seconds
    cell = np.floor(position)
    share = position - cell
    # Smoothstep: without kinks where one cell meets the next.
    share = share * share * (3.0 - 2.0 * share)
    return np.asarray(_random(cell, key) * (1.0 - share) + _random(cell + 1.0, key) * share)


def _random(cells: Array, key: str) -> Array:
    """One number between -1 and 1 for each cell and key (finaliser of SplitMix64)."""
    with np.errstate(over="ignore"):
        mixed = cells.astype(np.int64).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        mixed = mixed + np.uint64(crc32(key.encode()))
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(31))
    return mixed.astype(np.float64) / 2.0**63 - 1.0


def busyness(times: ArrayLike) -> Array:
    """Load relative to the peak of an ordinary weekday: highest at 14:00 UTC, lower at night and at the weekend."""
    moments = np.asarray(times, dtype=np.float64)
    hour = moments % DAY / 3600.0
    daily = 0.68 + 0.32 * np.cos((hour - 14.0) / 24.0 * 2.0 * np.pi) - 0.05 * np.cos((hour - 13.0) / 12.0 * 2.0 * np.pi)
    # 1970-01-01 was a Thursday: Monday is 0. The change from day to day takes an hour around midnight.
    weekly = np.array([1.0, 1.0, 0.98, 1.0, 0.95, 0.62, 0.58])
    day = (moments / DAY + 3.0) % 7.0
    into = day - np.floor(day)
    share = np.clip(into * 24.0, 0.0, 1.0)
    today, yesterday = np.floor(day).astype(np.int64) % 7, (np.floor(day).astype(np.int64) - 1) % 7
    return np.asarray(daily * (weekly[today] * share + weekly[yesterday] * (1.0 - share)))


def rates(times: ArrayLike, origin: float | None = None) -> dict[str, Array]:
    """Requests a second of all replicas together, by operation.

    Args:
        times: Timestamps.
        origin: End of the written history, for times before it; without it there is no growth.
    """
    moments = np.asarray(times, dtype=np.float64)
    level = busyness(moments) * (1.0 if origin is None else growth(moments, origin))
    return {
        name: np.asarray(peak * level * (1.0 + 0.08 * noise(moments, "load") + 0.05 * noise(moments, name)))
        for name, peak in PEAK_RATES.items()
    }


def replica_share(times: ArrayLike, replica: int, replicas: int = 3) -> Array:
    """Share of all requests that one replica gets; those of all replicas add up to 1."""
    weights = [1.0 + 0.03 * noise(times, f"replica {index}") for index in range(replicas)]
    return np.asarray(weights[replica] / sum(weights))


def error_share(times: ArrayLike, operation: str, origin: float | None = None) -> Array:
    """Share of requests that end with an error; for ``login`` the share of wrong passwords."""
    moments = np.asarray(times, dtype=np.float64)
    if operation == "login":
        return np.asarray(LOGIN_FAILURE_SHARE * (1.0 + 0.3 * noise(moments, "login failures")))
    share = ERROR_SHARE * (1.0 + 0.5 * noise(moments, f"errors {operation}"))
    if origin is not None and operation in SEARCHES:
        share = share + INCIDENT_ERROR_SHARE * incident_depth(moments, origin)
    return np.asarray(share)


def latency_factor(times: ArrayLike, operation: str, origin: float | None = None) -> Array:
    """By how much the median of ``LATENCIES`` is exceeded: more load, more time; several-fold in the incident."""
    moments = np.asarray(times, dtype=np.float64)
    factor = 0.9 + 0.2 * busyness(moments) + 0.06 * noise(moments, f"latency {operation}")
    if origin is not None:
        depth = incident_depth(moments, origin)
        factor = factor * (1.0 + depth * (INCIDENT_SEARCH_FACTOR - 1.0 if operation in SEARCHES else 0.4))
    return np.asarray(factor)


def cache_hit_ratio(times: ArrayLike) -> Array:
    """Share of reads that the cache answers."""
    return np.asarray(CACHE_HIT_RATIO + 0.02 * noise(times, "cache"))


def active_sessions(times: ArrayLike, origin: float | None = None) -> Array:
    """Signed-in users at a moment; the load generator signs users in and out so that there are as many."""
    moments = np.asarray(times, dtype=np.float64)
    level = busyness(moments) * (1.0 if origin is None else growth(moments, origin))
    return np.asarray(PEAK_SESSIONS * level * (1.0 + 0.04 * noise(moments, "sessions", 900.0)))
