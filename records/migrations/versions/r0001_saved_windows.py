"""Saved windows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the table of saved windows."""
    op.create_table(
        "saved_windows",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("environment", sa.String(31), nullable=False),
        sa.Column("label", sa.String(80), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_by", sa.String(200)),
        sa.Column("deleted_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_saved_windows"),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_saved_windows_ends_after_start")),
    )
    op.create_index(
        "uq_saved_windows_environment_label",
        "saved_windows",
        ["environment", "label"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index("ix_saved_windows_environment_created_at", "saved_windows", ["environment", "created_at"])
