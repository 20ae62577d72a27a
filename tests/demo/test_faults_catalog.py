"""Each fault on a real installation: it injures what it says it injures, persists, and is healed."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import psycopg
import pytest
from conftest import ADMIN_TOKEN, JWT_SECRET, Installation
from test_service import CONTRACT

from demo.faults import FAULTS
from demo.faults.catalogue import Fault
from demo.faults.relations import LARGEST
from demo.load import Load
from demo.parts import nginx
from demo.plan import HOST, ROOT, Plan
from demo.synaptic.search import REGRESSED_VERSION
from tests.support.looping import LoopThread, until

NAMES = [
    "slow-database",
    "pool-exhausted",
    "memory-leak",
    "cache-flushed",
    "error-burst",
    "login-brute-force",
    "bad-deploy",
    "log-flood",
    "lock-pileup",
    "idle-in-transaction",
    "missing-index",
    "bloat",
    "xid-age",
    "cache-eviction",
]


# The index of searches: whether all of it is valid, and of how many parts it is, itself included.
SEARCH_INDEXES = """
    SELECT bool_and(indisvalid), count(*)::int FROM pg_partition_tree(to_regclass('idx_memories_search_vector'))
    JOIN pg_index ON indexrelid = relid
"""
OPTIONS = "SELECT relname, reloptions FROM pg_class WHERE relname LIKE 'memories%' AND reloptions IS NOT NULL"


@contextmanager
def running(installation: Installation, name: str) -> Iterator[None]:
    """A fault in the foreground of a process of its own, ended by SIGTERM."""
    process = subprocess.Popen(
        [sys.executable, "-m", "demo.faults", name], cwd=ROOT, env=installation.environment, stdout=subprocess.PIPE
    )
    try:
        yield
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert f"{name}: healed" in said.decode()


@pytest.fixture
def balancer(installation: Installation) -> Iterator[str]:
    """NGINX in front of the replicas."""
    part = nginx.parts(installation.plan)[0]
    assert part.prepare is not None
    assert part.ready is not None
    assert not callable(part.command)
    installation.plan.logs.mkdir(exist_ok=True)
    part.prepare()
    with (installation.plan.home / "nginx.out").open("ab") as log:
        process = subprocess.Popen(part.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        until(part.ready, "NGINX answering")
        yield f"http://{HOST}:{installation.plan.nginx_port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def test_the_registry_has_all_faults_of_the_game_days() -> None:
    assert list(FAULTS) == NAMES


@pytest.mark.parametrize("fault", FAULTS.values(), ids=NAMES)
def test_a_fault_says_what_it_does_and_names_signals_that_exist(fault: Fault) -> None:
    assert fault.SUMMARY.endswith(".")
    assert fault.HEALS.endswith(".")
    assert fault.MOVES
    process_metrics = {"process_resident_memory_bytes", "process_start_time_seconds"}
    log_fields = {"level", "fields.duration_ms", "fields.operation"}
    for signal_name in fault.MOVES:
        name = re.sub(r"\{.*\}$", "", signal_name)
        if not re.match(r"pg_|INFO\.", name):
            assert name in set(CONTRACT) | process_metrics | log_fields | {"/ready"}


@pytest.mark.integration
def test_what_moves_in_the_stores_are_columns_and_fields_that_they_have(installation: Installation) -> None:
    moved = [name.split(".") for fault in FAULTS.values() for name in fault.MOVES if re.match(r"pg_|INFO\.", name)]
    with installation.database() as database, installation.redis() as redis:
        fields = redis.info()
        columns = database.execute("SELECT attrelid::regclass::text, attname FROM pg_attribute WHERE attnum > 0")
        known = {*columns.fetchall(), *(("INFO", field) for field in fields)}
    assert {(where, what) for where, what in moved} - known == set()


def test_an_unknown_fault_is_refused_by_name(installation: Installation) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo.faults", "earthquake"],
        cwd=ROOT,
        env=installation.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "There is no fault called earthquake" in done.stderr
    assert "slow-database" in done.stderr


@pytest.mark.integration
def test_slow_database_makes_searches_wait_for_a_lock(installation: Installation) -> None:
    slow = {"query_type": "recent", "complexity": "simple", "result_size": "large"}

    def beyond_half_a_second() -> float:
        below = installation.value("synaptic_query_duration_seconds_bucket", le="0.5", **slow)
        return installation.value("synaptic_query_duration_seconds_count", **slow) - below

    with installation.client() as client, installation.database() as database:

        def search() -> None:
            assert client.get("/search", params={"type": "recent", "limit": 50}).status_code == 200

        locks = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'memories'::regclass"
        with running(installation, "slow-database"):
            until(lambda: database.execute(locks).fetchone() == (1,), "the lock")
            before = beyond_half_a_second()

            def slower() -> bool:
                search()
                return beyond_half_a_second() > before

            until(slower, "a search that waits")
        sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'quarterly-report'"
        until(lambda: database.execute(sessions).fetchone() == (0,), "the end of the report")
        search()


@pytest.mark.integration
def test_lock_pileup_is_a_chain_of_sessions_that_wait_for_each_other(installation: Installation) -> None:
    chain = """
        SELECT waiter.application_name, blocker.application_name
        FROM pg_stat_activity waiter, unnest(pg_blocking_pids(waiter.pid)) blocking
        JOIN pg_stat_activity blocker ON blocker.pid = blocking
    """
    replica = f"synaptic/{installation.plan.replicas[0].pod}"
    ours = (
        "SELECT FROM pg_stat_activity WHERE application_name IN ('memory-import', 'schema-migration', 'audit-export')"
    )
    with installation.database() as database:

        def waits(waiter: str, blocker: str) -> Callable[[], bool]:
            return lambda: (waiter, blocker) in set(database.execute(chain).fetchall())

        with ThreadPoolExecutor(1) as thread, installation.client() as client:
            with running(installation, "lock-pileup"):
                until(waits("schema-migration", "memory-import"), "the migration waiting for the import")
                until(waits("audit-export", "schema-migration"), "the export waiting for the migration")
                search = thread.submit(client.get, "/search", params={"type": "recent", "limit": 50})
                until(waits(replica, "schema-migration"), "a request waiting for the migration")
                idle = "SELECT state FROM pg_stat_activity WHERE application_name = 'memory-import'"
                assert database.execute(idle).fetchall() == [("idle in transaction",)]
                # Somebody ends the root: the migration gets its lock and is undone, and the client tries again.
                database.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'memory-import'"
                )
                assert search.result().status_code == 200
                until(waits("schema-migration", "memory-import"), "the next pile")
            until(lambda: not database.execute(ours).fetchall(), "the end of all three")
            assert client.get("/search", params={"type": "recent", "limit": 50}).status_code == 200
        columns = "SELECT FROM pg_attribute WHERE attrelid = 'memories'::regclass AND attname = 'source'"
        assert database.execute(columns).fetchall() == []


@pytest.mark.integration
def test_idle_in_transaction_takes_connections_and_holds_the_horizon(installation: Installation) -> None:
    sessions = """
        SELECT count(*), count(backend_xmin) FROM pg_stat_activity
        WHERE application_name = 'monthly-report' AND state = 'idle in transaction'
    """
    with installation.database() as database:
        with running(installation, "idle-in-transaction"):
            until(lambda: database.execute(sessions).fetchone() == (36, 36), "its sessions, each with a snapshot")
        until(lambda: database.execute(sessions).fetchone() == (0, 0), "their end")


@pytest.mark.integration
def test_missing_index_leaves_searches_without_it_until_it_is_made_again_as_it_was(installation: Installation) -> None:
    definitions = """
        SELECT indrelid::regclass::text, indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
        JOIN pg_partition_tree('memories') ON relid = indrelid ORDER BY 1, 2
    """
    ranked = {"type": "ranked", "q": "glacier & vineyard", "limit": 10}
    with installation.database() as database, installation.client() as client:
        before = database.execute(definitions).fetchall()
        with running(installation, "missing-index"):
            until(lambda: database.execute(SEARCH_INDEXES).fetchone() == (None, 0), "no index for searches")
            assert client.get("/search", params=ranked).status_code == 200
        assert database.execute(SEARCH_INDEXES).fetchone() == (True, 7)
        assert database.execute(definitions).fetchall() == before


@pytest.mark.integration
def test_an_index_that_was_made_by_half_is_completed(installation: Installation) -> None:
    index = FAULTS["missing-index"]
    index.inject(installation.plan)
    with installation.database() as database, installation.superuser() as superuser:
        gin = "USING gin (to_tsvector('english', content))"
        database.execute(f"CREATE INDEX idx_memories_search_vector ON ONLY memories {gin}".encode())
        database.execute(f"CREATE INDEX memories_default_to_tsvector_idx ON memories_default {gin}".encode())
        # As a build leaves it that was cut off.
        superuser.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'memories_default_to_tsvector_idx'::regclass"
        )
        index.heal(installation.plan)
        assert database.execute(SEARCH_INDEXES).fetchone() == (True, 7)


@pytest.mark.integration
def test_bloat_leaves_dead_rows_until_the_partition_is_written_anew(installation: Installation) -> None:
    with installation.database() as database:
        # Written anew: room that other tests left would be filled before a table grows.
        database.execute("VACUUM (FULL, ANALYZE) memories")
        (table,) = database.execute(LARGEST).fetchone() or ("",)

        def numbers() -> tuple[int, int, int]:
            """Dead rows, living ones, bytes."""
            columns = "n_dead_tup, n_live_tup, pg_table_size(relid)"
            row = database.execute(f"SELECT {columns} FROM pg_stat_user_tables WHERE relname = %s".encode(), (table,))
            dead, live, size = row.fetchone() or (0, 0, 0)
            return dead, live, size

        _, _, size = numbers()
        with running(installation, "bloat"):
            until(lambda: numbers()[2] > 2 * size, "a table of twice its size")
            until(lambda: numbers()[0] > numbers()[1], "more dead rows than living ones")
            assert database.execute(OPTIONS).fetchall() == [(table, ["autovacuum_enabled=off"])]
        assert numbers()[2] <= 1.5 * size
        until(lambda: numbers()[0] < 50, "a table without dead rows")
        assert database.execute(OPTIONS).fetchall() == []


@pytest.mark.integration
def test_xid_age_grows_fast_and_no_vacuum_lowers_it(installation: Installation) -> None:
    with installation.database() as database:
        (table,) = database.execute(LARGEST).fetchone() or ("",)

        def age() -> int:
            row = database.execute("SELECT age(relfrozenxid) FROM pg_class WHERE relname = %s", (table,)).fetchone()
            return int((row or (0,))[0])

        with running(installation, "xid-age"):
            until(lambda: age() > 100_000, "a tenth of the lowered limit")
            database.execute(f"VACUUM (FREEZE) {table}".encode())
            assert age() > 100_000
            assert database.execute("SELECT gid FROM pg_prepared_xacts").fetchall() == [("nightly-import",)]
            assert database.execute(OPTIONS).fetchall() == [(table, ["autovacuum_freeze_max_age=1000000"])]
        assert age() < 50_000
        assert database.execute("SELECT FROM pg_prepared_xacts").fetchall() == []
        assert database.execute(OPTIONS).fetchall() == []


@pytest.mark.integration
def test_cache_eviction_evicts_all_the_time(installation: Installation) -> None:
    with installation.redis() as redis:
        # Half of the keys are large and half are small: no sample tells well how much all of them need.
        redis.flushdb()
        for number in range(500):
            redis.set(f"memory:short_term:{number}", "text " * 800, ex=600)
            redis.set(f"session:{number}", "text", ex=600)

        def evicted() -> int:
            # Each answer that is cached drives others out.
            number = redis.incr("memory:short_term:next", 1)
            redis.set(f"memory:short_term:{number}", "text " * 800, ex=600)
            return int(redis.info("stats")["evicted_keys"])

        before = evicted()
        with running(installation, "cache-eviction"):
            until(lambda: evicted() > before + 800, "most keys being evicted")
            once = evicted()
            until(lambda: evicted() > once + 20, "more and more")
            # Clients that connect take from the same memory, and drive all keys out; the cache has some again soon.
            with ExitStack() as clients:
                for _ in range(40):
                    clients.enter_context(installation.redis()).ping()
                limited = redis.config_get("maxmemory")
                until(lambda: redis.config_get("maxmemory") != limited, "the limit reckoned anew")
                until(lambda: evicted() > 0 and redis.dbsize() > 50, "keys in the cache")
        after = evicted()
        evicted()
        assert evicted() == after


@pytest.mark.integration
def test_error_burst_makes_writes_fail_until_it_is_healed(installation: Installation) -> None:
    triggers = "SELECT count(*) FROM pg_trigger WHERE tgname = 'check_quota' AND tgparentid = 0"
    with installation.client() as client, installation.database() as database:

        def store() -> int:
            return client.post("/memories/short_term", json={"content": "text"}).status_code

        errors = installation.total("synaptic_memory_operations_total", operation_type="store", status="error")
        with running(installation, "error-burst"):
            until(lambda: database.execute(triggers).fetchone() == (1,), "the trigger")
            answers = [store() for _ in range(60)]
            assert {201, 500} == set(answers)
        now = installation.total("synaptic_memory_operations_total", operation_type="store", status="error")
        assert now - errors == answers.count(500)
        assert database.execute(triggers).fetchone() == (0,)
        assert store() == 201


@pytest.mark.integration
def test_off_heals_what_a_killed_process_left_behind(installation: Installation) -> None:
    for name in ("missing-index", "bloat", "xid-age", "cache-eviction", "log-flood", "error-burst"):
        FAULTS[name].inject(installation.plan)
    done = subprocess.run(
        [sys.executable, "-m", "demo.faults", "off"], cwd=ROOT, env=installation.environment, check=False
    )
    assert done.returncode == 0
    with installation.client() as client:
        for _ in range(10):
            assert client.post("/memories/short_term", json={"content": "text"}).status_code == 201
    with installation.database() as database, installation.redis() as redis:
        assert database.execute(SEARCH_INDEXES).fetchall() == [(True, 7)]
        assert database.execute(OPTIONS).fetchall() == []
        assert database.execute("SELECT FROM pg_prepared_xacts").fetchall() == []
        assert redis.config_get("maxmemory") == {"maxmemory": str(64 * 1024 * 1024)}


@pytest.mark.integration
def test_memory_leak_holds_real_memory_that_gc_does_not_free(installation: Installation) -> None:
    def resident() -> int:
        # What the operating system says, not the service.
        status = (Path("/proc") / str(installation.processes[0].pid) / "status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024  # type: ignore[index]

    before = resident()
    with running(installation, "memory-leak"):
        until(lambda: resident() > before + 60_000_000, "60 MB more")
        installation.admin("POST", "/admin/gc")
        assert resident() > before + 55_000_000
        assert installation.value("synaptic_system_memory_usage_bytes") > before + 55_000_000
    until(lambda: resident() < before + 30_000_000, "memory given back")


@pytest.mark.integration
def test_pool_exhausted_is_put_back_into_a_replica_that_restarts(installation: Installation) -> None:
    def in_use(index: int) -> Callable[[], bool]:
        return lambda: installation.admin("GET", "/admin/db-stats", index).json()["in_use"] == 20

    with running(installation, "pool-exhausted"):
        until(in_use(0), "the first pool being empty")
        until(in_use(2), "the last pool being empty")
        # Nobody gets a connection, so it never says that it is ready.
        installation.stop(2)
        installation.start(2)

        def healthy() -> bool:
            try:
                return httpx.get(f"{installation.url(2)}/health").status_code == 200
            except httpx.HTTPError:
                return False

        until(healthy, "the new process")
        until(in_use(2), "its pool being empty as well")
    for index in (0, 2):
        installation.wait_until_ready(index)


@pytest.mark.integration
def test_cache_flushed_removes_sessions_once_and_memories_again_and_again(installation: Installation) -> None:
    with installation.client() as client, installation.redis() as redis:
        memory_id = client.post("/memories/short_term", json={"content": "text"}).json()["id"]
        with running(installation, "cache-flushed"):
            until(lambda: client.get("/export").status_code == 401, "the sessions' end")
            with installation.client() as again:

                def read() -> bool:
                    assert again.get(f"/memories/short_term/{memory_id}").status_code == 200
                    return bool(redis.exists(f"memory:short_term:{memory_id}"))

                # Each read caches it, and each time it is removed again.
                for _ in range(2):
                    until(read, "the memory being cached")
                    until(lambda: not redis.exists(f"memory:short_term:{memory_id}"), "its removal")


@pytest.mark.integration
def test_login_brute_force_fails_and_locks_users_out(installation: Installation, balancer: str) -> None:
    def both(name: str, **labels: str) -> float:
        return sum(installation.total(name, index, **labels) for index in (0, 2))

    failures = both("synaptic_authentication_attempts_total", status="failure")
    violations = both("synaptic_security_violations_total", violation_type="brute_force")
    with running(installation, "login-brute-force"):
        until(
            lambda: both("synaptic_authentication_attempts_total", status="failure") >= failures + 8,
            "failed attempts",
        )
        until(
            lambda: both("synaptic_security_violations_total", violation_type="brute_force") > violations,
            "a lock-out",
        )
    rows = "SELECT count(*) FROM audit_logs WHERE host(ip_address) = '203.0.113.66' AND operation = 'login_failure'"
    with installation.database() as database:
        until(lambda: (database.execute(rows).fetchone() or (0,))[0] >= 8, "the attempts in the audit trail")


@contextmanager
def running_here(fault: Fault, plan: Plan) -> Iterator[None]:
    """A fault in a thread, told to stop by its event."""
    stop = threading.Event()
    thread = threading.Thread(target=fault.run, args=(plan, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.integration
def test_log_flood_writes_errors_until_it_is_healed(installation: Installation) -> None:
    file = installation.log_file(0)

    def lines() -> int:
        return file.read_text().count('"target":"synaptic::replication"')

    before = lines()
    # Of a plan with one replica it takes that one.
    with running_here(FAULTS["log-flood"], replace(installation.plan, replicas_count=1)):
        until(lambda: lines() > before + 200, "200 lines")
        assert installation.total("synaptic_error_rate", component="cache") > 1000
    last = lines()
    assert httpx.get(f"{installation.url()}/health").status_code == 200
    assert lines() == last


@pytest.mark.integration
def test_bad_deploy_restarts_a_replica_with_the_regression_and_rolls_back(installation: Installation) -> None:
    """With a supervisor as small as can be: it starts what ended with the version that the file names."""
    version_file = installation.plan.run / "version"
    stopped = threading.Event()
    seen: list[str] = []

    def supervise() -> None:
        while not stopped.wait(0.05):
            if installation.processes[0].poll() is not None:
                version = version_file.read_text()
                installation.start(0, version)
                seen.append(version)  # only now: whoever waits for it asks the new process

    supervisor = threading.Thread(target=supervise)
    supervisor.start()
    try:
        with running_here(FAULTS["bad-deploy"], replace(installation.plan, replicas_count=1)):
            until(lambda: seen == [REGRESSED_VERSION], "a restart")
            installation.wait_until_ready(0)
            assert installation.value("synaptic_build_info", version=REGRESSED_VERSION) == 1
            with installation.client() as client:
                ranked = {"type": "ranked", "q": "glacier & harbour", "limit": 50}
                assert client.get("/search", params=ranked).status_code == 500
                statements = installation.total("synaptic_storage_operations_total", operation_type="search")
                found = client.get("/search", params={"type": "full_text", "q": "glacier & harbour", "limit": 50})
                assert found.json()["count"] == 50
                now = installation.total("synaptic_storage_operations_total", operation_type="search")
                # One that finds and one for each result.
                assert now - statements == 51
        until(lambda: seen == [REGRESSED_VERSION, installation.plan.version], "the roll-back")
    finally:
        stopped.set()
        supervisor.join()
    installation.wait_until_ready(0)
    assert installation.value("synaptic_build_info", version=installation.plan.version) == 1


@pytest.mark.integration
def test_the_load_generator_uses_everything_and_survives_a_service_that_is_down(
    installation: Installation, balancer: str, servers: LoopThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNAPTIC_ADMIN_TOKEN", ADMIN_TOKEN)
    monkeypatch.setenv("JWT_SECRET", JWT_SECRET)

    async def begin() -> tuple[Load, asyncio.Event]:
        return Load(installation.plan, factor=10.0), asyncio.Event()

    load, stop = servers.run(begin())
    ended = asyncio.run_coroutine_threadsafe(load.run(stop), servers.loop)
    try:
        until(lambda: load.answers["200"] > 150 and load.answers["201"] > 5, "answers of all kinds")
        for index in (0, 2):
            installation.stop(index)
        until(lambda: load.answers["502"], "the service being down")
        for index in (0, 2):
            installation.start(index)
        answered = load.answers["200"]
        until(lambda: load.answers["200"] > answered + 20, "answers again")
    finally:
        servers.loop.call_soon_threadsafe(stop.set)
        ended.result(60)
    assert set(load.answers) <= {"200", "201", "401", "403", "404", "423", "500", "502", "503", "dropped", "ReadError"}
    for index in (0, 2):
        installation.wait_until_ready(index)
    with psycopg.connect(installation.plan.postgres_dsn) as connection:
        stored = connection.execute("SELECT count(*) FROM memories WHERE content LIKE 'Notes on %written down%'")
        assert (stored.fetchone() or (0,))[0] >= 5
