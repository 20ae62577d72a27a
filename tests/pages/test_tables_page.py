"""Tables and indexes in a browser: hostile names do nothing, a table opens from an address, what is missing is told."""

from urllib.parse import quote

import pytest

from tests.pages.test_every_page import HEALTHY
from tests.support.looping import until

pytestmark = [pytest.mark.integration, pytest.mark.browser]

PART = f"/database?{HEALTHY}&part=tables"
NAME = '<img src=x onerror=alert(1)> **b** "q" :tada:'
QUOTED = 'public."' + NAME.replace('"', '""') + '"'


@pytest.fixture(scope="module")
def hostile(postgres):
    """A table with a hostile name and dead rows that autovacuum does not come to, and an invalid index."""
    postgres.run(f"CREATE TABLE {QUOTED} (id int) WITH (autovacuum_enabled = false)", "synaptic")
    postgres.run(f"INSERT INTO {QUOTED} SELECT 1 FROM generate_series(1, 30000)", "synaptic")
    postgres.run(f"DELETE FROM {QUOTED} WHERE ctid < '(100,1)'", "synaptic")
    dead = f"SELECT n_dead_tup FROM pg_stat_all_tables WHERE relid = '{QUOTED}'::regclass"
    until(lambda: postgres.run(dead, "synaptic")[0][0] > 0, "the dead rows being counted")
    yield
    postgres.run(f"DROP TABLE {QUOTED}", "synaptic")


def test_the_verdict_names_table_cause_and_mend_and_a_hostile_name_is_text(visit, hostile):
    page = visit.open(PART)
    verdict = page.locator(".st-key-panel-database-tables-verdict")
    verdict.get_by_text("autovacuum is switched off for it").first.wait_for()
    assert f"{QUOTED} has 7" in verdict.inner_text()
    assert page.locator("img[src=x]").count() == 0
    findings = page.locator(".st-key-panel-database-tables-findings")
    findings.get_by_text("dead rows").first.click()
    findings.get_by_text("Runbook postgres-vacuum").first.wait_for()
    findings.get_by_text(f"ALTER TABLE {QUOTED} RESET (autovacuum_enabled);").first.wait_for()


def test_a_table_is_opened_by_its_address_and_measuring_it_tells_the_extension_that_it_needs(visit, hostile):
    page = visit.open(f"{PART}&table={quote(QUOTED)}")
    one = page.locator(".st-key-panel-database-tables-one")
    one.get_by_role("button", name="Measure its bloat").click()
    one.get_by_text("CREATE EXTENSION pgstattuple;").wait_for()
    assert "lacks the extension pgstattuple" in one.inner_text()
    # A link must not make the database read a table for whoever opens it.
    assert "measure" not in visit.wait_for_params(table=QUOTED)
    one.get_by_role("button", name="Close").click()
    visit.wait_for_params(table=None)


def test_a_table_that_does_not_exist_is_told(told):
    assert "There is no table of this name" in told(f"{PART}&table=public.nothing").panels["tables-one"].text
