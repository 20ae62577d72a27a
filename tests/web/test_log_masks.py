"""Nothing secret is written: masks by value in every form, and log lines that cannot be forged."""

import base64
import json
import logging
import subprocess
import sys
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry import logs, masks
from tests.web.serving import ROOT

SECRET = 'p@ss/w"ord +ümlaut\\'
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQEFAASCBKcwggSjAgEAAoIB\n-----END PRIVATE KEY-----\n"


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    """Each test registers its own secrets."""
    monkeypatch.setattr(masks, "_forms", set())
    monkeypatch.setattr(masks, "_pattern", None)


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote(SECRET, safe="").lower().replace("p%40ss", "p%40ss"),
        quote_plus(SECRET),
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        repr(SECRET)[1:-1],
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"elastic:{SECRET}".encode()).decode(),
    ],
)
def test_a_registered_secret_is_masked_in_every_form(form):
    masks.register_secret(SECRET)
    masked = masks.mask(f"before {form} after")
    assert form not in masked
    assert "***" in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")


@given(secret=st.text(st.characters(codec="utf-8"), min_size=6, max_size=40), before=st.binary(), after=st.binary())
def test_a_secret_inside_base64_is_masked_at_any_offset(secret, before, after):
    masks.register_secret(secret)
    blob = base64.b64encode(before + secret.encode() + after).decode()
    masked = masks.mask(blob)
    assert "***" in masked
    rest = masked.replace("***", "")
    assert len(blob) - len(rest) >= len(secret.encode()) * 4 // 3 - 3  # all but the characters shared with neighbours


def test_each_line_of_a_secret_of_several_lines_is_masked():
    masks.register_secret(PEM)
    for line in PEM.splitlines():
        assert line not in masks.mask(f"key: {line}")


def test_the_password_of_a_secret_address_is_masked_also_outside_of_it():
    masks.register_secret("postgresql://console:s3cr%40t-word@db:5432/console")
    assert "s3cr@t-word" not in masks.mask('password authentication failed with "s3cr@t-word"')
    assert "s3cr%40t-word" not in masks.mask("s3cr%40t-word")


def test_an_address_without_a_password_stays_readable():
    masks.register_secret("sqlite:///console.sqlite3")
    assert masks.mask("opened sqlite:///console.sqlite3") == "opened sqlite:///console.sqlite3"


def test_a_longer_secret_is_masked_whole_where_a_shorter_one_is_a_part_of_it():
    masks.register_secret("hunter")
    masks.register_secret("hunter2-and-more")
    assert masks.mask("x hunter2-and-more y") == "x *** y"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("GET https://joe:hidden@host/path", "GET https://***@host/path"),
        ("Authorization: Bearer abc.def.ghi", "Authorization: ***"),
        ("authorization=Basic am9lOmhpZGRlbg==", "authorization=***"),
        ("{'Authorization': 'ApiKey abcdefgh'}", "{'Authorization': '***'}"),
        ("(b'authorization', b'Bearer abcdefgh')", "(b'authorization', b'***')"),
        ("sent Bearer abcdefgh.ijk to it", "sent Bearer *** to it"),
        ("Cookie: session=abc; other=def", "Cookie: ***"),
        ("/path?user=joe&password=hidden&x=1", "/path?user=joe&password=***&x=1"),
        ("/path?access_token=hidden", "/path?access_token=***"),
        ("connect to host=h password=hidden dbname=x", "connect to host=h password=*** dbname=x"),
        ('{"api_key": "hidden-key"}', '{"api_key": "***"}'),
        ("refused eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl here", "refused *** here"),
        ("Unexpected token: } and a secret: {", "Unexpected token: } and a secret: {"),
        ("time 12:30 http://host:9090/a@b", "time 12:30 http://host:9090/a@b"),
    ],
)
def test_what_looks_like_a_credential_is_masked_without_being_registered(text, masked):
    assert masks.mask(text) == masked


def test_values_are_masked_however_deep_and_fields_by_their_names():
    masks.register_secret("hidden-value")
    value = {"a": [{"b": ("hidden-value", b"hidden-value")}], "password": "x", "tokens": 3, "none": None, "n": 1.5}
    assert masks.mask_value(value) == {
        "a": [{"b": ["***", "***"]}],
        "password": "***",
        "tokens": 3,
        "none": None,
        "n": 1.5,
    }


PROGRAM = """
import logging, sys, warnings
early = logging.getLogger("early")
early.addHandler(logging.StreamHandler(sys.stderr))
early.propagate = False
from telemetry import logs
logs.configure()
logs.register_secret("hidden-value")
late = logging.getLogger("late")
late.addHandler(logging.StreamHandler(sys.stderr))
late.propagate = False
early.error("early hidden-value")
late.error("late %s", "hidden-value", extra={"password": "x"})
log = logs.get_logger("ours")
log.info("forged\\n{\\"event\\": \\"x\\"}\\x1b[31m\\u202e", field="hidden-value", nested={"k": ["hidden-value"]})
try:
    raise RuntimeError("hidden-value in an error")
except RuntimeError:
    log.exception("failed")
log.info("long", text="x" * 50_000)
warnings.warn("hidden-value in a warning")
logging.getLogger("urllib3.connectionpool").debug("hidden-value")
logging.getLogger("uvicorn.access").info("GET /?q=hidden-value")
"""


def test_every_logger_of_the_process_writes_masked_json_lines_and_nothing_else():
    ended = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stderr == ""
    assert "hidden-value" not in ended.stdout
    assert "\x1b" not in ended.stdout
    assert "\u202e" not in ended.stdout
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    events = [line["event"] for line in lines]
    assert events[:5] == ["early ***", "late ***", 'forged\n{"event": "x"}\x1b[31m\u202e', "failed", "long"]
    assert [line["logger"] for line in lines[:3]] == ["early", "late", "ours"]
    assert lines[1]["password"] == "***"
    assert lines[2]["field"] == "***"
    assert lines[2]["nested"] == {"k": ["***"]}
    assert "RuntimeError: *** in an error" in lines[3]["exception"]
    assert len(lines[4]["text"]) < 20_000
    assert "*** in a warning" in events[5]
    assert len(lines) == 6
    assert all(line["time"].endswith("Z") and line["level"] for line in lines)


def test_what_fails_in_a_loop_is_written_some_times_and_then_counted():
    clock = [0.0]
    thin = logs.Thinning(lambda: clock[0])

    def written(event: str, level: int = logging.WARNING, **fields: str) -> dict | None:
        record = logging.LogRecord("worker", level, "", 0, {"event": event, **fields}, (), None)
        return record.msg if thin.filter(record) else None

    assert sum(written("failed", job="a") is not None for _ in range(100)) == logs.THIN_AFTER
    assert written("failed", job="b") is not None
    assert all(written("export", logging.INFO) is not None for _ in range(100))
    clock[0] = logs.THIN_SECONDS
    assert written("failed", job="a") == {"event": "failed", "job": "a", "left_out": 100 - logs.THIN_AFTER}
