"""Sources: for each source whether it answers, how it went lately, what it lacks, and how to mend it.

The page and ``python -m cli doctor`` show the same reports.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Literal, TypeVar

from collectors.alertmanager.client import Alertmanager
from collectors.cache import Kept
from collectors.elasticsearch.client import ClusterHealth, Elasticsearch
from collectors.elasticsearch.logs import ElasticsearchLogs
from collectors.errors import NotConfigured, SourceError
from collectors.guard import BreakerState, Health
from collectors.http import HttpSource
from collectors.postgres.client import Postgres, Server
from collectors.prometheus.client import Prometheus
from collectors.prometheus.wire import Target
from collectors.redis.client import OLDEST, NotACache, Redis
from collectors.registry import Sources
from collectors.signals import catalogue
from collectors.sql import quoted
from collectors.synaptic.client import Synaptic, versions
from settings import SOURCE_NAMES
from views.shared.parallel import side_by_side

SLOW_SECONDS = 2.0
"""An answer that takes longer, or half of the source's deadline, is called slow."""

Status = Literal["ok", "risk", "broken", "unknown"]
T = TypeVar("T")


@dataclass(frozen=True)
class Lack:
    """Something that a source does not have, and that the console would use.

    Attributes:
        text: What is missing, and what that costs.
        mend: What brings it.
    """

    text: str
    mend: str


@dataclass(frozen=True)
class SourceReport:
    """How it stands with one source.

    Attributes:
        name: The source.
        purpose: What the console has it for.
        status: ``ok``; ``risk`` where it is slow or lacks something; ``broken``; ``unknown`` where not configured.
        summary: The state in a few words.
        address: Where it is, without credentials; empty where not configured.
        version: Its version; empty where it did not tell.
        health: How requests went; ``None`` where not configured.
        lacks: What is missing.
        hint: What to do about a failure.
    """

    name: str
    purpose: str
    status: Status
    summary: str
    address: str = ""
    version: str = ""
    health: Health | None = None
    lacks: tuple[Lack, ...] = ()
    hint: str = ""

    @property
    def breaker(self) -> BreakerState | None:
        """State of its breaker."""
        return self.health.breaker if self.health is not None else None


PURPOSES = {
    "synaptic": "health, readiness and version of the service",
    "prometheus": "metrics, alert rules, what changed",
    "alertmanager": "who is told, what is silenced",
    "elasticsearch": "logs and security events",
    "postgres": "sessions, locks and statistics of the database",
    "redis": "hits, memory, commands and keys of the cache",
}


def load_reports(sources: Sources) -> Kept[list[SourceReport]]:
    """A report for every source, asked side by side; a source that fails costs its own report only."""
    checks: dict[str, Callable[[], SourceReport]] = {
        "synaptic": lambda: _synaptic(sources.synaptic),
        "prometheus": lambda: _prometheus(sources.prometheus),
        "alertmanager": lambda: _alertmanager(sources.alertmanager),
        "elasticsearch": lambda: _elasticsearch(sources.elasticsearch),
        "postgres": lambda: _postgres(sources.postgres),
        "redis": lambda: _redis(sources.redis),
    }
    return Kept(side_by_side(*(partial(_report, name, checks[name]) for name in SOURCE_NAMES)), datetime.now(UTC))


def _report(name: str, check: Callable[[], SourceReport]) -> SourceReport:
    try:
        return check()
    except NotConfigured as error:
        return SourceReport(name, PURPOSES[name], "unknown", "not configured", hint=error.hint)


def _answered(
    name: str,
    collector: Synaptic | Prometheus | Alertmanager | Elasticsearch | Postgres | Redis,
    check: Callable[[], tuple[str, list[Lack]]],
) -> SourceReport:
    """Run a check that tells version and lacks; a failure becomes the report."""
    source = collector.source
    try:
        version, lacks = check()
    except SourceError as error:
        # What answers there is well, but it is not what is asked for: nothing is known of that.
        failed: Status = "unknown" if isinstance(error, NotACache) else "broken"
        return SourceReport(
            name, PURPOSES[name], failed, error.what, source.address, "", source.guard.health(), (), error.hint
        )
    health = source.guard.health()
    limit = source.endpoint.deadline if isinstance(source, HttpSource) else source.settings.deadline
    slow = _slow(health, limit)
    status: Status = "risk" if lacks or slow else "ok"
    summary = f"answers{slow}"
    if lacks:
        summary += f", {len(lacks)} thing{'s' if len(lacks) > 1 else ''} missing"
    hint = "Look at its load; a shorter window asks for less. Its deadline is a setting." if slow else ""
    return SourceReport(name, PURPOSES[name], status, summary, source.address, version, health, tuple(lacks), hint)


def _slow(health: Health, limit: float) -> str:
    """How slow a source is, in words after "answers"; empty where it is quick enough."""
    if health.slowest is None or health.slowest <= min(SLOW_SECONDS, limit / 2):
        return ""
    return f" slowly: {health.slowest:.1f} s of its {limit:g} s"


def _synaptic(service: Synaptic) -> SourceReport:
    def check() -> tuple[str, list[Lack]]:
        state = service.state()
        if state.error is not None:
            raise state.error
        replicas = state.value.replicas
        lacks = [
            Lack(
                f"Replica {replica.name} is {replica.state}" + (f": {replica.detail}" if replica.detail else "") + ".",
                _mend(replica.state),
            )
            for replica in replicas
            if replica.state != "ready"
        ]
        if state.value.balancer.state != "ready":
            lacks.append(
                Lack(f"Through the balancer it is {state.value.balancer.state}.", _mend(state.value.balancer.state))
            )
        if not replicas:
            lacks.append(
                Lack(
                    "No replicas are listed, so health, readiness and version are known through the balancer only.",
                    f"Add replicas = [{{ name = …, url = … }}] to [environments.{service.environment}.synaptic].",
                )
            )
        found = versions(replicas)
        if len(found) > 1:
            lacks.append(
                Lack(
                    f"Replicas run different versions: {', '.join(found)}.",
                    "Wait for the roll-out to end, or look why it stopped.",
                )
            )
        return ", ".join(found) or state.value.balancer.version, lacks

    return _answered("synaptic", service, check)


def _mend(state: str) -> str:
    return (
        "Look at its log and at the database that it waits for."
        if state == "not ready"
        else "Look whether the process runs, and at its log."
    )


def _prometheus(prometheus: Prometheus) -> SourceReport:
    def check() -> tuple[str, list[Lack]]:
        version, coverage, targets, rules = side_by_side(
            partial(_or_refusal, prometheus.version),
            lambda: prometheus.coverage(catalogue()),
            partial(_or_refusal, prometheus.targets),
            partial(_or_refusal, prometheus.rules),
        )
        lacks = [
            Lack(f"It {error.what}: {costs}.", error.hint)
            for error, costs in (
                (version, "its version is not known"),
                (targets, "which targets it scrapes, and whether they answer, is not known"),
                (rules, "whether its rules work is not known"),
            )
            if isinstance(error, SourceError)
        ]
        signals = catalogue()
        lacks += [
            Lack(
                f"No metric {' or '.join(names)}: “{signals[key].title}” stays empty.",
                "Let this build of Synaptic report it, or add the name that it has to collectors/catalog/signals.toml.",
            )
            for key, names in coverage.absent.items()
            if not signals[key].optional
        ]
        if coverage.doubled:
            one = next(iter(coverage.doubled.values()))
            lacks.append(
                Lack(
                    f"{len(coverage.doubled)} metrics have doubled names on some replica ({one}).",
                    "Both are used together. Register Synaptic's metrics without namespace and subsystem.",
                )
            )
        if not isinstance(targets, SourceError):
            lacks += _of_targets(prometheus, targets.value)
        if not isinstance(rules, SourceError):
            lacks += [
                Lack(
                    f"Rule {rule.name} fails: {rule.last_error}.",
                    "Correct the rule; promtool check rules finds mistakes of form.",
                )
                for group in rules.value
                for rule in group.rules
                if rule.health == "err"
            ]
        return version if isinstance(version, str) else "", lacks

    return _answered("prometheus", prometheus, check)


def _of_targets(prometheus: Prometheus, targets: Sequence[Target]) -> list[Lack]:
    """What the scrape targets tell: whether Synaptic is among them, and which do not answer."""
    lacks = []
    if not any(target.scrape_pool == prometheus.settings.job for target in targets):
        lacks.append(
            Lack(
                f"No scrape job “{prometheus.settings.job}”.",
                f"Set job in [environments.{prometheus.environment}.prometheus] to the job that scrapes Synaptic.",
            )
        )
    return lacks + [
        Lack(
            f"Target {target.scrape_url} of {target.scrape_pool} is {target.health}: {target.last_error}.",
            "Look whether it runs and whether Prometheus may reach it.",
        )
        for target in targets
        if target.health == "down"
    ]


def _or_refusal(ask: Callable[[], T]) -> T | SourceError:
    """The answer of an endpoint, or why it alone has none; a source that is down is an error as always.

    Raises:
        SourceError: The source as a whole failed, or its answer is an old one.
    """
    try:
        found = ask()
    except SourceError as error:
        if error.trips:
            raise
        return error
    if isinstance(found, Kept) and found.error is not None:
        if found.error.trips:
            raise found.error
        return found.error
    return found


def _alertmanager(alertmanager: Alertmanager) -> SourceReport:
    def check() -> tuple[str, list[Lack]]:
        status = alertmanager.status()
        lacks = []
        if status.cluster.status not in ("ready", "disabled", ""):
            lacks.append(
                Lack(f"Its cluster is {status.cluster.status}.", "Look whether its peers run and reach each other.")
            )
        return status.version_info.version, lacks

    return _answered("alertmanager", alertmanager, check)


def _elasticsearch(logs: Elasticsearch) -> SourceReport:
    def check() -> tuple[str, list[Lack]]:
        info, health, documents = side_by_side(
            lambda: _or_refusal(logs.info), lambda: _or_refusal(logs.health), logs.documents
        )
        lacks = [
            Lack(f"It {found.what}: {costs}.", found.hint)
            for found, costs in ((info, "its version is not known"), (health, "the health of the cluster is not known"))
            if isinstance(found, SourceError)
        ]
        if not isinstance(health, SourceError) and health.status.lower() != "green":
            lacks.append(_health(health))
        if documents == 0:
            lacks.append(
                Lack(
                    f"The index pattern {logs.settings.index} holds no lines.",
                    "Check the pattern, and whether Filebeat ships to this cluster.",
                )
            )
        lacks += _timeless(logs)
        return "" if isinstance(info, SourceError) else info.version.number, lacks

    return _answered("elasticsearch", logs, check)


def _health(health: ClusterHealth) -> Lack:
    """What a cluster that is not green cannot do."""
    unassigned = f"{health.unassigned_shards} shards have no node"
    texts = {
        "yellow": f"The cluster is yellow: {unassigned}, so there is no second copy of some lines.",
        "red": f"The cluster is red: {unassigned}, so some lines cannot be read.",
    }
    unknown = f"The cluster calls its health “{health.status}”, which the console does not know: {unassigned}."
    return Lack(texts.get(health.status.lower(), unknown), "GET _cluster/allocation/explain on the cluster tells why.")


def _timeless(logs: Elasticsearch) -> list[Lack]:
    """Lines that no window can show; none where they could not be counted, for that alone breaks nothing."""
    try:
        count = ElasticsearchLogs(logs).timeless().value
    except SourceError:
        return []
    if not count:
        return []
    return [
        Lack(
            f"{count} line{'s have' if count > 1 else ' has'} no @timestamp, and so no page shows them.",
            "Let the shipper write @timestamp; Filebeat does it by itself unless a processor drops it.",
        )
    ]


def _postgres(database: Postgres) -> SourceReport:
    def check() -> tuple[str, list[Lack]]:
        kept = database.server()
        if kept.error is not None:
            raise kept.error
        server = kept.value
        lacks = []
        if not server.monitor:
            lacks.append(
                Lack(
                    f"The role {server.role} is not a member of pg_monitor: it sees no statements and waits of others.",
                    f'GRANT pg_monitor TO "{server.role}";',
                )
            )
        return server.version_text, lacks + _of_sessions(database) + _of_postgres(server)

    return _answered("postgres", database, check)


def _of_sessions(database: Postgres) -> list[Lack]:
    """What the console's own sessions lack."""
    if database.source.arrived is not False:
        return []
    return [
        Lack(
            "A pooler stands between and drops the settings of a session: they go with each question instead.",
            "Set pgbouncer = true for this source, or use PostgreSQL's own port.",
        )
    ]


def _of_postgres(server: Server) -> list[Lack]:
    """Extensions and settings that the console would use."""
    lacks = []
    if not server.statements_loaded:
        lacks.append(
            Lack(
                "The library of pg_stat_statements is not loaded: which statements take the time is not known.",
                "Add pg_stat_statements to shared_preload_libraries and restart"
                + ("" if "pg_stat_statements" in server.extensions else "; then CREATE EXTENSION pg_stat_statements;"),
            )
        )
    elif "pg_stat_statements" not in server.extensions:
        lacks.append(
            Lack(
                f"The database {server.database} has no extension pg_stat_statements: which statements take the "
                "time is not known.",
                f"CREATE EXTENSION pg_stat_statements; in the database {server.database}",
            )
        )
    for name in ("pg_stat_statements", "pgstattuple"):
        extension = server.extensions.get(name)
        if extension is not None and not extension.usable:
            lacks.append(
                Lack(
                    f"The role {server.role} may not use the schema {extension.schema}, in which {name} is.",
                    f"GRANT USAGE ON SCHEMA {quoted(extension.schema)} TO {quoted(server.role)};",
                )
            )
    if not server.activities:
        lacks.append(
            Lack(
                "track_activities is off: what sessions do and wait for is not known, of all or of some roles.",
                "ALTER SYSTEM SET track_activities = on; SELECT pg_reload_conf(); reset it for roles and databases.",
            )
        )
    if "pgstattuple" not in server.extensions:
        lacks.append(
            Lack(
                f"The database {server.database} has no extension pgstattuple: bloat is estimated, not measured.",
                f"CREATE EXTENSION pgstattuple; in the database {server.database}",
            )
        )
    if not server.io_timing:
        lacks.append(
            Lack(
                "track_io_timing is off: how much of a statement's time is reading and writing is not known.",
                "ALTER SYSTEM SET track_io_timing = on; SELECT pg_reload_conf();",
            )
        )
    if server.standby:
        lacks.append(
            Lack(
                "It is a standby: what happens on the primary is seen on the primary only.",
                "Point the console at the primary.",
            )
        )
    return lacks


def _redis(cache: Redis) -> SourceReport:
    def check() -> tuple[str, list[Lack]]:
        kept = cache.info()
        if kept.error is not None:
            raise kept.error
        info = kept.value
        lacks = []
        if info.major is not None and info.major < OLDEST:
            lacks.append(Lack(f"It is {info.product}; the console knows {OLDEST} and newer.", "Upgrade it."))
        if info.stats.loading:
            lacks.append(Lack("It is loading its data and serves no key yet.", "Wait for it."))
        if info.stats.role in ("slave", "replica"):
            primary = f"{info.stats.master_host or '?'}:{info.stats.master_port or '?'}"
            lacks.append(
                Lack(
                    f"It is a replica of {primary}: hits, commands and slow commands are those of this copy alone.",
                    f"Set host and port of this source to the primary, {primary}.",
                )
            )
        if info.stats.cluster_enabled or info.mode == "cluster":
            lacks.append(
                Lack(
                    "It is one node of a cluster: figures and keys are those of this node alone.",
                    "Give each node an environment of its own, or look at the cluster with its own tools.",
                )
            )
        lacks += [
            Lack(f"It {error.what}: {costs}.", error.hint)
            for read, costs in (
                (cache.config, "its settings are not shown"),
                (cache.slow, "slow commands are not shown"),
                (cache.clients, "its clients are not shown"),
            )
            if (error := _refusal(read)) is not None
        ]
        return info.product, lacks

    return _answered("redis", cache, check)


def _refusal(read: Callable[[], object]) -> SourceError | None:
    """Why something cannot be read though its source answers; ``None`` where it can."""
    found = _or_refusal(read)
    return found if isinstance(found, SourceError) else None


def overall(reports: list[SourceReport]) -> Status:
    """The worst state among the configured sources; ``unknown`` where none is configured."""
    order: tuple[Status, ...] = ("broken", "risk", "ok")
    found = {report.status for report in reports}
    return next((status for status in order if status in found), "unknown")
