"""How it stands with Redis or Valkey: version, role, and what may be read."""

from __future__ import annotations

from collectors.redis.client import OLDEST, Redis
from views.shared.reports import Lack, SourceCheck, refusal


def check(cache: Redis) -> tuple[str, list[Lack]]:
    """Version and lacks."""
    kept = cache.info()
    if kept.error is not None:
        raise kept.error
    info = kept.value
    lacks = []
    if info.major is not None and info.major < OLDEST:
        lacks.append(Lack(f"It is {info.product}; the console knows {OLDEST} and newer.", "Upgrade it."))
    if info.stats.loading:
        lacks.append(Lack("It is loading its data and serves no key yet.", "Wait for it."))
    if info.stats.role in ("slave", "replica"):
        primary = f"{info.stats.master_host or '?'}:{info.stats.master_port or '?'}"
        lacks.append(
            Lack(
                f"It is a replica of {primary}: hits, commands and slow commands are those of this copy alone.",
                f"Set host and port of this source to the primary, {primary}.",
            )
        )
    if info.stats.cluster_enabled or info.mode == "cluster":
        lacks.append(
            Lack(
                "It is one node of a cluster: figures and keys are those of this node alone.",
                "Give each node an environment of its own, or look at the cluster with its own tools.",
            )
        )
    lacks += [
        Lack(f"It {error.what}: {costs}.", error.hint)
        for read, costs in (
            (cache.config, "its settings are not shown"),
            (cache.slow, "slow commands are not shown"),
            (cache.clients, "its clients are not shown"),
        )
        if (error := refusal(read)) is not None
    ]
    return info.product, lacks


CHECKS = {"redis": SourceCheck("hits, memory, commands and keys of the cache", lambda sources: sources.redis, check)}
"""Source → how it is looked at."""
