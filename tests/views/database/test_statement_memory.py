"""What is noted of the statements of a real PostgreSQL, 15 and 18: exactly what its own counters gained."""

import signal
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, update

from collectors import registry
from collectors.errors import BadAnswer, Denied, Unreachable
from collectors.postgres import statements as postgres_statements
from records import statement_upkeep
from records.database import open_database
from records.errors import RecordsError
from records.leases import LeaseLostError, database_time, take_lease
from records.schema import leases, statement_counters, statement_gains, statement_samples, statement_texts
from records.statements import newest_sample
from settings import Settings
from tests.support import postgresql
from tests.support.looping import until
from tests.web.serving import ROOT
from views.database.rules.statements import COUNTERS
from views.database.statements.sampler import Memory, note

pytestmark = pytest.mark.integration

KEPT = timedelta(days=30)
APP = "(SELECT oid FROM pg_roles WHERE rolname = 'app')"
COLUMNS = (
    "calls, rows, shared_blks_hit, shared_blks_read, shared_blks_dirtied, shared_blks_written, temp_blks_read, "
    "temp_blks_written, wal_bytes::bigint, total_exec_time"
)
CHECKED = COUNTERS[:10]

RUNNING = """
import sys
from pydantic import SecretStr
from records.database import open_database
from records.errors import RecordsError
from settings import Settings
from worker import Worker
worker = Worker(Settings.model_validate_json(sys.argv[1]), open_database(SecretStr(sys.argv[2])))
worker.start()
print("started", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module", params=[15, 18])
def server(request):
    options = {"pg_stat_statements.max": "100", "track_io_timing": "on", "work_mem": "64kB"}
    with postgresql.running(request.param, **options) as running:
        running.run("CREATE ROLE app LOGIN SUPERUSER")
        running.run("CREATE TABLE memories (id int PRIMARY KEY, content text)", "synaptic")
        yield running


@pytest.fixture
def settings(server):
    settings = {"host": "127.0.0.1", "port": server.port, "user": "console", "deadline": 30}
    server.run("SELECT pg_stat_statements_reset()", "synaptic")
    server.run("TRUNCATE memories", "synaptic")
    return Settings.model_validate(
        {
            "environments": {"test": {"postgres": settings}},
            "worker": {"interval": 1},
            "limits": {"answer_ttl": 0.001, "keep_stale": 0},
        }
    )


@pytest.fixture
def address(server, tmp_path):
    """Records in a file beside the 15, and in a PostgreSQL beside the 18: the very one that is looked at."""
    if server.version == 15:
        return f"sqlite:///{tmp_path}/records.sqlite3"
    name = f"records_{uuid.uuid4().hex}"
    server.run(f"CREATE DATABASE {name}")
    return f"postgresql://{postgresql.USER}@127.0.0.1:{server.port}/{name}"


@pytest.fixture
def records(address):
    database = open_database(SecretStr(address))
    database.migrate()
    yield database
    database.close()


class Console:
    """One console that does the work; another one takes over with a memory of its own."""

    def __init__(self, settings, records):
        self.records = records
        self.sources = registry.build(settings, "test")
        self.memory = Memory()
        self.lease = take_lease(records, f"statements/{uuid.uuid4().hex}", "a console", 600)

    def sample(self):
        return note(self.sources, self.records, self.lease, self.memory, KEPT, lambda: True)


@pytest.fixture
def console(settings, records):
    made = []

    def make():
        made.append(Console(settings, records))
        return made[-1]

    yield make
    for one in made:
        one.sources.postgres.close()


class Application:
    """What the service does, as the role ``app``; nobody else is it."""

    def __init__(self, server):
        self.server = server

    def work(self, times=3, first=0):
        with self.server.connect("synaptic", user="app") as connection:
            for number in range(first, first + times):
                connection.execute("INSERT INTO memories VALUES (%s, %s)", (number, "words " * 100))
                connection.execute("SELECT * FROM memories WHERE id = %s", (number,))
            connection.execute("SELECT count(*) FROM (SELECT * FROM generate_series(1, 20000) n ORDER BY n % 7) s")

    def counted(self):
        """What the server has counted for it: statement → counters."""
        rows = self.server.run(
            f"SELECT queryid, {COLUMNS} FROM pg_stat_statements WHERE userid = {APP} AND dbid = "
            "(SELECT oid FROM pg_database WHERE datname = 'synaptic')",
            "synaptic",
        )
        return {row[0]: row[1:] for row in rows}


@pytest.fixture
def app(server):
    return Application(server)


def gained(records):
    """What was noted for the role ``app``, over all samples: statement → counters."""
    g, c = statement_gains, statement_counters
    query = (
        select(c.c.query_id, *(func.sum(g.c[name]) for name in CHECKED))
        .join(c, c.c.id == g.c.counter_id)
        .where(c.c.user == "app")
        .group_by(c.c.query_id)
    )
    with records.reading() as connection:
        return {row[0]: tuple(map(float, row[1:])) for row in connection.execute(query)}


def told(records):
    with records.reading() as connection:
        return connection.execute(select(statement_samples).order_by(statement_samples.c.id)).mappings().all()


def exactly(counters):
    return {key: pytest.approx(tuple(map(float, values)), rel=1e-9) for key, values in counters.items()}


def test_the_sums_of_all_differences_are_what_the_server_counted_no_more_and_no_less(console, app, records):
    one = console()
    assert one.sample() is None
    for round_ in range(4):
        app.work(first=round_ * 3)
        assert one.sample().whole_story
    assert one.sample() is not None  # nothing happened in between
    assert gained(records) == exactly(app.counted())
    assert len(told(records)) == 6
    assert all(not row["reset"] for row in told(records))


def test_a_console_that_takes_over_goes_on_where_the_last_one_ended(console, app, records, server):
    app.work()
    one = console()
    one.sample()
    before = app.counted()
    app.work(first=10)
    one.sample()
    app.work(first=20)
    other = console()
    other.sample()
    server.stop()
    with pytest.raises((Unreachable, RecordsError)):  # the records of the 18 are in the same server
        other.sample()
    server.start()
    app.work(first=30)
    other.sample()
    after = app.counted()
    grown = {key: tuple(b - a for a, b in zip(before[key], after[key], strict=True)) for key in before}
    assert gained(records) == exactly(grown)
    assert not any(row["reset"] for row in told(records))
    with pytest.raises(LeaseLostError, match="meanwhile"):
        racing(one)


def racing(one):
    """A sample between whose two halves another console takes one."""
    other_memory = Memory()

    class Slow:
        environment = "test"

        @property
        def postgres(self):
            return one.sources.postgres

    from records import statements as kept

    real = kept.read_entries

    def late(database, environment):
        found = real(database, environment)
        note(one.sources, database, one.lease, other_memory, KEPT, lambda: True)
        return found

    patch = pytest.MonkeyPatch()
    try:
        one.memory.sample = None
        calls = iter([late, real])
        patch.setattr(kept, "read_entries", lambda *given: next(calls)(*given))
        note(Slow(), one.records, one.lease, one.memory, KEPT, lambda: True)
    finally:
        patch.undo()


def test_after_a_reset_what_is_there_counts_and_the_unknown_before_it_is_told(console, app, records, server):
    one = console()
    one.sample()
    app.work()
    one.sample()
    before = gained(records)
    app.work(first=10)
    server.run("SELECT pg_stat_statements_reset()", "synaptic")
    app.work(first=20)
    assert one.sample().reset
    after = app.counted()
    assert gained(records) == exactly(
        {key: tuple(map(sum, zip(before[key], after[key], strict=True))) for key in after}
    )
    assert [row["reset"] for row in told(records)] == [False, False, True]


def test_an_entry_that_began_again_counts_with_what_it_has_now(console, app, records, server):
    one = console()
    one.sample()
    app.work(times=5)
    one.sample()
    before = gained(records)
    (number,) = (key for key, counters in app.counted().items() if counters[0] == 5 and counters[8] > 0)
    server.run(f"SELECT pg_stat_statements_reset(0, 0, {number})", "synaptic")
    app.work(times=2, first=10)
    found = one.sample()
    assert (found.reset, found.begun_again) == (False, 1)
    assert gained(records)[number] == pytest.approx(
        [a + b for a, b in zip(before[number], app.counted()[number], strict=True)], rel=1e-9
    )


def test_where_entries_are_thrown_out_no_more_is_noted_than_was_done_and_it_is_told(console, app, records, server):
    one = console()
    one.sample()
    done = 0
    for round_ in range(3):
        with server.connect("synaptic", user="app") as connection:
            for number in range(150):
                # Each is a statement of its own, as lists of different lengths were before version 18.
                connection.execute("SELECT " + ", ".join(["1"] * (2 + number + 150 * round_)))
                done += 1
        found = one.sample()
        assert found.evictions > 0
        assert not found.reset
    calls = sum(counters[0] for counters in gained(records).values())
    assert sum(counters[0] for counters in app.counted().values()) <= calls <= done
    assert sum(row["evictions"] for row in told(records)) > 0


def test_texts_are_kept_with_marks_for_values_and_never_with_a_password(console, app, records, server):
    one = console()
    one.sample()
    app.work()
    with server.connect("synaptic", user="app") as connection:
        connection.execute("ALTER ROLE console PASSWORD 'hunter2'")
        connection.execute("SELECT '<script>alert(1)</script>' AS \"<b>*x*</b>\"")
    one.sample()
    with records.reading() as connection:
        texts = connection.execute(select(statement_texts.c.text)).scalars().all()
    assert any("INSERT INTO memories VALUES ($1, $2)" in text for text in texts)
    assert any("<b>*x*</b>" in text for text in texts)
    assert not any("hunter2" in text or "alert(1)" in text for text in texts)
    assert sum("ALTER ROLE" in text for text in texts) == 1


def test_when_a_statement_was_first_seen_is_known_for_what_came_after_the_first_look(console, app, records, server):
    app.work()
    one = console()
    one.sample()
    started = told(records)[0]["taken_at"]
    with server.connect("synaptic", user="app") as connection:
        connection.execute("SELECT 'new' AS a, 'new' AS b")
    one.sample()
    c = statement_counters
    with records.reading() as connection:
        rows = connection.execute(select(c.c.query_id, c.c.first_seen).where(c.c.user == "app")).all()
    new = [row for row in rows if row.first_seen and row.first_seen > started]
    assert len(new) == 1
    # Before 17 the server does not tell since when an entry is there.
    assert all((row.first_seen is None) == (server.version < 17) for row in rows if row not in new)


def test_a_role_without_the_right_and_a_database_without_the_extension_are_told_what_brings_it(settings, server):
    def asked(**more):
        changed = settings.model_dump(mode="json")
        changed["environments"]["test"]["postgres"] |= more
        sources = registry.build(Settings.model_validate(changed), "test")
        try:
            postgres_statements.look(sources.postgres)
        finally:
            sources.postgres.close()

    with pytest.raises(BadAnswer) as bad:
        asked(database="postgres")
    assert bad.value.hint.startswith("CREATE EXTENSION pg_stat_statements;")
    server.run("CREATE ROLE stranger LOGIN")
    with pytest.raises(Denied) as denied:
        asked(user="stranger")
    assert denied.value.hint == 'GRANT pg_read_all_stats TO "stranger";'
    server.run("DROP ROLE stranger")


def test_a_worker_killed_in_the_middle_is_replaced_and_nothing_is_lost_or_doubled(settings, address, records, app):
    app.work()
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", RUNNING, settings.model_dump_json(), address],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout.readline() == "started\n"
        until(lambda: newest_sample(records, "test"), "the first sample")
        before = app.counted()
        app.work(first=10)
        until(lambda: gained(records), "the first gains")
        app.work(first=20)
        process.send_signal(signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
    finally:
        process.kill()
        process.communicate()
    with records.writing() as connection:
        past = database_time(connection) - timedelta(seconds=1)
        connection.execute(update(leases).values(expires_at=past))
    app.work(first=30)
    sources = registry.build(settings, "test")
    lease = take_lease(records, "statements/test", "another console", 600)
    note(sources, records, lease, Memory(), KEPT, lambda: True)
    sources.postgres.close()
    after = app.counted()
    grown = {key: tuple(b - a for a, b in zip(before[key], after[key], strict=True)) for key in before}
    assert gained(records) == exactly(grown)


def test_what_is_two_days_old_is_added_up_to_hours_and_what_is_too_old_is_forgotten(console, app, records):
    one = console()
    one.sample()
    for round_ in range(3):
        app.work(first=round_ * 3)
        one.sample()
    whole = gained(records)
    s = statement_samples
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=3)
    with records.writing() as connection:
        for place, row in enumerate(connection.execute(select(s).order_by(s.c.id)).mappings().all()):
            at = hour + timedelta(minutes=place + 1)
            since = None if row["since"] is None else at - timedelta(minutes=1)
            middle = at if since is None else at - timedelta(seconds=30)
            values = {"taken_at": at, "since": since, "middle": middle, "seconds": 60.0 if since else 0.0}
            connection.execute(update(s).where(s.c.id == row["id"]).values(values))
    one.memory = Memory()
    app.work(first=20)
    one.sample()  # a long gap, and the upkeep
    rows = told(records)
    assert [(row["step"], row["seconds"]) for row in rows if row["step"]] == [(statement_upkeep.HOUR, 180.0)]
    assert len(rows) == 2
    assert gained(records) == exactly(app.counted())
    statement_upkeep.forget(records, one.lease, "test", datetime.now(UTC) - timedelta(days=1, hours=12))
    assert len(told(records)) == 1
    with records.reading() as connection:
        left = connection.execute(select(func.count()).select_from(statement_gains)).scalar_one()
        used = connection.execute(select(func.count(func.distinct(statement_gains.c.sample_id)))).scalar_one()
    assert left > 0
    assert used == 1
    assert gained(records) != exactly(whole)
