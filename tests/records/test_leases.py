"""Leases: one holder at a time, by the database's clock, and none writes who was overtaken."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from records.leases import LeaseLostError, check_lease, database_time, release_lease, renew_lease, take_lease
from records.schema import leases

NAME = "log patterns/production"


def expire(database, name=NAME):
    """What the passing of its time does to a lease."""
    with database.writing() as connection:
        past = database_time(connection) - timedelta(seconds=1)
        connection.execute(update(leases).where(leases.c.name == name).values(expires_at=past))


def test_the_database_s_clock_is_aware_and_goes_forward(database):
    with database.reading() as connection:
        first, second = database_time(connection), database_time(connection)
    assert first.tzinfo is UTC
    assert first <= second
    assert abs(first - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_lease_has_one_holder_until_it_is_given_back(database):
    mine = take_lease(database, NAME, "one", 60)
    assert (mine.holder, mine.fence) == ("one", 1)
    assert take_lease(database, NAME, "two", 60) is None
    assert take_lease(database, "log patterns/staging", "two", 60).fence == 1
    release_lease(database, mine)
    assert take_lease(database, NAME, "two", 60).fence == 2


def test_a_lease_whose_time_has_passed_is_taken_over_and_its_holder_can_no_longer_write(database):
    mine = take_lease(database, NAME, "one", 60)
    expire(database)
    theirs = take_lease(database, NAME, "two", 60)
    assert theirs.fence == mine.fence + 1
    with pytest.raises(LeaseLostError):
        renew_lease(database, mine, 60)
    with pytest.raises(LeaseLostError), database.writing() as connection:
        check_lease(connection, mine)
    release_lease(database, mine)  # not its to give
    assert take_lease(database, NAME, "three", 60) is None


def test_a_holder_that_is_late_keeps_what_nobody_took(database):
    mine = take_lease(database, NAME, "one", 60)
    expire(database)
    renewed = renew_lease(database, mine, 60)
    assert renewed.fence == mine.fence
    assert renewed.expires_at > mine.expires_at - timedelta(seconds=1)
    assert take_lease(database, NAME, "two", 60) is None


def test_of_many_that_ask_at_once_one_gets_it(database):
    found = []
    barrier = threading.Barrier(8)

    def ask(holder: str) -> None:
        barrier.wait()
        found.append(take_lease(database, NAME, holder, 60))

    threads = [threading.Thread(target=ask, args=(f"holder {number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([lease for lease in found if lease is not None]) == 1
    assert len(found) == 8
