"""Answers that are kept: asked once for everybody, refreshed behind, standing in for failures, within their bound."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from collectors.cache import ENTRY_OVERHEAD, AnswerCache
from collectors.errors import SourceError, Unreachable
from telemetry.metrics import REGISTRY
from tests.support.looping import until

DOWN = Unreachable("prometheus", "http://127.0.0.1:1", "cannot be reached")
VIEW = ("test", "prometheus", "range")


def a_cache(ttl: float = 60, keep_stale: float = 3600, max_bytes: int = 10**6) -> AnswerCache:
    return AnswerCache(max_bytes, ttl, keep_stale, size_of=len)


def failing(error: BaseException) -> Callable[[], Any]:
    def load() -> Any:
        raise error

    return load


def joined() -> float:
    return REGISTRY.get_sample_value("console_cache_requests_total", {"result": "joined"}) or 0.0


class Gate:
    """A load that waits until it is let through, and counts how often it was asked."""

    def __init__(self, outcome: str | BaseException) -> None:
        self.outcome = outcome
        self.asked = 0
        self.open = threading.Event()

    def __call__(self) -> str:
        self.asked += 1
        assert self.open.wait(60)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


def test_fifty_callers_at_once_cost_one_question():
    cache, gate, before = a_cache(), Gate("answer"), joined()
    with ThreadPoolExecutor(50) as together:
        waiting = [together.submit(cache.get, VIEW, 1, gate) for _ in range(50)]
        until(lambda: joined() - before == 49, "all other callers waiting for the first")
        gate.open.set()
        answers = {id(each.result()) for each in waiting}
    assert gate.asked == 1
    assert len(answers) == 1


def test_an_error_is_given_to_all_who_wait_and_is_not_kept():
    cache, gate, before = a_cache(), Gate(DOWN), joined()
    with ThreadPoolExecutor(10) as together:
        waiting = [together.submit(cache.get, VIEW, 1, gate) for _ in range(10)]
        until(lambda: joined() - before == 9, "all other callers waiting for the first")
        gate.open.set()
        assert [each.exception() for each in waiting] == [DOWN] * 10
    assert cache.get(VIEW, 1, lambda: "answer").value == "answer"


def test_a_mistake_of_the_console_is_not_hidden_behind_an_old_answer():
    cache = a_cache()
    cache.get(VIEW, 1, lambda: "answer")
    with pytest.raises(ZeroDivisionError):
        cache.get(VIEW, 2, failing(ZeroDivisionError()))


def test_a_fresh_answer_is_not_asked_again():
    cache = a_cache()
    first = cache.get(VIEW, 1, lambda: "first")
    assert cache.get(VIEW, 1, lambda: "second") is first


def test_another_moment_of_a_view_is_another_question():
    cache = a_cache()
    cache.get(VIEW, 1, lambda: "first")
    assert cache.get(VIEW, 2, lambda: "second").value == "second"


def test_an_answer_past_its_time_is_returned_while_it_is_asked_anew_behind_it():
    cache, gate = a_cache(), Gate("second")
    cache.get(VIEW, 1, lambda: "first")
    stored = time.monotonic()
    until(lambda: time.monotonic() - stored > 1, "a second")
    ttl = (time.monotonic() - stored) / 2

    assert cache.get(VIEW, 1, gate, ttl=ttl).value == "first"
    until(lambda: gate.asked == 1, "the question behind")
    gate.open.set()

    until(lambda: cache.get(VIEW, 1, failing(AssertionError("asked again"))).value == "second", "the newer answer")


def test_the_last_good_answer_stands_in_for_a_failure_with_its_age_and_cause():
    cache = a_cache()
    good = cache.get(VIEW, 1, lambda: "good")
    stale = cache.get(VIEW, 2, failing(DOWN))
    assert (stale.value, stale.as_of, stale.error) == ("good", good.as_of, DOWN)
    expired = cache.get(VIEW, 1, failing(DOWN), ttl=0)
    assert (expired.value, expired.error) == ("good", DOWN)


def test_after_a_failure_the_next_success_is_whole_again():
    cache = a_cache()
    cache.get(VIEW, 1, lambda: "good")
    cache.get(VIEW, 2, failing(DOWN))
    again = cache.get(VIEW, 2, lambda: "better")
    assert (again.value, again.error) == ("better", None)


def test_an_answer_that_is_too_old_does_not_stand_in():
    cache = a_cache(keep_stale=0)
    cache.get(VIEW, 1, lambda: "good")
    with pytest.raises(SourceError):
        cache.get(VIEW, 2, failing(DOWN))


def test_the_answer_of_another_view_does_not_stand_in():
    cache = a_cache()
    cache.get(VIEW, 1, lambda: "good")
    with pytest.raises(SourceError):
        cache.get((*VIEW, "other"), 1, failing(DOWN))


def test_what_is_kept_stays_within_its_bound_and_the_least_used_go_first():
    bound = 50 * (ENTRY_OVERHEAD + 1000)
    cache = a_cache(max_bytes=bound)
    cache.get(("kept",), 0, lambda: "x" * 1000)
    for moment in range(200):
        cache.get(VIEW, moment, lambda: "x" * 1000)
        cache.get(("kept",), 0, failing(AssertionError("it was used all the time")))
        assert cache.size <= bound
    assert cache.get(VIEW, 0, lambda: "asked again").value == "asked again"


def test_replacing_an_answer_does_not_count_it_twice():
    cache = a_cache()
    cache.get(VIEW, 1, lambda: "x" * 1000, ttl=0)
    once = cache.size
    assert once >= 2 * (ENTRY_OVERHEAD + 1000)
    for _ in range(10):
        cache.get(VIEW, 1, lambda: "x" * 1000, ttl=0)
    assert cache.size == once


def test_clearing_forgets_everything():
    cache = a_cache()
    cache.get(VIEW, 1, lambda: "first")
    cache.clear()
    assert cache.size == 0
    assert cache.get(VIEW, 1, lambda: "second").value == "second"


def test_a_value_whose_size_cannot_be_told_leaves_nobody_waiting():
    cache = AnswerCache(10**6, 60, 60, size_of=failing(TypeError("no size")))  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(TypeError):
            cache.get(VIEW, 1, lambda: "answer")


def test_an_answer_about_now_of_a_silent_source_is_never_returned_without_its_error():
    silent: list[SourceError] = []
    cache = AnswerCache(10**6, 60, 3600, len, lambda view: silent[0] if silent and view == VIEW else None)
    other = ("test", "redis", "info")
    for view in (VIEW, other):
        assert cache.get(view, None, lambda: "now").error is None
    assert cache.get(VIEW, "an hour that is over", lambda: "then").error is None
    silent.append(DOWN)
    kept = cache.get(VIEW, None, failing(DOWN))
    assert (kept.value, kept.error) == ("now", DOWN)  # fresh by its time, and yet not of now
    assert cache.get(other, None, failing(DOWN)).error is None
    assert cache.get(VIEW, "an hour that is over", failing(DOWN)).error is None
    silent.clear()
    assert cache.get(VIEW, None, failing(DOWN)).error is None
