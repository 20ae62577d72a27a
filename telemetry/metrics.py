"""The console's own metrics, in a registry of its own.

Everything that can be counted is declared in this file, and the rest of the house calls the
functions below it. Label values come from the settings and from fixed sets, never from a request,
so that no visitor can make the number of series grow.
"""

from __future__ import annotations

from typing import Literal, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

BreakerState = Literal["closed", "half_open", "open"]
"""States of a source's circuit breaker; the gauge shows their position: 0, 1, 2."""

CacheResult = Literal["hit", "stale", "miss", "joined"]
"""Fresh answer, last good answer in place of a failed one, asked anew, joined a request under way."""

_BREAKER_STATES: tuple[BreakerState, ...] = get_args(BreakerState)

# A panel's deadline is 5 s by default: the steps are fine below it and one lies just above it, so
# that "ended by its deadline" can be told from "slow".
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 5.5, 10.0, 30.0)

REGISTRY = CollectorRegistry()
"""The registry that ``/metrics`` shows; the default one of prometheus_client stays untouched."""

# A second series for each counter that tells when it was made: nobody here asks for it.
disable_created_metrics()  # type: ignore[no-untyped-call]

ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

_requests = Counter(
    "console_source_requests",
    "Requests to a source, by how they ended.",
    ("environment", "source", "outcome"),
    registry=REGISTRY,
)
_request_seconds = Histogram(
    "console_source_request_seconds",
    "Time from the start of a request to the last byte of its answer, waiting for a free connection included.",
    ("environment", "source"),
    buckets=_SECONDS,
    registry=REGISTRY,
)
_breaker = Gauge(
    "console_source_breaker_state",
    "Circuit breaker of a source: 0 closed, 1 half-open, 2 open.",
    ("environment", "source"),
    registry=REGISTRY,
)
_cache = Counter(
    "console_cache_requests",
    "Questions to the cache of answers, by result.",
    ("result",),
    registry=REGISTRY,
)
_sessions = Gauge("console_sessions", "Open browser sessions.", registry=REGISTRY)
_panel_seconds = Histogram(
    "console_panel_seconds",
    "Time a panel took to load its data.",
    ("page", "panel"),
    buckets=_SECONDS,
    registry=REGISTRY,
)
_panels = Counter(
    "console_panel",
    "Panels shown, by the state they ended in.",
    ("page", "panel", "state"),
    registry=REGISTRY,
)
_refused = Counter(
    "console_refused",
    "Requests that were refused before they reached a page, by reason.",
    ("reason",),
    registry=REGISTRY,
)
_delayed = Counter(
    "console_frames_delayed", "Messages of browsers that waited because their session sent too many.", registry=REGISTRY
)
_script_errors = Counter("console_script_errors", "Pages that ended with an error nobody caught.", registry=REGISTRY)
_worker_turns = Counter(
    "console_worker_turns",
    "Turns of the background work in this process, by how they ended.",
    ("job", "environment", "outcome"),
    registry=REGISTRY,
)
_worker_seconds = Histogram(
    "console_worker_turn_seconds",
    "Time that a turn of the background work took; turns that another console does are not timed.",
    ("job", "environment"),
    buckets=_SECONDS,
    registry=REGISTRY,
)
_worker_done = Gauge(
    "console_worker_last_done_timestamp_seconds",
    "When a turn of the background work was last done by this process, seconds since 1970.",
    ("job", "environment"),
    registry=REGISTRY,
)
_build = Gauge("console_build_info", "Always 1; the labels say what runs.", ("version", "streamlit"), registry=REGISTRY)


def observe_request(environment: str, source: str, outcome: str, seconds: float) -> None:
    """Count one request to a source.

    Args:
        environment: Key of the environment in the settings.
        source: Name of the source, such as ``prometheus``.
        outcome: ``ok``, or the kind of error in one word.
        seconds: How long it took.
    """
    _requests.labels(environment, source, outcome).inc()
    _request_seconds.labels(environment, source).observe(seconds)


def observe_breaker(environment: str, source: str, state: BreakerState) -> None:
    """Tell the state that a source's circuit breaker has now."""
    _breaker.labels(environment, source).set(_BREAKER_STATES.index(state))


def observe_cache(result: CacheResult) -> None:
    """Count one question to the cache of answers."""
    _cache.labels(result).inc()


def observe_panel(page: str, panel: str, state: str, seconds: float) -> None:
    """Count one panel that was shown.

    Args:
        page: Name of the page, as in its address.
        panel: Key of the panel on that page.
        state: ``data``, ``empty``, ``stale`` or ``failed``.
        seconds: How long its data took to load.
    """
    _panels.labels(page, panel, state).inc()
    _panel_seconds.labels(page, panel).observe(seconds)


def observe_script_error() -> None:
    """Count a page that ended with an error nobody caught."""
    _script_errors.inc()


def observe_turn(job: str, environment: str, outcome: str, seconds: float, now: float) -> None:
    """Count one turn of the background work.

    Args:
        job: Name of the work.
        environment: Key of the environment in the settings.
        outcome: ``done``; ``elsewhere`` where another console does it; or the kind of error in a word or two.
        seconds: How long it took.
        now: When it ended, seconds since 1970.
    """
    _worker_turns.labels(job, environment, outcome).inc()
    if outcome != "elsewhere":
        _worker_seconds.labels(job, environment).observe(seconds)
    if outcome == "done":
        _worker_done.labels(job, environment).set(now)


def refused(reason: str) -> None:
    """Count a request that was refused before it reached a page."""
    _refused.labels(reason).inc()


def frame_delayed() -> None:
    """Count a message of a browser that waits because its session sends too many."""
    _delayed.inc()


def session_opened() -> None:
    """Count a browser session that opened."""
    _sessions.inc()


def session_closed() -> None:
    """Count a browser session that closed."""
    _sessions.dec()


def set_build(version: str, streamlit: str) -> None:
    """Tell which version of the console runs, on which version of Streamlit."""
    _build.clear()
    _build.labels(version, streamlit).set(1)


def render() -> tuple[bytes, str]:
    """All metrics in Prometheus' text format, and the content type to send them with."""
    return generate_latest(REGISTRY), CONTENT_TYPE_PLAIN_0_0_4
