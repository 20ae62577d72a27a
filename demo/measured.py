"""How fast the reference service is on this machine: ``python -m demo.measured``, a task of the first start.

The written history takes its latencies from here, so that charts show no step where live data begins: the same
operation takes two or three times as long on one machine as on another.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from demo import rhythm
from demo.load import Load
from demo.plan import HOST, Plan
from demo.rhythm import Latency

COUNTS: Mapping[str, int] = {
    "login": 8, "full_text": 60, "ranked": 40, "recent": 40, "store": 40, "read": 60, "update": 40,
    "similar": 40, "fuzzy": 6, "delete": 10,
}  # fmt: skip
"""How often each operation is done, in this order: those that need sessions and known memories come after them."""

METRICS: Mapping[str, tuple[str, str]] = {
    **{name: ("synaptic_query_duration_seconds", name) for name in rhythm.SEARCHES},
    **{name: ("synaptic_memory_operation_duration_seconds", name) for name in ("read", "store", "update", "delete")},
    "similar": ("synaptic_vector_search_duration_seconds", ""),
}
"""The histogram that has an operation's time, and the value of its first label; all label values where empty."""


def latencies(plan: Plan) -> Mapping[str, Latency]:
    """The latencies of quiet hours by operation: as measured on this machine, else those of :mod:`demo.rhythm`."""
    try:
        medians = json.loads(_file(plan).read_text())
    except FileNotFoundError:
        return rhythm.LATENCIES
    return {
        name: replace(latency, median_seconds=float(medians.get(name, latency.median_seconds)))
        for name, latency in rhythm.LATENCIES.items()
    }


async def measure(plan: Plan) -> dict[str, float]:
    """Do each operation some times, one after the other, and read off the service's own histograms what they took.

    Returns:
        Median seconds by operation, of the log-normal distribution that has the measured mean.

    Raises:
        httpx.HTTPError: The first replica does not answer.
    """
    load = Load(plan, port=plan.replicas[0].http_port)
    measured: dict[str, float] = {}
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{plan.replicas[0].metrics_port}") as client:
        for name, count in COUNTS.items():
            # The first few find cold caches and unprepared statements.
            for _ in range(max(2, count // 10)):
                await load.perform(name)
            before = await _totals(client, name)
            for _ in range(count):
                await load.perform(name)
            after = await _totals(client, name)
            done = after[1] - before[1]
            if done > 0:
                sigma = rhythm.LATENCIES[name].sigma
                measured[name] = (after[0] - before[0]) / done / math.exp(sigma**2 / 2)
    await load.close()
    return measured


async def _totals(client: httpx.AsyncClient, name: str) -> tuple[float, float]:
    """Sum in seconds and number of what an operation's histogram has counted."""
    if name not in METRICS:
        return 0.0, 0.0
    metric, wanted = METRICS[name]
    answer = await client.get("/metrics")
    answer.raise_for_status()
    total, count = 0.0, 0.0
    for family in text_string_to_metric_families(answer.text):
        if family.name != metric:
            continue
        for sample in family.samples:
            if wanted and wanted not in sample.labels.values():
                continue
            total += sample.value if sample.name.endswith("_sum") else 0.0
            count += sample.value if sample.name.endswith("_count") else 0.0
    return total, count


def _file(plan: Plan) -> Path:
    return plan.run / "latencies.json"


def main() -> None:
    """Measure where nothing is measured yet, and say what came out."""
    plan = Plan.from_environment()
    if _file(plan).exists():
        print("measured before")
        return
    medians = asyncio.run(measure(plan))
    _file(plan).write_text(json.dumps(medians))
    print(", ".join(f"{name} {seconds * 1000:.1f} ms" for name, seconds in medians.items()))


if __name__ == "__main__":
    main()
