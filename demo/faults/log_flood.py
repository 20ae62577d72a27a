"""A loop of retries without a pause."""

from __future__ import annotations

from threading import Event

from demo.faults.catalogue import keep_on, switch
from demo.plan import Plan

NAME = "log-flood"
SUMMARY = "One replica tries to reach a peer that is gone some 90 times a second and logs each failure."
MOVES = {
    "level": "ERROR up: some 90 lines a second of one pod, target synaptic::replication",
    "synaptic_error_rate{component=cache}": "up in one replica, to over 300,000 an hour",
    "synaptic_system_cpu_usage_percent": "up in one replica",
}
HEALS = "The replica stops trying."


def inject(plan: Plan) -> None:
    """Begin to try."""
    switch(plan.replicas[1 % len(plan.replicas)], NAME, on=True)


def heal(plan: Plan) -> None:
    """Stop trying."""
    switch(plan.replicas[1 % len(plan.replicas)], NAME, on=False)


def run(plan: Plan, stop: Event) -> None:
    """Keep trying until told to stop, also across restarts of the replica."""
    keep_on(plan, NAME, (plan.replicas[1 % len(plan.replicas)],), stop)
