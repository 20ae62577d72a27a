"""The two databases that the records may be in: a SQLite file, and Debian's PostgreSQL started for the tests."""

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from records.database import Database, open_database

BINARIES = Path("/usr/lib/postgresql/15/bin")


@dataclass(frozen=True)
class Server:
    port: int

    def dsn(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def run(self, statement: str) -> None:
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())


def as_postgres(*command: str) -> list[str]:
    """PostgreSQL refuses to run as root."""
    return ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else list(command)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    if not BINARIES.exists():
        pytest.skip("PostgreSQL 15 is not installed: make test installs it")
    folder = Path(tempfile.mkdtemp(prefix="records-"))
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        data = str(folder / "data")
        initdb = [str(BINARIES / "initdb"), "-D", data, "-U", "postgres", "--auth=trust", "--locale=C", "-E", "UTF8"]
        subprocess.run(as_postgres(*initdb), check=True, capture_output=True, cwd="/")
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories="
        control = [str(BINARIES / "pg_ctl"), "-D", data, "-w"]
        log = str(folder / "log")
        subprocess.run(
            as_postgres(*control, "-l", log, "-o", options, "start"), check=True, capture_output=True, cwd="/"
        )
        try:
            yield Server(port)
        finally:
            subprocess.run(as_postgres(*control, "-m", "immediate", "stop"), check=True, capture_output=True, cwd="/")
    finally:
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/records.sqlite3"
    server: Server = request.getfixturevalue("postgresql")
    name = f"records_{uuid.uuid4().hex}"
    server.run(f"CREATE DATABASE {name}")
    return server.dsn(name)


@pytest.fixture
def opened() -> Iterator[Callable[..., Database]]:
    """Opens databases, and lets go of them at the end."""
    databases: list[Database] = []

    def open_it(address: str, patience: float = 20.0) -> Database:
        databases.append(open_database(SecretStr(address), patience))
        return databases[-1]

    yield open_it
    for database in databases:
        database.close()


@pytest.fixture
def database(address: str, opened: Callable[..., Database]) -> Database:
    """Records that are ready for use."""
    database = opened(address)
    database.migrate()
    return database
