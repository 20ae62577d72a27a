"""The arithmetic of objectives: sums and never means, budgets, burn rates, exhaustion, excluded windows."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from views.slo.rules.budgets import (
    ENOUGH_BAD,
    Buckets,
    Tally,
    budget,
    budget_left,
    burn_rate,
    burning,
    counted,
    exhaustion,
    merged,
    tally,
)
from views.slo.rules.ledger import APART, ledger

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
MONTH = 30 * DAY


def buckets(bad, total, step=MINUTE, start=0.0):
    """Stretches of equal length one after the other."""
    starts = start + np.arange(len(bad)) * step
    return Buckets(starts, starts + step, np.array(bad, float), np.array(total, float))


def constant(share, total=100.0, period=MONTH, step=HOUR / 2):
    count = int(period / step)
    return buckets([share * total] * count, [total] * count, step)


def test_ratios_are_of_sums_and_never_means_of_ratios():
    # A quiet hour with half of it failing, and a busy one without a failure.
    events = tally(buckets([1, 0], [2, 998]), 0, 2 * MINUTE)
    assert events == Tally(1, 1000, 2 * MINUTE)
    assert budget(events, 0.99).attainment == pytest.approx(0.999)
    assert burn_rate(events, 0.99) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("objective", "days", "minutes"), [(0.999, 30, 43.2), (0.999, 28, 40.32), (0.999, 7, 10.08), (0.9995, 90, 64.8)]
)
def test_the_budget_in_minutes_is_that_of_a_full_outage(objective, days, minutes):
    whole = budget(Tally(0, 1e6, days * DAY), objective)
    assert whole.seconds / 60 == pytest.approx(minutes)
    assert whole.seconds_left == whole.seconds
    assert whole.events == pytest.approx((1 - objective) * 1e6)


def test_what_is_left_is_the_same_share_of_requests_and_of_minutes():
    found = budget(Tally(250, 1e6, MONTH), 0.999)
    assert found.left == pytest.approx(0.75)
    assert found.events_left == pytest.approx(750)
    assert found.seconds_left / 60 == pytest.approx(32.4)


def test_a_broken_promise_has_less_than_nothing_left():
    found = budget(Tally(2000, 1e6, MONTH), 0.999)
    assert found.left == pytest.approx(-1)
    assert found.events_left == pytest.approx(-1000)


def test_without_events_nothing_is_known_and_nothing_is_100_percent():
    assert budget(Tally(0, 0, MONTH), 0.999) is None
    assert burn_rate(Tally(0, 0, HOUR), 0.999) is None
    silent = burning(buckets([0] * 60, [0] * 60), HOUR, 0.999, 14.4, HOUR, 5 * MINUTE)
    assert (silent.long, silent.short, silent.fires) == (None, None, None)
    assert np.isnan(budget_left(buckets([0, 0], [0, 0]), 0, 2 * MINUTE, 0.999)).all()


def test_what_was_not_measured_is_in_no_sum():
    events = tally(buckets([1, math.nan, 3, 4], [10, math.nan, 10, math.nan]), 0, 4 * MINUTE)
    assert events == Tally(4, 20, 2 * MINUTE)


def test_a_stretch_counts_by_the_part_that_lies_in_the_window():
    assert tally(buckets([60], [120], HOUR), 30 * MINUTE, 45 * MINUTE) == Tally(15, 30, 15 * MINUTE)


def test_an_hour_at_the_factor_of_a_page_spends_its_share_of_the_budget():
    failing = [1.44, 1.44] + [0] * 1438
    found = budget(tally(buckets(failing, [100] * 1440, HOUR / 2), 0, MONTH), 0.999)
    assert 1 - found.left == pytest.approx(0.02)


def test_both_windows_must_burn_too_fast():
    past = buckets([20] * 55 + [0] * 5, [100] * 60)
    over = burning(past, HOUR, 0.99, 14.4, HOUR, 5 * MINUTE)
    assert over.long > 14.4
    assert (over.short, over.fires) == (0, False)
    new = burning(buckets([0] * 59 + [90], [100] * 60), HOUR, 0.99, 14.4, HOUR, 5 * MINUTE)
    assert new.short > 14.4
    assert new.fires is False
    assert burning(buckets([20] * 60, [100] * 60), HOUR, 0.99, 14.4, HOUR, 5 * MINUTE).fires is True


def test_a_long_window_counts_only_after_enough_of_it_was_measured():
    young = buckets([10] * 45, [100] * 45, start=DAY - 45 * MINUTE)
    found = burning(young, DAY, 0.99, 3, DAY, 2 * HOUR, least=DAY / 2)
    assert found.long == pytest.approx(10)
    assert (found.fires, found.young, found.measured) == (None, True, 45 * MINUTE)
    grown = buckets([10] * 720, [100] * 720, start=DAY / 2)
    assert burning(grown, DAY, 0.99, 3, DAY, 2 * HOUR, least=DAY / 2).fires is True


def test_one_failure_in_a_quiet_night_is_not_called_too_fast():
    quiet = buckets([0] * 58 + [0, 1], [0.05] * 59 + [1])
    found = burning(quiet, HOUR, 0.999, 14.4, HOUR, 5 * MINUTE)
    assert found.long > 14.4
    assert found.short > 14.4
    assert found.bad < ENOUGH_BAD
    assert found.fires is False


def test_excluded_windows_leave_both_sums_and_no_hole():
    outage = buckets([0, 0, 100, 0], [100] * 4)
    excluded = [(2 * MINUTE, 3 * MINUTE)]
    assert tally(outage, 0, 4 * MINUTE, excluded) == Tally(0, 300, 3 * MINUTE)
    left = budget_left(outage, 0, 4 * MINUTE, 0.9, excluded)
    assert left.tolist() == [1, 1, 1, 1]


def test_excluded_windows_may_overlap_and_reach_beyond_the_period():
    excluded = [(-HOUR, MINUTE), (30, 2 * MINUTE), (3.5 * MINUTE, HOUR)]
    assert merged(excluded) == [(-HOUR, 2 * MINUTE), (3.5 * MINUTE, HOUR)]
    assert counted(buckets([0] * 4, [1] * 4), 0, 4 * MINUTE, excluded).tolist() == [0, 0, 60, 30]


def test_the_budget_over_time_begins_full_and_ends_at_the_figure():
    events = buckets([0, 2, 0, 3], [100] * 4)
    left = budget_left(events, 0, 4 * MINUTE, 0.95)
    assert left[0] == 1
    assert left[-1] == pytest.approx(budget(tally(events, 0, 4 * MINUTE), 0.95).left)
    assert left.tolist() == pytest.approx([1, 0.9, 0.9, 0.75])


def test_the_budget_over_time_is_a_gap_where_nothing_was_measured():
    left = budget_left(buckets([0, math.nan, 5], [100, math.nan, 100]), 0, 3 * MINUTE, 0.9)
    assert np.isnan(left).tolist() == [False, True, False]


def pace(share, total=100.0):
    """An hour at so many events for each half hour, of which a share is bad."""
    return Tally(2 * share * total, 2 * total, HOUR)


def test_a_clean_period_is_spent_after_its_share_of_the_time_and_a_promise_that_is_kept_never_is():
    clean = constant(0.0)
    # b = 10: R * T / b, because no bad event can leave.
    assert exhaustion(clean, MONTH, MONTH, 0.99, pace(0.1)) == pytest.approx(MONTH / 10)
    assert exhaustion(clean, MONTH, MONTH, 0.99, pace(0.009)) is None
    assert exhaustion(clean, MONTH, MONTH, 0.99, pace(0.0)) is None


def test_a_promise_that_is_broken_is_spent_now():
    assert exhaustion(constant(0.02), MONTH, MONTH, 0.99, pace(0.0)) == 0


def test_old_failures_leave_the_period_and_give_time_back():
    # Half of the budget was spent in the period's first day, and is given back within the next day.
    first_day = [15 * 100 * 0.01 if i < 48 else 0.0 for i in range(1440)]
    events = buckets(first_day, [100] * 1440, HOUR / 2)
    assert budget(tally(events, 0, MONTH), 0.99).left == pytest.approx(0.5)
    # R * T / b would be 7.5 days; with the first day's failures gone it is 15.
    assert exhaustion(events, MONTH, MONTH, 0.99, pace(0.02)) == pytest.approx(15 * DAY)


def test_without_a_pace_nothing_is_foretold():
    assert exhaustion(constant(0.0), MONTH, MONTH, 0.99, Tally(0, 0, 0)) is None


def test_traffic_that_stopped_does_not_spend_anything():
    assert exhaustion(constant(0.005), MONTH, MONTH, 0.99, Tally(0, 0, HOUR)) is None


amounts = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1000)), min_size=1, max_size=40)


@given(amounts, st.floats(0.5, 0.9999), st.integers(0, 39), st.integers(0, 39))
def test_what_is_excluded_and_what_is_left_make_the_whole(given_events, objective, first, last):
    assume(first < last)
    bad, total = [share * n for share, n in given_events], [n for _, n in given_events]
    events, end = buckets(bad, total), len(bad) * MINUTE
    window = (first * MINUTE + 7, last * MINUTE + 13)
    outside = tally(events, 0, end, [window])
    inside = tally(events, max(window[0], 0), min(window[1], end))
    whole = tally(events, 0, end)
    assert outside.bad + inside.bad == pytest.approx(whole.bad, abs=1e-6)
    assert outside.total + inside.total == pytest.approx(whole.total, abs=1e-6)
    assert outside.seconds + inside.seconds == pytest.approx(whole.seconds)
    found = budget(whole, objective)
    if found is not None:
        assert found.left == pytest.approx(1 - burn_rate(whole, objective))
        assert budget_left(events, 0, end, objective)[-1] == pytest.approx(found.left, abs=1e-6)


@given(amounts, st.floats(0.5, 0.999), st.floats(0, 1), st.floats(1, 1000))
def test_at_the_foretold_moment_the_budget_is_just_spent(given_events, objective, share, rate):
    bad, total = [part * n for part, n in given_events], [n for _, n in given_events]
    events, period = buckets(bad, total), len(bad) * MINUTE
    coming = Tally(share * rate, rate, MINUTE)
    moment = exhaustion(events, period, period, objective, coming)
    if moment is None or moment == 0:
        return
    still = tally(events, moment, period)
    new = moment / MINUTE * rate
    allowed = (1 - objective) * (still.total + new)
    assert still.bad + new * share == pytest.approx(allowed, rel=1e-6, abs=1e-6)


def test_the_ledger_names_each_fast_stretch_once_the_newest_first_and_all_of_the_budget():
    half = HOUR / 2
    bad, total = np.full(1440, 1.0), np.full(1440, 1000.0)
    bad[100:103] = 300  # an hour and a half
    bad[105] = 50  # within APART of nothing: an hour later
    bad[1000], bad[1001], bad[1002] = 90, 1, 60  # quiet for one stretch between
    bad[1200], total[1200] = 4, 4  # a quiet night with few failures
    found = ledger(buckets(bad, total, half), 0, MONTH, 0.995)
    assert [(one.start / half, one.end / half) for one in found.episodes] == [(1000, 1003), (105, 106), (100, 103)]
    assert half == APART
    whole = budget(tally(buckets(bad, total, half), 0, MONTH), 0.995)
    assert [one.spent for one in found.episodes] == pytest.approx([one / whole.events for one in (151, 50, 900)])
    assert sum(one.spent for one in found.episodes) + found.rest == pytest.approx(1 - whole.left)


def test_the_ledger_leaves_out_what_is_excluded_and_what_was_not_measured():
    bad = np.array([1, 500, 500, np.nan, 1])
    events = buckets(bad, [1000] * 5)
    found = ledger(events, 0, 5 * MINUTE, 0.99, [(MINUTE, 2 * MINUTE)])
    assert [(one.start, one.first, one.end, one.bad) for one in found.episodes] == [(120, 180, 180, 500)]
    assert ledger(buckets([np.nan] * 3, [np.nan] * 3), 0, 3 * MINUTE, 0.99).episodes == ()


@pytest.mark.parametrize("odd", [(math.inf, math.inf), (1.0, math.inf), (math.nan, 10.0), (math.inf, 10.0)])
def test_sums_beyond_all_numbers_leave_a_promise_unknown_and_never_fine(odd: tuple[float, float]):
    assert budget(Tally(*odd, MONTH), 0.999) is None
    assert burn_rate(Tally(*odd, HOUR), 0.999) is None
