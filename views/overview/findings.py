"""What there is to say about the service at this moment, made of what each source said; without asking anybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from analysis.diagnosis import Diagnosis
from analysis.events import Event
from analysis.verdict import Cause, Clock, Finding, Reading, Status, Words, in_words, of_reading, worst
from collectors.errors import NotConfigured, SourceError
from collectors.synaptic.client import ServiceState, versions
from settings import SOURCE_TITLES
from views.cache import view as cache_view
from views.database.sessions.locks import LockLoad
from views.database.sessions.verdict import LOCKS, LONG_WAIT, Told, habit
from views.database.tables.outlook import KINDS
from views.overview.alerts import Alerts
from views.overview.alerts import finding as alerts_finding
from views.overview.silences import Silence
from views.overview.silences import finding as silence_finding

FLOOD = 3.0
"""How many times the hour before the log volume must be to be called a flood."""

FLOOD_FLOOR = 60.0
"""Lines a minute below which no volume is a flood: a quiet night triples easily."""

OF_DATABASE = ("blocking", "prepared-blocks", "idle-in-transaction", "connections", "read-only")
"""Kinds of diagnoses of the database that the verdict speaks of: they stop the service, now or soon."""

OF_CACHE = (
    "cache-clients", "cache-evicting", "cache-flushed", "cache-full", "cache-loading", "cache-replica-link",
    "cache-restart", "cache-save",
)  # fmt: skip
"""The same of the cache; a low hit ratio is said by the service's own signal."""

SUSTAINED = 0.3
"""Sessions that waited for locks on average from which on a short wait of now is part of a habit."""


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


@dataclass(frozen=True)
class Facts:
    """What each source said; ``None`` where it did not.

    Attributes:
        readings: The signals as they are judged.
        deploys: Deploys and roll-backs of late.
        service: Replicas and balancer.
        alerts: The alerts.
        volume: How much is logged.
        database: The sessions of the database, as of now.
        locks: How much was waited for locks over the last minutes.
        running_out: What the database runs out of.
        cache: What is said about the cache, as of now.
        silent: Sources that do not answer.
        failures: For each source that failed at something, why.
        late: Sources that were asked and have not answered yet, and of which nothing is known → seconds of waiting.
        began: Key of a finding → when it began, as the records have it.
    """

    readings: Sequence[Reading] = ()
    deploys: Sequence[Event] = ()
    service: ServiceState | None = None
    alerts: Alerts | None = None
    volume: LogVolume | None = None
    database: Told | None = None
    locks: LockLoad | None = None
    running_out: Sequence[Diagnosis] = ()
    cache: cache_view.Verdict | None = None
    silent: Sequence[Silence] = ()
    failures: Mapping[str, SourceError] = field(default_factory=dict)
    late: Mapping[str, float] = field(default_factory=dict)
    began: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def known(self) -> int:
        """How many signals have a value."""
        return sum(one.now is not None for one in self.readings)


def findings(facts: Facts, value: Words, clock: Clock) -> tuple[Finding, ...]:
    """All there is to say, the cause first.

    Args:
        facts: What each source said.
        value: Writes a number with its unit.
        clock: Writes a time in the viewer's zone.
    """
    found = [silence_finding(one, clock) for one in _dated(facts)]
    found += [told for one in facts.readings if (told := of_reading(one, facts.deploys, value, clock)) is not None]
    found += _of_service(facts.service)
    if facts.volume is not None and facts.volume.flood:
        times = in_words(facts.volume.now / facts.volume.before)
        text = f"Logs grow by {value(facts.volume.now, 'count')} lines a minute, {times} the hour before"
        found.append(Finding("risk", text, "logs", key="logs", weight=facts.volume.now))
    alerts = alerts_finding(facts.alerts) if facts.alerts is not None else None
    found += [alerts] if alerts is not None else []
    found += of_database(facts.database, facts.locks, value)
    found += of_outlook(facts.running_out)
    found += of_cache(facts.cache)
    found += _of_failures(facts)
    return tuple(worst([_begun(one, facts.began, clock) for one in found]))


def _dated(facts: Facts) -> list[Silence]:
    """Silent sources, with the beginning from the records where this process does not know it."""
    return [
        one if one.since is not None else replace(one, since=facts.began.get(f"silent:{one.source}"))
        for one in facts.silent
    ]


def _begun(one: Finding, began: Mapping[str, datetime], clock: Clock) -> Finding:
    """With its beginning, where only the records know it."""
    since = began.get(one.identity)
    if one.since is not None or since is None or one.status == "unknown":
        return one
    return replace(one, since=since, text=f"{one.text}, since {clock(since)}")


def of_database(told: Told | None, locks: LockLoad | None, value: Words) -> list[Finding]:
    """What stops the service in its database: of each kind the worst.

    Who waits for a lock at one moment says little where locks come and go, so a short wait counts where there were
    others over the last minutes, and many of them count though nobody waits at this moment.
    """
    found: dict[str, Finding] = {}
    if told is not None:
        began = min((seat.since for seat in told.now.seats if seat.since is not None), default=None)
        for one in told.diagnoses:
            if one.key not in OF_DATABASE or one.key in found or not _counts(one, told, locks):
                continue
            lock = one.key in LOCKS
            found[one.key] = Finding(
                one.status,
                f"Database: {one.text}",
                "database",
                began if lock else None,
                f"database:{'locks' if lock else one.key}",
                Cause.LOCK if lock else Cause.EXHAUSTED,
                weight=float(told.now.waiting) if lock else 0.0,
            )
    if locks is not None and locks.heavy and not LOCKS & found.keys():
        one = habit(locks, value)
        found["blocking"] = Finding(
            one.status, f"Database: {one.text}", "database", locks.since, "database:locks", Cause.LOCK,
            weight=locks.waiting,
        )  # fmt: skip
    return list(found.values())


def _counts(one: Diagnosis, told: Told, locks: LockLoad | None) -> bool:
    if one.key == "idle-in-transaction":
        # One forgotten session is Database's to tell; many of one client take what all others need.
        return one.status == "broken" or not one.subject.startswith("pid ")
    if one.key not in LOCKS or one.status == "broken" or locks is None:
        return True
    longest = max((seat.node.waited or 0.0 for seat in told.now.seats), default=0.0)
    return longest >= LONG_WAIT / 2 or locks.waiting >= SUSTAINED


def of_outlook(running_out: Sequence[Diagnosis]) -> list[Finding]:
    """What the database runs out of in the end: of each kind the worst."""
    found: dict[str, Finding] = {}
    for one in running_out:
        text = f"Database: {one.text.rstrip('.')}"
        subject = f"database-{KINDS[one.key]}"
        found.setdefault(one.key, Finding(one.status, text, subject, key=f"database:{one.key}", cause=Cause.OUTLOOK))
    return list(found.values())


def of_cache(cache: cache_view.Verdict | None) -> list[Finding]:
    """What is wrong with the cache, as far as it has not passed."""
    if cache is None or cache.silent:
        return []
    return [
        Finding(one.status, f"Cache: {one.text.rstrip('.')}", "cache", key=f"cache:{one.key}", cause=Cause.EXHAUSTED)
        for one in cache.diagnoses
        if one.key in OF_CACHE and one.text not in cache.over
    ]


def _of_service(service: ServiceState | None) -> list[Finding]:
    if service is None:
        return []
    found: list[Finding] = []
    bad = [replica for replica in service.replicas if replica.state != "ready"]
    balanced = service.balancer.state == "ready"
    total = len(service.replicas)
    gone = sum(replica.state == "unreachable" for replica in service.replicas)
    dead = service.balancer.state == "unreachable" or (total > 0 and gone * 2 > total)
    cause = Cause.SILENT if dead else Cause.SYMPTOM
    if bad:
        status: Status = "broken" if len(bad) * 2 > total or not balanced else "risk"
        # A reason in the service's own words says more than that a connection failed.
        first = min(bad, key=lambda one: one.state == "unreachable")
        reason = f" ({first.detail})" if first.detail else ""
        text = f"{total - len(bad)} of {total} replicas are ready; {first.name} is {first.state}{reason}"
        found.append(Finding(status, text, "replicas", key="replicas", cause=cause, weight=float(len(bad))))
    elif not balanced:
        text = f"the balancer's answer is {service.balancer.state}"
        found.append(Finding("broken", text, "replicas", key="balancer", cause=cause))
    found_versions = versions(service.replicas)
    if len(found_versions) > 1:
        text = f"replicas run different versions: {', '.join(found_versions)}"
        found.append(Finding("risk", text, "replicas", key="versions", cause=Cause.DEPLOY))
    return found


def _of_failures(facts: Facts) -> list[Finding]:
    """What sources that answer did not tell, and which have not answered yet."""
    silent = {one.source for one in facts.silent}
    found = []
    for source, error in facts.failures.items():
        if source not in silent and not isinstance(error, NotConfigured):
            text = f"{SOURCE_TITLES.get(source, source)} {error.what}"
            found.append(Finding("unknown", text, "sources", key=f"failed:{source}", cause=Cause.REMARK))
    for source in sorted(facts.late.keys() - silent - facts.failures.keys()):
        text = f"{SOURCE_TITLES.get(source, source)} has not answered within {facts.late[source]:g} s"
        found.append(Finding("unknown", text, "sources", key=f"late:{source}", cause=Cause.BLIND))
    return found
