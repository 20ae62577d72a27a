"""Every metric of the service as one table, and the registry that is built from it.

The names, labels and buckets are those that rust-synaptic registers, plus what the deployment guide
asks for on top. The history writer reads the same table through :func:`series_catalogue`, so that the
past and the live series have the same names and labels.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from demo.rhythm import MEMORY_TYPES

Kind = Literal["counter", "gauge", "histogram"]
LabelValues = tuple[str, ...]

OPERATION_TYPES = ("store", "read", "update", "delete")
QUERY_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
OPERATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 2.5)
STORAGE_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
SIZE_BUCKETS = (256.0, 1024.0, 4096.0, 16384.0, 65536.0)

# A search is counted under the page size that was asked for, not under what came back, so that one that
# failed has a class as well: up to 10 results is small.
SMALL_PAGE = 10


@dataclass(frozen=True)
class QueryType:
    """How one kind of search is counted.

    Attributes:
        complexity: Label ``complexity``.
        optimization_level: Label ``optimization_level``: what the database may use.
        pages: Page sizes, in results, that clients ask for.
    """

    complexity: str
    optimization_level: str
    pages: tuple[int, ...]


QUERY_TYPES: Mapping[str, QueryType] = {
    "full_text": QueryType("simple", "indexed", (10, 50)),
    "ranked": QueryType("moderate", "indexed", (10, 50)),
    "recent": QueryType("simple", "indexed", (50,)),
    "fuzzy": QueryType("complex", "none", (10,)),
}

# What :meth:`ServiceMetrics.failed` may be told: component, kind of error, severity.
ERROR_CLASSES: tuple[tuple[str, str, str], ...] = (
    ("memory", "internal", "high"),
    ("query", "internal", "high"),
    ("storage", "database", "high"),
    ("storage", "pool_timeout", "critical"),
    ("cache", "unavailable", "medium"),
)

VIOLATIONS: tuple[tuple[str, str, str], ...] = (
    ("brute_force", "high", "authentication"),
    ("unauthorized_access", "medium", "api"),
    ("bulk_export", "high", "api"),
)


def result_size(page: int) -> str:
    """The label ``result_size`` of a page of so many results."""
    return "small" if page <= SMALL_PAGE else "large"


@dataclass(frozen=True)
class Metric:
    """One metric and all label values that it has in normal life.

    Attributes:
        name: Name as rust-synaptic registers it.
        kind: Its Prometheus type.
        subsystem: What the crate puts, after the namespace, in front of the full name (see ``DOUBLED``).
        help: What it counts.
        labels: Names of its labels.
        series: Label values of each series, in the order of ``labels``.
        buckets: Upper bounds of a histogram's buckets without ``+Inf``.
    """

    name: str
    kind: Kind
    subsystem: str
    help: str
    labels: tuple[str, ...] = ()
    series: tuple[LabelValues, ...] = ((),)
    buckets: tuple[float, ...] = ()


METRICS: tuple[Metric, ...] = (
    Metric(
        "synaptic_memory_operations_total",
        "counter",
        "memory",
        "Operations on memories.",
        ("operation_type", "memory_type", "status"),
        tuple((o, m, s) for o in OPERATION_TYPES for m in MEMORY_TYPES for s in ("success", "error")),
    ),
    Metric(
        "synaptic_memory_operation_duration_seconds",
        "histogram",
        "memory",
        "Time of operations on memories.",
        ("operation_type", "memory_type"),
        tuple((o, m) for o in OPERATION_TYPES for m in MEMORY_TYPES),
        OPERATION_BUCKETS,
    ),
    Metric(
        "synaptic_memory_size_bytes",
        "histogram",
        "memory",
        "Size of written memories.",
        ("memory_type", "content_type"),
        tuple((m, "text") for m in MEMORY_TYPES),
        SIZE_BUCKETS,
    ),
    Metric(
        "synaptic_memory_nodes_total",
        "gauge",
        "memory",
        "Stored memories; every replica reports all of them.",
        ("memory_type", "status"),
        tuple((m, s) for m in MEMORY_TYPES for s in ("active", "deleted")),
    ),
    Metric(
        "synaptic_query_duration_seconds",
        "histogram",
        "query",
        "Time of searches.",
        ("query_type", "complexity", "result_size"),
        tuple((name, q.complexity, result_size(page)) for name, q in QUERY_TYPES.items() for page in q.pages),
        QUERY_BUCKETS,
    ),
    Metric(
        "synaptic_query_operations_total",
        "counter",
        "query",
        "Searches.",
        ("query_type", "status", "optimization_level"),
        tuple((name, s, q.optimization_level) for name, q in QUERY_TYPES.items() for s in ("success", "error")),
    ),
    Metric(
        "synaptic_cache_operations_total",
        "counter",
        "cache",
        "Operations on the cache.",
        ("operation_type", "cache_type", "result"),
        (
            ("get", "memory", "hit"),
            ("get", "memory", "miss"),
            ("get", "memory", "error"),
            ("set", "memory", "success"),
            ("delete", "memory", "success"),
            ("get", "session", "hit"),
            ("get", "session", "miss"),
            ("set", "session", "success"),
            ("delete", "session", "success"),
        ),
    ),
    Metric(
        "synaptic_cache_hit_ratio",
        "gauge",
        "cache",
        "Share of look-ups that the cache answered.",
        ("cache_type", "time_window"),
        (("memory", "5m"), ("memory", "1h")),
    ),
    Metric("synaptic_system_memory_usage_bytes", "gauge", "system", "Resident memory of the process."),
    Metric("synaptic_system_cpu_usage_percent", "gauge", "system", "CPU of the process, percent of one core."),
    Metric("synaptic_active_connections", "gauge", "system", "Open client connections."),
    Metric(
        "synaptic_error_rate",
        "gauge",
        "system",
        "Errors an hour, from those of the last five minutes.",
        ("component", "error_type", "severity"),
        ERROR_CLASSES,
    ),
    Metric(
        "synaptic_storage_operations_total",
        "counter",
        "storage",
        "Statements sent to the storage.",
        ("operation_type", "storage_backend", "status"),
        tuple((o, "postgresql", s) for o in ("read", "write", "search") for s in ("success", "error")),
    ),
    Metric(
        "synaptic_storage_operation_duration_seconds",
        "histogram",
        "storage",
        "Time of statements, with the wait for a connection.",
        ("operation_type", "storage_backend"),
        tuple((o, "postgresql") for o in ("read", "write", "search")),
        STORAGE_BUCKETS,
    ),
    Metric(
        "synaptic_storage_size_bytes",
        "gauge",
        "storage",
        "Size of stored data; every replica reports all of it.",
        ("storage_backend", "data_type"),
        (("postgresql", "memories"), ("postgresql", "indexes"), ("redis", "cache")),
    ),
    Metric(
        "synaptic_vector_search_duration_seconds",
        "histogram",
        "vector",
        "Time of similarity searches over the working set.",
        ("search_type", "index_type", "result_count"),
        (("cosine", "flat", "10"),),
        QUERY_BUCKETS,
    ),
    Metric(
        "synaptic_authentication_attempts_total",
        "counter",
        "security",
        "Attempts to sign in and bearers shown.",
        ("method", "status", "user_type"),
        (
            ("password", "success", "user"),
            ("password", "failure", "user"),
            ("token", "success", "admin"),
            ("token", "failure", "admin"),
            ("jwt", "success", "admin"),
            ("jwt", "failure", "admin"),
        ),
    ),
    Metric(
        "synaptic_authorization_checks_total",
        "counter",
        "security",
        "Checks of rights.",
        ("resource_type", "action", "status"),
        (
            *(("memory", action, s) for action in ("read", "write", "export") for s in ("granted", "denied")),
            ("admin", "execute", "granted"),
            ("admin", "execute", "denied"),
        ),
    ),
    Metric(
        "synaptic_security_violations_total",
        "counter",
        "security",
        "Lock-outs, users who were refused again and again, exports out of the ordinary.",
        ("violation_type", "severity", "source"),
        VIOLATIONS,
    ),
    Metric("synaptic_active_sessions", "gauge", "system", "Signed-in users; every replica reports all of them."),
    Metric(
        "synaptic_db_pool_connections",
        "gauge",
        "storage",
        "Connections of the pool by state; waiting are requests that got none yet.",
        ("state",),
        (("idle",), ("in_use",), ("waiting",), ("max",)),
    ),
    Metric("synaptic_gc_runs_total", "counter", "system", "Runs of the garbage collection."),
    Metric("synaptic_gc_freed_bytes_total", "counter", "system", "Memory that the garbage collection gave back."),
    Metric(
        "synaptic_consolidation_last_success_timestamp_seconds",
        "gauge",
        "system",
        "When memories were last consolidated, by any replica.",
    ),
    Metric(
        "synaptic_backup_last_success_timestamp_seconds",
        "gauge",
        "system",
        "When a backup last succeeded, by any replica.",
    ),
    Metric("synaptic_build_info", "gauge", "system", "The version that runs; always 1.", ("version",), ()),
)

# The crate sets a namespace and a subsystem on top of names that are full already. One replica of the
# demo shows these names instead of the plain ones; a histogram's parts follow its name.
DOUBLED: Mapping[str, str] = {metric.name: f"synaptic_{metric.subsystem}_{metric.name}" for metric in METRICS}

# What the client library adds about the process; these names are standard and never doubled.
PROCESS_METRICS: tuple[tuple[str, Kind], ...] = (
    ("process_virtual_memory_bytes", "gauge"),
    ("process_resident_memory_bytes", "gauge"),
    ("process_start_time_seconds", "gauge"),
    ("process_cpu_seconds_total", "counter"),
    ("process_open_fds", "gauge"),
    ("process_max_fds", "gauge"),
)


@dataclass(frozen=True)
class Series:
    """One series as the service exposes it (a histogram: its family of bucket, sum and count series).

    Attributes:
        name: Exposed name, doubled where asked for.
        plain_name: The name before doubling.
        kind: Its Prometheus type.
        labels: Label names and values, without those that a scrape adds.
        buckets: Upper bounds of a histogram's buckets without ``+Inf``.
    """

    name: str
    plain_name: str
    kind: Kind
    labels: Mapping[str, str]
    buckets: tuple[float, ...] = ()


def series_catalogue(version: str, *, doubled: bool = False) -> tuple[Series, ...]:
    """Everything that a replica exposes in normal life.

    Args:
        version: Label of ``synaptic_build_info``.
        doubled: Whether the replica uses the doubled names.
    """
    own = (
        Series(
            name=DOUBLED[metric.name] if doubled else metric.name,
            plain_name=metric.name,
            kind=metric.kind,
            labels=dict(zip(metric.labels, values, strict=True)),
            buckets=metric.buckets,
        )
        for metric in METRICS
        for values in (((version,),) if metric.name == "synaptic_build_info" else metric.series)
    )
    return (*own, *(Series(name, name, kind, {}) for name, kind in PROCESS_METRICS))


class ServiceMetrics:
    """The registry of one replica; all series of the catalogue exist from the start.

    Args:
        version: Version of the service, exposed as ``synaptic_build_info``.
        doubled: Whether to expose the doubled names.
    """

    def __init__(self, version: str, *, doubled: bool = False) -> None:
        # Without this every counter and histogram gets a second series with the time of its creation.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        for metric in METRICS:
            self._register(metric, DOUBLED[metric.name] if doubled else metric.name)
        ProcessCollector(registry=self.registry)
        self.set("synaptic_build_info", 1.0, version)
        self._errors: dict[tuple[str, str, str], deque[float]] = {one: deque(maxlen=10_000) for one in ERROR_CLASSES}
        # Hits and misses, one pair of numbers a minute.
        self._lookups: deque[tuple[int, int, int]] = deque(maxlen=60)
        self._cpu = (time.monotonic(), time.process_time())

    def _register(self, metric: Metric, name: str) -> None:
        counter: Counter | Gauge | Histogram
        if metric.kind == "counter":
            counter = self._counters[metric.name] = Counter(name, metric.help, metric.labels, registry=self.registry)
        elif metric.kind == "gauge":
            counter = self._gauges[metric.name] = Gauge(name, metric.help, metric.labels, registry=self.registry)
        else:
            counter = self._histograms[metric.name] = Histogram(
                name, metric.help, metric.labels, buckets=metric.buckets, registry=self.registry
            )
        if metric.labels:
            for values in metric.series:
                counter.labels(*values)

    def count(self, name: str, *labels: str, by: float = 1.0) -> None:
        """Add to a counter, named by its plain name."""
        counter = self._counters[name]
        (counter.labels(*labels) if labels else counter).inc(by)

    def set(self, name: str, value: float, *labels: str) -> None:
        """Set a gauge, named by its plain name."""
        gauge = self._gauges[name]
        (gauge.labels(*labels) if labels else gauge).set(value)

    def observe(self, name: str, value: float, *labels: str) -> None:
        """Put a value into a histogram, named by its plain name."""
        histogram = self._histograms[name]
        (histogram.labels(*labels) if labels else histogram).observe(value)

    def failed(self, component: str, error_type: str, severity: str) -> None:
        """Note an error for ``synaptic_error_rate``; the three must be one of ``ERROR_CLASSES``."""
        self._errors[component, error_type, severity].append(time.monotonic())

    def looked_up(self, hit: bool) -> None:
        """Note a look-up of a memory in the cache, for the counter and for ``synaptic_cache_hit_ratio``."""
        self.count("synaptic_cache_operations_total", "get", "memory", "hit" if hit else "miss")
        minute = int(time.monotonic() // 60)
        if not self._lookups or self._lookups[-1][0] != minute:
            self._lookups.append((minute, 0, 0))
        _, hits, misses = self._lookups[-1]
        self._lookups[-1] = (minute, hits + hit, misses + (not hit))

    def refresh_process_gauges(self) -> None:
        """Compute the gauges that need nothing but this process: memory, CPU, error rates, hit ratios."""
        now, used = time.monotonic(), time.process_time()
        then, used_then = self._cpu
        # A shorter stretch than this is noise: keep the last value.
        if now - then > 1.0:
            self.set("synaptic_system_cpu_usage_percent", 100.0 * (used - used_then) / (now - then))
            self._cpu = (now, used)
        self.set("synaptic_system_memory_usage_bytes", float(resident_bytes()))
        for labels, moments in self._errors.items():
            while moments and moments[0] < now - 300:
                moments.popleft()
            self.set("synaptic_error_rate", 12.0 * len(moments), *labels)
        for window, minutes in (("5m", 5), ("1h", 60)):
            recent = [pair for pair in self._lookups if pair[0] > now // 60 - minutes]
            hits, all_of_them = sum(pair[1] for pair in recent), sum(pair[1] + pair[2] for pair in recent)
            if all_of_them:
                self.set("synaptic_cache_hit_ratio", hits / all_of_them, "memory", window)

    def exposition(self) -> bytes:
        """All series in Prometheus' text format."""
        self.refresh_process_gauges()
        return generate_latest(self.registry)


def resident_bytes() -> int:
    """Resident memory of this process in bytes (second field of ``/proc/self/statm``, in pages)."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
