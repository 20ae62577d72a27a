"""Housekeeping of a real PostgreSQL, 15 and 18: what runs, who lags, what is kept, what fails, and what mends it."""

import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime

import psycopg
import pytest

from collectors import registry
from collectors.errors import Denied
from collectors.postgres.server import APPLICATION
from collectors.registry import Sources
from collectors.span import Span
from settings import Limits, Settings
from tests.support import postgresql
from tests.support.looping import until
from tests.support.postgresql import Server, binaries, replica
from ui import format
from ui.window import Window
from views.database.maintenance import findings as database_upkeep_findings
from views.database.maintenance.findings import Told, load_told
from views.database.maintenance.settings import load_settings
from views.database.maintenance.view import load_running, load_upkeep

pytestmark = pytest.mark.integration

LIMITS = Limits(answer_ttl=0.001)


@pytest.fixture(scope="module", params=[15, 18])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    options = {"max_prepared_transactions": "5", "archive_mode": "on", "autovacuum_naptime": "600"}
    with postgresql.running(request.param, **options) as running:
        running.run("CREATE ROLE poor LOGIN")
        running.run("CREATE TABLE numbers AS SELECT n FROM generate_series(1, 200000) AS n", "synaptic")
        yield running


def built(port: int, **keys: object) -> Sources:
    given = {"host": "127.0.0.1", "port": port, "user": "console", "deadline": 30, **keys}
    settings = Settings.model_validate({"environments": {"test": {"postgres": given}}})
    return registry.build(settings.model_copy(update={"limits": LIMITS}), "test")


@pytest.fixture
def sources(server: Server) -> Iterator[Callable[..., Sources]]:
    """Builds sources, each with nothing kept yet; they are closed after the test."""
    made: list[Sources] = []

    def build(port: int | None = None, **keys: object) -> Sources:
        made.append(built(port or server.port, **keys))
        return made[-1]

    yield build
    for one in made:
        one.postgres.close()


def span() -> Span:
    return Window("1h").span(datetime.now(UTC), LIMITS)


def told(sources: Sources) -> Told:
    return load_told(sources, span(), value=format.value, length=format.duration).value


def found(sources: Sources, key: str):
    return next((one for one in told(sources).diagnoses if one.key == key), None)


@contextmanager
def running(server: Server, *statements: str) -> Iterator[None]:
    """Statements that run in a session of their own; they are cancelled at the end of the block."""
    with server.connect("synaptic", application_name="busy") as connection:

        def work() -> None:
            with suppress(psycopg.errors.QueryCanceled):
                for one in statements:
                    connection.execute(one.encode())

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            server.run(f"SELECT pg_cancel_backend({connection.info.backend_pid})")
            thread.join()


def test_a_vacuum_that_runs_is_seen_with_its_phase_its_share_and_the_time_it_will_take(server, sources):
    one = sources()
    slow = ("SET vacuum_cost_delay = '20ms'", "SET vacuum_cost_limit = 10", "VACUUM (FREEZE) numbers")
    with running(server, *slow):

        def measured():
            now = load_running(one).value
            return next(((work, now.left[work.pid]) for work in now.work if work.pid in now.left), None)

        work, left = until(measured, "the vacuum being measured")
    assert (work.kind, work.relation, work.phase, work.unit) == ("vacuum", "public.numbers", "scanning heap", "blocks")
    assert (work.user, work.automatic, work.database) == ("postgres", False, "synaptic")
    assert 0 < work.share < 1
    assert left > 0
    assert work.since < work.as_of


def test_an_index_build_that_waits_names_whom_it_waits_for(server, sources):
    one = sources()
    with server.connect("synaptic", autocommit=False) as holder:
        holder.execute("INSERT INTO numbers VALUES (0)")
        pid = holder.info.backend_pid
        with running(server, "CREATE INDEX CONCURRENTLY numbers_n ON numbers (n)"):
            work = until(
                lambda: next((work for work in load_running(one).value.work if work.locker), None),
                "the build waiting for the writer",
            )
        holder.rollback()
    assert (work.kind, work.relation) == ("create index concurrently", "public.numbers")
    assert work.phase == "waiting for writers before build"
    assert work.locker == pid
    assert (work.done, work.total, work.unit, work.share) == (0, 1, "transactions", 0.0)
    server.run("DROP INDEX IF EXISTS numbers_n", "synaptic")


def test_a_copy_tells_how_much_and_not_which_share(server, sources):
    with server.connect("synaptic") as connection, connection.cursor().copy("COPY numbers FROM STDIN") as copy:
        copy.write("1\n" * 200_000)
        one = sources()
        work = until(
            lambda: next((work for work in load_running(one).value.work if work.done), None), "the copy reading"
        )
        copy.write("2\n")
    assert (work.kind, work.relation, work.phase, work.unit) == ("copy from", "public.numbers", "pipe", "bytes")
    assert work.share is None


def test_a_base_backup_is_running_work_and_no_standby_that_lags(server, sources):
    one = sources()
    with tempfile.TemporaryDirectory() as folder:
        command = [str(binaries(server.version) / "pg_basebackup"), "-D", f"{folder}/copy", "-h", "127.0.0.1",
                   "-p", str(server.port), "-U", "postgres", "-Xnone", "--max-rate=32", "-cfast"]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as backup:
            try:
                work = until(
                    lambda: next((work for work in load_running(one).value.work if work.share), None),
                    "the base backup sending",
                )
                standbys = load_upkeep(one, span()).value.standbys
            finally:
                backup.terminate()
    assert (work.kind, work.phase, work.relation) == ("base backup", "streaming database files", "")
    assert 0 < work.share < 1
    assert [one.state for one in standbys] == ["backup"]
    assert found(sources(), "replica-behind") is None


def test_a_replica_that_goes_away_leaves_a_slot_that_keeps_wal_and_is_named_with_its_mend(server, sources):
    with replica(server, "standby_one") as standby:
        one = sources()

        def streaming():
            return [each for each in load_upkeep(one, span()).value.standbys if each.state == "streaming"]

        (follower,) = until(streaming, "the standby streaming")
        assert (follower.slot, follower.sync) == ("standby_one", "async")
        until(lambda: load_upkeep(one, span()).value.standbys[0].behind == 0, "the standby having applied all")
        assert found(one, "slot-inactive") is None

        own_side(server, standby, sources)
        standby.stop("immediate")
        first = until(lambda: found(one, "slot-inactive"), "the slot being unused")
        assert (first.subject, first.status) == ("standby_one", "risk")
        before = load_upkeep(one, span()).value.slots[0].retained
        server.run("INSERT INTO numbers SELECT n FROM generate_series(1, 50000) AS n", "synaptic")
        slot = load_upkeep(one, span()).value.slots[0]
        assert slot.retained > before + 2**20
        assert (slot.inactive_since is not None) == (server.version >= 17)
        worse = found(one, "slot-inactive")
        assert "Nobody uses slot standby_one" in worse.text
        assert format.value(slot.retained, "B") in worse.text
        assert "no limit but the disk" in worse.text

    server.run(worse.mend)
    assert found(sources(), "slot-inactive") is None


def own_side(server: Server, standby: Server, sources: Callable[..., Sources]) -> None:
    """What the console says when it looks at the standby itself."""
    calm = told(sources(standby.port)).upkeep
    assert calm.server.standby
    assert (calm.receiver.status, calm.receiver.slot, calm.receiver.pause) == ("streaming", "standby_one", "not paused")
    assert calm.wal.position is None
    assert calm.missing == ()
    standby.run("SELECT pg_wal_replay_pause()")
    paused = until(lambda: found(sources(standby.port), "replay-paused"), "the pause being seen")
    standby.run(paused.mend)
    assert found(sources(standby.port), "replay-paused") is None
    with server.connect("synaptic", autocommit=False) as writer:
        writer.execute("CREATE TABLE on_both (id int)")
        writer.commit()
    names = "SELECT count(*) FROM pg_tables WHERE tablename = 'on_both'"
    until(lambda: standby.run(names, "synaptic") == [(1,)], "the table having arrived")


def test_a_slot_whose_wal_is_gone_is_lost_and_no_longer_only_unused(server, sources):
    server.run("SELECT pg_create_physical_replication_slot('left_behind', true)")
    server.run("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
    server.run("SELECT pg_reload_conf()")
    try:

        def lost():
            server.run("SELECT pg_switch_wal() FROM pg_create_restore_point('here')")
            server.run("CHECKPOINT")
            return found(sources(), "slot-lost")

        diagnosis = until(lost, "the slot being lost")
    finally:
        server.run("ALTER SYSTEM RESET max_slot_wal_keep_size")
        server.run("SELECT pg_reload_conf()")
    assert (diagnosis.status, diagnosis.subject) == ("broken", "left_behind")
    if server.version >= 17:
        assert "wal_removed" in diagnosis.text
    server.run(diagnosis.mend)
    assert told(sources()).upkeep.slots == []


def test_an_archive_that_cannot_be_written_is_broken_until_an_attempt_succeeds(server, sources):
    def archive(command: str) -> None:
        server.run(f"ALTER SYSTEM SET archive_command = '{command}'")
        server.run("SELECT pg_reload_conf()")
        server.run("SELECT pg_switch_wal() FROM pg_create_restore_point('here')")

    archive("/bin/false")
    failing = until(lambda: found(sources(), "archiver-failing"), "an attempt having failed")
    assert failing.status == "broken"
    assert "none succeeded yet" in failing.text
    assert told(sources()).upkeep.folder.waiting >= 1
    archive("/bin/true")
    until(lambda: found(sources(), "archiver-failing") is None, "an attempt having succeeded")
    archiver = told(sources()).upkeep.archiver
    assert archiver.archived > 0
    assert not archiver.failing


def test_checkpoints_that_somebody_asks_for_are_counted_between_two_looks(server, sources):
    one = sources()
    told(one)
    for _ in range(5):
        server.run("CHECKPOINT")
    until(lambda: (seen := told(one).upkeep.checkpoints_seen) and seen.by["requested"] >= 5, "the second look")
    diagnosis = found(one, "checkpoints-requested")
    assert diagnosis.text.startswith("100 % of 5 checkpoints in the last")
    assert "max_wal_size = '2GB'" in diagnosis.mend


def test_a_deadlock_and_temporary_files_are_counted_since_the_first_look(server, sources):
    server.run("CREATE TABLE IF NOT EXISTS pair AS SELECT n AS id FROM generate_series(1, 2) AS n", "synaptic")
    one = sources()
    told(one)
    with ExitStack() as stack:
        a, b = (stack.enter_context(server.connect("synaptic", autocommit=False)) for _ in range(2))
        b.execute("SET deadlock_timeout = '50ms'")
        a.execute("DELETE FROM pair WHERE id = 1")
        b.execute("DELETE FROM pair WHERE id = 2")
        thread = threading.Thread(target=lambda: a.execute("DELETE FROM pair WHERE id = 2"))
        thread.start()
        waiting = f"SELECT wait_event_type FROM pg_stat_activity WHERE pid = {a.info.backend_pid}"
        until(lambda: server.run(waiting) == [("Lock",)], "the first waiting for the second")
        with pytest.raises(psycopg.errors.DeadlockDetected):
            b.execute("DELETE FROM pair WHERE id = 1")
        b.rollback()
        thread.join()
        a.rollback()
    with server.connect("synaptic") as sorting:
        sorting.execute("SET work_mem = '64kB'")
        sorting.execute("SELECT count(*) FROM (SELECT n FROM numbers ORDER BY n OFFSET 1) AS sorted")
    until(lambda: "temp_bytes" in (seen := told(one).upkeep.amounts) and seen["temp_bytes"].value, "both being counted")
    upkeep = told(one).upkeep
    assert round(upkeep.amounts["deadlocks"].value) == 1
    assert upkeep.amounts["deadlocks"].since is not None
    assert upkeep.amounts["temp_files"].value >= 1
    assert upkeep.amounts["temp_bytes"].value > 2**20
    assert found(one, "deadlocks").text.startswith("1 deadlock was broken in the last")


def test_who_holds_back_vacuum_is_named_with_what_lets_it_go(server, sources, monkeypatch):
    monkeypatch.setattr(database_upkeep_findings, "HELD_SECONDS", (0.0, 3600.0))
    with server.connect("synaptic", autocommit=False, application_name="monthly-report") as idle:
        idle.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        idle.execute("SELECT count(*) FROM pg_class")
        held = found(sources(), "horizon-held")
        assert held.subject == "monthly-report"
        assert f"(pid {idle.info.backend_pid}, idle in transaction)" in held.text
        assert held.mend == f"SELECT pg_terminate_backend({idle.info.backend_pid});"
        idle.rollback()
    with server.connect("synaptic", autocommit=False) as forgetful:
        forgetful.execute("INSERT INTO numbers VALUES (1)")
        forgetful.execute("PREPARE TRANSACTION 'nightly''s import'")
    prepared = found(sources(), "prepared-transaction")
    assert prepared.subject == "nightly's import"
    server.run(prepared.mend.splitlines()[0], "synaptic")
    assert found(sources(), "prepared-transaction") is None


def test_a_table_that_cannot_be_frozen_is_told_with_who_keeps_it_from_that(server, sources, monkeypatch):
    monkeypatch.setattr(database_upkeep_findings, "HELD_TRANSACTIONS", 100_000)
    server.run("CREATE TABLE ageing (id int) WITH (autovacuum_freeze_max_age = 100000)", "synaptic")
    with server.connect("synaptic", autocommit=False) as forgetful:
        forgetful.execute("INSERT INTO numbers VALUES (1)")
        forgetful.execute("PREPARE TRANSACTION 'nightly-import'")
    with server.connect("synaptic") as burning:
        burning.execute("SET synchronous_commit = off")
        burning.execute("DO $$ BEGIN FOR n IN 1..110000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$")
    old = found(sources(), "wraparound")
    assert old.text.startswith("1 table is older than autovacuum_freeze_max_age and cannot be frozen: prepared")
    assert "nightly-import is 110" in old.text
    server.run(old.mend.splitlines()[0], "synaptic")
    assert found(sources(), "wraparound") is None
    server.run("DROP TABLE ageing", "synaptic")


def test_autovacuum_that_is_behind_or_off_is_told_with_how_many_tables_wait(server, sources):
    for number in range(5):
        server.run(f"CREATE TABLE dead_{number} AS SELECT n FROM generate_series(1, 200) AS n", "synaptic")
        server.run(f"DELETE FROM dead_{number}", "synaptic")
    behind = until(lambda: found(sources(), "autovacuum-behind"), "the dead rows being counted")
    assert behind.text.startswith("Autovacuum is behind: 5 tables are over the threshold with 1,000 dead rows")
    server.run("ALTER TABLE dead_0 SET (autovacuum_vacuum_threshold = 5000)", "synaptic")
    assert told(sources()).upkeep.autovacuum.over == 4
    server.run("ALTER SYSTEM SET autovacuum = off")
    server.run("SELECT pg_reload_conf()")
    off = until(lambda: found(sources(), "autovacuum-off"), "autovacuum being off")
    assert off.status == "broken"
    server.run(off.mend.splitlines()[0])
    server.run("SELECT pg_reload_conf()")
    until(lambda: found(sources(), "autovacuum-off") is None, "autovacuum being on again")
    for number in range(5):
        server.run(f"DROP TABLE dead_{number}", "synaptic")


def test_a_table_that_autovacuum_may_not_touch_is_named_with_what_brings_it_back(server, sources):
    server.run('CREATE TABLE "Left, alone" (n int) WITH (autovacuum_enabled = off)', "synaptic")
    server.run('INSERT INTO "Left, alone" SELECT generate_series(1, 2000)', "synaptic")
    server.run('DELETE FROM "Left, alone"', "synaptic")
    off = until(lambda: found(sources(), "autovacuum-off"), "the dead rows being counted")
    assert (off.status, off.subject) == ("risk", 'public."Left, alone"')
    assert "where 2,000 dead rows are over its threshold" in off.text
    autovacuum = told(sources()).upkeep.autovacuum
    assert (autovacuum.over, autovacuum.dead, autovacuum.disabled) == (0, 0, 1)  # it does not wait for a worker
    for statement in off.mend.splitlines():
        server.run(statement, "synaptic")
    until(lambda: found(sources(), "autovacuum-off") is None, "the vacuum being counted")
    server.run('DROP TABLE "Left, alone"', "synaptic")


def test_a_role_without_rights_loses_those_parts_only_and_is_told_the_grant(server, sources):
    one = sources(user="poor")
    result = told(one)
    assert {part.what for part in result.upkeep.missing} == {
        "Standbys", "The standby's own side", "The folder of WAL files", "Autovacuum", "Who holds back vacuum",
    }  # fmt: skip
    assert {part.hint for part in result.upkeep.missing} == {'GRANT pg_monitor TO "poor";'}
    assert result.upkeep.wal is not None
    assert result.upkeep.checkpoints is not None
    assert result.upkeep.counted
    assert any("Settings of roles are not known" in remark for remark in result.upkeep.report.remarks)
    with pytest.raises(Denied):
        load_running(one)


def test_a_server_that_was_switched_to_reading_is_looked_at_like_any_other(server, sources):
    server.run("ALTER SYSTEM SET default_transaction_read_only = on")
    server.run("SELECT pg_reload_conf()")
    try:
        assert told(sources()).upkeep.missing == ()
        assert load_running(sources()).value.work == ()
    finally:
        with server.connect() as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
            connection.execute("SELECT pg_reload_conf()")


def test_settings_that_wait_for_a_restart_and_mistakes_in_the_files_are_told(server, sources):
    server.run("ALTER SYSTEM SET max_locks_per_transaction = 128")
    server.run("SELECT pg_reload_conf()")
    try:
        waiting = until(lambda: found(sources(), "pending-restart"), "the reload")
        assert "max_locks_per_transaction" in waiting.text
    finally:
        server.run("ALTER SYSTEM RESET max_locks_per_transaction")
        server.run("SELECT pg_reload_conf()")
    blind = load_settings(sources()).value
    assert blind.mistakes is None
    for statement in blind.grant.splitlines():
        server.run(statement, "synaptic")
    assert load_settings(sources()).value.mistakes == ()
    file = server.folder / "data" / "postgresql.conf"
    before = file.read_text()
    try:
        file.write_text(f"{before}\nno_such_setting = 1\n")
        mistake = found(sources(), "settings-file")
    finally:
        file.write_text(before)
    assert "no_such_setting: unrecognized configuration parameter" in mistake.text
    server.run("REVOKE SELECT ON pg_file_settings FROM console", "synaptic")


def test_reads_and_writes_are_told_by_kind_of_process_from_16_on(server, sources):
    found_io = told(sources()).upkeep.io
    if server.version < 16:
        assert found_io is None
    else:
        assert {"client backend", "checkpointer"} <= {one.kind for one in found_io}
        assert sum(one.written_bytes or 0 for one in found_io) > 0


def test_no_connection_is_left_behind(server, sources):
    counted = f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{APPLICATION}'"
    until(lambda: server.run(counted) == [(0,)], "the connections of earlier tests being gone")
    one = sources()
    threads = [threading.Thread(target=told, args=(one,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    most = 0
    while any(thread.is_alive() for thread in threads):
        most = max(most, server.run(counted)[0][0])
    assert 0 < most <= 4
    one.postgres.close()
    until(lambda: server.run(counted) == [(0,)], "the connections being closed")
