"""Axis, hover, ribbon, table and drag of every kind of chart go by the viewer's clock, in any browser zone."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, CDPSession, Page, TimeoutError, expect

from tests.ui.test_hostile_text import ROOT, free_port, wait_until_up
from ui.axes import Clock
from ui.format import timestamp, zone_name

pytestmark = pytest.mark.browser

KINDS = ["line", "log", "uneven", "stacked", "heatmap", "bars"]
WINTER = datetime(2026, 1, 12, 5, 0, tzinfo=UTC), datetime(2026, 1, 12, 6, 0, tzinfo=UTC)
CASES = [
    # browser, console, window: in each case the last two differ from the first, from UTC, or clocks change within.
    ("UTC", "Asia/Kathmandu", WINTER),
    (
        "America/New_York",
        "Europe/Berlin",
        (datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 4, tzinfo=UTC)),
    ),
    ("Europe/Berlin", "Europe/Berlin", (datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 5, tzinfo=UTC))),
    (
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        (datetime(2026, 4, 4, 13, tzinfo=UTC), datetime(2026, 4, 4, 17, tzinfo=UTC)),
    ),
    ("Europe/Berlin", "UTC", (datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 5, tzinfo=UTC))),
]

LOOK = """name => {
    const plot = document.querySelector(`.st-key-chart-${name} .js-plotly-plot`);
    const area = plot.querySelector('.nsewdrag[data-subplot="xy"]').getBoundingClientRect();
    const middle = element => { const box = element.getBoundingClientRect(); return (box.left + box.right) / 2; };
    const share = element => (middle(element) - area.left) / area.width;
    return {
        pixel: 1 / area.width,
        ticks: [...plot.querySelectorAll('.xtick text')].map(tick => [
            [...tick.querySelectorAll('tspan')].map(line => line.textContent)[0] || tick.textContent, share(tick)]),
        mark: share(plot.querySelector('.scatterlayer .point[d]:last-of-type, .scatterlayer .points path')),
    };
}"""
HOVERED = """name => [...document.querySelectorAll(`.st-key-chart-${name} .hoverlayer text`)]
    .map(text => [...text.querySelectorAll('tspan')].map(line => line.textContent).join(' ') || text.textContent)
    .join(' | ')"""

SHOWN = """([names, ends]) => names.every(name => {
    const plot = document.querySelector(`.st-key-chart-${name} .js-plotly-plot`);
    return plot && plot._fullLayout && plot._fullLayout.xaxis.range.every((end, at) => end.startsWith(ends[at]));
})"""


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    home = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "streamlit", "run", "tests/ui/clock_app.py", "--server.port", str(port)]
    folder: Path = tmp_path_factory.mktemp("clock")
    with (folder / "server.log").open("wb") as output:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_until_up(process, home)
        yield home
    finally:
        process.terminate()
        process.wait(timeout=20)


@contextmanager
def opened(
    browser: Browser, origin: str, browser_zone: str, zone: str, window: tuple[datetime, datetime], **options: Any
) -> Iterator[Page]:
    page = browser.new_page(**{"viewport": {"width": 1440, "height": 1000}, "timezone_id": browser_zone} | options)
    page.set_default_timeout(30_000)
    start, end = (f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in window)
    page.goto(f"{origin}/?{urlencode({'from': start, 'to': end, 'tz': zone})}")
    expect(page.get_by_text("the page has ended")).to_be_visible(timeout=60_000)
    expect(page.locator('.js-plotly-plot .nsewdrag[data-subplot="xy"]')).to_have_count(len(KINDS), timeout=60_000)
    try:
        yield page
    finally:
        page.close()


@pytest.mark.parametrize(("browser_zone", "zone", "window"), CASES)
def test_axis_hover_ribbon_table_and_drag_agree_with_the_viewers_clock(
    browser: Browser, origin: str, browser_zone: str, zone: str, window: tuple[datetime, datetime]
) -> None:
    with opened(browser, origin, browser_zone, zone, window) as page:
        agrees(page, zone, window)


def agrees(page: Page, zone: str, window: tuple[datetime, datetime]) -> None:
    start, end = window
    tz = ZoneInfo(zone)
    for name in KINDS:
        look = page.evaluate(LOOK, name)
        pixel = look["pixel"] * (end - start)
        # Each tick names the time that the viewer's clock shows at the place where it stands.
        assert len(look["ticks"]) > 3
        for text, share in look["ticks"]:
            hour, minute = (int(part) for part in text.split(":"))
            shown = [(start + (end - start) * share + pixel * step).astimezone(tz) for step in (-2, 0, 2)]
            apart = [
                abs(moment - moment.replace(hour=hour, minute=minute, second=0, microsecond=0)) for moment in shown
            ]
            assert min(apart) <= 2 * pixel, (name, text, shown[1])
        # The event in the middle is where it happened.
        assert abs(look["mark"] - 0.5) < 3 * look["pixel"]
        # What is hovered is told with the time of its own sample.
        for share in (1 / 4, 3 / 4):
            hover(page, name, share, timestamp(start + (end - start) * share, tz, date=True))
    # The table beside it and the text below it say the same.
    cells = page.locator(".st-key-table canvas td").all_text_contents()
    for moment in window:
        assert any(cell.startswith(f"{moment.astimezone(tz):%Y-%m-%d %H:%M:%S}") for cell in cells)
        assert page.get_by_text(timestamp(moment, tz, date=True)).count()
    names = {zone_name(moment, tz) for moment in window}
    headings = " ".join(page.locator(".st-key-table canvas th").all_text_contents())
    assert (names.pop() if len(names) == 1 else zone) in headings
    # What is dragged is what was pointed at, on either side of a change of clocks.
    for name, first, last in (("line", 0.05, 0.95), ("bars", 0.1, 0.9), ("heatmap", 0.6, 0.8)):
        pixel = page.evaluate(LOOK, name)["pixel"] * (end - start)
        drag(page, name, first, last)
        page.wait_for_function("end => !location.href.includes(end)", arg=f"to={quote(f'{end:%Y-%m-%dT%H:%M:%SZ}')}")
        params = parse_qs(urlsplit(page.url).query)
        chosen_start, chosen_end = (datetime.fromisoformat(params[key][0]) for key in ("from", "to"))
        assert abs(chosen_start - (start + (end - start) * first)) <= 2 * pixel + timedelta(seconds=1)
        assert abs(chosen_end - (start + (end - start) * last)) <= 2 * pixel + timedelta(seconds=1)
        start, end = chosen_start, chosen_end
        page.get_by_text(f"from {timestamp(start, tz, date=True)} to {timestamp(end, tz, date=True)}").wait_for()
        axis = [Clock((start, end), tz).at(moment)[:19] for moment in (start, end)]
        page.wait_for_function(SHOWN, arg=[KINDS, axis])


def place(page: Page, name: str, share: float, height: float = 0.5) -> tuple[float, float]:
    area = page.locator(f'.st-key-chart-{name} .nsewdrag[data-subplot="xy"]')
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    assert box is not None
    return box["x"] + box["width"] * share, box["y"] + box["height"] * height


def hover(page: Page, name: str, share: float, wanted: str) -> None:
    page.mouse.move(*place(page, name, share - 0.002, 0.45))
    page.mouse.move(*place(page, name, share))
    with suppress(TimeoutError):
        page.wait_for_function(f"([name, wanted]) => ({HOVERED})(name).includes(wanted)", arg=[name, wanted])
    assert wanted in page.evaluate(HOVERED, name), name


def drag(page: Page, name: str, first: float, last: float) -> None:
    page.mouse.move(*place(page, name, first))
    page.mouse.down()
    page.mouse.move(*place(page, name, (first + last) / 2), steps=4)
    page.mouse.move(*place(page, name, last), steps=4)
    page.mouse.up()


def test_a_finger_that_begins_on_a_chart_scrolls_the_page_and_changes_no_window(browser: Browser, origin: str) -> None:
    phone = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}
    with opened(browser, origin, "America/New_York", "Europe/Berlin", WINTER, **phone) as page:
        address = page.url
        session = page.context.new_cdp_session(page)
        scrolled = "() => document.querySelector('[data-testid=\"stMain\"]').scrollTop"
        # The second one is slanted, and a third one goes back up.
        for name, across, up in (("line", 0, 300), ("stacked", 120, 300), ("heatmap", -60, -200)):
            x, y = place(page, name, 0.4)
            before = page.evaluate(scrolled)
            swipe(session, (x, y), (x + across, y - up))
            page.wait_for_function(f"before => Math.abs(({scrolled})() - before) > 100", arg=before)
            assert (page.evaluate(scrolled) > before) == (up > 0)
        # A tap shows what is there.
        x, y = place(page, "line", 0.5)
        page.touchscreen.tap(x, y)
        page.wait_for_function(f"name => ({HOVERED})(name).includes('p95')", arg="line")
        # A sweep from side to side neither zooms nor selects.
        swipe(session, (x - 60, y), (x + 60, y))
        outlines = page.locator(".js-plotly-plot .select-outline").all()
        assert all(re.fullmatch(r"M[0-9.,]+Z", outline.get_attribute("d") or "") for outline in outlines)
        assert page.url == address


def swipe(session: CDPSession, first: tuple[float, float], last: tuple[float, float]) -> None:
    """A finger down, moved in ten steps, and up."""

    def send(kind: str, *points: tuple[float, float]) -> None:
        touches = [{"x": x, "y": y} for x, y in points]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    send("touchStart", first)
    for step in range(1, 11):
        send("touchMove", tuple(one + (other - one) * step / 10 for one, other in zip(first, last, strict=True)))
    send("touchEnd")
