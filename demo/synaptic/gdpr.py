"""The four requests of the GDPR, each done at once and put down in the audit trail."""

from __future__ import annotations

import json
from typing import Any, LiteralString

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from demo.synaptic.audit import Event
from demo.synaptic.auth import check_admin, client_address, read_json
from demo.synaptic.cache import memory_key
from demo.synaptic.service import Operation, Refused, Service, handle
from demo.synaptic.spans import Span

OWN_MEMORIES: LiteralString = """
    SELECT id::text, content, memory_type, importance, created_at, last_accessed, deleted_at FROM memories
    WHERE user_id = %(user)s ORDER BY created_at
"""
# Erasure is real: what was only marked as deleted goes as well.
ERASE: LiteralString = """
    WITH gone AS (
        DELETE FROM memories WHERE user_id = %(user)s RETURNING id, memory_type
    ), pieces AS (
        DELETE FROM memory_fragments USING gone WHERE memory_fragments.memory_id = gone.id
    )
    SELECT id::text, memory_type FROM gone
"""
CORRECT: LiteralString = """
    UPDATE memories SET content = %(content)s WHERE id = %(id)s AND user_id = %(user)s RETURNING id::text, memory_type
"""


async def gdpr(service: Service, request: Request) -> Response:
    """``POST /admin/gdpr/{access|deletion|portability|rectification}`` ``{"user_id", "corrections"}``.

    ``corrections`` maps ids of the user's memories to their right content.
    """
    kind = str(request.path_params["kind"])

    async def body(span: Span) -> Response:
        check_admin(service, request)
        given = await read_json(request)
        user_id = given.get("user_id")
        if not isinstance(user_id, str) or not user_id:
            raise Refused(422, "user_id is missing")
        if kind == "access":
            answer = await _access(service, user_id)
        elif kind == "portability":
            answer = {**await _access(service, user_id), "format": "application/json", "schema": "synaptic-memories/1"}
        elif kind == "deletion":
            answer = await _deletion(service, user_id)
        elif kind == "rectification":
            answer = await _rectification(service, user_id, given.get("corrections"))
        else:
            raise Refused(404, f"there is no request of kind {kind}")
        service.audit.note(
            Event(
                "MemoryOperation",
                f"gdpr_{kind}",
                user_id,
                "memories",
                True,
                client_address(request),
                "High" if kind == "deletion" else "Medium",
                {"memories": answer["count"]},
            )
        )
        return Response(json.dumps(answer, default=str), media_type="application/json")

    if kind not in ("access", "deletion", "portability", "rectification"):
        return JSONResponse({"error": "not found"}, 404)
    return await handle(service, request, Operation(f"gdpr_{kind}", "security", "compliance"), body)


async def _access(service: Service, user_id: str) -> dict[str, Any]:
    rows = await service.storage.rows("read", OWN_MEMORIES, {"user": user_id})
    return {"user_id": user_id, "count": len(rows), "memories": rows}


async def _deletion(service: Service, user_id: str) -> dict[str, Any]:
    rows = await service.storage.rows("write", ERASE, {"user": user_id})
    await service.cache.drop_memories(*(memory_key(row["memory_type"], row["id"]) for row in rows))
    # Other users' memories are dropped with it; they come back when they are read.
    service.collect_garbage()
    return {"user_id": user_id, "count": len(rows), "status": "erased"}


async def _rectification(service: Service, user_id: str, corrections: object) -> dict[str, Any]:
    if not isinstance(corrections, dict) or not all(isinstance(value, str) for value in corrections.values()):
        raise Refused(422, "corrections must map ids of memories to texts")
    changed = []
    for memory_id, content in corrections.items():
        changed += await service.storage.rows("write", CORRECT, {"id": memory_id, "content": content, "user": user_id})
    await service.cache.drop_memories(*(memory_key(row["memory_type"], row["id"]) for row in changed))
    return {"user_id": user_id, "count": len(changed), "corrected": [row["id"] for row in changed]}
