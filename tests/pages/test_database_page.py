"""The Database page in a browser: its parts, and what a viewer reads while sessions wait for each other."""

import re
import threading
from contextlib import suppress

import psycopg
import pytest

from tests.pages.conftest import without
from tests.pages.test_every_page import HEALTHY
from tests.support.looping import until
from tests.web.serving import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.browser]

PARTS = re.findall(r'^    "([a-z]+)": \("', (ROOT / "pages/database.py").read_text(), re.MULTILINE)
NOW = f"/database?{HEALTHY}&part=now"
HOSTILE = "<img src=x onerror=alert(1)> **b** [x](javascript:alert(2)) $\\KaTeX$ :tada:"


@pytest.fixture(scope="module")
def pile(postgres):
    """A session that holds a table, with one that waits for it, both with hostile names and texts; their numbers."""
    postgres.run("CREATE TABLE IF NOT EXISTS memories (owner text)", "synaptic")
    with (
        postgres.connect("synaptic", autocommit=False, application_name="<b>holder</b>") as holder,
        postgres.connect("synaptic", application_name="waiter ![x](http://evil)") as waiter,
    ):
        holder.execute("LOCK TABLE memories")
        quoted = HOSTILE.replace("'", "''")
        holder.execute(f"SELECT '{quoted} of ann' AS held, 1 AS \"{HOSTILE[:40]}\"")

        def wait():
            with suppress(psycopg.Error):
                waiter.execute(f"SELECT * FROM memories WHERE owner = '{quoted} of bob'")

        thread = threading.Thread(target=wait)
        thread.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation IS NOT NULL"
        until(lambda: postgres.run(waiting, "synaptic") == [(1,)], "the second session waiting")
        yield holder.info.backend_pid, waiter.info.backend_pid
        holder.rollback()
        thread.join()


def test_all_five_parts_are_there():
    assert PARTS == ["now", "load", "queries", "tables", "upkeep"]


@pytest.mark.parametrize("part", PARTS)
def test_every_part_stands_with_its_database_and_tells_when_it_is_gone(told, part):
    found = told(f"/database?{HEALTHY}&part={part}")
    assert found.wrong == []
    assert found.panels
    assert "cannot be reached" not in found.text
    found = told(f"/database?env={without('postgres')}&part={part}")
    assert found.wrong == []
    assert found.panels


def test_while_a_session_waits_the_page_names_its_root_with_statement_and_mend_and_foreign_text_is_inert(visit, pile):
    holder, waiter = pile
    page = visit.open(NOW)
    tree = page.locator(".st-key-panel-database-now-tree")
    tree.get_by_text(f"pid {holder} (<b>holder</b>, idle in transaction for").wait_for()
    tree.get_by_text("holds ACCESS EXCLUSIVE on memories").wait_for()
    tree.get_by_text("SELECT … AS held").wait_for()
    tree.get_by_text("What would mend it").click()
    tree.get_by_text(f"pg_terminate_backend({holder})").wait_for()
    page.locator(".st-key-panel-database-now-verdict").get_by_text(f"1 session waits for pid {holder}").wait_for()
    assert "of ann" not in page.inner_text("body")
    # It looks again by itself, and the fold stays open.
    moment = tree.get_by_text("as of").first.inner_text()
    until(lambda: tree.get_by_text("as of").first.inner_text() != moment, "the next look")
    assert tree.get_by_text(f"pg_terminate_backend({holder})").is_visible()
    tree.get_by_role("button", name="Open").click()
    visit.wait_for_params(pid=str(holder), at="tree")
    page.locator(".st-key-panel-database-now-session").get_by_text("1 session waits for it").wait_for()
    page = visit.open(f"{NOW}&pid={waiter}&at=tree")
    session = page.locator(".st-key-panel-database-now-session")
    session.get_by_text("ACCESS SHARE on memories, for").wait_for()
    session.get_by_text("SELECT * FROM memories WHERE owner = …").wait_for()
    session.get_by_text("Values are hidden").wait_for()
    assert "of bob" not in page.inner_text("body")
    session.get_by_role("button", name="Close").click()
    visit.wait_for_params(pid=None, at=None)


def test_a_session_that_has_ended_is_told(told):
    assert "This session has ended." in told(f"{NOW}&pid=999999").panels["now-session"].text
