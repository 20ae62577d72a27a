"""A small answer that is dear to read costs its own question: time grows with its length, and memory has a bound."""

import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from collectors import lenient, registry
from collectors.deadline import deadline, look, reading
from collectors.errors import BadAnswer, SourceError, TimedOut
from collectors.http import MOST
from collectors.prometheus import client as client_module
from collectors.prometheus.forms import distinct
from collectors.prometheus.native import BOUNDS, MOST_BOUNDS, TooMany, cumulative, expanded
from collectors.prometheus.wire import (
    Envelope,
    MatrixData,
    MatrixSeries,
    NativeBucket,
    NativeHistogram,
    NativePoint,
    Point,
)
from collectors.registry import Sources
from collectors.signals import catalogue
from collectors.span import Span
from settings import Settings
from tests.support.scripted_http import ScriptedServer, points, success
from tests.test_expressions import STEEP, growth

OPERATIONS = catalogue()["memory_operations"]
NAMES, RANGE, QUERY = "/api/v1/label/__name__/values", "/api/v1/query_range", "/api/v1/query"
END = datetime.now(UTC) - timedelta(minutes=10)
SPAN = Span.of(END - timedelta(hours=1), END, 241)
AROUND = b'{"status":"success","data":{"resultType":"matrix","result":[%s]}}'


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    scripted = ScriptedServer()
    one = success({"resultType": "vector", "result": [{"metric": {}, "value": [1, "1"]}]})
    scripted.answers = {NAMES: success(["synaptic_memory_operations_total"]), QUERY: one}
    yield scripted
    scripted.close()


@pytest.fixture
def sources(server: ScriptedServer) -> Iterator[Sources]:
    environment = {"prometheus": {"url": server.url, "deadline": 30}}
    settings = Settings.model_validate({"environments": {"test": environment}, "limits": {"answer_ttl": 1e-9}})
    built = registry.build(settings, "test")
    yield built
    for one in built.configured():
        one.close()


def refused(ask: Callable[[], object]) -> SourceError:
    with pytest.raises(SourceError) as raised:
        ask()
    return raised.value


def odd_samples(count: int) -> bytes:
    return b'{"metric":{},"values":[%s]}' % b",".join([b'[1, "+Inf"]'] * count)


BEYOND = lenient.LARGEST // 8
DEAR: dict[str, Callable[[], bytes]] = {
    "empty objects": lambda: b",".join([b"{}"] * MOST[0][1]),
    "empty lists": lambda: b",".join([b"[]"] * (MOST[1][1] + 1)),
    "labels without end": lambda: b'{"metric":{%s}}' % b",".join([b'"a":""'] * (MOST[2][1] + 1)),
    "numbers": lambda: b'{"values":[[%s]]}' % b",".join([b"0"] * (MOST[3][1] + 2)),
    "odd samples": lambda: odd_samples(BEYOND),
    "labels that are numbers": lambda: b'{"metric":{%s}}' % b",".join(b'"%d":1' % i for i in range(BEYOND)),
    "more samples than are computed with": lambda: b",".join(
        b'{"metric":{"a":"%d"},"values":[]}' % i for i in range(client_module.MOST_SAMPLES // 241 + 1)
    ),
}


@pytest.mark.integration
@pytest.mark.parametrize("case", DEAR)
def test_an_answer_of_too_many_values_is_refused_in_words_and_rests_nothing(
    case: str, server: ScriptedServer, sources: Sources
):
    body = AROUND % DEAR[case]()
    server.answers[RANGE] = (200, body)
    for _ in range(4):
        failed = refused(lambda: sources.prometheus.range(OPERATIONS, SPAN))
        assert type(failed) is BadAnswer
        assert "answered with" in failed.what
        assert failed.hint
        assert not failed.trips
    assert sources.prometheus.source.guard.health().breaker == "closed"


@pytest.mark.integration
def test_an_infinite_sample_each_second_is_read_at_once_in_an_answer_of_any_size(
    server: ScriptedServer, sources: Sources
):
    def answer(asked: dict[str, str]) -> tuple[int, object]:
        samples = b",".join(b'[%d,"+Inf"]' % at for at in points(asked))
        padding = b'{"metric":{"le":"+Inf","padding":"%s"},"values":[%s]}' % (b"x" * lenient.LARGEST, samples)
        return 200, AROUND % padding

    server.answers[RANGE] = answer
    found = sources.prometheus.range(OPERATIONS, SPAN).value
    assert found.labels[0]["le"] == "+Inf"
    assert np.isposinf(found.frame[0]).all()


def cost_of(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


def doubled(count: int) -> list[MatrixSeries]:
    return [MatrixSeries({"a": "b"}, [Point(count - at, 1.0)]) for at in range(count)]


def natives(count: int) -> list[MatrixSeries]:
    """A histogram of 40 moments, each with buckets that no other has."""
    each = count // 40
    moments = [
        NativePoint(
            at,
            NativeHistogram(1, 1, [NativeBucket(0, at * each + i + 1.1, at * each + i + 2.1, 1) for i in range(each)]),
        )
        for at in range(40)
    ]
    return [MatrixSeries({}, histograms=moments)]


def read_with_care(result: bytes) -> Callable[[], object]:
    body = AROUND % result
    return lambda: lenient.decoded(body, Envelope[MatrixData])


def put_together(series: list[MatrixSeries]) -> Callable[[], object]:
    return lambda: distinct(series)


def expand(series: list[MatrixSeries]) -> Callable[[], object]:
    return lambda: expanded(series, 10**7)


LINEAR: dict[str, Callable[[int], Callable[[], object]]] = {
    "series of equal labels": lambda size: put_together(doubled(size)),
    "buckets that are all different": lambda size: expand(natives(size)),
    "odd values": lambda size: read_with_care(odd_samples(size)),
    "series that are lists": lambda size: read_with_care(b",".join([b"[]"] * size)),
    "odd labels": lambda size: read_with_care(b'{"metric":{%s}}' % b",".join(b'"%d":1' % i for i in range(size))),
}


@pytest.mark.parametrize("case", LINEAR)
def test_the_time_grows_with_the_length_of_an_answer(case: str):
    assert growth(lambda size: cost_of(LINEAR[case](size))) <= STEEP


@pytest.mark.parametrize("part", [b"[]", b'{"values":[[1,"x"]]}'])
def test_the_memory_of_odd_values_is_a_small_multiple_of_the_answer(part: bytes):
    body = AROUND % b",".join([part] * 2_000)
    tracemalloc.start()
    try:
        _, remarks = lenient.decoded(body, Envelope[MatrixData])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2_000 * 1200 + 100_000
    assert len(remarks) <= lenient.MOST_REMARKS + 1


def test_of_series_that_come_many_times_the_first_sample_of_each_moment_counts_in_times_order():
    series = [MatrixSeries({"a": "b"}, [Point(5, 1), Point(1, 2)]), MatrixSeries({}, [Point(1, 9)])]
    series += [MatrixSeries({"a": "b"}, [Point(at, 3)]) for at in (1, 3, 3)]
    found, twice = distinct(series)
    assert twice == 3
    assert [(point.time, point.value) for point in found[0].values] == [(1, 2), (3, 3), (5, 1)]
    assert [(point.time, point.value) for point in found[1].values] == [(1, 9)]


def test_a_histogram_with_more_bounds_than_anybody_chooses_is_counted_at_fixed_ones_and_loses_nothing():
    few, many = expanded(natives(MOST_BOUNDS), 10**7), expanded(natives(40 * MOST_BOUNDS), 10**7)
    assert len(few) > len(BOUNDS) + 1
    assert len(many) == len(BOUNDS) + 1
    assert all(point.value >= 1 for point in many[-1].values)
    with pytest.raises(TooMany):
        expanded(natives(MOST_BOUNDS), 1000)


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -float("inf"), 1e308, 5e-324, 0.0, -1.0])
def test_a_bucket_with_odd_ends_spoils_no_other(odd: float):
    sound = NativeBucket(0, 0.25, 0.5, 7)
    for other in (NativeBucket(0, odd, 0.5, 1), NativeBucket(0, 0.25, odd, 1), NativeBucket(0, 0.1, 0.2, odd)):
        found = np.array(cumulative([sound, other], 8))
        assert found[-1] >= 7
        assert not np.isnan(found).any()
        assert found[np.searchsorted(BOUNDS, 0.5)] >= 7


def test_whoever_loops_over_an_answer_ends_with_the_deadline():
    def loop() -> None:
        with deadline(0), reading("prometheus", "http://p", 30):
            while True:
                look()

    with pytest.raises(TimedOut) as raised:
        loop()
    assert "could not be read" in raised.value.what
    assert not raised.value.trips
    look()  # outside of an answer nobody waits
