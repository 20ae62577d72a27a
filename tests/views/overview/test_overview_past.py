"""What a window of the past says first: what lasted and was bad, never a blip; with times that can be read."""

from datetime import UTC, datetime, timedelta

import pytest

from analysis.verdict import Cause, Finding
from records.troubles import Trouble
from ui import format
from views.database.sessions.locks import LockLoad
from views.database.sessions.verdict import habit
from views.overview.panels import below
from views.overview.recovery import as_finding
from views.overview.rules.worth import Frame, by_worth, lasting
from views.overview.view import Verdict

NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
WINDOW = Frame(NOON, NOON + 30 * MINUTE, 10)


def finding(text, cause, start, length, status="broken", key=""):
    began = NOON + start
    return Finding(status, text, text, began, key or text, cause, began + length)


LOCKS = finding("locks", Cause.LOCK, 5 * MINUTE, 8 * MINUTE, key="database:locks")
FULL = finding("pool", Cause.EXHAUSTED, 6 * MINUTE, 7 * MINUTE)
ERRORS = finding("errors", Cause.SYMPTOM, 6 * MINUTE, 6 * MINUTE)
BLIP = finding("502", Cause.SYMPTOM, MINUTE, 0 * SECOND)


def order(*found):
    return [one.text for one in by_worth(found, WINDOW)]


@pytest.mark.parametrize("cause", [Cause.SILENT, Cause.LOCK, Cause.EXHAUSTED, Cause.SYMPTOM])
def test_a_blip_of_less_than_two_judgements_is_never_before_what_lasted(cause):
    for seconds in (0, 10, 29):
        blip = finding("blip", cause, MINUTE, seconds * SECOND, key="blip")
        assert order(blip, ERRORS, FULL, LOCKS) == ["locks", "pool", "errors", "blip"]


def test_what_overlaps_the_window_for_a_blink_only_is_a_blip_in_it():
    before = finding("silent", Cause.SILENT, -20 * MINUTE, 20 * MINUTE + 5 * SECOND)
    assert order(before, ERRORS) == ["errors", "silent"]


def test_a_minute_of_something_nearer_to_a_cause_does_not_head_an_hour_of_errors():
    short = finding("pool", Cause.EXHAUSTED, 6 * MINUTE, 40 * SECOND)
    long = finding("errors", Cause.SYMPTOM, 2 * MINUTE, 20 * MINUTE)
    assert order(short, long) == ["errors", "pool"]
    days = finding("transaction ids", Cause.OUTLOOK, -9 * 60 * MINUTE, 20 * 60 * MINUTE)
    assert order(days, short) == ["pool", "transaction ids"]


def test_sessions_that_waited_at_one_kept_moment_waited_for_more_than_a_blink():
    once = finding("locks", Cause.LOCK, 5 * MINUTE, 0 * SECOND, key="database:locks")
    assert order(ERRORS, once) == ["locks", "errors"]


def test_a_figure_of_a_coarse_window_lasted_for_its_sample_at_least():
    once = finding("errors", Cause.SYMPTOM, 5 * MINUTE, 0 * SECOND, key="signal:error_share")
    other = finding("502", Cause.SYMPTOM, MINUTE, 20 * SECOND)
    assert [one.text for one in by_worth([other, once], Frame(NOON, NOON + 30 * MINUTE, 60))] == ["errors", "502"]


def test_an_alert_is_worth_more_than_a_blip_and_less_than_what_lasted():
    alert = finding("alert", Cause.ALERT, 7 * MINUTE, 0 * SECOND)
    assert order(BLIP, alert, ERRORS) == ["errors", "alert", "502"]


def test_a_blip_does_not_colour_a_window_in_which_something_milder_lasted():
    mild = finding("sessions", Cause.SYMPTOM, 5 * MINUTE, 9 * MINUTE, "risk")
    assert [one.text for one in lasting([BLIP, mild], WINDOW)] == ["sessions"]
    assert [one.text for one in lasting([BLIP], WINDOW)] == ["502"]


def kept(text, cause):
    return Trouble("silent:synaptic", "sources", int(cause), "unknown", 0.0, text, NOON, NOON + MINUTE, NOON + MINUTE)


@pytest.mark.parametrize(
    "text",
    [
        "Synaptic answered with an error (502)",
        "Synaptic has given no usable answer since 12:00:00 UTC: it answered 502",
    ],
)
def test_a_balancer_that_answered_with_an_error_is_a_symptom_also_where_an_older_console_kept_it(text):
    told = as_finding(kept(text, Cause.SILENT))
    assert (told.status, told.cause) == ("broken", Cause.SYMPTOM)


def test_a_service_that_did_not_answer_at_all_stays_a_silence():
    told = as_finding(kept("Synaptic has not answered since 12:00:00 UTC: it refused the connection", Cause.SILENT))
    assert (told.status, told.cause) == ("unknown", Cause.SILENT)


def test_who_is_in_front_of_a_queue_is_told_in_one_line():
    root = "import, active: UPDATE memories\n  SET body = $1\n  WHERE id = $2"
    locks = LockLoad(120.0, 4.2, 0.79, 0.7, True, "Lock:relation", root, NOON)
    assert habit(locks, format.value).text.endswith(
        "in front import, active: UPDATE memories SET body = $1 WHERE id = $2"
    )


@pytest.mark.parametrize(
    ("status", "headline", "expected"),
    [
        ("risk", "1 alert fires: X", ["errors"]),
        ("ok", "Well again since 12:00:00; 1 alert fires: X", ["errors"]),
        ("ok", "Synaptic is healthy", ["1 alert fires: X", "errors"]),
    ],
)
def test_a_sentence_of_the_headline_is_not_said_again_below_it(status, headline, expected):
    alert = Finding("risk", "1 alert fires: X", "alerts", cause=Cause.ALERT)
    found = Verdict(status, headline, (alert, ERRORS), (), 1, None, None, (), ())
    assert [one.text for one in below(found)] == expected
