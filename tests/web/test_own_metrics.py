"""Each metric that the rest of the house observes appears under its name, with its labels."""

from prometheus_client.parser import text_string_to_metric_families

from telemetry import metrics


def value(name: str, **labels: str) -> float | None:
    return metrics.REGISTRY.get_sample_value(name, labels)


def test_a_request_to_a_source_is_counted_and_timed():
    metrics.observe_request("counted", "prometheus", "timed_out", 5.2)
    labels = {"environment": "counted", "source": "prometheus"}
    assert value("console_source_requests_total", **labels, outcome="timed_out") == 1
    assert value("console_source_request_seconds_sum", **labels) == 5.2
    assert value("console_source_request_seconds_bucket", **labels, le="5.0") == 0
    assert value("console_source_request_seconds_bucket", **labels, le="5.5") == 1


def test_a_breaker_s_state_is_a_number():
    states = []
    for state in ("closed", "half_open", "open"):
        metrics.observe_breaker("test", "redis", state)
        states.append(value("console_source_breaker_state", environment="test", source="redis"))
    assert states == [0, 1, 2]


def test_the_cache_a_panel_a_refusal_and_a_failed_page_are_counted():
    joined = value("console_cache_requests_total", result="joined") or 0
    metrics.observe_cache("joined")
    metrics.observe_panel("counted", "latency", "stale", 0.3)
    metrics.refused("a reason")
    before = value("console_script_errors_total")
    metrics.observe_script_error()
    assert value("console_cache_requests_total", result="joined") == joined + 1
    assert value("console_panel_total", page="counted", panel="latency", state="stale") == 1
    assert value("console_panel_seconds_count", page="counted", panel="latency") == 1
    assert value("console_refused_total", reason="a reason") == 1
    assert value("console_script_errors_total") == before + 1


def test_only_one_version_is_told():
    metrics.set_build("1", "1.67")
    metrics.set_build("2", "1.67")
    assert value("console_build_info", version="1", streamlit="1.67") is None
    assert value("console_build_info", version="2", streamlit="1.67") == 1


def test_the_text_is_what_prometheus_reads():
    body, content_type = metrics.render()
    assert content_type.startswith("text/plain")
    names = {family.name for family in text_string_to_metric_families(body.decode())}
    assert {"console_sessions", "console_cache_requests", "console_panel", "process_cpu_seconds"} <= names
    assert not [name for name in names if name.endswith("_created")]


def test_a_turn_of_the_background_work_is_counted_and_timed_where_it_was_done_here():
    for outcome in ("done", "elsewhere", "unreachable"):
        metrics.observe_turn("log patterns", "counted", outcome, 0.5, 1_700_000_000.0)
    labels = {"job": "log patterns", "environment": "counted"}
    assert value("console_worker_turns_total", **labels, outcome="elsewhere") == 1
    assert value("console_worker_turn_seconds_count", **labels) == 2
    assert value("console_worker_last_done_timestamp_seconds", **labels) == 1_700_000_000.0
