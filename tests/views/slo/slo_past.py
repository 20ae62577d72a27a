"""Eight days of searches for a real Prometheus, with everything that makes sums hard: a counter that begins anew, a
gap, failures that appear for the first time, doubled names, an hour without traffic, and an outage.

Samples are 20 s apart and 7 s beside the grid, as scrapes are. All numbers of events are known, so that figures can
be checked against what really was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MINUTE, HOUR, DAY = 60, 3600, 86400
SCRAPE = 20
BESIDE = 7
DAYS = 8
BOUNDS = ("0.1", "0.25", "0.5", "1.0", "+Inf")
SHARES = {"0.1": 0.6, "0.25": 0.9, "0.5": 0.98, "1.0": 1.0, "+Inf": 1.0}
"""How many of the searches end within each bound."""


@dataclass(frozen=True)
class Past:
    """What was written.

    Attributes:
        end: Epoch seconds of a whole hour just after the last sample; it lies on the grid of every step.
    """

    end: int

    @property
    def start(self) -> int:
        """Epoch seconds of the first sample."""
        return self.end - DAYS * DAY

    @property
    def restart(self) -> int:
        """When replica ``a`` began to count anew."""
        return self.end - 3 * DAY

    @property
    def gap(self) -> tuple[int, int]:
        """First and last second in which nobody has samples."""
        return self.end - 2 * DAY, self.end - 2 * DAY + HOUR

    @property
    def silence(self) -> tuple[int, int]:
        """First and last second in which nobody searched; the replicas were there."""
        return self.end - 4 * DAY, self.end - 4 * DAY + HOUR

    @property
    def outage(self) -> tuple[int, int]:
        """First and last second in which three of ten searches failed."""
        return self.end - DAY, self.end - DAY + 40 * MINUTE

    def searches(self, pod: str, at: int) -> float:
        """Searches that a replica answered between the scrape at an instant and the one before."""
        if self.silence[0] < at <= self.silence[1]:
            return 0.0
        return {"a": 100.0, "b": 70.0}[pod] + (at // HOUR) % 24 * 2

    def failures(self, pod: str, at: int) -> float:
        """Those of them that failed."""
        share = 0.3 if self.outage[0] < at <= self.outage[1] else 0.001
        return self.searches(pod, at) * share

    def really(self, what: Callable[[str, int], float], start: int, end: int) -> float:
        """Events between two instants, whether or not anybody measured them."""
        return sum(what(pod, at) for pod in "ab" for at in scrapes(start, end))

    def unmeasured(self, what: Callable[[str, int], float]) -> float:
        """Events in the gap, from the last sample before to the first one after."""
        return self.really(what, self.gap[0] - SCRAPE, self.gap[1] + SCRAPE)


def scrapes(start: int, end: int) -> range:
    """The instants of the scrapes after ``start`` up to ``end``."""
    first = (start - BESIDE) // SCRAPE * SCRAPE + BESIDE + SCRAPE
    return range(first, end + 1, SCRAPE)


def write(path: Path, now: float) -> Past:
    """Write the file; it ends with the newest whole hour before ``now``."""
    past = Past(int(now) // HOUR * HOUR)
    lines: list[str] = []

    def family(name: str, kind: str, series: list[tuple[str, str, Callable[[str, int], float], bool]]) -> None:
        lines.append(f"# TYPE {name} {kind}")
        for labelled, pod, what, always in series:
            value = 0.0
            for at in scrapes(past.start, past.end):
                if pod == "a" and past.restart < at <= past.restart + SCRAPE:
                    value = 0.0
                exists = always or at > past.outage[0]
                value += what(pod, at) if exists else 0.0
                if exists and not past.gap[0] <= at <= past.gap[1]:
                    lines.append(f"{labelled} {value:.6f} {at}")

    def successes(pod: str, at: int) -> float:
        return past.searches(pod, at) - past.failures(pod, at)

    for name, pod in (("synaptic_query_operations", "a"), ("synaptic_query_synaptic_query_operations", "b")):
        labels = f'job="synaptic",pod="{pod}",query_type="ranked"'
        family(
            name,
            "counter",
            [
                (f'{name}_total{{{labels},status="success"}}', pod, successes, True),
                (f'{name}_total{{{labels},status="error"}}', pod, past.failures, True),
            ],
        )
    for name, pod in (
        ("synaptic_query_duration_seconds", "a"),
        ("synaptic_query_synaptic_query_duration_seconds", "b"),
    ):
        family(
            name,
            "histogram",
            [
                (
                    f'{name}_bucket{{job="synaptic",pod="{pod}",query_type="ranked",le="{bound}"}}',
                    pod,
                    lambda pod, at, share=SHARES[bound]: past.searches(pod, at) * share,
                    True,
                )
                for bound in BOUNDS
            ],
        )
    # A kind of operation that fails for the first time during the outage: its counter appears with the failure.
    name = "synaptic_memory_operations"
    labels = 'job="synaptic",pod="a",operation_type="read",memory_type="short_term"'
    family(
        name,
        "counter",
        [
            (f'{name}_total{{{labels},status="success"}}', "a", past.searches, True),
            (f'{name}_total{{{labels},status="error"}}', "a", past.failures, False),
        ],
    )
    family("up", "gauge", [(f'up{{job="synaptic",pod="{pod}"}}', "", lambda _, at: 0.0, True) for pod in "ab"])
    lines.append("# EOF\n")
    path.write_text("\n".join(lines))
    return past
