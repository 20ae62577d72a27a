"""Run every game day against the running demo and write down what Overview says, and after how long.

``make gamedays`` injures the demo with one fault after the other, asks for Overview's verdict as the page
does, heals, and waits until the verdict is as it was before. The table goes to ``docs/game-days.md``; faults that were
not played keep their row.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import closing
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
from records.database import open_database
from ui import format
from views.cache.history import Memory
from views.overview.view import Verdict, load_verdict

AIM = 60.0
PATIENCE = 180.0
SETTLE = 300.0
REPORT = ROOT / "docs" / "game-days.md"


@dataclass(frozen=True)
class Seen:
    """What one game day showed.

    Attributes:
        fault: Its name.
        seconds: Until Overview said something new; ``None`` where that was not within ``watched``.
        said: In which words.
        healed: Seconds until Overview was well again; ``None`` where that was not within ``awaited``.
        watched: Seconds for which it was watched.
        awaited: Seconds for which it was waited for.
    """

    fault: str
    seconds: float | None
    said: tuple[str, ...]
    healed: float | None
    watched: float = PATIENCE
    awaited: float = SETTLE


def verdict(sources: Sources, settings: settings_file.Settings) -> Verdict:
    """Overview's verdict for the last 15 minutes, now, with what the console's worker keeps."""
    now, worker = datetime.now(UTC), settings.worker
    span = Span.of(now - timedelta(minutes=15), now, settings.limits.points, live=True, quantum=5.0)
    with closing(open_database(settings.records.url)) as records:
        memory = Memory(records, worker.interval, worker.enabled)
        return load_verdict(sources, span, format.value, partial(format.timestamp, zone=UTC), memory).value


def subjects(found: Verdict) -> set[str]:
    """What the verdict's findings are about, as far as they are trouble."""
    return {finding.subject for finding in found.findings if finding.status in ("risk", "broken")}


def play(fault: str, sources: Sources, settings: settings_file.Settings) -> Seen:
    """Injure, watch, heal, watch."""
    before = subjects(verdict(sources, settings))
    gameday(fault)
    seconds, said = watch(before, AIM, sources, settings)
    gameday("off")
    return Seen(fault, seconds, said, recovered(before, sources, settings))


def watch(
    before: set[str],
    least: float,
    sources: Sources,
    settings: settings_file.Settings,
    patience: float = PATIENCE,
) -> tuple[float | None, tuple[str, ...]]:
    """Watch Overview after a fault began.

    Args:
        before: What it was troubled about before.
        least: Seconds to watch for: what it says once the trouble is in full swing is what a reader meets.
        sources: Whom it asks.
        settings: How it asks.
        patience: Seconds to watch for at most.

    Returns:
        Seconds until it said something new (``None``: not within its time), and what it said at last.
    """
    started = time.monotonic()
    seconds: float | None = None
    said: tuple[str, ...] = ()
    while time.monotonic() - started < patience:
        found = verdict(sources, settings)
        if subjects(found) - before:
            if seconds is None:
                seconds = time.monotonic() - started
            said = tuple(finding.text for finding in found.findings if finding.status in ("risk", "broken"))
            if time.monotonic() - started > max(seconds + 15, least):
                break
        time.sleep(2)
    return seconds, said


def recovered(
    before: set[str], sources: Sources, settings: settings_file.Settings, patience: float = SETTLE
) -> float | None:
    """Seconds until Overview is as well as it was before; ``None`` when that is not within ``patience``."""
    healing = time.monotonic()
    while time.monotonic() - healing < patience:
        if not subjects(verdict(sources, settings)) - before:
            return time.monotonic() - healing
        time.sleep(3)
    return None


def gameday(fault: str) -> None:
    """Inject a fault, or heal all with ``off``."""
    subprocess.run([sys.executable, "-m", "demo", "gameday", fault], check=True, cwd=ROOT)


def report(seen: list[Seen], earlier: str = "") -> str:
    """The table as a page of the documentation.

    Args:
        seen: What was played.
        earlier: The page as it was; its rows of other faults stay.
    """
    rows = {}
    for line in earlier.splitlines():
        name = line.removeprefix("| ").partition(" |")[0]
        if name in FAULTS:
            rows[name] = line
    rows |= {one.fault: _row(one) for one in seen}
    lines = [
        "# Game days: what Overview said",
        "",
        "Written by `make gamedays` on the demo; the aim is that Overview says within 60 s that something is wrong, "
        "and where. Measured on two cores with other work beside it.",
        "",
        "| fault | said after | what it said | well again after |",
        "| --- | --- | --- | --- |",
    ]
    return "\n".join([*lines, *(row for _, row in sorted(rows.items()))]) + "\n"


def _row(one: Seen) -> str:
    after = f"{one.seconds:.0f} s" if one.seconds is not None else f"not within {one.watched:.0f} s"
    healed = f"{one.healed:.0f} s" if one.healed is not None else f"not within {one.awaited:.0f} s"
    return f"| {one.fault} | {after} | {'<br>'.join(one.said) or '–'} | {healed} |"


def write(seen: list[Seen]) -> None:
    """Put what was played into the page of the documentation."""
    REPORT.write_text(report(seen, REPORT.read_text(encoding="utf-8")), encoding="utf-8")


def asked() -> tuple[settings_file.Settings, Sources]:
    """The running demo's settings, and the sources that the demo's console asks."""
    plan = Plan.from_environment()
    token = Path(plan.run / "admin-token")
    os.environ.setdefault("SYNAPTIC_ADMIN_TOKEN", token.read_text(encoding="utf-8").strip())
    settings = settings_file.load(plan.home / "console.toml")
    return settings, registry.sources(settings, plan.environment)


def main() -> int:
    """Play the named faults, or all, and write down what was seen."""
    settings, sources = asked()
    names = sys.argv[1:] or sorted(FAULTS)
    seen = []
    for name in names:
        seen.append(play(name, sources, settings))
        print(seen[-1], flush=True)
    registry.close_all()
    write(seen)
    return 0 if all(one.seconds is not None and one.seconds <= AIM for one in seen) else 1


if __name__ == "__main__":
    sys.exit(main())
