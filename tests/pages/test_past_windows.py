"""What has no history is marked as of now under a window of the past, on every page; what has one is not.

Pages are drawn headless over real sources.
"""

import re
from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from access import Role, Viewer
from tests.pages import test_frozen_sources as headless
from tests.web.serving import ROOT
from ui.context import Context
from ui.of_now import OF_NOW
from ui.window import Window

pytestmark = pytest.mark.integration

console = headless.console

OF_NOW_ON = {
    "overview": {"replicas"},
    "cache": {"keys", "slow", "safety", "connected"},
    "sources": {"reports"},
    "latency": set(),
    "database-now": {
        "now-verdict", "now-sessions", "now-connections", "now-tree", "now-states", "now-findings", "now-table",
    },
    "database-load": set(),
    "database-queries": set(),
    "database-tables": {
        "tables-verdict", "tables-findings", "tables-all", "tables-indexes", "tables-partitions", "tables-sequences",
    },
    "database-upkeep": {
        "upkeep-verdict", "upkeep-findings", "upkeep-running", "upkeep-replication", "upkeep-facts", "upkeep-io",
        "upkeep-settings",
    },
}  # fmt: skip
"""Picture → the panels whose source knows this moment only."""


def drawn(console, name, window):
    """The text of each panel of a picture, drawn anew with this window, and what each begins with."""
    page, params = headless.PAGES[name]
    app = AppTest.from_function(headless.script, default_timeout=300)
    for key, value in params.items():
        app.query_params[key] = value
    viewer = Viewer("ada", frozenset({Role.OPERATOR}), "a test")
    visit = Context(console.settings, "test", window, page, "light", viewer, console.records)
    app.session_state["visited"] = (visit, str(ROOT / "pages" / f"{page}.py"))
    app.run()
    assert not app.exception, f"{name}: {app.exception}"
    return headless.panels(app), first_lines(app)


def first_lines(app):
    """What the answer of each panel begins with, below its title."""
    found = {}

    def walk(node):
        key = re.search(r"(?:current|outdated)-[a-z]+-([\w-]+)$", str(getattr(getattr(node, "proto", None), "id", "")))
        if key:
            found[key.group(1)] = first(node)
        for child in getattr(node, "children", {}).values():
            walk(child)

    def first(node):
        children = list(getattr(node, "children", {}).values())
        return first(children[0]) if children else str(getattr(node, "value", ""))

    walk(app.main)
    return found


def past(hours=3):
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=hours)
    return Window(None, end - timedelta(hours=1), end)


@pytest.mark.parametrize("name", OF_NOW_ON)
def test_what_is_of_now_says_so_in_its_first_line_under_a_window_of_the_past(console, name):
    texts, begins = drawn(console, name, past())
    marked = {key for key, text in texts.items() if OF_NOW in text}
    assert marked == OF_NOW_ON[name]
    assert [key for key in marked if f"**{OF_NOW}**" not in begins[key]] == []


@pytest.mark.parametrize("name", OF_NOW_ON)
def test_nothing_is_marked_where_the_window_reaches_now(console, name):
    assert [key for key, text in drawn(console, name, Window("1h"))[0].items() if OF_NOW in text] == []


def test_alerts_of_a_past_window_are_those_that_fired_in_it(console):
    held = drawn(console, "overview", Window("1h"))[0]["alerts"]
    assert "SynapticSearchSlow" in held
    text = drawn(console, "overview", past(20))[0]["alerts"]
    assert OF_NOW not in text
    assert "No alert fired in this window" in text
    # The world has had it firing for some minutes of the last hour.
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    fired = drawn(console, "overview", Window(None, end - timedelta(hours=6), end))[0]["alerts"]
    assert OF_NOW not in fired
    assert "SynapticSearchSlow" in fired


def test_without_prometheus_the_alerts_of_now_are_shown_and_marked(console):
    with console.silent("cut off", ["prometheus"]):
        text = drawn(console, "overview", past(21))[0]["alerts"]
    assert OF_NOW in text
    assert "SynapticSearchSlow" in text


@pytest.mark.parametrize("window", [Window("1h"), past()], ids=["live", "past"])
def test_headline_and_tile_of_the_database_count_the_same_connections(console, window):
    texts, _ = drawn(console, "database-now", window)
    said = re.search(r"(\d+) of (\d+) connections are taken", texts["now-verdict"])
    assert said is not None, texts["now-verdict"]
    assert f"{said[1]} / {said[2]}" in texts["now-connections"].replace("\\", "")
