"""The tables of the records, as data; ``migrations/`` brings a database to this state.

A test compares the two on both databases, so a change here needs a migration, and the other way round.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time. SQLite has no zones, so UTC without a zone is what is kept there."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database; a time without a zone is a mistake of the caller."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be recorded")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database: aware, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData(
    # Names of our own for constraints: without them a later migration could not name what it changes.
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

LABEL_LENGTH = 80
NOTE_LENGTH = 2000
NAME_LENGTH = 200

saved_windows = Table(
    "saved_windows",
    metadata,
    Column("id", Uuid(), primary_key=True),
    Column("environment", String(31), nullable=False),
    Column("label", String(LABEL_LENGTH), nullable=False),
    Column("starts_at", UtcDateTime(), nullable=False),
    Column("ends_at", UtcDateTime(), nullable=False),
    Column("note", Text(), nullable=False),
    Column("created_by", String(NAME_LENGTH), nullable=False),
    Column("created_at", UtcDateTime(), nullable=False),
    # A window that was deleted is kept, so that it can be said who did it; it no longer counts anywhere.
    Column("deleted_by", String(NAME_LENGTH)),
    Column("deleted_at", UtcDateTime()),
    CheckConstraint("ends_at > starts_at", name="ends_after_start"),
    Index(
        "uq_saved_windows_environment_label",
        "environment",
        "label",
        unique=True,
        sqlite_where=text("deleted_at IS NULL"),
        postgresql_where=text("deleted_at IS NULL"),
    ),
    Index("ix_saved_windows_environment_created_at", "environment", "created_at"),
)

QUERY_LENGTH = 2000

saved_searches = Table(
    "saved_searches",
    metadata,
    Column("id", Uuid(), primary_key=True),
    Column("environment", String(31), nullable=False),
    Column("label", String(LABEL_LENGTH), nullable=False),
    Column("query", Text(), nullable=False),
    # Lists of texts, as JSON: they are only ever read and written whole.
    Column("filters", Text(), nullable=False),
    Column("columns", Text(), nullable=False),
    Column("created_by", String(NAME_LENGTH), nullable=False),
    Column("created_at", UtcDateTime(), nullable=False),
    # As for saved windows: what was deleted stays, and says who did it.
    Column("deleted_by", String(NAME_LENGTH)),
    Column("deleted_at", UtcDateTime()),
    Index(
        "uq_saved_searches_environment_label",
        "environment",
        "label",
        unique=True,
        sqlite_where=text("deleted_at IS NULL"),
        postgresql_where=text("deleted_at IS NULL"),
    ),
)

slo_corrections = Table(
    "slo_corrections",
    metadata,
    Column("id", Uuid(), primary_key=True),
    Column("environment", String(31), nullable=False),
    # NULL: all objectives of the environment.
    Column("objective", String(LABEL_LENGTH)),
    Column("starts_at", UtcDateTime(), nullable=False),
    Column("ends_at", UtcDateTime(), nullable=False),
    Column("reason", Text(), nullable=False),
    Column("created_by", String(NAME_LENGTH), nullable=False),
    Column("created_at", UtcDateTime(), nullable=False),
    # As for saved windows: what was deleted stays, and says who did it.
    Column("deleted_by", String(NAME_LENGTH)),
    Column("deleted_at", UtcDateTime()),
    CheckConstraint("ends_at > starts_at", name="ends_after_start"),
    Index("ix_slo_corrections_environment_ends_at", "environment", "ends_at"),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("holder", String(NAME_LENGTH), nullable=False),
    # Grows whenever the lease changes hands; whoever writes under a lease shows it.
    Column("fence", Integer(), nullable=False),
    Column("expires_at", UtcDateTime(), nullable=False),
)

PATTERN_WORD_LENGTH = 100

log_patterns = Table(
    "log_patterns",
    metadata,
    Column("environment", String(31), primary_key=True),
    Column("id", String(16), primary_key=True),
    Column("level", String(PATTERN_WORD_LENGTH), nullable=False),
    Column("component", String(PATTERN_WORD_LENGTH), nullable=False),
    Column("template", Text(), nullable=False),
    Column("example", Text(), nullable=False),
    Column("version", String(NAME_LENGTH), nullable=False),
    Column("first_seen", UtcDateTime(), nullable=False),
    Column("last_seen", UtcDateTime(), nullable=False),
    Index("ix_log_patterns_environment_last_seen", "environment", "last_seen"),
)

log_pattern_counts = Table(
    "log_pattern_counts",
    metadata,
    Column("environment", String(31), primary_key=True),
    Column("bucket", UtcDateTime(), primary_key=True),
    Column("pattern_id", String(16), primary_key=True),
    Column("lines", BigInteger(), nullable=False),
)

log_pattern_progress = Table(
    "log_pattern_progress",
    metadata,
    Column("environment", String(31), primary_key=True),
    Column("since", UtcDateTime(), nullable=False),
    Column("until", UtcDateTime(), nullable=False),
)

log_pattern_mutes = Table(
    "log_pattern_mutes",
    metadata,
    Column("id", Uuid(), primary_key=True),
    Column("environment", String(31), nullable=False),
    Column("pattern_id", String(16), nullable=False),
    # As it was when it was muted: the list of mutes can be read when the pattern itself is forgotten.
    Column("template", Text(), nullable=False),
    Column("reason", Text(), nullable=False),
    Column("muted_by", String(NAME_LENGTH), nullable=False),
    Column("muted_at", UtcDateTime(), nullable=False),
    Column("expires_at", UtcDateTime(), nullable=False),
    Column("lifted_by", String(NAME_LENGTH)),
    Column("lifted_at", UtcDateTime()),
    CheckConstraint("expires_at > muted_at", name="expires_after_muted"),
    Index("ix_log_pattern_mutes_environment_expires_at", "environment", "expires_at"),
)

STATEMENT_LENGTH = 8000
"""Characters that are kept of the text of a statement."""

# Samples of the database's sessions: how many were seen active, by what they did, in each stretch of ``step`` seconds.

activity_samples = Table(
    "activity_samples",
    metadata,
    Column("environment", String(31), primary_key=True),
    Column("step", Integer(), primary_key=True),
    Column("bucket", UtcDateTime(), primary_key=True),
    Column("samples", Integer(), nullable=False),
)

ACTIVITY_LENGTH = 100
"""Characters that are kept of a wait event and of the name of a client."""

activity = Table(
    "activity",
    metadata,
    Column("environment", String(31), primary_key=True),
    Column("step", Integer(), primary_key=True),
    Column("bucket", UtcDateTime(), primary_key=True),
    Column("wait", String(ACTIVITY_LENGTH), primary_key=True),
    Column("query_id", BigInteger(), primary_key=True, autoincrement=False),
    Column("user", String(63), primary_key=True),
    Column("client", String(ACTIVITY_LENGTH), primary_key=True),
    # Active sessions that were seen, summed over the samples of the stretch.
    Column("sessions", BigInteger(), nullable=False),
    # The key is nearly the whole row: SQLite would keep it twice.
    sqlite_with_rowid=False,
)

activity_blocking = Table(
    "activity_blocking",
    metadata,
    Column("environment", String(31), primary_key=True),
    Column("taken_at", UtcDateTime(), primary_key=True),
    # How many sessions waited, and what the first one of all was doing.
    Column("waiting", Integer(), nullable=False),
    Column("root", Text(), nullable=False),
    # The sessions that wait or are in the way, as JSON: they are only ever read and written whole.
    Column("sessions", Text(), nullable=False),
)

statement_texts = Table(
    "statement_texts",
    metadata,
    Column("environment", String(31), primary_key=True),
    Column("query_id", BigInteger(), primary_key=True, autoincrement=False),
    Column("text", Text(), nullable=False),
    Column("first_seen", UtcDateTime(), nullable=False),
    Column("last_seen", UtcDateTime(), nullable=False),
)

# What pg_stat_statements counts: its counters as they were last seen, so that the next difference is right after a
# restart too, and what was gained between two samples. A gain names its entry and its sample by number: there are many.


def _counters() -> list[Column[Any]]:
    """What pg_stat_statements counts of a statement, as far as it is kept; NULL is what it did not count."""
    whole = (
        "calls", "rows", "blocks_hit", "blocks_read", "blocks_dirtied", "blocks_written", "temp_read", "temp_written",
        "wal_bytes",
    )  # fmt: skip
    real = ("plan_ms", "read_ms", "write_ms", "wal_buffers_full", "parallel_planned", "parallel_launched")
    return [
        *(Column(name, BigInteger(), nullable=False) for name in whole),
        Column("total_ms", Double(), nullable=False),
        *(Column(name, Double()) for name in real),
    ]


statement_counters = Table(
    "statement_counters",
    metadata,
    Column("id", Integer(), primary_key=True),
    Column("environment", String(31), nullable=False),
    Column("database_id", BigInteger(), nullable=False),
    Column("user_id", BigInteger(), nullable=False),
    # 0: all other statements of the database together, which are not kept one by one.
    Column("query_id", BigInteger(), nullable=False),
    Column("toplevel", Boolean(), nullable=False),
    Column("database", String(100), nullable=False),
    Column("user", String(100), nullable=False),
    # NULL: it was there before the console looked for the first time.
    Column("first_seen", UtcDateTime()),
    # Whether the last sample had it.
    Column("present", Boolean(), nullable=False),
    Column("counted_since", Double()),
    *_counters(),
    UniqueConstraint(
        "environment", "database_id", "user_id", "query_id", "toplevel", name="uq_statement_counters_entry"
    ),
)

statement_samples = Table(
    "statement_samples",
    metadata,
    Column("id", Integer(), primary_key=True),
    Column("environment", String(31), nullable=False),
    # 0: as it was taken; otherwise the samples of so many seconds, added up.
    Column("step", Integer(), nullable=False),
    # NULL: the first one, from which nothing can be told yet.
    Column("since", UtcDateTime()),
    Column("taken_at", UtcDateTime(), nullable=False),
    # The middle of its stretch: it belongs to the window that this lies in.
    Column("middle", UtcDateTime(), nullable=False),
    # How much of its stretch was watched.
    Column("seconds", Double(), nullable=False),
    Column("reset", Boolean(), nullable=False),
    Column("begun_again", Integer(), nullable=False),
    Column("gone", Integer(), nullable=False),
    Column("evictions", BigInteger(), nullable=False),
    Column("entries", Integer(), nullable=False),
    # What the server said about its counting.
    Column("reset_at", UtcDateTime()),
    Column("evicted_before", BigInteger(), nullable=False),
    Column("started_at", UtcDateTime(), nullable=False),
    Index("ix_statement_samples_environment_middle", "environment", "middle"),
)

statement_gains = Table(
    "statement_gains",
    metadata,
    Column("sample_id", Integer(), primary_key=True, autoincrement=False),
    Column("counter_id", Integer(), primary_key=True, autoincrement=False),
    *_counters(),
    Index("ix_statement_gains_counter_id", "counter_id"),
    # One copy of the key instead of two.
    sqlite_with_rowid=False,
)

RELATION_LENGTH = 300
"""Characters of the name of a relation as SQL writes it: two names of 63 bytes, each doubled where all are quotes."""

# One row for each look at the tables and indexes of a database; what was seen of each of them is in relation_samples.

relation_sweeps = Table(
    "relation_sweeps",
    metadata,
    Column("environment", String(31), primary_key=True),
    Column("taken_at", UtcDateTime(), primary_key=True),
    # NULL: the role may not know it.
    Column("bytes", BigInteger()),
    Column("next_xid", BigInteger(), nullable=False),
    Column("xid_age", BigInteger(), nullable=False),
    Column("mxid_age", BigInteger(), nullable=False),
    # How many there are; fewer may be kept.
    Column("relations", Integer(), nullable=False),
)

relation_samples = Table(
    "relation_samples",
    metadata,
    Column("environment", String(31), primary_key=True),
    # "table", "index" or "sequence"
    Column("kind", String(10), primary_key=True),
    Column("name", String(RELATION_LENGTH), primary_key=True),
    Column("taken_at", UtcDateTime(), primary_key=True),
    # The table of an index; the partitioned table of a partition; else empty.
    Column("parent", String(RELATION_LENGTH), nullable=False),
    Column("bytes", BigInteger(), nullable=False),
    # Of a sequence its last value. NULL: not known.
    Column("live_rows", BigInteger()),
    Column("dead_rows", BigInteger()),
    # Sequential scans of a table, scans of an index, since the statistics were reset.
    Column("scans", BigInteger()),
    Column("writes", BigInteger()),
    Index("ix_relation_samples_environment_taken_at", "environment", "taken_at"),
)

RUN_LENGTH = 64
"""Characters of the identifier of a run of the cache."""

cache_samples = Table(
    "cache_samples",
    metadata,
    Column("environment", String(31), primary_key=True),
    Column("taken_at", UtcDateTime(), primary_key=True),
    # Changes whenever the server was started.
    Column("run_id", String(RUN_LENGTH), nullable=False),
    # How often it was flushed since its counters began; NULL where it does not tell.
    Column("flushes", BigInteger()),
    # Figures by name, as JSON: they are only ever read and written whole.
    Column("figures", Text(), nullable=False),
)

TROUBLE_LENGTH = 100
"""Characters of the key and of the subject of a trouble."""

TROUBLE_TEXT = 600
"""Characters that are kept of the sentence about it."""

troubles = Table(
    "troubles",
    metadata,
    Column("id", Integer(), primary_key=True),
    Column("environment", String(31), nullable=False),
    # Which trouble it is: the same as long as it lasts.
    Column("key", String(TROUBLE_LENGTH), nullable=False),
    Column("subject", String(TROUBLE_LENGTH), nullable=False),
    # Which kind of thing it is, as a number of analysis.verdict.Cause.
    Column("cause", Integer(), nullable=False),
    # The worst that it was, and the sentence of then.
    Column("status", String(10), nullable=False),
    Column("weight", Double(), nullable=False),
    Column("text", Text(), nullable=False),
    Column("began_at", UtcDateTime(), nullable=False),
    # When it was there last; NULL in ended_at: it lasts.
    Column("seen_at", UtcDateTime(), nullable=False),
    Column("ended_at", UtcDateTime()),
    Index("ix_troubles_environment_began_at", "environment", "began_at"),
)
