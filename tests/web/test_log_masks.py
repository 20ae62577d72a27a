"""Nothing secret is written: masks by value in every form, and log lines that cannot be forged."""

import base64
import hashlib
import html
import json
import logging
import subprocess
import sys
import unicodedata
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry import logs, masks
from telemetry.spellings import Known, spellings
from tests.web.serving import ROOT

SECRET = 'p@ss/w"ord +ümlaut\\'
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQEFAASCBKcwggSjAgEAAoIB\n-----END PRIVATE KEY-----\n"


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    """Each test registers its own secrets."""
    monkeypatch.setattr(masks, "_values", frozenset())
    monkeypatch.setattr(masks, "_known", Known())


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


AWKWARD = "s3cr3t&P<a>ss!w0rd+'q\"~*(7)$a%25/=#x é"
GO = (
    json.dumps(AWKWARD, ensure_ascii=False)
    .replace("&", r"\u0026")
    .replace("<", r"\u003c")
    .replace(">", r"\u003e")[1:-1]
)


def escaped(form: str) -> str:
    """The secret with all but letters and digits in one form."""
    return "".join(one if one.isalnum() and one.isascii() else form.format(ord(one)) for one in AWKWARD)


SPELLED = {
    "Go's JSON": GO,
    "Go's JSON in JSON": json.dumps(GO)[1:-1],
    "JSON in JSON": json.dumps(json.dumps(AWKWARD)[1:-1])[1:-1],
    "JavaScript's percent encoding": quote(AWKWARD, safe="!'()*~"),
    "a path of Go": quote(AWKWARD, safe="$&+=:@~"),
    "percent, twice": quote(quote(AWKWARD, safe=""), safe=""),
    "percent, three times": quote(quote(quote(AWKWARD, safe=""), safe=""), safe=""),
    "Latin-1 in percent": quote(AWKWARD, safe="", encoding="latin-1"),
    "HTML of Go": AWKWARD.replace("&", "&amp;").replace("'", "&#39;").replace("<", "&lt;").replace('"', "&#34;"),
    "HTML of Python": html.escape(AWKWARD),
    "HTML twice": html.escape(html.escape(AWKWARD)),
    "HTML in hexadecimal": escaped("&#x{:X};"),
    "NGINX": escaped(r"\x{:02X}"),
    "bytes of Python": repr(AWKWARD.encode())[2:-1],
    "SQL": AWKWARD.replace("'", "''"),
    "CSV": AWKWARD.replace('"', '""'),
    "a shell": AWKWARD.replace("'", r"'\''"),
    "capitals": AWKWARD.upper(),
    "small letters": AWKWARD.lower(),
    "hexadecimal": AWKWARD.encode().hex(),
    "bytes of a dump": AWKWARD.encode().hex(" ").upper(),
    "bytes of C": "".join(f"\\x{one:02x}" for one in AWKWARD.encode()),
    "all in percent": "".join(f"%{one:02X}" for one in AWKWARD.encode()),
    "UTF-8 read as Latin-1": AWKWARD.encode().decode("latin-1"),
    "Latin-1 read as UTF-8": AWKWARD.encode("latin-1").decode("utf-8", "replace"),
    "decomposed": unicodedata.normalize("NFD", AWKWARD),
    "base64 of Latin-1": base64.b64encode(AWKWARD.encode("latin-1")).decode(),
    "base64 in a URL": quote(base64.b64encode(AWKWARD.encode()).decode(), safe=""),
    "cut by two": AWKWARD[:-2],
    "cut by a third": AWKWARD[: len(AWKWARD) * 2 // 3 + 1],
    "cut in Go's JSON": GO[: len(GO) * 5 // 6],
}


@pytest.mark.parametrize("case", SPELLED)
def test_a_registered_secret_is_masked_in_the_spelling_of_whoever_repeats_it(case):
    masks.register_secret(AWKWARD)
    for mask in (masks.mask, masks.mask_known):
        masked = mask(f"before {SPELLED[case]} after")
        rest = masked.removeprefix("before ").removesuffix(" after")
        assert rest.startswith(("***", "\\x***", "%***"))
        # What a last character that was cut in its middle, or base64 shares with its neighbours, leaves behind.
        assert len(rest) <= len("***") + 6


def test_a_beginning_that_is_a_word_or_too_short_is_no_secret():
    masks.register_secret("postgres-1234")
    masks.register_secret("Xy7-kQw")
    assert masks.mask("postgres said Xy7-kQ and postgres-12") == "postgres said Xy7-kQ and ***"


SPELL = {
    "plain": str,
    "SQL": lambda one: one.replace("'", "''"),
    "JSON": lambda one: json.dumps(one)[1:-1],
    "JSON in JSON": lambda one: json.dumps(json.dumps(one)),
    "percent": lambda one: quote(one, safe=""),
    "percent twice": lambda one: quote(quote(one, safe=""), safe=""),
    "a form": quote_plus,
    "HTML": html.escape,
}


@settings(max_examples=400)
@given(
    secret=st.text(st.sampled_from("'\"\\%$`{}&;+ <>/~ab25é\n"), min_size=4, max_size=24), how=st.sampled_from([*SPELL])
)
def test_whatever_a_secret_is_made_of_it_is_masked_in_each_spelling(secret, how):
    found = Known(spellings(secret))
    written = SPELL[how](secret)
    spans = [span for one in found.near(written) for span in one.spans(written)]
    inner = written.strip('"') if how == "JSON in JSON" else written
    assert any(end - start >= len(inner.strip("\\")) - 4 for start, end in spans), spans


def test_few_texts_are_looked_at_closely_however_many_secrets_there_are():
    for number in range(60):
        masks.register_secret(f"{hashlib.sha256(bytes([number])).hexdigest()[:20]}!&<>")
    line = '2026-11-27T17:00:00Z INFO synaptic.search took 12.4 ms "GET /x?a=b" 0f3a-77 {"a": "b\\n"} '
    assert masks._known.near(line * 10_000) == []


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
        ("redis://:a/b@h and redis://:two words@h", "redis://***@h and redis://***@h"),
        ("amqp://u:a#b?c'd@h:5672/x", "amqp://***@h:5672/x"),
        ("postgres://ann:a@b@db/x", "postgres://***@db/x"),
        ("http://host:9090/x, write to a@b", "http://host:9090/x, write to a@b"),
        ('Authorization: Digest username="ann", response="hidden"', "Authorization: ***"),
        ('sent Digest username="ann", uri="/", response="hidden"', "sent Digest ***"),
        ("X-Auth-Token: hidden", "X-Auth-Token: ***"),
        ('{"token":"hidden","a":1}', '{"token":"***","a":1}'),
        (r'{"a":"{\"access_token\": \"hidden\"}"}', r'{"a":"{\"access_token\": \"***\"}"}'),
        (r'{"pwd": "hid\"den"}', '{"pwd": "***"}'),
        ("AUTH default hidden", "AUTH default ***"),
        ("AUTH ann hidden", "AUTH ***"),
        ("CONFIG SET requirepass hidden", "CONFIG SET requirepass ***"),
        ("IDENTIFIED BY 'two hidden words' x", "IDENTIFIED BY '***' x"),
        ("aws_secret_access_key=hidden/hidden x", "aws_secret_access_key=*** x"),
        ("PGPASSWORD=hidden psql", "PGPASSWORD=*** psql"),
        ("host=db password='two words' dbname=x", "host=db password='***' dbname=x"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY-----",
        ),
        ("password authentication failed for user", "password authentication failed for user"),
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
