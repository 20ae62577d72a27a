"""Small parts of the Logs page: the mark under a mistake, filters put together by hand, trees of foreign documents."""

import doctest
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.log_query import Compare, Exists, Not, QueryMistake, Term, parse
from views.logs.panels import detail as log_detail
from views.logs.panels import lines as log_list
from views.logs.panels import search as log_search


def test_the_example_of_a_pointed_text_is_true():
    assert doctest.testmod(log_search) == (0, 1)


@given(st.text(max_size=300), st.integers(0, 300), st.integers(0, 300))
def test_a_mark_stands_under_any_place_of_any_text(text, position, length):
    above, below = log_search.pointed(text, position, length).split("\n")
    assert set(below) <= {" ", "^"}
    assert "^" in below
    assert len(below) <= len(above) + 1


@pytest.mark.parametrize("text", ["level:(", "a OR", "x" * 500 + " (", "(" + "y" * 500])
def test_the_mark_stands_under_the_character_that_the_mistake_names(text):
    with pytest.raises(QueryMistake) as caught:
        parse(text)
    mistake = caught.value
    above, below = log_search.pointed(text, mistake.position, mistake.length).split("\n")
    column = below.index("^")
    assert above[column : column + 1] == text[mistake.position : mistake.position + 1]
    assert len(above) < 140


VALUES = st.text(min_size=1, max_size=40).filter(lambda text: text.strip() and text.strip().isprintable())


@given(VALUES)
def test_a_filter_that_is_put_together_means_what_was_typed_whatever_that_is(value):
    value = value.strip()
    text = log_search.written("pod", "is", value)
    assert parse(text) == Term("pod", value)
    assert parse(log_search.written("pod", "is not", value)) == Not(Term("pod", value))
    assert parse(log_search.written("pod", "begins with", value)) == Term("pod", value, prefix=True)
    assert parse(log_search.written("pod", "at least", value)) == Compare("pod", value, None)
    assert parse(log_search.written("pod", "exists", "")) == Exists("pod")


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=20), inner, max_size=5),
    max_leaves=40,
)


@given(st.dictionaries(st.text(max_size=20), DOCUMENTS, max_size=8))
def test_a_tree_is_plain_json_without_anything_hidden(document):
    shown = json.dumps(log_detail.cleaned(document), ensure_ascii=False)
    assert "\u202e" not in shown
    assert "\x1b" not in shown


def test_a_tree_of_ten_thousand_values_is_cut_and_says_so():
    shown = log_detail.cleaned({f"field {number}": number for number in range(10_000)})
    assert len(shown) == log_detail.MOST_LEAVES + 1
    assert shown["…"] == "more in Copy"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (2**53, 2**53),
        (9007199254740993, "9007199254740993"),
        (-9007199254740993, "-9007199254740993"),
        (2**64 - 1, "18446744073709551615"),
        (True, True),
        (None, None),
        (1.5, 1.5),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
    ],
)
def test_a_number_that_a_browser_cannot_hold_is_shown_as_a_text(value, shown):
    found = log_detail.cleaned({"a": [value]})["a"][0]
    assert (found, type(found)) == (shown, type(shown))


@pytest.mark.parametrize(
    ("level", "status"),
    [("ERR", "broken"), ("PANIC", "broken"), ("critical", "broken"), ("50", "broken"), ("WARNING", "risk"),
     ("40", "risk"), ("NOTICE", ""), ("30", ""), ("AUDIT", ""), ("", "")],
)  # fmt: skip
def test_a_level_has_its_colour_in_every_spelling(level, status):
    assert log_list.status_of(level) == status
