"""What the service is told at its start: addresses, secrets, and the limits of the guide's ``production.toml``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from demo.plan import Plan, Replica


@dataclass(frozen=True)
class Settings:
    """Settings of one replica; the defaults are the guide's.

    Attributes:
        replica: Its name and ports.
        version: The version it says it is; ``1.9.0`` carries a regression (see ``search``).
        dsn: Connection string of PostgreSQL.
        redis_url: Connection string of the cache.
        admin_token: Bearer for ``/admin/*``.
        jwt_secret: Key of the HS256 tokens that are accepted as well, and from which passwords derive.
        spans_file: Where finished traces are written, one JSON object a line.
        pool_min: Connections kept open.
        pool_max: Connections at most.
        acquire_timeout: Seconds to wait for a connection.
        ready_timeout: The same for ``/ready``.
        session_timeout: Seconds of idleness after which a session ends.
        max_failed_attempts: Wrong passwords in a row after which a user is locked out.
        lockout_seconds: How long.
        cache_ttl: Seconds that a memory stays in the cache.
        consolidation_interval: Seconds between two consolidations.
        consolidation_seconds: Longest duration of one.
        max_memory_usage: Bytes, as the guide configures it.
        log_share: Share of ordinary requests that are logged; failures, slow ones and security events always are.
        trace_share: Share of ordinary traces that are kept; failed and slow ones always are.
    """

    replica: Replica
    version: str
    dsn: str
    redis_url: str
    admin_token: str
    jwt_secret: str
    spans_file: Path
    pool_min: int = 5
    pool_max: int = 20
    acquire_timeout: float = 30.0
    ready_timeout: float = 1.0
    session_timeout: int = 1800
    max_failed_attempts: int = 5
    lockout_seconds: int = 900
    cache_ttl: int = 3600
    consolidation_interval: float = 3600.0
    consolidation_seconds: float = 120.0
    max_memory_usage: int = 2_147_483_648
    log_share: float = 0.006
    trace_share: float = 0.2

    @classmethod
    def from_environment(cls, plan: Plan, index: int, version: str) -> Settings:
        """The settings of replica ``index`` of an installation; limits may be set as ``SYNAPTIC_<NAME>``.

        Raises:
            KeyError: A secret is neither in the environment nor in the installation's folder.
        """
        replica = plan.replicas[index]
        return cls(
            replica=replica,
            version=version,
            dsn=plan.postgres_dsn,
            redis_url=plan.redis_url,
            admin_token=secret(plan, "SYNAPTIC_ADMIN_TOKEN", "admin-token"),
            jwt_secret=secret(plan, "JWT_SECRET", "jwt-secret"),
            spans_file=plan.run / f"spans-{replica.pod}.jsonl",
            acquire_timeout=float(os.environ.get("SYNAPTIC_ACQUIRE_TIMEOUT", "30")),
            consolidation_interval=float(os.environ.get("SYNAPTIC_CONSOLIDATION_INTERVAL", "3600")),
            consolidation_seconds=float(os.environ.get("SYNAPTIC_CONSOLIDATION_SECONDS", "120")),
        )


def secret(plan: Plan, variable: str, file: str) -> str:
    """A secret from the environment, else from the file in which the installation keeps it.

    Raises:
        KeyError: It is in neither.
    """
    value = os.environ.get(variable)
    if value:
        return value
    path = plan.run / file
    if not path.exists():
        raise KeyError(f"{variable} is not set, and there is no {path}")
    return path.read_text().strip()
