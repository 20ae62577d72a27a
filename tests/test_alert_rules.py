"""The shipped alert rules: sound, told in full, and each proven to fire and to be silent."""

from __future__ import annotations

import subprocess
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

import demo.config
from collectors import slo_rules, slos

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "deploy/prometheus/synaptic.rules.yml"
SLO_RULES = ROOT / "deploy/prometheus/slo.rules.yml"
UNIT_TESTS = sorted((ROOT / "deploy/prometheus/tests").glob("*.yml"))
ALERTMANAGERS = (ROOT / "deploy/alertmanager/alertmanager.yml", ROOT / "demo/config/alertmanager.yml")


def alerts(text: str) -> list[dict[str, Any]]:
    """The alert rules of a rule file."""
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"] if "alert" in rule]


ALERTS = {rule["alert"]: rule for file in (SLO_RULES, RULES) for rule in alerts(file.read_text())}


def run(*command: str | Path) -> str:
    """Runs a program that must succeed; what it said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("file", [RULES, SLO_RULES], ids=lambda file: file.name)
def test_prometheus_accepts_the_rules(file: Path) -> None:
    assert "SUCCESS" in run("promtool", "check", "rules", file)


def test_the_rules_of_the_objectives_are_those_of_the_shipped_file() -> None:
    assert SLO_RULES.read_text() == slo_rules.rules(slos.shipped().values())


def test_prometheus_accepts_the_rules_as_the_demo_shortens_them(tmp_path: Path) -> None:
    shortened = tmp_path / "rules.yml"
    shortened.write_text(demo.config.rules())
    assert "SUCCESS" in run("promtool", "check", "rules", shortened)


@pytest.mark.parametrize("file", UNIT_TESTS, ids=lambda file: file.stem)
def test_each_alert_fires_and_is_silent_when_its_unit_test_says(file: Path) -> None:
    assert "SUCCESS" in run("promtool", "test", "rules", file)


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_alert_has_a_unit_test_in_which_it_fires_and_one_in_which_it_does_not(name: str) -> None:
    seen = defaultdict(set)
    for file in UNIT_TESTS:
        for case in yaml.safe_load(file.read_text())["tests"]:
            for entry in case.get("alert_rule_test", ()):
                seen[entry["alertname"]].add(bool(entry.get("exp_alerts")))
    assert seen[name] == {True, False}


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_alert_says_how_bad_it_is_what_it_means_and_what_to_do(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["labels"]["service"]
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert all(rule["annotations"].values())
    signals = tomllib.loads((ROOT / "collectors/catalog/signals.toml").read_text())
    assert rule["labels"]["signal"] in signals


def test_unit_tests_name_no_alert_that_is_not_there() -> None:
    named = {
        entry["alertname"]
        for file in UNIT_TESTS
        for case in yaml.safe_load(file.read_text())["tests"]
        for entry in case.get("alert_rule_test", ())
    }
    assert named == set(ALERTS)


def test_demo_has_the_same_alerts_and_all_but_a_stuck_rollout_can_fire_within_a_minute() -> None:
    shortened = alerts(demo.config.rules())
    assert [rule["alert"] for rule in shortened] == [rule["alert"] for rule in alerts(RULES.read_text())]
    assert {rule["alert"] for rule in shortened if rule["for"] not in {"10s", "15s"}} == {"SynapticVersionsMixed"}
    assert "[5m]" not in demo.config.rules()


@pytest.mark.parametrize("file", ALERTMANAGERS, ids=lambda file: file.parent.name)
def test_alertmanager_accepts_its_configuration(file: Path, tmp_path: Path) -> None:
    filled = tmp_path / "alertmanager.yml"
    filled.write_text(file.read_text())
    assert "SUCCESS" in run("amtool", "check-config", filled)
