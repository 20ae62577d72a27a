"""One Redis or Valkey server as the console asks it: few connections, each look with an end, nothing written.

What may be sent is listed in ``READS`` and checked in one place, :meth:`RedisServer.session`; a command that is not
there is a mistake of the console and is raised before anything is sent. A timeout of a socket counts from the last
byte, so a look also has an end of its own: then its connection is cut.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import NoPermissionError, ResponseError

from collectors.deadline import WITHIN, allowance
from collectors.errors import Denied, Overloaded, SourceError, TimedOut
from collectors.guard import Guard
from collectors.redis.errors import DRIVER_ERRORS, mapped
from collectors.redis.parser import BoundedParser
from settings import Redis as RedisSettings

CLIENT_NAME = "synaptic-console"
"""Name of the console's connections; what is counted of clients leaves them out."""

IDLE_SECONDS = 60.0
"""How long a connection is kept without being used."""

READS: frozenset[str] = frozenset(
    {
        "client list",
        "config get",
        "dbsize",
        "info",
        "latency histogram",
        "memory usage",
        "pttl",
        "scan",
        "slowlog get",
        "type",
    }
)
"""All that the console ever asks: a command, or a command with its subcommand."""

CONFIG_KEYS: frozenset[str] = frozenset(
    {
        "appendonly",
        "latency-monitor-threshold",
        "lazyfree-lazy-eviction",
        "maxmemory-samples",
        "save",
        "slowlog-log-slower-than",
        "slowlog-max-len",
        "timeout",
    }
)
"""The settings that are read; others, such as passwords, are never asked for."""

MOST_SCANNED = 1000
"""Largest COUNT of a SCAN: the server does nothing else meanwhile."""

Word = str | bytes | int


class Wire(Protocol):
    """What is used of redis-py's connections, which have no types of their own."""

    _sock: socket.socket | None
    _parser: BoundedParser

    def connect(self) -> None:
        """Connect and sign in."""

    def disconnect(self) -> None:
        """Close it."""

    def pack_commands(self, commands: Sequence[Sequence[Word]]) -> list[bytes]:
        """Commands in the protocol's form."""

    def send_packed_command(self, command: list[bytes], check_health: bool) -> None:
        """Send them."""

    def read_response(self, disable_decoding: bool, *, timeout: float) -> Any:
        """Read the answer to one of them."""


class NotAReadError(Exception):
    """A command that is not on the list was about to be sent: a mistake of the console."""


def checked(words: Sequence[Word]) -> str:
    """The entry of ``READS`` that allows a command.

    Raises:
        NotAReadError: None does, or its arguments are not those that the console uses.
    """
    if len(words) == 2 and words[0] in ("TYPE", "PTTL"):  # a look at the keys sends thousands of them
        return str(words[0]).lower()
    names = [str(word).lower() for word in words[:2]]
    name = next((one for one in (names[0], " ".join(names)) if one in READS), None) if names else None
    allowed = name is not None
    match name:
        case "config get":
            allowed = len(words) > 2 and {str(word) for word in words[2:]} <= CONFIG_KEYS
        case "scan":
            allowed = len(words) == 4 and words[2] == "COUNT" and 0 < int(words[3]) <= MOST_SCANNED
        case "memory usage":
            allowed = len(words) == 5 and words[3] == "SAMPLES"
        case "type" | "pttl":
            allowed = len(words) == 2
    if name is None or not allowed:
        raise NotAReadError(f"the console does not send {' '.join(names)} in this form")
    return name


@dataclass
class _Idle:
    connection: Wire
    since: float


class RedisServer:
    """The connections to one server; safe to use from many threads.

    Args:
        environment: Key of the environment.
        settings: Where it is, who we are, how many connections.

    Attributes:
        name: ``redis``.
        address: Where it is, without credentials.
        guard: Its breaker.
    """

    def __init__(self, environment: str, settings: RedisSettings) -> None:
        self.name = "redis"
        self.settings = settings
        by_socket = settings.host.startswith("/")
        self.address = f"{settings.host}{'' if by_socket else f':{settings.port}'}/{settings.database}"
        self.guard = Guard(environment, self.name)
        self._slots = threading.BoundedSemaphore(settings.connections)
        self._idle: list[_Idle] = []
        self._lock = threading.Lock()
        self._closed = False

    def ask(self, *words: Word) -> Any:
        """The answer to one command that reads, in redis-py's plain types (texts are bytes).

        Raises:
            NotAReadError: It is not on the list.
            SourceError: No answer, or an error of the server.
        """
        checked(words)
        with self.session() as session:
            return session.ask(words)[0]

    @contextlib.contextmanager
    def session(self) -> Iterator[Session]:
        """One connection for several questions, all within one deadline.

        Raises:
            SourceError: No connection, or an answer was missing.
        """
        allowed = allowance(self.name, self.address, self.settings.deadline)
        ends = time.monotonic() + allowed.seconds
        if not self._slots.acquire(timeout=allowed.seconds):
            what = f"was not asked: all {self.settings.connections} connections of the console are busy"
            raise Overloaded(self.name, self.address, what, hint="Raise connections of this source.", trips=False)
        try:
            with self.guard.attempt(), allowed.applied():
                session = Session(self, ends)
                try:
                    yield session
                finally:
                    session.end()
        finally:
            self._slots.release()

    def close(self) -> None:
        """Close all connections; those in use are closed when their look ends."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for one in idle:
            one.connection.disconnect()

    def taken(self) -> Wire | None:
        """An open connection that nobody uses; ``None`` where there is none."""
        now = time.monotonic()
        with self._lock:
            while self._idle:
                one = self._idle.pop()
                if now - one.since < IDLE_SECONDS:
                    return one.connection
                one.connection.disconnect()
        return None

    def forget(self) -> None:
        """Close what nobody uses: the server was restarted since."""
        with self._lock:
            stale, self._idle = self._idle, []
        for one in stale:
            one.connection.disconnect()

    def returned(self, connection: Wire) -> None:
        """Keep a connection whose last answer was read to its end."""
        with self._lock:
            if not self._closed:
                self._idle.append(_Idle(connection, time.monotonic()))
                return
        connection.disconnect()

    def made(self, seconds: float) -> Wire:
        """A connection that is not connected yet."""
        one = self.settings
        common: dict[str, Any] = {
            "db": one.database,
            "username": one.user or None,
            "password": one.password.get_secret_value() if one.password else None,
            "socket_timeout": seconds,
            "socket_connect_timeout": seconds,
            "driver_info": None,
            "protocol": 2,
            "parser_class": BoundedParser,
        }
        kind: Any = Connection
        where: dict[str, Any] = {"host": one.host, "port": one.port}
        if one.host.startswith("/"):
            del common["socket_connect_timeout"]
            kind, where = UnixDomainSocketConnection, {"path": one.host}
        elif one.tls:
            kind = SSLConnection
            where["ssl_ca_certs"] = str(one.ca_file) if one.ca_file else None
        made: Wire = kind(**where, **common)
        return made

    def named(self, words: Sequence[Word], error: Exception) -> SourceError:
        """The source error of an answer to a command; a missing right is told with the rule that gives it."""
        if isinstance(error, NoPermissionError):
            user = self.settings.user or "default"
            name = checked(words).replace(" ", "|")
            keys = "~* " if name in ("type", "pttl", "memory|usage") else ""
            what = f"does not let the user {user} send {name.replace('|', ' ').upper()}"
            hint = f"ACL SETUSER {user} {keys}+{name}"
            return Denied(self.name, self.address, what, hint=hint, trips=False)
        return mapped(error, self.name, self.address)


class Session:
    """Several questions over one connection; see :meth:`RedisServer.session`.

    Its connection is cut when its time is over: a server that sends a byte now and then does not keep it open.

    Args:
        server: Whose connection.
        ends: When it must have ended, by ``time.monotonic``.
    """

    def __init__(self, server: RedisServer, ends: float) -> None:
        self._server = server
        self.ends = ends
        self._connection: Wire | None = None
        self._usable = True
        self._overran = False
        self._timer = threading.Timer(max(self.left, 0.0), self._cut)
        self._timer.daemon = True
        self._timer.start()

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.ends - time.monotonic()

    def ask(self, *commands: Sequence[Word]) -> list[Any]:
        """The answers to some commands, sent together.

        Raises:
            NotAReadError: One is not on the list; nothing was sent.
            SourceError: No answer, or one is an error of the server: the first of them.
        """
        found = self.answers(*commands)
        for words, answer in zip(commands, found, strict=True):
            if isinstance(answer, ResponseError):
                raise self._server.named(words, answer)
        return found

    def answers(self, *commands: Sequence[Word]) -> list[Any]:
        """The same, with an error of the server to one command in its place as a ``ResponseError``.

        Raises:
            NotAReadError: One is not on the list; nothing was sent.
            SourceError: No answer.
        """
        for words in commands:
            checked(words)
        fresh = self._connection is None
        reused = False
        if self._connection is None:
            self._connection = self._server.taken()
            reused = self._connection is not None
        try:
            return self._exchanged(commands)
        except SourceError:
            if not (fresh and reused and self.left > 0):
                raise
        # The server was restarted since this connection was used: what reads may be asked again.
        self._server.forget()
        self._connection, self._usable = None, True
        return self._exchanged(commands)

    def end(self) -> None:
        """Give the connection back, or close it where something is left unread on it."""
        self._timer.cancel()
        # Its thread may be in the middle of cutting, and what it would cut then is the next look.
        self._timer.join()
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._usable and not self._overran:
            self._server.returned(connection)
        else:
            connection.disconnect()

    def _exchanged(self, commands: Sequence[Sequence[Word]]) -> list[Any]:
        server = self._server
        connection = self._connection
        fresh = connection is None
        if connection is None:
            connection = self._connection = server.made(max(self.left, 0.001))
        self._usable = False
        try:
            if fresh:
                connection.connect()
                self._greet(connection)
            connection._parser.begin()
            connection.send_packed_command(connection.pack_commands(commands), False)
            # The socket's own timeout counts from the last byte; what is over the time is cut by the timer.
            seconds = max(self.left, 0.001)
            found = [self._read(connection, seconds) for _ in commands]
        except DRIVER_ERRORS as error:
            connection.disconnect()
            if self._overran:
                what = f"did not answer {WITHIN}"
                raise TimedOut(server.name, server.address, what, hint="Look at its load, and at its log.") from None
            raise mapped(error, server.name, server.address) from None
        self._usable = True
        return found

    def _greet(self, connection: Wire) -> None:
        # Without the right to it the connection stays without a name.
        connection.send_packed_command(connection.pack_commands([("CLIENT", "SETNAME", CLIENT_NAME)]), False)
        self._read(connection, max(self.left, 0.001))

    def _read(self, connection: Wire, seconds: float) -> Any:
        try:
            return connection.read_response(True, timeout=seconds)
        except ResponseError as error:
            return error

    def _cut(self) -> None:
        self._overran = True
        sock = self._connection._sock if self._connection is not None else None
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
