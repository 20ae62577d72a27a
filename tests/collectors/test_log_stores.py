"""Stores and indices that are not as one would wish: without snapshots, with two kinds of time, with a part missing."""

import json
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from collectors import registry
from collectors.elasticsearch import logs as elasticsearch_logs
from collectors.elasticsearch.failures import failure, reason
from collectors.errors import BadAnswer, Overloaded, Partial
from collectors.http import HttpSource
from collectors.log_query import parse
from collectors.logs import Line, LogSource, Question
from settings import Elasticsearch, Settings
from tests.support.log_lines import document, every, new_index, write

END = datetime(2026, 11, 23, 12, tzinfo=UTC)
START = END - timedelta(hours=1)
HOUR = Question(START, END)
Make = Callable[..., LogSource]


@pytest.fixture
def source(real_elasticsearch: str) -> Iterator[Make]:
    """Builds the log source of an index or pattern."""
    built = []

    def make(index: str, url: str = real_elasticsearch) -> LogSource:
        environment = {"elasticsearch": {"url": url, "index": index, "deadline": 60}}
        settings = Settings.model_validate(
            {"environments": {"test": environment}, "limits": {"answer_ttl": 0.001, "keep_stale": 0}}
        )
        built.append(registry.build(settings, "test"))
        return built[-1].logs

    yield make
    for sources in built:
        for collector in sources.configured():
            collector.close()


def put(url: str, path: str, body: object) -> None:
    httpx.put(f"{url}/{path}", json=body, timeout=60, trust_env=False).raise_for_status()


def pages(logs: LogSource, size: int, order: str = "newest", question: Question = HOUR) -> list[Line]:
    found, after = [], None
    while True:
        page = logs.page(question, size=size, order=order, after=after)
        found.extend(page.lines)
        if page.after is None:
            return found
        after = page.after


def without_snapshots(url: str) -> AbstractContextManager[str]:
    """The address of the same store, which knows no points in time."""
    return relayed(url, lambda path, _: "_pit" not in path)


@contextmanager
def relayed(url: str, allow: Callable[[str, bytes], bool]) -> Iterator[str]:
    """The address of the same store, which refuses what ``allow`` does not let through, by path and body."""

    class Relay(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def relay(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if not allow(self.path, body):
                status, sent = 405, b'{"error":"Incorrect HTTP method for uri","status":405}'
            else:
                headers = {name: self.headers[name] for name in ("Accept", "Content-Type") if name in self.headers}
                answer = httpx.request(
                    self.command, f"{url}{self.path}", content=body, headers=headers, timeout=60, trust_env=False
                )
                status, sent = answer.status_code, answer.content
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("X-Elastic-Product", "Elasticsearch")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: object) -> None:
            return

    for method in ("GET", "POST", "DELETE"):
        setattr(Relay, f"do_{method}", Relay.relay)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.integration
@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_a_store_without_snapshots_loses_and_doubles_no_line_either(real_elasticsearch: str, source: Make, order: str):
    index = new_index(real_elasticsearch)
    same = [document(START + timedelta(minutes=5), f"same {n}") for n in range(11)]
    write(real_elasticsearch, index, [*same, *(document(at, "x") for at in every(START, END, 20))])
    with without_snapshots(real_elasticsearch) as url:
        for size in (1, 4, 31):
            found = [one.id for one in pages(source(index, url), size, order)]
            assert (len(found), len(set(found))) == (31, 31)


@pytest.mark.integration
def test_while_another_writes_all_the_time_every_line_that_was_there_comes_once(real_elasticsearch: str, source: Make):
    index = new_index(real_elasticsearch)
    write(real_elasticsearch, index, [document(at, f"line {n}") for n, at in enumerate(every(START, END, 300))])
    before = {one.id for one in pages(source(index), 1000)}
    enough = threading.Event()

    def write_on() -> None:
        number = 0
        while not enough.is_set():
            number += 1
            at = START + timedelta(seconds=number * 37 % 3600)
            write(real_elasticsearch, index, [document(at, f"late {number}")])

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        found = [one.id for one in pages(source(index), 20)]
    finally:
        enough.set()
        writer.join()
    assert len(found) == len(set(found))
    assert before <= set(found)


@pytest.mark.integration
def test_times_to_the_nanosecond_stand_between_times_to_the_millisecond(real_elasticsearch: str, source: Make):
    name = f"exact-{uuid.uuid4().hex}"
    for kind in ("date", "date_nanos"):
        put(real_elasticsearch, f"{name}-{kind}", {"mappings": {"properties": {"@timestamp": {"type": kind}}}})
    for number in range(12):
        kind = ("date", "date_nanos")[number % 2]
        stamp = f"2026-11-23T11:30:{number:02}.123" + ("456789" if kind == "date_nanos" else "") + "Z"
        write(real_elasticsearch, f"{name}-{kind}", [{"@timestamp": stamp, "message": str(number)}])
    logs = source(f"{name}-*")
    for size in (1, 5, 12):
        assert [one.message for one in pages(logs, size)] == [str(number) for number in range(11, -1, -1)]
        assert [one.message for one in pages(logs, size, "oldest")] == [str(number) for number in range(12)]
    newest = logs.page(HOUR, size=1).lines[0]
    assert newest.stamp == "2026-11-23T11:30:11.123456789Z"
    assert newest.time == datetime(2026, 11, 23, 11, 30, 11, 123456, UTC)
    around = logs.around(newest, same="all", size=2)
    assert [one.message for one in around.before] == ["9", "10"]
    assert logs.histogram(HOUR, step=3600, by="").value.total == 12


@pytest.mark.integration
def test_lines_of_one_millisecond_stand_in_the_order_that_they_tell_themselves(real_elasticsearch: str, source: Make):
    index = new_index(real_elasticsearch)
    stamps = [f"2026-11-23T11:30:00.123{number:03}Z" for number in (500, 100, 900, 300)]
    write(real_elasticsearch, index, [{"@timestamp": stamp, "message": stamp[-4:-1]} for stamp in stamps])
    assert [one.message for one in source(index).page(HOUR).lines] == ["900", "500", "300", "100"]
    assert [one.message for one in source(index).page(HOUR, order="oldest").lines] == ["100", "300", "500", "900"]


@pytest.mark.integration
def test_two_indices_may_have_lines_of_the_same_identity_at_the_same_moment(real_elasticsearch: str, source: Make):
    name = f"same-{uuid.uuid4().hex}"
    for day in ("1", "2"):
        httpx.put(
            f"{real_elasticsearch}/{name}-{day}/_doc/one%2Fand%2Fonly?refresh=true",
            json=document(START, f"of {day}"),
            timeout=60,
            trust_env=False,
        ).raise_for_status()
    logs = source(f"{name}-*")
    found = pages(logs, 1)
    assert sorted(one.message for one in found) == ["of 1", "of 2"]
    for one in found:
        assert logs.line(one.id) == one or logs.line(one.id).message == one.message


@pytest.mark.integration
def test_a_frequent_value_is_counted_whole_in_each_bucket_of_a_histogram(real_elasticsearch: str, source: Make):
    index = new_index(real_elasticsearch)
    made = []
    for hour in range(4):  # in each bucket three users who come once are before u9 by their names
        at = START + timedelta(minutes=15 * hour)
        made += [document(at, "x", user_id="u9"), *(document(at, "x", user_id=f"u{hour}{n}") for n in range(3))]
    write(real_elasticsearch, index, [*made, document(START, "x")])
    frame = source(index).histogram(HOUR, step=900, by="user_id", limit=1).value.frame
    assert frame["u9"].tolist() == [1, 1, 1, 1, 0]
    assert frame["other"].tolist() == [3, 3, 3, 3, 0]
    assert frame[""].tolist() == [1, 0, 0, 0, 0]


@pytest.mark.integration
def test_a_value_that_is_called_other_is_no_column_of_its_own(real_elasticsearch: str, source: Make):
    index = new_index(real_elasticsearch)
    write(real_elasticsearch, index, [document(START, "x", component=name) for name in ("other", "a", "b", "b")])
    frame = source(index).histogram(HOUR, step=3600, by="component", limit=2).value.frame
    assert frame.iloc[0].to_dict() == {"b": 2, "a": 1, "other": 1}


@pytest.mark.integration
def test_a_field_in_two_places_is_counted_as_one(real_elasticsearch: str, source: Make):
    index = f"places-{uuid.uuid4().hex}"
    properties = {"@timestamp": {"type": "date"}, "component": {"type": "keyword"}}
    inner = {"fields": {"properties": {"component": {"type": "keyword"}}}}
    put(real_elasticsearch, index, {"mappings": {"properties": {**properties, **inner}}})
    at = START.isoformat()
    lines = [{"component": "a"}, {"fields": {"component": "a"}}, {"fields": {"component": "b"}}, {}]
    write(real_elasticsearch, index, [{"@timestamp": at, **one} for one in lines])
    logs = source(index)
    (found,) = logs.top_values(HOUR, ["component"]).value
    assert (found.values, found.other, found.missing, found.lines) == ((("a", 2), ("b", 1)), 0, 1, 4)
    frame = logs.histogram(HOUR, step=3600, by="component").value.frame
    assert frame.iloc[0].to_dict() == {"a": 2, "b": 1, "": 1}
    assert len(logs.page(Question(START, END, parse("component:a"))).lines) == 2


@pytest.mark.integration
def test_a_field_that_is_a_word_here_and_a_number_there_is_found_by_either(real_elasticsearch: str, source: Make):
    name = f"kinds-{uuid.uuid4().hex}"
    for kind, value in (("long", 7), ("keyword", "seven")):
        properties = {"@timestamp": {"type": "date"}, "resource": {"type": kind}}
        put(real_elasticsearch, f"{name}-{kind}", {"mappings": {"properties": properties}})
        write(real_elasticsearch, f"{name}-{kind}", [{"@timestamp": START.isoformat(), "resource": value}])
    logs = source(f"{name}-*")
    assert "It is searched by whole values, and cannot be counted." in logs.fields().value.named("resource").conflict
    for value in ("7", "seven"):
        page = logs.page(Question(START, END, parse(f"resource:{value}")))
        assert (len(page.lines), page.partial) == (1, "")


@pytest.mark.integration
def test_of_very_many_lines_values_are_estimated_from_a_part_where_the_store_can(
    real_elasticsearch: str, source: Make, monkeypatch: pytest.MonkeyPatch
):
    index = new_index(real_elasticsearch)
    levels = ["INFO", "INFO", "INFO", "ERROR"]
    write(real_elasticsearch, index, [document(at, "x", levels[n % 4]) for n, at in enumerate(every(START, END, 4000))])
    monkeypatch.setattr(elasticsearch_logs, "SAMPLED_FROM", 1000)
    monkeypatch.setattr(elasticsearch_logs, "SAMPLE", 1000)
    (found,) = source(index).top_values(HOUR, ["level"]).value
    counts = dict(found.values)
    assert found.sampled == (os.environ.get("ELASTICSEARCH") == "real")
    if found.sampled:
        assert 700 < found.lines < 1300
        assert 2500 < counts["INFO"] < 3500
    else:
        assert (found.lines, counts) == (4000, {"INFO": 3000, "ERROR": 1000})


def limits_of(body: bytes) -> dict[str, str] | None:
    """Between which moments a search asks; ``None`` where a request is another one."""
    clauses = json.loads(body or b"{}").get("query", {}).get("bool", {}).get("filter", [])
    return next((one["range"]["@timestamp"] for one in clauses if "range" in one), None)


@pytest.mark.integration
def test_what_stands_around_a_line_is_asked_side_by_side_and_near_it_first(real_elasticsearch: str, source: Make):
    index = new_index(real_elasticsearch)
    write(real_elasticsearch, index, [document(at, f"{n}") for n, at in enumerate(every(START, END, 60))])
    line = next(one for one in source(index).page(HOUR).lines if one.message == "30")
    asked: list[dict[str, str]] = []
    together = threading.Barrier(3)

    def allow(_: str, body: bytes) -> bool:
        limits = limits_of(body)
        if limits is not None:
            asked.append(limits)
            try:
                together.wait(30)  # none is answered before all have come
            except threading.BrokenBarrierError:
                return False
        return True

    with relayed(real_elasticsearch, allow) as url:
        found = source(index, url).around(line, same="all", size=5)
    assert [one.message for one in found.before] == [str(n) for n in range(25, 30)]
    assert [one.message for one in found.after] == [str(n) for n in range(31, 36)]
    assert len(asked) == 3
    for limits in asked:
        ends = [datetime.fromisoformat(limits[name]) for name in ("gt", "gte", "lt", "lte") if name in limits]
        assert len(ends) == 2
        assert abs(ends[0] - ends[1]) <= elasticsearch_logs.NEAR


@pytest.mark.integration
def test_where_few_lines_stand_near_a_line_those_of_all_time_are_found(real_elasticsearch: str, source: Make):
    index = new_index(real_elasticsearch)
    moment = START + timedelta(minutes=30)
    away = [timedelta(days=-400), timedelta(days=-3), timedelta(minutes=-5), timedelta(), timedelta(minutes=1)]
    away += [timedelta(minutes=2), timedelta(days=2)]
    write(real_elasticsearch, index, [document(moment + one, f"{n}") for n, one in enumerate(away)])
    line = next(one for one in source(index).page(HOUR).lines if one.message == "3")
    asked: list[dict[str, str]] = []

    def allow(_: str, body: bytes) -> bool:
        limits = limits_of(body)
        if limits is not None:
            asked.append(limits)
        return True

    with relayed(real_elasticsearch, allow) as url:
        logs = source(index, url)
        found = logs.around(line, same="all", size=2)
        assert [one.message for one in (*found.before, *found.after)] == ["1", "2", "4", "5"]
        # Only before it there are too few within the hour.
        assert [sorted(one) for one in asked[3:]] == [["format", "lt"]]
        found = logs.around(line, same="all", size=20)
        assert [one.message for one in (*found.before, *found.after)] == ["0", "1", "2", "4", "5", "6"]


@pytest.mark.integration
@pytest.mark.parametrize("stamp", ["0001-01-01T00:10:00Z", "9999-12-31T23:50:00Z"])
def test_a_line_at_the_end_of_all_time_has_surroundings_too(real_elasticsearch: str, source: Make, stamp: str):
    index = new_index(real_elasticsearch)
    logs = source(index)
    moment = datetime.fromisoformat(stamp)
    write(real_elasticsearch, index, [{"@timestamp": stamp, "message": "at the end"}, document(START, "of today")])
    line = Line("x", moment, stamp, "INFO", "at the end", {}, {})
    found = logs.around(line, same="all", size=5)
    assert "of today" in [one.message for one in (*found.before, *found.after)]


@pytest.mark.integration
def test_among_too_many_lines_of_one_moment_neighbours_are_not_guessed(
    real_elasticsearch: str, source: Make, monkeypatch: pytest.MonkeyPatch
):
    index = new_index(real_elasticsearch)
    write(real_elasticsearch, index, [document(START, f"{n}") for n in range(8)])
    logs = source(index)
    line = logs.page(HOUR).lines[0]
    assert len(logs.around(line).after) + len(logs.around(line).before) == 7
    monkeypatch.setattr(elasticsearch_logs, "MOST_TIES", 3)
    shown = [logs.around(one) for one in logs.page(HOUR).lines]
    unknown = [one for one in shown if one.partial]
    assert unknown
    assert all("More than 3 lines have this very time" in one.partial and not one.before for one in unknown)


@pytest.mark.integration
def test_the_window_is_understood_whatever_way_the_index_writes_its_times(real_elasticsearch: str, source: Make):
    index = f"millis-{uuid.uuid4().hex}"
    properties = {"@timestamp": {"type": "date", "format": "epoch_millis"}, "level": {"type": "keyword"}}
    put(real_elasticsearch, index, {"mappings": {"properties": properties}})
    first = int(START.timestamp() * 1000)
    write(real_elasticsearch, index, [{"@timestamp": first + n * 1000, "level": "INFO"} for n in range(7)])
    found = pages(source(index), 3)
    assert [one.time for one in found] == [START + timedelta(seconds=n) for n in range(6, -1, -1)]


@pytest.mark.integration
def test_times_in_a_format_of_the_index_s_own_are_turned_into_pages_and_surroundings(
    real_elasticsearch: str, source: Make
):
    name = f"own-{uuid.uuid4().hex}"
    forms = {"dd/MM/yyyy HH:mm:ss": "23/11/2026 11:%02d:00", "epoch_millis": None, "": None}
    for place, (form, text) in enumerate(forms.items()):
        index = f"{name}-{place}"
        field = {"type": "date", "format": form} if form else {"type": "date"}
        put(real_elasticsearch, index, {"mappings": {"properties": {"@timestamp": field}}})
        moments = [START + timedelta(minutes=3 * n + place) for n in range(4)]
        written = [
            text % at.minute if text else int(at.timestamp() * 1000) if "epoch" in form else at.isoformat()
            for at in moments
        ]
        write(real_elasticsearch, index, [{"@timestamp": one, "message": "m"} for one in written])
    # Without snapshots, because the wheel's forget within one that indices have formats of their own.
    with without_snapshots(real_elasticsearch) as url:
        logs = source(f"{name}-*", url)
        for order in ("newest", "oldest"):
            times = sorted((START + timedelta(minutes=n) for n in range(12)), reverse=order == "newest")
            for size in (1, 5, 12):
                assert [one.time for one in pages(logs, size, order)] == times
        line = pages(logs, 12)[6]
        assert logs.line(line.id).time == line.time
        around = logs.around(line, same="all", size=2)
        assert [one.time for one in around.after] == [line.time + timedelta(minutes=n) for n in (1, 2)]
        assert logs.page(HOUR).remarks[0].startswith("4 lines write @timestamp in a form of their own")


@pytest.mark.integration
def test_long_whole_numbers_are_told_apart(real_elasticsearch: str, source: Make):
    index = f"long-{uuid.uuid4().hex}"
    properties = {"@timestamp": {"type": "date"}, "order_id": {"type": "long"}}
    put(real_elasticsearch, index, {"mappings": {"properties": properties}})
    first = 2**53
    lines = [{"@timestamp": START.isoformat(), "order_id": first + n, "message": str(n)} for n in range(3)]
    write(real_elasticsearch, index, lines)
    logs = source(index)
    for number in range(3):
        (line,) = logs.page(Question(START, END, parse(f"order_id:{first + number}"))).lines
        assert (line.message, line.document["order_id"]) == (str(number), first + number)
    (top,) = logs.top_values(HOUR, ["order_id"]).value
    assert {value for value, _ in top.values} == {str(first + n) for n in range(3)}


@pytest.mark.integration
def test_levels_as_numbers_are_counted_and_found_by_name(real_elasticsearch: str, source: Make):
    index = f"pino-{uuid.uuid4().hex}"
    properties = {"@timestamp": {"type": "date"}, "level": {"type": "long"}}
    put(real_elasticsearch, index, {"mappings": {"properties": properties}})
    levels = [50, 50, 60, 30, 20, 10]
    write(real_elasticsearch, index, [{"@timestamp": START.isoformat(), "level": level} for level in levels])
    logs = source(index)
    assert len(logs.page(Question(START, END, parse("level:error"))).lines) == 3
    frame = logs.histogram(HOUR, step=3600).value.frame
    assert frame.iloc[0].to_dict() == {"ERROR": 3, "DEBUG": 1, "INFO": 1, "TRACE": 1}
    assert {one.level for one in logs.page(HOUR).lines} == {"FATAL", "ERROR", "INFO", "DEBUG", "TRACE"}


def told(status: int, error: object) -> object:
    settings = Elasticsearch.model_validate({"url": "http://127.0.0.1:1"})
    return failure(HttpSource("test", "elasticsearch", settings), status, {"error": error, "status": status})


@pytest.mark.parametrize(
    ("status", "error", "kind", "what"),
    [
        (400, {"type": "search_phase_execution_exception", "root_cause": [], "failed_shards": [],
               "caused_by": {"type": "too_many_buckets_exception", "reason": "Trying to create too many buckets."}},
         BadAnswer, "refused to make that many buckets"),
        (429, {"type": "circuit_breaking_exception", "reason": "[parent] Data too large"},
         Overloaded, "has too little memory for this question"),
        (429, {"type": "search_phase_execution_exception", "failed_shards": [
            {"shard": 0, "reason": {"type": "es_rejected_execution_exception", "reason": "queue"}}]},
         Overloaded, "has no room for another search now"),
        (503, {"type": "search_phase_execution_exception", "reason": "all shards failed", "root_cause": []},
         BadAnswer, "has no copy of these lines at hand"),
        (503, {"type": "cluster_block_exception", "reason": "blocked by: [SERVICE_UNAVAILABLE/2/no master];"},
         BadAnswer, "blocks this index or all of them"),
        (400, {"type": "search_phase_execution_exception", "root_cause": [{"type": "query_shard_exception",
               "reason": "failed to create query", "caused_by": {"type": "too_many_nested_clauses"}}]},
         BadAnswer, "finds this search too large"),
    ],
)  # fmt: skip
def test_the_store_s_own_words_become_what_happened_and_what_to_do(status, error, kind, what):
    found = told(status, error)
    assert type(found) is kind
    assert found.what == what
    assert found.hint


@pytest.mark.parametrize("error", [None, "a word", [], {"type": 7}, {"root_cause": "x"}, {"failed_shards": [1]}])
def test_words_that_are_not_known_are_nobody_s_cause(error):
    assert told(400, error) is None
    assert reason({"error": error}) == ""


def test_causes_that_go_on_for_ever_are_followed_for_a_while():
    error: dict[str, object] = {"type": "deep", "reason": "innermost"}
    for number in range(10_000):
        error = {"type": f"t{number}", "reason": f"r{number}", "caused_by": error}
    assert told(400, error) is None
    assert reason({"error": error}).startswith("r")
    assert reason(json.loads(json.dumps({"error": {"reason": "x" * 1000}}))) == "x" * 300


@pytest.fixture
def only_real(real_elasticsearch: str) -> str:
    """The address of a real Elasticsearch."""
    if os.environ.get("ELASTICSEARCH") != "real":
        pytest.skip("needs a real Elasticsearch: make test-elasticsearch")
    return real_elasticsearch


@pytest.mark.integration
def test_a_data_stream_is_read_like_an_index(only_real: str, source: Make):
    name = f"stream-{uuid.uuid4().hex}"
    mappings = {"properties": {"@timestamp": {"type": "date"}, "level": {"type": "keyword"}}}
    put(only_real, f"_index_template/{name}",
        {"index_patterns": [name], "data_stream": {}, "template": {"mappings": mappings}, "priority": 500})  # fmt: skip
    body = "".join(
        f'{{"create":{{}}}}\n{json.dumps(document(at, str(n)))}\n' for n, at in enumerate(every(START, END, 9))
    )
    headers = {"Content-Type": "application/x-ndjson"}
    sent = httpx.post(f"{only_real}/{name}/_bulk?refresh=true", content=body, headers=headers, timeout=60)
    assert not sent.json()["errors"], sent.text
    logs = source(name)
    found = pages(logs, 2)
    assert [one.message for one in found] == [str(number) for number in range(8, -1, -1)]
    assert found[0].id.startswith(".ds-")
    assert logs.line(found[0].id).message == "8"
    assert logs.histogram(HOUR, step=3600).value.frame.iloc[0].to_dict() == {"INFO": 9}
    assert [one.message for one in logs.around(found[4], size=1).after] == ["5"]


@pytest.mark.integration
def test_with_a_shard_that_is_gone_what_is_there_is_shown_as_a_part(only_real: str, source: Make):
    name = f"red-{uuid.uuid4().hex}"
    write(only_real, f"{name}-well", [document(START, "here")])
    nowhere = {"index.routing.allocation.require.room": "nowhere"}
    httpx.put(
        f"{only_real}/{name}-ill?wait_for_active_shards=0", json={"settings": nowhere}, timeout=60, trust_env=False
    ).raise_for_status()
    logs = source(f"{name}-*")
    try:
        page = logs.page(HOUR)
        assert [one.message for one in page.lines] == ["here"]
        assert page.partial.startswith("1 of 2 shards failed")
        assert logs.histogram(HOUR, step=3600, by="").value.partial
        with pytest.raises(Partial, match="counted in part only"):
            logs.count(HOUR)
        with pytest.raises(BadAnswer, match="has no copy of these lines at hand") as raised:
            source(f"{name}-ill").page(HOUR)
        assert "red" in raised.value.hint
        assert not raised.value.trips
    finally:
        httpx.delete(f"{only_real}/{name}-ill", timeout=60, trust_env=False)
