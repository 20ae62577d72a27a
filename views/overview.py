"""Overview: is it healthy, and if not, where and since when.

Figures, replicas, alerts and events are asked side by side; the verdict is made of the same answers, so
that words and figures cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

import pandas as pd

from analysis import usual as baseline
from analysis.diagnosis import Diagnosis
from analysis.events import Event
from analysis.verdict import FAR, Clock, Finding, Reading, Status, Words, in_words, of_reading, overall, worst
from collectors.alertmanager import FiringAlert
from collectors.cache import Kept
from collectors.elasticsearch import Elasticsearch
from collectors.errors import NotConfigured, SourceError, TimedOut
from collectors.registry import Sources
from collectors.signals import Signal, catalogue
from collectors.span import Span
from collectors.synaptic import ServiceState, versions
from views import cache as cache_view
from views.ages import oldest
from views.cache_history import Memory
from views.database_outlook import KINDS, load_outlook
from views.database_verdict import Told, load_told
from views.events import events_or_none
from views.parallel import side_by_side, soon
from views.series import week_before

T = TypeVar("T")

FIGURES = (
    "memory_operations",
    "search_latency",
    "error_share",
    "active_sessions",
    "pool_use",
    "memory_use",
    "failed_logins",
)
"""The guide's seven key metrics, in its order."""

ALSO_JUDGED = (
    "replicas_up",
    "pool_waiting",
    "query_error_share",
    "cache_hit_share",
    "security_violations",
    "storage_latency",
)
"""Signals without a figure of their own on the page that the verdict looks at as well."""


@dataclass(frozen=True)
class Figure:
    """One figure of the first row.

    Attributes:
        signal: The signal.
        reading: What it says now, what is usual, and since when it is beyond its threshold.
        trend: The span's values, float64 with an aware UTC index; may be empty.
        query: The PromQL behind it.
        absent: Metric names that the server does not have; the reading has no value then.
    """

    signal: Signal
    reading: Reading
    trend: pd.Series
    query: str
    absent: tuple[str, ...] = ()


def load_figure(sources: Sources, signal: Signal, span: Span) -> Kept[Figure]:
    """A signal now, its trend over the span, and what is usual at this time of day.

    Raises:
        SourceError: It could not be asked, and no good answer is kept.
    """
    prometheus = sources.prometheus
    calls = [partial(prometheus.range, signal, span)]
    if signal.usual != "none":
        calls.append(partial(prometheus.range, signal, week_before(span)))
    trend, *history = side_by_side(*calls)
    answer = trend.value
    series = answer.frame.iloc[:, 0] if answer.labels else pd.Series(index=answer.frame.index, dtype=float)
    now = baseline.last(series, span.step)
    usually = None
    if history and history[0].value.labels:
        usually = baseline.usual(history[0].value.frame.iloc[:, 0], span.end)
    threshold = signal.threshold
    status: Status = threshold.status(now) if threshold is not None else ("ok" if now is not None else "unknown")
    limit = getattr(threshold, status, None) if threshold is not None and status in ("risk", "broken") else None
    since: datetime | None = None
    if limit is not None and threshold is not None:
        # "Since when" is asked of the mildest limit that is crossed: that is when the trouble began.
        mildest = threshold.risk if threshold.risk is not None else limit
        since = baseline.since(series, mildest, below=threshold.below)
    elif usually and now is not None and now >= FAR * usually:
        since = baseline.since(series, FAR * usually / 2)
    if since is not None and since <= span.start:
        since = None  # it began before the window; the window cannot say when
    reading = Reading(signal.key, signal.title, signal.unit, now, usually, status, limit, since, signal.usual)
    return oldest([trend, *history], Figure(signal, reading, series, answer.query, answer.absent))


FLOOD = 3.0
"""How many times the hour before the log volume must be to be called a flood."""

FLOOD_FLOOR = 60.0
"""Lines a minute below which no volume is a flood: a quiet night triples easily."""


@dataclass(frozen=True)
class LogVolume:
    """How much is logged.

    Attributes:
        now: Lines a minute within the last five minutes of the window.
        before: Lines a minute within the hour before them.
    """

    now: float
    before: float

    @property
    def flood(self) -> bool:
        """Whether it is far more than before."""
        return self.before > 0 and self.now >= FLOOD_FLOOR and self.now >= FLOOD * self.before


def load_log_volume(logs: Elasticsearch, span: Span) -> Kept[LogVolume]:
    """Lines a minute at the end of the window against the hour before.

    Raises:
        SourceError: The logs could not be asked, and no good answer is kept.
    """
    recent = Span.of(span.end - timedelta(minutes=5), span.end, 20, live=span.live, quantum=15.0)
    hour = Span.of(recent.start - timedelta(hours=1), recent.start, 61, live=span.live, quantum=60.0)
    now, before = side_by_side(partial(logs.lines, recent), partial(logs.lines, hour))
    volume = LogVolume(now.value / 5, before.value / 60)
    return oldest([now, before], volume)


DATABASE_SECONDS = 1.5
"""How long the verdict waits for the database; what comes later is there at the next look."""

OF_DATABASE = ("blocking", "prepared-blocks", "connections", "read-only")
"""Kinds of diagnoses of the database that the verdict speaks of: they stop the service, now or soon."""


KEEP = 7 * 86400.0
"""Default of how far back the verdict looks for how fast the database runs out of something."""

OF_CACHE = (
    "cache-clients", "cache-evicting", "cache-flushed", "cache-full", "cache-loading", "cache-replica-link",
    "cache-restart", "cache-save",
)  # fmt: skip
"""The same of the cache; a low hit ratio is said by the service's own signal."""

CACHE_LOOK = timedelta(minutes=15)
"""How far back the verdict looks at the cache."""


@dataclass(frozen=True)
class Verdict:
    """What Overview says in words.

    Attributes:
        status: Of all together.
        findings: What there is to say, the worst first; empty where all is well.
        known: How many of the judged signals have a value.
        service: Replicas and balancer; ``None`` where they cannot be asked.
        alerts: Alerts that are told to somebody; ``None`` where they cannot be asked.
        events: What happened within the span.
        failures: For each source that failed, why.
        database: The sessions of the database; ``None`` where it is not configured or cannot be asked.
        cache: What is said about the cache; ``None`` where it is not configured or cannot be asked.
    """

    status: Status
    findings: tuple[Finding, ...]
    known: int
    service: ServiceState | None
    alerts: tuple[FiringAlert, ...] | None
    events: tuple[Event, ...]
    failures: tuple[SourceError, ...]
    database: Told | None = None
    cache: cache_view.Verdict | None = None


def load_verdict(
    sources: Sources, span: Span, value: Words, clock: Clock, memory: Memory | None = None, keep: float = KEEP
) -> Kept[Verdict]:
    """The verdict over all sources; a source that fails is a finding and costs nothing else.

    Args:
        sources: The environment's sources.
        span: The window.
        value: Writes a number with its unit.
        clock: Writes a time in the viewer's zone.
        memory: Where samples of cache and database are kept.
        keep: Seconds that those of the database's relations are kept.
    """
    failures: dict[str, SourceError] = {}
    ages: list[Kept[object]] = []

    def attempt(call: Callable[[], Kept[T]]) -> T | None:
        try:
            kept = call()
        except SourceError as error:
            failures.setdefault(error.source, error)
            return None
        if kept.error is not None:
            failures.setdefault(kept.error.source, kept.error)
        ages.append(kept)
        return kept.value

    def figures() -> list[Figure | None]:
        signals = catalogue()
        judged = [signals[key] for key in (*FIGURES, *ALSO_JUDGED) if key in signals]
        return side_by_side(*(partial(attempt, partial(load_figure, sources, one, span)) for one in judged))

    def readings() -> list[Figure | None]:
        try:
            return figures()
        except SourceError as error:
            failures.setdefault(error.source, error)
            return []

    def in_time(source: str, call: Callable[[], Kept[T]]) -> T | None:
        try:
            kept = soon(call, DATABASE_SECONDS)
        except NotConfigured:
            return None
        except SourceError as error:
            failures.setdefault(source, error)
            return None
        if kept is None:
            late = TimedOut(source, "", f"has not answered within {DATABASE_SECONDS:g} s", trips=False)
            failures.setdefault(source, late)
            return None
        if kept.error is not None:
            failures.setdefault(source, kept.error)
        return kept.value

    where = memory or Memory(None, 60.0)
    recent = Span.of(span.end - CACHE_LOOK, span.end, 61, live=span.live, quantum=15.0)
    of_database = partial(load_told, sources, value)
    outlook = partial(load_outlook, sources, where.database, keep, value)
    of_cache = partial(cache_view.load_verdict, sources, where, recent, value, clock)

    measured, service, alerts, events, volume, told, running_out, cache = side_by_side(
        readings,
        partial(attempt, lambda: sources.synaptic.state()),
        partial(attempt, lambda: sources.alertmanager.alerts()),
        partial(events_or_none, sources, span),
        partial(attempt, lambda: load_log_volume(sources.elasticsearch, span)),
        partial(in_time, "postgres", of_database),
        partial(in_time, "postgres", outlook),
        partial(in_time, "redis", of_cache),
    )
    said = _Said(measured, service, alerts, events, volume, told, running_out or (), cache)
    return _concluded(said, failures, ages, value, clock)


@dataclass(frozen=True)
class _Said:
    """What each source said; ``None`` where it did not."""

    measured: list[Figure | None]
    service: ServiceState | None
    alerts: list[FiringAlert] | None
    events: tuple[Event, ...]
    volume: LogVolume | None
    database: Told | None
    running_out: tuple[Diagnosis, ...]
    cache: cache_view.Verdict | None


def _concluded(
    said: _Said, failures: dict[str, SourceError], ages: list[Kept[object]], value: Words, clock: Clock
) -> Kept[Verdict]:
    service, alerts, events, volume = said.service, said.alerts, said.events, said.volume
    readings = [figure.reading for figure in said.measured if figure is not None]
    known = sum(reading.now is not None for reading in readings)
    findings = [found for reading in readings if (found := of_reading(reading, events, value, clock)) is not None]
    findings += _of_service(service)
    if volume is not None and volume.flood:
        findings.append(
            Finding(
                "risk",
                f"Logs grow by {value(volume.now, 'count')} lines a minute, "
                f"{in_words(volume.now / volume.before)} the hour before",
                "logs",
            )
        )
    active = None if alerts is None else tuple(alert for alert in alerts if alert.status.state == "active")
    if active:
        names = list(dict.fromkeys(alert.labels.get("alertname", "an alert") for alert in active))
        worst_kind: Status = (
            "broken" if any(alert.labels.get("severity") in {"critical", "page"} for alert in active) else "risk"
        )
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        verb = "alert fires" if len(names) == 1 else "alerts fire"
        first = min(alert.starts_at for alert in active)
        findings.append(Finding(worst_kind, f"{len(names)} {verb}: {shown}", "alerts", first))
    findings += _of_database(said.database, said.running_out)
    if said.cache is not None:
        findings += [
            Finding(one.status, f"Cache: {one.text.rstrip('.')}", "cache")
            for one in said.cache.diagnoses
            if one.key in OF_CACHE
        ]
    for error in failures.values():
        if not isinstance(error, NotConfigured):
            findings.append(Finding("unknown", f"{error.source} {error.what}", "sources"))
    ordered = tuple(worst(findings))
    verdict = Verdict(
        overall(ordered, known + (service is not None)),
        ordered,
        known,
        service,
        active,
        events,
        tuple(failures.values()),
        said.database,
        said.cache,
    )
    return Kept(verdict, min((kept.as_of for kept in ages), default=datetime.now(UTC)))


def _of_database(database: Told | None, running_out: tuple[Diagnosis, ...]) -> list[Finding]:
    """What stops the service in its database, now or in the end: of each kind the worst."""
    found: dict[str, Finding] = {}
    if database is not None:
        began = min((seat.since for seat in database.now.seats if seat.since is not None), default=None)
        for one in database.diagnoses:
            if one.key in OF_DATABASE and one.key not in found:
                since = began if one.key in ("blocking", "prepared-blocks") else None
                found[one.key] = Finding(one.status, f"Database: {one.text}", "database", since)
    for one in running_out:
        found.setdefault(
            one.key, Finding(one.status, f"Database: {one.text.rstrip('.')}", f"database-{KINDS[one.key]}")
        )
    return list(found.values())


def _of_service(service: ServiceState | None) -> list[Finding]:
    if service is None:
        return []
    found: list[Finding] = []
    bad = [replica for replica in service.replicas if replica.state != "ready"]
    if bad:
        total = len(service.replicas)
        status: Status = "broken" if len(bad) * 2 > total or service.balancer.state != "ready" else "risk"
        first = bad[0]
        reason = f" ({first.detail})" if first.detail else ""
        found.append(
            Finding(
                status,
                f"{total - len(bad)} of {total} replicas are ready; {first.name} is {first.state}{reason}",
                "replicas",
            )
        )
    if service.balancer.state != "ready" and not bad:
        found.append(Finding("broken", f"the balancer's answer is {service.balancer.state}", "replicas"))
    found_versions = versions(service.replicas)
    if len(found_versions) > 1:
        found.append(Finding("risk", f"replicas run different versions: {', '.join(found_versions)}", "replicas"))
    return found
