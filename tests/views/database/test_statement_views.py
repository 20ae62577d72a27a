"""What is told of statements: culprit, table and index on a real PostgreSQL, and the deploy before a change."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from pydantic import SecretStr

from benchmarks.history import DEPLOY_SECONDS
from collectors import registry
from collectors.errors import BadAnswer, Denied, SourceError, Unreachable
from collectors.span import Span
from records.database import open_database
from records.leases import take_lease
from records.statements import REAL, WHOLE, Fresh, SampleRow, keep_texts, newest_sample, read_entries, save_sample
from settings import Environment, Limits, Settings
from tests.support import postgresql
from views.database.statements.detail import load_history, load_plan, load_verdict
from views.database.statements.sampler import Memory, note
from views.database.statements.view import load_statements

pytestmark = pytest.mark.integration

MINUTE = timedelta(minutes=1)
PLANS = {"plan_roles": ["app"], "plan_user": "planner"}
SCHEMA = """
CREATE ROLE app LOGIN SUPERUSER;
CREATE ROLE planner LOGIN;
CREATE TABLE memories (id int, content text, created_at timestamptz DEFAULT now(), deleted_at timestamptz)
    PARTITION BY RANGE (created_at);
CREATE TABLE memories_1 PARTITION OF memories FOR VALUES FROM ('2000-01-01') TO ('2020-01-01');
CREATE TABLE memories_2 PARTITION OF memories FOR VALUES FROM ('2020-01-01') TO ('2100-01-01');
INSERT INTO memories SELECT n, 'word' || n % 3000 || ' of ' || n, timestamptz '2019-06-01' + n * interval '1 hour'
    FROM generate_series(1, 12000) n;
CREATE INDEX idx_memories_search_vector ON memories USING gin (to_tsvector('english', content));
ANALYZE;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO planner;
"""
SEARCH = (
    "SELECT id FROM memories WHERE to_tsvector('english', content) @@ to_tsquery('english', %s) AND deleted_at IS NULL "
    "LIMIT 10 /*component='query',operation='search_full_text'*/"
)


@pytest.fixture
def records(tmp_path):
    database = open_database(SecretStr(f"sqlite:///{tmp_path}/records.sqlite3"))
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def sources_of():
    made = []

    def make(*given, **more):
        made.append(new_sources(*given, **more))
        return made[-1]

    yield make
    for sources in made:
        for collector in sources.configured():
            collector.close()


def new_sources(server=None, world=None, **more):
    given = {
        "host": "127.0.0.1",
        "port": server.port if server else 9,
        "user": "console",
        "deadline": 30,
        **PLANS,
        **more,
    }
    parts = {**(world.environment() if world else {}), "postgres": given}
    limits = Limits(deadline=30, answer_ttl=0.001, keep_stale=0)
    return registry.build(Settings(environments={"test": Environment.model_validate(parts)}, limits=limits), "test")


@pytest.fixture(scope="module")
def server():
    with postgresql.running(18) as running:
        for statement in filter(str.strip, SCHEMA.split(";\n")):
            running.run(statement, "synaptic")
        yield running


@pytest.fixture
def sources(server, sources_of):
    return sources_of(server)


def last(minutes=15):
    now = datetime.now(UTC) + timedelta(seconds=5)
    return Span.of(now - minutes * MINUTE, now, 721)


def test_a_dropped_index_is_named_with_the_statement_that_lacks_it_and_its_table(server, sources, sources_of, records):
    lease, memory = take_lease(records, "statements/test", "a console", 600), Memory()

    def sampled(times):
        for _ in range(times):
            with server.connect("synaptic", user="app") as connection:
                for number in range(5):
                    connection.execute(SEARCH, (f"word{number}",))
            note(sources, records, lease, memory, timedelta(days=30), lambda: True)

    sampled(13)
    calm = load_verdict(sources, records, last(), None, literals=True).value
    assert calm.change is None
    assert calm.culprit.short.startswith("search_full_text: SELECT … FROM memories WHERE to_tsvector(")
    assert calm.culprit.share > 0.5
    assert calm.hint is None  # the index is recognised, although the server hides the constants of its expression
    plan = load_plan(sources, calm.culprit.query_id).value
    assert any("to_tsvector" in index for index in plan.indexes)
    assert "'english'" in plan.constants.values()
    server.run("DROP INDEX idx_memories_search_vector", "synaptic")
    sampled(1)
    first = load_verdict(sources_of(server), records, last(), None, literals=True).value
    assert first.culprit.query_id == calm.culprit.query_id
    assert "idx_memories_search_vector, which the service needs, is not there." in first.hint.text
    sampled(6)
    found = load_verdict(sources_of(server), records, last(), None, literals=True).value
    assert found.change.kind == "slower"
    assert found.change.after > 3 * found.change.before
    assert found.change.until is None
    assert found.culprit.query_id == calm.culprit.query_id
    assert (found.hint.key, found.hint.table) == ("index-missing", "memories")
    assert "idx_memories_search_vector, which the service needs, is not there." in found.hint.text
    assert "gin (to_tsvector('english'" in found.hint.mend
    (hint, *_) = load_plan(sources_of(server), found.culprit.query_id).value.hints
    assert (hint.key, hint.table) == ("plan-sequential-scan", "memories")
    assert "idx_memories_search_vector, which the service needs, is not there." in hint.text
    assert "gin (to_tsvector('english'" in hint.mend
    history = load_history(sources, records, last(), found.culprit.query_id, literals=True).value
    assert history.tags == {"component": "query", "operation": "search_full_text"}
    assert history.tables == ("memories",)
    assert [one.user for one in history.runners] == ["app"]
    assert history.total.calls == 95  # those of the first sample were before it
    assert np.nansum(history.frame["calls"].to_numpy()) > 0


def test_who_may_not_see_values_sees_no_comments_and_a_plan_that_may_not_be_seen_is_told(
    server, sources, sources_of, records
):
    lease, memory = take_lease(records, "statements/test", "a console", 600), Memory()
    for _ in range(2):
        with server.connect("synaptic", user="app") as connection:
            connection.execute("SELECT count(*) FROM pg_authid WHERE rolname = 'x' /*user_id='ada'*/")
        note(sources, records, lease, memory, timedelta(days=30), lambda: True)
    open_, hidden = (
        load_statements(sources_of(server), records, last(), None, literals=many).value for many in (True, False)
    )
    (one,) = (one for one in open_.found if "pg_authid" in one.text)
    assert "ada" in one.text
    assert not any("ada" in other.text or "ada" in other.short for other in hidden.found)
    with pytest.raises(Denied, match="permission denied for table pg_authid"):
        load_plan(sources, one.query_id)
    with pytest.raises(BadAnswer, match="no longer has the text"):
        load_plan(sources, 12345)


def test_nothing_of_a_strangers_statement_is_run_by_the_worker_or_by_opening_pages(server, sources, records):
    server.run("CREATE ROLE lowly LOGIN", "synaptic")
    server.run("CREATE SCHEMA lowly_s AUTHORIZATION lowly", "synaptic")
    server.run("GRANT USAGE ON SCHEMA lowly_s TO public", "synaptic")
    lease, memory = take_lease(records, "statements/test", "a console", 600), Memory()
    with server.connect("synaptic", user="lowly") as lowly:
        lowly.execute("LISTEN loot")
        lowly.execute(
            "CREATE FUNCTION lowly_s.deed() RETURNS void LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_notify('loot', current_user); END $$"
        )
        lowly.execute(
            "CREATE FUNCTION lowly_s.evil() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN "
            "IF current_user <> 'lowly' THEN PERFORM lowly_s.deed(); ELSE PERFORM pg_sleep(0.3); END IF; "
            "RETURN 1; END $$"
        )
        for _ in range(3):
            lowly.execute("SELECT lowly_s.evil() AS heaviest_of_all")
            note(sources, records, lease, memory, timedelta(days=30), lambda: True)
        found = load_verdict(sources, records, last(), None, literals=True).value
        assert "heaviest_of_all" in found.culprit.text
        load_history(sources, records, last(), found.culprit.query_id, literals=True)
        with pytest.raises(Denied, match="sent by lowly"):
            load_plan(sources, found.culprit.query_id)
        assert [one.payload for one in lowly.notifies(timeout=0)] == []


@dataclass
class Past:
    """Samples of made-up statements, a minute each, written as the worker writes them."""

    records: object
    lease: object

    def write(self, end, minutes, gains, users=("app",), **more):
        """``gains`` gives for a minute, counted from 0 on, statement → (calls, milliseconds)."""
        for place in range(minutes + 1):
            at = end - (minutes - place) * MINUTE
            before, known = newest_sample(self.records, "test"), read_entries(self.records, "test")
            found = gains(place) if before is not None else {}
            keys = tuple((1, 1 + place_, number, True) for number in found for place_ in range(len(users)))
            whole = np.zeros((len(keys), len(WHOLE)), np.int64)
            real = np.zeros((len(keys), len(REAL)))
            for row, key in enumerate(keys):
                whole[row, 0], real[row, 0] = found[key[2]]
            sample = SampleRow(
                0, 0, before.taken_at if before else None, at, 60.0 if before else 0.0, more.get("reset", False), 0, 0,
                0, len(keys), None, 0, end,
            )  # fmt: skip
            fresh = Fresh(
                sample, keys, whole, real, np.full(len(keys), np.nan), np.arange(len(keys)), whole, real,
                lambda _, at=at, first=place <= 1: None if first else at,
                lambda _, user: ("synaptic", users[user - 1]),
                lambda gained, _: np.ones(len(gained), bool),
            )  # fmt: skip
            save_sample(self.records, self.lease, "test", before, known, fresh)


@pytest.fixture
def past(records):
    return Past(records, take_lease(records, "statements/test", "a console", 600))


def span_at(end, minutes=60):
    return Span.of(end - minutes * MINUTE, end, 721)


def test_a_slower_statement_and_a_new_one_are_told_with_the_deploy_before_them(troubled, past, sources_of, records):
    end = troubled.moment.replace(microsecond=0)
    deployed = end - timedelta(seconds=DEPLOY_SECONDS)
    slow_from = next(n for n in range(150) if end - (120 - n) * MINUTE > deployed + 2 * MINUTE)

    def gains(place):
        usual = {1: (100, 1000.0 + place % 7), 2: (500, 300.0)}
        if place < slow_from:
            return usual
        return usual | {1: (100, 9100.0), 3: (10, 4000.0)}

    past.write(end, 120, gains)
    keep_texts(records, past.lease, "test", {1: "SELECT * FROM a", 2: "SELECT * FROM b", 3: "SELECT <x> FROM c"}, end)
    sources = sources_of(world=troubled)
    kept = load_statements(sources, records, span_at(end + MINUTE), None, literals=True)
    assert isinstance(kept.error, SourceError)  # the database is away, and what is known is told all the same
    slower, new = kept.value.changes
    assert (slower.kind, slower.statement.query_id, slower.cause.title) == ("slower", 1, "deploy 1.8.2")
    assert (slower.before, slower.after) == (pytest.approx(0.01, rel=0.01), pytest.approx(0.091))
    assert abs(slower.since - deployed) < 4 * MINUTE
    assert (new.kind, new.statement.query_id, new.cause.title) == ("new", 3, "deploy 1.8.2")
    assert new.after == pytest.approx(0.4)
    history = load_history(sources, records, span_at(end + MINUTE), 3, literals=True).value
    assert history.after.title == "deploy 1.8.2"
    assert history.first_seen == new.since


def test_on_the_first_day_no_statement_is_new(past, sources_of, records):
    end = datetime.now(UTC).replace(microsecond=0)
    past.write(end, 120, lambda place: {1: (60, 6000.0)} | ({2: (10, 900.0)} if place > 100 else {}))
    assert load_statements(sources_of(), records, span_at(end), None, literals=True).value.changes == ()


def test_a_light_statement_that_is_new_or_over_does_not_hide_the_one_that_takes_the_time(past, sources_of, records):
    end = datetime.now(UTC).replace(microsecond=0)

    def gains(place):
        found = {1: (60, 6000.0)}
        return found | ({2: (10, 900.0)} if place > 110 else {}) | ({3: (1, 90_000.0)} if place == 80 else {})

    past.write(end - 22 * 60 * MINUTE, 2, lambda place: {1: (60, 6000.0)})
    past.write(end, 120, gains)
    told = load_verdict(sources_of(), records, span_at(end), None, literals=True)
    assert (told.value.culprit.query_id, told.value.change) == (1, None)
    lasting, over = sorted(told.value.found.changes, key=lambda one: one.statement.query_id)
    assert (lasting.kind, lasting.until) == ("new", None)
    assert (over.kind, over.until) == ("new", end - 40 * MINUTE)


def test_sums_rates_and_shares_are_those_of_the_samples_of_the_window_and_of_the_one_before(past, sources_of, records):
    end = datetime.now(UTC).replace(microsecond=0)
    past.write(
        end, 120, lambda place: {1: (60, 600.0 if place < 60 else 1200.0), 2: (120, 600.0)}, users=("app", "console")
    )
    sources = sources_of()
    span = span_at(end)
    found = load_statements(sources, records, span, span.shifted(span.seconds), literals=True).value
    assert (found.seconds, found.since, found.until) == (3600.0, end - 60 * MINUTE, end)
    first, second = found.found
    assert (first.query_id, first.sums.calls, first.sums.seconds) == (1, 3600, pytest.approx(72.0))
    assert (first.share, second.share) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert first.earlier.seconds == pytest.approx(36.6)
    assert second.earlier.calls == second.sums.calls == 7200
    assert found.total.calls == 10_800
    assert found.compared.seconds == pytest.approx(72.6)
    load = found.load.sum(axis=1)
    assert load.dropna().to_numpy() == pytest.approx(0.03)
    assert first.users == ("app",)
    assert any("role console" in remark for remark in found.remarks)


def test_resets_and_gaps_are_told(past, sources_of, records):
    end = datetime.now(UTC).replace(microsecond=0)
    past.write(end - 40 * MINUTE, 10, lambda _: {1: (1, 1.0)})
    past.write(end, 5, lambda _: {1: (1, 1.0)}, reset=True)
    sources = sources_of()
    remarks = " ".join(load_statements(sources, records, span_at(end), None, literals=True).value.remarks)
    assert "reset 6 times" in remarks


def test_where_nothing_is_known_the_reason_is_told(server, sources_of, records):
    nobody = sources_of()
    with pytest.raises(Unreachable, match="cannot be reached"):
        load_statements(nobody, records, last(), None, literals=True)
    elsewhere = sources_of(server, database="postgres")
    with pytest.raises(BadAnswer) as caught:
        load_statements(elsewhere, records, last(), None, literals=True)
    assert caught.value.hint.startswith("CREATE EXTENSION pg_stat_statements;")
    sources = sources_of(server)
    with pytest.raises(Unreachable, match="records"):
        load_statements(sources, None, last(), None, literals=True)
    assert load_statements(sources, records, last(), None, literals=True).value.found == ()
