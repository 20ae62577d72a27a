"""The database of the records: opening it, one transaction at a time, its schema, its readiness.

Every piece of work has a connection of its own. The records are asked when a person saves or opens
something, so connections that are kept would mostly be ones that broke meanwhile; opening one costs
a few milliseconds. Nothing here waits without an end: waiting for a lock, a statement, and a server
that no longer answers each end with a :class:`RecordsError`.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from pydantic import SecretStr
from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, inspect, make_url, text
from sqlalchemy.pool import NullPool

from records.errors import RecordsError, map_error

PATIENCE = 5.0
"""Seconds that one piece of work may take, waiting for locks included."""

MIGRATION_PATIENCE = 120.0
"""Seconds that bringing the schema up to date may take; another replica may be at it already."""

_MIGRATIONS = Path(__file__).parent / "migrations"

# Any constant will do: it only has to be the same in all replicas. These are the letters "synaptic".
_MIGRATION_LOCK = int.from_bytes(b"synaptic", "big")

# Alembic keeps its state in module globals, so two threads of one process take turns.
_alembic = threading.Lock()


class Database:
    """The records; safe to use from many threads.

    Args:
        url: Where they are, with a driver.
        patience: Seconds for one piece of work.
    """

    def __init__(self, url: URL, patience: float) -> None:
        self._url = url
        self._patience = patience
        self._sqlite = url.get_backend_name() == "sqlite"
        self._engine = _sqlite_engine(url, patience) if self._sqlite else _postgresql_engine(url, patience)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads, and sees one state of the records.

        Raises:
            RecordsError: The database could not be used.
        """
        with self._connected(self._patience, {} if self._sqlite else {"postgresql_readonly": True}) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is on disk when the block has ended, and was nothing when it raised.

        Raises:
            RecordsError: The database could not be used; nothing was written.
        """
        with self._connected(self._patience, {"records_immediate": True}) as connection:
            yield connection

    def migrate(self) -> None:
        """Bring the schema up to date. Any number of replicas may do so at once: one does, the others wait.

        Raises:
            RecordsError: The database could not be used, or a newer console has written its schema
                (``kind`` is then ``newer``); nothing was changed.
        """
        if self._sqlite:
            _create_private(self._url.database)
        with _alembic, self._connected(MIGRATION_PATIENCE, {"records_immediate": True}) as connection:
            if not self._sqlite:
                milliseconds = int(MIGRATION_PATIENCE * 1000)
                connection.execute(text(f"SET LOCAL statement_timeout = {milliseconds}"))
                connection.execute(text(f"SET LOCAL lock_timeout = {milliseconds}"))
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            config = _alembic_config()
            _refuse_newer(_revision(connection))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def check(self) -> None:
        """Return when the records can be used: reachable, and with the schema of this console.

        Raises:
            RecordsError: They cannot; it says why.
        """
        with self.reading() as connection:
            found = _revision(connection)
        _refuse_newer(found)
        if found != _known().get_current_head():
            raise RecordsError("unusable", "The schema of the records is older than this console: restart it.")

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    @contextmanager
    def _connected(self, seconds: float, options: dict[str, Any]) -> Iterator[Connection]:
        try:
            connection = self._engine.connect()
        except exc.SQLAlchemyError as error:
            raise map_error(error) from error
        watch = _Watch(connection, seconds) if not self._sqlite else None
        try:
            with connection:
                connection.execution_options(**options)
                with connection.begin():
                    yield connection
        except exc.SQLAlchemyError as error:
            if watch is not None and watch.fired:
                raise RecordsError(
                    "timed-out", f"The database of the records did not answer within {seconds:g} s."
                ) from error
            raise map_error(error) from error
        finally:
            if watch is not None:
                watch.end()


class _Watch:
    """Ends a connection whose server stopped answering; PostgreSQL's own timeouts need a server that runs."""

    def __init__(self, connection: Connection, seconds: float) -> None:
        self.fired = False
        driver: Any = connection.connection.driver_connection
        # A descriptor of our own: the driver's may be closed, and its number given away, when the time is over.
        self._socket = socket.socket(fileno=os.dup(driver.fileno()))
        # Its own timeouts come first where the server still runs: they say what it was waiting for.
        self._timer = threading.Timer(seconds + 1.0, self._fire)
        self._timer.daemon = True
        self._timer.start()

    def _fire(self) -> None:
        self.fired = True
        with suppress(OSError):  # it ended by itself at this moment
            self._socket.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        self._timer.cancel()
        self._timer.join()
        self._socket.close()


def open_database(url: SecretStr, patience: float = PATIENCE) -> Database:
    """The records at an address. Nothing is asked or written yet: :meth:`Database.migrate` does that.

    Args:
        url: SQLAlchemy address: ``sqlite:///path`` or ``postgresql://user:password@host/name``.
        patience: Seconds that one piece of work may take, waiting for locks included.

    Raises:
        RecordsError: The address cannot be used.
    """
    try:
        parsed = make_url(url.get_secret_value())
    except exc.ArgumentError:
        raise RecordsError("unusable", "records.url is not an address of a database.") from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        if parsed.database in {None, "", ":memory:"}:
            raise RecordsError("unusable", "records.url names no file: records in memory would be lost at each stop.")
        return Database(parsed.set(drivername="sqlite+pysqlite"), patience)
    if backend in {"postgresql", "postgres"}:
        try:
            return Database(parsed.set(drivername="postgresql+psycopg"), patience)
        except ModuleNotFoundError:
            raise RecordsError("unusable", "records.url names PostgreSQL, but its driver is not installed.") from None
    raise RecordsError("unusable", f"records.url names {backend}; records can be in sqlite or postgresql.")


def _to_write_ahead(cursor: sqlite3.Cursor, patience: float) -> None:
    """Bring the file into the mode in which who reads and who writes do not wait for each other.

    Several that start at once on a new file all mean to change its mode. SQLite answers some of them "locked" at once
    and lets them not wait (their shared locks are in each other's way), so that who was late asks again.

    Raises:
        sqlite3.OperationalError: The file stayed locked for longer than ``patience`` seconds, or may not be changed.
    """
    until = time.monotonic() + patience
    while True:
        try:
            # Asked first: a file that may only be read refuses the change, also one to the mode that it has.
            if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _sqlite_engine(url: URL, patience: float) -> Engine:
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args={"timeout": patience})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        # Python's module would begin transactions by itself, and not for every statement.
        connection.isolation_level = None
        cursor = connection.cursor()
        _to_write_ahead(cursor, patience)
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # Who means to write takes the lock at once and waits for it; a lock that a reader takes later fails at once.
        immediate = connection.get_execution_options().get("records_immediate", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def _postgresql_engine(url: URL, patience: float) -> Engine:
    milliseconds = int(patience * 1000)
    limits = (
        f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds} "
        f"-c idle_in_transaction_session_timeout={int(MIGRATION_PATIENCE * 1000)} -c timezone=UTC"
    )
    own = url.query.get("options", "")
    return create_engine(
        url,
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={
            "options": f"{limits} {own if isinstance(own, str) else ' '.join(own)}".strip(),
            "connect_timeout": max(2, round(patience)),
            "application_name": "synaptic-console",
        },
    )


def _create_private(path: str | None) -> None:
    """Make the file of the records, readable for its owner only; SQLite gives its other files the same mode."""
    if path is None or path.startswith("file:"):
        return
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError:
        return  # SQLite says it better


def _alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def _revision(connection: Connection) -> str | None:
    # Not Alembic's own question: it would log two lines at every probe.
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return found


@cache
def _known() -> ScriptDirectory:
    return ScriptDirectory.from_config(_alembic_config())


def _refuse_newer(found: str | None) -> None:
    if found is None:
        return
    try:
        _known().get_revision(found)
    except CommandError:
        raise RecordsError(
            "newer",
            f"The records were written by a newer console: their schema is {found}, and this console knows "
            f"schemas up to {_known().get_current_head()}. Start that newer version, or restore an older backup.",
        ) from None
