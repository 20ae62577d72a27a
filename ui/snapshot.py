"""One answer for several panels of a page that are drawn one after the other, so that they show the same moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar, cast

import streamlit as st

from collectors.cache import Answer

T = TypeVar("T")

_KEY = "snapshots"
_making = threading.Lock()


class _Snapshot:
    """The last answer of one name, in one session."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at = float("-inf")
        self._kept: Answer[object] | None = None

    def get(self, load: Callable[[], Answer[object]], seconds: float) -> Answer[object]:
        with self._lock:
            if self._kept is None or time.monotonic() - self._at >= seconds:
                self._kept, self._at = load(), time.monotonic()
            return self._kept


def shared(name: str, load: Callable[[], Answer[T]], seconds: float) -> Answer[T]:
    """An answer that all panels of this session share for a while.

    Args:
        name: What it is.
        load: Asks for it; may raise ``SourceError``, which the next panel then asks for again.
        seconds: How long it is shared: less than the time between two refreshes, and more than it takes to draw all
            panels that share it.
    """
    with _making:
        snapshots = cast("dict[str, _Snapshot]", st.session_state.setdefault(_KEY, {}))
        one = snapshots.setdefault(name, _Snapshot())
    return cast("Answer[T]", one.get(load, seconds))
