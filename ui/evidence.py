"""Where the evidence lies for what a page says: page, part, filter and window of a finding, a figure, an alert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from collectors.log_query import Term, write
from ui import context

BEFORE = timedelta(minutes=10)
"""How much of the time before a trouble its window shows: what changed comes first."""

AFTER = timedelta(minutes=20)
"""How much of the time after an event its window shows."""


@dataclass(frozen=True)
class Place:
    """A page and what it is told in its address beside environment and window.

    Attributes:
        page: The page's name.
        label: What a link to it says.
        params: Parameters of the page's own.
    """

    page: str
    label: str
    params: Mapping[str, str] = field(default_factory=dict)


def _latency(kind: str) -> Place:
    return Place("latency", "Latency", {"of": kind})


def _logs(query: str, label: str = "Its lines") -> Place:
    return Place("logs", label, {"q": query})


def _database(part: str, label: str) -> Place:
    return Place("database", label, {"part": part})


PLACES: Mapping[str, Place] = {
    "search_latency": _latency("search"),
    "query_error_share": _latency("search"),
    "vector_search_latency": _latency("vector"),
    "memory_operations": _latency("memory"),
    "memory_operation_duration": _latency("memory"),
    "error_share_by_operation": _latency("memory"),
    "storage_latency": _latency("storage"),
    "error_share": _logs("level:error"),
    "error_rate": _logs("level:error"),
    "active_sessions": _logs("operation:(login_success OR login_failure OR logout)"),
    "failed_logins": _logs("operation:login_failure"),
    "logins": _logs("operation:(login_success OR login_failure)"),
    "denied_checks": _logs("operation:permission_denied"),
    "security_violations": _logs("component:security level:(warn OR error)"),
    "memory_use": _logs("level:(warn OR error)", "Warnings and errors"),
    "replicas_up": _logs("level:(warn OR error)", "Warnings and errors"),
    "replicas": _logs("level:(warn OR error)", "Warnings and errors"),
    "logs": Place("logs", "Logs"),
    "pool_use": _database("now", "Sessions"),
    "pool_connections": _database("now", "Sessions"),
    "pool_waiting": _database("now", "Sessions"),
    "database": _database("now", "Who waits for whom"),
    "database-load": _database("load", "Database load"),
    "database-queries": _database("queries", "Statements"),
    "database-tables": _database("tables", "What it runs out of"),
    "database-upkeep": _database("upkeep", "What keeps its WAL"),
    "cache": Place("cache", "Cache"),
    "cache_hit_share": Place("cache", "Cache"),
    "sources": Place("sources", "Sources"),
}
"""Subject of a finding, or key of a signal → where its evidence lies."""


LINES = _logs("level:(warn OR error)", "Warnings and errors")
"""Where to look for what has no place of its own."""


def lines_of(pod: str) -> Place:
    """The lines of one replica; of all of them without a name."""
    return Place("logs", "Its lines", {"q": write(Term("pod", pod))} if pod else {})


def place(subject: str) -> Place | None:
    """Where the evidence of a finding's subject or of a signal lies; ``None`` where this page has all that is known."""
    return PLACES.get(subject)


def params(
    found: Place, since: datetime | None = None, until: datetime | None = None
) -> dict[str, str | Sequence[str]]:
    """The address of a place, with the window of a trouble, or with the page's own where it is not known when it began.

    Args:
        found: The place.
        since: When the trouble began.
        until: When it ended; ``None`` while it lasts.
    """
    visit = context.current()
    if since is None:
        return {**visit.params(), **found.params}
    now = datetime.now(UTC)
    end = min(until + AFTER, now) if until is not None else now
    return {**visit.params(visit.window.between(since - BEFORE, end)), **found.params}


def around(moment: datetime) -> dict[str, str]:
    """The address of a page with the window around an event."""
    visit = context.current()
    window = visit.window.between(moment - BEFORE, min(moment + AFTER, datetime.now(UTC)))
    return visit.params(window)
