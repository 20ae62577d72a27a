"""Play the game days of the database and of the cache on the running demo, and write down what the pages say.

``python -m scripts.gamedays_database [FAULT ...]`` injures the demo, watches Overview, and then opens the parts of
Database and the page Cache in a browser, as a reader does: what their first panel says, and whether the culprit is
named there, further down, or nowhere. The parts that matter are pictured, light and dark. The tables go to
``docs/game-days-database-cache.md`` and ``docs/game-days.md``; faults that were not played keep their rows.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, TimeoutError, sync_playwright

from collectors import registry
from demo.plan import HOST, ROOT, Plan
from scripts.gamedays import Seen, asked, gameday, recovered, subjects, verdict, watch, write
from scripts.screenshots import ARGUMENTS, SETTLED, THEMES

REPORT = ROOT / "docs" / "game-days-database-cache.md"
IMAGES = ROOT / "docs" / "images"
SIZE = (1440, 900)
RECOVERY = 60.0

PARTS = {
    "now": "database?w=15m&part=now",
    "load": "database?w=15m&part=load",
    "queries": "database?w=15m&part=queries",
    "tables": "database?w=15m&part=tables",
    "upkeep": "database?w=15m&part=upkeep",
    "cache": "cache?w=15m",
}
"""What is looked at → its address."""


@dataclass(frozen=True)
class Day:
    """A game day.

    Attributes:
        culprit: What names the cause when a page says it, as a pattern.
        named_by: Where it should be said: names of :data:`PARTS`; all of them are looked at.
        pictured: Which of these are pictured.
        seconds: How long the trouble lasts before the pages are opened.
    """

    culprit: str
    named_by: tuple[str, ...]
    pictured: tuple[str, ...]
    seconds: float = 60.0


DAYS = {
    "slow-database": Day(r"quarterly-report|LOCK TABLE memories", ("now", "load"), ("load",)),
    "lock-pileup": Day(r"memory-import", ("now", "load"), ("now", "load")),
    "idle-in-transaction": Day(r"monthly-report", ("now", "upkeep"), ("now",)),
    "missing-index": Day(r"idx_memories_search_vector|WHERE to_tsvector", ("tables", "queries"), ("queries",), 90.0),
    "bloat": Day(r"memories_\d{4}.*(?:dead|bloat|autovacuum)", ("tables", "upkeep"), ("tables",)),
    "xid-age": Day(r"nightly-import|prepared transaction", ("upkeep", "tables", "now"), ("upkeep",), 90.0),
    "cache-eviction": Day(r"evict", ("cache",), ("cache",)),
}


@dataclass(frozen=True)
class Look:
    """What one part said: its first sentence, what named the culprit, and where."""

    part: str
    sentence: str
    named: str
    where: str


@contextmanager
def opened(browser: Browser, address: str) -> Iterator[Page]:
    """A page in a profile of its own, complete, in a window as high as what it holds; light until told otherwise."""
    context = browser.new_context(
        viewport={"width": SIZE[0], "height": SIZE[1]},
        color_scheme="light",
        bypass_csp=True,  # the waiting evaluates expressions, which the console's policy forbids
    )
    try:
        page = context.new_page()
        page.goto(address)
        settle(page)
        height = page.evaluate("document.querySelector('[data-testid=\"stMain\"]').scrollHeight")
        if height > SIZE[1]:
            page.set_viewport_size({"width": SIZE[0], "height": int(height)})
            settle(page)
        yield page
    finally:
        context.close()


def settle(page: Page) -> None:
    """Wait until nothing changes; of a page that looks again every two seconds, until everything is there."""
    try:
        page.wait_for_function(SETTLED, timeout=10_000, polling=250)
    except TimeoutError:
        page.wait_for_function("() => !document.querySelector('[data-testid=\"stSkeleton\"]')", timeout=60_000)


def look(page: Page, part: str, culprit: str) -> Look:
    """Read what an open page says."""
    texts: dict[str, list[str]] = page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('[class*="st-key-panel-"]')].map(e => [
            [...e.classList].find(c => c.startsWith('st-key-panel-')),
            [e.innerText, e.textContent, e.querySelector('h3')?.innerText ?? '']]))"""
    )
    first = next((text for key, text in texts.items() if "verdict" in key), ["", "", ""])
    sentence = _without_symbol(first[2]).replace("\n", " ")
    for where, shown in (("verdict", first[:1]), ("below", [text[0] for text in texts.values()])):
        for line in "\n".join(shown).splitlines():
            if re.search(culprit, line):
                return Look(part, sentence, _without_symbol(line)[:240], where)
    # Tables are drawn, with their cells as hidden text: those that can be seen without scrolling.
    table = any(re.search(culprit, everything) for _, everything, _ in texts.values())
    return Look(part, sentence, "", "table" if table else "no")


def _without_symbol(text: str) -> str:
    # A symbol of the font is its name in the text.
    return re.sub(r"^(?:check_circle|error|warning|help)\s", "", text.strip())


def picture(page: Page, path: Path) -> None:
    """Write what is seen, in 256 colours."""
    page.screenshot(path=path)
    with Image.open(path) as whole:
        whole.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def looks(browser: Browser, address: str, fault: str, day: Day) -> list[Look]:
    """Open the parts of a game day, and picture those that matter."""
    found = []
    for part in day.named_by:
        with opened(browser, f"{address}/{PARTS[part]}") as page:
            found.append(look(page, part, day.culprit))
            for theme in THEMES if part in day.pictured else ():
                if theme == "dark":
                    page.emulate_media(color_scheme="dark")
                    page.reload()
                    settle(page)
                name = part if part == "cache" else f"database-{part}"
                picture(page, IMAGES / f"{name}-{theme}-{SIZE[0]}-game-day-{fault}.png")
        print(f"  {found[-1]}", flush=True)
    return found


def report(played: dict[str, list[Look]], earlier: str = "") -> str:
    """The table as a page of the documentation; rows of ``earlier`` that were not played stay."""
    rows: dict[str, list[str]] = {}
    for line in earlier.splitlines():
        name = line.removeprefix("| ").partition(" |")[0]
        if name in DAYS:
            rows.setdefault(name, []).append(line)
    words = {"verdict": "yes, in the verdict", "below": "yes, below it", "table": "in a table", "no": "**no**"}
    for fault, found in played.items():
        cells = [(fault, one.part, _cell(one.sentence), words[one.where], _cell(one.named)) for one in found]
        rows[fault] = [f"| {' | '.join(row)} |" for row in cells]
    seconds = sorted({day.seconds for day in DAYS.values()})
    lines = [
        "# Game days: what Database and Cache said",
        "",
        "Written by `python -m scripts.gamedays_database` on the demo, over the last 15 minutes, "
        f"{seconds[0]:.0f} to {seconds[-1]:.0f} seconds after each fault was ordered. What the first panel of a part "
        "said, whether the culprit was named, and in which words. Pictures in [images](images): "
        "`database-<part>-<theme>-1440-game-day-<fault>.png` and `cache-…`.",
        "",
        "| fault | part | its verdict | culprit named | in these words |",
        "| --- | --- | --- | --- | --- |",
        *(row for fault in DAYS for row in rows.get(fault, [])),
    ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|") or "–"


def main() -> int:
    """Play the named days, or all."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("Chromium is not installed: run `make screenshots`, which installs it.", file=sys.stderr)
        return 1
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("days", nargs="*", default=list(DAYS), metavar="FAULT")
    own = f"http://{HOST}:{Plan.from_environment().console_port}"
    parser.add_argument("--console", default=own, metavar="ADDRESS", help="another console that watches the demo")
    options = parser.parse_args()
    settings, sources = asked()
    played: dict[str, list[Look]] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=list(ARGUMENTS), chromium_sandbox=os.geteuid() != 0
        )
        for name in options.days:
            before = subjects(verdict(sources, settings))
            print(f"{name}: Overview said before: {sorted(before) or 'nothing'}", flush=True)
            gameday(name)
            try:
                watched = DAYS[name].seconds
                seconds, said = watch(before, watched, sources, settings, watched + 15.0)
                played[name] = looks(browser, options.console, name, DAYS[name])
            finally:
                gameday("off")
            healed = recovered(before, sources, settings, RECOVERY)
            seen = Seen(name, seconds, said, healed, watched + 15.0, RECOVERY)
            print(seen, flush=True)
            write([seen])
            REPORT.write_text(report(played, REPORT.read_text() if REPORT.exists() else ""), encoding="utf-8")
        browser.close()
    registry.close_all()
    return int(any(all(one.where == "no" for one in found) for found in played.values()))


if __name__ == "__main__":
    sys.exit(main())
