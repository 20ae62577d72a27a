"""Debian's Chromium: one for all tests of a session, because Playwright allows one at a time in a process."""

import os

from playwright.sync_api import Browser, Playwright

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Without a sandbox for root, and without requests of its own."""

ZONE = "Asia/Kathmandu"
"""The browser's own zone, 5 h 45 min from UTC: what is right by chance in UTC is seen to be wrong."""


def launch(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(
        executable_path="/usr/bin/chromium", args=list(ARGUMENTS), env={**os.environ, "TZ": ZONE}
    )
