"""Samples of the database's sessions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Samples of the database's sessions."""
    op.create_table(
        "activity_samples",
        sa.Column("environment", sa.String(31), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("bucket", sa.DateTime(timezone=True), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("environment", "step", "bucket", name="pk_activity_samples"),
    )
    op.create_table(
        "activity",
        sa.Column("environment", sa.String(31), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("bucket", sa.DateTime(timezone=True), nullable=False),
        sa.Column("wait", sa.String(100), nullable=False),
        sa.Column("query_id", sa.BigInteger(), nullable=False),
        sa.Column("user", sa.String(63), nullable=False),
        sa.Column("client", sa.String(100), nullable=False),
        sa.Column("sessions", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "environment", "step", "bucket", "wait", "query_id", "user", "client", name="pk_activity"
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "activity_blocking",
        sa.Column("environment", sa.String(31), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=False),
        sa.Column("root", sa.Text(), nullable=False),
        sa.Column("sessions", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("environment", "taken_at", name="pk_activity_blocking"),
    )
