"""The series of one replica of Synaptic, as its rhythm says they were.

Names and labels come from the service's own catalogue, rates and times from `demo.rhythm`; this module says which of
them belong together. A metric of the catalogue that nobody describes here is a mistake, not a gap in the charts.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Mapping

import numpy as np

from demo import rhythm
from demo.history import model
from demo.history.model import DAY, Family, Floats, Grid, Rate
from demo.history.past import Past, busyness, cache_bytes, growth, hit_ratio
from demo.plan import HOST, Replica
from demo.synaptic.metrics import QUERY_TYPES, Series, result_size, series_catalogue

MIB = 1024.0 * 1024.0
HOUR = 3600.0

# What the installation holds when history ends; the seed writes so many.
MEMORIES = 200_000
DELETED_SHARE = 0.02
MEMORY_BYTES_STORED = 239.0  # of a row with its share of the page
INDEX_BYTES_STORED = 207.0

# What a replica of the reference service uses on the machine it was built on.
RESIDENT_BYTES = 62 * MIB
RESIDENT_GROWTH_BYTES_PER_DAY = 1.2 * MIB  # since its process started: fragmentation, not a leak
WORKING_SET_BYTES = 18 * MIB  # what it holds when it is full, and frees
GC_SECONDS = 4_500.0  # in which the working set fills
VIRTUAL_BYTES = 381 * MIB
CPU_SECONDS_PER_REQUEST = 0.0045
POOL_MINIMUM, POOL_MAXIMUM = 5, 20

REFUSED_WRITES_SHARE = 0.0075  # guests may only read, and some try to write

BACKUP_SECONDS = 6 * HOUR
BACKUP_MINUTE = 7 * 60.0
BACKUP_RUN_SECONDS = 95.0
CONSOLIDATION_SECONDS = HOUR
CONSOLIDATION_MINUTE = 4 * 60.0
CONSOLIDATION_RUN_SECONDS = 120.0


def scrape_labels(replica: Replica) -> dict[str, str]:
    """What Prometheus adds to each series of a replica."""
    return {"job": "synaptic", "instance": f"{HOST}:{replica.metrics_port}", "pod": replica.pod}


def families(past: Past) -> list[Family]:
    """All series of a replica.

    Raises:
        KeyError: The service's catalogue has a metric that is not described here.
    """
    added = scrape_labels(past.replica)
    described = DESCRIPTIONS
    made = []
    for series in series_catalogue(past.versions[0][1], doubled=past.replica.doubled_names):
        if series.plain_name != "synaptic_build_info":
            made.append(described[series.plain_name](past, series, {**added, **series.labels, "__name__": series.name}))
        else:
            made += [_build_info(past, {**added, "__name__": series.name}, version) for version in _versions(past)]
    return made


def _versions(past: Past) -> list[str]:
    return sorted({version for _, version in past.versions})


def _build_info(past: Past, labels: dict[str, str], version: str) -> Family:
    return model.gauges([{**labels, "version": version}], lambda grid: past.ran(grid, version)[None, :])


# What follows: for each metric a function from (past, series of the catalogue, its full labels) to a family.

Describe = Callable[[Past, Series, dict[str, str]], Family]


def _events(rate: Callable[[Past, Mapping[str, str]], Rate]) -> Describe:
    return lambda past, series, labels: model.events(labels, rate(past, series.labels), past.starts)


def _flow(rate: Callable[[Past], Rate]) -> Describe:
    return lambda past, _, labels: model.flow(labels, rate(past), past.starts)


def _gauge(value: Callable[[Past, Mapping[str, str], Grid], Floats]) -> Describe:
    return lambda past, series, labels: model.gauges([labels], lambda grid: value(past, series.labels, grid))


def _timer(what: Callable[[Past, Mapping[str, str]], tuple[Rate, Rate, float]]) -> Describe:
    """A histogram, from its rate, median and spread."""

    def describe(past: Past, series: Series, labels: dict[str, str]) -> Family:
        rate, median, spread = what(past, series.labels)
        plain = {name: value for name, value in labels.items() if name != "__name__"}
        return model.histogram(plain, series.name, series.buckets, rate, median, spread, past.starts)

    return describe


def _sum(*rates: Rate) -> Rate:
    return lambda grid: np.add.reduce([rate(grid) for rate in rates])


def _scaled(rate: Rate, factor: float) -> Rate:
    return lambda grid: rate(grid) * factor


def _steady(rate: float) -> Rate:
    return lambda grid: np.full(len(grid.times), rate)


def _memory_operation(past: Past, labels: Mapping[str, str]) -> Rate:
    return past.outcome(labels["operation_type"], labels["status"], rhythm.MEMORY_TYPE_SHARES[labels["memory_type"]])


def _memory_timer(past: Past, labels: Mapping[str, str]) -> tuple[Rate, Rate, float]:
    operation = labels["operation_type"]
    rate = past.rate(operation, rhythm.MEMORY_TYPE_SHARES[labels["memory_type"]])
    return rate, past.median(operation), rhythm.LATENCIES[operation].sigma


def _memory_size(past: Past, labels: Mapping[str, str]) -> tuple[Rate, Rate, float]:
    share = rhythm.MEMORY_TYPE_SHARES[labels["memory_type"]]
    # As the load generator's users write: a sentence of some 70 bytes, repeated three times in the middle.
    return past.succeeding("store", share), _steady(230.0), 0.85


def _memory_nodes(past: Past, labels: Mapping[str, str], grid: Grid) -> Floats:
    share = DELETED_SHARE if labels["status"] == "deleted" else 1 - DELETED_SHARE
    of_type = MEMORIES * rhythm.MEMORY_TYPE_SHARES[labels["memory_type"]]
    return np.floor(of_type * share * growth(grid, past.origin))


def _query_timer(past: Past, labels: Mapping[str, str]) -> tuple[Rate, Rate, float]:
    name = labels["query_type"]
    sizes = [result_size(page) for page in QUERY_TYPES[name].pages]
    share = 1.0
    if len(sizes) > 1:
        share = rhythm.SMALL_PAGE_SHARE if labels["result_size"] == "small" else 1 - rhythm.SMALL_PAGE_SHARE
    return past.rate(name, share), past.median(name), rhythm.LATENCIES[name].sigma


def _cache_operation(past: Past, labels: Mapping[str, str]) -> Rate:
    read, operation = past.rate("read"), (labels["operation_type"], labels["cache_type"], labels["result"])

    def hits(grid: Grid) -> Floats:
        return read(grid) * hit_ratio(grid)

    def misses(grid: Grid) -> Floats:
        return read(grid) * (1 - hit_ratio(grid))

    return {
        ("get", "memory", "hit"): hits,
        ("get", "memory", "miss"): misses,
        ("get", "memory", "error"): _scaled(read, 0.0),
        ("set", "memory", "success"): _sum(misses, past.succeeding("store")),
        ("delete", "memory", "success"): _sum(past.rate("update"), past.rate("delete")),
        ("get", "session", "hit"): past.total,
        ("get", "session", "miss"): _steady(0.0),
        ("set", "session", "success"): past.succeeding("login"),
        ("delete", "session", "success"): past.rate("logout"),
    }[operation]


def _hit_ratio(_: Past, labels: Mapping[str, str], grid: Grid) -> Floats:
    # An hour's mean moves less than that of five minutes.
    around = [grid.times - back for back in ((0, 900, 1800, 2700) if labels["time_window"] == "1h" else (0,))]
    mean: Floats = np.add.reduce([rhythm.cache_hit_ratio(times) for times in around]) / len(around)
    return mean


def _age(past: Past, grid: Grid) -> Floats:
    """Seconds since the process started."""
    return np.maximum(0.0, grid.times - past.started(grid))


def _resident(past: Past, _: Mapping[str, str], grid: Grid) -> Floats:
    age = _age(past, grid)
    held = WORKING_SET_BYTES * (age % GC_SECONDS) / GC_SECONDS
    swing = 2 * MIB * (busyness(grid) + rhythm.noise(grid.times, past.replica.pod))
    return np.floor((RESIDENT_BYTES + RESIDENT_GROWTH_BYTES_PER_DAY * age / DAY + held + swing) / 4096) * 4096


def _collections(past: Past, _: Mapping[str, str], grid: Grid) -> Floats:
    return np.floor(_age(past, grid) / GC_SECONDS)


def _cpu_share(past: Past) -> Rate:
    """Seconds of CPU a second."""
    return lambda grid: 0.006 + CPU_SECONDS_PER_REQUEST * past.total(grid) * (1 + 0.8 * past.depth(grid))


def _busy(past: Past, grid: Grid) -> Floats:
    """Connections of the pool in use at the moment of a scrape."""
    share = 0.35 * busyness(grid) + 11.0 * past.depth(grid)
    return np.minimum(grid.random.poisson(share), POOL_MAXIMUM).astype(np.float64)


def _pool(past: Past, labels: Mapping[str, str], grid: Grid) -> Floats:
    # The same chance for both states, so that they add up to the pool's size.
    twin = Grid(grid.times, grid.steps, np.random.default_rng([int(grid.times[0]), past.replica.index]))
    busy = _busy(past, twin)
    size = np.maximum(POOL_MINIMUM, busy)
    values = {
        "in_use": busy,
        "idle": size - busy,
        "waiting": np.zeros_like(busy),
        "max": np.full_like(busy, POOL_MAXIMUM),
    }
    return values[labels["state"]]


def _error_rate(past: Past, labels: Mapping[str, str], grid: Grid) -> Floats:
    """Errors an hour from those of five minutes: twelve times a number that comes by chance."""
    # Requests fail by what the database says to them.
    failing = _sum(*(past.failing(name) for names in STORAGE.values() for name in names))
    rate = failing if labels["component"] == "storage" and labels["error_type"] == "database" else _steady(0.0)
    return 12.0 * grid.random.poisson(rate(grid) * 300.0).astype(np.float64)


STORAGE = {"read": ("read",), "write": ("store", "update", "delete"), "search": rhythm.SEARCHES}


def _storage_parts(past: Past, labels: Mapping[str, str]) -> list[tuple[str, float]]:
    """The operations, each with the share of it that reaches the database."""
    share = 1 - rhythm.CACHE_HIT_RATIO if labels["operation_type"] == "read" else 1.0
    return [(name, share) for name in STORAGE[labels["operation_type"]]]


def _storage_operation(past: Past, labels: Mapping[str, str]) -> Rate:
    requests = _sum(*(past.outcome(name, labels["status"], share) for name, share in _storage_parts(past, labels)))
    if (labels["operation_type"], labels["status"]) != ("read", "success"):
        return requests
    return _sum(requests, _steady(4 / 60))  # the replica's own gauges, once a minute


def _storage_timer(past: Past, labels: Mapping[str, str]) -> tuple[Rate, Rate, float]:
    parts = _storage_parts(past, labels)
    main = {"read": "read", "write": "store", "search": "full_text"}[labels["operation_type"]]
    return (
        _sum(*(past.rate(name, share) for name, share in parts)),
        _scaled(past.median(main), 0.8),
        rhythm.LATENCIES[main].sigma + 0.15,
    )


def _storage_size(past: Past, labels: Mapping[str, str], grid: Grid) -> Floats:
    each = {"memories": MEMORY_BYTES_STORED, "indexes": INDEX_BYTES_STORED}.get(labels["data_type"])
    if each is not None:
        return np.floor(MEMORIES * each * growth(grid, past.origin) / 8192) * 8192
    return cache_bytes(grid, past.origin)


def _authentication(past: Past, labels: Mapping[str, str]) -> Rate:
    if labels["method"] == "password":
        return past.failing("login") if labels["status"] == "failure" else past.succeeding("login")
    # Operators' tools: a few calls an hour.
    hourly = 4.0 if (labels["method"], labels["status"]) == ("token", "success") else 0.0
    return _steady(hourly / HOUR)


def _authorization(past: Past, labels: Mapping[str, str]) -> Rate:
    if labels["resource_type"] == "admin":
        hourly = 4.0 if labels["status"] == "granted" else 0.0
        return _steady(hourly / HOUR)
    names = {"read": ("read", *rhythm.SEARCHES, "similar"), "write": STORAGE["write"], "export": ("export",)}
    granted = _sum(*(past.rate(name) for name in names[labels["action"]]))
    if labels["status"] == "granted":
        return granted
    return _scaled(granted, REFUSED_WRITES_SHARE if labels["action"] == "write" else 0.0)


def _violation(_: Past, labels: Mapping[str, str]) -> Rate:
    daily = {"brute_force": 0.5, "unauthorized_access": 1.5, "bulk_export": 0.2}[labels["violation_type"]]
    return lambda grid: daily / DAY / 3 * busyness(grid)


def _every(period: float, offset: float) -> Describe:
    """A gauge with the time at which a job that ends every ``period`` seconds, at ``offset``, last ended."""

    def value(_: Past, __: Mapping[str, str], grid: Grid) -> Floats:
        return np.floor((grid.times - offset) / period) * period + offset

    return _gauge(value)


def _started(past: Past, _: Mapping[str, str], grid: Grid) -> Floats:
    return past.started(grid)


def _connections(past: Past, _: Mapping[str, str], grid: Grid) -> Floats:
    return grid.random.poisson(0.2 * busyness(grid)).astype(np.float64)


def _sessions(past: Past, _: Mapping[str, str], grid: Grid) -> Floats:
    return np.round(rhythm.active_sessions(grid.times, past.origin))


def _level(value: float) -> Describe:
    return _gauge(lambda _, __, grid: np.full(len(grid.times), value))


DESCRIPTIONS: Mapping[str, Describe] = {
    "synaptic_memory_operations_total": _events(_memory_operation),
    "synaptic_memory_operation_duration_seconds": _timer(_memory_timer),
    "synaptic_memory_size_bytes": _timer(_memory_size),
    "synaptic_memory_nodes_total": _gauge(_memory_nodes),
    "synaptic_query_duration_seconds": _timer(_query_timer),
    "synaptic_query_operations_total": _events(lambda past, s: past.outcome(s["query_type"], s["status"])),
    "synaptic_cache_operations_total": _events(_cache_operation),
    "synaptic_cache_hit_ratio": _gauge(_hit_ratio),
    "synaptic_system_memory_usage_bytes": _gauge(_resident),
    "synaptic_system_cpu_usage_percent": _gauge(lambda past, _, grid: 100 * _cpu_share(past)(grid)),
    "synaptic_active_connections": _gauge(_connections),
    "synaptic_error_rate": _gauge(_error_rate),
    "synaptic_storage_operations_total": _events(_storage_operation),
    "synaptic_storage_operation_duration_seconds": _timer(_storage_timer),
    "synaptic_storage_size_bytes": _gauge(_storage_size),
    "synaptic_vector_search_duration_seconds": _timer(
        lambda past, _: (past.rate("similar"), past.median("similar"), rhythm.LATENCIES["similar"].sigma)
    ),
    "synaptic_authentication_attempts_total": _events(_authentication),
    "synaptic_authorization_checks_total": _events(_authorization),
    "synaptic_security_violations_total": _events(_violation),
    "synaptic_active_sessions": _gauge(_sessions),
    "synaptic_db_pool_connections": _gauge(_pool),
    "synaptic_gc_runs_total": _gauge(_collections),
    "synaptic_gc_freed_bytes_total": _gauge(lambda past, s, grid: WORKING_SET_BYTES * _collections(past, s, grid)),
    "synaptic_consolidation_last_success_timestamp_seconds": _every(
        CONSOLIDATION_SECONDS, CONSOLIDATION_MINUTE + CONSOLIDATION_RUN_SECONDS
    ),
    "synaptic_backup_last_success_timestamp_seconds": _every(BACKUP_SECONDS, BACKUP_MINUTE + BACKUP_RUN_SECONDS),
    "process_virtual_memory_bytes": _level(VIRTUAL_BYTES),
    "process_resident_memory_bytes": _gauge(_resident),
    "process_start_time_seconds": _gauge(_started),
    "process_cpu_seconds_total": _flow(_cpu_share),
    "process_open_fds": _gauge(lambda past, s, grid: 19 + _connections(past, s, grid)),
    "process_max_fds": _level(float(resource.getrlimit(resource.RLIMIT_NOFILE)[0])),
}
