"""No exception of a driver is left unmapped, and each becomes the kind that says what happened."""

import ssl

import elastic_transport
import elasticsearch
import httpx
import psycopg
import pytest
import redis.cluster
import redis.exceptions
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig
from prometheus_api_client import exceptions as prometheus_exceptions
from psycopg import errors

from collectors.elasticsearch import client as logs
from collectors.errors import BadAnswer, Denied, Overloaded, SourceError, TimedOut, Unreachable
from collectors.http import HTTPX_ERRORS, HttpSource, map_httpx_error
from collectors.postgres.errors import mapped
from collectors.prometheus import client as prometheus
from collectors.redis.errors import DRIVER_ERRORS as REDIS_ERRORS
from collectors.redis.errors import mapped as mapped_redis
from settings import HttpEndpoint

SOURCE = HttpSource("test", "elasticsearch", HttpEndpoint(url="http://127.0.0.1:9200"))


def exceptions_of(*packages: str, without: tuple[str, ...] = ()) -> list[type[Exception]]:
    """All exception classes that packages define, found by walking down from ``Exception``; warnings are none."""
    found: list[type[Exception]] = []
    waiting: list[type[Exception]] = [Exception]
    while waiting:
        for child in waiting.pop().__subclasses__():
            waiting.append(child)
            ours = child.__module__.split(".")[0] in packages and not child.__module__.startswith(without)
            if ours and not issubclass(child, Warning):
                found.append(child)
    return sorted(set(found), key=lambda each: (each.__module__, each.__qualname__))


def made(kind: type[Exception]) -> Exception:
    """An instance, whatever its constructor wants."""
    error = kind.__new__(kind)
    if isinstance(error, elastic_transport.ApiError):
        meta = ApiResponseMeta(400, "1.1", HttpHeaders(), 0.0, NodeConfig("http", "127.0.0.1", 9200))
        elastic_transport.ApiError.__init__(error, "a message", meta, {})
    elif isinstance(error, elastic_transport.TransportError):
        elastic_transport.TransportError.__init__(error, "a message")
    else:
        error.args = ("a message",)
    return error


PSYCOPG = exceptions_of("psycopg", without=("psycopg_pool",))
HTTPX = exceptions_of("httpx")
REDIS = exceptions_of("redis")
# Helpers and the query builders are not used; what only they raise cannot reach the collector.
ELASTIC = exceptions_of(
    "elasticsearch", "elastic_transport", without=("elasticsearch.helpers", "elasticsearch.dsl", "elasticsearch.esql")
)
PROMETHEUS = exceptions_of("prometheus_api_client")


def test_the_walk_finds_the_exceptions_of_each_driver():
    assert {httpx.ReadTimeout, httpx.InvalidURL, httpx.CookieConflict} <= set(HTTPX)
    assert {elasticsearch.NotFoundError, elastic_transport.TlsError, elastic_transport.ApiError} <= set(ELASTIC)
    assert {prometheus_exceptions.PrometheusApiClientException} <= set(PROMETHEUS)


@pytest.mark.parametrize("kind", HTTPX, ids=lambda kind: kind.__name__)
def test_every_exception_of_httpx_is_caught_and_mapped(kind: type[Exception]):
    assert issubclass(kind, HTTPX_ERRORS)
    error = map_httpx_error("synaptic", "http://127.0.0.1:1", made(kind), "within 5 s")
    assert type(error) in SourceError.__subclasses__()
    assert "{" not in error.what


@pytest.mark.parametrize("kind", ELASTIC, ids=lambda kind: f"{kind.__module__.split('.')[0]}.{kind.__name__}")
def test_every_exception_of_the_elasticsearch_client_is_caught_and_mapped(kind: type[Exception]):
    assert issubclass(kind, logs.ELASTIC_ERRORS)
    error = logs.map_elastic_error(SOURCE, made(kind))
    assert type(error) in SourceError.__subclasses__()
    assert error.hint


@pytest.mark.parametrize("kind", PROMETHEUS, ids=lambda kind: kind.__name__)
def test_every_exception_of_the_prometheus_client_is_caught_and_mapped(kind: type[Exception]):
    assert issubclass(kind, prometheus.CLIENT_ERRORS)
    assert type(prometheus.map_client_error(SOURCE, made(kind))) is BadAnswer


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (httpx.ConnectTimeout, TimedOut),
        (httpx.ReadTimeout, TimedOut),
        (httpx.PoolTimeout, Overloaded),
        (httpx.ConnectError, Unreachable),
        (httpx.ReadError, Unreachable),
        (httpx.RemoteProtocolError, Unreachable),
        (httpx.LocalProtocolError, BadAnswer),
        (httpx.DecodingError, BadAnswer),
        (httpx.TooManyRedirects, BadAnswer),
    ],
)
def test_httpx_exceptions_become_the_kind_that_says_what_happened(kind: type[Exception], expected: type[SourceError]):
    assert type(map_httpx_error("synaptic", "", made(kind), "within 5 s")) is expected


def test_a_certificate_that_is_not_trusted_is_told_apart_from_a_refused_connection():
    error = httpx.ConnectError("failed")
    error.__cause__ = ssl.SSLCertVerificationError("verify failed")
    assert "certificate" in map_httpx_error("synaptic", "", error, "within 5 s").what
    error.__cause__ = ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)")
    assert map_httpx_error("synaptic", "", error, "within 5 s").what == "cannot be reached (Connection refused)"


def test_an_error_of_the_system_without_a_number_is_told_by_its_name():
    error = httpx.ReadError("failed")
    error.__cause__ = ConnectionResetError()
    assert "ConnectionResetError" in map_httpx_error("synaptic", "", error, "within 5 s").what


@pytest.mark.parametrize(
    ("kind", "status", "expected", "trips"),
    [
        (elasticsearch.AuthenticationException, 401, Denied, True),
        (elasticsearch.AuthorizationException, 403, Denied, True),
        (elasticsearch.BadRequestError, 400, BadAnswer, False),
        (elasticsearch.NotFoundError, 404, BadAnswer, False),
        (elasticsearch.ApiError, 429, Overloaded, True),
        (elasticsearch.ApiError, 500, BadAnswer, True),
        (elasticsearch.UnsupportedProductError, 200, BadAnswer, False),
        (elastic_transport.ConnectionTimeout, 0, TimedOut, True),
        (elastic_transport.TlsError, 0, Unreachable, True),
        (elastic_transport.SerializationError, 0, BadAnswer, False),
    ],
)
def test_exceptions_of_the_elasticsearch_client_become_the_kind_that_says_what_happened(
    kind: type[Exception], status: int, expected: type[SourceError], trips: bool
):
    error = made(kind)
    if isinstance(error, elastic_transport.ApiError):
        error.meta = ApiResponseMeta(status, "1.1", HttpHeaders(), 0.0, NodeConfig("http", "127.0.0.1", 9200))
    mapped = logs.map_elastic_error(SOURCE, error)
    assert type(mapped) is expected
    assert mapped.trips is trips


@pytest.mark.parametrize(
    "mapping",
    [lambda e: map_httpx_error("", "", e, "within 5 s"), lambda e: logs.map_elastic_error(SOURCE, e)],
)
def test_a_mistake_of_the_console_is_not_dressed_up_as_one_of_the_source(mapping):
    with pytest.raises(KeyError):
        mapping(KeyError("a bug"))


@pytest.mark.parametrize(
    "kind", [kind for kind in PSYCOPG if issubclass(kind, psycopg.Error)], ids=lambda kind: kind.__name__
)
def test_every_exception_of_psycopg_becomes_a_source_error_with_words(kind):
    error = mapped(kind("a message"), "postgres", "127.0.0.1:5432/synaptic")
    assert isinstance(error, SourceError)
    assert "127.0.0.1:5432" in str(error)
    assert "{words}" not in error.what


def test_what_psycopg_raises_beside_its_errors_cannot_reach_the_collector():
    others = {kind.__name__ for kind in PSYCOPG if not issubclass(kind, psycopg.Error)}
    assert others <= {"Rollback", "Warning"}


@pytest.mark.parametrize(
    ("kind", "words", "expected", "trips"),
    [
        (errors.InsufficientPrivilege, "permission denied", Denied, False),
        (errors.QueryCanceled, "canceling statement", TimedOut, False),
        (errors.LockNotAvailable, "canceling statement due to lock timeout", TimedOut, False),
        (errors.TooManyConnections, "too many", Overloaded, True),
        (errors.AdminShutdown, "terminating connection", Unreachable, True),
        (errors.UndefinedTable, "relation does not exist", BadAnswer, False),
        (psycopg.OperationalError, 'FATAL:  password authentication failed for user "console"', Denied, True),
        (psycopg.OperationalError, "FATAL:  sorry, too many clients already", Overloaded, True),
        (psycopg.OperationalError, "FATAL:  the database system is starting up", Unreachable, True),
        (psycopg.OperationalError, "connection refused", Unreachable, True),
        (psycopg.errors.ConnectionTimeout, "connection timeout expired", TimedOut, True),
    ],
)
def test_an_exception_of_psycopg_says_what_happened(kind, words, expected, trips):
    error = mapped(kind(words), "postgres", "here")
    assert (type(error), error.trips) == (expected, trips)


@pytest.mark.parametrize("kind", [kind for kind in REDIS if issubclass(kind, REDIS_ERRORS)], ids=lambda k: k.__name__)
def test_every_exception_of_redis_py_becomes_a_source_error_with_words(kind):
    error = mapped_redis(made(kind), "redis", "127.0.0.1:6379/0")
    assert type(error) in SourceError.__subclasses__()
    assert "127.0.0.1:6379/0" in str(error)
    assert "{words}" not in error.what


def test_what_redis_py_raises_beside_its_errors_cannot_reach_the_collector():
    others = {kind for kind in REDIS if not issubclass(kind, REDIS_ERRORS)}
    beside_the_collector = (
        "auth",
        "cluster",
        "multidb",
        "retry",
        "asyncio",
        "background",
        "observability",
        "commands",
        "event",
    )
    unexpected = {
        kind.__name__
        for kind in others
        if kind.__module__ != "redis.exceptions" and not any(part in kind.__module__ for part in beside_the_collector)
    }
    assert unexpected == set()
    # Of the rest: clusters' own, which a single connection never raises (the policies of requests too), and one of
    # forked processes.
    of_clusters = {kind.__name__ for kind in others if issubclass(kind, redis.exceptions.RedisClusterException)}
    left = {kind.__name__ for kind in others if kind.__module__ == "redis.exceptions"} - of_clusters
    assert left <= {"ChildDeadlockedError", "IncorrectPolicyType"}


@pytest.mark.parametrize(
    ("kind", "words", "expected", "trips"),
    [
        (redis.exceptions.AuthenticationError, "invalid username-password pair", Denied, True),
        (redis.exceptions.NoPermissionError, "this user has no permissions", Denied, False),
        (redis.exceptions.ConnectionError, "max number of clients reached", Overloaded, True),
        (redis.exceptions.ResponseError, "DENIED Redis is running in protected mode", Denied, True),
        (redis.exceptions.ResponseError, "unknown command 'CONFIG'", BadAnswer, False),
        (redis.exceptions.BusyLoadingError, "Redis is loading the dataset in memory", Unreachable, True),
        (redis.exceptions.ConnectionError, "Connection closed by server.", Unreachable, True),
        (redis.exceptions.TimeoutError, "Timeout reading from socket", TimedOut, True),
        (redis.exceptions.InvalidResponse, "Protocol Error", BadAnswer, True),
        (OSError, "no route", Unreachable, True),
        (TimeoutError, "timed out", TimedOut, True),
    ],
)
def test_an_exception_of_redis_py_says_what_happened(kind, words, expected, trips):
    error = mapped_redis(kind(words), "redis", "here")
    assert (type(error), error.trips) == (expected, trips)


def test_a_mistake_of_the_console_is_not_taken_for_one_of_redis():
    with pytest.raises(KeyError):
        mapped_redis(TypeError("a bug"), "redis", "here")
