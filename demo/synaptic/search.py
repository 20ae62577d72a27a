"""Searches: full text and ranked by the gin index, recent by the date, fuzzy by no index, similar in memory."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, LiteralString

from starlette.requests import Request
from starlette.responses import Response

from demo.rhythm import MEMORY_TYPES
from demo.synaptic.auth import user_of
from demo.synaptic.metrics import QUERY_TYPES, result_size
from demo.synaptic.service import Operation, Refused, Service, handle
from demo.synaptic.spans import Span

# The version whose searches are wrong; a game day deploys it.
REGRESSED_VERSION = "1.9.0"

STATEMENTS: dict[str, LiteralString] = {
    # The words come in the syntax of to_tsquery and a mistake in them is an error: Synaptic passes them on.
    "full_text": """
        SELECT id::text, memory_type, user_id, left(content, 200) AS content, importance FROM memories
        WHERE to_tsvector('english', content) @@ to_tsquery('english', %(words)s) AND deleted_at IS NULL
        LIMIT %(limit)s
    """,
    "ranked": """
        SELECT id::text, memory_type, user_id, left(content, 200) AS content, importance,
               ts_rank(to_tsvector('english', content), to_tsquery('english', %(words)s)) AS rank
        FROM (
            SELECT * FROM memories
            WHERE to_tsvector('english', content) @@ to_tsquery('english', %(words)s) AND deleted_at IS NULL
            LIMIT 200
        ) candidates
        ORDER BY rank DESC LIMIT %(limit)s
    """,
    "recent": """
        SELECT id::text, memory_type, user_id, left(content, 200) AS content, importance FROM memories
        WHERE memory_type = %(memory_type)s AND deleted_at IS NULL
        ORDER BY created_at DESC LIMIT %(limit)s
    """,
    # Words in this order with anything between them: every text of the last year has to be read.
    "fuzzy": """
        SELECT id::text, memory_type, user_id, left(content, 200) AS content, importance FROM memories
        WHERE content ILIKE '%%' || replace(%(words)s, ' & ', '%%') || '%%' AND deleted_at IS NULL
          AND created_at > now() - interval '1 year'
        ORDER BY importance DESC LIMIT %(limit)s
    """,
}

# The regression: lower() on the text hides it from the index, so that 18 months are read row by row ...
REGRESSED_SEARCH: LiteralString = """
    SELECT id::text FROM memories
    WHERE lower(content) LIKE '%%' || replace(lower(%(words)s), ' & ', '%%') || '%%' AND deleted_at IS NULL
      AND created_at > now() - interval '18 months'
    ORDER BY importance DESC LIMIT %(limit)s
"""
# ... each result is then fetched by a statement of its own ...
REGRESSED_FETCH: LiteralString = """
    SELECT id::text, memory_type, user_id, left(content, 200) AS content, importance FROM memories WHERE id = %(id)s
"""
# ... and large ranked pages ask for a column that no migration has added.
REGRESSED_RANKED: LiteralString = "SELECT id::text, rank_score FROM memories ORDER BY rank_score DESC LIMIT %(limit)s"


async def search(service: Service, request: Request) -> Response:
    """``GET /search?type=&q=&limit=&memory_type=``."""
    query_type = request.query_params.get("type", "full_text")
    known = QUERY_TYPES.get(query_type)
    limit = request.query_params.get("limit", "10")
    # Only page sizes that are offered: each is a class of its own in the metrics.
    page = next((size for size in (known.pages if known else ()) if str(size) == limit), None)
    operation = Operation(f"search_{query_type}"[:40], "query", "query")
    if known is not None and page is not None:

        def measured(seconds: float, failed: bool) -> None:
            status = "error" if failed else "success"
            service.metrics.count("synaptic_query_operations_total", query_type, status, known.optimization_level)
            size = result_size(page)
            service.metrics.observe("synaptic_query_duration_seconds", seconds, query_type, known.complexity, size)

        operation = Operation(f"search_{query_type}", "query", "query", measured)

    async def body(span: Span) -> Response:
        if known is None or page is None:
            raise Refused(422, "type must be one of the known ones, limit one of its page sizes")
        span.tags["query.type"] = query_type
        span.tags["query.complexity"] = known.complexity
        await user_of(service, request, span, "read")
        memory_type = request.query_params.get("memory_type", MEMORY_TYPES[0])
        parameters = {"words": request.query_params.get("q", ""), "limit": page, "memory_type": memory_type}
        if service.settings.version == REGRESSED_VERSION and query_type in ("full_text", "ranked"):
            results = await _regressed(service, query_type, page, parameters)
        else:
            results = await service.storage.rows("search", STATEMENTS[query_type], parameters)
        span.tags["query.results"] = len(results)
        body = json.dumps({"results": results, "count": len(results)}, default=str)
        return Response(body, media_type="application/json")

    return await handle(service, request, operation, body)


async def _regressed(service: Service, query_type: str, page: int, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    if query_type == "ranked" and page > 10:
        return await service.storage.rows("search", REGRESSED_RANKED, parameters)
    found = await service.storage.rows("search", REGRESSED_SEARCH, parameters)
    results: list[dict[str, Any]] = []
    for row in found:
        results += await service.storage.rows("search", REGRESSED_FETCH, row)
    return results


async def similar(service: Service, request: Request) -> Response:
    """``GET /similar?q=``: the ten most similar memories of the working set."""

    async def body(span: Span) -> Response:
        span.tags["query.type"] = "similar"
        await user_of(service, request, span, "read")
        begun = time.perf_counter()
        text = request.query_params.get("q", "")
        results = await asyncio.to_thread(service.working_set.similar, text, 10)
        seconds = time.perf_counter() - begun
        service.metrics.observe("synaptic_vector_search_duration_seconds", seconds, "cosine", "flat", "10")
        body = json.dumps({"results": results, "count": len(results)}, default=str)
        return Response(body, media_type="application/json")

    return await handle(service, request, Operation("search_similar", "query", "query"), body)
