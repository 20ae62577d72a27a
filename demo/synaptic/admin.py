"""The administrators' endpoints, each with a true effect or a true report."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import LiteralString

import psycopg
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from demo.synaptic.audit import Event
from demo.synaptic.auth import check_admin, read_json
from demo.synaptic.metrics import resident_bytes
from demo.synaptic.service import Operation, Refused, Service, handle
from demo.synaptic.spans import Span
from demo.synaptic.upkeep import AlreadyRunning, Upkeep

BACKUP_ROWS = 1_000
BACKUP: LiteralString = "SELECT row_to_json(m)::text FROM (SELECT * FROM memories ORDER BY created_at, id) m"
TOP_FAILURES: LiteralString = """
    SELECT user_id, count(*) AS failures, max(host(ip_address)) AS ip_address, max(created_at) AS last FROM audit_logs
    WHERE operation = 'login_failure' AND created_at > now() - interval '24 hours'
    GROUP BY user_id HAVING count(*) >= %(threshold)s ORDER BY failures DESC LIMIT 20
"""
EVENT_COUNTS: LiteralString = """
    SELECT operation, risk_level, count(*) AS number FROM audit_logs
    WHERE created_at > now() - interval '24 hours' GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 50
"""

AdminBody = Callable[[Span], Awaitable[Response]]


async def _as_admin(service: Service, request: Request, name: str, kind: str, body: AdminBody) -> Response:
    async def checked(span: Span) -> Response:
        check_admin(service, request)
        return await body(span)

    return await handle(service, request, Operation(name, kind, "admin"), checked)


async def update_metrics(service: Service, upkeep: Upkeep, request: Request) -> Response:
    """``POST /admin/update-metrics``: computes all gauges now."""

    async def body(span: Span) -> Response:
        upkeep.refresh_fast()
        await upkeep.refresh_sessions()
        await upkeep.refresh_slow()
        return JSONResponse({"status": "updated", "timestamp": _now()})

    return await _as_admin(service, request, "update_metrics", "analytics", body)


async def consolidate(service: Service, upkeep: Upkeep, request: Request) -> Response:
    """``POST /admin/consolidate-memories``: answers when done; goes on when the client does not wait so long."""

    async def body(span: Span) -> Response:
        try:
            done = await asyncio.shield(asyncio.ensure_future(upkeep.consolidate("administrator")))
        except AlreadyRunning as running:
            raise Refused(409, "a consolidation is running already") from running
        return JSONResponse({"status": "consolidated", **done})

    return await _as_admin(service, request, "consolidate_memories", "memory", body)


async def collect_garbage(service: Service, request: Request) -> Response:
    """``POST /admin/gc``: drops the working set and gives its memory back."""

    async def body(span: Span) -> Response:
        before, entries = resident_bytes(), len(service.working_set)
        freed = service.collect_garbage()
        after = resident_bytes()
        return JSONResponse(
            {
                "status": "collected",
                "freed_bytes": freed,
                "entries": entries,
                "rss_before_bytes": before,
                "rss_after_bytes": after,
            }
        )

    return await _as_admin(service, request, "gc", "memory", body)


async def backup(service: Service, request: Request) -> Response:
    """``POST /admin/backup`` ``{"path"}``: all memories of one snapshot as a JSON object, streamed.

    ``path`` is where the caller means to put it; it is noted in the audit trail.
    """

    async def body(span: Span) -> Response:
        path = str((await read_json(request)).get("path", ""))
        connection = await psycopg.AsyncConnection.connect(
            service.settings.dsn,
            connect_timeout=5,
            application_name=f"synaptic/{service.settings.replica.pod}/backup",
        )
        return StreamingResponse(_dump(service, connection, path), media_type="application/json")

    return await _as_admin(service, request, "backup", "storage", body)


async def _dump(service: Service, connection: psycopg.AsyncConnection, path: str) -> AsyncIterator[bytes]:
    begun, number = time.time(), 0
    async with connection:
        await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        await connection.set_read_only(True)
        head = json.dumps({"version": service.settings.version, "created_at": _now()})
        yield head[:-1].encode() + b', "memories": ['
        async with connection.cursor("backup") as cursor:
            await cursor.execute(BACKUP)
            while rows := await cursor.fetchmany(BACKUP_ROWS):
                yield (",\n" if number else "\n").encode() + ",\n".join(row[0] for row in rows).encode()
                number += len(rows)
        yield f'\n], "count": {number}}}\n'.encode()
    # Only now: a reader that went away ends the generator before, and there is no backup.
    service.metrics.set("synaptic_backup_last_success_timestamp_seconds", time.time())
    details = {"path": path, "memories": number, "seconds": round(time.time() - begun, 3)}
    service.audit.note(Event("System", "backup_completed", "administrator", "memories", details=details))


async def security_audit(service: Service, request: Request) -> Response:
    """``GET /admin/security-audit``: findings from the last 24 hours of the audit trail."""

    async def body(span: Span) -> Response:
        await service.audit.flush()
        failures = await service.storage.rows("read", TOP_FAILURES, {"threshold": 10})
        counts = await service.storage.rows("read", EVENT_COUNTS)
        findings = [
            {
                "pattern": "Multiple failed login attempts",
                "severity": "high",
                "user_id": row["user_id"],
                "ip_address": row["ip_address"],
                "count": row["failures"],
                "last": row["last"].isoformat(),
            }
            for row in failures
        ]
        findings += [
            {"pattern": pattern, "severity": row["risk_level"].lower(), "count": row["number"]}
            for row in counts
            for operation, risks, pattern in (
                ("permission_denied", ("Medium", "High"), "Privilege escalation attempts"),
                ("bulk_export", ("High", "Critical"), "Data exfiltration indicators"),
                ("account_locked", ("High",), "Unusual access patterns"),
            )
            if row["operation"] == operation and row["risk_level"] in risks
        ]
        settings = service.settings
        return JSONResponse(
            {
                "generated_at": _now(),
                "window_hours": 24,
                "findings": findings,
                "events": counts,
                "configuration": {
                    "require_authentication": True,
                    "session_timeout": settings.session_timeout,
                    "max_failed_attempts": settings.max_failed_attempts,
                },
            }
        )

    return await _as_admin(service, request, "security_audit", "security", body)


async def performance_report(service: Service, request: Request) -> Response:
    """``GET /admin/performance-report``: times of the last 1,000 requests of each operation, and the pool."""

    async def body(span: Span) -> Response:
        operations = {}
        for name, durations in sorted(service.durations.items()):
            ordered = sorted(durations)
            if not ordered:
                continue
            operations[name] = {
                "count": len(ordered),
                "p50_ms": round(1000 * ordered[len(ordered) // 2], 3),
                "p95_ms": round(1000 * ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 3),
                "max_ms": round(1000 * ordered[-1], 3),
            }
        return JSONResponse(
            {
                "generated_at": _now(),
                "uptime_seconds": round(time.time() - service.started, 1),
                "version": service.settings.version,
                "operations": operations,
                "database_pool": service.storage.stats(),
            }
        )

    return await _as_admin(service, request, "performance_report", "analytics", body)


async def memory_stats(service: Service, upkeep: Upkeep, request: Request) -> Response:
    """``GET /admin/memory-stats``: memory of the process, and entries by memory type."""

    async def body(span: Span) -> Response:
        rows = await service.storage.rows(
            "read", "SELECT memory_type, count(*) AS number FROM memories WHERE deleted_at IS NULL GROUP BY 1"
        )
        return JSONResponse(
            {
                "heap_bytes": _anonymous_bytes(),
                "rss_bytes": resident_bytes(),
                "max_memory_usage": service.settings.max_memory_usage,
                "entries": {row["memory_type"]: row["number"] for row in rows},
                "working_set": {"entries": len(service.working_set), "bytes": service.working_set.bytes_held()},
                "consolidation": {"running_since": upkeep.running_since, **upkeep.progress},
            }
        )

    return await _as_admin(service, request, "memory_stats", "analytics", body)


async def db_stats(service: Service, request: Request) -> Response:
    """``GET /admin/db-stats``: the pool as it is now; needs no connection itself."""

    async def body(span: Span) -> Response:
        return JSONResponse(service.storage.stats())

    return await _as_admin(service, request, "db_stats", "analytics", body)


def _anonymous_bytes() -> int:
    """Anonymous resident memory, which is the heap and the stacks (``RssAnon`` of ``/proc/self/status``, in KiB)."""
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("RssAnon:"))
    return int(line.split()[1]) * 1024


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
