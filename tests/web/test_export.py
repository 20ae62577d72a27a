"""The route of exports: who gets a file, how it is sent, and that no more than a few are made at a time."""

import asyncio
import csv
import io
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest

from settings import Settings
from tests.support import log_lines
from tests.support.log_lines import document, every
from tests.web.serving import ROOT, serving
from web import export
from web.export import AT_ONCE, Download, Refusal, route

END = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=2)
START = END - timedelta(minutes=30)
LINES = 300
LIMIT = 250

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def console(real_elasticsearch, tmp_path_factory):
    index = log_lines.new_index(real_elasticsearch)
    lines = (
        document(moment, f"=read by olga {n}", user_id="olga") for n, moment in enumerate(every(START, END, LINES))
    )
    log_lines.write(real_elasticsearch, index, lines)
    folder = tmp_path_factory.mktemp("export")
    settings = f"""
[server]
public_url = "http://127.0.0.1:{{port}}"
[records]
url = "sqlite:///{folder}/records.sqlite3"
[limits]
deadline = 60
export_lines = {LIMIT}
[environments.test.elasticsearch]
url = "{real_elasticsearch}"
index = "{index}"
deadline = 60
[environments.down.elasticsearch]
url = "http://127.0.0.1:9"
"""
    with serving(folder, settings, ROOT / "app.py") as server:
        yield server


def address(**params):
    given = {"env": "test", "from": START.isoformat(), "to": END.isoformat(), **params}
    return f"/export/logs?{urlencode(given)}"


def test_a_viewer_gets_the_lines_as_a_file_masked_and_knows_beforehand_that_it_is_cut(console):
    answer = console.get(address())
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-ndjson; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="logs-')
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert (answer.headers["x-total-lines"], answer.headers["x-truncated"]) == (str(LINES), "true")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert len({line["_id"] for line in lines[:-1]}) == LIMIT
    assert lines[-1] == {"_incomplete": f"Cut after {LIMIT} of {LINES} lines."}
    assert "olga" not in answer.text
    assert lines[0]["fields"]["user_id"].startswith("user_id~")


def test_a_spreadsheet_gets_cells_that_are_no_formulas(console):
    answer = console.get(address(format="csv", cols="component", to=(START + timedelta(minutes=5)).isoformat()))
    assert answer.headers["x-truncated"] == "false"
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert rows[0] == ["time", "level", "component", "message", "id"]
    assert all(row[3].startswith("'=read by ") for row in rows[1:])


def test_what_the_file_would_be_can_be_asked_without_it(console):
    answer = console.get(address(), method="HEAD")
    assert (answer.status_code, answer.headers["x-total-lines"], answer.content) == (200, str(LINES), b"")


@pytest.mark.parametrize(
    ("params", "status", "said"),
    [
        ({"env": "elsewhere"}, 400, "env must name an environment"),
        ({"q": "level:("}, 400, "cannot be asked"),
        ({"q": "user_id:olga"}, 400, "needs the role operator"),
        ({"format": "xlsx"}, 400, "format must be"),
        ({"env": "down"}, 503, "cannot be reached"),
    ],
)
def test_what_cannot_be_exported_is_refused_with_a_sentence(console, params, status, said):
    answer = console.get(address(**params))
    assert answer.status_code == status
    assert said in answer.text
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Host": "evil.example"}, 421),
    ],
)
def test_a_page_of_another_site_cannot_have_an_export_made(console, headers, status):
    assert console.get(address(), headers).status_code == status


@pytest.mark.parametrize("path", ["/export", "/export/", "/export/logs/", "/export/other"])
def test_no_other_path_is_open(console, path):
    assert console.get(path).status_code == 404


class Slow:
    """Chunks that come when the test lets them, and that know whether they were closed."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.closed = threading.Event()

    def chunks(self) -> Iterator[bytes]:
        try:
            yield b"first\n"
            assert self.go.wait(60)
            yield b"last\n"
        finally:
            self.closed.set()


async def _ended(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, 60)
    await asyncio.gather(*export._finishing)


def asgi(made):
    """The route alone, as an application whose file is ``made``."""
    endpoint = route(Settings(), made)

    async def app(scope, receive, send):
        await endpoint.handle(scope, receive, send)

    return app


async def ask(app, gone: asyncio.Event | None = None, first: asyncio.Event | None = None) -> list[dict]:
    """One request by hand, so that it can be left in the middle."""
    sent: list[dict] = []
    scope = {"type": "http", "method": "GET", "path": "/export/logs", "query_string": b"",
             "headers": [(b"sec-fetch-site", b"same-origin")], "asgi": {"spec_version": "2.3"}}  # fmt: skip

    async def receive():
        await (gone or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)
        if first is not None and message.get("body"):
            first.set()

    await app(scope, receive, send)
    return sent


def status(sent: list[dict]) -> int:
    return int(sent[0]["status"])


def test_more_exports_than_may_run_are_told_to_come_back_and_then_they_may():
    async def run() -> None:
        slow = [Slow() for _ in range(AT_ONCE)]
        waiting = iter(slow)
        app = asgi(lambda viewer, params: Download("x", "text/plain", next(waiting).chunks()))
        started = [asyncio.Event() for _ in slow]
        running = [asyncio.create_task(ask(app, first=first)) for first in started]
        await asyncio.gather(*(first.wait() for first in started))
        refused = await ask(app)
        assert status(refused) == 429
        assert (b"retry-after", b"10") in refused[0]["headers"]
        slow[0].go.set()
        assert b"".join(message.get("body", b"") for message in await running[0]) == b"first\nlast\n"
        await _ended(slow[0].closed)
        again = Slow()
        again.go.set()
        waiting = iter([again])
        assert status(await ask(app)) == 200
        slow[1].go.set()
        await running[1]

    asyncio.run(run())


def test_whoever_goes_away_in_the_middle_leaves_nothing_running():
    async def run() -> None:
        slow, gone, first = Slow(), asyncio.Event(), asyncio.Event()
        app = asgi(lambda viewer, params: Download("x", "text/plain", slow.chunks()))
        request = asyncio.create_task(ask(app, gone, first))
        await first.wait()
        gone.set()
        sent = await request
        assert b"last" not in b"".join(message.get("body", b"") for message in sent)
        assert not slow.closed.is_set()  # what is under way in its thread ends first
        slow.go.set()
        await _ended(slow.closed)

    asyncio.run(run())


def test_a_reader_that_takes_nothing_gives_its_place_back(monkeypatch):
    monkeypatch.setattr(export, "CHUNK_SECONDS", 0.05)

    async def run() -> None:
        app = asgi(lambda viewer, params: Download("x", "text/plain", iter([b"first\n", b"last\n"])))

        async def stalled() -> None:
            async def send(message):
                if message.get("body"):
                    await asyncio.Event().wait()

            scope = {"type": "http", "method": "GET", "path": "/export/logs", "query_string": b"",
                     "headers": [(b"sec-fetch-site", b"same-origin")]}  # fmt: skip
            await app(scope, asyncio.Event().wait, send)

        await asyncio.gather(*(stalled() for _ in range(AT_ONCE)))
        await asyncio.gather(*export._finishing)
        assert status(await ask(app)) == 200

    asyncio.run(run())


def test_a_refusal_gives_its_place_back():
    def refuse(viewer, params):
        raise Refusal(400, "No.")

    async def run() -> None:
        app = asgi(refuse)
        for _ in range(AT_ONCE + 1):
            assert status(await ask(app)) == 400

    asyncio.run(run())


def test_a_mistake_of_ours_gives_its_place_back_too():
    def fail(viewer, params):
        raise RuntimeError("a mistake")

    async def run() -> None:
        app = asgi(fail)
        for _ in range(AT_ONCE + 1):
            with pytest.raises(RuntimeError):
                await ask(app)

    asyncio.run(run())
