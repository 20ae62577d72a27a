"""Prometheus and Alertmanager (and what speaks their APIs): no odd value harms an answer, no answer harms the source.

The server is a small one of ours, since no real store can be made to answer all of this.
"""

import gzip
import json
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from analysis.latency import quantile
from collectors import lenient, registry
from collectors.alertmanager.client import FiringAlert
from collectors.errors import BadAnswer, Denied, Overloaded, SourceError, TimedOut
from collectors.http import EXCERPT
from collectors.numbers import number
from collectors.prometheus.client import PARTIAL
from collectors.prometheus.forms import SWAPPED
from collectors.prometheus.wire import AlertsData, Envelope, MatrixData, RulesData, TargetsData
from collectors.registry import Sources
from collectors.signals import catalogue
from collectors.span import Span
from settings import Settings
from tests.support.looping import until
from tests.support.scripted_http import ScriptedServer, points, success
from views.latency.view import KINDS, limit_of, load_combinations, load_distribution, load_slow_or_failing, trouble_of
from views.overview.silences import load_silences
from views.shared.series import load_series
from views.sources.view import load_reports

OPERATIONS = catalogue()["memory_operations"]
NAMES = "/api/v1/label/__name__/values"
RANGE, QUERY = "/api/v1/query_range", "/api/v1/query"
TARGETS, RULES, ALERTS, BUILD = "/api/v1/targets", "/api/v1/rules", "/api/v1/alerts", "/api/v1/status/buildinfo"
END = datetime.now(UTC) - timedelta(minutes=10)
SPAN = Span.of(END - timedelta(hours=1), END, 241)
BUCKETS = "synaptic_query_duration_seconds"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    scripted = ScriptedServer()
    scripted.answers = {
        NAMES: success(["synaptic_memory_operations_total"]),
        RANGE: ones,
        QUERY: lambda asked: success({"resultType": "vector", "result": [{"metric": {}, "value": [1, "1"]}]}),
        TARGETS: success({"activeTargets": [{"labels": {}, "health": "up", "scrapePool": "synaptic"}]}),
        RULES: success({"groups": []}),
        ALERTS: success({"alerts": []}),
        BUILD: success({"version": "3.5.0"}),
    }
    yield scripted
    scripted.close()


@pytest.fixture
def sources(server: ScriptedServer) -> Iterator[Sources]:
    environment = {name: {"url": server.url, "deadline": 30} for name in ("prometheus", "alertmanager")}
    settings = Settings.model_validate({"environments": {"test": environment}, "limits": {"answer_ttl": 1e-9}})
    built = registry.build(settings, "test")
    yield built
    for one in built.configured():
        one.close()


NO_SAMPLE = object()


def matrix(*series: tuple[dict[str, str], Callable[[int], object]]) -> Callable[[dict[str, str]], tuple[int, object]]:
    """Answers a range question with series whose values are computed; :data:`NO_SAMPLE` is none."""

    def answer(asked: dict[str, str]) -> tuple[int, object]:
        result = [
            {"metric": labels, "values": [[at, value(at)] for at in points(asked) if value(at) is not NO_SAMPLE]}
            for labels, value in series
        ]
        return success({"resultType": "matrix", "result": result})

    return answer


ones = matrix(({}, lambda at: "1"))


def values_of(sources: Sources) -> np.ndarray:
    return sources.prometheus.range(OPERATIONS, SPAN).value.frame[0].to_numpy()


def refused(ask: Callable[[], object]) -> SourceError:
    with pytest.raises(SourceError) as raised:
        ask()
    return raised.value


NUMBERS = {
    "+Inf": math.inf, "Inf": math.inf, "inf": math.inf, "-Inf": -math.inf, "+infinity": math.inf, "NaN": math.nan,
    "nan": math.nan, "1e400": math.inf, "-1e400": -math.inf, "1e-400": 0.0, "0x1p-2": 0.25, "0x1p2000": math.inf,
    "-0x1p2000": -math.inf, "12": 12.0, " 1.5 ": 1.5, "18446744073709551615": float(2**64), "": math.nan,
    "1_000": math.nan, "1,5": math.nan, "٣": math.nan, "nonsense": math.nan, "9" * 500: math.nan,
}  # fmt: skip


@pytest.mark.parametrize("text", NUMBERS)
def test_a_number_is_read_however_it_is_written_and_what_is_none_is_unknown(text: str):
    np.testing.assert_equal(number(text), NUMBERS[text])


@pytest.mark.parametrize("value", [None, True, [], {}])
def test_what_is_no_number_at_all_is_unknown(value: object):
    assert math.isnan(number(value))


ODD = [*NUMBERS, None, 7, 10**400, True, [], {}]


@pytest.mark.integration
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:30])
def test_an_odd_value_is_one_point_and_the_rest_stays(odd: object, server: ScriptedServer, sources: Sources):
    middle = round(END.timestamp()) - 1800
    server.answers[RANGE] = matrix(({}, lambda at: odd if abs(at - middle) < 8 else "5"))
    for _ in range(4):
        sources.cache.clear()
        values = values_of(sources)
    unlike = values[~(values == 5)]
    assert len(unlike) == 1
    np.testing.assert_equal(unlike[0], number(odd))
    answer = sources.prometheus.range(OPERATIONS, SPAN).value
    nonsense = math.isnan(number(odd)) and str(odd).lower() != "nan"
    assert any("could not be read" in warning for warning in answer.warnings) == nonsense
    assert sources.prometheus.source.guard.health().failures == 0


@pytest.mark.integration
def test_infinities_stand_in_instant_answers_too(server: ScriptedServer, sources: Sources):
    result = [{"metric": {"a": text}, "value": [1.5, text]} for text in ("+Inf", "-Inf", "NaN", "3")]
    server.answers[QUERY] = success({"resultType": "vector", "result": result})
    found = {sample.labels["a"]: sample.value for sample in sources.prometheus.query("q", END).samples}
    assert found.pop("NaN") != 0
    assert found == {"+Inf": math.inf, "-Inf": -math.inf, "3": 3.0}


@pytest.mark.integration
@pytest.mark.parametrize("count", ["+Inf", "-Inf", "NaN", "1e308", "-3", "0x1p-2"])
def test_a_count_that_is_no_number_bounds_nothing_and_harms_nothing(
    count: str, server: ScriptedServer, sources: Sources
):
    server.answers[QUERY] = success({"resultType": "vector", "result": [{"metric": {}, "value": [1, count]}]})
    answer = sources.prometheus.range(OPERATIONS, SPAN, by=("operation_type",)).value
    assert (answer.frame[0] == 1).all()


EMPTY: dict[str, tuple[str, object]] = {
    "names": (NAMES, None),
    "warnings": (NAMES, {"status": "success", "data": [], "warnings": None, "infos": None}),
    "matrix": (RANGE, {"status": "success", "data": {"resultType": "matrix", "result": None}}),
    "matrix data": (RANGE, None),
    "values": (RANGE, {"status": "success", "data": {"result": [{"metric": None, "values": None}]}}),
    "vector": (QUERY, {"status": "success", "data": {"resultType": "vector", "result": None}}),
    "groups": (RULES, {"status": "success", "data": {"groups": None}}),
    "rules": (RULES, {"status": "success", "data": {"groups": [{"name": "g", "rules": None}]}}),
    "rules data": (RULES, None),
    "alerts": (ALERTS, {"status": "success", "data": {"alerts": None}}),
    "targets": (TARGETS, {"status": "success", "data": {"activeTargets": None, "droppedTargets": None}}),
    "build": (BUILD, None),
    "alertmanager": ("/api/v2/alerts", b"null"),
    "status": ("/api/v2/status", {"cluster": None, "versionInfo": None, "config": None}),
}


@pytest.mark.integration
@pytest.mark.parametrize("case", EMPTY)
def test_null_is_the_empty_list_object_or_text(case: str, server: ScriptedServer, sources: Sources):
    path, body = EMPTY[case]
    server.answers[path] = (200, {"status": "success", "data": None} if body is None else body)
    prometheus, alertmanager = sources.prometheus, sources.alertmanager
    ask: dict[str, Callable[[], object]] = {
        NAMES: prometheus.names,
        RANGE: lambda: prometheus.range(OPERATIONS, SPAN).value.empty,
        QUERY: lambda: prometheus.query("q", END).samples,
        RULES: lambda: [rule for group in prometheus.rules().value for rule in group.rules],
        ALERTS: lambda: prometheus.alerts().value,
        TARGETS: lambda: prometheus.targets().value,
        BUILD: prometheus.version,
        "/api/v2/alerts": lambda: alertmanager.alerts().value,
        "/api/v2/status": lambda: alertmanager.status().version_info.version,
    }
    found = ask[path]()
    assert found is True if path == RANGE else not found
    assert prometheus.source.guard.health().failures == alertmanager.source.guard.health().failures == 0


def alert(**keys: object) -> dict[str, object]:
    return {
        "fingerprint": "f",
        "labels": {"alertname": "A"},
        "startsAt": "2026-11-27T09:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "status": {"state": "active", "silencedBy": [], "inhibitedBy": [], "mutedBy": []},
        **keys,
    }


ODD_ALERTS = {
    "nulls": alert(annotations=None, receivers=None, status={"state": "active", "silencedBy": None}),
    "no status": alert(status=None),
    "a state that is new": alert(status={"state": "snoozed"}),
    "label values that are no text": alert(labels={"alertname": "A", "n": 3, "ok": True, "gone": None}),
    "nanoseconds and an offset": alert(startsAt="2026-11-27T14:30:00.123456789+05:30"),
    "without a zone": alert(startsAt="2026-11-27T09:00:00"),
    "the zero time": alert(startsAt="0001-01-01T00:00:00Z"),
    "the end of the calendar": alert(startsAt="9999-12-31T23:59:59Z"),
    "epoch milliseconds": alert(startsAt=1795770000000),
    "no time": alert(startsAt="soon"),
    "half of a surrogate pair": alert(annotations={"summary": "HALF"}),
}


@pytest.mark.integration
@pytest.mark.parametrize("case", ODD_ALERTS)
def test_an_odd_alert_is_one_of_all_and_has_a_start(case: str, server: ScriptedServer, sources: Sources):
    body = json.dumps([alert(fingerprint="other"), ODD_ALERTS[case]]).replace("HALF", "\\ud83d")
    server.answers["/api/v2/alerts"] = (200, body.encode())
    found: list[FiringAlert] = sources.alertmanager.alerts().value
    assert {one.fingerprint for one in found} == {"f", "other"}
    for one in found:
        assert one.labels["alertname"] == "A"
        assert one.starts_at.tzinfo is not None
        assert one.starts_at.year >= 2026
        json.dumps(one.annotations, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "body",
    [b'\xef\xbb\xbf{"status":"success"}', b'{"status":"success","x":NaN}', b'{"status":"succ\xffess"}'],
    ids=["byte order mark", "bare NaN", "no UTF-8"],
)
def test_json_that_is_almost_json_is_read(body: bytes):
    envelope, _ = lenient.decoded(body, Envelope[MatrixData])
    assert envelope.status.startswith("succ")


@pytest.mark.parametrize("shape", [MatrixData, TargetsData, AlertsData, RulesData, list[str]])
def test_each_shape_has_an_empty_form(shape: type):
    assert lenient.empty(shape) == ([] if shape is not MatrixData and shape == list[str] else shape())


OTHERS = [b"[]", b"{}", b'"success"', b"12", b"null", b'{"status":7}', b"[" * 100_000, b'{"a":' * 100_000]


@pytest.mark.integration
@pytest.mark.parametrize("body", OTHERS, ids=lambda body: body[:20].decode())
def test_the_answer_of_another_service_is_still_an_error(body: bytes, server: ScriptedServer, sources: Sources):
    server.answers[QUERY] = (200, body)
    assert type(refused(lambda: sources.prometheus.query("q", END))) is BadAnswer


def error(kind: str, words: str) -> dict[str, str]:
    return {"status": "error", "errorType": kind, "error": words}


QUESTIONS: dict[str, tuple[int, object, type[SourceError], str]] = {
    "bad data": (400, error("bad_data", "parse error: x"), BadAnswer, "parse error: x"),
    "execution": (422, error("execution", "query processing would load too many samples"), BadAnswer, "too many"),
    "timeout": (503, error("timeout", "query timed out in expression evaluation"), TimedOut, "query timed out"),
    "canceled": (503, error("canceled", "query was canceled in query execution"), TimedOut, "was canceled"),
    "VictoriaMetrics' limit": (422, error("422", "cannot select more than 30000 series"), BadAnswer, "30000 series"),
    "VictoriaMetrics' timeout": (503, error("503", "timeout exceeded during the query"), TimedOut, "timeout exceeded"),
    "a gateway's timeout": (504, error("timeout", "context deadline exceeded"), TimedOut, "deadline exceeded"),
    "a gateway's page": (504, b"<html>504 Gateway Time-out</html>", TimedOut, "gave up (504)"),
    "a gateway's words": (504, b"upstream request timeout", TimedOut, "gave up (504)"),
    "a gateway's own JSON": (504, {"error": "x"}, TimedOut, "gave up on the query: x"),
    "a request that took too long": (408, b"", TimedOut, "gave up (408)"),
    "a cloud's page": (524, b"<html>A timeout occurred</html>", TimedOut, "gave up (524)"),
    "nested": (
        200,
        b'{"status":"success","data":{"result":[{"metric":{"a":%s%s}}]}}' % (b"[" * 200_000, b"]" * 200_000),
        BadAnswer,
        "nested too deep",
    ),
    "nested and cut": (200, b"[" * 200_000, BadAnswer, "nested too deep"),
    "Mimir's limit as 500": (500, error("execution", "the query hit the max number of chunks"), BadAnswer, "chunks"),
    "too large": (413, b"<html>Request Entity Too Large</html>", BadAnswer, "too long (413)"),
    "too long": (414, b"", BadAnswer, "too long (414)"),
    "success that is none": (200, error("bad_data", "words in many\n lines"), BadAnswer, "words in many lines"),
}


@pytest.mark.integration
@pytest.mark.parametrize("case", QUESTIONS)
def test_one_questions_failure_keeps_the_servers_words_and_rests_nothing(
    case: str, server: ScriptedServer, sources: Sources
):
    status, body, kind, words = QUESTIONS[case]
    server.answers[RANGE] = (status, body)
    for _ in range(5):
        failed = refused(lambda: sources.prometheus.range(OPERATIONS, SPAN))
        assert type(failed) is kind
        assert words in failed.what
        assert not failed.trips
        assert failed.hint or "nested" in case
    assert sources.prometheus.source.guard.health().breaker == "closed"
    assert sources.prometheus.query("q", END).samples


@pytest.mark.integration
def test_a_proxy_in_front_of_alertmanager_that_gives_up_rests_nothing(server: ScriptedServer, sources: Sources):
    server.answers["/api/v2/alerts"] = (504, b"<html>Gateway Time-out</html>")
    for _ in range(4):
        failed = refused(sources.alertmanager.alerts)
        assert type(failed) is TimedOut
        assert not failed.trips
    assert sources.alertmanager.source.guard.health().breaker == "closed"


@pytest.mark.integration
def test_where_a_proxy_gives_up_on_light_questions_too_the_source_is_the_headline(
    server: ScriptedServer, sources: Sources
):
    for path in server.answers:
        server.answers[path] = (504, b"upstream request timeout")
    found = until(lambda: [one for one in load_silences(sources).silent if one.source == "prometheus"], "silence")
    assert "gave up (504)" in found[0].what


@pytest.mark.integration
def test_of_a_body_in_no_form_that_is_known_a_short_masked_excerpt_is_told(server: ScriptedServer, sources: Sources):
    server.answers[QUERY] = (500, b"token=hidden-word " + b"y" * 5000)
    hint = refused(lambda: sources.prometheus.query("q", END)).hint
    assert "hidden-word" not in hint
    assert hint.startswith("It said: token=***")
    assert len(hint) <= EXCERPT + 10


@pytest.mark.integration
@pytest.mark.parametrize("where", ["a sample", "beside the data"])
def test_a_number_of_thousands_of_digits_is_one_value(where: str, server: ScriptedServer, sources: Sources):
    def answer(asked: dict[str, str]) -> tuple[int, object]:
        samples = [b'[%d,"5"]' % at for at in points(asked)]
        if where == "a sample":
            samples[-1] = b"[%d,%s]" % (points(asked)[-1], b"9" * 6000)
        more = b'"x":%s,' % (b"9" * 6000)
        return 200, b'{"status":"success",%s"data":{"result":[{"metric":{},"values":[%s]}]}}' % (
            more,
            b",".join(samples),
        )

    server.answers[RANGE] = answer
    values = values_of(sources)
    assert (values[:-1] == 5).all()
    assert values[-1] == (math.inf if where == "a sample" else 5)


SOURCE_FAILURES: dict[str, tuple[int, object, type[SourceError], str]] = {
    "starting": (503, b"Service Unavailable", Overloaded, "503"),
    "no room": (503, error("503", "couldn't start executing the request"), Overloaded, "couldn't start"),
    "storage": (500, error("internal", "expanding series: no space left"), BadAnswer, "no space left"),
    "a proxy's page": (502, b"<html>Bad Gateway</html>", BadAnswer, "502"),
    "a sign-in page": (200, b"<!doctype html><html>Sign in</html>", BadAnswer, "not JSON"),
    "limited": (429, error("too_many_requests", "slow down"), Overloaded, "429"),
    "unknown": (401, error("unauthorized", "who?"), Denied, "401"),
}


@pytest.mark.integration
@pytest.mark.parametrize("case", SOURCE_FAILURES)
def test_a_failure_of_the_source_opens_its_breaker(case: str, server: ScriptedServer, sources: Sources):
    status, body, kind, words = SOURCE_FAILURES[case]
    server.answers[QUERY] = (status, body)
    for _ in range(3):
        failed = refused(lambda: sources.prometheus.query("q", END))
        assert type(failed) is kind
        assert words in failed.what
    assert sources.prometheus.source.guard.health().breaker == "open"


@pytest.mark.integration
@pytest.mark.parametrize("status", [404, 405, 501, 403])
@pytest.mark.parametrize("path", [TARGETS, RULES, BUILD, ALERTS])
def test_an_endpoint_that_a_store_lacks_or_refuses_is_a_lack_and_the_rest_is_live(
    path: str, status: int, server: ScriptedServer, sources: Sources
):
    forbidden = error("forbidden", "rule a-1 says no")
    server.answers[path] = (status, forbidden if status == 403 else b"404 page not found\n")
    for _ in range(4):
        sources.cache.clear()
        (report,) = [one for one in load_reports(sources).value if one.name == "prometheus"]
        assert report.status in ("ok", "risk")
        lacks = [lack for lack in report.lacks if path in lack.text]
        # A version that is not told costs nothing; no page of Sources asks for alerts.
        assert bool(lacks) == (path in (TARGETS, RULES) or (path == BUILD and status == 403))
        if status == 403:
            assert all("rule a-1 says no" in lack.text and path in lack.mend for lack in lacks)
        if path == ALERTS:
            assert not refused(sources.prometheus.alerts).trips
    assert (values_of(sources) == 1).all()
    assert sources.prometheus.source.guard.health().breaker == "closed"


@pytest.mark.integration
@pytest.mark.parametrize("status", [404, 403])
def test_where_names_are_not_told_the_server_is_asked_which_of_ours_it_has(
    status: int, server: ScriptedServer, sources: Sources
):
    server.answers[NAMES] = (status, b"no")
    result = [{"metric": {"__name__": "synaptic_memory_operations_total"}, "value": [1, "3"]}, {"value": [1, "1"]}]
    server.answers[QUERY] = success({"resultType": "vector", "result": result})
    assert sources.prometheus.names() == {"synaptic_memory_operations_total"}
    assert (values_of(sources) == 1).all()


PARTIAL_ANSWERS = {
    "VictoriaMetrics": ({"isPartial": True}, PARTIAL),
    "Thanos": ({"warnings": ["No StoreAPIs matched for this query"]}, "No StoreAPIs matched for this query"),
}


@pytest.mark.integration
@pytest.mark.parametrize("case", PARTIAL_ANSWERS)
def test_a_partial_answer_is_told_and_not_kept_for_good(case: str, server: ScriptedServer, sources: Sources):
    more, remark = PARTIAL_ANSWERS[case]
    half = matrix(({}, lambda at: "50"))
    server.answers[RANGE] = lambda asked: (200, {**half(asked)[1], **more})  # type: ignore[dict-item]
    assert (values_of(sources) == 50).all()
    assert f"Prometheus remarks: {remark}" in load_series(sources, OPERATIONS.key, SPAN).value.remarks
    server.answers[RANGE] = matrix(({}, lambda at: "100"))
    sources.cache.clear()
    assert (values_of(sources) == 100).all()
    assert not load_series(sources, OPERATIONS.key, SPAN).value.remarks


@pytest.mark.integration
def test_remarks_about_the_query_are_told_and_its_samples_kept(server: ScriptedServer, sources: Sources):
    more = {"infos": ["PromQL info: metric might not be a counter"], "warnings": ["PromQL warning: mixed"]}
    server.answers[RANGE] = lambda asked: (200, {**ones(asked)[1], **more})  # type: ignore[dict-item]
    assert len(sources.prometheus.range(OPERATIONS, SPAN).value.warnings) == 2
    sources.cache.clear()
    values_of(sources)
    first, second = [asked for path, asked in server.asked if path == RANGE]
    assert float(second["end"]) - float(second["start"]) < 0.2 * (float(first["end"]) - float(first["start"]))


@pytest.mark.integration
def test_a_series_that_comes_twice_is_one_and_told(server: ScriptedServer, sources: Sources):
    middle = END.timestamp() - 1800
    server.answers[RANGE] = matrix(
        ({"a": "b"}, lambda at: "1" if at < middle else NO_SAMPLE),
        ({"a": "b"}, lambda at: "2" if at > middle - 600 else NO_SAMPLE),
    )
    answer = sources.prometheus.range(OPERATIONS, SPAN).value
    assert answer.labels == ({"a": "b"},)
    times = answer.frame.index.as_unit("s").asi8
    np.testing.assert_array_equal(answer.frame[0].to_numpy(), np.where(times < middle, 1.0, 2.0))
    assert any("came twice" in warning for warning in answer.warnings)


@pytest.mark.integration
def test_odd_label_names_and_empty_values_are_labels_like_others(server: ScriptedServer, sources: Sources):
    server.answers[RANGE] = matrix(
        ({"k8s.pod.name": "a", "é": "ü\n", "empty": ""}, lambda at: "1"), ({}, lambda at: "2")
    )
    answer = sources.prometheus.range(OPERATIONS, SPAN).value
    assert {len(labels) for labels in answer.labels} == {3, 0}
    assert answer.names("empty") == ["(none)", "(none)"]


GZIP = {
    "in several parts": lambda body: gzip.compress(body[:40]) + gzip.compress(body[40:]),
    "with zeros after it": lambda body: gzip.compress(body) + b"\0" * 100,
    "by its old name": gzip.compress,
}


@pytest.mark.integration
@pytest.mark.parametrize("case", GZIP)
def test_gzip_is_unpacked_however_it_is_put(case: str, server: ScriptedServer, sources: Sources):
    body = json.dumps({"status": "success", "data": {"result": [{"metric": {}, "value": [1, "1"]}]}}).encode()
    server.headers["Content-Encoding"] = "x-gzip" if case == "by its old name" else "gzip"
    server.answers[QUERY] = (200, GZIP[case](body))
    assert [sample.value for sample in sources.prometheus.query("q", END).samples] == [1.0]


DEPLOY = (SPAN.start + timedelta(minutes=40)).timestamp()
OLD_BOUNDS = {"0.1": 40, "0.5": 90, "1.0": 98, "+Inf": 100}
NEW_BOUNDS = {"0.05": 60, "0.1": 90, "0.5": 99, "1.0": 100, "+Inf": 100}


def swapping(old: dict[str, float], new: dict[str, float]) -> Callable[[dict[str, str]], tuple[int, object]]:
    """A histogram that counts in other buckets from the deploy on; sums of time are 20 s a second."""
    labels = {"query_type": "hybrid", "complexity": "simple"}

    def answer(asked: dict[str, str]) -> tuple[int, object]:
        split = labels if "query_type" in asked["query"] else {}
        if "_bucket" not in asked["query"]:
            return matrix((split, lambda at: "20"))(asked)

        def counts(le: str) -> Callable[[int], object]:
            return lambda at: (old if at < DEPLOY else new).get(le, NO_SAMPLE)

        return matrix(*(({"le": le, **split}, counts(le)) for le in {**old, **new}))(asked)

    return answer


@pytest.mark.integration
@pytest.mark.parametrize("case", ["a finer one comes", "a finer one goes", "another last one", "written otherwise"])
def test_bounds_that_change_with_a_deploy_leave_history_as_it_was(case: str, server: ScriptedServer, sources: Sources):
    old, new = {
        "a finer one comes": (OLD_BOUNDS, NEW_BOUNDS),
        "a finer one goes": (NEW_BOUNDS, OLD_BOUNDS),
        "another last one": (OLD_BOUNDS, {**OLD_BOUNDS, "2.5": 99, "5": 99.5}),
        "written otherwise": (OLD_BOUNDS, {"1": 98, "0.1": 40, "0.5": 90, "+Inf": 100}),
    }[case]
    names = [f"{BUCKETS}_bucket", f"{BUCKETS}_sum", "synaptic_query_operations_total"]
    server.answers[NAMES] = success(names)
    server.answers[RANGE] = swapping(old, new)
    found = load_distribution(sources, KINDS["search"], SPAN).value
    frame = found.series.frame
    before = frame.index < datetime.fromtimestamp(DEPLOY, UTC)
    for rows, bounds in ((before, old), (~before, new)):
        counts, ends = np.array([sorted(bounds.values())], float), np.array(sorted(map(float, bounds)))
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            np.testing.assert_allclose(frame[name][rows], quantile(counts, ends, share)[0], err_msg=name)
    assert found.requests == pytest.approx(100 * SPAN.step * SPAN.points)
    assert any("bounds of the buckets changed" in remark for remark in found.series.remarks) == (
        case != "written otherwise"
    )
    (row,) = load_combinations(sources, KINDS["search"], SPAN).value.to_dict("records")
    assert row["mean"] == pytest.approx(0.2)


@pytest.mark.integration
def test_a_trouble_begins_when_it_began_whatever_the_deploy_changed(server: ScriptedServer, sources: Sources):
    server.answers[NAMES] = success([f"{BUCKETS}_bucket", f"{BUCKETS}_sum"])
    server.answers[RANGE] = swapping(OLD_BOUNDS, NEW_BOUNDS)
    trouble = load_slow_or_failing(sources, KINDS["search"], SPAN).value.trouble
    assert trouble is not None
    assert trouble.start == SPAN.start
    lasting = trouble_of(load_distribution(sources, KINDS["search"], SPAN).value, limit_of(KINDS["search"], None))
    assert lasting is not None
    assert (lasting.start, lasting.end) == (SPAN.start, None)


def native(buckets: Callable[[int], list[list[object]]]) -> Callable[[dict[str, str]], tuple[int, object]]:
    """A native histogram whose buckets are computed."""

    def answer(asked: dict[str, str]) -> tuple[int, object]:
        if "histogram_" in asked["query"]:
            return ones(asked)
        samples = [
            [at, {"count": str(sum(float(one[3]) for one in buckets(at))), "sum": "9", "buckets": buckets(at)}]  # type: ignore[arg-type]
            for at in points(asked)
        ]
        return success({"resultType": "matrix", "result": [{"metric": {}, "histograms": samples}]})

    return answer


QUICK = [[0, "-Inf", "0.05", "40"]]
SLOW = [[0, "0.05", "0.1", "30"], [0, "0.1", "0.25", "25"], [0, "0.25", "1", "5"]]


@pytest.mark.integration
@pytest.mark.parametrize("case", ["always", "at every second point", "one beyond the last bound"])
def test_a_converted_histogram_keeps_its_bounds_its_first_and_its_last_bucket(
    case: str, server: ScriptedServer, sources: Sources
):
    server.answers[NAMES] = success([BUCKETS])
    beyond = [[0, "1", "+Inf", "1"]] if case == "one beyond the last bound" else []

    def quick(at: int) -> bool:
        return case != "at every second point" or at // SPAN.step % 2 == 0

    server.answers[RANGE] = native(lambda at: [*(QUICK if quick(at) else []), *SLOW, *beyond])
    found = load_distribution(sources, KINDS["search"], SPAN).value
    times = found.series.frame.index.as_unit("s").asi8
    total = np.array([100 if quick(int(at)) else 60 for at in times]) + len(beyond)
    assert found.requests == pytest.approx(total.sum() * SPAN.step)
    np.testing.assert_allclose(
        found.series.frame["p50"], np.where(total >= 100, 0.05 + 0.05 * (total / 2 - 40) / 30, 0.1)
    )
    end = 0.25 + 0.75 * np.maximum(0.95 * total - (total - len(beyond) - 5), 0) / 5
    np.testing.assert_allclose(found.series.frame["p95"], end)
    if beyond:
        assert (found.series.frame["p99.9"] == 1).all()  # at least: it lies beyond the last bound
        assert found.top == 1
    assert sources.prometheus.source.guard.health().failures == 0


REMEMBERED = [f"{BUCKETS}_bucket", f"{BUCKETS}_sum", f"{BUCKETS}_count", BUCKETS]


def moved_at(moment: float) -> Callable[[dict[str, str]], tuple[int, object]]:
    """A server that counts searches in classic buckets up to a moment, and in native ones from then on."""
    buckets = [[0, "0.125", "0.25", "95"], [0, "0.5", "1", "5"]]

    def answer(asked: dict[str, str]) -> tuple[int, object]:
        is_native = "_seconds_bucket" not in asked["query"]
        at = [one for one in points(asked) if (one >= moment) == is_native]
        if "quantile" in asked["query"] or "histogram_" in asked["query"]:
            return success({"result": [{"metric": {}, "values": [[one, "0.2"] for one in at]}]})
        if "_seconds_sum" in asked["query"] or "_seconds_count" in asked["query"]:
            return success({"result": []})
        if is_native:
            histogram = {"count": "100", "sum": "9", "buckets": buckets}
            return success({"result": [{"metric": {}, "histograms": [[one, histogram] for one in at]}]})
        counts = {"0.25": "95", "0.5": "95", "1": "100", "+Inf": "100"}
        series = [{"metric": {"le": le}, "values": [[one, count] for one in at]} for le, count in counts.items()]
        return success({"result": series})

    return answer


@pytest.mark.integration
@pytest.mark.parametrize("when", ["long ago", "within the window", "not yet"])
def test_a_move_from_classic_to_native_buckets_loses_nothing_while_old_names_are_remembered(
    when: str, server: ScriptedServer, sources: Sources
):
    moment = {"long ago": 0.0, "within the window": DEPLOY, "not yet": math.inf}[when]
    server.answers[NAMES] = success(REMEMBERED)
    server.answers[RANGE] = moved_at(moment)
    found = load_distribution(sources, KINDS["search"], SPAN).value
    assert found.requests == pytest.approx(100 * SPAN.step * SPAN.points)
    assert found.series.frame["p95"].tolist() == pytest.approx([0.25] * SPAN.points)
    assert any(SWAPPED in remark for remark in found.series.remarks) == (when == "within the window")
    by_server = sources.prometheus.range(catalogue()["search_latency"], SPAN).value
    assert (by_server.frame[0] == 0.2).all()
    asked = {question["query"] for path, question in server.asked if path == RANGE}
    assert any(BUCKETS in query and "_bucket" not in query for query in asked) == (when != "not yet")


@pytest.mark.integration
def test_samples_that_came_late_fill_their_gap(server: ScriptedServer, sources: Sources):
    gap = (END.timestamp() - 2400, END.timestamp() - 300)
    server.answers[RANGE] = matrix(({}, lambda at: NO_SAMPLE if gap[0] < at < gap[1] else "100"))
    assert np.isnan(values_of(sources)).sum() > 100
    server.answers[RANGE] = matrix(({}, lambda at: "100"))
    sources.cache.clear()
    assert (values_of(sources) == 100).all()
    server.asked.clear()
    sources.cache.clear()
    assert (values_of(sources) == 100).all()
    assert sum(len(points(asked)) for path, asked in server.asked if path == RANGE) <= 24
