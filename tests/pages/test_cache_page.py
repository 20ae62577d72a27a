"""What Cache shows of a real Valkey, to somebody who may see no identifiers."""

import time

import pytest

from tests.pages.conftest import ALL_DOWN, LARGE, without

pytestmark = [pytest.mark.integration, pytest.mark.browser]

HEALTHY = "/cache?env=healthy&w=15m"
PANELS = ("verdict", "hits", "flush", "memory", "removed", "commands", "latency", "table", "keys", "slow", "safety",
          "clients", "connected")  # fmt: skip


def test_every_panel_has_its_data_or_says_why_not(told):
    found = told(HEALTHY)
    assert set(PANELS) <= set(found.panels)
    assert found.figures == 6
    assert found.panels["memory"].lines >= 2
    assert found.panels["keys"].tables == 2
    assert "without a time to live" in found.panels["keys"].text
    assert "Neither snapshots nor an append-only file" in found.panels["safety"].text
    assert found.wrong == []


def test_keys_that_never_end_are_told_by_their_prefix(told):
    assert "20 % of memory:* have no time to live" in told(HEALTHY).panels["keys"].text


def test_names_of_keys_are_inert_and_hidden_from_somebody_who_may_see_no_identifiers(told):
    found = told(HEALTHY)
    assert found.wrong == []
    assert "a-secret-of-somebody" not in found.text
    assert "memory:semantic:1" not in found.text


def test_without_the_cache_each_panel_says_so_and_the_first_what_to_do(visit, told):
    page = visit.open(f"/cache?env={without('redis')}")
    # The page's first lines know it at their next look, where this page is the first that asks.
    page.get_by_text("Look whether it runs").first.wait_for()
    assert page.get_by_text("Look whether it runs").count() == 1
    found = told(f"/cache?env={without('redis')}")
    assert "cannot be reached" in found.panels["keys"].text
    assert found.wrong == []


def test_without_prometheus_the_cache_is_shown_and_what_a_flush_costs_is_told_as_far_as_known(told):
    found = told(f"/cache?env={without('prometheus')}")
    assert "Try again" not in found.text
    assert "What the database does now is not known: prometheus" in found.panels["flush"].text


def test_overview_names_the_cache_that_does_not_answer(told):
    assert "redis unreachable" in told(f"/overview?env={ALL_DOWN}").panels["verdict"].text
    assert "cache:" in told("/overview?env=healthy&w=1h").panels["verdict"].text


def test_a_large_instance_is_looked_at_by_a_click_and_never_by_a_link(visit):
    visit.open(f"/cache?env={LARGE}&w=15m")
    keys = visit.page.locator(".st-key-panel-cache-keys")
    assert "more than 50 keys and is not looked at unasked" in keys.inner_text()
    keys.get_by_role("button", name="Look at 2,000 of its keys").click()
    keys.get_by_text("Looked at all of them.").wait_for()
    keys.get_by_role("button", name="Look again").wait_for()
    assert "look" not in visit.params()
    found = visit.told(f"/cache?env={LARGE}&w=15m&look={int(time.time())}")
    assert "is not looked at unasked" in found.panels["keys"].text
