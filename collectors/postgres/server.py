"""One PostgreSQL server as the console asks it: few connections, each question with an end, nothing written.

Connections are read-only, run one statement a transaction and prepare nothing, so that a PgBouncer may stand between.
A question has the server's own ``statement_timeout``. One that overruns even so is cancelled from a second connection,
and where the server does not listen to that either, the connection is cut.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import pandas as pd
import psycopg
from psycopg.pq import TransactionStatus

from collectors.deadline import WITHIN, allowance
from collectors.errors import BadAnswer, Overloaded, SourceError, TimedOut
from collectors.guard import Guard
from collectors.postgres import session as postgres_session
from collectors.postgres.errors import DRIVER_ERRORS, mapped, not_connected
from collectors.postgres.session import APPLICATION as APPLICATION
from collectors.postgres.session import Session
from collectors.postgres.watch import Watch
from settings import Postgres as PostgresSettings

T = TypeVar("T")

IDLE_SECONDS = 60.0
"""How long a connection is kept without being used."""

Cursor = psycopg.ClientCursor[Any]


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


@dataclass
class _Idle:
    session: Session
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
        arrived: Whether the settings of its sessions reach the server; ``None`` until one was asked, and where they go
            with each question anyway.
    """

    def __init__(self, environment: str, settings: PostgresSettings) -> None:
        self.name = "postgres"
        self.settings = settings
        self.address = f"{settings.host}:{settings.port}/{settings.database}"
        self.guard = Guard(environment, self.name)
        self.arrived: bool | None = None
        self._slots = threading.BoundedSemaphore(settings.connections)
        self._idle: list[_Idle] = []
        self._lock = threading.Lock()
        self._closed = False

    def ask(self, statement: str | bytes, parameters: Mapping[str, Any] | None = None) -> Rows:
        """Run one statement that reads.

        Args:
            statement: Its text, from a file of the catalogue, with ``%(name)s`` for each parameter.
            parameters: Their values.

        Raises:
            SourceError: It did not answer, or not with rows.
        """
        text = statement.encode() if isinstance(statement, str) else statement

        def work(cursor: Cursor) -> Rows:
            cursor.execute(text, parameters)
            columns = tuple(column.name for column in cursor.description or ())
            return Rows(columns, cursor.fetchall() if columns else [])

        with self._slot() as ends:
            return self._asked(work, ends)

    def apart(self, user: str, password: str | None, work: Callable[[Cursor], T]) -> T:
        """Ask in a transaction on a connection of its own, as somebody else: for text that may run foreign code.

        It only reads, is rolled back whatever happened in it, so that nothing of it reaches anybody, and its connection
        is closed afterwards.

        Args:
            user: Who asks.
            password: The password; ``None`` for none.
            work: Asks by a cursor in that transaction, and returns what it learnt; the driver's exceptions may pass.

        Raises:
            SourceError: It did not answer. Never one that concerns the source as a whole.
        """
        with self._slot() as ends:
            try:
                session = self._connected(ends - time.monotonic(), user, password)
                try:
                    return self._within(session, work, ends, apart=True)
                finally:
                    session.connection.close()
            except SourceError as error:
                error.trips = False
                raise

    def convert(self, rows: Rows, kind: type[T]) -> list[T]:
        """Rows as typed structs.

        Raises:
            BadAnswer: A column has another type than declared.
        """
        return self.convert_records(rows.records(), kind)

    def convert_records(self, records: Sequence[Mapping[str, Any]], kind: type[T]) -> list[T]:
        """Values by the names of their fields as typed structs.

        Raises:
            BadAnswer: A field has another type than declared.
        """
        try:
            return msgspec.convert(records, list[kind])  # type: ignore[valid-type]
        except (msgspec.ValidationError, ArithmeticError, ValueError) as error:
            what = f"answered in a form that the console does not know: {error}"
            raise BadAnswer(self.name, self.address, what, trips=False) from None

    def close(self) -> None:
        """Close all connections; those in use are closed when their question ends."""
        with self._lock:
            self._closed = True
        self._drop_idle()

    def _drop_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for one in idle:
            one.session.connection.close()

    @contextlib.contextmanager
    def _slot(self) -> Iterator[float]:
        """One of the connections that the console may have, and until when its question may last."""
        allowed = allowance(self.name, self.address, self.settings.deadline)
        ends = time.monotonic() + allowed.seconds
        if not self._slots.acquire(timeout=allowed.seconds):
            what = f"was not asked: all {self.settings.connections} connections of the console are busy"
            raise Overloaded(self.name, self.address, what, hint="Raise connections of this source.", trips=False)
        try:
            with self.guard.attempt(), allowed.applied():
                yield ends
        finally:
            self._slots.release()

    def _asked(self, work: Callable[[Cursor], T], ends: float) -> T:
        session, reused = self._taken(ends)
        try:
            return self._run(session, work, ends)
        except SourceError:
            if not (reused and session.connection.closed and ends > time.monotonic()):
                raise
        # The server was restarted since this connection was used: what reads may be asked again.
        self._drop_idle()
        session, _ = self._taken(ends)
        return self._run(session, work, ends)

    def _run(self, session: Session, work: Callable[[Cursor], T], ends: float) -> T:
        try:
            return self._within(session, work, ends)
        finally:
            self._returned(session)

    def _within(self, session: Session, work: Callable[[Cursor], T], ends: float, *, apart: bool = False) -> T:
        """Ask in a session, in a transaction where its settings go with the question or it is one apart."""
        connection = session.connection
        watch = Watch(connection, ends - time.monotonic())
        try:
            with watch, psycopg.ClientCursor(connection) as cursor:
                self._prove(session)
                whole = session.local or apart
                if whole:
                    cursor.execute(postgres_session.begin(connection, ends - time.monotonic()))
                found = work(cursor)
                if whole:
                    cursor.execute("ROLLBACK" if apart else "COMMIT")
            return found
        except DRIVER_ERRORS as error:
            if watch.fired:
                what = f"did not answer {WITHIN}"
                raise TimedOut(self.name, self.address, what, hint="Look at the load of the server.") from None
            raise mapped(error, self.name, self.address) from None

    def _prove(self, session: Session) -> None:
        if session.local is None:
            postgres_session.prove(session, self.settings.deadline)
            self.arrived = not session.local

    def _taken(self, ends: float) -> tuple[Session, bool]:
        """A session, and whether it was used before."""
        now = time.monotonic()
        with self._lock:
            while self._idle:
                one = self._idle.pop()
                if now - one.since < IDLE_SECONDS and not one.session.connection.closed:
                    return one.session, True
                one.session.connection.close()
        password = self.settings.password
        secret = password.get_secret_value() if password is not None else None
        return self._connected(ends - now, self.settings.user, secret), False

    def _connected(self, seconds: float, user: str, password: str | None) -> Session:
        try:
            return postgres_session.connected(self.settings, user, password, seconds)
        except DRIVER_ERRORS as error:
            there = postgres_session.address(self.settings, user)
            raise not_connected(error, there, self.name, self.address) from None

    def _returned(self, session: Session) -> None:
        connection = session.connection
        if not connection.closed and connection.info.transaction_status != TransactionStatus.IDLE:
            with contextlib.suppress(psycopg.Error):
                # Only a transaction of ours in which a statement failed; anything else is not to be trusted.
                if connection.info.transaction_status == TransactionStatus.INERROR or session.local:
                    connection.rollback()
        usable = not connection.closed and connection.info.transaction_status == TransactionStatus.IDLE
        with self._lock:
            if usable and not self._closed:
                self._idle.append(_Idle(session, time.monotonic()))
                return
        connection.close()
