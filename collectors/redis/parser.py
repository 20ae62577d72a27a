"""redis-py's reader of answers with a bound: what a server sends is counted, and too much ends the connection.

redis-py believes each length that it is told and reads on for as long as something comes, so that one answer could take
all memory of the console within its deadline.
"""

from __future__ import annotations

from typing import Any

from redis._parsers import _RESP2Parser
from redis._parsers.socket import SocketBuffer
from redis.exceptions import ConnectionError, InvalidResponse, RedisError, ResponseError
from redis.utils import SENTINEL

MOST_OCTETS = 32 * 1024 * 1024
"""Most bytes of all answers to what was sent together; the list of 80,000 clients has as many."""

MOST_PARTS = 200_000
"""Most parts of them, at whatever depth: an empty list takes 4 bytes of the answer and 20 times that of memory."""


MOST_OF_A_LINE = 64 * 1024
"""Most bytes of a line: a number, a length, a state or an error. Texts that a server keeps come with their length."""


class TooMuch(RedisError):
    """The answer is larger than is read; the text tells how much would have been, as "more than 32 MiB"."""


class _Counted(SocketBuffer):
    """The buffer between socket and parser, which counts what the socket gave."""

    taken = 0

    def _read_from_socket(
        self, length: int | None = None, timeout: float | object = SENTINEL, raise_on_timeout: bool | None = True
    ) -> bool:
        before = self.unread_bytes()
        found: bool = super()._read_from_socket(length, timeout, raise_on_timeout)
        self.taken += self.unread_bytes() - before
        self.refuse_more_than_allowed(0)
        return found

    def readline(self, timeout: float | object = SENTINEL) -> bytes:
        # As in redis-py, where the time that a line without an end takes grows with the square of its length.
        line = self._buffer.readline()
        while not line.endswith(b"\r\n"):
            if len(line) > MOST_OF_A_LINE:
                raise TooMuch(f"a line of more than {MOST_OF_A_LINE // 1024} KiB")
            self._read_from_socket(timeout=timeout)
            line += self._buffer.readline()
        return line[:-2]

    def refuse_more_than_allowed(self, announced: int) -> None:
        """Raise where what was taken and what is announced is too much."""
        if self.taken + announced > MOST_OCTETS:
            raise TooMuch(f"more than {MOST_OCTETS // 1024 // 1024} MiB")


class BoundedParser(_RESP2Parser):
    """Reads the older protocol (RESP2), which the console speaks; texts are bytes."""

    _buffer: _Counted | None
    _parts = 0

    def begin(self) -> None:
        """Count anew: something is about to be sent."""
        self._parts = 0
        if self._buffer is not None:
            self._buffer.taken = 0

    def on_connect(self, connection: Any) -> None:
        """Take over the socket of a new connection."""
        self._sock = connection._sock
        self._buffer = _Counted(connection._sock, self.socket_read_size, connection.socket_timeout)
        self.encoder = connection.encoder

    def _read_response(self, disable_decoding: bool = False, timeout: float | object = SENTINEL) -> Any:
        buffer = self._buffer
        if buffer is None:
            raise ConnectionResetError("closed by the console")
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise TooMuch(f"more than {MOST_PARTS:,} parts")
        line = buffer.readline(timeout)
        kind, told = line[:1], line[1:]
        if kind == b"+":
            return told
        if kind == b":":
            return int(told)
        if kind == b"-":
            return self._error(told)
        if kind not in (b"$", b"*"):
            raise InvalidResponse(f"Protocol Error: {line[:100]!r}")
        length = int(told)
        if length == -1:
            return None
        if length < 0:
            raise ValueError(f"a length of {length}")
        if kind == b"$":
            buffer.refuse_more_than_allowed(length - buffer.unread_bytes())
            return buffer.read(length, timeout)
        if self._parts + length > MOST_PARTS:
            raise TooMuch(f"more than {MOST_PARTS:,} parts")
        return [self._read_response(disable_decoding, timeout) for _ in range(length)]

    def _error(self, told: bytes) -> ResponseError:
        """An error of the server, in the place of an answer; raised where it ends the connection."""
        parse: Any = self.parse_error
        error = parse(told.decode("utf-8", "replace"))
        if isinstance(error, ConnectionError):
            raise error
        found: ResponseError = error
        return found
