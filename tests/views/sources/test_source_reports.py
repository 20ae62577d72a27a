"""What Sources and the doctor say: for each source whether it answers, what it lacks, and how to mend it."""

from dataclasses import replace

import pytest

from collectors import guard as guards
from collectors import registry
from collectors.guard import Guard
from settings import HTTP_SOURCES, SOURCE_NAMES, Settings
from tests.support import real_parts, redis_servers, scripted_store
from tests.support.looping import until
from tests.support.scripted_http import ScriptedServer, success
from views.sources import view as sources
from views.sources.view import _slow, load_reports, overall

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real source may be slow here, because the machine is busy; what is called slow is proved by itself below."""
    monkeypatch.setattr(sources, "_slow", lambda *_: "")


def reports(sources):
    return {report.name: report for report in load_reports(sources).value}


def lacks(report):
    return " ".join(lack.text for lack in report.lacks)


def test_sources_that_have_all_they_should_answer_with_version_and_latency(quiet, build):
    found = reports(build(quiet.settings()))
    assert list(found) == list(SOURCE_NAMES)
    for name in ("synaptic", "alertmanager"):
        assert (name, found[name].status, found[name].lacks) == (name, "ok", ())
        assert found[name].summary == "answers"
    assert found["elasticsearch"].version.startswith("8.")
    assert found["synaptic"].version == "1.4.2"
    assert found["prometheus"].version.startswith("2.")
    assert all(found[name].health.last_latency > 0 for name in HTTP_SOURCES)


def test_a_log_store_without_second_copies_is_told_as_at_risk(quiet, build):
    logs = reports(build(quiet.settings()))["elasticsearch"]
    (lack,) = logs.lacks
    assert (logs.status, logs.summary) == ("risk", "answers, 1 thing missing")
    assert lack.text.startswith("The cluster is yellow: ")
    assert lack.text.endswith("there is no second copy of some lines.")


def test_metrics_that_nobody_reports_are_lacks_that_say_what_stays_empty_and_how_to_mend_it(quiet, build):
    prometheus = reports(build(quiet.settings()))["prometheus"]
    assert prometheus.status == "risk"
    (lack,) = [lack for lack in prometheus.lacks if "synaptic_backup_last_success_timestamp_seconds" in lack.text]
    assert "“Since last backup” stays empty" in lack.text
    assert "signals.toml" in lack.mend


def test_doubled_names_are_told_with_an_example(real_prometheus, quiet, build):
    prometheus = reports(build(quiet.settings(prometheus={"url": real_prometheus.url})))["prometheus"]
    (lack,) = [lack for lack in prometheus.lacks if "doubled names" in lack.text]
    assert "synaptic_memory_synaptic_memory_operations_total" in lack.text
    assert "without namespace and subsystem" in lack.mend


def test_a_job_that_nobody_scrapes_and_an_index_without_lines_are_told(quiet, build):
    found = reports(build(quiet.settings(prometheus={"job": "synaptic-eu"}, elasticsearch={"index": "other-logs-*"})))
    assert "No scrape job “synaptic-eu”." in lacks(found["prometheus"])
    (lack,) = [lack for lack in found["elasticsearch"].lacks if "index pattern" in lack.text]
    assert lack.text == "The index pattern other-logs-* holds no lines."
    assert "Filebeat" in lack.mend


def test_a_target_that_is_down_and_a_rule_that_fails_are_told(quiet, build, tmp_path):
    closed = [real_parts.free_port() for _ in range(2)]
    targets = [f"127.0.0.1:{port}" for port in closed]
    rules = tmp_path / "rules.yml"
    rules.write_text("groups: [{name: g, rules: [{record: twice, expr: 'up * on() vector(2)'}]}]\n")
    configuration = (
        "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
        f"rule_files: ['{rules}']\n"
        f"scrape_configs: [{{job_name: synaptic, static_configs: [{{targets: {targets}}}]}}]\n"
    )
    with real_parts.prometheus(tmp_path, configuration=configuration) as own:
        sources = build(quiet.settings(prometheus={"url": f"http://127.0.0.1:{own}"}))
        found = until(
            lambda: (report := reports(sources)["prometheus"]) and "Rule twice" in lacks(report) and report,
            "the targets being scraped and the rule being run",
        )
    assert "Rule twice fails: multiple matches for labels" in lacks(found)
    assert f"Target http://127.0.0.1:{closed[0]}/metrics of synaptic is down" in lacks(found)
    assert "connection refused" in lacks(found)
    assert "No scrape job" not in lacks(found)


@pytest.mark.parametrize("name", HTTP_SOURCES)
def test_a_source_that_is_down_costs_its_own_report_only(faults, build, name):
    sources = build(faults.settings())
    before = reports(sources)
    faults.switch("refuse", name)
    sources.cache.clear()  # an answer from just before the fault would still be fresh
    after = reports(sources)
    assert (after[name].status, after[name].version) == ("broken", "")
    assert "cannot be reached" in after[name].summary
    assert after[name].hint
    assert after[name].health.last_success is not None
    assert after[name].health.last_error is not None
    for other in HTTP_SOURCES:
        if other != name:
            assert after[other].status == before[other].status


def test_replicas_that_are_not_ready_or_of_another_version_are_lacks(faults, build):
    urls = [{"name": name, "url": replica.url} for name, replica in faults.replicas.items()]
    faults.replicas["synaptic-b"].not_ready = "database unavailable"
    faults.replicas["synaptic-b"].version = "1.9.0"
    try:
        synaptic = reports(build(faults.settings(synaptic={"replicas": urls})))["synaptic"]
    finally:
        faults.replicas["synaptic-b"].version = "1.4.2"
    assert "Replica synaptic-b is not ready: database unavailable." in lacks(synaptic)
    assert "Replicas run different versions: 1.4.2, 1.9.0." in lacks(synaptic)
    assert synaptic.version == "1.4.2, 1.9.0"


def test_without_a_list_of_replicas_it_is_said_that_only_the_balancer_is_known(quiet, build):
    (lack,) = reports(build(quiet.settings(synaptic={"replicas": []})))["synaptic"].lacks
    assert "through the balancer only" in lack.text
    assert "[environments.test.synaptic]" in lack.mend


def cache(port, **more):
    return Settings.model_validate({"environments": {"test": {"redis": {"host": "127.0.0.1", "port": port, **more}}}})


def test_a_cache_tells_its_version_and_what_its_user_may_not_read(build):
    with redis_servers.running("valkey") as server:
        report = reports(build(cache(server.port)))["redis"]
        assert (report.status, report.lacks) == ("ok", ())
        assert report.version.startswith("Valkey ")
        server.run("ACL", "SETUSER", "poor", "on", ">x", "+info")
        report = reports(build(cache(server.port, user="poor", password="x")))["redis"]
        assert (report.status, report.summary) == ("risk", "answers, 3 things missing")
        assert report.lacks[1].text.startswith("It does not let the user poor send SLOWLOG GET: slow commands")
        assert report.lacks[1].mend == "ACL SETUSER poor +slowlog|get"
        report = reports(build(cache(server.port, user="poor", password="wrong")))["redis"]
        assert (report.status, report.hint) == ("broken", "Check user and password of this source.")


def test_nothing_configured_is_unknown_with_how_to_add_each_source(build):
    found = load_reports(build(Settings(environments={"test": {}}))).value
    assert [report.status for report in found] == ["unknown"] * len(SOURCE_NAMES)
    assert all("Add [environments.test." in report.hint for report in found)
    assert overall(found) == "unknown"


def test_all_together_is_as_bad_as_the_worst_configured_source(quiet, build):
    ok = reports(build(quiet.settings()))["synaptic"]
    risk, broken, unknown = (replace(ok, status=status) for status in ("risk", "broken", "unknown"))
    assert overall([ok, risk, broken, unknown]) == "broken"
    assert overall([ok, risk, unknown]) == "risk"
    assert overall([ok, unknown]) == "ok"


def store(url):
    return Settings.model_validate({"environments": {"test": {"elasticsearch": {"url": url, "index": "logs-*"}}}})


def refused(action):
    words = f"action [{action}] is unauthorized for API key id [x] of user [y]"
    return 403, {"error": {"type": "security_exception", "reason": words}, "status": 403}


def test_a_key_that_may_only_read_lines_lacks_a_privilege_that_is_named_and_answers_all_the_same(build):
    denied = {"/_cluster/health": refused("cluster:monitor/health"), "/_cat/indices": refused("indices:monitor/stats")}
    with scripted_store.answering(denied) as url:
        sources = build(store(url))
        for _ in range(4):
            report = reports(sources)["elasticsearch"]
        (lack,) = [lack for lack in report.lacks if "@timestamp" not in lack.text]
        assert (report.status, report.version, report.breaker) == ("risk", "8.17.4", "closed")
        assert "cluster:monitor/health" in lack.text
        assert lack.text.endswith("the health of the cluster is not known.")
        assert lack.mend == "Grant the cluster privilege monitor to the user or API key of this source."


def test_a_key_that_may_not_even_read_lines_is_broken_with_the_server_s_words(build):
    read = refused("indices:data/read/search")
    with scripted_store.answering({"/_cat/indices": refused("indices:monitor/stats"), "/_count": read}) as url:
        report = reports(build(store(url)))["elasticsearch"]
        assert report.status == "broken"
        assert "indices:data/read/search" in report.summary
        assert "the index privilege read" in report.hint


@pytest.mark.parametrize(
    ("health", "text"),
    [
        (
            {"status": "RED", "unassigned_shards": 2},
            "The cluster is red: 2 shards have no node, so some lines cannot be",
        ),
        ({"status": "purple"}, "The cluster calls its health “purple”, which the console does not know"),
        ({"status": None}, "The cluster calls its health “”, which the console does not know"),
    ],
)
def test_a_health_that_is_not_known_is_told_as_it_is(build, health, text):
    with scripted_store.answering({"/_cluster/health": (200, health)}) as url:
        assert text in lacks(reports(build(store(url)))["elasticsearch"])


def test_json_nested_without_an_end_costs_its_own_report_only(build):
    deep = b'{"status":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    with scripted_store.answering({"/_cluster/health": (200, deep)}) as url:
        report = reports(build(store(url)))["elasticsearch"]
        assert (report.status, report.version, report.breaker) == ("risk", "8.17.4", "closed")
        assert "nested too deep" in lacks(report)


def test_a_sentinel_is_no_healthy_cache(build):
    with redis_servers.running("redis") as server, redis_servers.sentinel(server.port) as port:
        report = reports(build(cache(port)))["redis"]
        assert (report.status, report.breaker) == ("unknown", "closed")
        assert report.summary.startswith("is a Sentinel, which holds no keys")
        assert report.hint == f"Set host and port of this source to 127.0.0.1:{server.port}."


def test_a_replica_and_a_node_of_a_cluster_are_called_what_they_are(build):
    with redis_servers.running("redis") as primary, redis_servers.running("valkey", cluster_enabled="yes") as node:
        with redis_servers.running("redis", replicaof=f"127.0.0.1 {primary.port}") as replica:
            report = reports(build(cache(replica.port)))["redis"]
            assert f"It is a replica of 127.0.0.1:{primary.port}:" in lacks(report)
        assert "It is one node of a cluster" in lacks(reports(build(cache(node.port)))["redis"])
        report = reports(build(cache(node.port, database=1)))["redis"]
        assert (report.status, report.summary) == ("broken", "is one node of a cluster, which has database 0 only")


@pytest.mark.parametrize(
    ("slowest", "limit", "told"),
    [
        (None, 5.0, "answers"),
        (0.3, 5.0, "answers"),
        (1.9, 5.0, "answers"),
        (2.1, 5.0, "answers slowly: 2.1 s of its 5 s"),
        (6.1, 8.0, "answers slowly: 6.1 s of its 8 s"),
        (0.6, 1.0, "answers slowly: 0.6 s of its 1 s"),
    ],
)
def test_a_source_that_takes_long_is_slow_and_not_well(slowest, limit, told):
    guard = Guard("test", "elasticsearch")
    with guard.attempt():
        pass
    health = replace(guard.health(), slowest=slowest)
    assert f"answers{_slow(health, limit)}" == told


def test_a_guard_knows_the_slowest_answer_of_the_last_minute(monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(guards.time, "monotonic", lambda: clock[0])
    guard = Guard("test", "elasticsearch")
    for seconds in (0.2, 6.1, 0.1):
        with guard.attempt():
            clock[0] += seconds
    assert guard.health().slowest == pytest.approx(6.1)
    assert guard.health().last_latency == pytest.approx(0.1)
    clock[0] += guards.RECENT_SECONDS + 1
    assert guard.health().slowest is None


def test_what_a_source_repeats_of_other_peoples_credentials_is_masked_for_the_page_and_the_terminal_alike():
    scripted = ScriptedServer()
    target = {
        "labels": {},
        "health": "down",
        "scrapePool": "synaptic",
        "scrapeUrl": "http://joe:hidden-1@host/metrics?token=hidden-2",
        "lastError": 'Get "http://host/metrics?api_key=hidden-3": Authorization: Bearer hidden-4 refused',
    }
    rule = {"name": "r", "health": "err", "lastError": "postgres://ann:hidden-5@db/x failed"}
    scripted.answers = {
        "/api/v1/label/__name__/values": success([]),
        "/api/v1/targets": success({"activeTargets": [target]}),
        "/api/v1/rules": success({"groups": [{"name": "g", "rules": [rule]}]}),
        "/api/v1/status/buildinfo": success({"version": "3.5.0 password=hidden-6"}),
    }
    settings = Settings.model_validate({"environments": {"test": {"prometheus": {"url": scripted.url}}}})
    built = registry.build(settings, "test")
    try:
        report = reports(built)["prometheus"]
    finally:
        for one in built.configured():
            one.close()
        scripted.close()
    told = f"{report}"
    assert "Target http://***@host/metrics" in told
    assert "Rule r fails" in told
    assert report.version.startswith("3.5.0 ")
    assert "hidden" not in told
