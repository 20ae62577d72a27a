"""One PostgreSQL server as the console asks it: few connections, each question with an end, nothing written.

Connections are read-only, run one statement a transaction and prepare nothing, so that a PgBouncer may stand between.
A question has the server's own ``statement_timeout``. One that overruns even so is cancelled from a second connection,
and where the server does not listen to that either, the connection is cut.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import pandas as pd
import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, TransactionStatus

from collectors.deadline import WITHIN, allowance
from collectors.errors import BadAnswer, Overloaded, SourceError, TimedOut
from collectors.guard import Guard
from collectors.postgres_errors import mapped
from settings import Postgres as PostgresSettings

T = TypeVar("T")

APPLICATION = "synaptic-console"
"""Name of the console's sessions; what is counted of sessions leaves them out."""

LOCK_SECONDS = 1.0
"""Longest wait for a lock: a look must not stand in the queue before a deed."""

CANCEL_SECONDS = 2.0
"""Longest time that cancelling may take before the connection is cut."""

IDLE_SECONDS = 60.0
"""How long a connection is kept without being used."""


@dataclass(frozen=True)
class Rows:
    """What a statement returned.

    Attributes:
        columns: Names of the columns.
        rows: The rows, as the driver's own types.
    """

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]

    def records(self) -> list[dict[str, Any]]:
        """Each row by the names of its columns."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def frame(self) -> pd.DataFrame:
        """The rows as a frame; types as pandas finds them."""
        return pd.DataFrame.from_records(list(self.rows), columns=list(self.columns))


@dataclass(frozen=True)
class _Question:
    statement: str
    parameters: Mapping[str, Any] | None
    foreign: bool


def _refuse_more_than_one(connection: psycopg.Connection[Any], statement: str) -> None:
    """Let the server read a statement without running it; it knows what one statement is, and we need not guess.

    Raises:
        psycopg.Error: It is no statement, or more than one.
    """
    result = connection.pgconn.prepare(b"", statement.encode())
    if result.status != ExecStatus.COMMAND_OK:
        raise error_from_result(result, encoding="utf-8")


@dataclass
class _Idle:
    connection: psycopg.Connection[Any]
    since: float


class PostgresServer:
    """The connections to one server; safe to use from many threads.

    Args:
        environment: Key of the environment.
        settings: Where it is, who we are, how many connections.

    Attributes:
        name: ``postgres``.
        address: Where it is, without credentials.
        guard: Its breaker.
    """

    def __init__(self, environment: str, settings: PostgresSettings) -> None:
        self.name = "postgres"
        self.settings = settings
        self.address = f"{settings.host}:{settings.port}/{settings.database}"
        self.guard = Guard(environment, self.name)
        self._slots = threading.BoundedSemaphore(settings.connections)
        self._idle: list[_Idle] = []
        self._lock = threading.Lock()
        self._closed = False

    def ask(self, statement: str, parameters: Mapping[str, Any] | None = None, *, foreign: bool = False) -> Rows:
        """Run one statement that reads.

        Args:
            statement: Its text, from a file of the catalogue, with ``%(name)s`` for each parameter.
            parameters: Their values.
            foreign: Its text is not ours, and has no parameters: the server is first made to read it as a prepared
                statement, which it refuses where there is more than one in it.

        Raises:
            SourceError: It did not answer, or not with rows.
        """
        allowed = allowance(self.name, self.address, self.settings.deadline)
        ends = time.monotonic() + allowed.seconds
        if not self._slots.acquire(timeout=allowed.seconds):
            what = f"was not asked: all {self.settings.connections} connections of the console are busy"
            raise Overloaded(self.name, self.address, what, hint="Raise connections of this source.", trips=False)
        try:
            with self.guard.attempt(), allowed.applied():
                return self._asked(_Question(statement, parameters, foreign), ends)
        finally:
            self._slots.release()

    def convert(self, rows: Rows, kind: type[T]) -> list[T]:
        """Rows as typed structs.

        Raises:
            BadAnswer: A column has another type than declared.
        """
        try:
            return msgspec.convert(rows.records(), list[kind])  # type: ignore[valid-type]
        except msgspec.ValidationError as error:
            what = f"answered in a form that the console does not know: {error}"
            raise BadAnswer(self.name, self.address, what, trips=False) from None

    def close(self) -> None:
        """Close all connections; those in use are closed when their question ends."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for one in idle:
            one.connection.close()

    def _asked(self, question: _Question, ends: float) -> Rows:
        connection, reused = self._taken(ends)
        try:
            return self._run(connection, question, ends)
        except SourceError:
            if not (reused and connection.closed and ends > time.monotonic()):
                raise
        # The server was restarted since this connection was used: what reads may be asked again.
        with self._lock:
            stale, self._idle = self._idle, []
        for one in stale:
            one.connection.close()
        connection, _ = self._taken(ends)
        return self._run(connection, question, ends)

    def _run(self, connection: psycopg.Connection[Any], question: _Question, ends: float) -> Rows:
        watch = _Watch(connection, ends - time.monotonic())
        try:
            with watch, psycopg.ClientCursor(connection) as cursor:
                if self.settings.pgbouncer:
                    cursor.execute(self._limits(ends))
                if question.foreign:
                    _refuse_more_than_one(connection, question.statement)
                cursor.execute(question.statement.encode(), question.parameters)
                columns = tuple(column.name for column in cursor.description or ())
                rows = cursor.fetchall() if columns else []
                if self.settings.pgbouncer:
                    cursor.execute("COMMIT")
            return Rows(columns, rows)
        except psycopg.Error as error:
            if watch.fired:
                what = f"did not answer {WITHIN}"
                raise TimedOut(self.name, self.address, what, hint="Look at the load of the server.") from None
            raise mapped(error, self.name, self.address) from None
        finally:
            self._returned(connection)

    def _limits(self, ends: float) -> bytes:
        """What begins a transaction with its limits, where they cannot be the session's own."""
        left = max(int((ends - time.monotonic()) * 1000), 1)
        return (
            "BEGIN READ ONLY; "
            f"SELECT set_config('statement_timeout', '{left}', true), "
            f"set_config('lock_timeout', '{int(LOCK_SECONDS * 1000)}', true)"
        ).encode()

    def _taken(self, ends: float) -> tuple[psycopg.Connection[Any], bool]:
        """A connection, and whether it was used before."""
        now = time.monotonic()
        with self._lock:
            while self._idle:
                one = self._idle.pop()
                if now - one.since < IDLE_SECONDS and not one.connection.closed:
                    return one.connection, True
                one.connection.close()
        return self._connected(ends - now), False

    def _connected(self, seconds: float) -> psycopg.Connection[Any]:
        one = self.settings
        limits = {
            "default_transaction_read_only": "on",
            "statement_timeout": f"{int(one.deadline * 1000)}",
            "lock_timeout": f"{int(LOCK_SECONDS * 1000)}",
        }
        options = "" if one.pgbouncer else " ".join(f"-c {name}={value}" for name, value in limits.items())
        try:
            return psycopg.connect(
                host=one.host,
                port=one.port,
                dbname=one.database,
                user=one.user,
                password=one.password.get_secret_value() if one.password else None,
                sslmode=one.tls,
                sslrootcert=str(one.ca_file) if one.ca_file else None,
                application_name=APPLICATION,
                options=options,
                # Whole seconds, and no less than one.
                connect_timeout=max(int(seconds), 1),
                autocommit=True,
                prepare_threshold=None,
            )
        except psycopg.Error as error:
            raise mapped(error, self.name, self.address) from None

    def _returned(self, connection: psycopg.Connection[Any]) -> None:
        if not connection.closed and connection.info.transaction_status != TransactionStatus.IDLE:
            with contextlib.suppress(psycopg.Error):
                # Only a transaction of ours in which a statement failed; anything else is not to be trusted.
                if connection.info.transaction_status == TransactionStatus.INERROR:
                    connection.rollback()
        usable = not connection.closed and connection.info.transaction_status == TransactionStatus.IDLE
        with self._lock:
            if usable and not self._closed:
                self._idle.append(_Idle(connection, time.monotonic()))
                return
        connection.close()


class _Watch:
    """Ends a question that overruns: cancels it from a second connection, and cuts the connection if that fails."""

    def __init__(self, connection: psycopg.Connection[Any], seconds: float) -> None:
        self.fired = False
        self._connection = connection
        self._socket = os.dup(connection.fileno())
        self._done = threading.Event()
        self._timer = threading.Timer(max(seconds, 0.001), self._overran)
        self._timer.name = "postgres-watch"
        self._timer.daemon = True

    def __enter__(self) -> _Watch:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._timer.cancel()
        # Its thread may be in the middle of cancelling, and what it would cancel then is the next question.
        self._timer.join()
        os.close(self._socket)

    def _overran(self) -> None:
        if self._done.is_set():
            return
        self.fired = True
        with contextlib.suppress(psycopg.Error):
            self._connection.cancel_safe(timeout=CANCEL_SECONDS)
        if not self._done.wait(CANCEL_SECONDS):
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self._socket)) as cut:
                cut.shutdown(socket.SHUT_RDWR)
