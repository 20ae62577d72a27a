"""Settings against advice: each kind of rule, on what a real PostgreSQL says of itself, and mistakes in the file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors import registry
from collectors.postgres.settings import RoleSetting, Setting
from collectors.registry import Sources
from collectors.settings_advice import SettingAdvice, SettingsAdviceError, catalogue, read
from settings import Settings
from tests.support import postgresql
from tests.support.postgresql import Server
from views.database.maintenance.settings import Judged, judged, load_settings

GIB = 2**30


def setting(name: str, value: str, unit: str = "", **more: object) -> Setting:
    given = {"kind": "integer", "context": "sighup", "source": "default", "built_in": "", "pending_restart": False}
    return Setting(name=name, setting=value, unit=unit, **{**given, **more})


def judge(rule: dict, *settings: Setting, memory: int | None = None, **keys: object) -> Judged:
    """What advice with one rule says to the first of some settings."""
    given = {"advice": "a", "why": "w", "source": "s", "severity": "risk", "rules": [rule], **keys}
    advice = {settings[0].name: SettingAdvice.model_validate(given)}
    (one,) = judged(advice, {one.name: one for one in settings}, None, None, memory, "console")
    return one


@pytest.mark.parametrize(
    ("value", "unit", "rule", "told"),
    [
        ("16384", "8kB", {"kind": "minimum", "value": "128MB"}, ""),
        ("16383", "8kB", {"kind": "minimum", "value": "128MB"}, "less than 128MB"),
        ("300", "s", {"kind": "minimum", "value": "5min"}, ""),
        ("4", "", {"kind": "maximum", "value": "2"}, "more than 2"),
        ("2", "ms", {"kind": "maximum", "value": "2ms"}, ""),
        ("on", "", {"kind": "equal", "value": "on"}, ""),
        ("off", "", {"kind": "equal", "value": "on"}, "it is not on"),
        ("lz4", "", {"kind": "one_of", "values": ["on", "lz4"]}, ""),
        ("off", "", {"kind": "one_of", "values": ["on", "lz4"]}, "it is none of on, lz4"),
        ("word", "", {"kind": "minimum", "value": "1"}, "word is no quantity"),
    ],
)
def test_a_value_is_measured_in_its_own_unit(value, unit, rule, told):
    found = judge(rule, setting("one", value, unit))
    assert (found.told, found.status) == (told, "risk" if told else "ok")


def test_a_value_that_means_off_fits_no_bound():
    found = judge({"kind": "minimum", "value": "1GB"}, setting("keep", "-1", "MB"), off=["-1"])
    assert (found.told, found.value) == ("it is off, or without a limit", "−1")


def test_minus_one_may_stand_for_another_setting():
    rule = {"kind": "minimum", "value": "200"}
    settings = (setting("limit", "-1"), setting("other", "200"))
    assert judge(rule, *settings, inherits="other").status == "ok"
    assert judge(rule, settings[0], setting("other", "100"), inherits="other").told == "less than 200"


def test_a_share_is_of_another_setting_or_of_the_memory_where_that_is_known():
    buffers, each = setting("buffers", "131072", "8kB"), setting("each", "4096", "kB")
    rule = {"kind": "share", "of": "memory", "least": 0.2}
    assert judge(rule, buffers, memory=4 * GIB).status == "ok"
    assert judge(rule, buffers, memory=8 * GIB).told == "it is 0.12 of the machine's memory, less than 0.2"
    assert judge(rule, buffers).status == "ok"
    times = {"kind": "share", "of": "buffers", "times": "sessions", "most": 1.0}
    assert judge(times, each, buffers, setting("sessions", "256")).status == "ok"
    assert judge(times, each, buffers, setting("sessions", "300")).told.startswith("× sessions it is 1.2 of buffers")


def test_all_pools_must_fit_beside_what_the_server_reserves():
    rule = {"kind": "connections", "replicas": 20, "pool": 20}
    reserved = setting("superuser_reserved_connections", "3")
    assert judge(rule, setting("max_connections", "403"), reserved).status == "ok"
    assert judge(rule, setting("max_connections", "100"), reserved).told == (
        "20 replicas × 20 connections, and 3 reserved, want 403; there is room for 4 replicas"
    )


def role(name: str, setting_name: str = "", value: str = "", **more: object) -> RoleSetting:
    given = {"here_only": False, "connected": True, "superuser": False, "watcher": False}
    return RoleSetting(role=name, name=setting_name, setting=value, **{**given, **more})


@pytest.mark.parametrize(
    ("roles", "value", "status"),
    [
        (None, "", "unknown"),
        ([role("app", "statement_timeout", "30s")], "app: 30s", "ok"),
        ([role("app", "statement_timeout", "30000")], "app: 30000", "ok"),
        ([role("app", "statement_timeout", "0")], "app: 0", "risk"),
        ([role("app", "statement_timeout", "1h")], "app: 1h", "risk"),
        ([role("app")], "", "unknown"),
        ([role("app"), role("", "statement_timeout", "20s", here_only=True, connected=None)], "app: 20s", "ok"),
        (
            [role("app", "statement_timeout", "1h"), role("app", "statement_timeout", "9s", here_only=True)],
            "app: 9s",
            "ok",
        ),
        ([role("app", "statement_timeout", "9s"), role("b", "statement_timeout", "0")], "app: 9s, b: 0", "risk"),
        ([role("console", "statement_timeout", "5s"), role("app", "statement_timeout", "9s")], "app: 9s", "ok"),
        ([role("exporter", "statement_timeout", "0", watcher=True)], "", "unknown"),
    ],
)  # fmt: skip
def test_what_counts_of_a_timeout_is_what_the_service_s_roles_have(roles, value, status):
    rule = {"kind": "maximum", "value": "5min"}
    given = {"advice": "a", "why": "w", "source": "s", "severity": "risk", "rules": [rule], "off": ["0"]}
    advice = {"statement_timeout": SettingAdvice.model_validate({**given, "of_role": True})}
    own = setting("statement_timeout", "5000", "ms", source="client", built_in="0")
    (one,) = judged(advice, {"statement_timeout": own}, roles, None, None, "console")
    assert (one.value, one.status) == (value, status)


def test_what_is_broken_comes_first_and_what_the_server_lacks_is_left_out():
    given = {"advice": "a", "why": "w", "source": "s", "rules": [{"kind": "equal", "value": "on"}]}
    severities = {"fine": "risk", "worse": "risk", "worst": "broken", "absent": "broken"}
    advice = {name: SettingAdvice.model_validate({**given, "severity": one}) for name, one in severities.items()}
    settings = {name: setting(name, "on" if name == "fine" else "off") for name in ("fine", "worse", "worst")}
    assert [one.name for one in judged(advice, settings, [], None, None, "console")] == ["worst", "worse", "fine"]


ENTRY = """
[one]
rules = [{ kind = "minimum", value = "1GB" }]
advice = "a"
why = "w"
source = "s"
severity = "risk"
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[one", "advice.toml: "),
        (ENTRY.replace("1GB", "much"), 'advice.toml: one.rules.0.minimum.value: "much" is no quantity'),
        (ENTRY.replace('"minimum"', '"most"'), "advice.toml: one.rules.0: Input tag 'most'"),
        (ENTRY.replace('"risk"', '"bad"'), "advice.toml: one.severity: Input should be 'risk' or 'broken'"),
        (ENTRY.replace("why", "wy"), "advice.toml: one.why: Field required"),
        ('[one]\nrules = [{ kind = "share", of = "x" }]', "one.rules.0.share: a share needs least or most"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_is_named_with_entry_and_key(tmp_path: Path, text, told):
    (tmp_path / "advice.toml").write_text(text)
    with pytest.raises(SettingsAdviceError) as raised:
        read(tmp_path / "advice.toml")
    assert told in str(raised.value)


@pytest.fixture(scope="module", params=[15, 18])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    options = {"random_page_cost": "4", "shared_buffers": "64MB", "log_lock_waits": "on", "max_connections": "50"}
    with postgresql.running(request.param, **options) as running:
        running.run("CREATE ROLE app LOGIN")
        running.run("ALTER ROLE app SET statement_timeout = '30s'")
        yield running


@pytest.fixture
def sources(server: Server) -> Iterator[Sources]:
    given = {"host": "127.0.0.1", "port": server.port, "user": "console", "deadline": 30, "memory": GIB}
    made = registry.build(Settings.model_validate({"environments": {"test": {"postgres": given}}}), "test")
    yield made
    made.postgres.close()


@pytest.mark.integration
def test_a_real_server_is_judged_by_the_advice_that_is_shipped(server, sources):
    with server.connect("synaptic", user="app"):
        report = load_settings(sources).value
    by = {one.name: one for one in report.judged}
    # pg_stat_statements is loaded by the fixture, so that every entry of the file is about a setting that exists.
    assert set(by) == set(catalogue())
    assert (by["fsync"].status, by["fsync"].told) == ("broken", "it is not on")
    assert by["shared_buffers"].told == ("less than 256MB; it is 0.062 of the machine's memory, less than 0.15")
    assert (by["shared_buffers"].value, by["shared_buffers"].takes) == ("64 MB", "a restart")
    assert by["random_page_cost"].told == "more than 2"
    assert "there is room for 2 replicas" in by["max_connections"].told
    assert by["log_lock_waits"].status == "ok"
    assert by["checkpoint_timeout"].value == "5 min"
    assert (by["statement_timeout"].value, by["statement_timeout"].status) == ("app: 30s", "ok")
    assert (by["lock_timeout"].value, by["lock_timeout"].status) == ("", "unknown")
    assert (by["data_checksums"].status == "ok") == (server.version >= 18)
    assert by["idle_in_transaction_session_timeout"].told == "app: it is off, or without a limit"
    assert report.judged[0].status == "broken"
    assert report.mistakes is None
    assert 'GRANT SELECT ON pg_file_settings TO "console"' in report.grant


@pytest.mark.integration
def test_with_the_grant_what_the_console_s_own_sessions_hide_is_known(server, sources):
    for statement in load_settings(sources).value.grant.splitlines():
        server.run(statement, "synaptic")
    server.run("ALTER SYSTEM SET lock_timeout = '7s'")
    fresh = registry.build(
        Settings.model_validate(
            {"environments": {"test": {"postgres": {"host": "127.0.0.1", "port": server.port, "user": "console"}}}}
        ),
        "test",
    )
    try:
        report = load_settings(fresh).value
    finally:
        fresh.postgres.close()
    assert report.grant == ""
    (lock,) = [one for one in report.judged if one.name == "lock_timeout"]
    assert (lock.value, lock.status) == ("all roles: 7s", "ok")
