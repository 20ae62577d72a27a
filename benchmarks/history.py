"""A past of Synaptic for a real Prometheus: three replicas, some three hundred series, a deploy and a restart.

Old samples are five minutes apart, those of the last hours fifteen seconds. Files are OpenMetrics text, one a
day: promtool reads the whole of a file again for every block that it makes of it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DAY = 86_400
SPARSE = 300
DENSE = 15
DENSE_SECONDS = 2 * 3600
PODS = ("synaptic-a", "synaptic-b", "synaptic-c")
VERSIONS = ("1.8.1", "1.8.2")
DEPLOY_SECONDS = 40 * 60
"""How long before the end the last version came."""

BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
MIB = 1024.0 * 1024.0


@dataclass(frozen=True)
class Line:
    """One series.

    Attributes:
        name: Name of its metric, with the suffix of its part.
        labels: Its labels as they stand between the braces.
        level: Mean of a gauge; events a second of a counter.
        counter: Whether it counts.
        before_end: Whether its value is a time, ``level`` seconds before the end.
        swing: Share of the level by which the hour of the day moves it.
        begins: Seconds before the end at which it appears; ``None`` where it was always there.
        ends: Seconds before the end at which it disappears; ``None`` where it is still there.
    """

    name: str
    labels: str
    level: float
    counter: bool = False
    before_end: bool = False
    swing: float = 0.3
    begins: int | None = None
    ends: int | None = None


def lines() -> list[Line]:
    """All series, those of one metric one after the other."""
    found = [line for pod in PODS for line in _replica(f'job="synaptic",pod="{pod}"')]
    fired = 'alertname="SynapticSearchSlow",severity="warning",alertstate="firing"'
    found.append(Line("ALERTS", fired, 1.0, swing=0.0, begins=30 * 60, ends=22 * 60))
    return sorted(found, key=lambda line: line.name)


def write(
    folder: Path, end: float, days: int, series: Sequence[Line] | None = None, spacing: int = SPARSE
) -> list[Path]:
    """Write the past up to ``end`` as one file a day, and return the files.

    Args:
        folder: Where the files go.
        end: Epoch seconds of the newest sample, rounded down to ``DENSE``.
        days: How far back it goes.
        series: Other series than :func:`lines`.
        spacing: Seconds between two old samples.
    """
    last = int(end) // DENSE * DENSE
    first = (last - days * DAY) // spacing * spacing
    dense = last - DENSE_SECONDS
    times = np.concatenate([np.arange(first, dense, spacing), np.arange(dense, last + 1, DENSE)])
    series = lines() if series is None else series
    files = []
    for day in range(first // DAY, last // DAY + 1):
        chosen = times[(times >= day * DAY) & (times < (day + 1) * DAY)]
        if chosen.size:
            path = folder / f"{day}.txt"
            path.write_text("\n".join([*_day(series, chosen, first, last), "# EOF\n"]))
            files.append(path)
    return files


def load(files: Sequence[Path], data: Path) -> None:
    """Make blocks of the files in Prometheus' data folder, two files at a time.

    Raises:
        RuntimeError: promtool is not there, or refused a file.
    """
    promtool = shutil.which("promtool")
    if promtool is None:
        raise RuntimeError("promtool is not installed; it comes with Debian's package prometheus")

    def make(path: Path) -> None:
        command = [promtool, "tsdb", "create-blocks-from", "--max-block-duration=24h", "openmetrics"]
        done = subprocess.run([*command, str(path), str(data)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"promtool refused {path.name}: {done.stderr.strip()[:300]}")

    with ThreadPoolExecutor(max_workers=2) as threads:
        list(threads.map(make, files))


def _day(series: Sequence[Line], times: NDArray[np.int64], first: int, last: int) -> Iterator[str]:
    stamps = times.tolist()
    named = ""
    for seed, line in enumerate(series):
        base = line.name.removesuffix("_total").removesuffix("_bucket").removesuffix("_count").removesuffix("_sum")
        if base != named:
            named = base
            yield f"# TYPE {base} unknown"
        values = _values(line, times, first, seed) if not line.before_end else np.full(len(times), last - line.level)
        name = f"{line.name}{{{line.labels}}}"
        since = last - line.begins if line.begins is not None else first
        until = last - line.ends if line.ends is not None else last
        for value, time in zip(values.tolist(), stamps, strict=True):
            if since <= time <= until:
                yield f"{name} {value:.10g} {time}"


def _values(line: Line, times: NDArray[np.int64], first: int, seed: int) -> Floats:
    elapsed = (times - first).astype(float)
    turn = 2 * np.pi / DAY
    if line.counter:
        # The integral of a rate that swings with the hour, so that a counter never falls.
        return np.asarray(line.level * (elapsed + line.swing / turn * (1 - np.cos(turn * elapsed))))
    noise = np.sin(elapsed / 97.0 + seed) * 0.03
    return np.asarray(line.level * (1 + line.swing * np.sin(turn * elapsed) + noise * (line.swing > 0)))


def _replica(own: str) -> Iterator[Line]:
    yield Line("up", own, 1.0, swing=0.0)
    yield from _deployed(own)
    for operation, rate in (("store", 4.0), ("retrieve", 20.0), ("update", 2.0), ("delete", 0.3)):
        for memory_type in ("short_term", "long_term"):
            for status, share in (("success", 0.998), ("error", 0.002)):
                labels = f'{own},operation_type="{operation}",memory_type="{memory_type}",status="{status}"'
                yield Line("synaptic_memory_operations_total", labels, rate * share / 2, counter=True)
    for query_type, rate in (("semantic", 6.0), ("keyword", 3.0)):
        for status, share in (("success", 0.999), ("error", 0.001)):
            labels = f'{own},query_type="{query_type}",status="{status}",optimization_level="standard"'
            yield Line("synaptic_query_operations_total", labels, rate * share, counter=True)
        labels = f'{own},query_type="{query_type}",complexity="simple",result_size="small"'
        yield from _histogram("synaptic_query_duration_seconds", labels, rate, 0.04)
    for backend in ("postgresql", "redis"):
        labels = f'{own},operation_type="read",storage_backend="{backend}"'
        yield from _histogram("synaptic_storage_operation_duration_seconds", labels, 15.0, 0.008)
    for result, rate in (("hit", 18.0), ("miss", 4.0)):
        labels = f'{own},operation_type="get",cache_type="memory",result="{result}"'
        yield Line("synaptic_cache_operations_total", labels, rate, counter=True)
    yield Line("synaptic_system_memory_usage_bytes", own, 420 * MIB, swing=0.1)
    yield Line("synaptic_system_cpu_usage_percent", own, 22.0)
    yield Line("synaptic_active_sessions", own, 310.0)
    for state, number in (("idle", 12.0), ("in_use", 7.0), ("waiting", 0.0), ("max", 20.0)):
        yield Line("synaptic_db_pool_connections", f'{own},state="{state}"', number, swing=0.0)
    for status, rate in (("success", 0.2), ("failure", 0.004)):
        labels = f'{own},method="password",status="{status}",user_type="user"'
        yield Line("synaptic_authentication_attempts_total", labels, rate, counter=True)
    for violation in ("rate_limit", "invalid_token", "injection"):
        labels = f'{own},violation_type="{violation}",severity="low",source="api"'
        yield Line("synaptic_security_violations_total", labels, 0.0005, counter=True)
    yield Line("synaptic_gc_freed_bytes_total", own, 0.4 * MIB, counter=True)
    yield Line("synaptic_gc_runs_total", own, 0.01, counter=True)


def _deployed(own: str) -> Iterator[Line]:
    old, new = VERSIONS
    yield Line("synaptic_build_info", f'{own},version="{old}"', 1.0, swing=0.0, ends=DEPLOY_SECONDS)
    yield Line("synaptic_build_info", f'{own},version="{new}"', 1.0, swing=0.0, begins=DEPLOY_SECONDS - DENSE)
    start = "process_start_time_seconds"
    yield Line(start, own, 20 * DAY, before_end=True, ends=DEPLOY_SECONDS)
    yield Line(start, own, DEPLOY_SECONDS, before_end=True, begins=DEPLOY_SECONDS - DENSE)


def _histogram(name: str, labels: str, rate: float, mean: float) -> Iterator[Line]:
    """A histogram of exponentially distributed times."""
    for bound in BUCKETS:
        share = 1 - float(np.exp(-bound / mean))
        yield Line(f"{name}_bucket", f'{labels},le="{bound}"', rate * share, counter=True)
    yield Line(f"{name}_bucket", f'{labels},le="+Inf"', rate, counter=True)
    yield Line(f"{name}_count", labels, rate, counter=True)
    yield Line(f"{name}_sum", labels, rate * mean, counter=True)
