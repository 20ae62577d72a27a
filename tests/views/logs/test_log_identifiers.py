"""What a viewer without the right to see who may see of a line: everything but who."""

import json
from datetime import UTC, datetime

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.logs import Around, Histogram, Line, TopValues
from settings import Server, Settings
from views.logs.masks import (
    Visibility,
    identified_by,
    masked,
    masked_around,
    masked_histogram,
    masked_pattern,
    masked_top,
    masked_value,
)
from views.logs.rules.patterns import Pattern
from views.logs.view import pattern_filter, understood

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
BLIND = Visibility(identifiers=False, key=b"a key of the tests")
SEEING = Visibility(identifiers=True)


def line(message: str, fields: dict[str, object] | None = None, document: dict[str, object] | None = None) -> Line:
    return Line("index/1", NOW, NOW.isoformat(), "INFO", message, fields or {}, document or {"message": message})


def everything(one: Line) -> str:
    return json.dumps([one.message, dict(one.fields), dict(one.document)], ensure_ascii=False)


def test_somebody_with_the_right_sees_the_line_as_it_is():
    one = line("login of user-17", {"user_id": "user-17"})
    assert masked(one, Visibility(identifiers=True)) is one


def test_an_identifier_is_replaced_in_its_field_and_wherever_else_it_stands():
    document = {
        "fields": {"user_id": "user-17", "message": "login of user-17", "component": "security"},
        "note": ["as user-17, again", {"by user-17": "x"}],
        "kubernetes": {"pod": {"name": "synaptic-a"}},
    }
    found = masked(
        line("login of user-17 from user-170", {"user_id": "user-17", "component": "security"}, document), BLIND
    )
    word = BLIND.pseudonym("user_id", "user-17")
    assert found.fields == {"user_id": word, "component": "security"}
    assert found.message == f"login of {word} from user-170"
    assert found.document["note"] == [f"as {word}, again", {f"by {word}": "x"}]
    assert found.document["kubernetes"] == {"pod": {"name": "synaptic-a"}}
    assert '"user-17"' not in everything(found)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("user_id=olga failed", "olga"),
        ('{"session_id": "lFeYLCD1"}', "lFeYLCD1"),
        ("mail to olga.l+x@example.org bounced", "olga.l+x@example.org"),
        ("from 10.20.0.110:4711", "10.20.0.110"),
        ("from 2001:db8::17 port 1", "2001:db8::17"),
        ("from ::1 port 1", "::1"),
    ],
)
def test_who_somebody_is_is_found_in_a_text_as_well(text, secret):
    assert secret not in masked(line(text), BLIND).message


@pytest.mark.parametrize(
    "text",
    ["at 12:30:59 the pool was full", "synaptic::storage took 1.5 s", "version 1.8.2, 17 of 20", "trace a2f47b6ef06c"],
)
def test_what_tells_of_nobody_stays(text):
    assert masked(line(text), BLIND).message == text


def test_an_identifier_within_json_that_was_kept_as_text_is_replaced():
    inner = {"fields": {"user_id": "olga", "message": "bye olga"}, "ip_address": ["10.0.0.7", "10.0.0.8"]}
    found = masked(line("bye olga", {"user_id": "olga"}, {"message": inner, "log": '{"user_id":"olga"}'}), BLIND)
    assert "olga" not in everything(found)
    assert "10.0.0" not in everything(found)


def test_a_number_is_an_identifier_in_its_field_and_no_other_number_is():
    found = masked(line("retry 3 of 12", {"user_id": 12}, {"fields": {"user_id": 12, "duration_ms": 12}}), BLIND)
    assert found.message == "retry 3 of 12"
    assert found.fields["user_id"] == found.document["fields"]["user_id"] == BLIND.pseudonym("user_id", 12)
    assert found.document["fields"]["duration_ms"] == 12


def test_an_object_in_the_place_of_an_identifier_is_replaced_as_a_whole():
    found = masked(line("x", {}, {"user_id": {"name": "olga", "team": "core"}}), BLIND)
    assert "olga" not in everything(found)
    assert "core" not in everything(found)


def test_the_same_value_has_the_same_pseudonym_under_a_key_and_another_under_another():
    assert BLIND.pseudonym("user_id", "olga") == BLIND.pseudonym("user_id", "olga")
    assert BLIND.pseudonym("user_id", "olga") != BLIND.pseudonym("user_id", "bob")
    assert BLIND.pseudonym("user_id", "olga") != Visibility(False, b"another key").pseudonym("user_id", "olga")


def test_the_settings_may_hold_the_key_and_otherwise_it_is_one_for_the_process():
    keyed = Settings(server=Server(pseudonym_key="sixteen letters and more"))
    assert Visibility.of(keyed, False) == Visibility.of(keyed, False)
    assert Visibility.of(keyed, False).key == b"sixteen letters and more"
    assert Visibility.of(Settings(), False).key == Visibility.of(Settings(), False).key != b""


def test_the_lines_around_a_line_are_masked_and_so_is_what_they_share():
    one = line("login of olga", {"session_id": "olga"})
    found = masked_around(Around((one,), one, (one,), {"session_id": "olga", "pod": "synaptic-a"}), BLIND)
    assert "olga" not in repr(found)
    assert found.same["pod"] == "synaptic-a"


# As ids are: a letter first, and long enough to tell somebody.
NAMES = st.from_regex(r"[a-z][A-Za-z0-9_.@+/-]{5,20}[A-Za-z0-9]", fullmatch=True)


@given(NAMES, st.text(max_size=40), st.text(max_size=40), st.sampled_from(["user_id", "session_id", "ip_address"]))
def test_no_identifier_survives_wherever_it_stands(name, before, behind, field):
    text = f"{before} {name}, {behind}"
    document = {"fields": {field: name, "message": text}, "more": {"deep": [text, {"x": name}]}}
    assert name not in everything(masked(line(text, {field: name}, document), BLIND))


@given(st.text(max_size=300))
def test_any_text_can_be_masked_and_what_is_masked_stays_as_it_is_the_second_time(text):
    once = masked(line(text), BLIND)
    assert masked(once, BLIND) == once


@pytest.mark.parametrize(
    "text", ["u1042", '"sign-in of u1042"', "u10*", "a OR u7", "-guest-3", "10.0.0.7", "jo@example.org", "message:u7"]
)
def test_a_word_that_looks_like_a_person_is_not_searched_for_without_the_right(text):
    (mistake,) = understood(text, (), BLIND).mistakes
    assert "needs the role operator" in mistake.message
    assert 0 <= mistake.position <= mistake.position + mistake.length <= len(text)
    assert understood(text, (), SEEING).usable


@pytest.mark.parametrize(
    "text",
    ["USER-398", "User_398", "user\u2010398", "user\u2212398", "us\u00ader-398", "\uff55ser-398", "398", "39*", "-398",
     '"user 398"', '"user, 398"', "SESS-ABC123", '"sess abc123"', '"Sess. ABC123"', "10.1.2*", "10.*", "10.1.2.3*",
     "2001\\:db8*", "ann.lee", "ANN.LEE", "error:398", "copy_user:USER-398", "copy_user>=user-398",
     "copy_user:[user-398 TO *]", "user_id.keyword:x", "fields.user_id.keyword:*", "nested.session_id:x"],
)  # fmt: skip
def test_another_spelling_or_place_of_an_identifier_is_refused_as_well(text):
    (mistake, *_) = understood(text, (), BLIND).mistakes
    assert "needs the role operator" in mistake.message
    assert understood(text, (), SEEING).usable


@pytest.mark.parametrize(
    "text",
    ["pool timed out", "unit", "level:error component:storage", "pod:synaptic-7f9c-2xkqp", "duration_ms>398",
     "duration_ms:398", '"status 404"', '"after 500 ms"', "5 of 12", "request_id:398", "main.rs", "console.toml",
     "1.8.2", "@timestamp>2026-11-23T14:05:00Z", '"took 1.5 s"', '"user not found"', "a2f47b6ef06c", "x50"],
)  # fmt: skip
def test_words_that_tell_of_nobody_are_searched_for_by_everybody(text):
    asked = understood(text, (), BLIND)
    assert asked.usable
    assert asked.text == text


def test_a_pattern_leaves_open_what_tells_of_a_person_and_makes_no_filter_of_it():
    pattern = Pattern("id", "WARN", "security", ("sign-in", "refused", "user_id=u1042", "from", "10.0.0.7"))
    shown = masked_pattern(pattern, BLIND)
    assert "u1042" not in shown.template
    assert "10.0.0.7" not in shown.template
    assert shown.words[:2] == ("sign-in", "refused")
    assert "u1042" not in pattern_filter(shown)
    assert masked_pattern(pattern, SEEING) is pattern


@pytest.mark.parametrize(
    ("field", "value", "secret"),
    [
        ("error", "user-398", "398"),
        ("error", "login of USER\u2010398 failed", "398"),
        ("copy_user", "user-ada", "ada"),
        ("nested.who", "sess-abc123", "abc123"),
        ("nested.who", "ann.lee@example.org", "ann"),
        ("resource", "user-398", "398"),
        ("error", "no route to 10.0.0.7", "10.0.0.7"),
    ],
)
def test_a_value_apart_from_its_line_is_masked_by_its_form(field, value, secret):
    shown = masked_value(field, value, BLIND)
    assert secret not in shown
    assert "~" in shown
    assert masked_value(field, value, SEEING) == value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("component", "session-store"),
        ("operation", "user_lookup"),
        ("level", "ERROR"),
        ("pod", "synaptic-7f9c-2xkqp"),
        ("error", "too many users"),
        ("error", "pool timed out after 500 ms"),
        ("target", "synaptic::storage"),
    ],
)
def test_a_value_that_tells_of_nobody_is_counted_as_it_is(field, value):
    assert masked_value(field, value, BLIND) == value


def test_counts_whose_values_become_one_are_added():
    index = pd.date_range(NOW, periods=2, freq="min")
    frame = pd.DataFrame(
        {"user-398": [1, 2], "pool": [0, 1], "user-398 ": [3, 0], "other": [1, 1], "": [2, 2]}, index=index
    )
    found = masked_histogram(Histogram(frame.rename(columns={"user-398 ": "user-398"}), 60, 9), "error", BLIND)
    word = BLIND.pseudonym("user_id", "user-398")
    assert found.frame.to_dict("list") == {word: [4, 2], "pool": [0, 1], "other": [1, 1], "": [2, 2]}
    assert masked_histogram(Histogram(frame, 60, 9), "error", SEEING).frame is frame
    top = masked_top(TopValues("error", (("x 10.0.0.7", 5), ("pool", 4), ("x 10.0.0.7", 2))), BLIND)
    assert [count for _, count in top.values] == [7, 4]


def test_a_long_value_is_masked_in_no_time():
    for text in ("user-" * 50_000, "u1 " * 50_000, "a" * 200_000, "1." * 100_000, "\u2010" * 200_000):
        masked_value("error", text, BLIND)
        identified_by(text, prefix=True, loose=True)
