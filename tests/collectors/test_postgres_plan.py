"""Plans of a real PostgreSQL, 15 and 18: nothing is run, nothing is written, and one statement is one statement."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from collectors.cache import AnswerCache
from collectors.errors import BadAnswer, Denied
from collectors.postgres import plan as postgres_plan
from collectors.postgres.client import Postgres
from collectors.postgres.plan import Sent
from settings import Postgres as PostgresSettings
from tests.support import postgresql
from tests.support.looping import until
from views.database.rules import plan, plan_hints

pytestmark = pytest.mark.integration

TABLES = """
CREATE TABLE memories (
    id uuid NOT NULL DEFAULT gen_random_uuid(), content text, memory_type text, user_id text, importance float8,
    created_at timestamptz NOT NULL DEFAULT now(), deleted_at timestamptz, PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
CREATE TABLE memories_old PARTITION OF memories FOR VALUES FROM ('2000-01-01') TO ('2020-01-01');
CREATE TABLE memories_new PARTITION OF memories FOR VALUES FROM ('2020-01-01') TO ('2100-01-01');
INSERT INTO memories (content, memory_type, user_id, importance, created_at)
    SELECT 'words of ' || n, 'type' || n % 5, 'user' || n % 1000, 0.5, timestamptz '2019-01-01' + n * interval '1 hour'
    FROM generate_series(1, 30000) n;
CREATE TABLE secret (id int);
CREATE TABLE x (id int);
CREATE TABLE gone (id int);
CREATE INDEX memories_user_id ON memories (user_id);
ANALYZE;
CREATE ROLE service LOGIN SUPERUSER;
CREATE ROLE planner LOGIN;
GRANT SELECT ON memories, memories_old, memories_new, x, gone TO planner;
"""

PLANS = {"plan_roles": ["service"], "plan_user": "planner"}


@pytest.fixture(scope="module", params=[15, 18])
def server(request):
    with postgresql.running(request.param) as running:
        for statement in filter(str.strip, TABLES.split(";\n")):
            running.run(statement, "synaptic")
        yield running


@pytest.fixture(params=[False, True])
def database(server, request):
    given = {
        "host": "127.0.0.1",
        "port": server.port,
        "user": "console",
        "deadline": 30,
        "pgbouncer": request.param,
        **PLANS,
    }
    made = Postgres("test", PostgresSettings.model_validate(given), AnswerCache(10**6, 0.001, 0, lambda _: 100))
    yield made
    made.close()


def planned(database, text):
    return plan.read(postgres_plan.explain(database, Sent("service", text)).value.answer)


def counted(server, text):
    """The text of a statement as the server counts it, after it was run."""
    server.run("SELECT pg_stat_statements_reset()", "synaptic")
    server.run(text, "synaptic")
    word = text.split()[0]
    ((found,),) = server.run(
        f"SELECT query FROM pg_stat_statements WHERE query LIKE '{word}%' AND query NOT LIKE '%pg_stat_statements%'",
        "synaptic",
    )
    return found


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id FROM memories WHERE memory_type = 'type1' AND deleted_at IS NULL ORDER BY created_at DESC LIMIT 10",
        "SELECT count(*) FROM memories WHERE created_at > now() - interval '1 year'",
        "SELECT count(*) FROM memories WHERE created_at > timestamptz '2020-01-01' AND user_id IN ('a', 'b', 'c')",
        "SELECT extract(year FROM created_at), count(*) FROM memories GROUP BY 1 HAVING count(*) > 5",
        "SELECT content FROM memories WHERE content ILIKE '%' || replace('a & b', ' & ', '%') || '%' -- it's\n LIMIT 3",
        "WITH a AS (SELECT user_id FROM memories LIMIT 5) SELECT * FROM a WHERE user_id <> 'x'",
        "VALUES (1, 'a'), (2, 'b')",
    ],
)
def test_what_the_server_counts_with_marks_for_values_has_a_plan_from_16_on(server, database, text):
    normalised = counted(server, text)
    assert "$1" in normalised
    if server.version >= 16:
        assert planned(database, normalised).total > 0
        # Not one of a statement whose values are all NULL: that would find nothing, and read nothing.
        assert "One-Time Filter" not in str(postgres_plan.explain(database, Sent("service", normalised)).value.answer)
        return
    with pytest.raises(BadAnswer, match="takes version 16"):
        planned(database, normalised)
    assert planned(database, text).total > 0


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1; DROP TABLE x",
        "SELECT 1;;SELECT 2",
        "SELECT ';'; DELETE FROM x",
        "SELECT 1 /* ; */ ; TRUNCATE x",
        "SELECT E'\\';' ; DROP TABLE x --'",
        "SELECT $a$ ; $a$ ; DROP TABLE x",
    ],
)
def test_a_text_with_two_statements_is_refused_by_the_server_and_nothing_of_it_is_run(server, database, text):
    with pytest.raises(BadAnswer, match="multiple commands") as caught:
        planned(database, text)
    assert not caught.value.trips
    assert server.run("SELECT count(*) FROM x", "synaptic") == [(0,)]
    assert planned(database, "SELECT 1").total > 0  # the connection is as good as before


@pytest.mark.parametrize(
    "text",
    [
        "ANALYZE x",
        "DROP TABLE x",
        "/* c */ CREATE TABLE y (id int)",
        "COPY x TO STDOUT",
        "EXPLAIN ANALYZE SELECT 1",
        "",
    ],
)
def test_statements_that_have_no_plan_are_not_sent(database, text):
    with pytest.raises(BadAnswer, match="no plan for this kind"):
        planned(database, text)


def test_nothing_is_run_also_where_a_plan_runs_functions_of_its_own(server, database):
    server.run("CREATE SEQUENCE IF NOT EXISTS numbers", "synaptic")
    server.run("GRANT ALL ON SEQUENCE numbers TO planner", "synaptic")
    planned(database, "SELECT nextval('numbers'), pg_sleep(60)")
    assert server.run("SELECT last_value, is_called FROM numbers", "synaptic") == [(1, False)]


def test_a_table_that_may_not_be_read_is_told_with_its_grant_and_writing_is_never_granted(server, database):
    with pytest.raises(Denied) as caught:
        planned(database, "SELECT * FROM secret")
    assert caught.value.hint == 'GRANT SELECT ON secret TO "planner";'
    assert not caught.value.trips
    with pytest.raises(Denied) as caught:
        planned(database, "DELETE FROM memories WHERE id IS NULL")
    assert caught.value.hint.startswith("A statement that writes is planned only for a role that may write")
    with pytest.raises(Denied) as caught:
        planned(database, "DELETE FROM secret WHERE id IS NULL")
    assert caught.value.hint.startswith('GRANT SELECT ON secret TO "planner"; A statement that writes')
    assert "UPDATE ON" not in caught.value.hint
    assert "DELETE ON" not in caught.value.hint


def test_a_statement_whose_table_is_gone_says_so(server, database):
    server.run("CREATE TABLE IF NOT EXISTS gone (id int)", "synaptic")
    server.run("GRANT SELECT ON gone TO planner", "synaptic")
    assert planned(database, "SELECT count(*) FROM gone").total > 0
    server.run("DROP TABLE gone", "synaptic")
    with pytest.raises(BadAnswer, match='has no such view or table: relation "gone" does not exist') as caught:
        planned(database, "SELECT max(id) FROM gone")
    assert not caught.value.trips


def test_a_missing_index_is_named_with_the_table_once_for_all_its_partitions(server, database):
    text = "SELECT id FROM memories WHERE memory_type = {} AND deleted_at IS NULL"
    tree = planned(database, text.format("$1" if server.version >= 16 else "'type1'"))
    assert set(plan.tables_of(tree)) == {("public", "memories_old"), ("public", "memories_new")}
    found = postgres_plan.relations(database, plan.tables_of(tree)).value
    relations = {
        one.name: plan_hints.Relation(one.schema, one.name, one.rows, one.bytes, one.parent, tuple(one.indexes))
        for one in found
    }
    (hint,) = plan_hints.hints(tree, relations, found[0].work_mem)
    assert (hint.key, hint.table) == ("plan-sequential-scan", "memories")
    assert "All 30,000 rows of memories are read" in hint.text
    assert "USING btree (memory_type) WHERE deleted_at IS NULL;" in hint.mend
    served = planned(database, "SELECT id FROM memories WHERE user_id = 'user7'")
    assert any("user_id" in index for index in plan.indexes_of(served))
    assert plan_hints.hints(served, relations, found[0].work_mem) == []


# Planning runs functions of a statement: whose statements are planned, as whom, and what gets out

EVIL = """
CREATE ROLE lowly LOGIN;
CREATE SCHEMA lowly_s AUTHORIZATION lowly;
GRANT USAGE ON SCHEMA lowly_s TO public;
SET ROLE lowly;
CREATE TABLE lowly_s.loot (what text);
GRANT INSERT ON lowly_s.loot TO public;
CREATE FUNCTION lowly_s.deed() RETURNS void LANGUAGE plpgsql VOLATILE AS $$ BEGIN
    PERFORM set_config('default_transaction_read_only', 'off', false);
    PERFORM set_config('statement_timeout', '0', false);
    PERFORM set_config('application_name', 'taken over', false);
    PERFORM pg_notify('loot', current_user);
    IF current_setting('transaction_read_only') = 'off' THEN INSERT INTO lowly_s.loot VALUES (current_user); END IF;
END $$;
CREATE FUNCTION lowly_s.evil() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
    IF current_user NOT IN ('lowly', 'service') THEN PERFORM lowly_s.deed(); END IF;
    RETURN 1;
END $$;
"""


@pytest.fixture
def evil(server):
    if not server.run("SELECT 1 FROM pg_roles WHERE rolname = 'lowly'"):
        server.run(EVIL, "synaptic")
    with server.connect("synaptic", user="lowly") as listening:
        listening.execute("LISTEN loot")
        yield listening
        looted = server.run("SELECT what FROM lowly_s.loot", "synaptic")
        assert ([one.payload for one in listening.notifies(timeout=0)], looted) == ([], [])


def number_of(server, text):
    (found,) = server.run(
        f"SELECT queryid FROM pg_stat_statements WHERE query = '{text}' ORDER BY calls DESC LIMIT 1", "synaptic"
    )
    return found[0]


def test_a_statement_of_a_role_that_the_settings_do_not_name_is_never_planned(server, database, evil):
    evil.execute("SELECT lowly_s.evil() AS a")
    with pytest.raises(Denied, match="statements of service only, and this one was sent by lowly") as caught:
        postgres_plan.sent(database, number_of(server, "SELECT lowly_s.evil() AS a"))
    assert "plan_roles" in caught.value.hint
    assert not caught.value.trips
    with pytest.raises(Denied, match="not asked for plans of lowly"):
        planned_as(database, "lowly", "SELECT lowly_s.evil()")


def test_the_text_of_a_named_role_is_taken_also_where_another_sent_the_same_statement(server, database, evil):
    text = "SELECT count(*) AS both_sent_it FROM pg_class"
    for user in ("lowly", "service"):
        with server.connect("synaptic", user=user) as one:
            one.execute(text)
    assert postgres_plan.sent(database, number_of(server, text)) == Sent("service", text)


def planned_as(database, role, text):
    return plan.read(postgres_plan.explain(database, Sent(role, text)).value.answer)


def test_what_a_plan_runs_gets_nothing_out_and_leaves_nothing_behind(server, database, evil):
    before = database.source.ask("SELECT current_setting('statement_timeout')").rows
    # A function of a trusted role may call whatever it likes.
    trusted = "CREATE OR REPLACE FUNCTION trusted() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN {} END $$"
    server.run(trusted.format("RETURN lowly_s.evil();"), "synaptic")
    assert planned_as(database, "service", "SELECT trusted() AS named").total >= 0
    assert server.run("SELECT count(*) FROM pg_stat_activity WHERE usename = 'planner'") == [(0,)]
    asked = "SELECT current_setting('transaction_read_only'), current_setting('application_name'), current_user::text"
    assert database.source.ask(asked).rows == [("on", "synaptic-console", "console")]
    if not database.settings.pgbouncer:
        assert database.source.ask("SELECT current_setting('statement_timeout')").rows == before


def test_a_function_that_another_role_put_where_names_are_looked_up_is_never_run(server, database, evil):
    named = "CREATE FUNCTION {}.length_of(text) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT lowly_s.evil()'"
    server.run("GRANT CREATE ON SCHEMA public TO lowly", "synaptic")
    server.run("GRANT CREATE ON DATABASE synaptic TO lowly", "synaptic")
    evil.execute(named.format("public"))
    try:
        with pytest.raises(
            Denied, match="lowly may create in the schema public, lowly has made something in"
        ) as caught:
            planned(database, "SELECT length_of('a') AS first")
        assert 'REVOKE CREATE ON SCHEMA "public" FROM "lowly";' in caught.value.hint
    finally:
        evil.execute("DROP FUNCTION public.length_of(text)")
        server.run("REVOKE CREATE ON SCHEMA public FROM lowly", "synaptic")
    with pytest.raises(Denied, match="lowly has made something in the schema lowly_s, lowly owns the schema lowly_s"):
        planned(database, "SELECT Lowly_S . evil() AS by_its_full_name")
    # "$user" is the role of the statement, and not who asks for the plan.
    for schema in ("planner", "console"):
        evil.execute(f"CREATE SCHEMA {schema}")
        evil.execute(f"GRANT USAGE ON SCHEMA {schema} TO public")
        evil.execute(named.format(schema))
    try:
        with pytest.raises(BadAnswer, match="has no such function"):
            planned(database, "SELECT length_of('a') AS second")
    finally:
        evil.execute("DROP SCHEMA planner CASCADE")
        evil.execute("DROP SCHEMA console CASCADE")


# A stranger who may create where names are looked up, and what he may have left there

STRANGE = """
CREATE SCHEMA app;
CREATE TABLE app.memories (id int, content text);
INSERT INTO app.memories VALUES (1, 'what nobody may know');
CREATE TABLE public.kept (id int, content text);
GRANT USAGE ON SCHEMA app TO planner;
GRANT SELECT ON app.memories, public.kept TO planner;
CREATE SCHEMA strange AUTHORIZATION stranger;
GRANT USAGE ON SCHEMA strange TO PUBLIC;
SET ROLE stranger;
CREATE FUNCTION strange.tells() RETURNS int LANGUAGE plpgsql VOLATILE AS $$ DECLARE found text; BEGIN
    SELECT content INTO found FROM app.memories LIMIT 1;
    PERFORM set_config('application_name', current_user || ': ' || found, false);
    PERFORM pg_advisory_lock(4242);
    RETURN 1;
END $$;
CREATE FUNCTION strange.evil() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN strange.tells(); END $$;
CREATE FUNCTION strange.evil(text) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT strange.evil() = 1';
CREATE FUNCTION strange.evil(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT strange.evil()';
RESET ROLE;
"""

VIEW = "CREATE VIEW public.memories AS SELECT 1 AS id, 'x'::text AS content WHERE strange.evil() = 1"
UNQUALIFIED = "SELECT content FROM memories WHERE id = 1"


@pytest.fixture(scope="module")
def with_stranger(server):
    for role in ("owning", "serving", "stranger", "strangers"):
        server.run(f"CREATE ROLE {role} LOGIN")
    server.run("CREATE DATABASE strange OWNER owning")
    with server.connect("strange") as one:
        one.execute(STRANGE)
    return server


@pytest.fixture
def served(with_stranger):
    """Plans of the role ``serving``, which sets its search path itself, so that nothing is stored for it."""
    given = {"host": "127.0.0.1", "port": with_stranger.port, "user": "console", "deadline": 30, "database": "strange"}
    settings = PostgresSettings.model_validate({**given, "plan_roles": ["serving"], "plan_user": "planner"})
    made = Postgres("test", settings, AnswerCache(10**6, 0.001, 0, lambda _: 100))
    yield lambda text: plan.read(postgres_plan.explain(made, Sent("serving", text)).value.answer)
    made.close()


@contextlib.contextmanager
def allowed(server, what="CREATE ON SCHEMA public", who="stranger"):
    server.run(f"GRANT {what} TO {who}", "strange")
    try:
        yield
    finally:
        server.run(f"REVOKE {what} FROM {who}", "strange")


def test_a_view_that_a_stranger_put_before_a_table_is_not_planned_and_tells_him_nothing(with_stranger, served):
    server = with_stranger
    waiting = "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted"
    with allowed(server), server.connect("strange", user="stranger") as stranger:
        stranger.execute(VIEW)
        stranger.execute("GRANT SELECT ON public.memories TO PUBLIC")
        try:
            stranger.execute("SELECT pg_advisory_lock(4242)")
            # What he has prepared works: it tells him what the planning role reads, and waits for his lock.
            with server.connect("strange", user="planner") as planner, ThreadPoolExecutor(1) as pool:
                waits = pool.submit(planner.execute, f"EXPLAIN {UNQUALIFIED}")
                until(lambda: server.run(waiting, "strange"), "the view waiting for the lock of its maker")
                assert server.run(waiting, "strange") == [("planner: what nobody may know",)]
                stranger.execute("SELECT pg_advisory_unlock(4242)")
                waits.result()
            stranger.execute("SELECT pg_advisory_lock(4242)")
            # Had it run, it would have waited for a lock longer than it may.
            with pytest.raises(Denied, match="stranger may create in the schema public") as caught:
                served(UNQUALIFIED)
            assert not caught.value.trips
            assert 'REVOKE CREATE ON SCHEMA "public" FROM "stranger";' in caught.value.hint
        finally:
            stranger.execute("DROP VIEW public.memories")
    with pytest.raises(BadAnswer, match='relation "memories" does not exist'):
        served(UNQUALIFIED)
    assert served("SELECT content FROM kept").total > 0
    assert served("SELECT content FROM app.memories").total > 0


@pytest.mark.parametrize(
    ("makes", "drops"),
    [
        (VIEW, "VIEW public.memories"),
        ("CREATE TABLE public.memories (id int, content text)", "TABLE public.memories"),
        ("CREATE DOMAIN public.kind AS text CHECK (strange.evil(VALUE))", "DOMAIN public.kind"),
        ("CREATE TYPE public.kind AS ENUM ('a')", "TYPE public.kind"),
        ("CREATE TYPE public.kind AS RANGE (SUBTYPE = int)", "TYPE public.kind"),
        ("CREATE FUNCTION public.length(int) RETURNS int LANGUAGE sql RETURN 1", "FUNCTION public.length(int)"),
        (
            "CREATE OPERATOR public.+ (RIGHTARG = int, FUNCTION = strange.evil)",
            "OPERATOR public.+ (none, int)",
        ),
        (
            "CREATE AGGREGATE public.most(int) (SFUNC = int4larger, STYPE = int)",
            "AGGREGATE public.most(int)",
        ),
        ('CREATE COLLATION public.mine FROM "C"', "COLLATION public.mine"),
        (
            "CREATE DEFAULT CONVERSION public.mine FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
            "CONVERSION public.mine",
        ),
        (
            "CREATE TEXT SEARCH CONFIGURATION public.english (COPY = pg_catalog.simple)",
            "TEXT SEARCH CONFIGURATION public.english",
        ),
        (
            "CREATE TEXT SEARCH DICTIONARY public.simple (TEMPLATE = pg_catalog.simple)",
            "TEXT SEARCH DICTIONARY public.simple",
        ),
        ("CREATE SEQUENCE public.numbers", "SEQUENCE public.numbers"),
        ("CREATE FOREIGN TABLE public.far (id int) SERVER there", "FOREIGN TABLE public.far"),
    ],
)
def test_whatever_kind_of_thing_a_stranger_has_left_on_the_path_nothing_is_planned(with_stranger, served, makes, drops):
    with_stranger.run("CREATE FOREIGN DATA WRAPPER nothing", "strange")
    with_stranger.run("CREATE SERVER there FOREIGN DATA WRAPPER nothing", "strange")
    with_stranger.run("GRANT USAGE ON FOREIGN SERVER there TO stranger", "strange")
    with with_stranger.connect("strange", user="stranger") as stranger:
        try:
            with allowed(with_stranger):
                stranger.execute(makes)
            with pytest.raises(Denied, match="for plans: stranger has made something in the schema public, where") as e:
                served("SELECT content FROM kept")
            assert e.value.hint.startswith("Drop or move what stranger has made in public")
            stranger.execute(f"DROP {drops}")
            assert served("SELECT content FROM kept").total > 0
        finally:
            with_stranger.run("DROP FOREIGN DATA WRAPPER nothing CASCADE", "strange")


def test_an_extension_of_a_stranger_is_no_place_to_hide_a_function(with_stranger, served):
    with (
        allowed(with_stranger, "CREATE ON DATABASE strange"),
        with_stranger.connect("strange", user="stranger") as stranger,
    ):
        with allowed(with_stranger):
            stranger.execute("CREATE EXTENSION citext SCHEMA public")
            stranger.execute("CREATE FUNCTION public.length(int) RETURNS int LANGUAGE sql RETURN strange.evil()")
            stranger.execute("ALTER EXTENSION citext ADD FUNCTION public.length(int)")
        try:
            with pytest.raises(Denied, match="stranger has made something in the schema public"):
                served("SELECT content FROM kept")
            stranger.execute("ALTER EXTENSION citext DROP FUNCTION public.length(int)")
            stranger.execute("DROP FUNCTION public.length(int)")
            assert served("SELECT content FROM kept").total > 0
        finally:
            stranger.execute("DROP EXTENSION citext CASCADE")


@pytest.mark.parametrize(
    ("who", "told", "mend"),
    [
        ("PUBLIC", "everybody may create in the schema public", 'REVOKE CREATE ON SCHEMA "public" FROM PUBLIC;'),
        (
            "strangers",
            "strangers may create in the schema public",
            'REVOKE CREATE ON SCHEMA "public" FROM "strangers";',
        ),
    ],
)
def test_who_may_create_where_names_are_looked_up_is_told_and_the_hint_mends_it(with_stranger, served, who, told, mend):
    with allowed(with_stranger, who=who):
        with pytest.raises(Denied, match=told) as caught:
            served("SELECT content FROM kept")
        assert caught.value.hint.startswith(mend)
        with_stranger.run(mend, "strange")
        assert served("SELECT content FROM kept").total > 0


def test_a_schema_that_a_stranger_made_under_the_name_of_the_statements_role_is_not_looked_in(with_stranger, served):
    with (
        allowed(with_stranger, "CREATE ON DATABASE strange"),
        with_stranger.connect("strange", user="stranger") as stranger,
    ):
        stranger.execute("CREATE SCHEMA serving")
        stranger.execute("GRANT USAGE ON SCHEMA serving TO PUBLIC")
        # He may create there again as soon as he likes.
        stranger.execute("REVOKE CREATE ON SCHEMA serving FROM stranger")
        try:
            with pytest.raises(Denied, match="stranger owns the schema serving") as caught:
                served("SELECT content FROM kept")
            assert 'ALTER SCHEMA "serving" OWNER TO "serving";' in caught.value.hint
        finally:
            stranger.execute("DROP SCHEMA serving")
    assert served("SELECT content FROM kept").total > 0


def test_a_schema_that_the_statement_writes_out_is_looked_at_also(with_stranger, served):
    for text in ("SELECT strange.evil()", 'SELECT "strange"."evil"()', "SELECT STRANGE\n.evil('a')"):
        with pytest.raises(Denied, match="stranger has made something in the schema strange, stranger owns the schema"):
            served(text)
    with allowed(with_stranger, "CREATE ON SCHEMA app"):
        with pytest.raises(Denied, match="stranger may create in the schema app"):
            served("SELECT content FROM app.memories")
        assert served("SELECT content FROM kept").total > 0


def test_members_of_a_trusted_role_and_the_owner_of_the_database_are_trusted(with_stranger, served):
    with_stranger.run("CREATE ROLE deputy IN ROLE serving")
    try:
        for role in ("deputy", "serving", "owning"):
            with allowed(with_stranger, who=role):
                with_stranger.run(f"CREATE TABLE public.of_{role} (id int)", "strange")
                with_stranger.run(f"ALTER TABLE public.of_{role} OWNER TO {role}", "strange")
                assert served("SELECT content FROM kept").total > 0
    finally:
        with_stranger.run("DROP OWNED BY deputy", "strange")
        with_stranger.run("DROP ROLE deputy")


def test_names_are_looked_up_where_the_settings_of_the_statements_role_say(server, database):
    server.run("CREATE SCHEMA IF NOT EXISTS app", "synaptic")
    server.run("CREATE TABLE IF NOT EXISTS app.elsewhere (id int)", "synaptic")
    server.run("GRANT USAGE ON SCHEMA app TO planner", "synaptic")
    server.run("GRANT SELECT ON app.elsewhere TO planner", "synaptic")
    server.run('ALTER ROLE service SET search_path = "$user", app, public')
    try:
        assert planned(database, "SELECT id FROM elsewhere").total > 0
    finally:
        server.run("ALTER ROLE service RESET search_path")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"plan_roles": []}, "the settings of this source lack plan_roles"),
        ({"plan_user": None}, "the settings of this source lack plan_user"),
        ({"plan_user": "watcher"}, "not asked for plans as watcher: that role sees what others do"),
        ({"plan_user": "nobody_there"}, "refused the sign-in"),
    ],
)
def test_without_settings_or_as_a_role_with_rights_there_is_no_plan_and_the_source_is_well(server, more, told):
    if not server.run("SELECT 1 FROM pg_roles WHERE rolname = 'watcher'"):
        server.run("CREATE ROLE watcher LOGIN IN ROLE pg_monitor")
    given = {"host": "127.0.0.1", "port": server.port, "user": "console", "deadline": 30, **PLANS, **more}
    database = Postgres("test", PostgresSettings.model_validate(given), AnswerCache(10**6, 0.001, 0, lambda _: 100))
    try:
        for _ in range(4):
            with pytest.raises(Denied, match=told) as caught:
                planned(database, "SELECT 1")
            assert not caught.value.trips
            assert caught.value.hint
        assert database.source.guard.health().breaker == "closed"
    finally:
        database.close()


def test_a_comment_without_an_end_costs_no_time_to_speak_of():
    for text in (
        "SELECT " + "/*" * 50_000,
        "SELECT '" + "''" * 49_000,
        "/*c*/" + " " * 90_000 + "SET x",
        "--\n" * 33_000,
    ):
        with contextlib.suppress(ValueError):  # which says that there is no plan for it
            postgres_plan.asked(text, 18)
