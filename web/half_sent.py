"""Requests that begin and do not go on are ended.

uvicorn waits for the rest of a request's head without end. A program that sends half of one on each of many
connections would hold them all.
"""

from __future__ import annotations

import asyncio
from typing import Any

HEAD_SECONDS = 15.0
"""Longest time from the first byte of a request (or from connecting) until its head is complete."""


def bounded(protocol: type[Any]) -> type[Any]:
    """Uvicorn's protocol for HTTP, of either of its kinds, that closes a connection over a head that is not completed.

    Args:
        protocol: ``config.http_protocol_class``.
    """
    if getattr(protocol, "ends_half_sent", False):
        return protocol

    class Bounded(protocol):  # type: ignore[misc]
        ends_half_sent = True
        _late: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self._wait()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.cycle is not None and not self.cycle.response_complete:
                self._wait_no_more()
            elif self._late is None:
                self._wait()

        def connection_lost(self, error: Exception | None) -> None:
            self._wait_no_more()
            super().connection_lost(error)

        def handle_websocket_upgrade(self, *arguments: Any) -> None:
            self._wait_no_more()
            super().handle_websocket_upgrade(*arguments)

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._wait_no_more()

        def _wait(self) -> None:
            self._late = self.loop.call_later(HEAD_SECONDS, self._end)

        def _wait_no_more(self) -> None:
            if self._late is not None:
                self._late.cancel()
                self._late = None

        def _end(self) -> None:
            self._late = None
            # One that became a WebSocket is no longer among them.
            if self in self.connections:
                self.transport.close()

    return Bounded
