"""A server that has native histograms in the place of classic ones: the same views, and the server's own quantiles."""

import time
from datetime import UTC, datetime

import httpx
import numpy as np
import pytest

from collectors import registry
from collectors.prometheus.native import BOUNDS, cumulative
from collectors.prometheus.wire import NativeBucket
from collectors.signals import catalogue
from collectors.span import Span
from settings import Settings
from tests.support import real_parts
from tests.support.native_histograms import request
from views.latency.view import KINDS, load_combinations, load_distribution

NAME = "synaptic_query_duration_seconds"
STEP = 15
POINTS = 120
A_STEP = 40
"""Observations in each step."""


def test_a_bucket_that_ends_at_a_bound_counts_there_and_none_is_lost():
    bounds = [0.25, 2 ** (-1.75), 0.5]
    found = cumulative([NativeBucket(0, 0.25, bounds[1], 3), NativeBucket(0, 0.25 / 2, 0.25, 2)], 5)
    at = {float(bound): total for bound, total in zip(BOUNDS, found, strict=False)}
    assert [at[one] for one in bounds] == [2, 5, 5]
    assert found[-1] == 5
    assert np.all(np.diff(found) >= 0)


def test_a_bucket_wider_than_the_bounds_is_spread_over_them():
    found = cumulative([NativeBucket(0, 0.5, 2.0, 8)], 8)
    at = {float(bound): total for bound, total in zip(BOUNDS, found, strict=False)}
    assert at[0.5] == 0
    assert at[1.0] == pytest.approx(4)
    assert at[2.0] == 8


@pytest.fixture(scope="module")
def native(tmp_path_factory):
    """Half an hour of searches of two types, the second ten times as slow; its sources, the span, all observations."""
    chance = np.random.default_rng(7)
    end = int(time.time()) // STEP * STEP
    with real_parts.prometheus(tmp_path_factory.mktemp("native"), features="native-histograms") as port:
        url = f"http://127.0.0.1:{port}"
        series, observed = {}, {}
        for number, kind in enumerate(("ranked", "fuzzy")):
            seen: list[float] = []
            samples = []
            for place in range(POINTS):
                seen += chance.lognormal(-4.5 + 2.3 * number, 0.5, A_STEP).tolist()
                samples.append(((end - (POINTS - 1 - place) * STEP) * 1000, tuple(seen)))
            pairs = {"__name__": NAME, "job": "synaptic", "pod": "a", "query_type": kind, "complexity": "simple"}
            series[tuple(sorted(pairs.items()))] = samples
            observed[kind] = seen
        headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
        sent = httpx.post(f"{url}/api/v1/write", content=request(series), headers=headers, timeout=30)
        assert sent.is_success, sent.text
        settings = Settings.model_validate({"environments": {"test": {"prometheus": {"url": url}}}})
        sources = registry.build(settings, "test")
        span = Span.of(datetime.fromtimestamp(end - 1500, UTC), datetime.fromtimestamp(end, UTC), 101)
        yield sources, span, observed
        for one in sources.configured():
            one.close()


@pytest.mark.integration
def test_quantiles_are_the_servers_own_as_far_as_the_buckets_are_wide(native):
    sources, span, _ = native
    found = load_distribution(sources, KINDS["search"], span).value
    moment = found.series.frame.index[-3].to_pydatetime()
    for share, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99")):
        (sample,) = sources.prometheus.query(f"histogram_quantile({share}, sum(rate({NAME}[60s])))", moment).samples
        assert found.series.frame[name].iloc[-3] == pytest.approx(sample.value, rel=2**0.25 - 1)
    assert not found.series.absent


@pytest.mark.integration
def test_number_time_and_share_of_each_combination_are_those_that_were_observed(native):
    sources, span, observed = native
    found = load_distribution(sources, KINDS["search"], span).value
    assert found.requests == pytest.approx(2 * A_STEP * span.points, rel=0.02)
    rows = load_combinations(sources, KINDS["search"], span).value.set_index("query_type")
    for kind, seen in observed.items():
        assert rows.loc[kind, "mean"] == pytest.approx(np.mean(seen), rel=0.05)
        assert rows.loc[kind, "p95"] == pytest.approx(np.quantile(seen, 0.95), rel=0.2)
    assert rows["share"].sum() == pytest.approx(1)


@pytest.mark.integration
def test_a_split_by_label_is_computed_by_the_server_and_nothing_is_called_absent(native):
    sources, span, _ = native
    found = sources.prometheus.range(catalogue()["search_latency"], span, by=("query_type",)).value
    assert sorted(found.names("query_type")) == ["fuzzy", "ranked"]
    assert "search_latency" not in sources.prometheus.coverage(catalogue()).absent
