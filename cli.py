"""The console from a terminal, without a browser.

``python -m cli rules`` prints the Prometheus rules that belong to a file of objectives.
``python -m cli doctor`` asks every configured source and prints what a page would show: whether it
answers, its version and latency, what it lacks and how to mend it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import settings as settings_file
from collectors import registry, slo_rules, slos
from collectors.deadline import deadline
from telemetry import logs
from telemetry.masks import mask, mask_value
from telemetry.visible import visible
from views.sources.view import SourceReport, load_reports, overall

EXIT = {"ok": 0, "risk": 1, "broken": 2, "unknown": 3}
"""Exit codes of ``doctor``: all well, something is missing, a source does not answer, nothing is configured."""

MISTAKE = 64
"""Exit code for wrong settings or arguments, as ``EX_USAGE`` of sysexits.h."""

LONGEST = 1000
"""Characters of one text in what ``doctor`` prints for people."""

_MARKS = {"ok": "✓", "risk": "▲", "broken": "✕", "unknown": "?"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m cli", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--config", type=Path, help=f"settings file (default: ${settings_file.CONFIG_VARIABLE} or console.toml)"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    doctor = commands.add_parser("doctor", help="ask every source and say what is wrong")
    doctor.add_argument("--environment", help="only this environment")
    doctor.add_argument("--json", action="store_true", help="one JSON object a source and line")
    rules = commands.add_parser("rules", help="print the Prometheus rules of the objectives")
    rules.add_argument("--slo", type=Path, default=slos.CATALOG, help="file of objectives (default: the shipped one)")
    rules.add_argument("--job", default="synaptic", help="the job label of Synaptic's metrics (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    if chosen.command == "rules":
        return _rules(chosen.slo, chosen.job)
    try:
        settings = settings_file.load(chosen.config)
    except settings_file.SettingsError as error:
        print("\n".join(error.mistakes), file=sys.stderr)
        return MISTAKE
    for secret in settings.secrets():
        logs.register_secret(secret)
    if chosen.environment is not None and chosen.environment not in settings.environments:
        known = ", ".join(settings.environments) or "none"
        print(f"There is no environment {chosen.environment!r}; configured: {known}", file=sys.stderr)
        return MISTAKE
    try:
        return _doctor(settings, chosen.environment, as_json=chosen.json)
    finally:
        registry.close_all()


def _rules(file: Path, job: str) -> int:
    try:
        objectives = slos.load(file)
    except slos.SlosError as error:
        print(error, file=sys.stderr)
        return MISTAKE
    for remark in (remark for one in objectives.values() for remark in one.remarks):
        print(f"{file.name}: {remark}", file=sys.stderr)
    print(slo_rules.rules(objectives.values(), job=job), end="")
    return 0


def _doctor(settings: settings_file.Settings, only: str | None, *, as_json: bool) -> int:
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


if __name__ == "__main__":
    sys.exit(main())
