"""Locks in words."""

import doctest

import pytest

from views.database.rules import locks, sql_text


@pytest.mark.parametrize(
    ("lock", "said"),
    [
        (("relation", "AccessExclusiveLock", "memories"), "ACCESS EXCLUSIVE on memories"),
        (("relation", "ShareRowExclusiveLock", "audit.log"), "SHARE ROW EXCLUSIVE on audit.log"),
        (("relation", "AccessShareLock", ""), "ACCESS SHARE on a relation"),
        (("transactionid", "ShareLock", "memories", "771"), "a row of memories"),
        (("transactionid", "ShareLock", "", "771"), "the end of transaction 771"),
        (("tuple", "ExclusiveLock", "memories", "0,3"), "a row of memories"),
        (("tuple", "ExclusiveLock", ""), "a row"),
        (("virtualxid", "ShareLock", "", "3/12"), "the end of an older transaction"),
        (("advisory", "ExclusiveLock", "", "42"), "advisory lock 42"),
        (("extend", "ExclusiveLock", "memories"), "more room for memories"),
        (("page", "ExclusiveLock", "memories_idx"), "a page of memories_idx"),
        (("object", "AccessExclusiveLock", ""), "ACCESS EXCLUSIVE on object"),
        (("frozenid", "ExclusiveLock", "memories"), "EXCLUSIVE on frozenid of memories"),
    ],
)
def test_every_kind_of_lock_is_said_as_somebody_would_say_it(lock, said):
    assert locks.words(*lock) == said


@pytest.mark.parametrize("module", [locks, sql_text])
def test_the_examples_hold(module):
    assert doctest.testmod(module).failed == 0
