"""What the console does on a real PostgreSQL, 15 and 18: it reads, within its time, and leaves nothing behind."""

import socket
import threading

import pytest

from collectors import sql
from collectors.cache import AnswerCache
from collectors.deadline import deadline
from collectors.errors import BadAnswer, Denied, Overloaded, SourceError, TimedOut, Unreachable
from collectors.postgres.client import Postgres
from collectors.postgres.server import APPLICATION
from settings import Postgres as PostgresSettings
from tests.support import postgresql
from tests.support.looping import until
from tests.support.real_parts import free_port

pytestmark = pytest.mark.integration

SESSIONS = {"octets": 1000, "own": APPLICATION}


@pytest.fixture(scope="module", params=[15, 18])
def server(request):
    with postgresql.running(request.param) as running:
        yield running


@pytest.fixture
def connected(server):
    made = []

    def connect(**options):
        given = {"host": "127.0.0.1", "port": server.port, "user": "console", "deadline": 30, **options}
        settings = PostgresSettings.model_validate(given)
        made.append(Postgres("test", settings, AnswerCache(10**6, 0.001, 0, lambda _: 100)))
        return made[-1]

    yield connect
    for one in made:
        one.close()


def ours(server):
    (row,) = server.run(f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{APPLICATION}'")
    return row[0]


def test_every_statement_of_the_catalogue_has_its_file_and_every_file_its_place():
    listed = {file for versions in sql.VERSIONS.values() for _, file in versions}
    assert listed == {path.name for path in sql.FOLDER.glob("*.sql")}
    for name, versions in sql.VERSIONS.items():
        assert [since for since, _ in versions] == sorted({since for since, _ in versions})
        for since, file in versions:
            assert sql.read(name, sql.FOLDER / file).since == since


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("SELECT 1", "should say what it answers"),
        ("-- What.\nSELECT 1", "since is missing"),
        ("-- What.\n-- since: 15\nSELECT 1; DROP TABLE x", "more than one statement"),
    ],
)
def test_a_file_with_a_mistake_is_refused_by_name(tmp_path, text, told):
    path = tmp_path / "wrong.sql"
    path.write_text(text)
    with pytest.raises(sql.SqlError, match=f"wrong.sql: .*{told}"):
        sql.read("wrong", path)


def test_the_server_tells_version_rights_and_extensions(server, connected):
    found = connected().server().value
    assert found.major == server.version
    assert (found.role, found.database, found.monitor, found.standby) == ("console", "synaptic", True, False)
    assert "pg_stat_statements" in found.extensions


def test_sessions_are_seen_with_who_blocks_them_and_the_console_does_not_see_itself(server, connected):
    server.run("CREATE TABLE IF NOT EXISTS held (id int)", "synaptic")
    database = connected()
    with server.connect("synaptic", autocommit=False, application_name="holder") as holder:
        holder.execute("LOCK TABLE held")
        with server.connect("synaptic", application_name="waiter") as waiter:
            thread = threading.Thread(target=lambda: waiter.execute("SELECT * FROM held"))
            thread.start()

            def blocked():
                rows = database.ask("sessions", SESSIONS).records()
                return next((row for row in rows if row["application"] == "waiter" and row["blocked_by"]), None)

            row = until(blocked, "the second session waiting for the first")
            assert row["blocked_by"] == [holder.info.backend_pid]
            assert row["wait_type"] == "Lock"
            assert row["query"] == b"SELECT * FROM held"
            holder.rollback()
            thread.join()
    assert all(row["application"] != APPLICATION for row in database.ask("sessions", SESSIONS).records())


@pytest.mark.parametrize("pgbouncer", [False, True])
def test_nothing_can_be_written_and_a_failure_does_not_spoil_the_connection(server, connected, pgbouncer):
    database = connected(pgbouncer=pgbouncer)
    with pytest.raises(BadAnswer, match="only reads"):
        database.source.ask("CREATE TABLE t (id int)")
    with pytest.raises(BadAnswer, match="does not understand"):
        database.source.ask("SELECT nothing FROM pg_class")
    assert database.source.ask("SELECT 1 AS one").rows == [(1,)]
    until(lambda: ours(server) == 1, "one connection of the console, and those of earlier tests gone")


@pytest.mark.parametrize("pgbouncer", [False, True])
def test_what_overruns_is_cancelled_on_the_server_and_the_connection_is_used_again(server, connected, pgbouncer):
    database = connected(pgbouncer=pgbouncer)
    with deadline(0.3), pytest.raises(TimedOut):
        database.source.ask("SELECT pg_sleep(60)")
    running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'"
    assert server.run(running) == [(0,)]
    assert database.source.ask("SELECT 1 AS one").rows == [(1,)]
    until(lambda: ours(server) == 1, "one connection of the console, and those of earlier tests gone")


def test_no_more_connections_than_configured_and_all_of_them_end(server, connected):
    database = connected(connections=2)
    threads = [threading.Thread(target=lambda: database.source.ask("SELECT pg_sleep(0.2)")) for _ in range(6)]
    for thread in threads:
        thread.start()
    most = 0
    while any(thread.is_alive() for thread in threads):
        most = max(most, ours(server))
    assert most == 2
    with deadline(5):
        busy = [threading.Thread(target=lambda: database.source.ask("SELECT pg_sleep(3)")) for _ in range(2)]
        for thread in busy:
            thread.start()
        until(lambda: ours(server) == 2, "both connections being busy")
        with deadline(0.2), pytest.raises(Overloaded, match="all 2 connections"):
            database.source.ask("SELECT 1")
        for thread in busy:
            thread.join()
    database.close()
    until(lambda: ours(server) == 0, "the connections being closed")


def test_a_role_without_the_right_is_told_the_grant_that_brings_it(server, connected):
    if not server.run("SELECT 1 FROM pg_roles WHERE rolname = 'poor'"):
        server.run("CREATE ROLE poor LOGIN")
    with pytest.raises(Denied) as caught:
        connected(user="poor").ask("sessions", SESSIONS)
    assert caught.value.hint == 'GRANT pg_read_all_stats TO "poor";'
    assert not caught.value.trips


def test_a_restart_of_the_server_costs_one_connection_and_no_answer(server, connected):
    database = connected()
    assert database.source.ask("SELECT 1 AS one").rows == [(1,)]
    server.stop()
    with pytest.raises(Unreachable):
        database.source.ask("SELECT 1")
    server.start()
    assert database.source.ask("SELECT 1 AS one").rows == [(1,)]
    server.stop()
    server.start()
    assert database.source.ask("SELECT 1 AS one").rows == [(1,)]
    until(lambda: ours(server) == 1, "one connection of the console, and those of earlier tests gone")


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"user": "stranger"}, Denied, "refused the sign-in"),
        ({"database": "nowhere"}, Denied, "has no such database"),
        ({"port": 0}, Unreachable, "cannot be reached: Connection refused"),
    ],
)
def test_who_cannot_come_in_is_told_why(connected, options, kind, words):
    given = {name: free_port() if name == "port" else value for name, value in options.items()}
    with pytest.raises(SourceError) as caught:
        connected(**given).server()
    assert type(caught.value) is kind
    assert words in caught.value.what
    assert caught.value.hint


def test_a_server_that_accepts_and_says_nothing_is_left_within_the_time(connected):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        database = connected(port=silent.getsockname()[1], deadline=1)
        with pytest.raises(TimedOut):
            database.server()
