"""Questions to different sources, or different questions to one, asked side by side."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from contextvars import copy_context
from threading import Thread
from typing import TypeVar

from collectors.parallel import side_by_side

__all__ = ["side_by_side", "soon"]

T = TypeVar("T")


def soon(call: Callable[[], T], seconds: float) -> T | None:
    """The result of a call, or ``None`` where it takes longer than ``seconds``.

    The call then goes on by itself until its own deadline, so that its answer is there when the same is asked for the
    next time, and so that a slow source is not judged by somebody else's patience.

    Raises:
        Exception: What the call raised in time.
    """
    found = _begun(call, "views-soon")
    wait([found], seconds)
    return found.result() if found.done() else None


def _begun(call: Callable[[], T], name: str) -> Future[T]:
    """The outcome of a call that runs in a thread of its own, in a copy of the caller's context.

    No executor: ``submit`` starts its thread while it holds a lock that all executors of the process share, and the
    event loop's ``to_thread`` needs it too. With many panels at once everything stood still behind it.
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
