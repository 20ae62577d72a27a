"""Where everything of one demo installation is: folders, ports, names, versions.

Every part of the demo (supervisor, reference service, load generator, history, faults) takes its
addresses from one :class:`Plan`, so two copies run side by side by giving the second another base
port and another folder (``DEMO_BASE_PORT``, ``DEMO_HOME``). Everything listens on loopback only; in
``deploy/compose.yaml``, where each part has a network address of its own, ``DEMO_LISTEN``,
``DEMO_DATABASE_URL`` and ``DEMO_REDIS_URL`` say otherwise.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
LISTEN = os.environ.get("DEMO_LISTEN", HOST)
"""Where a replica serves its application and its metrics; the port for faults stays on loopback."""


@dataclass(frozen=True)
class Replica:
    """One process of the reference service.

    Attributes:
        index: Its number, from 0.
        pod: The name it goes by in metrics, logs and spans, as a Kubernetes pod would.
        http_port: Where it serves ``/health``, ``/ready`` and ``/admin/*``.
        metrics_port: Where it serves ``/metrics``.
        control_port: Where the demo's own faults reach into it; a real service has no such port.
        doubled_names: Whether its metrics carry the doubled names of CONTRACT.md's trap.
    """

    index: int
    pod: str
    http_port: int
    metrics_port: int
    control_port: int
    doubled_names: bool


@dataclass(frozen=True)
class Plan:
    """The layout of one demo installation.

    Attributes:
        home: Folder that holds all data, logs and process ids of this copy; ignored by git.
        base_port: First of the 60 ports that this copy uses.
        replicas_count: How many processes of the reference service run behind NGINX.
    """

    home: Path
    base_port: int = 18500
    replicas_count: int = 3

    database = "synaptic"
    database_user = "synaptic"
    environment = "production"
    version = "1.8.1"
    metrics_namespace = "synaptic"

    @classmethod
    def from_environment(cls) -> Plan:
        """The plan that ``DEMO_HOME`` and ``DEMO_BASE_PORT`` describe, or the default one."""
        home = Path(os.environ.get("DEMO_HOME", ROOT / ".demo")).resolve()
        return cls(home=home, base_port=int(os.environ.get("DEMO_BASE_PORT", "18500")))

    @property
    def console_port(self) -> int:
        """The console itself."""
        return self.base_port

    @property
    def nginx_port(self) -> int:
        """NGINX, the balancer in front of the replicas: Synaptic's public address."""
        return self.base_port + 1

    @property
    def nginx_status_port(self) -> int:
        """NGINX' stub_status, for its exporter."""
        return self.base_port + 2

    @cached_property
    def replicas(self) -> tuple[Replica, ...]:
        """The replicas in order; the last one uses the doubled metric names."""
        suffixes = ("7f9c4d5b6-2xkqp", "7f9c4d5b6-8lzvn", "7f9c4d5b6-wm4tj")
        return tuple(
            Replica(
                index=i,
                pod=f"synaptic-{suffixes[i % len(suffixes)]}" + ("" if i < len(suffixes) else f"-{i}"),
                http_port=self.base_port + 10 + i,
                metrics_port=self.base_port + 14 + i,
                control_port=self.base_port + 18 + i,
                doubled_names=i == self.replicas_count - 1,
            )
            for i in range(self.replicas_count)
        )

    @property
    def prometheus_port(self) -> int:
        """Prometheus."""
        return self.base_port + 30

    @property
    def alertmanager_port(self) -> int:
        """Alertmanager."""
        return self.base_port + 31

    @property
    def node_exporter_port(self) -> int:
        """node_exporter."""
        return self.base_port + 32

    @property
    def postgres_exporter_port(self) -> int:
        """postgres_exporter."""
        return self.base_port + 33

    @property
    def redis_exporter_port(self) -> int:
        """redis_exporter."""
        return self.base_port + 34

    @property
    def nginx_exporter_port(self) -> int:
        """nginx-prometheus-exporter."""
        return self.base_port + 35

    @property
    def blackbox_exporter_port(self) -> int:
        """blackbox_exporter."""
        return self.base_port + 36

    @property
    def elasticsearch_port(self) -> int:
        """The Elasticsearch-compatible store."""
        return self.base_port + 40

    @property
    def valkey_port(self) -> int:
        """Valkey, in the place of Redis."""
        return self.base_port + 41

    @property
    def postgres_port(self) -> int:
        """PostgreSQL over TCP."""
        return self.base_port + 42

    @property
    def postgres_dsn(self) -> str:
        """Connection string of the application's role (trust authentication, loopback only)."""
        # Not DATABASE_URL, which many a shell has set for something that must not be filled with memories.
        return (
            os.environ.get("DEMO_DATABASE_URL")
            or f"postgresql://{self.database_user}@{HOST}:{self.postgres_port}/{self.database}"
        )

    @property
    def redis_url(self) -> str:
        """Connection string of the cache."""
        return os.environ.get("DEMO_REDIS_URL") or f"redis://{HOST}:{self.valkey_port}/0"

    @property
    def logs(self) -> Path:
        """Folder of the parts' own log files, one a part."""
        return self.home / "logs"

    @property
    def container_logs(self) -> Path:
        """Folder of the replicas' standard output in Docker's json-file form, read by the shipper."""
        return self.home / "containers"

    @property
    def run(self) -> Path:
        """Folder of process ids, sockets and state of the supervisor."""
        return self.home / "run"

    @property
    def index_prefix(self) -> str:
        """Daily indices are ``<prefix>-YYYY.MM.dd`` (UTC)."""
        return "synaptic-logs"
