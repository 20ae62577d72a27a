"""Questions to different sources, or different questions to one, asked side by side."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")


def side_by_side(*calls: Callable[[], Any]) -> list[Any]:
    """The results of all calls, in their order; they run at the same time and share the caller's deadline.

    Each group gets threads of its own: with a shared pool, groups inside groups could wait for each
    other for ever. The threads only wait; the sources' own connections bound the work.

    Raises:
        Exception: What the first failing call raised, after all have ended.
    """
    if len(calls) == 1:
        return [calls[0]()]
    context = copy_context()
    with ThreadPoolExecutor(max_workers=len(calls) - 1, thread_name_prefix="views") as threads:
        others = [threads.submit(context.copy().run, call) for call in calls[1:]]
        first = calls[0]()
        return [first, *(other.result() for other in others)]


def soon(call: Callable[[], T], seconds: float) -> T | None:
    """The result of a call, or ``None`` where it takes longer than ``seconds``.

    The call then goes on by itself until its own deadline, so that its answer is there when the same is asked for the
    next time, and so that a slow source is not judged by somebody else's patience.

    Raises:
        Exception: What the call raised in time.
    """
    threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="views-soon")
    found = threads.submit(copy_context().run, call)
    threads.shutdown(wait=False)
    wait([found], seconds)
    return found.result() if found.done() else None
