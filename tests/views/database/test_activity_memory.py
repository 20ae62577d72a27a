"""What the worker notes of the sessions of a real PostgreSQL, 15 and 18: all that was there, once, and gaps as gaps."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from collectors import registry
from collectors.errors import Denied, Unreachable
from collectors.postgres.activity import sample
from collectors.postgres.server import APPLICATION
from collectors.registry import Sources
from records.activity import NO_QUERY, Group, save_activity
from records.activity_reading import (
    list_blocking,
    read_blocking,
    read_groups,
    read_load,
    read_texts,
)
from records.database import Database, open_database
from records.leases import Lease, LeaseLostError, take_lease
from settings import Settings
from tests.records.test_leases import NAME, expire
from tests.support import postgresql
from tests.support.looping import until
from tests.support.postgresql import Server
from tests.web.serving import ROOT
from views.database.sessions.sampler import BLOCKING_EVERY, ActivityMemory, opened
from views.database.sessions.view import seats, waits
from worker import Worker

pytestmark = pytest.mark.integration

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
MINUTE, SECOND, DAY = timedelta(minutes=1), timedelta(seconds=1), timedelta(days=1)


@pytest.fixture(scope="module", params=[15, 18])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with postgresql.running(request.param) as running:
        running.run("CREATE ROLE poor LOGIN")
        running.run("CREATE TABLE held (id int, owner text)", "synaptic")
        running.run("INSERT INTO held VALUES (1, 'ann')", "synaptic")
        yield running


@pytest.fixture
def database(tmp_path) -> Iterator[Database]:
    database = open_database(SecretStr(f"sqlite:///{tmp_path}/records.sqlite3"), 20)
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def lease(database: Database) -> Lease:
    return take_lease(database, NAME, "a worker", 600)


def settings(server: Server, **keys: object) -> Settings:
    given = {"host": "127.0.0.1", "port": server.port, "user": "console", "deadline": 30, **keys}
    return Settings.model_validate({"environments": {"test": {"postgres": given}}})


@pytest.fixture
def sources(server: Server) -> Iterator[Callable[..., Sources]]:
    made: list[Sources] = []

    def build(**keys: object) -> Sources:
        made.append(registry.build(settings(server, **keys), "test"))
        return made[-1]

    yield build
    for one in made:
        for collector in one.configured():
            collector.close()


@pytest.fixture
def memory() -> ActivityMemory:
    return ActivityMemory("test", 8 * DAY)


@contextmanager
def running(server: Server, statement: str, count: int = 1, **keys: object) -> Iterator[None]:
    """So many sessions that run a statement while the block does; seen running by the server when it begins."""
    with ExitStack() as stack:
        sessions = [stack.enter_context(server.connect("synaptic", **keys)) for _ in range(count)]

        def run(session) -> None:
            with pytest.raises(Exception, match=r"terminating connection|closed the connection"):
                session.execute(statement.encode())

        threads = [threading.Thread(target=run, args=(session,)) for session in sessions]
        for thread in threads:
            thread.start()
        pids = ",".join(str(session.info.backend_pid) for session in sessions)
        asleep = (
            f"SELECT count(*) FROM pg_stat_activity WHERE pid IN ({pids}) AND state = 'active' AND wait_event <> ''"
        )
        until(lambda: server.run(asleep) == [(count,)], "the sessions waiting")
        try:
            yield
        finally:
            server.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid IN ({pids})")
            for thread in threads:
                thread.join()


def test_each_session_counts_in_each_sample_by_what_it_does_and_the_console_does_not(
    server, sources, memory, database, lease
):
    ours = {"application_name": APPLICATION}
    with (
        running(server, "SELECT pg_sleep(600)", 5, application_name="api"),
        running(server, "SELECT pg_sleep(600) -- of ann", 2, application_name="psql", user="console"),
        running(server, "SELECT pg_sleep(600)", 1, **ours),
        server.connect("synaptic", application_name="idle"),
    ):
        asked = sources()
        for place in range(4):
            assert memory.sample(asked, database, lease, lambda at=NOON + place * SECOND: at) == 7
        memory.write(database, lease, NOON + MINUTE)
    load = read_load(database, "test", "wait", NOON, NOON + MINUTE)
    assert load.samples == {NOON: 4}
    assert load.sessions == {(NOON, "Timeout:PgSleep"): 28}
    groups = read_groups(database, "test", NOON, NOON + MINUTE)
    (query_id,) = {group.query_id for group in groups}
    assert groups == {
        Group("Timeout:PgSleep", query_id, "postgres", "api"): 20,
        Group("Timeout:PgSleep", query_id, "console", "psql"): 8,
    }
    (text,) = read_texts(database, "test", [query_id]).values()
    assert text.startswith("SELECT pg_sleep(")
    assert "600" not in text
    assert "ann" not in text


def test_a_quiet_server_is_known_to_be_quiet(server, sources, memory, database, lease):
    asked = sources()
    until(lambda: memory.sample(asked, database, lease, lambda: NOON) == 0, "nothing running")
    memory.write(database, lease, NOON + MINUTE)
    assert read_load(database, "test", "wait", NOON, NOON + MINUTE).samples[NOON] >= 1


def test_a_statement_without_an_identifier_counts_too(server, sources, memory, database, lease):
    with running(server, "SELECT pg_sleep(600)", 1, options="-c compute_query_id=off"):
        memory.sample(sources(), database, lease, lambda: NOON)
        memory.write(database, lease, NOON + MINUTE)
    (own,) = {group.query_id for group in read_groups(database, "test", NOON, NOON + MINUTE)}
    assert own != NO_QUERY
    assert read_texts(database, "test", [own]) == {own: "SELECT pg_sleep(…)"}


def test_parallel_workers_count_as_the_load_that_they_are(server, sources):
    forced = "debug_parallel_query" if server.version >= 16 else "force_parallel_mode"
    server.run(
        "CREATE OR REPLACE FUNCTION nap() RETURNS void LANGUAGE sql PARALLEL SAFE AS 'SELECT pg_sleep(600)'", "synaptic"
    )
    server.run("ALTER FUNCTION pg_sleep(double precision) PARALLEL SAFE", "synaptic")
    with running(server, "SELECT nap() FROM held", 1, application_name="api", options=f"-c {forced}=on"):
        found = until(
            lambda: [one for one in sample(sources().postgres) if one.wait == "Timeout:PgSleep"], "the worker asleep"
        )
        assert [(one.client, one.sessions) for one in found] == [("api", 1)]
        all_of_it = sample(sources().postgres)
        assert sum(one.sessions for one in all_of_it if one.client == "api") == 2  # the leader waits for its worker
        assert len({one.query_id for one in all_of_it if one.client == "api"}) == 1


def test_who_waited_for_whom_can_be_looked_at_later_and_holds_no_values(server, sources, memory, database, lease):
    asked = sources()
    with server.connect("synaptic", autocommit=False, application_name="holder") as holder:
        holder.execute("UPDATE held SET owner = 'secret of ann' WHERE id = 1")
        with running(server, "UPDATE held SET owner = 'secret of bob'", 2, application_name="api"):
            for place in range(3):
                memory.sample(asked, database, lease, lambda at=NOON + place * BLOCKING_EVERY / 2: at)
            memory.write(database, lease, NOON + MINUTE)
        holder.rollback()
        pid = holder.info.backend_pid
    events = {name for _, name in read_load(database, "test", "wait", NOON, NOON + MINUTE).sessions}
    assert "Lock:transactionid" in events
    moments = list_blocking(database, "test", NOON, NOON + MINUTE)
    assert [one.taken_at for one in moments] == [NOON + BLOCKING_EVERY, NOON]
    assert [one.waiting for one in moments] == [2, 2]
    assert moments[0].root == "holder, idle in transaction: UPDATE held SET owner = … WHERE id = …"
    found = opened(read_blocking(database, "test", NOON))
    rows = found.sessions.rows
    assert {one.application for one in rows} == {"holder", "api"}
    assert found.sessions.by_pid[pid].state == "idle in transaction"
    assert all("secret" not in one.query for one in rows)
    tree = seats(found.sessions, waits(rows), found.locks, ())
    assert [seat.node.depth for seat in tree] == [0, 1, 2]
    assert (tree[0].session.pid, tree[0].holds, tree[1].wants) == (pid, ("a row of held",), "a row of held")


def test_sessions_that_wait_before_their_statement_has_an_identifier_are_told_by_that_of_calmer_times(
    server, sources, memory, database, lease
):
    asked = sources()
    statement = "SELECT owner FROM held WHERE id = 4711 -- of ann"
    with server.connect("synaptic") as session:
        session.execute(statement.encode())
    calm = "SELECT queryid, query FROM pg_stat_statements WHERE query LIKE 'SELECT owner FROM held WHERE id = $1%'"
    ((query_id, text),) = server.run(calm, "synaptic")
    save_activity(database, lease, "test", [], texts={query_id: text}, now=NOON, keep=8 * DAY)
    with server.connect("synaptic", autocommit=False) as holder:
        holder.execute("LOCK TABLE held")
        with running(server, statement, 3), running(server, "SELECT max(owner) FROM held WHERE id < 12"):
            memory.sample(asked, database, lease, lambda: NOON)
            memory.write(database, lease, NOON + MINUTE)
        holder.rollback()
    groups = read_groups(database, "test", NOON, NOON + MINUTE)
    waiting = {group.query_id: seen for group, seen in groups.items() if group.wait == "Lock:relation"}
    assert waiting.pop(query_id) == 3
    ((own, seen),) = waiting.items()
    assert seen == 1
    assert read_texts(database, "test", [own]) == {own: "SELECT max(owner) FROM held WHERE id < …"}


def test_when_one_worker_takes_over_from_another_no_sample_is_lost_or_doubled(server, sources, database, lease):
    with running(server, "SELECT pg_sleep(600)", 3):
        one, other = ActivityMemory("test", 8 * DAY), ActivityMemory("test", 8 * DAY)
        asked = sources()
        for place in range(70):
            one.sample(asked, database, lease, lambda at=NOON + place * SECOND: at)
        one.write(database, lease, NOON + 70 * SECOND, everything=True)  # as when its process ends
        expire(database)
        taken = take_lease(database, NAME, "another worker", 600)
        for place in range(70, 130):
            other.sample(asked, database, taken, lambda at=NOON + place * SECOND: at)
        one.sample(asked, database, lease, lambda: NOON + 130 * SECOND)
        with pytest.raises(LeaseLostError):
            one.sample(asked, database, lease, lambda: NOON + 190 * SECOND)
    found = read_load(database, "test", "wait", NOON, NOON + 10 * MINUTE)
    assert found.samples == {NOON: 60, NOON + MINUTE: 60}
    assert set(found.sessions.values()) == {180}


KILLED = """
import sys
from datetime import UTC, datetime, timedelta
from pydantic import SecretStr
from collectors import registry
from records.database import open_database
from records.leases import take_lease
from settings import Settings
from views.database.sessions.sampler import ActivityMemory
sources = registry.build(Settings.model_validate_json(sys.argv[1]), "test")
database = open_database(SecretStr(sys.argv[2]))
lease = take_lease(database, sys.argv[3], "a worker", 600)
memory, now = ActivityMemory("test", timedelta(days=8)), datetime.fromisoformat(sys.argv[4])
while True:
    memory.sample(sources, database, lease, lambda: now)
    now += timedelta(seconds=10)
"""


def test_a_worker_that_is_killed_loses_the_open_minute_and_leaves_a_gap(server, sources, database, tmp_path):
    with running(server, "SELECT pg_sleep(600)", 2):
        address = f"sqlite:///{tmp_path}/records.sqlite3"
        words = [settings(server).model_dump_json(), address, NAME, NOON.isoformat()]
        process = subprocess.Popen([sys.executable, "-W", "error", "-c", KILLED, *words], cwd=ROOT)
        try:
            until(
                lambda: len(read_load(database, "test", "wait", NOON, NOON + DAY).samples) >= 3,
                "three minutes being kept",
            )
        finally:
            process.kill()
            process.wait()
        kept = read_load(database, "test", "wait", NOON, NOON + DAY)
        assert set(kept.samples.values()) == {6}
        assert set(kept.sessions.values()) == {12}
        assert kept.newest == NOON + (len(kept.samples) - 1) * MINUTE  # none is missing before the end
        expire(database)
        taken = take_lease(database, NAME, "another worker", 600)
        later = kept.newest + 5 * MINUTE
        other = ActivityMemory("test", 8 * DAY)
        other.sample(sources(), database, taken, lambda: later)
        other.write(database, taken, later + MINUTE)
    after = read_load(database, "test", "wait", NOON, NOON + DAY)
    assert {start: after.samples.get(start) for start in (later - MINUTE, later)} == {later - MINUTE: None, later: 1}


def test_a_restart_of_the_server_costs_the_samples_of_that_time_and_nothing_else(
    server, sources, memory, database, lease
):
    asked = sources()
    memory.sample(asked, database, lease, lambda: NOON)
    server.stop()
    with pytest.raises(Unreachable):
        memory.sample(asked, database, lease, lambda: NOON + SECOND)
    assert read_load(database, "test", "wait", NOON, NOON + MINUTE).samples == {NOON: 1}  # written at once
    server.start()
    memory.sample(asked, database, lease, lambda: NOON + 2 * SECOND)
    memory.sample(asked, database, lease, lambda: NOON + 2 * MINUTE)
    memory.write(database, lease, NOON + 2 * MINUTE, everything=True)
    found = read_load(database, "test", "wait", NOON, NOON + DAY)
    assert found.samples == {NOON: 2, NOON + 2 * MINUTE: 1}


def test_a_role_without_the_right_is_told_so_and_other_work_goes_on(server, sources, database):
    poor = sources(user="poor")
    worker = Worker(settings(server, user="poor"), database, lambda *_: poor)
    outcomes = {job.name: worker._take_turn(job) for job in worker._jobs}
    assert outcomes["database activity"] == Denied.kind
    assert all((job.lease is None) == (outcomes[job.name] != "done") for job in worker._jobs)
    with pytest.raises(Denied, match="pg_read_all_stats"):
        sample(poor.postgres)
    assert read_load(database, "test", "wait", NOON, datetime.now(UTC)).newest is None


def test_the_worker_samples_writes_what_it_has_when_it_ends_and_leaves_no_connection(server, sources, database):
    with running(server, "SELECT pg_sleep(600)", 2, application_name="api"):
        asked = sources()
        worker = Worker(settings(server), database, lambda *_: asked)
        (job,) = [one for one in worker._jobs if one.name == "database activity"]
        thread = threading.Thread(target=worker._run, args=(job,))
        thread.start()
        seen = f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{APPLICATION}'"
        until(lambda: server.run(seen) != [(0,)], "the worker looking")
        worker._stopping.set()
        thread.join()
        now = datetime.now(UTC)
        found = read_load(database, "test", "client", now - 5 * MINUTE, now + MINUTE)
        assert sum(found.samples.values()) >= 1
        ours = {start: seen for (start, client), seen in found.sessions.items() if client == "api"}
        assert ours == {start: 2 * looks for start, looks in found.samples.items()}
        asked.postgres.close()
        until(lambda: server.run(seen) == [(0,)], "its connection being closed")
