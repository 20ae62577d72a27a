"""An event loop in a thread of its own, for the small servers of the tests, and waiting for a condition."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

GIVE_UP_SECONDS = 120.0
"""When a wait is given up as hopeless; nothing here is expected to take as long."""


class LoopThread:
    """Runs coroutines of the tests' servers; ``stop`` ends everything that still runs on it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="tests-servers", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(GIVE_UP_SECONDS)

    def stop(self) -> None:
        self.run(self._end_tasks())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _end_tasks(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def until(condition: Callable[[], T], what: str) -> T:
    """Ask ``condition`` again and again until it holds; its value."""
    ends = time.monotonic() + GIVE_UP_SECONDS
    pause = threading.Event()
    while not (value := condition()):
        if time.monotonic() > ends:
            raise AssertionError(f"{what} did not come to hold within {GIVE_UP_SECONDS:g} s")
        pause.wait(0.02)
    return value
