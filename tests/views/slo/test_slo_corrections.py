"""The form of excluded windows: who may change them, and that what was entered is on disk."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from streamlit.testing.v1 import AppTest

from access import Role
from collectors.slos import shipped
from records.corrections import add_correction, list_corrections
from records.database import open_database


def page(database, role):
    from access import Viewer
    from collectors.slos import shipped
    from settings import Environment, Settings
    from ui import context
    from ui.window import Window
    from views.slo.panels import corrections as slo_corrections

    settings = Settings(environments={"test": Environment()})
    visit = context.Context(
        settings,
        "test",
        Window("1h"),
        "latency",
        "light",
        Viewer("ada", frozenset({role}), "loopback"),
        records=database,
    )
    context.enter(visit)
    found = slo_corrections.corrections_or_told(visit)
    slo_corrections.corrections_form(visit, shipped(), found)


@pytest.fixture
def database(tmp_path):
    opened = open_database(SecretStr(f"sqlite:///{tmp_path}/records.sqlite3"))
    opened.migrate()
    yield opened
    opened.close()


def drawn(database, role=Role.OPERATOR):
    app = AppTest.from_function(page, default_timeout=60, args=(database, role)).run()
    assert not app.exception
    return app


def enter(app, reason):
    app.text_input[0].input(reason)
    return next(button for button in app.button if button.label == "Exclude").click().run()


def test_an_operator_excludes_a_window_with_a_reason_and_lets_it_count_again(database):
    app = enter(drawn(database), "announced *maintenance*")
    assert not app.exception
    (kept,) = list_corrections(database, "test")
    assert (kept.objective, kept.reason, kept.created_by) == (None, "announced *maintenance*", "ada")
    assert 3500 <= (kept.end - kept.start).total_seconds() <= 3660
    assert any("all objectives: announced \\*maintenance\\*" in one.value for one in app.markdown)
    app.button(f"slo-remove-{kept.id}").click().run()
    assert list_corrections(database, "test") == []


def test_without_a_reason_nothing_is_recorded_and_it_says_why(database):
    app = enter(drawn(database), "  ")
    assert "needs a reason" in app.warning[0].value
    assert list_corrections(database, "test") == []


def test_a_viewer_sees_them_and_who_may_change_them_and_has_no_form(database):
    end = datetime.now(UTC)
    key = next(iter(shipped()))
    add_correction(
        database,
        environment="test",
        objective=key,
        start=end - timedelta(hours=1),
        end=end,
        reason="maintenance",
        created_by="bob",
    )
    app = drawn(database, Role.VIEWER)
    assert any("maintenance" in one.value and shipped()[key].title in one.value for one in app.markdown)
    assert any("that takes the role operator or admin" in one.value for one in app.caption)
    assert not app.button
    assert not app.text_input


def test_records_that_cannot_be_read_are_told_and_all_figures_are_raw(database):
    with database.writing() as connection:
        connection.execute(text("DROP TABLE slo_corrections"))
    assert "all figures of objectives are raw" in drawn(database).warning[0].value
    assert "all figures of objectives are raw" in drawn(None).warning[0].value
