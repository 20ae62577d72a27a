"""What a cache did between samples of its counters, and what happened to it.

Counters begin anew when the server is started (another ``run_id``) and when somebody sends CONFIG RESETSTAT. What was
counted between the last sample before that and the first one after it is not known, and unknown is not zero: such a
stretch is left out of sums, and is a gap in a chart.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

Histogram = Mapping[int, int]
"""Upper bound in microseconds → calls that took at most as long, for the bounds at which the number grows."""

RESET = "config|resetstat"
FLUSHES = ("flushall", "flushdb")

LOOKS = ("pttl", "type")
"""Commands that count as hits though they ask for no data: the console's own look at the keys consists of them."""

BLOCKING = frozenset(
    {"blmove", "blmpop", "blpop", "brpop", "brpoplpush", "bzmpop", "bzpopmax", "bzpopmin", "wait", "waitaof", "xread",
     "xreadgroup"}
)  # fmt: skip
"""Commands that may wait on purpose; they are left out of how long commands take."""


@dataclass(frozen=True)
class Sample:
    """What a cache told at one moment.

    Attributes:
        moment: When, aware UTC.
        run_id: Changes whenever the server is started.
        figures: Figures by the server's own names; ``hits`` are ``keyspace_hits`` without those of ``LOOKS``, ``keys``
            and ``expires`` those of the service's database.
        commands: Name → calls and microseconds since the counters began.
        times: Name → how long calls took since the counters began.
    """

    moment: datetime
    run_id: str
    figures: Mapping[str, float]
    commands: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    times: Mapping[str, Histogram] = field(default_factory=dict)

    def value(self, name: str) -> float | None:
        """A figure; ``None`` where it is not told."""
        found = self.figures.get(name)
        return None if found is None else float(found)

    @property
    def flushes(self) -> int:
        """How often it was flushed since the counters began."""
        return sum(self.commands.get(name, (0, 0))[0] for name in FLUSHES)


@dataclass(frozen=True)
class Between:
    """Two samples, one after the other.

    Attributes:
        before: The earlier one.
        after: The later one.
        broken: Why nothing is known of what was counted between them; empty where it is.
    """

    before: Sample
    after: Sample
    broken: Literal["", "restart", "reset"]

    @property
    def seconds(self) -> float:
        """Seconds between them."""
        return (self.after.moment - self.before.moment).total_seconds()

    def gain(self, name: str) -> float | None:
        """How much a counter grew; ``None`` where that is not known."""
        first, last = self.before.value(name), self.after.value(name)
        return None if self.broken or first is None or last is None else last - first

    def calls(self, name: str) -> tuple[int, int] | None:
        """How much calls and microseconds of a command grew; ``None`` where that is not known."""
        last = self.after.commands.get(name)
        if self.broken or last is None:
            return None
        first = self.before.commands.get(name, (0, 0))
        return last[0] - first[0], last[1] - first[1]


def between(samples: Sequence[Sample], counters: Sequence[str]) -> list[Between]:
    """Each two samples that follow each other.

    Args:
        samples: In order of time.
        counters: Names of the figures that only grow; one that fell tells of a reset.
    """
    found = []
    for before, after in itertools.pairwise(samples):
        broken: Literal["", "restart", "reset"] = ""
        if before.run_id != after.run_id:
            broken = "restart"
        elif _was_reset(before, after, counters):
            broken = "reset"
        found.append(Between(before, after, broken))
    return found


def _was_reset(before: Sample, after: Sample, counters: Sequence[str]) -> bool:
    if after.commands.get(RESET, (0, 0))[0] > before.commands.get(RESET, (0, 0))[0]:
        return True
    if any(name not in after.commands for name in before.commands):
        return True
    return any(after.figures.get(name, np.inf) < before.figures.get(name, -np.inf) for name in counters)


@dataclass(frozen=True)
class Total:
    """A sum over a span.

    Attributes:
        gain: How much a counter grew; ``None`` where nothing of it is known.
        seconds: For how much of the span that is known.
    """

    gain: float | None
    seconds: float

    @property
    def rate(self) -> float | None:
        """A second."""
        return None if self.gain is None or self.seconds <= 0 else self.gain / self.seconds


def total(found: Sequence[Between], name: str, start: datetime, end: datetime) -> Total:
    """How much a counter grew within a span; what lies across its ends counts by its part."""
    gain, seconds, known = 0.0, 0.0, False
    for one in found:
        inside = (min(one.after.moment, end) - max(one.before.moment, start)).total_seconds()
        grown = one.gain(name)
        if inside <= 0 or grown is None or one.seconds <= 0:
            continue
        known = True
        gain += grown * inside / one.seconds
        seconds += inside
    return Total(gain if known else None, seconds)


def seconds_of(cells: pd.DatetimeIndex) -> npt.NDArray[np.float64]:
    """Moments as seconds since 1970."""
    return cells.tz_convert(None).to_numpy("datetime64[ns]").astype(np.int64) / 1e9


def rates(found: Sequence[Between], names: Sequence[str], cells: pd.DatetimeIndex, longest: float) -> pd.DataFrame:
    """How fast counters grew, on an even grid.

    Args:
        found: The stretches between samples.
        names: The counters.
        cells: Ends of the cells, aware UTC, even.
        longest: Seconds between two samples from which on nothing is drawn between them.

    Returns:
        Index: the cells. Columns: the counters, a second, float64; NaN where less than half of a cell is known.
    """
    step = (cells[1] - cells[0]).total_seconds() if len(cells) > 1 else 1.0
    ends = seconds_of(cells)
    edges = np.concatenate([[ends[0] - step], ends]) if len(ends) else np.array([])
    columns = {}
    for name in names:
        times, grown, covered = [0.0], [0.0], [0.0]
        for one in found:
            gain = one.gain(name) if 0 < one.seconds <= longest else None
            first, last = one.before.moment.timestamp(), one.after.moment.timestamp()
            times += [first, last]
            grown += [grown[-1], grown[-1] + (gain or 0.0)]
            covered += [covered[-1], covered[-1] + (0.0 if gain is None else last - first)]
        amount = np.diff(np.interp(edges, times, grown))
        known = np.diff(np.interp(edges, times, covered))
        with np.errstate(invalid="ignore", divide="ignore"):
            columns[name] = np.where(known >= step / 2, amount / known, np.nan)
    return pd.DataFrame(columns, index=cells, columns=list(names), dtype=float)


def levels(samples: Sequence[Sample], names: Sequence[str], cells: pd.DatetimeIndex, longest: float) -> pd.DataFrame:
    """Figures that go up and down, on an even grid: the last one that is not older than ``longest`` seconds.

    Returns:
        Index: the cells. Columns: the figures, float64, NaN where none is known.
    """
    told = pd.DataFrame(
        [{name: one.value(name) for name in names} for one in samples],
        index=pd.DatetimeIndex([one.moment for one in samples], tz="UTC"),
        columns=list(names),
        dtype=float,
    )
    return told.reindex(cells, method="ffill", tolerance=pd.Timedelta(seconds=longest))


def hit_share(hits: float | None, misses: float | None) -> float | None:
    """Hits of all look-ups; ``None`` where there were none."""
    return None if hits is None or misses is None or hits + misses <= 0 else hits / (hits + misses)


def spent(
    found: Sequence[Between], start: datetime, end: datetime, without: frozenset[str] = frozenset()
) -> pd.DataFrame:
    """What commands did within a span; a stretch that lies across its ends counts by its part.

    Returns:
        One row a command, the one that took most first. Columns: ``command``, ``calls`` and ``seconds`` of the server's
        time (float64), ``share`` of all of that time, ``covered`` (seconds of the span of which that is known).
    """
    calls: dict[str, float] = {}
    took: dict[str, float] = {}
    covered = 0.0
    for one in found:
        inside = (min(one.after.moment, end) - max(one.before.moment, start)).total_seconds()
        if inside <= 0 or one.broken or one.seconds <= 0:
            continue
        covered += inside
        for name in one.after.commands:
            gain = one.calls(name)
            if gain is not None and gain[0] and name not in without:
                calls[name] = calls.get(name, 0.0) + gain[0] * inside / one.seconds
                took[name] = took.get(name, 0.0) + gain[1] * inside / one.seconds / 1e6
    names = sorted(took, key=lambda name: -took[name])
    whole = sum(took.values())
    frame = pd.DataFrame({"command": names, "calls": [calls[n] for n in names], "seconds": [took[n] for n in names]})
    frame["share"] = frame["seconds"] / whole if whole else np.nan
    frame["covered"] = covered
    return frame.astype({"calls": float, "seconds": float, "share": float})


def took(found: Sequence[Between], names: Sequence[str] = (), without: frozenset[str] = frozenset()) -> dict[int, int]:
    """How many calls took at most how long, over all stretches together: a cumulative histogram.

    Args:
        found: The stretches.
        names: The commands; all but blocking ones where none is named.
        without: Commands that are left out where none is named.
    """
    alone: dict[int, int] = {}
    for one in found:
        if one.broken:
            continue
        for name in names or [name for name in one.after.times if name not in BLOCKING | without]:
            last = one.after.times.get(name)
            first = one.before.times.get(name)
            if last is None or (first is None and name in one.before.commands):
                continue  # it was not kept then, so what was new is not known
            for bound, number in _new(first or {}, last):
                alone[bound] = alone.get(bound, 0) + number
    cumulative, sum_ = {}, 0
    for bound in sorted(alone):
        sum_ += alone[bound]
        cumulative[bound] = sum_
    return cumulative


def _new(first: Histogram, last: Histogram) -> Iterator[tuple[int, int]]:
    """Calls in each bucket alone that are in the later histogram and not in the earlier one."""
    before, below_first, below_last = 0, 0, 0
    for bound in sorted({*first, *last}):
        below_first, before_last = max(below_first, first.get(bound, 0)), below_last
        below_last = max(below_last, last.get(bound, 0))
        number = (below_last - before_last) - (below_first - before)
        before = below_first
        if number > 0:
            yield bound, number


def quantile(histogram: Histogram, share: float) -> float | None:
    """Seconds within which a share of the calls ended: at most as long, since a bucket tells no more than its bound.

    Redis' bounds are powers of two apart, so the true value is at least half of it.
    """
    bounds = sorted(histogram)
    if not bounds or histogram[bounds[-1]] <= 0:
        return None
    wanted = share * histogram[bounds[-1]]
    return next(bound for bound in bounds if histogram[bound] >= wanted) / 1e6


# What happened

FLUSH_KEYS = 100
"""Keys below which an emptied cache is not worth a word."""

FLUSH_SHARE = 0.8
"""Share of the keys that must be gone from one sample to the next."""

RECOVERED = 0.9
"""Share of the hit ratio of before from which on a cache counts as filled again."""

BEFORE = timedelta(minutes=10)
"""What the hit ratio after a flush is compared with."""

LOOKED_AT = timedelta(hours=6)
"""How long after a flush it is looked at whether the cache has filled again."""


@dataclass(frozen=True)
class Emptied:
    """A cache that lost most of its keys at once.

    Attributes:
        kind: ``flush``: a flush command was counted; ``restart``: the server was started without its keys; ``gone``:
            they were removed one by one, and had not come to their end.
        since: Last moment at which they were there.
        moment: First one at which they were not.
        keys_before: Keys then.
        keys_after: Keys left.
        share_before: Hit ratio within the ten minutes before; ``None`` where it is not known.
        share_lowest: Lowest hit ratio of a stretch after it; ``None`` where it is not known.
        refilled: When the hit ratio was back at 90 % of before; ``None`` where it is not yet, or not known.
    """

    kind: Literal["flush", "restart", "gone"]
    since: datetime
    moment: datetime
    keys_before: int
    keys_after: int
    share_before: float | None
    share_lowest: float | None
    refilled: datetime | None


def emptied(found: Sequence[Between]) -> list[Emptied]:
    """Each time that the cache lost most of its keys at once, in order of time."""
    events = []
    for place, one in enumerate(found):
        kind = _emptied_by(one)
        if kind is None:
            continue
        before = _share([two for two in found[:place] if two.before.moment >= one.before.moment - BEFORE])
        lowest, refilled = None, None
        for two in found[place:] if kind != "restart" else found[place + 1 :]:
            if two.before.moment > one.after.moment + LOOKED_AT:
                break
            share = _share([two])
            if share is None:
                continue
            lowest = share if lowest is None else min(lowest, share)
            if before and two is not one and share >= RECOVERED * before:
                refilled = two.after.moment
                break
        keys = (int(one.before.value("keys") or 0), int(one.after.value("keys") or 0))
        events.append(Emptied(kind, one.before.moment, one.after.moment, *keys, before, lowest, refilled))
    return events


def _emptied_by(one: Between) -> Literal["flush", "restart", "gone"] | None:
    before, after = one.before.value("keys"), one.after.value("keys")
    if before is None or after is None or before < FLUSH_KEYS:
        return None
    most_gone = after <= (1 - FLUSH_SHARE) * before
    if one.broken == "restart":
        return "restart" if most_gone else None
    if not one.broken and one.after.flushes > one.before.flushes:
        return "flush"
    if not most_gone:
        return None
    ended = (one.gain("expired_keys") or 0.0) + (one.gain("evicted_keys") or 0.0)
    return "gone" if ended < (before - after) / 2 else None


def _share(found: Sequence[Between]) -> float | None:
    gains = [(one.gain("hits"), one.gain("keyspace_misses")) for one in found]
    known = [(hits, misses) for hits, misses in gains if hits is not None and misses is not None]
    return hit_share(sum(hits for hits, _ in known), sum(misses for _, misses in known)) if known else None


@dataclass(frozen=True)
class Restarted:
    """A cache that was started anew, or another one that answers in its place.

    Attributes:
        moment: When it was started, as its uptime tells.
        other: Whether it was started before the one that answered until then was seen last: it is another server.
    """

    moment: datetime
    other: bool


def restarts(found: Sequence[Between]) -> list[Restarted]:
    """Each time that another process answered, in order of time."""
    events = []
    for one in found:
        if one.broken != "restart":
            continue
        uptime = one.after.value("uptime_in_seconds")
        started = one.after.moment - timedelta(seconds=uptime) if uptime is not None else one.after.moment
        other = started < one.before.moment - timedelta(seconds=2)
        events.append(Restarted(one.after.moment if other else started, other))
    return events
