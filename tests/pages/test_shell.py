"""The frame of every page by finger and by mouse: the menu at the side, the header's buttons, the bar on top."""

import pytest

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
