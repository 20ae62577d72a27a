"""``logsearch``: lines, histogram and fields of a search through the collector, against the same requests sent bare."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

from benchmarks.measured import Benchmark, Figure, seconds
from benchmarks.page import send
from benchmarks.parts import installation
from collectors import registry
from collectors.log_query import EVERYTHING
from collectors.logs import LogSource, Question
from settings import Settings

ROUNDS = 9
STEP = 60
"""Seconds of a bucket: sixty bars for an hour."""


def measure() -> Mapping[str, float]:
    """Note what one cold search sends, then let both ways take turns."""
    with installation(1) as parts:
        end = datetime.now(UTC)
        question = Question(end - timedelta(hours=1), end, EVERYTHING)
        parts.requests()
        _search(parts.settings(counted=True), question)
        requests = parts.requests()
        settings = parts.settings(counted=False)
        ours, theirs, first = [], [], []
        for number in range(ROUNDS + 1):
            whole, lines = _search(settings, question)
            bare = seconds(lambda: asyncio.run(send(requests, parts, settings)))
            if number:  # the first round warms the store
                ours.append(whole)
                theirs.append(bare)
                first.append(lines / whole)
    took = statistics.median(ours)
    return {
        "times_bare": took / statistics.median(theirs),
        "first_lines_share": statistics.median(first),
        "requests": len(requests),
        "milliseconds": took * 1000,
    }


def _search(settings: Settings, question: Question) -> tuple[float, float]:
    """Seconds until everything is there, and until the first lines are; with connections of its own."""
    sources = registry.build(settings, "benchmark")
    logs: LogSource = sources.logs
    started = time.perf_counter()

    def timed(ask: Callable[[], object]) -> float:
        ask()
        return time.perf_counter() - started

    asks: list[Callable[[], object]] = [
        partial(logs.page, question, size=100),
        partial(logs.histogram, question, step=STEP),
        partial(logs.top_values, question, ["level"]),
    ]
    with ThreadPoolExecutor(len(asks)) as threads:
        lines, *others = threads.map(timed, asks)
    for collector in sources.configured():
        collector.close()
    return max(lines, *others), lines


BENCHMARK = Benchmark(
    "logsearch",
    "A search over the last hour, asked with nothing kept: the first hundred lines, the histogram by level and the top "
    "values of a field, side by side, as the page asks them.",
    {
        "times_bare": Figure(
            "Time until all three are there, by the time that the same HTTP requests take when httpx sends all of them "
            "at once and nobody looks at the answers. Both start without connections.",
            "<= 1.25",
        ),
        "first_lines_share": Figure("Time until the first lines are there, by the time until everything is.", "<= 1"),
        "requests": Figure("Requests that one cold search sends."),
        "milliseconds": Figure("Time until all three are there, on this machine."),
    },
    measure,
)
