"""Synaptic, Alertmanager and the log store: what they tell when they are well, and when a part is not."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from collectors import registry
from collectors.deadline import deadline, remaining
from collectors.errors import BadAnswer, NotConfigured, SourceError, TimedOut
from collectors.prometheus.wire import Range
from collectors.registry import Sources
from collectors.span import Span
from collectors.synaptic.client import ServiceState, versions
from settings import HTTP_SOURCES, Environment, Settings
from tests.collectors.conftest import Proxies
from tests.support.little_synaptic import LittleSynaptic
from tests.support.looping import LoopThread

Build = Callable[[Settings], Sources]
NOW = datetime.now(UTC)


@pytest.fixture
def replicas(servers: LoopThread) -> Iterator[dict[str, LittleSynaptic]]:
    services = {name: LittleSynaptic(servers) for name in ("synaptic-1", "synaptic-2", "synaptic-3")}
    yield services
    for service in services.values():
        service.close()


@pytest.fixture
def state_of(proxies: Proxies, replicas: dict[str, LittleSynaptic], build: Build) -> Callable[[], ServiceState]:
    """Asks the balancer (a proxy) and three replicas."""
    named = tuple({"name": name, "url": service.url} for name, service in replicas.items())
    synaptic = build(proxies.settings(replicas=named)).synaptic
    return lambda: synaptic.state().value


@pytest.mark.integration
def test_healthy_replicas_are_ready_with_their_versions(state_of, replicas: dict[str, LittleSynaptic]):
    replicas["synaptic-2"].version = "1.5.0"
    state = state_of()
    assert state.balancer.state == "ready"
    assert state.balancer.name == ""
    assert [(each.name, each.state) for each in state.replicas] == [(name, "ready") for name in replicas]
    assert versions(state.replicas) == ["1.4.2", "1.5.0"]


@pytest.mark.integration
def test_each_replica_tells_its_own_trouble(state_of, replicas: dict[str, LittleSynaptic]):
    replicas["synaptic-1"].not_ready = "database unavailable"
    replicas["synaptic-2"].status = "degraded"
    replicas["synaptic-2"].version = ""
    replicas["synaptic-3"].close()
    state = state_of()
    assert [(each.state, each.detail) for each in state.replicas[:2]] == [
        ("not ready", "database unavailable"),
        ("unhealthy", "degraded"),
    ]
    assert state.replicas[1].version == ""
    gone = state.replicas[2]
    assert gone.state == "unreachable"
    assert isinstance(gone.error, SourceError)
    assert gone.detail == gone.error.what
    assert state.balancer.state == "ready"


@pytest.mark.integration
def test_a_balancer_that_is_down_leaves_the_replicas_to_be_seen(state_of, proxies: Proxies):
    proxies.plain["synaptic"].switch("refuse")
    for _ in range(4):  # also once its breaker is open
        state = state_of()
        assert state.balancer.state == "unreachable"
        assert {each.state for each in state.replicas} == {"ready"}


@pytest.mark.integration
def test_a_replica_that_is_down_does_not_open_the_breaker_of_the_service(
    proxies: Proxies, replicas: dict[str, LittleSynaptic], build: Build
):
    named = tuple({"name": name, "url": service.url} for name, service in replicas.items())
    synaptic = build(proxies.settings(replicas=named)).synaptic
    replicas["synaptic-1"].close()
    for _ in range(5):
        assert synaptic.state().value.replicas[0].state == "unreachable"
    assert synaptic.source.guard.health().breaker == "closed"
    assert synaptic.version() == "1.4.2"


@pytest.mark.integration
def test_alerts_come_with_their_state_and_the_newest_first(proxies: Proxies, build: Build):
    alertmanager = build(proxies.settings()).alertmanager
    alerts = alertmanager.alerts().value
    assert [alert.labels["alertname"] for alert in alerts] == ["SynapticSearchSlow"]
    assert alerts[0].annotations == {"summary": "slow"}
    assert alerts[0].starts_at.tzinfo is not None
    assert alertmanager.status().version_info.version.startswith("0.")
    assert alertmanager.status().cluster.status == "disabled"


@pytest.mark.integration
def test_the_log_store_tells_its_health_and_what_it_holds(proxies: Proxies, build: Build):
    logs = build(proxies.settings()).elasticsearch
    assert logs.info().version.number.startswith(os.environ.get("ELASTICSEARCH_LINE", "8"))
    assert logs.health().status in {"green", "yellow"}
    assert logs.documents() == 30
    hour = Span.of(NOW - timedelta(hours=1), NOW + timedelta(minutes=5), 60)
    assert logs.lines(hour).value == 30
    before = Span.of(NOW - timedelta(days=9), NOW - timedelta(days=8), 60)
    assert logs.lines(before).value == 0


@pytest.mark.integration
def test_an_index_pattern_that_matches_nothing_holds_nothing(real_elasticsearch: str, build: Build):
    environment = Environment.model_validate({"elasticsearch": {"url": real_elasticsearch, "index": "nothing-*"}})
    logs = build(Settings(environments={"test": environment})).elasticsearch
    assert logs.documents() == 0
    hour = Span.of(NOW - timedelta(hours=1), NOW, 60)
    assert logs.lines(hour).value == 0


@pytest.mark.integration
def test_a_question_that_the_log_store_refuses_does_not_open_its_breaker(real_elasticsearch: str, build: Build):
    environment = Environment.model_validate({"elasticsearch": {"url": real_elasticsearch}})
    logs = build(Settings(environments={"test": environment})).elasticsearch
    for _ in range(4):
        with pytest.raises(BadAnswer):
            logs.ask(registry.Any, lambda client: client.search(index="no-such-index"))
    assert logs.source.guard.health().breaker == "closed"


@pytest.mark.integration
def test_something_else_at_the_address_of_the_log_store_is_told(proxies: Proxies, build: Build):
    url = proxies.plain["alertmanager"].url
    environment = Environment.model_validate({"elasticsearch": {"url": url, "api_key": "a-key"}})
    logs = build(Settings(environments={"test": environment})).elasticsearch
    for question in (logs.info, logs.health, logs.documents):
        with pytest.raises(BadAnswer) as raised:
            question()
        assert raised.value.hint


def test_a_source_that_is_not_configured_says_how_to_configure_it(build: Build):
    sources = build(Settings(environments={"test": Environment()}))
    assert sources.configured() == []
    for name in HTTP_SOURCES:
        with pytest.raises(NotConfigured) as raised:
            getattr(sources, name)
        assert f"[environments.test.{name}]" in raised.value.hint


def test_sources_are_built_once_for_all_viewers_and_anew_after_closing():
    settings = Settings.model_validate({"environments": {"test": {"prometheus": {"url": "http://127.0.0.1:1"}}}})
    with ThreadPoolExecutor(8) as together:
        built = set(map(id, together.map(lambda _: registry.sources(settings, "test"), range(32))))
    assert len(built) == 1
    first = registry.sources(settings, "test")
    registry.close_all()
    assert registry.sources(settings, "test") is not first
    registry.close_all()
    with pytest.raises(KeyError):
        registry.sources(settings, "other")


def test_the_size_of_an_answer_grows_with_it():
    frames = [pd.DataFrame(np.zeros((n, 10))) for n in (10, 1000)]
    for small, large in (
        frames,
        [Range(frame, ({},) * 10) for frame in frames],
        [np.zeros(10), np.zeros(1000)],
        [["a"], ["a"] * 100],
        ["a", "a" * 1000],
    ):
        assert 0 < registry.size_of(small) < registry.size_of(large)


def test_what_is_asked_within_a_deadline_gets_what_is_left_of_it():
    assert remaining(5) == 5
    with deadline(60):
        assert remaining(5) == 5
        assert 0 < remaining(120) <= 60
        with deadline(3600):
            assert remaining(120) <= 60
        with deadline(0):
            assert remaining(5) == 0
        assert remaining(5) == 5


@pytest.mark.integration
def test_past_its_deadline_a_panel_does_not_wait_for_a_source(proxies: Proxies, build: Build):
    sources = build(proxies.settings(deadline=60.0))
    proxies.plain["prometheus"].switch("hang")
    with deadline(0.2), pytest.raises(TimedOut):
        sources.prometheus.names()
    proxies.plain["synaptic"].switch("hang")
    with deadline(0.2), pytest.raises(TimedOut):  # it asks in threads of its own
        sources.synaptic.state()
