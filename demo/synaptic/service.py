"""One replica: its parts, and how a request is measured, traced, logged and ended when something fails."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import psycopg
from psycopg_pool import PoolTimeout
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from demo.synaptic.audit import AuditTrail
from demo.synaptic.cache import Cache
from demo.synaptic.config import Settings
from demo.synaptic.logs import log
from demo.synaptic.metrics import ServiceMetrics
from demo.synaptic.spans import SLOW_SECONDS, Span, Tracer
from demo.synaptic.storage import Storage
from demo.synaptic.working_set import WorkingSet

Body = Callable[[Span], Awaitable[Response]]


class Refused(Exception):
    """A request that is answered with an error which is the client's own fault.

    Args:
        status: HTTP status.
        reason: What is wrong.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass
class Service:
    """What the handlers share.

    Attributes:
        settings: What the replica was told at its start.
        metrics: Its registry.
        tracer: Its traces.
        storage: Its database pool.
        cache: Its cache and sessions.
        audit: Where security events go.
        working_set: Decoded memories in the process.
        started: When it began, seconds since 1970.
        connections: Tells how many client connections are open.
        durations: Seconds of the last requests by operation, for the performance report.
    """

    settings: Settings
    metrics: ServiceMetrics
    tracer: Tracer
    storage: Storage
    cache: Cache
    audit: AuditTrail
    working_set: WorkingSet = field(default_factory=WorkingSet)
    started: float = field(default_factory=time.time)
    connections: Callable[[], int] = lambda: 0
    durations: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(lambda: deque(maxlen=1000)))

    @classmethod
    def build(cls, settings: Settings) -> Service:
        """The parts, connected to each other; nothing is opened yet."""
        metrics = ServiceMetrics(settings.version, doubled=settings.replica.doubled_names)
        tracer = Tracer(settings.replica.pod, settings.version, settings.spans_file, settings.trace_share)
        storage = Storage(settings, metrics, tracer)
        return cls(settings, metrics, tracer, storage, Cache(settings, metrics), AuditTrail(storage))

    def collect_garbage(self) -> int:
        """Drop the working set and count it.

        Returns:
            Bytes that were freed.
        """
        freed = self.working_set.drop()
        self.metrics.count("synaptic_gc_runs_total")
        self.metrics.count("synaptic_gc_freed_bytes_total", by=float(freed))
        return freed


@dataclass(frozen=True)
class Operation:
    """How a kind of request is named.

    Attributes:
        name: In logs, spans and the performance report.
        type: Span tag ``operation.type``: memory, query, storage, analytics or security.
        component: Part of the service.
        measured: Called at the end with seconds, and whether it failed by the service's fault.
    """

    name: str
    type: str
    component: str
    measured: Callable[[float, bool], None] | None = None


async def handle(service: Service, request: Request, operation: Operation, body: Body) -> Response:
    """Run the body of a request within a span; turn what it raises into an answer; measure and log it."""
    with service.tracer.span(
        operation.name,
        request.headers.get("traceparent"),
        operation__type=operation.type,
        component=operation.component,
        http__method=request.method,
    ) as span:
        begun = time.perf_counter()
        response, failure = await _answer(service, operation, body, span)
        seconds = time.perf_counter() - begun
        failed = failure is not None
        if failure is not None:
            span.fail(failure)
        span.tags["http.status_code"] = response.status_code
        service.durations[operation.name].append(seconds)
        if operation.measured is not None:
            operation.measured(seconds, failed)
        _log(service, operation, span, seconds, failure)
    response.headers["x-request-id"] = span.trace_id
    return response


async def _answer(service: Service, operation: Operation, body: Body, span: Span) -> tuple[Response, str | None]:
    """The answer of the body, and what went wrong if the service is to blame."""
    try:
        return await body(span), None
    except Refused as refused:
        return JSONResponse({"error": refused.reason}, refused.status), None
    except PoolTimeout:
        return JSONResponse({"error": "database unavailable"}, 503), "no database connection became free in time"
    except psycopg.Error as error:
        return JSONResponse({"error": "database error"}, 500), f"{type(error).__name__}: {str(error).splitlines()[0]}"
    except RedisError as error:
        service.metrics.failed("cache", "unavailable", "medium")
        return JSONResponse({"error": "sessions unavailable"}, 503), f"{type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001 - the last resort of a server: answer, count, go on
        component = "query" if operation.type == "query" else "memory"
        service.metrics.failed(component, "internal", "high")
        return JSONResponse({"error": "internal error"}, 500), f"{type(error).__name__}: {error}"


def _log(service: Service, operation: Operation, span: Span, seconds: float, failure: str | None) -> None:
    target = f"synaptic::{operation.component}"
    fields = {
        "component": operation.component,
        "operation": operation.name,
        "user_id": span.tags.get("user_id"),
        "session_id": span.tags.get("session_id"),
        "request_id": span.trace_id,
        "duration_ms": round(seconds * 1000, 3),
    }
    if failure is not None:
        log("ERROR", target, f"{operation.name} failed", **fields, error=failure)
    elif seconds >= SLOW_SECONDS:
        log("WARN", target, f"{operation.name} was slow", **fields)
    # By the trace's id, so that all lines of a request are kept or none.
    elif int(span.trace_id[:8], 16) < service.settings.log_share * 2**32:
        log("INFO", target, f"{operation.name} completed", **fields)
