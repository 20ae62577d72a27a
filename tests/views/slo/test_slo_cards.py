"""What a reader is told of an objective: figures with their formula, and unknown never as fine."""

import doctest
import re
from datetime import UTC, datetime

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from collectors.slos import Objective
from views.slo.events import Events
from views.slo.panels import budgets as parts
from views.slo.rules.budgets import Buckets, Tally, budget
from views.slo.view import standing

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC).timestamp()
DAY, HALF = 86400, 1800.0
HOSTILE = "*bold* [link](https://evil.example) $x$ :material/bomb: <b>"


def promise(**more):
    given = {
        "key": "answered", "title": "Answered", "kind": "availability", "objective": 0.99, "period": "7d",
        "signal": "search_operations", "bad": {"status": ("error",)}, "why": "People wait.",
    }  # fmt: skip
    return Objective.model_validate({**given, **more})


def counted(share=0.002, total=100.0):
    """Seven days at the same rate."""
    starts = NOW - 7 * DAY + np.arange(7 * 48) * HALF
    return Events(Buckets(starts, starts + HALF, np.full(336, share * total), np.full(336, total)), NOW)


def page(objective, events, bad_reason):
    import uuid
    from datetime import UTC, datetime, timedelta

    import streamlit as st

    from access import Role, Viewer
    from records.corrections import Correction
    from settings import Environment, Settings
    from ui import context
    from ui.window import Window
    from views.slo.panels import budgets as slo
    from views.slo.view import standing

    viewer = Viewer("local", frozenset({Role.VIEWER}), "loopback")
    settings = Settings(environments={"test": Environment()})
    context.enter(context.Context(settings, "test", Window("1h"), "latency", "light", viewer))
    end = datetime.fromtimestamp(events.now, UTC)
    excluded = []
    if bad_reason:
        start = end - timedelta(days=2)
        excluded = [Correction(uuid.uuid4(), "test", None, start, end - timedelta(days=1), bad_reason, "ada", start)]
    slo.objectives((standing(objective, events, excluded),), None)
    st.text("end")


def shown(objective, events, bad_reason=""):
    app = AppTest.from_function(page, default_timeout=60, args=(objective, events, bad_reason)).run()
    assert not app.exception
    return app


def words(app):
    return "\n".join([*(one.value for one in app.markdown), *(one.value for one in app.caption)])


def figures(app):
    return {one.label: one.value for one in app.metric}


def test_every_example_in_the_words_of_figures_is_true():
    failed, tried = doctest.testmod(parts)
    assert (failed, tried > 0) == (0, True)


def test_the_formula_stands_with_its_numbers_and_adds_up():
    found = budget(Tally(250.4, 1_000_000, 30 * DAY), 0.999)
    assert parts.formula(found, promise(objective=0.999, period="30d")) == (
        "Requests: (100 % − 99.9 %) × 1,000,000 = 1,000 may fail; 1,000 − 250 failed = 750 left. "
        "Time: (100 % − 99.9 %) × 43,200 min measured = 43.2 min; × 75 % left = 32.4 min."
    )


def test_a_promise_that_is_kept_has_its_figures_and_burn_rates():
    app = shown(promise(), counted())
    assert figures(app) == {
        "Attainment": "99.80 %",
        "Budget left, time": "80.6 min",
        "Budget left, requests": "269",
        "Budget spent in": "not in sight",
    }
    assert ":green[:material/check_circle:] 14 min: **0.20**, 1 min 10 s: **0.20** (page from 14.4)" in words(app)


MONTH_OF_30 = {"period": "30d", "objective": 0.995}


def shares(*parts):
    """A month of 100 requests a minute at the end of what was measured: minutes and the share of bad ones in them."""
    bad = np.concatenate([np.full(minutes, share * 100.0) for minutes, share in parts])
    starts = NOW - 60.0 * len(bad) + 60.0 * np.arange(len(bad))
    return Events(Buckets(starts, starts + 60.0, bad, np.full(len(bad), 100.0)), NOW)


def test_a_short_window_that_is_high_alone_is_named_and_not_called_slow():
    app = shown(promise(**MONTH_OF_30), shares((30 * 1440 - 30, 0.001), (30, 0.06)))
    assert "30 min: **12** (page from 6)" in words(app)
    assert "Only the last 30 min burn too fast" in words(app)
    assert "no faster than it may" not in words(app)


@pytest.mark.parametrize(
    ("past", "said"),
    [
        (
            shares((30 * 1440 - 30, 0.001), (30, 0.06)),
            "Only the last 30 min burn too fast; a page is due when 6 h do too.",
        ),
        (
            shares((30 * 1440 - 300, 0.001), (300, 0.05)),
            "The budget burns so fast that somebody should look now: over 6 h and over 30 min it burns more than 6 "
            "times as fast as it may.",
        ),
        (
            shares((30 * 1440 - 60, 0.001), (50, 0.1), (10, 0.0)),
            "Over 1 h the budget burnt too fast; in the last 5 min it no longer does.",
        ),
        (
            shares((10 * 1440 - 1440, 0.0), (1440, 0.016)),
            "The budget will not last for the period: over 1 d and over 2 h it burns more than 3 times as fast as it "
            "may.",
        ),
        (counted(), "The budget burns no faster than it may."),
    ],
)
def test_the_sentence_names_the_pair_of_windows_that_decides(past, said):
    assert standing(promise(**MONTH_OF_30), past).why == said


def test_a_day_of_which_three_quarters_of_an_hour_were_measured_is_not_judged():
    app = shown(promise(**MONTH_OF_30), shares((45, 0.025)))
    assert ":gray[:material/help:] 1 d (45 min of it measured): **5.00**, 2 h: **5.00** (ticket from 3)" in words(app)


def test_a_promise_that_is_broken_is_told_so_with_less_than_nothing_left():
    app = shown(promise(), counted(0.03))
    assert figures(app)["Budget left, time"] == "−201.6 min"
    assert figures(app)["Budget spent in"] == "spent"
    assert "the promise is broken" in words(app)


@pytest.mark.parametrize("events", [counted(0.0, 0.0), counted(np.nan, np.nan)])
def test_without_events_every_figure_is_unknown_and_nothing_is_green(events):
    app = shown(promise(), events)
    assert set(figures(app).values()) == {"–"}
    assert ":green" not in words(app)
    assert "No event was counted in the period" in words(app)
    assert not re.search(r"\b(nan|None)\b", words(app))


def test_raw_and_corrected_stand_side_by_side_with_the_reason():
    app = shown(promise(), counted(), "maintenance")
    assert "Corrected: 99.80 %, 80 % of the budget left" in words(app)
    assert "Raw, with all events: 99.80 %, 80 % of the budget left" in words(app)
    assert "maintenance (ada)" in words(app)


def test_foreign_text_does_nothing():
    app = shown(promise(title=HOSTILE, why=HOSTILE, owner=HOSTILE, runbook=HOSTILE), counted(), HOSTILE)
    for text in (one.value for one in (*app.markdown, *app.caption)):
        assert "*bold*" not in text.replace(r"\*", "")
        assert "](https" not in text
        assert ":material/bomb:" not in text
