"""The alerts of an environment: one snapshot for all that shows or counts them."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.verdict import Cause, Finding, Status
from collectors.alertmanager.client import FiringAlert
from collectors.cache import Answer
from collectors.registry import Sources
from collectors.span import Span
from views.overview.rules.alerts import selected, status_of, told_to_nobody
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
