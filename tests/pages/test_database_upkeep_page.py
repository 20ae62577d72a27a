"""Housekeeping in a browser: running work with its progress, and foreign names that do nothing."""

import threading
from contextlib import suppress

import psycopg
import pytest

from tests.pages.test_every_page import HEALTHY
from tests.support.looping import until

pytestmark = [pytest.mark.integration, pytest.mark.browser]

TABLE = "<img src=x onerror=alert(1)> **b** :tada: $x$"


@pytest.fixture
def waiting_build(postgres):
    """An index build that waits for a writer of a table with a hostile name; the writer's number."""
    postgres.run(f'CREATE TABLE "{TABLE}" (id int)', "synaptic")
    with (
        postgres.connect("synaptic", autocommit=False) as writer,
        postgres.connect("synaptic", application_name="build") as build,
    ):
        writer.execute(f'INSERT INTO "{TABLE}" VALUES (1)')

        def work():
            with suppress(psycopg.Error):
                build.execute(f'CREATE INDEX CONCURRENTLY ON "{TABLE}" (id)')

        thread = threading.Thread(target=work)
        thread.start()
        until(lambda: postgres.run("SELECT 1 FROM pg_stat_progress_create_index"), "the build being under way")
        yield writer.info.backend_pid
        writer.rollback()
        thread.join()
    postgres.run(f'DROP TABLE "{TABLE}"', "synaptic")


def test_running_work_is_drawn_with_its_phase_and_whom_it_waits_for(visit, waiting_build):
    page = visit.open(f"/database?{HEALTHY}&part=upkeep")
    panel = page.locator(".st-key-panel-database-upkeep-running")
    panel.get_by_text(f'CREATE INDEX CONCURRENTLY public."{TABLE}"').wait_for()
    panel.get_by_text("waiting for writers before build").wait_for()
    panel.get_by_text(f"waits for pid {waiting_build}").wait_for()
    assert panel.locator("img").count() == 0
    settings = page.locator(".st-key-panel-database-upkeep-settings")
    settings.get_by_text("settings differ from the advice").wait_for()
    page.locator(".st-key-panel-database-upkeep-findings").get_by_text("fsync is off").wait_for()
