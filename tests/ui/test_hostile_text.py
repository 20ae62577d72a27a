import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.ui.hostile_text import hostile_texts
from ui.clean import clean

ROOT = Path(__file__).parents[2]
PLACES = ["markdown", "colour", "caption", "metric", "table", "button", "expander", "text", "code"]
NAMES = list(hostile_texts(1))

pytestmark = pytest.mark.browser


class Listener(ThreadingHTTPServer):
    """Remembers every request that somebody made it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.paths: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


class Seen:
    """The page, and all that it did besides showing text."""

    def __init__(self, page: Page, listener: Listener, origin: str) -> None:
        self.page = page
        self.listener = listener
        self.origin = origin
        self.dialogs: list[str] = []
        self.foreign_requests: list[str] = []
        page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: self._note(request.url))

    def _note(self, url: str) -> None:
        if not url.startswith((self.origin, self.origin.replace("http", "ws"), "data:", "blob:")):
            self.foreign_requests.append(url)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_up(process: subprocess.Popen[bytes], origin: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the page's server ended"
        try:
            with urlopen(f"{origin}/_stcore/health", timeout=1):
                return
        except (URLError, OSError):
            threading.Event().wait(0.1)
    pytest.fail("the page's server did not come up")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Seen]:
    listener = Listener()
    thread = threading.Thread(target=listener.serve_forever)
    thread.start()
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "streamlit", "run", "tests/ui/hostile_app.py", "--server.port", str(port)]
    environment = os.environ | {"LISTENER_PORT": str(listener.server_port), "PYTHONPATH": str(ROOT)}
    log = tmp_path_factory.mktemp("hostile") / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_until_up(process, origin)
        page = browser.new_page(viewport={"width": 1440, "height": 1200})
        watched = Seen(page, listener, origin)
        page.goto(origin)
        expect(page.get_by_text("the page has ended")).to_be_visible(timeout=60_000)
        expect(page.locator(".js-plotly-plot .legendtext")).to_have_count(5, timeout=60_000)
        expect(page.locator(".st-key-chart-rest .ytick text")).to_have_count(len(NAMES), timeout=60_000)
        expect(page.locator('[data-testid="stException"]')).to_have_count(0)
        yield watched
        page.close()
    finally:
        process.terminate()
        process.wait(timeout=20)
        listener.shutdown()
        listener.server_close()
        thread.join(timeout=20)


def shown_as(text: str) -> str:
    """Browsers show runs of spaces as one."""
    return re.sub(r"\s+", " ", text).strip()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", PLACES)
def test_the_text_is_shown_literally(seen: Seen, place: str, name: str) -> None:
    wanted = shown_as(clean(hostile_texts(seen.listener.server_port)[name]))
    box = seen.page.locator(f".st-key-{place}-{name}")
    assert wanted in shown_as(box.evaluate("element => element.textContent"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", PLACES)
def test_the_text_makes_no_element_of_its_own(seen: Seen, place: str, name: str) -> None:
    box = seen.page.locator(f".st-key-{place}-{name}")
    made = "script, a[href], b, sup, math, .katex, h1, blockquote, em, del, [style*='background: red']"
    made += ", [aria-label$=' icon'], .stMarkdownBadge, .stMarkdownShimmer, li, img:not([alt=''])"
    assert box.locator(made).evaluate_all("elements => elements.map(element => element.outerHTML)") == []


def test_legend_and_hovered_texts_of_a_chart_are_literal(seen: Seen) -> None:
    texts = list(hostile_texts(seen.listener.server_port).values())[:5]
    chart = seen.page.locator(".st-key-chart .js-plotly-plot")
    chart.scroll_into_view_if_needed()
    legend = chart.locator(".legendtext").all_text_contents()
    assert [shown_as(entry) for entry in legend] == [shown_as(clean(text, 80)) for text in texts]
    area = chart.locator(".nsewdrag").first.bounding_box()
    assert area is not None
    seen.page.mouse.move(area["x"] + area["width"] / 2, area["y"] + area["height"] / 2)
    hovered = chart.locator(".hoverlayer .legendtext")
    expect(hovered).to_have_count(6)
    words = shown_as(" ".join(hovered.all_text_contents()))
    for text in texts:
        # Once as the name of a line, once as an event's title, once as its detail.
        assert words.count(shown_as(clean(text, 80))) >= 2
        assert shown_as(clean(text, 120)) in words
    assert chart.locator("a, script, img, foreignObject").count() == 0


def test_names_of_bars_are_literal(seen: Seen) -> None:
    chart = seen.page.locator(".st-key-chart-rest .js-plotly-plot")
    names = {shown_as(entry) for entry in chart.locator(".ytick text").all_text_contents()}
    assert names == {shown_as(clean(text, 36)) for text in hostile_texts(seen.listener.server_port).values()}
    assert chart.locator("a, script, img, foreignObject").count() == 0


def test_table_cells_are_literal_and_foreign_addresses_are_no_links(seen: Seen) -> None:
    grid = seen.page.locator(".st-key-grid [data-testid='stDataFrame']")
    grid.scroll_into_view_if_needed()
    cells = grid.locator("[role='gridcell']")
    expect(cells.filter(has_text="latex").first).to_be_attached()
    shown = [shown_as(cell) for cell in cells.all_text_contents()]
    for text in hostile_texts(seen.listener.server_port).values():
        assert shown_as(clean(text, 200)) in shown
    assert grid.locator("a[href], script, img").count() == 0


def test_nothing_ran_and_nothing_was_fetched(seen: Seen) -> None:
    assert seen.page.evaluate("window.hostile") is None
    assert seen.dialogs == []
    assert seen.foreign_requests == []
    assert seen.listener.paths == []
