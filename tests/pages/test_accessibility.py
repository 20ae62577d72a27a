"""What axe-core finds on every page: no serious and no critical fault, on a desk and a phone, light and dark."""

from importlib.resources import files

import pytest

from tests.pages.test_every_page import HEALTHY, PAGES
from tests.support_pages.browsing import DRAWN, visiting

pytestmark = [pytest.mark.integration, pytest.mark.browser, pytest.mark.timeout(300)]

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}

NOT_OURS = {
    # Streamlit draws the line in a metric by Vega, which gives the empty group of its hovered point a role and no name.
    ("svg-img-alt", "g.role-mark"),
}
"""Rule, and elements (CSS) in which it finds what we cannot change, each with the reason."""

FOUND = """async () => {
    const found = await axe.run(document, {resultTypes: ['violations']});
    return found.violations.filter(one => ['serious', 'critical'].includes(one.impact)).flatMap(
        one => one.nodes.map(node => ({
            rule: one.id,
            html: node.html.slice(0, 300),
            why: node.failureSummary,
            target: node.target,
        })));
}"""

CALM = """() => !document.querySelector('[data-stale="true"]')
    && document.querySelector('[data-testid="stApp"]').getAttribute('data-test-script-state') === 'notRunning'"""
"""Nothing is faded because a newer drawing is on its way."""

BACKGROUND = """colour => getComputedStyle(document.documentElement).getPropertyValue('--console-background').trim()
    === colour"""


def faults(page):
    page.wait_for_function(DRAWN)
    page.wait_for_function(CALM)
    found = page.evaluate(FOUND)
    for rule, elements in NOT_OURS:
        found = [
            one
            for one in found
            if one["rule"] != rule
            or not page.evaluate("([at, of]) => document.querySelector(at)?.matches(of)", [one["target"][-1], elements])
        ]
    return found


ADDRESSES = [
    *(f"/{name}?{HEALTHY}" for name in PAGES),
    *(f"/database?{HEALTHY}&part={part}" for part in ("load", "queries", "tables", "upkeep")),
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_has_no_serious_fault_for_those_who_cannot_see_well_or_at_all(browser, console, address):
    with visiting(browser, console.url, viewport=DESK, color_scheme="light", bypass_csp=True) as visit:
        page = visit.open(address)
        page.add_script_tag(content=AXE)
        assert faults(page) == []
        page.set_viewport_size(PHONE)
        assert faults(page) == []
        page.emulate_media(color_scheme="dark")
        page.wait_for_function(BACKGROUND, arg="#10161e")
        visit.settled()
        assert faults(page) == []
        page.set_viewport_size(DESK)
        assert faults(page) == []
        assert visit.clean() == []
