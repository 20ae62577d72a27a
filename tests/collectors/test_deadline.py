"""What an error about time says: the limit that somebody configured, and whose time it was; never a rest of it."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from collectors import deadline as deadlines
from collectors.cache import AnswerCache
from collectors.deadline import allowance, deadline
from collectors.elasticsearch.client import Elasticsearch
from collectors.errors import SourceError, TimedOut
from collectors.guard import Guard
from collectors.http import HttpSource
from collectors.postgres.server import PostgresServer
from collectors.redis.server import RedisServer
from settings import Elasticsearch as ElasticsearchSettings
from settings import HttpEndpoint, Postgres, Redis

Ask = Callable[[], object]


@pytest.fixture
def silent() -> Iterator[int]:
    """A port behind which connections are accepted and nothing is ever answered, as with a frozen process."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield listening.getsockname()[1]


def http(port: int, limit: float) -> tuple[Ask, Guard, Ask]:
    source = HttpSource("test", "prometheus", HttpEndpoint(url=f"http://127.0.0.1:{port}", deadline=limit))
    return (lambda: source.ask("GET", "/", lambda answer: answer.body)), source.guard, source.close


def elasticsearch(port: int, limit: float) -> tuple[Ask, Guard, Ask]:
    settings = ElasticsearchSettings(url=f"http://127.0.0.1:{port}", index="logs", deadline=limit)
    store = Elasticsearch("test", settings, AnswerCache(1_000_000, 1, 0, lambda _: 1))
    return store.info, store.source.guard, store.close


def postgres(port: int, limit: float) -> tuple[Ask, Guard, Ask]:
    server = PostgresServer("test", Postgres(host="127.0.0.1", port=port, user="console", deadline=limit))
    return (lambda: server.ask("SELECT 1")), server.guard, server.close


def redis(port: int, limit: float) -> tuple[Ask, Guard, Ask]:
    server = RedisServer("test", Redis(host="127.0.0.1", port=port, deadline=limit))
    return (lambda: server.ask("DBSIZE")), server.guard, server.close


@contextmanager
def short_of(whole: float, left: float) -> Iterator[None]:
    """Inside a panel that had ``whole`` seconds, of which ``left`` are left."""
    token = deadlines._ends.set((time.monotonic() + left, whole))
    try:
        yield
    finally:
        deadlines._ends.reset(token)


DRIVERS = pytest.mark.parametrize("driver", [http, elasticsearch, postgres, redis])


def told(ask: Ask, guard: Guard) -> SourceError:
    with pytest.raises(TimedOut) as raised:
        ask()
    assert guard.health().failures == 1
    return raised.value


@DRIVERS
def test_a_source_that_does_not_answer_is_told_with_the_limit_of_its_settings(driver, silent):
    ask, guard, close = driver(silent, 1.25)
    error = told(ask, guard)
    close()
    assert error.what.endswith("within 1.25 s, its deadline")
    assert error.trips


@DRIVERS
def test_where_the_panel_ends_first_its_limit_is_told_and_not_what_was_left_of_it(driver, silent):
    ask, guard, close = driver(silent, 60)
    with deadline(1.25):
        error = told(ask, guard)
    close()
    assert error.what.endswith("before the panel's 1.25 s had passed")
    assert error.trips  # nearly all of the panel's time was the source's own


@DRIVERS
def test_the_rest_of_a_time_that_others_used_up_says_nothing_about_the_source(driver, silent):
    ask, guard, close = driver(silent, 60)
    with short_of(100.0, 0.05):
        error = told(ask, guard)
    close()
    assert error.what.endswith("before the panel's 100 s had passed")
    assert not error.trips
    assert guard.health().last_error is None


@DRIVERS
def test_a_source_that_nobody_had_time_for_was_not_asked_and_has_not_failed(driver, silent):
    ask, guard, close = driver(silent, 60)
    with short_of(8.0, 0.0), pytest.raises(TimedOut) as raised:
        ask()
    close()
    assert raised.value.what == "was not asked: the panel's 8 s had passed"
    assert not raised.value.trips
    assert guard.health().requests == 0


def test_an_outer_deadline_that_ends_earlier_holds_and_is_the_one_that_is_told():
    with deadline(0.5), deadline(100):
        assert allowance("redis", "", 60).words == "before the panel's 0.5 s had passed"
    with deadline(100), deadline(0.5):
        assert allowance("redis", "", 60).words == "before the panel's 0.5 s had passed"
    with deadline(100):
        assert allowance("redis", "", 60).words == "within 60 s, its deadline"
