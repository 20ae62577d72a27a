"""When something was saved or deleted is told by the clock of the records' database, not by the console's own."""

import ast
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import select

import records
from records.corrections import add_correction, list_corrections, remove_correction
from records.leases import database_time
from records.schema import saved_searches, saved_windows, slo_corrections
from records.searches import delete_search, list_searches, save_search
from records.windows import delete_window, list_windows, save_window

HOUR = timedelta(hours=1)
START = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)


def window(database):
    return save_window(database, environment="p", label="w", start=START, end=START + HOUR, created_by="ada")


def search(database):
    return save_search(database, environment="p", label="s", query="error", created_by="ada")


def correction(database):
    given = {"objective": None, "start": START, "end": START + HOUR, "reason": "tests", "created_by": "ada"}
    return add_correction(database, environment="p", **given)


DEEDS = [
    (window, list_windows, delete_window, saved_windows),
    (search, list_searches, delete_search, saved_searches),
    (correction, list_corrections, remove_correction, slo_corrections),
]


def now(database):
    with database.reading() as connection:
        return database_time(connection)


def between(database, deed):
    before = now(database)
    done = deed()
    return before, done, now(database)


@pytest.fixture
def ahead(postgresql, opened):
    """Records in a PostgreSQL whose clock is an hour ahead of this machine's."""
    name = f"records_{uuid.uuid4().hex}"
    postgresql.run(f"CREATE DATABASE {name}")
    with psycopg.connect(postgresql.dsn(name), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA ahead")
        connection.execute(
            "CREATE FUNCTION ahead.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE "
            "RETURN pg_catalog.clock_timestamp() + interval '1 hour'"
        )
        connection.execute(f"ALTER DATABASE {name} SET search_path = ahead, pg_catalog, public")
    database = opened(postgresql.dsn(name))
    database.migrate()
    return database


@pytest.mark.parametrize(("save", "listed", "delete", "table"), DEEDS)
def test_what_is_saved_and_deleted_has_the_time_of_the_records_database(database, save, listed, delete, table):
    before, saved, after = between(database, lambda: save(database))
    assert before <= saved.created_at <= after
    assert listed(database, "p") == [saved]
    before, done, after = between(database, lambda: delete(database, saved.id, by="bob"))
    assert done
    with database.reading() as connection:
        assert before <= connection.execute(select(table.c.deleted_at)).scalar_one() <= after


@pytest.mark.integration
@pytest.mark.parametrize(("save", "listed", "delete", "table"), DEEDS)
def test_a_console_whose_clock_is_behind_saves_with_the_time_of_the_database(ahead, save, listed, delete, table):
    saved = save(ahead)
    assert saved.created_at > datetime.now(UTC) + HOUR / 2
    assert delete(ahead, saved.id, by="bob")
    with ahead.reading() as connection:
        assert connection.execute(select(table.c.deleted_at)).scalar_one() >= saved.created_at
    assert listed(ahead, "p") == []


def test_no_module_of_the_records_but_the_clock_asks_this_machine_what_time_it_is():
    asked = {
        path.name
        for path in Path(records.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and (node.attr in ("now", "utcnow", "today", "time_ns") or ast.unparse(node) == "time.time")
        and ast.unparse(node.value) in ("datetime", "date", "time", "datetime.datetime")
    }
    assert asked == {"clock.py"}
