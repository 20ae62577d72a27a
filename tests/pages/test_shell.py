"""The frame of every page by finger and by mouse: the menu at the side, the header's buttons, the bar on top."""

import re

import pytest

from tests.pages.conftest import without
from tests.pages.test_every_page import HEALTHY, PAGES
from tests.support_pages.browsing import visiting

pytestmark = [pytest.mark.integration, pytest.mark.browser]

SCREENS = [(390, 844, "finger"), (768, 1024, "finger"), (1024, 768, "mouse"), (1440, 900, "mouse")]
"""Width and height in pixels of a phone, a tablet upright and across, a desk, and what presses there."""


@pytest.mark.parametrize(("width", "height", "hand"), SCREENS)
def test_the_menu_opens_and_closes_and_the_header_answers(browser, unconfigured_console, width, height, hand):
    touch = hand == "finger"
    size = {"width": width, "height": height}
    with visiting(browser, unconfigured_console.url, viewport=size, has_touch=touch, is_mobile=touch) as visit:
        page = visit.open("/sources")
        press = (lambda button: button.tap()) if touch else (lambda button: button.click())
        opener = page.get_by_test_id("stExpandSidebarButton")
        closer = page.get_by_test_id("stSidebarCollapseButton").get_by_role("button")
        link = page.get_by_test_id("stSidebar").get_by_role("link", name="Overview")

        if opener.is_visible():
            press(opener)
        link.wait_for()
        press(closer)
        opener.wait_for()
        page.reload()
        visit.settled()
        press(opener)
        press(link)
        page.wait_for_url("**/overview*")
        visit.settled()

        if closer.is_visible() and width < 768:
            press(closer)
        press(page.get_by_test_id("stMainMenuButton"))
        page.get_by_test_id("stMainMenuPopover").wait_for()
        assert visit.clean() == []


BAR_IN_VIEW = """() => {
    const bar = document.querySelector('.st-key-bar').getBoundingClientRect();
    const hit = document.elementFromPoint(bar.left + 20, bar.top + bar.height / 2);
    return bar.top >= 0 && bar.top < 20 && Boolean(hit && hit.closest('.st-key-bar'));
}"""


def test_on_every_page_the_bar_stays_on_top_and_the_tab_has_its_name(browser, console):
    size = {"width": 390, "height": 844}
    with visiting(browser, console.url, viewport=size, has_touch=True, is_mobile=True) as visit:
        for name in PAGES:
            page = visit.open(f"/{name}?{HEALTHY}")
            assert re.fullmatch(r"([✓▲✕?] )?[A-Z][^·]+ · healthy · Synaptic Console", page.title())
            assert page.locator(".st-key-bar").bounding_box()["height"] < 60  # one row
            page.evaluate("document.querySelector('[data-testid=\"stMain\"]').scrollTo(0, 900)")
            page.wait_for_function(BAR_IN_VIEW)
        page.emulate_media(media="print")
        frame = page.locator('[data-testid="stLayoutWrapper"]:has(> .st-key-bar)')
        assert frame.evaluate("element => getComputedStyle(element).position") == "static"


def test_the_tab_tells_the_verdict_the_part_and_the_window_that_is_held(browser, console):
    with visiting(browser, console.url) as visit:
        page = visit.open(f"/overview?{HEALTHY}&tz=UTC")
        page.wait_for_function("/^[✓▲✕?] Overview · healthy · Synaptic Console$/.test(document.title)")
        visit.open(f"/overview?env={without('prometheus')}&tz=UTC")
        page.wait_for_function("/^[▲✕?] Overview · without-prometheus · Synaptic Console$/.test(document.title)")
        visit.open("/database?env=healthy&part=upkeep&from=2026-01-02T13:00:00Z&to=2026-01-02T14:00:00Z&tz=UTC")
        page.wait_for_function(
            "/Database: Housekeeping · 2 Jan( 2026)? 13:00 – 14:00 UTC · healthy/.test(document.title)"
        )


def test_a_window_is_typed_and_the_picker_says_what_is_wrong_and_closes_after_a_choice(browser, unconfigured_console):
    with visiting(browser, unconfigured_console.url) as visit:
        page = visit.open("/sources?w=6h&tz=Asia%2FKolkata")
        button = page.locator(".st-key-bar-window").get_by_test_id("stPopoverButton").locator("visible=true")
        picker = page.get_by_test_id("stPopoverBody")
        button.click()
        field = picker.get_by_role("textbox", name="Window (Asia/Kolkata)")
        field.fill("13:00 to soon")
        field.press("Enter")
        picker.get_by_text("“soon” is not a time or a day. Write for example").wait_for()
        assert visit.params()["w"] == "6h"
        field.fill("2026-01-05 13:00 to 14:30")
        field.press("Enter")
        visit.wait_for_params(**{"from": "2026-01-05T07:30:00Z", "to": "2026-01-05T09:00:00Z", "w": None})
        picker.wait_for(state="detached")
        button.click()
        field.fill("90m")
        field.press("Enter")
        visit.wait_for_params(**{"w": "90m", "from": None})
        picker.wait_for(state="detached")
        page.locator(".st-key-bar-window").get_by_text("last 90 min").locator("visible=true").wait_for()
        button.click()
        picker.get_by_role("radio", name="24 h").or_(picker.get_by_role("button", name="24 h")).first.click()
        visit.wait_for_params(w="24h")
        picker.wait_for(state="detached")

        # The link is that of the page as it is; it is pasted as somebody would.
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.get_by_role("button", name="Copy the link of this page").click()
        page.get_by_role("status").get_by_text("Link copied").wait_for()
        button.click()
        field.fill("")
        field.press("Control+V")
        assert field.input_value() == page.url
        assert visit.clean() == []
