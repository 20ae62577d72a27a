"""The route of exports: who asks is identified here, what they get is made elsewhere and sent while it is made.

Streamlit's own downloads can be fetched by whoever knows their address; so what leaves the console as a file has a
route that asks ``access`` first. Its address is a plain GET, which any page on the web could make a browser ask for:
a request that comes from another site is refused, and only a few exports run at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

import access
from settings import Settings
from telemetry import logs, metrics
from telemetry.masks import mask_known
from web.asked import by_own_page
from web.policy import EXPORT_LOGS

log = logs.get_logger(__name__)

AT_ONCE = 2
"""Exports that run at a time; each asks the store for page after page."""

CHUNK_SECONDS = 30.0
"""Longest time until the reader of an export has taken a part of it."""

TOTAL_SECONDS = 900.0
"""Longest time for a whole export."""

_NO_STORE = {"cache-control": "no-store"}


@dataclass(frozen=True)
class Download:
    """A file to be sent.

    Attributes:
        name: Its name, plain ASCII.
        media_type: What it is.
        chunks: Its content, made in a thread while it is sent; closed at the end, however that comes.
        headers: What else to tell about it.
    """

    name: str
    media_type: str
    chunks: Iterator[bytes]
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """A file that cannot be made; ``str()`` says why, and ``status`` is that of the answer."""

    def __init__(self, status: int, sentence: str) -> None:
        self.status = status
        super().__init__(sentence)


Prepare = Callable[[access.Viewer, Mapping[str, Sequence[str]]], Download]
"""Makes the file that somebody asks for; runs in a thread and may raise :class:`Refusal`."""


def route(settings: Settings, prepare: Prepare) -> Route:
    """``GET /export/logs``, for viewers who may look; ``HEAD`` tells what the file would be."""
    slots = _Slots()

    async def export(request: Request) -> Response:
        if not by_own_page(request, settings):
            metrics.refused("export")
            return _refused(403, "An export has to be asked for from the console itself.")
        try:
            viewer = access.identify(settings)
        except PermissionError:
            return _refused(403, "You may not export.")
        if not access.may(viewer, access.Right.LOOK):
            return _refused(403, "You may not export.")
        if not slots.take():
            return _refused(429, "Other exports are running; try again when they are done.", {"retry-after": "10"})
        try:
            params = {name: request.query_params.getlist(name) for name in request.query_params}
            made = await asyncio.to_thread(prepare, viewer, params)
        except Refusal as refusal:
            slots.give_back()
            return _refused(refusal.status, str(refusal))
        except BaseException:
            slots.give_back()
            raise
        log.info("export", viewer=viewer.name, file=made.name, headers=dict(made.headers))
        headers = {**_NO_STORE, **made.headers, "content-disposition": f'attachment; filename="{made.name}"'}
        return _Sending(made, headers, slots.give_back, body=request.method != "HEAD")

    return Route(EXPORT_LOGS, export, methods=["GET"])


class _Slots:
    """How many exports may still begin; used on the event loop only."""

    def __init__(self) -> None:
        self._free = AT_ONCE

    def take(self) -> bool:
        if not self._free:
            return False
        self._free -= 1
        return True

    def give_back(self) -> None:
        self._free += 1


class _Sending(StreamingResponse):
    """Sends a file while it is made, and closes what makes it however the sending ends."""

    def __init__(self, made: Download, headers: Mapping[str, str], ended: Callable[[], None], *, body: bool) -> None:
        self._chunks = made.chunks
        self._ended = ended
        self._body = body
        self._step: asyncio.Task[bytes | None] | None = None
        super().__init__(self._sent(), headers=dict(headers), media_type=made.media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:

        async def taken(message: Message) -> None:
            # Two readers that take nothing would otherwise keep everybody from exporting.
            async with asyncio.timeout(CHUNK_SECONDS):
                await send(message)

        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                await super().__call__(scope, receive, taken)
        except TimeoutError:
            metrics.refused("export reader")
            log.warning("export ended, because its reader took too long")
        finally:
            # In a task of its own: this one may have been cancelled, and could not wait for anything any more.
            task = asyncio.get_running_loop().create_task(self._finish())
            _finishing.add(task)
            task.add_done_callback(_finishing.discard)

    async def _sent(self) -> AsyncIterator[bytes]:
        while self._body:
            self._step = asyncio.create_task(asyncio.to_thread(next, self._chunks, None))
            chunk = await asyncio.shield(self._step)
            if chunk is None:
                return
            # A chunk is made of whole lines, so no secret is in two of them.
            yield mask_known(chunk.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    async def _finish(self) -> None:
        try:
            if self._step is not None and not self._step.done():
                await asyncio.wait({self._step})
            close = getattr(self._chunks, "close", None)
            if close is not None:
                await asyncio.to_thread(close)
        finally:
            self._ended()


_finishing: set[asyncio.Task[None]] = set()


def _refused(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    return PlainTextResponse(f"{sentence}\n", status_code=status, headers={**_NO_STORE, **(headers or {})})
