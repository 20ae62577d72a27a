"""Statements of the database: their texts, counters, and what they gained."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def _counters() -> list[sa.Column[object]]:
    return [
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("blocks_hit", sa.BigInteger(), nullable=False),
        sa.Column("blocks_read", sa.BigInteger(), nullable=False),
        sa.Column("blocks_dirtied", sa.BigInteger(), nullable=False),
        sa.Column("blocks_written", sa.BigInteger(), nullable=False),
        sa.Column("temp_read", sa.BigInteger(), nullable=False),
        sa.Column("temp_written", sa.BigInteger(), nullable=False),
        sa.Column("wal_bytes", sa.BigInteger(), nullable=False),
        sa.Column("total_ms", sa.Double(), nullable=False),
        sa.Column("plan_ms", sa.Double()),
        sa.Column("read_ms", sa.Double()),
        sa.Column("write_ms", sa.Double()),
        sa.Column("wal_buffers_full", sa.Double()),
        sa.Column("parallel_planned", sa.Double()),
        sa.Column("parallel_launched", sa.Double()),
    ]


def upgrade() -> None:
    """Statements of the database: their texts, counters, and what they gained."""
    op.create_table(
        "statement_texts",
        sa.Column("environment", sa.String(31), nullable=False),
        sa.Column("query_id", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("environment", "query_id", name="pk_statement_texts"),
    )
    op.create_table(
        "statement_counters",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("environment", sa.String(31), nullable=False),
        sa.Column("database_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("query_id", sa.BigInteger(), nullable=False),
        sa.Column("toplevel", sa.Boolean(), nullable=False),
        sa.Column("database", sa.String(100), nullable=False),
        sa.Column("user", sa.String(100), nullable=False),
        sa.Column("first_seen", sa.DateTime(timezone=True)),
        sa.Column("present", sa.Boolean(), nullable=False),
        sa.Column("counted_since", sa.Double()),
        *_counters(),
        sa.PrimaryKeyConstraint("id", name="pk_statement_counters"),
        sa.UniqueConstraint(
            "environment", "database_id", "user_id", "query_id", "toplevel", name="uq_statement_counters_entry"
        ),
    )
    op.create_table(
        "statement_samples",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("environment", sa.String(31), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True)),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("middle", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("reset", sa.Boolean(), nullable=False),
        sa.Column("begun_again", sa.Integer(), nullable=False),
        sa.Column("gone", sa.Integer(), nullable=False),
        sa.Column("evictions", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("reset_at", sa.DateTime(timezone=True)),
        sa.Column("evicted_before", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_statement_samples"),
    )
    op.create_index("ix_statement_samples_environment_middle", "statement_samples", ["environment", "middle"])
    op.create_table(
        "statement_gains",
        sa.Column("sample_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("counter_id", sa.Integer(), autoincrement=False, nullable=False),
        *_counters(),
        sa.PrimaryKeyConstraint("sample_id", "counter_id", name="pk_statement_gains"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_statement_gains_counter_id", "statement_gains", ["counter_id"])
