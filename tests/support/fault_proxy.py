"""A server on loopback that stands in front of a real one and injures what passes, as a test orders.

Without a fault it relays bytes. With one it reads the request and answers by itself, or does not. A
switch ends all connections, so that none that was made before escapes it. Behind TLS it shows a
certificate of the authority that the test trusts, and with the fault ``wrong_tls`` one of another.
"""

import asyncio
import contextlib
import gzip
import json
import socket
import ssl
import struct
from dataclasses import dataclass

from tests.support.looping import LoopThread

FAULTS = (
    "refuse",
    "hang",
    "slow_headers",
    "drip",
    "reset",
    "http_500",
    "html",
    "half_json",
    "huge",
    "gzip_bomb",
    "nested_gzip_bomb",
    "wrong_tls",
    "http_401",
    "http_403",
    "http_429",
    "http_503",
    "redirect",
)
"""Everything that can be ordered, beside ``none``."""

SLOW_FAULTS = frozenset({"hang", "slow_headers", "drip"})
"""Those that end by the deadline of the one who asks."""

HUGE = 100 * 1024 * 1024
_BLOCK = b" " * 65536
_DRIP_SECONDS = 0.02
_LOGIN_PAGE = b"<!doctype html><html><title>Sign in</title><form action=/login></form></html>"
_STATUS_FAULTS = {
    "http_401": (401, "WWW-Authenticate: Basic\r\n", b"unauthorized"),
    "http_403": (403, "", b"forbidden"),
    "http_429": (429, "Retry-After: 7\r\n", b"slow down"),
    "http_500": (500, "", b"internal error"),
    "http_503": (503, "Content-Type: text/html\r\n", b"<html>no healthy upstream</html>"),
}


@dataclass(frozen=True)
class Certificates:
    """Two server contexts: one that the test's authority signed, one of a stranger."""

    trusted: ssl.SSLContext
    stranger: ssl.SSLContext


class FaultProxy:
    """A switchable fault in front of ``upstream_port`` on loopback.

    Attributes:
        port: Where it listens; it stays the same, also while it refuses.
        fault: What is ordered now.
        asked: Requests that met a fault since the last switch.
        open_connections: Connections of clients that are open now.
    """

    def __init__(self, servers: LoopThread, upstream_port: int, certificates: Certificates | None = None) -> None:
        self._servers = servers
        self._upstream_port = upstream_port
        self._certificates = certificates
        self._listener: asyncio.Server | None = None
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}
        self.fault = "none"
        self.asked = 0
        # Bound and not listening: keeps the port ours while connections to it are refused.
        self._holder = _reusable_socket()
        self._holder.bind(("127.0.0.1", 0))
        self.port: int = self._holder.getsockname()[1]
        servers.run(self._listen())

    @property
    def open_connections(self) -> int:
        return len(self._open)

    @property
    def url(self) -> str:
        return f"{'https' if self._certificates else 'http'}://127.0.0.1:{self.port}"

    def switch(self, fault: str) -> None:
        """Order a fault, or ``none``; connections that are open end."""
        if fault != "none" and fault not in FAULTS:
            raise ValueError(f"no such fault: {fault}")
        self._servers.run(self._switch(fault))

    def close(self) -> None:
        self._servers.run(self._unlisten())
        self._holder.close()

    async def _switch(self, fault: str) -> None:
        await self._unlisten()
        self.fault = fault
        self.asked = 0
        if fault != "refuse":
            await self._listen()

    async def _listen(self) -> None:
        sock = _reusable_socket()
        sock.bind(("127.0.0.1", self.port))
        context = None
        if self._certificates is not None:
            context = self._certificates.stranger if self.fault == "wrong_tls" else self._certificates.trusted
        self._listener = await asyncio.start_server(self._serve, sock=sock, ssl=context)

    async def _unlisten(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
            await listener.wait_closed()
        for writer in self._open:
            writer.transport.abort()
        await asyncio.gather(*filter(None, self._open.values()), return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[writer] = asyncio.current_task()
        try:
            if self.fault == "none":
                await self._relay(reader, writer)
            else:
                while await self._read_request(reader):
                    self.asked += 1
                    await self._answer(self.fault, reader, writer)
        except (OSError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            del self._open[writer]
            await _end(writer)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        try:
            ways = [
                asyncio.ensure_future(_pump(reader, upstream_writer)),
                asyncio.ensure_future(_pump(upstream_reader, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            await _end(upstream_writer)

    async def _read_request(self, reader: asyncio.StreamReader) -> bool:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return False
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                await reader.readexactly(int(line.partition(b":")[2]))
        return True

    async def _answer(self, fault: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        match fault:
            case "hang":
                await reader.read(1)  # until the client gives up
            case "slow_headers":
                writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                await _drip(writer)
            case "drip":
                writer.write(_head(200, HUGE, "Content-Type: application/json\r\n"))
                await _drip(writer)
            case "reset":
                writer.write(_head(200, 1000, "Content-Type: application/json\r\n") + b'{"status":')
                await writer.drain()
                sock = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            case "html":
                await _whole(writer, 200, _LOGIN_PAGE, "Content-Type: text/html\r\n")
            case "half_json":
                await _whole(writer, 200, b'{"status":"success","data":{"resul', "Content-Type: application/json\r\n")
            case "huge":
                await _huge(writer)
            case "gzip_bomb":
                await _whole(writer, 200, _gzip_bomb(), "Content-Type: application/json\r\nContent-Encoding: gzip\r\n")
            case "nested_gzip_bomb":
                nested = gzip.compress(_gzip_bomb())
                await _whole(writer, 200, nested, "Content-Type: application/json\r\nContent-Encoding: gzip, gzip\r\n")
            case "redirect":
                await _whole(writer, 302, b"", f"Location: {self.url}/elsewhere\r\n")
            case _:
                status, headers, body = _STATUS_FAULTS[fault]
                await _whole(writer, status, body, headers)


def _reusable_socket() -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return sock


def _head(status: int, length: int, headers: str) -> bytes:
    return f"HTTP/1.1 {status} Status\r\n{headers}Content-Length: {length}\r\n\r\n".encode()


async def _whole(writer: asyncio.StreamWriter, status: int, body: bytes, headers: str) -> None:
    writer.write(_head(status, len(body), headers) + body)
    await writer.drain()


async def _drip(writer: asyncio.StreamWriter) -> None:
    while not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(_DRIP_SECONDS)


async def _huge(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(HUGE // len(_BLOCK)):
        writer.write(b"%x\r\n%s\r\n" % (len(_BLOCK), _BLOCK))
        await writer.drain()
    writer.write(b"0\r\n\r\n")
    await writer.drain()


_bomb: list[bytes] = []


def _gzip_bomb() -> bytes:
    if not _bomb:
        _bomb.append(gzip.compress(json.dumps("a" * HUGE).encode(), compresslevel=1))
    return _bomb[0]


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


async def _end(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(OSError, ssl.SSLError):
        await writer.wait_closed()
