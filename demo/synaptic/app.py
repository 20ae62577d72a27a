"""The service's two web applications: what users and administrators reach, and ``/metrics`` on its own port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial

import psycopg
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.synaptic import admin, auth, gdpr, memories, search
from demo.synaptic.logs import log
from demo.synaptic.service import Service
from demo.synaptic.upkeep import Upkeep

# At the start, for the gauges that need the database; a replica without one serves /health all the same.
FIRST_REFRESH_SECONDS = 3.0

Handler = Callable[[Request], Awaitable[Response]]


def public_app(service: Service, upkeep: Upkeep) -> Starlette:
    """Health, readiness, the application and the administrators' endpoints."""

    async def health(request: Request) -> Response:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return JSONResponse({"status": "healthy", "timestamp": now, "version": service.settings.version})

    async def ready(request: Request) -> Response:
        reason = await service.storage.ready(service.settings.ready_timeout)
        if reason is not None:
            return JSONResponse({"status": "not ready", "reason": reason}, 503)
        return JSONResponse({"status": "ready"})

    def of_service(handler: Callable[[Service, Request], Awaitable[Response]]) -> Handler:
        return partial(handler, service)

    def of_upkeep(handler: Callable[[Service, Upkeep, Request], Awaitable[Response]]) -> Handler:
        return partial(handler, service, upkeep)

    def route(method: str, path: str, handler: Handler) -> Route:
        return Route(path, handler, methods=[method])

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await service.storage.pool.open(wait=False)
        with suppress(psycopg.Error, TimeoutError):
            async with asyncio.timeout(FIRST_REFRESH_SECONDS):
                await upkeep.refresh_slow()
        background = asyncio.create_task(upkeep.run())
        start = {"component": "server", "operation": "start", "resource": service.settings.version}
        log("INFO", "synaptic::server", f"starting synaptic version={service.settings.version}", **start)
        yield
        background.cancel()
        with suppress(asyncio.CancelledError):
            await background
        log("INFO", "synaptic::server", "stopping synaptic", component="server", operation="stop")
        with suppress(psycopg.Error):
            await service.audit.flush()
        await service.storage.pool.close(timeout=2.0)
        await service.cache.close()
        service.tracer.write()

    return Starlette(
        routes=[
            route("GET", "/health", health),
            route("GET", "/ready", ready),
            route("POST", "/auth/login", of_service(auth.login)),
            route("POST", "/auth/logout", of_service(auth.logout)),
            route("POST", "/memories/{memory_type}", of_service(memories.store)),
            route("GET", "/memories/{memory_type}/{id}", of_service(memories.read)),
            route("PATCH", "/memories/{memory_type}/{id}", of_service(memories.update)),
            route("DELETE", "/memories/{memory_type}/{id}", of_service(memories.delete)),
            route("GET", "/search", of_service(search.search)),
            route("GET", "/similar", of_service(search.similar)),
            route("GET", "/export", of_service(memories.export)),
            route("POST", "/admin/update-metrics", of_upkeep(admin.update_metrics)),
            route("POST", "/admin/consolidate-memories", of_upkeep(admin.consolidate)),
            route("POST", "/admin/gc", of_service(admin.collect_garbage)),
            route("POST", "/admin/backup", of_service(admin.backup)),
            route("GET", "/admin/security-audit", of_service(admin.security_audit)),
            route("GET", "/admin/performance-report", of_service(admin.performance_report)),
            route("GET", "/admin/memory-stats", of_upkeep(admin.memory_stats)),
            route("GET", "/admin/db-stats", of_service(admin.db_stats)),
            route("POST", "/admin/gdpr/{kind}", of_service(gdpr.gdpr)),
        ],
        lifespan=lifespan,
    )


def metrics_app(service: Service, upkeep: Upkeep) -> Starlette:
    """``GET /metrics``."""

    async def metrics(request: Request) -> Response:
        upkeep.refresh_fast()
        return Response(service.metrics.exposition(), headers={"content-type": CONTENT_TYPE_LATEST})

    return Starlette(routes=[Route("/metrics", metrics, methods=["GET"])])
