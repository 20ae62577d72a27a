"""The arithmetic of objectives: attainment, error budget, burn rate, and when the budget is gone.

All figures are ratios of sums of events over stretches of time, never means of ratios. What was not measured is left
out of both sums and told by ``seconds``; where no event was counted a ratio is ``None``.

Terms, with the objective s, the period T, and events of which ``bad`` of ``total`` were bad:

* attainment: ``1 - bad / total``;
* error budget: ``(1 - s) * total`` events, or ``(1 - s) * measured time`` of a full outage;
* burn rate over a window: ``(bad / total) / (1 - s)``; at 1 the budget lasts exactly one period.

Source: Google, "The Site Reliability Workbook", chapters 2 and 5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Window = tuple[float, float]
"""First and last epoch second of a stretch of time."""

ENOUGH_BAD = 5.0
"""Bad events within the short window below which no burn rate is called too high: one failure in a quiet night is
no outage, however large its share."""


@dataclass(frozen=True)
class Buckets:
    """Events in stretches of time that follow each other.

    Attributes:
        starts: Epoch seconds, ascending, shape (n,).
        ends: Epoch seconds, shape (n,); none after the next start.
        bad: Bad events of each stretch, shape (n,); NaN where it is not known.
        total: All events of each stretch, shape (n,); NaN where it is not known.
    """

    starts: Floats
    ends: Floats
    bad: Floats
    total: Floats

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Which stretches were measured."""
        known: npt.NDArray[np.bool_] = np.isfinite(self.bad) & np.isfinite(self.total)
        return known

    def between(self, start: float, end: float) -> Buckets:
        """The stretches that end after ``start`` and begin before ``end``."""
        kept = (self.ends > start) & (self.starts < end)
        return Buckets(self.starts[kept], self.ends[kept], self.bad[kept], self.total[kept])


@dataclass(frozen=True)
class Tally:
    """Events of a window.

    Attributes:
        bad: Bad events.
        total: All events.
        seconds: How much of the window was measured.
    """

    bad: float
    total: float
    seconds: float


@dataclass(frozen=True)
class Budget:
    """What may fail within a period, and what is left of it.

    Attributes:
        tally: The events that it is made of.
        attainment: Share of good events.
        events: Bad events that are allowed.
        events_left: Those that are left; negative where the promise is broken.
        seconds: Seconds of a full outage that are allowed: of the time that was measured.
        seconds_left: Those that are left, the same share of them as of the events.
        left: The share that is left; 1 where nothing was bad, negative where the promise is broken.
    """

    tally: Tally
    attainment: float
    events: float
    events_left: float
    seconds: float
    seconds_left: float
    left: float


@dataclass(frozen=True)
class Burn:
    """How fast the budget burns over a pair of windows.

    Attributes:
        long: Burn rate over the long window; ``None`` where no event was counted in it.
        short: The same over the short window.
        bad: Bad events within the short window.
        fires: Whether both are beyond the factor and enough events were bad; ``None`` where a rate is not known, or
            where too little of the long window was measured.
        measured: Seconds of the long window that were measured.
        young: Whether that is too little to judge by.
    """

    long: float | None
    short: float | None
    bad: float
    fires: bool | None
    measured: float = 0.0
    young: bool = False


def merged(windows: Sequence[Window]) -> list[Window]:
    """The same stretches of time without overlaps, in order.

    >>> merged([(5, 8), (0, 2), (1, 3)])
    [(0, 3), (5, 8)]
    """
    found: list[Window] = []
    for start, end in sorted(windows):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def counted(buckets: Buckets, start: float, end: float, excluded: Sequence[Window] = ()) -> Floats:
    """How many seconds of each stretch lie within the window and outside of what is excluded, shape (n,)."""
    seconds = _overlap(buckets, start, end)
    for first, last in merged(excluded):
        seconds -= _overlap(buckets, max(first, start), min(last, end))
    return np.clip(seconds, 0.0, None)


def tally(buckets: Buckets, start: float, end: float, excluded: Sequence[Window] = ()) -> Tally:
    """The events of a window; a stretch that is partly outside counts by the part that is inside.

    Args:
        buckets: The events.
        start: Epoch seconds.
        end: Epoch seconds.
        excluded: Stretches whose events count neither as good nor as bad.
    """
    seconds = np.where(buckets.known, counted(buckets, start, end, excluded), 0.0)
    shares = seconds / (buckets.ends - buckets.starts)
    return Tally(_sum(shares * _zeros(buckets.bad)), _sum(shares * _zeros(buckets.total)), _sum(seconds))


def _counted(events: Tally) -> bool:
    """Whether there are events; sums beyond all numbers are none that anything could be said about."""
    return math.isfinite(events.bad) and 0 < events.total < math.inf


def burn_rate(events: Tally, objective: float) -> float | None:
    """How many times faster than allowed the budget is spent; ``None`` without events."""
    return events.bad / events.total / (1.0 - objective) if _counted(events) else None


def budget(events: Tally, objective: float) -> Budget | None:
    """The budget after these events of a period; ``None`` without events, because nothing is known then."""
    if not _counted(events):
        return None
    allowed = (1.0 - objective) * events.total
    seconds = (1.0 - objective) * events.seconds
    left = 1.0 - events.bad / allowed
    return Budget(events, 1.0 - events.bad / events.total, allowed, allowed - events.bad, seconds, seconds * left, left)


def burning(
    buckets: Buckets, now: float, objective: float, factor: float, long: float, short: float, least: float = 0.0
) -> Burn:
    """The burn rates over two windows that end now, and whether both are too high.

    Args:
        buckets: The events.
        now: Epoch seconds.
        objective: Share of events that must be good.
        factor: The burn rate that both windows must exceed.
        long: Seconds of the long window.
        short: Seconds of the short window.
        least: Seconds of the long window that must have been measured.
    """
    recent, whole = tally(buckets, now - short, now), tally(buckets, now - long, now)
    over_long, over_short = burn_rate(whole, objective), burn_rate(recent, objective)
    young = whole.seconds < least
    fires = None
    if over_long is not None and over_short is not None and not young:
        fires = over_long > factor and over_short > factor and recent.bad >= ENOUGH_BAD
    return Burn(over_long, over_short, recent.bad, fires, whole.seconds, young)


def budget_left(
    buckets: Buckets, start: float, end: float, objective: float, excluded: Sequence[Window] = ()
) -> Floats:
    """The share of the period's budget that is left after each stretch, shape (n,); it begins at 1.

    The budget is that of the whole period, so that the last value is what :func:`budget` says. NaN for stretches
    that were not measured, and everywhere where no event was counted.

    Args:
        buckets: The events.
        start: Epoch seconds of the period's start.
        end: Epoch seconds of its end.
        objective: Share of events that must be good.
        excluded: Stretches that do not count; there the value stays as it was.
    """
    whole = tally(buckets, start, end, excluded)
    if whole.total <= 0:
        return np.full(len(buckets.starts), np.nan)
    shares = counted(buckets, start, end, excluded) / (buckets.ends - buckets.starts)
    spent = np.cumsum(np.where(buckets.known, shares * _zeros(buckets.bad), 0.0))
    return np.where(buckets.known, 1.0 - spent / ((1.0 - objective) * whole.total), np.nan)


def exhaustion(
    buckets: Buckets, now: float, period: float, objective: float, pace: Tally, excluded: Sequence[Window] = ()
) -> float | None:
    """Seconds until the budget is gone if events go on as they did in ``pace``.

    The period moves: events from its start leave while new ones come. The answer is the earliest moment t at which
    ``bad in (now + t - T, now] + bad rate * t`` reaches the allowed share of all events in the same window. After
    one period only new events are left, so if it does not happen within that, it never does.

    Returns:
        0 where it is gone already, ``None`` where it is never gone at this pace or the pace is not known.
    """
    if pace.seconds <= 0:
        return None
    allowed = 1.0 - objective
    rate, all_rate = pace.bad / pace.seconds, pace.total / pace.seconds
    start = now - period
    shares = np.where(buckets.known, counted(buckets, start, now, excluded), 0.0) / (buckets.ends - buckets.starts)
    bad, total = shares * _zeros(buckets.bad), shares * _zeros(buckets.total)
    # At these moments a stretch has just left the period; in between everything grows and shrinks evenly.
    times = np.clip(np.concatenate([[0.0], buckets.ends - start, [period]]), 0.0, period)
    old_bad = _sum(bad) - np.concatenate([[0.0], np.cumsum(bad), [_sum(bad)]])
    old_total = _sum(total) - np.concatenate([[0.0], np.cumsum(total), [_sum(total)]])
    over = old_bad + rate * times - allowed * (old_total + all_rate * times)
    # Where the two are equal nothing is left. Without any event at all there is nothing to spend.
    gone = np.flatnonzero((over >= -1e-9) & (old_total + all_rate * times > 0))
    if not gone.size:
        return None
    first = int(gone[0])
    if first == 0:
        return 0.0
    before, after = over[first - 1], over[first]
    part = -before / (after - before) if after > before else 1.0
    return float(times[first - 1] + np.clip(part, 0.0, 1.0) * (times[first] - times[first - 1]))


def _overlap(buckets: Buckets, start: float, end: float) -> Floats:
    overlap: Floats = np.clip(np.minimum(buckets.ends, end) - np.maximum(buckets.starts, start), 0.0, None)
    return overlap


def _zeros(values: Floats) -> Floats:
    return np.nan_to_num(values, nan=0.0)


def _sum(values: Floats) -> float:
    return float(values.sum())
