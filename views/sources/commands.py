"""``python -m cli doctor``: asks every source and prints what Sources would show."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import asdict

from collectors import registry
from collectors.deadline import deadline
from settings import Settings
from telemetry.masks import mask, mask_value
from telemetry.visible import visible
from views.shared.reports import SourceReport
from views.sources.view import load_reports, overall
from views.subject import MISTAKE, Command

EXIT = {"ok": 0, "risk": 1, "broken": 2, "unknown": 3}
"""Exit codes of ``doctor``: all well, something is missing, a source does not answer, nothing is configured."""

LONGEST = 1000
"""Characters of one text in what ``doctor`` prints for people."""

_MARKS = {"ok": "✓", "risk": "▲", "broken": "✕", "unknown": "?"}


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--environment", help="only this environment")
    parser.add_argument("--json", action="store_true", help="one JSON object a source and line")


def _run(settings: Settings | None, chosen: Namespace) -> int:
    assert settings is not None  # noqa: S101 - the command says that it needs them
    if chosen.environment is not None and chosen.environment not in settings.environments:
        known = ", ".join(settings.environments) or "none"
        print(f"There is no environment {chosen.environment!r}; configured: {known}", file=sys.stderr)
        return MISTAKE
    try:
        return _doctor(settings, chosen.environment, as_json=chosen.json)
    finally:
        registry.close_all()


def _doctor(settings: Settings, only: str | None, *, as_json: bool) -> int:
    names = [only] if only else list(settings.environments)
    if not names:
        print("No environment is configured. Copy console.example.toml to console.toml and fill it in.")
        return EXIT["unknown"]
    worst = 0
    for name in names:
        with deadline(settings.limits.deadline):
            reports = load_reports(registry.sources(settings, name)).value
        worst = max(worst, EXIT[overall(reports)])
        if not as_json:
            print(_plain(settings.environments[name].title or name))
        for report in reports:
            print(_as_json(name, report) if as_json else _as_text(report))
    return worst


def _as_text(report: SourceReport) -> str:
    latency = report.health.last_latency if report.health is not None else None
    facts = [
        _plain(report.address),
        report.version and f"version {_plain(report.version)}",
        f"{latency * 1000:.0f} ms" if latency else "",
    ]
    lines = [f"  {_MARKS[report.status]} {report.name:<14} {_plain(report.summary)}"]
    if any(facts):
        lines.append(f"      {', '.join(fact for fact in facts if fact)}")
    if report.hint:
        lines.append(f"      → {_plain(report.hint)}")
    for lack in report.lacks:
        lines += [f"      ▲ {_plain(lack.text)}", f"        → {_plain(lack.mend)}"]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Words that may be a source's, so that they can neither drive the terminal nor show a secret."""
    return visible(mask(text), LONGEST)


def _as_json(environment: str, report: SourceReport) -> str:
    health = report.health
    return json.dumps(
        {
            "environment": environment,
            "source": report.name,
            "status": report.status,
            "summary": mask(report.summary),
            "address": mask(report.address),
            "version": report.version and mask(report.version),
            "latency_seconds": health.last_latency if health is not None else None,
            "breaker": report.breaker,
            "lacks": mask_value([asdict(lack) for lack in report.lacks]),
            "hint": mask(report.hint),
        },
        # All but ASCII escaped: JSON alone leaves characters as they are that drive a terminal or turn text around.
    )


DOCTOR = Command("doctor", "ask every source and say what is wrong", _arguments, _run)
