"""The route that a search field asks while somebody types: what may come next.

It is no part of a page's run, because a run takes as long as its slowest panel, and who types does not wait for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import access
from settings import Settings
from telemetry import metrics
from telemetry.masks import mask_known
from web.asked import by_own_page
from web.policy import COMPLETE_LOGS

AT_ONCE = 4
"""Questions that are answered at a time; others get nothing, and the next key asks again."""

_NO_STORE = {"cache-control": "no-store"}

Complete = Callable[[access.Viewer, Mapping[str, str]], Sequence[Mapping[str, Any]]]
"""What may come next for a viewer and the parameters of the request; runs in a thread and never raises."""


def route(settings: Settings, complete: Complete) -> Route:
    """``GET /complete/logs``, for viewers who may look, and asked by the console's own pages only."""
    free = asyncio.Semaphore(AT_ONCE)

    async def answer(request: Request) -> Response:
        if not by_own_page(request, settings):
            metrics.refused("complete")
            return JSONResponse([], status_code=403, headers=_NO_STORE)
        try:
            viewer = access.identify(settings)
        except PermissionError:
            return JSONResponse([], status_code=403, headers=_NO_STORE)
        if not access.may(viewer, access.Right.LOOK):
            return JSONResponse([], status_code=403, headers=_NO_STORE)
        if free.locked():
            return JSONResponse([], headers=_NO_STORE)
        async with free:
            found = await asyncio.to_thread(complete, viewer, dict(request.query_params))
        offered = [{key: mask_known(one) if isinstance(one, str) else one for key, one in row.items()} for row in found]
        return JSONResponse(offered, headers=_NO_STORE)

    return Route(COMPLETE_LOGS, answer, methods=["GET"])
