"""What the database's view says of this moment, on PostgreSQL 15 and 18 with real locks."""

import re
import socket
import threading
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from collectors import registry
from collectors.cache import Answer
from collectors.errors import Denied, NotConfigured, Overloaded, Unreachable
from collectors.postgres.server import APPLICATION
from collectors.span import Span
from settings import Environment, Limits, Settings
from tests.support import postgresql
from tests.support.looping import until
from ui import format
from views.database.rules.blocking import PREPARED
from views.database.sessions import view as database_now
from views.database.sessions.locks import LockLoad
from views.database.sessions.verdict import load_look, load_told, load_told_connections
from views.database.sessions.view import load_connections, load_now, load_session
from views.overview.view import load_verdict
from views.sources.view import load_reports

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module", params=[15, 18])
def server(request):
    with postgresql.running(request.param, max_connections="30", max_prepared_transactions="5") as running:
        running.run("CREATE TABLE memories (id int PRIMARY KEY, owner text)", "synaptic")
        running.run("INSERT INTO memories SELECT n, 'x' FROM generate_series(1, 9) AS n", "synaptic")
        running.run("CREATE ROLE plain LOGIN")
        yield running


@pytest.fixture(autouse=True)
def always_anew(monkeypatch):
    for module in ("sessions", "now"):
        monkeypatch.setattr(f"collectors.postgres.{module}.TTL", 0.001)


@pytest.fixture
def sources_of(server):
    built = []

    def make(**keys):
        postgres = {"host": "127.0.0.1", "port": server.port, "user": "console", "deadline": 30, **keys}
        settings = Settings(
            environments={"test": Environment.model_validate({"postgres": postgres})},
            limits=Limits(deadline=30, answer_ttl=0.001, keep_stale=0),
        )
        built.append(registry.build(settings, "test"))
        return built[-1]

    yield make
    for sources in built:
        sources.postgres.close()


@pytest.fixture
def stage(server):
    """Sessions with names, each doing one thing; all of them are ended with the test."""
    connections, threads = [], []

    def session(name, *statements, waits="", autocommit=False):
        connection = server.connect("synaptic", autocommit=autocommit, application_name=name)
        connections.append(connection)
        for statement in statements:
            connection.execute(statement)
        if waits:

            def run():
                with suppress(psycopg.Error):
                    connection.execute(waits)

            threads.append(threading.Thread(target=run))
            threads[-1].start()
        return connection

    yield session
    for connection in connections:
        if not connection.closed:
            server.run(f"SELECT pg_terminate_backend({connection.info.backend_pid})")
    for thread in threads:
        thread.join()
    for connection in connections:
        connection.close()


def tree(sources, *names):
    """The seats, once all of these sessions are among those that wait."""

    def all_wait():
        seats = load_now(sources).value.seats
        waiting = {seat.session.application for seat in seats if seat.session is not None and seat.node.blockers}
        return seats if set(names) <= waiting else None

    return until(all_wait, f"{', '.join(names)} waiting")


def named(seats):
    return {seat.session.application: seat for seat in seats if seat.session is not None}


def ours(server):
    return server.run(f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{APPLICATION}'")[0][0]


def test_a_quiet_database_is_calm(sources_of):
    told = load_told(sources_of(cpus=2), format.value).value
    assert told.diagnoses == ()
    assert told.calm.startswith("Nobody waits for a lock: no statements run, ")
    assert told.now.seats == ()
    assert told.now.cpus == 2


def test_a_chain_of_three_levels_is_a_tree_with_what_each_holds_and_wants(stage, sources_of):
    sources = sources_of()
    root = stage("root", "UPDATE memories SET owner = 'secret of ann' WHERE id = 1")
    stage("waiter 1", "UPDATE memories SET owner = 'y' WHERE id = 2", waits="DELETE FROM memories WHERE id = 1")
    tree(sources, "waiter 1")
    stage("waiter 2", "UPDATE memories SET owner = 'y' WHERE id = 3", waits="DELETE FROM memories WHERE id = 2")
    tree(sources, "waiter 2")
    stage("waiter 3", waits="DELETE FROM memories WHERE id = 3")
    seats = tree(sources, "waiter 1", "waiter 2", "waiter 3")
    assert [(seat.session.application, seat.node.depth, seat.node.behind) for seat in seats] == [
        ("root", 0, 3), ("waiter 1", 1, 2), ("waiter 2", 2, 1), ("waiter 3", 3, 0),
    ]  # fmt: skip
    assert [seat.wants for seat in seats] == ["", *["a row of memories"] * 3]
    assert "a row of memories" in seats[0].holds
    waits = [seat.node.waited for seat in seats]
    assert waits[0] is None
    assert waits[1] >= waits[2] >= waits[3] >= 0
    told = until(lambda: load_told(sources, format.value).value.diagnoses, "the waits being long enough for a word")
    assert told[0].key == "blocking"
    assert told[0].text.startswith(f"3 sessions wait for pid {root.info.backend_pid} (root, idle in transaction for ")
    assert ", which holds a row of memories, the longest for " in told[0].text
    assert told[0].mend.startswith(f"SELECT pg_terminate_backend({root.info.backend_pid});")
    opened = load_session(sources, root.info.backend_pid).value
    assert opened.session.query.startswith("UPDATE memories")
    assert opened.session.query_id is not None
    assert opened.seat.node.behind == 3
    assert ("RowExclusiveLock", "memories", True) in {(one.mode, one.relation, one.granted) for one in opened.locks}
    root.rollback()
    until(lambda: load_now(sources).value.waiting == 2, "the first of the chain going on")


def test_behind_a_waiting_change_of_the_table_readers_queue_and_several_blockers_are_all_named(stage, sources_of):
    sources = sources_of()
    root = stage("root", "SELECT count(*) FROM memories")
    second = stage("second", "LOCK TABLE memories IN SHARE MODE")
    stage("waiter alter", waits="ALTER TABLE memories ADD COLUMN more int")
    tree(sources, "waiter alter")
    for number in range(6):
        stage(f"waiter {number}", waits="SELECT count(*) FROM memories")
    seats = named(tree(sources, *(f"waiter {number}" for number in range(6))))
    alter = seats["waiter alter"]
    pids = sorted([root.info.backend_pid, second.info.backend_pid])
    assert list(alter.node.blockers) == pids
    assert alter.wants == "ACCESS EXCLUSIVE on memories"
    assert {seats["root"].holds, seats["second"].holds} == {("ACCESS SHARE on memories",), ("SHARE on memories",)}
    assert [seats[name].node.behind for name in ("root", "second", "waiter alter")] == [7, 7, 6]
    assert {seats[f"waiter {number}"].node.parent for number in range(6)} == {alter.session.pid}
    told = load_told(sources, format.value).value
    assert [one.status for one in told.diagnoses[:2]] == ["broken", "broken"]
    assert told.diagnoses[0].text.startswith("7 sessions wait for pid ")


def test_a_prepared_transaction_is_named_as_the_root_with_the_statement_that_ends_it(server, stage, sources_of):
    sources = sources_of()
    preparing = stage("second", "UPDATE memories SET owner = 'z' WHERE id = 4", "PREPARE TRANSACTION 'it''s forgotten'")
    preparing.close()
    try:
        stage("waiter 1", waits="DELETE FROM memories WHERE id = 4")
        seats = tree(sources, "waiter 1")
        assert (seats[0].node.pid, seats[0].node.behind) == (PREPARED, 1)
        assert [one.gid for one in seats[0].prepared] == ["it's forgotten"]
        assert seats[0].holds == ("a row of memories",)
        (told,) = until(lambda: load_told(sources, format.value).value.diagnoses, "the wait being long enough")
        assert (told.key, told.mend) == (
            "prepared-blocks", "ROLLBACK PREPARED 'it''s forgotten';  -- in the database synaptic",
        )  # fmt: skip
        assert "the prepared transaction it's forgotten (of postgres)" in told.text
        holder = load_connections(sources).value.holder
        assert (holder.kind, holder.name) == ("prepared transaction", "it's forgotten")
    finally:
        server.run("ROLLBACK PREPARED 'it''s forgotten'", "synaptic")


def test_a_deadlock_is_a_circle_while_it_lasts_and_is_counted_when_the_server_has_ended_it(server, stage, sources_of):
    sources = sources_of()
    before = load_connections(sources).value.standing.deadlocks
    patient = "SET deadlock_timeout = '4s'"
    one = stage("root", patient, "UPDATE memories SET owner = 'a' WHERE id = 5")
    stage(
        "waiter 1", patient, "UPDATE memories SET owner = 'b' WHERE id = 6", waits="DELETE FROM memories WHERE id = 5"
    )
    tree(sources, "waiter 1")
    failed = []

    def close_the_circle():
        try:
            one.execute("DELETE FROM memories WHERE id = 6")
        except psycopg.errors.DeadlockDetected as error:
            failed.append(error)

    thread = threading.Thread(target=close_the_circle)
    thread.start()
    seats = until(lambda: [seat for seat in load_now(sources).value.seats if seat.node.cycle], "the circle being seen")
    assert {seat.session.application for seat in seats} == {"root", "waiter 1"}
    assert [seat.node.depth for seat in seats] == [0, 1]
    (told,) = [found for found in load_told(sources, format.value).value.diagnoses if found.key == "deadlock-now"]
    assert told.text.endswith("wait for each other: a deadlock")
    thread.join()
    until(lambda: load_now(sources).value.seats == (), "the deadlock being over")
    # What a session counted is told to the others at the latest when it ends.
    server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name IN ('root', 'waiter 1')")
    until(lambda: load_connections(sources).value.standing.deadlocks == before + 1, "the deadlock being counted")


def test_who_is_idle_in_transaction_is_told_and_an_idle_client_is_never_called_waiting(stage, sources_of, monkeypatch):
    monkeypatch.setattr("views.database.sessions.verdict.LONG_IDLE", 0.0)
    sources = sources_of()
    root = stage("root", "SELECT count(*) FROM memories")
    stage("report", "SELECT 1", autocommit=True)
    now = load_now(sources).value
    assert [one.application for one in now.idle_in_transaction] == ["root"]
    assert now.oldest.pid == root.info.backend_pid
    idle = next(one for one in now.sessions.clients if one.application == "report")
    assert (idle.state, idle.wait_type, idle.waiting) == ("idle", "Client", "")
    (told,) = load_told(sources, format.value).value.diagnoses
    assert told.key == "idle-in-transaction"
    assert told.text.startswith(f"pid {root.info.backend_pid} (root, idle in transaction for ")


def test_many_idle_transactions_of_one_client_are_told_as_one_that_hurts_where_connections_run_out(
    stage, sources_of, monkeypatch
):
    for name, number in {"CROWD": 3, "CROWD_IDLE": 0.0, "LONG_IDLE": 0.0}.items():
        monkeypatch.setattr(f"views.database.sessions.verdict.{name}", number)
    sources = sources_of()
    pids = {str(stage("report", "SELECT count(*) FROM memories").info.backend_pid) for _ in range(3)}
    other = stage("root", "SELECT count(*) FROM memories")
    crowd, single = load_told(sources, format.value).value.diagnoses
    assert (crowd.key, crowd.status, crowd.subject) == ("idle-in-transaction", "risk", "report")
    assert crowd.text.startswith("3 sessions of report are idle in transaction, the longest for ")
    assert pids == set(re.findall(r"\d+", crowd.mend))
    assert single.text.startswith(f"pid {other.info.backend_pid} (root, idle in transaction for ")
    monkeypatch.setattr("views.database.sessions.verdict.NEAR_FULL", 0.0)
    first = load_told(sources, format.value).value.diagnoses[0]
    assert (first.status, first.subject) == ("broken", "report")


def test_without_the_right_the_sessions_say_which_grant_brings_them_and_connections_are_counted(sources_of):
    sources = sources_of(user="plain", database="postgres")
    with pytest.raises(Denied) as caught:
        load_told(sources, format.value)
    assert caught.value.hint == 'GRANT pg_read_all_stats TO "plain";'
    told = load_told_connections(sources, format.value).value
    assert told.connections.standing.clients >= 1
    assert told.connections.holder is None
    assert 'GRANT pg_monitor TO "plain"' in told.connections.holder_unknown


def test_headline_and_figures_count_connections_in_one_look(server, sources_of):
    look = load_look(sources_of(), format.value).value
    standing = look.told_connections.value.connections.standing
    with server.connect("synaptic"):  # what comes after the look is in neither of the two
        calm = look.told.value.calm
        assert calm.endswith(f", {standing.clients} of {standing.usable} connections are taken")
        later = load_look(sources_of(), format.value).value.told_connections.value
        assert later.connections.standing.clients > standing.clients


def test_without_the_right_to_see_sessions_a_look_has_the_connections_and_the_reason(sources_of):
    look = load_look(sources_of(user="plain", database="postgres"), format.value).value
    with pytest.raises(Denied):
        _ = look.told
    assert look.told_connections.value.connections.standing.clients >= 1


def test_with_the_right_to_see_sessions_alone_the_tree_is_there(server, stage, sources_of):
    server.run("GRANT pg_read_all_stats TO plain")
    try:
        sources = sources_of(user="plain")
        stage("root", "LOCK TABLE memories")
        stage("waiter 1", waits="SELECT count(*) FROM memories")
        seats = named(tree(sources, "waiter 1"))
        assert seats["waiter 1"].wants == "ACCESS SHARE on memories"
        assert seats["root"].holds == ("ACCESS EXCLUSIVE on memories",)
    finally:
        server.run("REVOKE pg_read_all_stats FROM plain")
    with pytest.raises(Denied):
        load_now(sources_of(user="plain"))


def test_a_restart_between_two_looks_costs_nothing_and_a_server_that_is_down_is_told(server, sources_of):
    sources = sources_of()
    assert load_told(sources, format.value).value.diagnoses == ()
    server.stop()
    with pytest.raises(Unreachable):
        load_now(sources)
    server.start()
    assert load_told(sources, format.value).value.diagnoses == ()
    until(lambda: 1 <= ours(server) <= 4, "no connection of the console left behind")


def test_a_database_that_only_reads_is_looked_at_and_told(server, sources_of):
    server.run("ALTER DATABASE synaptic SET default_transaction_read_only = on")
    try:
        told = load_told(sources_of(), format.value).value
        (found,) = told.diagnoses
        assert (found.key, found.status) == ("read-only", "risk")
        assert "default_transaction_read_only is on" in found.text
    finally:
        server.run("ALTER DATABASE synaptic RESET default_transaction_read_only")


def test_connections_near_their_limit_are_told_and_when_none_is_left_the_error_says_so(server, sources_of):
    sources = sources_of()
    usable = load_connections(sources).value.standing.usable
    assert usable == 27
    with ExitStack() as stack:
        while load_connections(sources).value.standing.clients < usable - 3:
            stack.enter_context(server.connect("synaptic", user="plain"))
        (found,) = load_told_connections(sources, format.value).value.diagnoses
        assert found.key == "connections"
        assert found.text.startswith("24 of 27 usable connections are taken")
        with suppress(psycopg.OperationalError):
            while True:
                stack.enter_context(server.connect("synaptic", user="plain"))
        with pytest.raises(Overloaded, match="has no connection left") as caught:
            load_now(sources_of())
        assert "max_connections" in caught.value.hint
    sources.postgres.close()
    until(lambda: ours(server) == 0, "no connection of the console left behind")
    assert load_told(sources_of(), format.value).value.diagnoses == ()


def test_pools_larger_than_the_server_are_told(server, sources_of, monkeypatch):
    sources = sources_of()
    connections = load_connections(sources).value
    assert (connections.pool, connections.pool_unknown) == (None, "prometheus is not configured")
    kept = Answer(database_now.Pool(60, 3), connections.standing.as_of)
    monkeypatch.setattr(database_now, "load_pool", lambda _: kept)
    (found,) = load_told_connections(sources, format.value).value.diagnoses
    assert (found.key, found.mend) == ("pool-above-server", "max_connections > 63")
    assert found.text == "3 replicas may open 60 connections, and the server has 27 for them"


def test_without_a_database_nothing_is_said_of_it(sources_of):
    sources = registry.build(Settings(environments={"test": Environment()}), "test")
    with pytest.raises(NotConfigured):
        load_told(sources, format.value)


def overview(sources):
    now = datetime.now(UTC)
    span = Span.of(now - timedelta(minutes=15), now, 60)
    return load_verdict(sources, span, format.value, lambda moment: f"{moment:%H:%M}").value


def test_overview_names_the_session_that_keeps_others_waiting_and_since_when(stage, sources_of):
    sources = sources_of()
    assert [one for one in overview(sources).findings if one.subject == "database"] == []
    root = stage("root", "LOCK TABLE memories")
    for number in range(5):
        stage(f"waiter {number}", waits="SELECT count(*) FROM memories")
    tree(sources, *(f"waiter {number}" for number in range(5)))
    verdict = overview(sources)
    (found,) = [one for one in verdict.findings if one.subject == "database"]
    assert found.status == "broken"
    assert found.text.startswith(
        f"Database: 5 sessions wait for pid {root.info.backend_pid} (root, idle in transaction"
    )
    assert "which holds ACCESS EXCLUSIVE on memories" in found.text
    assert found.since is not None
    assert verdict.status == "broken"


def test_overview_waits_for_no_database_that_hangs_and_says_nothing_of_one_that_is_not_configured(sources_of):
    with socket.socket() as hanging:
        hanging.bind(("127.0.0.1", 0))
        hanging.listen()
        verdict = overview(sources_of(port=hanging.getsockname()[1], deadline=4))
        assert verdict.database is None
        assert "PostgreSQL has not answered within 1.5 s" in [one.text for one in verdict.findings]
        assert verdict.status == "unknown"
    bare = registry.build(Settings(environments={"test": Environment()}), "test")
    assert "postgres" not in {error.source for error in overview(bare).failures}


def test_locks_that_come_and_go_are_told_though_nobody_waits_at_this_moment(sources_of):
    now = datetime.now(UTC)
    pulses = LockLoad(120.0, 4.5, 0.79, 0.75, True, "Lock:relation", "quarterly-report, active: LOCK TABLE", now)
    told = load_told(sources_of(), format.value, pulses).value
    assert told.diagnoses[0].text == (
        "sessions wait for Lock:relation again and again, 4.5 at a time over the last 2 min, 79 % of the load, "
        "in front quarterly-report, active: LOCK TABLE"
    )
    rare = replace(pulses, waiting=0.2, looks=0.1)
    told = load_told(sources_of(), format.value, rare).value
    assert told.diagnoses == ()
    assert told.calm.startswith("Nobody waits for a lock at this moment, and somebody did in 10 % of the looks")


def test_doctor_tells_what_the_database_lacks_and_what_brings_it(server, sources_of):
    def report(**keys):
        return next(one for one in load_reports(sources_of(**keys)).value if one.name == "postgres")

    lacks = {lack.text.partition(":")[0]: lack.mend for lack in report(user="plain", database="postgres").lacks}
    assert lacks == {
        "The role plain is not a member of pg_monitor": 'GRANT pg_monitor TO "plain";',
        "The database postgres has no extension pg_stat_statements": (
            "CREATE EXTENSION pg_stat_statements; in the database postgres"
        ),
        "The database postgres has no extension pgstattuple": (
            "CREATE EXTENSION pgstattuple; in the database postgres"
        ),
        "track_io_timing is off": "ALTER SYSTEM SET track_io_timing = on; SELECT pg_reload_conf();",
    }
    server.run("CREATE EXTENSION pgstattuple", "synaptic")
    server.run("ALTER ROLE console SET track_io_timing = on")
    assert (report().status, report().lacks) == ("ok", ())
