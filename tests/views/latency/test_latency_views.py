"""What Latency asks and concludes, checked against the answers of a real Prometheus."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from collectors.errors import SourceError
from collectors.prometheus.wire import Vector
from views.latency.view import (
    KINDS,
    QUANTILES,
    fitting,
    load_combinations,
    load_distribution,
    load_slow_or_failing,
    load_unlike,
    slow_part,
    trouble_of,
)

pytestmark = pytest.mark.integration

SEARCH = KINDS["search"]


def at_once(sources, query, moment) -> Vector:
    return sources.prometheus.query(query, moment)


def test_quantiles_over_time_are_what_the_server_computes_at_the_same_instants(quiet, build, span_of):
    sources = build(quiet.settings())
    span = span_of(quiet)
    found = load_distribution(sources, SEARCH, span).value
    (query,) = found.series.queries
    for share in QUANTILES:
        name = f"p{share * 100:g}"
        for place in (5, len(found.series.frame) // 2, len(found.series.frame) - 2):
            moment = found.series.frame.index[place].to_pydatetime()
            (sample,) = at_once(sources, f"histogram_quantile({share}, {query})", moment).samples
            assert found.series.frame[name].iloc[place] == pytest.approx(sample.value, rel=1e-9)


def test_the_quantile_of_a_window_is_that_of_all_its_requests(quiet, build, span_of):
    sources = build(quiet.settings())
    span = span_of(quiet)
    found = load_distribution(sources, SEARCH, span).value
    (query,) = found.series.queries
    window = "".join(
        part if number % 2 == 0 else f"[{int(span.seconds)}s]"
        for number, part in enumerate(query.replace("]", "[").split("["))
    )
    (sample,) = at_once(sources, f"histogram_quantile(0.95, {window})", span.end).samples
    assert found.overall["p95"] == pytest.approx(sample.value, rel=0.05)


def test_the_heatmap_and_the_number_of_requests_are_made_of_the_same_counts(quiet, build, span_of):
    found = load_distribution(build(quiet.settings()), SEARCH, span := span_of(quiet)).value
    assert np.isinf(found.heat.columns[-1])
    assert found.requests == pytest.approx(np.nansum(found.heat.iloc[:, -1]) * span.step)
    assert 0 < found.apdex <= 1


def test_a_filter_keeps_one_value_and_an_earlier_period_lies_beside(quiet, build, span_of):
    sources = build(quiet.settings())
    span = span_of(quiet)
    whole = load_distribution(sources, SEARCH, span, span.shifted(span.seconds)).value
    rows = load_combinations(sources, SEARCH, span).value
    kind = rows["query_type"].iloc[0]
    part = load_distribution(sources, SEARCH, span, filters={"query_type": [kind]}).value
    assert 0 < part.requests <= whole.requests * 1.001
    assert whole.series.previous.index.equals(whole.series.frame.index)


def test_combinations_share_all_of_the_time_and_all_of_the_requests(quiet, build, span_of):
    sources = build(quiet.settings())
    span = span_of(quiet)
    rows = load_combinations(sources, SEARCH, span).value
    assert rows["share"].sum() == pytest.approx(1)
    assert rows["share"].is_monotonic_decreasing
    assert (rows["p95"] > 0).all()
    assert rows["requests"].sum() == pytest.approx(load_distribution(sources, SEARCH, span).value.requests, rel=0.05)


def test_with_an_earlier_period_the_table_says_what_moved(troubled, build, span_of):
    sources = build(troubled.settings())
    span = span_of(troubled)
    rows = load_combinations(sources, SEARCH, span, span.shifted(timedelta(days=1).total_seconds())).value
    assert rows["moved"].abs().is_monotonic_decreasing
    assert rows["moved"].iloc[0] > 0
    assert rows["p95"].iloc[0] > 0.5


def test_trouble_is_beyond_the_objective_and_beyond_a_week_earlier(troubled, build, span_of):
    found = load_slow_or_failing(build(troubled.settings()), SEARCH, span_of(troubled, "15m")).value
    assert found.distribution.overall["p95"] > 0.5
    assert found.before is None or found.distribution.overall["p95"] > found.before
    assert found.worst is not None


def test_the_stretch_of_the_trouble_has_its_own_quantile_and_one_that_is_over_has_an_end(troubled, build, span_of):
    found = load_slow_or_failing(build(troubled.settings()), SEARCH, span_of(troubled)).value
    trouble = found.trouble
    assert trouble is not None
    slow = found.distribution.series.frame["p95"].loc[trouble.start : trouble.end]
    assert slow.min() <= trouble.p95 <= slow.max()
    assert trouble.p95 > found.distribution.overall["p50"]
    limit = trouble.p95 / 2
    calm = replace(found.distribution.series, frame=found.distribution.series.frame.copy())
    last = calm.frame.index[-20:]  # longer than it takes to be quick again
    calm.frame.loc[last, "p95"] = limit / 4
    over = trouble_of(replace(found.distribution, series=calm), limit)
    assert over is not None
    assert over.end is not None
    assert over.end <= last[0]
    assert over.since is not None


def test_ten_slow_seconds_are_no_trouble_and_of_a_window_of_the_past_the_worst_counts(quiet, build, span_of):
    found = load_slow_or_failing(build(quiet.settings()), SEARCH, span_of(quiet, "15m")).value
    assert found.trouble is None
    frame = found.distribution.series.frame.copy()
    limit = 2 * float(frame["p95"].max())
    step = (frame.index[1] - frame.index[0]).total_seconds()

    def trouble(*stretches, past=False):
        changed = frame.copy()
        for value, first, seconds in stretches:
            changed.iloc[first : first + max(int(seconds / step), 1), changed.columns.get_loc("p95")] = value
        series = replace(found.distribution.series, frame=changed)
        return trouble_of(replace(found.distribution, series=series), limit, past=past)

    assert trouble((9 * limit, len(frame) - 2, 10)) is None
    end = len(frame) - 1 - int(90 / step)
    lasting = trouble((1.2 * limit, end, 90))
    assert (lasting.start, lasting.end) == (frame.index[end], None)
    first, second = int(200 / step), int(500 / step)
    both = ((9 * limit, first, 60), (1.2 * limit, second, 90))
    assert trouble(*both).start == frame.index[second]
    assert trouble(*both, past=True).start in (frame.index[first], frame.index[second])


def test_a_filter_narrows_all_figures_and_leaves_out_labels_that_a_signal_does_not_have(quiet, build, span_of):
    sources = build(quiet.settings())
    span = span_of(quiet)
    whole = load_combinations(sources, SEARCH, span).value
    kind = whole["query_type"].iloc[0]
    only = {"query_type": [kind]}
    assert set(load_combinations(sources, SEARCH, span, filters=only).value["query_type"]) == {kind}
    narrowed = load_slow_or_failing(sources, SEARCH, span, filters=only).value
    assert 0 < narrowed.distribution.requests < load_distribution(sources, SEARCH, span).value.requests
    assert fitting(sources, "cpu_use", only) == {}
    assert fitting(sources, "search_latency", {"$replica": ["a"]}) == {"pod": ["a"]}


def test_like_replicas_are_not_called_unlike(quiet, build, span_of):
    assert load_unlike(build(quiet.settings()), SEARCH, span_of(quiet)).value == ()


def test_a_kind_that_this_build_does_not_report_is_absent_and_not_zero(quiet, build, span_of):
    found = load_distribution(build(quiet.settings()), KINDS["vector"], span_of(quiet)).value
    if found.series.absent:
        assert found.requests == 0
        assert set(found.overall.values()) == {None}
        assert found.apdex is None
    else:
        assert found.requests > 0


def test_without_prometheus_it_says_so(faults, build, span_of):
    faults.switch("refuse", "prometheus")
    with pytest.raises(SourceError, match="cannot be reached"):
        load_slow_or_failing(build(faults.settings()), SEARCH, span_of(faults))


def test_the_busiest_part_that_is_slow_by_itself_is_named_where_all_together_are_quick():
    columns = ["name", "requests", "p95", "noisy"]
    rows = [
        ["ranked", 900, 0.1, False],
        ["fuzzy", 50, 0.9, False],
        ["hybrid", 20, 1.2, False],
        ["rare", 60, 2.0, True],
    ]
    assert slow_part(SEARCH, pd.DataFrame(rows, columns=columns))["name"] == "fuzzy"
    assert slow_part(SEARCH, pd.DataFrame(rows[:1], columns=columns)) is None
    assert slow_part(SEARCH, pd.DataFrame([], columns=columns)) is None
