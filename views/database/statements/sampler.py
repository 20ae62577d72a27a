"""What the worker notes of the database's statements: at each turn a sample of their counters, and what they gained.

The counters of the sample before are kept in the records, so that a console that was started anew goes on where the
last one ended: a gap is one longer difference, and it is told. While this process does the work they are in memory too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from collectors.postgres import statements as postgres_statements
from collectors.postgres.client import Postgres
from collectors.postgres.statements import Look
from collectors.registry import Sources
from records import statement_upkeep
from records import statements as kept
from records.database import Database
from records.leases import Lease
from records.schema import STATEMENT_LENGTH
from records.statements import Entries, Fresh, SampleRow
from views.database.rules import sql_text
from views.database.rules.statements import MOST, OTHERS, Book, Counters, Difference, difference, foremost

MOST_TEXTS = 200
"""Most texts that are asked for at one turn; the server reads a file of all texts for it, however few are wanted."""

TIDY = timedelta(minutes=10)
"""How often old samples are added up and forgotten."""

TOUCH = timedelta(hours=6)
"""How often it is noted that the text of a statement is still in use."""

NORMALISED = ("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "VALUES", "TABLE")
"""How statements begin whose values the server replaces by marks; others may hold a password."""


@dataclass
class Memory:
    """What a worker remembers from one turn to the next; empty at its start.

    Attributes:
        sample: The sample that it kept last.
        entries: Its counters.
        texts: Statements whose text is kept, and when each was noted to be in use.
        tidied: When old samples were looked after last.
    """

    sample: SampleRow | None = None
    entries: Entries | None = None
    texts: dict[int, datetime] = field(default_factory=dict)
    tidied: datetime | None = None


def note(
    sources: Sources, database: Database, lease: Lease, memory: Memory, keep: timedelta, go_on: Callable[[], bool]
) -> Difference | None:
    """Take a sample and keep what was gained since the one before.

    Args:
        sources: The environment's sources.
        database: The records.
        lease: The right to write.
        memory: What is remembered of the turn before.
        keep: How long samples are kept.
        go_on: Asked between pieces of upkeep; ends the turn early where it says no.

    Returns:
        What was gained; ``None`` at the first sample, from which nothing is known yet.

    Raises:
        SourceError: The database did not answer; the next sample covers this turn too.
        LeaseLostError: Another worker has taken over.
        RecordsError: The records could not be used.
    """
    environment = sources.environment
    sample, entries = _before(database, environment, memory)
    last = (sample.reset_at, sample.started_at) if sample is not None else None
    found = postgres_statements.look(sources.postgres, last)
    gained = _difference(sample, entries, found)
    fresh = _fresh(sample, found, gained, _names(sources.postgres, entries, found, gained))
    memory.sample = memory.entries = None  # where the next line fails, nobody knows what is kept
    memory.sample, memory.entries = kept.save_sample(database, lease, environment, sample, entries, fresh)
    if sample is not None:
        _texts(sources.postgres, database, lease, memory, fresh)
    at = found.info.as_of
    if memory.tidied is None or at - memory.tidied >= TIDY:
        _tidy(database, lease, environment, at, keep, go_on)
        memory.tidied, memory.sample = at, None  # entries that nobody uses are gone from the records
    return gained if sample is not None else None


def _before(database: Database, environment: str, memory: Memory) -> tuple[SampleRow | None, Entries]:
    """The sample before; from memory where this worker took it (if another one has since, saving will tell)."""
    sample, entries = memory.sample, memory.entries
    if sample is not None and entries is not None:
        return sample, entries
    memory.texts = kept.known_texts(database, environment)
    return kept.newest_sample(database, environment), kept.read_entries(database, environment)


def _names(
    postgres: Postgres, entries: Entries, found: Look, gained: Difference
) -> Callable[[int, int], tuple[str, str]]:
    """What databases and roles are called, by their numbers; asked only where something new is to be kept."""
    crowded = len(gained.rows) > MOST.all and any((key[0], 0, 0, True) not in entries.ids for key in found.keys)
    if not crowded and entries.ids.keys() >= set(found.keys):
        return lambda database_id, user_id: (f"number {database_id}", f"number {user_id}")
    databases, users = postgres_statements.names(postgres)
    named = postgres_statements.named
    return lambda database_id, user_id: (named(databases, database_id), named(users, user_id))


def _difference(sample: SampleRow | None, entries: Entries, found: Look) -> Difference:
    now = Counters(found.keys, found.whole, found.real, found.since)
    book = Book(found.info.stats_reset, found.info.dealloc, found.info.started_at)
    if sample is None:
        return difference(Counters.none(), now, book, book)
    before = Counters(entries.keys, entries.whole, entries.real, entries.since)
    return difference(before, now, Book(sample.reset_at, sample.evicted_before, sample.started_at), book)


def _fresh(
    sample: SampleRow | None, found: Look, gained: Difference, names: Callable[[int, int], tuple[str, str]]
) -> Fresh:
    info = found.info
    since = sample.taken_at if sample is not None else None
    row = SampleRow(
        id=0,
        step=0,
        since=since,
        taken_at=info.as_of,
        seconds=max((info.as_of - since).total_seconds(), 0.0) if since is not None else 0.0,
        reset=gained.reset,
        begun_again=gained.begun_again,
        gone=gained.gone,
        evictions=gained.evictions,
        entries=len(found.keys),
        reset_at=info.stats_reset,
        evicted_before=info.dealloc,
        started_at=info.started_at,
    )

    def first_seen(place: int) -> datetime | None:
        if sample is not None:
            return info.as_of
        return postgres_statements.moment(float(found.since[place]))

    return Fresh(
        row, found.keys, found.whole, found.real, found.since, gained.rows, gained.whole, gained.real, first_seen,
        names, partial(foremost, most=MOST),
    )  # fmt: skip


def _texts(postgres: Postgres, database: Database, lease: Lease, memory: Memory, fresh: Fresh) -> None:
    """Fetch the texts that are not known yet of statements that are kept one by one."""
    at = fresh.sample.taken_at
    chosen = fresh.changed[fresh.foremost(fresh.gains_whole, fresh.gains_real)]
    ids = {fresh.keys[int(row)][2] for row in chosen} - {OTHERS}
    missing = sorted(ids - memory.texts.keys())[:MOST_TEXTS]
    if missing:
        texts = {number: storable(text) for number, text in postgres_statements.texts(postgres, missing).items()}
        kept.keep_texts(database, lease, postgres.environment, texts, at)
        # One that the server no longer has is not asked for at every turn.
        memory.texts |= dict.fromkeys(missing, at)
    old = [number for number in ids & memory.texts.keys() if at - memory.texts[number] >= TOUCH]
    if old:
        kept.touch_texts(database, lease, postgres.environment, old, at)
        memory.texts |= dict.fromkeys(old, at)


def storable(text: str) -> str:
    """A text of ``pg_stat_statements`` as it may be kept: values of statements that are not normalised are hidden."""
    text = text[:STATEMENT_LENGTH]
    words = text.lstrip("( \t\r\n").split(None, 1)
    normalised = bool(words) and words[0].upper() in NORMALISED
    return sql_text.shown(text, normalised)


def _tidy(
    database: Database, lease: Lease, environment: str, now: datetime, keep: timedelta, go_on: Callable[[], bool]
) -> None:
    chosen = partial(foremost, most=MOST)
    while go_on() and statement_upkeep.roll_up(database, lease, environment, now, chosen):
        pass
    if go_on():
        statement_upkeep.forget(database, lease, environment, now - keep)
