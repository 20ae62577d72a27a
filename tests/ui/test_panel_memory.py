"""What was there stays while a source is late, is never called well, and comes back: by itself, or by one button."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from collectors.cache import Answer
from collectors.errors import Denied, NotConfigured, SourceError, TimedOut, Unreachable
from tests.views.database import load_page as page
from ui import panel_memory, theme
from ui.panel_memory import RETRIES, PanelMemory
from ui.window import Window

THEN = datetime(2026, 11, 27, 7, 45, 2, tzinfo=UTC)
GONE = Unreachable("elasticsearch", "", "cannot be reached", hint="Check that it runs.")
SILENT = TimedOut("postgres", "", "did not answer within 5 s, its deadline")
SILENT.silent_since = THEN


def script() -> None:
    import streamlit as st

    from collectors.errors import SourceError
    from ui import context
    from ui.panel import panel
    from ui.parts import all_well
    from ui.source_banner import source_banner
    from ui.theme import STATUS

    st.session_state["context"] = st.session_state["visit"]
    if not st.session_state.pop("tick", False):  # the shell does it when the whole page runs; a timer runs no page
        context.enter(st.session_state["visit"])
    st.session_state["runs"] = st.session_state.get("runs", 0) + 1

    def load(name: str) -> object:
        st.session_state["asked"].append(name)
        answer = st.session_state["answers"][name]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, SourceError):
            raise answer
        return answer

    def draw(value: str, _: object) -> None:
        ok = STATUS["ok"]
        st.markdown(f":{ok.markdown}[{ok.icon} {ok.text}] {value}")
        all_well("Nothing is wrong.")

    source_banner(tuple)
    for name in st.session_state["answers"]:
        panel(name, lambda _, name=name: load(name), draw, title=name)


def opened(window: str | Window = "1h", **answers: object) -> Any:
    app = AppTest.from_function(script, default_timeout=120)
    now = Window(window) if isinstance(window, str) else window
    app.session_state["visit"] = replace(page.CONTEXT, window=now)
    app.session_state["answers"] = answers
    app.session_state["asked"] = []
    app.run()
    assert not app.exception
    return app


def then(app: Any, **answers: object) -> str:
    """What the page shows after it ran again with other answers."""
    app.session_state["answers"] = {**app.session_state["answers"], **answers}
    app.session_state["asked"] = []
    app.run()
    assert not app.exception
    return words(app)


def words(app: Any) -> str:
    return "\n".join(element.value for kind in ("markdown", "caption") for element in app.get(kind))


HELD = Window("1h").between(datetime(2026, 11, 27, 6, tzinfo=UTC), datetime(2026, 11, 27, 7, tzinfo=UTC))
GOOD = Answer("Nobody waits", THEN)


@pytest.mark.parametrize("window", ["1h", HELD], ids=["live", "held"])
def test_the_answer_that_was_there_stays_with_its_age_and_the_cause_when_the_next_one_fails(window):
    app = opened(window, sessions=GOOD)
    assert ":green[:material/check_circle: ✓ ok] Nobody waits" in words(app)
    text = then(app, sessions=GONE)
    assert "Last good answer" in text
    assert "as of 07:45:02 UTC" in text
    assert "elasticsearch cannot be reached" in text
    assert ":gray[:material/help: ? was ok] Nobody waits" in text
    assert ":green" not in text
    assert "Nothing is wrong" not in text
    assert ":green[:material/check_circle: ✓ ok] Nobody waits" in then(app, sessions=GOOD)


def test_a_stale_answer_of_the_cache_is_as_little_called_well():
    text = words(opened(sessions=replace(GOOD, error=SILENT)))
    assert "Last good answer of PostgreSQL, " in text
    assert ":green" not in text
    assert "Whether anything is wrong now is not known" in text


def test_the_answer_to_another_question_does_not_stand_in():
    app = opened(lines=GOOD)
    app.query_params["q"] = "level:error"
    text = then(app, lines=GONE)
    assert "Nobody waits" not in text
    assert "cannot be reached" in text


def test_a_panel_that_shows_something_else_now_does_not_show_the_answer_of_before_to_it():
    app = opened(lines=GOOD)
    app.session_state["visit"] = replace(app.session_state["visit"], window=HELD)
    assert "Nobody waits" not in then(app, lines=GONE)


def test_only_the_page_that_is_open_is_remembered():
    app = opened(lines=GOOD)
    app.session_state["panels of this page"] = PanelMemory()  # as the shell does when another page is entered
    assert "Nobody waits" not in then(app, lines=GONE)


def test_one_button_asks_again_for_all_that_failed():
    app = opened(lines=GONE, fields=GONE, patterns=GOOD)
    app.session_state["answers"] = {"lines": GOOD, "fields": GOOD, "patterns": GOOD}
    app.session_state["asked"] = []
    runs = app.session_state["runs"]
    next(button for button in app.button if button.label == "Try again").click()
    app.run()
    assert {"lines", "fields"} <= set(app.session_state["asked"])
    assert "cannot be reached" not in words(app)
    assert app.session_state["runs"] == runs + 1


def test_in_a_window_that_stands_still_what_failed_is_asked_again_by_itself(monkeypatch):
    monkeypatch.setattr(panel_memory, "RETRIES", (0.0,))
    app = opened(HELD, lines=[GONE, GOOD], fields=[GONE, GOOD])
    assert app.session_state["panels of this page"].due
    app.session_state["tick"] = True  # as the banner's own timer does, which a page without a browser has not
    app.run()
    assert words(app).count("✓ ok") == 2
    assert "cannot be reached" not in words(app)
    assert not app.session_state["panels of this page"].failing
    assert app.session_state["runs"] == 3  # the timer's, and one for all that failed


def test_a_live_window_needs_no_such_run_because_its_panels_ask_by_themselves(monkeypatch):
    monkeypatch.setattr(panel_memory, "RETRIES", (0.0,))
    app = opened("1h", lines=[GONE, GOOD])
    app.session_state["tick"] = True
    app.run()
    assert app.session_state["runs"] == 2


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    class Clock:
        now = 1000.0

    monkeypatch.setattr(panel_memory.time, "monotonic", lambda: Clock.now)
    return Clock


def test_what_failed_is_asked_again_after_longer_and_longer_rests(clock):
    memory = PanelMemory()
    for rest in (*RETRIES, RETRIES[-1]):
        memory.failed("lines", GONE)
        clock.now += rest - 0.1
        assert not memory.due
        clock.now += 0.2
        assert memory.due
        memory.begin_run()
        assert not memory.due
    memory.answered("lines")
    memory.failed("lines", GONE)
    clock.now += RETRIES[0]
    assert memory.due  # after a success the rests begin anew


def test_a_panel_that_is_gone_is_not_asked_again(clock):
    memory = PanelMemory()
    memory.failed("line", GONE)
    memory.begin_run()
    clock.now += 1000
    assert not memory.due
    assert not memory.failing


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (GONE, True),
        (TimedOut("redis", "", "was not asked: the panel's 8 s had passed", trips=False), True),
        (Denied("postgres", "", "refused: permission denied", trips=False), False),
        (NotConfigured("redis", "", "is not configured"), False),
    ],
)
def test_only_what_asking_again_can_mend_is_asked_again(error: SourceError, again: bool):
    memory = PanelMemory()
    memory.failed("keys", error)
    assert memory.failing is again


def test_every_status_of_an_answer_that_is_not_of_now_is_unknown_with_its_word_in_the_past():
    now = {key: theme.STATUS[key].text for key in ("ok", "risk", "broken", "unknown")}
    assert now == {"ok": "✓ ok", "risk": "▲ at risk", "broken": "✕ broken", "unknown": "? unknown"}
    with theme.outdated():
        for key, status in theme.STATUS.items():
            if key == "note":  # a difference that nobody judges
                assert status.text == "• differs"
                continue
            assert (status.mark, status.markdown, status.icon) == ("?", "gray", theme.STATUS["unknown"].icon), key
        assert theme.STATUS["ok"].text == "? was ok"
        assert theme.LEVELS["broken"].text == "✕ broken"  # a log line is an error for ever
    assert theme.STATUS["ok"].text == "✓ ok"
