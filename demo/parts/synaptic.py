"""The replicas of the reference service, who uses them, and who carries their log lines away."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial

from demo.parts.programs import answers, module
from demo.plan import Plan, Replica
from demo.supervisor_part import Part

REPLICA_PREFIX = "synaptic-"


def service(plan: Plan) -> tuple[Part, ...]:
    """The replicas, and the task that measures how fast they are here: the written history needs it."""
    replicas = tuple(_replica(plan, replica) for replica in plan.replicas)
    return (
        *replicas,
        Part(name="latencies", command=module("demo.measured"), depends_on=(replicas[0].name,), task=True),
    )


def users(plan: Plan) -> tuple[Part, ...]:
    """The load generator, and the shipper behind the task that fills in older lines."""
    replicas = tuple(f"{REPLICA_PREFIX}{replica.index}" for replica in plan.replicas)
    return (
        Part(
            name="load",
            command=module("demo.load"),
            # With Prometheus watching: history ends where the first scrape begins.
            depends_on=(*replicas, "nginx", "prometheus"),
            ready_seconds=10.0,
        ),
        Part(
            name="logs-history",
            command=module("demo.history", "logs"),
            depends_on=("elasticsearch", "latencies"),
            task=True,
            ready_seconds=120.0,
        ),
        Part(
            name="shipper",
            command=module("demo.shipper"),
            depends_on=("elasticsearch", "logs-history"),
            prepare=partial(plan.container_logs.mkdir, parents=True, exist_ok=True),
        ),
    )


def _replica(plan: Plan, replica: Replica) -> Part:
    return Part(
        name=f"{REPLICA_PREFIX}{replica.index}",
        command=_command(plan, replica),
        depends_on=("valkey", "seed"),
        ports=(replica.http_port, replica.metrics_port, replica.control_port),
        ready=answers(replica.http_port, "/ready"),
        container=plan.container_logs / replica.pod,
    )


def _command(plan: Plan, replica: Replica) -> Callable[[], tuple[str, ...]]:
    # Read anew at each start: a deploy writes the version and asks the replicas to end one by one.
    def command() -> tuple[str, ...]:
        return module("demo.synaptic", "--replica", str(replica.index), "--version", desired_version(plan))

    return command


def desired_version(plan: Plan) -> str:
    """The version that replicas run when they next start: the file ``run/version``, or the plan's own."""
    try:
        return (plan.run / "version").read_text().strip() or plan.version
    except FileNotFoundError:
        return plan.version


def shared_environment(plan: Plan) -> dict[str, str]:
    """What all parts and game days are told: which copy they belong to, and the service's two secrets.

    The secrets are made at random once for a copy and kept readable for its owner only.
    """
    return {
        "DEMO_HOME": str(plan.home),
        "DEMO_BASE_PORT": str(plan.base_port),
        "SYNAPTIC_ADMIN_TOKEN": _secret(plan, "admin-token"),
        "JWT_SECRET": _secret(plan, "jwt-secret"),
    }


def _secret(plan: Plan, name: str) -> str:
    path = plan.run / name
    if not path.exists():
        plan.run.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(32))
    return path.read_text()
