"""An index that was dropped and forgotten."""

from __future__ import annotations

from threading import Event

import psycopg
from psycopg import sql

from demo.faults.catalogue import database
from demo.faults.relations import change
from demo.plan import Plan

NAME = "missing-index"
SUMMARY = "idx_memories_search_vector is dropped: ranked searches read every memory instead."
MOVES = {
    "synaptic_query_duration_seconds{query_type=ranked}": "up: from some 5 ms to a second and more",
    "synaptic_storage_operation_duration_seconds{operation_type=search}": "up",
    "pg_stat_statements.mean_exec_time": "up for the two full-text statements",
    "pg_stat_user_tables.seq_scan": "up for every partition of memories",
}
HEALS = "The index is made again, partition after partition, without holding up writes."

APPLICATION = "index-build"
INDEX = "idx_memories_search_vector"
EXPRESSION = sql.SQL("gin (to_tsvector('english', content))")
# Partitions that have no part of the index, each with the name that PostgreSQL itself gives to the part.
LACKING = """
    SELECT relid::regclass::text FROM pg_partition_tree('memories')
    WHERE isleaf AND NOT EXISTS (
        SELECT FROM pg_index
        JOIN pg_inherits ON inhrelid = indexrelid
        WHERE indrelid = relid AND inhparent = to_regclass(%s)
    )
    ORDER BY 1
"""
INVALID = """
    SELECT FROM pg_index WHERE indexrelid = to_regclass(%s) AND NOT indisvalid
"""


def inject(plan: Plan) -> None:
    """Drop the index."""
    with database(plan, "migration") as connection:
        change(connection, sql.SQL("DROP INDEX IF EXISTS {}").format(sql.Identifier(INDEX)))


def heal(plan: Plan) -> None:
    """Make the index again where it is missing, also when an earlier attempt was interrupted."""
    with database(plan, APPLICATION) as connection:
        lacking = _lacking(connection)
        if not lacking:
            return
        parent = sql.Identifier(INDEX)
        change(
            connection, sql.SQL("CREATE INDEX IF NOT EXISTS {} ON ONLY memories USING {}").format(parent, EXPRESSION)
        )
        for partition in lacking:
            _make_part(connection, partition)


def _lacking(connection: psycopg.Connection) -> list[str]:
    return [str(name) for (name,) in connection.execute(LACKING, (INDEX,)).fetchall()]


def _make_part(connection: psycopg.Connection, partition: str) -> None:
    # An index of a partitioned table cannot be made concurrently: its parts are, and then join it.
    name = f"{partition}_to_tsvector_idx"
    table, part = sql.Identifier(partition), sql.Identifier(name)
    if connection.execute(INVALID, (name,)).fetchone() is not None:
        connection.execute(sql.SQL("DROP INDEX CONCURRENTLY {}").format(part))
    words = (part, table, EXPRESSION)
    connection.execute(sql.SQL("CREATE INDEX CONCURRENTLY IF NOT EXISTS {} ON {} USING {}").format(*words))
    change(connection, sql.SQL("ALTER INDEX {} ATTACH PARTITION {}").format(sql.Identifier(INDEX), part))


def run(plan: Plan, stop: Event) -> None:
    """Be without the index until told to stop."""
    try:
        inject(plan)
        stop.wait()
    finally:
        heal(plan)
