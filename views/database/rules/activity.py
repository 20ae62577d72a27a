"""Load of a database as average active sessions: sessions that were seen, by the number of looks.

A session that waits is load as one that runs is. As many active sessions as processors is all that can run at once;
what is above that waits, whatever for. The measure is Oracle's "average active sessions" (ASH), which Amazon's
Performance Insights made known for PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from analysis.usual import last_stay

OTHER = "other"
"""Name of the rest that is not told apart."""

CPU = "CPU"
"""The class of sessions that wait for nothing."""

CLASSES = ("CPU", "IO", "Lock", "LWLock", "BufferPin", "IPC", "Client", "Timeout", "Extension")
"""Classes of waits in the order in which they are stacked; others come after them."""

LOCKED = 1.0
"""Sessions that wait for locks, on average, from which on that alone is worth a word."""

FAR = 3.0
"""How many times the usual load of the window it must be where the number of processors is not known."""

FEW = 2.0
"""Active sessions below which nothing is called a load where the number of processors is not known."""


def over_time(
    samples: Mapping[datetime, int],
    sessions: Mapping[tuple[datetime, Any], int],
    start: datetime,
    end: datetime,
    step: int,
) -> pd.DataFrame:
    """Average active sessions over time, a column for each name.

    Args:
        samples: Start of a stretch → how often it was looked within it.
        sessions: Start of a stretch, name → sessions that were seen in all of these looks together.
        start: First moment, aware.
        end: Last moment, aware.
        step: Seconds between two rows; stretches within one are put together.

    Returns:
        Index: aware UTC times, each the start of ``step`` seconds, from the one that holds ``start`` up to ``end``.
        Columns: names as given, float64, the largest first; NaN where nobody looked. Where nobody was active at all
        there is one column :data:`OTHER` of zeros, so that a quiet time differs from one that is not known.
    """
    first = int(start.timestamp() // step * step)
    count = max(int((end.timestamp() - first) // step) + (end.timestamp() % step > 0), 1)
    index = pd.DatetimeIndex(pd.to_datetime(np.arange(count) * step + first, unit="s", utc=True), name="time")
    looks = np.zeros(count)
    for moment, number in samples.items():
        place = int((moment.timestamp() - first) // step)
        if 0 <= place < count:
            looks[place] += number
    columns: dict[Any, np.ndarray] = {}
    for (moment, name), number in sessions.items():
        place = int((moment.timestamp() - first) // step)
        if 0 <= place < count:
            columns.setdefault(name, np.zeros(count))[place] += number
    known = np.where(looks > 0, looks, np.nan)
    ordered = sorted(columns, key=lambda name: (-columns[name].sum(), str(name)))
    return pd.DataFrame(
        {name: columns[name] / known for name in ordered} or {OTHER: np.zeros(count) / known},
        index=index,
        dtype=np.float64,
    )


def total(frame: pd.DataFrame) -> pd.Series:
    """All active sessions: zero where nobody was active, NaN where nobody looked."""
    return frame.sum(axis=1, min_count=1).astype(np.float64)


def top(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    """The ``most`` largest columns of a frame by :func:`over_time`, and all others as one column :data:`OTHER`."""
    shown = [name for name in frame.columns if name != OTHER][:most]
    others = [name for name in frame.columns if name not in shown]
    found = frame[shown].copy()
    if others:
        found[OTHER] = frame[others].sum(axis=1, min_count=1)
    return found


def class_of(wait: str) -> str:
    """The class of a wait event: what stands before the colon.

    >>> class_of("Lock:transactionid"), class_of("CPU")
    ('Lock', 'CPU')
    """
    return wait.partition(":")[0]


def in_classes(frame: pd.DataFrame, name: str) -> pd.Series:
    """Sessions of one class of waits over time, from a frame by wait event."""
    columns = [column for column in frame.columns if class_of(str(column)) == name]
    return frame[columns].sum(axis=1).where(total(frame).notna()).astype(np.float64)


def stacked_order(waits: Sequence[str]) -> list[str]:
    """Wait events in the order in which they are stacked: by class, what runs at the bottom; the rest on top."""
    places = {name: place for place, name in enumerate(CLASSES)}
    return sorted(waits, key=lambda wait: (wait == OTHER, places.get(class_of(wait), len(CLASSES)), wait))


def shares(groups: pd.DataFrame, by: str, looks: float) -> pd.DataFrame:
    """What each value of a column has of the load.

    Args:
        groups: A row for each group of sessions, with ``sessions``: how many were seen in all looks together.
        by: A column of it.
        looks: How often it was looked.

    Returns:
        ``name``, ``load`` (average active sessions, NaN without a look) and ``share`` (of all, 0 to 1), the largest
        first.
    """
    summed = groups.groupby(by, sort=False)["sessions"].sum().sort_values(ascending=False, kind="stable")
    seen = summed.to_numpy(np.float64)
    whole = seen.sum()
    return pd.DataFrame(
        {
            "name": summed.index.to_numpy(object),
            "load": seen / looks if looks > 0 else np.full(len(seen), np.nan),
            "share": seen / whole if whole > 0 else np.full(len(seen), np.nan),
        }
    )


@dataclass(frozen=True, slots=True)
class Heavy:
    """The newest stretch of time in which there was too much load.

    Attributes:
        start: When it began, aware UTC.
        end: The end of it; ``None`` where it lasts.
        load: Active sessions over it, on average.
        locked: How many of them waited for locks.
        times: How many times the limit that was; at most 1 where only the locks are worth a word.
    """

    start: datetime
    end: datetime | None
    load: float
    locked: float
    times: float


def heavy(frame: pd.DataFrame, processors: int | None, step: int) -> Heavy | None:
    """The newest stretch in which more was active than can run, or sessions waited for locks; ``None`` for none.

    Args:
        frame: By wait event, as of :func:`over_time`.
        processors: Of the server's machine; ``None`` where that is not known: then it is set against what is usual in
            the window.
        step: Seconds between two rows.
    """
    whole, locked = total(frame), in_classes(frame, "Lock")
    limit = limit_of(whole, processors)
    pressure = pd.concat([whole / limit, locked / LOCKED], axis=1).max(axis=1, skipna=False)
    stay = last_stay(pressure, 1.0)
    if stay is None:
        return None
    after = stay.end if stay.end is not None else frame.index[-1]
    within = slice(stay.start, after)
    load = float(whole.loc[within].mean())
    end = stay.end + pd.Timedelta(seconds=step).to_pytimedelta() if stay.end is not None else None
    return Heavy(
        stay.start.astimezone(UTC),
        end.astimezone(UTC) if end is not None else None,
        load,
        float(locked.loc[within].mean()),
        load / limit,
    )


def limit_of(whole: pd.Series, processors: int | None) -> float:
    """From how many active sessions on it is too much."""
    if processors is not None:
        return float(processors)
    usual = whole.median()
    return max(FAR * float(usual), FEW) if usual == usual else FEW
