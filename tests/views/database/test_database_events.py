"""What happened to the database, for every chart: starts, failovers, resets, by its exporter and by itself."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from analysis.events import EventKind
from benchmarks import history
from benchmarks.history import Line
from collectors import registry
from collectors.cache import AnswerCache
from collectors.span import Span
from settings import Limits, Settings
from tests.support import postgresql
from tests.support.real_parts import free_port
from tests.support_pages import world as worlds
from ui.window import Window
from views.shared.events import load_events

pytestmark = pytest.mark.integration

LABELS = 'job="postgres",instance="db:9187"'


@pytest.fixture(scope="module")
def past(tmp_path_factory) -> Iterator[tuple[int, float]]:
    """Prometheus with a database that was started 40 min, promoted 30 min and reset 20 min before the end."""
    now = time.time()
    lines = [
        *history.lines(),
        Line("pg_postmaster_start_time_seconds", LABELS, 9 * 86400, before_end=True, swing=0.0, ends=39 * 60),
        Line("pg_postmaster_start_time_seconds", f'{LABELS},a=""', 40 * 60, before_end=True, swing=0.0, begins=39 * 60),
        Line("pg_replication_is_replica", LABELS, 1.0, swing=0.0, ends=30 * 60),
        Line("pg_replication_is_replica", f'{LABELS},a=""', 0.0, swing=0.0, begins=30 * 60),
        Line("pg_stat_database_stats_reset", f'{LABELS},datname="synaptic"', 20 * 60, before_end=True, swing=0.0),
    ]
    folder = tmp_path_factory.mktemp("database-past")
    with worlds.prometheus(folder, now, sorted(lines, key=lambda line: line.name)) as port:
        yield port, now


@pytest.fixture(scope="module")
def server() -> Iterator[postgresql.Server]:
    with postgresql.running(18) as running:
        yield running


@pytest.fixture
def build() -> Iterator:
    made = []

    def make(prometheus: str, port: int | None):
        given: dict = {"prometheus": {"url": prometheus, "deadline": 30}}
        if port is not None:
            given["postgres"] = {"host": "127.0.0.1", "port": port, "user": "console", "deadline": 30}
        made.append(registry.build(Settings.model_validate({"environments": {"test": given}}), "test"))
        return made[-1]

    yield make
    for one in made:
        for collector in one.configured():
            collector.close()


def hour(now: float) -> Span:
    return Window("1h").span(datetime.fromtimestamp(now, UTC), Limits())


def of_database(happened):
    return [one for one in happened.events if "PostgreSQL" in one.title]


def test_start_failover_and_reset_are_told_at_their_own_time(past, server, build):
    port, now = past
    happened = load_events(build(f"http://127.0.0.1:{port}", server.port), hour(now)).value
    found = [(one.title, one.kind, round((now - one.time.timestamp()) / 60)) for one in of_database(happened)]
    assert found == [
        ("PostgreSQL started", EventKind.RESTART, 40),
        ("PostgreSQL db:9187 was promoted", EventKind.RESTART, 30),
        ("statistics of PostgreSQL reset", EventKind.ANNOTATION, 20),
    ]
    assert happened.remarks == ()


def test_without_the_exporter_s_metric_the_server_s_own_start_is_told_once_it_was_asked(real_prometheus, server, build):
    sources = build(real_prometheus.url, server.port)
    now = datetime.now(UTC) + timedelta(minutes=1)  # a window ends at a whole step
    span = Window("1h").span(now, Limits())
    blind = load_events(sources, span).value
    assert of_database(blind) == []
    assert "Starts of PostgreSQL: none is shown, Prometheus has no pg_postmaster_start_time_seconds" in blind.remarks
    started = sources.postgres.server().value.started_at
    happened = load_events(build_again(sources), span).value
    (event,) = of_database(happened)
    assert event.title == "PostgreSQL started"
    assert abs(event.time - started) < timedelta(seconds=1)
    assert any(remark.startswith("Starts of PostgreSQL: only its last one is shown") for remark in happened.remarks)


def build_again(sources):
    """The same sources with nothing kept."""
    return replace(sources, cache=AnswerCache(10**6, 0.001, 0, lambda _: 100))


def test_an_environment_without_a_database_has_neither_events_nor_remarks_of_one(past, build):
    port, now = past
    happened = load_events(build(f"http://127.0.0.1:{port}", None), hour(now)).value
    assert of_database(happened) == []
    assert happened.remarks == ()


def test_a_database_that_is_down_costs_the_events_nothing(past, build):
    port, now = past
    sources = build(f"http://127.0.0.1:{port}", free_port())
    happened = load_events(sources, hour(now))
    assert happened.error is None
    assert len(of_database(happened.value)) == 3
