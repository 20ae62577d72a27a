"""The series of what stands around Synaptic: balancer, database, cache, machine, probe, and whether all was scraped.

Names and labels are those of Debian 12's exporters; those of the machine are read from its own node_exporter, so that
its processors, disks and file systems are the ones that are measured from now on.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from demo import rhythm
from demo.history import model
from demo.history.model import Family, Floats, Grid, Rate
from demo.history.past import busyness, cache_bytes, cached_keys, depth, growth, hit_ratio, rates, total
from demo.history.service import INDEX_BYTES_STORED, MEMORIES, MEMORY_BYTES_STORED, MIB
from demo.plan import HOST, Plan

DATABASE_NUMBER = "16389"  # that the database gets in a new cluster, after three roles and their grants

Value = Callable[[Grid], Floats]

MACHINE_FAMILIES = (
    "node_boot_time_seconds", "node_cpu_seconds", "node_disk_io_time_seconds", "node_disk_read_bytes",
    "node_disk_reads_completed", "node_disk_writes_completed", "node_disk_written_bytes", "node_filesystem_avail_bytes",
    "node_filesystem_files", "node_filesystem_files_free", "node_filesystem_free_bytes", "node_filesystem_size_bytes",
    "node_load1", "node_load15", "node_load5", "node_memory_Buffers_bytes", "node_memory_Cached_bytes",
    "node_memory_MemAvailable_bytes", "node_memory_MemFree_bytes", "node_memory_MemTotal_bytes",
    "node_network_receive_bytes", "node_network_transmit_bytes", "node_uname_info",
)  # fmt: skip
# Share of the machine's processors by mode, at rest and at the daily peak; idle is what is left.
CPU_MODES: Mapping[str, tuple[float, float]] = {
    "user": (0.04, 0.18),
    "system": (0.02, 0.06),
    "iowait": (0.002, 0.01),
    "softirq": (0.001, 0.004),
}


def families(plan: Plan, origin: float | None) -> list[Family]:
    """All series that are not Synaptic's own; see `demo.history.past.Past` for ``origin``."""
    return [
        *_scraped(plan),
        *_balancer(plan, origin),
        *_database(plan, origin),
        *_cache(plan, origin),
        *_probe(plan, origin),
        *_machine(plan, origin),
    ]


def _job(name: str, port: int) -> dict[str, str]:
    return {"job": name, "instance": f"{HOST}:{port}"}


def _scraped(plan: Plan) -> list[Family]:
    jobs = [
        _job("postgres", plan.postgres_exporter_port),
        _job("redis", plan.redis_exporter_port),
        _job("nginx", plan.nginx_exporter_port),
        _job("node", plan.node_exporter_port),
        _job("alertmanager", plan.alertmanager_port),
        _job("prometheus", plan.prometheus_port),
        _probed(plan),
        *({**_job("synaptic", replica.metrics_port), "pod": replica.pod} for replica in plan.replicas),
    ]
    return [model.constant({**labels, "__name__": "up"}, 1.0) for labels in jobs]


def _gauges(labels: Mapping[str, str], values: Mapping[str, Value | float]) -> list[Family]:
    made = []
    for name, value in values.items():
        named = {**labels, "__name__": name}
        made.append(model.constant(named, value) if isinstance(value, float) else model.gauges([named], value))
    return made


def _counters(labels: Mapping[str, str], rates_of: Mapping[str, Rate], make: Callable[..., Family]) -> list[Family]:
    return [make({**labels, "__name__": name}, rate, ()) for name, rate in rates_of.items()]


def _level(value: float) -> Rate:
    return lambda grid: np.full(len(grid.times), value)


def _few(mean: Rate) -> Value:
    """A small whole number that comes by chance."""
    return lambda grid: grid.random.poisson(mean(grid)).astype(np.float64)


def _balancer(plan: Plan, origin: float | None) -> list[Family]:
    labels = _job("nginx", plan.nginx_exporter_port)

    def requests(grid: Grid) -> Floats:
        return total(grid, origin) + 1 / 15  # and the probe

    waiting = _few(lambda grid: 2 + 5 * busyness(grid))
    return [
        *_gauges(
            labels,
            {
                "nginx_up": 1.0,
                "nginx_connections_active": _few(lambda grid: 3 + 6 * busyness(grid)),
                "nginx_connections_reading": 0.0,
                "nginx_connections_writing": _few(lambda grid: 1 + 0.4 * busyness(grid) + 9 * depth(grid, origin)),
                "nginx_connections_waiting": waiting,
            },
        ),
        *_counters(
            labels,
            {
                "nginx_http_requests_total": requests,
                "nginx_connections_accepted": lambda grid: 0.02 * requests(grid),
                "nginx_connections_handled": lambda grid: 0.02 * requests(grid),
            },
            model.events,
        ),
    ]


def _database(plan: Plan, origin: float | None) -> list[Family]:
    labels = {**_job("postgres", plan.postgres_exporter_port), "server": f"{HOST}:{plan.postgres_port}"}
    of_database = {**labels, "datname": plan.database}

    def searches(grid: Grid) -> Floats:
        every = rates(grid, origin)
        searched: Floats = np.add.reduce([every[name] for name in rhythm.SEARCHES])
        return searched

    def writes(grid: Grid) -> Floats:
        every = rates(grid, origin)
        return every["store"] + every["update"] + every["delete"]

    def reads(grid: Grid) -> Floats:
        return rates(grid, origin)["read"] * (1 - hit_ratio(grid))

    def statements(grid: Grid) -> Floats:
        return searches(grid) + writes(grid) + reads(grid)

    def scanned(grid: Grid) -> Floats:
        return searches(grid) * (1 + 6 * depth(grid, origin))

    def size(grid: Grid) -> Floats:
        each = MEMORY_BYTES_STORED + INDEX_BYTES_STORED
        return np.floor((9 * MIB + 1.06 * MEMORIES * each * growth(grid, origin)) / 8192) * 8192

    counted = plan.replicas_count * MEMORIES / 60  # rows a second: each replica counts them all once a minute
    active = _few(lambda grid: 1.5 + 0.2 * busyness(grid) + 20 * depth(grid, origin))
    return [
        *_gauges(_job("postgres", plan.postgres_exporter_port), {"pg_up": 1.0}),
        *_gauges(labels, {"pg_settings_max_connections": 100.0}),
        *_gauges(
            {**of_database, "datid": DATABASE_NUMBER},
            {"pg_stat_database_numbackends": lambda grid: np.round(20 + 24 * depth(grid, origin))},
        ),
        *_gauges(of_database, {"pg_database_size_bytes": size}),
        *_gauges(
            {**of_database, "state": "active"},
            {
                "pg_stat_activity_count": active,
                "pg_stat_activity_max_tx_duration": lambda grid: (
                    6 * depth(grid, origin) * grid.random.random(len(grid.times))
                ),
            },
        ),
        *_gauges({**of_database, "state": "idle"}, {"pg_stat_activity_count": 18.0}),
        *_gauges({**of_database, "state": "idle in transaction"}, {"pg_stat_activity_count": 0.0}),
        *_gauges(
            {**of_database, "mode": "accesssharelock"}, {"pg_locks_count": _few(lambda grid: 0.5 + busyness(grid))}
        ),
        *_gauges({**of_database, "mode": "accessexclusivelock"}, {"pg_locks_count": 0.0}),
        *_counters(
            {**of_database, "datid": DATABASE_NUMBER},
            {
                "pg_stat_database_xact_commit": lambda grid: 1.1 * statements(grid) + 1.8,
                "pg_stat_database_xact_rollback": lambda grid: 0.0012 * statements(grid),
                # A changed memory gets a fragment, a sign-in an audit row.
                "pg_stat_database_tup_inserted": lambda grid: writes(grid) + rates(grid, origin)["login"],
                # Reading a memory notes when it was read.
                "pg_stat_database_tup_updated": lambda grid: rates(grid, origin)["update"] + reads(grid),
                "pg_stat_database_tup_deleted": _level(0.0),
                "pg_stat_database_tup_fetched": lambda grid: 200 * scanned(grid) + reads(grid),
                "pg_stat_database_tup_returned": lambda grid: counted + 1300 * scanned(grid),
                "pg_stat_database_blks_hit": lambda grid: 300 + 180 * scanned(grid),
                "pg_stat_database_blks_read": lambda grid: 0.2 + 0.2 * scanned(grid),
                "pg_stat_database_temp_bytes": _level(0.0),
                "pg_stat_database_deadlocks": _level(0.0),
                "pg_stat_database_conflicts": _level(0.0),
            },
            model.events,
        ),
    ]


def _cache(plan: Plan, origin: float | None) -> list[Family]:
    labels = _job("redis", plan.redis_exporter_port)
    of_keys = {**labels, "db": "db0"}

    def hits(grid: Grid) -> Floats:
        return rates(grid, origin)["read"] * hit_ratio(grid) + 1.35 * total(grid, origin)

    def misses(grid: Grid) -> Floats:
        return rates(grid, origin)["read"] * (1 - hit_ratio(grid))

    def keys(grid: Grid) -> Floats:
        return cached_keys(grid, origin)

    return [
        *_gauges(
            labels,
            {
                "redis_up": 1.0,
                "redis_connected_clients": 9.0,
                "redis_blocked_clients": 0.0,
                "redis_memory_max_bytes": 64 * MIB,
                "redis_memory_used_bytes": lambda grid: cache_bytes(grid, origin),
                "redis_memory_used_rss_bytes": lambda grid: np.floor((6 * MIB + 800 * keys(grid)) / 4096) * 4096,
                "redis_config_maxclients": 10_000.0,
                "redis_slowlog_length": 0.0,
                "redis_connected_slaves": 0.0,
                "redis_rdb_last_bgsave_status": 1.0,
                "redis_rdb_last_save_timestamp_seconds": lambda grid: np.floor(grid.times / 300) * 300,
            },
        ),
        *_gauges(of_keys, {"redis_db_keys": keys, "redis_db_keys_expiring": keys}),
        *_counters(
            labels,
            {
                "redis_keyspace_hits_total": hits,
                "redis_keyspace_misses_total": misses,
                "redis_expired_keys_total": lambda grid: 0.8 * misses(grid),
                "redis_evicted_keys_total": _level(0.0),
                "redis_rejected_connections_total": _level(0.0),
                "redis_connections_received_total": _level(0.07),
                "redis_commands_processed_total": lambda grid: 2.1 * (hits(grid) + misses(grid)) + 0.5,
            },
            model.events,
        ),
        *_counters(
            labels,
            {
                "redis_net_input_bytes_total": lambda grid: 195 * (hits(grid) + misses(grid)),
                "redis_net_output_bytes_total": lambda grid: 165 * hits(grid) + 400,
                "redis_cpu_user_seconds_total": lambda grid: 0.001 + 0.00008 * hits(grid),
                "redis_cpu_sys_seconds_total": lambda grid: 0.001 + 0.00007 * hits(grid),
            },
            model.flow,
        ),
    ]


def _probed(plan: Plan) -> dict[str, str]:
    return {"job": "blackbox", "instance": f"http://{HOST}:{plan.nginx_port}/health"}


def _probe(plan: Plan, origin: float | None) -> list[Family]:
    labels = _probed(plan)

    def lasted(grid: Grid) -> Floats:
        swing = np.exp(0.25 * grid.random.standard_normal(len(grid.times)))
        return 0.004 * (1 + 0.5 * busyness(grid)) * (1 + 3 * depth(grid, origin)) * swing

    return _gauges(
        labels,
        {"probe_success": 1.0, "probe_http_status_code": 200.0, "probe_duration_seconds": lasted},
    )


def _machine(plan: Plan, origin: float | None) -> list[Family]:
    labels = _job("node", plan.node_exporter_port)
    made = []
    for name, own, present in machine_samples():
        named = {**own, **labels, "__name__": name}
        if name.endswith("_total"):
            made.append(model.flow(named, _machine_rate(name, own, origin), ()))
        elif name.startswith("node_load"):
            made.append(
                model.gauges([named], lambda grid: np.round(0.2 + 0.7 * busyness(grid) + 2 * depth(grid, origin), 2))
            )
        elif "_filesystem_avail" in name or "_filesystem_free_b" in name:
            # What the database grew by was free before.
            grown = 1.06 * MEMORIES * (MEMORY_BYTES_STORED + INDEX_BYTES_STORED)
            made.append(model.gauges([named], _shrunk(present, grown, origin)))
        elif "Available" in name or "MemFree" in name:
            made.append(model.gauges([named], _shrunk(present, 60 * MIB, origin)))
        else:
            made.append(model.constant(named, present))
    return made


def _shrunk(present: float, grown: float, origin: float | None) -> Value:
    return lambda grid: np.floor((present + grown * (1 - growth(grid, origin))) / 4096) * 4096


def _machine_rate(name: str, labels: Mapping[str, str], origin: float | None) -> Rate:
    if name == "node_cpu_seconds_total":
        if labels["mode"] == "idle":
            return lambda grid: 1 - np.add.reduce([_cpu(grid, mode) for mode in CPU_MODES])
        return lambda grid: _cpu(grid, labels["mode"])
    # A disk or an interface that is not used stays at rest: zram, dummy devices.
    device = labels.get("device", "")
    used = device.startswith(("vd", "sd", "nvme", "xvd", "dm-", "eth", "en"))
    each = {
        "node_disk_io_time_seconds_total": 0.0008,
        "node_disk_read_bytes_total": 2000.0,
        "node_disk_written_bytes_total": 16_000.0,
        "node_disk_reads_completed_total": 0.1,
        "node_disk_writes_completed_total": 1.1,
        "node_network_receive_bytes_total": 90.0,
        "node_network_transmit_bytes_total": 40.0,
    }[name]
    return lambda grid: (each if used else 0.0) * total(grid, origin)


def _cpu(grid: Grid, mode: str) -> Floats:
    rest, peak = CPU_MODES.get(mode, (0.0, 0.0))
    return rest + (peak - rest) * busyness(grid)


def machine_samples() -> Sequence[tuple[str, dict[str, str], float]]:
    """Name, labels and present value of the machine's series, from a node_exporter that is started for it.

    Raises:
        RuntimeError: node_exporter is not installed or does not answer.
    """
    program = shutil.which("prometheus-node-exporter") or shutil.which("node_exporter")
    if program is None:
        raise RuntimeError("node_exporter is not installed")
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [program, f"--web.listen-address={HOST}:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        text = _first_answer(f"http://{HOST}:{port}/metrics", process)
    finally:
        process.terminate()
        process.wait(10)
    return [
        (sample.name, dict(sample.labels), float(sample.value))
        for family in text_string_to_metric_families(text)
        if family.name in MACHINE_FAMILIES
        for sample in family.samples
    ]


def _first_answer(url: str, process: subprocess.Popen[bytes]) -> str:
    until = time.monotonic() + 15
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return str(answer.read().decode())
        except OSError as error:
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"node_exporter does not answer: {error}") from error
            time.sleep(0.05)
