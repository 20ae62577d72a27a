"""Questions to different sources, or different questions to one, asked side by side."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import wait
from typing import TypeVar

from collectors.errors import SourceError
from collectors.parallel import begun, side_by_side

__all__ = ["or_error", "side_by_side", "soon"]

T = TypeVar("T")


def soon(call: Callable[[], T], seconds: float) -> T | None:
    """The result of a call, or ``None`` where it takes longer than ``seconds``.

    The call then goes on by itself until its own deadline, so that its answer is there when the same is asked for the
    next time, and so that a slow source is not judged by somebody else's patience.

    Raises:
        Exception: What the call raised in time.
    """
    found = begun(call, "views-soon")
    wait([found], seconds)
    return found.result() if found.done() else None


def or_error(call: Callable[[], T]) -> T | SourceError:
    """What a call returned, or why its source did not answer: a part that may be missing costs no other."""
    try:
        return call()
    except SourceError as error:
        return error
