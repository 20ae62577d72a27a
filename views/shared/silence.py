"""Which sources of a page do not answer, since when and why: what the page says before anything else.

The guards of the sources know it from all questions of all viewers and of the worker, so it is there before a panel
has waited for an answer. A source that is silent is asked one small question behind the page, so that its return is
noticed where no panel asks: in a window that stands still, or where every panel has what it needs.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from collectors.deadline import deadline
from collectors.errors import Denied, NotConfigured, SourceError, TimedOut, Unreachable
from collectors.guard import Guard
from collectors.registry import Sources
from settings import SOURCE_TITLES

PROBE_SECONDS = 5.0
"""Longest time for the small question."""


@dataclass(frozen=True)
class Silence:
    """A source that does not answer.

    Attributes:
        source: Its key, as in ``settings.SOURCE_NAMES``.
        since: When its last good answer came; its first failure where none ever came.
        answered: Whether there was a good answer before.
        error: The last failure.
    """

    source: str
    since: datetime
    answered: bool
    error: SourceError

    @property
    def clause(self) -> str:
        """What it does not do, in words that are followed by a time: "PostgreSQL has not answered since"."""
        title = SOURCE_TITLES[self.source]
        if isinstance(self.error, TimedOut | Unreachable):
            return f"{title} has not answered since"
        if isinstance(self.error, Denied):
            return f"{title} has let nobody in since"
        return f"{title} has given no usable answer since"


def load_silences(sources: Sources, names: tuple[str, ...]) -> list[Silence]:
    """Those of the named sources that do not answer, in the order of ``names``; asks nothing that is waited for."""
    found = []
    for name in names:
        try:
            health = getattr(sources, name).source.guard.health()
        except NotConfigured:
            continue
        if health.silent is None:
            continue
        found.append(Silence(name, health.silent.since, health.last_success is not None, health.silent.error))
        if health.breaker == "half_open":  # its rest is over
            threading.Thread(target=_probe, args=(_PROBES[name], sources), daemon=True).start()
    return found


def silence_of(guard: Guard) -> SourceError | None:
    """Why a source is silent as a whole; ``None`` where it answers.

    For what is made of the console's own records of a source: they can be read, and end when it fell silent.
    """
    outage = guard.health().silent
    return outage.error if outage is not None else None


def _probe(ask: Callable[[Sources], object], sources: Sources) -> None:
    """One small question; the guard lets it through when its rest is over, and remembers how it went."""
    with contextlib.suppress(SourceError), deadline(PROBE_SECONDS):
        ask(sources)


_PROBES: dict[str, Callable[[Sources], object]] = {
    "synaptic": lambda sources: sources.synaptic.version(),
    "prometheus": lambda sources: sources.prometheus.version(),
    "alertmanager": lambda sources: sources.alertmanager.status(),
    "elasticsearch": lambda sources: sources.elasticsearch.info(),
    "postgres": lambda sources: sources.postgres.source.ask("SELECT 1"),
    "redis": lambda sources: sources.redis.source.ask("DBSIZE"),
}
