"""Different questions, asked side by side by one caller."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from contextvars import copy_context
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


def side_by_side(*calls: Callable[[], Any]) -> list[Any]:
    """The results of all calls, in their order; they run at the same time and share the caller's deadline.

    Each group gets threads of its own: with a shared pool, groups inside groups could wait for each
    other for ever. The threads only wait; the sources' own connections bound the work.

    Raises:
        Exception: What the first failing call raised, after all have ended.
    """
    if len(calls) <= 1:
        return [call() for call in calls]
    others = [begun(call, "side-by-side") for call in calls[1:]]
    try:
        first = calls[0]()
    finally:
        wait(others)
    return [first, *(other.result() for other in others)]


def begun(call: Callable[[], T], name: str) -> Future[T]:
    """The outcome of a call that runs in a thread of its own, in a copy of the caller's context.

    No executor: ``submit`` starts its thread while it holds a lock that all executors of the process share, and the
    event loop's ``to_thread`` needs it too. With many panels at once everything stood still behind it.

    Args:
        call: What runs.
        name: Name of the thread.
    """
    outcome: Future[T] = Future()
    context = copy_context()

    def run() -> None:
        try:
            outcome.set_result(context.run(call))
        except BaseException as error:  # noqa: BLE001 - it is raised where the outcome is asked for
            outcome.set_exception(error)

    Thread(target=run, name=name, daemon=True).start()
    return outcome
