"""A table that is rewritten again and again while nobody cleans up behind it."""

from __future__ import annotations

from datetime import datetime, timedelta
from threading import Event
from typing import LiteralString

import psycopg
from psycopg import sql

from demo.faults.catalogue import database, end_sessions
from demo.faults.relations import change, largest_partition, partitions_with, reset_option, set_option
from demo.plan import Plan

NAME = "bloat"
SUMMARY = "Autovacuum is off for the largest partition of memories, and a job updates all its rows three times."
MOVES = {
    "pg_stat_user_tables.n_dead_tup": "up: to three times the living rows",
    "pg_stat_user_tables.n_tup_upd": "up, hardly any of them within their page",
    "pg_class.relpages": "up: the partition grows to four times its size, its indexes as well",
    "pg_class.reloptions": "autovacuum_enabled=off",
}
HEALS = "The job ends, the partition is written anew without dead rows, and autovacuum is on again."

APPLICATION = "importance-recalculation"
OPTION = "autovacuum_enabled"
PASSES = 3
STEP = timedelta(days=30)
PAUSE_SECONDS = 0.1
BOUNDS: LiteralString = "SELECT min(created_at), max(created_at) FROM {}"
# No column changes: each row gets a new version all the same, and a page that is full has no room for it.
UPDATE: LiteralString = """
    UPDATE {} SET importance = importance WHERE created_at >= %(begin)s AND created_at < %(end)s
"""


def inject(plan: Plan) -> None:
    """Switch autovacuum off and update every row once."""
    with database(plan, APPLICATION) as connection:
        _update(connection, _switch_off(connection), Event())


def _switch_off(connection: psycopg.Connection) -> str:
    table = largest_partition(connection)
    set_option(connection, table, OPTION, "off")
    return table


def _update(connection: psycopg.Connection, table: str, stop: Event) -> None:
    name = sql.Identifier(table)
    begin, last = connection.execute(sql.SQL(BOUNDS).format(name)).fetchone() or (None, None)
    # In steps, so that no request waits long for the row that it wants.
    while isinstance(begin, datetime) and isinstance(last, datetime) and begin <= last and not stop.is_set():
        change(connection, sql.SQL(UPDATE).format(name), {"begin": begin, "end": begin + STEP})
        begin += STEP
        stop.wait(PAUSE_SECONDS)


def heal(plan: Plan) -> None:
    """Write what was bloated anew, and switch autovacuum on again.

    A plain VACUUM would leave the partition at four times its size, and mostly empty.
    """
    end_sessions(plan, APPLICATION)
    with database(plan, "demo-heal") as connection:
        for table in partitions_with(connection, OPTION):
            name = sql.Identifier(table)
            change(connection, sql.SQL("VACUUM (FULL) {}").format(name))
            # The new file has no map of what all can see, nor does the planner know its size.
            connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(name))
            # At last: whoever is interrupted before begins anew.
            reset_option(connection, table, OPTION)


def run(plan: Plan, stop: Event) -> None:
    """Bloat the partition, leave it so until told to stop, heal."""
    try:
        with database(plan, APPLICATION) as connection:
            table = _switch_off(connection)
            for _ in range(PASSES):
                _update(connection, table, stop)
        stop.wait()
    finally:
        heal(plan)
