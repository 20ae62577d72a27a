"""A plan is asked for by a click only, and for the statement that was clicked."""

from streamlit.testing.v1 import AppTest


def page():
    import streamlit as st

    from views.database.statements.panels.detail import plan_asked

    number = int(st.query_params.get("query", "1"))
    st.text("the plan" if plan_asked(number) else "no plan")


def test_opening_a_statement_asks_for_no_plan_and_a_click_does_for_that_statement_only():
    app = AppTest.from_function(page, default_timeout=60).run()
    assert [one.value for one in app.text] == ["no plan"]
    app.button("database-query-show-plan").click().run()
    assert [one.value for one in app.text] == ["the plan"]
    app.query_params["query"] = "2"
    app.run()
    assert [one.value for one in app.text] == ["no plan"]
    assert not app.exception
