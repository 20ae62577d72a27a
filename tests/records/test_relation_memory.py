"""The memory of tables, indexes and sequences, on both databases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from records.leases import LeaseLostError, take_lease
from records.relations import (
    MOST_RELATIONS,
    RelationSample,
    Sweep,
    read_sweeps,
    read_track,
    read_tracks,
    save_sweep,
)
from records.schema import RELATION_LENGTH, relation_samples
from tests.records.test_leases import NAME, expire

START = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
KEEP = timedelta(days=90)
TABLE = RelationSample("table", "public.memories_2026", "public.memories", 5 * 2**40, 2**33, 17, 3, 2**40)
INDEX = RelationSample("index", "public.memories_pkey", "public.memories", 2**30, scans=None)
HOSTILE = 'public."\'); DROP TABLE relation_samples; -- \n<script> \N{EARTH GLOBE EUROPE-AFRICA}"'


def sweep(at=START, xid=2**34):
    return Sweep(at, 2**41, xid, 2**31 - 5, 2**32, 2)


@pytest.fixture
def lease(database):
    return take_lease(database, NAME, "a worker", 600)


def save(database, lease, at=START, samples=(TABLE, INDEX), environment="production", **more):
    save_sweep(database, lease, environment, sweep(at, **more), samples, keep=KEEP)


def taken(database, environment="production"):
    return [one.taken_at for one in read_sweeps(database, environment, START - 400 * DAY, START + 400 * DAY)]


def test_a_look_is_read_as_it_was_saved_and_unknown_stays_unknown(database, lease):
    save(database, lease)
    assert read_sweeps(database, "production", START, START) == [sweep()]
    tracks = read_tracks(database, "production", [START])
    assert tracks["table", TABLE.name] == [(START, TABLE)]
    assert tracks["index", INDEX.name] == [(START, INDEX)]
    assert read_tracks(database, "production", []) == {}
    assert read_tracks(database, "staging", [START]) == {}


def test_a_look_counts_once(database, lease):
    save(database, lease)
    save(database, lease, samples=(replace(TABLE, bytes=1),))
    assert read_track(database, "production", "table", TABLE.name, START, START) == [(START, TABLE)]


def test_one_relation_is_read_over_a_span_in_order(database, lease):
    for hours in (2, 0, 1):
        save(database, lease, START + hours * HOUR, (replace(TABLE, bytes=hours),))
    track = read_track(database, "production", "table", TABLE.name, START, START + HOUR)
    assert [(moment, one.bytes) for moment, one in track] == [(START, 0), (START + HOUR, 1)]


def test_after_a_week_one_look_of_each_day_stays_and_after_the_time_to_keep_none(database, lease):
    for hours in range(0, 72, 6):
        save(database, lease, START + hours * HOUR)
    assert len(taken(database)) == 12
    save(database, lease, START + 10 * DAY)
    days = [START, START + 14 * HOUR, START + 38 * HOUR, START + 62 * HOUR]
    assert taken(database) == [days[0], *(START + timedelta(hours=h) for h in (18, 42, 66)), START + 10 * DAY]
    moments = [moment for moment, _ in read_track(database, "production", "table", TABLE.name, START, START + 20 * DAY)]
    assert moments == taken(database)
    save(database, lease, START + 92 * DAY)
    assert taken(database) == [START + timedelta(hours=66), START + 10 * DAY, START + 92 * DAY]


def test_no_more_relations_are_kept_than_said(database, lease):
    many = [replace(TABLE, name=f"public.t{number}") for number in range(MOST_RELATIONS + 50)]
    save(database, lease, samples=many)
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(relation_samples)).scalar_one() == MOST_RELATIONS
    assert ("table", "public.t0") in read_tracks(database, "production", [START])


def test_a_worker_that_was_overtaken_writes_nothing(database, lease):
    expire(database)
    take_lease(database, NAME, "another worker", 600)
    with pytest.raises(LeaseLostError):
        save(database, lease)
    assert taken(database) == []


@pytest.mark.parametrize("name", [HOSTILE, "public." + '"' * RELATION_LENGTH])
def test_hostile_names_are_kept_and_found_again(database, lease, name):
    save(database, lease, samples=(replace(TABLE, name=name, parent=name),))
    track = read_track(database, "production", "table", name, START, START)
    assert [one.name for _, one in track] == [name[:RELATION_LENGTH]]
