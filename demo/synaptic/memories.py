"""Memories: store, read (through the cache), update, delete, export."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from demo.rhythm import MEMORY_TYPES
from demo.synaptic.audit import Event
from demo.synaptic.auth import client_address, read_json, user_of
from demo.synaptic.cache import memory_key
from demo.synaptic.service import Operation, Refused, Service, handle
from demo.synaptic.spans import Span

EXPORT_LIMIT = 2_000
# Exports of one user within an hour after which they count as a violation.
EXPORTS_AN_HOUR = 5

READ = """
    UPDATE memories SET last_accessed = now()
    WHERE id = %(id)s AND memory_type = %(type)s AND deleted_at IS NULL
    RETURNING id::text, content, memory_type, importance, user_id, created_at, last_accessed
"""
STORE = """
    INSERT INTO memories (id, content, memory_type, importance, user_id)
    VALUES (%(id)s, %(content)s, %(type)s, %(importance)s, %(user)s)
    RETURNING id::text, content, memory_type, importance, user_id, created_at, last_accessed
"""
# What is added to a memory is a fragment of it until the next consolidation.
UPDATE = """
    WITH changed AS (
        UPDATE memories SET last_accessed = now(), importance = least(1.0, importance + 0.02)
        WHERE id = %(id)s AND memory_type = %(type)s AND deleted_at IS NULL
        RETURNING id
    )
    INSERT INTO memory_fragments (memory_id, position, content)
    SELECT id, (SELECT count(*) FROM memory_fragments WHERE memory_id = %(id)s), %(content)s FROM changed
    RETURNING memory_id::text AS id, position
"""
DELETE = """
    UPDATE memories SET deleted_at = now()
    WHERE id = %(id)s AND memory_type = %(type)s AND deleted_at IS NULL
    RETURNING id::text
"""
EXPORT = """
    SELECT row_to_json(m)::text AS line FROM (
        SELECT id, content, memory_type, importance, created_at FROM memories
        WHERE user_id = %(user)s AND deleted_at IS NULL LIMIT %(limit)s
    ) m
"""


def _memory_type(request: Request) -> str:
    memory_type = str(request.path_params["memory_type"])
    if memory_type not in MEMORY_TYPES:
        raise Refused(404, f"there is no memory type {memory_type}")
    return memory_type


def _operation(service: Service, request: Request, name: str) -> Operation:
    memory_type = str(request.path_params["memory_type"])
    # Not a label: anybody may write anything into a path.
    if memory_type not in MEMORY_TYPES:
        return Operation(f"{name}_memory", "memory", "memory")

    def measured(seconds: float, failed: bool) -> None:
        status = "error" if failed else "success"
        service.metrics.count("synaptic_memory_operations_total", name, memory_type, status)
        service.metrics.observe("synaptic_memory_operation_duration_seconds", seconds, name, memory_type)

    return Operation(f"{name}_memory", "memory", "memory", measured)


def hold(service: Service, memory: dict[str, Any]) -> None:
    """Put a memory into the working set; when that is full, collect garbage first."""
    if service.working_set.full:
        service.collect_garbage()
    service.working_set.add(memory)


async def read(service: Service, request: Request) -> Response:
    """``GET /memories/{memory_type}/{id}``: from the cache, else from the database and then into the cache."""

    async def body(span: Span) -> Response:
        memory_type, memory_id = _memory_type(request), str(request.path_params["id"])
        span.tags["memory.operation"] = "read"
        await user_of(service, request, span, "read")
        memory = await service.cache.memory(memory_type, memory_id)
        span.tags["cache.hit"] = memory is not None
        if memory is None:
            rows = await service.storage.rows("read", READ, {"id": memory_id, "type": memory_type})
            if not rows:
                raise Refused(404, "there is no such memory")
            memory = rows[0]
            await service.cache.put_memory(memory)
        hold(service, memory)
        return _json(memory)

    return await handle(service, request, _operation(service, request, "read"), body)


async def store(service: Service, request: Request) -> Response:
    """``POST /memories/{memory_type}`` ``{"content", "importance"}``."""

    async def body(span: Span) -> Response:
        memory_type = _memory_type(request)
        span.tags["memory.operation"] = "store"
        user_id = await user_of(service, request, span, "write")
        given = await read_json(request)
        content = str(given.get("content", ""))
        importance = given.get("importance", 0.5)
        if not content or not isinstance(importance, int | float) or not 0 <= importance <= 1:
            raise Refused(422, "content must not be empty, importance must be between 0 and 1")
        rows = await service.storage.rows(
            "write",
            STORE,
            {"id": uuid.uuid4(), "content": content, "type": memory_type, "importance": importance, "user": user_id},
        )
        size = float(len(content.encode(errors="replace")))
        service.metrics.observe("synaptic_memory_size_bytes", size, memory_type, "text")
        await service.cache.put_memory(rows[0])
        return _json(rows[0], 201)

    return await handle(service, request, _operation(service, request, "store"), body)


async def update(service: Service, request: Request) -> Response:
    """``PATCH /memories/{memory_type}/{id}`` ``{"content"}``: adds to a memory."""

    async def body(span: Span) -> Response:
        memory_type, memory_id = _memory_type(request), str(request.path_params["id"])
        span.tags["memory.operation"] = "update"
        await user_of(service, request, span, "write")
        content = str((await read_json(request)).get("content", ""))
        if not content:
            raise Refused(422, "content must not be empty")
        rows = await service.storage.rows("write", UPDATE, {"id": memory_id, "type": memory_type, "content": content})
        if not rows:
            raise Refused(404, "there is no such memory")
        await service.cache.drop_memories(memory_key(memory_type, memory_id))
        return _json(rows[0])

    return await handle(service, request, _operation(service, request, "update"), body)


async def delete(service: Service, request: Request) -> Response:
    """``DELETE /memories/{memory_type}/{id}``: marks a memory as deleted."""

    async def body(span: Span) -> Response:
        memory_type, memory_id = _memory_type(request), str(request.path_params["id"])
        span.tags["memory.operation"] = "delete"
        await user_of(service, request, span, "write")
        rows = await service.storage.rows("write", DELETE, {"id": memory_id, "type": memory_type})
        if not rows:
            raise Refused(404, "there is no such memory")
        await service.cache.drop_memories(memory_key(memory_type, memory_id))
        return _json(rows[0])

    return await handle(service, request, _operation(service, request, "delete"), body)


async def export(service: Service, request: Request) -> Response:
    """``GET /export``: the user's own memories, one JSON object a line."""

    async def body(span: Span) -> Response:
        user_id = await user_of(service, request, span, "export")
        rows = await service.storage.rows("read", EXPORT, {"user": user_id, "limit": EXPORT_LIMIT})
        unusual = await service.cache.count_up(f"exports:{user_id}", 3600) > EXPORTS_AN_HOUR
        if unusual:
            service.metrics.count("synaptic_security_violations_total", "bulk_export", "high", "api")
        details = {"memories": len(rows)}
        service.audit.note(
            Event(
                "MemoryOperation",
                "bulk_export",
                user_id,
                "memories",
                True,
                client_address(request),
                "High" if unusual else "Low",
                details,
            )
        )

        async def lines() -> AsyncIterator[str]:
            for row in rows:
                yield row["line"] + "\n"

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    return await handle(service, request, Operation("bulk_export", "storage", "export"), body)


def _json(content: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(content, default=str), status, media_type="application/json")
