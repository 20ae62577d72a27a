"""A console over a live world in which every kind of foreign text is hostile, and sources can go down."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from playwright.sync_api import Browser, sync_playwright

from benchmarks import history
from benchmarks.history import Line
from settings import SOURCE_NAMES
from tests.support import real_parts
from tests.support.looping import LoopThread, until
from tests.support_pages import world as worlds
from tests.support_pages.browsing import Visit, chromium, visiting
from tests.support_pages.world import World
from tests.web.serving import ROOT, Server, serving

EVIL = "http://evil.example"
HOSTILE = (
    f"<script>window.hostile=1;alert(1)</script><img src='{EVIL}/img' onerror='window.hostile=1;alert(1)'> "
    f"[go](javascript:alert(1)) ![x]({EVIL}/pixel) :material/home: $x^2$ **bold** \u202egnp.exe \x1b[31mred"
)
"""Runs, fetches, disguises and formats, wherever it is not shown as it is."""


@dataclass(frozen=True)
class Installed:
    console: Server
    world: World


@pytest.fixture(scope="session")
def installed(
    servers: LoopThread, real_elasticsearch: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installed]:
    folder = tmp_path_factory.mktemp("console")
    now = time.time()
    labels = f'job="synaptic",pod="synaptic-a",operation_type={_quoted(HOSTILE)},memory_type="x",status="success"'
    hostile = Line("synaptic_memory_operations_total", labels, 3.0, counter=True)
    series = sorted([*history.lines(), hostile], key=lambda line: line.name)
    with (
        worlds.prometheus(tmp_path_factory.mktemp("past"), now, series) as port,
        real_parts.alertmanager(tmp_path_factory.mktemp("alertmanager")) as alertmanager,
        worlds.world(servers, port, _with_alert(alertmanager), real_elasticsearch, now) as world,
    ):
        keys: dict[str, dict[str, object]] = {name: {"deadline": 60} for name in SOURCE_NAMES}
        replicas = [{"name": name, "url": replica.url} for name, replica in world.replicas.items()]
        keys["synaptic"]["replicas"] = replicas
        text = f"""
[server]
public_url = "http://127.0.0.1:{{port}}"
[records]
url = "sqlite:///{folder}/records.sqlite3"
[limits]
deadline = 60
[view]
refresh = 3600
"""
        with serving(folder, text + world.toml("test", **keys), ROOT / "app.py") as server:
            yield Installed(server, world)


def _quoted(text: str) -> str:
    """A label's value as OpenMetrics writes it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _with_alert(port: int) -> str:
    url = f"http://127.0.0.1:{port}"
    labels = {"alertname": "SynapticSearchSlow", "severity": "warning"}
    alert = {"labels": labels, "annotations": {"summary": HOSTILE}, "endsAt": "2099-01-01T00:00:00Z"}
    httpx.post(f"{url}/api/v2/alerts", content=json.dumps([alert]), headers={"Content-Type": "application/json"})
    until(lambda: httpx.get(f"{url}/api/v2/alerts").json(), "the alert being held")
    return url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = chromium(playwright)
        yield running
        running.close()


@pytest.fixture
def visit(installed: Installed, browser: Browser) -> Iterator[Visit]:
    """A stranger; whatever the test did, nothing may have been run, fetched, violated or complained about."""
    with visiting(browser, installed.console.url) as opened:
        yield opened
        assert opened.clean() == []
