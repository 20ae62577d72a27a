"""Alertmanager: which alerts are firing, which of them are silenced or inhibited, and by what."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from collectors.cache import Answer, AnswerCache
from collectors.http import HttpSource
from settings import Alertmanager as AlertmanagerSettings

UNKNOWN = datetime.min.replace(tzinfo=UTC)
"""What stands for an instant that is not given; Go writes its zero time so."""

OLDEST = datetime(1971, 1, 1, tzinfo=UTC)
NEWEST = datetime(2200, 1, 1, tzinfo=UTC)
"""Times beyond these are nobody's: zero times of a program, or the end of the calendar, where no zone has a clock."""


class AlertStatus(msgspec.Struct, rename="camel"):
    """Whether an alert is told to anybody: ``active``, ``suppressed`` or ``unprocessed``, and why not."""

    state: str = "unprocessed"
    silenced_by: list[str] = []
    inhibited_by: list[str] = []


class Receiver(msgspec.Struct):
    """Who is told."""

    name: str = ""


class FiringAlert(msgspec.Struct, rename="camel"):
    """One alert as Alertmanager holds it (``GET /api/v2/alerts``); one whose start cannot be read began just now."""

    fingerprint: str = ""
    labels: dict[str, str] = {}
    starts_at: datetime = UNKNOWN
    ends_at: datetime = UNKNOWN
    status: AlertStatus = msgspec.field(default_factory=AlertStatus)
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
        self.settings = settings
        self._cache = cache
        self.source = HttpSource(environment, "alertmanager", settings)

    def alerts(self) -> Answer[list[FiringAlert]]:
        """All alerts that Alertmanager holds, silenced and inhibited ones included, newest first.

        Raises:
            SourceError: No usable answer, and none young enough is kept.
        """

        def load() -> list[FiringAlert]:
            alerts, _ = self.source.ask("GET", "/api/v2/alerts", self.source.lenient(list[FiringAlert]))
            now = datetime.now(UTC)
            return sorted((_dated(alert, now) for alert in alerts), key=lambda alert: alert.starts_at, reverse=True)

        return self._cache.get((self.environment, "alertmanager", "alerts"), None, load)

    def status(self) -> Status:
        """Version and state of the cluster.

        Raises:
            SourceError: No usable answer.
        """
        status, _ = self.source.ask("GET", "/api/v2/status", self.source.lenient(Status))
        return status  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close all connections."""
        self.source.close()


def _dated(alert: FiringAlert, now: datetime) -> FiringAlert:
    """The alert with an aware start that every zone can show."""
    start = alert.starts_at if alert.starts_at.tzinfo is not None else alert.starts_at.replace(tzinfo=UTC)
    return msgspec.structs.replace(alert, starts_at=start if OLDEST < start < NEWEST else now)
