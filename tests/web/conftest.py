"""The two consoles that the tests of this folder ask: as shipped, and behind TLS with a fault."""

from collections.abc import Iterator

import pytest

from tests.web.serving import Server, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The console as it is shipped, without sign-in on loopback."""
    folder = tmp_path_factory.mktemp("console")
    settings = f"""
        [server]
        public_url = "http://127.0.0.1:{{port}}"
        [records]
        url = "sqlite:///{folder}/records.sqlite3"
    """
    with serving(folder, settings) as running:
        yield running


@pytest.fixture(scope="session")
def other_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Behind TLS, with a token for its metrics, a second address, and records that cannot be reached."""
    folder = tmp_path_factory.mktemp("other")
    settings = f"""
        [server]
        public_url = "https://localhost"
        allowed_origins = ["http://127.0.0.1:{{port}}"]
        metrics_token = "a-token-of-the-tests"
        [records]
        url = "sqlite:///{folder}/no-such-folder/records.sqlite3"
    """
    with serving(folder, settings) as running:
        yield running


@pytest.fixture(scope="session")
def small_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With room for ten sessions, four of them for one client of the proxy that it trusts."""
    folder = tmp_path_factory.mktemp("small")
    settings = f"""
        [server]
        public_url = "http://127.0.0.1:{{port}}"
        sessions = 10
        sessions_per_address = 4
        trusted_proxies = ["127.0.0.1"]
        [records]
        url = "sqlite:///{folder}/records.sqlite3"
    """
    with serving(folder, settings) as running:
        yield running
