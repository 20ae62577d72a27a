"""Signals become PromQL that parses, that a real Prometheus runs, and whose form no label value can change."""

import re
from datetime import UTC, datetime
from typing import Any

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.prometheus.promql import duration, matcher, one_of, quote, render
from collectors.signals import Metric, Signal, catalogue
from settings import Environment, Settings
from tests.conftest import RealPrometheus

SIGNALS = list(catalogue().values())
NASTY = [
    '"',
    "\\",
    '\\"',
    '"} or vector(1) #',
    "a} or b",
    "$by",
    "$operations{}",
    "\n",
    "\r\n",
    "é",
    "日本",
    "\u202e",
    "|",
    "",
]


def names_of(signal: Signal, how: str) -> dict[str, list[str]]:
    chosen = {"single": slice(0, 1), "doubled": slice(1, 2), "both": slice(0, 2)}[how]
    return {slot: list(metric.names[chosen] or metric.names) for slot, metric in signal.metrics.items()}


def rendered(signal: Signal, how: str = "single", **options: Any) -> str:
    return render(signal, names_of(signal, how), job="synaptic", replica="pod", rate=60, **options)


def labels_of(signal: Signal) -> list[str]:
    return ["pod" if label == "$replica" else label for label in signal.by]


def form(query: str, label: str = "") -> list[object]:
    """The tree of a query: its nodes with operators, names and matchers, but without the values of ``label``."""
    nodes: list[object] = []

    def visit(node: Any) -> None:
        nodes.append((type(node).__name__, str(getattr(node, "op", "")), str(getattr(node, "modifier", ""))))
        selector = getattr(node, "vector_selector", node)
        if isinstance(selector, promql_parser.VectorSelector):
            assert not selector.matchers.or_matchers
            matchers = [(m.name, str(m.op), "" if m.name == label else m.value) for m in selector.matchers.matchers]
            nodes.append((selector.name, matchers))

    promql_parser.walk(promql_parser.parse(query), visit)
    return nodes


def values_of(query: str, label: str) -> list[str]:
    values: list[str] = []

    def visit(node: Any) -> None:
        selector = getattr(node, "vector_selector", node)
        if isinstance(selector, promql_parser.VectorSelector):
            values.extend(m.value for m in selector.matchers.matchers if m.name == label)

    promql_parser.walk(promql_parser.parse(query), visit)
    return values


@pytest.mark.parametrize("how", ["single", "doubled", "both"])
@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.key)
def test_every_signal_parses_with_and_without_labels_to_split_and_filter_by(signal: Signal, how: str):
    promql_parser.parse(rendered(signal, how))
    labels = labels_of(signal)
    promql_parser.parse(rendered(signal, how, by=labels))
    for label in labels:
        promql_parser.parse(rendered(signal, how, by=[label], filters={label: ["a"]}))
        promql_parser.parse(rendered(signal, how, filters={label: ["a", "b.c"]}, quantile=0.5))


@pytest.mark.integration
@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.key)
def test_a_real_prometheus_runs_every_signal(signal: Signal, real_prometheus: RealPrometheus, build: Any):
    environment = Environment.model_validate({"prometheus": {"url": real_prometheus.url}})
    prometheus = build(Settings(environments={"test": environment})).prometheus
    at = datetime.fromtimestamp(real_prometheus.history.end, UTC)
    prometheus.query(rendered(signal, "single"), at)
    prometheus.query(rendered(signal, "both", by=labels_of(signal)), at)
    for label in labels_of(signal):
        prometheus.query(rendered(signal, "both", by=[label], filters={label: NASTY}), at)


@pytest.mark.integration
@pytest.mark.parametrize("value", NASTY)
def test_a_real_prometheus_takes_any_value(value: str, real_prometheus: RealPrometheus, build: Any):
    environment = Environment.model_validate({"prometheus": {"url": real_prometheus.url}})
    prometheus = build(Settings(environments={"test": environment})).prometheus
    query = rendered(catalogue()["memory_operations"], "both", filters={"memory_type": [value]})
    prometheus.query(query, datetime.fromtimestamp(real_prometheus.history.end, UTC))


@given(value=st.text() | st.sampled_from(NASTY), signal=st.sampled_from([s for s in SIGNALS if s.by]), data=st.data())
def test_no_single_value_changes_the_form_of_a_query(value: str, signal: Signal, data: st.DataObject):
    label = data.draw(st.sampled_from(labels_of(signal)))
    how = data.draw(st.sampled_from(["single", "both"]))
    plain = rendered(signal, how, by=[label], filters={label: ["harmless"]})
    query = rendered(signal, how, by=[label], filters={label: [value]})
    assert form(query, label) == form(plain, label)
    assert value in values_of(query, label)


@given(values=st.lists(st.text() | st.sampled_from(NASTY), min_size=2, max_size=5))
def test_several_values_match_themselves_and_nothing_else(values: list[str]):
    signal = catalogue()["memory_operations"]
    plain = rendered(signal, filters={"memory_type": ["one", "two"]})
    query = rendered(signal, filters={"memory_type": values})
    assert form(query, "memory_type") == form(plain, "memory_type")
    pattern = values_of(query, "memory_type")[0]
    assert all(re.fullmatch(pattern, value) for value in values)
    assert not re.fullmatch(pattern, "".join(values) + "more")


@given(value=st.text())
def test_a_quoted_text_is_read_back_as_it_was(value: str):
    assert values_of(f"up{{a={quote(value)}}}", "a") == [value]


def test_several_names_of_a_gauge_are_asked_for_together():
    names = "synaptic_active_connections|synaptic_system_synaptic_active_connections"
    query = rendered(catalogue()["active_connections"], "both")
    assert query == f'sum by () ({{__name__=~"{names}",job="synaptic"}})'


def test_several_names_of_a_counter_have_a_rate_each():
    query = rendered(catalogue()["memory_operations"], "both", by=["pod"], filters={"status": ["error"]})
    assert query == (
        'sum by (pod) ((rate(synaptic_memory_operations_total{job="synaptic",status="error"}[60s]) or '
        'rate(synaptic_memory_synaptic_memory_operations_total{job="synaptic",status="error"}[60s])))'
    )


def test_metrics_of_other_jobs_are_not_tied_to_synaptics_job():
    assert rendered(catalogue()["alerts_firing"]) == 'max by () (ALERTS{alertstate="firing"})'


def test_a_bare_name_has_no_braces():
    signal = Signal(
        key="x", title="x", unit="count", help="", query="$a", metrics={"a": Metric(names=("up",), own=False)}
    )
    assert render(signal, {"a": ["up"]}, job="synaptic", replica="pod", rate=60) == "up"


def test_labels_that_a_signal_does_not_have_are_refused():
    with pytest.raises(ValueError, match="memory_operations cannot be split by 'x'; it knows operation_type"):
        rendered(catalogue()["memory_operations"], by=["x"])
    with pytest.raises(ValueError, match="cannot be split by"):
        rendered(catalogue()["memory_operations"], filters={'status="x"} or up{a': ["x"]})
    with pytest.raises(ValueError, match="is not a label name"):
        matcher('a="b",c', ["x"])


def test_a_slot_without_a_name_is_refused():
    signal = catalogue()["memory_operations"]
    with pytest.raises(ValueError, match=r"has no name for \$operations"):
        render(signal, {}, job="synaptic", replica="pod", rate=60)


def test_an_empty_filter_filters_nothing():
    signal = catalogue()["memory_operations"]
    assert rendered(signal, filters={"status": []}) == rendered(signal)


def test_durations_are_whole_seconds_and_never_none():
    assert [duration(seconds) for seconds in (0, 0.2, 59.6, 3600)] == ["1s", "1s", "60s", "3600s"]


def test_regular_expressions_match_their_values_literally():
    assert one_of(["a.b", "c|d"]) == r'"a\\.b|c\\|d"'
