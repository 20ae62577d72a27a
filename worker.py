"""The background work: a thread for each piece of it, and each piece done by one of any number of processes.

A piece of work is a name, a function, and how often it is done. It is done where its lease (:mod:`records.leases`) is
free or ours already. A failing source costs the turn of that piece and nothing else, and the lease is given back, so
that a console that reaches the source can do the work instead.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from analysis.verdict import Words
from collectors import registry
from collectors.errors import Overloaded, SourceError, TimedOut, Unreachable
from collectors.registry import Sources
from records.clock import Clock, clock
from records.database import Database
from records.errors import RecordsError
from records.leases import Lease, LeaseLostError, release_lease, renew_lease, take_lease
from settings import Settings
from telemetry import logs, metrics
from views import registry as subjects
from views.subject import Task

PATIENCE = 3.0
"""Intervals after which the work of a console that went silent is taken over."""

SHORTEST_LEASE = 30.0
"""Seconds that a lease lasts at least: a turn renews it between two questions, and each may take its deadline."""

RENEW_SHARE = 1 / 3
"""Share of a lease's time after which it is renewed: work that is done every second need not write every second."""

ELSEWHERE_SECONDS = 10.0
"""Shortest pause before work is asked for again that another console does."""

PASSING = frozenset({TimedOut.kind, Unreachable.kind, Overloaded.kind})
"""How turns end that may go well a moment later."""

log = logs.get_logger(__name__)


@dataclass
class Job:
    """A piece of work for one environment.

    Attributes:
        name: What it is called in metrics.
        environment: Key of the environment.
        interval: Seconds from the beginning of one turn to that of the next.
        run: Does it, with the lease that it writes under and a function that tells whether to go on.
        end: Writes what is still in memory, when the work is given back because this process ends.
        again: Seconds after which it is tried again where a turn failed for a while; by default the usual interval.
        lease: Ours, while we have it.
        renew_at: When the lease is to be renewed, by the clock of ``time.monotonic``.
    """

    name: str
    environment: str
    interval: float
    run: Callable[[Lease, Callable[[], bool]], object]
    end: Callable[[Lease], object] | None = None
    again: float | None = None
    lease: Lease | None = field(default=None)
    renew_at: float = 0.0

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
        words: Writes numbers in the sentences of the verdict that are kept; without it none are.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        sources: Callable[[Settings, str], Sources] = registry.sources,
        lease_seconds: float | None = None,
        words: Words | None = None,
        local_time: Callable[[], datetime] | None = None,
    ) -> None:
        self._settings = settings
        self._words = words
        self._database = database
        self._sources = sources
        self._lease_seconds = lease_seconds or max(PATIENCE * settings.worker.interval, SHORTEST_LEASE)
        self._clock = Clock(database, local_time) if local_time is not None else clock(database)
        self._told_off = False
        self._stopping = threading.Event()
        self._migrating = threading.Lock()
        self._migrated = False
        self._threads: list[threading.Thread] = []
        self.holder = f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
        self._jobs = list(self._all_jobs())

    def start(self) -> None:
        """Begin, each piece of work in a thread of its own; nothing where the settings say so."""
        if self._settings.worker.enabled:
            for job in self._jobs:
                thread = threading.Thread(target=self._run, args=(job,), name=f"worker {job.name}", daemon=True)
                self._threads.append(thread)
                thread.start()

    def stop(self) -> None:
        """End after the questions that are under way, and give all work back; returns when that is done."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def turn(self) -> None:
        """Do every piece of work once; never raises."""
        for job in self._jobs:
            if self._stopping.is_set():
                return
            self._take_turn(job)

    def _all_jobs(self) -> Iterator[Job]:
        """Every piece of work that the settings give cause for."""
        for key, one in self._settings.environments.items():
            task = Task(self._settings, key, self._database, self._now, self._words, self._sources)
            for sampler in subjects.samplers():
                if sampler.wanted(one) and (self._words is not None or not sampler.needs_words):
                    begun = sampler.begin(task)
                    interval = sampler.interval(self._settings.worker)
                    yield Job(sampler.name, key, interval, begun.turn, begun.end, sampler.again)

    def _now(self) -> datetime:
        """The time by the records' database, the one clock of all consoles."""
        now = self._clock.now()
        if bool(self._clock.off) != self._told_off:
            self._told_off = bool(self._clock.off)
            log.warning("clock", cause=self._clock.off or "this machine's clock agrees with the database's again")
        return now

    def _run(self, job: Job) -> None:
        due = time.monotonic()
        while not self._stopping.is_set():
            outcome = self._take_turn(job)
            due += job.interval
            now = time.monotonic()
            if outcome == "elsewhere":
                due = now + max(job.interval, min(ELSEWHERE_SECONDS, self._lease_seconds * RENEW_SHARE))
            elif outcome != "done":
                usual = self._settings.worker.interval
                pause = usual if job.again is None or outcome not in PASSING else min(job.again, usual)
                due = now + max(job.interval, pause)
            elif due < now:  # a turn took longer than its interval: what was missed is not made up for
                due = now
            self._stopping.wait(due - now)
        self._finish(job)

    def _take_turn(self, job: Job) -> str:
        started = time.monotonic()
        outcome = self._attempt(job)
        metrics.observe_turn(job.name, job.environment, outcome, time.monotonic() - started, time.time())
        return outcome

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
        with self._migrating:
            if not self._migrated:
                self._database.migrate()
                self._migrated = True
        if job.lease is not None:
            try:
                self._renew(job, job.lease)
            except LeaseLostError:
                job.lease = None
        if job.lease is None:
            job.lease = take_lease(self._database, job.lease_name, self.holder, self._lease_seconds)
            job.renew_at = time.monotonic() + self._lease_seconds * RENEW_SHARE
        return job.lease

    def _keep(self, job: Job) -> bool:
        """Whether a turn may go on; its lease is renewed where it is time to."""
        if self._stopping.is_set() or job.lease is None:
            return False
        self._renew(job, job.lease)
        return True

    def _renew(self, job: Job, lease: Lease) -> None:
        if time.monotonic() >= job.renew_at:
            job.lease = renew_lease(self._database, lease, self._lease_seconds)
            job.renew_at = time.monotonic() + self._lease_seconds * RENEW_SHARE

    def _finish(self, job: Job) -> None:
        """Write what is left of a piece of work and give it back, because this process ends."""
        if job.end is not None and job.lease is not None:
            try:
                job.end(job.lease)
            except (LeaseLostError, RecordsError) as error:
                log.warning("background work lost its end", job=job.name, environment=job.environment, cause=str(error))
        self._give_back(job)

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
