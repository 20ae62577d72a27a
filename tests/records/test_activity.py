"""What is kept of the database's sessions, on both databases: sums stay right, rows stay few, nothing counts twice."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from records import activity as kept
from records.activity import (
    HOUR,
    MINUTE,
    MOST_BLOCKING,
    MOST_GROUPS,
    NO_QUERY,
    OTHER,
    OTHER_QUERY,
    Blocking,
    Group,
    Stretch,
    folded,
    save_activity,
)
from records.activity_reading import (
    list_blocking,
    read_blocking,
    read_groups,
    read_load,
    read_texts,
)
from records.leases import LeaseLostError, take_lease
from records.schema import activity, activity_samples
from tests.records.test_leases import NAME, expire

START = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
ONE_MINUTE, ONE_HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
CPU = Group("CPU", 7, "synaptic", "api")
LOCK = Group("Lock:transactionid", 8, "synaptic", "api")
HOSTILE = "'); DROP TABLE activity; -- \x00 \ud800 %s {x} :y \N{EARTH GLOBE EUROPE-AFRICA}"


@pytest.fixture
def lease(database):
    return take_lease(database, NAME, "a worker", 600)


def save(database, lease, *stretches, now=None, keep=8 * DAY, environment="production", **more):
    last = stretches[-1].start if stretches else START
    now = now or last + ONE_MINUTE
    save_activity(database, lease, environment, stretches, now=now, keep=keep, **more)


def rows(database, step):
    with database.reading() as connection:
        return connection.execute(select(func.count()).where(activity.c.step == step)).scalar_one()


def test_a_minute_is_read_as_it_was_saved_and_one_without_sessions_is_known_too(database, lease):
    save(
        database, lease, Stretch(START, 60, {CPU: 90, LOCK: 30}), Stretch(START + ONE_MINUTE, 58, {}),
        Stretch(START + 3 * ONE_MINUTE, 60, {CPU: 6}),
    )  # fmt: skip
    found = read_load(database, "production", "wait", START, START + ONE_HOUR)
    assert found.samples == {START: 60, START + ONE_MINUTE: 58, START + 3 * ONE_MINUTE: 60}
    assert found.sessions == {
        (START, "CPU"): 90,
        (START, "Lock:transactionid"): 30,
        (START + 3 * ONE_MINUTE, "CPU"): 6,
    }
    assert (found.oldest, found.newest) == (START, START + 3 * ONE_MINUTE)
    assert read_groups(database, "production", START, START + ONE_HOUR) == {CPU: 96, LOCK: 30}
    assert read_load(database, "staging", "wait", START, START + ONE_HOUR).newest is None


def test_load_is_told_apart_by_each_dimension_and_narrowed_by_each(database, lease):
    other = Group("CPU", 8, "ada", "psql")
    save(database, lease, Stretch(START, 60, {CPU: 90, LOCK: 30, other: 1}))
    until = START + ONE_MINUTE
    for dimension, sums in {
        "wait": {"CPU": 91, "Lock:transactionid": 30},
        "query_id": {7: 90, 8: 31},
        "user": {"synaptic": 120, "ada": 1},
        "client": {"api": 120, "psql": 1},
    }.items():
        found = read_load(database, "production", dimension, START, until)
        assert {name: seen for (_, name), seen in found.sessions.items()} == sums
        for value, seen in sums.items():
            narrow = {dimension: value}
            assert sum(read_groups(database, "production", START, until, narrow=narrow).values()) == seen
            only = read_load(database, "production", "wait", START, until, narrow=narrow)
            assert sum(only.sessions.values()) == seen
            assert only.samples == {START: 60}  # all looks count, also those that saw none of these


def test_beyond_the_largest_values_all_is_one_rest(database, lease):
    users = {Group("CPU", 7, f"user {place}", "api"): 100 - place for place in range(20)}
    save(database, lease, Stretch(START, 60, users), Stretch(START + ONE_MINUTE, 60, {CPU: 1}))
    found = read_load(database, "production", "user", START, START + ONE_HOUR, most=2)
    assert found.sessions == {
        (START, "user 0"): 100,
        (START, "user 1"): 99,
        (START, None): sum(users.values()) - 199,
        (START + ONE_MINUTE, None): 1,
    }
    looks = read_load(database, "production", None, START, START + ONE_HOUR)
    assert (looks.samples, looks.sessions) == (found.samples, {})


def test_two_workers_may_share_the_minute_of_a_takeover(database, lease):
    save(database, lease, Stretch(START, 20, {CPU: 30, LOCK: 1}))
    expire(database)
    other = take_lease(database, NAME, "another worker", 600)
    save(database, other, Stretch(START, 35, {CPU: 5}))
    with pytest.raises(LeaseLostError):
        save(database, lease, Stretch(START, 5, {CPU: 5}))
    found = read_load(database, "production", "wait", START, START + ONE_MINUTE)
    assert found.samples == {START: 55}
    assert read_groups(database, "production", START, START + ONE_MINUTE) == {CPU: 35, LOCK: 1}


def test_the_rows_of_a_minute_are_bounded_and_its_sums_are_not_touched(database, lease):
    waits = ("CPU", "Lock:tuple", "Lock:transactionid", "IO:DataFileRead", "Strange:thing")
    many = {Group(waits[place % 5], place, "synaptic", f"client {place}"): place + 1 for place in range(1, 400)}
    save(database, lease, Stretch(START, 60, many))
    save(database, lease, Stretch(START, 60, many))
    assert rows(database, MINUTE) <= MOST_GROUPS[MINUTE]
    found = read_groups(database, "production", START, START + ONE_MINUTE)
    assert sum(found.values()) == 2 * sum(many.values())
    largest = max(many, key=lambda group: many[group])
    assert found[largest] == 2 * many[largest]
    for name in ("CPU", "Lock", "IO"):
        before = 2 * sum(count for group, count in many.items() if group.wait_class == name)
        assert sum(count for group, count in found.items() if group.wait_class == name) == before
    rest = {group for group in found if group.query_id == OTHER_QUERY}
    assert {group.wait for group in rest} == {"CPU", f"Lock:{OTHER}", f"IO:{OTHER}", f"Extension:{OTHER}"}


def test_few_groups_are_kept_as_they_are():
    few = {CPU: 3, LOCK: 1}
    assert folded(few, 100) == few
    assert folded({}, 100) == {}


def test_an_hour_that_is_over_is_the_sum_of_its_minutes_also_when_one_comes_late(database, lease):
    minutes = [Stretch(START + place * ONE_MINUTE, 60, {CPU: place, LOCK: 1}) for place in range(70)]
    for one in minutes:
        save(database, lease, one)
    assert rows(database, HOUR) == 2
    until = START + 2 * ONE_HOUR
    summed = read_load(database, "production", "wait", START, until, hours=True)
    assert summed.samples[START] == 60 * 60
    assert summed.sessions[(START, "CPU")] == sum(range(60))
    whole = read_groups(database, "production", START, until)
    assert read_groups(database, "production", START, until, hours=True) == whole
    save(database, lease, Stretch(START + 59 * ONE_MINUTE, 2, {CPU: 1000}), now=START + 75 * ONE_MINUTE)
    summed = read_load(database, "production", "wait", START, until, hours=True)
    assert summed.samples[START] == 60 * 60 + 2
    assert summed.sessions[(START, "CPU")] == sum(range(60)) + 1000


def test_hours_are_made_of_what_a_worker_left_behind_however_long_ago(database, lease):
    save(database, lease, Stretch(START, 60, {CPU: 60}))
    later = START + 3 * DAY
    save(database, lease, Stretch(later, 60, {CPU: 6}))
    assert read_load(database, "production", "wait", START, START + ONE_HOUR).samples == {}
    found = read_load(database, "production", "wait", START, later + ONE_HOUR, hours=True)
    assert found.samples == {START: 60, later: 60}
    assert read_groups(database, "production", START, later + ONE_HOUR, hours=True) == {CPU: 66}


def test_minutes_are_forgotten_after_two_days_and_all_of_it_after_the_time_of_the_settings(database, lease):
    blocking = [Blocking(START, 3, "UPDATE memories", "[]")]
    save(database, lease, Stretch(START, 60, {CPU: 60}), blocking=blocking)
    save(database, lease, Stretch(START, 0, {}), now=START + 2 * DAY + ONE_MINUTE)
    assert rows(database, MINUTE) == 0
    assert rows(database, HOUR) == 1
    assert list_blocking(database, "production", START, START) != []
    save(database, lease, now=START + 8 * DAY + 2 * ONE_HOUR)
    assert rows(database, HOUR) == 0
    assert list_blocking(database, "production", START, START) == []
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(activity_samples)).scalar_one() == 0


def test_a_shorter_time_of_the_settings_holds_for_minutes_as_well(database, lease):
    save(database, lease, Stretch(START, 60, {CPU: 60}))
    save(database, lease, now=START + 2 * ONE_HOUR, keep=ONE_HOUR)
    assert rows(database, MINUTE) == 0


def test_moments_of_blocking_are_bounded_and_the_newest_ones_stay(database, lease, monkeypatch):
    monkeypatch.setattr(kept, "MOST_BLOCKING", 5)
    moments = [START + place * timedelta(seconds=10) for place in range(12)]
    for moment in moments:
        save(database, lease, blocking=[Blocking(moment, 2, "a root", '{"x":1}')], now=moment)
    found = list_blocking(database, "production", START, moments[-1])
    assert [one.taken_at for one in found] == moments[:-6:-1]
    assert read_blocking(database, "production", moments[-1] + ONE_MINUTE).sessions == '{"x":1}'
    assert read_blocking(database, "production", moments[0]) is None
    assert MOST_BLOCKING > 1000


def test_a_text_is_kept_once_and_the_first_one_stays(database, lease):
    save(database, lease, texts={7: "SELECT $1", 8: HOSTILE})
    save(database, lease, texts={7: "SELECT other", 9: "x" * 20_000})
    found = read_texts(database, "production", [7, 8, 9, 10])
    assert found[7] == "SELECT $1"
    assert "DROP TABLE" in found[8]
    assert len(found[9]) < 20_000
    assert 10 not in found
    assert len(read_texts(database, "production", range(3000))) == 3


def test_names_from_the_server_cannot_hurt(database, lease):
    hostile = Group(HOSTILE, NO_QUERY, HOSTILE, HOSTILE * 10)
    twin = Group(HOSTILE, NO_QUERY, HOSTILE, HOSTILE * 10 + "and more")
    save(database, lease, Stretch(START, 1, {hostile: 1, twin: 2}))
    (only,) = read_groups(database, "production", START, START + ONE_MINUTE).items()
    assert only[1] == 3
    assert len(only[0].client) == 100
    narrow = {"user": only[0].user}
    assert sum(read_groups(database, "production", START, START + ONE_MINUTE, narrow=narrow).values()) == 3
