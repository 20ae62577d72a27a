"""Settled samples are kept: what comes back equals one whole question, and a second look asks for the newest slice."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import numpy as np
import pytest

from collectors.prometheus.chunks import CHUNK_POINTS, ChunkStore
from collectors.prometheus.wire import Envelope, MatrixData, MatrixSeries, Point, frame_of
from collectors.span import Span
from tests.conftest import RealPrometheus

QUERIES = [
    'up{job="synaptic"}',
    'sum by (pod) (rate(synaptic_memory_operations_total{job="synaptic"}[20m]))',
    "synaptic_active_sessions",
    'up{job="nobody"}',
]


class Server:
    """Asks a real Prometheus, and counts what it was asked for and what it sent."""

    def __init__(self, url: str, query: str) -> None:
        self.url = url
        self.query = query
        self.points = 0
        self.samples = 0
        self.questions = 0

    def series(self, first: int, last: int, step: int) -> list[MatrixSeries]:
        form = {"query": self.query, "start": first, "end": last, "step": step}
        answer = httpx.post(f"{self.url}/api/v1/query_range", data=form, timeout=30)
        answer.raise_for_status()
        data = msgspec.json.decode(answer.content, type=Envelope[MatrixData], strict=False).data
        assert data is not None
        self.questions += 1
        self.points += (last - first) // step + 1
        self.samples += sum(len(one.values) for one in data.result)
        return data.result

    def fetch(self, first: int, last: int, step: int) -> tuple[Sequence[MatrixSeries], bool]:
        return self.series(first, last, step), True


def two_days(real: RealPrometheus, later: float = 0) -> Span:
    end = datetime.fromtimestamp(real.history.end + later, UTC)
    return Span.of(end - timedelta(days=2), end, 721, live=True, quantum=15)


def assert_same(values: np.ndarray, keys: Sequence[tuple[tuple[str, str], ...]], whole: list[MatrixSeries], span: Span):
    direct = frame_of(whole, span).to_numpy()
    columns = {tuple(sorted(one.metric.items())): column for column, one in enumerate(whole)}
    for column, key in enumerate(keys):
        if key in columns:
            np.testing.assert_array_equal(values[:, column], direct[:, columns[key]])
        else:
            assert np.isnan(values[:, column]).all()
    assert set(columns) <= set(keys)


@pytest.mark.integration
@pytest.mark.parametrize("query", QUERIES)
def test_a_window_put_together_from_chunks_equals_one_whole_question(query: str, real_prometheus: RealPrometheus):
    clock = [real_prometheus.history.end + 10.0]
    store = ChunkStore(10**8, now=lambda: clock[0])
    server = Server(real_prometheus.url, query)
    for later in (0, 60, 3600, 300):
        clock[0] = real_prometheus.history.end + later + 10.0
        span = two_days(real_prometheus, later)
        values, keys = store.samples(query, span, server.fetch)
        assert values.shape == (span.points, len(keys))
        whole = server.series(int(span.start.timestamp()), int(span.end.timestamp()), span.step)
        assert_same(values, keys, whole, span)


@pytest.mark.integration
def test_a_window_opened_again_a_minute_later_fetches_a_twentieth_at_most(real_prometheus: RealPrometheus):
    clock = [float(real_prometheus.history.end)]
    store = ChunkStore(10**8, now=lambda: clock[0])
    server = Server(real_prometheus.url, QUERIES[0])
    store.samples(server.query, two_days(real_prometheus), server.fetch)
    points, samples = server.points, server.samples
    server.points = server.samples = 0
    clock[0] += 60

    store.samples(server.query, two_days(real_prometheus, 60), server.fetch)

    assert 0 < server.points <= 0.05 * points
    assert 0 < server.samples <= 0.05 * samples


@pytest.mark.integration
def test_gaps_stay_gaps_and_series_come_and_go(real_prometheus: RealPrometheus):
    history = real_prometheus.history
    store = ChunkStore(10**8, now=lambda: history.end + 10.0)
    server = Server(real_prometheus.url, QUERIES[0])
    span = two_days(real_prometheus)
    for _ in range(2):  # fetched, and from what is kept
        values, keys = store.samples(server.query, span, server.fetch)
        columns = {dict(key)["pod"]: values[:, column] for column, key in enumerate(keys)}
        times = np.arange(span.points) * span.step + span.start.timestamp()
        # Prometheus lets a sample stand for five minutes, so the inner part of the gap is what is surely empty.
        in_gap = (times > history.gap[0] + 600) & (times < history.gap[1] - 600)
        assert in_gap.sum() > 5
        assert np.isnan(columns["b"][in_gap]).all()
        assert (columns["b"][times < history.gap[0]] == 1).all()
        assert np.isnan(columns["d"][times < history.appears]).all()
        assert (columns["d"][times > history.appears] == 1).all()
        assert (columns["e"][times < history.disappears] == 1).all()
        assert np.isnan(columns["e"][times > history.disappears + 600]).all()


def counting(asked: list[tuple[int, int]], *, whole: bool = True):
    """A server of one series whose every sample is its own time."""

    def fetch(first: int, last: int, step: int) -> tuple[list[MatrixSeries], bool]:
        asked.append((first, last))
        return [MatrixSeries({"a": "b"}, [Point(at, at) for at in range(first, last + 1, step)])], whole

    return fetch


END = 1_800_000_000
SPAN = Span(datetime.fromtimestamp(END - 86400 * 30, UTC), datetime.fromtimestamp(END, UTC), 3600, live=True)


def share_of(asked: list[tuple[int, int]]) -> float:
    return sum((last - first) // 3600 + 1 for first, last in asked[1:]) / ((asked[0][1] - asked[0][0]) // 3600 + 1)


def test_thirty_days_opened_again_ask_for_the_newest_chunk_only():
    asked: list[tuple[int, int]] = []
    store = ChunkStore(10**8, now=lambda: float(END))
    store.samples("q", SPAN, counting(asked))
    store.samples("q", SPAN, counting(asked))
    assert share_of(asked) <= 0.05


def test_what_a_server_warned_about_is_not_kept():
    asked: list[tuple[int, int]] = []
    store = ChunkStore(10**8, now=lambda: float(END))
    store.samples("q", SPAN, counting(asked, whole=False))
    store.samples("q", SPAN, counting(asked))
    assert asked[0] == asked[1]


def test_points_that_may_still_change_are_asked_for_again():
    asked: list[tuple[int, int]] = []
    clock = [float(END)]
    store = ChunkStore(10**8, now=lambda: clock[0])
    chunk = CHUNK_POINTS * 15
    end = END // chunk * chunk + chunk - 15  # the last point of a chunk
    span = Span(datetime.fromtimestamp(end - 3600, UTC), datetime.fromtimestamp(end, UTC), 15, live=True)
    clock[0] = end + 60
    store.samples("q", span, counting(asked))
    store.samples("q", span, counting(asked))
    assert asked[1] == (end - chunk + 15, end)
    clock[0] = end + 600
    store.samples("q", span, counting(asked))
    store.samples("q", span, counting(asked))
    assert len(asked) == 3


def test_other_queries_and_steps_have_chunks_of_their_own():
    asked: list[tuple[int, int]] = []
    store = ChunkStore(10**8, now=lambda: END + 10.0**6)
    half = Span(SPAN.start, SPAN.end, 7200)
    for query, span in (("q", SPAN), ("other", SPAN), ("q", half)):
        values, _ = store.samples(query, span, counting(asked))
        np.testing.assert_array_equal(values[:, 0], np.arange(span.points) * span.step + span.start.timestamp())
    assert len(asked) == 3


def test_chunks_stay_within_their_bound_and_what_fell_out_is_fetched_again():
    asked: list[tuple[int, int]] = []
    store = ChunkStore(5_000, now=lambda: END + 10.0**6)
    for _ in range(2):
        values, _ = store.samples("q", SPAN, counting(asked))
        np.testing.assert_array_equal(values[:, 0], np.arange(SPAN.points) * 3600 + SPAN.start.timestamp())
    assert len(asked) == 2
    assert store.size <= 5_000


def with_hole(asked: list[tuple[int, int]], hole: range):
    """A server of one series that has no samples in ``hole``."""

    def fetch(first: int, last: int, step: int) -> tuple[list[MatrixSeries], bool]:
        asked.append((first, last))
        return [MatrixSeries({}, [Point(at, 1.0) for at in range(first, last + 1, step) if at not in hole])], True

    return fetch


@pytest.mark.parametrize(("age", "most"), [(3600, 25), (20 * 3600, 8)])
def test_a_hole_that_stays_is_asked_for_after_ever_longer_times(age: int, most: int):
    asked: list[tuple[int, int]] = []
    clock = [float(END)]
    store = ChunkStore(10**8, now=lambda: clock[0])
    end = END - END % (CHUNK_POINTS * 15) - 15 - age // 360 * 360  # the last point of a chunk
    span = Span(datetime.fromtimestamp(end - 3600 + 15, UTC), datetime.fromtimestamp(end, UTC), 15)
    fetch = with_hole(asked, range(end - 1800, end - 900))
    for _ in range(10 * 60):  # a look each minute for ten hours
        store.samples("q", span, fetch)
        clock[0] += 60
    assert 1 < len(asked) <= most


def test_a_series_that_is_missing_in_a_whole_chunk_is_a_hole():
    asked: list[tuple[int, int]] = []
    store = ChunkStore(10**8, now=lambda: float(END))
    length = CHUNK_POINTS * 15
    end = END - END % length - 15 - length
    span = Span(datetime.fromtimestamp(end - 5 * length + 15, UTC), datetime.fromtimestamp(end, UTC), 15)
    late = [range(end - 3 * length, end - 2 * length + 15)]

    def fetch(first: int, last: int, step: int) -> tuple[list[MatrixSeries], bool]:
        asked.append((first, last))
        times = range(first, last + 1, step)
        missing = late[0] if late else range(0)
        return [
            MatrixSeries({"pod": "a"}, [Point(at, 1.0) for at in times]),
            MatrixSeries({"pod": "b"}, [Point(at, 1.0) for at in times if at not in missing]),
        ], True

    store.samples("q", span, fetch)
    late.clear()
    values, _ = store.samples("q", span, fetch)
    assert not np.isnan(values).any()
    store.samples("q", span, fetch)
    assert len(asked) == 2
