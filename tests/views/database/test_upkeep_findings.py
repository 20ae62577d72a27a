"""What is said of housekeeping that no server can be brought to within a test: ages, lags, broken pages."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from collectors.advice import catalogue
from collectors.postgres.client import Server
from collectors.postgres.looks import Growth, Looks
from collectors.postgres.settings import Setting
from collectors.postgres.upkeep import Autovacuum, Counted, Holder, Receiver, Slot, Standby, WalFolder, Work
from ui import format
from views.database.maintenance.findings import findings, sentence
from views.database.maintenance.view import Amount, Missing, Upkeep

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
GIB = 2**30


def server(*, standby: bool = False) -> Server:
    given = {
        "version": 180000, "version_text": "18.0", "role": "console", "database": "synaptic", "standby": standby,
        "started_at": NOON, "max_connections": 100, "extensions": {},
    }  # fmt: skip
    # What else it tells are rights and switches, which nothing here looks at.
    others = {one.encode_name: True for one in msgspec.structs.fields(Server)}
    return msgspec.convert({**others, **given}, Server)


CALM = Upkeep(
    server(),
    NOON,
    autovacuum=Autovacuum(True, 3, 0, 0, 0, 0, 0, 0, "", 0, 200_000_000),
    settings={"max_wal_size": Setting("max_wal_size", "1024", "MB", "integer", "sighup", "default", "1024", False)},
)


def counted(**more: object) -> Counted:
    zeros = dict.fromkeys(
        ("commits", "rollbacks", "deadlocks", "temp_files", "temp_bytes", "conflicts", "sessions_abandoned",
         "sessions_fatal", "sessions_killed"), 0,
    )  # fmt: skip
    nothing = dict.fromkeys(("checksum_failures", "checksum_last_failure", "reset_at", "multixact_age"))
    given = {"database": "synaptic", "own": True, **zeros, **nothing, "transaction_age": 100, "as_of": NOON}
    return Counted(**{**given, **more})


def standby(behind: int, seconds: float | None, state: str = "streaming") -> Standby:
    return Standby(1, "two", "10.0.0.2", state, "async", "", 0, behind, None, None, seconds, NOON, NOON)


def receiver(status: str, seconds: float = 0.0) -> Receiver:
    return Receiver(True, status, "primary", 5432, "", NOON, 10, seconds, NOON - timedelta(minutes=5), "not paused")


def slot(**more: object) -> Slot:
    given = {
        "name": "two", "kind": "physical", "plugin": "", "database": "", "temporary": False, "active": False,
        "pid": None, "retained": 3 * GIB, "wal_status": "extended", "safe": None, "horizon": None,
        "inactive_since": NOON - timedelta(hours=2), "conflicting": None, "invalid": "",
    }  # fmt: skip
    return Slot(**{**given, **more})


def holder(kind: str, age: int, seconds: float, detail: str = "idle in transaction") -> Holder:
    return Holder(kind, "who", 7, detail, NOON - timedelta(seconds=seconds), age)


CASES = {
    "a standby is late": (
        {"standbys": [standby(10, 12.0)]}, "replica-behind", "risk", "Standby two is 10 B and 12 s behind",
    ),
    "a standby is very late": ({"standbys": [standby(5 * GIB, None)]}, "replica-behind", "broken", "5 GiB behind"),
    "a standby catches up": (
        {"standbys": [standby(10, None, "catchup")]}, "replica-behind", "risk", "does not stream yet (catchup)",
    ),
    "no WAL arrives": (
        {"receiver": receiver("")}, "receiver-down", "broken", "the last transaction it has is 5 min old",
    ),
    "this standby applies late": ({"receiver": receiver("streaming", 400.0)}, "replica-behind", "broken", "6.67 min"),
    "a slot keeps more than the server would": (
        {"slots": [slot()], "wal_now": Amount(60 * 2**20, 60.0, NOON)}, "slot-inactive", "broken",
        "Nobody uses slot two for 2 h; it keeps 3 GiB of WAL, 3.52 GiB more an hour as WAL is written now",
    ),
    "a slot has an end": (
        {"slots": [slot(safe=GIB, retained=10, wal_status="reserved")]}, "slot-inactive", "risk",
        "1 GiB are left until it is lost",
    ),
    "a slot was invalidated": ({"slots": [slot(invalid="idle_timeout")]}, "slot-lost", "broken", "lost (idle_timeout)"),
    "the folder grows": (
        {"folder": WalFolder(300, 3 * GIB, 0)}, "wal-folder", "risk", "has 3 GiB, max_wal_size is 1 GiB",
    ),
    "an old session": ({"holders": [holder("session", 2_000_000, 5)]}, "horizon-held", "risk", "2 M transactions old"),
    "a session that forgot": (
        {"holders": [holder("session", 3, 7200)]}, "horizon-held", "broken", "Session who (pid 7, idle in transaction)",
    ),
    "ids run out": (
        {"counted": [counted(transaction_age=260_000_000)], "holders": [holder("slot", 255_000_000, 5)]},
        "wraparound", "risk",
        "260 M transactions old, and autovacuum should have frozen it at 200 M; slot who keeps it from freezing",
    ),
    "ids nearly gone": ({"counted": [counted(transaction_age=1_700_000_000)]}, "wraparound", "broken", "1.7 G"),
    "pages are spoilt": (
        {"counted": [counted(checksum_failures=2, checksum_last_failure=NOON - timedelta(minutes=3))]},
        "checksum-failure", "broken", "Database synaptic has 2 pages with a wrong checksum, the last 3 min ago",
    ),
    "deadlocks in the window": (
        {"amounts": {"deadlocks": Amount(2.96, 3600)}}, "deadlocks", "risk", "3 deadlocks were broken in this window",
    ),
    "much goes through files": (
        {"amounts": {"temp_bytes": Amount(8 * GIB, 4 * 3600, NOON - timedelta(hours=4))}}, "temp-files", "risk",
        "Statements wrote 8 GiB of temporary files in the last 4 h",
    ),
    "replay cancels": (
        {"amounts": {"conflicts": Amount(4, 60)}}, "recovery-conflicts", "risk", "cancelled 4 statements",
    ),
    "work for nothing": (
        {"amounts": {"rollbacks": Amount(300, 60), "commits": Amount(700, 60)}}, "rollbacks", "risk", "30 % of all",
    ),
    "all workers busy": (
        {"autovacuum": Autovacuum(True, 3, 3, 1, 500, 0, 0, 0, "", 0, 200_000_000)}, "autovacuum-behind", "risk",
        "All 3 autovacuum workers are busy, and 1 table is over the threshold with 500 dead rows",
    ),
    "checkpoints are asked for": (
        {"checkpoints_seen": Growth(NOON - timedelta(minutes=20), 1200, {"timed": 1, "requested": 3})},
        "checkpoints-requested", "risk", "75 % of 4 checkpoints in the last 20 min",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_told_with_its_figures(case: str):
    parts, key, status, text = CASES[case]
    found = findings(replace(CALM, **parts), format.value, format.duration)
    (one,) = [one for one in found if one.key == key]
    assert (one.status, text in one.text) == (status, True), one.text
    told, words = sentence(CALM, found)
    assert told == found[0].status
    assert words.startswith(found[0].text)


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"standbys": [standby(10, 0.2)], "slots": [slot(active=True, wal_status="reserved", pid=3)]},
        {"standbys": [standby(10 * GIB, None, "backup")]},
        {"slots": [slot(temporary=True)]},
        {"slots": [slot(retained=None, wal_status="")]},
        {"receiver": receiver("streaming")},
        {"holders": [holder("session", 10, 20), holder("session", 10, 900, "active"), holder("standby", 10, 90_000)]},
        {"counted": [counted(transaction_age=199_000_000)]},
        {"amounts": {"rollbacks": Amount(5, 60), "commits": Amount(5, 60)}},
        {"amounts": {"deadlocks": Amount(0.2, 60), "temp_bytes": Amount(GIB / 2, 60)}},
        {"checkpoints_seen": Growth(NOON, 60, {"timed": 0, "requested": 3})},
    ],
)
def test_what_is_as_it_should_be_is_not_told(parts: dict):
    calm = replace(CALM, **parts)
    assert findings(calm, format.value, format.duration) == []
    assert sentence(calm, [])[0] == "ok"


def test_what_could_not_be_seen_is_never_well():
    blind = replace(CALM, missing=(Missing("Standbys", "PostgreSQL does not let", "GRANT"),))
    assert sentence(blind, []) == ("unknown", "Nothing is wrong with what can be seen; not seen: standbys.")


def test_every_kind_of_finding_has_its_reason_and_its_source():
    keys = {case[1] for case in CASES.values()} | {
        "replay-paused", "archiver-failing", "archiver-behind", "prepared-transaction", "autovacuum-off",
        "dangerous-setting", "pending-restart", "settings-file",
    }  # fmt: skip
    assert keys <= set(catalogue())


def test_growth_is_told_between_looks_and_forgotten_with_a_reset():
    looks, minute = Looks(), timedelta(minutes=1)
    looks.note("wal", NOON, None, {"bytes": 100})
    assert looks.growth("wal") is None
    looks.note("wal", NOON + minute, None, {"bytes": 700})
    looks.note("wal", NOON + 2 * minute, None, {"bytes": 1900})
    whole, last = looks.growth("wal"), looks.growth("wal", minute)
    assert (whole.since, whole.seconds, whole.by) == (NOON, 120.0, {"bytes": 1800})
    assert last.rate("bytes") == 20.0
    assert looks.growth("wal", timedelta(seconds=10)).since == NOON + minute
    looks.note("wal", NOON + 3 * minute, None, {"bytes": 5})
    assert looks.growth("wal") is None
    looks.note("wal", NOON + 4 * minute, NOON + 4 * minute, {"bytes": 50})
    assert looks.growth("wal") is None


def test_looks_are_kept_for_an_hour():
    looks = Looks()
    for minute in range(100):
        looks.note("wal", NOON + timedelta(minutes=minute), None, {"bytes": minute})
    assert looks.growth("wal").since == NOON + timedelta(minutes=39)


def test_the_time_left_is_that_of_the_phase_and_begins_anew_with_the_next():
    def work(second: int, phase: str, done: int) -> Work:
        moment = NOON + timedelta(seconds=second)
        return Work("vacuum", 7, "d", "t", phase, done, 100, "blocks", None, NOON, "u", False, False, "", "", moment)

    looks = Looks()
    assert looks.left([work(0, "scanning heap", 10)]) == {}
    assert looks.left([work(10, "scanning heap", 30)]) == {7: 35.0}
    assert looks.left([work(20, "vacuuming heap", 0)]) == {}
    assert looks.left([work(30, "vacuuming heap", 50)]) == {7: 10.0}
    assert looks.left([]) == {}
