"""What faults do to tables: storage options, and changes that need a lock for a moment."""

from __future__ import annotations

from typing import LiteralString

import psycopg
from psycopg import errors, sql
from psycopg.abc import Params

TRIES = 10

LARGEST = """
    SELECT relid::regclass::text FROM pg_partition_tree('memories') WHERE isleaf
    ORDER BY pg_relation_size(relid) DESC LIMIT 1
"""
WITH_OPTION = """
    SELECT relid::regclass::text FROM pg_partition_tree('memories') JOIN pg_class ON pg_class.oid = relid
    WHERE EXISTS (SELECT FROM unnest(reloptions) AS one WHERE one LIKE %s || '=%%') ORDER BY 1
"""


def largest_partition(connection: psycopg.Connection) -> str:
    """Name of the partition of memories that holds most: for nearly all of a year, that of the present year."""
    row = connection.execute(LARGEST).fetchone()
    assert row is not None  # the table has partitions
    return str(row[0])


def set_option(connection: psycopg.Connection, table: str, option: LiteralString, value: str) -> None:
    """Set a storage option of a table."""
    words = (sql.Identifier(table), sql.SQL(option), sql.Literal(value))
    change(connection, sql.SQL("ALTER TABLE {} SET ({} = {})").format(*words))


def reset_option(connection: psycopg.Connection, table: str, option: LiteralString) -> None:
    """Take a storage option away again."""
    words = (sql.Identifier(table), sql.SQL(option))
    change(connection, sql.SQL("ALTER TABLE {} RESET ({})").format(*words))


def partitions_with(connection: psycopg.Connection, option: LiteralString) -> list[str]:
    """Names of the partitions of memories that have a storage option, whoever set it."""
    return [str(name) for (name,) in connection.execute(WITH_OPTION, (option,)).fetchall()]


def change(
    connection: psycopg.Connection, statement: LiteralString | sql.Composed, parameters: Params | None = None
) -> None:
    """Run a statement that needs a lock on a busy table.

    It tries briefly and again, so that requests do not queue up behind the attempt.

    Raises:
        psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected: Every attempt failed.
    """
    connection.execute("SET lock_timeout = '1s'")
    try:
        for attempt in range(TRIES):
            try:
                connection.execute(statement, parameters)
            except (errors.LockNotAvailable, errors.DeadlockDetected):
                if attempt == TRIES - 1:
                    raise
            else:
                return
    finally:
        connection.execute("RESET lock_timeout")
