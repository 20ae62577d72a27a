"""A session of the console on PostgreSQL: its settings, and the proof that they arrived.

They are sent when the session starts. A pooler may drop them without a word, so a new session is asked for them; where
they did not arrive they go with each question instead, as part of its transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from collectors.postgres import types as postgres_types
from settings import Postgres as PostgresSettings

APPLICATION = "synaptic-console"
"""Name of the console's sessions; what is counted of sessions leaves them out."""

LOCK_SECONDS = 1.0
"""Longest wait for a lock: a look must not stand in the queue before a deed."""

IDLE_SECONDS = 10.0
"""Longest time, beyond the deadline, that a transaction may stand without a question before the server ends it."""

FIXED: Mapping[str, str] = {
    # Names in our statements are those of the server, whatever others made in schemas of their own (CVE-2018-1058).
    "search_path": "pg_catalog",
    # What the driver can read, and what statements compare.
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "quote_all_identifiers": "off",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
}
"""Settings that every session starts with, as ``current_setting`` shows them."""

LATER: Mapping[str, str] = {
    # Over thousands of tables the compiler takes longer than the question, and cannot be cancelled.
    "jit": "off",
}
"""Settings of every session that are set once it is there: the server's own value, which the console judges, can then
still be seen (``reset_val``). The time limit of idle transactions is one of them."""

_IDLE = "idle_in_transaction_session_timeout"
_OF_TRANSACTION = tuple(name for name in FIXED if not name.startswith("default_transaction_"))
_BEGIN = sql.SQL("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY NOT DEFERRABLE; SELECT ")
_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1))


@dataclass
class Session:
    """A connection, and how its questions get their settings.

    Attributes:
        connection: The connection.
        local: Whether its settings go with each question; ``None`` until it was asked for them.
    """

    connection: psycopg.Connection[Any]
    local: bool | None


def connected(settings: PostgresSettings, user: str, password: str | None, seconds: float) -> Session:
    """A new session.

    Args:
        settings: Where the database is.
        user: Who signs in.
        password: The password; ``None`` for none.
        seconds: Longest time that connecting may take; whole ones, and no less than one.

    Raises:
        psycopg.Error: No session; other exceptions of the driver too.
    """
    connection = psycopg.connect(
        **address(settings, user),
        password=password,
        require_auth=",".join(settings.require_auth) if password is not None and settings.require_auth else None,
        options="" if settings.pgbouncer else _options(settings.deadline),
        connect_timeout=max(int(seconds), 1),
        autocommit=True,
        prepare_threshold=None,
    )
    postgres_types.register(connection)
    return Session(connection, True if settings.pgbouncer else None)


def address(settings: PostgresSettings, user: str) -> dict[str, Any]:
    """Where the database is and who asks, for the driver; without the password."""
    return {
        "host": settings.host,
        "port": settings.port,
        "dbname": settings.database,
        "user": user,
        "sslmode": settings.tls,
        "sslrootcert": str(settings.ca_file) if settings.ca_file else None,
        "application_name": APPLICATION,
        "client_encoding": "UTF8",
    }


def prove(session: Session, seconds: float) -> None:
    """Ask a new session for its settings, and let it speak the encoding of its database.

    Args:
        session: The session; ``local`` is known afterwards.
        seconds: The deadline that it was made with.

    Raises:
        psycopg.Error: The server did not answer; other exceptions of the driver too.
    """
    if session.local is not None:
        return
    wanted = {**FIXED, **_limits(seconds)}
    # Names are written out: that the search path is ours is what has to be proved.
    asked = sql.SQL(", ").join(sql.SQL("pg_catalog.current_setting({})").format(name) for name in wanted)
    row = session.connection.execute(sql.SQL("SELECT {}").format(asked)).fetchone()
    session.local = row != tuple(wanted.values())
    if not session.local:
        later = {**LATER, _IDLE: _idle(seconds), "client_encoding": _own_encoding(session.connection)}
        session.connection.execute(sql.SQL("SELECT {}").format(_set(later, "false")))


def begin(connection: psycopg.Connection[Any], seconds: float) -> bytes:
    """What begins a transaction that only reads and brings its settings with it.

    Args:
        connection: Where it will be sent.
        seconds: What is left for the question.
    """
    values = {**{name: FIXED[name] for name in _OF_TRANSACTION}, **LATER, **_limits(seconds), _IDLE: _idle(seconds)}
    values["client_encoding"] = _own_encoding(connection)
    return (_BEGIN + _set(values, "true")).as_bytes(connection)


def _set(values: Mapping[str, str], local: str) -> sql.Composed:
    one = sql.SQL("pg_catalog.set_config({}, {}, {})")
    return sql.SQL(", ").join(one.format(name, value, sql.SQL(local)) for name, value in values.items())


def _own_encoding(connection: psycopg.Connection[Any]) -> str:
    return postgres_types.spoken(connection.info.parameter_status("server_encoding") or "UTF8")


def _limits(seconds: float) -> dict[str, str]:
    """The time limits of a question."""
    return {"statement_timeout": _written(max(seconds, 0.001)), "lock_timeout": _written(LOCK_SECONDS)}


def _idle(seconds: float) -> str:
    """The time limit of a transaction without a question."""
    return _written(max(seconds, 0.0) + IDLE_SECONDS)


def _written(seconds: float) -> str:
    """A time as ``current_setting`` shows it: in the largest unit that it is a whole number of."""
    milliseconds = int(seconds * 1000)
    unit, size = next((unit, size) for unit, size in _UNITS if milliseconds % size == 0)
    return f"{milliseconds // size}{unit}"


def _options(seconds: float) -> str:
    """The settings in the form in which libpq takes them, where a space or a backslash has one before it."""
    values = {**FIXED, **_limits(seconds)}
    escaped = {name: value.replace("\\", "\\\\").replace(" ", "\\ ") for name, value in values.items()}
    return " ".join(f"-c {name}={value}" for name, value in escaped.items())
