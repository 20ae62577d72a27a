"""A port of the demo's own, on loopback: faults that live inside the process, and the order to end.

Nothing here fakes a figure: memory is allocated and touched, connections are taken from the pool, lines
are written because something fails again and again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress

import psycopg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from demo.plan import HOST
from demo.synaptic.logs import log
from demo.synaptic.metrics import resident_bytes
from demo.synaptic.service import Service
from demo.synaptic.working_set import give_back

LEAK_CHUNK_BYTES = 4 * 1024 * 1024
LEAK_PAUSE = 0.2
# Just under the container's limit of 1 GiB, at which Kubernetes would end the process.
LEAK_UNTIL_BYTES = 1_000_000_000
# The machine itself must not run out.
LEAVE_FREE_BYTES = 512 * 1024 * 1024
# Reserved by TCP for a multiplexer that nobody runs: connections are refused at once.
DEAD_PORT = 1
FLOOD_PAUSE = 0.01


async def leak_memory(service: Service) -> None:
    """Keep a copy of what passes by: 20 MB a second, every page written to, until just under the limit."""
    kept: list[bytearray] = []
    try:
        while True:
            if resident_bytes() < LEAK_UNTIL_BYTES and _available_bytes() > LEAVE_FREE_BYTES:
                kept.append(bytearray(b"\x5a") * LEAK_CHUNK_BYTES)
            await asyncio.sleep(LEAK_PAUSE)
    finally:
        kept.clear()
        give_back()


def _available_bytes() -> int:
    with open("/proc/meminfo") as file:
        line = next(line for line in file if line.startswith("MemAvailable:"))
    return int(line.split()[1]) * 1024


async def hold_connections(service: Service) -> None:
    """Begin transactions and forget them, until the pool has no connection left; take back what is returned."""
    async with AsyncExitStack() as held:
        while True:
            try:
                connection = await held.enter_async_context(service.storage.pool.connection(5.0))
                await connection.execute("BEGIN")
                await connection.execute("SELECT count(*) FROM memory_fragments")
            except psycopg.Error:
                await asyncio.sleep(0.2)


async def flood_log(service: Service) -> None:
    """Try to reach a replication peer that is gone, without a pause worth the name, and report every failure."""
    attempt = 0
    while True:
        attempt += 1
        try:
            _, writer = await asyncio.open_connection(HOST, DEAD_PORT)
            writer.close()
        except OSError as error:
            service.metrics.failed("cache", "unavailable", "medium")
            log(
                "ERROR",
                "synaptic::replication",
                "replication peer unreachable, trying again",
                component="replication",
                operation="connect",
                error=str(error),
                request_id=f"replication-{attempt}",
            )
        await asyncio.sleep(FLOOD_PAUSE)


FAULTS: dict[str, Callable[[Service], Awaitable[None]]] = {
    "memory-leak": leak_memory,
    "pool-exhausted": hold_connections,
    "log-flood": flood_log,
}


class Control:
    """Switches faults of one replica.

    Args:
        service: The replica.
        end: Called when the replica is to end.
    """

    def __init__(self, service: Service, end: Callable[[], None]) -> None:
        self._service = service
        self._end = end
        self._running: dict[str, asyncio.Task[None]] = {}

    def app(self) -> Starlette:
        """``POST /fault/{name}/{on|off}``, ``GET /faults``, ``POST /exit``."""
        return Starlette(
            routes=[
                Route("/fault/{name}/{switch}", self._switch, methods=["POST"]),
                Route("/faults", self._list, methods=["GET"]),
                Route("/exit", self._exit, methods=["POST"]),
            ]
        )

    async def close(self) -> None:
        """Switch everything off."""
        for name in list(self._running):
            await self._off(name)

    async def _switch(self, request: Request) -> JSONResponse:
        name, switch = request.path_params["name"], request.path_params["switch"]
        if name not in FAULTS or switch not in ("on", "off"):
            return JSONResponse({"error": f"known faults: {', '.join(FAULTS)}; on or off"}, 404)
        if switch == "off":
            await self._off(name)
        elif name not in self._running or self._running[name].done():
            self._running[name] = asyncio.create_task(_run(FAULTS[name], self._service))
        return JSONResponse({"on": self._names()})

    async def _list(self, request: Request) -> JSONResponse:
        return JSONResponse({"on": self._names(), "known": list(FAULTS)})

    async def _exit(self, request: Request) -> JSONResponse:
        self._end()
        return JSONResponse({"status": "ending"})

    def _names(self) -> list[str]:
        return [name for name, task in self._running.items() if not task.done()]

    async def _off(self, name: str) -> None:
        task = self._running.pop(name, None)
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _run(fault: Callable[[Service], Awaitable[None]], service: Service) -> None:
    await fault(service)
