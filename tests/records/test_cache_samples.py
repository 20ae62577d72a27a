"""The samples of the cache on both databases: kept under a lease, thinned without losing an event, and forgotten."""

from datetime import UTC, datetime, timedelta

import pytest

from records.cache import DENSE, THIN, CacheSample, read_cache_samples, save_cache_sample
from records.leases import LeaseLostError, take_lease
from tests.records.test_leases import NAME, expire

START = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
KEEP = timedelta(days=30)


def sample(minutes=0, run="a", flushes=0, figures="{}"):
    return CacheSample(START + minutes * MINUTE, run, flushes, figures)


@pytest.fixture
def lease(database):
    return take_lease(database, NAME, "a worker", 600)


def kept(database, environment="production"):
    return read_cache_samples(database, environment, START - KEEP, START + KEEP)


def test_a_sample_is_read_as_it_was_kept_and_of_its_environment_only(database, lease):
    samples = [sample(0), sample(1, flushes=None, figures='{"f": 1}'), sample(2, run="'); DROP TABLE x; --")]
    for one in samples:
        save_cache_sample(database, lease, "production", one, KEEP)
    assert list(kept(database)) == samples
    assert read_cache_samples(database, "production", START + MINUTE, START + MINUTE) == (samples[1],)
    assert kept(database, "staging") == ()


def test_a_worker_that_was_overtaken_writes_nothing(database, lease):
    expire(database)
    take_lease(database, NAME, "another worker", 600)
    with pytest.raises(LeaseLostError):
        save_cache_sample(database, lease, "production", sample(), KEEP)
    assert kept(database) == ()


def test_after_two_days_one_sample_in_ten_minutes_stays_and_each_with_which_something_happened(database, lease):
    old = [sample(minute) for minute in range(25)]
    old[14] = sample(14, flushes=1)
    old[15:] = [sample(minute, run="b" if minute >= 23 else "a", flushes=1) for minute in range(15, 25)]
    for one in old:
        save_cache_sample(database, lease, "production", one, KEEP)
    assert len(kept(database)) == 25
    later = CacheSample(old[-1].taken_at + DENSE + MINUTE, "b", 1, "{}")
    save_cache_sample(database, lease, "production", later, KEEP)
    minutes = [(one.taken_at - START) // MINUTE for one in kept(database)[:-1]]
    # The first of each stretch, and on both sides of the flush (13, 14) and of the restart (22, 23).
    assert minutes == [0, 10, 13, 14, 20, 22, 23]
    assert timedelta(minutes=10) == THIN


def test_what_is_too_old_is_forgotten(database, lease):
    save_cache_sample(database, lease, "production", sample(0), KEEP)
    save_cache_sample(database, lease, "staging", sample(0), KEEP)
    save_cache_sample(database, lease, "production", sample(90), timedelta(hours=1))
    assert [one.taken_at for one in kept(database)] == [START + 90 * MINUTE]
    assert len(kept(database, "staging")) == 1


def test_a_clock_that_went_back_does_not_stop_the_samples(database, lease):
    save_cache_sample(database, lease, "production", sample(5), KEEP)
    save_cache_sample(database, lease, "production", sample(3), KEEP)
    assert [one.taken_at for one in kept(database)] == [START + 3 * MINUTE]
