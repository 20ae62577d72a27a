"""The lines of a real store: whole to the very last one, while others arrive, and what each answer says."""

import json
import random
import uuid
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from collectors import registry
from collectors.errors import SourceError
from collectors.log_query import And, Compare, Exists, Not, Or, Term, parse
from collectors.logs import Bookmark, Question
from settings import Settings
from tests.support.log_lines import document, every, new_index, write

pytestmark = pytest.mark.integration

END = datetime(2026, 11, 23, 12, tzinfo=UTC)
START = END - timedelta(hours=1)
HOUR = Question(START, END)


@pytest.fixture
def source(real_elasticsearch):
    """Builds the log source of an index or pattern."""
    built = []

    def make(index, url=real_elasticsearch):
        environment = {"elasticsearch": {"url": url, "index": index, "deadline": 60}}
        settings = Settings(environments={"test": environment}, limits={"answer_ttl": 0.001, "keep_stale": 0})
        built.append(registry.build(settings, "test"))
        return built[-1].logs

    yield make
    for sources in built:
        for collector in sources.configured():
            collector.close()


@pytest.fixture
def index(real_elasticsearch):
    return new_index(real_elasticsearch)


def pages(logs, question, size, order="newest", between=lambda: None):
    """All lines in pages of a size; ``between`` happens after each."""
    found, after = [], None
    while True:
        page = logs.page(question, size=size, order=order, after=after)
        found.extend(page.lines)
        if page.after is None:
            return found
        after = page.after
        between()


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_no_line_is_lost_or_doubled_while_new_ones_arrive(real_elasticsearch, source, index, order):
    logs = source(index)
    write(real_elasticsearch, index, [document(at, f"line {n}") for n, at in enumerate(every(START, END, 137))])
    before = {one.id for one in pages(logs, HOUR, 1000)}
    assert len(before) == 137
    moments = every(START, END, 50)

    def arrive():
        late = [document(next(moments, END), f"late {uuid.uuid4()}") for _ in range(3)]
        write(real_elasticsearch, index, late)

    found = [one.id for one in pages(logs, HOUR, 10, order, arrive)]
    assert len(found) == len(set(found))
    assert before <= set(found)


def test_lines_of_one_moment_are_all_there_once_however_the_pages_cut_them(real_elasticsearch, source, index):
    logs = source(index)
    same = [document(START + timedelta(minutes=5), f"same {n}") for n in range(23)]
    write(real_elasticsearch, index, [*same, document(START, "first"), document(END, "last")])
    for size in (1, 2, 7, 25):
        found = [one.id for one in pages(logs, HOUR, size)]
        assert (len(found), len(set(found))) == (25, 25)


def test_pages_stand_in_the_order_that_was_asked_for(real_elasticsearch, source, index):
    logs = source(index)
    write(real_elasticsearch, index, [document(at, "x") for at in every(START, END, 30)])
    newest = [one.time for one in pages(logs, HOUR, 7)]
    assert newest == sorted(newest, reverse=True)
    assert [one.time for one in pages(logs, HOUR, 7, "oldest")] == newest[::-1]


def test_a_scan_gives_all_lines_up_to_its_bound(real_elasticsearch, source, index):
    logs = source(index)
    write(real_elasticsearch, index, [document(at, "x") for at in every(START, END, 40)])
    assert sum(len(page.lines) for page in logs.scan(HOUR, size=15, most=1000)) == 40
    assert sum(len(page.lines) for page in logs.scan(HOUR, size=15, most=20)) == 20
    assert logs.count(HOUR).value == 40


def test_a_list_that_the_store_no_longer_keeps_goes_on_where_it_ended(real_elasticsearch, source, index):
    logs = source(index)
    same = [document(START + timedelta(minutes=5), f"same {n}") for n in range(11)]
    write(real_elasticsearch, index, [*same, *(document(at, "x") for at in every(START, END, 10))])
    found, after = [], None
    while True:
        page = logs.page(HOUR, size=3, after=after)
        found.extend(one.id for one in page.lines)
        if page.after is None:
            break
        after = page.after
        logs.release(after)
    assert (len(found), len(set(found))) == (21, 21)


def test_a_histogram_holds_every_line_once_in_buckets_without_holes(real_elasticsearch, source, index):
    logs = source(index)
    levels = ["INFO", "INFO", "WARN", "ERROR"]
    write(
        real_elasticsearch,
        index,
        [document(at, "x", levels[n % 4]) for n, at in enumerate(every(START, START + timedelta(minutes=20), 40))],
    )
    found = logs.histogram(HOUR, step=300).value
    assert found.frame.sum().to_dict() == {"INFO": 20, "WARN": 10, "ERROR": 10}
    assert (found.total, found.exact, found.partial) == (40, True, "")
    assert list(found.frame.index) == [START + timedelta(minutes=5 * n) for n in range(13)]
    assert logs.histogram(HOUR, step=300, by="").value.frame["lines"].tolist() == [10] * 4 + [0] * 9


def test_a_histogram_puts_small_values_and_lines_without_the_field_in_columns_of_their_own(
    real_elasticsearch, source, index
):
    logs = source(index)
    made = [document(START, "x", component=f"c{n}") for n in range(5) for _ in range(n + 1)]
    bare = document(START, "x")
    del bare["fields"]["component"]
    write(real_elasticsearch, index, [*made, bare])
    frame = logs.histogram(HOUR, step=3600, by="component", limit=2).value.frame
    assert frame.iloc[0].to_dict() == {"c4": 5, "c3": 4, "other": 6, "": 1}


def test_more_buckets_than_a_chart_can_show_are_refused(source, index):
    with pytest.raises(ValueError, match="more than a chart can show"):
        source(index).histogram(Question(START - timedelta(days=30), END), step=60)


def test_top_values_count_all_lines(real_elasticsearch, source, index):
    logs = source(index)
    made = [document(START, "x", component=f"c{n}") for n in range(5) for _ in range(n + 1)]
    bare = document(START, "x", "error")
    del bare["fields"]["component"]
    write(real_elasticsearch, index, [*made, bare])
    component, level = logs.top_values(HOUR, ["component", "level"], limit=2).value
    assert component.values == (("c4", 5), ("c3", 4))
    assert (component.other, component.missing, component.lines) == (6, 1, 16)
    assert dict(level.values) == {"INFO": 15, "ERROR": 1}


def test_fields_are_listed_by_name_with_their_kinds(real_elasticsearch, source, index):
    write(real_elasticsearch, index, [document(START, "x", duration_ms=1.5)])
    found = source(index).fields().value
    assert found.named("level").kind == "keyword"
    assert found.named("component").path == "fields.component"
    assert found.named("fields.component") == found.named("component")
    assert found.named("duration_ms").kind == "number"
    assert found.named("nonsense") is None


def test_a_field_that_indices_disagree_about_is_told_and_still_searched(real_elasticsearch, source):
    name = f"conflict-{uuid.uuid4().hex}"
    for kind in ("text", "keyword"):
        mapping = {"properties": {"@timestamp": {"type": "date"}, "fields": {"properties": {"error": {"type": kind}}}}}
        httpx.put(
            f"{real_elasticsearch}/{name}-{kind}", json={"mappings": mapping}, timeout=60, trust_env=False
        ).raise_for_status()
        write(real_elasticsearch, f"{name}-{kind}", [document(START, "x", error="timeout")])
    logs = source(f"{name}-*")
    field = logs.fields().value.named("error")
    assert not field.countable
    assert "disagree about error" in field.conflict
    assert field.conflict in logs.fields().value.remarks
    assert len(logs.page(Question(START, END, parse("error:timeout"))).lines) == 2


def test_of_ten_thousand_fields_the_known_ones_come_first_and_the_rest_is_cut(real_elasticsearch, source):
    name = f"wide-{uuid.uuid4().hex}"
    properties = {f"f{n:05}": {"type": "keyword"} for n in range(10_000)}
    settings = {"index.mapping.total_fields.limit": 20_000}
    body = {"settings": settings, "mappings": {"properties": {**properties, "level": {"type": "keyword"}}}}
    httpx.put(f"{real_elasticsearch}/{name}", json=body, timeout=60, trust_env=False).raise_for_status()
    logs = source(name)
    found = logs.fields().value
    assert found.known[0].name == "level"
    assert (len(found.known), found.cut) == (1000, 9001)
    write(real_elasticsearch, name, [{"@timestamp": START.isoformat(), "f09876": "seldom"}])
    assert len(logs.page(Question(START, END, parse("f09876:seldom"))).lines) == 1
    assert logs.top_values(HOUR, ["f09876"]).value[0].values == (("seldom", 1),)


def test_the_lines_around_a_line_are_those_of_its_pod_in_their_order(real_elasticsearch, source, index):
    logs = source(index)
    made = [document(at, f"line {n}") for n, at in enumerate(every(START, END, 9))]
    other = document(START + timedelta(minutes=30), "of another pod")
    other["kubernetes"] = {"pod": {"name": "synaptic-b"}}
    write(real_elasticsearch, index, [*made, other])
    (line,) = (one for one in logs.page(HOUR).lines if one.message == "line 4")
    found = logs.around(line, size=2)
    assert [one.message for one in (*found.before, found.line, *found.after)] == [f"line {n}" for n in range(2, 7)]
    assert found.same == {"pod": "synaptic-a"}
    everything = logs.around(line, same="all", size=20)
    assert len(everything.before) + len(everything.after) == 9


def test_lines_of_the_same_moment_stand_around_in_the_order_in_which_they_were_written(
    real_elasticsearch, source, index
):
    logs = source(index)
    made = [document(START, f"line {n}") | {"log": {"offset": n * 100}} for n in range(5)]
    write(real_elasticsearch, index, random.Random(3).sample(made, 5))
    (line,) = (one for one in logs.page(HOUR).lines if one.message == "line 2")
    found = logs.around(line, size=5)
    assert [one.message for one in (*found.before, found.line, *found.after)] == [f"line {n}" for n in range(5)]


def test_a_line_without_what_it_should_share_says_so(real_elasticsearch, source, index):
    logs = source(index)
    write(real_elasticsearch, index, [document(START, "x")])
    (line,) = logs.page(HOUR).lines
    found = logs.around(line, same="trace")
    assert (found.before, found.after) == ((), ())
    assert found.partial == "This line has no trace to share with others."


def test_a_line_is_found_by_its_identity_and_no_line_of_another_index_is(real_elasticsearch, source, index):
    logs = source(index)
    write(real_elasticsearch, index, [document(START, "mine")])
    (line,) = logs.page(HOUR).lines
    assert logs.line(line.id).message == "mine"
    foreign = new_index(real_elasticsearch)
    write(real_elasticsearch, foreign, [document(START, "theirs")])
    (theirs,) = source(foreign).page(HOUR).lines
    assert logs.line(theirs.id) is None
    assert logs.line("nonsense") is None
    assert logs.line(f"{index}/gone") is None


def test_a_line_that_holds_json_as_text_is_parsed(real_elasticsearch, source, index):
    inner = {"level": "warn", "fields": {"message": "inside", "component": "storage", "duration_ms": 7}}
    outer = {"@timestamp": START.isoformat(), "message": json.dumps(inner)}
    write(real_elasticsearch, index, [outer])
    (line,) = source(index).page(HOUR).lines
    assert (line.level, line.message) == ("WARN", "inside")
    assert line.fields["component"] == "storage"
    assert line.document["message"] == inner


def test_a_message_that_only_looks_like_json_stays_as_it_is(real_elasticsearch, source, index):
    write(real_elasticsearch, index, [{"@timestamp": START.isoformat(), "message": "{broken"}])
    (line,) = source(index).page(HOUR).lines
    assert line.message == "{broken"
    assert line.level == ""


def test_dotted_fields_and_a_line_of_32_kilobytes_come_whole(real_elasticsearch, source, index):
    long = "x" * 32_768
    write(real_elasticsearch, index, [{"@timestamp": START.isoformat(), "level": "INFO", "fields.message": long}])
    (line,) = source(index).page(HOUR).lines
    assert line.message == long


def test_a_line_without_a_time_is_in_no_window_and_is_counted(real_elasticsearch, source, index):
    logs = source(index)
    write(real_elasticsearch, index, [document(None, "when?"), document(START, "then")])
    assert [one.message for one in logs.page(HOUR).lines] == ["then"]
    assert logs.timeless().value == 1


def test_a_line_of_a_clock_that_is_ahead_is_where_its_clock_says(real_elasticsearch, source, index):
    logs = source(index)
    write(real_elasticsearch, index, [document(END + timedelta(days=1), "ahead")])
    assert logs.page(HOUR).lines == ()
    (line,) = logs.page(Question(START, END + timedelta(days=2))).lines
    assert line.time == END + timedelta(days=1)


def test_a_pattern_without_an_index_is_empty_and_says_so(source):
    logs = source(f"nothing-{uuid.uuid4().hex}-*")
    assert logs.page(HOUR).lines == ()
    assert logs.count(HOUR).value == 0
    assert logs.histogram(HOUR, step=600).value.total == 0
    (remark,) = logs.fields().value.remarks
    assert "No index matches" in remark


def test_a_sample_of_few_lines_is_all_of_them_and_of_many_says_so(real_elasticsearch, source, index):
    logs = source(index)
    write(real_elasticsearch, index, [document(at, f"line {n}") for n, at in enumerate(every(START, END, 2000))])
    whole = logs.sample(HOUR, size=5000)
    assert (len(whole.lines), whole.partial) == (2000, "")
    part = logs.sample(HOUR, size=400)
    assert 200 <= len(part.lines) <= 800
    assert "of 2,000 lines were looked at" in part.partial
    halves = [one.time < START + timedelta(minutes=30) for one in part.lines]
    assert 0.4 <= sum(halves) / len(halves) <= 0.6


def test_a_store_that_is_down_is_told_and_giving_back_a_list_never_fails(source):
    logs = source("any", "http://127.0.0.1:9")
    with pytest.raises(SourceError, match="cannot be reached"):
        logs.page(HOUR)
    logs.release(Bookmark((), "gone"))


COMPONENTS = ("memory", "query", "storage", "security")


def holds(query, doc):
    """The meaning of a query for a document, over keywords and numbers."""
    fields = {"level": doc["level"], **doc["fields"]}
    match query:
        case Term(name, value, _, prefix):
            return name in fields and (fields[name].startswith(value) if prefix else fields[name] == value)
        case Compare(name, low, high, include_low, include_high):
            if name not in fields:
                return False
            number = fields[name]
            above = low is None or number > float(low) or (include_low and number == float(low))
            below = high is None or number < float(high) or (include_high and number == float(high))
            return above and below
        case Exists(name):
            return name in fields
        case Not(item):
            return not holds(item, doc)
        case And(items):
            return all(holds(one, doc) for one in items)
        case Or(items):
            return any(holds(one, doc) for one in items)
    raise AssertionError(query)


def a_query(chance, depth=2):
    kind = chance.choice(["term", "prefix", "compare", "exists", "not", "and", "or"] if depth else ["term", "compare"])
    match kind:
        case "term":
            return Term("component", chance.choice(COMPONENTS))
        case "prefix":
            return Term("component", chance.choice(COMPONENTS)[: chance.randint(1, 3)], prefix=True)
        case "compare":
            low, high = sorted((chance.randint(0, 99), chance.randint(0, 99)))
            return Compare("duration_ms", str(low), str(high), chance.random() < 0.5, chance.random() < 0.5)
        case "exists":
            return Exists(chance.choice(["duration_ms", "user_id"]))
        case "not":
            return Not(a_query(chance, depth - 1))
    items = tuple(dict.fromkeys(a_query(chance, depth - 1) for _ in range(3)))
    return items[0] if len(items) == 1 else (And if kind == "and" else Or)(items)


def test_the_store_finds_just_the_lines_that_the_language_means(real_elasticsearch, source, index):
    chance = random.Random(7)
    documents = []
    for number, at in enumerate(every(START, END, 120)):
        fields = {"number": number}
        if chance.random() < 0.7:
            fields["duration_ms"] = chance.randint(0, 99)
        if chance.random() < 0.5:
            fields["user_id"] = f"u{chance.randint(1, 5)}"
        documents.append(document(at, f"line {number}", component=chance.choice(COMPONENTS), **fields))
    write(real_elasticsearch, index, documents)
    logs = source(index)
    for _ in range(120):
        query = a_query(chance)
        found = {one.document["fields"]["number"] for one in logs.page(Question(START, END, query), size=1000).lines}
        assert found == {one["fields"]["number"] for one in documents if holds(query, one)}, query


def test_with_daily_indices_only_the_days_of_a_window_are_asked(real_elasticsearch):
    name = f"daily-{uuid.uuid4().hex}"
    days = [START - timedelta(days=1), START]
    for day in days:
        write(real_elasticsearch, f"{name}-{day:%Y.%m.%d}", [document(day, f"{day:%d}")])
    environment = {"elasticsearch": {"url": real_elasticsearch, "index": f"{name}-*", "daily": True, "deadline": 60}}
    sources = registry.build(Settings(environments={"test": environment}), "test")
    try:
        store, logs = sources.elasticsearch, sources.logs
        assert store.indices(START, END) == f"{name}-2026.11.23"
        assert store.indices(days[0], END) == f"{name}-2026.11.22,{name}-2026.11.23"
        assert store.indices(START - timedelta(days=60), END) == f"{name}-*"
        assert [one.message for one in logs.page(Question(days[0], END)).lines] == ["23", "22"]
        assert [one.message for one in logs.page(Question(START - timedelta(days=9), END)).lines] == ["23", "22"]
        assert logs.page(Question(START + timedelta(days=5), END + timedelta(days=5))).lines == ()
        assert store.documents() == 2
    finally:
        for collector in sources.configured():
            collector.close()
