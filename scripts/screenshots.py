"""Takes pictures of the console's pages: light and dark, on a laptop's and on a wall's width.

``python -m scripts.screenshots [--state STATE] [--query QUERY] [--suffix TEXT] [--out FOLDER] [PAGE ...]``, on the
running demo. For each state a console of its own is started on the demo's settings, with the addresses of some sources
changed to one where nobody answers. A picture is
``<page>-<theme>-<width><suffix>.png``, and the suffix is the state's name but for the healthy one.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PAGES = tuple(sorted(file.stem for file in (ROOT / "pages").glob("[a-z]*.py")))
STATES: dict[str, tuple[str, ...] | None] = {
    "healthy": (),
    "prometheus-failing": ("prometheus",),
    "elasticsearch-failing": ("elasticsearch",),
    "postgres-failing": ("postgres",),
    "redis-failing": ("redis",),
    "all-failing": ("synaptic", "prometheus", "alertmanager", "elasticsearch", "postgres", "redis"),
    "nothing-configured": None,
}
"""For each state the sources whose addresses lead nowhere; none of them configured for the last one."""

NOWHERE = "http://127.0.0.1:9"
THEMES = ("light", "dark")
SIZES = ((1440, 900), (2560, 1440))
# Debian's Chromium, quiet: no sandbox for root, no requests of its own.
ARGUMENTS = (
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip

# Every panel has its data or says why not, and nothing has changed for a moment. A page that looks anew every two
# seconds never stands still on a busy machine: there it is enough that nothing has been missing for a while.
SETTLED = """() => {
    const app = document.querySelector('[data-testid="stApp"]');
    const missing = !app || document.querySelector('[data-testid="stSkeleton"]')
        || !document.querySelector('.st-key-heading');
    const running = !app || app.getAttribute('data-test-script-state') !== 'notRunning';
    const now = performance.now();
    if (missing) {
        window.__completeSince = undefined;
        return false;
    }
    window.__completeSince ??= now;
    if (running || window.__quietLength !== document.body.innerHTML.length) {
        window.__quietLength = document.body.innerHTML.length;
        window.__quietSince = now;
        return now - window.__completeSince > 12000;
    }
    return now - window.__quietSince > 1500;
}"""


def take(browser: Browser, address: str, theme: str, size: tuple[int, int], path: Path) -> None:
    """Open one address in a new browser profile, wait until the page is complete, write the picture.

    Args:
        browser: A running browser.
        address: What to open.
        theme: ``light`` or ``dark``, as the viewer's system asks for it.
        size: Width and height of the window in pixels; the picture has the page's whole height.
        path: The PNG file.

    Raises:
        playwright.sync_api.TimeoutError: The page was not complete within a minute.
    """
    dark = theme == "dark"
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        bypass_csp=True,  # the waiting below evaluates expressions, which the console's policy forbids
    )
    try:
        page = context.new_page()
        page.goto(address)
        page.wait_for_function(SETTLED, timeout=60_000, polling=250)
        # The page scrolls inside the app: make the window as high as what it holds.
        height = page.evaluate(
            "Math.max(...[...document.querySelectorAll('[data-testid=\"stMain\"], body')].map(e => e.scrollHeight))"
        )
        if height > size[1]:
            page.set_viewport_size({"width": size[0], "height": int(height)})
            page.wait_for_function(SETTLED, timeout=60_000, polling=250)
        path.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=path)
        with Image.open(path) as picture:  # 256 colours are enough for a page, and a third of the bytes
            picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    finally:
        context.close()


def settings_of(state: str, demo: Path, address: str, folder: Path) -> str:
    """The settings file for a console in a state, made of the demo's own."""
    failing = STATES[state]
    if failing is None:
        return f'[server]\nmode = "none"\npublic_url = "{address}"\n[records]\nurl = "sqlite:///{folder}/r.sqlite3"\n'
    lines, table = [], ""
    for line in (demo / "console.toml").read_text().splitlines():
        table = line.strip("[]") if line.startswith("[") else table
        if table == "server":
            line = re.sub(r'^public_url = ".*"', f'public_url = "{address}"', line)
        if table.split(".")[-1] in failing:
            line = re.sub(r'url = "[^"]*"', f'url = "{NOWHERE}"', line)
            line = re.sub(r"^port = \d+", f"port = {NOWHERE.rpartition(':')[2]}", line)
        lines.append(line)
    return "\n".join(lines) + "\n"


@contextmanager
def console(state: str, demo: Path, port: int) -> Iterator[str]:
    """A console in a state, as long as the context lasts; its address."""
    address = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="synaptic-pictures-") as name:
        folder = Path(name)
        settings = folder / "console.toml"
        settings.write_text(settings_of(state, demo, address, folder))
        token = (demo / "run" / "admin-token").read_text()
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)],
                cwd=ROOT,
                env={**os.environ, "SYNAPTIC_CONSOLE_CONFIG": str(settings), "SYNAPTIC_ADMIN_TOKEN": token},
                stdout=log,
                stderr=log,
            )
            try:
                while process.poll() is None and not _ready(address):
                    time.sleep(0.1)
                if process.returncode is not None:
                    raise RuntimeError((folder / "log").read_text()[-2000:])
                yield address
            finally:
                process.terminate()
                process.wait()


def _ready(address: str) -> bool:
    try:
        with urlopen(f"{address}/healthz", timeout=1):
            return True
    except OSError:
        return False


def main() -> int:
    """Take all pictures that were asked for; the exit code."""
    port = int(os.environ.get("DEMO_BASE_PORT", "18500"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", default=PAGES, metavar="PAGE")
    parser.add_argument("--state", choices=STATES, action="append", help="may be given more than once")
    parser.add_argument("--query", default="", help="what follows the page in the address, without its question mark")
    parser.add_argument("--suffix", help="end of the pictures' names; by default from the state")
    parser.add_argument("--out", type=Path, default=ROOT / "screenshots")
    options = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        print("Chromium is not installed: run `make screenshots`, which installs it.", file=sys.stderr)
        return 1
    demo = Path(os.environ.get("DEMO_HOME", ROOT / ".demo"))
    query = f"?{options.query}" if options.query else ""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=list(ARGUMENTS), chromium_sandbox=os.geteuid() != 0
        )
        for state in options.state or ["healthy"]:
            suffix = options.suffix if options.suffix is not None else "" if state == "healthy" else f"-{state}"
            with console(state, demo, port + 99) as address:
                for name in options.pages:
                    for theme in THEMES:
                        for size in SIZES:
                            path = options.out / f"{name}-{theme}-{size[0]}{suffix}.png"
                            take(browser, f"{address}/{name}{query}", theme, size, path)
                            print(path)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
