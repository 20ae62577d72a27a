"""Leases of the background work, log patterns with their counts, and their mutes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the tables of leases, of log patterns, and of their mutes."""
    op.create_table(
        "leases",
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("holder", sa.String(200), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    op.create_table(
        "log_patterns",
        sa.Column("environment", sa.String(31), nullable=False),
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("level", sa.String(100), nullable=False),
        sa.Column("component", sa.String(100), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("example", sa.Text(), nullable=False),
        sa.Column("version", sa.String(200), nullable=False),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("environment", "id", name="pk_log_patterns"),
    )
    op.create_index("ix_log_patterns_environment_last_seen", "log_patterns", ["environment", "last_seen"])
    op.create_table(
        "log_pattern_counts",
        sa.Column("environment", sa.String(31), nullable=False),
        sa.Column("bucket", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pattern_id", sa.String(16), nullable=False),
        sa.Column("lines", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("environment", "bucket", "pattern_id", name="pk_log_pattern_counts"),
    )
    op.create_table(
        "log_pattern_progress",
        sa.Column("environment", sa.String(31), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("environment", name="pk_log_pattern_progress"),
    )
    op.create_table(
        "log_pattern_mutes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("environment", sa.String(31), nullable=False),
        sa.Column("pattern_id", sa.String(16), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("muted_by", sa.String(200), nullable=False),
        sa.Column("muted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lifted_by", sa.String(200)),
        sa.Column("lifted_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_log_pattern_mutes"),
        sa.CheckConstraint("expires_at > muted_at", name=op.f("ck_log_pattern_mutes_expires_after_muted")),
    )
    op.create_index("ix_log_pattern_mutes_environment_expires_at", "log_pattern_mutes", ["environment", "expires_at"])
