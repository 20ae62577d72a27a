"""Troubles as the worker keeps them: since when, well again when, and what a window of the past tells of its time."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import update

from collectors.span import Span
from records.activity import Blocking, Group, Stretch, minute_of, save_activity
from records.database import open_database
from records.leases import take_lease
from records.schema import troubles
from records.troubles import Present, list_troubles, save_troubles
from settings import Postgres
from tests.support_pages.world import SLOW_SECONDS
from ui import format
from views.cache.history import Memory
from views.database.sessions.locks import lock_load
from views.overview.sampler import note
from views.overview.view import load_verdict
from worker import Worker

pytestmark = pytest.mark.integration

KEEP = timedelta(days=8)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def database(tmp_path):
    database = open_database(SecretStr(f"sqlite:///{tmp_path}/records.sqlite3"), 20)
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def lease(database):
    return take_lease(database, "verdict/test", "a worker", 600)


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A busy machine makes nobody late."""
    for name in ("PART_SECONDS", "LIGHT_SECONDS", "FIGURES_SECONDS"):
        monkeypatch.setattr(f"views.overview.view.{name}", 60.0)


def clock(moment):
    return f"{moment.astimezone(UTC):%H:%M:%S}"


def judge(sources, database, lease):
    note(sources, database, lease, format.value, interval=60.0, keep=KEEP, keep_relations=3600.0)


def kept(database):
    return {one.key: one for one in list_troubles(database, "test", datetime.now(UTC) - timedelta(days=1))}


def verdict(sources, database, span):
    return load_verdict(sources, span, format.value, clock, Memory(database, 60.0)).value


def between(start, end, step=10):
    first, last = (moment.timestamp() // step * step for moment in (start, end))
    return Span(datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC), step)


def test_a_trouble_is_kept_while_it_lasts_and_told_as_over_after_it(faults, build, span_of, database, lease):
    sources = build(faults.settings(
        synaptic={"replicas": [{"name": name, "url": one.url} for name, one in faults.replicas.items()]}
    ))  # fmt: skip
    faults.replicas["synaptic-b"].not_ready = "database unavailable"
    judge(sources, database, lease)
    one = kept(database)["replicas"]
    assert (one.status, one.ended_at) == ("risk", None)
    said = verdict(sources, database, span_of(faults))
    expected = f"1 of 2 replicas are ready; synaptic-b is not ready (database unavailable), since {clock(one.began_at)}"
    assert expected in [finding.text for finding in said.findings]
    assert said.recovered is None
    faults.replicas["synaptic-b"].not_ready = ""
    with database.writing() as connection:
        began = troubles.c.began_at == one.began_at
        connection.execute(update(troubles).where(began).values(began_at=one.began_at - MINUTE))
    judge(sources, database, lease)
    said = verdict(sources, database, span_of(faults))
    assert said.recovered.was.startswith("1 of 2 replicas are ready")
    assert said.recovered.began == one.began_at - MINUTE
    # The alert of this world fires all the time.
    assert said.headline.startswith(f"Well again since {clock(said.recovered.at)}; 1 alert fires")


def test_without_records_the_verdict_is_reached_all_the_same_and_knows_no_recovery(quiet, build, span_of):
    said = load_verdict(build(quiet.settings()), span_of(quiet), format.value, clock).value
    assert (said.status, said.recovered) == ("risk", None)


def test_the_worker_reaches_the_verdict_for_each_environment(quiet, build, database):
    settings = quiet.settings()
    sources = build(settings)
    worker = Worker(settings, database, lambda *_: sources, words=format.value)
    worker.turn()
    worker.stop()
    assert kept(database)["alerts"].text == "1 alert fires: SynapticSearchSlow"


def test_a_window_of_the_past_tells_its_worst_with_both_times(troubled, build, database):
    sources = build(troubled.settings())
    began = troubled.moment - timedelta(seconds=SLOW_SECONDS)
    window = between(began - 10 * MINUTE, began + 20 * MINUTE)
    said = verdict(sources, database, window)
    assert said.past
    assert said.status == "broken"
    assert said.headline.startswith("Search p95 was ")
    assert f"from {clock(said.findings[0].since)} to {clock(window.end)}" in said.headline
    assert abs(said.findings[0].since - began) < 2 * MINUTE
    assert "after deploy 1.8.2" in said.headline


def test_a_window_before_the_trouble_knows_nothing_of_it_nor_of_now(troubled, build, database, lease):
    sources = build(troubled.settings())
    troubled.replicas["synaptic-a"].not_ready = "of now"
    try:
        judge(sources, database, lease)
        end = troubled.moment - timedelta(seconds=SLOW_SECONDS) - 10 * MINUTE
        said = verdict(sources, database, between(end - 30 * MINUTE, end))
    finally:
        troubled.replicas["synaptic-a"].not_ready = ""
    assert (said.status, said.findings) == ("ok", ())
    assert said.headline.startswith("Nothing is known to have been wrong from ")
    assert (said.service, said.alerts, said.recovered) == (None, None, None)
    assert {one.key for one in said.badges} <= {"alerts", "database", "cache"}


def test_locks_of_the_past_are_told_from_the_samples_and_episodes_from_the_records(quiet, build, database, lease):
    settings = quiet.settings()
    only = settings.environments["test"].model_copy(update={"postgres": Postgres(host="127.0.0.1", port=1, user="x")})
    sources = build(settings.model_copy(update={"environments": {"test": only}}))
    moment = minute_of(datetime.now(UTC) - 20 * MINUTE)
    busy = {Group("Lock:relation", 1, "synaptic", "synaptic"): 2400, Group("CPU", 2, "synaptic", "synaptic"): 600}
    stretches = [Stretch(moment + number * MINUTE, 60, busy if number < 4 else {}) for number in range(-5, 8)]
    root = "memory-import, idle in transaction: UPDATE memories"
    blocking = [Blocking(moment + number * MINUTE, 40 + number, root, "{}") for number in range(4)]
    save_activity(database, lease, "test", stretches, blocking=blocking, now=datetime.now(UTC), keep=KEEP)
    text = "Redis has not answered since 09:00:00 UTC: it hangs"
    silent = Present("silent:redis", "sources", 0, "unknown", 0.0, text, moment + MINUTE)
    save_troubles(database, lease, "test", [silent], KEEP)
    window = between(moment - 3 * MINUTE, moment + 6 * MINUTE)
    said = verdict(sources, database, window)
    texts = [one.text for one in said.findings]
    # It lasts still, so it has no end within the window.
    assert texts[0] == f"Redis did not answer, since {clock(moment + MINUTE)}"
    expected = f"Database: 43 sessions waited for locks at {clock(moment + 3 * MINUTE)}, in front {root}"
    assert texts[1].startswith(expected)
    assert f"from {clock(moment)} to {clock(moment + 3 * MINUTE)}" in texts[1]
    assert ("database", "broken") in [(one.key, one.status) for one in said.badges]
    load = lock_load(database, "test", window.start, window.end)
    assert (load.event, load.root) == ("Lock:relation", root)
    assert load.share == pytest.approx(0.8)


def test_a_night_of_waiting_heads_the_window_and_not_the_error_of_a_start(quiet, build, database, lease):
    settings = quiet.settings()
    only = settings.environments["test"].model_copy(update={"postgres": Postgres(host="127.0.0.1", port=1, user="x")})
    sources = build(settings.model_copy(update={"environments": {"test": only}}))
    moment = minute_of(datetime.now(UTC) - 20 * MINUTE)
    root = "memory-import, active: UPDATE memories\n   SET body = " + "x" * 600
    blocking = [Blocking(moment + number * MINUTE, 53, root, "{}") for number in range(4)]
    save_activity(database, lease, "test", [], blocking=blocking, now=datetime.now(UTC), keep=KEEP)
    # As a console of yesterday kept it, which did not know that an error of a balancer is a symptom.
    text = "Synaptic answered with an error (502)"
    save_troubles(database, lease, "test", [Present("silent:synaptic", "sources", 0, "unknown", 0.0, text)], KEEP)
    with database.writing() as connection:
        at = moment - 2 * MINUTE
        connection.execute(update(troubles).values(began_at=at, seen_at=at, ended_at=at))
    said = verdict(sources, database, between(moment - 3 * MINUTE, moment + 6 * MINUTE))
    assert said.headline.startswith(f"Database: 53 sessions waited for locks at {clock(moment + 3 * MINUTE)}")
    assert said.headline.endswith(f"x…, from {clock(moment)} to {clock(moment + 3 * MINUTE)}")
    assert "UPDATE memories SET body" in said.headline
    assert f"{text}, at {clock(at)}" in [one.text for one in said.findings]
