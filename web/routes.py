"""The console's own routes: is it alive, is it ready, what does it measure."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from settings import Settings
from telemetry import logs, metrics
from web.hardening import is_loopback
from web.policy import METRICS

log = logs.get_logger(__name__)

Check = Callable[[], None]
"""Returns when something is as it should be and raises when it is not; runs in a thread, so it may block."""

CHECK_SECONDS = 2.0
"""Longest time for one check of readiness; probes of orchestrators give up after a few seconds."""

_NO_STORE = {"cache-control": "no-store"}
_FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")


def routes(settings: Settings, checks: Mapping[str, Check]) -> list[Route]:
    """``/healthz``, ``/readyz`` and ``/metrics``.

    Args:
        settings: The console's settings.
        checks: What has to hold for the console to be ready, by a name that ``/readyz`` shows.
    """
    probes = {name: _Probe(name, check) for name, check in checks.items()}
    token = settings.server.metrics_token

    async def healthz(_request: Request) -> Response:
        """Alive: the event loop answers. Nothing else, or a slow source would have the process killed."""
        return PlainTextResponse("ok\n", headers=_NO_STORE)

    async def readyz(_request: Request) -> Response:
        """Ready: all checks hold. Names and states only; addresses and causes are for the log."""
        held = dict(zip(probes, await asyncio.gather(*(probe.holds() for probe in probes.values())), strict=True))
        ready = all(held.values())
        return JSONResponse(
            {
                "status": "ready" if ready else "not ready",
                "checks": {name: "ok" if good else "failed" for name, good in held.items()},
            },
            status_code=200 if ready else 503,
            headers=_NO_STORE,
        )

    async def metrics_text(request: Request) -> Response:
        if not _may_read_metrics(request, token):
            metrics.refused("metrics")
            challenge = {"www-authenticate": "Bearer"} if token is not None else {}
            return PlainTextResponse("Forbidden\n", status_code=401 if token else 403, headers=_NO_STORE | challenge)
        body, content_type = metrics.render()
        return Response(body, headers={**_NO_STORE, "content-type": content_type})

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route(METRICS, metrics_text)]


def _may_read_metrics(request: Request, token: SecretStr | None) -> bool:
    """With a token: whoever shows it. Without one: a process on this machine that came here directly.

    A browser on this machine can be made to ask under a foreign name (DNS rebinding), and a proxy on
    this machine asks for people elsewhere; both are told by their headers.
    """
    if token is not None:
        given = request.headers.get("authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {token.get_secret_value()}".encode())
    return (
        request.client is not None
        and is_loopback(request.client.host)
        and is_loopback(urlsplit(f"//{request.headers.get('host', '')}").hostname)
        and not any(name in request.headers for name in _FORWARDED)
    )


class _Probe:
    """One check of readiness; requests that come while it runs share its result."""

    def __init__(self, name: str, check: Check) -> None:
        self._name = name
        self._check = check
        self._running: asyncio.Task[None] | None = None

    async def holds(self) -> bool:
        """Whether the check held, within its time. A check that hangs is not started a second time."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(asyncio.to_thread(self._check))
        task = self._running
        await asyncio.wait({task}, timeout=CHECK_SECONDS)
        if not task.done():
            log.warning("not ready", check=self._name, cause=f"no answer within {CHECK_SECONDS:g} s")
            return False
        error = task.exception()
        if error is not None:
            log.warning("not ready", check=self._name, cause=f"{type(error).__name__}: {error}")
        return error is None
