"""The patterns of a window: counts against the lines that were written, what is new, surged, muted, and not known."""

import random
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from analysis.events import Event, EventKind
from benchmarks.history import DEPLOY_SECONDS
from collectors.cache import Answer
from collectors.errors import SourceError, Unreachable
from collectors.logs import Line
from collectors.registry import Sources
from collectors.span import Span
from records.database import Database, open_database
from records.leases import take_lease
from records.pattern_mutes import mute_pattern
from records.patterns import read_counts, read_memory
from settings import Limits
from tests.support import log_lines
from tests.support.log_lines import document, every
from tests.support.looping import until
from ui.window import Window
from views.logs.masks import Visibility
from views.logs.patterns import TREND_POINTS, Found, Patterns, load_patterns
from views.logs.sampler import SETTLE, learn, load_running

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ALL = Visibility(identifiers=True)
NOTHING = Visibility(identifiers=False)


@pytest.fixture
def database(tmp_path: Path):
    database = open_database(SecretStr(f"sqlite:///{tmp_path}/records.sqlite3"), 20)
    database.migrate()
    yield database
    database.close()


@dataclass
class Log:
    """An index of its own behind the quiet world's sources, and a moment that is "now" for the test."""

    sources: Sources
    url: str
    index: str
    now: datetime

    def write(self, *documents: dict[str, object]) -> None:
        log_lines.write(self.url, self.index, documents)

    def say(self, message: str, count: int, start: timedelta, end: timedelta = timedelta(), **more: object) -> None:
        """Lines between two ages, evenly; the word NUMBER becomes another number in each."""
        times = every(self.now - start, self.now - end, count)
        self.write(*(document(at, message.replace("NUMBER", str(number)), **more) for number, at in enumerate(times)))

    def learn(self, database: Database, up_to: timedelta = timedelta()) -> None:
        """What the worker does, up to a moment of the test's past."""
        lease = take_lease(database, f"test {up_to}", "test", 600)
        learn(self.sources, database, lease, self.now - up_to + SETTLE, lambda: True)

    def span(self, preset: str = "1h", before: timedelta = timedelta()) -> Span:
        return Window(preset).span(self.now - before, Limits())

    def patterns(self, database: Database | None = None, preset: str = "1h", **more) -> Patterns:
        return load_patterns(
            self.sources, database, self.span(preset), visibility=more.pop("visibility", ALL), **more
        ).value


@pytest.fixture
def log(quiet, build, real_elasticsearch) -> Log:
    index = log_lines.new_index(real_elasticsearch)
    settings = quiet.settings(elasticsearch={"url": real_elasticsearch, "index": index})
    # On a whole millisecond, as stores compare times.
    now = quiet.moment.replace(microsecond=quiet.moment.microsecond // 1000 * 1000)
    return Log(build(settings), real_elasticsearch, index, now)


def named(patterns: Patterns, template: str) -> Found:
    (found,) = [one for one in patterns.found if one.pattern.template == template]
    return found


def test_counts_shares_and_trends_are_those_of_the_lines_that_were_written(log):
    log.say("stored memory NUMBER", 60, HOUR - MINUTE, MINUTE)
    log.say("pool timed out after NUMBER ms", 20, 10 * MINUTE, MINUTE, level="ERROR", component="storage")
    log.say("an earlier line", 30, 3 * HOUR, 2 * HOUR)
    patterns = log.patterns()
    assert [(one.pattern.template, one.count) for one in patterns.found] == [
        ("stored memory <number>", 60),
        ("pool timed out after <duration>", 20),
    ]
    assert (patterns.total, patterns.lines) == (80, 80)
    assert [one.share for one in patterns.found] == [0.75, 0.25]
    for one in patterns.found:
        assert sum(one.trend) == one.count
        assert len(one.trend) == TREND_POINTS
    late = named(patterns, "pool timed out after <duration>").trend
    assert sum(late[: TREND_POINTS * 3 // 4]) == 0


def test_a_sample_is_scaled_to_the_true_number_of_lines_and_says_so(log):
    log.say("stored memory NUMBER", 900, HOUR - MINUTE, MINUTE)
    log.say("evicted NUMBER entries", 311, HOUR - MINUTE, MINUTE)
    patterns = log.patterns(size=200)
    assert patterns.total == 1211
    assert patterns.lines == pytest.approx(200, rel=0.1)
    assert named(patterns, "stored memory <number>").count == pytest.approx(900, rel=0.15)
    assert sum(one.count for one in patterns.found) == pytest.approx(1211, abs=2)
    assert sum(one.share for one in patterns.found) == pytest.approx(1)
    assert patterns.remarks[0].startswith(f"{patterns.lines} of 1,211 lines were looked at")


def test_what_is_learned_from_busy_hours_adds_up_to_the_true_number_of_lines(log, database):
    log.say("stored memory NUMBER", 9000, 50 * MINUTE, 10 * MINUTE)
    log.say("evicted NUMBER entries", 3000, 50 * MINUTE, 10 * MINUTE)
    log.say("pool timed out after NUMBER ms", 40, 9 * HOUR, 8 * HOUR)
    log.learn(database)
    names = {one.id: one.template for one in read_memory(database, "test").patterns}
    kept: Counter[str] = Counter()
    for pattern_id, _, lines in read_counts(database, "test", log.now - DAY, log.now):
        kept[names[pattern_id]] += lines
    assert kept["pool timed out after <duration>"] == 40
    assert kept["stored memory <number>"] == pytest.approx(9000, rel=0.1)
    assert sum(kept.values()) == pytest.approx(12_040, rel=0.01)


def test_without_records_patterns_are_shown_and_first_seen_is_not_known(log, database):
    log.say("stored memory NUMBER", 10, HOUR - MINUTE)
    (one,) = log.patterns().found
    assert (one.first_seen, one.new, one.surge, one.told) == (None, None, None, False)
    assert "the records cannot be reached" in log.patterns().remarks[0]
    assert "no worker has looked at the log yet" in log.patterns(database).remarks[0]


def test_records_that_fail_are_a_remark(log, database):
    log.say("stored memory NUMBER", 10, HOUR - MINUTE)
    log.learn(database)
    with database.writing() as connection:
        connection.execute(text("DROP TABLE log_pattern_counts"))
    patterns = log.patterns(database)
    assert len(patterns.found) == 1
    assert patterns.remarks[0].startswith("When a pattern was first seen and what is usual is not known: ")


def test_what_appears_within_the_window_is_new_and_what_was_there_before_is_not(log, database):
    log.say("stored memory NUMBER", 300, 20 * HOUR)
    log.learn(database, up_to=30 * MINUTE)
    log.say("cannot decode memory NUMBER", 5, 10 * MINUTE, level="ERROR")
    for learned in (False, True):  # told before the worker comes by, and after
        if learned:
            log.learn(database)
        patterns = log.patterns(database, "15m")
        old, fresh = named(patterns, "stored memory <number>"), named(patterns, "cannot decode memory <number>")
        assert patterns.found[0] == fresh  # it comes first, though it has fewer lines
        assert (fresh.new, fresh.told, old.new, old.told) == (True, True, False, False)
        assert abs(fresh.first_seen - (log.now - 10 * MINUTE)) < timedelta(seconds=1)
        assert abs(old.first_seen - (log.now - 20 * HOUR)) < timedelta(seconds=1)
    assert patterns.known_since == log.now - 20 * HOUR


def test_a_store_that_is_an_hour_old_knows_its_patterns_since_its_oldest_line_and_calls_none_new(log, database):
    log.say("stored memory NUMBER", 300, HOUR)
    log.say("cannot decode memory NUMBER", 5, 10 * MINUTE, level="ERROR")
    log.learn(database)
    assert read_memory(database, "test").since == log.now - HOUR
    for preset in ("15m", "1h", "6h"):
        assert {one.new for one in log.patterns(database, preset).found} <= {None, False}
    assert {one.new for one in log.patterns(database, "15m").found} == {None, False}


def test_a_pattern_is_new_only_six_hours_after_the_oldest_line(log, database):
    log.say("stored memory NUMBER", 300, 7 * HOUR)
    log.say("evicted NUMBER entries", 5, 90 * MINUTE)
    log.say("cannot decode memory NUMBER", 5, 10 * MINUTE, level="ERROR")
    log.learn(database)
    patterns = log.patterns(database, "3h")
    assert named(patterns, "evicted <number> entries").new is None
    assert named(patterns, "cannot decode memory <number>").new is True


def test_an_empty_store_is_known_since_the_first_turn_and_a_history_that_arrives_later_from_its_own_start(
    log, database
):
    log.learn(database, up_to=5 * MINUTE)
    assert read_memory(database, "test").since == log.now - 5 * MINUTE - SETTLE
    log.say("stored memory NUMBER", 301, 20 * HOUR)  # none but the first at the end of a stretch of an hour
    log.sources.cache.clear()
    log.learn(database)
    memory = read_memory(database, "test")
    assert (memory.since, memory.until) == (log.now - 20 * HOUR, log.now)
    assert sum(lines for _, _, lines in read_counts(database, "test", log.now - DAY, log.now)) == 301


def test_after_a_long_pause_patterns_are_known_since_the_oldest_line_of_the_last_day(log, database):
    log.say("stored memory NUMBER", 300, 80 * HOUR, 60 * HOUR)
    log.learn(database, up_to=60 * HOUR)
    log.say("stored memory NUMBER", 30, 3 * HOUR)
    log.sources.cache.clear()
    log.learn(database)
    assert read_memory(database, "test").since == log.now - 3 * HOUR


def test_a_pattern_of_which_an_older_window_has_earlier_lines_than_the_records_is_not_told_as_new(log, database):
    log.say("stored memory NUMBER", 300, 40 * HOUR)
    log.learn(database)
    earlier = load_patterns(log.sources, database, log.span("1h", before=30 * HOUR), visibility=ALL).value
    (one,) = earlier.found
    assert one.new is None
    assert one.first_seen < log.now - 30 * HOUR
    assert not one.told


def test_the_version_that_ran_and_the_deploy_before_are_told_with_a_new_pattern(log, database):
    log.say("stored memory NUMBER", 300, 20 * HOUR)
    deployed = log.now - timedelta(seconds=DEPLOY_SECONDS)
    log.say("cannot decode memory NUMBER", 5, timedelta(seconds=DEPLOY_SECONDS) - 10 * MINUTE, level="ERROR")
    log.learn(database)
    deploy = Event(deployed, EventKind.DEPLOY, "deploy 1.8.2")
    other = Event(deployed - HOUR, EventKind.DEPLOY, "deploy 1.8.1")
    patterns = log.patterns(database, events=(other, deploy))
    fresh, old = named(patterns, "cannot decode memory <number>"), named(patterns, "stored memory <number>")
    assert (fresh.version, fresh.after) == ("1.8.2", deploy)
    assert old.version not in {"", "1.8.2"}
    assert old.after is None


def test_the_version_of_a_moment_is_the_one_that_prometheus_saw_and_none_where_it_saw_nothing(log, quiet, build):
    running = load_running(log.sources, log.now - HOUR, log.now)
    deployed = log.now - timedelta(seconds=DEPLOY_SECONDS)
    assert running(log.now) == "1.8.2"
    assert running(deployed - 5 * MINUTE) not in {"", "1.8.2"}
    assert running(log.now - DAY) == ""
    only = quiet.settings().environments["test"].model_copy(update={"prometheus": None})
    settings = quiet.settings().model_copy(update={"environments": {"test": only}})
    assert load_running(build(settings), log.now - HOUR, log.now)(log.now) == ""


def test_far_more_lines_than_usual_are_a_surge_with_the_figures_behind_it(log, database):
    log.say("pool timed out after NUMBER ms", 400, 23 * HOUR, level="ERROR")
    log.say("stored memory NUMBER", 400, 23 * HOUR)
    log.say("pool timed out after NUMBER ms", 200, 8 * MINUTE, level="ERROR")
    log.learn(database)
    patterns = log.patterns(database)
    surged, steady = patterns.found[0], named(patterns, "stored memory <number>")
    assert surged.pattern.template == "pool timed out after <duration>"
    assert (surged.surge, surged.new, surged.told, steady.surge) == (True, False, True, False)
    assert surged.busiest == pytest.approx(205, abs=3)
    assert surged.usual.median == pytest.approx(5, abs=1)
    assert surged.usual.counts > 80


def test_a_service_that_has_five_times_as_much_to_do_has_no_surge_but_in_what_grows_beyond_it(log, database):
    for name in ("stored memory NUMBER", "evicted NUMBER entries", "pool timed out after NUMBER ms"):
        log.say(name, 800, 20 * HOUR)
        log.say(name, 60, 8 * MINUTE)
    log.learn(database, up_to=10 * MINUTE)
    assert not [one for one in log.patterns(database).found if one.told]
    log.say("pool timed out after NUMBER ms", 600, 7 * MINUTE)
    # The answer that is kept for this window does not have them yet.
    log.sources.cache.clear()
    (told,) = [one for one in log.patterns(database).found if one.told]
    assert told.pattern.template == "pool timed out after <duration>"
    assert told.usual.growth == pytest.approx(6, rel=0.2)


def test_what_is_usual_is_not_known_for_a_part_of_the_lines(log, database):
    from collectors.log_query import Term

    log.say("pool timed out after NUMBER ms", 400, 20 * HOUR, level="ERROR")
    log.say("stored memory NUMBER", 400, 20 * HOUR)
    log.learn(database)
    patterns = log.patterns(database, query=Term("level", "ERROR"))
    assert [one.pattern.template for one in patterns.found] == ["pool timed out after <duration>"]
    assert (patterns.found[0].usual, patterns.found[0].surge) == (None, None)
    assert "A search or filter is set" in patterns.remarks[0]


def test_a_muted_pattern_is_listed_and_no_longer_catches_the_eye(log, database):
    log.say("stored memory NUMBER", 300, 20 * HOUR)
    log.learn(database, up_to=30 * MINUTE)
    log.say("cannot decode memory NUMBER", 5, 10 * MINUTE, level="ERROR")
    fresh = log.patterns(database).found[0]
    given = {"environment": "test", "reason": "known", "muted_by": "olga", "length": HOUR}
    mute = mute_pattern(database, pattern_id=fresh.pattern.id, template=fresh.pattern.template, **given)
    gone = mute_pattern(database, pattern_id="gone", template="of another window", **given)
    patterns = log.patterns(database)
    muted = named(patterns, "cannot decode memory <number>")
    assert (muted.mute, muted.new, muted.told) == (mute, True, False)
    assert patterns.found[0].pattern.template == "stored memory <number>"
    assert patterns.mutes == (mute, gone)


def test_a_line_leads_to_its_pattern(log):
    log.say("stored memory NUMBER", 10, HOUR - MINUTE)
    log.say("cannot decode memory NUMBER", 5, 10 * MINUTE, level="ERROR")
    patterns = log.patterns()
    for one in patterns.found:
        for line in one.examples:
            assert patterns.of(line) == one
        assert patterns.by_id(one.pattern.id) == one
    other = replace(patterns.found[0].examples[0], message="something else altogether happened here")
    assert patterns.of(other) is None
    assert patterns.by_id("0") is None


def test_neither_a_pattern_nor_what_is_kept_of_it_tells_of_a_person(log, database):
    for name in ("olga", "grace", "barbara"):
        log.write(
            *(
                document(at, f"user {name} signed in from 10.9.8.7 as {name}@example.org", user_id=name)
                for at in every(log.now - HOUR + MINUTE, log.now, 4)
            )
        )
    log.learn(database)
    patterns = log.patterns(database, visibility=NOTHING)
    (one,) = patterns.found
    assert one.pattern.template == "user <user_id> signed in from <ip> as <email>"
    kept = read_memory(database, "test").patterns[0]
    for told in (kept.template, kept.example, *(line.message for line in one.examples)):
        assert not [name for name in ("olga", "grace", "barbara", "10.9.8.7") if name in told]
    seen: list[Line] = [line for found in log.patterns(database).found for line in found.examples]
    assert "user olga" in " ".join(line.message for line in seen)


def test_an_error_that_is_a_field_of_its_own_is_part_of_the_pattern(log):
    log.say("read_memory failed", 3, HOUR - MINUTE, level="ERROR", error='invalid input syntax for type uuid: "latest"')
    log.say("read_memory failed", 3, HOUR - MINUTE, level="ERROR", error="deadlock detected")
    assert {one.pattern.template for one in log.patterns().found} == {
        "read_memory failed → invalid input syntax for type uuid: <text>",
        "read_memory failed → deadlock detected",
    }


def test_hostile_lines_are_patterns_like_others(log, database):
    dice = random.Random(1)
    messages = ["x" * 32_768, "a\x00b \u202e <b>%{x}</b>", "", " ", "'" * 5000, "\n" * 300 + "end", "<*> <*> <number>"]
    messages += ["".join(chr(dice.randrange(32, 0x2FFF)) for _ in range(200)) for _ in range(20)]
    log.write(*(document(log.now - MINUTE, message) for message in messages))
    log.write(document(None, "without a time"), document(log.now - 8 * HOUR, "the first line"))
    log.learn(database)
    patterns = log.patterns(database)
    assert sum(one.count for one in patterns.found) == len(messages)
    assert {one.new for one in patterns.found} == {True}


def test_an_empty_window_has_no_patterns_and_no_remark_but_what_is_not_known(log, database):
    log.learn(database)
    patterns = log.patterns(database)
    assert (patterns.found, patterns.total, patterns.remarks) == ((), 0, ())


def test_a_worker_that_is_behind_is_told(log, database):
    log.learn(database, up_to=HOUR)
    assert "The worker is behind" in log.patterns(database).remarks[0]


def test_a_source_that_fails_is_an_error_for_the_panel(quiet, faults, build, span_of):
    faults.switch("refuse", "elasticsearch")
    with pytest.raises(SourceError):
        load_patterns(build(faults.settings()), None, span_of(faults), visibility=ALL)


def test_the_last_good_patterns_stand_in_for_a_source_that_went_away(faults, build, real_elasticsearch):
    index = log_lines.new_index(real_elasticsearch)
    log_lines.write(real_elasticsearch, index, [document(faults.moment - MINUTE, "stored memory 1")])
    limits = Limits(deadline=30, answer_ttl=0.001, keep_stale=3600)
    sources = build(faults.settings(limits, elasticsearch={"index": index}))
    span = Window("1h").span(faults.moment, Limits())

    def load() -> Answer[Patterns]:
        return load_patterns(sources, None, span, visibility=ALL)

    good = load()
    faults.switch("refuse", "elasticsearch")
    asked = datetime.now(UTC)
    until(lambda: load().error, "the answer from just before being too old")
    stale = load()
    assert stale.value.found[0].count == good.value.found[0].count == 1
    assert isinstance(stale.error, Unreachable)
    assert stale.as_of < asked
