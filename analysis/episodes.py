"""When a signal was in trouble: judged over minutes, with a least number of bad events, and with hysteresis.

A single sample decides nothing. Trouble begins when a value was beyond its limit for long enough, and for latencies,
shares and counts in enough events; it is over when the value has stayed clearly within the limit for a while. All of it
follows from the samples alone, so every viewer, the background work and a window of the past come to the same episodes.

Series are ``pandas.Series`` of float64 on an even grid with an aware UTC time index, NaN where there is no sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.verdict import Status

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

BACK = 60.0
"""Seconds for which a value must be back within its limit before its trouble is over."""

SLOWLY = 5.0
"""How many times as far back events are counted where there are few: a service with little traffic fails too."""

LEVEL_SECONDS = 60.0
"""Length of the stretch whose middle value is called the value of now."""

EASED = 0.8
"""By how much a value must come back behind its limit to count as within it again."""


@dataclass(frozen=True)
class Rule:
    """When a value is in trouble.

    Attributes:
        status: What it is then.
        limit: From which value on.
        hold: Seconds beyond the limit that are needed.
        within: Seconds in which they must lie.
        below: Whether low values are the bad ones.
        least: Bad events that are needed; 0 where the value counts none.
        usual: Whether the limit is a distance from what is usual, and no threshold.
        share: Whether values are shares, from 0 to 1.
    """

    status: Status
    limit: float
    hold: float
    within: float = 120.0
    below: bool = False
    least: float = 0.0
    usual: bool = False
    share: bool = False


@dataclass(frozen=True)
class Episode:
    """A stretch of time in which a value was in trouble.

    Attributes:
        rule: Which rule found it.
        start: When it began, aware UTC; ``None`` where that lies before the series.
        end: When it was over; ``None`` where it lasts until the newest value.
        worst: The worst value of it that lasted for some samples.
        level: The value over the end of it.
    """

    rule: Rule
    start: datetime | None
    end: datetime | None
    worst: float
    level: float


def level(series: pd.Series, step: float) -> float | None:
    """The value of now: the middle one of the last minute; ``None`` where the last minutes have none."""
    values = series.to_numpy(np.float64)
    known = np.flatnonzero(np.isfinite(values))
    if not len(known) or (len(values) - 1 - known[-1]) * step > max(300.0, 3 * step):
        return None
    newest = known[known > known[-1] - max(round(LEVEL_SECONDS / step), 1)]
    return float(np.median(values[newest]))


def episodes(series: pd.Series, rule: Rule, step: float, bad: pd.Series | None = None) -> tuple[Episode, ...]:
    """All stretches in which a value was in trouble, in order of time.

    Args:
        series: The value.
        rule: When it is in trouble.
        step: Seconds between two samples.
        bad: Bad events a second on the same grid, where ``rule.least`` counts them; where it is missing or has no
            sample they are not counted.
    """
    values = series.to_numpy(np.float64)
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        beyond = known & ((values <= rule.limit) if rule.below else (values >= rule.limit))
        eased = _eased(rule)
        near = known & ((values <= eased) if rule.below else (values >= eased))
    if not beyond.any():
        return ()
    counted = bad is not None and rule.least > 0
    events = np.zeros(len(values))
    if counted and bad is not None:
        given = bad.reindex(series.index).to_numpy(np.float64)
        events = np.where(beyond, np.where(np.isfinite(given), given, np.inf), 0.0) * step
    entered = np.where(_entered(beyond, events, rule, step, 1.0, counted=counted), rule.within, 0.0)
    if counted:
        slowly = _entered(beyond, events, rule, step, SLOWLY, counted=True) & (entered == 0.0)
        entered = np.where(slowly, rule.within * SLOWLY, entered)
    back = max(round(BACK / step), 1)
    stays = _sums(near, back) > 0.1 * _sums(known, back)
    silent = _sums(known, back) == 0
    return tuple(_walk(series, rule, step, beyond, entered, stays | silent))


def _eased(rule: Rule) -> float:
    """Behind which value a value is clearly within its limit again."""
    if not rule.below:
        return rule.limit * EASED
    # A share cannot rise above 1: what is bad of it, one minus the share, has to come back by so much.
    return 1.0 - (1.0 - rule.limit) * EASED if rule.share else rule.limit / EASED


def _entered(beyond: Bools, events: Floats, rule: Rule, step: float, times: float, *, counted: bool) -> Bools:
    """Where enough of the time before was beyond the limit, with enough bad events, and it goes on."""
    points = max(round(rule.within * times / step), 1)
    found = _sums(beyond, points) * step >= rule.hold * (1.0 if times == 1.0 else 0.6 * times)
    found &= _sums(beyond, max(round(30.0 / step), 1)) > 0
    if counted:
        finite = np.where(np.isfinite(events), events, 0.0)
        found &= (_sums(finite, points) >= rule.least) | (_sums(~np.isfinite(events), points) > 0)
    return found


def _sums(values: npt.NDArray[np.generic], points: int) -> Floats:
    """The sum of the last ``points`` values at each place."""
    summed = np.concatenate([[0.0], np.cumsum(values.astype(np.float64))])
    places = np.arange(1, len(values) + 1)
    found: Floats = summed[places] - summed[np.maximum(places - points, 0)]
    return found


def _walk(series: pd.Series, rule: Rule, step: float, beyond: Bools, entered: Bools, stays: Bools) -> Sequence[Episode]:
    """The episodes.

    Args:
        series: The value.
        rule: When it is in trouble.
        step: Seconds between two samples.
        beyond: Where it is beyond its limit.
        entered: Where trouble has begun, how many seconds back its beginning lies at most; else 0.
        stays: Where trouble goes on once it has begun.
    """
    found: list[Episode] = []
    began: int | None = None
    over = 0
    for place in range(len(beyond)):
        if began is None and entered[place]:
            first = max(place - max(round(entered[place] / step), 1) + 1, over)
            began = first + int(np.argmax(beyond[first : place + 1]))
        elif began is not None and not stays[place]:
            last = began + int(np.flatnonzero(beyond[began : place + 1])[-1])
            found.append(_episode(series, rule, step, beyond, began, last, ended=True))
            began, over = None, last + 1
    if began is not None:
        found.append(_episode(series, rule, step, beyond, began, len(beyond) - 1, ended=False))
    return found


def _episode(
    series: pd.Series, rule: Rule, step: float, beyond: Bools, first: int, last: int, *, ended: bool
) -> Episode:
    values = series.to_numpy(np.float64)
    places = np.flatnonzero(beyond[first : last + 1]) + first
    inside = values[places]
    # Of three neighbours the middle one: a single sample is not the worst of it.
    middle = pd.Series(inside).rolling(3, center=True, min_periods=1).median().to_numpy(np.float64)
    newest = inside[places > last - max(round(LEVEL_SECONDS / step), 1)]
    start = None if first == 0 else series.index[first].to_pydatetime()
    end = series.index[last].to_pydatetime() + timedelta(seconds=step) if ended else None
    return Episode(
        rule,
        start,
        end,
        float(middle.min() if rule.below else middle.max()),
        float(np.median(newest if len(newest) else inside[-1:])),
    )
