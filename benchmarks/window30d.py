"""``window30d``: a window of thirty days is opened again a minute later."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from benchmarks import visits
from benchmarks.measured import Benchmark, Figure
from benchmarks.page import send
from benchmarks.parts import Installation, Request, installation
from settings import Limits, Settings
from ui.window import Window

DAYS = 31
MINUTE = timedelta(minutes=1)
MOMENTS = 12
"""The share depends on how much of the newest chunk is past, so it is taken at several moments of two days."""


def measure() -> Mapping[str, float]:
    """Open, let a minute pass, open again; at several moments, of which the worst counts."""
    # Answers that are fresh would not be asked at all: without them, only the chunks of the past save anything.
    limits = Limits(deadline=60, answer_ttl=0.001)
    shares = []
    with installation(DAYS) as parts:
        settings = parts.settings(counted=True, limits=limits)
        for moment in range(MOMENTS):
            now = datetime.fromtimestamp(parts.end, UTC) - moment * timedelta(hours=4)
            first = visits.visit(settings, Window("30d"), now)
            first.load()
            opened = _samples(parts.requests(), parts, settings)
            # The same collectors, a minute later.
            again = visits.Visit(first.sources, first.panels, Window("30d").span(now + MINUTE, limits), first.seconds)
            again.load()
            shares.append(_samples(parts.requests(), parts, settings) / opened)
            first.close()
    return {"share_fetched": max(shares), "mean_share_fetched": sum(shares) / len(shares), "samples": opened}


def _samples(requests: Sequence[Request], parts: Installation, settings: Settings) -> int:
    """How many samples the answers to these requests hold: they are sent once more, and counted."""
    asked = [request for request in requests if request.path.startswith(("/api/v1/query",))]
    number = 0
    for body in asyncio.run(send(asked, parts, settings)):
        for series in json.loads(body)["data"]["result"]:
            number += len(series.get("values", [series.get("value")]))
    return number


BENCHMARK = Benchmark(
    "window30d",
    "Overview over thirty days, opened twice with a minute between (the clock is moved, nobody waits).",
    {
        "share_fetched": Figure(
            "Samples that Prometheus sends for all panels at the second opening, by those at the first; the worst of "
            f"{MOMENTS} moments spread over two days.",
            "<= 0.05",
        ),
        "mean_share_fetched": Figure("The same, on average over these moments."),
        "samples": Figure("Samples at the first opening."),
    },
    measure,
)
