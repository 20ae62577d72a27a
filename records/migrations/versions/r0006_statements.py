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
        sa.Column("read_ms", sa.Double(), nullable=False),
        sa.Column("write_ms", sa.Double(), nullable=False),
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
        sa.Column("environment", sa.String(31), nullable=False),
        sa.Column("database", sa.String(63), nullable=False),
        sa.Column("user", sa.String(63), nullable=False),
        sa.Column("query_id", sa.BigInteger(), nullable=False),
        sa.Column("toplevel", sa.Boolean(), nullable=False),
        *_counters(),
        sa.PrimaryKeyConstraint(
            "environment", "database", "user", "query_id", "toplevel", name="pk_statement_counters"
        ),
    )
    op.create_table(
        "statement_gains",
        sa.Column("environment", sa.String(31), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("bucket", sa.DateTime(timezone=True), nullable=False),
        sa.Column("database", sa.String(63), nullable=False),
        sa.Column("user", sa.String(63), nullable=False),
        sa.Column("query_id", sa.BigInteger(), nullable=False),
        sa.Column("toplevel", sa.Boolean(), nullable=False),
        *_counters(),
        sa.PrimaryKeyConstraint(
            "environment", "step", "bucket", "database", "user", "query_id", "toplevel", name="pk_statement_gains"
        ),
    )
    op.create_table(
        "statement_samples",
        sa.Column("environment", sa.String(31), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True)),
        sa.Column("reset", sa.Boolean(), nullable=False),
        sa.Column("evicted", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("environment", "taken_at", name="pk_statement_samples"),
    )
