"""What a viewer does with the console, from the first address to the last, in a real browser."""

import re
from datetime import datetime, timedelta

import pytest

from tests.journey.conftest import HOSTILE
from tests.support import chromium
from tests.support.looping import until
from tests.support_pages.browsing import DRAWN, SETTLED

LINE = ".js-plotly-plot .scatterlayer .trace"
pytestmark = [pytest.mark.integration, pytest.mark.browser, pytest.mark.timeout(300)]

ALL_SHOW = """seconds => {
    const charts = [...document.querySelectorAll('[data-testid="stPlotlyChart"]')];
    const ranges = charts.map(chart => {
        const plot = chart.querySelector('.js-plotly-plot');
        return plot && plot._fullLayout ? plot._fullLayout.xaxis.range.map(end => new Date(end).getTime()) : [0, 0];
    });
    return ranges.length > 5 && new Set(ranges.map(String)).size === 1
        && Math.abs((ranges[0][1] - ranges[0][0]) / 1000 - seconds) <= 60;
}"""


def wait_until_all_charts_show(visit, seconds):
    """Every chart of the page is drawn over the same stretch of time, of this length."""
    visit.page.wait_for_function(ALL_SHOW, arg=seconds)
    visit.settled()


def zoom(visit, key, start, end):
    """Drag over a part of a chart, from one share of its width to another."""
    area = visit.panel(key).locator(".nsewdrag").first
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    middle = box["y"] + box["height"] / 2
    mouse = visit.page.mouse
    mouse.move(box["x"] + box["width"] * start, middle)
    mouse.down()
    mouse.move(box["x"] + box["width"] * (start + end) / 2, middle, steps=5)
    mouse.move(box["x"] + box["width"] * end, middle, steps=5)
    mouse.up()
    mouse.move(0, 0)


def length(params):
    start, end = (datetime.fromisoformat(params[name]) for name in ("from", "to"))
    return end - start


def choose_preset(visit, title):
    visit.page.locator(".st-key-bar-window button").first.click()
    visit.page.get_by_role("radio", name=title, exact=True).or_(
        visit.page.get_by_role("button", name=title, exact=True)
    ).first.click()


def choose(visit, place, text):
    """Pick an option of a select box of the bar by typing it."""
    visit.page.locator(".st-key-bar").get_by_role("combobox").nth(place).click()
    visit.page.keyboard.type(text)
    visit.page.get_by_role("option", name=text).first.click()


def test_from_the_first_address_over_zoom_undo_and_back_to_a_saved_window_and_another_page(visit):
    page = visit.open("/")
    page.wait_for_url("**/overview*")
    assert page.locator('[data-testid="stMetric"]').count() == 7

    wait_until_all_charts_show(visit, 3600)
    # A span that is dragged on one chart becomes the window of the whole page, and Back undoes it.
    zoom(visit, "search", 0.25, 0.5)
    zoomed = visit.wait_for_params(**{"from": "", "to": "", "w": None})
    assert timedelta(minutes=13) < length(zoomed) < timedelta(minutes=17)
    wait_until_all_charts_show(visit, length(zoomed).total_seconds())
    page.get_by_text("held").first.wait_for()
    page.go_back()
    visit.wait_for_params(**{"from": None})
    page.locator(".st-key-bar").get_by_text("live").first.wait_for()

    wait_until_all_charts_show(visit, 3600)

    # So does the button, and a zoom within a zoom goes back step by step.
    zoom(visit, "search", 0.2, 0.8)
    first = visit.wait_for_params(**{"from": ""})
    wait_until_all_charts_show(visit, length(first).total_seconds())
    zoom(visit, "search", 0.2, 0.8)
    page.wait_for_function("from => new URL(location).searchParams.get('from') !== from", arg=first["from"])
    second = visit.wait_for_params(**{"from": ""})
    wait_until_all_charts_show(visit, length(second).total_seconds())
    assert length(second) < length(first)
    page.locator(".st-key-bar-undo button").first.click()
    visit.wait_for_params(**{"from": first["from"], "to": first["to"]})

    # Save it under a label, look elsewhere, open it again.
    page.locator(".st-key-bar-window button").first.click()
    page.get_by_label("Save this window as").fill("Search outage")
    page.get_by_role("button", name="Save", exact=False).last.click()
    outage = page.get_by_role("button", name=re.compile("^Search outage .+ – .+ UTC"))
    outage.wait_for()
    page.keyboard.press("Escape")
    choose_preset(visit, "6 h")
    visit.wait_for_params(w="6h", **{"from": None})
    page.locator(".st-key-bar-window").get_by_text("last 6 h").first.wait_for()
    page.get_by_test_id("stPopoverBody").wait_for(state="detached")
    page.locator(".st-key-bar-window button").first.click()
    outage.click()
    visit.wait_for_params(**{"from": first["from"], "to": first["to"], "w": None})

    # Another page shows the same window.
    page.locator('[data-testid="stSidebar"] a[href*="sources"]').click()
    page.wait_for_url("**/sources*")
    visit.settled()
    assert {name: visit.params()[name] for name in ("from", "to")} == {"from": first["from"], "to": first["to"]}


def test_an_absolute_window_a_comparison_and_a_zone_are_chosen_in_the_bar_and_kept_in_the_address(visit):
    page = visit.open("/overview?w=1h")
    choose(visit, 1, "previous period")
    visit.wait_for_params(cmp="previous", w="1h")
    page.wait_for_function(DRAWN)
    visit.panel("search").get_by_text("dashed: before").first.wait_for()

    choose(visit, 2, "Asia/Tokyo")
    visit.wait_for_params(tz="Asia/Tokyo", cmp="previous")
    assert "JST" in visit.panel("search").inner_text()

    page.locator(".st-key-bar-window button").first.click()
    page.get_by_test_id("stPopoverBody").get_by_role("button", name="Show").click()
    still = visit.wait_for_params(**{"from": "", "to": "", "w": None, "cmp": "previous", "tz": "Asia/Tokyo"})
    assert length(still) == timedelta(hours=1)

    # The link opens the same picture for somebody else.
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    visit.settled()
    assert visit.params() == still
    visit.panel("search").get_by_text("dashed: before").first.wait_for()


def test_a_source_that_goes_down_costs_its_panels_only_and_comes_back_without_a_reload(live_visit, world):
    page = live_visit.open("/overview?w=1h")
    loaded = page.evaluate("performance.timeOrigin")
    world.switch("refuse", "prometheus")
    try:
        headline = page.get_by_text("Prometheus has not answered since").first
        headline.wait_for()
        live_visit.panel("verdict").get_by_text("prometheus unreachable").first.wait_for()
        # What was there stays.
        assert live_visit.panel("search").locator(LINE).count() > 0
        for key in ("replicas", "alerts"):
            assert "cannot be reached" not in live_visit.panel(key).inner_text()
            assert live_visit.panel(key).locator('[data-testid="stDataFrame"], [data-testid="stTable"]').count() == 1
    finally:
        world.switch("none", "prometheus")
    headline.wait_for(state="detached")
    live_visit.panel("verdict").get_by_text("prometheus unreachable").first.wait_for(state="detached")
    assert live_visit.panel("search").locator(LINE).count() > 0
    assert page.evaluate("performance.timeOrigin") == loaded


def told(visit, panel):
    """What a panel of Overview says to somebody who comes now."""
    visit.open("/overview?w=1h")
    return visit.panel(panel).inner_text()


def test_hostile_text_from_every_source_is_shown_and_inert(visit, world):
    replica = world.replicas["synaptic-b"]
    replica.not_ready = HOSTILE
    try:
        # What was known some seconds ago may be shown once more: this console looks again when somebody comes.
        until(lambda: "<script>window.hostile=1" in told(visit, "verdict"), "the replica's reason in the verdict")
        page = visit.page
        page.wait_for_function(DRAWN)
        # The label of a metric, in a chart.
        assert "script" in visit.panel("operations").inner_text()
        page.locator('[data-testid="stSidebar"] a[href*="sources"]').click()
        page.wait_for_url("**/sources*")
        visit.settled()
        assert "<script>window.hostile=1" in page.inner_text('[data-testid="stMain"]')
    finally:
        replica.not_ready = ""
    assert page.evaluate("window.hostile") is None
    main = page.locator('[data-testid="stMain"]')
    assert main.locator("script, img[src*='evil'], a[href^='javascript']").count() == 0
    assert visit.dialogs == []
    assert [url for url in visit.asked if "evil" in url] == []


def zone_of(page):
    """The zone that the bar of a page shows."""
    page.wait_for_function(SETTLED)
    return page.locator(".st-key-bar").get_by_role("combobox").nth(2).input_value()


def test_times_begin_in_the_browsers_zone_then_in_the_one_chosen_last_and_a_link_keeps_its_own(visit):
    page = visit.open("/sources?w=1h")
    assert zone_of(page) == chromium.ZONE
    page.locator("th", has_text="UTC+0545").first.wait_for(state="attached")
    choose(visit, 2, "Asia/Tokyo")
    visit.wait_for_params(tz="Asia/Tokyo")
    page.wait_for_function("() => document.cookie.includes('Asia/Tokyo')")

    # Later visits of this browser: without a zone, with the zone of somebody's link, and without one again.
    for address, zone in (("", "Asia/Tokyo"), ("&tz=Europe/Berlin", "Europe/Berlin"), ("", "Asia/Tokyo")):
        later = page.context.new_page()
        later.goto(f"{visit.home}/sources?w=1h{address}")
        assert zone_of(later) == zone
        later.close()

    # The browser's own is named among the choices; chosen again, it is in the address and remembered too.
    choose(visit, 2, f"{chromium.ZONE} (browser)")
    visit.wait_for_params(tz=chromium.ZONE)
    page.reload()
    visit.settled()
    assert zone_of(page) == chromium.ZONE
