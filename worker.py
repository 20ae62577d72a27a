"""The background work: one thread a process, and each piece of work done by one of any number of processes.

A piece of work is a name and a function. Every interval each is taken in turn, where its lease
(:mod:`records.leases`) is free or ours already. A failing source costs its turn and nothing else, and the lease is
given back, so that a console that reaches the source can do the work instead.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from collectors import registry
from collectors.errors import SourceError
from collectors.registry import Sources
from records.database import Database
from records.errors import RecordsError
from records.leases import Lease, LeaseLostError, release_lease, renew_lease, take_lease
from settings import Settings
from telemetry import logs, metrics
from views.pattern_memory import learn

PATIENCE = 3.0
"""Intervals after which the work of a console that went silent is taken over."""

SHORTEST_LEASE = 30.0
"""Seconds that a lease lasts at least: a turn renews it between two questions, and each may take its deadline."""

log = logs.get_logger(__name__)


@dataclass
class Job:
    """A piece of work for one environment.

    Attributes:
        name: What it is called in metrics.
        environment: Key of the environment.
        run: Does it, with the lease that it writes under and a function that tells whether to go on.
        lease: Ours, while we have it.
    """

    name: str
    environment: str
    run: Callable[[Lease, Callable[[], bool]], object]
    lease: Lease | None = field(default=None)

    @property
    def lease_name(self) -> str:
        """What the lease of this work is called."""
        return f"{self.name}/{self.environment}"


class Worker:
    """Does the background work of a process until it is stopped.

    Args:
        settings: The settings.
        database: The records; brought up to date where they are not.
        sources: Gives the sources of an environment.
        lease_seconds: How long work is ours without being renewed; by default three intervals.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        sources: Callable[[Settings, str], Sources] = registry.sources,
        lease_seconds: float | None = None,
    ) -> None:
        self._settings = settings
        self._database = database
        self._sources = sources
        self._lease_seconds = lease_seconds or max(PATIENCE * settings.worker.interval, SHORTEST_LEASE)
        self._stopping = threading.Event()
        self._migrated = False
        self._thread: threading.Thread | None = None
        self.holder = f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
        self._jobs = [
            self._log_patterns(key) for key, one in settings.environments.items() if one.elasticsearch is not None
        ]

    def start(self) -> None:
        """Begin in a thread of its own; nothing where the settings say so or there is nothing to do."""
        if self._settings.worker.enabled and self._jobs:
            self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End after the question that is under way, and give all work back; returns when that is done."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def turn(self) -> None:
        """Do once what there is to do; never raises."""
        for job in self._jobs:
            if self._stopping.is_set():
                return
            started = time.monotonic()
            outcome = self._attempt(job)
            metrics.observe_turn(job.name, job.environment, outcome, time.monotonic() - started, time.time())

    def _log_patterns(self, environment: str) -> Job:
        def run(lease: Lease, go_on: Callable[[], bool]) -> object:
            sources = self._sources(self._settings, environment)
            return learn(sources, self._database, lease, datetime.now(UTC), go_on)

        return Job("log patterns", environment, run)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.turn()
            self._stopping.wait(self._settings.worker.interval)
        for job in self._jobs:
            self._give_back(job)

    def _attempt(self, job: Job) -> str:
        """One turn of a piece of work: how it ended, in a word or two."""
        told = {"job": job.name, "environment": job.environment}
        try:
            lease = self._hold(job)
            if lease is None:
                return "elsewhere"
            job.run(lease, lambda: self._keep(job))
        except SourceError as error:
            log.warning("background work failed", **told, cause=str(error))
            self._give_back(job)
            return error.kind
        except LeaseLostError as error:
            log.info("background work was taken over", **told, cause=str(error))
            job.lease = None
            return "elsewhere"
        except RecordsError as error:
            log.warning("background work failed", **told, cause=str(error))
            job.lease = None
            return f"records {error.kind}"
        except Exception as error:
            log.error("background work failed", **told, exc_info=error)
            self._give_back(job)
            return "failed"
        return "done"

    def _hold(self, job: Job) -> Lease | None:
        if not self._migrated:
            self._database.migrate()
            self._migrated = True
        if job.lease is not None:
            try:
                job.lease = renew_lease(self._database, job.lease, self._lease_seconds)
            except LeaseLostError:
                job.lease = None
        if job.lease is None:
            job.lease = take_lease(self._database, job.lease_name, self.holder, self._lease_seconds)
        return job.lease

    def _keep(self, job: Job) -> bool:
        """Whether a turn may go on; its lease is renewed where it does."""
        if self._stopping.is_set() or job.lease is None:
            return False
        job.lease = renew_lease(self._database, job.lease, self._lease_seconds)
        return True

    def _give_back(self, job: Job) -> None:
        lease, job.lease = job.lease, None
        if lease is None:
            return
        try:
            release_lease(self._database, lease)
        except RecordsError as error:
            # It ends by itself, only later.
            log.warning(
                "background work was not given back", job=job.name, environment=job.environment, cause=str(error)
            )
