"""Which replica is unlike the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from views.latency.rules.outliers import outliers


def test_the_one_slow_replica_of_three_is_named_with_what_the_others_have():
    (found,) = outliers({"a": 0.08, "b": 0.09, "c": 1.2}, floor=0.02)
    assert (found.name, found.value) == ("c", 1.2)
    assert found.others == pytest.approx(0.085)
    assert found.distance > 3.5


def test_an_idle_replica_is_unlike_the_others_too():
    (found,) = outliers({"a": 10.0, "b": 11.0, "c": 0.0}, floor=0.5)
    assert found.name == "c"
    assert found.distance < 0


def test_replicas_that_differ_as_replicas_do_are_alike():
    assert outliers({"a": 0.080, "b": 0.090, "c": 0.101}, floor=0.02) == []


def test_a_difference_below_what_matters_is_none():
    assert outliers({"a": 0.001, "b": 0.001, "c": 0.004}, floor=0.02) == []


@pytest.mark.parametrize("values", [{}, {"a": 1.0}, {"a": 1.0, "b": 99.0}, {"a": 1.0, "b": 2.0, "c": float("nan")}])
def test_with_fewer_than_three_known_nobody_can_say_which_one_is_odd(values):
    assert outliers(values) == []


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1e12), max_size=8))
def test_whatever_the_replicas_have_equal_ones_are_never_outliers(values):
    found = outliers(values)
    assert {one.name for one in found} <= set(values)
    assert outliers(dict.fromkeys(values, 5.0)) == []
