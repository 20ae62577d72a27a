"""Load as average active sessions: sums by looks, gaps as gaps, and when it was too much."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from views.database.rules import activity
from views.database.rules.activity import OTHER

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def frame(loads, *, samples=60, step=60):
    """Loads by name: a list with a value for each minute, None for a gap."""
    count = len(next(iter(loads.values())))
    known = [place for place in range(count) if next(iter(loads.values()))[place] is not None]
    looks = {NOON + place * MINUTE: samples for place in known}
    sessions = {
        (NOON + place * MINUTE, name): round(values[place] * samples)
        for name, values in loads.items()
        for place in known
        if values[place]
    }
    return activity.over_time(looks, sessions, NOON, NOON + count * MINUTE, step)


def test_load_is_sessions_by_looks_and_where_nobody_looked_nothing_is_known():
    found = frame({"CPU": [2.0, None, 0.0], "Lock:tuple": [0.5, None, 0.0]})
    assert list(found.index) == [NOON, NOON + MINUTE, NOON + 2 * MINUTE]
    assert found["CPU"].tolist()[::2] == [2.0, 0.0]
    assert np.isnan(found["CPU"].iloc[1])
    assert activity.total(found).tolist()[::2] == [2.5, 0.0]
    assert np.isnan(activity.total(found).iloc[1])
    assert activity.in_classes(found, "Lock").tolist()[::2] == [0.5, 0.0]
    assert np.isnan(activity.in_classes(found, "IO").iloc[1])


def test_a_quiet_time_is_zero_and_not_unknown():
    found = activity.over_time({NOON: 60}, {}, NOON, NOON + 2 * MINUTE, 60)
    assert activity.total(found).fillna(-1).tolist() == [0.0, -1.0]


def test_stretches_within_a_step_are_weighed_by_their_looks():
    looks = {NOON: 60, NOON + MINUTE: 20}
    found = activity.over_time(looks, {(NOON, "CPU"): 60, (NOON + MINUTE, "CPU"): 60}, NOON, NOON + 2 * MINUTE, 120)
    assert found["CPU"].tolist() == [120 / 80]


def test_what_lies_outside_does_not_count():
    looks = {NOON - MINUTE: 60, NOON: 60, NOON + 9 * MINUTE: 60}
    found = activity.over_time(looks, {(NOON - MINUTE, "x"): 60, (NOON + 9 * MINUTE, "x"): 60}, NOON, NOON + MINUTE, 60)
    assert activity.total(found).tolist() == [0.0]


def test_the_largest_are_told_apart_and_the_sum_stays():
    whole = frame({"a": [1.0, 1.0], "b": [3.0, 3.0], "c": [2.0, 2.0], OTHER: [9.0, 9.0]})
    found = activity.top(whole, 2)
    assert list(found.columns) == ["b", "c", OTHER]
    assert found[OTHER].tolist() == [10.0, 10.0]
    assert activity.total(found).tolist() == activity.total(whole).tolist()


def test_waits_are_stacked_by_class_with_what_runs_at_the_bottom_and_the_rest_on_top():
    found = activity.stacked_order([OTHER, "Strange:x", "Lock:b", "IO:z", "CPU", "Lock:a", "IO:a"])
    assert found == ["CPU", "IO:a", "IO:z", "Lock:a", "Lock:b", "Strange:x", OTHER]


def test_shares_are_of_all_sessions_and_loads_by_looks():
    groups = pd.DataFrame({"user": ["a", "b", "a"], "sessions": [30.0, 60.0, 30.0]})
    found = activity.shares(groups, "user", 60)
    assert found.to_dict("list") == {"name": ["a", "b"], "load": [1.0, 1.0], "share": [0.5, 0.5]}
    assert activity.shares(groups.iloc[:0], "user", 0).empty


def test_too_much_is_more_than_the_processors_and_tells_since_when():
    found = activity.heavy(frame({"CPU": [0.5] * 10 + [6.0] * 5}), 2, 60)
    assert (found.start, found.end) == (NOON + 10 * MINUTE, None)
    assert found.load == pytest.approx(6.0)
    assert found.times == pytest.approx(3.0)
    assert found.locked == 0.0
    ended = activity.heavy(frame({"CPU": [0.5] * 3 + [6.0] * 5 + [0.5] * 6}), 2, 60)
    assert (ended.start, ended.end) == (NOON + 3 * MINUTE, NOON + 8 * MINUTE)
    assert activity.heavy(frame({"CPU": [1.9] * 10}), 2, 60) is None


def test_sessions_that_wait_for_locks_are_told_however_many_processors_there_are():
    found = activity.heavy(frame({"CPU": [0.5] * 10, "Lock:transactionid": [0.0] * 6 + [3.0] * 4}), 32, 60)
    assert found.start == NOON + 6 * MINUTE
    assert found.locked == pytest.approx(3.0)
    assert found.times < 1


def test_without_the_number_of_processors_it_is_set_against_what_is_usual():
    assert activity.heavy(frame({"CPU": [1.0] * 10 + [1.9] * 2}), None, 60) is None
    found = activity.heavy(frame({"CPU": [1.0] * 10 + [5.0] * 2}), None, 60)
    assert found.times == pytest.approx(5.0 / 3.0)


def test_gaps_neither_begin_nor_end_a_time_of_much_load():
    found = activity.heavy(frame({"CPU": [0.5, 6.0, 6.0, None, None, 6.0, 6.0]}), 2, 60)
    assert (found.start, found.end) == (NOON + MINUTE, None)
    assert found.load == pytest.approx(6.0)
    assert activity.heavy(frame({"CPU": [0.0, 0.0]}), 2, 60) is None
