"""What changed, read off series: deploys, restarts and alerts as events for the ribbon of every chart.

All functions take a frame with an aware UTC time index and float64 columns, NaN where there is no
sample, and the labels of each column.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from analysis.events import ROLL_BACK, Event, EventKind, Severity

ROLLOUT = timedelta(minutes=15)
"""Replicas that start the same version within this time belong to one deploy (a rolling update is slow)."""

TOGETHER = timedelta(minutes=2)
"""Restarts of several replicas within this time are told as one."""


def deploys(frame: pd.DataFrame, labels: Sequence[Mapping[str, str]]) -> list[Event]:
    """Deploys: moments at which a version appears that was not running before.

    Args:
        frame: Any value where a replica ran a version, NaN where it did not.
        labels: Of each column, at least ``version``.

    Returns:
        One event a deploy, oldest first. Versions that run from the first row on are no deploy. A version
        that ran earlier, gave way to another and comes back is a deploy too, called a roll-back.
    """
    versions = sorted({label.get("version", "") for label in labels} - {""})
    running = {
        version: frame.iloc[:, [i for i, label in enumerate(labels) if label.get("version") == version]]
        .notna()
        .any(axis=1)
        .to_numpy()
        for version in versions
    }
    times = frame.index
    found: list[Event] = []
    seen_before: set[str] = set()
    any_running = np.zeros(len(times), dtype=bool)
    for version in versions:
        any_running |= running[version]
    starts = sorted(
        (times[i].to_pydatetime(), version) for version in versions for i in _starts(running[version], any_running)
    )
    seen_before = {version for version in versions if running[version].size and running[version][0]}
    last = ""
    for moment, version in starts:
        if version == last and found and moment - found[-1].time < ROLLOUT:
            continue
        back = version in seen_before
        title = f"{ROLL_BACK} {version}" if back else f"deploy {version}"
        found.append(Event(moment, EventKind.DEPLOY, title, "first replica reports this version", Severity.INFO))
        seen_before.add(version)
        last = version
    return found


def _starts(running: np.ndarray, any_running: np.ndarray) -> list[int]:
    """Rows where a version begins to run while others were running; a hole in all series is no deploy."""
    rows: list[int] = []
    known = [i for i in range(len(running)) if any_running[i]]
    before_running: bool | None = None
    for i in known:
        if running[i] and before_running is False:
            rows.append(i)
        before_running = bool(running[i])
    return rows


def restarts(frame: pd.DataFrame, labels: Sequence[Mapping[str, str]], replica_label: str) -> list[Event]:
    """Restarts: moments at which a replica's process start time moved forward.

    Args:
        frame: Epoch seconds of each process' start; one column a replica.
        labels: Of each column, at least ``replica_label``.
        replica_label: The label with the replica's name.

    Returns:
        One event for restarts of several replicas within ``TOGETHER``, at the first start time that a
        process itself reports, oldest first.
    """
    found: list[tuple[datetime, str]] = []
    for i, label in enumerate(labels):
        values = frame.iloc[:, i].dropna()
        name = label.get(replica_label, "") or "a replica"
        starts = (_moment(start) for start in values[values.diff() > 1.0])
        found += [(start, name) for start in starts if start is not None]
    groups: list[list[tuple[datetime, str]]] = []
    for moment, name in sorted(found):
        if groups and moment - groups[-1][0][0] <= TOGETHER:
            groups[-1].append((moment, name))
        else:
            groups.append([(moment, name)])
    return [_restart(group) for group in groups]


def _restart(group: list[tuple[datetime, str]]) -> Event:
    names = list(dict.fromkeys(name for _, name in group))
    title = f"{names[0]} restarted" if len(names) == 1 else f"{len(names)} replicas restarted"
    return Event(group[0][0], EventKind.RESTART, title, ", ".join(names))


def alerts(frame: pd.DataFrame, labels: Sequence[Mapping[str, str]]) -> list[Event]:
    """Alerts: moments at which an alert began to fire.

    Args:
        frame: 1 where an alert fires, NaN where it does not.
        labels: Of each column, ``alertname``, ``severity`` and whatever tells alerts apart.

    Returns:
        One event for each beginning, oldest first; an alert that fired in the first row is told as such.
    """
    found: dict[tuple[datetime, str], Event] = {}
    if frame.empty:
        return []
    for i, label in enumerate(labels):
        firing = frame.iloc[:, i].notna().to_numpy()
        begins = np.flatnonzero(firing & ~np.concatenate(([False], firing[:-1])))
        name = label.get("alertname", "") or "alert"
        severity = Severity.CRITICAL if label.get("severity") in {"critical", "page"} else Severity.WARNING
        for row in begins:
            moment = frame.index[int(row)].to_pydatetime()
            detail = "was firing already when the window begins" if row == 0 else "began to fire"
            found.setdefault((moment, name), Event(moment, EventKind.ALERT, name, detail, severity))
    return sorted(found.values(), key=lambda event: event.time)


def moments(frame: pd.DataFrame, labels: Sequence[Mapping[str, str]], label: str) -> list[tuple[datetime, str]]:
    """Moments that a metric tells itself, such as when a server was started: each value is one.

    Args:
        frame: Epoch seconds, NaN where there is no sample or nothing happened yet; one column each thing.
        labels: Of each column, at least ``label``.
        label: The label with the name of the thing.

    Returns:
        Each moment once with the name, oldest first; ones that differ by less than a second are one.
    """
    found: dict[tuple[str, int], datetime] = {}
    for place, one in enumerate(labels):
        name = one.get(label, "")
        for value in frame.iloc[:, place].dropna().unique():
            moment = _moment(value)
            if value > 0 and moment is not None:
                found.setdefault((name, round(float(value))), moment)
    return sorted((moment, name) for (name, _), moment in found.items())


def _moment(seconds: float) -> datetime | None:
    """Epoch seconds as an aware time; ``None`` where no calendar has it: a metric may hold any number."""
    try:
        return datetime.fromtimestamp(float(seconds), UTC)
    except (OverflowError, ValueError, OSError):
        return None


def switches(frame: pd.DataFrame, labels: Sequence[Mapping[str, str]], label: str) -> list[tuple[datetime, str, bool]]:
    """Moments at which a flag changed its value.

    Args:
        frame: 1 or 0, NaN where there is no sample.
        labels: Of each column, at least ``label``.
        label: The label with the name of the thing.

    Returns:
        When, which, and whether it is set since; oldest first.
    """
    found: list[tuple[datetime, str, bool]] = []
    for place, one in enumerate(labels):
        values = frame.iloc[:, place].dropna()
        rows = np.flatnonzero(values.diff().fillna(0.0).to_numpy() != 0.0)
        name = one.get(label, "")
        found += [(values.index[int(row)].to_pydatetime(), name, bool(values.iloc[int(row)])) for row in rows]
    return sorted(found)


def increases(frame: pd.DataFrame, labels: Sequence[Mapping[str, str]], label: str) -> list[tuple[datetime, str]]:
    """Moments at which a counter was larger than at the sample before.

    Args:
        frame: Counters, NaN where there is no sample; one that begins anew at 0 has not grown.
        labels: Of each column, at least ``label``.
        label: The label with the name of the thing.

    Returns:
        When and which, oldest first.
    """
    found: list[tuple[datetime, str]] = []
    for place, one in enumerate(labels):
        values = frame.iloc[:, place].dropna()
        rows = np.flatnonzero(values.diff().fillna(0.0).to_numpy() > 0.0)
        found += [(values.index[int(row)].to_pydatetime(), one.get(label, "")) for row in rows]
    return sorted(found)
