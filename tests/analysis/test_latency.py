"""Quantiles from histograms, how far they can be trusted, and Apdex."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.latency import apdex, beyond, by_bound, quantile, quantiles, within

BOUNDS = np.array([0.1, 0.25, 0.5, 1.0, math.inf])
INDEX = pd.date_range("2026-11-23", periods=3, freq="15s", tz="UTC")


def histogram(*rows):
    return pd.DataFrame(np.array(rows, float), index=INDEX[: len(rows)], columns=list(BOUNDS))


def by_hand(counts, share):
    """The rule of Prometheus' documentation, a bucket at a time."""
    total = counts[-1]
    if not total > 0:
        return math.nan
    rank = share * total
    place = next(number for number, count in enumerate(counts) if count >= rank)
    if place == len(counts) - 1:
        return BOUNDS[-2]
    low, before = (BOUNDS[place - 1], counts[place - 1]) if place else (0.0, 0.0)
    return low + (BOUNDS[place] - low) * (rank - before) / (counts[place] - before)


@given(
    st.lists(st.integers(0, 50), min_size=5, max_size=5).map(np.cumsum),
    st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.999]),
)
def test_a_quantile_is_what_the_rule_of_prometheus_gives(counts, share):
    found = quantile(np.array([counts], float), BOUNDS, share)[0]
    np.testing.assert_allclose(found, by_hand(counts, share), rtol=1e-12)


def test_a_quantile_beyond_the_last_bucket_stands_at_it_and_is_told():
    found = quantiles(histogram([0, 0, 0, 10, 100], [100, 100, 100, 100, 100]), [0.5, 0.95], seconds=20)
    assert found.frame["p95"].tolist()[0] == 1.0
    assert found.beyond == {"p50": 1, "p95": 1}
    assert found.top == 1.0
    assert beyond(np.array([[0.0, 0, 0, 10, 100]]), 0.05).tolist() == [False]


def test_without_requests_a_quantile_is_unknown_and_not_zero():
    found = quantiles(histogram([0, 0, 0, 0, 0], [np.nan] * 5), [0.95], seconds=20)
    assert found.frame["p95"].isna().all()
    assert found.beyond == {"p95": 0}


def test_a_quantile_that_rests_on_less_than_one_request_is_called_noisy():
    busy = quantiles(histogram([1, 2, 3, 4, 5]), [0.95, 0.99], seconds=25)  # 125 requests a point
    assert busy.requests == pytest.approx({"p95": 6.25, "p99": 1.25})
    assert busy.noisy() == []
    assert quantiles(histogram([1, 2, 3, 4, 5]), [0.95, 0.99], seconds=10).noisy() == ["p99"]


def test_bounds_written_in_two_ways_are_one_bucket_and_never_hold_less_than_a_smaller_one():
    frame = pd.DataFrame([[5.0, 3.0, 1.0, 7.0]], index=INDEX[:1])
    found = by_bound(frame, ["+Inf", "1", "0.5", "1.0"])
    assert found.columns.tolist() == [0.5, 1.0, math.inf]
    assert found.iloc[0].tolist() == [1.0, 10.0, 10.0]


def test_a_missing_bucket_of_one_replica_does_not_hide_the_others():
    found = by_bound(pd.DataFrame([[np.nan, 2.0], [np.nan, np.nan]], index=INDEX[:2]), ["1", "1.0"])
    assert found.iloc[0].tolist() == [2.0]
    assert np.isnan(found.iloc[1].tolist()).all()


def test_apdex_counts_half_of_those_who_tolerate():
    counts = np.array([0.0, 60.0, 60.0, 90.0, 100.0])
    assert apdex(counts, BOUNDS, 0.25) == pytest.approx((60 + 90) / 2 / 100)


def test_apdex_is_unknown_without_requests_and_without_a_bucket_that_reaches_its_target():
    assert apdex(np.zeros(5), BOUNDS, 0.25) is None
    assert apdex(np.array([1.0, 2, 3, 4, 5]), BOUNDS, 2.0) is None


def test_requests_between_two_bounds_are_taken_to_be_spread_evenly():
    counts = np.array([10.0, 20.0, 20.0, 20.0, 30.0])
    assert within(counts, BOUNDS, 0.175) == pytest.approx(15)
    assert within(counts, BOUNDS, 9.0) == pytest.approx(20)
