"""What is usual for a signal, how far it is from it, and since when.

Series are ``pandas.Series`` of float64 with an aware UTC time index, NaN where there is no sample.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

NEAR = timedelta(hours=1)
"""How far from the same time of day a sample of an earlier day may lie to count as "the same time"."""

FRESH = timedelta(minutes=5)
"""How old the last sample of a live series may be to be called "now"; Prometheus' own look-back."""


def last(series: pd.Series, step: float) -> float | None:
    """The newest value, or ``None`` where the end of the series has none (the signal went away).

    Args:
        series: The series.
        step: Seconds between two rows; three of them, or ``FRESH``, are how old "now" may be.
    """
    values = series.dropna()
    if values.empty:
        return None
    age = series.index[-1] - values.index[-1]
    return float(values.iloc[-1]) if age <= max(FRESH, timedelta(seconds=3 * step)) else None


def usual(history: pd.Series, at: datetime) -> float | None:
    """The median of earlier days at the same time of day; of all samples where a day is not covered.

    Args:
        history: Some days before ``at``, evenly spaced.
        at: The moment that is compared; samples within ``NEAR`` of it do not count.

    Returns:
        The usual value, or ``None`` where there are fewer than three samples.
    """
    values = history.dropna()
    values = values[values.index < at - 2 * NEAR]
    if len(values) < 3:
        return None
    day = 86400.0
    apart = np.abs((pd.DatetimeIndex(values.index) - pd.Timestamp(at)).total_seconds().to_numpy()) % day
    near = np.minimum(apart, day - apart) <= NEAR.total_seconds()
    chosen = values[near] if near.sum() >= 3 else values
    return float(chosen.median())


def since(series: pd.Series, limit: float, *, below: bool = False) -> datetime | None:
    """When the current stay beyond a limit began.

    Args:
        series: The series; gaps do not end a stay.
        limit: The limit.
        below: Whether low values are the bad ones.

    Returns:
        The first moment of the stay that still lasts; ``None`` where the newest value is within the limit.
        One single value within the limit does not end a stay: a borderline value flickers.
    """
    values = series.dropna()
    if values.empty or not (values.iloc[-1] <= limit if below else values.iloc[-1] >= limit):
        return None
    stay = last_stay(values, limit, below=below)
    return stay.start if stay is not None else None


@dataclass(frozen=True)
class Stay:
    """A stretch in which a series was beyond a limit.

    Attributes:
        start: Its first moment, aware UTC.
        end: Its last moment; ``None`` where it lasts until the newest value.
    """

    start: datetime
    end: datetime | None


def last_stay(series: pd.Series, limit: float, *, below: bool = False) -> Stay | None:
    """The newest stay beyond a limit, whether it still lasts or not; ``None`` where there was none.

    Args:
        series: The series; gaps do not end a stay.
        limit: The limit.
        below: Whether low values are the bad ones.

    Returns:
        The stay. One single value within the limit does not end it, and one within it at the end of the series does
        not either: a borderline value flickers.
    """
    values = series.dropna()
    beyond = (values <= limit if below else values >= limit).to_numpy()
    if not beyond.any():
        return None
    final = int(np.flatnonzero(beyond)[-1])
    lasts = final >= len(beyond) - 2
    beyond, moments = beyond[: final + 1], values.index
    within = np.flatnonzero(~(beyond[:-1] | beyond[1:])) if len(beyond) > 1 else np.array([], dtype=int)
    first = int(within[-1]) + 2 if within.size else 0
    while first < len(beyond) and not beyond[first]:
        first += 1
    return Stay(moments[first].to_pydatetime(), None if lasts else moments[final].to_pydatetime())
