"""The sessions of a PostgreSQL: what each does, for how long, what it waits for and who is in its way."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from collectors.cache import Answer
from collectors.postgres.client import Postgres
from collectors.postgres.server import APPLICATION, Rows
from collectors.postgres.types import text_of

TTL = 1.0
"""Seconds for which a look at the sessions is fresh: the page looks every two seconds."""

CHARACTERS = 8_000
"""Most characters of a statement that are read; the server itself keeps 1,024 unless it is told otherwise."""

OCTETS = CHARACTERS * 4
"""Most octets of them, whatever their encoding."""

CLIENT = "client backend"
"""``kind`` of a session that a program opened."""

IDLE_IN_TRANSACTION = ("idle in transaction", "idle in transaction (aborted)")
"""States of a session that does nothing and keeps its locks."""


class Session(msgspec.Struct, frozen=True):
    """One row of ``pg_stat_activity``.

    Attributes:
        pid: Process of the session on the server.
        leader: For a parallel worker the session that it works for; ``None`` for others.
        database: Which database; empty for processes without one.
        user: Role.
        application: ``application_name``.
        client: Address it comes from; empty for a local socket and for the server's own processes.
        state: ``active``, ``idle``, ``idle in transaction``, …; empty for the server's own processes.
        wait_type: ``wait_event_type``; empty while it works. An idle session has ``Client``, which is no waiting.
        wait_event: ``wait_event``.
        kind: ``backend_type``.
        backend_start: Since when it is connected.
        xact_start: Since when its transaction runs; ``None`` without one.
        query_start: When its present or last statement began.
        state_change: Since when it is in its state.
        query_id: Number of its statement in ``pg_stat_statements``; ``None`` where the server computes none.
        query: Its present statement, or its last one where it is not active; foreign, with people's values.
        horizon: Transactions since the oldest one that it keeps vacuum from cleaning up after; ``None`` for none.
        blocked_by: Sessions that keep it from a lock: holders and earlier waiters. 0 is a prepared transaction.
        as_of: The server's clock.
    """

    pid: int
    leader: int | None
    database: str
    user: str
    application: str
    client: str
    state: str
    wait_type: str
    wait_event: str
    kind: str
    backend_start: datetime | None
    xact_start: datetime | None
    query_start: datetime | None
    state_change: datetime | None
    query_id: int | None
    query: str
    horizon: int | None
    blocked_by: list[int]
    as_of: datetime

    @property
    def name(self) -> str:
        """How it is called: its application, otherwise its role; the server's own processes by what they are."""
        return self.application or self.user or self.kind

    @property
    def waiting(self) -> str:
        """What it waits for, as ``Lock/transactionid``; empty where it works or has nothing to do."""
        if self.state != "active" or not self.wait_type:
            return ""
        return f"{self.wait_type}/{self.wait_event}"

    def since(self, moment: datetime | None) -> float | None:
        """Seconds from a moment of this session to the server's now; ``None`` for no moment."""
        return max((self.as_of - moment).total_seconds(), 0.0) if moment is not None else None


class Sessions(msgspec.Struct, frozen=True):
    """All sessions at one moment.

    Attributes:
        as_of: The server's clock.
        rows: Sessions of programs and the server's own processes; the oldest transaction first.
    """

    as_of: datetime
    rows: tuple[Session, ...]

    @property
    def clients(self) -> list[Session]:
        """Those that programs opened."""
        return [one for one in self.rows if one.kind == CLIENT]

    @property
    def by_pid(self) -> Mapping[int, Session]:
        """Each by its process."""
        return {one.pid: one for one in self.rows}


def load_sessions(database: Postgres) -> Answer[Sessions]:
    """The sessions, asked at most once a second for all viewers; those of the console are left out.

    Raises:
        Denied: The console's role may not see what others do.
        SourceError: No usable answer, and none young enough is kept.
    """

    def decoded(rows: Rows) -> Sessions:
        records = [{**row, "query": text_of(row["query"], row["encoding"], CHARACTERS)} for row in rows.records()]
        found = tuple(database.source.convert_records(records, Session))
        return Sessions(found[0].as_of if found else datetime.now(UTC), found)

    parameters = {"octets": OCTETS, "own": APPLICATION}
    return database.kept("sessions", decoded, parameters, ttl=TTL)
