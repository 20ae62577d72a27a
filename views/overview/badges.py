"""What is known of each part of the installation, in a word or two, in an order that does not change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.verdict import Finding, Status, Words
from collectors.registry import Sources
from collectors.synaptic.client import versions
from views.overview.findings import Facts

ORDER = ("replicas", "balancer", "version", "alerts", "database", "cache", "prometheus", "logs")


@dataclass(frozen=True)
class Badge:
    """One part.

    Attributes:
        key: Which part.
        text: What is known of it.
        status: How bad that is; ``unknown`` where its source does not answer, whatever it said before.
        subject: What a click should open; as of a finding.
    """

    key: str
    text: str
    status: Status
    subject: str


def badges(sources: Sources, facts: Facts, found: Sequence[Finding], value: Words) -> tuple[Badge, ...]:
    """A badge for each part whose source is configured.

    Args:
        sources: The environment's sources.
        facts: What each source said.
        found: What there is to say.
        value: Writes a number with its unit.
    """
    configured = {one.source.name for one in sources.configured()}
    made: list[Badge] = []
    if "synaptic" in configured:
        made += _of_service(facts)
    if "alertmanager" in configured:
        made.append(_of_alerts(facts, found))
    if "postgres" in configured:
        made.append(_of_database(facts, found))
    if "redis" in configured:
        made.append(_of_cache(facts, found, value))
    if "prometheus" in configured and _missing(facts, "prometheus"):
        made.append(Badge("prometheus", f"figures: {_why(facts, 'prometheus')}", "unknown", "sources"))
    if "elasticsearch" in configured and _missing(facts, "elasticsearch"):
        made.append(Badge("logs", f"logs: {_why(facts, 'elasticsearch')}", "unknown", "sources"))
    return tuple(made)


def _missing(facts: Facts, source: str) -> bool:
    return any(one.source == source for one in facts.silent) or source in facts.failures or source in facts.late


def _why(facts: Facts, source: str) -> str:
    for one in facts.silent:
        if one.source == source:
            return f"{source} {one.kind}"
    error = facts.failures.get(source)
    return f"{source} {error.kind}" if error is not None else "not known yet"


def _worst(found: Sequence[Finding], *subjects: str) -> Status:
    statuses = {one.status for one in found if one.subject in subjects or one.identity in subjects}
    return "broken" if "broken" in statuses else "risk" if "risk" in statuses else "ok"


def _of_service(facts: Facts) -> list[Badge]:
    service = facts.service
    if service is None or any(one.source == "synaptic" for one in facts.silent):
        return [Badge("replicas", f"replicas: {_why(facts, 'synaptic')}", "unknown", "replicas")]
    made = []
    ready = sum(replica.state == "ready" for replica in service.replicas)
    total = len(service.replicas)
    if total:
        status: Status = "ok" if ready == total else "broken" if ready * 2 < total else "risk"
        made.append(Badge("replicas", f"replicas {ready}/{total} ready", status, "replicas"))
    balanced: Status = "ok" if service.balancer.state == "ready" else "broken"
    made.append(Badge("balancer", f"balancer {service.balancer.state}", balanced, "replicas"))
    shown = versions(service.replicas)
    if shown:
        one: Status = "ok" if len(shown) == 1 else "risk"
        made.append(Badge("version", f"version {', '.join(shown)}", one, "replicas"))
    return made


def _of_alerts(facts: Facts, found: Sequence[Finding]) -> Badge:
    if facts.alerts is None or any(one.source == "alertmanager" for one in facts.silent):
        return Badge("alerts", f"alerts: {_why(facts, 'alertmanager')}", "unknown", "alerts")
    count = len(facts.alerts.firing)
    text = f"{count or 'no'} alert{'' if count == 1 else 's'} firing"
    return Badge("alerts", text, _worst(found, "alerts"), "alerts")


def _of_database(facts: Facts, found: Sequence[Finding]) -> Badge:
    if facts.database is None or any(one.source == "postgres" for one in facts.silent):
        return Badge("database", f"database: {_why(facts, 'postgres')}", "unknown", "database")
    waiting = facts.database.now.waiting
    text = f"{waiting} session{' waits' if waiting == 1 else 's wait'} for a lock" if waiting else "no lock waits"
    if not waiting and facts.locks is not None and facts.locks.heavy:
        text = f"{facts.locks.waiting:.2g} sessions wait for locks on average"
    worst = _worst(found, "database", "database-tables", "database-upkeep")
    return Badge("database", f"database: {text}", worst, "database")


def _of_cache(facts: Facts, found: Sequence[Finding], value: Words) -> Badge:
    cache = facts.cache
    if cache is None or cache.silent or any(one.source == "redis" for one in facts.silent):
        return Badge("cache", f"cache: {_why(facts, 'redis')}", "unknown", "cache")
    # As the service counts its look-ups, like the finding beside it: the server counts those of others too.
    counted = next((one.now for one in facts.readings if one.key == "cache_hit_share"), None)
    share = counted if counted is not None else cache.state.share
    text = f"{value(share, 'ratio')} hits" if share is not None else "answers"
    return Badge("cache", f"cache: {text}", _worst(found, "cache", "cache_hit_share"), "cache")
