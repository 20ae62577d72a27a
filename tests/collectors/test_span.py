"""Spans: on the grid of their step, never more points than allowed, shared by all viewers of a quantum."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.span import STEPS, Span
from settings import Limits

NOW = datetime(2026, 11, 23, 12, 34, 56, 789000, tzinfo=UTC)
LENGTHS = st.integers(60, 90 * 86400)
MOMENTS = st.floats(1.6e9, 2.2e9)
POINTS = st.integers(60, 1500)
QUANTA = st.sampled_from([1.0, 5.0, 15.0, 60.0, 300.0])


def span_of(end: float, length: int, points: int, *, live: bool, quantum: float = 15.0) -> Span:
    last = datetime.fromtimestamp(end, UTC)
    return Span.of(last - timedelta(seconds=length), last, points, live=live, quantum=quantum)


@given(end=MOMENTS, length=LENGTHS, points=POINTS, live=st.booleans(), quantum=QUANTA)
def test_both_ends_lie_on_the_grid_and_points_stay_within_the_limit(
    end: float, length: int, points: int, live: bool, quantum: float
):
    span = span_of(end, length, points, live=live, quantum=quantum)
    assert span.start.timestamp() % span.step == 0
    assert span.end.timestamp() % span.step == 0
    assert 2 <= span.points <= points
    assert span.points == (span.end - span.start) // timedelta(seconds=span.step) + 1
    assert span.end <= datetime.fromtimestamp(end, UTC)
    assert span.live is live


@given(end=MOMENTS, length=LENGTHS, points=POINTS, quantum=QUANTA)
def test_the_span_covers_the_window_up_to_a_step_and_a_quantum(end: float, length: int, points: int, quantum: float):
    span = span_of(end, length, points, live=True, quantum=quantum)
    assert (datetime.fromtimestamp(end, UTC) - span.end).total_seconds() < span.step + quantum
    assert abs(span.seconds - length) < max(span.step, length - span.step + 1)


@given(end=st.integers(1_600_000_000, 2_200_000_000), length=LENGTHS, points=POINTS, quantum=QUANTA, data=st.data())
def test_viewers_within_one_quantum_share_the_span(
    end: int, length: int, points: int, quantum: float, data: st.DataObject
):
    first = span_of(end, length, points, live=True, quantum=quantum)
    grid = max(quantum, first.step)
    start = end // grid * grid
    other = data.draw(st.integers(int(start), int(start + grid) - 1))
    if first.step % quantum == 0 or quantum % first.step == 0:
        assert span_of(other, length, points, live=True, quantum=quantum) == first


def test_thirty_days_are_shown_by_the_hour():
    span = span_of(NOW.timestamp(), 30 * 86400, Limits().points, live=True)
    assert (span.step, span.points) == (3600, 721)


@pytest.mark.parametrize(
    ("length", "step"), [(900, 2), (3600, 5), (6 * 3600, 30), (12 * 3600, 60), (86400, 120), (7 * 86400, 900)]
)
def test_the_usual_windows_take_fine_steps(length: int, step: int):
    span = span_of(NOW.timestamp(), length, Limits().points, live=True)
    assert span.step == step
    assert span.step in STEPS


def test_a_window_beyond_all_steps_takes_whole_days():
    span = span_of(NOW.timestamp(), 4000 * 86400, 60, live=False)
    assert span.step % 86400 == 0
    assert span.points <= 60


def test_a_shifted_span_stays_on_its_grid_and_is_not_live():
    span = span_of(NOW.timestamp(), 3600, 60, live=True)
    earlier = span.shifted(86400.5)
    assert earlier.points == span.points
    assert earlier.start.timestamp() % span.step == 0
    assert span.start - earlier.start >= timedelta(seconds=86400.5)
    assert not earlier.live


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_window_that_does_not_end_after_it_starts_is_refused(seconds: int):
    with pytest.raises(ValueError, match="must end after it starts"):
        Span.of(NOW, NOW + timedelta(seconds=seconds), 60)
