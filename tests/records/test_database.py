"""The database of the records: its schema, two consoles at once, sudden ends, and what is said when it fails."""

import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from psycopg import errors as postgresql_errors
from pydantic import SecretStr
from sqlalchemy import exc, inspect, text

from records import errors
from records.database import open_database
from records.errors import RecordsError, map_error
from records.schema import metadata
from records.windows import list_windows
from tests.records.test_windows import save

ROOT = Path(__file__).resolve().parents[2]

MIGRATING = """
import sys
from pydantic import SecretStr
from records.database import open_database
database = open_database(SecretStr(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
database.migrate()
database.check()
"""

SAVING = """
import sys
from datetime import UTC, datetime, timedelta
from itertools import count
from pydantic import SecretStr
from records.database import open_database
from records.windows import save_window
database = open_database(SecretStr(sys.argv[1]))
end = datetime.now(UTC)
for number in count():
    save_window(database, environment="production", label=f"window {number}", start=end - timedelta(hours=1), end=end,
                created_by="a process that is killed", note="x" * 2000)
    print(number, flush=True)
"""


def start(script: str, address: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", script, address],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def set_revision(database, revision: str) -> None:
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :r"), {"r": revision})


def test_migrations_build_exactly_the_tables_that_the_code_declares(database):
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_migrating_again_changes_nothing(database):
    saved = save(database)
    database.migrate()
    assert list_windows(database, "production") == [saved]


def test_processes_that_migrate_at_once_all_find_the_same_schema(address, opened):
    processes = [start(MIGRATING, address) for _ in range(4)]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        assert [process.wait(60) for process in processes] == [0, 0, 0, 0]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    database = opened(address)
    database.check()
    with database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar_one() == 1


def test_a_migration_that_fails_midway_leaves_nothing_behind(address, opened):
    database = opened(address)
    obstacle = "ix_saved_windows_environment_created_at"  # the last thing that the first migration makes
    with database.writing() as connection:
        connection.execute(text(f"CREATE TABLE {obstacle} (id INTEGER)"))
    with pytest.raises(RecordsError):
        database.migrate()
    with database.writing() as connection:
        assert inspect(connection).get_table_names() == [obstacle]
        connection.execute(text(f"DROP TABLE {obstacle}"))
    database.migrate()
    database.check()


def test_a_process_killed_while_it_writes_loses_nothing_that_it_acknowledged(database, address):
    for round_number in range(2):
        before = {window.label for window in list_windows(database, "production", limit=500)}
        process = start(SAVING.replace("window {", f"round {round_number} window {{"), address)
        acknowledged = set()
        try:
            for line in process.stdout:
                acknowledged.add(f"round {round_number} window {line.strip()}")
                if len(acknowledged) == 20:
                    # In the middle of the next one, wherever that happens to be.
                    process.send_signal(signal.SIGKILL)
            assert process.wait(60) == -signal.SIGKILL
        finally:
            process.kill()
            process.communicate()
        database.check()
        after = {window.label for window in list_windows(database, "production", limit=500)}
        assert before | acknowledged <= after
        save(database, f"after round {round_number}")


def test_a_schema_that_is_newer_than_the_console_is_refused_by_name(database):
    set_revision(database, "0999")
    for call in (database.migrate, database.check):
        with pytest.raises(RecordsError, match=r"schema is 0999, and this console knows schemas up to \d{4}") as caught:
            call()
        assert caught.value.kind == "newer"


def test_records_without_a_schema_are_not_ready(address, opened):
    with pytest.raises(RecordsError, match="older than this console"):
        opened(address).check()


def test_records_that_another_process_holds_end_with_an_error_and_not_with_a_wait(database, address, opened):
    impatient = opened(address, patience=0.2)
    with database.writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("LOCK TABLE saved_windows IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(RecordsError) as caught:
            save(impatient)
    assert caught.value.kind in {"locked", "timed-out"}
    save(impatient)


def test_readers_of_a_sqlite_file_do_not_wait_for_a_writer(tmp_path, opened):
    database = opened(f"sqlite:///{tmp_path}/records.sqlite3")
    database.migrate()
    with database.writing():
        assert list_windows(database, "production") == []


def test_records_that_may_only_be_read_can_be_read_and_say_so_when_written(database, address, opened):
    saved = save(database)
    if address.startswith("sqlite"):
        read_only = opened(address.replace("sqlite:///", "sqlite:///file:") + "?mode=ro&uri=true")
    else:
        read_only = opened(address + "?options=-c%20default_transaction_read_only%3Don")
    assert list_windows(read_only, "production") == [saved]
    with pytest.raises(RecordsError, match="cannot be written") as caught:
        save(read_only, "another")
    assert caught.value.kind == "read-only"


def test_a_full_disk_is_named_and_nothing_is_half_written(tmp_path, opened):
    database = opened(f"sqlite:///{tmp_path}/records.sqlite3")
    database.migrate()
    saved = save(database)

    def fill() -> None:
        with database.writing() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
            while True:
                connection.exec_driver_sql("UPDATE saved_windows SET note = note || hex(randomblob(4000))")

    with pytest.raises(RecordsError, match="disk is full") as caught:
        fill()
    assert caught.value.kind == "full"
    assert list_windows(database, "production") == [saved]


def test_a_file_that_is_not_a_database_is_said_to_be_none(tmp_path, opened):
    path = tmp_path / "records.sqlite3"
    path.write_text("this is a text, and a long one at that " * 50)
    with pytest.raises(RecordsError, match="not a SQLite database") as caught:
        opened(f"sqlite:///{path}").migrate()
    assert caught.value.kind == "damaged"


def test_a_folder_that_does_not_exist_is_unreachable(tmp_path, opened):
    with pytest.raises(RecordsError, match="its folder must exist") as caught:
        opened(f"sqlite:///{tmp_path}/nowhere/records.sqlite3").migrate()
    assert caught.value.kind == "unreachable"


def test_the_file_of_the_records_is_for_its_owner_only(tmp_path, opened):
    path = tmp_path / "records.sqlite3"
    database = opened(f"sqlite:///{path}")
    database.migrate()
    with database.writing():
        files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert files["records.sqlite3"] == 0o600
    assert set(files.values()) == {0o600}


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("nonsense", "not an address"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("mysql://user:hidden-password@host/records", "names mysql; records can be in sqlite or postgresql"),
        ("postgresql+psycopg2://user:hidden-password@127.0.0.1:1/records", "cannot be reached"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_showing_it(address, said):
    def use() -> None:
        open_database(SecretStr(address), patience=2.0).migrate()

    with pytest.raises(RecordsError, match=said) as caught:
        use()
    assert "hidden-password" not in str(caught.value)


@pytest.mark.integration
def test_a_server_that_accepts_and_never_answers_is_unreachable(opened):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        database = opened(f"postgresql://someone@127.0.0.1:{listener.getsockname()[1]}/records", patience=2.0)
        with pytest.raises(RecordsError, match="cannot be reached") as caught:
            database.check()
    assert caught.value.kind == "unreachable"


@pytest.mark.integration
def test_a_server_that_stops_answering_in_the_middle_costs_the_patience_and_no_more(postgresql, opened):
    database = opened(postgresql.dsn("postgres"), patience=0.5)
    stopped: list[int] = []

    def ask() -> None:
        with database.reading() as connection:
            stopped.append(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
            os.kill(stopped[0], signal.SIGSTOP)
            connection.execute(text("SELECT 1"))

    try:
        with pytest.raises(RecordsError, match=r"did not answer within 0\.5 s") as caught:
            ask()
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    assert caught.value.kind == "timed-out"
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]


@pytest.mark.integration
def test_a_statement_that_takes_too_long_is_ended_by_the_server(postgresql, opened):
    database = opened(postgresql.dsn("postgres"), patience=0.2)

    def ask() -> None:
        with database.reading() as connection:
            connection.execute(text("SELECT pg_sleep(60)"))

    with pytest.raises(RecordsError, match="did not finish in time") as caught:
        ask()
    assert caught.value.kind == "timed-out"


@pytest.mark.integration
@pytest.mark.parametrize(
    ("user", "name", "said", "kind"),
    [
        ("postgres", "no_such_database", "does not exist on that server", "unreachable"),
        ("no_such_role", "postgres", "refused the console's role", "denied"),
    ],
)
def test_a_wrong_name_is_told_apart_from_a_server_that_is_down(postgresql, opened, user, name, said, kind):
    with pytest.raises(RecordsError, match=said) as caught:
        opened(f"postgresql://{user}@127.0.0.1:{postgresql.port}/{name}").check()
    assert caught.value.kind == kind


@pytest.mark.integration
def test_a_server_that_ends_the_session_is_unreachable_and_the_next_piece_of_work_is_fine(postgresql, opened):
    database = opened(postgresql.dsn("postgres"))

    def be_ended() -> None:
        with database.reading() as connection:
            pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            postgresql.run(f"SELECT pg_terminate_backend({pid})")
            connection.execute(text("SELECT 1"))

    with pytest.raises(RecordsError) as caught:
        be_ended()
    assert caught.value.kind == "unreachable"
    with database.reading() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def every_postgresql_error() -> list[type[psycopg.Error]]:
    found = (getattr(postgresql_errors, name) for name in dir(postgresql_errors))
    return [e for e in found if isinstance(e, type) and issubclass(e, psycopg.Error) and getattr(e, "sqlstate", None)]


def test_every_state_of_postgresql_that_concerns_the_server_has_a_sentence_of_its_own():
    classes = ("08", "25006", "28", "3D", "40", "42501", "53", "55P03", "57", "58", "XX")
    concerned = [e for e in every_postgresql_error() if e.sqlstate.startswith(classes)]
    assert len(concerned) > 30
    for error in concerned:
        mapped = map_error(exc.DBAPIError("SELECT", None, error("words of the server")))
        assert mapped.kind != "unusable", error
        assert "words of the server" not in str(mapped)


def test_every_result_code_of_sqlite_that_concerns_the_file_has_a_sentence_of_its_own():
    for name in ("BUSY", "LOCKED", "READONLY", "PERM", "AUTH", "FULL", "CANTOPEN", "IOERR", "CORRUPT", "NOTADB"):
        assert getattr(sqlite3, f"SQLITE_{name}") in errors._SQLITE, name


def test_a_mistake_of_the_console_is_an_error_of_the_records_too_and_shows_no_values(database):
    def ask() -> None:
        with database.writing() as connection:
            connection.execute(text("INSERT INTO nowhere VALUES (:v)"), {"v": "a private value"})

    with pytest.raises(RecordsError, match="cannot be used") as caught:
        ask()
    assert caught.value.kind == "unusable"
    assert "a private value" not in f"{caught.value}{caught.value.__cause__}"
