"""The memory of log patterns and their mutes, on both databases."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from records import patterns as kept
from records.leases import LeaseLostError, database_time, take_lease
from records.pattern_mutes import InvalidMute, lift_mute, list_mutes, mute_pattern
from records.patterns import BUCKET, KnownPattern, Learned, bucket_of, read_counts, read_memory, save_learned
from records.schema import log_pattern_mutes, log_patterns
from tests.records.test_leases import NAME, expire

START = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOSTILE = "'); DROP TABLE log_patterns; -- \x00 \ud800 <script>%s {x} :y \N{EARTH GLOBE EUROPE-AFRICA}"


def pattern(name="a", first=START, last=START, **more):
    given = {"template": f"pattern {name}", "example": "an example", "version": "1.8.2", **more}
    return KnownPattern(f"{name:0>16}", "WARN", "storage", first_seen=first, last_seen=last, **given)


def learned(name="a", lines=1, first=START, last=None, **more):
    return Learned(pattern(name, first, last or first, **more), {bucket_of(first): lines})


def save(database, lease, *found, start=START, end=None, environment="production"):
    save_learned(database, lease, environment, start=start, end=end or start + MINUTE, learned=found)


@pytest.fixture
def lease(database):
    return take_lease(database, NAME, "a worker", 600)


def test_what_was_learned_is_read_as_it_was_saved(database, lease):
    assert read_memory(database, "production") is None
    save(database, lease, learned("a", 3), learned("b", 5))
    memory = read_memory(database, "production")
    assert (memory.since, memory.until) == (START, START + MINUTE)
    assert memory.patterns == (pattern("a"), pattern("b"))
    assert read_counts(database, "production", START, START + BUCKET) == [
        (pattern("a").id, START, 3),
        (pattern("b").id, START, 5),
    ]
    assert read_memory(database, "staging") is None
    assert read_counts(database, "staging", START, START + BUCKET) == []


def test_a_pattern_keeps_its_beginning_and_its_version_while_its_lines_add_up(database, lease):
    save(database, lease, learned("a", 3))
    later = START + MINUTE
    save(database, lease, learned("a", 4, later, later + MINUTE, template="pattern <*>", version="1.9.0"), start=later)
    (one,) = read_memory(database, "production").patterns
    assert (one.first_seen, one.last_seen) == (START, later + MINUTE)
    assert (one.template, one.version) == ("pattern <*>", "1.8.2")
    assert read_counts(database, "production", START, START + BUCKET) == [(one.id, START, 7)]


def test_a_stretch_counts_once_however_often_it_is_learned(database, lease):
    save(database, lease, learned("a", 3))
    with pytest.raises(LeaseLostError, match="are kept already"):
        save(database, lease, learned("a", 3))
    assert read_counts(database, "production", START, START + BUCKET) == [(pattern("a").id, START, 3)]


def test_as_long_as_nothing_was_learned_it_may_begin_earlier(database, lease):
    save(database, lease)
    earlier = START - timedelta(hours=3)
    save(database, lease, learned("a", 3, earlier), start=earlier)
    memory = read_memory(database, "production")
    assert (memory.since, memory.until) == (earlier, earlier + MINUTE)


def test_a_worker_that_was_overtaken_writes_nothing(database, lease):
    expire(database)
    take_lease(database, NAME, "another worker", 600)
    with pytest.raises(LeaseLostError):
        save(database, lease, learned("a"))
    assert read_memory(database, "production") is None


def test_after_a_hole_only_what_came_later_counts_as_known(database, lease):
    save(database, lease, learned("a"))
    later = START + timedelta(days=3)
    save(database, lease, learned("b", first=later), start=later)
    memory = read_memory(database, "production")
    assert (memory.since, memory.until) == (later, later + MINUTE)
    assert len(memory.patterns) == 2


def test_old_counts_and_patterns_that_were_not_seen_for_long_are_forgotten(database, lease):
    save(database, lease, learned("a"), learned("b"))
    later = START + kept.PATTERNS_KEPT - timedelta(hours=1)
    save(database, lease, learned("b", first=later), start=later)
    assert len(read_memory(database, "production").patterns) == 2
    assert [bucket for _, bucket, _ in read_counts(database, "production", START, later + BUCKET)] == [bucket_of(later)]
    end = START + kept.PATTERNS_KEPT + MINUTE
    save(database, lease, start=later + MINUTE, end=end)
    assert [one.id for one in read_memory(database, "production").patterns] == [pattern("b").id]


def test_of_too_many_patterns_those_seen_last_are_kept(database, lease, monkeypatch):
    monkeypatch.setattr(kept, "MOST_PATTERNS", 3)
    found = [learned(str(number), first=START + number * timedelta(seconds=1)) for number in range(5)]
    save(database, lease, *found)
    save(database, lease, *found, start=START + MINUTE, environment="staging")
    assert [one.id for one in read_memory(database, "production").patterns] == [pattern(n).id for n in "234"]
    assert len(read_memory(database, "staging").patterns) == 3


def test_text_is_kept_as_text_whatever_it_says(database, lease):
    one = learned("a", template=HOSTILE * 200, example=HOSTILE * 200, version=HOSTILE)
    one = replace(one, pattern=replace(one.pattern, component=HOSTILE * 10, level=HOSTILE))
    save(database, lease, one)
    save(database, lease, one, start=START + MINUTE)
    (found,) = read_memory(database, "production").patterns
    assert found.template.startswith(
        "'); DROP TABLE log_patterns; -- ␀ \\ud800 <script>%s {x} :y \N{EARTH GLOBE EUROPE-AFRICA}"
    )
    assert len(found.template) == kept.TEMPLATE_LENGTH
    assert len(found.example) == kept.EXAMPLE_LENGTH


def test_moments_are_counted_in_whole_quarters_of_an_hour():
    assert bucket_of(START + timedelta(minutes=14, seconds=59)) == START
    assert bucket_of(START + timedelta(minutes=15)) == START + BUCKET


def mute(database, name="a", environment="production", **more):
    given = {"reason": "known, OPS-1", "muted_by": "ada", "length": timedelta(hours=1), "template": "a <*>", **more}
    return mute_pattern(database, environment=environment, pattern_id=pattern(name).id, **given)


def end_of_time(database, one):
    """What the passing of its time does to a mute."""
    t = log_pattern_mutes
    with database.writing() as connection:
        now = database_time(connection)
        past = {"muted_at": now - timedelta(hours=2), "expires_at": now - timedelta(seconds=1)}
        connection.execute(update(t).where(t.c.id == one.id).values(past))


def test_a_mute_is_listed_in_its_environment_until_its_time_has_passed(database):
    later, sooner = mute(database, "a", length=timedelta(days=2)), mute(database, "b")
    mute(database, "a", environment="staging")
    assert list_mutes(database, "production") == [sooner, later]
    assert later.expires_at - later.muted_at == timedelta(days=2)
    end_of_time(database, sooner)
    assert list_mutes(database, "production") == [later]


def test_a_new_mute_of_a_pattern_replaces_the_one_before_and_both_are_kept(database):
    mute(database, reason="first")
    second = mute(database, reason="second", muted_by="bob")
    assert list_mutes(database, "production") == [second]
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(log_pattern_mutes)).scalar_one() == 2


def test_a_mute_is_lifted_once_and_the_records_say_who_did(database):
    one = mute(database)
    assert lift_mute(database, one.id, by="bob") is True
    assert lift_mute(database, one.id, by="eve") is False
    assert lift_mute(database, uuid.uuid4(), by="eve") is False
    assert list_mutes(database, "production") == []
    with database.reading() as connection:
        assert connection.execute(select(log_pattern_mutes.c.lifted_by)).scalar_one() == "bob"


def test_a_mute_that_has_ended_cannot_be_lifted(database):
    one = mute(database)
    end_of_time(database, one)
    assert lift_mute(database, one.id, by="bob") is False


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"reason": "  "}, "needs a reason"),
        ({"reason": "x" * 2001}, "at most 2,000 characters; this one has 2,001"),
        ({"reason": "a\0b"}, "control characters"),
        ({"length": timedelta(days=31)}, "at most 30 days"),
        ({"length": timedelta(0)}, "ends after it begins"),
    ],
)
def test_what_cannot_be_muted_is_refused_with_a_sentence(database, given, said):
    with pytest.raises(InvalidMute, match=said):
        mute(database, **given)
    assert list_mutes(database, "production") == []


def test_a_mute_outlives_its_pattern_and_says_what_it_was(database):
    one = mute(database, template=HOSTILE)
    (listed,) = list_mutes(database, "production")
    assert listed.template.startswith("'); DROP TABLE")
    assert listed.id == one.id
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(log_patterns)).scalar_one() == 0
