"""The reference service as a process, on a real PostgreSQL and a real Valkey."""

from __future__ import annotations

import asyncio
import base64
import concurrent.futures
import hashlib
import hmac
import itertools
import json
import math
import time
import uuid
from typing import Any

import httpx
import numpy as np
import pytest
from conftest import ADMIN_TOKEN, JWT_SECRET, Installation

from demo import measured, rhythm
from demo.history.past import past_of
from demo.plan import ROOT
from demo.synaptic.cache import SESSIONS
from demo.synaptic.metrics import DOUBLED, METRICS, series_catalogue
from demo.synaptic.working_set import WorkingSet, embed
from demo.warm import warm
from tests.support.looping import until

pytestmark = pytest.mark.integration

# The names and labels of CONTRACT.md.
CONTRACT: dict[str, set[str]] = {
    "synaptic_memory_operations_total": {"operation_type", "memory_type", "status"},
    "synaptic_memory_operation_duration_seconds": {"operation_type", "memory_type"},
    "synaptic_memory_size_bytes": {"memory_type", "content_type"},
    "synaptic_memory_nodes_total": {"memory_type", "status"},
    "synaptic_query_duration_seconds": {"query_type", "complexity", "result_size"},
    "synaptic_query_operations_total": {"query_type", "status", "optimization_level"},
    "synaptic_cache_operations_total": {"operation_type", "cache_type", "result"},
    "synaptic_cache_hit_ratio": {"cache_type", "time_window"},
    "synaptic_system_memory_usage_bytes": set(),
    "synaptic_system_cpu_usage_percent": set(),
    "synaptic_active_connections": set(),
    "synaptic_error_rate": {"component", "error_type", "severity"},
    "synaptic_storage_operations_total": {"operation_type", "storage_backend", "status"},
    "synaptic_storage_operation_duration_seconds": {"operation_type", "storage_backend"},
    "synaptic_storage_size_bytes": {"storage_backend", "data_type"},
    "synaptic_vector_search_duration_seconds": {"search_type", "index_type", "result_count"},
    "synaptic_authentication_attempts_total": {"method", "status", "user_type"},
    "synaptic_authorization_checks_total": {"resource_type", "action", "status"},
    "synaptic_security_violations_total": {"violation_type", "severity", "source"},
    "synaptic_active_sessions": set(),
    "synaptic_db_pool_connections": {"state"},
    "synaptic_gc_runs_total": set(),
    "synaptic_gc_freed_bytes_total": set(),
    "synaptic_consolidation_last_success_timestamp_seconds": set(),
    "synaptic_backup_last_success_timestamp_seconds": set(),
    "synaptic_build_info": {"version"},
}


def jwt(claims: dict[str, Any], *, secret: str = JWT_SECRET, algorithm: str = "HS256") -> str:
    def encoded(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    signed = ".".join(encoded(json.dumps(part).encode()) for part in ({"alg": algorithm, "typ": "JWT"}, claims))
    return f"{signed}.{encoded(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest())}"


def a_new_user(counter: itertools.count[int] = itertools.count()) -> str:  # noqa: B008 - shared on purpose
    return f"user-test-{next(counter)}"


def store(client: httpx.Client, content: str, memory_type: str = "short_term") -> str:
    response = client.post(f"/memories/{memory_type}", json={"content": content})
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


def use_everything(installation: Installation, index: int) -> None:
    """A request of every kind that ordinary users and administrators make."""
    with installation.client(index=index) as client:
        for memory_type in rhythm.MEMORY_TYPES:
            memory_id = store(client, "about the orchestra", memory_type)
            client.get(f"/memories/{memory_type}/{memory_id}")
            client.patch(f"/memories/{memory_type}/{memory_id}", json={"content": "and the harbour"})
            client.get(f"/memories/{memory_type}/{memory_id}")
            client.delete(f"/memories/{memory_type}/{memory_id}")
            client.get(f"/memories/{memory_type}/{memory_id}")
        for query_type, limit in (("full_text", 10), ("ranked", 50), ("recent", 50), ("fuzzy", 10)):
            found = client.get("/search", params={"type": query_type, "q": "glacier & harbour", "limit": limit})
            assert found.json()["count"] == limit
        # Mistakes of every kind: in the syntax, in the id, in the text.
        assert client.get("/search", params={"type": "full_text", "q": "glacier &", "limit": 10}).status_code == 500
        assert client.get("/memories/short_term/latest").status_code == 500
        assert client.post("/memories/short_term", json={"content": "a\x00"}).status_code == 500
        assert client.get("/search", params={"type": "invented", "limit": 10}).status_code == 422
        assert client.get("/memories/invented/latest").status_code == 404
        client.get("/similar", params={"q": "orchestra"})
        client.get("/export")
        client.post("/auth/logout")
        assert client.get("/export").status_code == 401
    installation.sign_in(a_new_user(), "wrong", index=index)
    for path in ("/admin/db-stats", "/admin/memory-stats", "/admin/performance-report", "/admin/security-audit"):
        assert installation.admin("GET", path, index).status_code == 200
    assert installation.admin("POST", "/admin/update-metrics", index).status_code == 200
    assert installation.admin("POST", "/admin/gc", index).status_code == 200


def test_the_catalogue_has_the_names_and_labels_of_the_contract() -> None:
    assert {metric.name: set(metric.labels) for metric in METRICS} == CONTRACT


@pytest.mark.parametrize(("index", "doubled"), [(0, False), (2, True)])
def test_after_use_of_everything_the_replica_exposes_exactly_the_catalogue(
    installation: Installation, index: int, doubled: bool
) -> None:
    use_everything(installation, index)

    expected = set()
    for series in series_catalogue("1.8.1", doubled=doubled):
        labels = frozenset(series.labels.items())
        if series.kind != "histogram":
            expected.add((series.name, labels))
            continue
        expected |= {(f"{series.name}_sum", labels), (f"{series.name}_count", labels)}
        bounds = [str(bound) for bound in series.buckets] + ["+Inf"]
        expected |= {(f"{series.name}_bucket", labels | {("le", bound)}) for bound in bounds}
    assert set(installation.samples(index)) == expected


def test_doubled_names_are_namespace_and_subsystem_before_the_full_name() -> None:
    assert DOUBLED["synaptic_memory_operations_total"] == "synaptic_memory_synaptic_memory_operations_total"
    assert DOUBLED["synaptic_db_pool_connections"] == "synaptic_storage_synaptic_db_pool_connections"
    assert set(DOUBLED) == set(CONTRACT)


def test_health_and_readiness_in_the_form_of_the_contract(installation: Installation) -> None:
    health = httpx.get(f"{installation.url()}/health").json()
    assert (health["status"], health["version"]) == ("healthy", "1.8.1")
    assert health["timestamp"].endswith("Z")
    assert httpx.get(f"{installation.url()}/ready").json() == {"status": "ready"}


ADMIN_ENDPOINTS = [
    ("POST", "/admin/update-metrics"),
    ("POST", "/admin/consolidate-memories"),
    ("POST", "/admin/gc"),
    ("POST", "/admin/backup"),
    ("GET", "/admin/security-audit"),
    ("GET", "/admin/performance-report"),
    ("GET", "/admin/memory-stats"),
    ("GET", "/admin/db-stats"),
    ("POST", "/admin/gdpr/access"),
    ("POST", "/admin/gdpr/deletion"),
]


@pytest.mark.parametrize(("method", "path"), ADMIN_ENDPOINTS)
def test_an_admin_endpoint_without_a_bearer_is_refused(installation: Installation, method: str, path: str) -> None:
    assert httpx.request(method, f"{installation.url()}{path}").status_code == 401


@pytest.mark.parametrize(
    ("bearer", "status"),
    [
        (ADMIN_TOKEN, 200),
        (ADMIN_TOKEN + "x", 401),
        ("x", 401),
        (jwt({"exp": time.time() + 3600}), 200),
        (jwt({"exp": time.time() - 1}), 401),
        (jwt({}), 401),
        (jwt({"exp": time.time() + 3600}, secret="another"), 401),
        (jwt({"exp": time.time() + 3600}, algorithm="none"), 401),
        ("a.b.c", 401),
    ],
    ids=["token", "wrong token", "another", "jwt", "expired", "without end", "wrong key", "algorithm none", "no jwt"],
)
def test_administrators_show_the_token_or_a_short_lived_jwt(
    installation: Installation, bearer: str, status: int
) -> None:
    answer = httpx.get(f"{installation.url()}/admin/db-stats", headers={"Authorization": f"Bearer {bearer}"})
    assert answer.status_code == status


def test_a_memory_is_cached_with_a_time_to_live_and_dropped_when_it_changes(installation: Installation) -> None:
    with installation.client() as client, installation.redis() as redis:
        memory_id = store(client, "a glacier")
        key = f"memory:short_term:{memory_id}"
        assert 3500 < int(redis.ttl(key)) <= 3600
        client.patch(f"/memories/short_term/{memory_id}", json={"content": "that melts"})
        assert not redis.exists(key)

        hits = installation.total("synaptic_cache_operations_total", result="hit", cache_type="memory")
        for _ in range(3):
            assert client.get(f"/memories/short_term/{memory_id}").status_code == 200
        now = installation.total("synaptic_cache_operations_total", result="hit", cache_type="memory")
        assert now - hits == 2

        client.delete(f"/memories/short_term/{memory_id}")
        assert client.get(f"/memories/short_term/{memory_id}").status_code == 404


def test_five_wrong_passwords_in_a_row_lock_a_user_out(installation: Installation) -> None:
    user = a_new_user()
    violations = installation.total("synaptic_security_violations_total", violation_type="brute_force")
    assert [installation.sign_in(user, "wrong").status_code for _ in range(5)] == [401] * 5
    assert installation.sign_in(user).status_code == 423
    # The count is shared: another replica knows.
    assert installation.sign_in(user, index=2).status_code == 423
    now = installation.total("synaptic_security_violations_total", violation_type="brute_force")
    assert now - violations == 1


def test_a_right_password_in_between_starts_the_count_again(installation: Installation) -> None:
    user = a_new_user()
    for _ in range(2):
        assert [installation.sign_in(user, "wrong").status_code for _ in range(4)] == [401] * 4
        assert installation.sign_in(user).status_code == 200


def test_sessions_end_at_sign_out_and_are_counted(installation: Installation) -> None:
    before = installation.admin("POST", "/admin/update-metrics") and installation.value("synaptic_active_sessions")
    with installation.client(a_new_user()) as client, installation.redis() as redis:
        installation.admin("POST", "/admin/update-metrics")
        assert installation.value("synaptic_active_sessions") == before + 1
        session = client.headers["authorization"].removeprefix("Bearer ")
        assert 1700 < int(redis.ttl(f"session:{session}")) <= 1800
        client.post("/auth/logout")
        assert client.get("/similar", params={"q": "harbour"}).status_code == 401
        installation.admin("POST", "/admin/update-metrics")
        assert installation.value("synaptic_active_sessions") == before


def test_live_data_begin_with_the_sessions_and_the_cache_that_an_hour_of_use_leaves(installation: Installation) -> None:
    plan, users = installation.plan, [a_new_user() for _ in range(5)]
    there = warm(plan, users, known=200, popularity=8)
    session = next(session for session, user in there.sessions if user == users[-1])
    with httpx.Client(base_url=installation.url(), headers={"Authorization": f"Bearer {session}"}) as client:
        hits = installation.total("synaptic_cache_operations_total", cache_type="memory", result="hit")
        memory_type, memory_id = there.memories[0]
        assert client.get(f"/memories/{memory_type}/{memory_id}").json()["id"] == memory_id
        assert installation.total("synaptic_cache_operations_total", cache_type="memory", result="hit") == hits + 1
    again = warm(plan, users, known=200, popularity=8)
    assert set(again.sessions) == set(there.sessions)
    with installation.redis() as redis:
        for session, _ in there.sessions:
            redis.unlink(f"session:{session}")
            redis.zrem(SESSIONS, session)


def test_history_takes_its_times_from_what_the_service_needs_on_this_machine(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNAPTIC_ADMIN_TOKEN", ADMIN_TOKEN)
    monkeypatch.setenv("JWT_SECRET", JWT_SECRET)
    plan = installation.plan
    assert measured.latencies(plan) == rhythm.LATENCIES
    monkeypatch.setattr(measured, "COUNTS", dict.fromkeys(("login", "full_text", "fuzzy"), 5))
    asyncio.run(measured.measure(plan))
    before = installation.samples()
    medians = asyncio.run(measured.measure(plan))
    after = installation.samples()

    def spent(name: str) -> float:
        return sum(
            value - before.get(key, 0.0)
            for key, value in after.items()
            if key[0] == f"synaptic_query_duration_seconds_{name}" and ("query_type", "fuzzy") in key[1]
        )

    assert set(medians) == {"full_text", "fuzzy"}
    mean = medians["fuzzy"] * math.exp(rhythm.LATENCIES["fuzzy"].sigma ** 2 / 2)
    # Of seven searches the first two are not counted.
    assert 0 < mean * 5 < spent("sum")
    assert spent("count") == 7
    (plan.run / "latencies.json").write_text(json.dumps(medians))
    try:
        used = measured.latencies(plan)
        assert used["fuzzy"].median_seconds == medians["fuzzy"]
        assert used["store"] == rhythm.LATENCIES["store"]
        assert past_of(plan, plan.replicas[0], 0.0, None).latencies == used
    finally:
        (plan.run / "latencies.json").unlink()


def test_a_guest_may_read_and_not_write(installation: Installation) -> None:
    with installation.client("guest-01") as client:
        assert client.get("/search", params={"type": "recent", "limit": 50}).status_code == 200
        denied = installation.total("synaptic_authorization_checks_total", action="write", status="denied")
        assert client.post("/memories/short_term", json={"content": "mine"}).status_code == 403
        assert installation.total("synaptic_authorization_checks_total", action="write", status="denied") == denied + 1


def test_gc_drops_the_working_set_and_gives_its_memory_back(installation: Installation) -> None:
    with installation.client() as client, installation.database() as database:
        ids = [
            str(row[0]) for row in database.execute("SELECT id FROM memories WHERE memory_type = 'long_term' LIMIT 500")
        ]
        for memory_id in ids:
            client.get(f"/memories/long_term/{memory_id}")
    runs, freed = installation.value("synaptic_gc_runs_total"), installation.value("synaptic_gc_freed_bytes_total")
    held = installation.admin("GET", "/admin/memory-stats").json()["working_set"]
    assert held["entries"] >= len(ids)

    done = installation.admin("POST", "/admin/gc").json()

    assert done["freed_bytes"] == held["bytes"] > len(ids) * 4096
    assert done["rss_before_bytes"] - done["rss_after_bytes"] > 0.5 * done["freed_bytes"]
    assert installation.admin("GET", "/admin/memory-stats").json()["working_set"] == {"entries": 0, "bytes": 0}
    assert installation.value("synaptic_gc_runs_total") == runs + 1
    assert installation.value("synaptic_gc_freed_bytes_total") == freed + done["freed_bytes"]


def test_a_backup_streams_every_row_and_is_noted(installation: Installation) -> None:
    begun = time.time()
    answer = installation.admin("POST", "/admin/backup", json={"path": "/backup/all.json"})
    content = answer.json()
    with installation.database() as database:
        (rows,) = database.execute("SELECT count(*) FROM memories").fetchone() or (None,)
        ids = {str(row[0]) for row in database.execute("SELECT id FROM memories")}
    assert "content-length" not in answer.headers
    assert content["count"] == len(content["memories"]) == rows
    assert {memory["id"] for memory in content["memories"]} == ids
    assert installation.value("synaptic_backup_last_success_timestamp_seconds") >= begun


def test_a_backup_that_nobody_reads_to_its_end_is_no_backup(installation: Installation) -> None:
    before = installation.value("synaptic_backup_last_success_timestamp_seconds")
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    with installation.database() as database:
        # More than all buffers on the way hold, so that the service must notice.
        database.execute(
            "INSERT INTO memories (id, content, memory_type, user_id)"
            " SELECT gen_random_uuid(), repeat('x', 20000), 'short_term', 'user-large' FROM generate_series(1, 2000)"
        )
        with httpx.stream("POST", f"{installation.url()}/admin/backup", headers=headers) as answer:
            next(answer.iter_bytes())
        backups = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%/backup'"
        until(lambda: database.execute(backups).fetchone() == (0,), "the end of the backup's session")
        database.execute("DELETE FROM memories WHERE user_id = 'user-large'")
    assert installation.value("synaptic_backup_last_success_timestamp_seconds") == before


def test_consolidation_merges_fragments_and_runs_once_at_a_time(installation: Installation) -> None:
    with (
        installation.client() as client,
        installation.database() as database,
        concurrent.futures.ThreadPoolExecutor() as threads,
    ):
        memory_id = store(client, "a garden")
        for word in ("with", "telescope"):
            client.patch(f"/memories/short_term/{memory_id}", json={"content": word})
        fragments = database.execute("SELECT count(*) FROM memory_fragments").fetchone()
        first = threads.submit(installation.admin, "POST", "/admin/consolidate-memories")
        running = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        until(lambda: database.execute(running).fetchone() == (1,), "a consolidation")
        assert installation.admin("POST", "/admin/consolidate-memories", 2).status_code == 409

        done = first.result(60).json()

        assert (done["fragments"],) == fragments
        assert done["faded"] > 0
        assert database.execute("SELECT count(*) FROM memory_fragments").fetchone() == (0,)
        merged = database.execute("SELECT content FROM memories WHERE id = %s", (memory_id,)).fetchone()
        assert merged == ("a garden with telescope",)
    age = time.time() - installation.value("synaptic_consolidation_last_success_timestamp_seconds")
    assert age < 60


def test_an_exhausted_pool_has_waiters_and_is_not_ready_until_it_is_healed(installation: Installation) -> None:
    def stats() -> dict[str, int]:
        return dict(installation.admin("GET", "/admin/db-stats").json())

    assert stats()["max"] == 20
    with installation.client() as client, concurrent.futures.ThreadPoolExecutor() as threads:
        installation.control(0, "/fault/pool-exhausted/on")
        until(lambda: stats()["in_use"] == 20, "a pool in use")
        asked = threads.submit(client.get, "/search", params={"type": "recent", "limit": 50})
        until(lambda: stats()["waiters"] > 0, "a waiter")
        refused = httpx.get(f"{installation.url()}/ready", timeout=10)
        assert refused.status_code == 503
        assert refused.json() == {"status": "not ready", "reason": "no free database connection"}
        assert installation.value("synaptic_db_pool_connections", state="in_use") == 20
        # The wait for a connection ends, and with it the request.
        assert asked.result(30).status_code == 503
        assert installation.total("synaptic_error_rate", error_type="pool_timeout") > 0

        installation.control(0, "/fault/pool-exhausted/off")
        until(lambda: httpx.get(f"{installation.url()}/ready").status_code == 200, "readiness")
        assert client.get("/search", params={"type": "recent", "limit": 50}).status_code == 200


def test_log_lines_have_the_form_of_tracing_subscriber(installation: Installation) -> None:
    user = a_new_user()
    installation.sign_in(user, "wrong")
    with installation.client() as client:
        assert client.get("/memories/long_term/latest").status_code == 500

    lines = [json.loads(line) for line in installation.log_file(0).read_text().splitlines()]

    assert all({"timestamp", "level", "target", "fields"} <= set(line) for line in lines)
    assert {line["level"] for line in lines} <= {"ERROR", "WARN", "INFO", "DEBUG", "TRACE"}
    # On a busy machine the slow sign-in has a line of its own, which names the user as well.
    told = [line for line in lines if line["fields"].get("user_id") == user]
    (fields,) = [line["fields"] for line in told if line["target"] == "synaptic::security::audit"]
    assert (fields["event_type"], fields["operation"]) == ("Authentication", "login_failure")
    assert (fields["success"], fields["risk_level"], fields["ip_address"]) == (False, "Medium", "127.0.0.1")
    error = [line for line in lines if line["level"] == "ERROR" and line["target"] == "synaptic::memory"][-1]
    assert error["span"] == {"name": "read_memory"}
    assert (len(error["trace_id"]), len(error["span_id"])) == (32, 16)
    assert "invalid input syntax for type uuid" in error["fields"]["error"]
    assert error["fields"]["duration_ms"] > 0


def test_a_failed_request_leaves_a_trace_in_jaegers_form_under_the_callers_id(installation: Installation) -> None:
    trace_id = uuid.uuid4().hex
    with installation.client() as client:
        client.get("/memories/short_term/latest", headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"})
    pod = installation.plan.replicas[0].pod
    file = installation.plan.run / f"spans-{pod}.jsonl"

    def found() -> list[dict[str, Any]]:
        lines = file.read_text().splitlines() if file.exists() else []
        return [trace for trace in map(json.loads, lines) if trace["traceID"] == trace_id]

    (trace,) = until(found, "the trace")
    spans = {span["operationName"]: span for span in trace["spans"]}
    root, statement = spans["read_memory"], spans["postgresql read"]
    tags = {tag["key"]: tag["value"] for tag in root["tags"]}
    assert (tags["operation.type"], tags["memory.operation"], tags["error"]) == ("memory", "read", True)
    assert statement["references"][0]["spanID"] == root["spanID"]
    assert root["references"][0]["spanID"] == "00f067aa0ba902b7"
    assert trace["processes"]["p1"]["serviceName"] == "synaptic"


def test_the_four_requests_of_the_gdpr_do_what_they_say(installation: Installation) -> None:
    user = a_new_user()
    with installation.client(user) as client:
        memory_id = store(client, "my adress")
        store(client, "something else", "long_term")

    def ask(kind: str, **more: object) -> dict[str, Any]:
        answer = installation.admin("POST", f"/admin/gdpr/{kind}", json={"user_id": user, **more})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    assert ask("rectification", corrections={memory_id: "my address"})["count"] == 1
    assert {memory["content"] for memory in ask("access")["memories"]} == {"my address", "something else"}
    assert ask("portability")["format"] == "application/json"
    assert ask("deletion")["count"] == 2
    assert ask("access")["count"] == 0
    with installation.database() as database, installation.redis() as redis:
        assert database.execute("SELECT count(*) FROM memories WHERE user_id = %s", (user,)).fetchone() == (0,)
        assert not redis.exists(f"memory:short_term:{memory_id}")
        rows = "SELECT count(*) FROM audit_logs WHERE operation = 'gdpr_deletion' AND user_id = %s"
        until(lambda: database.execute(rows, (user,)).fetchone() == (1,), "the row of the audit trail")


def test_without_the_database_health_is_good_and_readiness_says_why(installation: Installation) -> None:
    with installation.superuser() as database:
        database.execute(f"ALTER ROLE {installation.plan.database_user} CONNECTION LIMIT 0".encode())
        try:
            # Also those who are in.
            end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'synaptic/%'"
            database.execute(end)
            ready = f"{installation.url()}/ready"
            until(lambda: httpx.get(ready, timeout=10).status_code == 503, "unreadiness")
            assert httpx.get(ready, timeout=10).json()["reason"] == "database unavailable"
            assert httpx.get(f"{installation.url()}/health").status_code == 200
        finally:
            database.execute(f"ALTER ROLE {installation.plan.database_user} CONNECTION LIMIT -1".encode())
        until(lambda: httpx.get(ready, timeout=10).status_code == 200, "readiness")


def test_the_exit_order_ends_a_replica_in_order(installation: Installation) -> None:
    installation.start(1)
    installation.wait_until_ready(1)
    assert installation.control(1, "/exit").status_code == 200
    process = installation.processes.pop(1)
    assert process.wait(30) == 0
    assert "stopping synaptic" in installation.log_file(1).read_text()


def test_partitions_cover_three_years_back_and_one_ahead(installation: Installation) -> None:
    with installation.database() as database:
        names = {
            str(row[0]) for row in database.execute("SELECT relid::regclass::text FROM pg_partition_tree('memories')")
        }
        year = time.gmtime().tm_year
        assert {f"memories_{one}" for one in range(year - 3, year + 2)} <= names
        # Running the schema again changes nothing.
        indexes = "SELECT count(*) FROM pg_indexes WHERE schemaname = 'public'"
        before = database.execute(indexes).fetchone()
        database.execute((ROOT / "demo" / "schema.sql").read_bytes())
        assert database.execute(indexes).fetchone() == before


def test_similar_texts_come_first() -> None:
    held = WorkingSet()
    for number, text in enumerate(("the harbour at night", "invoice of the vineyard", "a harbour in the north")):
        held.add({"id": str(number), "content": text})
    assert [memory["id"] for memory in held.similar("harbour night", 2)] == ["0", "2"]
    assert held.drop() > 3 * 4096
    assert held.similar("harbour", 2) == []
    assert float(np.linalg.norm(embed("harbour"))) == pytest.approx(1.0)


def test_the_rhythm_is_the_same_for_one_moment_and_for_many() -> None:
    times = np.arange(1_790_000_000.0, 1_790_100_000.0, 777.0)
    many = rhythm.rates(times)
    for name, values in many.items():
        assert float(rhythm.rates(times[5])[name]) == pytest.approx(float(values[5]))
    assert np.abs(rhythm.noise(times, "any")).max() <= 1.0
    assert sum(rhythm.replica_share(times, index) for index in range(3)) == pytest.approx(np.ones(len(times)))


def test_the_rhythm_has_days_weeks_growth_and_one_incident() -> None:
    monday = 1_790_553_600.0
    day = rhythm.DAY
    assert time.gmtime(monday).tm_wday == 0
    afternoon, night, sunday = monday + 14 * 3600, monday + 2 * 3600, monday + 6 * day + 14 * 3600
    total = {moment: sum(map(float, rhythm.rates(moment).values())) for moment in (afternoon, night, sunday)}
    assert 15 < total[afternoon] < 25
    assert total[night] < 0.6 * total[afternoon]
    assert total[sunday] < 0.75 * total[afternoon]

    origin = afternoon
    assert float(rhythm.growth(origin - 30 * day, origin)) == pytest.approx(1 / 1.18)
    begin, end = rhythm.incident_window(origin)
    assert 3.5 * day < origin - begin < 5 * day
    assert 45 * 60 < end - begin < 55 * 60
    middle = (begin + end) / 2
    assert float(rhythm.error_share(middle, "full_text", origin)) > 0.05
    assert float(rhythm.latency_factor(middle, "ranked", origin)) > 5
    assert rhythm.version_at(middle, origin) == "1.8.2"
    assert rhythm.version_at(end + 60, origin, 2) == "1.8.1"
    assert float(rhythm.incident_depth(begin - 60, origin)) == 0.0
