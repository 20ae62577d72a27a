"""What stands between the console and one source: the breaker, and the memory of how it went.

Every request to a source, whatever its driver, runs inside :meth:`Guard.attempt`. Three failures in
a row that concern the whole source open the breaker: for ten seconds the source is left alone and
panels fail at once with the last cause; then one request goes through as a probe, and its outcome
decides. The figures are the console's own choice: quick enough that a recovered source is back
within one refresh of a page, slow enough that a dying one is not asked by every panel of every viewer.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import telemetry.metrics as telemetry
from collectors.errors import SourceError

FAILURES_TO_OPEN = 3
REST_SECONDS = 10.0
KEPT_OUTAGES = 20
"""How many stretches without an answer are remembered."""
RECENT_SECONDS = 60.0
"""How long an answer says how quick the source is."""
KEPT_LATENCIES = 200

BreakerState = Literal["closed", "half_open", "open"]


@dataclass(frozen=True)
class Outage:
    """A stretch of time in which a source gave no usable answer.

    Attributes:
        since: When the last good answer before it came; the first failure where there was none.
        until: When the next good answer came; ``None`` while there is none.
        error: The last failure in it.
    """

    since: datetime
    until: datetime | None
    error: SourceError


@dataclass(frozen=True)
class Health:
    """How requests to a source went lately, as the Sources page shows it.

    Attributes:
        breaker: State of the breaker.
        last_success: When the last good answer came; ``None`` before the first.
        last_latency: Seconds that answer took.
        last_failure: When the last failure happened; ``None`` before the first.
        last_error: That failure.
        requests: Requests sent since the console started.
        failures: Those of them that failed.
        slowest: Seconds of the slowest good answer of the last ``RECENT_SECONDS``; ``None`` where there was none.
        well_since: The first good answer after the last outage, or after the console's start; ``None`` during one.
        outages: Stretches without an answer since the console started, the newest last, ``KEPT_OUTAGES`` at most.
    """

    breaker: BreakerState
    last_success: datetime | None
    last_latency: float | None
    last_failure: datetime | None
    last_error: SourceError | None
    requests: int
    failures: int
    slowest: float | None = None
    well_since: datetime | None = None
    outages: tuple[Outage, ...] = ()

    @property
    def silent(self) -> Outage | None:
        """The outage that lasts, with the time since when; ``None`` where the source answers."""
        return self.outages[-1] if self.outages and self.outages[-1].until is None else None


class Guard:
    """Breaker and memory of one source of one environment; safe to use from many threads."""

    def __init__(
        self, environment: str, source: str, *, failures_to_open: int = FAILURES_TO_OPEN, rest: float = REST_SECONDS
    ) -> None:
        self.environment = environment
        self.source = source
        self._failures_to_open = failures_to_open
        self._rest = rest
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._first_in_a_row = datetime.now(UTC)
        self._open_until: float | None = None
        self._probing = False
        self._last_success: datetime | None = None
        self._last_latency: float | None = None
        self._last_failure: datetime | None = None
        self._last_error: SourceError | None = None
        self._requests = 0
        self._failures = 0
        self._latencies: deque[tuple[float, float]] = deque(maxlen=KEPT_LATENCIES)
        self._well_since: datetime | None = None
        self._outages: deque[Outage] = deque(maxlen=KEPT_OUTAGES)

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Let one request through, and remember how it went.

        Raises:
            SourceError: At once, while the breaker is open: the last failure, with ``resting_until``.
        """
        probe = self._enter()
        started = time.monotonic()
        outcome = "aborted"
        try:
            yield
            outcome = "ok"
            self._succeeded(time.monotonic() - started)
        except SourceError as error:
            outcome = error.kind
            self._failed(error)
            raise
        finally:
            if probe:
                with self._lock:
                    self._probing = False
            telemetry.observe_request(self.environment, self.source, outcome, time.monotonic() - started)
            telemetry.observe_breaker(self.environment, self.source, self.health().breaker)

    def health(self) -> Health:
        """How it went so far."""
        with self._lock:
            return Health(
                breaker=self._state(),
                last_success=self._last_success,
                last_latency=self._last_latency,
                last_failure=self._last_failure,
                last_error=self._last_error,
                requests=self._requests,
                failures=self._failures,
                slowest=self._slowest(),
                well_since=self._well_since,
                outages=tuple(self._outages),
            )

    def _slowest(self) -> float | None:
        begin = time.monotonic() - RECENT_SECONDS
        return max((seconds for when, seconds in self._latencies if when >= begin), default=None)

    def _state(self) -> BreakerState:
        if self._open_until is None:
            return "closed"
        return "open" if time.monotonic() < self._open_until and not self._probing else "half_open"

    def _enter(self) -> bool:
        with self._lock:
            if self._open_until is None:
                self._requests += 1
                return False
            remaining = self._open_until - time.monotonic()
            if self._last_error is not None and (remaining > 0 or self._probing):
                raise self._last_error.resting(datetime.now(UTC) + timedelta(seconds=max(remaining, 1.0)))
            self._probing = True
            self._requests += 1
            return True

    def _succeeded(self, seconds: float) -> None:
        with self._lock:
            self._in_a_row = 0
            self._open_until = None
            self._last_success = datetime.now(UTC)
            self._note_answer(self._last_success)
            self._last_latency = seconds
            self._latencies.append((time.monotonic(), seconds))

    def _failed(self, error: SourceError) -> None:
        with self._lock:
            self._failures += 1
            if not error.conclusive:
                if self._open_until is not None:  # it was the probe, and it proved nothing: another one after a rest
                    self._open_until = time.monotonic() + self._rest
                return
            self._last_failure = datetime.now(UTC)
            self._last_error = error
            if not error.trips:
                self._in_a_row = 0
                self._open_until = None
                self._note_answer(self._last_failure)
                return
            self._in_a_row += 1
            if self._in_a_row == 1:
                self._first_in_a_row = self._last_failure
            if self._in_a_row >= self._failures_to_open:
                self._open_until = time.monotonic() + self._rest
                self._note_outage(error)

    def _note_answer(self, now: datetime) -> None:
        """Remember that the source answers, be it with an error about the question."""
        if self._outages and self._outages[-1].until is None:
            self._outages[-1] = replace(self._outages[-1], until=now)
        if self._well_since is None:
            self._well_since = now

    def _note_outage(self, error: SourceError) -> None:
        """Remember that the source as a whole does not answer; the error tells since when."""
        going_on = self._outages[-1] if self._outages and self._outages[-1].until is None else None
        if going_on is not None:
            outage = self._outages[-1] = replace(going_on, error=error)
        else:
            outage = Outage(self._last_success or self._first_in_a_row, None, error)
            self._outages.append(outage)
            self._well_since = None
        error.silent_since = outage.since
