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

FOUND = """async allowed => {
    const found = await axe.run(document, {resultTypes: ['violations'], elementRef: true});
    const ours = (rule, element) => !allowed.some(([of, css]) => of === rule && element.matches(css));
    return found.violations.filter(one => ['serious', 'critical'].includes(one.impact)).flatMap(
        one => one.nodes.filter(node => ours(one.id, node.element)).map(
            node => `${one.id} ${node.target} ${node.failureSummary} ${node.html.slice(0, 300)}`));
}"""

CALM = """() => !document.querySelector('[data-stale="true"]')
    && document.querySelector('[data-testid="stApp"]').getAttribute('data-test-script-state') === 'notRunning'"""
"""Nothing is faded because a newer drawing is on its way."""


def faults(page):
    page.wait_for_function(DRAWN)
    page.wait_for_function(CALM)
    return page.evaluate(FOUND, [list(one) for one in NOT_OURS])


ADDRESSES = [
    *(f"/{name}?{HEALTHY}" for name in PAGES),
    *(f"/database?{HEALTHY}&part={part}" for part in ("load", "queries", "tables", "upkeep")),
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_has_no_serious_fault_for_those_who_cannot_see_well_or_at_all(browser, console, address, scheme):
    with visiting(browser, console.url, viewport=DESK, color_scheme=scheme, bypass_csp=True) as visit:
        page = visit.open(address)
        page.add_script_tag(content=AXE)
        assert faults(page) == []
        page.set_viewport_size(PHONE)
        visit.settled()
        assert faults(page) == []
        assert visit.clean() == []
