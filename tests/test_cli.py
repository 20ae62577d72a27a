"""``python -m cli doctor``: what it prints, and the exit code that a script can rely on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cli
from settings import SOURCE_NAMES
from tests.support.echoing import FORMS, LEAK, Echoing
from tests.support.little_synaptic import LittleSynaptic
from tests.support.real_parts import free_port

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def replica(servers):
    service = LittleSynaptic(servers)
    yield service
    service.close()


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a settings file and returns its path; no other file of this machine is in reach."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SYNAPTIC_CONSOLE_CONFIG", raising=False)

    def written(text: str) -> str:
        path = tmp_path / "my.toml"
        path.write_text(text)
        return str(path)

    return written


def service(replica: LittleSynaptic, environment: str = "main") -> str:
    return (
        f'[environments.{environment}.synaptic]\nurl = "{replica.url}"\n'
        f'replicas = [{{ name = "synaptic-0", url = "{replica.url}" }}]\n'
    )


def test_all_well_is_0_and_unconfigured_sources_are_told_with_how_to_add_them(replica, write, capsys):
    assert cli.main(["--config", write(service(replica)), "doctor"]) == 0
    printed = capsys.readouterr().out
    assert "✓ synaptic       answers" in printed
    assert "version 1.4.2" in printed
    assert "? prometheus     not configured" in printed
    assert "→ Add [environments.main.prometheus]" in printed


def test_something_missing_is_1_with_the_lack_and_its_mend(replica, write, capsys):
    replica.not_ready = "database unavailable"
    assert cli.main(["--config", write(service(replica)), "doctor"]) == 1
    printed = capsys.readouterr().out
    assert "▲ Replica synaptic-0 is not ready: database unavailable." in printed
    assert "→ Look at its log and at the database that it waits for." in printed


def test_a_source_that_does_not_answer_is_2_with_what_happened_and_a_hint(replica, write, capsys):
    config = service(replica) + f'[environments.main.alertmanager]\nurl = "http://127.0.0.1:{free_port()}"\n'
    assert cli.main(["--config", write(config), "doctor"]) == 2
    printed = capsys.readouterr().out
    assert "✕ alertmanager   cannot be reached (Connection refused)" in printed
    assert "→ Check that it runs" in printed
    assert "✓ synaptic" in printed


def test_nothing_configured_is_3_and_says_where_to_begin(write, capsys):
    assert cli.main(["--config", write(""), "doctor"]) == 3
    assert "Copy console.example.toml" in capsys.readouterr().out


def test_json_has_one_object_for_each_source_of_each_environment(replica, write, capsys):
    config = service(replica) + service(replica, "other")
    assert cli.main(["--config", write(config), "doctor", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["environment"], row["source"]) for row in rows] == [
        (environment, source) for environment in ("main", "other") for source in SOURCE_NAMES
    ]
    first = rows[0]
    assert (first["status"], first["version"], first["address"]) == ("ok", "1.4.2", replica.url)
    assert first["latency_seconds"] > 0
    assert rows[1]["status"] == "unknown"


def test_one_environment_can_be_chosen(replica, write, capsys):
    config = service(replica) + f'[environments.broken.synaptic]\nurl = "http://127.0.0.1:{free_port()}"\n'
    path = write(config)
    assert cli.main(["--config", path, "doctor"]) == 2
    assert cli.main(["--config", path, "doctor", "--environment", "main"]) == 0
    capsys.readouterr()
    assert cli.main(["--config", path, "doctor", "--environment", "mian"]) == cli.MISTAKE
    assert "There is no environment 'mian'; configured: main, broken" in capsys.readouterr().err


def test_wrong_settings_are_told_sentence_by_sentence_on_standard_error(write, capsys):
    path = write('[environments.main.prometheus]\nurl = "prometheus:9090"\ncolour = "red"\n')
    assert cli.main(["--config", path, "doctor"]) == cli.MISTAKE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"{path}: environments.main.prometheus.colour is not a setting" in captured.err
    assert "environments.main.prometheus.url" in captured.err


def test_a_settings_file_that_does_not_exist_is_a_mistake(write, capsys):
    assert cli.main(["--config", "elsewhere.toml", "doctor"]) == cli.MISTAKE
    assert "elsewhere.toml: the file does not exist" in capsys.readouterr().err


def test_a_password_is_never_printed(replica, write, capsys):
    config = write(
        service(replica)
        + f"""
[environments.main.elasticsearch]
url = "http://127.0.0.1:{free_port()}"
username = "console"
password = "correct horse battery staple"
"""
    )
    for arguments in (["doctor"], ["doctor", "--json"]):
        cli.main(["--config", config, *arguments])
    captured = capsys.readouterr()
    assert "correct horse" not in captured.out + captured.err


def test_the_exit_code_reaches_the_shell(replica, write):
    replica.status = "unhealthy"
    done = subprocess.run(
        [sys.executable, "-m", "cli", "--config", write(service(replica)), "doctor"],
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "error::ResourceWarning"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "is unhealthy" in done.stdout


def test_rules_prints_the_shipped_rules_without_any_settings(write, capsys):
    assert cli.main(["rules"]) == 0
    printed = capsys.readouterr()
    assert printed.out == (ROOT / "deploy/prometheus/slo.rules.yml").read_text()
    assert not printed.err


OBJECTIVE = """
[answers]
title = "Answers"
kind = "availability"
objective = 0.9
signal = "search_operations"
bad = { status = ["error"] }
why = "People wait."
"""


def test_rules_prints_what_prometheus_accepts_for_a_file_of_ones_own(write, tmp_path, capsys):
    assert cli.main(["rules", "--slo", write(OBJECTIVE), "--job", 'memory "east"']) == 0
    printed = capsys.readouterr()
    rules = tmp_path / "rules.yml"
    rules.write_text(printed.out)
    done = subprocess.run(["promtool", "check", "rules", rules], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert r'job="memory \"east\""' in printed.out
    assert "answers: a burn rate of 14.4 can never be reached with an objective of 90 %" in printed.err


def test_mistakes_in_objectives_are_64_with_one_sentence_each(write, capsys):
    mistaken = OBJECTIVE.replace("0.9", "1.5") + '\n[other]\nkind = "speed"\n'
    assert cli.main(["rules", "--slo", write(mistaken)]) == 64
    printed = capsys.readouterr()
    assert not printed.out
    told = printed.err.splitlines()
    assert told[0] == "my.toml: answers.objective: Input should be less than 1"
    assert any(line.startswith("my.toml: other.kind:") for line in told)


@pytest.mark.parametrize("form", FORMS)
def test_what_a_source_repeats_of_its_credentials_is_never_printed(servers, write, capsys, form):
    echoing = Echoing(servers)
    try:
        config = write(echoing.toml("main", form))
        assert cli.main(["--config", config, "doctor"]) == 2
        text = capsys.readouterr().out
        assert cli.main(["--config", config, "doctor", "--json"]) == 2
        rows = capsys.readouterr().out
    finally:
        echoing.close()
    assert not LEAK.search(text), text
    assert not LEAK.search(rows), rows
    assert rows.isascii()
    assert text.replace("\n", "").isprintable()
    assert "by a mistake" not in text
    if form == "deep-200":
        assert "nested too deep" in text
