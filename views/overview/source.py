"""How it stands with the service itself and with Alertmanager."""

from __future__ import annotations

from collectors.alertmanager.client import Alertmanager
from collectors.synaptic.client import Synaptic, versions
from views.shared.reports import Lack, SourceCheck


def check_service(service: Synaptic) -> tuple[str, list[Lack]]:
    """Version and lacks."""
    state = service.state()
    if state.error is not None:
        raise state.error
    replicas = state.value.replicas
    lacks = [
        Lack(
            f"Replica {replica.name} is {replica.state}" + (f": {replica.detail}" if replica.detail else "") + ".",
            _mend(replica.state),
        )
        for replica in replicas
        if replica.state != "ready"
    ]
    if state.value.balancer.state != "ready":
        lacks.append(
            Lack(f"Through the balancer it is {state.value.balancer.state}.", _mend(state.value.balancer.state))
        )
    if not replicas:
        lacks.append(
            Lack(
                "No replicas are listed, so health, readiness and version are known through the balancer only.",
                f"Add replicas = [{{ name = …, url = … }}] to [environments.{service.environment}.synaptic].",
            )
        )
    found = versions(replicas)
    if len(found) > 1:
        lacks.append(
            Lack(
                f"Replicas run different versions: {', '.join(found)}.",
                "Wait for the roll-out to end, or look why it stopped.",
            )
        )
    return ", ".join(found) or state.value.balancer.version, lacks


def _mend(state: str) -> str:
    return (
        "Look at its log and at the database that it waits for."
        if state == "not ready"
        else "Look whether the process runs, and at its log."
    )


def check_alertmanager(alertmanager: Alertmanager) -> tuple[str, list[Lack]]:
    """Version and lacks."""
    status = alertmanager.status()
    lacks = []
    if status.cluster.status not in ("ready", "disabled", ""):
        lacks.append(
            Lack(f"Its cluster is {status.cluster.status}.", "Look whether its peers run and reach each other.")
        )
    return status.version_info.version, lacks


CHECKS = {
    "synaptic": SourceCheck(
        "health, readiness and version of the service", lambda sources: sources.synaptic, check_service
    ),
    "alertmanager": SourceCheck(
        "who is told, what is silenced", lambda sources: sources.alertmanager, check_alertmanager
    ),
}
"""Source → how it is looked at."""
