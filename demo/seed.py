"""Fills Synaptic's tables as years of use would have: ``python -m demo.seed``.

Some 200,000 memories over the yearly partitions, fragments that wait for consolidation, and a month of audit rows that
agree with the history of metrics. Done once; a later call finds the rows and does nothing.
"""

from __future__ import annotations

import itertools
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psycopg
from numpy.typing import NDArray

from demo import rhythm
from demo.history.model import Floats
from demo.history.service import (
    BACKUP_MINUTE,
    BACKUP_RUN_SECONDS,
    BACKUP_SECONDS,
    CONSOLIDATION_MINUTE,
    CONSOLIDATION_RUN_SECONDS,
    CONSOLIDATION_SECONDS,
    DELETED_SHARE,
    MEMORIES,
)
from demo.plan import Plan

log = logging.getLogger("demo.seed")

NULL = "\\N"  # in the text form of COPY
ROWS_AT_ONCE = 500
SCHEMA = Path(__file__).with_name("schema.sql")
FRAGMENTED_MEMORIES = 4_000
AUDIT_DAYS = 30
AUDIT_LOGINS = 20_000

# A text is an opening, what it is about, and how it goes on; the searched words are what it is about.
OPENINGS = (
    "Notes from the {a} {b}", "Remember the {a} before the {b}", "Summary: {a} and {b}", "The {a} depends on the {b}",
    "Question about {a} raised during {b}", "Decision on the {a}, see also {b}", "Draft of the {a} for the {b}",
    "Learned today that {a} and {b} belong together", "Follow-up to the {a}: {b} is still open",
)  # fmt: skip
ENDINGS = (
    "Anna prefers the second variant and will send numbers on Monday.",
    "We agreed to look at it again in two weeks.",
    "The measurements are attached, the outliers are from the old sensor.",
    "Nobody objected; the remaining risk is the schedule.",
    "Important for the quarterly report, keep until it is published.",
    "It worked on the third attempt after the cable was replaced.",
    "Ask Jonas for the original, this is a shortened copy.",
    "Costs went up by a tenth, mostly because of transport.",
    "The path along the river is closed until spring.",
    "Use the blue folder, the red one is out of date.",
    "Translated from a conversation, some words may be wrong.",
    "Two people could not come, their answers follow by mail.",
)
# Words are not equally common: the first one is in every sixth text, the last one in few.
WORD_WEIGHTS = 1.0 / (np.arange(len(rhythm.SEARCH_WORDS)) + 4.0)

MEMORY_COLUMNS = "id, content, memory_type, importance, user_id, created_at, last_accessed, deleted_at"
# Three additions to each of the youngest memories wait for the next consolidation.
FRAGMENTS = """
    INSERT INTO memory_fragments (memory_id, position, content, weight, created_at)
    SELECT id, position, 'Addition ' || position + 1 || ': ' || left(content, 80), 0.2 + 0.2 * position, last_accessed
    FROM (SELECT * FROM memories ORDER BY created_at DESC LIMIT %(memories)s) youngest, generate_series(0, 2) position
"""
INDEXES = """
    SELECT indexrelid::regclass::text FROM pg_index
    WHERE indrelid = ANY (ARRAY['memories', 'memory_fragments', 'audit_logs']::regclass[]) AND NOT indisprimary
"""


def seed(plan: Plan, now: float | None = None, count: int = MEMORIES) -> bool:
    """Creates the tables and fills them.

    Args:
        plan: Whose database; it and the application's role must exist.
        now: The present, seconds since 1970.
        count: How many memories.

    Returns:
        Whether anything was done.

    Raises:
        psycopg.Error: The database does not answer or refuses.
    """
    moment = time.time() if now is None else now
    with psycopg.connect(plan.postgres_dsn, autocommit=True) as connection:
        schema = SCHEMA.read_bytes()
        connection.execute(schema)
        if _filled(connection):
            return False
        with connection.transaction():
            # Filled first and indexed afterwards: several times as fast as row by row.
            for (index,) in connection.execute(INDEXES).fetchall():
                connection.execute(f"DROP INDEX {index}".encode())
            connection.execute("TRUNCATE memories, memory_fragments, audit_logs")
            _copy(connection, f"memories ({MEMORY_COLUMNS})", memories(moment, count))
            connection.execute(FRAGMENTS, {"memories": FRAGMENTED_MEMORIES})
            columns = "event_type, operation, user_id, resource, success, ip_address, risk_level, created_at"
            _copy(connection, f"audit_logs ({columns})", audit_rows(moment))
            connection.execute("SET LOCAL maintenance_work_mem = '256MB'")
            connection.execute(schema)
        # A tenth of the usual sample: ANALYZE makes a text vector of each row that it looks at.
        connection.execute("SET default_statistics_target = 10")
        for table in ("memories", "memory_fragments", "audit_logs"):
            connection.execute(f"VACUUM (ANALYZE) {table}".encode())
    return True


def _filled(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    row = connection.execute("SELECT FROM memories LIMIT 1").fetchone()
    return row is not None


def _copy(connection: psycopg.Connection[tuple[object, ...]], target: str, lines: Iterator[str]) -> None:
    with connection.cursor().copy(f"COPY {target} FROM STDIN".encode()) as copy:
        while batch := "".join(itertools.islice(lines, ROWS_AT_ONCE)):
            copy.write(batch)


def memories(now: float, count: int = MEMORIES) -> Iterator[str]:
    """Lines of ``COPY memories``: the younger the more, back to the first day of the oldest partition."""
    chance = np.random.default_rng(1)
    oldest = datetime(datetime.fromtimestamp(now, UTC).year - 3, 1, 2, tzinfo=UTC).timestamp()
    created = now - 60 - (now - 60 - oldest) * chance.random(count) ** 1.35
    created.sort()
    # Most are last read soon after they were written, some still are.
    accessed = created + (now - created) * chance.random(count) ** 4
    deleted = chance.random(count) < DELETED_SHARE
    types = np.array(rhythm.MEMORY_TYPES)[_choice(chance, list(rhythm.MEMORY_TYPE_SHARES.values()), count)]
    importance = np.round(chance.beta(2, 3, count), 3)
    users = chance.integers(0, rhythm.USERS, count)
    weights = WORD_WEIGHTS / WORD_WEIGHTS.sum()
    about, also = _choice(chance, weights, count), _choice(chance, weights, count)
    opening, ends = chance.integers(0, len(OPENINGS), count), chance.integers(0, len(ENDINGS), (count, 2))
    digits = chance.bytes(16 * count).hex()
    stamps, read = _stamps(created), _stamps(accessed)
    words = rhythm.SEARCH_WORDS
    columns = (types, importance, users, deleted, about, also, opening, *ends.T)
    # Plain lists: reading a numpy array number by number takes several times as long.
    for i, (kind, weight, user, gone, one, two, begins, first, second) in enumerate(
        zip(*(column.tolist() for column in columns), strict=True)
    ):
        more = f"{ENDINGS[second]} " if i % 4 == 0 else ""
        opened = OPENINGS[begins].format(a=words[one], b=words[two])
        yield (
            f"{_uuid(digits, i)}\t{opened}. {ENDINGS[first]} {more}Reference {i}.\t"
            f"{kind}\t{weight}\t{user_name(user)}\t{stamps[i]}\t{read[i]}\t{read[i] if gone else NULL}\n"
        )


def audit_rows(now: float) -> Iterator[str]:
    """Lines of ``COPY audit_logs``: a month of sign-ins and of upkeep, in order of time.

    Upkeep ended when the metrics say so; the service reads from here when it last did.
    """
    begin = now - AUDIT_DAYS * rhythm.DAY
    chance = np.random.default_rng(3)
    # By the rhythm of the day: a moment is kept with a probability that follows the load.
    moments = begin + (now - begin) * chance.random(3 * AUDIT_LOGINS)
    moments = moments[chance.random(len(moments)) < rhythm.busyness(moments)][:AUDIT_LOGINS]
    failed = chance.random(len(moments)) < rhythm.LOGIN_FAILURE_SHARE
    users = chance.integers(0, rhythm.USERS, len(moments))
    rows = [
        (moment, "Authentication", "login_failure" if fails else "login_success", user_name(user), not fails)
        for moment, fails, user in zip(moments, failed, users, strict=True)
    ]
    for event_type, operation, user_id, period, offset in (
        ("System", "backup_completed", "administrator", BACKUP_SECONDS, BACKUP_MINUTE + BACKUP_RUN_SECONDS),
        (
            "Computation",
            "consolidation_completed",
            "schedule",
            CONSOLIDATION_SECONDS,
            CONSOLIDATION_MINUTE + CONSOLIDATION_RUN_SECONDS,
        ),
    ):
        first = np.ceil((begin - offset) / period) * period + offset
        rows += [(moment, event_type, operation, user_id, True) for moment in np.arange(first, now, period)]
    rows.sort(key=lambda row: row[0])
    stamps = _stamps(np.array([row[0] for row in rows]))
    for stamp, (_, event_type, operation, user_id, success) in zip(stamps, rows, strict=True):
        resource, address = "memories", NULL
        if event_type == "Authentication":
            resource, address = "session", user_address(int(user_id.removeprefix("user-")))
        risk = "Low" if success else "Medium"
        yield f"{event_type}\t{operation}\t{user_id}\t{resource}\t{success}\t{address}\t{risk}\t{stamp}\n"


def user_name(number: int) -> str:
    """Name of one of the users."""
    return f"user-{number:03d}"


def user_address(number: int) -> str:
    """Where a user signs in from."""
    return f"10.20.{number // 250}.{number % 250 + 1}"


def _choice(chance: np.random.Generator, weights: Sequence[float] | Floats, count: int) -> NDArray[np.int64]:
    """Numbers of what was drawn, each as often as its weight says."""
    return chance.choice(len(weights), size=count, p=np.asarray(weights))


def _stamps(moments: Floats) -> list[str]:
    """Seconds since 1970 as texts that PostgreSQL reads as UTC."""
    stamps: list[str] = np.datetime_as_string((moments * 1e6).astype("datetime64[us]"), timezone="UTC").tolist()
    return stamps


def _uuid(digits: str, number: int) -> str:
    """The ``number``-th UUID of a long row of random hexadecimal digits, marked as version 4."""
    one = digits[32 * number : 32 * number + 32]
    return f"{one[:8]}-{one[8:12]}-4{one[13:16]}-a{one[17:20]}-{one[20:]}"


def main() -> int:
    """Seeds the installation that the environment names."""
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    begun = time.monotonic()
    done = seed(Plan.from_environment())
    log.info("the tables %s after %.1f s", "are filled" if done else "were filled before", time.monotonic() - begun)
    return 0


if __name__ == "__main__":
    sys.exit(main())
