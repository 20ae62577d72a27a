"""The breaker: when it opens, that one probe goes through, what closes it, and what it remembers."""

import threading
from datetime import UTC, datetime

import pytest

from collectors.errors import BadAnswer, NotConfigured, SourceError, TimedOut, Unreachable
from collectors.guard import FAILURES_TO_OPEN, KEPT_OUTAGES, Guard
from tests.support.looping import until

DOWN = Unreachable("synaptic", "http://127.0.0.1:1", "cannot be reached", hint="Start it.")
WRONG_QUERY = BadAnswer("synaptic", "", "could not run the query", trips=False)


def fail(guard: Guard, error: SourceError = DOWN, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(SourceError), guard.attempt():
            raise error


def succeed(guard: Guard) -> None:
    with guard.attempt():
        pass


def opened(rest: float) -> Guard:
    guard = Guard("test", "synaptic", rest=rest)
    fail(guard, times=FAILURES_TO_OPEN)
    return guard


def half_open(guard: Guard) -> bool:
    return guard.health().breaker == "half_open"


def test_three_failures_in_a_row_open_it():
    guard = Guard("test", "synaptic")
    fail(guard, times=2)
    assert guard.health().breaker == "closed"
    fail(guard)
    assert guard.health().breaker == "open"


def test_a_success_between_failures_starts_the_count_anew():
    guard = Guard("test", "synaptic")
    fail(guard, times=2)
    succeed(guard)
    fail(guard, times=2)
    assert guard.health().breaker == "closed"


def test_while_it_is_open_the_last_error_is_told_at_once_with_the_time_of_the_next_try():
    guard = opened(rest=60)
    with pytest.raises(Unreachable) as raised, guard.attempt():
        pytest.fail("nothing is asked while the breaker is open")
    assert raised.value.what == DOWN.what
    assert raised.value.hint == DOWN.hint
    assert raised.value.resting_until is not None
    assert raised.value.resting_until > datetime.now(UTC)
    assert guard.health().requests == FAILURES_TO_OPEN


def test_after_the_rest_one_probe_goes_through_and_the_others_do_not():
    guard = opened(rest=0.05)
    until(lambda: half_open(guard), "the rest being over")
    inside, leave = threading.Event(), threading.Event()

    def probe() -> None:
        with guard.attempt():
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=probe)
    thread.start()
    inside.wait(60)
    assert half_open(guard)
    with pytest.raises(Unreachable), guard.attempt():
        pytest.fail("only one probe goes through")
    leave.set()
    thread.join()
    assert guard.health().breaker == "closed"
    succeed(guard)


def test_a_probe_that_fails_opens_it_again():
    guard = opened(rest=0.05)
    until(lambda: half_open(guard), "the rest being over")
    fail(guard)
    assert guard.health().failures == FAILURES_TO_OPEN + 1
    until(lambda: half_open(guard), "the second rest being over")
    succeed(guard)
    assert guard.health().breaker == "closed"


def test_a_probe_that_is_broken_off_leaves_room_for_the_next():
    guard = opened(rest=0.05)
    until(lambda: half_open(guard), "the rest being over")
    with pytest.raises(KeyboardInterrupt), guard.attempt():
        raise KeyboardInterrupt
    succeed(guard)
    assert guard.health().breaker == "closed"


def test_errors_about_one_question_do_not_open_it():
    guard = Guard("test", "synaptic")
    fail(guard, WRONG_QUERY, times=10)
    assert guard.health().breaker == "closed"
    assert guard.health().last_error is WRONG_QUERY


def test_an_error_about_one_question_shows_that_the_source_is_back():
    guard = opened(rest=0.05)
    until(lambda: half_open(guard), "the rest being over")
    fail(guard, WRONG_QUERY)
    assert guard.health().breaker == "closed"


def test_it_remembers_how_it_went():
    guard = Guard("test", "synaptic")
    fresh = guard.health()
    assert (fresh.requests, fresh.failures, fresh.last_success, fresh.last_failure) == (0, 0, None, None)
    succeed(guard)
    fail(guard)
    health = guard.health()
    assert (health.requests, health.failures) == (2, 1)
    assert health.last_error is DOWN
    assert health.last_success is not None
    assert health.last_failure is not None
    assert health.last_success <= health.last_failure
    assert health.last_latency is not None


def test_an_error_tells_source_address_and_what_happened():
    assert str(DOWN) == "synaptic (http://127.0.0.1:1) cannot be reached"
    assert str(NotConfigured("synaptic", "", "is not configured")) == "synaptic is not configured"
    resting = DOWN.resting(datetime(2026, 1, 1, tzinfo=UTC))
    assert (type(resting), resting.what, resting.trips) == (Unreachable, DOWN.what, True)


def test_an_outage_is_told_from_the_last_good_answer_to_the_next_one_with_its_cause():
    guard = Guard("test", "synaptic", rest=0.0)
    succeed(guard)
    before = guard.health()
    assert before.silent is None
    assert before.well_since == before.last_success
    fail(guard, times=FAILURES_TO_OPEN - 1)
    assert guard.health().silent is None  # one question that failed is no source that is silent
    fail(guard)
    silent = guard.health().silent
    assert silent is not None
    assert (silent.since, silent.until, silent.error.what) == (before.last_success, None, DOWN.what)
    assert guard.health().well_since is None
    fail(guard)
    assert len(guard.health().outages) == 1  # it goes on
    succeed(guard)
    after = guard.health()
    assert after.silent is None
    assert after.outages[-1].since == before.last_success
    assert after.outages[-1].until == after.last_success == after.well_since


def test_a_source_that_never_answered_is_silent_since_its_first_failure():
    guard = Guard("test", "synaptic", rest=0.0)
    fail(guard)
    first = guard.health().last_failure
    fail(guard, times=FAILURES_TO_OPEN)
    silent = guard.health().silent
    assert silent is not None
    assert silent.since == first


def test_every_error_of_a_silent_source_tells_since_when_also_while_it_is_left_alone():
    guard = opened(rest=60)
    with pytest.raises(Unreachable) as raised, guard.attempt():
        pytest.fail("nothing is asked while the breaker is open")
    silent = guard.health().silent
    assert silent is not None
    assert raised.value.silent_since == silent.since


def test_an_error_about_the_question_ends_an_outage_because_the_source_answered():
    guard = Guard("test", "synaptic", rest=0.0)
    fail(guard, times=FAILURES_TO_OPEN)
    fail(guard, WRONG_QUERY)
    assert guard.health().silent is None
    assert guard.health().outages[-1].until is not None


def test_a_failure_that_proves_nothing_neither_counts_nor_calls_the_source_well():
    late = TimedOut("synaptic", "", "did not answer before the panel's 8 s had passed", trips=False)
    late.conclusive = False
    guard = Guard("test", "synaptic", rest=0.0)
    fail(guard, times=FAILURES_TO_OPEN - 1)
    fail(guard, late)
    fail(guard)
    assert guard.health().breaker != "closed"  # the one between did not start the count anew
    fail(guard, late)
    assert guard.health().silent is not None
    assert guard.health().last_error.what == DOWN.what


def test_outages_are_remembered_up_to_a_bound_and_each_begins_at_its_own_last_answer():
    guard = Guard("test", "synaptic", rest=0.0)
    for _ in range(KEPT_OUTAGES + 5):
        succeed(guard)
        fail(guard, times=FAILURES_TO_OPEN)
    assert len(guard.health().outages) == KEPT_OUTAGES
    assert guard.health().silent.since == guard.health().last_success
