"""Sources: for each source whether it answers, how it went lately, what it lacks, and how to mend it.

The page and ``python -m cli doctor`` show the same reports. How a source is looked at is its subject's own.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from collectors.cache import Answer
from collectors.errors import NotConfigured, SourceError
from collectors.guard import Health
from collectors.http import HttpSource
from collectors.redis.client import NotACache
from collectors.registry import Sources
from views import registry
from views.shared.parallel import side_by_side
from views.shared.reports import Lack, SourceCheck, SourceReport, Status

SLOW_SECONDS = 2.0
"""An answer that takes longer, or half of the source's deadline, is called slow."""


def load_reports(sources: Sources) -> Answer[list[SourceReport]]:
    """A report for every source, asked side by side; a source that fails costs its own report only."""
    checks = registry.checks()
    reports = side_by_side(*(partial(_report, sources, name, check) for name, check in checks.items()))
    return Answer(reports, datetime.now(UTC))


def _report(sources: Sources, name: str, check: SourceCheck) -> SourceReport:
    try:
        collector = check.find(sources)
        return _answered(name, check.purpose, collector, partial(check.check, collector))
    except NotConfigured as error:
        return SourceReport(name, check.purpose, "unknown", "not configured", hint=error.hint)


def _answered(name: str, purpose: str, collector: Any, check: Callable[[], tuple[str, list[Lack]]]) -> SourceReport:
    """Run a check that tells version and lacks; a failure becomes the report."""
    source = collector.source
    try:
        version, lacks = check()
    except SourceError as error:
        # What answers there is well, but it is not what is asked for: nothing is known of that.
        failed: Status = "unknown" if isinstance(error, NotACache) else "broken"
        return SourceReport(
            name, purpose, failed, error.what, source.address, "", source.guard.health(), (), error.hint
        )
    health = source.guard.health()
    limit = source.endpoint.deadline if isinstance(source, HttpSource) else source.settings.deadline
    slow = _slow(health, limit)
    status: Status = "risk" if lacks or slow else "ok"
    summary = f"answers{slow}"
    if lacks:
        summary += f", {len(lacks)} thing{'s' if len(lacks) > 1 else ''} missing"
    hint = "Look at its load; a shorter window asks for less. Its deadline is a setting." if slow else ""
    return SourceReport(name, purpose, status, summary, source.address, version, health, tuple(lacks), hint)


def _slow(health: Health, limit: float) -> str:
    """How slow a source is, in words after "answers"; empty where it is quick enough."""
    if health.slowest is None or health.slowest <= min(SLOW_SECONDS, limit / 2):
        return ""
    return f" slowly: {health.slowest:.1f} s of its {limit:g} s"


def overall(reports: list[SourceReport]) -> Status:
    """The worst state among the configured sources; ``unknown`` where none is configured."""
    order: tuple[Status, ...] = ("broken", "risk", "ok")
    found = {report.status for report in reports}
    return next((status for status in order if status in found), "unknown")
