"""The load of the database as it is drawn: the verdict in words, tables that narrow the page, foreign text inert."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.views.database import load_page as page
from tests.views.database.load_page import MINUTE, NOON, judged, over_time
from views.database.load.panels import chart as database_load
from views.database.load.panels.chart import colours_of_waits, why_empty
from views.database.load.panels.verdict import sentence


def script() -> None:
    import streamlit as st

    from tests.views.database import load_page as page
    from ui import menu
    from views.database.load.panels import chart as database_load
    from views.database.load.panels import verdict as database_load_verdict

    st.session_state["context"] = page.CONTEXT
    menu.link = lambda *words, **_: st.caption(f"link {' '.join(words[:2])}")
    what, value = st.session_state["drawn"]
    if what == "narrowed":
        st.session_state["found"] = database_load.narrowed(("wait", "query", "user", "client"))
        database_load.chips(st.session_state["found"], {name: name for name in ("wait", "query", "user", "client")})
    elif what == "verdict":
        database_load_verdict.verdict(value, page.SPAN)
    else:
        getattr(database_load, what)(value, page.SPAN)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    from ui import menu

    monkeypatch.setattr(menu, "link", menu.link)  # the script puts another in its place; it comes back

    def draw(what: str, value: object, **params: str) -> Any:
        app = AppTest.from_function(script, default_timeout=60)
        app.session_state["drawn"] = (what, value)
        for name, text in params.items():
            app.query_params[name] = text
        app.run()
        assert not app.exception
        return app

    return draw


@pytest.fixture(autouse=True)
def context(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.context.current", lambda: page.CONTEXT)


def words(app: Any) -> str:
    return "\n".join(element.value for kind in ("markdown", "caption") for element in app.get(kind))


def test_too_much_load_is_told_with_since_when_after_what_and_what_it_is():
    status, told = sentence(judged())
    assert status == "broken"
    assert "Load is 6 active sessions, 3× the 2 processors, since " in told
    assert (
        "11:40:00 UTC, after deploy 1.8.2; 80 % waits for a lock of another session (mostly Lock:transactionid)" in told
    )
    assert told.endswith("; 80 % is UPDATE memories SET owner = $1.")


def test_load_that_is_over_is_told_as_over():
    load = over_time(CPU=[0.5] * 10 + [3.0] * 10 + [0.5] * 10)
    parts = replace(page.PARTS, shares={**page.PARTS.shares, "wait": page.shares(("CPU", "CPU", 3.0, 1.0))})
    status, told = sentence(judged(load, parts))
    assert status == "ok"
    assert "Load is 0.5 active sessions again since " in told
    assert "after 3 active sessions, 1.5× the 2 processors, from " in told
    assert "100 % runs, or waits for a processor" in told


def test_a_calm_database_and_an_unknown_one_are_told_apart():
    calm = over_time(CPU=[0.5] * 30)
    assert sentence(judged(calm))[1].startswith("Load is 0.5 active sessions on average, within the 2 processors")
    unknown = over_time(processors=None, CPU=[0.5] * 30)
    assert "how many processors it has is not known" in sentence(judged(unknown))[1]
    nothing = replace(calm, frame=calm.frame * float("nan"))
    assert sentence(judged(nothing))[0] == "unknown"


def test_locks_alone_are_worth_a_word_and_a_part_is_called_a_part():
    load = over_time(processors=32, CPU=[0.5] * 30, Lock__tuple=[0.0] * 20 + [2.0] * 10)
    status, told = sentence(judged(load, narrowed=True))
    assert status == "risk"
    assert told.startswith("This part of the load is 2.5 active sessions, 2 of them waiting for locks, since ")


def test_long_windows_say_that_they_are_told_by_the_hour():
    assert " (by the hour)" in sentence(judged(replace(page.BAD, step=3600)))[1]


def test_the_first_row_has_figures_and_says_when_samples_stopped(drawn):
    app = drawn("verdict", judged(stopped=NOON - 9 * MINUTE, why="postgres cannot be reached."))
    figures = {metric.label: metric.value for metric in app.metric}
    assert figures["At the end"] == "6"
    assert figures["Waiting for locks"] == "3.3"
    assert figures["Processors"] == "2"
    told = words(app)
    assert "No samples since 2026-11-24 11:51:00 UTC" in told
    assert "postgres cannot be reached" in told
    assert "9 sessions waited for locks at" in told
    assert "link database Who waited for whom then" in told


def test_the_tables_have_shares_and_lead_to_the_page_of_a_query(drawn):
    app = drawn("parts", page.PARTS)
    queries, waits, users, clients = (table.value for table in app.dataframe)
    assert list(queries["share"]) == [80.0, 10.0, 10.0]
    assert queries["open"][0].startswith("/database?")
    assert "part=queries" in queries["open"][0]
    assert "query=8" in queries["open"][0]
    assert queries["open"].isna().tolist() == [False, False, True]
    assert list(waits["name"]) == ["Lock:transactionid", "Lock:tuple", "CPU"]
    assert list(users["name"]) == ["synaptic"]
    assert "\x1b" not in clients["name"][0]


def test_the_chart_draws_with_processors_and_without(drawn):
    assert drawn("chart", page.BAD).get("plotly_chart")
    assert drawn("chart", replace(over_time(by="user", processors=None, a=[1.0] * 9), by="user")).get("plotly_chart")


def test_foreign_text_is_inert(drawn):
    told = words(drawn("verdict", judged()))
    for part in ("**bold**", ":red[x]", "\x1b", "\u202e"):
        assert part not in told


def test_what_the_page_is_narrowed_to_is_read_from_the_address_with_care(drawn):
    app = drawn("narrowed", None, wait="Lock:tuple", query="-12", user="x" * 300, client=page.HOSTILE)
    assert app.session_state["found"] == {"wait": "Lock:tuple", "query": "-12", "client": page.HOSTILE}
    assert len(app.button) == 3
    assert "**bold**" not in app.button[2].label
    for wrong in ("x", "1; DROP TABLE", "9" * 19, "1" * 40, "١٢"):
        assert drawn("narrowed", None, query=wrong).session_state["found"] == {}


def test_a_class_of_waits_keeps_its_colour_and_events_of_one_differ():
    alone = colours_of_waits(["CPU", "Lock:tuple"], "light")
    many = colours_of_waits(["CPU", "Lock:tuple", "Lock:relation", "Lock:transactionid", "IO:DataFileRead"], "light")
    assert many["CPU"] == alone["CPU"]
    assert len(set(many.values())) == len(many)


def test_why_there_is_no_chart_is_what_the_view_says():
    assert why_empty(page.BAD) == ""
    assert why_empty(replace(page.BAD, unknown="Not sampled.")) == "Not sampled."
    assert database_load.why_no_parts(replace(page.PARTS, unknown="Nobody.")) == "Nobody."
