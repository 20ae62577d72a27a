"""Sources that repeat in every form of failure what they were sent, with the credentials in it."""

import asyncio
import json
import re
import struct
from collections.abc import Awaitable, Callable

from tests.support.looping import LoopThread

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def _told(words: str) -> dict[str, tuple[int, object, str]]:
    """Status, body and further header of an answer, by the first part of the path."""
    nested = {"error": {"type": "x_exception", "reason": words, "root_cause": [{"type": "x", "reason": words}]}}
    everywhere = {"status": "success", "data": words, "hits": words, "version": {"number": words}, "error": words}
    return {
        "text-401": (401, words, ""),
        "text-403": (403, words, ""),
        "json-400": (400, {"status": "error", "errorType": "bad_data", "error": words}, ""),
        "json-422": (422, {"status": "error", "errorType": "execution", "error": words}, ""),
        "nested-404": (404, nested, ""),
        "nested-400": (400, nested, ""),
        "text-500": (500, words, ""),
        # Longer than what is told of an answer: the secret lies across the cut.
        "far-500": (500, "x" * 170 + words, ""),
        "nested-503": (503, nested, "Retry-After: 9\r\n"),
        "text-429": (429, words, ""),
        "redirect": (302, "", f"Location: http://127.0.0.1:1/?{words.replace(' ', '%20')}\r\n"),
        "html-200": (200, f"<html>{words}</html>", ""),
        "text-200": (200, words, ""),
        "json-200": (200, {**everywhere, "warnings": [words]}, ""),
        "error-200": (200, {"status": "error", "errorType": "timeout", "error": words}, ""),
        "list-200": (200, [words], ""),
        "terminal-500": (500, f"\x1b]0;PWNED\x07\x1b[2J\u202e{words}", ""),
        "deep-200": (200, "[" * 200_000 + "]" * 200_000, ""),
    }


FORMS = tuple(_told(""))
"""The forms in which an HTTP source fails; each is the first part of the path."""


async def _http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    given = re.search(r"(?im)^authorization: (.*)\r$", head)
    credentials = given[1] if given else ""
    form = head.split(" ")[1].split("/")[1]
    words = f"bad token {credentials.partition(' ')[2]} in Authorization: {credentials}; sent {credentials}"
    status, body, header = _told(words)[form]
    sent = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    writer.write(
        f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(sent)}\r\n"
        f"X-Elastic-Product: Elasticsearch\r\nConnection: close\r\n{header}\r\n".encode()
        + sent
    )
    await writer.drain()


async def _postgres(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        length = struct.unpack("!I", await reader.readexactly(4))[0]
        code = struct.unpack("!I", (await reader.readexactly(length - 4))[:4])[0]
        if code not in (80877103, 80877104):
            break
        writer.write(b"N")
    writer.write(_message(b"R", struct.pack("!I", 3)))  # the password in clear, please
    await reader.readexactly(1)
    length = struct.unpack("!I", await reader.readexactly(4))[0]
    password = (await reader.readexactly(length - 4)).strip(b"\0")
    words = b'password authentication failed for user "console" with password ' + password
    writer.write(_message(b"E", b"SFATAL\0VFATAL\0C28P01\0M" + words + b"\0\0"))
    await writer.drain()


async def _redis(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        words = b" ".join(re.findall(rb"\$\d+\r\n([^\r\n]*)\r\n", data))
        writer.write(b"-WRONGPASS invalid username-password pair: " + words + b"\r\n")
        await writer.drain()


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


class Echoing:
    """The three servers; ``port`` is that of each by the name of what it pretends to be."""

    def __init__(self, servers: LoopThread) -> None:
        self._servers = servers
        self._running = {
            name: servers.run(asyncio.start_server(_ended(handler), "127.0.0.1", 0))
            for name, handler in (("http", _http), ("postgres", _postgres), ("redis", _redis))
        }
        self.port = {name: server.sockets[0].getsockname()[1] for name, server in self._running.items()}

    def close(self) -> None:
        async def close() -> None:
            for server in self._running.values():
                server.close()

        self._servers.run(close())

    def toml(self, environment: str, form: str) -> str:
        """An environment all of whose sources repeat credentials, each of which holds ``CANARY``."""
        base = f"http://127.0.0.1:{self.port['http']}/{form}"
        told = []
        for name, keys in {
            "synaptic": {"username": "ann", "password": "CANARY-synaptic-1", "admin_token": "CANARY-admin-token-2"},
            "prometheus": {"bearer_token": "CANARY-prometheus-token-3/+="},
            "alertmanager": {"username": "ann", "password": "CANARY-alertmanager-4"},
            "elasticsearch": {"api_key": "CANARY-elasticsearch-key-5=="},
        }.items():
            told.append(f'[environments.{environment}.{name}]\nurl = "{base}/{name}"')
            told += [f'{key} = "{value}"' for key, value in keys.items()]
        for name, word in (("postgres", "CANARY-postgres-6"), ("redis", "CANARY redis \u00fc-7")):
            told.append(
                f'[environments.{environment}.{name}]\nhost = "127.0.0.1"\nport = {self.port[name]}\n'
                f'user = "console"\npassword = "{word}"'
            )
        return "\n".join(told) + "\n"


def _ended(handler: Handler) -> Handler:
    async def handled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    return handled


LEAK = re.compile(r"CANARY|Q0FOQVJZ|NBTkFSW|DQU5BUl")
"""The canaries, as they are and at any offset in base64."""
