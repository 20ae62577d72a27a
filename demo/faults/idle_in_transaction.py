"""A report whose client opens transactions and does not end them."""

from __future__ import annotations

from contextlib import ExitStack
from threading import Event

import psycopg

from demo.faults.catalogue import database, end_sessions
from demo.plan import Plan

NAME = "idle-in-transaction"
SUMMARY = "A report opens 36 transactions, reads something in each and never ends them."
MOVES = {
    "pg_stat_activity.state": "idle in transaction: 36 sessions of monthly-report",
    "pg_stat_activity.backend_xmin": "older and older: vacuum may remove no row that was deleted since",
    "pg_stat_user_tables.n_dead_tup": "up, slowly: autovacuum runs and removes nothing",
    "pg_stat_database.numbackends": "up by 36 of 100",
}
HEALS = "The report's sessions end."

APPLICATION = "monthly-report"
SESSIONS = 36
LEFT_FREE = 4


def inject(plan: Plan) -> None:
    """Begin all transactions, and end them at once."""
    with ExitStack() as stack:
        _begin(plan, stack, Event())


def _begin(plan: Plan, stack: ExitStack, stop: Event) -> None:
    sessions: list[psycopg.Connection] = []
    while len(sessions) < SESSIONS and not stop.is_set():
        try:
            session = stack.enter_context(database(plan, APPLICATION))
        except psycopg.OperationalError:
            # The server is full: what is there is enough, and who heals needs a connection as well.
            for last in sessions[-LEFT_FREE:]:
                last.close()
            return
        # It keeps its first snapshot, and so the horizon of vacuum.
        session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        session.execute("SELECT count(*) FROM memories WHERE created_at > now() - interval '30 days'")
        sessions.append(session)


def heal(plan: Plan) -> None:
    """End the report."""
    end_sessions(plan, APPLICATION)


def run(plan: Plan, stop: Event) -> None:
    """Keep the transactions open until told to stop; the report is started again when somebody ended all of it."""
    while not stop.is_set():
        with ExitStack() as stack:
            try:
                _begin(plan, stack, stop)
                while _some_live(plan) and not stop.wait(2.0):
                    pass
            except psycopg.OperationalError as error:
                print(f"{NAME}: {error}", flush=True)
        stop.wait(1.0)


def _some_live(plan: Plan) -> bool:
    with database(plan, "demo-look") as connection:
        sessions = "SELECT FROM pg_stat_activity WHERE application_name = %s LIMIT 1"
        return connection.execute(sessions, (APPLICATION,)).fetchone() is not None
