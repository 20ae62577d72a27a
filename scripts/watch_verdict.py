"""Watch Overview's verdict on the running demo, without a browser.

``python -m scripts.watch_verdict --minutes 10`` prints every change of its status or sentence with the time, and at the
end how many changes there were and for which share of the time it was at risk or broken. With ``--fault NAME`` the demo
is injured after a while and healed again, and it is told after how many seconds the first sentence was the right one,
and after how many it said that all is well again. The watching process does the console's background work into records
of its own, so it does not depend on the demo's console.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from pydantic import SecretStr

import settings as settings_file
from collectors import registry
from collectors.registry import Sources
from collectors.span import Span
from demo.plan import Plan
from records.database import Database, open_database
from scripts.gamedays import gameday
from ui import format
from views.cache.history import Memory
from views.overview.view import Verdict, load_verdict
from worker import Worker

RIGHT = {
    "bad-deploy": r"after deploy",
    "bloat": r"dead|bloat",
    "cache-eviction": r"evicts",
    "cache-flushed": r"flushed|Cache hits",
    "error-burst": r"^Errors",
    "idle-in-transaction": r"idle in transaction|connections are taken",
    "lock-pileup": r"memory-import",
    "log-flood": r"^Logs grow",
    "login-brute-force": r"^(Failed sign-ins|Security violations)",
    "memory-leak": r"^Memory in use",
    "missing-index": r"^(Search|Storage) p95",
    "pool-exhausted": r"^(Waiting for a connection|Pool use|Database: \d+ of)",
    "slow-database": r"quarterly-report|sessions wait",
    "xid-age": r"nightly-import|horizon|transaction",
}
"""Fault → what its first sentence must match to be the right one."""

EVERY = 3.0
WARM_UP = 150.0
HURT = 90.0
HEAL = 240.0


class Watch:
    """What the verdict said so far.

    Args:
        sources: Whom it asks.
        settings: How it asks.
        records: Where the background work writes.
    """

    def __init__(self, sources: Sources, settings: settings_file.Settings, records: Database) -> None:
        self._sources = sources
        self._memory = Memory(records, settings.worker.interval)
        self._points = settings.limits.points
        self._said = ""
        self._status = ""
        self._at = time.monotonic()
        self.changes = 0
        self.slowest = 0.0
        self.spent: dict[str, float] = {}

    def look(self) -> Verdict:
        """Ask once, and print what has changed."""
        now = datetime.now(UTC)
        span = Span.of(now - timedelta(hours=1), now, self._points, live=True, quantum=10.0)
        started = time.monotonic()
        found = load_verdict(self._sources, span, format.value, partial(format.timestamp, zone=UTC), self._memory).value
        self.slowest = max(self.slowest, time.monotonic() - started)
        if self._status:
            self.spent[self._status] = self.spent.get(self._status, 0.0) + time.monotonic() - self._at
        self._at = time.monotonic()
        if found.status != self._status:
            self.changes += bool(self._status)
        said = re.sub(r"[\d.,]+", "#", found.headline)
        if found.status != self._status or said != self._said:
            print(f"{now:%H:%M:%S} {found.status:<8}{found.headline}", flush=True)
            for one in found.findings[1:5]:
                print(f"{'':17}{one.status:<8}{one.text}", flush=True)
        self._status, self._said = found.status, said
        return found

    def until(self, seconds: float, pattern: str = "", *, well: bool = False) -> float | None:
        """Look again and again.

        Args:
            seconds: How long at most.
            pattern: Stop when the first sentence matches this.
            well: Stop when it says that all is well again.

        Returns:
            Seconds until it stopped; ``None`` where the time was over first.
        """
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            found = self.look()
            right = bool(pattern) and found.status != "ok" and re.search(pattern, found.headline) is not None
            if right or (well and found.recovered is not None):
                return time.monotonic() - started
            time.sleep(EVERY)
        return None


def play(watch: Watch, fault: str, heal_seconds: float) -> str:
    """Injure, watch, heal, watch; what came of it as a line."""
    print(f"--- {fault}", flush=True)
    gameday(fault)
    injured = time.monotonic()
    seconds = watch.until(180.0, RIGHT[fault])
    watch.until(max(HURT - (time.monotonic() - injured), 0.0))
    gameday("off")
    well = watch.until(heal_seconds, well=True)
    words = [f"{'right first sentence'} after {seconds:.0f} s" if seconds is not None else "no right first sentence"]
    words.append(
        f"well again after {well:.0f} s" if well is not None else f"not well again within {heal_seconds:.0f} s"
    )
    return f"{fault}: {', '.join(words)}"


def main() -> None:
    """Watch for a while, or play game days."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--fault", action="append", default=[], choices=sorted(RIGHT))
    options = parser.parse_args()
    plan = Plan.from_environment()
    token = (plan.run / "admin-token").read_text(encoding="utf-8").strip()
    os.environ.setdefault("SYNAPTIC_ADMIN_TOKEN", token)
    settings = settings_file.load(plan.home / "console.toml")
    sources = registry.sources(settings, plan.environment)
    with tempfile.TemporaryDirectory() as folder:
        records = open_database(SecretStr(f"sqlite:///{Path(folder) / 'records.sqlite3'}"))
        worker = Worker(settings, records, words=format.value)
        worker.start()
        try:
            watch = Watch(sources, settings, records)
            if options.fault:
                watch.until(WARM_UP)
                print("\n".join(["---", *[play(watch, fault, HEAL) for fault in options.fault]]))
            else:
                watch.until(options.minutes * 60)
            whole = sum(watch.spent.values()) or 1.0
            shares = ", ".join(f"{status} {spent / whole:.1%}" for status, spent in sorted(watch.spent.items()))
            print(
                f"--- {whole / 60:.1f} min: {watch.changes} changes of status; {shares}; slowest {watch.slowest:.1f} s"
            )
        finally:
            worker.stop()
            records.close()
            registry.close_all()


if __name__ == "__main__":
    main()
