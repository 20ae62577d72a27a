"""A new version whose searches are wrong."""

from __future__ import annotations

from threading import Event

from demo.faults.catalogue import order_exit, version_of, wait_for_version
from demo.plan import Plan
from demo.synaptic.search import REGRESSED_VERSION

NAME = "bad-deploy"
SUMMARY = "Replica after replica is restarted with 1.9.0: searches without the index, a statement for each result."
MOVES = {
    "synaptic_build_info": "version 1.9.0 appears, replica by replica within 40 s",
    "process_start_time_seconds": "new",
    "synaptic_query_duration_seconds": "up: full_text and ranked",
    "synaptic_query_operations_total{query_type=ranked,status=error}": "up: large pages fail",
    "synaptic_storage_operations_total{operation_type=search}": "up: one statement for each result",
}
HEALS = "Rolled back: replica after replica is restarted with the version before."

RESTART_SECONDS = 20.0
# NGINX leaves a replica out for 30 s after it was away: with less time between them all would be out at once.
PAUSE_SECONDS = 16.0


def inject(plan: Plan) -> None:
    """Deploy the new version."""
    _deploy(plan, REGRESSED_VERSION)


def heal(plan: Plan) -> None:
    """Roll back; without effect when no replica runs the new version and none is to."""
    desired = plan.run / "version"
    wanted = desired.read_text().strip() if desired.exists() else plan.version
    if wanted == REGRESSED_VERSION or any(version_of(replica) == REGRESSED_VERSION for replica in plan.replicas):
        _deploy(plan, plan.version)


def run(plan: Plan, stop: Event) -> None:
    """Deploy, wait until told to stop, roll back."""
    try:
        _deploy(plan, REGRESSED_VERSION, stop)
        stop.wait()
    finally:
        heal(plan)


def _deploy(plan: Plan, version: str, stop: Event | None = None) -> None:
    plan.run.mkdir(parents=True, exist_ok=True)
    (plan.run / "version").write_text(version)
    never = Event()
    first = True
    for replica in plan.replicas:
        if version_of(replica) == version:
            continue
        if not first and (stop or never).wait(PAUSE_SECONDS):
            return
        first = False
        order_exit(replica)
        if not wait_for_version(replica, version, RESTART_SECONDS, stop):
            print(f"{NAME}: {replica.pod} does not run {version} yet", flush=True)
