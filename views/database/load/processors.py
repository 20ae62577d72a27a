"""How many processors the machine of the database has, which its load is set against."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from collectors.errors import SourceError
from collectors.registry import Sources

TTL = 300.0
"""Seconds for which the answer of Prometheus is kept."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Processors:
    """How many processors the server's machine has.

    Attributes:
        count: How many; ``None`` where that is not known.
        told: Who says so, or why nobody does; a sentence.
    """

    count: int | None
    told: str


def load_processors(sources: Sources) -> Processors:
    """How many processors the server's machine has; never raises."""
    settings = sources.postgres.settings
    if settings.cpus is not None:
        return Processors(settings.cpus, "The number of processors is postgres.cpus of the settings.")
    unknown = "The number of processors is not known: set cpus of this source."
    try:
        prometheus = sources.prometheus
        near = urlsplit(prometheus.settings.url).hostname in _LOOPBACK

        def ask() -> dict[str, int]:
            asked = prometheus.query('count by (instance) (node_cpu_seconds_total{mode="idle"})', datetime.now(UTC))
            return {
                one.labels.get("instance", ""): round(one.value) for one in asked.samples if 0 < one.value < math.inf
            }

        view = (sources.environment, "prometheus", "processors")
        found = sources.cache.get(view, None, ask, ttl=TTL).value
    except SourceError:
        return Processors(None, unknown)
    same = {
        instance: count
        for instance, count in found.items()
        if same_host(urlsplit(f"//{instance}").hostname or "", settings.host, near=near)
    }
    if len(same) != 1:
        return Processors(None, unknown)
    ((instance, count),) = same.items()
    return Processors(count, f"The number of processors is that of node_exporter on {instance}.")


def same_host(instance: str, host: str, *, near: bool) -> bool:
    """Whether an exporter is on the machine of the database. Loopback is, where Prometheus itself is asked there."""
    if instance in _LOOPBACK:
        return near and (host in _LOOPBACK or host.startswith("/"))
    return instance == host.lower()
