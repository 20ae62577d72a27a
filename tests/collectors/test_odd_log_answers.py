"""Odd answers of a log store: each is understood or told, harms no other line, and never the source itself."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from collectors import registry
from collectors.elasticsearch.dsl import check, to_dsl
from collectors.elasticsearch.search import exact
from collectors.errors import BadAnswer, Denied, Overloaded, Partial, SourceError, TimedOut
from collectors.log_levels import counted_level, level_of, shown_level
from collectors.log_query import parse
from collectors.logs import Page, Question
from collectors.registry import Sources
from settings import Settings
from tests.support.scripted_store import FIELDS, Answer, answering

START = datetime(2026, 11, 23, 11, tzinfo=UTC)
HOUR = Question(START, START + timedelta(hours=1))
AT = datetime(2026, 11, 23, 11, 30, tzinfo=UTC)
MS = int(AT.timestamp() * 1000)

Build = Callable[[dict[str, Answer]], Sources]


@pytest.fixture
def store() -> Iterator[Build]:
    """Builds the sources over a store that answers as told."""
    with ExitStack() as running:

        def build(answers: dict[str, Answer]) -> Sources:
            url = running.enter_context(answering(answers))
            environment = {"elasticsearch": {"url": url, "index": "logs-*", "deadline": 30}}
            limits = {"answer_ttl": 0.001, "keep_stale": 0}
            settings = Settings.model_validate({"environments": {"test": environment}, "limits": limits})
            sources = registry.build(settings, "test")
            for collector in sources.configured():
                running.callback(collector.close)
            return sources

        yield build


def hits(*found: dict[str, object], **more: object) -> dict[str, Answer]:
    made = [{"_id": str(number), "_index": "logs-1", **one} for number, one in enumerate(found)]
    return {"/_search": (200, {"hits": {"hits": made}, **more})}


@pytest.mark.parametrize(
    ("source", "sort", "time", "asked"),
    [
        (MS // 1000, MS, AT, "2026-11-23T11:30:00.000000Z"),  # epoch_second
        (MS, MS, AT, "2026-11-23T11:30:00.000000Z"),  # epoch_millis
        (str(MS // 1000), MS, AT, "2026-11-23T11:30:00.000000Z"),
        ("2026-11-23T11:30:00", MS, AT, "2026-11-23T11:30:00.000000Z"),  # without a zone it is UTC, as for the store
        ("2026-11-23T12:30:00+01:00", MS, AT, "2026-11-23T11:30:00.000000Z"),
        ("2026-11-23T11:30:00,5Z", MS + 500, AT.replace(microsecond=500000), "2026-11-23T11:30:00.500000Z"),
        ("2026-11-23T11:30:00.1239Z", MS + 123, AT.replace(microsecond=123900), "2026-11-23T11:30:00.123900Z"),
        ("2026-11-23T11:30:00.123456789Z", MS * 10**6 + 123456789, AT.replace(microsecond=123456),
         "2026-11-23T11:30:00.123456789Z"),
        ("23/Nov/2026:11:30:00", MS, AT, "2026-11-23T11:30:00.000000Z"),  # a format of the mapping's own
        ("", MS, AT, "2026-11-23T11:30:00.000000Z"),
        ({"$date": 5}, MS, AT, "2026-11-23T11:30:00.000000Z"),
        (None, MS, AT, "2026-11-23T11:30:00.000000Z"),
        (True, MS, AT, "2026-11-23T11:30:00.000000Z"),
        ("²", MS, AT, "2026-11-23T11:30:00.000000Z"),
        ("2026-11-23T11:30:00Z", None, AT, "2026-11-23T11:30:00.000000Z"),  # nothing to sort by is told
        ("no date", 2**63 - 1, None, ""),  # what stands behind all others
        ("no date", -(2**63), None, ""),
        (1e300, None, None, ""),
    ],
)  # fmt: skip
def test_a_line_stands_at_the_time_that_its_index_has_for_it_whatever_its_text(store, source, sort, time, asked):
    one = {"_source": {"@timestamp": source, "message": "m"}, "sort": None if sort is None else [sort]}
    page = store(hits(one)).logs.page(HOUR, size=10)
    (line,) = page.lines
    assert (line.time, exact(line), line.message) == (time, asked, "m")


def test_lines_whose_times_are_in_a_form_of_their_own_are_told():
    odd = {"_source": {"@timestamp": "23/11/2026"}, "sort": [MS]}
    with ExitStack() as running:
        url = running.enter_context(answering(hits(odd, odd, {"_source": None, "sort": [MS]})))
        environment = {"elasticsearch": {"url": url, "index": "logs-*", "deadline": 30}}
        sources = registry.build(Settings.model_validate({"environments": {"test": environment}}), "test")
        running.callback(sources.elasticsearch.close)
        first, second = sources.logs.page(HOUR).remarks
    assert first.startswith("2 lines write @timestamp in a form of their own (“23/11/2026”)")
    assert second == "1 lines have no _source: their index does not keep what was written."


DEEP: object = "end"
for _ in range(900):
    DEEP = {"a": DEEP}


@pytest.mark.parametrize(
    ("hit", "message", "level"),
    [
        ({"_source": None}, "", ""),
        ({}, "", ""),
        ({"fields": {"message": ["of the fields"], "level": ["WARN"]}}, "of the fields", "WARN"),
        ({"_source": {"message": "half \ud800 a character", "level": "info"}}, "half � a character", "INFO"),
        ({"_source": {"message": {"text": "an object"}, "level": {"name": "x"}}}, "", ""),
        ({"_source": {"message": "latin \udce9", "level": "info"}}, "latin \N{REPLACEMENT CHARACTER}", "INFO"),
        ({"_source": {"message": ["first", "second"], "level": [None]}}, "first", ""),
        ({"_source": {"message": 17, "level": 50}}, "17", "ERROR"),
        ({"_source": {"message": "x" * 2_000_000, "level": 17}}, "x" * 2_000_000, "17"),
        ({"_source": {"message": "m", "level": 30.0, "id": 2**64 - 1}}, "m", "INFO"),
        ({"_source": {"message": "m", "level": True}}, "m", "TRUE"),
        ({"_source": {"message": '{"message": "inner", "a": ' + "[" * 5000 + "]" * 5000 + "}"}}, None, ""),
    ],
)  # fmt: skip
def test_a_document_of_any_form_is_a_line_and_the_next_one_is_there_too(store, hit, message, level):
    sources = store(hits({**hit, "sort": [MS]}, {"_source": {"message": "next"}, "sort": [MS]}))
    odd, following = sources.logs.page(HOUR, size=10).lines
    assert following.message == "next"
    assert odd.level == level
    assert message is None or odd.message == message
    json.dumps(odd.document).encode()


def test_a_document_too_deep_to_be_shown_is_kept_to_its_bound(store):
    (line,) = store(hits({"_source": {"message": "m", "deep": DEEP}, "sort": [MS]})).logs.page(HOUR).lines
    inner, levels = line.document["deep"], 0
    while isinstance(inner, dict):
        inner, levels = inner["a"], levels + 1
    assert levels < 100
    assert inner == "(more than 100 levels deep: left out)"


SOME = {"total": 5, "successful": 3, "failed": 2, "failures": [{"index": None, "reason": {"reason": "disk full"}}]}
PARTS: list[tuple[dict[str, object], str]] = [
    ({"timed_out": True}, "ended by its time limit"),
    ({"terminated_early": True}, "ended the search early"),
    ({"_shards": SOME}, "2 of 5 shards failed (disk full)"),
    ({"_shards": {**SOME, "failures": None}}, "2 of 5 shards failed:"),
    ({"_clusters": {"total": 3, "successful": 2, "skipped": 1}}, "1 of 3 clusters did not answer"),
    ({"_clusters": {"total": 3, "successful": 1, "skipped": 0, "partial": 1, "failed": 1}}, "2 of 3 clusters"),
]


@pytest.mark.parametrize(("more", "told"), PARTS, ids=[told for _, told in PARTS])
def test_a_part_of_an_answer_is_called_one_wherever_it_is_used(store, more, told):
    sources = store(hits({"_source": {"message": "m"}, "sort": [MS]}, aggregations=None, **more))
    assert told in sources.logs.page(HOUR).partial
    assert told in sources.logs.histogram(HOUR, step=60).value.partial
    assert told in sources.logs.top_values(HOUR, ["level"]).value[0].partial


@pytest.mark.parametrize("more", [more for more, _ in PARTS if "timed_out" not in more])
def test_a_part_of_a_count_is_no_count(store, more):
    sources = store({"/_count": (200, {"count": 3, **more})})
    for ask in (lambda: sources.logs.count(HOUR), sources.logs.timeless):
        with pytest.raises(Partial, match="counted in part only"):
            ask()


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        (None, (0, False)),
        (7, (7, True)),
        ({"value": 7, "relation": "eq"}, (7, True)),
        ({"value": 10_000, "relation": "gte"}, (10_000, False)),
        ({"value": 7, "relation": None}, (7, True)),
    ],
)
def test_how_many_lines_match_is_read_in_every_form(store, total, expected):
    sources = store({"/_search": (200, {"hits": {"total": total, "hits": None}, "aggregations": {}})})
    found = sources.logs.histogram(HOUR, step=60).value
    assert (found.total, found.exact) == expected


def test_nulls_are_nothing_told_and_a_type_that_is_not_known_is_searched_by_whole_values(store):
    fields = {
        **FIELDS,
        "level": {"keyword": {"searchable": None, "aggregatable": None, "indices": None, "metadata_field": None}},
        "vector": {"dense_vector_2": {"searchable": True, "aggregatable": True}},
        "nothing": None,
        "empty": {},
    }
    sources = store(
        {
            "/_field_caps": (200, {"indices": None, "fields": fields}),
            "/_cluster/health": (200, {"status": None, "unassigned_shards": None}),
            "/_cat/indices": (200, [{"docs.count": None}, {"docs.count": "2"}, {}]),
            "/_count": (200, {"count": 2, "_shards": None}),
        }
    )
    assert sources.logs.fields().value.named("vector").kind == "other"
    assert sources.elasticsearch.health().status == ""
    assert sources.elasticsearch.documents() == 2
    assert sources.logs.count(HOUR).value == 2


def nested(depth: int) -> bytes:
    return b'{"hits":{"hits":[{"_id":"1","_index":"i","_source":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}]}}"


DENIED = {
    "error": {
        "root_cause": None,
        "type": "security_exception",
        "reason": "action [indices:data/read/search] is unauthorized for API key id [x] of user [y]",
    },
    "status": 403,
}


@pytest.mark.parametrize(
    ("answer", "kind", "words", "trips"),
    [
        ((200, nested(200_000)), BadAnswer, "nested too deep", False),
        ((200, b'{"hits":{"hits":[{"_id":"1","_index":"i","_source":{"n":' + b"9" * 5000 + b"}}]}}"), BadAnswer,
         "cannot be read|not JSON", False),
        ((200, b"<html>Sign in</html>"), BadAnswer, "not JSON", True),
        ((200, {"hits": {"hits": [{"_id": None}]}}), BadAnswer, "unexpected form", False),
        ((200, {"hits": "none"}), BadAnswer, "unexpected form", False),
        ((403, DENIED), Denied, "indices:data/read/search", False),
        ((403, b"<html>Forbidden</html>"), Denied, "refused the credentials", True),
        ((401, b"<html>Who are you?</html>"), Denied, "asked for credentials", True),
        ((403, {"error": {"type": "cluster_block_exception", "reason": "blocked by: [FORBIDDEN/5/index read-only]"}}),
         BadAnswer, "blocks this index", False),
        ((429, {"error": {"type": "circuit_breaking_exception", "reason": "[parent] Data too large"}}), Overloaded,
         "too little memory", False),
        ((504, b"<html>Gateway Time-out</html>"), TimedOut, "gave up", False),
        ((504, b"upstream request timeout"), TimedOut, "gave up", False),
        ((429, b"Too Many Requests"), Overloaded, "is overloaded", True),
        ((400, {"error": {"type": "index_closed_exception", "reason": "closed"}}), BadAnswer, "has closed", False),
        ((404, {"error": "alias [logs] missing", "status": 404}), BadAnswer, "could not answer", False),
    ],
)  # fmt: skip
def test_an_answer_that_cannot_be_used_is_told_and_the_breaker_opens_for_the_source_only(
    store, answer, kind, words, trips
):
    sources = store({"/_search": answer})
    for _ in range(4):
        with pytest.raises(kind, match=words) as raised:
            sources.logs.page(HOUR)
    assert raised.value.trips is trips
    assert sources.elasticsearch.source.guard.health().breaker == ("open" if trips else "closed")
    if not trips:
        assert sources.logs.count(HOUR).value == 3


@pytest.mark.parametrize("status", [400, 403, 404, 405])
def test_whoever_may_not_or_cannot_keep_a_list_turns_its_pages_all_the_same(store, status):
    found = [{"_source": {"message": "m"}, "sort": [MS]}]
    sources = store(
        {**hits(*found), "/_pit": (status, {"error": {"type": "x", "reason": "cluster:x is unauthorized"}})}
    )
    first: Page = sources.logs.page(HOUR, size=1)
    assert first.after is not None
    assert len(sources.logs.page(HOUR, size=1, after=first.after).lines) == 1


@pytest.mark.parametrize(
    ("action", "privilege"),
    [
        ("cluster:monitor/health", "the cluster privilege monitor"),
        ("indices:monitor/stats", "the index privilege monitor"),
        ("indices:data/read/search", "the index privilege read"),
        ("indices:admin/mappings/get", "the index privilege view_index_metadata"),
        ("", "read and monitor"),
    ],
)
def test_a_refusal_has_the_server_s_words_and_the_privilege_that_is_needed(store, action, privilege):
    words = f"action [{action}] is unauthorized for user [y]"
    sources = store({"/_cluster/health": (403, {"error": {"type": "security_exception", "reason": words}})})
    with pytest.raises(Denied) as raised:
        sources.elasticsearch.health()
    assert words in raised.value.what
    assert privilege in raised.value.hint
    assert not raised.value.trips


def test_where_the_list_of_indices_is_not_to_be_seen_lines_are_counted(store):
    refused = (403, {"error": {"type": "security_exception", "reason": "no permissions for [indices:monitor/stats]"}})
    assert store({"/_cat/indices": refused}).elasticsearch.documents() == 3
    with pytest.raises(SourceError):
        store({"/_cat/indices": refused, "/_count": refused}).elasticsearch.documents()


@pytest.mark.parametrize(
    ("written", "level", "shown", "counted"),
    [
        ("err", "ERROR", "ERR", "ERROR"),
        ("Error", "ERROR", "ERROR", "ERROR"),
        ("panic", "FATAL", "PANIC", "ERROR"),
        ("critical", "FATAL", "CRITICAL", "ERROR"),
        (60, "FATAL", "FATAL", "ERROR"),
        (50, "ERROR", "ERROR", "ERROR"),
        ("50", "ERROR", "ERROR", "ERROR"),
        (40.0, "WARN", "WARN", "WARN"),
        ("warning", "WARN", "WARNING", "WARN"),
        ("notice", "INFO", "NOTICE", "INFO"),
        ("Information", "INFO", "INFORMATION", "INFO"),
        (3, "ERROR", "ERROR", "ERROR"),
        (17, "", "17", "17"),
        ("audit", "", "AUDIT", "AUDIT"),
        ("käse", "", "käse", "käse"),
        (None, "", "", ""),
        ("", "", "", ""),
    ],
)
def test_a_level_is_one_in_all_its_spellings(written, level, shown, counted):
    assert (level_of(written), shown_level(written), counted_level(written)) == (level, shown, counted)


def typed(kind: str, **more: object) -> dict[str, object]:
    return {kind: {"type": kind, "searchable": True, "aggregatable": True, **more}}


SHAPES = {
    **FIELDS,
    "items": typed("nested"),
    "items.sku": typed("keyword"),
    "items.inner": typed("nested"),
    "items.inner.id": typed("long"),
    "labels": typed("flattened"),
    "error": typed("text", aggregatable=False) | typed("object", searchable=False, aggregatable=False),
    "error.message": typed("text", aggregatable=False),
    "mixed": typed("keyword", indices=["a"]) | typed("nested", indices=["b"]),
    "mixed.id": typed("keyword"),
}


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("items.sku:x", {"nested": {"path": "items", "query": {"term": {"items.sku": {"value": "x"}}},
                                    "ignore_unmapped": True}}),
        ("items.inner.id>5", {"nested": {"path": "items.inner", "query": {"range": {"items.inner.id": {"gt": 5}}},
                                         "ignore_unmapped": True}}),
        ("labels.app.name:x", {"term": {"labels.app.name": {"value": "x"}}}),
        ("labels:x", {"term": {"labels": {"value": "x"}}}),
        ("error:timeout", {"bool": {"minimum_should_match": 1, "should": [
            {"match_phrase": {"error": {"query": "timeout"}}},
            {"match_phrase": {"error.message": {"query": "timeout"}}}]}}),
        ("mixed:x", {"term": {"mixed": {"value": "x"}}}),
    ],
)  # fmt: skip
def test_objects_are_searched_as_the_store_keeps_them(store, text, query):
    fields = store({"/_field_caps": (200, {"fields": SHAPES})}).logs.fields().value
    check(text, parse(text), fields)
    assert to_dsl(parse(text), fields) == query
    assert not [one.name for one in fields.known if one.nested and one.countable]
    assert {one.name for one in fields.known if one.nested} == {"items.sku", "items.inner.id", "mixed.id"}


def test_of_an_error_in_no_form_that_is_known_a_short_excerpt_is_told(store):
    sources = store({"/_search": (400, {"code": 400, "message": "x" * 5000})})
    with pytest.raises(BadAnswer) as raised:
        sources.logs.page(HOUR)
    assert len(raised.value.what) < 200


@pytest.mark.parametrize("part", [b"{}", b"[]"])
def test_an_answer_of_millions_of_values_is_refused_in_words_and_rests_nothing(store, part):
    body = b'{"hits":{"hits":[{"_id":"1","_index":"i","_source":{"a":[%s]}}]}}' % b",".join([part] * 1_000_000)
    sources = store({"/_search": (200, body)})
    for _ in range(4):
        with pytest.raises(BadAnswer, match="more than 1,000,000") as raised:
            sources.logs.page(HOUR)
        assert not raised.value.trips
    assert sources.elasticsearch.source.guard.health().breaker == "closed"
