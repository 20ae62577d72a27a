"""A leak of memory in the first replica."""

from __future__ import annotations

from threading import Event

from demo.faults.catalogue import keep_on, switch
from demo.plan import Plan

NAME = "memory-leak"
SUMMARY = "The first replica keeps 20 MB more each second, up to just under the container's limit of 1 GiB."
MOVES = {
    "synaptic_system_memory_usage_bytes": "up in one replica, to about 1 GB within 50 s",
    "process_resident_memory_bytes": "up in one replica",
    "synaptic_gc_freed_bytes_total": "unmoved: what leaks is not garbage",
}
HEALS = "The replica lets go of it, as a restart would."


def inject(plan: Plan) -> None:
    """Begin to leak."""
    switch(plan.replicas[0], NAME, on=True)


def heal(plan: Plan) -> None:
    """Free what was leaked."""
    switch(plan.replicas[0], NAME, on=False)


def run(plan: Plan, stop: Event) -> None:
    """Keep the leak until told to stop, also across restarts of the replica."""
    keep_on(plan, NAME, plan.replicas[:1], stop)
