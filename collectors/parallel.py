"""Different questions, asked side by side by one caller."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any


def side_by_side(*calls: Callable[[], Any]) -> list[Any]:
    """The results of all calls, in their order; they run at the same time and share the caller's deadline.

    Each group gets threads of its own: with a shared pool, groups inside groups could wait for each
    other for ever. The threads only wait; the sources' own connections bound the work.

    Raises:
        Exception: What the first failing call raised, after all have ended.
    """
    if len(calls) <= 1:
        return [call() for call in calls]
    context = copy_context()
    with ThreadPoolExecutor(max_workers=len(calls) - 1, thread_name_prefix="side-by-side") as threads:
        others = [threads.submit(context.copy().run, call) for call in calls[1:]]
        first = calls[0]()
        return [first, *(other.result() for other in others)]
