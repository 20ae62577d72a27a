"""The layer of events that every chart shares: what happened to the service within a span."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from analysis import changes
from analysis.events import Event
from collectors.cache import Kept
from collectors.errors import SourceError
from collectors.registry import Sources
from collectors.signals import catalogue
from collectors.span import Span
from views.cache.events import load_cache_events
from views.database.events import load_database_events
from views.shared.ages import oldest
from views.shared.parallel import side_by_side


@dataclass(frozen=True)
class Happened:
    """Events within a span.

    Attributes:
        events: All of them, oldest first.
        remarks: Which kinds of event are missing, and why.
    """

    events: tuple[Event, ...]
    remarks: tuple[str, ...] = ()


def load_events(sources: Sources, span: Span) -> Kept[Happened]:
    """Deploys, restarts, alerts, what happened to database and cache within a span; found once for all of a page.

    Raises:
        SourceError: None of them could be asked, and no good answer is kept.
    """
    view = (sources.environment, "events", span.seconds, span.live or span.start)
    kept = sources.cache.get(view, (span.start, span.end, span.step), lambda: _load(sources, span))
    found = kept.value
    return found if found.error is not None or kept.error is None else replace(found, error=kept.error)


def _load(sources: Sources, span: Span) -> Kept[Happened]:
    prometheus = sources.prometheus
    signals = catalogue()
    replica = prometheus.settings.replica_label
    asked = [
        partial(prometheus.range, signals["build"], span, by=("version", replica)),
        partial(prometheus.range, signals["started"], span, by=(replica,)),
        partial(prometheus.range, signals["alerts_firing"], span, by=("alertname", "severity")),
    ]
    build, started, alerts, database, cache = side_by_side(
        *asked, partial(load_database_events, sources, span), partial(load_cache_events, sources, span)
    )
    of_database, unknown, answers = database
    of_cache, unknown_of_cache, answers_of_cache = cache
    found = [
        *changes.deploys(build.value.frame, build.value.labels),
        *changes.restarts(started.value.frame, started.value.labels, replica),
        *changes.alerts(alerts.value.frame, alerts.value.labels),
        *of_database,
        *of_cache,
    ]
    inside = sorted((event for event in found if span.start <= event.time <= span.end), key=lambda event: event.time)
    missing = [
        f"{what} are not shown: Prometheus has no {', '.join(kept.value.absent)}"
        for what, kept in (("Deploys", build), ("Restarts", started))
        if kept.value.absent
    ]
    told = Happened(tuple(inside), (*missing, *unknown, *unknown_of_cache))
    return oldest([build, started, alerts, *answers, *answers_of_cache], told)


def events_or_none(sources: Sources, span: Span) -> tuple[Event, ...]:
    """The events for a chart's ribbon: none where they cannot be asked, since the chart says so itself."""
    try:
        return load_events(sources, span).value.events
    except SourceError:
        return ()
