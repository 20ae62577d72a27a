"""The background work: done once by any number of workers, whatever becomes of one, and never ended by a source."""

import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from collectors import registry
from collectors.registry import Sources
from records.clock import Clock
from records.database import Database, open_database
from records.leases import database_time
from records.patterns import read_counts, read_memory
from records.schema import leases, log_pattern_progress
from settings import Settings
from telemetry import metrics
from tests.support import log_lines
from tests.support.fault_proxy import FaultProxy
from tests.support.looping import LoopThread, until
from tests.web.serving import ROOT, serving
from worker import Worker

HOUR = timedelta(hours=1)
AGES = tuple(timedelta(minutes=minutes) for minutes in range(2, 20 * 60, 3))

RUNNING = """
import sys
from pydantic import SecretStr
from records.database import open_database
from settings import Settings
from worker import Worker
worker = Worker(Settings.model_validate_json(sys.argv[1]), open_database(SecretStr(sys.argv[2])))
worker.start()
print("started", flush=True)
sys.stdin.read()
worker.stop()
"""


@pytest.fixture
def index(real_elasticsearch: str) -> str:
    """An index with the lines of the last 20 hours, one every three minutes, of two patterns in turn."""
    name = log_lines.new_index(real_elasticsearch)
    now = datetime.now(UTC)
    log_lines.write(
        real_elasticsearch,
        name,
        (
            log_lines.document(now - age, f"stored memory {number}" if number % 2 else f"evicted {number} entries")
            for number, age in enumerate(AGES)
        ),
    )
    return name


@pytest.fixture
def proxy(servers: LoopThread, real_elasticsearch: str) -> Iterator[FaultProxy]:
    proxy = FaultProxy(servers, int(real_elasticsearch.rpartition(":")[2]))
    yield proxy
    proxy.close()


@pytest.fixture
def settings(proxy: FaultProxy, index: str) -> Settings:
    store = {"url": proxy.url, "index": index, "deadline": 60}
    return Settings.model_validate({"environments": {"test": {"elasticsearch": store}}})


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/records.sqlite3"


@pytest.fixture
def database(address: str) -> Iterator[Database]:
    database = open_database(SecretStr(address), 20)
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def worker(settings: Settings, database: Database) -> Iterator[Callable[[], Worker]]:
    """Makes workers with sources of their own, as each process has them."""
    made: list[tuple[Worker, list[Sources]]] = []

    def make() -> Worker:
        sources = [registry.build(settings, "test")]
        made.append((Worker(settings, database, lambda *_: sources[0]), sources))
        return made[-1][0]

    yield make
    for one, sources in made:
        one.stop()
        for collector in sources[0].configured():
            collector.close()


def holder(database: Database) -> str | None:
    """Who holds the lease of the log patterns now, by the database's clock."""
    with database.reading() as connection:
        row = connection.execute(select(leases).where(leases.c.name.like("%pattern%"))).one_or_none()
        return row.holder if row is not None and row.expires_at > database_time(connection) else None


def pass_time(database: Database) -> None:
    """What the passing of its time does to a lease."""
    with database.writing() as connection:
        connection.execute(update(leases).values(expires_at=database_time(connection) - timedelta(seconds=1)))


def counted(database: Database) -> Counter[str]:
    """Lines of each template, as they are kept."""
    memory = read_memory(database, "test")
    names = {one.id: one.template for one in memory.patterns}
    found: Counter[str] = Counter()
    for pattern_id, _, lines in read_counts(database, "test", memory.since - HOUR, memory.until + HOUR):
        found[names[pattern_id]] += lines
    return found


EACH_ONCE = Counter({"evicted <number> entries": (len(AGES) + 1) // 2, "stored memory <number>": len(AGES) // 2})


def turns(outcome: str) -> float:
    labels = {"job": "log patterns", "environment": "test", "outcome": outcome}
    return metrics.REGISTRY.get_sample_value("console_worker_turns_total", labels) or 0.0


def test_a_turn_learns_every_line_once_and_a_second_one_adds_nothing(worker, database):
    one = worker()
    one.turn()
    assert counted(database) == EACH_ONCE
    memory = read_memory(database, "test")
    assert memory.until - memory.since > timedelta(hours=19)
    one.turn()
    assert counted(database) == EACH_ONCE


def test_first_and_last_lines_of_a_pattern_are_those_of_the_log(worker, database, real_elasticsearch, index):
    worker().turn()
    for one in read_memory(database, "test").patterns:
        assert timedelta(hours=19) < one.last_seen - one.first_seen < timedelta(hours=20)
        assert one.version == ""  # there is no Prometheus that could tell


def test_a_console_whose_clock_is_ahead_learns_up_to_the_database_s_time_and_says_that_it_is_off(settings, database):
    sources = registry.build(settings, "test")
    ahead = Worker(settings, database, lambda *_: sources, local_time=lambda: datetime.now(UTC) + HOUR)
    ahead.turn()
    ahead.stop()
    for collector in sources.configured():
        collector.close()
    assert counted(database) == EACH_ONCE
    with database.reading() as connection:
        assert read_memory(database, "test").until <= database_time(connection)
    clock = Clock(database, lambda: datetime.now(UTC) + HOUR)
    assert abs(clock.now() - datetime.now(UTC)) < HOUR / 10
    assert "s ahead of that of the records' database" in clock.off
    assert Clock(database).off == ""


def test_what_a_console_with_a_wrong_clock_wrote_keeps_nothing_from_being_learned(worker, database):
    worker().turn()
    with database.writing() as connection:
        future = database_time(connection) + HOUR
        connection.execute(update(log_pattern_progress).values(until=future))
    pass_time(database)
    worker().turn()
    with database.reading() as connection:
        assert read_memory(database, "test").until <= database_time(connection)


def test_of_two_workers_one_does_the_work_and_the_other_says_so(worker, database):
    one, other = worker(), worker()
    one.turn()
    elsewhere = turns("elsewhere")
    other.turn()
    assert turns("elsewhere") == elsewhere + 1
    assert holder(database) == one.holder
    assert counted(database) == EACH_ONCE


def test_workers_that_begin_at_the_same_moment_count_every_line_once(worker, database):
    workers = [worker() for _ in range(4)]
    barrier = threading.Barrier(len(workers))

    def take_turns(one: Worker) -> None:
        barrier.wait()
        for _ in range(3):
            one.turn()

    threads = [threading.Thread(target=take_turns, args=(one,)) for one in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted(database) == EACH_ONCE


@pytest.mark.integration
def test_a_worker_killed_in_the_middle_is_replaced_and_no_line_is_lost_or_doubled(
    settings, address, worker, database, proxy
):
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", RUNNING, settings.model_dump_json(), address],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "started\n"
        until(lambda: read_memory(database, "test"), "the first stretch being kept")
        process.send_signal(signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
    finally:
        process.kill()
        process.communicate()
    killed = holder(database)
    assert killed is not None
    before = read_memory(database, "test").until
    other = worker()
    other.turn()  # the dead one's time has not passed yet
    assert read_memory(database, "test").until == before
    assert holder(database) == killed
    pass_time(database)
    other.turn()
    assert holder(database) == other.holder
    assert counted(database) == EACH_ONCE


def test_a_worker_that_slept_while_another_took_over_writes_nothing(settings, worker, database):
    other, sources = worker(), registry.build(settings, "test")

    def fall_asleep(*_: object) -> Sources:
        pass_time(database)
        other.turn()
        return sources

    sleeper = Worker(settings, database, fall_asleep)
    before = turns("elsewhere")
    sleeper.turn()
    assert turns("elsewhere") == before + 1
    assert holder(database) == other.holder
    assert counted(database) == EACH_ONCE
    for collector in sources.configured():
        collector.close()


@pytest.mark.parametrize(("fault", "outcome"), [("refuse", "unreachable"), ("http_500", "bad answer")])
def test_a_source_that_fails_costs_a_turn_and_the_work_is_free_for_another(worker, database, proxy, fault, outcome):
    one, other = worker(), worker()
    proxy.switch(fault)
    before = turns(outcome)
    one.turn()
    assert turns(outcome) == before + 1
    assert holder(database) is None
    proxy.switch("none")
    other.turn()
    assert counted(database) == EACH_ONCE


def test_an_error_that_nobody_foresaw_does_not_end_the_worker(settings, database):
    def broken(*_: object) -> Sources:
        raise ValueError("a mistake")

    one = Worker(settings, database, broken)
    before = turns("failed")
    one.turn()
    one.turn()
    assert turns("failed") == before + 2
    assert holder(database) is None


def test_records_that_cannot_be_used_cost_a_turn_and_are_brought_up_to_date_when_they_can(settings, tmp_path):
    folder = tmp_path / "later"
    database = open_database(SecretStr(f"sqlite:///{folder}/records.sqlite3"), 20)
    sources = registry.build(settings, "test")
    one = Worker(settings, database, lambda *_: sources)
    before = turns("records unreachable")
    one.turn()
    assert turns("records unreachable") == before + 1
    folder.mkdir()
    one.turn()
    assert counted(database) == EACH_ONCE
    for collector in sources.configured():
        collector.close()
    database.close()


def test_a_stopped_worker_gives_its_work_back(worker, database):
    one = worker()
    one.start()
    until(lambda: holder(database) == one.holder, "the work being taken")
    one.stop()
    assert holder(database) is None
    memory = read_memory(database, "test")
    one.turn()  # stopped is stopped
    assert read_memory(database, "test") == memory
    worker().turn()
    assert counted(database) == EACH_ONCE


@pytest.mark.parametrize(
    "change",
    [{"worker": {"enabled": False}}, {"environments": {"test": {"prometheus": {"url": "http://127.0.0.1:1"}}}}],
)
def test_a_worker_that_is_switched_off_or_has_no_log_starts_no_thread(settings, database, change):
    given = Settings.model_validate({**settings.model_dump(), **change})
    one = Worker(given, database)
    one.start()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("worker")]
    one.stop()


@pytest.mark.integration
def test_the_console_runs_the_worker_and_ends_it(tmp_path, real_elasticsearch, index):
    text = f"""
[server]
public_url = "http://127.0.0.1:{{port}}"
[records]
url = "sqlite:///{tmp_path}/records.sqlite3"
[environments.test.elasticsearch]
url = "{real_elasticsearch}"
index = "{index}"
deadline = 60
"""
    with serving(tmp_path, text, ROOT / "app.py") as server:
        name = 'console_worker_turns_total{environment="test",job="log patterns",outcome="done"}'
        until(lambda: server.metric(name), "a turn being done")
        assert re.search(r"console_worker_last_done_timestamp_seconds\{.*\} \d", server.get("/metrics").text)
    database = open_database(SecretStr(f"sqlite:///{tmp_path}/records.sqlite3"))
    assert counted(database) == EACH_ONCE
    assert holder(database) is None
    database.close()
