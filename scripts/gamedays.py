"""Run every game day against the running demo and write down what Overview says, and after how long.

``make gamedays`` injures the demo with one fault after the other, asks for Overview's verdict as the page
does, heals, and waits until the verdict is as it was before. The table goes to ``docs/game-days.md``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import settings as settings_file
from collectors import registry
from collectors.registry import Sources
from collectors.span import Span
from demo.faults import FAULTS
from demo.plan import ROOT, Plan
from ui import format
from views.overview import Verdict, load_verdict

AIM = 60.0
PATIENCE = 180.0
SETTLE = 300.0
REPORT = ROOT / "docs" / "game-days.md"


@dataclass(frozen=True)
class Seen:
    """What one game day showed: seconds until Overview said something new, its words, seconds until it was well."""

    fault: str
    seconds: float | None
    said: tuple[str, ...]
    healed: float | None


def verdict(sources: Sources, settings: settings_file.Settings) -> Verdict:
    """Overview's verdict for the last 15 minutes, now."""
    now = datetime.now(UTC)
    span = Span.of(now - timedelta(minutes=15), now, settings.limits.points, live=True, quantum=5.0)
    return load_verdict(sources, span, format.value, partial(format.timestamp, zone=UTC)).value


def subjects(found: Verdict) -> set[str]:
    """What the verdict's findings are about, as far as they are trouble."""
    return {finding.subject for finding in found.findings if finding.status in ("risk", "broken")}


def play(fault: str, sources: Sources, settings: settings_file.Settings) -> Seen:
    """Injure, watch, heal, watch."""
    before = subjects(verdict(sources, settings))
    gameday(fault)
    started = time.monotonic()
    seconds: float | None = None
    said: tuple[str, ...] = ()
    while time.monotonic() - started < PATIENCE:
        found = verdict(sources, settings)
        if subjects(found) - before:
            if seconds is None:
                seconds = time.monotonic() - started
            said = tuple(finding.text for finding in found.findings if finding.status in ("risk", "broken"))
            if time.monotonic() - started > max(seconds + 15, AIM):
                break  # what it says once the trouble is in full swing is what a reader meets
        time.sleep(2)
    gameday("off")
    healing = time.monotonic()
    healed: float | None = None
    while time.monotonic() - healing < SETTLE:
        if not subjects(verdict(sources, settings)) - before:
            healed = time.monotonic() - healing
            break
        time.sleep(3)
    return Seen(fault, seconds, said, healed)


def gameday(fault: str) -> None:
    """Inject a fault, or heal all with ``off``."""
    subprocess.run([sys.executable, "-m", "demo", "gameday", fault], check=True, cwd=ROOT)


def report(seen: list[Seen]) -> str:
    """The table as a page of the documentation."""
    lines = [
        "# Game days: what Overview said",
        "",
        "Written by `make gamedays` on the demo; the aim is that Overview says within 60 s that something is wrong, "
        "and where.",
        "",
        "| fault | said after | what it said | well again after |",
        "| --- | --- | --- | --- |",
    ]
    for one in seen:
        after = f"{one.seconds:.0f} s" if one.seconds is not None else f"not within {PATIENCE:.0f} s"
        healed = f"{one.healed:.0f} s" if one.healed is not None else f"not within {SETTLE:.0f} s"
        lines.append(f"| {one.fault} | {after} | {'<br>'.join(one.said) or '–'} | {healed} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Play the named faults, or all, and write the report when all were played."""
    plan = Plan.from_environment()
    token = Path(plan.run / "admin-token")
    os.environ.setdefault("SYNAPTIC_ADMIN_TOKEN", token.read_text(encoding="utf-8").strip())
    settings = settings_file.load(plan.home / "console.toml")
    sources = registry.sources(settings, plan.environment)
    names = sys.argv[1:] or sorted(FAULTS)
    seen = []
    for name in names:
        seen.append(play(name, sources, settings))
        print(seen[-1], flush=True)
    registry.close_all()
    if len(names) == len(FAULTS):
        REPORT.write_text(report(seen), encoding="utf-8")
    return 0 if all(one.seconds is not None and one.seconds <= AIM for one in seen) else 1


if __name__ == "__main__":
    sys.exit(main())
