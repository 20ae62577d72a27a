"""Whatever stands in an address, and whatever sources repeat: no page fails, and none shows a secret."""

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from tests.support.echoing import LEAK, Echoing
from tests.support.looping import LoopThread
from tests.support.session import Session
from tests.web.serving import ROOT, Server, serving

PAGES = [
    ("overview", ""), ("latency", ""), ("logs", ""), ("cache", ""), ("sources", ""),
    *(("database", part) for part in ("now", "load", "queries", "tables", "upkeep")),
]  # fmt: skip
KEYS = (
    "at", "by", "cmp", "cols", "env", "f", "find", "from", "kind", "line", "look", "measure", "objective", "only",
    "order", "pid", "q", "query", "role", "database", "replica", "slo", "split", "table", "to", "tz", "w", "wait",
)  # fmt: skip
"""Every parameter that some page has, and some that none has."""

ODD = (
    "²", "٣", "-", "9" * 19, "-" + "9" * 30, "1e999", "NaN", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
    "253402300799000", "../../etc/passwd", "<script>alert(1)</script>", "\x00\ud7ff\u202e", "a" * 1000, "%", ":",
    "@timestamp:>",
)  # fmt: skip
FORMS = ("json-400", "nested-404", "terminal-500")
SOURCES_OF_A_FORM = {form: f"env-{number}" for number, form in enumerate(FORMS)}


@pytest.fixture(scope="module")
def console(servers: LoopThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The console itself over sources that repeat what they were sent."""
    folder = tmp_path_factory.mktemp("echoing")
    echoing = Echoing(servers)
    settings = f"""
        [server]
        public_url = "http://127.0.0.1:{{port}}"
        [records]
        url = "sqlite:///{folder}/records.sqlite3"
    """
    settings += "".join(echoing.toml(name, form) for form, name in SOURCES_OF_A_FORM.items())
    with serving(folder, settings, ROOT / "app.py") as running:
        yield running
    echoing.close()


def bodies(told: list) -> str:
    return "\n".join(str(one) for one in told)


def assert_stands(told: list) -> None:
    text = bodies(told)
    assert "by a mistake of the console" not in text
    assert "This page failed" not in text
    assert not [one for one in told if one.delta.new_element.WhichOneof("type") == "exception"]


@pytest.mark.parametrize(("page", "part"), PAGES)
def test_no_address_makes_a_page_fail(console, page, part):
    with Session(console) as session:
        for odd in ODD:
            keys = {key: odd for key in KEYS if key not in {"env", "w"}}
            assert_stands(session.visit(page, urlencode({**keys, "env": "env-1", "part": part})))
        assert_stands(session.visit(page, urlencode(dict.fromkeys(KEYS, "²"))))


@pytest.mark.parametrize(("page", "part"), PAGES)
def test_no_page_shows_a_credential_that_a_source_repeats(console, page, part):
    with Session(console) as session:
        for name in SOURCES_OF_A_FORM.values():
            told = session.visit(page, urlencode({"env": name, "part": part}))
            assert not any(LEAK.search(one.SerializeToString().decode("latin-1")) for one in told)


def test_neither_exports_nor_metrics_nor_the_log_hold_a_credential(console):
    for name in SOURCES_OF_A_FORM.values():
        window = {"env": name, "from": "2026-11-24T12:00:00Z", "to": "2026-11-24T13:00:00Z"}
        assert not LEAK.search(console.get(f"/export/logs?{urlencode(window)}").text)
    assert not LEAK.search(console.get("/metrics").text)
    assert not LEAK.search((console.folder / "out").read_text() + console.errors())
