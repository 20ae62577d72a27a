"""What is usual at a time of day, what is now, and since when something lasts."""

from datetime import timedelta

import numpy as np
import pytest

from analysis.usual import Stay, last, last_stay, since, usual
from tests.analysis.frames import NAN, START, index, minute, series

HALF_HOUR = timedelta(minutes=30)


def week(value):
    """Seven days up to START, half an hour a row; ``value`` of the hour of the day."""
    times = index(7 * 48 + 1, HALF_HOUR, START - timedelta(days=7))
    return series([value(moment.hour + moment.minute / 60) for moment in times], HALF_HOUR, times[0].to_pydatetime())


def test_the_usual_value_is_that_of_the_same_time_of_day():
    history = week(lambda hour: 100.0 if 9 <= hour <= 17 else 10.0)
    assert usual(history, START) == 100.0
    assert usual(history, START.replace(hour=11)) == 100.0
    assert usual(history, START + timedelta(hours=12)) == 10.0


def test_the_usual_value_holds_around_midnight():
    assert usual(week(lambda hour: 5.0 if hour >= 23 or hour <= 1 else 50.0), START + timedelta(hours=12)) == 5.0


def test_one_bad_day_does_not_move_what_is_usual():
    history = week(lambda _: 10.0)
    history[history.index >= START - timedelta(days=1, hours=3)] = 1000.0
    assert usual(history, START) == 10.0


def test_the_present_trouble_is_not_part_of_what_is_usual():
    history = week(lambda _: 10.0)
    history[history.index >= START - timedelta(hours=2)] = 1000.0
    assert usual(history, START) == 10.0


def test_where_no_day_covers_the_time_all_samples_count():
    young = series([7.0] * 8, HALF_HOUR, START - timedelta(hours=8))
    assert usual(young, START) == 7.0


@pytest.mark.parametrize("values", [[], [1.0, 2.0], [NAN] * 10])
def test_too_few_samples_have_no_usual_value(values):
    assert usual(series(values, HALF_HOUR, START - timedelta(days=2)), START) is None


def test_gaps_in_the_history_are_left_out():
    history = week(lambda _: 10.0)
    history[np.arange(len(history)) % 3 == 0] = NAN
    assert usual(history, START) == 10.0


def test_the_newest_value_counts_as_now_while_it_is_young():
    assert last(series([1, 2, 3]), 60) == 3.0
    assert last(series([1, 2, NAN, NAN]), 60) == 2.0


def test_a_signal_that_went_away_has_no_value_now():
    assert last(series([1, 2, *[NAN] * 10]), 60) is None
    assert last(series([NAN, NAN]), 60) is None
    assert last(series([]), 60) is None


def test_with_a_coarse_step_now_may_be_three_steps_old():
    values = series([1, 2, NAN, NAN, NAN], timedelta(hours=2))
    assert last(values, 7200) == 2.0


def test_since_tells_when_the_present_stay_beyond_the_limit_began():
    assert since(series([1, 1, 9, 9, 9]), 5) == minute(2)
    assert since(series([9, 9, 9]), 5) == minute(0)
    assert since(series([9]), 5) == minute(0)


def test_a_value_back_within_the_limit_has_no_since():
    assert since(series([1, 9, 9, 1]), 5) is None
    assert since(series([]), 5) is None
    assert since(series([NAN, NAN]), 5) is None


def test_one_value_within_the_limit_does_not_end_a_stay_but_two_do():
    assert since(series([1, 9, 9, 1, 9, 9]), 5) == minute(1)
    assert since(series([1, 9, 9, 1, 1, 9, 9]), 5) == minute(5)


def test_gaps_do_not_end_a_stay():
    assert since(series([1, 9, NAN, NAN, 9, 9]), 5) == minute(1)


def test_a_single_value_beyond_the_limit_before_two_good_ones_does_not_count():
    assert since(series([9, 1, 1, 1, 9]), 5) == minute(4)


def test_low_can_be_bad_too():
    assert since(series([0.9, 0.9, 0.2, 0.1]), 0.5, below=True) == minute(2)
    assert since(series([0.9, 0.2, 0.9, 0.9]), 0.5, below=True) is None


def test_a_value_on_the_limit_is_beyond_it():
    assert since(series([4, 5, 5]), 5) == minute(1)


def test_a_stay_that_is_over_has_its_first_and_its_last_moment():
    values = series([1, 1, 5, 6, 1, 5, 1, 1, 1])
    assert last_stay(values, 4.0) == Stay(minute(2), minute(5))
    assert since(values, 4.0) is None


def test_a_stay_that_lasts_has_no_end_and_one_value_within_the_limit_does_not_end_it():
    values = series([1, 1, 5, 6, 5, 1])
    assert last_stay(values, 4.0) == Stay(minute(2), None)
    assert last_stay(values, 9.0) is None
