"""The written past: the series of the live service, in agreement with each other and with the rhythm."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

import demo.config
from demo import rhythm, seed
from demo.history import events, loader, logs, metrics, model, past, remote_write, service
from demo.parts.programs import debian, wheel
from demo.plan import HOST, Plan
from demo.shipper import documents
from demo.shipper.delivery import connect
from demo.synaptic.metrics import ServiceMetrics
from tests.demo.conftest import Installation, free_base
from tests.support.looping import until

# Wednesday, 2026-11-18 16:00 UTC: a busy hour, with the incident on the Saturday before.
NOW = 1_795_017_600.0
DAYS = 5.0
HOUR = 3600.0
PLAN = Plan(home=Path("/nowhere"), base_port=18500)
SECOND_LABELS = {"job", "instance", "pod"}


def replica_families(index: int, origin: float | None = NOW, begin: float = NOW - 30 * model.DAY) -> list[model.Family]:
    return service.families(past.past_of(PLAN, PLAN.replicas[index], begin, origin))


@pytest.mark.parametrize("index", [0, 2], ids=["plain names", "doubled names"])
def test_names_and_labels_are_those_that_the_service_exposes(index: int) -> None:
    replica = PLAN.replicas[index]
    exposed = ServiceMetrics(PLAN.version, doubled=replica.doubled_names).exposition().decode()
    live = {
        (sample.name, frozenset(sample.labels.items()))
        for family in text_string_to_metric_families(exposed)
        for sample in family.samples
    }
    written = set()
    for family in replica_families(index):
        for labels in family.series:
            own = {name: value for name, value in labels.items() if name not in SECOND_LABELS | {"__name__"}}
            assert {name: labels[name] for name in SECOND_LABELS} == service.scrape_labels(replica)
            if own.get("version", PLAN.version) == PLAN.version:
                written.add((labels["__name__"], frozenset(own.items())))
    assert written == live


def test_no_series_is_written_twice() -> None:
    names = [
        remote_write.labels(labels)
        for family in metrics.families(PLAN, NOW - model.DAY, NOW)
        for labels in family.series
    ]
    assert len(names) == len(set(names))


@pytest.fixture(scope="module")
def three_days() -> tuple[list[model.Family], np.ndarray, np.ndarray]:
    """The first replica around the incident, with its two restarts."""
    families = replica_families(0, begin=NOW - 5 * model.DAY)
    parts = list(model.accumulate(families, model.schedule(NOW - 5 * model.DAY, NOW - 2 * model.DAY, [], 300.0, 60.0)))
    times = np.concatenate([part[0] for part in parts])
    return families, times, np.hstack([part[1] for part in parts])


def rows_of(families: list[model.Family]) -> Iterator[tuple[model.Family, slice]]:
    first = 0
    for family in families:
        yield family, slice(first, first + len(family.series))
        first += len(family.series)


def test_counters_only_fall_where_the_process_started(
    three_days: tuple[list[model.Family], np.ndarray, np.ndarray],
) -> None:
    families, times, values = three_days
    starts = {int(np.searchsorted(times, deploy.at(NOW))) for deploy in rhythm.DEPLOYS if deploy.age_days == 4}
    assert len(starts) == 2
    fell = set()
    for family, rows in rows_of(families):
        if family.counter:
            assert values[rows].min() >= 0
            fell |= set((np.flatnonzero((np.diff(values[rows], axis=1) < 0).any(axis=0)) + 1).tolist())
    assert fell == starts


def test_histograms_agree_with_themselves_at_every_sample(
    three_days: tuple[list[model.Family], np.ndarray, np.ndarray],
) -> None:
    families, _, values = three_days
    seen = 0
    for family, rows in rows_of(families):
        if not any("le" in labels for labels in family.series):
            continue
        seen += 1
        buckets, count, total = values[rows][:-2], values[rows][-2], values[rows][-1]
        bounds = np.array([float(labels["le"]) for labels in family.series[:-2]])
        assert (np.diff(bounds) > 0).all()
        assert (np.diff(buckets, axis=0) >= 0).all()
        assert (buckets[-1] == count).all()
        each = np.diff(np.vstack([np.zeros_like(count), buckets]), axis=0)
        lowest = (each * np.concatenate([[0.0], bounds[:-1]])[:, None]).sum(axis=0)
        assert (total >= lowest * (1 - 1e-9)).all()
    assert seen > 10


def test_pool_adds_up_at_every_sample(three_days: tuple[list[model.Family], np.ndarray, np.ndarray]) -> None:
    families, _, values = three_days
    pool = {
        labels["state"]: values[rows][0]
        for family, rows in rows_of(families)
        for labels in family.series
        if labels["__name__"] == "synaptic_db_pool_connections"
    }
    assert (pool["idle"] + pool["in_use"] >= service.POOL_MINIMUM).all()
    assert (pool["idle"] + pool["in_use"] <= pool["max"]).all()
    assert pool["in_use"].max() > 5, "the incident is felt in the pool"


def test_counter_goes_on_from_one_grid_to_the_next_and_begins_again_between_them() -> None:
    labels = {"__name__": "total"}
    steady = model.Family((labels,), lambda grid: np.ones((1, len(grid.times))), counter=True, starts=(105.0,))
    chance = np.random.default_rng(0)
    first = model.Grid(np.array([80.0, 90.0, 100.0]), np.full(3, 10.0), chance)
    second = model.Grid(np.array([110.0, 120.0]), np.full(2, 10.0), chance)
    (_, one), (_, two) = model.accumulate([steady], [first, second])
    assert one.tolist() == [[1.0, 2.0, 3.0]]
    assert two.tolist() == [[1.0, 2.0]]


def test_alerts_of_the_past_carry_the_labels_of_the_rules() -> None:
    text = demo.config.rules()
    for labels, _ in metrics.INCIDENT_ALERTS:
        _, _, rule = text.partition(f"alert: {labels['alertname']}\n")
        assert (
            f"severity: {labels['severity']}, service: synaptic, signal: {labels['signal']}"
            in rule.split("- alert:")[0]
        )


def test_samples_outside_the_years_that_the_wire_form_holds_are_refused() -> None:
    with pytest.raises(ValueError, match="2004"):
        remote_write.request([b""], np.array([5], dtype=np.int64), np.zeros((1, 1)))


@dataclass(frozen=True)
class Server:
    """A Prometheus on a data folder."""

    port: int

    def ask(self, query: str, at: float) -> list[tuple[dict[str, str], float]]:
        arguments = urllib.parse.urlencode({"query": query, "time": at})
        with urllib.request.urlopen(f"http://{HOST}:{self.port}/api/v1/query?{arguments}", timeout=60) as answer:
            body = json.load(answer)
        return [(one["metric"], float(one["value"][1])) for one in body["data"]["result"]]

    def number(self, query: str, at: float) -> float:
        ((_, value),) = self.ask(query, at)
        return value


@contextmanager
def prometheus(folder: Path, configuration: str = "global: {scrape_interval: 1h}\n") -> Iterator[Server]:
    file = folder / "test.yml"
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = int(probe.getsockname()[1])
    file.write_text(configuration.replace("PORT", str(port)))
    command = [
        debian("prometheus"),
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=10y",
        f"--web.listen-address={HOST}:{port}",
        "--log.level=error",
    ]
    with (folder / "prometheus.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)

    def ready() -> bool:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/-/ready", timeout=5):
                return True
        except OSError:
            return False

    try:
        until(ready, "Prometheus being ready")
        yield Server(port)
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Five days of history, loaded."""
    plan = Plan(home=tmp_path_factory.mktemp("history"), base_port=free_base())
    filled = metrics.backfill(plan, NOW, days=DAYS, fine_step=60.0)
    assert filled.samples > 1_000_000
    with prometheus(plan.home / "prometheus") as running:
        yield running


def any_name(name: str) -> str:
    return f'__name__=~"(synaptic_[a-z]+_)?{name}"'


@pytest.mark.integration
@pytest.mark.parametrize("operation", ["read", "store", "update"])
def test_rate_is_that_of_the_rhythm(server: Server, operation: str) -> None:
    name = any_name("synaptic_memory_operations_total")
    found = server.number(f'sum(rate({{{name}, operation_type="{operation}"}}[1h]))', NOW)
    expected = rhythm.rates(np.arange(NOW - HOUR, NOW, 60.0), NOW)[operation].mean()
    assert found == pytest.approx(expected, rel=0.08)


@pytest.mark.integration
@pytest.mark.parametrize("query_type", ["full_text", "ranked", "recent"])
def test_median_is_that_of_the_rhythm(server: Server, query_type: str) -> None:
    name = any_name("synaptic_query_duration_seconds_bucket")
    found = server.number(
        f'histogram_quantile(0.5, sum by (le) (rate({{{name}, query_type="{query_type}"}}[1h])))', NOW
    )
    factor = rhythm.latency_factor(np.arange(NOW - HOUR, NOW, 60.0), query_type, NOW).mean()
    # Within a bucket Prometheus interpolates along a straight line: that is the tolerance.
    assert found == pytest.approx(rhythm.LATENCIES[query_type].median_seconds * factor, rel=0.3)


@pytest.mark.integration
def test_incident_is_seen_in_latency_errors_version_and_alerts(server: Server) -> None:
    begin, end = rhythm.incident_window(NOW)
    middle, before = (begin + end) / 2, begin - 2 * HOUR
    buckets = any_name("synaptic_query_duration_seconds_bucket")
    slow = f"histogram_quantile(0.95, sum by (le) (rate({{{buckets}}}[10m])))"
    assert server.number(slow, middle) > 0.5 > 2 * server.number(slow, before)
    operations = any_name("synaptic_query_operations_total")
    share = (
        f'sum(rate({{{operations}, status="error", query_type="full_text"}}[20m]))'
        f' / sum(rate({{{operations}, query_type="full_text"}}[20m]))'
    )
    assert server.number(share, middle) == pytest.approx(rhythm.INCIDENT_ERROR_SHARE, rel=0.4)
    assert server.number(share, before) < 0.02
    build = any_name("synaptic_build_info")
    versions = [
        {labels["version"] for labels, _ in server.ask(f"count by (version) ({{{build}}})", at)}
        for at in (before, middle, end + HOUR)
    ]
    assert versions == [{"1.8.1"}, {"1.8.2"}, {"1.8.1"}]
    assert {labels["alertname"] for labels, _ in server.ask('ALERTS{alertstate="firing"}', middle)} == {
        labels["alertname"] for labels, _ in metrics.INCIDENT_ALERTS
    }
    assert server.ask("ALERTS", before) == []
    assert server.ask("ALERTS", end + HOUR) == []


@pytest.mark.integration
def test_everything_around_the_service_is_there_and_was_scraped(server: Server) -> None:
    jobs = {labels["job"] for labels, value in server.ask("up", NOW) if value == 1}
    assert jobs == {"synaptic", "postgres", "redis", "nginx", "node", "blackbox", "alertmanager", "prometheus"}
    assert server.number("count(up)", NOW) == 10
    for query in (
        "pg_up", "redis_up", "nginx_up", "probe_success", "pg_settings_max_connections", "redis_memory_used_bytes",
        "sum(rate(pg_stat_database_xact_commit[1h]))", "sum(rate(nginx_http_requests_total[1h]))",
        "sum(rate(redis_keyspace_hits_total[1h]))", 'sum(rate(node_cpu_seconds_total{mode="user"}[1h]))',
        "sum(node_memory_MemTotal_bytes)", "sum(node_filesystem_avail_bytes)",
    ):  # fmt: skip
        assert server.number(query, NOW) > 0, query
    processors = server.number('count(node_cpu_seconds_total{mode="idle"})', NOW)
    assert server.number("sum(rate(node_cpu_seconds_total[1h]))", NOW) == pytest.approx(processors, rel=0.1)


@pytest.mark.integration
def test_gap_is_filled_and_what_was_scraped_before_it_stays(tmp_path: Path) -> None:
    plan = Plan(home=tmp_path, base_port=free_base())
    folder = tmp_path / "prometheus"
    folder.mkdir()
    scraping = (
        "scrape_configs: [{job_name: live, scrape_interval: 1s, static_configs: [{targets: ['127.0.0.1:PORT']}]}]"
    )
    with prometheus(folder, scraping) as running:
        until(lambda: bool(running.ask('count_over_time(up{job="live"}[1m]) >= 3', time.time())), "three scrapes")
        scraped = running.number('max(timestamp(up{job="live"}))', time.time())
    now = scraped + 1800
    filled = metrics.backfill(plan, now)
    assert filled.begin == pytest.approx(scraped, abs=5)
    again = metrics.backfill(plan, now + 60)
    assert again.samples == 0
    with prometheus(folder) as running:
        assert running.number('count_over_time(up{job="live"}[10m])', scraped + 60) >= 3
        assert running.number('count_over_time(up{job="postgres"}[30m])', now) >= 58
        assert running.ask('up{job="postgres"}', scraped - 5) == []
        reads = any_name("synaptic_memory_operations_total")
        expected = rhythm.rates(np.arange(now - 1200, now, 60.0))["read"].mean()
        found = running.number(f'sum(rate({{{reads}, operation_type="read"}}[20m]))', now)
        assert found == pytest.approx(expected, rel=0.1)


def test_data_folder_whose_replacement_was_interrupted_is_put_back(tmp_path: Path) -> None:
    (tmp_path / "data.old").mkdir()
    (tmp_path / "data.old" / "block").touch()
    loader.recover(tmp_path / "data")
    assert (tmp_path / "data" / "block").exists()
    loader.recover(tmp_path / "data")
    assert not (tmp_path / "data.old").exists()


@pytest.mark.integration
def test_folder_of_a_server_that_runs_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "prometheus").mkdir()
    with prometheus(tmp_path / "prometheus") as running:
        plan = Plan(home=tmp_path, base_port=running.port - 30)
        with pytest.raises(loader.LoadError, match=f"runs on port {running.port}"):
            metrics.backfill(plan)


def test_two_days_of_lines_are_some_ten_thousand_of_all_levels_in_order() -> None:
    lines = events.Writer(PLAN, 1).between(NOW - 2 * model.DAY, NOW)
    assert 10_000 < len(lines) < 40_000
    times = [event.time for event in lines]
    assert times == sorted(times)
    assert NOW - 2 * model.DAY <= times[0] <= times[-1] <= NOW
    bodies = [json.loads(event.line) for event in lines]
    assert {body["level"] for body in bodies} == {"INFO", "WARN", "ERROR"}
    failed = [body for body in bodies if body["fields"]["operation"] == "login_failure"]
    logins = rhythm.rates(np.arange(NOW - 2 * model.DAY, NOW, 60.0))["login"].sum() * 60
    assert len(failed) == pytest.approx(logins * rhythm.LOGIN_FAILURE_SHARE, rel=0.25)
    assert {event.pod for event in lines} == {replica.pod for replica in PLAN.replicas}
    assert all(body["fields"]["duration_ms"] >= 250 for body in bodies if "slow" in body["fields"]["message"])
    assert all(body["fields"]["error"] for body in bodies if body["level"] == "ERROR")


@pytest.mark.integration
def test_lines_are_stored_once_in_the_shippers_form_and_a_gap_is_filled(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        plan = Plan(home=tmp_path, base_port=int(probe.getsockname()[1]) - 40)
    program = wheel("noida_db", "noida-db")
    assert program is not None
    program.chmod(0o755)
    port = str(plan.elasticsearch_port)
    command = [program, "start", "--data-dir", tmp_path, "--only", "elasticsearch", "--elasticsearch-port", port]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with connect(plan) as client:
            until(client.ping, "the store answering")
            first = logs.backfill(plan, NOW, days=0.1)
            assert logs.backfill(plan, NOW + 30).lines == 0
            second = logs.backfill(plan, NOW + HOUR)
            assert second.begin == pytest.approx(NOW, abs=120)
            client.indices.refresh(index="synaptic-logs-*")
            assert client.count(index="synaptic-logs-*")["count"] == first.lines + second.lines
            found = client.search(index="synaptic-logs-2026.11.18", size=1, query={"exists": {"field": "span.name"}})
            stored = found["hits"]["hits"][0]["_source"]
            live = {"timestamp": "2026-11-18T10:00:00Z", "level": "INFO", "target": "t", "fields": {"message": "m"}}
            live |= {"span": {"name": "s"}, "spans": [{"name": "s"}], "trace_id": "1", "span_id": "2"}
            shipped = documents.document(json.dumps(live), time="2026-11-18T10:00:00Z", pod=PLAN.replicas[0].pod)
            assert set(stored) == set(shipped)
    finally:
        process.terminate()
        process.wait(30)


class SeededPlan(Plan):
    """The installation of the tests, with a database of its own."""

    database = "seeded"


@pytest.mark.integration
def test_seed_fills_the_partitions_once_with_searchable_texts(installation: Installation) -> None:
    plan = SeededPlan(home=installation.plan.home, base_port=installation.plan.base_port)
    with installation.superuser() as superuser:
        superuser.execute("DROP DATABASE IF EXISTS seeded")
        superuser.execute("CREATE DATABASE seeded OWNER synaptic")
        address = f"postgresql://postgres@{HOST}:{plan.postgres_port}/seeded"
        with psycopg.connect(address, autocommit=True) as owner:
            owner.execute("CREATE EXTENSION pg_stat_statements")
    assert seed.seed(plan, count=3_000)
    assert not seed.seed(plan, count=3_000)
    with psycopg.connect(plan.postgres_dsn) as connection:

        def number(query: str) -> int:
            row = connection.execute(query.encode()).fetchone()
            assert row is not None
            return int(row[0])

        assert number("SELECT count(*) FROM memories") == 3_000
        assert number("SELECT count(DISTINCT tableoid) FROM memories") == 4
        assert number("SELECT count(*) FROM memories_default") == 0
        assert number("SELECT count(DISTINCT id) FROM memories") == 3_000
        for word in rhythm.SEARCH_WORDS:
            matches = f"to_tsvector('english', content) @@ to_tsquery('english', '{word}')"
            assert number(f"SELECT count(*) FROM memories WHERE {matches}") > 0, word
        assert number("SELECT count(*) FROM pg_indexes WHERE indexname LIKE 'idx_%'") == 6
        assert number("SELECT count(*) FROM memory_fragments") > 1_000
        age = "extract(epoch FROM now() - max(created_at)) FROM audit_logs WHERE operation ="
        assert number(f"SELECT {age} 'consolidation_completed'") < 2 * HOUR
        assert number(f"SELECT {age} 'backup_completed'") < 7 * HOUR
    with installation.superuser() as superuser:
        superuser.execute("DROP DATABASE seeded WITH (FORCE)")
