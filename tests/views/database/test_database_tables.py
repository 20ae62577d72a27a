"""Tables and indexes of a real PostgreSQL, 15 and 18: what is wrong with them, why, and the statement that mends it."""

import re
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from collectors import registry
from collectors.postgres.tables import listed
from collectors.registry import Sources
from records.database import Database, open_database
from records.leases import take_lease
from records.relations import Sweep, read_sweeps, read_tracks, save_sweep
from settings import Limits, Settings
from tests.support import postgresql
from tests.support.looping import until
from tests.support.postgresql import Server
from views.database.tables import sampler as relation_memory
from views.database.tables.detail import load_opened
from views.database.tables.view import Relations, load_relations, load_sizes
from worker import Worker

pytestmark = pytest.mark.integration

KEEP = 90 * 86400.0
HOSTILE = 'odd "name"\n<b>x</b>; DROP TABLE kept; --'
QUOTED = '"' + HOSTILE.replace('"', '""') + '"'
LIMIT = 100_000

SCHEMA = f"""
CREATE EXTENSION pgstattuple;
CREATE TABLE kept (id int PRIMARY KEY);
INSERT INTO kept SELECT generate_series(1, 5000);
CREATE TABLE bloated (id int PRIMARY KEY, body text, more int) WITH (autovacuum_enabled = false);
INSERT INTO bloated SELECT n, md5(n::text) || md5((n + 1)::text), n % 7 FROM generate_series(1, 100000) AS n;
CREATE TABLE {QUOTED} (id int) WITH (autovacuum_enabled = off);
INSERT INTO {QUOTED} SELECT generate_series(1, 20000);
DELETE FROM {QUOTED} WHERE id > 5000;
CREATE TABLE waiting (id int);
INSERT INTO waiting SELECT generate_series(1, 30000);
DELETE FROM waiting WHERE id <= 20000;
CREATE TABLE twice (a int, b int, c text);
INSERT INTO twice SELECT n / 2, n, repeat('x', 50) FROM generate_series(1, 60000) AS n;
CREATE INDEX twice_a_b ON twice (a, b);
CREATE INDEX twice_a_b_again ON twice (a, b);
CREATE INDEX twice_a ON twice (a);
CREATE INDEX twice_where ON twice (a) WHERE b > 5;
CREATE INDEX twice_where_again ON twice (a) WHERE (b > 5);
CREATE INDEX twice_other ON twice (a DESC);
CREATE UNIQUE INDEX twice_unique ON twice (b);
CREATE INDEX twice_lower ON twice (lower(c || b));
CREATE TABLE points (id smallint GENERATED ALWAYS AS IDENTITY, x int);
INSERT INTO points (x) SELECT 1 FROM generate_series(1, 30000);
CREATE TABLE child (id int, kept_id int REFERENCES kept (id));
INSERT INTO child SELECT n, 1 + n % 5000 FROM generate_series(1, 20000) AS n;
CREATE TABLE memories (id int, content text, memory_type text, created_at timestamptz, deleted_at timestamptz)
    PARTITION BY RANGE (created_at);
CREATE INDEX idx_memories_created_at ON memories (created_at);
CREATE INDEX a_different_name ON memories (created_at, memory_type) WHERE deleted_at IS NULL;
CREATE TABLE memories_default PARTITION OF memories DEFAULT;
CREATE TABLE aged (id int) WITH (autovacuum_freeze_max_age = {LIMIT});
INSERT INTO aged SELECT generate_series(1, 100);
ANALYZE;
"""


@pytest.fixture(scope="module", params=[15, 18])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    # Autovacuum is on and does not come of itself: what a test leaves stays as it is.
    options = {"max_prepared_transactions": "5", "autovacuum_naptime": "86400"}
    with postgresql.running(request.param, **options) as running:
        running.run("CREATE ROLE poor LOGIN")
        with running.connect("synaptic") as connection:
            for statement in filter(str.strip, re.split(r";\n", SCHEMA)):
                connection.execute(statement.encode())
                settled(connection)
            year = datetime.now(UTC).year
            for one in (year - 2, year - 1):
                connection.execute(
                    f"CREATE TABLE memories_{one} PARTITION OF memories FOR VALUES FROM ('{one}-01-01 00:00:00+00') "
                    f"TO ('{one + 1}-01-01 00:00:00+00')".encode()
                )
            connection.execute("INSERT INTO memories SELECT 1, 'x', 'y', now(), NULL FROM generate_series(1, 500)")
            with suppress(psycopg.errors.UniqueViolation):
                connection.execute("CREATE UNIQUE INDEX CONCURRENTLY twice_invalid ON twice (a)")
            for _ in range(2):
                connection.execute("UPDATE bloated SET more = more + 1")
            connection.execute("DELETE FROM bloated WHERE id % 3 = 0")
            settled(connection)
            connection.execute("ANALYZE bloated")
        yield running


@pytest.fixture
def sources(server: Server) -> Iterator[Callable[..., Sources]]:
    """Builds sources, each with nothing kept yet; they are closed after the test."""
    made: list[Sources] = []

    def build(user: str = "postgres", **keys: object) -> Sources:
        given = {"host": "127.0.0.1", "port": server.port, "user": user, "deadline": 30, **keys}
        settings = Settings.model_validate({"environments": {"test": {"postgres": given}}})
        made.append(registry.build(settings.model_copy(update={"limits": Limits(answer_ttl=0.001)}), "test"))
        return made[-1]

    yield build
    for one in made:
        one.postgres.close()


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Database]:
    with closing(open_database(SecretStr(f"sqlite:///{tmp_path}/records.sqlite3"), 20.0)) as database:
        database.migrate()
        yield database


def settled(connection: psycopg.Connection) -> None:
    """What the session did is counted before it goes on: an ANALYZE in the same second would count it twice."""
    connection.execute("SELECT pg_stat_force_next_flush()")


def told(found: Relations, key: str, subject: str = "") -> list:
    return [one for one in found.findings if one.key == key and subject in one.subject]


def found_by(build: Callable[..., Sources], records: Database | None = None, **keys: object) -> Relations:
    return load_relations(build(**keys), records, KEEP).value


def counted(server: Server, table: str) -> None:
    """Waits until the statistics know of the dead rows of a table; they are written a little later."""
    query = f"SELECT n_dead_tup FROM pg_stat_all_tables WHERE relname = '{table}'"
    until(lambda: server.run(query, "synaptic")[0][0] > 0, f"the dead rows of {table} being counted")


def test_dead_rows_are_named_with_what_keeps_autovacuum_away(server, sources):
    counted(server, "waiting")
    found = found_by(sources)
    (off,) = told(found, "dead-rows", "bloated")
    assert re.search(r"public\.bloated has \d+ % dead rows .*autovacuum is switched off for it", off.text)
    assert off.status == "broken"
    assert (
        off.mend == "ALTER TABLE public.bloated RESET (autovacuum_enabled);\nVACUUM (VERBOSE, ANALYZE) public.bloated;"
    )
    (waiting,) = told(found, "dead-rows", "waiting")
    assert "67 % dead rows (20 k of 30 k)" in waiting.text
    assert "over autovacuum's threshold of" in waiting.text
    assert waiting.mend == "VACUUM (VERBOSE, ANALYZE) public.waiting;"
    assert told(found, "dead-rows", "public.kept") == []


def test_a_hostile_name_is_quoted_in_the_statement_and_runs_as_it_is(server, sources):
    found = found_by(sources)
    (one,) = told(found, "dead-rows", "odd")
    assert one.subject == f"public.{QUOTED}"
    for statement in one.mend.split(";\n"):
        server.run(statement, "synaptic")
    assert server.run("SELECT count(*) FROM kept", "synaptic") == [(5000,)]
    assert told(found_by(sources), "dead-rows", "odd") == []
    opened = load_opened(sources(), None, KEEP, one.subject).value
    assert opened.table is not None
    assert opened.table.name == one.subject


def test_the_estimate_of_bloat_is_within_five_points_of_what_pgstattuple_counts(server, sources):
    found = found_by(sources)
    (table,) = [one for one in found.tables if one.name == "public.bloated"]
    row = "SELECT table_len, dead_tuple_len + free_space FROM pgstattuple('bloated')"
    size, wasted = server.run(row, "synaptic")[0]
    estimate = found.heaps[table.oid]
    assert estimate.bytes == size
    assert estimate.share == pytest.approx(wasted / size, abs=0.05)
    assert estimate.share > 0.5
    assert not estimate.measured
    (bloat,) = told(found, "bloat", "bloated")
    assert "an estimate from statistics" in bloat.text
    (clean,) = [one for one in found.tables if one.name == "public.child"]
    assert found.heaps[clean.oid].share < 0.05


def test_the_estimate_for_an_index_is_within_ten_points_of_what_it_is_after_building_it_anew(server, sources):
    found = found_by(sources)
    (index,) = [one for one in found.indexes if one.name == "public.bloated_pkey"]
    estimate = found.trees[index.oid]
    server.run("CREATE INDEX anew ON bloated (id)", "synaptic")
    needed = server.run("SELECT pg_relation_size('anew')", "synaptic")[0][0]
    server.run("DROP INDEX anew", "synaptic")
    assert estimate.share == pytest.approx(1 - needed / estimate.bytes, abs=0.10)
    assert estimate.share > 0.3


def test_a_table_is_measured_on_demand_and_without_the_extension_that_is_told(server, sources):
    opened = load_opened(sources("console"), None, KEEP, "public.bloated", measure=True).value
    size, dead = server.run("SELECT table_len, dead_tuple_len FROM pgstattuple('bloated')", "synaptic")[0]
    assert opened.measured.bytes == size
    assert opened.measured.dead_bytes == pytest.approx(dead, rel=0.01)
    assert [one.name for one in opened.measured_indexes] == ["public.bloated_pkey"]
    assert opened.refused is None
    server.run("DROP EXTENSION pgstattuple", "synaptic")
    try:
        opened = load_opened(sources("console"), None, KEEP, "public.bloated", measure=True).value
        assert opened.refused.hint == "CREATE EXTENSION pgstattuple;"
        assert opened.table is not None
    finally:
        server.run("CREATE EXTENSION pgstattuple", "synaptic")


def test_invalid_equal_and_superfluous_indexes_are_named_once_and_needed_ones_never(sources):
    found = found_by(sources)
    (invalid,) = told(found, "index-invalid")
    assert "public.twice_invalid of public.twice is invalid, because its build failed" in invalid.text
    assert "It is unique: find the rows that are there twice first" in invalid.text
    assert invalid.mend == "REINDEX INDEX CONCURRENTLY public.twice_invalid;"
    assert {one.subject for one in told(found, "index-duplicate")} == {
        "public.twice_a_b_again",
        "public.twice_where_again",
    }
    (redundant,) = told(found, "index-redundant")
    assert "public.twice_a (" in redundant.text
    assert "is the beginning of public.twice_a_b" in redundant.text
    assert redundant.mend == "DROP INDEX CONCURRENTLY public.twice_a;"
    assert found.marks["public.twice_invalid"] == ("invalid",)


def test_an_index_that_is_being_built_is_not_called_invalid(server, sources):
    with server.connect("synaptic", autocommit=False) as holder, server.connect("synaptic") as builder:
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT count(*) FROM twice")  # the build waits for whoever may still see the table without it
        thread = threading.Thread(target=lambda: builder.execute("CREATE INDEX CONCURRENTLY in_work ON twice (c)"))
        thread.start()
        phase = "SELECT count(*) FROM pg_stat_progress_create_index WHERE phase LIKE 'waiting for old snapshots'"
        try:
            until(lambda: server.run(phase, "synaptic") == [(1,)], "the build waiting")
            found = found_by(sources)
            assert found.marks["public.in_work"] == ("being built",)
            assert told(found, "index-invalid", "in_work") == []
        finally:
            holder.rollback()
            thread.join()
    assert "public.in_work" not in found_by(sources).marks
    server.run("DROP INDEX in_work", "synaptic")


def test_an_index_is_unused_only_after_a_week_without_a_scan_and_a_unique_one_never(sources, records):
    found = found_by(sources)
    assert told(found, "index-unused") == []  # the server runs for minutes: that says nothing
    build = sources()
    swept(build, records, [timedelta(days=8), timedelta(days=4), timedelta(hours=1)])
    found = load_relations(build, records, KEEP).value
    subjects = {one.subject for one in told(found, "index-unused")}
    assert "public.twice_lower" in subjects
    assert not subjects & {"public.twice_unique", "public.twice_a_b_again", "public.bloated_pkey"}
    (unused,) = told(found, "index-unused", "twice_lower")
    assert "was not used for 8 d" in unused.text
    assert unused.mend == "DROP INDEX CONCURRENTLY public.twice_lower;"


def test_the_indexes_of_the_guide_are_known_by_name_or_definition_and_a_missing_one_can_be_made(server, sources):
    (missing,) = told(found_by(sources), "index-missing")
    assert missing.text.startswith("public.memories lacks the index idx_memories_search_vector")
    assert missing.status == "broken"
    for statement in missing.mend.splitlines():
        server.run(statement, "synaptic")
    found = found_by(sources)
    assert told(found, "index-missing") == []
    assert told(found, "index-invalid", "memories") == []
    # Without the part of one partition the whole is invalid, and again the statements mend it.
    server.run("DROP INDEX idx_memories_search_vector", "synaptic")
    server.run("CREATE INDEX idx_memories_search_vector ON ONLY memories USING gin (to_tsvector('english', content))",
               "synaptic")  # fmt: skip
    (invalid,) = told(found_by(sources), "index-invalid", "search_vector")
    assert "3 of the partitions of public.memories lack their part" in invalid.text
    for statement in invalid.mend.splitlines():
        server.run(statement, "synaptic")
    assert told(found_by(sources), "index-invalid", "search_vector") == []
    server.run("DROP INDEX idx_memories_search_vector", "synaptic")


def test_a_missing_partition_and_rows_in_the_default_one_are_named_and_the_statement_makes_it(server, sources):
    found = found_by(sources)
    year = datetime.now(UTC).year
    (missing,) = told(found, "partition-missing")
    assert missing.text == (
        "public.memories has no partition for what is written now: new rows go into public.memories_default."
    )
    assert missing.mend == (
        f"CREATE TABLE public.memories_{year} PARTITION OF public.memories\n"
        f"    FOR VALUES FROM ('{year}-01-01 00:00:00+00') TO ('{year + 1}-01-01 00:00:00+00');"
    )
    (rows,) = told(found, "partition-default-rows")
    assert "public.memories_default holds 500 rows" in rows.text
    with server.connect("synaptic", autocommit=False) as connection:
        for statement in rows.mend.split(";\n")[1:-1]:
            made = missing.mend if statement.startswith("-- CREATE") else ""
            connection.execute((made + re.sub(r"^--.*\n", "", statement)).encode())
        assert connection.execute(f"SELECT count(*) FROM memories_{year}".encode()).fetchone() == (500,)
        connection.rollback()


def test_a_sequence_near_the_end_of_its_column_is_named_and_unreadable_ones_are_unknown(sources):
    found = found_by(sources)
    (end,) = told(found, "sequence-end")
    assert end.status == "broken"
    assert "public.points_id_seq of public.points.id (smallint) is at 92 % of its values: 30 k of 32.8 k" in end.text
    assert "ALTER TABLE public.points ALTER COLUMN id TYPE bigint;" in end.mend
    poor = found_by(sources, user="console")
    assert [one.used for one in poor.fills if one.sequence.name == "public.points_id_seq"] == [None]
    (lacking,) = [one for one in poor.lacking if one.what == "Values of sequences"]
    assert lacking.hint == "GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO console;"


def test_a_foreign_key_without_an_index_is_named(sources):
    (key,) = told(found_by(sources), "foreign-key-index")
    assert "Foreign key child_kept_id_fkey of public.child has no index" in key.text
    assert key.mend == "CREATE INDEX CONCURRENTLY ON public.child (kept_id);"


def test_old_transaction_ids_are_named_with_who_holds_the_horizon_and_the_time_left(server, sources, records):
    build = sources()
    swept(build, records, [timedelta(minutes=50)], xids=100)
    with server.connect("synaptic") as connection:
        connection.execute("BEGIN")
        connection.execute("INSERT INTO kept VALUES (-1)")
        connection.execute("PREPARE TRANSACTION 'nightly''s import'")
    try:
        burn = "DO $$ BEGIN FOR n IN 1..%d LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
        server.run(burn % (LIMIT + 20_000), "synaptic")
        found = load_relations(build, records, KEEP).value
        (age,) = told(found, "xid-age")
        assert re.match(
            r"public\.aged is 12\d k transactions old, past its autovacuum_freeze_max_age of 100 k", age.text
        )
        assert "vacuum cannot freeze what prepared transaction nightly's import (postgres, for " in age.text
        assert re.search(r"At \d+ transactions/s the server stops writing in [\d.]+ (years|d)", age.text)
        assert age.mend.startswith("ROLLBACK PREPARED 'nightly''s import';")
        assert "VACUUM (FREEZE, VERBOSE) public.aged;" in age.mend
        (holder,) = told(found, "xid-horizon")
        assert "Prepared transaction nightly's import (postgres, for " in holder.text
        assert "holds back the horizon by 12" in holder.text
        assert holder.status == "broken"
        # Dead rows that it holds back are told so, once a vacuum could not remove them.
        server.run("DELETE FROM twice WHERE b <= 30000", "synaptic")
        server.run("VACUUM twice", "synaptic")
        counted(server, "twice")
        (dead,) = told(found_by(sources), "dead-rows", "twice")
        assert "vacuum cannot remove what prepared transaction nightly's import" in dead.text
        for statement in age.mend.splitlines():
            server.run(statement, "synaptic")
    finally:
        with suppress(psycopg.errors.UndefinedObject):
            server.run("ROLLBACK PREPARED 'nightly''s import'", "synaptic")
    found = found_by(sources)
    assert told(found, "xid-age") == told(found, "xid-horizon") == []


def test_a_table_that_is_locked_against_everybody_is_told_and_costs_no_answer(server, sources):
    with server.connect("synaptic", autocommit=False) as holder:
        holder.execute("DROP INDEX a_different_name")
        holder.execute("LOCK TABLE bloated, memories IN ACCESS EXCLUSIVE MODE")
        found = found_by(sources)
        locked = {one.name for one in found.tables if one.locked}
        holder.rollback()
    assert "public.bloated" in locked
    assert [one.what for one in found.lacking] == ["What was before now"]
    assert told(found, "index-missing") == []  # with the definitions not known nothing is called missing
    (table,) = [one for one in found.tables if one.name == "public.bloated"]
    assert table.heap_bytes > 0


def test_without_pg_monitor_only_what_needs_it_is_missing_and_the_grant_is_told(sources):
    found = found_by(sources, user="poor")
    lacking = {one.what: one.hint for one in found.lacking}
    assert lacking["Who holds back vacuum"] == 'GRANT pg_monitor TO "poor";'
    assert "pgstattuple" in lacking["Bloat of tables and indexes"]
    assert told(found, "dead-rows", "bloated")
    assert told(found, "index-invalid")
    assert found.wasted is None


def test_sizes_are_those_that_the_server_tells(server, sources):
    found = found_by(sources)
    for name in ("bloated", "twice", "memories_default"):
        (size,) = server.run(f"SELECT pg_total_relation_size('{name}')", "synaptic")[0]
        assert {one.bytes for one in found.tables if one.name == f"public.{name}"} == {size}
    (whole,) = [one for one in found.tables if one.name == "public.memories"]
    assert whole.bytes == sum(one.bytes for one in found.tables if one.parent == "public.memories")
    assert whole.live_rows == 500


def test_rows_are_still_known_after_a_reset_of_the_statistics_as_a_crash_does_it(server, sources):
    name = "public.reset"
    with server.connect("synaptic") as connection:
        connection.execute("CREATE TABLE reset (id int PRIMARY KEY, body text)")
        connection.execute("INSERT INTO reset SELECT n, md5(n::text) FROM generate_series(1, 60000) AS n")
        settled(connection)
        connection.execute("ANALYZE reset")
        connection.execute("SELECT pg_stat_reset_single_table_counters('reset'::regclass)")
        counted_rows = "SELECT n_live_tup FROM pg_stat_user_tables WHERE relname = 'reset'"
        assert connection.execute(counted_rows).fetchall() == [(0,)]
        found = found_by(sources)
        assert [one.live_rows for one in found.tables if one.name == name] == [60_000]
        (heap,) = [one.oid for one in found.tables if one.name == name]
        (tree,) = [one.oid for one in found.indexes if one.table == name]
        assert found.heaps[heap].share < 0.05
        assert found.trees[tree].share < 0.2
        assert [one for one in found.findings if one.subject.startswith(name)] == []
        connection.execute("DELETE FROM reset WHERE id <= 6000")
        settled(connection)
        connection.execute("VACUUM reset")
        assert [one.live_rows for one in found_by(sources).tables if one.name == name] == [54_000]
        # After TRUNCATE and a reset nobody knows how many rows came since: not even the planner.
        connection.execute("TRUNCATE reset")
        connection.execute("INSERT INTO reset SELECT n, md5(n::text) FROM generate_series(1, 60000) AS n")
        settled(connection)
        connection.execute("SELECT pg_stat_reset_single_table_counters('reset'::regclass)")
        found = found_by(sources)
        assert heap not in found.heaps
        assert tree not in found.trees
        connection.execute("DROP TABLE reset")


def test_a_look_is_kept_once_and_growth_is_told_from_several(server, sources, records):
    build = sources()
    lease = take_lease(records, "relations", "a worker", 600)
    assert relation_memory.note(build, records, lease, interval=900, keep=KEEP) > 0
    assert relation_memory.note(build, records, lease, interval=900, keep=KEEP) == 0
    swept(build, records, [timedelta(days=3), timedelta(days=2), timedelta(days=1)], sizes=[0.25, 0.5, 0.75])
    again = sources()
    found = load_relations(again, records, KEEP).value
    (table,) = [one for one in found.tables if one.name == "public.bloated"]
    assert found.remembered.grown("table", "public.bloated", found.figures.as_of) == pytest.approx(
        table.bytes / 4, rel=0.05
    )
    sizes = load_sizes(again, records, KEEP).value
    assert "public.memories" not in sizes.columns
    assert sizes["public.bloated"].iloc[-1] == table.bytes
    opened = load_opened(again, records, KEEP, "bloated").value
    assert [one.bytes for _, one in opened.track][-1] == table.bytes
    assert len(opened.track) == 4


def test_the_worker_keeps_a_look(server, sources, records):
    build = sources()
    environments = {"test": {"postgres": build.postgres.settings.model_dump()}}
    worker = Worker(Settings.model_validate({"environments": environments}), records, lambda _, __: build)
    worker.turn()
    worker.turn()
    worker.stop()
    now = datetime.now(UTC)
    (sweep,) = read_sweeps(records, "test", now - timedelta(hours=1), now)
    assert sweep.bytes == pytest.approx(server.run("SELECT pg_database_size('synaptic')")[0][0], rel=0.01)
    assert ("table", "public.bloated") in read_tracks(records, "test", [sweep.taken_at])


def swept(
    build: Sources, records: Database, ages: list[timedelta], *, sizes: list[float] | None = None, xids: int = 0
) -> None:
    """Keeps looks of the past: what is seen now, with sizes of the past, and the counter of transactions back then."""
    postgres = build.postgres
    (figures,) = listed(postgres, "database_figures", relation_memory.Figures)
    seen = relation_memory.samples_of(
        listed(postgres, "tables", relation_memory.Table),
        listed(postgres, "indexes", relation_memory.Index),
        listed(postgres, "sequences", relation_memory.NumberSequence),
    )
    lease = take_lease(records, f"past {uuid.uuid4()}", "the past", 600)
    for place, age in enumerate(ages):
        share = sizes[place] if sizes is not None else 1.0
        sweep = Sweep(datetime.now(UTC) - age, figures.bytes, figures.next_xid - xids, figures.xid_age, 0, len(seen))
        past = [replace(one, bytes=int(one.bytes * share)) for one in seen]
        save_sweep(records, lease, "test", sweep, past, keep=timedelta(seconds=KEEP))
