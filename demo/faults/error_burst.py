"""A trigger in the database that refuses most writes."""

from __future__ import annotations

from threading import Event
from typing import LiteralString

import psycopg

from demo.faults.catalogue import database
from demo.faults.relations import change
from demo.plan import Plan

NAME = "error-burst"
SUMMARY = "A trigger on memories, left behind by a migration, refuses two of three inserts and updates."
MOVES = {
    "synaptic_memory_operations_total{status=error}": "up: store, update and reads that miss the cache",
    "synaptic_storage_operations_total{status=error}": "up",
    "synaptic_error_rate{component=storage}": "up",
    "level": "ERROR up, fields.error names the trigger's message",
}
HEALS = "The trigger is dropped."

CREATE: LiteralString = """
CREATE OR REPLACE FUNCTION check_quota() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF random() < 0.67 THEN
        RAISE EXCEPTION 'quota of tablespace exceeded' USING ERRCODE = 'disk_full';
    END IF;
    RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER check_quota BEFORE INSERT OR UPDATE ON memories FOR EACH ROW EXECUTE FUNCTION check_quota();
"""
DROP: LiteralString = "DROP TRIGGER IF EXISTS check_quota ON memories; DROP FUNCTION IF EXISTS check_quota"


def inject(plan: Plan) -> None:
    """Create the trigger."""
    _change(plan, CREATE)


def heal(plan: Plan) -> None:
    """Drop the trigger."""
    _change(plan, DROP)


def _change(plan: Plan, statement: LiteralString) -> None:
    with database(plan, "migration") as connection:
        change(connection, statement)


def run(plan: Plan, stop: Event) -> None:
    """Keep the trigger until told to stop."""
    try:
        inject(plan)
        stop.wait()
    finally:
        try:
            heal(plan)
        except psycopg.OperationalError as error:
            print(f"{NAME}: the trigger is still there: {error}", flush=True)
            raise
