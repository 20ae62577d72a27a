"""Answers that are kept: each computed once however many viewers ask, and the last good one kept for bad times.

A key names everything that the answer depends on: environment, source, question, quantised window
and what the viewer may see. Three ages of an answer:

* up to ``ttl`` it is fresh and is returned;
* up to ``REFRESH_FACTOR * ttl`` it is returned as well, while one caller's thread asks anew behind it;
* after that callers wait for the new answer, all for the same one. Where it fails, the last good
  answer of the same *view* is returned with the error beside it, up to ``keep_stale``.

An answer about now (without a moment) of a source that is silent as a whole is returned with that error
beside it, however fresh it would be by its time: what was kept for minutes is not called well meanwhile.

The view of a key is the key without its moment: a live one-hour window has another key every few
seconds, but its last good answer still stands in when the source is gone.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import telemetry.metrics as telemetry
from collectors.errors import SourceError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")

REFRESH_FACTOR = 3
ENTRY_OVERHEAD = 2_000
"""Bytes that one entry costs beside its value and key: record, bookkeeping (rounded up from a measurement)."""


def size_of_key(key: Hashable) -> int:
    """Bytes of a key: its texts, which may come from an address, and what holds them together."""
    if isinstance(key, str | bytes):
        return 64 + 2 * len(key)
    if isinstance(key, tuple | frozenset):
        return 64 + sum(size_of_key(part) for part in key)
    return 64


@dataclass(frozen=True)
class Answer(Generic[T_co]):
    """An answer with its age.

    Attributes:
        value: The answer.
        as_of: When it was asked for.
        error: Why it is not newer; ``None`` where it is as fresh as it should be.
    """

    value: T_co
    as_of: datetime
    error: SourceError | None = None

    def with_value(self, value: U) -> Answer[U]:
        """Another value of the same age, with the same error: what was concluded from this one."""
        return Answer(value, self.as_of, self.error)


@dataclass
class _Entry:
    kept: Answer[Any]
    stored: float
    size: int


class AnswerCache:
    """A bounded store of answers; safe to use from many threads.

    Args:
        max_bytes: Bound of all values together; the least recently used go first.
        ttl: Seconds for which an answer is fresh.
        keep_stale: Seconds for which the last good answer may stand in for a failed one.
        size_of: Bytes of a value.
        silence: Why the source of a view is silent; ``None`` where it answers.
    """

    def __init__(
        self,
        max_bytes: int,
        ttl: float,
        keep_stale: float,
        size_of: Callable[[Any], int],
        silence: Callable[[Hashable], SourceError | None] = lambda _: None,
    ) -> None:
        self._max_bytes = max_bytes
        self._ttl = ttl
        self._keep_stale = keep_stale
        self._size_of = size_of
        self._silence = silence
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._bytes = 0
        self._under_way: dict[Hashable, Future[Answer[Any]]] = {}

    def get(self, view: Hashable, moment: Hashable, load: Callable[[], T], *, ttl: float | None = None) -> Answer[T]:
        """The answer for ``(view, moment)``, computed by ``load`` where it is not kept.

        Args:
            view: What is asked, without its moment.
            moment: The quantised window, or ``None`` where the question has none.
            load: Asks the source; runs once however many callers wait.
            ttl: Another time to stay fresh than the cache's.

        Raises:
            SourceError: It could not be loaded, and no good answer of this view is young enough.
        """
        ttl = self._ttl if ttl is None else ttl
        key = (view, moment)
        with self._lock:
            entry = self._entries.get(key)
            age = time.monotonic() - entry.stored if entry is not None else float("inf")
            if entry is not None and age <= ttl:
                self._entries.move_to_end(key)
                telemetry.observe_cache("hit")
                return self._judged(entry.kept, view, moment)
            future = self._under_way.get(key)
            mine = future is None
            if future is None:
                future = self._under_way[key] = Future()
        if entry is not None and age <= ttl * REFRESH_FACTOR:
            if mine:
                threading.Thread(target=self._load, args=(key, view, load, future), name="refresh", daemon=True).start()
            telemetry.observe_cache("hit")
            return self._judged(entry.kept, view, moment)
        telemetry.observe_cache("miss" if mine else "joined")
        if mine:
            self._load(key, view, load, future)
        try:
            return future.result()
        except SourceError as error:
            last = self._last_good(view)
            if last is None:
                raise
            telemetry.observe_cache("stale")
            return replace(last, error=error)

    def _judged(self, kept: Answer[T], view: Hashable, moment: Hashable) -> Answer[T]:
        """An answer about now with the error of its source, where that is silent."""
        error = self._silence(view) if moment is None else None
        return kept if error is None else replace(kept, error=error)

    def clear(self) -> None:
        """Forget all answers."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    @property
    def size(self) -> int:
        """Bytes that are kept now."""
        with self._lock:
            return self._bytes

    def _load(self, key: Hashable, view: Hashable, load: Callable[[], T], future: Future[Answer[Any]]) -> None:
        asked = datetime.now(UTC)
        try:
            kept = Answer(load(), asked)
            size = ENTRY_OVERHEAD + size_of_key(key) + self._size_of(kept.value)
        except BaseException as error:  # noqa: BLE001 - whoever waits must be told, whatever it was
            with self._lock:
                self._under_way.pop(key, None)
            future.set_exception(error)
            return
        with self._lock:
            self._store(key, kept, size)
            self._store(_latest(view), kept, size)
            self._under_way.pop(key, None)
        future.set_result(kept)

    def _store(self, key: Hashable, kept: Answer[Any], size: int) -> None:
        old = self._entries.pop(key, None)
        if old is not None:
            self._bytes -= old.size
        self._entries[key] = _Entry(kept, time.monotonic(), size)
        self._bytes += size
        while self._bytes > self._max_bytes and len(self._entries) > 1:
            _, gone = self._entries.popitem(last=False)
            self._bytes -= gone.size

    def _last_good(self, view: Hashable) -> Answer[Any] | None:
        with self._lock:
            entry = self._entries.get(_latest(view))
            if entry is None or time.monotonic() - entry.stored > self._keep_stale:
                return None
            return entry.kept


def _latest(view: Hashable) -> Hashable:
    return ("latest good answer of", view)
