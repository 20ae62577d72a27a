"""The table of log patterns, one in detail, and the form that mutes it."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from records.errors import RecordsError
from records.pattern_mutes import InvalidMute
from tests.views.logs.pattern_page import ALL, HOSTILE, MUTE, NEW, NOON, SPAN, SURGED, UNKNOWN, Page, pattern
from views.logs.panels.pattern_table import about, why_empty


def script() -> None:
    import streamlit as st

    from tests.views.logs import pattern_page as page
    from views.logs.panels import pattern_table as patterns

    st.session_state["context"] = page.CONTEXT
    if page.Page.chosen is None:
        patterns.patterns(page.Page.found, page.SPAN, page.deeds(), page.Page.opened)
    else:
        patterns.detail(page.Page.chosen, page.SPAN, page.deeds())


@pytest.fixture
def drawn() -> Any:
    """Draws the page with what the test says about it."""

    def draw(**given: Any) -> Any:
        usual = {"found": ALL, "chosen": None, "opened": "", "may_mute": True, "error": None, "done": []}
        for name, value in {**usual, **given}.items():
            setattr(Page, name, value)
        app = AppTest.from_function(script, default_timeout=60).run()
        assert not app.exception
        return app

    return draw


def words(app: Any) -> str:
    return "\n".join(element.value for kind in ("markdown", "caption", "code", "warning") for element in app.get(kind))


def test_the_table_says_of_each_pattern_what_an_sre_looks_for_first(drawn: Callable[..., Any]):
    app = drawn()
    rows = app.dataframe[0].value
    assert list(rows["told"]) == ["▲ new", "▲ surged 34×", ""]
    assert list(rows["count"]) == [1234.0, 600.0, 3.0]
    assert list(rows["share"]) == [50.0, 25.0, 1.0]
    assert rows["template"][0] == "pool timed out after <duration>"
    assert rows["first_seen"].isna().tolist() == [False, False, True]
    assert list(rows["version"]) == ["1.8.2", "–", "–"]
    assert "(UTC)" in json.loads(app.dataframe[0].proto.columns)["first_seen"]["label"]


def test_the_pattern_that_the_address_names_is_opened_whatever_row_it_has(drawn: Callable[..., Any]):
    assert "First seen" not in words(drawn())
    assert "evicted <number> entries" in words(drawn(opened="b"))
    turned = drawn(opened="b", found=replace(ALL, found=ALL.found[::-1]))
    assert "evicted <number> entries" in words(turned)
    turned.button(key="pattern-close").click().run()
    assert Page.done == [("open", "")]


def test_an_opened_pattern_without_a_line_in_the_window_is_told_and_can_be_closed(drawn: Callable[..., Any]):
    app = drawn(opened="f" * 64)
    assert "No line of the opened pattern matches within this window." in words(app)
    app.button(key="pattern-close").click().run()
    assert Page.done == [("open", "")]


def address_script() -> None:
    import streamlit as st

    from tests.views.logs import pattern_page as page
    from views.logs.panels import pattern_table as patterns
    from views.logs.panels import patterns as panel
    from views.logs.panels import state as log_state

    st.session_state["context"] = page.CONTEXT
    deeds = panel.deeds(page.CONTEXT, lambda pattern, out=False: f"-component:{pattern.component}")
    opened = log_state.read().pattern
    panel.said(page.Page.found, page.SPAN, deeds, opened)
    if page.Page.row is not None:  # as a click on this row leaves it behind
        st.session_state["a click"] = {"selection": {"cells": [(page.Page.row, "count")]}}
        patterns.clicked("a click", deeds)


def test_a_click_on_a_row_puts_the_pattern_into_the_address_and_closing_takes_it_out() -> None:
    Page.found, Page.row = ALL, 1
    app = AppTest.from_function(address_script, default_timeout=60)
    app.query_params["q"] = "level:error"
    app.run()
    assert app.query_params == {"q": "level:error", "pattern": "b"}
    Page.row = None
    copied = AppTest.from_function(address_script, default_timeout=60)
    copied.query_params["pattern"] = "b"
    copied.run()
    assert "evicted <number> entries" in words(copied)
    copied.button(key="pattern-close").click().run()
    assert "pattern" not in copied.query_params
    assert "evicted <number> entries" not in words(copied)


def test_a_filter_closes_the_opened_pattern_and_an_endless_identity_is_cut() -> None:
    Page.found, Page.row = ALL, None
    app = AppTest.from_function(address_script, default_timeout=60)
    app.query_params["pattern"] = "b"
    app.run()
    app.button(key="pattern-without-b").click().run()
    assert app.query_params == {"f": "-component:storage"}
    app.query_params["pattern"] = "b" * 100_000
    app.run()
    assert not app.exception
    assert "No line of the opened pattern" in words(app)


def test_a_pattern_in_detail_says_since_when_after_which_deploy_and_shows_lines(drawn: Callable[..., Any]):
    told = words(drawn(chosen=NEW))
    assert "**New.**" in told
    assert "First seen 2026-11-24 11:50:00 UTC, 5 min after deploy 1\\.8\\.2, version 1\\.8\\.2 ran then." in told
    assert "11:55:00 UTC  pool timed out after 3 s" in told


def test_a_surge_is_told_with_the_figures_behind_it(drawn: Callable[..., Any]):
    told = words(drawn(chosen=SURGED))
    assert (
        "412 lines in the busiest 15 min of the window; usual are 12, and 98 % of the time at most 40 "
        "(672 quarters of an hour before the window)." in told
    )
    assert "**Surged.**" in told


def test_what_is_not_known_is_said_and_no_zero(drawn: Callable[..., Any]):
    told = words(drawn(chosen=UNKNOWN))
    assert "When it was first seen is not known yet." in told
    assert "How much of it is usual is not known." in told
    assert "None" not in told
    assert "nan" not in told


def test_foreign_text_is_inert_everywhere(drawn: Callable[..., Any]):
    for app in (drawn(chosen=replace(UNKNOWN, version=HOSTILE, first_seen=NOON, mute=MUTE)), drawn(chosen=NEW)):
        for kind in ("markdown", "caption"):
            for element in app.get(kind):
                assert "**bold**" not in element.value
                assert ":red[x]" not in element.value
        assert "\u202e" not in words(app)
        assert "\x1b" not in words(app)


def test_the_buttons_filter_for_and_out(drawn: Callable[..., Any]):
    app = drawn(chosen=NEW)
    app.button(key="pattern-only-a").click().run()
    app.button(key="pattern-without-a").click().run()
    assert Page.done == [("only", "a"), ("without", "a")]


def test_a_mute_takes_a_time_and_a_reason(drawn: Callable[..., Any]):
    app = drawn(chosen=NEW)
    app.selectbox[0].select("8 hours")
    app.text_input[0].input("known, OPS-1")
    next(button for button in app.button if button.label == "Mute").click().run()
    assert Page.done == [("mute", "a", timedelta(hours=8), "known, OPS-1")]


@pytest.mark.parametrize(
    "error", [InvalidMute("A mute needs a reason."), RecordsError("full", "The records cannot be written.")]
)
def test_a_mute_that_failed_says_why(drawn: Callable[..., Any], error: Exception):
    app = drawn(chosen=NEW, error=error)
    next(button for button in app.button if button.label == "Mute").click().run()
    assert str(error).replace(".", "\\.") in words(app)
    assert not app.exception


def test_who_may_not_mute_reads_who_may(drawn: Callable[..., Any]):
    app = drawn(chosen=NEW, may_mute=False, found=replace(ALL, mutes=(MUTE,)))
    assert "An operator may mute patterns" in words(app)
    assert not app.text_input
    assert len(drawn(may_mute=False, found=replace(ALL, mutes=(MUTE,))).button) == 0


def test_mutes_that_hold_are_listed_and_can_be_ended(drawn: Callable[..., Any]):
    app = drawn(found=replace(ALL, found=(replace(SURGED, mute=MUTE),), mutes=(MUTE,)))
    assert list(app.dataframe[0].value["told"]) == ["muted"]
    assert "Muted until 2026-11-24 13:00:00 UTC by ada" in words(app)
    assert app.expander[0].label == "1 muted pattern"
    next(button for button in app.button if button.label == "End the mute").click().run()
    assert Page.done == [("lift", MUTE.id)]


def test_a_table_of_very_many_patterns_is_cut_and_says_so(drawn: Callable[..., Any]):
    many = tuple(replace(UNKNOWN, pattern=pattern(str(number))) for number in range(230))
    app = drawn(found=replace(ALL, found=many))
    assert len(app.dataframe[0].value) == 200
    assert "and 30 patterns with fewer lines" in words(app)


def test_the_info_button_has_rule_query_and_remarks():
    told = about(ALL, SPAN)
    assert "3.5 robust spreads" in told.help
    assert (told.queries, told.remarks) == (("GET /_search",), ("A remark.",))
    assert why_empty(ALL) == ""
    assert why_empty(replace(ALL, found=())).startswith("No lines match")
