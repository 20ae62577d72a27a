"""A leak of database connections in every replica."""

from __future__ import annotations

from threading import Event

from demo.faults.catalogue import keep_on, switch
from demo.plan import Plan

NAME = "pool-exhausted"
SUMMARY = "Every replica begins transactions and forgets them until its pool of 20 has no connection left."
MOVES = {
    "synaptic_db_pool_connections{state=in_use}": "up to max",
    "synaptic_db_pool_connections{state=idle}": "down to 0",
    "synaptic_db_pool_connections{state=waiting}": "up",
    "synaptic_memory_operations_total{status=error}": "up, when waits of 30 s end",
    "synaptic_error_rate{error_type=pool_timeout}": "up",
    "/ready": "503, no free database connection",
}
HEALS = "The replicas give their connections back."


def inject(plan: Plan) -> None:
    """Begin to take connections in all replicas."""
    for replica in plan.replicas:
        switch(replica, NAME, on=True)


def heal(plan: Plan) -> None:
    """Give the connections back."""
    for replica in plan.replicas:
        switch(replica, NAME, on=False)


def run(plan: Plan, stop: Event) -> None:
    """Keep the pools empty until told to stop."""
    keep_on(plan, NAME, plan.replicas, stop)
