"""Thirty days of metrics into Prometheus' data folder, or what is missing there since the last run."""

from __future__ import annotations

import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from demo import rhythm
from demo.history import loader, model, past, remote_write, service, surroundings
from demo.history.model import DAY, Family, Floats, Grid
from demo.plan import HOST, Plan

DAYS = 30
FINE_DAYS = 2
INCIDENT_MARGIN = DAY / 2
# In seconds between samples. Thirty days at the fine step would be six times as much to write and to keep, for
# charts that show one point in half an hour; around what people zoom into, they need every half minute.
COARSE_STEP, FINE_STEP = 300.0, 30.0
# A gap that is shorter shows in no chart: Prometheus looks back five minutes for a sample.
SHORTEST_GAP = 120.0
SAMPLES_A_REQUEST = 1_000_000

# The alerts of the incident, with their own labels as the rules give them, and the seconds after its begin at which
# each fired.
INCIDENT_ALERTS: tuple[tuple[dict[str, str], float], ...] = (
    ({"alertname": "SynapticSearchLatencyHigh", "severity": "critical", "signal": "search_latency"}, 240.0),
    ({"alertname": "SynapticSearchLatencyElevated", "severity": "warning", "signal": "search_latency"}, 150.0),
    *(
        (
            {
                "alertname": "SynapticQueryErrors",
                "severity": "critical",
                "signal": "query_error_share",
                "query_type": query_type,
            },
            300.0,
        )
        for query_type in ("full_text", "ranked", "recent")
    ),
)
# How long after the end of what it is about an alert still fires: the length of its window.
ALERT_TAIL = 60.0


@dataclass(frozen=True)
class Filled:
    """What was written: seconds since 1970 from and to, and how much. No samples: there was no gap."""

    begin: float
    end: float
    series: int
    samples: int


def families(plan: Plan, begin: float, origin: float | None) -> list[Family]:
    """Everything that Prometheus would have scraped and computed from ``begin`` on.

    Args:
        plan: Names and ports, which are in the labels.
        begin: First time, seconds since 1970.
        origin: Where thirty days of history end; None for a gap, which has no deploys, growth or incident.
    """
    made = [
        family for replica in plan.replicas for family in service.families(past.past_of(plan, replica, begin, origin))
    ]
    made += surroundings.families(plan, origin)
    if origin is not None:
        made += [_alert(labels, delay, origin) for labels, delay in INCIDENT_ALERTS]
    return made


def _alert(labels: dict[str, str], delay: float, origin: float) -> Family:
    begin, end = rhythm.incident_window(origin)

    def values(grid: Grid) -> Floats:
        fired = (grid.times >= begin + delay) & (grid.times <= end + ALERT_TAIL)
        return np.where(fired, 1.0, np.nan)[None, :]

    every = {"__name__": "ALERTS", "alertstate": "firing", "job": "synaptic", "service": "synaptic"}
    return model.gauges([{**every, **labels}], values)


def grids(begin: float, end: float, fine_step: float = FINE_STEP) -> list[Grid]:
    """The sample times between two moments; closer in the last days and around the incident."""
    incident = rhythm.incident_window(end)
    fine = [(end - FINE_DAYS * DAY, end), (incident[0] - INCIDENT_MARGIN, incident[1] + INCIDENT_MARGIN)]
    return model.schedule(begin, end, fine, COARSE_STEP, fine_step)


def backfill(plan: Plan, now: float | None = None, *, days: float = DAYS, fine_step: float = FINE_STEP) -> Filled:
    """Writes the last thirty days, or the gap since the newest sample. Prometheus must not run meanwhile.

    Args:
        plan: Whose data folder.
        now: Where history ends, seconds since 1970; the present by default.
        days: How far back it goes.
        fine_step: Seconds between samples where they are closest; must divide `COARSE_STEP`.

    Raises:
        demo.history.loader.LoadError: Prometheus is not installed, runs already, or refuses.
    """
    end = time.time() if now is None else now
    # Debian's Prometheus takes no lock on its folder: two on one would spoil it.
    with socket.socket() as probe:
        if probe.connect_ex((HOST, plan.prometheus_port)) == 0:
            raise loader.LoadError(f"Prometheus runs on port {plan.prometheus_port}: stop it before history is written")
    data = plan.home / "prometheus" / "data"
    loader.recover(data)
    with loader.Loader(data) as door:
        newest = door.newest()
        begin = max(newest, end - days * DAY)
        if end - begin < SHORTEST_GAP:
            return Filled(begin, end, 0, 0)
        everything = families(plan, begin, None if newest else end)
        names = [remote_write.labels(labels) for family in everything for labels in family.series]
        samples = 0
        # One day is computed while the day before is taken in.
        with ThreadPoolExecutor(max_workers=1) as one:
            under_way: list[Future[None]] = []
            for times, values in model.accumulate(everything, grids(begin, end, fine_step)):
                while under_way:
                    under_way.pop().result()
                under_way.append(one.submit(_write, door, names, times, values))
                samples += int(np.isfinite(values).sum())
            for last in under_way:
                last.result()
        door.finish()
    return Filled(begin, end, len(names), samples)


def _write(door: loader.Loader, names: list[bytes], times: Floats, values: Floats) -> None:
    stamps = np.round(times * 1000).astype(np.int64)
    at_once = max(1, SAMPLES_A_REQUEST // len(names))
    for first in range(0, len(stamps), at_once):
        door.write(names, stamps[first : first + at_once], values[:, first : first + at_once])
