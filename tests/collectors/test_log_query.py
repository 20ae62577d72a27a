"""The language of the log search: what is understood, what is refused and how it is told."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collectors.log_query import (
    EVERYTHING,
    MOST_CHARACTERS,
    MOST_CLAUSES,
    And,
    Compare,
    Exists,
    Expression,
    Not,
    Or,
    QueryMistake,
    Term,
    Text,
    both,
    either,
    fields_of,
    negated,
    parse,
    write,
)

NAMES = st.from_regex(r"[A-Za-z_@][A-Za-z0-9_@.\-]{0,8}", fullmatch=True)
VALUES = st.text(min_size=1, max_size=12)
LEAVES = st.one_of(
    st.builds(Text, VALUES, phrase=st.just(True)),
    st.builds(Text, VALUES, prefix=st.booleans()),
    st.builds(Term, NAMES, VALUES, phrase=st.just(True)),
    st.builds(Term, NAMES, VALUES, prefix=st.booleans()),
    st.builds(Exists, NAMES),
    st.builds(Compare, NAMES, VALUES, VALUES, st.booleans(), st.booleans()),
    st.builds(Compare, NAMES, VALUES, st.none(), st.booleans()),
    st.builds(Compare, NAMES, st.none(), VALUES, st.just(True), st.booleans()),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(negated),
        st.lists(inner, min_size=2, max_size=4).map(lambda items: both(*items)),
        st.lists(inner, min_size=2, max_size=4).map(lambda items: either(*items)),
    ),
    max_leaves=10,
)


def test_the_documented_example_is_understood():
    assert parse('level:error component:storage duration_ms>500 "pool timed out" -user_id:u7 (a OR b)') == And(
        (
            Term("level", "error"),
            Term("component", "storage"),
            Compare("duration_ms", "500", None, include_low=False),
            Text("pool timed out", phrase=True),
            Not(Term("user_id", "u7")),
            Or((Text("a"), Text("b"))),
        )
    )


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", EVERYTHING),
        ("  ", EVERYTHING),
        ("*", EVERYTHING),
        ("comp*", Text("comp", prefix=True)),
        ("component:stor*", Term("component", "stor", prefix=True)),
        ("error:*", Exists("error")),
        ("duration_ms:[100 TO 500}", Compare("duration_ms", "100", "500", include_high=False)),
        ("duration_ms:[* TO 500]", Compare("duration_ms", None, "500")),
        ("duration_ms:>=5", Compare("duration_ms", "5", None)),
        ('user_id:("a b" OR c)', Or((Term("user_id", "a b", phrase=True), Term("user_id", "c")))),
        ("NOT a b", And((Not(Text("a")), Text("b")))),
        ("a AND b OR c", Or((And((Text("a"), Text("b"))), Text("c")))),
        ("--a", Text("a")),
        ("12:30:05", Text("12:30:05")),
        ("ip_address:::1", Term("ip_address", "::1")),
        ("time:2026-11-23T14:05:00Z", Term("time", "2026-11-23T14:05:00Z")),
        (r"\OR a\:b \-c", And((Text("OR"), Text("a:b"), Text("-c")))),
        ("a (b c)", And((Text("a"), Text("b"), Text("c")))),
    ],
)
def test_what_can_be_asked_for(text, meant):
    assert parse(text) == meant


@pytest.mark.parametrize(
    ("text", "position", "length", "suggestion"),
    [
        ("*foo", 0, 1, "foo*"),
        ("level:er*or x", 8, 1, "level:er* x"),
        ("level=error", 5, 1, "level:error"),
        ("level==error", 5, 2, "level:error"),
        ("(a OR b", 0, 1, "(a OR b)"),
        ("a OR b)", 6, 1, "a OR b"),
        ("user_id:", 8, 0, "user_id:*"),
        ('"pool', 0, 1, '"pool"'),
        ("a OR", 2, 2, "a"),
        ("OR a", 0, 2, r"\OR a"),
        ("a -", 2, 1, ""),
        ("()", 0, 1, ""),
        ('""', 0, 2, ""),
        ("duration_ms:[100 500]", 12, 5, ""),
        ("duration_ms>5*", 13, 1, ""),
        ("a\\", 1, 1, ""),
    ],
)
def test_a_mistake_points_at_its_character_and_suggests(text, position, length, suggestion):
    with pytest.raises(QueryMistake) as caught:
        parse(text)
    mistake = caught.value
    assert (mistake.position, mistake.length, mistake.suggestion) == (position, length, suggestion)
    assert mistake.message.endswith((".", "…"))


@given(TREES)
@example(Text("OR"))
@example(Term("a", "TO"))
@example(Compare("a", "TO", "*"))
def test_what_is_written_is_read_back_as_the_same_tree(tree: Expression):
    assert parse(write(tree)) == tree


@example(")")
@example("a )")
@given(st.text(max_size=60) | st.text(alphabet='ab:*"\\()[]{}<>=- ORANDT\t', max_size=60))
def test_no_text_does_anything_but_parse_or_point_at_its_mistake(text: str):
    try:
        tree = parse(text)
    except QueryMistake as caught:
        mistake = caught
    else:
        assert parse(write(tree)) == tree
        return
    assert 0 <= mistake.position <= mistake.position + mistake.length <= len(text)


@pytest.mark.parametrize(
    "text", ["a " * MOST_CHARACTERS, "x " * (MOST_CLAUSES + 1), "(" * 500 + "a" + ")" * 500, "-" * 1000 + "a"]
)
def test_what_nobody_types_is_refused_before_it_costs_anything(text):
    with pytest.raises(QueryMistake, match="at most"):
        parse(text)


def test_a_filter_is_added_once_and_can_be_turned_round():
    error = Term("level", "ERROR")
    assert both(parse("a"), error, error) == And((Text("a"), error))
    assert both(EVERYTHING, error) == error
    assert negated(negated(error)) == error
    assert either(error, EVERYTHING) == EVERYTHING


def test_the_fields_of_a_query_are_told_once_each_in_their_order():
    assert fields_of(parse("b:1 -(a:2 OR b>3) c:* word")) == ("b", "a", "c")
