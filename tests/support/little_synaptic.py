"""A small real HTTP server that answers ``/health`` and ``/ready`` as Synaptic does, in the state that a test sets."""

import asyncio
import contextlib
import json

from tests.support.looping import LoopThread


class LittleSynaptic:
    """One replica.

    Attributes:
        port: Where it listens.
        version: What ``/health`` reports; nothing where it is empty.
        status: Status word of ``/health``; other than ``healthy`` comes with 500.
        not_ready: Reason of a 503 at ``/ready``; ready where it is empty.
    """

    def __init__(self, servers: LoopThread) -> None:
        self._servers = servers
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}
        self.version = "1.4.2"
        self.status = "healthy"
        self.not_ready = ""
        self._listener = servers.run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._listener.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._servers.run(self._close())

    async def _close(self) -> None:
        self._listener.close()
        await self._listener.wait_closed()
        for writer in self._open:
            writer.transport.abort()
        await asyncio.gather(*filter(None, self._open.values()), return_exceptions=True)

    def _answer(self, path: str) -> tuple[int, dict[str, str]]:
        if path == "/health":
            version = {"version": self.version} if self.version else {}
            body = {"status": self.status, "timestamp": "2026-11-23T12:00:00Z", **version}
            return (200 if self.status == "healthy" else 500), body
        if path == "/ready":
            return (503, {"status": "not ready", "reason": self.not_ready}) if self.not_ready else (200, _READY)
        return 404, {"error": "not found"}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[writer] = asyncio.current_task()
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    status, answer = self._answer(head.split(b" ")[1].decode())
                    body = json.dumps(answer).encode()
                    writer.write(
                        f"HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\n"
                        f"Content-Length: {len(body)}\r\n\r\n".encode()
                        + body
                    )
                    await writer.drain()
        finally:
            del self._open[writer]
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


_READY = {"status": "ready"}
