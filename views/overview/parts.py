"""The parts that a verdict is made of: each is asked for a short while, so a slow one delays nothing but itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from collectors.cache import Answer, AnswerCache
from collectors.errors import NotConfigured, SourceError
from collectors.registry import Sources
from views.shared.parallel import soon

T = TypeVar("T")

YOUNG = 45.0
"""Seconds for which the last answer of a part stands in while the next one is late."""


@dataclass(frozen=True)
class Part(Generic[T]):
    """One part of a verdict.

    Attributes:
        value: What was said; ``None`` where nothing was, or only long ago.
        as_of: When it was asked for; ``None`` without a value.
        error: Why it is not newer, or not there.
        late: Whether it has not come yet.
    """

    value: T | None
    as_of: datetime | None = None
    error: SourceError | None = None
    late: bool = False


class _Last:
    """The last answer of each part of one environment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, Answer[Any]]] = {}

    def note(self, name: str, kept: Answer[Any]) -> None:
        with self._lock:
            self._kept[name] = (time.monotonic(), kept)

    def young(self, name: str) -> Answer[Any] | None:
        with self._lock:
            at, kept = self._kept.get(name, (float("-inf"), None))
        return kept if time.monotonic() - at <= YOUNG else None


_lock = threading.Lock()
_of: WeakKeyDictionary[AnswerCache, _Last] = WeakKeyDictionary()


def load_part(sources: Sources, name: str, call: Callable[[], Answer[T]], seconds: float) -> Part[T]:
    """One part, within a short while; never raises ``SourceError``.

    Args:
        sources: The environment's sources.
        name: Which part; the last answer of the same name stands in for one that is late.
        call: Asks for it; goes on by itself where it takes longer.
        seconds: How long it is waited for.
    """
    with _lock:
        last = _of.get(sources.cache)
        if last is None:
            last = _of[sources.cache] = _Last()

    def noted() -> Answer[T]:
        kept = call()
        if kept.error is None:
            last.note(name, kept)
        return kept

    try:
        found = soon(noted, seconds)
    except NotConfigured:
        return Part(None)
    except SourceError as error:
        return Part(None, error=error)
    if found is None:
        young = last.young(name)
        return Part(young.value, young.as_of) if young is not None else Part(None, late=True)
    if found.error is not None:
        # What was said before is shown elsewhere, as of before; it is no part of what holds now.
        return Part(None, error=found.error)
    return Part(found.value, found.as_of)
