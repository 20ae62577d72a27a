"""Overview: is it healthy, and if not, where and since when.

The verdict is made of the same readings as the figures, so that words and figures cannot disagree. A live window is
judged over the last minutes; a window of the past tells of that time only (:mod:`views.overview.past`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

from analysis.events import Event
from analysis.verdict import Clock, Finding, Reading, Status, Words, overall
from collectors.alertmanager.client import FiringAlert
from collectors.cache import Answer
from collectors.elasticsearch.client import Elasticsearch
from collectors.errors import NotConfigured, SourceError
from collectors.registry import Sources
from collectors.signals import Signal, catalogue
from collectors.span import Span
from collectors.synaptic.client import ServiceState
from views.cache import view as cache_view
from views.cache.history import Memory
from views.database.sessions.locks import LockLoad, load_locks_of_late
from views.database.sessions.verdict import Told, load_told
from views.database.tables.outlook import load_outlook
from views.overview import past as overview_past
from views.overview.alerts import load_alerts
from views.overview.badges import Badge, badges
from views.overview.findings import FLOOD, FLOOD_FLOOR, OF_CACHE, OF_DATABASE, Facts, LogVolume, findings
from views.overview.parts import Part, load_part
from views.overview.recovery import Recovery, beginnings, load_recent, recovery_of
from views.overview.silences import Silence, load_silences
from views.overview.words import headline
from views.shared.ages import oldest
from views.shared.figures import ALSO_JUDGED, FIGURES, Figure, load_deploys, load_figure, load_reading
from views.shared.parallel import side_by_side

__all__ = [
    "FIGURES", "FLOOD", "FLOOD_FLOOR", "OF_CACHE", "OF_DATABASE", "Figure", "LogVolume", "Verdict", "load_figure",
    "load_log_volume", "load_verdict",
]  # fmt: skip

T = TypeVar("T")

PART_SECONDS = 1.5
"""How long the verdict waits for database and cache; what comes later is there at the next look."""

LIGHT_SECONDS = 3.0
"""How long it waits for what is light to answer: the replicas, the alerts, the number of lines."""

FIGURES_SECONDS = 4.0
"""How long it waits for the figures, without which it says little."""

KEEP = 7 * 86400.0
"""Default of how far back the verdict looks for how fast the database runs out of something."""

CACHE_LOOK = timedelta(minutes=15)
"""How far back the verdict looks at the cache."""


@dataclass(frozen=True)
class Verdict:
    """What Overview says in words.

    Attributes:
        status: Of all together.
        headline: All in one sentence, the cause first; without a full stop.
        findings: What there is to say, the cause first; empty where all is well.
        badges: What is known of each part, in an order that does not change.
        known: How many of the judged signals have a value.
        service: Replicas and balancer; ``None`` where they cannot be asked, and for a window of the past.
        alerts: Alerts that mean trouble; ``None`` where they cannot be asked, and for a window of the past.
        events: Deploys and roll-backs of late, or what happened within a window of the past.
        failures: For each source that failed, why.
        database: The sessions of the database; ``None`` where it is not configured or cannot be asked.
        cache: What is said about the cache; ``None`` where it is not configured or cannot be asked.
        silent: Sources that do not answer.
        recovered: What was over lately; ``None`` where nothing was, or something is wrong still.
        past: Whether it is about a window of the past.
    """

    status: Status
    headline: str
    findings: tuple[Finding, ...]
    badges: tuple[Badge, ...]
    known: int
    service: ServiceState | None
    alerts: tuple[FiringAlert, ...] | None
    events: tuple[Event, ...]
    failures: tuple[SourceError, ...]
    database: Told | None = None
    cache: cache_view.Verdict | None = None
    silent: tuple[Silence, ...] = ()
    recovered: Recovery | None = None
    past: bool = False


def load_log_volume(logs: Elasticsearch, span: Span) -> Answer[LogVolume]:
    """Lines a minute at the end of the window against the hour before.

    Raises:
        SourceError: The logs could not be asked, and no good answer is kept.
    """
    recent = Span.of(span.end - timedelta(minutes=5), span.end, 20, live=span.live, quantum=15.0)
    hour = Span.of(recent.start - timedelta(hours=1), recent.start, 61, live=span.live, quantum=60.0)
    now, before = side_by_side(partial(logs.lines, recent), partial(logs.lines, hour))
    volume = LogVolume(now.value / 5, before.value / 60)
    return oldest([now, before], volume)


def load_verdict(
    sources: Sources, span: Span, value: Words, clock: Clock, memory: Memory | None = None, keep: float = KEEP
) -> Answer[Verdict]:
    """The verdict over all sources; a source that fails is a finding and costs nothing else.

    Args:
        sources: The environment's sources.
        span: The window.
        value: Writes a number with its unit.
        clock: Writes a time in the viewer's zone.
        memory: Where samples of cache and database, and episodes of trouble are kept.
        keep: Seconds that those of the database's relations are kept.
    """
    where = memory or Memory(None, 60.0)
    if not span.reaches_now:
        return _of_past(sources, span, value, clock, where)
    return _of_now(sources, span, value, clock, where, keep)


def _of_now(sources: Sources, span: Span, value: Words, clock: Clock, where: Memory, keep: float) -> Answer[Verdict]:
    def part(name: str, call: Callable[[], Answer[T]], seconds: float = PART_SECONDS) -> Callable[[], Part[T]]:
        return lambda: load_part(sources, name, call, seconds)

    live = span if span.live else Span(span.start, span.end, span.step, live=True)
    recent = Span.of(live.end - CACHE_LOOK, live.end, 61, live=True, quantum=15.0)
    asked = {
        "readings": lambda: _readings(sources, live),
        "deploys": part("deploys", lambda: load_deploys(sources, live), FIGURES_SECONDS),
        "service": part("service", lambda: sources.synaptic.state(), LIGHT_SECONDS),
        "alerts": part("alerts", lambda: load_alerts(sources, live), LIGHT_SECONDS),
        "volume": part("volume", lambda: load_log_volume(sources.elasticsearch, live), LIGHT_SECONDS),
        "database": part("database", lambda: load_told(sources, value)),
        "outlook": part("outlook", lambda: load_outlook(sources, where.database, keep, value)),
        "cache": part("cache", lambda: cache_view.load_verdict(sources, where, recent, value, clock)),
    }
    *answers, looked, locks, troubles = side_by_side(
        *asked.values(),
        partial(load_silences, sources),
        partial(_locks, sources, where),
        partial(load_recent, where.database, sources.environment),
    )
    said = dict(zip(asked, answers, strict=True))
    failures: dict[str, SourceError] = {}
    for name, one in said.items():
        if one.error is not None:
            failures.setdefault(_SOURCE_OF[name], one.error)
    silent = looked.with_failures(failures)
    service: ServiceState | None = said["service"].value
    facts = Facts(
        said["readings"].value or (),
        said["deploys"].value or (),
        service,
        said["alerts"].value,
        said["volume"].value,
        said["database"].value,
        locks,
        said["outlook"].value or (),
        said["cache"].value,
        silent,
        failures,
        {_SOURCE_OF[name]: _SECONDS_OF.get(name, PART_SECONDS) for name, one in said.items() if _missed(name, one)},
        beginnings(troubles),
    )
    found = findings(facts, value, clock)
    known = facts.known + (service is not None)
    status = overall(found, known)
    # Nothing is called well again while the figures are not known.
    recovered = recovery_of(troubles, found) if facts.known else None
    firing = facts.alerts.firing if facts.alerts is not None else None
    verdict = Verdict(
        status,
        headline(status, found, facts, recovered, clock),
        found,
        badges(sources, facts, found, value),
        facts.known,
        service,
        firing,
        tuple(facts.deploys),
        tuple(failures.values()),
        facts.database,
        facts.cache,
        silent,
        recovered,
    )
    times = [one.as_of for one in said.values() if one.as_of is not None]
    return Answer(verdict, min(times, default=datetime.now(UTC)))


_SOURCE_OF = {
    "readings": "prometheus", "deploys": "prometheus", "service": "synaptic", "alerts": "alertmanager",
    "volume": "elasticsearch", "database": "postgres", "outlook": "postgres", "cache": "redis",
}  # fmt: skip
"""Part → the source that it is asked of."""

_SECONDS_OF = {"service": LIGHT_SECONDS, "alerts": LIGHT_SECONDS, "readings": FIGURES_SECONDS}

_MAY_BE_LATE = frozenset({"volume", "outlook", "deploys"})
"""Parts that only add to what is known: the verdict is no less sure while they are on their way."""


def _missed(name: str, one: Part[object]) -> bool:
    return one.late and name not in _MAY_BE_LATE


def _readings(sources: Sources, span: Span) -> Part[list[Reading]]:
    """The signals as they are judged: one that is late or fails costs itself only."""
    signals = catalogue()
    judged = [signals[key] for key in (*FIGURES, *ALSO_JUDGED) if key in signals]

    def reading(signal: Signal) -> Part[Reading]:
        return load_part(
            sources, f"reading {signal.key}", partial(load_reading, sources, signal, span), FIGURES_SECONDS
        )

    parts: list[Part[Reading]] = side_by_side(*(partial(reading, one) for one in judged))
    known = [one.value for one in parts if one.value is not None]
    times = [one.as_of for one in parts if one.as_of is not None]
    error = next((one.error for one in parts if one.error is not None), None)
    return Part(known or None, min(times, default=None), error, not known and any(one.late for one in parts))


def _locks(sources: Sources, where: Memory) -> LockLoad | None:
    return load_locks_of_late(sources, where.database) if sources.database is not None else None


def _of_past(sources: Sources, span: Span, value: Words, clock: Clock, where: Memory) -> Answer[Verdict]:
    kept = overview_past.load_past(sources, span, value, clock, where)
    past = kept.value
    status = overview_past.overall(past)
    verdict = Verdict(
        status,
        overview_past.headline(past, span, clock),
        past.findings,
        overview_past.badges(past, value),
        past.known,
        None,
        None,
        past.events,
        tuple(one for one in past.failures if not isinstance(one, NotConfigured)),
        past=True,
    )
    return kept.with_value(verdict)
