"""Samples of tables and indexes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Samples of tables and indexes."""
    op.create_table(
        "relation_sweeps",
        sa.Column("environment", sa.String(31), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("next_xid", sa.BigInteger(), nullable=False),
        sa.Column("xid_age", sa.BigInteger(), nullable=False),
        sa.Column("mxid_age", sa.BigInteger(), nullable=False),
        sa.Column("relations", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("environment", "taken_at", name="pk_relation_sweeps"),
    )
    op.create_table(
        "relation_samples",
        sa.Column("environment", sa.String(31), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("parent", sa.String(300), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("live_rows", sa.BigInteger(), nullable=True),
        sa.Column("dead_rows", sa.BigInteger(), nullable=True),
        sa.Column("scans", sa.BigInteger(), nullable=True),
        sa.Column("writes", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("environment", "kind", "name", "taken_at", name="pk_relation_samples"),
    )
    op.create_index("ix_relation_samples_environment_taken_at", "relation_samples", ["environment", "taken_at"])
