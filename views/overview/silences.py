"""Which sources do not answer, and since when: each is asked something light at every look.

A question that is under way is not asked a second time. A source is silent when such a question failed, or has been
under way for longer than a light question may take; it stays silent until one is answered. What a source refuses to
tell is an answer: it does not make it silent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from analysis.verdict import Cause, Clock, Finding
from collectors.cache import AnswerCache
from collectors.errors import SourceError, TimedOut, Unreachable
from collectors.guard import Guard
from collectors.http import GAVE_UP
from collectors.registry import Sources
from settings import SOURCE_TITLES

PATIENCE = 0.8
"""Share of a source's deadline after which a light question that is not answered makes it silent."""

MOST_PATIENCE = 9.0
"""Seconds after which it does so at the latest."""

_GAVE_UP = frozenset(str(status) for status in GAVE_UP)

WAIT = 1.0
"""Seconds that a look waits for the light questions."""

AGAIN = 2.0
"""Seconds for which an answer to a light question holds."""


CARRIES = ("postgres", "redis", "synaptic")
"""Sources that the service stands on, in the order in which they are named; the others only tell about it."""


@dataclass(frozen=True)
class Silence:
    """A source that does not answer.

    Attributes:
        source: Which one.
        since: When it answered last; ``None`` where it did not since the console was started.
        what: What happened, as a clause after the source's name.
        mute: Whether no answer came at all; else one did that was of no use.
        kind: The same in a word or two.
    """

    source: str
    since: datetime | None
    what: str
    mute: bool = True
    kind: str = "does not answer"


@dataclass(frozen=True)
class Looked:
    """How it went to ask all sources something light.

    Attributes:
        silent: Those that do not answer, those first on which most depends.
        pending: Those that were asked and have not answered yet; a failure of another question decides about them.
        last: Source → when it answered last; ``None`` where it did not since the console was started.
    """

    silent: tuple[Silence, ...]
    pending: frozenset[str]
    last: Mapping[str, datetime | None]

    def with_failures(self, failures: Mapping[str, SourceError]) -> tuple[Silence, ...]:
        """The silent sources, those among them that failed at another question while this one is under way."""
        found = {one.source: one for one in self.silent}
        for name, error in failures.items():
            if name in self.pending and name not in found and error.trips:
                found[name] = _failed(name, self.last.get(name), error)
        return _ordered(found)


@dataclass
class _Probe:
    """Light questions to one source, one at a time; guarded by the lock of its group.

    Attributes:
        guard: The memory of how requests to the source went.
        ask: Asks; raises ``SourceError``.
        patience: Seconds after which it is silent though the question is still under way.
        asked: When the last question was asked, aware UTC.
        started: The same by the monotonic clock, while it is under way; else ``None``.
        ended: When the last one ended.
        error: Why the last one that ended failed; ``None`` where it was answered.
        answered: When a question was answered last, aware UTC.
    """

    guard: Guard
    ask: Callable[[], object]
    patience: float
    asked: datetime | None = None
    started: float | None = None
    ended: float = float("-inf")
    error: SourceError | None = None
    answered: datetime | None = None


class Probes:
    """Asks the sources of one environment whether they answer; safe to use from many threads."""

    def __init__(self, sources: Sources) -> None:
        self._changed = threading.Condition()
        self._probes = {one.source.name: _probe(one) for one in sources.configured()}

    def look(self, seconds: float = WAIT) -> Looked:
        """Ask those that are not being asked, and tell which do not answer.

        Args:
            seconds: How long to wait for answers at most.
        """
        with self._changed:
            for one in self._probes.values():
                if one.started is None and time.monotonic() - one.ended > AGAIN:
                    self._begin(one)
            until = time.monotonic() + seconds
            while any(one.started is not None for one in self._probes.values()):
                left = until - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            last = {name: _last(one) for name, one in self._probes.items()}
            pending = frozenset(name for name, one in self._probes.items() if one.started is not None)
            found = {name: silent for name, one in self._probes.items() if (silent := _silence(name, one)) is not None}
        return Looked(_ordered(found), pending, last)

    def _begin(self, one: _Probe) -> None:
        one.started, one.asked = time.monotonic(), datetime.now(UTC)
        threading.Thread(target=self._run, args=(one,), name="probe", daemon=True).start()

    def _run(self, one: _Probe) -> None:
        error: SourceError | None = None
        try:
            one.ask()
        except SourceError as caught:
            # This question is light: where a proxy gave up on it, it is the source that is silent.
            error = caught if caught.trips or caught.code in _GAVE_UP else None
        except Exception as caught:  # noqa: BLE001 - whatever it was, it is no answer; the collectors log their own
            error = SourceError("", "", f"could not be asked: {type(caught).__name__}")
        with self._changed:
            one.started, one.ended, one.error = None, time.monotonic(), error
            if error is None:
                one.answered = datetime.now(UTC)
            self._changed.notify_all()


def _silence(name: str, one: _Probe) -> Silence | None:
    last = _last(one)
    if last is not None and one.asked is not None and last > one.asked:
        return None  # it answers, if not this question: a busy store may be slow with one and quick with another
    if one.error is not None:
        return _failed(name, last, one.error)
    under_way = time.monotonic() - one.started if one.started is not None else 0.0
    return Silence(name, last, f"has not answered for {under_way:.0f} s") if under_way >= one.patience else None


def _last(one: _Probe) -> datetime | None:
    """When a source answered anything last."""
    return max(filter(None, (one.answered, one.guard.health().last_success)), default=None)


def _failed(name: str, last: datetime | None, error: SourceError) -> Silence:
    return Silence(name, last, error.what, isinstance(error, TimedOut | Unreachable), error.kind)


def _ordered(found: Mapping[str, Silence]) -> tuple[Silence, ...]:
    order = [*CARRIES, *(name for name in SOURCE_TITLES if name not in CARRIES)]
    return tuple(found[name] for name in order if name in found)


_lock = threading.Lock()
_of: WeakKeyDictionary[AnswerCache, Probes] = WeakKeyDictionary()


def load_silences(sources: Sources, seconds: float = WAIT) -> Looked:
    """Which sources of an environment do not answer; never raises."""
    with _lock:
        # The cache stands for its sources: each has one of its own.
        probes = _of.get(sources.cache)
        if probes is None:
            probes = _of[sources.cache] = Probes(sources)
    return probes.look(seconds)


def gave_an_error(key: str, text: str) -> bool:
    """Whether a trouble of the records is a balancer that answered with an error, which is a symptom.

    Consoles before it was one have kept it as a silence; its words tell which of the two it was.
    """
    name = SOURCE_TITLES["synaptic"]
    told = (f"{name} has given no usable answer since ", f"{name} answered ")
    return key == "silent:synaptic" and text.startswith(told)


def finding(one: Silence, clock: Clock) -> Finding:
    """What there is to say about a source that does not answer."""
    name = SOURCE_TITLES.get(one.source, one.source)
    if one.since is not None:
        text = f"{name} has {'not answered' if one.mute else 'given no usable answer'} since {clock(one.since)}"
        if not one.what.startswith("has not answered"):
            text += f": it {one.what}"
    else:
        text = f"{name} {one.what}"
    # A balancer that answers with an error tells that the service fails: what it ran out of says why, and comes first.
    carries = one.source in CARRIES and (one.mute or one.source != "synaptic")
    cause = Cause.SILENT if carries else Cause.BLIND
    return Finding("unknown", text, "sources", one.since, f"silent:{one.source}", cause)


def _probe(collector: Any) -> _Probe:
    """The light questions to a source: each of them is one that costs it next to nothing."""
    source = collector.source
    match source.name:
        case "postgres":
            ask, settings = partial(source.ask, "SELECT 1 AS answers", {}), source.settings
        case "redis":
            ask, settings = partial(source.ask, "DBSIZE"), source.settings
        case "elasticsearch":
            ask, settings = collector.info, source.endpoint
        case "alertmanager":
            ask, settings = collector.status, source.endpoint
        case "prometheus":
            ask, settings = collector.version, source.endpoint
        case _:
            ask, settings = collector.answers, source.endpoint
    return _Probe(source.guard, ask, min(PATIENCE * settings.deadline, MOST_PATIENCE))
