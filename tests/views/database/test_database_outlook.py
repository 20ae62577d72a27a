"""What a real PostgreSQL, 15 and 18, runs out of, as Overview tells it."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from collectors import registry
from collectors.errors import Unreachable
from collectors.registry import Sources
from collectors.span import Span
from settings import Limits, Settings
from tests.support import postgresql
from tests.support.looping import until
from tests.support.postgresql import Server
from tests.support.real_parts import free_port
from ui import format
from views.database.tables import outlook as database_outlook
from views.database.tables.outlook import load_outlook
from views.overview.view import load_verdict

pytestmark = pytest.mark.integration

KEEP = 86400.0
LIMIT = 100_000
GENEROUS = 60.0


@pytest.fixture(scope="module", params=[15, 18])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    options = {"max_prepared_transactions": "5", "archive_mode": "on", "autovacuum_naptime": "86400"}
    with postgresql.running(request.param, **options) as running:
        running.run("CREATE ROLE poor LOGIN")
        running.run(f"CREATE TABLE aged (id int) WITH (autovacuum_freeze_max_age = {LIMIT})", "synaptic")
        yield running


@pytest.fixture
def sources(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Sources]]:
    """Builds sources, each with nothing kept yet; they are closed after the test."""
    monkeypatch.setattr("views.overview.view.PART_SECONDS", GENEROUS)
    made: list[Sources] = []

    def build(**keys: object) -> Sources:
        given = {"host": "127.0.0.1", "port": server.port, "user": "console", "deadline": 30, **keys}
        settings = Settings.model_validate({"environments": {"test": {"postgres": given}}})
        made.append(registry.build(settings.model_copy(update={"limits": Limits(answer_ttl=0.001)}), "test"))
        return made[-1]

    yield build
    for one in made:
        one.postgres.close()


def outlook(sources: Sources) -> dict[str, object]:
    """Kind of a diagnosis → the first of that kind."""
    found = load_outlook(sources, None, KEEP, format.value).value
    return {one.key: one for one in reversed(found)}


def overview(sources: Sources):
    now = datetime.now(UTC)
    span = Span.of(now - timedelta(minutes=15), now, 60)
    verdict = load_verdict(sources, span, format.value, lambda moment: f"{moment:%H:%M}").value
    return [one for one in verdict.findings if one.subject.startswith("database")]


def test_a_database_that_runs_out_of_nothing_is_not_spoken_of(sources):
    assert outlook(sources()) == {}
    assert overview(sources()) == []


def test_a_slot_that_nobody_uses_is_told_with_the_part_that_has_the_rest(server, sources):
    server.run("SELECT pg_create_physical_replication_slot('forgotten', true)")
    try:
        (found,) = overview(sources())
        assert (found.status, found.subject) == ("risk", "database-upkeep")
        assert found.text.startswith("Database: Nobody uses slot forgotten")
    finally:
        server.run("SELECT pg_drop_replication_slot('forgotten')")
    assert overview(sources()) == []


def test_an_archive_that_fails_is_told(server, sources):
    server.run("ALTER SYSTEM SET archive_command = '/bin/false'")
    server.run("SELECT pg_reload_conf()")
    server.run("SELECT pg_switch_wal() FROM pg_create_restore_point('here')")
    try:
        until(lambda: "archiver-failing" in outlook(sources()), "an attempt having failed")
        (found,) = overview(sources())
        assert (found.status, found.subject) == ("broken", "database-upkeep")
    finally:
        server.run("ALTER SYSTEM SET archive_command = '/bin/true'")
        server.run("SELECT pg_reload_conf()")
    until(lambda: outlook(sources()) == {}, "an attempt having succeeded")


def test_a_sequence_near_its_end_and_a_month_without_partition_are_told(server, sources):
    server.run("CREATE TABLE numbered (id smallserial)", "synaptic")
    server.run("SELECT setval('numbered_id_seq', 32000)", "synaptic")
    server.run("GRANT SELECT ON SEQUENCE numbered_id_seq TO console", "synaptic")
    server.run("CREATE TABLE monthly (at timestamptz) PARTITION BY RANGE (at)", "synaptic")
    for month in ("01", "02"):
        server.run(
            f"CREATE TABLE monthly_{month} PARTITION OF monthly FOR VALUES FROM ('2020-{month}-01 00:00:00+00') "
            f"TO ('2020-0{int(month) + 1}-01 00:00:00+00')",
            "synaptic",
        )
    try:
        found = outlook(sources())
        assert set(found) == {"sequence-end", "partition-missing"}
        assert {one.status for one in found.values()} == {"broken"}
        assert {one.subject for one in overview(sources())} == {"database-tables"}
    finally:
        server.run("DROP TABLE numbered, monthly", "synaptic")


def test_who_keeps_a_table_from_being_frozen_is_told_and_a_table_that_only_waits_is_not(server, sources):
    with server.connect("synaptic") as connection:
        connection.execute("BEGIN")
        connection.execute("INSERT INTO aged VALUES (1)")
        connection.execute("PREPARE TRANSACTION 'forgotten import'")
    burn = "DO $$ BEGIN FOR n IN 1..%d LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
    try:
        server.run(burn % (LIMIT + 20_000), "synaptic")
        found = outlook(sources())
        assert set(found) == {"xid-horizon"}
        (said,) = overview(sources())
        assert said.text.startswith("Database: Prepared transaction forgotten import (postgres, for ")
    finally:
        with suppress(psycopg.errors.UndefinedObject):
            server.run("ROLLBACK PREPARED 'forgotten import'", "synaptic")
    assert outlook(sources()) == {}
    server.run("VACUUM (FREEZE) aged", "synaptic")


def test_what_the_role_may_not_see_is_left_out(server, sources):
    server.run("CREATE TABLE numbered (id smallserial)", "synaptic")
    server.run("GRANT SELECT ON ALL TABLES IN SCHEMA public TO poor", "synaptic")
    server.run("GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO poor", "synaptic")
    server.run("SELECT setval('numbered_id_seq', 32000)", "synaptic")
    try:
        assert set(outlook(sources(user="poor"))) == {"sequence-end"}
    finally:
        server.run("DROP TABLE numbered", "synaptic")


def test_a_server_that_is_down_is_an_error_and_not_calm(sources):
    with pytest.raises(Unreachable):
        load_outlook(sources(port=free_port()), None, KEEP, format.value)


def test_overview_asks_again_only_after_a_minute(server, sources):
    one = sources()
    assert outlook(one) == {}
    server.run("SELECT pg_create_physical_replication_slot('forgotten', true)")
    try:
        assert outlook(one) == {}
        assert set(outlook(sources())) == {"slot-inactive"}
    finally:
        server.run("SELECT pg_drop_replication_slot('forgotten')")
    assert database_outlook.FRESH == 60.0
