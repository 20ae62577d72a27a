"""Takes pictures of the console's pages: light and dark, on a laptop's and on a wall's width.

``python scripts/screenshots.py [--url URL] [--out FOLDER] [--suffix TEXT] [PAGE ...]``; the default is the
running demo's console and the pages of the README. A picture is ``<page>-<theme>-<width><suffix>.png``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("overview", "sources")
THEMES = ("light", "dark")
SIZES = ((1440, 900), (2560, 1440))
# Debian's Chromium, quiet: no sandbox for root, no requests of its own.
ARGUMENTS = (
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip

# Every panel has its data or says why not, and nothing has changed for a moment.
SETTLED = """() => {
    const app = document.querySelector('[data-testid="stApp"]');
    const busy = !app || app.getAttribute('data-test-script-state') !== 'notRunning'
        || document.querySelector('[data-testid="stSkeleton"]');
    const now = performance.now();
    if (busy || window.__quietLength !== document.body.innerHTML.length) {
        window.__quietLength = document.body.innerHTML.length;
        window.__quietSince = now;
        return false;
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
    finally:
        context.close()


def main() -> int:
    """Take all pictures that were asked for; the exit code."""
    port = int(os.environ.get("DEMO_BASE_PORT", "18500"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", default=PAGES, metavar="PAGE")
    parser.add_argument("--url", default=f"http://127.0.0.1:{port}")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/images")
    parser.add_argument("--suffix", default="")
    options = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        print("Chromium is not installed: run `make screenshots`, which installs it.", file=sys.stderr)
        return 1
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=list(ARGUMENTS), chromium_sandbox=os.geteuid() != 0
        )
        for name in options.pages:
            for theme in THEMES:
                for size in SIZES:
                    path = options.out / f"{name}-{theme}-{size[0]}{options.suffix}.png"
                    take(browser, f"{options.url}/{name}", theme, size, path)
                    print(path)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
