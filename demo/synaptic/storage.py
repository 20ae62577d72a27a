"""The bounded pool of database connections; every statement of the service goes through here and is measured."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, LiteralString

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from demo.synaptic.config import Settings
from demo.synaptic.metrics import ServiceMetrics
from demo.synaptic.spans import Span, Tracer, current_span

Connection = psycopg.AsyncConnection[DictRow]
Kind = Literal["read", "write", "search"]
Parameters = Sequence[object] | Mapping[str, object]

# Longest time of one statement of a request; upkeep lifts it for itself.
STATEMENT_TIMEOUT_MS = 15_000

_PLAIN = re.compile(r"[a-z][a-z_]{0,39}")


def tagged(statement: LiteralString, origin: Span | None) -> bytes:
    """A statement with a comment that says which part of the service sent it, in the form of sqlcommenter.

    Only what has few values: PostgreSQL counts statements without their comments, and keeps that of the first one.
    """
    names = {"component": origin.tags.get("component"), "operation": origin.name} if origin is not None else {}
    tags = [f"{key}='{name}'" for key, name in names.items() if isinstance(name, str) and _PLAIN.fullmatch(name)]
    return (f"{statement.rstrip()} /*{','.join(tags)}*/" if tags else statement).encode()


class Storage:
    """PostgreSQL, as the service uses it.

    Args:
        settings: Address and bounds of the pool.
        metrics: Where statements are counted.
        tracer: Where they become spans.
    """

    def __init__(self, settings: Settings, metrics: ServiceMetrics, tracer: Tracer) -> None:
        self._metrics = metrics
        self._tracer = tracer
        self._max = settings.pool_max
        self._min = settings.pool_min
        self._acquire_timeout = settings.acquire_timeout
        self.pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            settings.dsn,
            min_size=settings.pool_min,
            max_size=settings.pool_max,
            timeout=settings.acquire_timeout,
            max_idle=600.0,
            max_lifetime=1800.0,
            open=False,
            kwargs={
                "autocommit": True,
                "row_factory": dict_row,
                "application_name": f"synaptic/{settings.replica.pod}",
                "connect_timeout": 5,
                "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS}",
            },
            name=settings.replica.pod,
        )

    @asynccontextmanager
    async def connection(self, kind: Kind) -> AsyncIterator[Connection]:
        """A connection of the pool; the wait for it counts.

        Raises:
            PoolTimeout: None became free in time.
            psycopg.Error: What the body raised.
        """
        begun = time.perf_counter()
        status = "error"
        try:
            with self._tracer.span(
                f"postgresql {kind}", operation__type="storage", component="storage", storage__backend="postgresql"
            ):
                async with self.pool.connection() as connection:
                    yield connection
            status = "success"
        except PoolTimeout:
            self._metrics.failed("storage", "pool_timeout", "critical")
            raise
        except psycopg.Error:
            self._metrics.failed("storage", "database", "high")
            raise
        finally:
            self._metrics.count("synaptic_storage_operations_total", kind, "postgresql", status)
            self._metrics.observe(
                "synaptic_storage_operation_duration_seconds", time.perf_counter() - begun, kind, "postgresql"
            )

    async def rows(self, kind: Kind, statement: LiteralString, parameters: Parameters = ()) -> list[dict[str, Any]]:
        """Run one statement and return its rows.

        Raises:
            PoolTimeout: No connection became free in time.
            psycopg.Error: The statement failed.
        """
        origin = current_span()
        async with self.connection(kind) as connection:
            cursor = await connection.execute(tagged(statement, origin), parameters)
            return await cursor.fetchall() if cursor.description is not None else []

    async def ready(self, within: float) -> str | None:
        """Whether a statement could run within so many seconds.

        Returns:
            ``None``, or the reason why not.
        """
        try:
            async with self.pool.connection(within) as connection:
                await connection.execute("SELECT 1")
        except PoolTimeout:
            full = self.stats()["in_use"] >= self._max
            return "no free database connection" if full else "database unavailable"
        except psycopg.Error:
            return "database unavailable"
        return None

    def stats(self) -> dict[str, int]:
        """The pool now: ``size``, ``idle``, ``in_use``, ``waiters``, ``max``, ``min``, and what it counted so far."""
        counted = self.pool.get_stats()
        size, idle = counted.get("pool_size", 0), counted.get("pool_available", 0)
        return {
            "size": size,
            "idle": idle,
            "in_use": max(0, size - idle),
            "waiters": counted.get("requests_waiting", 0),
            "max": self._max,
            "min": self._min,
            "acquire_timeout_seconds": int(self._acquire_timeout),
            "requests": counted.get("requests_num", 0),
            "requests_that_waited": counted.get("requests_queued", 0),
            "requests_refused": counted.get("requests_errors", 0),
            "connections_lost": counted.get("connections_lost", 0),
        }
