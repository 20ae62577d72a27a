"""A prepared transaction that nobody ended, and an import that burns transaction ids."""

from __future__ import annotations

from threading import Event
from typing import LiteralString

import psycopg
from psycopg import sql

from demo.faults.catalogue import database, end_sessions
from demo.faults.relations import largest_partition, partitions_with, reset_option, set_option
from demo.plan import Plan

NAME = "xid-age"
SUMMARY = "A forgotten prepared transaction holds the horizon while an import uses 50,000 transaction ids a second."
MOVES = {
    "pg_prepared_xacts.prepared": "one, nightly-import, older and older",
    "pg_class.relfrozenxid": "older and older: the limit of the largest partition is reached after 20 s",
    "pg_database.datfrozenxid": "older by three million a minute, and no vacuum moves it",
    "pg_stat_all_tables.autovacuum_count": "up: autovacuum runs against wraparound, in vain",
}
HEALS = "The import ends, the prepared transaction is rolled back, and the partition is frozen."

APPLICATION = "nightly-import"
GID = "nightly-import"
OPTION = "autovacuum_freeze_max_age"
# The default is 200 million, which would take an hour. Autovacuum looks once a minute.
LIMIT = 1_000_000
BATCH = 5_000
PAUSE_SECONDS = 0.08  # a batch takes some 20 ms
PREPARED: LiteralString = "SELECT gid FROM pg_prepared_xacts WHERE gid = %s AND database = current_database()"
LEFT_OPEN: LiteralString = """
    INSERT INTO audit_logs (event_type, operation, user_id, resource)
    VALUES ('System', 'import_started', 'schedule', 'memories')
"""
# As an import does that commits after each row. It writes nothing: only the ids matter here.
BURN = f"""
    DO $$ BEGIN
        FOR number IN 1..{BATCH} LOOP
            PERFORM pg_current_xact_id();
            COMMIT;
        END LOOP;
    END $$
""".encode()


def inject(plan: Plan) -> None:
    """Lower the limit, leave a transaction behind, burn a batch of ids."""
    with database(plan, APPLICATION) as connection:
        _prepare(connection)
        connection.execute(BURN)


def _prepare(connection: psycopg.Connection) -> None:
    set_option(connection, largest_partition(connection), OPTION, str(LIMIT))
    if connection.execute(PREPARED, (GID,)).fetchone() is None:
        connection.execute("BEGIN")
        connection.execute(LEFT_OPEN)
        connection.execute(sql.SQL("PREPARE TRANSACTION {}").format(sql.Literal(GID)))


def heal(plan: Plan) -> None:
    """Roll the transaction back, freeze, and take the limit away."""
    end_sessions(plan, APPLICATION)
    with database(plan, "demo-heal") as connection:
        if connection.execute(PREPARED, (GID,)).fetchone() is not None:
            connection.execute(sql.SQL("ROLLBACK PREPARED {}").format(sql.Literal(GID)))
        for table in partitions_with(connection, OPTION):
            connection.execute(sql.SQL("VACUUM (FREEZE) {}").format(sql.Identifier(table)))
            # At last: whoever is interrupted before begins anew.
            reset_option(connection, table, OPTION)


def run(plan: Plan, stop: Event) -> None:
    """Burn transaction ids until told to stop, then heal."""
    try:
        while not stop.is_set():
            try:
                with database(plan, APPLICATION) as connection:
                    _prepare(connection)
                    while not stop.is_set():
                        connection.execute(BURN)
                        stop.wait(PAUSE_SECONDS)
            except psycopg.OperationalError as error:
                print(f"{NAME}: {error}", flush=True)
                stop.wait(1.0)
    finally:
        heal(plan)
