"""Whatever is in ``pages/`` is run by the shell and by nothing else, and bears every state of the world.

The pages are enumerated, so a new page is covered by itself.
"""

from urllib.parse import urlencode, urlsplit

import pytest

from tests.pages.conftest import ALL_DOWN, SOURCES, without
from tests.support import chromium
from tests.web.serving import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.browser]

PAGES = sorted(path.stem for path in (ROOT / "pages").glob("*.py"))
HEALTHY = "env=healthy&w=1h"


def assert_framed(told):
    """The frame that only the shell draws: the bar with its choices, the menu with all pages, who is looking."""
    assert {chromium.ZONE, "Asia/Tokyo"} & set(told.choices)
    assert "no comparison" in told.choices
    assert sorted(urlsplit(link).path for link in told.links) == [f"/{name}" for name in PAGES]
    assert "local · viewer" in told.sidebar
    assert told.wrong == []


@pytest.mark.parametrize("name", PAGES)
def test_a_deep_link_of_a_stranger_never_bypasses_the_shell(told_unconfigured, name):
    found = told_unconfigured(f"/{name}?w=6h&tz=Asia%2FTokyo")
    assert_framed(found)
    assert "last 6 h" in found.bar
    assert found.params == {"w": "6h", "tz": "Asia/Tokyo"}


@pytest.mark.parametrize("name", PAGES)
def test_the_menu_leads_to_every_page_with_environment_and_window_kept(told, name):
    start = next(other for other in PAGES if other != name)
    (link,) = [link for link in told(f"/{start}?{HEALTHY}").links if urlsplit(link).path == f"/{name}"]
    assert sorted(urlsplit(link).query.split("&")) == ["env=healthy", "w=1h"]


@pytest.mark.parametrize("name", PAGES)
def test_in_a_healthy_environment_every_page_stands_and_no_panel_failed(told, name):
    found = told(f"/{name}?{HEALTHY}")
    assert_framed(found)
    assert found.panels
    assert "Try again" not in found.text
    assert found.choices[0] == "healthy"


@pytest.mark.parametrize("name", PAGES)
def test_with_nothing_configured_every_page_says_how_to_begin(told_unconfigured, name):
    found = told_unconfigured(f"/{name}?w=6h&tz=Asia%2FTokyo")
    assert "No installation of Synaptic is configured yet." in found.text
    assert "[environments.production.prometheus]" in found.text


ASKED = {"cache": ("redis",), "latency": ("prometheus",), "logs": ("elasticsearch",), "database": ("postgres",)}
"""The sources that a page cannot do without; the others are those of all pages that are not named here."""


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", PAGES)
def test_with_one_source_down_every_page_stands_and_names_it_where_it_needs_it(told, name, source):
    found = told(f"/{name}?env={without(source)}")
    assert_framed(found)
    if source in ASKED.get(name, SOURCES):
        assert source in found.text.lower()
        # Overview says since when in its first sentence, and its panels of other sources stand.
        assert "cannot be reached" in found.text or "has not answered since" in found.text
    else:
        assert "Try again" not in found.text


@pytest.mark.parametrize("name", PAGES)
def test_with_all_sources_down_every_page_stands(told, name):
    found = told(f"/{name}?env={ALL_DOWN}")
    assert_framed(found)
    assert "cannot be reached" in found.text


@pytest.mark.parametrize("name", PAGES)
def test_an_address_that_cannot_be_used_is_told_and_is_inert(told_unconfigured, name):
    query = {
        "w": "5y",
        "tz": "Mars/Base",
        "from": "<script>alert(1)</script>",
        "to": "now",
        "cmp": "<img src=x onerror=alert(1)>",
    }
    found = told_unconfigured(f"/{name}?{urlencode(query)}")
    assert_framed(found)
    for remark in (
        "w=5y is not a window",
        "tz=Mars/Base is not a time zone",
        "from and to must both be times",
        "cmp=<img src=x onerror=alert(1)> is not a comparison",
    ):
        assert remark in found.text


def test_an_environment_that_does_not_exist_is_told(told):
    found = told("/sources?env=elsewhere")
    assert "There is no environment elsewhere; showing healthy." in found.text
    assert_framed(found)
