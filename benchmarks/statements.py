"""``statements``: a look at 5,000 counted statements, differenced and written, by the bare query for the same rows."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import numpy as np
import psycopg
from pydantic import SecretStr

from benchmarks.measured import Benchmark, Figure, medians
from collectors import registry, sql
from collectors.registry import Sources
from records.database import Database, open_database
from records.leases import Lease, take_lease
from records.statements import newest_sample
from settings import Settings
from tests.support import postgresql
from tests.support.postgresql import Server
from views.database.statements.sampler import Memory, note

STATEMENTS = 5_000
ROUNDS = 9
BUSY = 300
"""About so many of the 5,000 run within a minute, a few of them most of the time (Zipf's law)."""

MINUTES = 12
"""Minutes of which rows are counted."""

KEEP = timedelta(days=30)
ENVIRONMENT = "benchmark"


@contextmanager
def counted() -> Iterator[Server]:
    """A PostgreSQL 18 that has counted 5,000 statements."""
    with postgresql.running(18, **{"pg_stat_statements.max": "10000", "track_io_timing": "on"}) as server:
        server.run("CREATE TABLE numbers AS SELECT n AS c FROM generate_series(1, 10) AS n", "synaptic")
        run(server, range(STATEMENTS))
        yield server


def run(server: Server, which: Sequence[int]) -> None:
    """Run some of the statements, each of which differs from the others in what it asks for."""
    with server.connect("synaptic") as connection, connection.pipeline():
        for number in which:
            # In binary digits: each is another expression, and none is long.
            terms = " + ".join("c" if digit == "1" else "1" for digit in f"{number:013b}")
            connection.execute(f"SELECT {terms} FROM numbers".encode())


class Noting:
    """A worker's turns on records of its own."""

    def __init__(self, server: Server, database: Database) -> None:
        settings = {"host": "127.0.0.1", "port": server.port, "user": "console", "deadline": 60}
        environment = {ENVIRONMENT: {"postgres": settings}}
        self.sources: Sources = registry.build(Settings.model_validate({"environments": environment}), ENVIRONMENT)
        self.database = database
        self.lease: Lease = take_lease(database, "statements", "benchmark", 3600)  # type: ignore[assignment]
        self.memory = Memory()

    def turn(self) -> int:
        """One turn; how many statements gained anything."""
        gained = note(self.sources, self.database, self.lease, self.memory, KEEP, lambda: True)
        return len(gained.rows) if gained is not None else 0


def bare(server: Server) -> list[tuple[object, ...]]:
    """The same question by psycopg alone, on a connection that is there already."""
    text = sql.statement("statements", server.version).text
    if not _kept:
        _kept.append(server.connect("synaptic", user="console"))
    return _kept[0].execute(text.encode()).fetchall()


_kept: list[psycopg.Connection] = []


def measure() -> Mapping[str, float]:
    """Let both take turns: with every statement having run in between, and with as many as run in a minute."""
    dice = random.Random(1)
    with counted() as server, tempfile.TemporaryDirectory(prefix="statements-") as folder:
        file = Path(folder) / "records.sqlite3"
        database = open_database(SecretStr(f"sqlite:///{file}"))
        database.migrate()
        noting = Noting(server, database)
        noting.turn()
        try:
            every = _against(server, noting, lambda: range(STATEMENTS))
            some = _against(server, noting, lambda: busy(dice))
            before = _bytes(database)
            for _ in range(MINUTES):
                run(server, busy(dice))
                noting.turn()
            grown = (_bytes(database) - before) / MINUTES * 1440
            newest = newest_sample(database, ENVIRONMENT)
        finally:
            noting.sources.postgres.close()
            _kept.pop().close()
            database.close()
    return {
        "times_bare_query": every[1] / every[0],
        "times_bare_query_busy": some[1] / some[0],
        "milliseconds": every[1] * 1000,
        "milliseconds_busy": some[1] * 1000,
        "milliseconds_bare": every[0] * 1000,
        "statements": float(newest.entries if newest is not None else 0),
        "bytes_a_day": grown,
    }


def busy(dice: random.Random) -> list[int]:
    """The statements of a minute: many runs of few, and few of many; some 300 different ones."""
    weights = 1 / np.arange(1, STATEMENTS + 1)
    return dice.choices(range(STATEMENTS), weights.tolist(), k=BUSY * 3)


def _against(server: Server, noting: Noting, which: Callable[[], Sequence[int]]) -> tuple[float, float]:
    """Seconds of the bare query and of a whole turn, medians; between two turns statements are run."""
    times: list[list[float]] = [[], []]
    for number in range(ROUNDS + 1):
        run(server, which())
        found = medians(1, lambda: bare(server), noting.turn)
        if number:  # the first round warms both
            for taken, one in zip(times, found, strict=True):
                taken.append(one)
    return float(np.median(times[0])), float(np.median(times[1]))


def _bytes(database: Database) -> int:
    """Bytes of the records that are in use."""
    with database.reading() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        free = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
        size = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
    return int((pages - free) * size)


BENCHMARK = Benchmark(
    "statements",
    f"A PostgreSQL 18 has counted {STATEMENTS:,} statements: a turn of the worker asks for all of them, sets them "
    "against those before, and writes what changed to SQLite; beside it the bare query by psycopg, in the same run.",
    {
        "times_bare_query": Figure(
            "Time of a turn after every statement has run, by that of the bare query for the same rows, whose answer "
            "nobody looks at. The turn writes each counter anew.",
            "<= 5",
        ),
        "times_bare_query_busy": Figure(
            f"The same after {BUSY} of them have run, as in a minute of much work.", "<= 4"
        ),
        "milliseconds": Figure("Time of a turn after every statement has run, on this machine."),
        "milliseconds_busy": Figure(f"Time of a turn after {BUSY} have run."),
        "milliseconds_bare": Figure("Time of the bare query."),
        "statements": Figure("Statements in each look."),
        "bytes_a_day": Figure("Bytes by which the records grow in a day of such minutes; after two days hours remain."),
    },
    measure,
)
