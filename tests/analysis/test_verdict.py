"""The verdict says what an SRE would say: what, how far from usual, since when, after what; the worst first."""

from dataclasses import replace
from datetime import timedelta

import pandas as pd
import pytest

from analysis.events import Event, EventKind
from analysis.series import Series
from analysis.verdict import Cause, Finding, Reading, before, in_a_line, of_reading, overall, when, worst
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
    reading = Reading("memory_operations", "Memory operations", "ops/s", 10.0, 100.0, compare="both", unusual=True)
    assert said(reading) == ("risk", "Memory operations are 10 ops/s, usually 100 ops/s")
    assert said(replace(reading, unusual=False)) is None


def test_a_value_far_above_its_usual_is_told_as_a_risk_even_within_its_limits():
    reading = Reading("failed_logins", "Failed sign-ins", "1/h", 310.0, 100.0, unusual=True)
    assert said(reading) == ("risk", "Failed sign-ins are 310/h, 3.1× usual")
    assert reading.judged == "risk"


def test_what_is_far_from_its_usual_but_not_for_long_or_in_few_events_needs_no_words():
    reading = Reading("failed_logins", "Failed sign-ins", "1/h", 360.0, 100.0)
    assert said(reading) is None
    assert (reading.troubled, reading.judged) == (False, "ok")


def test_a_value_near_its_usual_within_its_limits_needs_no_words():
    assert said(Reading("x", "X", "count", 150.0, 100.0, compare="both")) is None
    assert said(Reading("x", "X", "count", 150.0)) is None


def test_a_signal_that_rests_at_zero_is_not_compared():
    assert said(Reading("x", "X", "count", 50.0, 1.0, compare="none")) is None
    assert said(Reading("x", "X", "count", 50.0, 0.0)) is None


def test_a_signal_without_a_value_says_nothing():
    assert said(replace(SLOW, now=None)) is None
    assert replace(SLOW, now=None).times_usual is None


def test_a_value_in_the_last_bucket_is_told_as_at_least():
    assert said(replace(SLOW, now=5.0, usual=None, at_least=True)) == (
        "broken",
        "Search latency is at least 5 s, limit 250 ms, since 12:58",
    )


def test_a_trouble_of_the_past_is_told_with_both_its_times():
    past = replace(SLOW, past=True, until=minute(59))
    assert said(past, [DEPLOY]) == (
        "broken",
        "Search latency was 840 ms, 3.4× usual, limit 250 ms, from 12:58 to 12:59, right after deploy 1.8.2",
    )
    assert said(replace(past, since=None)) == (
        "broken", "Search latency was 840 ms, 3.4× usual, limit 250 ms, until 12:59",
    )  # fmt: skip


def test_a_trouble_of_one_moment_is_told_with_that_moment_and_not_from_it_to_itself():
    assert when(minute(58), minute(58), lambda moment: f"{moment:%H:%M}") == "at 12:58"


def test_a_statement_within_a_sentence_is_one_line_and_leaves_room_for_what_follows():
    assert (
        in_a_line("UPDATE memories\n   SET body = $1\tWHERE id = $2") == "UPDATE memories SET body = $1 WHERE id = $2"
    )
    assert in_a_line("SELECT " * 100) == ("SELECT " * 100)[:159] + "…"


def test_users_who_fail_to_sign_in_are_not_put_down_to_a_deploy():
    assert of_reading(replace(SLOW, of_deploy=False), [DEPLOY], format.value, str).cause is Cause.SYMPTOM
    assert of_reading(SLOW, [DEPLOY], format.value, str).cause is Cause.DEPLOY


def finding(status, subject, since=None, cause=Cause.SYMPTOM):
    return Finding(status, subject, subject, since, cause=cause)


def test_the_cause_comes_first_then_symptoms_and_names_of_alerts_last():
    silent = finding("unknown", "postgres silent", cause=Cause.SILENT)
    lock = finding("risk", "lock", cause=Cause.LOCK)
    full = finding("broken", "connections", cause=Cause.EXHAUSTED)
    deploy = finding("broken", "p95 after deploy", cause=Cause.DEPLOY)
    symptom = finding("broken", "errors")
    evicting = finding("risk", "cache evicts", cause=Cause.EXHAUSTED)
    mild = finding("risk", "active sessions")
    logs = finding("unknown", "logs silent", cause=Cause.BLIND)
    ids = finding("broken", "transaction ids", cause=Cause.OUTLOOK)
    alerts = finding("broken", "alerts", minute(0), cause=Cause.ALERT)
    remark = finding("unknown", "denied", cause=Cause.REMARK)
    ordered = [silent, lock, full, deploy, logs, symptom, evicting, mild, ids, alerts, remark]
    assert worst(ordered[::-1]) == ordered


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


@pytest.mark.parametrize("cause", [Cause.SILENT, Cause.BLIND])
def test_with_a_source_that_does_not_answer_nothing_is_healthy_and_what_is_known_still_counts(cause):
    silent = finding("unknown", "silent", cause=cause)
    assert overall([silent], 3) == "unknown"
    assert overall([silent, finding("risk", "slow")], 3) == "risk"
    assert overall([silent, finding("broken", "slow")], 3) == "broken"


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
