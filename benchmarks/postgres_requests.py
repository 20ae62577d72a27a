"""What the console asks the database, and the same asked by psycopg alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg

from benchmarks.parts import HOST
from collectors.postgres.server import PostgresServer, Rows

TABLES = 40
Question = tuple[str, Mapping[str, Any] | None]
"""A statement and its parameters."""


def fill(port: int) -> None:
    """Tables with rows, indexes and statistics, as a small service has them."""
    with psycopg.connect(host=HOST, port=port, user="postgres", dbname="synaptic", autocommit=True) as connection:
        for number in range(TABLES):
            name = f"t{number}"
            connection.execute(
                f"CREATE TABLE {name} (id bigserial PRIMARY KEY, owner text, at timestamptz DEFAULT now())".encode()
            )
            connection.execute(f"INSERT INTO {name} (owner) SELECT 'u' || n FROM generate_series(1, 500) AS n".encode())
            connection.execute(f"CREATE INDEX ON {name} (owner)".encode())
        connection.execute("ANALYZE")


@contextmanager
def noted() -> Iterator[list[Question]]:
    """Every question that the console asks while the block runs, in order."""
    found: list[Question] = []
    asked = PostgresServer.ask

    def ask(server: PostgresServer, statement: str, parameters: Mapping[str, Any] | None = None, **more: Any) -> Rows:
        found.append((statement, parameters))
        return asked(server, statement, parameters, **more)

    PostgresServer.ask = ask  # type: ignore[method-assign, assignment]
    try:
        yield found
    finally:
        PostgresServer.ask = asked  # type: ignore[method-assign]


def send(questions: Sequence[Question], port: int, connections: int) -> None:
    """Ask them all over so many connections, and read the answers."""

    def some(share: Sequence[Question]) -> None:
        with psycopg.connect(
            host=HOST, port=port, user="console", dbname="synaptic", autocommit=True, prepare_threshold=None
        ) as connection:
            for statement, parameters in share:
                psycopg.ClientCursor(connection).execute(statement.encode(), parameters).fetchall()

    shares = [share for share in (questions[number::connections] for number in range(connections)) if share]
    with ThreadPoolExecutor(len(shares)) as threads:
        list(threads.map(some, shares))
