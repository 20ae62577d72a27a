"""Corrections of objectives: windows that do not count, each with its reason."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table of corrections."""
    op.create_table(
        "slo_corrections",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("environment", sa.String(31), nullable=False),
        sa.Column("objective", sa.String(80)),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_by", sa.String(200)),
        sa.Column("deleted_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_slo_corrections"),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_slo_corrections_ends_after_start")),
    )
    op.create_index("ix_slo_corrections_environment_ends_at", "slo_corrections", ["environment", "ends_at"])
