"""``viewers``: fifty people open the same page."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

from benchmarks import visits
from benchmarks.measured import Benchmark, Figure
from benchmarks.parts import installation
from settings import Limits
from ui.window import Window

DAYS = 8
VIEWERS = 50


def measure() -> Mapping[str, float]:
    """Count what one viewer's page sends, then what fifty send at the same time, each with all of its panels."""
    # Fifty pages take longer here than an answer stays fresh, and what is asked anew then would be asked for one too.
    limits = Limits(deadline=60, answer_ttl=600)
    with installation(DAYS) as parts:
        settings = parts.settings(counted=True, limits=limits)
        now = datetime.now(UTC)
        one = visits.visit(settings, Window("1h"), now)
        one.load()
        one.close()
        alone = len(parts.requests())
        first = visits.visit(settings, Window("1h"), now)
        with ThreadPoolExecutor(max_workers=VIEWERS) as threads:
            for done in [threads.submit(replace(first).load) for _ in range(VIEWERS)]:
                done.result()
        first.close()
        together = len(parts.requests())
    return {"times_one_viewer": together / alone, "requests_of_one": alone, "requests_of_all": together}


BENCHMARK = Benchmark(
    "viewers",
    f"{VIEWERS} viewers open Overview at the same moment, with nothing kept.",
    {
        "times_one_viewer": Figure(
            f"Requests that reach the sources when {VIEWERS} viewers load all panels, by those of one viewer.", "<= 1.1"
        ),
        "requests_of_one": Figure("Requests of one viewer."),
        "requests_of_all": Figure(f"Requests of all {VIEWERS} together."),
    },
    measure,
)
