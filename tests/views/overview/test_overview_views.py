"""What Overview asks and concludes, on a real Prometheus, Alertmanager and log store behind faults."""

from datetime import UTC, datetime, timedelta

import pytest

from analysis.events import EventKind
from benchmarks.history import DEPLOY_SECONDS, PODS
from collectors.errors import SourceError, Unreachable
from collectors.signals import catalogue
from settings import SOURCE_TITLES, Limits
from tests.support.history import USERS
from tests.support_pages.world import SLOW_SECONDS
from ui import format
from views.overview.view import FIGURES, LogVolume, load_figure, load_log_volume, load_verdict
from views.shared.events import load_events
from views.shared.series import load_series

pytestmark = pytest.mark.integration

SOURCES = ("synaptic", "prometheus", "alertmanager", "elasticsearch")


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A busy machine makes nobody late."""
    for name in ("PART_SECONDS", "LIGHT_SECONDS", "FIGURES_SECONDS"):
        monkeypatch.setattr(f"views.overview.view.{name}", 60.0)


def clock(moment):
    return f"{moment:%H:%M}"


def verdict(sources, span):
    return load_verdict(sources, span, format.value, clock).value


@pytest.mark.parametrize("key", FIGURES)
def test_every_figure_has_a_value_a_trend_and_what_is_usual(quiet, build, span_of, key):
    figure = load_figure(build(quiet.settings()), catalogue()[key], span_of(quiet)).value
    assert figure.reading.now is not None
    assert figure.reading.usual is not None
    assert figure.reading.status == "ok"
    assert figure.trend.notna().mean() > 0.9
    assert figure.query


def test_a_figure_counts_what_all_replicas_did(quiet, build, span_of):
    figure = load_figure(build(quiet.settings()), catalogue()["memory_operations"], span_of(quiet)).value
    rate = len(PODS) * (4.0 + 20.0 + 2.0 + 0.3)
    assert 0.69 * rate <= figure.reading.now <= 1.31 * rate


def test_a_figure_beyond_its_limit_says_since_when(troubled, build, span_of):
    figure = load_figure(build(troubled.settings()), catalogue()["search_latency"], span_of(troubled)).value
    assert figure.reading.status == "broken"
    assert figure.reading.limit == catalogue()["search_latency"].threshold.broken
    began = troubled.moment - timedelta(seconds=SLOW_SECONDS)
    assert abs(figure.reading.since - began) < timedelta(minutes=2)


def test_trouble_that_began_before_a_short_window_is_dated_all_the_same(troubled, build, span_of):
    figure = load_figure(build(troubled.settings()), catalogue()["search_latency"], span_of(troubled, "15m")).value
    assert figure.reading.status == "broken"
    began = troubled.moment - timedelta(seconds=SLOW_SECONDS)
    assert abs(figure.reading.since - began) < timedelta(minutes=2)


def test_a_figure_whose_metric_nobody_reports_names_it(quiet, build, span_of):
    figure = load_figure(build(quiet.settings()), catalogue()["backup_age"], span_of(quiet)).value
    assert figure.absent == ("synaptic_backup_last_success_timestamp_seconds",)
    assert (figure.reading.now, figure.reading.status) == (None, "unknown")
    assert figure.trend.empty or figure.trend.isna().all()


def test_a_figure_of_a_server_that_went_away_is_its_last_good_one_with_the_cause(faults, build, span_of):
    sources = build(faults.settings(Limits(deadline=30, answer_ttl=0.001, keep_stale=3600)))
    signal, span = catalogue()["active_sessions"], span_of(faults)
    good = load_figure(sources, signal, span)
    faults.switch("refuse", "prometheus")
    switched = datetime.now(UTC)
    stale = load_figure(sources, signal, span)
    assert isinstance(stale.error, Unreachable)
    assert stale.value.reading == good.value.reading
    assert stale.as_of < switched


def test_the_events_of_the_hour_are_the_deploy_the_restarts_and_the_alert(quiet, build, span_of):
    happened = load_events(build(quiet.settings()), span_of(quiet)).value
    deployed = quiet.moment - timedelta(seconds=DEPLOY_SECONDS)
    (deploy,) = [event for event in happened.events if event.kind is EventKind.DEPLOY]
    assert deploy.title == "deploy 1.8.2"
    assert abs(deploy.time - deployed) <= timedelta(seconds=30)
    (restart,) = [event for event in happened.events if event.kind is EventKind.RESTART]
    assert (restart.title, restart.detail) == ("3 replicas restarted", ", ".join(PODS))
    (alert,) = [event for event in happened.events if event.kind is EventKind.ALERT]
    assert alert.title == "SynapticSearchSlow"
    times = [event.time for event in happened.events]
    assert times == sorted(times)
    assert happened.remarks == ()


def test_events_before_the_window_are_not_told(quiet, build, span_of):
    assert load_events(build(quiet.settings()), span_of(quiet, "15m")).value.events == ()


def test_kinds_of_event_that_nobody_reports_are_named(real_prometheus, quiet, build, span_of):
    settings = quiet.settings(prometheus={"url": real_prometheus.url})
    happened = load_events(build(settings), span_of(quiet)).value
    assert [remark.split(":")[0] for remark in happened.remarks] == ["Deploys are not shown", "Restarts are not shown"]


def test_a_quiet_service_has_no_finding_but_the_alert_that_fires(quiet, build, span_of):
    found = verdict(build(quiet.settings()), span_of(quiet))
    assert [(finding.status, finding.subject, finding.text) for finding in found.findings] == [
        ("risk", "alerts", "1 alert fires: SynapticSearchSlow")
    ]
    assert found.status == "risk"
    assert found.failures == ()
    assert found.known >= len(FIGURES)


def test_trouble_is_told_with_limit_beginning_and_the_deploy_before_it(troubled, build, span_of):
    found = verdict(build(troubled.settings()), span_of(troubled))
    worst = found.findings[0]
    assert (found.status, worst.status, worst.subject) == ("broken", "broken", "search_latency")
    assert worst.text.startswith("Search p95 is ")
    assert "× usual, limit 500 ms, since " in worst.text
    assert worst.text.endswith(" after deploy 1.8.2")


def test_a_replica_that_is_not_ready_is_told_by_name_with_its_reason(faults, build, span_of):
    replica = faults.replicas["synaptic-b"]
    settings = faults.settings(
        synaptic={"replicas": [{"name": name, "url": one.url} for name, one in faults.replicas.items()]}
    )
    replica.not_ready = "database unavailable"
    found = verdict(build(settings), span_of(faults))
    assert "1 of 2 replicas are ready; synaptic-b is not ready (database unavailable)" in [
        one.text for one in found.findings
    ]


def test_two_versions_at_once_are_told(faults, build, span_of):
    settings = faults.settings(
        synaptic={"replicas": [{"name": name, "url": one.url} for name, one in faults.replicas.items()]}
    )
    faults.replicas["synaptic-b"].version = "1.9.0"
    try:
        texts = [one.text for one in verdict(build(settings), span_of(faults)).findings]
    finally:
        faults.replicas["synaptic-b"].version = "1.4.2"
    assert "replicas run different versions: 1.4.2, 1.9.0" in texts


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("fault", ["refuse", "http_500", "html"])
def test_a_source_that_fails_is_one_finding_and_costs_only_what_it_alone_knows(faults, build, span_of, source, fault):
    faults.switch(fault, source)
    found = verdict(build(faults.settings()), span_of(faults))
    told = [finding for finding in found.findings if finding.subject == "sources"]
    assert len(told) == 1
    assert told[0].text.startswith(SOURCE_TITLES[source])
    assert [one.source for one in found.silent] == [source]
    assert [error.source for error in found.failures] == [source]
    badge = {"prometheus": "prometheus", "alertmanager": "alerts", "elasticsearch": "logs", "synaptic": "replicas"}[
        source
    ]
    assert {one.key: one.status for one in found.badges}[badge] == "unknown"
    # The alert that fires in this world is still known.
    assert found.status == ("unknown" if source == "alertmanager" else "risk")
    assert (found.service is None) == (source == "synaptic")
    assert (found.alerts is None) == (source == "alertmanager")
    assert (found.known == 0) == (source == "prometheus")


def test_without_any_source_nothing_is_called_healthy(faults, build, span_of):
    faults.switch("refuse")
    found = verdict(build(faults.settings()), span_of(faults))
    assert found.status == "unknown"
    assert sorted(error.source for error in found.failures) == sorted(SOURCES)


def test_sources_that_nobody_configured_are_no_findings(quiet, build, span_of):
    settings = quiet.settings()
    only = settings.environments["test"].model_copy(update={"alertmanager": None, "elasticsearch": None})
    found = verdict(build(settings.model_copy(update={"environments": {"test": only}})), span_of(quiet))
    assert found.findings == ()
    assert found.status == "ok"


@pytest.mark.parametrize(
    ("now", "before", "flood"),
    [(300.0, 100.0, True), (299.0, 100.0, False), (59.0, 1.0, False), (500.0, 0.0, False)],
)
def test_three_times_the_lines_of_the_hour_before_are_a_flood_unless_there_are_few(now, before, flood):
    assert LogVolume(now, before).flood is flood


def test_the_volume_of_the_logs_is_told_in_lines_a_minute(quiet, build, span_of):
    volume = load_log_volume(build(quiet.settings()).elasticsearch, span_of(quiet)).value
    assert volume.now * 5 + volume.before * 60 == 30


def test_a_series_is_split_named_and_drawn_beside_an_earlier_period(quiet, build, span_of):
    span = span_of(quiet)
    series = load_series(
        build(quiet.settings()), "memory_operations", span, span.shifted(86400), by=("operation_type",)
    ).value
    assert sorted(series.frame.columns) == ["delete", "retrieve", "store", "update"]
    assert list(series.previous.columns) == list(series.frame.columns)
    assert series.previous.index[0] == series.frame.index[0]
    assert series.unit == "ops/s"
    assert [event.kind.value for event in series.events] == ["restart", "deploy", "alert"]


def test_a_latency_is_drawn_at_its_quantiles_with_its_limits(quiet, build, span_of):
    series = load_series(build(quiet.settings()), "search_latency", span_of(quiet), quantiles=(0.5, 0.99)).value
    assert list(series.frame.columns) == ["p50", "p99"]
    assert (series.frame["p50"] < series.frame["p99"]).all()
    assert [limit.status for limit in series.limits] == ["risk", "broken"]


def test_a_split_with_more_series_than_a_chart_shows_says_where_it_cut(real_prometheus, quiet, build, span_of):
    limits = Limits(deadline=30, answer_ttl=0.001, keep_stale=0, series=7)
    settings = quiet.settings(limits, prometheus={"url": real_prometheus.url})
    series = load_series(build(settings), "active_sessions", span_of(quiet), by=("$replica",)).value
    assert series.frame.shape[1] == 7
    assert series.remarks == (f"The 7 largest of {USERS} series are shown.",)
    assert "user-39" in series.frame.columns


def test_a_series_that_cannot_be_asked_is_an_error_for_its_panel(faults, build, span_of):
    faults.switch("refuse", "prometheus")
    with pytest.raises(SourceError, match=r"prometheus .* cannot be reached"):
        load_series(build(faults.settings()), "active_sessions", span_of(faults))
