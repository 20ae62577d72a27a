"""The alerts of an environment: one snapshot for all that shows or counts them."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.events import Event, EventKind
from analysis.verdict import Cause, Finding, Status
from collectors.alertmanager.client import FiringAlert
from collectors.cache import Answer
from collectors.errors import SourceError
from collectors.registry import Sources
from collectors.span import Span
from views.overview.rules.alerts import selected, status_of, told_to_nobody
from views.shared.events import load_events
from views.shared.figures import judged_span

MOST_NAMED = 3
"""Names of alerts that the verdict lists; the others are counted."""

SNAPSHOT_SECONDS = 60.0
"""How long a snapshot stays the one of its moment."""


@dataclass(frozen=True)
class Alerts:
    """The alerts that Alertmanager holds for an environment.

    Attributes:
        held: All of them, the newest first.
        firing: Those that mean trouble and are told to somebody.
    """

    held: tuple[FiringAlert, ...]
    firing: tuple[FiringAlert, ...]


@dataclass(frozen=True)
class Fired:
    """The alerts of a window of the past.

    Attributes:
        events: Each that began to fire within it, or fired when it began; oldest first.
    """

    events: tuple[Event, ...]


def load_alerts_of(sources: Sources, span: Span) -> Answer[Alerts | Fired]:
    """The alerts of a window: what is held now, or what fired within a window of the past.

    Alertmanager knows those of now only. Where Prometheus cannot tell what fired then, the ones of now are answered
    for a window of the past too; they are to be marked as such.

    Raises:
        SourceError: Neither could be asked, and no good answer is kept.
    """
    if not span.reaches_now:
        try:
            kept = load_events(sources, span)
        except SourceError:
            pass
        else:
            return kept.with_value(Fired(tuple(one for one in kept.value.events if one.kind is EventKind.ALERT)))
    return load_alerts(sources, span)


def load_alerts(sources: Sources, span: Span) -> Answer[Alerts]:
    """The alerts; of one snapshot for everybody who asks within the same few seconds, so that counts agree.

    Raises:
        SourceError: They could not be asked, and no good answer is kept.
    """
    source = sources.alertmanager

    def load() -> Answer[Alerts]:
        kept = source.alerts()
        wanted = source.settings.labels
        held = tuple(one for one in kept.value if selected(one.labels, wanted))
        return kept.with_value(Alerts(held, tuple(one for one in held if counts(one))))

    moment = judged_span(span).end
    kept = sources.cache.get((sources.environment, "alertmanager", "snapshot"), moment, load, ttl=SNAPSHOT_SECONDS)
    found = kept.value
    return found if kept.error is None or found.error is not None else Answer(found.value, found.as_of, kept.error)


def counts(alert: FiringAlert) -> bool:
    """Whether an alert means trouble: it fires, is bad by its severity, and somebody is told."""
    return (
        alert.status.state == "active"
        and status_of(alert.labels) != "ok"
        and not told_to_nobody([one.name for one in alert.receivers])
    )


def finding(alerts: Alerts) -> Finding | None:
    """What there is to say about alerts that fire; ``None`` where none does."""
    if not alerts.firing:
        return None
    bad = any(status_of(one.labels) == "broken" for one in alerts.firing)
    status: Status = "broken" if bad else "risk"
    names = list(dict.fromkeys(one.labels.get("alertname", "an alert") for one in alerts.firing))
    number = len(alerts.firing)
    listed = ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")
    text = f"{number} {'alert fires' if number == 1 else 'alerts fire'}: {listed}"
    first = min(one.starts_at for one in alerts.firing)
    return Finding(status, text, "alerts", first, "alerts", Cause.ALERT)
