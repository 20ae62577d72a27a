"""How it stands with the store of the logs."""

from __future__ import annotations

from collectors.elasticsearch.client import ClusterHealth, Elasticsearch
from collectors.elasticsearch.logs import ElasticsearchLogs
from collectors.errors import SourceError
from views.shared.parallel import side_by_side
from views.shared.reports import Lack, SourceCheck, or_refusal


def check(logs: Elasticsearch) -> tuple[str, list[Lack]]:
    """Version and lacks."""
    info, health, documents = side_by_side(
        lambda: or_refusal(logs.info), lambda: or_refusal(logs.health), logs.documents
    )
    lacks = [
        Lack(f"It {found.what}: {costs}.", found.hint)
        for found, costs in ((info, "its version is not known"), (health, "the health of the cluster is not known"))
        if isinstance(found, SourceError)
    ]
    if not isinstance(health, SourceError) and health.status.lower() != "green":
        lacks.append(_health(health))
    if documents == 0:
        lacks.append(
            Lack(
                f"The index pattern {logs.settings.index} holds no lines.",
                "Check the pattern, and whether Filebeat ships to this cluster.",
            )
        )
    lacks += _timeless(logs)
    return "" if isinstance(info, SourceError) else info.version.number, lacks


def _health(health: ClusterHealth) -> Lack:
    """What a cluster that is not green cannot do."""
    unassigned = f"{health.unassigned_shards} shards have no node"
    texts = {
        "yellow": f"The cluster is yellow: {unassigned}, so there is no second copy of some lines.",
        "red": f"The cluster is red: {unassigned}, so some lines cannot be read.",
    }
    unknown = f"The cluster calls its health “{health.status}”, which the console does not know: {unassigned}."
    return Lack(texts.get(health.status.lower(), unknown), "GET _cluster/allocation/explain on the cluster tells why.")


def _timeless(logs: Elasticsearch) -> list[Lack]:
    """Lines that no window can show; none where they could not be counted, for that alone breaks nothing."""
    try:
        count = ElasticsearchLogs(logs).timeless().value
    except SourceError:
        return []
    if not count:
        return []
    return [
        Lack(
            f"{count} line{'s have' if count > 1 else ' has'} no @timestamp, and so no page shows them.",
            "Let the shipper write @timestamp; Filebeat does it by itself unless a processor drops it.",
        )
    ]


CHECKS = {"elasticsearch": SourceCheck("logs and security events", lambda sources: sources.elasticsearch, check)}
"""Source → how it is looked at."""
