"""What the sessions of a PostgreSQL do at one moment, grouped; and the texts of what they run.

A sample is one statement that the server groups, so that it costs the same whether ten sessions work or a thousand.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from collectors.errors import BadAnswer, Denied
from collectors.postgres.client import Postgres
from collectors.postgres.server import APPLICATION
from collectors.postgres.types import text_of

CLIENT_LENGTH = 100
"""Characters that are kept of the name of a client."""

UNIDENTIFIED_LENGTH = 2000
"""Characters that are read of a statement that has no identifier, with each sample."""

TEXT_LENGTH = 8000
"""Characters that are read of a statement."""

CPU = "CPU"
"""What a session is said to wait for that waits for nothing: it runs, or would run if it got a processor."""


class Active(msgspec.Struct, frozen=True):
    """Sessions that do the same.

    Attributes:
        wait: Class and event that they wait for, such as ``Lock:transactionid``; ``CPU`` where they wait for nothing.
        query_id: Identifier of their statement; 0 where there is none (``compute_query_id`` off, background work).
        user: Their role; empty for background work.
        client: Their ``application_name``, or the kind of a background process.
        text: Their statement where it has no identifier, with people's values in it; else empty.
        sessions: How many there are; each parallel worker is one.
    """

    wait: str
    query_id: int
    user: str
    client: str
    text: str
    sessions: int


class _Text(msgspec.Struct, frozen=True):
    query_id: int
    text: str


def sample(postgres: Postgres) -> list[Active]:
    """What the active sessions do now; the console's own are left out.

    Raises:
        SourceError: The server did not answer, or does not let the console see this.
    """
    rows = postgres.ask("activity", {"own": APPLICATION, "octets": UNIDENTIFIED_LENGTH})
    records = [
        {
            **row,
            "client": row["client"][:CLIENT_LENGTH],
            "text": text_of(row["text"], row["encoding"], UNIDENTIFIED_LENGTH),
        }
        for row in rows.records()
    ]
    return postgres.source.convert_records(records, Active)


def running_texts(postgres: Postgres, ids: Collection[int]) -> dict[int, str]:
    """The texts of statements that run now, with people's values in them; those that have ended are left out.

    Raises:
        SourceError: The server did not answer.
    """
    if not ids:
        return {}
    rows = postgres.ask("activity_texts", {"ids": sorted(ids), "octets": TEXT_LENGTH})
    return {number: text for number, octets, encoding in rows.rows if (text := text_of(octets, encoding, TEXT_LENGTH))}


def normalised_texts(postgres: Postgres, ids: Collection[int]) -> dict[int, str]:
    """The texts that pg_stat_statements has; nothing where the server lacks it.

    Raises:
        SourceError: The server did not answer.
    """
    try:
        if not ids:
            return {}
        rows = postgres.ask("activity_statements", {"ids": sorted(ids), "characters": TEXT_LENGTH})
    except (BadAnswer, Denied):
        return {}
    return {one.query_id: one.text for one in postgres.source.convert(rows, _Text) if one.text}
