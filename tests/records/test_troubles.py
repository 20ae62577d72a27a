"""Episodes of trouble on both databases: begun, prolonged, at their worst, ended by the database's clock, forgotten."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from records import troubles as kept_troubles
from records.leases import LeaseLostError, database_time, take_lease
from records.schema import troubles
from records.troubles import GONE, Present, list_troubles, save_troubles
from tests.records.test_leases import NAME, expire

KEEP = timedelta(days=8)
SLOW = Present("signal:search_latency", "search_latency", 5, "risk", 1.2, "Search p95 is 300 ms")
LOCKS = Present("database:locks", "database", 1, "broken", 52.0, "52 sessions wait")


@pytest.fixture
def lease(database):
    return take_lease(database, NAME, "a worker", 600)


def save(database, lease, *present, environment="production", keep=KEEP):
    save_troubles(database, lease, environment, present, keep)


def now(database):
    with database.reading() as connection:
        return database_time(connection)


def pass_time(database, seconds):
    """What the passing of time does to all that is kept."""
    with database.writing() as connection:
        for column in (troubles.c.began_at, troubles.c.seen_at, troubles.c.ended_at):
            rows = connection.execute(troubles.select()).all()
            for row in rows:
                value = getattr(row, column.name)
                if value is not None:
                    moved = {column.name: value - timedelta(seconds=seconds)}
                    connection.execute(update(troubles).where(troubles.c.id == row.id).values(moved))


def kept(database, environment="production"):
    return list_troubles(database, environment, now(database) - timedelta(days=30))


def test_an_episode_is_one_however_often_it_is_there_and_keeps_its_worst(database, lease):
    save(database, lease, SLOW)
    worse = Present(SLOW.key, SLOW.subject, 5, "broken", 4.0, "Search p95 is 2 s")
    save(database, lease, worse)
    save(database, lease, Present(SLOW.key, SLOW.subject, 5, "broken", 2.1, "Search p95 is 1.1 s"))
    save(database, lease, SLOW)
    (one,) = kept(database)
    assert (one.status, one.weight, one.text, one.ended_at) == ("broken", 4.0, "Search p95 is 2 s", None)
    assert one.began_at <= one.seen_at


def test_one_that_is_missed_once_goes_on_and_one_that_stays_away_has_ended_when_it_was_there_last(database, lease):
    save(database, lease, SLOW, LOCKS)
    pass_time(database, GONE.total_seconds() - 10)
    save(database, lease, LOCKS)
    assert {one.key for one in kept(database) if one.ended_at is None} == {SLOW.key, LOCKS.key}
    pass_time(database, 15)
    seen = {one.key: one.seen_at for one in kept(database)}
    save(database, lease, LOCKS)
    ended = {one.key: one.ended_at for one in kept(database)}
    assert ended == {SLOW.key: seen[SLOW.key], LOCKS.key: None}
    # The same again is another episode.
    save(database, lease, SLOW, LOCKS)
    assert sorted(one.key for one in kept(database)) == [LOCKS.key, SLOW.key, SLOW.key]


def test_a_beginning_that_a_source_knows_counts_and_one_in_the_future_or_long_ago_does_not(database, lease):
    moment = now(database)
    for number, since in enumerate((timedelta(minutes=-5), timedelta(minutes=5), timedelta(days=-20))):
        save(database, lease, Present(str(number), "x", 5, "risk", 0.0, "x", moment + since))
    began = {one.key: one.began_at - moment for one in kept(database)}
    assert abs(began["0"] + timedelta(minutes=5)) < timedelta(seconds=1)
    assert all(timedelta(0) <= began[key] < timedelta(minutes=1) for key in ("1", "2"))


def test_only_episodes_that_overlap_a_stretch_of_its_environment_are_listed(database, lease):
    save(database, lease, SLOW)
    pass_time(database, 3600)
    save(database, lease, LOCKS)
    save(database, lease, LOCKS, environment="staging")
    moment = now(database)
    hour = timedelta(hours=1)
    assert [one.key for one in list_troubles(database, "production", moment - hour / 2)] == [LOCKS.key]
    early = list_troubles(database, "production", moment - 2 * hour, moment - hour / 2)
    assert [one.key for one in early] == [SLOW.key]


def test_what_is_too_old_or_too_much_is_forgotten(database, lease, monkeypatch):
    save(database, lease, SLOW)
    pass_time(database, 3600)
    save(database, lease, LOCKS, keep=timedelta(minutes=30))
    assert [one.key for one in kept(database)] == [LOCKS.key]
    monkeypatch.setattr(kept_troubles, "MOST", 3)
    many = [Present(str(number), "x", 5, "risk", 0.0, "x") for number in range(5)]
    save(database, lease, *many)
    assert len(kept(database)) == 3


def test_foreign_text_is_kept_as_both_databases_can_and_cut(database, lease):
    save(database, lease, Present("k" * 300, "s" * 300, 5, "risk", 0.0, "a\x00b\ud800" + "x" * 5000))
    (one,) = kept(database)
    assert (len(one.key), len(one.subject), one.text[:3]) == (100, 100, "a␀b")
    save(database, lease, Present("k" * 300, "s" * 300, 5, "risk", 0.0, "again"))
    assert len(kept(database)) == 1


def test_a_worker_that_was_overtaken_writes_nothing(database, lease):
    expire(database)
    take_lease(database, NAME, "another worker", 600)
    with pytest.raises(LeaseLostError):
        save(database, lease, SLOW)
    assert kept(database) == []
