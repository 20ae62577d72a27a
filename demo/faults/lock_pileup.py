"""An import that was left open, a migration that waits for it, and everybody else behind the migration."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import LiteralString

import psycopg

from demo.faults.catalogue import database, end_sessions
from demo.plan import Plan

NAME = "lock-pileup"
SUMMARY = "An import holds memories idle in transaction, an ALTER TABLE waits for it, requests wait for both."
MOVES = {
    "synaptic_memory_operation_duration_seconds": "up, to the 15 s after which a statement is cancelled",
    "synaptic_memory_operations_total{status=error}": "up, when statements are cancelled",
    "synaptic_query_duration_seconds": "up",
    "synaptic_db_pool_connections{state=in_use}": "up to max",
    "pg_stat_activity.wait_event_type": "Lock, in nearly all sessions of the replicas",
    "pg_locks.granted": "false: in a chain memory-import, schema-migration, audit-export, the replicas' audit rows",
}
HEALS = "The three sessions end; their transactions are rolled back."

HOLDER = "memory-import"
MIGRATION = "schema-migration"
EXPORT = "audit-export"
# Each waits for the one before it. The export is in the way of others as well: audit rows wait for it.
WAITERS: dict[str, tuple[LiteralString, ...]] = {
    MIGRATION: ("ALTER TABLE memories ADD COLUMN source text",),
    EXPORT: ("LOCK TABLE audit_logs IN SHARE MODE", "SELECT count(*) FROM memories WHERE deleted_at IS NULL"),
}
HOLD: LiteralString = """
    UPDATE memories SET importance = importance
    WHERE (id, created_at) IN (SELECT id, created_at FROM memories ORDER BY created_at LIMIT 100)
"""
WAITS: LiteralString = """
    SELECT FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'
"""
HELD_SECONDS = 1.0
PATIENCE_SECONDS = 30.0


def inject(plan: Plan) -> None:
    """Pile up once, for a second."""
    with _pile(plan):
        time.sleep(HELD_SECONDS)


@contextmanager
def _pile(plan: Plan) -> Iterator[list[Future[None]]]:
    """The chain, as long as the context lasts; what is done in the list was ended by somebody else."""
    with ThreadPoolExecutor(len(WAITERS)) as threads, database(plan, HOLDER) as holder:
        try:
            holder.execute("BEGIN")
            holder.execute(HOLD)
            waiting: list[Future[None]] = []
            for name, statements in WAITERS.items():
                waiting.append(threads.submit(_wait, plan, name, statements))
                _until_it_waits(plan, name, waiting[-1])
            yield waiting
        finally:
            heal(plan)


def _wait(plan: Plan, name: str, statements: tuple[LiteralString, ...]) -> None:
    # Rolled back also when the lock is got: the tables stay as they are.
    with database(plan, name) as connection, connection.transaction(force_rollback=True):
        for statement in statements:
            connection.execute(statement)


def _until_it_waits(plan: Plan, name: str, waiter: Future[None]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    with database(plan, "demo-look") as connection:
        while not waiter.done() and time.monotonic() < until:
            if connection.execute(WAITS, (name,)).fetchone() is not None:
                return
            time.sleep(0.05)


def heal(plan: Plan) -> None:
    """End the sessions, the last of the chain first."""
    for name in (*reversed(WAITERS), HOLDER):
        end_sessions(plan, name)


def run(plan: Plan, stop: Event) -> None:
    """Keep the chain until told to stop; when somebody ends one of its sessions, the client tries again."""
    while not stop.is_set():
        try:
            with _pile(plan) as waiting:
                while not any(one.done() for one in waiting) and not stop.wait(0.2):
                    pass
        except psycopg.Error as error:
            if not stop.is_set():
                print(f"{NAME}: {error}", flush=True)
        stop.wait(1.0)
