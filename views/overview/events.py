"""What happened to the service itself, for the ribbon of every chart: deploys, restarts, alerts."""

from __future__ import annotations

from functools import partial

from analysis import changes
from collectors.registry import Sources
from collectors.signals import catalogue
from collectors.span import Span
from views.shared.parallel import side_by_side
from views.subject import Happenings


def load_events(sources: Sources, span: Span) -> Happenings:
    """Deploys, restarts and alerts within a span, as Prometheus knows them.

    Raises:
        SourceError: Prometheus could not be asked, and no good answer is kept.
    """
    prometheus = sources.prometheus
    signals = catalogue()
    replica = prometheus.settings.replica_label
    build, started, alerts = side_by_side(
        partial(prometheus.range, signals["build"], span, by=("version", replica)),
        partial(prometheus.range, signals["started"], span, by=(replica,)),
        partial(prometheus.range, signals["alerts_firing"], span, by=("alertname", "severity")),
    )
    found = (
        *changes.deploys(build.value.frame, build.value.labels),
        *changes.restarts(started.value.frame, started.value.labels, replica),
        *changes.alerts(alerts.value.frame, alerts.value.labels),
    )
    missing = tuple(
        f"{what} are not shown: Prometheus has no {', '.join(kept.value.absent)}"
        for what, kept in (("Deploys", build), ("Restarts", started))
        if kept.value.absent
    )
    return Happenings(found, missing, (build, started, alerts))
