"""What a fault is, and what faults have in common."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from threading import Event
from typing import Protocol, cast

import psycopg

from demo.plan import HOST, Plan, Replica

# How often a fault is put back into a replica that was restarted meanwhile: a defect survives a restart.
KEEP_ON_SECONDS = 2.0


class Fault(Protocol):
    """A module of this package.

    Attributes:
        NAME: What it is ordered by.
        SUMMARY: What it does to the installation.
        MOVES: Signals that move, and in which direction. By the names of CONTRACT.md, a field of the logs, a column
            of PostgreSQL's views as ``view.column``, or a field of the cache's ``INFO.field``.
        HEALS: How it is undone.
    """

    NAME: str
    SUMMARY: str
    MOVES: dict[str, str]
    HEALS: str

    def inject(self, plan: Plan) -> None:
        """Injure; for a fault that comes in pulses, one of them. May be repeated."""

    def heal(self, plan: Plan) -> None:
        """Undo everything, also what another process did; without effect when nothing is to undo."""

    def run(self, plan: Plan, stop: Event) -> None:
        """Injure, keep it so until told to stop, heal."""


def switch(replica: Replica, fault: str, *, on: bool) -> bool:
    """Switch a fault inside a replica.

    Returns:
        Whether the replica answered; one that is down has no fault.
    """
    answer = _post(replica, f"/fault/{fault}/{'on' if on else 'off'}")
    return answer is not None


def order_exit(replica: Replica) -> bool:
    """Ask a replica to end, whereupon the supervisor starts it again.

    Returns:
        Whether it answered.
    """
    return _post(replica, "/exit") is not None


def _post(replica: Replica, path: str) -> object | None:
    request = urllib.request.Request(f"http://{HOST}:{replica.control_port}{path}", data=b"", method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10.0) as response:
            return cast("object", json.load(response))
    except urllib.error.HTTPError:
        # It is there and refuses: a defect of the demo, not of the replica.
        raise
    except OSError:
        return None


def version_of(replica: Replica) -> str | None:
    """The version that a replica reports, or ``None`` while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{replica.http_port}/health", timeout=2.0) as response:
            return str(json.load(response)["version"])
    except OSError:
        return None


def keep_on(plan: Plan, fault: str, replicas: tuple[Replica, ...], stop: Event) -> None:
    """Keep a fault switched on in these replicas until told to stop, then switch it off."""
    try:
        while not stop.is_set():
            for replica in replicas:
                switch(replica, fault, on=True)
            stop.wait(KEEP_ON_SECONDS)
    finally:
        for replica in replicas:
            switch(replica, fault, on=False)


def database(plan: Plan, application_name: str) -> psycopg.Connection:
    """A connection as the application's role, under a name that a look at ``pg_stat_activity`` shows."""
    return psycopg.connect(plan.postgres_dsn, autocommit=True, connect_timeout=5, application_name=application_name)


def end_sessions(plan: Plan, application_name: str) -> None:
    """End the application's sessions of this name; those of other roles are somebody else's."""
    with database(plan, "demo-heal") as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = %s AND usename = current_user",
            (application_name,),
        )


def wait_for_version(replica: Replica, version: str, seconds: float, stop: Event | None = None) -> bool:
    """Wait until a replica runs a version.

    Returns:
        Whether it does; false when the time is up or ``stop`` is set.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until and not (stop is not None and stop.is_set()):
        if version_of(replica) == version:
            return True
        time.sleep(0.2)
    return False
