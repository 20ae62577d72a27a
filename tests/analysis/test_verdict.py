"""The verdict says what an SRE would say: what, how far from usual, since when, after what; the worst first."""

from dataclasses import replace
from datetime import timedelta

import pandas as pd
import pytest

from analysis.events import Event, EventKind
from analysis.series import Series
from analysis.verdict import Finding, Reading, before, of_reading, overall, worst
from tests.analysis.frames import NAN, index, minute
from ui import format

SLOW = Reading("search_latency", "Search latency", "s", 0.84, 0.247, "broken", 0.25, minute(58))
DEPLOY = Event(minute(56), EventKind.DEPLOY, "deploy 1.8.2")


def said(reading, events=()):
    found = of_reading(reading, events, format.value, lambda moment: f"{moment:%H:%M}")
    return None if found is None else (found.status, found.text)


def test_a_broken_signal_is_told_with_usual_limit_beginning_and_cause():
    assert said(SLOW, [DEPLOY]) == (
        "broken",
        "Search latency is 840 ms, 3.4× usual, limit 250 ms, since 12:58, right after deploy 1.8.2",
    )


def test_without_a_near_deploy_no_cause_is_named():
    early = replace(DEPLOY, time=minute(40))
    late = replace(DEPLOY, time=minute(65))
    alert = replace(DEPLOY, kind=EventKind.ALERT)
    text = "Search latency is 840 ms, 3.4× usual, limit 250 ms, since 12:58"
    assert said(SLOW, [early, late, alert]) == ("broken", text)


def test_the_last_of_several_near_deploys_is_the_one_that_is_named():
    assert before(minute(58), [replace(DEPLOY, time=minute(50), title="deploy 1.8.1"), DEPLOY]) == DEPLOY
    assert before(None, [DEPLOY]) is None


def test_a_deploy_that_one_sample_shows_later_than_its_effect_is_named_too():
    assert before(minute(58), [replace(DEPLOY, time=minute(58) + timedelta(seconds=10))]) is not None


def test_a_deploy_that_came_after_the_trouble_is_not_its_cause():
    assert before(minute(58), [replace(DEPLOY, time=minute(59))]) is None


def test_a_deploy_some_minutes_before_the_trouble_is_named_with_its_distance():
    status, text = said(SLOW, [replace(DEPLOY, time=minute(50))])
    assert (status, text.rsplit(", ", 1)[1]) == ("broken", "8 min after deploy 1.8.2")


def test_plural_titles_get_a_plural_verb():
    reading = Reading("failed_logins", "Failed sign-ins", "1/h", 1200.0, None, "risk", 600.0)
    assert said(reading) == ("risk", "Failed sign-ins are 1.2 k/h, limit 600/h")


def test_a_value_far_below_its_usual_is_told_where_low_says_something():
    reading = Reading("memory_operations", "Memory operations", "ops/s", 10.0, 100.0, compare="both")
    assert said(reading) == ("risk", "Memory operations are 10 ops/s, usually 100 ops/s")
    assert said(replace(reading, compare="high")) is None


def test_a_value_far_above_its_usual_is_told_as_a_risk_even_within_its_limits():
    reading = Reading("failed_logins", "Failed sign-ins", "1/h", 310.0, 100.0)
    assert said(reading) == ("risk", "Failed sign-ins are 310/h, 3.1× usual")
    assert said(replace(reading, now=290.0)) is None


def test_a_value_near_its_usual_within_its_limits_needs_no_words():
    assert said(Reading("x", "X", "count", 150.0, 100.0, compare="both")) is None
    assert said(Reading("x", "X", "count", 150.0)) is None


def test_a_signal_that_rests_at_zero_is_not_compared():
    assert said(Reading("x", "X", "count", 50.0, 1.0, compare="none")) is None
    assert said(Reading("x", "X", "count", 50.0, 0.0)) is None


def test_a_signal_without_a_value_says_nothing():
    assert said(replace(SLOW, now=None)) is None
    assert replace(SLOW, now=None).times_usual is None


def finding(status, subject, since=None):
    return Finding(status, subject, subject, since)


def test_the_worst_comes_first_and_of_equals_the_one_that_began_first():
    late, early = finding("broken", "late", minute(9)), finding("broken", "early", minute(3))
    undated, risk, unknown = (
        finding("broken", "undated"),
        finding("risk", "risk", minute(1)),
        finding("unknown", "dark"),
    )
    assert worst([unknown, risk, undated, late, early]) == [early, late, undated, risk, unknown]


@pytest.mark.parametrize(
    ("statuses", "known", "status"),
    [
        ((), 3, "ok"),
        ((), 0, "unknown"),
        (("unknown", "risk", "broken"), 3, "broken"),
        (("unknown", "risk"), 3, "risk"),
        (("unknown",), 3, "ok"),
        (("unknown",), 0, "unknown"),
    ],
)
def test_all_together_is_as_bad_as_the_worst_and_nothing_known_is_never_healthy(statuses, known, status):
    assert overall([finding(one, one) for one in statuses], known) == status


def test_a_series_without_a_single_sample_is_empty():
    times = index(3)
    nothing = Series("t", "s", "", pd.DataFrame({"a": [NAN] * 3}, index=times))
    assert nothing.empty
    assert Series("t", "s", "", pd.DataFrame(index=times)).empty
    assert not replace(nothing, frame=pd.DataFrame({"a": [NAN, 1.0, NAN]}, index=times)).empty


def test_the_tail_of_fifteen_minutes_before_the_trouble_is_where_a_deploy_counts():
    assert before(minute(58), [replace(DEPLOY, time=minute(58) - timedelta(minutes=15))]) is not None
    assert before(minute(58), [replace(DEPLOY, time=minute(58) - timedelta(minutes=16))]) is None


def test_neither_a_roll_back_nor_what_it_has_undone_is_the_cause_of_the_next_trouble():
    back = replace(DEPLOY, title="roll-back to 1.8.1")
    assert before(minute(58), [replace(back, time=minute(55))]) is None
    assert before(minute(58), [replace(DEPLOY, time=minute(50)), replace(back, time=minute(55))]) is None
    assert before(minute(58), [replace(back, time=minute(57))]) is not None
