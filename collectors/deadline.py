"""One deadline for everything that a panel asks, however many questions it takes.

A source's own deadline bounds one answer. A panel may need several answers one after the other (the
metric names, then the series), so the panel's deadline travels with the thread as a context variable
and every request gets what is left of it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ends: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Everything that is asked inside ends within ``seconds``; an outer deadline that ends earlier holds."""
    ends = time.monotonic() + seconds
    outer = _ends.get()
    token = _ends.set(ends if outer is None else min(ends, outer))
    try:
        yield
    finally:
        _ends.reset(token)


def remaining(seconds: float) -> float:
    """What is left for one answer that may take ``seconds`` by itself; never negative."""
    ends = _ends.get()
    return seconds if ends is None else max(min(seconds, ends - time.monotonic()), 0.0)
