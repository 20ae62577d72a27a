"""One console over several environments: a healthy one, one for each source that is down, one without any."""

import socket
import time
from collections.abc import Callable, Iterator
from functools import cache

import pytest
from playwright.sync_api import Browser

from settings import HTTP_SOURCES
from tests.support import postgresql, redis_servers
from tests.support.looping import LoopThread
from tests.support_pages import world as worlds
from tests.support_pages.browsing import Told, Visit, visiting
from tests.web.serving import ROOT, Server, serving

ALL_DOWN = "all-down"
LARGE = "large"
"""The environment whose cache has more keys than are looked at unasked."""
SOURCES = (*HTTP_SOURCES, "postgres", "redis")
"""All sources that an environment of these tests has."""
HEAD = """
[server]
public_url = "http://127.0.0.1:{{port}}"
[records]
url = "sqlite:///{folder}/records.sqlite3"
[limits]
deadline = 60
# Eleven environments on two cores: what the worker does is tested elsewhere.
[worker]
verdict_interval = 300
activity_interval = 5
"""


def without(source: str) -> str:
    """Name of the environment in which this source is down."""
    return f"without-{source}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgresql.Server]:
    """The PostgreSQL of all environments but those in which it is down."""
    with postgresql.running(18) as running:
        yield running


@pytest.fixture(scope="session")
def valkey() -> Iterator[redis_servers.Server]:
    """The cache of all environments but those in which it is down."""
    with redis_servers.running("valkey", maxmemory="64mb") as running:
        with running.client() as client:
            for number in range(300):
                client.set(f"memory:semantic:{number}", "x" * 100, ex=None if number % 5 == 0 else 3600)
            client.set("**bold** <b>markup</b> \x1b[31m \u202e https://example.org", "x" * 20_000)
            client.set("session:a-secret-of-somebody", "ada", ex=3600)
        yield running


@pytest.fixture(scope="session")
def console(
    servers: LoopThread,
    real_alertmanager: str,
    real_elasticsearch: str,
    postgres: postgresql.Server,
    valkey: redis_servers.Server,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("console")
    now = time.time()
    with (
        socket.socket() as refusing,
        worlds.prometheus(tmp_path_factory.mktemp("past"), now) as port,
        worlds.world(
            servers, port, real_alertmanager, real_elasticsearch, now,
            {
                "postgres": {"host": "127.0.0.1", "port": postgres.port, "user": "console", "cpus": 2},
                "redis": {"host": "127.0.0.1", "port": valkey.port},
            },
        ) as world,
    ):  # fmt: skip
        refusing.bind(("127.0.0.1", 0))  # bound and not listening: it stays ours and refuses
        closed = f"http://127.0.0.1:{refusing.getsockname()[1]}"
        patient = {name: {"deadline": 60} for name in SOURCES}
        down = {name: {"url": closed} for name in HTTP_SOURCES}
        down |= {name: {"port": refusing.getsockname()[1]} for name in SOURCES if name not in HTTP_SOURCES}
        down["synaptic"]["replicas"] = [{"name": "synaptic-a", "url": closed}]
        environments = {"healthy": patient, ALL_DOWN: down}
        environments[LARGE] = {**patient, "redis": {"deadline": 60, "sample_limit": 50}}
        environments |= {without(name): {**patient, name: down[name]} for name in SOURCES}
        text = "\n".join(
            [HEAD.format(folder=folder), *(world.toml(name, **keys) for name, keys in environments.items())]
        )
        with serving(folder, text, ROOT / "app.py") as server:
            yield server


@pytest.fixture(scope="session")
def unconfigured_console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("unconfigured")
    text = HEAD.format(folder=folder)
    with serving(folder, text, ROOT / "app.py") as server:
        yield server


@pytest.fixture(scope="module")
def told(console: Server, browser: Browser) -> Callable[[str], Told]:
    """What a stranger reads under an address of the console; each address is opened once."""

    @cache
    def open_once(path: str) -> Told:
        with visiting(browser, console.url) as visit:
            return visit.told(path)

    return open_once


@pytest.fixture(scope="module")
def told_unconfigured(unconfigured_console: Server, browser: Browser) -> Callable[[str], Told]:
    """The same at a console that nobody configured."""

    @cache
    def open_once(path: str) -> Told:
        with visiting(browser, unconfigured_console.url) as visit:
            return visit.told(path)

    return open_once


@pytest.fixture
def visit(console: Server, browser: Browser) -> Iterator[Visit]:
    """A stranger at the console; whatever the test did, nothing may have gone wrong in the browser."""
    with visiting(browser, console.url) as opened:
        yield opened
        assert opened.clean() == []
