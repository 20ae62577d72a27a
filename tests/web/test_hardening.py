"""Which values of which options count as unsafe, next to the configuration that is shipped."""

import tomllib

import pytest

from settings import Server, Settings
from tests.web.serving import ROOT
from web import hardening

SHIPPED = {
    f"{section}.{name}": value
    for section, values in tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text()).items()
    for name, value in values.items()
}
DEFAULTS = {
    "server.corsAllowedOrigins": [],
    "server.allowedHosts": [],
    "server.unsafeMetricsUserAttributes": [],
    "server.trustedUserHeaders": {},
    "server.scriptHealthCheckEnabled": False,
    "server.baseUrlPath": "",
    "global.developmentMode": False,
    "global.e2eTest": False,
    "server.enableWebsocketCompression": False,
}
SETTINGS = Settings()


def found(changed: dict[str, object], settings: Settings = SETTINGS) -> list[hardening.Finding]:
    return hardening.findings({**DEFAULTS, **SHIPPED, **changed}.__getitem__, settings)


def test_the_shipped_configuration_is_safe():
    assert found({}) == []


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("server.enableCORS", False),
        ("server.enableCORS", None),
        ("server.enableXsrfProtection", False),
        ("server.xsrfCookieSameSite", "none"),
        ("server.corsAllowedOrigins", ["https://a.example", "*"]),
        ("server.allowedHosts", ["*"]),
        ("client.showErrorDetails", "full"),
        ("client.showErrorDetails", "type"),
        ("client.showErrorDetails", True),
        ("server.enableAgentApi", True),
        ("server.headless", False),
        ("server.headless", None),
        ("server.enableWebsocketCompression", True),
        ("server.runOnSave", True),
        ("global.e2eTest", True),
        ("server.unsafeMetricsUserAttributes", ["email"]),
        ("server.enableStaticServing", True),
        ("server.trustedUserHeaders", {"X-User": "name"}),
        ("server.trustedUserHeaders", '{"X-User": "name"}'),
        ("server.scriptHealthCheckEnabled", True),
        ("server.baseUrlPath", "console"),
        ("global.developmentMode", True),
        ("browser.gatherUsageStats", True),
        ("client.allowedOrigins", ["https://evil.example"]),
        ("logger.enableRich", True),
        ("server.address", "0.0.0.0"),
        ("server.address", "::"),
        ("server.address", None),
        ("server.address", "10.1.2.3"),
        ("server.address", "console.example"),
    ],
)
def test_an_unsafe_value_is_found_and_refused_in_production(option, value):
    findings = found({option: value})
    assert [finding.option for finding in findings] == [option]
    assert findings[0].found == value
    assert option in str(findings[0])
    assert hardening.refusals(findings, SETTINGS) == findings


@pytest.mark.parametrize(("option", "value"), [("server.fileWatcherType", "auto"), ("runner.magicEnabled", True)])
def test_what_only_costs_time_is_found_and_not_refused(option, value):
    findings = found({option: value})
    assert [finding.option for finding in findings] == [option]
    assert hardening.refusals(findings, SETTINGS) == []


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_loopback_is_an_address_for_a_console_without_sign_in(address):
    assert found({"server.address": address}) == []


def test_while_developing_options_are_told_and_only_an_open_door_is_refused():
    settings = Settings(server=Server(production=False))
    findings = found({"client.showErrorDetails": "full", "server.address": "0.0.0.0"}, settings)
    assert {finding.option for finding in findings} == {"client.showErrorDetails", "server.address"}
    assert [finding.option for finding in hardening.refusals(findings, settings)] == ["server.address"]


@pytest.mark.parametrize("url", ["https://console.example", "http://10.1.2.3:8501", "http://127.0.0.1/console"])
def test_a_public_address_that_the_server_cannot_guard_is_found(url):
    assert [finding.option for finding in found({}, Settings(server=Server(public_url=url)))] == ["server.public_url"]


def test_a_further_address_that_others_reach_needs_a_sign_in_that_is_named():
    there = Server(allowed_origins=("http://127.0.0.1:8501", "https://console.example"))
    refused = found({}, Settings(server=there))
    assert [(finding.option, finding.found) for finding in refused] == [
        ("server.allowed_origins", "https://console.example")
    ]
    assert "behind_sign_in" in refused[0].required
    developing = Settings(server=there.model_copy(update={"production": False}))
    assert hardening.refusals(found({}, developing), developing) == refused
    assert found({}, Settings(server=there.model_copy(update={"behind_sign_in": True}))) == []
