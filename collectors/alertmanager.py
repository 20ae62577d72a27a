"""Alertmanager: which alerts are firing, which of them are silenced or inhibited, and by what."""

from __future__ import annotations

from datetime import datetime

import msgspec

from collectors.cache import AnswerCache, Kept
from collectors.http import HttpSource
from settings import Alertmanager as AlertmanagerSettings


class AlertStatus(msgspec.Struct, rename="camel"):
    """Whether an alert is told to anybody: ``active``, ``suppressed`` or ``unprocessed``, and why not."""

    state: str
    silenced_by: list[str] = []
    inhibited_by: list[str] = []


class Receiver(msgspec.Struct):
    """Who is told."""

    name: str


class FiringAlert(msgspec.Struct, rename="camel"):
    """One alert as Alertmanager holds it (``GET /api/v2/alerts``)."""

    fingerprint: str
    labels: dict[str, str]
    starts_at: datetime
    ends_at: datetime
    status: AlertStatus
    annotations: dict[str, str] = {}
    receivers: list[Receiver] = []
    generator_url: str = msgspec.field(name="generatorURL", default="")


class VersionInfo(msgspec.Struct):
    """Which Alertmanager it is."""

    version: str = ""


class ClusterStatus(msgspec.Struct):
    """State of the cluster of Alertmanagers: ``ready``, ``settling`` or ``disabled``."""

    status: str = ""


class Status(msgspec.Struct, rename="camel"):
    """``GET /api/v2/status``."""

    version_info: VersionInfo = msgspec.field(default_factory=VersionInfo)
    cluster: ClusterStatus = msgspec.field(default_factory=ClusterStatus)


class Alertmanager:
    """The alerts of one environment.

    Args:
        environment: Key of the environment.
        settings: Where Alertmanager is.
        cache: Where answers are kept.
    """

    def __init__(self, environment: str, settings: AlertmanagerSettings, cache: AnswerCache) -> None:
        self.environment = environment
        self._cache = cache
        self.source = HttpSource(environment, "alertmanager", settings)

    def alerts(self) -> Kept[list[FiringAlert]]:
        """All alerts that Alertmanager holds, silenced and inhibited ones included, newest first.

        Raises:
            SourceError: No usable answer, and none young enough is kept.
        """

        def load() -> list[FiringAlert]:
            read = self.source.json(list[FiringAlert])
            return sorted(
                self.source.ask("GET", "/api/v2/alerts", read), key=lambda alert: alert.starts_at, reverse=True
            )

        return self._cache.get((self.environment, "alertmanager", "alerts"), None, load)

    def status(self) -> Status:
        """Version and state of the cluster.

        Raises:
            SourceError: No usable answer.
        """
        return self.source.ask("GET", "/api/v2/status", self.source.json(Status))

    def close(self) -> None:
        """Close all connections."""
        self.source.close()
