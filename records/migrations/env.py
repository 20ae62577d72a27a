"""Run by Alembic, inside the transaction that ``Database.migrate`` has opened and locked."""

from __future__ import annotations

from alembic import context

from records.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # Also on SQLite, where Alembic would not think so: the transaction is one that we began ourselves.
    transactional_ddl=True,
)
context.run_migrations()
