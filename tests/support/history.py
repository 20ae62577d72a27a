"""Two days of Synaptic's metrics as an OpenMetrics file: sparse in the past, dense in the last hours.

Replicas ``a`` and ``b`` use the canonical names, replica ``c`` the doubled ones. ``b`` was away for an
hour (a gap), ``d`` appeared half a day ago and ``e`` disappeared a day ago. In a job of its own, ``renamed``,
one replica changed from the doubled names to the canonical ones an hour ago.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

DAYS = 2
SPARSE = 300
DENSE = 15
DENSE_SECONDS = 5 * 3600
CANONICAL = "synaptic_memory_operations"
DOUBLED = "synaptic_memory_synaptic_memory_operations"
RATE = {"a": 2.0, "b": 3.0, "c": 5.0, "d": 7.0, "e": 11.0}
"""Operations a second of each replica, the same at all times."""

BUCKETS = (0.01, 0.1, 1.0)
USERS = 40


@dataclass(frozen=True)
class History:
    """What was written.

    Attributes:
        start: Epoch seconds of the first sample.
        end: Epoch seconds of the last sample, on a multiple of 300 s.
        gap: First and last second in which replica ``b`` has no samples.
        appears: When ``d`` appears.
        disappears: When ``e`` disappears.
        renamed: When the replica of job ``renamed`` changes from the doubled names to the canonical ones.
    """

    start: int
    end: int

    @property
    def gap(self) -> tuple[int, int]:
        return self.start + 6 * 3600, self.start + 7 * 3600

    @property
    def appears(self) -> int:
        return self.end - 12 * 3600

    @property
    def disappears(self) -> int:
        return self.end - 24 * 3600

    @property
    def renamed(self) -> int:
        return self.end - 3600

    def living(self, pod: str) -> Callable[[int], bool]:
        """Whether a replica has samples at an instant."""
        if pod == "b":
            return lambda at: not self.gap[0] <= at <= self.gap[1]
        if pod == "d":
            return lambda at: at >= self.appears
        return (lambda at: at <= self.disappears) if pod == "e" else (lambda _: True)

    def times(self) -> Iterator[int]:
        dense = self.end - DENSE_SECONDS
        yield from range(self.start, dense, SPARSE)
        yield from range(dense, self.end + 1, DENSE)


def write(path: Path, now: float) -> History:
    """Write the file; the last sample is the newest multiple of 300 s before ``now``."""
    end = int(now) // SPARSE * SPARSE
    history = History(end - DAYS * 86400, end)
    times = list(history.times())
    lines: list[str] = []

    def family(name: str, kind: str, series: list[tuple[str, Callable[[int], bool], Callable[[int], float]]]) -> None:
        lines.append(f"# TYPE {name} {kind}")
        for labelled, lives, value in series:
            lines.extend(f"{labelled} {value(at - history.start)} {at}" for at in times if lives(at))

    def counter(name: str, pods: str, renamed: Callable[[int], bool]) -> None:
        labels = 'operation_type="store",memory_type="short_term",status="success"'
        series = [(_labelled(f"{name}_total", pod, labels), history.living(pod), _growing(RATE[pod])) for pod in pods]
        other_job = _labelled(f"{name}_total", "f", labels, job="renamed")
        family(name, "counter", [*series, (other_job, renamed, _growing(1.0))])

    counter(CANONICAL, "abde", lambda at: at >= history.renamed)
    counter(DOUBLED, "c", lambda at: at < history.renamed)
    family("up", "gauge", [(_labelled("up", pod), history.living(pod), lambda _: 1) for pod in RATE])
    latency = "synaptic_query_duration_seconds"
    shares = {**dict(zip(BUCKETS, (0.5, 0.9, 1.0), strict=True)), "+Inf": 1.0}
    buckets = {le: _labelled(f"{latency}_bucket", "a", f'query_type="search",le="{le}"') for le in shares}
    family(latency, "histogram", [(buckets[le], history.living("a"), _growing(share)) for le, share in shares.items()])
    users = [(i, _labelled("synaptic_active_sessions", f"user-{i:02}")) for i in range(USERS)]
    family("synaptic_active_sessions", "gauge", [(name, history.living("a"), lambda _, i=i: i) for i, name in users])
    lines.append("# EOF\n")
    path.write_text("\n".join(lines))
    return history


def _growing(rate: float) -> Callable[[int], float]:
    return lambda seconds: seconds * rate


def _labelled(name: str, pod: str, labels: str = "", job: str = "synaptic") -> str:
    common = f'job="{job}",pod="{pod}"'
    return f"{name}{{{common},{labels}}}" if labels else f"{name}{{{common}}}"
