"""How it stands with Prometheus: its metrics, targets and rules."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from collectors.errors import SourceError
from collectors.prometheus.client import Prometheus
from collectors.prometheus.wire import Target
from collectors.signals import catalogue
from views.shared.parallel import side_by_side
from views.shared.reports import Lack, SourceCheck, or_refusal


def check(prometheus: Prometheus) -> tuple[str, list[Lack]]:
    """Version and lacks."""
    version, coverage, targets, rules = side_by_side(
        partial(or_refusal, prometheus.version),
        lambda: prometheus.coverage(catalogue()),
        partial(or_refusal, prometheus.targets),
        partial(or_refusal, prometheus.rules),
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


CHECKS = {"prometheus": SourceCheck("metrics, alert rules, what changed", lambda sources: sources.prometheus, check)}
"""Source → how it is looked at."""
