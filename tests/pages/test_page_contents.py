"""Overview and Sources in a browser: what a viewer reads in each state of the world."""

import pytest

from settings import HTTP_SOURCES
from tests.pages.conftest import ALL_DOWN, without
from tests.pages.test_every_page import HEALTHY
from views.overview.view import FIGURES

pytestmark = [pytest.mark.integration, pytest.mark.browser]

CHARTS = ("search", "operations", "pool", "sessions", "logins", "errors", "memory", "gc", "violations")


def test_overview_shows_verdict_figures_charts_and_tables(told):
    found = told(f"/overview?{HEALTHY}")
    assert "1 alert fires: SynapticSearchSlow" in found.panels["verdict"].text
    assert "replicas 2/2 ready" in found.panels["verdict"].text
    assert found.figures == len(FIGURES)
    assert [key for key in CHARTS if found.panels[key].lines == 0] == []
    assert "deploy 1.8.2" in found.panels["events"].text
    assert (found.panels["replicas"].tables, found.panels["alerts"].tables) == (1, 1)


def test_the_info_button_shows_the_question_behind_a_chart(visit):
    page = visit.open(f"/overview?{HEALTHY}")
    visit.panel("search").get_by_role("button", name="About").first.click()
    page.get_by_text("histogram_quantile(0.95").first.wait_for()


def test_without_prometheus_figures_and_charts_say_why_and_the_rest_stays(told):
    found = told(f"/overview?env={without('prometheus')}")
    assert found.figures == 0
    assert found.text.count("prometheus unreachable") >= len(FIGURES)
    for key in CHARTS:
        text = found.panels[key].text
        assert "cannot be reached" in text
        assert "Try again" in text
    assert (found.panels["replicas"].tables, found.panels["alerts"].tables) == (1, 1)


def test_a_source_that_is_down_is_explained_once_in_full_and_in_the_other_panels_on_hover(told, visit):
    address = f"/latency?env={without('prometheus')}"
    found = told(address)
    cannot = [key for key, panel in found.panels.items() if "cannot be reached" in panel.text]
    assert len(cannot) > 5
    # In full in the page's first lines, and in none of the panels below them.
    assert [key for key in cannot if "Check that it runs" in found.panels[key].text] == []
    assert found.text.count("Check that it runs") == 1
    page = visit.open(address)
    page.locator(".st-key-panel-latency-quantiles").get_by_test_id("stTooltipHoverTarget").first.hover()
    page.get_by_role("tooltip").get_by_text("Check that it runs").wait_for()


@pytest.mark.parametrize(
    ("source", "gone"), [("synaptic", ["replicas"]), ("alertmanager", ["alerts"]), ("elasticsearch", [])]
)
def test_without_another_source_only_its_own_panels_are_gone(told, source, gone):
    found = told(f"/overview?env={without(source)}")
    assert [key for key, panel in found.panels.items() if "Try again" in panel.text] == gone
    assert f"{source} unreachable" in found.panels["verdict"].text
    assert found.figures == len(FIGURES)
    assert [key for key in CHARTS if found.panels[key].lines == 0] == []


def test_with_nothing_known_overview_does_not_call_it_healthy(told):
    verdict = told(f"/overview?env={ALL_DOWN}").panels["verdict"].text
    assert "Nothing is known about Synaptic" in verdict
    for source in HTTP_SOURCES:
        assert f"{source} unreachable" in verdict


def test_sources_says_what_a_source_lacks_and_how_to_mend_it(told):
    found = told(f"/sources?{HEALTHY}")
    assert "synaptic_backup_last_success_timestamp_seconds" in found.text
    assert "signals.toml" in found.text
    assert found.panels["reports"].tables == 1


def test_with_all_sources_down_sources_says_of_each_what_to_do(told):
    found = told(f"/sources?env={ALL_DOWN}")
    assert found.text.count("Check that it runs") >= len(HTTP_SOURCES)
