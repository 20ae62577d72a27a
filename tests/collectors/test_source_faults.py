"""{source} × {fault}: every question fails in the right way and in time, the others do not notice, it recovers."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from collectors.errors import BadAnswer, Denied, Overloaded, SourceError, TimedOut, Unreachable
from collectors.guard import Guard
from collectors.http import run_on_loop
from collectors.registry import Sources
from collectors.signals import catalogue
from collectors.span import Span
from settings import HTTP_SOURCES, Settings
from tests.collectors.conftest import SECRET, Proxies
from tests.support.fault_proxy import FAULTS, SLOW_FAULTS
from tests.support.looping import until

EXPECTED: dict[str, type[SourceError]] = {
    "refuse": Unreachable,
    "hang": TimedOut,
    "slow_headers": TimedOut,
    "drip": TimedOut,
    "reset": Unreachable,
    "http_500": BadAnswer,
    "html": BadAnswer,
    "half_json": BadAnswer,
    "huge": BadAnswer,
    "gzip_bomb": BadAnswer,
    "nested_gzip_bomb": BadAnswer,
    "wrong_tls": Unreachable,
    "http_401": Denied,
    "http_403": Denied,
    "http_429": Overloaded,
    "http_503": Overloaded,
    "redirect": BadAnswer,
}

Build = Callable[[Settings], Sources]

NOW = datetime.now(UTC)
SPAN = Span.of(NOW - timedelta(hours=1), NOW, 60)
OPERATIONS = catalogue()["memory_operations"]


def questions(sources: Sources) -> dict[str, dict[str, Callable[[], Any]]]:
    """Everything that the four sources can be asked."""
    return {
        "synaptic": {"state": sources.synaptic.state, "version": sources.synaptic.version},
        "prometheus": {
            "range": lambda: sources.prometheus.range(OPERATIONS, SPAN),
            "instant": lambda: sources.prometheus.instant(OPERATIONS, NOW),
            "query": lambda: sources.prometheus.query("up", NOW),
            "names": sources.prometheus.names,
            "coverage": lambda: sources.prometheus.coverage(catalogue()),
            "targets": sources.prometheus.targets,
            "alerts": sources.prometheus.alerts,
            "rules": sources.prometheus.rules,
            "version": sources.prometheus.version,
        },
        "alertmanager": {"alerts": sources.alertmanager.alerts, "status": sources.alertmanager.status},
        "elasticsearch": {
            "info": sources.elasticsearch.info,
            "health": sources.elasticsearch.health,
            "documents": sources.elasticsearch.documents,
            "lines": lambda: sources.elasticsearch.lines(SPAN),
        },
    }


def failure_of(question: Callable[[], Any]) -> SourceError:
    try:
        answer = question()
    except SourceError as error:
        return error
    raise AssertionError(f"answered: {answer!r}")


def answers(question: Callable[[], Any]) -> bool:
    try:
        question()
    except SourceError:
        return False
    return True


def test_every_fault_has_an_expected_error():
    assert set(EXPECTED) == set(FAULTS)


@pytest.mark.integration
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", HTTP_SOURCES)
def test_a_fault_costs_its_own_source_only_and_passes(name: str, fault: str, proxies: Proxies, build: Build):
    run_on_loop(asyncio.sleep(0)).result()  # the collectors' own thread is no leak
    threads_before = set(threading.enumerate())
    tls = fault == "wrong_tls"
    proxy = (proxies.tls if tls else proxies.plain)[name]
    settings = proxies.settings(over_tls=name if tls else "", deadline=1.0 if fault in SLOW_FAULTS else 30.0)
    sources = build(settings)
    source = getattr(sources, name).source
    asked = questions(sources)
    source.guard = Guard("test", name, failures_to_open=2, rest=0.3)
    assert all(answers(question) for question in asked[name].values()), "a source without a fault answers"
    sources.cache.clear()  # or the list of metric names would still answer
    proxy.switch(fault)

    # All at once: so all are under way before the breaker opens, and slow ones wait side by side.
    with ThreadPoolExecutor(len(asked[name])) as together:
        errors = dict(zip(asked[name], together.map(failure_of, asked[name].values()), strict=True))

    for question, error in errors.items():
        assert type(error) is EXPECTED[fault], f"{question}: {error!r}"
        assert error.source == name
        assert error.address == proxy.url
        assert error.hint, question
        assert SECRET not in f"{error!r} {error} {error.what} {error.hint}"
    # Half open where asking all questions took longer than its rest; closed where the first one after that was refused
    # at an endpoint that a server may keep from us while it answers.
    refused = (name, fault) == ("prometheus", "http_403")
    assert source.guard.health().breaker in ("open", "half_open", *(["closed"] if refused else []))
    assert isinstance(source.guard.health().last_error, EXPECTED[fault])

    for other in HTTP_SOURCES:
        if other != name:
            assert all(answers(question) for question in asked[other].values()), f"{other} is not touched"
            assert getattr(sources, other).source.guard.health().failures == 0

    proxy.switch("none")
    for question in asked[name].values():
        until(lambda question=question: answers(question), "the source answering again")
    assert source.guard.health().breaker == "closed"
    assert proxy.open_connections <= source.endpoint.connections

    for collector in sources.configured():
        collector.close()
    until(lambda: set(threading.enumerate()) <= threads_before, "all threads of the sources being gone")
    for each in (*proxies.plain.values(), *proxies.tls.values()):
        until(lambda each=each: not each.open_connections, "all connections being closed")


@pytest.mark.integration
def test_while_the_breaker_is_open_the_source_is_left_alone(proxies: Proxies, build: Build):
    sources = build(proxies.settings())
    alertmanager = sources.alertmanager
    proxy = proxies.plain["alertmanager"]
    proxy.switch("http_500")
    for _ in range(3):
        failure_of(alertmanager.status)
    asked_before = proxy.asked

    error = failure_of(alertmanager.status)

    assert error.resting_until is not None
    assert isinstance(error, BadAnswer)
    assert proxy.asked == asked_before == 3


@pytest.mark.integration
def test_a_redirect_is_not_followed(proxies: Proxies, build: Build):
    sources = build(proxies.settings())
    proxy = proxies.plain["alertmanager"]
    proxy.switch("redirect")

    failure_of(sources.alertmanager.status)

    assert proxy.asked == 1


@pytest.mark.integration
def test_requests_beyond_the_connections_say_that_ours_are_busy(proxies: Proxies, build: Build):
    sources = build(proxies.settings(deadline=1.0, connections=1))
    proxies.plain["alertmanager"].switch("hang")

    with ThreadPoolExecutor(2) as together:
        errors = [each.result() for each in [together.submit(failure_of, sources.alertmanager.status) for _ in "12"]]

    assert {type(error) for error in errors} == {TimedOut, Overloaded}
    assert proxies.plain["alertmanager"].asked == 1


@pytest.mark.integration
def test_a_connection_that_the_source_closed_meanwhile_is_replaced_unnoticed(proxies: Proxies, build: Build):
    sources = build(proxies.settings())
    sources.alertmanager.status()
    proxies.plain["alertmanager"].switch("none")  # ends the kept connection

    sources.alertmanager.status()

    assert sources.alertmanager.source.guard.health().failures == 0


@pytest.mark.integration
def test_what_must_not_be_repeated_is_sent_once(proxies: Proxies, build: Build):
    sources = build(proxies.settings())
    source = sources.alertmanager.source
    proxies.plain["alertmanager"].switch("reset")

    with pytest.raises(Unreachable):
        source.ask("POST", "/api/v2/silences", lambda answer: answer, content=b"{}", repeatable=False)

    assert proxies.plain["alertmanager"].asked == 1


@pytest.mark.integration
@pytest.mark.parametrize("name", ["prometheus", "alertmanager", "elasticsearch"])
def test_a_plain_server_behind_an_https_address_is_told_as_such(name: str, proxies: Proxies, build: Build):
    if name == "elasticsearch" and os.environ.get("ELASTICSEARCH") == "real":
        pytest.skip(
            "HTTP of the real store is a small class of ours, which waits for the rest of what it does not know"
        )
    settings = proxies.settings()
    endpoint = getattr(settings.environments["test"], name)
    https = endpoint.model_copy(update={"url": endpoint.url.replace("http:", "https:"), "ca_file": proxies.ca_file})
    environment = settings.environments["test"].model_copy(update={name: https})
    sources = build(settings.model_copy(update={"environments": {"test": environment}}))

    for question in questions(sources)[name].values():
        error = failure_of(question)
        assert type(error) is Unreachable
        assert "TLS" in error.what


@pytest.mark.integration
def test_a_ca_file_that_cannot_be_used_is_named(proxies: Proxies, build: Build, tmp_path: Path):
    broken = tmp_path / "ca.pem"
    broken.write_text("not a certificate")
    for path in (broken, tmp_path / "missing.pem"):
        settings = proxies.settings(over_tls="alertmanager")
        endpoint = settings.environments["test"].alertmanager.model_copy(update={"ca_file": path})
        environment = settings.environments["test"].model_copy(update={"alertmanager": endpoint})
        sources = build(settings.model_copy(update={"environments": {"test": environment}}))

        error = failure_of(sources.alertmanager.status)

        assert type(error) is Unreachable
        assert str(path) in error.what
        assert "PEM" in error.hint


@pytest.mark.integration
def test_without_verification_any_certificate_will_do(proxies: Proxies, build: Build):
    settings = proxies.settings(over_tls="alertmanager")
    endpoint = settings.environments["test"].alertmanager.model_copy(update={"ca_file": None, "verify_tls": False})
    environment = settings.environments["test"].model_copy(update={"alertmanager": endpoint})
    sources = build(settings.model_copy(update={"environments": {"test": environment}}))
    proxies.tls["alertmanager"].switch("wrong_tls")

    # The fault answers no request, but it is asked: the hand-shake went through.
    with pytest.raises((Unreachable, BadAnswer)):
        sources.alertmanager.status()
    assert proxies.tls["alertmanager"].asked > 0
