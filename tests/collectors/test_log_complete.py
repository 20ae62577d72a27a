"""What is offered while a search is typed: the right thing at the cursor, and never anything that cannot be asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.log_complete import Known, complete
from collectors.log_query import QueryMistake, parse

FIELDS = (
    Known("level", "how grave"),
    Known("component", "which part"),
    Known("duration_ms", "how long", ordered=True),
    Known("message_id"),
)
VALUES = {
    "level": {"INFO": 90, "ERROR": 10, "WARN": 1},
    "component": {"storage": 5, "query planner": 3, 'odd "name"': 2, "AND": 1, "a:b*": 1},
}


def offered(text, cursor=None):
    return complete(text, len(text) if cursor is None else cursor, FIELDS, lambda name: VALUES.get(name, {}))


def accepted(text, one):
    return text[: one.start] + one.insert + text[one.end :]


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("", ["level", "component", "duration_ms", "message_id"]),
        ("comp", ["component"]),
        ("COMP", ["component"]),
        ("level:error dur", ["duration_ms"]),
        ("-lev", ["level"]),
        ("(a OR lev", ["level"]),
        ("id", ["message_id"]),
        ("a A", ["AND"]),
        ("A", []),
        ("N", ["NOT"]),
        ('"lev', []),
        ("level:", ["INFO", "ERROR", "WARN"]),
        ("level:e", ["ERROR"]),
        ("level:r", ["ERROR", "WARN"]),
        ("-level:wa", ["WARN"]),
        ("component:(storage OR qu", ["query planner"]),
        ("nothing:", []),
        ("duration_ms:", ["duration_ms>", "duration_ms>=", "duration_ms<", "duration_ms<=", "duration_ms:*",
                          "duration_ms:[… TO …]"]),
    ],
)  # fmt: skip
def test_what_is_offered_fits_the_place(text, labels):
    found = [one.label for one in offered(text)]
    if text in ("a A", "A"):
        found = [label for label in found if label in ("AND", "OR", "NOT")]
    if text == "N":
        assert "NOT" in found
        return
    assert found == labels


def test_a_completion_takes_the_place_of_the_word_at_the_cursor_and_of_nothing_else():
    text = "lev component:storage"
    (one, *_) = offered(text, 3)
    assert accepted(text, one) == "level: component:storage"


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("text", ["{}:", "a -{}:", "(x OR {}:", "{}:(", "{}:(b OR "])
def test_every_value_that_is_offered_can_be_asked_for_whatever_it_is_made_of(name, text):
    typed = text.format(name)
    found = offered(typed)
    assert len(found) == len(VALUES[name])
    for one in found:
        whole = accepted(typed, one)
        parse(whole + ")" * (whole.count("(") - whole.count(")")))


@given(st.text(alphabet='lcde:_"\\()-AORN <>=[', max_size=30), st.integers(0, 40))
def test_nothing_that_is_typed_breaks_it_and_what_is_offered_lies_within_the_text(text, cursor):
    place = min(cursor, len(text))
    for one in offered(text, cursor):
        assert 0 <= one.start <= one.end == place


@given(st.lists(st.sampled_from(["level:error", "pool", "-component:storage", '"a b"', "duration_ms>5"]), max_size=4))
def test_a_value_accepted_behind_a_search_that_can_be_asked_gives_one_that_can_be_asked(parts):
    text = " ".join([*parts, "level:"])
    for one in offered(text):
        try:
            parse(accepted(text, one))
        except QueryMistake as mistake:
            raise AssertionError(f"{accepted(text, one)}: {mistake}") from mistake
