"""Locks that come and go: judged by all looks of the last minutes, and not by the one of this moment."""

from datetime import UTC, datetime, timedelta

import pytest

from views.database.sessions.locks import Look, Looks

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def load(waiting, ago=0):
    """What is made of one look a second, the last one ``ago`` seconds before noon."""
    looks = Looks()
    first = NOON - (len(waiting) - 1 + ago) * SECOND
    for number, sessions in enumerate(waiting):
        looks.note(Look(first + number * SECOND, sessions + 2, sessions, "Lock:relation" if sessions else ""))
    looks.note_root(NOON - 50 * SECOND, 6, "quarterly-report, active: LOCK TABLE memories")
    return looks.load(NOON)


def test_a_lock_that_is_let_go_now_and_then_is_told_though_nobody_waits_at_this_moment():
    found = load([6, 6, 6, 0] * 30)
    assert found.heavy
    assert found.waiting == pytest.approx(4.5)
    assert found.looks == pytest.approx(0.75)
    assert found.share == pytest.approx(4.5 / 6.5)
    assert (found.event, found.root) == ("Lock:relation", "quarterly-report, active: LOCK TABLE memories")


def test_one_queue_at_one_moment_is_no_habit_and_neither_are_short_waits_of_single_sessions():
    assert not load([0] * 110 + [30] * 5 + [0] * 5).heavy
    assert not load([0, 0, 0, 1] * 30).heavy


def test_half_a_minute_after_the_last_wait_it_is_over():
    assert load([6] * 100 + [0] * 20).heavy
    assert not load([6] * 80 + [0] * 40).heavy


def test_of_few_or_old_looks_nothing_is_concluded():
    assert load([6] * 5) is None
    assert load([6] * 60, ago=200) is None
