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
from dataclasses import dataclass

from collectors.errors import TimedOut

WITHIN = "within its deadline"
"""How a driver's table of errors names the limit; :meth:`Allowance.applied` puts the configured one in its place."""

_ends: ContextVar[tuple[float, float] | None] = ContextVar("deadline", default=None)
"""When the panel's time ends, by the monotonic clock, and how many seconds it had in all."""


@dataclass(frozen=True)
class Allowance:
    """The time that one answer may take, and which limit that comes from.

    Attributes:
        seconds: For this answer; 0 where the panel's time had passed before it was asked.
        limit: What one answer of the source may take by its settings.
        whole: What all questions of the panel together may take, where that ends before ``limit``; else ``None``.
    """

    seconds: float
    limit: float
    whole: float | None = None

    @property
    def words(self) -> str:
        """Reads after "did not answer": the configured limit, never what was left of it."""
        if self.whole is None:
            return f"within {self.limit:g} s, its deadline"
        return f"before the panel's {self.whole:g} s had passed"

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Errors about time that are raised inside name the limit, and are judged by :attr:`fair`."""
        try:
            yield
        except TimedOut as error:
            error.what = error.what.replace(WITHIN, self.words)
            self.judge(error)
            raise

    def judge(self, error: TimedOut) -> None:
        """Do not count it against the source where it did not have a fair share of its time."""
        if not self.fair:
            error.trips = error.conclusive = False

    @property
    def fair(self) -> bool:
        """Whether silence over this time says something about the source, and not about the questions before it."""
        return self.seconds >= min(self.limit, self.whole or self.limit) / 2


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Everything that is asked inside ends within ``seconds``; an outer deadline that ends earlier holds."""
    ends = time.monotonic() + seconds
    outer = _ends.get()
    token = _ends.set((ends, seconds) if outer is None or ends < outer[0] else outer)
    try:
        yield
    finally:
        _ends.reset(token)


def allowance(source: str, address: str, limit: float) -> Allowance:
    """What is left for one answer of a source that may take ``limit`` seconds by its settings.

    Raises:
        TimedOut: Nothing is left; says so, and does not count against the source.
    """
    outer = _ends.get()
    if outer is None:
        return Allowance(limit, limit)
    ends, whole = outer
    left = ends - time.monotonic()
    if left <= 0:
        raise TimedOut(
            source,
            address,
            f"was not asked: the panel's {whole:g} s had passed",
            hint="The questions before took all the time; a shorter window asks for less.",
            trips=False,
        )
    return Allowance(limit, limit) if left >= limit else Allowance(left, limit, whole)


_reading: ContextVar[float | None] = ContextVar("reading", default=None)
"""When the time to make something of an answer ends, by the monotonic clock."""

GRACE = 1.0
"""Seconds that are always there to read an answer that came just in time."""


class _Late(Exception):
    """The time to read an answer has passed."""


@contextmanager
def reading(source: str, address: str, limit: float) -> Iterator[None]:
    """What is made of an answer inside ends within ``limit`` seconds and with the panel's time, wherever it looks.

    The deadline of a request ends with its last byte, but a small answer may be made to be dear to read.

    Raises:
        TimedOut: A loop inside found by :func:`look` that its time had passed; that is about this answer alone.
    """
    ends = time.monotonic() + max(remaining(limit), GRACE)
    token = _reading.set(ends)
    try:
        yield
    except _Late:
        raise TimedOut(
            source,
            address,
            f"gave an answer that could not be read within {limit:g} s, its deadline",
            hint="It is far larger than usual, or odd in many values; a shorter window asks for less.",
            trips=False,
        ) from None
    finally:
        _reading.reset(token)


def look() -> None:
    """Called again and again by loops over an answer, so that they end with :func:`reading`."""
    ends = _reading.get()
    if ends is not None and time.monotonic() > ends:
        raise _Late


def remaining(seconds: float) -> float:
    """What is left for one answer that may take ``seconds`` by itself; never negative."""
    outer = _ends.get()
    return seconds if outer is None else max(min(seconds, outer[0] - time.monotonic()), 0.0)
