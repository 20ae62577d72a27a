"""Changes of statements are found where there are some, and never in noise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from views.database.rules.statement_changes import oftener, slower


def samples(*parts, calls=100.0, spread=0.1, seed=1):
    """Calls and milliseconds of samples: for each part so many samples of a mean, with a spread around it."""
    dice = np.random.default_rng(seed)
    means = np.concatenate([mean * dice.lognormal(0, spread, count) for count, mean in parts])
    each = np.full(len(means), calls)
    return each, each * means


def test_a_statement_that_became_slower_is_found_with_its_moment_and_both_means():
    step = slower(*samples((60, 10.0), (10, 90.0)))
    assert (step.place, step.end) == (60, 70)
    assert step.before == pytest.approx(10, rel=0.1)
    assert step.after == pytest.approx(90, rel=0.1)
    assert step.times == pytest.approx(9, rel=0.2)


def test_a_jump_far_above_everything_before_is_told_after_one_sample():
    step = slower(*samples((30, 10.0), (1, 200.0)))
    assert (step.place, step.end) == (30, 31)
    assert step.times > 15
    assert slower(*samples((30, 10.0), (1, 200.0), (10, 10.0))) is None  # a single slow minute of the past


def test_a_trouble_that_is_over_is_found_with_its_end():
    step = slower(*samples((60, 10.0), (15, 90.0), (40, 10.0)))
    assert (step.place, step.end) == (60, 75)
    assert step.times == pytest.approx(9, rel=0.2)


def test_a_trouble_that_comes_back_is_the_one_of_now_and_the_earlier_one_is_not_what_is_usual():
    step = slower(*samples((40, 10.0), (12, 900.0), (20, 10.0), (4, 90.0)))
    assert (step.place, step.end) == (72, 76)
    assert step.before == pytest.approx(10, rel=0.1)
    assert step.after == pytest.approx(90, rel=0.1)


@pytest.mark.parametrize(
    "given_",
    [
        samples((60, 10.0), (2, 30.0)),  # too few samples to be sure
        samples((60, 10.0), (4, 19.0), spread=0.3),  # not far enough for so few
        samples((7, 10.0), (60, 90.0)),  # nothing to set it against
        samples((60, 10.0), (10, 13.0)),  # too little
        samples((60, 0.01), (10, 0.09)),  # many times nothing
        samples((60, 10.0), (10, 90.0), calls=0.2),  # too few calls
        samples((60, 90.0), (10, 10.0)),  # it became quicker
        (np.zeros(70), np.zeros(70)),
        (np.empty(0), np.empty(0)),
    ],
)
def test_what_is_no_trouble_is_not_told(given_):
    assert slower(*given_) is None


def test_samples_without_calls_are_left_out_and_places_stay_those_of_all_samples():
    calls, ms = samples((60, 10.0), (10, 90.0))
    calls, ms = np.repeat(calls, 2), np.repeat(ms, 2)
    calls[::2] = ms[::2] = 0.0
    step = slower(calls, ms)
    assert step.place == 121
    assert step.end == 140


@given(st.integers(0, 2**32 - 1), st.integers(0, 120), st.floats(0.01, 2.0))
def test_noise_of_any_spread_is_no_change(seed, count, spread):
    calls, ms = samples((count, 10.0), spread=spread, seed=seed)
    step = slower(calls, ms)
    if step is not None:  # by chance, and then it is at the very end of much noise
        assert spread > 0.2
        assert step.end - step.place <= 12


def test_chance_alone_is_told_of_less_than_one_in_five_hundred_statements():
    found = sum(slower(*samples((60, 10.0), spread=0.5, seed=seed)) is not None for seed in range(3000))
    assert found <= 6


@given(st.integers(0, 2**32 - 1), st.integers(8, 80), st.integers(8, 80), st.floats(4, 1000))
def test_a_large_step_is_found_whatever_its_size_and_place(seed, before, after, times):
    step = slower(*samples((before, 10.0), (after, 10.0 * times), seed=seed))
    assert step is not None
    assert (step.place, step.end) == (before, before + after)


def test_a_statement_that_is_called_more_often_is_found_also_where_it_was_not_called_in_each_sample():
    calls = np.array([2.0, 0.0, 3.0] * 20 + [300.0] * 10)
    step = oftener(calls, np.full(70, 60.0))
    assert step.place == 60
    assert step.after == pytest.approx(5.0)
    assert oftener(calls[:60], np.full(60, 60.0)) is None
    assert oftener(np.empty(0), np.empty(0)) is None
