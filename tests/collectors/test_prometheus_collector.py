"""The metrics collector against a real Prometheus: names, rates, cuts, warnings, and what is not its fault."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from collectors.errors import BadAnswer
from collectors.prometheus.client import Prometheus
from collectors.prometheus.wire import Envelope, MatrixSeries, Point, Range, frame_of, grid, matrix
from collectors.registry import Sources
from collectors.signals import catalogue
from collectors.span import Span
from settings import Environment, Limits, Settings
from tests.conftest import RealPrometheus
from tests.support import real_parts
from tests.support.history import RATE, USERS
from tests.support.looping import until

OPERATIONS = catalogue()["memory_operations"]
SESSIONS = catalogue()["active_sessions"]
Ask = Callable[..., Prometheus]


@pytest.fixture
def ask(real_prometheus: RealPrometheus, build: Callable[[Settings], Sources]) -> Ask:
    """Builds the collector in front of the real Prometheus; arguments are keys of the source."""

    def make(limits: Limits | None = None, **keys: Any) -> Prometheus:
        environment = Environment.model_validate({"prometheus": {"url": real_prometheus.url, "deadline": 30, **keys}})
        return build(Settings(environments={"test": environment}, limits=limits or Limits())).prometheus

    return make


def span_back(real: RealPrometheus, hours: float, length: float = 1, points: int = 241) -> Span:
    end = datetime.fromtimestamp(real.history.end, UTC) - timedelta(hours=hours)
    return Span.of(end - timedelta(hours=length), end, points)


def by_pod(answer: Range) -> dict[str, np.ndarray]:
    return {labels["pod"]: answer.frame[column].to_numpy() for column, labels in enumerate(answer.labels)}


pytestmark = pytest.mark.integration


def test_a_range_equals_what_prometheus_answers_to_its_query(real_prometheus: RealPrometheus, ask: Ask):
    span = span_back(real_prometheus, 0, length=4)
    answer = ask().range(OPERATIONS, span, by=["pod"]).value
    form = {"query": answer.query, "start": span.start.timestamp(), "end": span.end.timestamp(), "step": span.step}
    direct = httpx.post(f"{real_prometheus.url}/api/v1/query_range", data=form).json()["data"]["result"]
    assert len(direct) == len(answer.labels)
    for one in direct:
        column = answer.labels.index(one["metric"])
        shown = answer.frame[column].dropna()
        assert [(at.timestamp(), value) for at, value in shown.items()] == [(t, float(v)) for t, v in one["values"]]
    assert answer.frame.index.name == "time"
    assert str(answer.frame.index.tz) == "UTC"
    assert len(answer.frame) == span.points


def test_plain_and_doubled_names_are_used_together(real_prometheus: RealPrometheus, ask: Ask):
    prometheus = ask()
    span = span_back(real_prometheus, 0)
    series = by_pod(prometheus.range(OPERATIONS, span, by=["pod"]).value)
    assert set(series) == {"a", "b", "c", "d"}
    for pod, values in series.items():
        assert values == pytest.approx(RATE[pod], rel=0.01)
    total = prometheus.range(OPERATIONS, span).value.frame[0].to_numpy()
    assert total == pytest.approx(sum(RATE[pod] for pod in "abcd"), rel=0.01)


def test_a_replica_that_changed_its_names_is_shown_through_the_change(real_prometheus: RealPrometheus, ask: Ask):
    span = span_back(real_prometheus, 0, length=2)
    values = ask(job="renamed").range(OPERATIONS, span).value.frame[0].to_numpy()
    away = [real_prometheus.history.renamed - 120, real_prometheus.history.renamed + 120]
    times = np.arange(span.points) * span.step + span.start.timestamp()
    steady = (times < away[0]) | (times > away[1])
    assert values[steady] == pytest.approx(1.0, rel=0.01)


def test_old_samples_that_are_sparser_than_the_scrape_interval_still_give_rates(
    real_prometheus: RealPrometheus, ask: Ask
):
    span = span_back(real_prometheus, 30)
    assert span.step == 15
    answer = ask().range(OPERATIONS, span, by=["pod"]).value
    series = by_pod(answer)
    assert set(series) == {"a", "b", "c", "e"}
    for pod, values in series.items():
        assert values == pytest.approx(RATE[pod], rel=0.01)
    assert "[1200s]" in answer.query


def test_the_spacing_is_a_round_figure_and_not_asked_for_recent_spans(real_prometheus: RealPrometheus, ask: Ask):
    prometheus = ask()
    assert prometheus.spacing(span_back(real_prometheus, 30)) == 300
    assert prometheus.spacing(span_back(real_prometheus, 0)) == 15
    assert ask(job="nobody").spacing(span_back(real_prometheus, 30)) == 15
    assert ask(scrape_interval=600).spacing(span_back(real_prometheus, 30)) == 600


def test_a_span_that_begins_dense_and_ends_sparse_has_rates_all_along(
    tmp_path: Path, build: Callable[[Settings], Sources], real_prometheus: RealPrometheus
):
    end = real_prometheus.history.end - 2 * 86400
    times = [*range(end - 6 * 3600, end - 3 * 3600, 15), *range(end - 3 * 3600, end + 1, 300)]
    lines = "".join(
        f'synaptic_memory_operations_total{{job="synaptic",pod="a"}} {at - end + 10**6} {at}\n' for at in times
    )
    up = "".join(f'up{{job="synaptic",pod="a"}} 1 {at}\n' for at in times)
    history = tmp_path / "history.txt"
    history.write_text(f"# TYPE synaptic_memory_operations counter\n{lines}# TYPE up gauge\n{up}# EOF\n")
    with real_parts.prometheus(tmp_path, history) as port:
        environment = Environment.model_validate({"prometheus": {"url": f"http://127.0.0.1:{port}", "deadline": 30}})
        prometheus = build(Settings(environments={"test": environment})).prometheus
        last = datetime.fromtimestamp(end, UTC)
        answer = prometheus.range(OPERATIONS, Span(last - timedelta(hours=5), last, 60)).value
    # Where both distances meet Prometheus extrapolates a little too far.
    assert answer.frame[0].to_numpy() == pytest.approx(1.0, rel=0.3)


def test_rates_look_back_four_scrapes_or_a_step_and_a_scrape_but_never_less_than_the_floor(ask: Ask):
    prometheus = ask(scrape_interval=15, rate_floor=60)
    assert [prometheus.rate(step, 15) for step in (1, 60, 3600)] == [60, 75, 3615]
    assert prometheus.rate(1, 300) == 1200
    assert ask(rate_floor=300).rate(1, 15) == 300


def test_a_split_shows_the_largest_series_and_tells_how_many_there_are(real_prometheus: RealPrometheus, ask: Ask):
    answer = ask(Limits(series=12)).range(SESSIONS, span_back(real_prometheus, 0), by=["pod"]).value
    assert answer.total == USERS
    assert [labels["pod"] for labels in answer.labels] == [f"user-{i:02}" for i in range(USERS - 1, USERS - 13, -1)]
    assert answer.frame.shape[1] == 12


def test_a_split_that_fits_is_shown_whole(real_prometheus: RealPrometheus, ask: Ask):
    answer = ask(Limits(series=100)).range(SESSIONS, span_back(real_prometheus, 0), by=["pod"]).value
    assert answer.total is None
    assert len(answer.labels) == USERS


def test_filters_keep_what_they_name(real_prometheus: RealPrometheus, ask: Ask):
    prometheus = ask()
    span = span_back(real_prometheus, 0)
    one = prometheus.range(OPERATIONS, span, by=["pod"], filters={"pod": ["a"]}).value
    two = prometheus.range(OPERATIONS, span, by=["pod"], filters={"pod": ["a", "c"]}).value
    none = prometheus.range(OPERATIONS, span, by=["pod"], filters={"pod": ['"} or up{a="']}).value
    assert [labels["pod"] for labels in one.labels] == ["a"]
    assert {labels["pod"] for labels in two.labels} == {"a", "c"}
    assert none.labels == ()
    assert none.empty
    assert not none.absent


def test_metrics_that_the_server_lacks_are_told(real_prometheus: RealPrometheus, ask: Ask):
    prometheus = ask()
    span = span_back(real_prometheus, 0)
    missing = prometheus.range(catalogue()["gc_runs"], span).value
    assert missing.absent == ("synaptic_gc_runs_total",)
    assert missing.empty
    assert len(missing.frame) == span.points
    assert prometheus.instant(catalogue()["gc_runs"], span.end).value.absent == ("synaptic_gc_runs_total",)


def test_coverage_tells_what_is_absent_and_what_is_doubled(ask: Ask):
    coverage = ask().coverage(catalogue())
    assert coverage.doubled == {"synaptic_memory_operations_total": "synaptic_memory_synaptic_memory_operations_total"}
    assert "gc_runs" in coverage.absent
    assert "memory_operations" not in coverage.absent
    assert "search_latency" not in coverage.absent
    assert "memory_operation_duration" in coverage.absent


def test_an_instant_tells_the_value_at_that_time(real_prometheus: RealPrometheus, ask: Ask):
    at = datetime.fromtimestamp(real_prometheus.history.end, UTC)
    vector = ask().instant(OPERATIONS, at, by=["pod"], look_back=3600).value
    assert {sample.labels["pod"]: sample.value for sample in vector.samples} == pytest.approx(
        {pod: RATE[pod] for pod in "abcd"}, rel=0.01
    )
    assert "[3600s]" in vector.query


def test_a_quantile_may_be_chosen(real_prometheus: RealPrometheus, ask: Ask):
    prometheus = ask()
    span = span_back(real_prometheus, 0)
    latency = catalogue()["search_latency"]
    half = prometheus.range(latency, span, quantile=0.5).value.frame[0].to_numpy()
    usual = prometheus.range(latency, span).value.frame[0].to_numpy()
    assert half == pytest.approx(0.01, rel=0.01)
    assert (usual > half).all()


def test_a_query_that_prometheus_refuses_is_told_and_says_nothing_about_the_source(
    real_prometheus: RealPrometheus, ask: Ask
):
    prometheus = ask()
    at = datetime.fromtimestamp(real_prometheus.history.end, UTC)
    for _ in range(5):
        with pytest.raises(BadAnswer, match=r"could not run the query: .*parse error") as raised:
            prometheus.query("sum(", at)
        assert not raised.value.trips
        with pytest.raises(BadAnswer, match="could not run the query"):
            prometheus.query("up * on (job) up", at)
    assert prometheus.source.guard.health().breaker == "closed"
    prometheus.query("vector(1)", at)


def test_one_viewer_more_asks_nothing_more(real_prometheus: RealPrometheus, ask: Ask):
    prometheus = ask()
    span = span_back(real_prometheus, 0)
    first = prometheus.range(OPERATIONS, span)
    requests = prometheus.source.guard.health().requests
    assert prometheus.range(OPERATIONS, span) is first
    assert prometheus.source.guard.health().requests == requests


def test_a_server_below_a_path_is_asked_there(real_prometheus: RealPrometheus, ask: Ask):
    prometheus = ask(url=f"{real_prometheus.url}/no/such/path")
    with pytest.raises(BadAnswer) as raised:
        prometheus.query("up", datetime.now(UTC))
    assert "404" in raised.value.what
    assert raised.value.address.endswith("/no/such/path")


OWN_RULES = """
groups:
  - name: tests
    interval: 1s
    rules:
      - {alert: Always, expr: "vector(1)", labels: {severity: warning}, annotations: {summary: always}}
      - {record: "tests:one", expr: "vector(1)"}
"""


def test_targets_alerts_rules_version_and_warnings_of_a_server(
    tmp_path: Path, build: Callable[[Settings], Sources], real_prometheus: RealPrometheus
):
    end = real_prometheus.history.end
    history = tmp_path / "history.txt"
    samples = "".join(
        f'synaptic_active_sessions{{job="synaptic",pod="a"}} 1 {end - 60 * i}\n' for i in range(20, -1, -1)
    )
    history.write_text(f"# TYPE synaptic_active_sessions gauge\n{samples}# EOF\n")
    (tmp_path / "rules.yml").write_text(OWN_RULES)
    nobody = real_parts.free_port()
    configuration = f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs: [{{job_name: synaptic, static_configs: [{{targets: ["127.0.0.1:{nobody}"]}}]}}]
remote_read: [{{url: "http://127.0.0.1:{nobody}/read", read_recent: true}}]
"""
    with real_parts.prometheus(tmp_path, history, configuration) as port:
        environment = Environment.model_validate({"prometheus": {"url": f"http://127.0.0.1:{port}", "deadline": 30}})
        settings = Settings(environments={"test": environment}, limits=Limits(answer_ttl=0.001))
        prometheus = build(settings).prometheus

        answer = prometheus.range(SESSIONS, span_back(real_prometheus, 0, length=0.25)).value
        assert (answer.frame[0].dropna() == 1).all()
        assert any("remote" in warning for warning in answer.warnings)
        assert any("remote" in warning for warning in prometheus.query("up", datetime.now(UTC)).warnings)

        until(lambda: prometheus.alerts().value, "the alert firing")
        (alert,) = prometheus.alerts().value
        assert (alert.labels["alertname"], alert.labels["severity"]) == ("Always", "warning")
        assert alert.annotations == {"summary": "always"}
        (group,) = prometheus.rules().value
        assert [(rule.type, rule.name) for rule in group.rules] == [("alerting", "Always"), ("recording", "tests:one")]
        until(lambda: [one.health for one in prometheus.targets().value] == ["down"], "the target being found down")
        (target,) = prometheus.targets().value
        assert "refused" in target.last_error
        assert prometheus.version().startswith("2.")


def test_off_grid_samples_belong_to_their_nearest_point_and_strangers_are_left_out():
    samples = [Point(90.0, 9.0), Point(104.0, 1.0), Point(116.0, 2.0), Point(200.0, 3.0)]
    series = [MatrixSeries({}, samples), MatrixSeries({})]
    values = matrix(series, 100, 15, 3)
    np.testing.assert_array_equal(values, [[1.0, np.nan], [2.0, np.nan], [np.nan, np.nan]])


def test_a_frame_over_a_span_has_a_row_for_each_step():
    span = Span(datetime.fromtimestamp(900, UTC), datetime.fromtimestamp(1800, UTC), 300)
    frame = frame_of([MatrixSeries({}, [Point(900.0, 1.0), Point(1800.0, float("inf"))])], span)
    assert frame.index.equals(grid(span))
    assert frame[0].tolist()[0] == 1.0
    assert np.isinf(frame[0].iloc[-1])


def test_columns_are_named_by_their_labels():
    answer = Range(pd.DataFrame(), ({"pod": "a", "status": "ok"}, {"pod": "b"}))
    assert answer.names("pod", "status") == ["a · ok", "b · (none)"]
    assert Envelope[list[str]]("success", ["a"]).warnings == []
