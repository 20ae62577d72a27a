"""Overview and Database in a browser: what is said leads to its evidence by a click."""

import pytest

from tests.pages.test_every_page import HEALTHY
from tests.support_pages.browsing import DRAWN

pytestmark = [pytest.mark.integration, pytest.mark.browser]


def click_row(visit, row, *panel):
    """Click a row of a panel's table, counted from 0, far from its edges."""
    visit.page.wait_for_function(DRAWN)
    grid = visit.panel(*panel).locator('[data-testid="stDataFrame"]').first
    grid.scroll_into_view_if_needed()
    box = grid.bounding_box()
    place = box["x"] + box["width"] * 0.4, box["y"] + 35 * (row + 1.5)
    # As a hand does: the grid overlooks a click of a pointer that came from nowhere.
    visit.page.mouse.move(place[0] - 5, place[1] - 5)
    visit.page.mouse.move(*place, steps=4)
    visit.page.mouse.click(*place)


def test_figures_findings_events_alerts_and_replicas_lead_to_their_evidence(visit):
    page = visit.open(f"/overview?{HEALTHY}")
    metric = page.get_by_test_id("stMetric").nth(1).bounding_box()
    page.mouse.click(metric["x"] + metric["width"] / 2, metric["y"] + metric["height"] / 2)
    page.wait_for_url("**/latency?**of=search**")
    visit.settled()

    # The deploy is 40 minutes older than the console of these tests.
    page = visit.open("/overview?env=healthy&w=3h")
    visit.panel("events").get_by_role("link").filter(has_text="deploy 1.8.2").first.click()
    page.wait_for_url("**/overview?**from=**")
    visit.settled()
    assert "deploy 1.8.2" in visit.panel("events").inner_text()

    page = visit.open(f"/overview?{HEALTHY}")
    visit.panel("verdict").get_by_role("link").filter(has_text="replicas").first.click()
    page.wait_for_url("**/logs?**q=level**")
    visit.settled()

    visit.open(f"/overview?{HEALTHY}")
    click_row(visit, 0, "alerts")
    page.wait_for_url("**/logs?**from=**")
    visit.settled()


@pytest.fixture
def notes(postgres):
    """A table to be opened."""
    postgres.run("CREATE TABLE notes (id int)", "synaptic")
    yield
    postgres.run("DROP TABLE notes", "synaptic")


def test_a_row_opens_by_a_click_anywhere_in_it(visit, notes):
    page = visit.open(f"/database?part=tables&{HEALTHY}")
    click_row(visit, 0, "tables-all", "database")
    page.wait_for_url("**table=**")
    visit.settled()
