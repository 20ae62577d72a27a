"""What Cache says of a window of the past: what the samples of that time tell, and nothing of now.

The samples are those of a real server, moved into the past.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

from access import Role, Viewer
from analysis.verdict import Reading
from collectors.span import Span
from records.database import open_database
from settings import Limits, Settings
from tests.support import redis_servers
from tests.views.cache.test_cache_views import KEEP, Past, looked_up, settings
from ui import format
from ui.context import Context
from ui.window import Window
from views.cache.flush import load_flush
from views.cache.history import Memory, load_history
from views.cache.panels import sentence
from views.cache.view import load_verdict

pytestmark = pytest.mark.integration

MINUTE = timedelta(minutes=1)
clock = partial(format.timestamp, zone=UTC)


@pytest.fixture(scope="module")
def server():
    with redis_servers.running("valkey") as running:
        yield running


@pytest.fixture
def memory(tmp_path):
    database = open_database(SecretStr(f"sqlite:///{tmp_path}/records.sqlite3"))
    database.migrate()
    yield Memory(database, 60.0)
    database.close()


@pytest.fixture
def sources(server, build):
    with server.client() as client:
        client.flushall()
        client.config_resetstat()
    return build(settings(server))


def ago(first, last):
    """The span from ``first`` to ``last`` minutes before now."""
    now = datetime.now(UTC).replace(microsecond=0)
    return Span(now - first * MINUTE, now - last * MINUTE, 1)


def worked(server, sources, memory):
    """Samples of 60 to 55 minutes ago: 900 of 1000 look-ups were answered, then it was flushed, then it went on."""
    history = Past(sources, memory.database, 60)
    with server.client() as client:
        client.mset({f"memory:{number}": "x" for number in range(2000)})
        history.note()
        looked_up(server, 900, 100)
        history.note()
        client.flushall()
        history.note()
        client.mset({f"memory:{number}": "x" for number in range(2000)})
        looked_up(server, 950, 50)
        history.note()
    return history


def script():
    import streamlit as st

    from ui import context
    from views.cache.panels import flush

    context.enter(st.session_state["visited"])
    flush(st.session_state["found"], None)


def drawn(found, span):
    """What the panel about a flush says."""
    app = AppTest.from_function(script, default_timeout=60)
    viewer = Viewer("ada", frozenset({Role.OPERATOR}), "a test")
    window = Window(None, span.start, span.end)
    app.session_state["visited"] = Context(Settings(), "test", window, "cache", "light", viewer)
    app.session_state["found"] = found
    app.run()
    assert not app.exception, app.exception
    return "\n".join(element.value for kind in ("markdown", "caption") for element in app.get(kind)).replace("\\", "")


def flush_of(sources, memory, span):
    return load_flush(sources, memory, span, KEEP).value


def said(sources, memory, span):
    return sentence(load_verdict(sources, memory, span, format.value, clock).value)


def test_what_a_flush_would_have_cost_and_how_the_database_fared_is_told_of_that_time(server, sources, memory):
    worked(server, sources, memory)
    span = ago(63, 50)
    found = flush_of(sources, memory, span)
    worst = Reading("search_latency", "Search p95", "s", 5.0, until=span.end, past=True)
    usual = Reading("pool_use", "Pool", "ratio", 0.2, past=True)
    text = drawn(replace(found, search=worst, pool=usual), span)
    assert "A flush in this window would have sent up to" in text
    assert "Half of the hit ratio would have been back after" in text
    assert "In this window search p95 was 5 s at its worst and the connection pool's use was 20 % as a rule." in text
    assert " now" not in text.lower()
    assert "What the database did then is not known" in text


def test_a_window_that_reaches_now_is_told_as_now(server, sources, memory):
    worked(server, sources, memory)
    span = Window("3h").span(datetime.now(UTC), Limits())
    found = replace(flush_of(sources, memory, span), search=Reading("search_latency", "Search p95", "s", 5.0))
    text = drawn(found, span)
    assert "A flush now would send up to" in text
    assert "Now search p95 is 5 s." in text


def test_without_samples_of_a_day_nothing_is_claimed_about_it(server, sources, memory):
    worked(server, sources, memory)
    day = ago(60 * 30, 60 * 6)
    status, words = said(sources, memory, day)
    assert (status, words) == (
        "unknown", "What the cache did within this window is not known: there are too few samples of it.",
    )  # fmt: skip
    found = flush_of(sources, memory, day)
    assert (found.cost, found.looked_up, found.past) == (None, None, ())
    text = drawn(found, day)
    assert "What a flush would have cost in this window is not known" in text
    assert "Nothing was found in the cache" not in text
    assert "Whether it was emptied up to the end of this window is not known: samples begin at" in text


def test_that_nothing_was_found_is_said_only_where_it_is_known(server, sources, memory):
    history = Past(sources, memory.database, 60)
    history.note()
    looked_up(server, 0, 40)
    history.note()
    span = ago(63, 55)
    found = flush_of(sources, memory, span)
    assert found.looked_up > 0
    text = drawn(found, span)
    assert "Nothing was found in the cache in this window, so a flush would have sent nothing more" in text


def test_a_flush_that_came_after_the_window_is_not_told_in_it(server, sources, memory):
    worked(server, sources, memory)
    before, after = ago(63, 59.5), ago(63, 50)
    assert len(flush_of(sources, memory, after).past) == 1
    found = flush_of(sources, memory, before)
    assert found.past == ()
    assert f"when the samples begin, to {format.timestamp(before.end, UTC, date=True)}." in drawn(found, before)


def test_the_verdict_of_a_window_of_the_past_is_in_the_past(server, sources, memory):
    history = Past(sources, memory.database, 60)
    with server.client() as client:
        client.mset({f"memory:{number}": "x" for number in range(2000)})
    history.note()
    looked_up(server, 999, 0)
    history.note()
    span = ago(63, 55)
    status, words = said(sources, memory, span)
    assert status == "ok"
    assert words.startswith("The cache answered 100 % of ")
    assert words.endswith(" and evicted nothing.")
    assert " held " in words
    figures = load_verdict(sources, memory, span, format.value, clock).value.figures
    assert not [one.title for one in figures if " now" in one.help]


def test_a_window_that_ended_a_minute_ago_asks_nothing_of_now(server, sources, memory):
    Past(sources, memory.database, 4).note()
    assert load_history(sources, memory, ago(6, 1)).value.info is None
    assert load_history(sources, memory, ago(6, 0)).value.info is not None


def test_what_was_wrong_is_told_as_of_the_window(server, sources, memory):
    worked(server, sources, memory)
    status, words = said(sources, memory, ago(63, 57.5))
    assert status == "risk"
    assert words.startswith("In this window: It was flushed between")
    assert words.endswith("and was not back by the end of this window.")
