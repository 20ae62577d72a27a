"""A value is in trouble when it was bad for long enough and in enough events, and not before; and stays so a while."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from analysis.episodes import Rule, episodes, level

STEP = 10
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
BROKEN = Rule("broken", 0.5, 20.0)
RISK = Rule("risk", 0.25, 60.0)
SHARE = Rule("risk", 0.01, 60.0, least=5.0)


def series(*stretches):
    """Values by (value, seconds), one in ten seconds."""
    values = [value for value, seconds in stretches for _ in range(seconds // STEP)]
    return pd.Series(values, index=pd.date_range(NOON, periods=len(values), freq=f"{STEP}s"), dtype=float)


def seconds(moment):
    return None if moment is None else (moment - NOON).total_seconds()


def found(values, rule, bad=None):
    return [(seconds(one.start), seconds(one.end)) for one in episodes(values, rule, STEP, bad)]


@pytest.mark.parametrize(
    ("values", "rule", "times"),
    [
        ([(0.1, 600), (2.0, 10), (0.1, 600)], BROKEN, []),
        ([(0.1, 600), (2.0, 30)], BROKEN, [(600, None)]),
        ([(0.1, 600), (0.3, 50), (0.1, 60)], RISK, []),
        ([(0.1, 600), (0.3, 60)], RISK, [(600, None)]),
        # Over only after a minute that was clearly within the limit: one that flickers at it stays in trouble.
        ([(0.1, 600), (2.0, 120), (0.1, 50)], BROKEN, [(600, None)]),
        ([(0.1, 600), (2.0, 120), (0.1, 120)], BROKEN, [(600, 720)]),
        ([(0.1, 600), (0.3, 120), (0.24, 300)], RISK, [(600, None)]),
        ([(0.1, 600), (0.3, 120), (0.19, 300)], RISK, [(600, 720)]),
        # Pulses: half of the time is enough, however often it is well between.
        ([(0.1, 600), *([(2.0, 10), (0.1, 10)] * 6)], BROKEN, [(600, None)]),
        ([(float("nan"), 300), (2.0, 60), (float("nan"), 200)], BROKEN, [(300, None)]),
        ([(float("nan"), 300)], BROKEN, []),
        # It began before what is known.
        ([(2.0, 600)], BROKEN, [(None, None)]),
        ([(0.1, 300), (2.0, 100), (0.1, 300), (3.0, 100), (0.1, 300)], BROKEN, [(300, 400), (700, 800)]),
    ],
)
def test_trouble_needs_time_to_begin_and_to_end(values, rule, times):
    assert found(series(*values), rule) == times


def test_a_low_value_is_the_bad_one_where_the_rule_says_so():
    values = series((0.9, 300), (0.3, 100), (0.9, 300))
    assert found(values, Rule("broken", 0.5, 20.0, below=True)) == [(300, 400)]
    (one,) = episodes(values, Rule("broken", 0.5, 20.0, below=True), STEP)
    assert (one.worst, one.level) == (0.3, 0.3)


def test_one_failed_request_is_no_trouble_and_five_are():
    share = series((0.0, 600), (0.0125, 20), (0.0, 60), (0.0125, 60), (0.0, 30))
    one_request = pd.Series(np.where(share > 0, 1 / 80, 0.0), share.index)
    assert found(share, SHARE, one_request) == []
    assert found(share, SHARE, one_request * 10) == [(600, None)]
    # How many there were is not known: they are not counted.
    assert found(share, SHARE, one_request * np.nan) == [(600, None)]


def test_a_service_with_little_traffic_that_fails_is_told_after_some_more_minutes():
    share = series((0.0, 600), (1.0, 600))
    one_a_minute = pd.Series(1 / 60, share.index)
    assert found(share, SHARE, one_a_minute) == [(600, None)]
    assert found(share.iloc[:85], SHARE, one_a_minute.iloc[:85]) == []


def test_the_worst_is_no_single_sample_and_the_level_is_that_of_the_end():
    (one,) = episodes(series((0.1, 300), (0.6, 60), (9.0, 10), (0.7, 60), (0.1, 200)), BROKEN, STEP)
    assert (one.worst, one.level) == (0.7, 0.7)


def test_with_a_coarse_step_one_sample_is_its_whole_stretch():
    times = pd.date_range(NOON, periods=60, freq="120s")
    values = pd.Series(0.1, times)
    values.iloc[30] = 2.0
    (one,) = episodes(values, BROKEN, 120.0)
    assert one.start == times[30]
    assert one.end == times[30] + timedelta(seconds=120)


def test_the_value_of_now_is_the_middle_of_the_last_minute():
    assert level(series((0.1, 300), (9.0, 20)), STEP) == 0.1
    assert level(series((0.1, 300), (9.0, 40)), STEP) == 9.0
    assert level(series((0.1, 300), (float("nan"), 200)), STEP) == 0.1
    assert level(series((0.1, 300), (float("nan"), 400)), STEP) is None


@pytest.mark.parametrize(("after", "end"), [(0.83, None), (0.85, 400), (0.95, 400)])
def test_a_share_that_was_low_is_well_again_though_it_cannot_rise_above_one(after, end):
    values = series((0.95, 300), (0.7, 100), (after, 300))
    assert found(values, Rule("risk", 0.8, 60.0, below=True, share=True)) == [(300, end)]
