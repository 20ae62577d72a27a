"""The real parts that tests of all folders may ask; each is started when the first test needs it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import hypothesis
import pytest
from playwright.sync_api import Browser, sync_playwright

import house
from tests.support import chromium, real_parts
from tests.support import history as histories
from tests.support.history import History
from tests.support.looping import LoopThread, until

# How long an example takes says something about the machine's other work, and nothing about the code.
hypothesis.settings.register_profile(
    "tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("tests")

# Pages are drawn in the tests' own process too, as in the console's.
house.assemble()


# Not for the whole session: while Playwright runs, its event loop runs in this thread, and other tests need their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without any visit yet; each test opens profiles of its own in it."""
    with sync_playwright() as playwright:
        running = chromium.launch(playwright)
        yield running
        running.close()


@dataclass(frozen=True)
class RealPrometheus:
    """A Prometheus that scrapes nothing and holds the history of :mod:`tests.support.history`."""

    port: int
    history: History

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture(scope="session")
def servers() -> Iterator[LoopThread]:
    """The loop on which the small servers of the tests run."""
    thread = LoopThread()
    yield thread
    thread.stop()


@pytest.fixture(scope="session")
def real_prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealPrometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    history = histories.write(folder / "history.txt", time.time())
    with real_parts.prometheus(folder, folder / "history.txt") as port:
        yield RealPrometheus(port, history)


@pytest.fixture(scope="session")
def real_alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an Alertmanager that holds one alert, ``SynapticSearchSlow``."""
    with real_parts.alertmanager(tmp_path_factory.mktemp("alertmanager")) as port:
        url = f"http://127.0.0.1:{port}"
        labels = {"alertname": "SynapticSearchSlow", "severity": "warning"}
        # Without an end it would be resolved after five minutes, and the tests of a busy machine take longer.
        alert = {"labels": labels, "annotations": {"summary": "slow"}, "endsAt": "2099-01-01T00:00:00Z"}
        sent = httpx.post(f"{url}/api/v2/alerts", json=[alert])
        sent.raise_for_status()
        until(lambda: httpx.get(f"{url}/api/v2/alerts").json(), "the alert being held")
        yield url


@pytest.fixture(scope="session")
def real_elasticsearch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a store that holds 30 lines of today: 20 INFO, 7 WARN, 3 ERROR."""
    with real_parts.elasticsearch(tmp_path_factory.mktemp("elasticsearch")) as port:
        url = f"http://127.0.0.1:{port}"
        today = time.strftime("%Y.%m.%d", time.gmtime())
        index = f"synaptic-logs-{today}"
        properties = {"@timestamp": {"type": "date"}, "level": {"type": "keyword"}}
        httpx.put(f"{url}/{index}", json={"mappings": {"properties": properties}}, timeout=30).raise_for_status()
        levels = ["INFO"] * 20 + ["WARN"] * 7 + ["ERROR"] * 3
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60))
        lines = "".join(f'{{"index":{{}}}}\n{{"@timestamp":"{stamp}","level":"{level}"}}\n' for level in levels)
        headers = {"Content-Type": "application/x-ndjson"}
        sent = httpx.post(f"{url}/{index}/_bulk?refresh=true", content=lines, headers=headers, timeout=30)
        sent.raise_for_status()
        assert not sent.json()["errors"]
        yield url
