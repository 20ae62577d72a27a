"""``catalogue``: every statement of ``collectors/catalog/sql`` on a PostgreSQL of 10,000 tables, by its deadline."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.measured import Benchmark, Figure
from collectors import sql
from collectors.cache import AnswerCache
from collectors.errors import BadAnswer, Denied, SourceError, TimedOut
from collectors.guard import Guard
from collectors.postgres import tables as postgres_tables
from collectors.postgres.client import Postgres
from collectors.postgres.server import APPLICATION
from settings import Postgres as PostgresSettings
from tests.support import postgresql
from tests.support.postgresql import Server

TABLES = 10_000
SESSIONS = 500
VERSION = 15
ROUNDS = 3
DEADLINE = 5.0
"""Seconds that the settings give a question where nobody says otherwise."""

FLOOR = 0.1
"""Seconds below which the time of a statement says nothing about how it grows."""

OPTIONS = {
    "max_connections": "600",
    "max_locks_per_transaction": "256",
    "shared_buffers": "256MB",
    "autovacuum": "off",
    "synchronous_commit": "off",
}

# Each has options of its own and two indexes; every fourth is a partition, the others have a sequence.
MADE = """
DO $$
BEGIN
    FOR n IN {first} .. {last} LOOP
        IF n % 4 = 0 THEN
            EXECUTE format('CREATE TABLE IF NOT EXISTS whole_%s (id int, name text, kind int, at timestamptz, '
                'size bigint) PARTITION BY LIST (id)', n / 400);
            EXECUTE format('CREATE TABLE t_%s PARTITION OF whole_%s FOR VALUES IN (%s) '
                'WITH (autovacuum_vacuum_threshold = 100, autovacuum_vacuum_scale_factor = 0.05)', n, n / 400, n);
            EXECUTE format('CREATE INDEX t_%s_id ON t_%s (id)', n, n);
        ELSE
            EXECUTE format('CREATE TABLE t_%s (id serial PRIMARY KEY, name text, kind int, at timestamptz, '
                'size bigint) WITH (autovacuum_vacuum_threshold = 100, autovacuum_vacuum_scale_factor = 0.05)', n);
        END IF;
        EXECUTE format('CREATE INDEX t_%s_name ON t_%s (name, kind)', n, n);
        EXECUTE format('INSERT INTO t_%s SELECT CASE WHEN %s %% 4 = 0 THEN %s ELSE n END, ''name '' || n, n, now(), n '
            'FROM generate_series(1, 20) AS n', n, n, n);
        EXECUTE format('ANALYZE t_%s', n);
    END LOOP;
END $$
"""
BATCH = 250

OWN = {"own": APPLICATION}
PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "sessions": {"octets": 32_000, **OWN},
    "activity": {"octets": 2000, **OWN},
    "activity_texts": {"ids": [1, 2], "octets": 8000},
    "activity_statements": {"ids": [1, 2], "characters": 8000},
    "statement_texts": {"ids": [1, 2], "characters": 100_000},
    "now_session_locks": {"pid": 1},
    "table_indexes": {"names": ["t_1", "t_2"]},
    "plan_relations": {"schemas": ["public"], "names": ["t_1"]},
    "plan_readable": {"name": "t_1", "role": "console"},
    "plan_indexes": {"names": ["t_1"]},
    "plan_texts": {"id": 1, "roles": ["app"], "characters": 100_000},
    "plan_path": {"role": "app", "octets": 4001},
    "plan_strangers": {"schemas": ["public"], "roles": ["app"]},
    "heap_measured": {"name": "public.t_1", "most": 2**31},
    "index_measured": {"name": "public.t_1", "most": 2**31},
    "upkeep_horizon": OWN,
    "upkeep_role_settings": OWN,
}
OF_RELATIONS = (
    "tables", "indexes", "sequences", "partitions", "oldest_xids", "horizon", "foreign_keys", "heap_statistics",
    "index_statistics",
)  # fmt: skip


def parameters_of(name: str) -> Mapping[str, Any]:
    """The parameters that a statement is asked with."""
    return postgres_tables.parameters_of(name) if name in OF_RELATIONS else PARAMETERS.get(name, {})


def names(version: int) -> list[str]:
    """The statements that a server of this version is asked."""
    return [name for name, files in sql.VERSIONS.items() if files[0][0] <= version]


@contextlib.contextmanager
def crowded(server: Server, count: int) -> Iterator[None]:
    """Sessions that stand in a transaction and hold a few locks each."""
    with contextlib.ExitStack() as stack:
        for number in range(count):
            one = stack.enter_context(server.connect("synaptic", autocommit=False, application_name=f"app {number}"))
            tables = ", ".join(f"t_{(number * 7 + other) % 1000 + 1}" for other in range(3))
            one.execute(f"LOCK TABLE {tables} IN ACCESS SHARE MODE".encode())
        yield


def fill(server: Server, first: int, last: int) -> None:
    """Make the tables from ``first`` to ``last``."""
    for start in range(first, last + 1, BATCH):
        server.run(MADE.format(first=start, last=min(start + BATCH - 1, last)), "synaptic")
    server.run("GRANT SELECT ON ALL TABLES IN SCHEMA public TO console", "synaptic")
    server.run("GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO console", "synaptic")
    server.run("VACUUM ANALYZE pg_class, pg_attribute, pg_index, pg_statistic, pg_depend", "synaptic")


def timed(database: Postgres, version: int) -> tuple[dict[str, float], list[str]]:
    """The best time of each statement in seconds, and those that did not answer in time."""
    taken: dict[str, float] = {}
    late: list[str] = []
    for name in names(version):
        for _ in range(ROUNDS):
            started = time.perf_counter()
            try:
                database.ask(name, parameters_of(name))
            except TimedOut:
                late.append(name)
                taken[name] = time.perf_counter() - started
                break
            except (BadAnswer, Denied) as error:
                if error.code != "42501":  # a right that only some have is no matter of time
                    raise
            taken[name] = min(taken.get(name, 1e9), time.perf_counter() - started)
    return taken, late


def measure() -> Mapping[str, float]:
    """Ask everything of half of the tables, then of all of them."""
    settings = {"host": "127.0.0.1", "user": "console", "deadline": DEADLINE}
    with postgresql.running(VERSION, **OPTIONS) as server:
        server.run("CREATE EXTENSION pgstattuple", "synaptic")
        database = Postgres(
            "benchmark",
            PostgresSettings.model_validate({**settings, "port": server.port}),
            AnswerCache(10**6, 0.001, 0, lambda _: 100),
        )
        # What is late for itself shall not make others late: the breaker stays closed.
        database.source.guard = Guard("benchmark", "postgres", failures_to_open=1_000_000)
        try:
            fill(server, 1, TABLES // 2)
            with crowded(server, SESSIONS):
                half, _ = timed(database, VERSION)
            fill(server, TABLES // 2 + 1, TABLES)
            with crowded(server, SESSIONS):
                whole, late = timed(database, VERSION)
        except SourceError as error:
            print(f"{error}; {error.hint}", file=sys.stderr)
            raise
        finally:
            database.close()
    growth = {name: whole[name] / half[name] for name in whole if whole[name] >= FLOOR}
    for name in sorted(whole, key=lambda one: -whole[one])[:12]:
        print(f"{name:<24} {half[name]:7.3f} s {whole[name]:7.3f} s", file=sys.stderr)
    return {
        "beyond_deadline": float(len(late)),
        "worst_seconds": max(whole.values()),
        "worst_growth": max(growth.values(), default=1.0),
        "statements": float(len(whole)),
    }


BENCHMARK = Benchmark(
    "catalogue",
    f"A PostgreSQL {VERSION} with {TABLES:,} tables, each with options, two indexes and statistics, partitions and "
    f"sequences among them, and {SESSIONS} sessions in transactions that hold locks: every statement of "
    f"collectors/catalog/sql is asked as the console asks it, {ROUNDS} times, with the usual {DEADLINE:g} s; "
    "before that of half of the tables.",
    {
        "beyond_deadline": Figure("Statements that did not answer in time.", "<= 0"),
        "worst_seconds": Figure("Time of the slowest statement, the best of its rounds.", f"<= {DEADLINE:g}"),
        "worst_growth": Figure(
            f"Time with all tables by that with half of them, of the statement that grows most; of those that take "
            f"{FLOOR:g} s or more. 2 is in proportion, 4 is quadratic.",
            "<= 2.5",
        ),
        "statements": Figure("Statements that were asked."),
    },
    measure,
)
