"""What is new, and what is far more than usual."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from views.logs.rules.pattern_changes import ENOUGH, growth_of, is_new, surged, usual

START = datetime(2026, 11, 24, 10, tzinfo=UTC)
WEEK = 672  # quarters of an hour


def quiet(mean: float, seed: int = 1, count: int = WEEK) -> np.ndarray:
    return np.random.default_rng(seed).poisson(mean, count).astype(float)


def test_a_burst_over_a_steady_stream_is_a_surge_and_its_figures_are_told():
    standing = usual(400, quiet(40))
    assert surged(400, standing)
    assert standing.median == pytest.approx(40, abs=2)
    assert standing.high < 60
    assert standing.counts == WEEK


@pytest.mark.parametrize("mean", [0.05, 1, 10, 40, 1000])
def test_chance_alone_is_no_surge(mean):
    history = quiet(mean)
    fresh = quiet(mean, seed=2, count=2000)
    assert not [count for count in fresh if surged(count, usual(count, history))]


def test_a_few_lines_of_what_never_came_are_no_surge_and_many_are():
    silent = np.zeros(WEEK)
    assert not surged(9, usual(9, silent))
    assert surged(10, usual(10, silent))


def test_a_job_that_writes_much_each_night_surges_only_when_it_writes_far_more():
    nightly = np.zeros(WEEK)
    for minutes in (0, 1, 2):  # three quarters of an hour each night
        nightly[minutes::96] = 200.0
    assert not surged(200, usual(200, nightly))
    assert surged(900, usual(900, nightly))


def test_twice_the_lines_of_a_busy_pattern_are_certain_and_still_no_surge():
    assert not surged(2000, usual(2000, quiet(1000)))


def test_a_daily_rhythm_is_usual():
    rhythm = 100 * (1 + 0.8 * np.sin(np.arange(WEEK) / 96 * 2 * np.pi))
    assert not surged(180, usual(180, rhythm))
    assert surged(1000, usual(1000, rhythm))


def test_a_shorter_stretch_is_held_against_as_short_a_part_of_the_earlier_ones():
    history = quiet(90)
    third = usual(30, history, share=1 / 3)
    assert third.median == pytest.approx(30, abs=2)
    assert not surged(30, third)
    assert surged(300, usual(300, history, share=1 / 3))


def test_what_grows_with_all_other_lines_is_no_surge_and_what_grows_far_more_is():
    others, history = quiet(1000), quiet(40, seed=3)
    growth = growth_of(5000, others)
    assert growth == pytest.approx(5, rel=0.05)
    assert surged(200, usual(200, history))
    standing = usual(200, history, growth=growth)
    assert not surged(200, standing)
    assert (standing.median, standing.growth) == (pytest.approx(200, rel=0.1), growth)
    assert surged(800, usual(800, history, growth=growth))


def test_fewer_other_lines_than_usual_or_none_before_make_nothing_a_surge():
    assert growth_of(10, quiet(1000)) == 1
    assert growth_of(10, np.zeros(WEEK)) == 1
    assert growth_of(10, [1.0] * (ENOUGH - 1)) == 1
    assert growth_of(30, np.full(WEEK, 30.0), share=1 / 3) == pytest.approx(3)


def test_with_few_earlier_counts_it_is_not_known_what_is_usual():
    assert usual(1000, [1.0] * (ENOUGH - 1)) is None
    assert surged(1000, None) is None
    assert surged(1000, usual(1000, [1.0] * ENOUGH)) is True


@given(st.lists(st.floats(0, 1e9), min_size=ENOUGH, max_size=200), st.floats(0, 1e9), st.floats(1, 10))
def test_more_lines_are_never_less_of_a_surge(history, count, factor):
    if surged(count, usual(count, history)):
        assert surged(count * factor, usual(count * factor, history))


@pytest.mark.parametrize(
    ("first_seen", "known_since", "new"),
    [
        (timedelta(minutes=5), timedelta(days=-3), True),
        (timedelta(), timedelta(days=-3), True),
        (timedelta(minutes=-5), timedelta(days=-3), False),
        (timedelta(minutes=5), timedelta(hours=-7), True),
        (timedelta(minutes=5), timedelta(hours=-5), None),  # the first day: rare ones were not yet seen
        (timedelta(minutes=5), timedelta(minutes=1), None),  # kept only since then: everything would be new
        (timedelta(minutes=-5), timedelta(minutes=1), False),
        (None, timedelta(days=-3), None),
        (timedelta(minutes=5), None, None),
    ],
)
def test_new_is_what_was_first_seen_within_the_window_where_that_can_be_known(first_seen, known_since, new):
    at = None if first_seen is None else START + first_seen
    assert is_new(at, START, None if known_since is None else START + known_since) is new
