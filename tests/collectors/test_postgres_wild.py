"""PostgreSQL as it is found: other encodings, date styles, schemas, languages and poolers; and roles that set traps."""

import contextlib
import socket
import struct
import threading

import psycopg
import pytest

from collectors import registry, sql
from collectors.cache import AnswerCache
from collectors.errors import BadAnswer, Denied, Overloaded, Unreachable
from collectors.postgres import activity as postgres_activity
from collectors.postgres import plan as postgres_plan
from collectors.postgres import settings as postgres_settings
from collectors.postgres import statements as postgres_statements
from collectors.postgres.client import Postgres
from collectors.postgres.sessions import load_sessions
from settings import Environment, Limits, Settings
from settings import Postgres as PostgresSettings
from tests.support import postgresql
from tests.support.looping import until
from views.sources.view import load_reports

pytestmark = pytest.mark.integration

WANTED = {
    "search_path": "pg_catalog",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "jit": "off",
    "transaction_read_only": "on",
    "transaction_isolation": "read committed",
    "client_encoding": "UTF8",
    "statement_timeout": "30s",
    "lock_timeout": "1s",
    "idle_in_transaction_session_timeout": "40s",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "quote_all_identifiers": "off",
}
ASKED = "SELECT " + ", ".join(f"current_setting('{name}')" for name in WANTED)


@pytest.fixture(scope="module", params=[15, 18])
def server(request):
    with postgresql.running(request.param) as running:
        for name, encoding in (("ascii", "SQL_ASCII"), ("legacy", "LATIN1"), ("japan", "EUC_JP")):
            running.run(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
            running.run("CREATE EXTENSION pg_stat_statements", name)
        yield running


@pytest.fixture(scope="module")
def old_server():
    """One server is enough where the version does not matter."""
    with postgresql.running(15) as running:
        yield running


@pytest.fixture
def connected():
    made = []

    def connect(port, **options):
        given = {"host": "127.0.0.1", "port": port, "user": "console", "deadline": 30, **options}
        made.append(Postgres("test", PostgresSettings.model_validate(given), AnswerCache(10**6, 0.001, 0, len_of)))
        return made[-1]

    yield connect
    for one in made:
        one.close()


def len_of(_):
    return 100


def report_of(port, **options):
    given = {"host": "127.0.0.1", "port": port, "user": "console", "deadline": 30, **options}
    parts = Environment.model_validate({"postgres": given})
    limits = Limits(deadline=30, answer_ttl=0.001, keep_stale=0)
    sources = registry.build(Settings(environments={"test": parts}, limits=limits), "test")
    try:
        (found,) = (one for one in load_reports(sources).value if one.name == "postgres")
    finally:
        sources.postgres.close()
    return found


# Settings of sessions


@pytest.mark.parametrize("pgbouncer", [False, True])
def test_a_session_has_its_own_settings_whatever_the_role_and_the_database_say(server, connected, pgbouncer):
    other = {
        "search_path": "public, pg_catalog", "DateStyle": "SQL, DMY", "IntervalStyle": "iso_8601",
        "TimeZone": "Asia/Kathmandu", "jit": "on", "default_transaction_isolation": "serializable",
        "client_encoding": "LATIN1", "statement_timeout": "0", "bytea_output": "escape", "extra_float_digits": "-5",
        "quote_all_identifiers": "on", "default_transaction_read_only": "off",
    }  # fmt: skip
    for name, value in other.items():
        server.run(f"ALTER ROLE console SET {name} = {value if name == 'search_path' else repr(value)}")
    try:
        found = dict(zip(WANTED, connected(server.port, pgbouncer=pgbouncer).source.ask(ASKED).rows[0], strict=True))
    finally:
        server.run("ALTER ROLE console RESET ALL")
    if pgbouncer:  # with each question goes what is left of its time
        for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
            assert found.pop(name).removesuffix("ms").isdigit()
    assert found == {name: value for name, value in WANTED.items() if name in found}


@pytest.mark.parametrize("style", ["SQL, DMY", "German", "Postgres, MDY"])
def test_another_date_style_costs_no_answer(old_server, connected, style):
    old_server.run(f"ALTER DATABASE synaptic SET datestyle = '{style}'")
    try:
        assert connected(old_server.port).server().value.started_at.tzinfo is not None
        assert report_of(old_server.port).status != "broken"
    finally:
        old_server.run("ALTER DATABASE synaptic RESET datestyle")


def test_the_servers_own_settings_are_told_and_not_those_of_the_consoles_session(old_server, connected):
    found = postgres_settings.settings(connected(old_server.port)).value
    assert (found["jit"].setting, found["jit"].source) == ("on", "default")
    assert found["idle_in_transaction_session_timeout"].setting == "0"


# PgBouncer


def test_where_a_pooler_drops_the_settings_they_go_with_each_question_and_sources_says_so(old_server, connected):
    with postgresql.pgbouncer(old_server, ignore_startup_parameters="options") as port:
        database = connected(port)
        found = dict(zip(WANTED, database.source.ask(ASKED).rows[0], strict=True))
        assert found["transaction_read_only"] == "on"
        assert (found["search_path"], found["lock_timeout"], found["jit"]) == ("pg_catalog", "1s", "off")
        assert found["statement_timeout"] != "0"
        assert database.source.arrived is False
        with pytest.raises(BadAnswer, match="only reads"):
            database.source.ask("CREATE TABLE t (id int)")
        assert database.source.ask("SELECT 1 AS one").rows == [(1,)]
        (lack,) = (one for one in report_of(port).lacks if "pooler" in one.text)
        assert "pgbouncer = true" in lack.mend
        assert not any("pooler" in one.text for one in report_of(port, pgbouncer=True).lacks)


def test_a_pooler_that_refuses_the_settings_is_told_with_what_helps(old_server):
    with postgresql.pgbouncer(old_server) as port:
        refused = report_of(port)
        assert (refused.status, "refused the connection" in refused.summary) == ("broken", True)
        assert "pgbouncer = true" in refused.hint
        assert report_of(port, pgbouncer=True).status != "broken"


def test_a_pooler_that_allows_no_transactions_is_named_and_is_no_lost_connection(old_server, connected):
    with postgresql.pgbouncer(old_server, pool_mode="statement") as port:
        database = connected(port, pgbouncer=True)
        for _ in range(4):
            with pytest.raises(BadAnswer, match="behind a pooler that allows no transactions") as caught:
                database.server()
            assert not caught.value.trips
            assert "pool_mode = transaction" in caught.value.hint
        assert database.source.guard.health().breaker == "closed"
        assert "pool_mode = transaction" in report_of(port, pgbouncer=True).hint


# Encodings and odd values


@pytest.mark.parametrize("seen_from", ["synaptic", "ascii", "legacy", "japan"])
def test_a_session_of_a_database_in_another_encoding_hides_nobody(server, connected, seen_from):
    with contextlib.ExitStack() as stack:
        for name, encoding, text in (
            ("legacy", "latin1", "déjà vu"), ("japan", "euc_jp", "日本"), ("synaptic", "utf8", "über €"),
            ("ascii", "sql_ascii", "plain"),
        ):  # fmt: skip
            one = stack.enter_context(server.connect(name, client_encoding=encoding, application_name=f"app of {name}"))
            one.execute(f"SELECT '{text}' AS label")
        raw = stack.enter_context(server.connect("ascii", application_name="app of bytes"))
        raw.execute(b"SELECT '\xe9\xff' AS label")
        database = connected(server.port, database=seen_from)
        found = {one.application: one.query for one in load_sessions(database).value.rows if one.application}
        assert found["app of legacy"] == "SELECT 'déjà vu' AS label"
        assert found["app of japan"] == "SELECT '日本' AS label"
        assert found["app of synaptic"] == "SELECT 'über €' AS label"
        assert found["app of ascii"] == "SELECT 'plain' AS label"
        assert found["app of bytes"].startswith("SELECT '\ufffd")
        assert isinstance(postgres_activity.sample(database), list)
        for name in ("upkeep_progress", "upkeep_horizon", "horizon", "now_locks", "tables", "indexes"):
            given = {"own": "x"} if "horizon" in name else {}
            database.ask(name, {"most": 10, **given})


@pytest.mark.parametrize("database", ["ascii", "legacy", "japan"])
def test_a_database_in_another_encoding_answers_everything(server, connected, database):
    with server.connect(database, client_encoding="utf8" if database != "ascii" else "sql_ascii") as one:
        one.execute(b"SELECT 'caf\xe9' AS label" if database == "ascii" else "SELECT 'ok' AS label")
    asked = connected(server.port, database=database)
    assert asked.server().value.database == database
    look = postgres_statements.look(asked)
    assert len(look.keys) > 0
    assert report_of(server.port, database=database).status != "broken"


@pytest.mark.parametrize(
    ("other", "encoding", "text"),
    [("japan", "euc_jp", "SELECT 1 AS japanese"), ("synaptic", "utf8", "SELECT 1 AS 日本")],
)
def test_statements_that_cannot_be_told_in_this_encoding_are_told_so_with_what_helps(
    server, connected, other, encoding, text
):
    server.run("SELECT pg_stat_statements_reset()", "synaptic")
    with server.connect(other, client_encoding=encoding) as one:
        one.execute(text)
    database = connected(server.port, database="legacy")
    with pytest.raises(BadAnswer, match="cannot be written in the encoding of this database: ") as caught:
        database.ask("statement_texts", ANY)
    assert "Name one in UTF8 as database of this source" in caught.value.hint
    assert not caught.value.trips


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("'infinity'::timestamptz", None),
        ("'-infinity'::timestamptz", None),
        ("'0044-03-15 BC'::timestamptz", None),
        ("'20000-01-01'::timestamp", None),
        ("'infinity'::date", None),
        ("ARRAY['infinity'::timestamptz]", [None]),
        ("convert_from('\\x61', 'UTF8')", "a"),
    ],
)
def test_a_value_outside_of_pythons_calendar_is_unknown_and_the_row_lives(old_server, connected, value, read):
    assert connected(old_server.port).source.ask(f"SELECT {value}, 7").rows == [(read, 7)]


@pytest.mark.parametrize("value", ["interval '170000000 years'", "(repeat('[', 3000) || repeat(']', 3000))::json"])
def test_what_the_driver_cannot_read_is_an_error_about_the_question_only(old_server, connected, value):
    source = connected(old_server.port).source
    with pytest.raises(BadAnswer) as caught:
        source.ask(f"SELECT {value}")
    assert not caught.value.trips
    assert source.ask("SELECT 1").rows == [(1,)]


@pytest.mark.parametrize("value", ["a\0b", "\ud800", 2**70, object()])
def test_what_the_driver_cannot_write_is_an_error_about_the_question_only(old_server, connected, value):
    source = connected(old_server.port).source
    with pytest.raises(BadAnswer) as caught:
        source.ask("SELECT %(value)s::bigint", {"value": value})
    assert not caught.value.trips
    assert source.ask("SELECT 1").rows == [(1,)]


# Extensions in a schema of their own, and roles with few rights


def test_extensions_are_found_in_whatever_schema_they_are(server, connected):
    if not server.run("SELECT 1 FROM pg_database WHERE datname = 'supa'"):
        server.run("CREATE DATABASE supa")
        server.run('CREATE SCHEMA "ext 100%s"', "supa")
        for name in ("pg_stat_statements", "pgstattuple"):
            server.run(f'CREATE EXTENSION {name} SCHEMA "ext 100%s"', "supa")
        server.run("CREATE TABLE t AS SELECT 1 AS id", "supa")
    database = connected(server.port, database="supa")
    with pytest.raises(Denied, match="use the schema of the extension pg_stat_statements") as caught:
        postgres_statements.look(database)
    assert caught.value.hint == 'GRANT USAGE ON SCHEMA "ext 100%s" TO "console";'
    lacks = [one.mend for one in report_of(server.port, database="supa").lacks]
    assert lacks.count(caught.value.hint) == 2
    server.run('GRANT USAGE ON SCHEMA "ext 100%s" TO console', "supa")
    try:
        database = connected(server.port, database="supa")
        look = postgres_statements.look(database)
        assert postgres_statements.texts(database, [key[2] for key in look.keys])
        assert postgres_activity.normalised_texts(database, [key[2] for key in look.keys])
        assert database.ask("heap_measured", {"name": "public.t", "most": 2**30}).records()[0]["bytes"] == 8192
        assert database.ask("index_measured", {"name": "public.t", "most": 2**30}).rows == []
    finally:
        server.run('REVOKE USAGE ON SCHEMA "ext 100%s" FROM console', "supa")


def test_sessions_that_say_nothing_are_a_lack(old_server):
    assert not any("track_activities" in one.text for one in report_of(old_server.port).lacks)
    old_server.run("ALTER ROLE postgres SET track_activities = off")
    try:
        with old_server.connect("synaptic"):
            (lack,) = (one for one in report_of(old_server.port).lacks if "track_activities" in one.text)
    finally:
        old_server.run("ALTER ROLE postgres RESET track_activities")
    assert "ALTER SYSTEM SET track_activities = on" in lack.mend


# Traps


TRAPS = """
CREATE ROLE trapper LOGIN;
GRANT CREATE ON DATABASE synaptic TO trapper;
GRANT CREATE ON SCHEMA public TO trapper;
SET ROLE trapper;
CREATE FUNCTION public.pg_relation_size(oid) RETURNS bigint LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'captured as %', current_user; END $$;
CREATE FUNCTION public.pgstattuple_approx(oid) RETURNS TABLE (approx_tuple_len bigint, dead_tuple_len bigint,
    approx_free_space bigint, scanned_percent float8) LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'captured as %', current_user; END $$;
CREATE FUNCTION public.current_setting(text) RETURNS text LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'captured as %', current_user; END $$;
CREATE FUNCTION public.set_config(text, text, boolean) RETURNS text LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'captured as %', current_user; END $$;
CREATE FUNCTION public.same(name, name) RETURNS boolean LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'captured as %', current_user; END $$;
CREATE OPERATOR public.= (LEFTARG = name, RIGHTARG = name, FUNCTION = public.same);
CREATE SCHEMA console;
GRANT USAGE ON SCHEMA console TO public;
CREATE FUNCTION console.pg_stat_statements(boolean) RETURNS SETOF pg_database LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'captured as %', current_user; END $$;
CREATE VIEW console.pg_class AS SELECT * FROM pg_catalog.pg_class WHERE public.pg_relation_size(oid) > 0;
"""


@pytest.mark.parametrize("pgbouncer", [False, True])
def test_no_statement_of_the_catalogue_runs_what_others_have_named_as_the_servers_own(server, connected, pgbouncer):
    if not server.run("SELECT 1 FROM pg_roles WHERE rolname = 'trapper'"):
        server.run("CREATE EXTENSION pgstattuple", "synaptic")
        server.run("CREATE TABLE bait AS SELECT 1 AS id", "synaptic")
        server.run(TRAPS, "synaptic")
    server.run('ALTER ROLE console SET search_path = console, "$user", public, pg_catalog')
    try:
        database = connected(server.port, pgbouncer=pgbouncer)
        for name, files in sql.VERSIONS.items():
            if files[0][0] > server.version or name == "upkeep_file_settings":
                continue
            database.ask(name, ANY)
    finally:
        server.run("ALTER ROLE console RESET search_path")


ANY = {
    "own": "x", "most": 2**31, "octets": 1000, "characters": 1000, "ids": [1], "id": 1, "pid": 1, "roles": ["app"],
    "role": "console", "names": ["bait"], "name": "public.bait", "schemas": ["public"], "text": 1000,
}  # fmt: skip
"""A value for every parameter that a statement of the catalogue has."""


# Texts of any length, and of any encoding, from roles without rights

LONG = 400_000
"""Characters of a text that a stranger makes; a row of the catalogue takes as many only where they are compressed."""

LONG_TEXTS = f"""
CREATE SCHEMA long AUTHORIZATION stranger;
SET ROLE stranger;
CREATE TABLE long.zeros (id int) WITH (fillfactor = {"0" * LONG}70);
CREATE TABLE long.wide (id int, word text);
CREATE INDEX wide_word ON long.wide ((word || '{"x" * 60_000}')) WHERE word <> '{"y" * 60_000}';
CREATE TABLE long.parted (word text) PARTITION BY LIST (word);
CREATE TABLE long.part PARTITION OF long.parted FOR VALUES IN ('{"z" * 120_000}');
RESET ROLE;
"""


def size_of(value):
    if isinstance(value, str | bytes):
        return len(value)
    return sum(map(size_of, value)) if isinstance(value, list | tuple) else 8


def test_no_text_of_a_stranger_makes_an_answer_of_the_catalogue_large(server, connected):
    server.run("CREATE ROLE stranger LOGIN")
    server.run("CREATE DATABASE long")
    for name in ("pg_stat_statements", "pgstattuple"):
        server.run(f"CREATE EXTENSION {name}", "long")
    with contextlib.ExitStack() as stack:
        one = stack.enter_context(server.connect("long"))
        stack.callback(server.run, "DROP ROLE stranger")
        stack.callback(server.run, "DROP DATABASE long WITH (FORCE)")
        one.execute(LONG_TEXTS)
        stranger = stack.enter_context(server.connect("long", user="stranger"))
        stranger.execute(f"ALTER ROLE stranger SET search_path = '{'x' * 50 * LONG}'")
        one.execute(f"ALTER ROLE stranger SET its.own = '{'x' * 50 * LONG}'")
        one.execute(f"ALTER DATABASE long SET search_path = '{'x' * 50 * LONG}'")
        stranger.execute(f"SELECT '{'x' * LONG}'")
        stranger.execute(f"SELECT 1 AS {', 1 AS '.join(f'column_{n}' for n in range(1600))}")
        database = connected(server.port, database="long")
        sizes = {}
        for name, files in sql.VERSIONS.items():
            if files[0][0] <= server.version and name != "upkeep_file_settings":
                given = {**ANY, "role": "stranger", "names": ["wide", "part"], "schemas": ["long", "long"]}
                sizes[name] = size_of(database.ask(name, given).rows)
        assert {name: size for name, size in sizes.items() if size > 100_000} == {}
        found = {one.name: one for one in postgres_settings.role_settings(database).value if one.role == "stranger"}
        assert {name: len(one.setting) for name, one in found.items()} == {
            "search_path": 2000 - len("search_path="),
            "its.own": 2000 - len("its.own="),
        }
        asked = connected(server.port, database="long", plan_roles=["stranger"], plan_user="other")
        with pytest.raises(BadAnswer, match="search path for stranger that is too long") as caught:
            postgres_plan.explain(asked, postgres_plan.Sent("stranger", "SELECT 1 AS planned"))
        assert not caught.value.trips


@pytest.mark.parametrize("seen_from", ["synaptic", "ascii", "legacy", "japan"])
def test_a_role_and_its_settings_in_another_encoding_cost_no_other(server, connected, seen_from):
    server.run("CREATE ROLE plain LOGIN")
    with server.connect("legacy", client_encoding="latin1") as one, contextlib.ExitStack() as stack:
        one.execute('CREATE ROLE "déjà" LOGIN')
        stack.callback(server.run, "DROP ROLE plain")
        stack.callback(one.execute, 'DROP ROLE "déjà"')
        one.execute("ALTER ROLE \"déjà\" SET search_path = 'é', 'à'")
        one.execute("ALTER ROLE \"déjà\" SET its.own = 'ÿ'")
        one.execute("ALTER ROLE console SET dynamic_library_path = '$libdir:/é/'")
        stack.callback(one.execute, "ALTER ROLE console RESET dynamic_library_path")
        server.run("ALTER ROLE plain SET search_path = public")
        database = connected(server.port, database=seen_from)
        found = postgres_settings.role_settings(database).value
        assert [one.setting for one in found if (one.role, one.name) == ("plain", "search_path")] == ["public"]
        (odd,) = (one for one in found if one.name == "search_path" and one.role != "plain")
        assert (odd.role, odd.setting) == ("déjà", '"é", "à"') or seen_from != "legacy"
        assert postgres_settings.settings(database).value["dynamic_library_path"].setting == (
            "$libdir:/é/" if seen_from == "legacy" else "$libdir:/\ufffd/"
        )
        for role in ("plain", "déjà" if seen_from in ("synaptic", "legacy") else "plain"):
            database.ask("plan_path", {"role": role, "octets": 100})
        for name, files in sql.VERSIONS.items():
            # The texts of statements are another matter: where they cannot be told, that is told.
            if files[0][0] > server.version or sql.statement(name, server.version).extension:
                continue
            if name != "upkeep_file_settings":
                database.ask(name, ANY)


def test_a_configuration_file_in_any_encoding_is_read(server, connected):
    server.run("GRANT SELECT ON pg_file_settings TO console", "synaptic")
    server.run("GRANT EXECUTE ON FUNCTION pg_show_all_file_settings() TO console", "synaptic")
    more = server.folder / "data" / "postgresql.auto.conf"
    before = more.read_bytes()
    try:
        more.write_bytes(before + b"its.own = 'caf\xe9'\nits.long = '" + b"x" * 1000 + b"'\nnonsense\n")
        database = connected(server.port)
        found = {one.name: one for one in postgres_settings.file_settings(database).value if "auto" in one.file}
        assert any(one.error for one in postgres_settings.file_settings(database).value), found
    finally:
        more.write_bytes(before)
        server.run("REVOKE ALL ON pg_file_settings FROM console", "synaptic")
        server.run("REVOKE ALL ON FUNCTION pg_show_all_file_settings() FROM console", "synaptic")


# What is not PostgreSQL's own word: servers that speak another language, and one that wants the password in clear


class Refusing:
    """Answers each start of a session with messages of its own, and keeps what it was sent after each."""

    def __init__(self, *answers):
        self.answers, self.heard = answers, b""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                with client:
                    client.settimeout(10)
                    if struct.unpack("!ii", client.recv(8))[1] == 80877103:  # asks for TLS
                        client.sendall(b"N")
                        client.recv(8)
                    client.recv(10_000)
                    for answer in self.answers:
                        with contextlib.suppress(OSError):
                            client.sendall(answer)
                            self.heard += client.recv(10_000)

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def refusing():
    made = []

    def make(*answers):
        made.append(Refusing(*answers))
        return made[-1]

    yield make
    for one in made:
        one.close()


def message(kind, body):
    return kind + struct.pack("!i", len(body) + 4) + body


def error_of(state, words):
    fields = (("S", "FATAL"), ("V", "FATAL"), ("C", state), ("M", words))
    return message(b"E", b"".join(f"{key}{value}".encode() + b"\0" for key, value in fields) + b"\0")


@pytest.mark.parametrize(
    ("state", "words", "kind", "told"),
    [
        ("28000", "kein pg_hba.conf-Eintrag für Host »127.0.0.1«", Denied, "refused the sign-in"),
        ("3D000", "Datenbank »nix« existiert nicht", Denied, "has no such database"),
        ("53300", "お客様が多すぎます", Overloaded, "has no connection left"),
        ("57P03", "le système de bases de données se lance", Unreachable, "accepts no connections yet"),
        ("57P03", "система баз данных запускается", Unreachable, "accepts no connections yet"),
    ],
)
def test_a_refused_connection_is_told_from_a_server_that_is_away_in_any_language(
    connected, refusing, state, words, kind, told
):
    fake = refusing(error_of(state, words))
    with pytest.raises(kind) as caught:
        connected(fake.port, deadline=5).server()
    assert told in caught.value.what
    assert kind is Overloaded or words in caught.value.what
    assert caught.value.hint


def test_a_refusal_behind_a_password_is_one_whatever_it_says(connected, refusing):
    words = "Passwort-Authentifizierung für Benutzer »console« fehlgeschlagen"
    asks = message(b"R", struct.pack("!i", 3))
    fake = refusing(asks, error_of("28P01", words))
    with pytest.raises(Denied, match="refused the connection: Passwort") as caught:
        connected(fake.port, deadline=5, password="x" * 16, require_auth=["password"]).server()
    for cause in ("password", "database", "pg_hba.conf", "used up", "pgbouncer = true"):
        assert cause in caught.value.hint


def test_the_password_is_not_given_to_a_server_that_asks_for_it_in_clear(connected, refusing):
    fake = refusing(message(b"R", struct.pack("!i", 3)))
    with pytest.raises(Denied, match="was not given the password") as caught:
        connected(fake.port, deadline=5, password="a-secret-of-the-tests").server()
    assert "scram-sha-256" in caught.value.hint
    assert b"a-secret" not in fake.heard
    with pytest.raises(Denied, match="refused the connection"):
        connected(fake.port, deadline=5, password="a-secret-of-the-tests", require_auth=["password"]).server()
    until(lambda: b"a-secret" in fake.heard, "the password where the settings allow that")


def test_a_password_works_where_the_server_asks_by_scram(old_server, connected):
    hba = old_server.folder / "data" / "pg_hba.conf"
    before = hba.read_text()
    old_server.run("CREATE ROLE careful LOGIN PASSWORD 'its-password' IN ROLE pg_monitor")
    hba.write_text("host all careful 127.0.0.1/32 scram-sha-256\n" + before)
    old_server.run("SELECT pg_reload_conf()")
    try:
        given = {"user": "careful", "deadline": 10}

        def asked():
            try:
                old_server.connect("synaptic", user="careful").close()
            except psycopg.OperationalError:
                return True
            return False

        until(asked, "the server asking for a password")
        assert connected(old_server.port, password="its-password", **given).server().value.role == "careful"
        for password in ("wrong", None):
            with pytest.raises(Denied, match="refused the sign-in"):
                connected(old_server.port, password=password, **given).server()
    finally:
        hba.write_text(before)
        old_server.run("SELECT pg_reload_conf()")
