"""A report that locks the table of memories again and again."""

from __future__ import annotations

from threading import Event

import psycopg

from demo.faults.catalogue import database, end_sessions
from demo.plan import Plan

NAME = "slow-database"
SUMMARY = "A session takes an ACCESS EXCLUSIVE lock on memories for 1.2 s, lets go for 0.4 s, and so on."
MOVES = {
    "synaptic_query_duration_seconds": "up: the 95th percentile exceeds 1 s",
    "synaptic_memory_operation_duration_seconds": "up",
    "synaptic_storage_operation_duration_seconds": "up",
    "synaptic_db_pool_connections{state=in_use}": "up in pulses",
    "fields.duration_ms": "up, at level WARN",
}
HEALS = "The session ends and with it its lock."

APPLICATION = "quarterly-report"
HELD_SECONDS = 1.2
FREE_SECONDS = 0.4


def inject(plan: Plan) -> None:
    """Hold the lock once."""
    with database(plan, APPLICATION) as connection:
        _pulse(connection)


def _pulse(connection: psycopg.Connection) -> None:
    with connection.transaction():
        connection.execute("LOCK TABLE memories IN ACCESS EXCLUSIVE MODE")
        connection.execute("SELECT pg_sleep(%s)", (HELD_SECONDS,))


def heal(plan: Plan) -> None:
    """End the report."""
    end_sessions(plan, APPLICATION)


def run(plan: Plan, stop: Event) -> None:
    """Hold the lock in pulses until told to stop."""
    while not stop.is_set():
        try:
            with database(plan, APPLICATION) as connection:
                while not stop.is_set():
                    _pulse(connection)
                    stop.wait(FREE_SECONDS)
        except psycopg.OperationalError as error:
            print(f"{NAME}: {error}", flush=True)
            stop.wait(1.0)
