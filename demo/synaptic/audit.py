"""Security events: a log line at once, and a row of ``audit_logs`` soon after."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal

import psycopg

from demo.synaptic.logs import SECURITY_TARGET, Level, log
from demo.synaptic.storage import Storage

EventType = Literal["Authentication", "AccessControl", "MemoryOperation", "Encryption", "Computation", "System"]
Risk = Literal["Low", "Medium", "High", "Critical"]

_LEVELS: dict[Risk, Level] = {"Low": "INFO", "Medium": "WARN", "High": "WARN", "Critical": "ERROR"}
# Rows that wait for the database; beyond it the oldest are lost, but stay in the log.
BACKLOG = 5_000


@dataclass(frozen=True)
class Event:
    """Something that matters to security or compliance.

    Attributes:
        event_type: Its class.
        operation: What was tried: ``login_failure``, ``permission_denied``, ``bulk_export``.
        user_id: Who.
        resource: On what.
        success: Whether it was done.
        ip_address: From where.
        risk_level: How much it matters.
        details: More, for the row only.
    """

    event_type: EventType
    operation: str
    user_id: str | None = None
    resource: str | None = None
    success: bool = True
    ip_address: str | None = None
    risk_level: Risk = "Low"
    details: dict[str, Any] = field(default_factory=dict)


class AuditTrail:
    """Takes events and writes them.

    Args:
        storage: Where the rows go.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._waiting: deque[Event] = deque(maxlen=BACKLOG)

    def note(self, event: Event) -> None:
        """Log an event and put it down to be written by :meth:`flush`."""
        log(
            _LEVELS[event.risk_level],
            SECURITY_TARGET,
            event.operation.replace("_", " "),
            component="security",
            operation=event.operation,
            event_type=event.event_type,
            user_id=event.user_id,
            resource=event.resource,
            success=event.success,
            ip_address=event.ip_address,
            risk_level=event.risk_level,
            severity=event.risk_level.lower(),
        )
        self._waiting.append(event)

    async def flush(self) -> None:
        """Write what waits; what cannot be written now waits on."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(200, len(self._waiting)))]
            try:
                async with self._storage.connection("write") as connection, connection.cursor() as cursor:
                    await cursor.executemany(
                        "INSERT INTO audit_logs"
                        " (event_type, operation, user_id, resource, success, ip_address, risk_level, details)"
                        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                        [
                            (
                                event.event_type,
                                event.operation,
                                event.user_id,
                                event.resource,
                                event.success,
                                event.ip_address,
                                event.risk_level,
                                json.dumps(event.details),
                            )
                            for event in batch
                        ],
                    )
            except psycopg.Error:
                self._waiting.extendleft(reversed(batch))
                return
