"""How a search becomes a question: from an allow-list only, and with the meaning that the language has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.elasticsearch.dsl import ALLOWED, check, forbidden_fields, to_dsl
from collectors.log_query import QueryMistake, parse
from collectors.logs import Field, Fields
from tests.collectors.test_log_query import TREES

FIELDS = Fields(
    (
        Field("level", "level", "keyword", countable=True),
        Field("message", "fields.message", "text", countable=False),
        Field("message", "message", "text", countable=False),
        Field("component", "fields.component", "keyword", countable=True),
        Field("duration_ms", "fields.duration_ms", "number", countable=True),
        Field("success", "fields.success", "boolean", countable=True),
        Field("ip_address", "fields.ip_address", "address", countable=True),
        Field("@timestamp", "@timestamp", "time", countable=True),
        Field("error", "fields.error", "text", countable=False, conflict="The indices disagree about error."),
    )
)
ORDERS = Fields((Field("order_id", "order_id", "number", countable=True),))
NAMES = st.sampled_from([one.name for one in FIELDS.known] + ["unknown", "fields.component"])


def kinds(query):
    """All kinds of query within a query."""
    ((name, body),) = query.items()
    yield name
    if name == "bool":
        for occur in ("must", "filter", "should", "must_not"):
            for inner in body.get(occur, []):
                yield from kinds(inner)
        assert set(body) <= {"must", "filter", "should", "must_not", "minimum_should_match"}


@given(TREES)
def test_every_query_is_made_of_allowed_kinds_only(tree):
    try:
        query = to_dsl(tree, FIELDS)
    except QueryMistake:
        return
    assert set(kinds(query)) <= ALLOWED


@given(TREES)
def test_where_the_fields_are_not_known_nothing_but_the_message_can_match(tree):
    assert set(kinds(to_dsl(tree, Fields(())))) <= {"bool", "match_none", "match_all"}


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", {"match_all": {}}),
        ("fields.component:storage", {"term": {"fields.component": {"value": "storage"}}}),
        ("component:stor*", {"prefix": {"fields.component": {"value": "stor"}}}),
        ("duration_ms>1.5s", {"range": {"fields.duration_ms": {"gt": 1500.0}}}),
        ("duration_ms:[1 TO 5}", {"range": {"fields.duration_ms": {"gte": 1.0, "lt": 5.0}}}),
        ("success:TRUE", {"term": {"fields.success": {"value": True}}}),
        ("ip_address:10.0.0.0/8", {"term": {"fields.ip_address": {"value": "10.0.0.0/8"}}}),
        ("@timestamp>=2026-11-23T14:05:00Z", {"range": {"@timestamp": {
            "gte": "2026-11-23T14:05:00+00:00", "format": "strict_date_optional_time"}}}),
        ("error:timeout", {"match_phrase": {"fields.error": {"query": "timeout"}}}),
        ("component:*", {"exists": {"field": "fields.component"}}),
        ("-component:*", {"bool": {"must_not": [{"exists": {"field": "fields.component"}}]}}),
    ],
)  # fmt: skip
def test_what_a_clause_becomes_depends_on_its_field(text, query):
    assert to_dsl(parse(text), FIELDS) == query


@pytest.mark.parametrize(
    ("text", "number", "same"),
    [
        ("order_id:9007199254740993", 9007199254740993, int),
        ("order_id:-9223372036854775808", -(2**63), int),
        ("order_id:18446744073709551615", 2**64 - 1, int),
        ("order_id:99999999999999999999", 1e20, float),
        ("order_id:007", 7, int),
        ("order_id:1.5", 1.5, float),
        ("order_id:1e3", 1000.0, float),
    ],
)
def test_a_whole_number_stays_the_number_that_was_typed(text, number, same):
    (clause,) = to_dsl(parse(text), ORDERS)["term"].values()
    assert clause["value"] == number
    assert type(clause["value"]) is same
    (limits,) = to_dsl(parse(text.replace(":", ">=")), ORDERS)["range"].values()
    assert limits == {"gte": number}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("order_id>1e999", "below 1.8e308"),
        ("duration_ms>1e308h", "below 1.8e308"),
        (f"order_id:{'9' * 1900}", "is a number"),
        ("order_id:nan", "is a number"),
        ("order_id:-inf", "is a number"),
        ("order_id:٣", "is a number"),
        ("@timestamp>0001-01-01T00:00:00+14:00", "is a time"),
        ("@timestamp:9999-12-31T23:59:59-14:00", "is a time"),
        ("@timestamp<10000-01-01T00:00:00Z", "is a time"),
    ],
)
def test_a_value_that_no_store_could_read_is_a_mistake_of_the_search(text, told):
    with pytest.raises(QueryMistake, match=told):
        check(text, parse(text), Fields((*FIELDS.known, *ORDERS.known)))


def test_a_level_is_found_in_every_way_in_which_it_is_written():
    (values,) = to_dsl(parse("level:error"), FIELDS)["terms"].values()
    assert {"ERROR", "error", "Error", "err", "ERR", "PANIC", "critical", "50", "60"} <= set(values)
    assert not {"WARN", "info", "40"} & set(values)
    (values,) = to_dsl(parse("level:warning"), FIELDS)["terms"].values()
    assert {"WARN", "WARNING"} <= set(values)
    (values,) = to_dsl(parse("level:fatal"), FIELDS)["terms"].values()
    assert "PANIC" in values
    assert "ERROR" not in values
    assert to_dsl(parse("level:audit"), FIELDS) == {"term": {"level": {"value": "audit"}}}


@pytest.mark.parametrize(
    ("kind", "text", "clause"),
    [
        ("number", "level:error", {"terms": {"level": [60, 0, 1, 2, 50, 3]}}),
        ("number", "level:Warn*", {"terms": {"level": [40, 4]}}),
        ("number", "level:50", {"term": {"level": {"value": 50}}}),
        ("number", "level>=40", {"range": {"level": {"gte": 40}}}),
    ],
)
def test_a_level_that_is_a_number_is_found_by_its_name(kind, text, clause):
    assert to_dsl(parse(text), Fields((Field("level", "level", kind, countable=True),))) == clause


@pytest.mark.parametrize("kind", ["text", "other"])
def test_a_level_in_a_field_of_words_is_found_by_each_of_its_spellings(kind):
    query = to_dsl(parse("level:error"), Fields((Field("level", "level", kind, countable=False),)))
    words = {clause["match"]["level"]["query"] for clause in query["bool"]["should"]}
    assert {"error", "err", "panic", "50"} <= words
    assert set(kinds(query)) <= ALLOWED


def test_words_are_looked_for_in_every_place_of_the_message():
    query = to_dsl(parse('"pool timed out"'), FIELDS)
    assert [clause["match_phrase"] for clause in query["bool"]["should"]] == [
        {"fields.message": {"query": "pool timed out"}},
        {"message": {"query": "pool timed out"}},
    ]


@pytest.mark.parametrize(
    ("text", "position", "length", "told", "suggestion"),
    [
        ("a compnent:x", 2, 8, "There is no field compnent", "a component:x"),
        ("zzz:1", 0, 3, "write it in quotes", ""),
        ("a duration_ms:fast", 2, 11, "is a number", ""),
        ("success:maybe", 0, 7, "true or false", ""),
        ("ip_address:here", 0, 10, "is an address", ""),
        ("@timestamp>noon", 0, 10, "is a time", ""),
        ("message>5", 0, 7, "cannot be compared", ""),
        ("duration_ms:1*", 0, 11, "has no beginnings", ""),
    ],
)
def test_what_cannot_be_asked_points_at_its_field_and_suggests(text, position, length, told, suggestion):
    with pytest.raises(QueryMistake) as caught:
        check(text, parse(text), FIELDS)
    mistake = caught.value
    assert (mistake.position, mistake.length, mistake.suggestion) == (position, length, suggestion)
    assert told in mistake.message


def test_a_field_is_not_called_unknown_where_no_field_is_known():
    check("anything:1", parse("anything:1"), Fields(()))


def test_a_field_that_one_may_not_see_is_found_wherever_it_stands_in_a_query():
    names = frozenset({"user_id", "fields.user_id"})
    assert forbidden_fields(parse("a (b OR -fields.user_id:u7)"), names) == ("fields.user_id",)
    assert forbidden_fields(parse('"user_id:u7"'), names) == ()
