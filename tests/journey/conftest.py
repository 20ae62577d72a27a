"""A console over a live world in which every kind of foreign text is hostile, and sources can go down."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from benchmarks import history
from benchmarks.history import Line
from settings import HTTP_SOURCES
from tests.support import real_parts
from tests.support.looping import LoopThread, until
from tests.support_pages import world as worlds
from tests.support_pages.browsing import Visit, visiting
from tests.support_pages.world import World
from tests.web.serving import ROOT, Server, serving

EVIL = "http://evil.example"
HOSTILE = (
    f"<script>window.hostile=1;alert(1)</script><img src='{EVIL}/img' onerror='window.hostile=1;alert(1)'> "
    f"[go](javascript:alert(1)) ![x]({EVIL}/pixel) :material/home: $x^2$ **bold** \u202egnp.exe \x1b[31mred"
)
"""Runs, fetches, disguises and formats, wherever it is not shown as it is."""


@pytest.fixture(scope="session")
def world(servers: LoopThread, real_elasticsearch: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    now = time.time()
    labels = f'job="synaptic",pod="synaptic-a",operation_type={_quoted(HOSTILE)},memory_type="x",status="success"'
    hostile = Line("synaptic_memory_operations_total", labels, 3.0, counter=True)
    series = sorted([*history.lines(), hostile], key=lambda line: line.name)
    with (
        worlds.prometheus(tmp_path_factory.mktemp("past"), now, series) as port,
        real_parts.alertmanager(tmp_path_factory.mktemp("alertmanager")) as alertmanager,
        worlds.world(servers, port, _with_alert(alertmanager), real_elasticsearch, now) as made,
    ):
        yield made


@contextmanager
def console(folder: Path, world: World, refresh: int) -> Iterator[Server]:
    """A console over the world whose live panels ask again every so many seconds."""
    keys: dict[str, dict[str, object]] = {name: {"deadline": 60} for name in HTTP_SOURCES}
    keys["synaptic"]["replicas"] = [{"name": name, "url": replica.url} for name, replica in world.replicas.items()]
    text = f"""
[server]
public_url = "http://127.0.0.1:{{port}}"
local_roles = ["operator"]
[records]
url = "sqlite:///{folder}/records.sqlite3"
[limits]
deadline = 60
[view]
refresh = {refresh}
"""
    with serving(folder, text + world.toml("test", **keys), ROOT / "app.py") as server:
        yield server


@pytest.fixture(scope="session")
def still_console(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """It refreshes once an hour: what happens in a test is the test's doing."""
    with console(tmp_path_factory.mktemp("console"), world, 3600) as server:
        yield server


@pytest.fixture(scope="session")
def live_console(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """It refreshes as often as it may."""
    with console(tmp_path_factory.mktemp("live"), world, 5) as server:
        yield server


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


@pytest.fixture
def visit(still_console: Server, browser: Browser) -> Iterator[Visit]:
    """A stranger; whatever the test did, nothing may have been run, fetched, violated or complained about."""
    with visiting(browser, still_console.url) as opened:
        yield opened
        assert opened.clean() == []


@pytest.fixture
def live_visit(live_console: Server, browser: Browser) -> Iterator[Visit]:
    """The same at the console that refreshes."""
    with visiting(browser, live_console.url) as opened:
        yield opened
        assert opened.clean() == []
