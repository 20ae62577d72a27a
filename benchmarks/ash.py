"""``ash``: what a look at the sessions costs the server, and what its samples cost the records."""

from __future__ import annotations

import random
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from benchmarks.measured import Benchmark, Figure, medians
from collectors import registry
from collectors.postgres.activity import sample
from collectors.postgres.server import APPLICATION
from collectors.registry import Sources
from collectors.span import Span
from records.activity import Group, Stretch, minute_of, save_activity
from records.database import Database, open_database
from records.leases import Lease, take_lease
from settings import Settings
from tests.support import postgresql
from tests.support.looping import until
from tests.support.postgresql import Server
from views.database.load.view import load_over_time, load_parts
from views.database.sessions.sampler import ActivityMemory

SESSIONS = 20
RATE = 300
"""Transactions a second of pgbench: enough that sessions are seen working, and not a test of its own."""

LOOKS = 200
MINUTES = 10
"""Minutes of which rows are counted, sixty looks each."""

DAYS = 7
GROUPS = 60
"""Groups of sessions in each minute of the filled records."""

ROUNDS = 7
KEEP = timedelta(days=8)
ENVIRONMENT = "benchmark"


@contextmanager
def loaded() -> Iterator[Server]:
    """A PostgreSQL 18 on which pgbench works with twenty sessions."""
    with postgresql.running(18, **{"pg_stat_statements.track_planning": "on", "max_connections": "100"}) as server:
        bench = str(postgresql.binaries(18) / "pgbench")
        where = ["-h", "127.0.0.1", "-p", str(server.port), "-U", postgresql.USER]
        subprocess.run([bench, *where, "-i", "-s", "5", "-q", "synaptic"], check=True, capture_output=True, cwd="/")
        work = [bench, *where, "-c", str(SESSIONS), "-j", "2", "-T", "3600", "-R", str(RATE), "-n", "synaptic"]
        process = subprocess.Popen(work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        try:
            there = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'"
            until(lambda: server.run(there) == [(SESSIONS,)], "pgbench working")
            yield server
        finally:
            process.terminate()
            process.wait()


def settings(server: Server) -> Settings:
    """One environment with this database."""
    given = {"host": "127.0.0.1", "port": server.port, "user": "console", "deadline": 60, "cpus": 2, "connections": 1}
    return Settings.model_validate({"environments": {ENVIRONMENT: {"postgres": given}}})


def server_cost(server: Server, sources: Sources) -> tuple[float, float]:
    """Milliseconds in the server, and seconds of a processor, for one look."""
    for _ in range(10):
        sample(sources.postgres)
    ours = f"SELECT pid FROM pg_stat_activity WHERE application_name = '{APPLICATION}' AND usename = 'console'"
    ((pid,),) = server.run(ours)
    server.run("SELECT pg_stat_statements_reset()", "synaptic")
    before = _on_processor(pid)
    for _ in range(LOOKS):
        sample(sources.postgres)
        time.sleep(0.02)  # so that the server does something else in between
    used = _on_processor(pid) - before
    times = server.run(
        "SELECT mean_exec_time + mean_plan_time, calls FROM pg_stat_statements "
        "WHERE query LIKE '%wait_event_type%' AND userid = 'console'::regrole ORDER BY calls DESC LIMIT 1",
        "synaptic",
    )
    return float(times[0][0]), used / LOOKS


def _on_processor(pid: int) -> float:
    """Seconds that a process has run on a processor."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def rows_a_day(sources: Sources, database: Database, lease: Lease) -> float:
    """Rows that are kept of a day at this load: those of its minutes, and those of its hours."""
    memory, now = ActivityMemory(ENVIRONMENT, KEEP), minute_of(datetime.now(UTC)).replace(minute=0)
    for minute in range(MINUTES):
        for second in range(60):
            moment = now + timedelta(minutes=minute, seconds=second)
            memory.sample(sources, database, lease, lambda at=moment: at)  # type: ignore[misc]
            time.sleep(0.01)
    memory.write(database, lease, now + timedelta(hours=1), everything=True)
    with database.reading() as connection:
        counts: dict[int, int] = dict(
            connection.exec_driver_sql("SELECT step, count(*) FROM activity GROUP BY step").all()
        )
        looks = connection.exec_driver_sql("SELECT count(*) FROM activity_samples WHERE step = 60").scalar_one()
    return float((counts[60] / looks + 1) * 1440 + (counts[3600] + 1) * 24)


def fill(database: Database, lease: Lease, now: datetime) -> None:
    """Seven days as a worker would have written them: sixty groups a minute, each of some sessions."""
    dice = random.Random(1)
    waits = ["CPU", "IO:DataFileRead", "Lock:transactionid", "LWLock:WALWrite", "Client:ClientRead", "IO:WALSync"]
    known = [
        Group(dice.choice(waits), dice.getrandbits(62), "synaptic", f"synaptic-{place % 3}") for place in range(150)
    ]
    weights = [1 / rank for rank in range(1, len(known) + 1)]
    texts = {one.query_id: f"SELECT {one.query_id} FROM memories WHERE id = $1" for one in known}
    batch: list[Stretch] = []
    for minute in range(DAYS * 1440, 0, -1):
        chosen: dict[Group, int] = {}
        while len(chosen) < GROUPS:
            for one in dice.choices(known, weights, k=GROUPS):
                chosen[one] = chosen.get(one, 0) + 1
                if len(chosen) == GROUPS:
                    break
        batch.append(Stretch(now - timedelta(minutes=minute), 60, chosen))
        if len(batch) == 720 or minute == 1:
            end = batch[-1].start + timedelta(minutes=1)
            save_activity(database, lease, ENVIRONMENT, batch, texts=texts, now=end, keep=KEEP)
            batch.clear()


_BARE = """
SELECT step, bucket, {column}, sum(sessions) FROM activity
WHERE environment = 'benchmark' AND (step = 3600 AND bucket < :split OR step = 60 AND bucket >= :split)
GROUP BY step, bucket, {column}
"""


def measure() -> Mapping[str, float]:
    """Look at a server that works, count what is kept, and ask seven days of it."""
    with tempfile.TemporaryDirectory(prefix="synaptic-benchmark-") as folder, loaded() as server:
        sources = registry.build(settings(server), ENVIRONMENT)
        sampled = open_database(SecretStr(f"sqlite:///{folder}/sampled.sqlite3"), 60)
        filled = open_database(SecretStr(f"sqlite:///{folder}/filled.sqlite3"), 60)
        for database in (sampled, filled):
            database.migrate()
        milliseconds, processor = server_cost(server, sources)
        rows = rows_a_day(sources, sampled, _lease(sampled))
        now = minute_of(datetime.now(UTC))
        fill(filled, _lease(filled), now)
        span = Span.of(now - timedelta(days=DAYS), now, 721)

        def question() -> None:
            load_over_time(sources, filled, "query", {}, span)
            load_parts(sources, filled, {}, span)

        with filled.reading() as connection:
            split = connection.exec_driver_sql("SELECT max(bucket) FROM activity WHERE step = 3600").scalar_one()
            kept = connection.exec_driver_sql("SELECT count(*) FROM activity").scalar_one()

        def bare() -> None:
            with filled.reading() as connection:
                for column in ("query_id", "wait", "user, client"):
                    connection.exec_driver_sql(
                        _BARE.format(column=column.replace("user", '"user"')).replace(":split", f"'{split}'")
                    ).all()

        asked, alone = medians(ROUNDS, question, bare)
        size = Path(f"{folder}/filled.sqlite3").stat().st_size
        for collector in sources.configured():
            collector.close()
        for database in (sampled, filled):
            database.close()
    return {
        "server_ms": milliseconds,
        "server_core_share": processor,
        "rows_a_day": rows,
        "seven_days_ms": asked * 1000,
        "times_bare_query": asked / alone,
        "kept_rows": float(kept),
        "kept_megabytes": size / 1e6,
    }


def _lease(database: Database) -> Lease:
    lease = take_lease(database, "benchmark", "benchmark", 3600)
    if lease is None:
        raise RuntimeError("new records are leased to somebody")
    return lease


BENCHMARK = Benchmark(
    "ash",
    f"The sessions of a PostgreSQL 18 on which pgbench works with {SESSIONS} sessions are looked at, and records of "
    f"{DAYS} days with {GROUPS} groups of sessions in each minute are asked.",
    {
        "server_ms": Figure(
            "Mean time of one look in the server, planning and execution, as pg_stat_statements has it.", "<= 5"
        ),
        "server_core_share": Figure(
            "Processor time of the server's process for one look, everything counted, at one look a second.",
            "<= 0.005",
        ),
        "rows_a_day": Figure("Rows that are kept of a day at the load of pgbench, of its minutes and of its hours."),
        "seven_days_ms": Figure(
            "Time for all that the page shows of seven days by query: the chart and what it is made of; records in "
            "SQLite.",
            "<= 1000",
        ),
        "times_bare_query": Figure(
            "The same by the time of the sums alone, one statement for each of three dimensions, on the same file."
        ),
        "kept_rows": Figure("Rows of these seven days: minutes of two days, hours of all."),
        "kept_megabytes": Figure("Size of their file."),
    },
    measure,
)
