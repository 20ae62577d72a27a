"""What the page tells of the load: from the records alone, with gaps as gaps and reasons where nothing is known."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from pydantic import SecretStr

from collectors import registry
from collectors.errors import NotConfigured, SourceError, Unreachable
from collectors.postgres.now import Lock
from collectors.postgres.sessions import Session, Sessions
from collectors.registry import Sources
from collectors.span import Span
from records.activity import NO_QUERY, OTHER, OTHER_QUERY, Blocking, Group, Stretch, minute_of, save_activity
from records.database import Database, open_database
from records.leases import take_lease
from settings import Settings
from views.database.load.moments import load_moment, load_moments
from views.database.load.processors import load_processors, same_host
from views.database.load.view import (
    load_judged,
    load_over_time,
    load_parts,
    why_not_sampled,
)
from views.database.sessions.sampler import pictured

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TEXTS = {7: "SELECT * FROM memories WHERE id = $1", 8: "UPDATE memories SET owner = $1"}
CPU = Group("CPU", 7, "synaptic", "api")
LOCK = Group("Lock:transactionid", 8, "synaptic", "worker")
AUTOVACUUM = Group("IO:DataFileRead", NO_QUERY, "", "autovacuum worker")
REST = Group(f"IO:{OTHER}", OTHER_QUERY, OTHER, OTHER)


@dataclass
class Kept:
    """Records that hold what the test writes."""

    database: Database
    now: datetime

    def save(self, *stretches: Stretch, blocking: tuple[Blocking, ...] = ()) -> None:
        lease = take_lease(self.database, f"lease {self}", "a worker", 0.0)
        save_activity(
            self.database, lease, "test", stretches, texts=TEXTS, blocking=blocking, now=self.now, keep=8 * DAY
        )

    def minutes(self, ago: int, *loads: dict[Group, int] | None, samples: int = 60) -> None:
        """One minute after another up to ``ago`` minutes before now; ``None`` is a gap."""
        first = self.now - (ago + len(loads)) * MINUTE
        self.save(
            *(
                Stretch(first + place * MINUTE, samples, one)
                for place, one in enumerate(loads)
                if one is not None
            )
        )  # fmt: skip


@pytest.fixture
def kept(tmp_path) -> Iterator[Kept]:
    database = open_database(SecretStr(f"sqlite:///{tmp_path}/records.sqlite3"), 20)
    database.migrate()
    yield Kept(database, minute_of(datetime.now(UTC)))
    database.close()


@pytest.fixture
def sources() -> Iterator[Sources]:
    """A database that is down: nothing listens where it should be."""
    with socket.socket() as refusing:
        refusing.bind(("127.0.0.1", 0))
        given = {"host": "127.0.0.1", "port": refusing.getsockname()[1], "user": "console", "cpus": 2}
        settings = Settings.model_validate({"environments": {"test": {"postgres": given}}})
        built = registry.build(settings, "test")
        yield built
        for collector in built.configured():
            collector.close()


def last(length: timedelta, *, live: bool = True) -> Span:
    now = datetime.now(UTC)
    return Span.of(now - length, now, 721, live=live)


def test_load_is_read_from_the_records_while_the_database_is_down(kept, sources):
    kept.minutes(1, {CPU: 60}, {CPU: 120, LOCK: 60}, None, {})
    found = load_over_time(sources, kept.database, "wait", {}, last(HOUR)).value
    known = found.total.dropna()
    assert known.tolist() == [1.0, 3.0, 0.0]
    assert np.isnan(found.total.loc[kept.now - 3 * MINUTE])
    assert set(found.frame.columns) == {"CPU", "Lock:transactionid"}
    assert found.processors.count == 2
    assert found.unknown == ""
    assert found.total.index[-1] == kept.now - 2 * MINUTE  # what is not written yet is no gap


def test_each_dimension_has_the_same_sum_and_queries_have_their_texts(kept, sources):
    kept.minutes(1, {CPU: 60, LOCK: 30, AUTOVACUUM: 6, REST: 12})
    for by, names in {
        "wait": {"CPU", "Lock:transactionid", "IO:DataFileRead", f"IO:{OTHER}"},
        "query": {TEXTS[7], TEXTS[8], "(no statement identifier)", "other"},
        "user": {"synaptic", "(background work)", "other"},
        "client": {"api", "worker", "autovacuum worker", "other"},
    }.items():
        found = load_over_time(sources, kept.database, by, {}, last(HOUR)).value
        assert {found.names.get(column, column) for column in found.frame.columns} == names
        assert found.total.dropna().tolist() == [pytest.approx(1.8)]
        shares = load_parts(sources, kept.database, {}, last(HOUR)).value.shares[by]
        assert shares["load"].sum() == pytest.approx(1.8)
        assert shares["share"].sum() == pytest.approx(1.0)


def test_the_page_can_be_narrowed_and_the_looks_stay_all_of_them(kept, sources):
    kept.minutes(1, {CPU: 60, LOCK: 30}, {CPU: 60})
    found = load_over_time(sources, kept.database, "wait", {"query": "8"}, last(HOUR)).value
    assert found.total.dropna().tolist() == [0.5, 0.0]
    parts = load_parts(sources, kept.database, {"wait": "CPU", "user": "synaptic"}, last(HOUR)).value
    assert parts.shares["query"]["name"].tolist() == [TEXTS[7]]
    assert parts.shares["query"]["load"].tolist() == [1.0]
    assert parts.shares["query"]["key"].tolist() == ["7"]
    judged = load_judged(sources, kept.database, {"query": "8"}, last(HOUR)).value
    assert judged.narrowed


def test_statements_that_begin_alike_have_names_of_their_own(kept, sources):
    long = {number: "SELECT " + "x, " * 40 + f"{number} FROM memories" for number in (1001, 1002)}
    lease = take_lease(kept.database, "texts", "a worker", 60)
    groups = {Group("CPU", number, "synaptic", "api"): 60 for number in long}
    stretch = Stretch(kept.now - 2 * MINUTE, 60, groups)
    save_activity(kept.database, lease, "test", [stretch], texts=long, now=kept.now, keep=8 * DAY)
    found = load_over_time(sources, kept.database, "query", {}, last(HOUR)).value
    assert len(set(found.names.values())) == 2


def test_what_was_too_much_is_told_with_what_it_was_made_of(kept, sources):
    calm, bad = {CPU: 30}, {CPU: 30, LOCK: 330}
    blocking = tuple(
        Blocking(kept.now - minutes * MINUTE, waiting, "UPDATE held", "{}")
        for minutes, waiting in ((9, 2), (8, 9), (50, 99))
    )
    kept.minutes(1, *[calm] * 20, *[bad] * 8, *[calm] * 4)
    kept.save(blocking=blocking)
    found = load_judged(sources, kept.database, {}, last(HOUR)).value
    assert found.heavy.start == kept.now - 13 * MINUTE
    assert found.heavy.end == kept.now - 5 * MINUTE
    assert found.heavy.load == pytest.approx(6.0)
    assert found.heavy.times == pytest.approx(3.0)
    first = found.parts.shares["wait"].iloc[0]
    assert (first["name"], first["share"]) == ("Lock:transactionid", pytest.approx(330 / 360))
    assert found.worst.waiting == 9


def test_a_live_page_says_since_when_and_why_samples_stopped(kept, sources):
    kept.minutes(20, {CPU: 30}, {CPU: 30})
    found = load_judged(sources, kept.database, {}, last(HOUR))
    assert found.value.stopped == kept.now - 20 * MINUTE
    assert found.as_of == found.value.stopped
    assert "cannot be reached" in found.value.why
    past = Span.of(kept.now - HOUR, kept.now, 721)
    assert load_judged(sources, kept.database, {}, past).value.stopped is None


def test_where_nothing_was_sampled_it_is_said_why_and_what_to_do(kept, sources):
    found = load_over_time(sources, kept.database, "wait", {}, last(HOUR)).value
    assert found.unknown.startswith("The sessions of this database have not been sampled yet. postgres cannot be")
    off = load_over_time(sources, kept.database, "wait", {}, last(HOUR), enabled=False).value
    assert "worker.enabled is off" in off.unknown
    assert load_moments(sources, kept.database, last(HOUR)).value.looks == 0
    assert why_not_sampled(sources, enabled=True)


def test_a_window_without_samples_says_so_and_one_in_which_nobody_was_active_too(kept, sources):
    kept.minutes(1, {})
    early = Span.of(kept.now - 3 * HOUR, kept.now - 2 * HOUR, 721)
    assert "the oldest that are kept" in load_over_time(sources, kept.database, "wait", {}, early).value.unknown
    later = Span.of(kept.now + HOUR, kept.now + 2 * HOUR, 721)
    assert "no console sampled" in load_over_time(sources, kept.database, "wait", {}, later).value.unknown
    quiet = load_parts(sources, kept.database, {}, last(HOUR)).value
    assert quiet.unknown == "No session was active in this window."
    assert load_over_time(sources, kept.database, "user", {}, last(HOUR)).value.total.dropna().tolist() == [0.0]


def test_long_windows_are_told_by_the_hour_up_to_now(kept, sources):
    hour = kept.now.replace(minute=0)
    for back in (80, 30, 2):
        kept.save(*(Stretch(hour - back * HOUR + place * MINUTE, 60, {CPU: 60}) for place in range(60)))
    kept.minutes(0, {CPU: 600})
    span = Span(hour - 4 * DAY, kept.now, 600, live=True)
    found = load_over_time(sources, kept.database, "query", {}, span).value
    assert found.step == 3600
    known = found.total.dropna()
    assert known.iloc[:3].tolist() == [1.0, 1.0, 1.0]
    assert known.iloc[-1] > 1.0  # the minutes of the hour that is not over
    parts = load_parts(sources, kept.database, {}, span).value
    assert parts.looks == 60 * 181


def test_without_records_or_without_a_database_the_reason_is_told(kept, sources):
    with pytest.raises(Unreachable, match="records"):
        load_over_time(sources, None, "wait", {}, last(HOUR))
    settings = Settings.model_validate({"environments": {"bare": {"prometheus": {"url": "http://127.0.0.1:1"}}}})
    bare = registry.build(settings, "bare")
    for load in (load_judged, load_parts):
        with pytest.raises(NotConfigured):
            load(bare, kept.database, {}, last(HOUR))
    kept.database.close()
    for collector in bare.configured():
        collector.close()


def test_records_that_cannot_be_read_cost_the_panel_and_say_what_happened(tmp_path, sources):
    database = open_database(SecretStr(f"sqlite:///{tmp_path}/none/records.sqlite3"), 20)
    with pytest.raises(SourceError, match="could not be read: The file of the records cannot be opened"):
        load_parts(sources, database, {}, last(HOUR))
    database.close()


def session(pid: int, blocked_by: list[int], at: datetime, query: str) -> Session:
    return Session(
        pid, None, "synaptic", "synaptic", "api", "", "active", "", "", "client backend", at - HOUR, at - MINUTE,
        at - MINUTE, at - MINUTE, 7, query, None, blocked_by, at,
    )  # fmt: skip


def test_a_past_moment_opens_as_the_tree_that_it_was(kept, sources):
    at = kept.now - 5 * MINUTE
    sessions = Sessions(
        at, tuple(session(pid, [1] if pid > 1 else [], at, "UPDATE held SET x = 'ann'") for pid in (1, 2, 3))
    )
    locks = [
        Lock(1, "", "k", "transactionid", "ExclusiveLock", True, None, "", "771"),
        Lock(2, "", "k", "transactionid", "ShareLock", False, at - 30 * timedelta(seconds=1), "held", "771"),
    ]
    found, roots = pictured(sessions, locks, at)
    assert roots == (1,)
    kept.save(blocking=(found,))
    assert [one.waiting for one in load_moments(sources, kept.database, last(HOUR)).value.found] == [2]
    opened = load_moment(sources, kept.database, at + MINUTE)
    assert opened.as_of == at
    tree = opened.value.seats
    assert [(seat.node.pid, seat.node.depth) for seat in tree] == [(1, 0), (3, 1), (2, 1)]
    assert tree[0].holds == ("a row of held",)
    assert tree[2].node.waited == 30
    assert all("ann" not in seat.session.query for seat in tree)
    assert load_moment(sources, kept.database, at - MINUTE).value is None


def test_a_moment_in_a_form_of_another_version_is_no_error(kept, sources):
    kept.save(blocking=(Blocking(kept.now, 1, "x", '{"other": 1}'),))
    assert load_moment(sources, kept.database, kept.now).value is None


@pytest.mark.parametrize(
    ("instance", "host", "near", "same"),
    [
        ("db-1", "db-1", False, True),
        ("db-1", "DB-1", False, True),
        ("db-2", "db-1", False, False),
        ("127.0.0.1", "localhost", True, True),
        ("localhost", "/var/run/postgresql", True, True),
        ("127.0.0.1", "127.0.0.1", False, False),  # the loopback of another machine
        ("127.0.0.1", "db-1", True, False),
    ],
)
def test_processors_are_taken_from_an_exporter_of_the_same_machine_only(instance, host, near, same):
    assert same_host(instance, host, near=near) is same


def test_the_number_of_processors_is_of_the_settings_or_unknown(sources):
    assert load_processors(sources).count == 2
    remote = {"host": "db-1", "user": "console", "tls": "require"}
    settings = Settings.model_validate({"environments": {"test": {"postgres": remote}}})
    built = registry.build(settings, "test")
    found = load_processors(built)
    assert found.count is None
    assert "set cpus" in found.told
    built.postgres.close()
