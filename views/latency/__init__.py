"""Latency: how fast are the operations, for whom not, and since when?"""

from __future__ import annotations

from analysis.place import Place
from views.latency import source
from views.subject import Page, Subject


def _of(kind: str) -> Place:
    return Place("latency", "Latency", {"of": kind})


SUBJECT = Subject(
    name="latency",
    page=Page("latency", "Latency & SLO", ":material/speed:", 20),
    places={
        "search_latency": _of("search"),
        "query_error_share": _of("search"),
        "vector_search_latency": _of("vector"),
        "memory_operations": _of("memory"),
        "memory_operation_duration": _of("memory"),
        "error_share_by_operation": _of("memory"),
        "storage_latency": _of("storage"),
    },
    reports=source.CHECKS,
)
