"""What a session remembers of the panels of its page: the last good answer of each, and which of them failed.

A source that is late, or whose kept answer is gone, then costs a panel its freshness and not its content. The memory
holds one answer a panel, of the page that is open now; answers are shared with the cache and not copied.
"""

from __future__ import annotations

import time
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import streamlit as st

from collectors.errors import Overloaded, SourceError, TimedOut, Unreachable

_MEMORY = "panels of this page"
RETRIES = (15.0, 30.0, 60.0)
"""Seconds until a panel of a window that stands still asks again by itself, after each failure in a row."""


@dataclass(frozen=True)
class Last:
    """The last good answer of a panel.

    Attributes:
        question: What it answers: environment, window and whatever else the panel depends on.
        value: The answer.
        as_of: When it was asked for.
    """

    question: Hashable
    value: Any
    as_of: datetime


@dataclass(frozen=True)
class _Failure:
    times: int
    due: float


@dataclass
class PanelMemory:
    """Answers and failures of one page, by panel; each entry is written by its own panel only.

    Attributes:
        answers: Panel → its last good answer.
    """

    answers: dict[str, Last] = field(default_factory=dict)
    _failing: dict[str, _Failure] = field(default_factory=dict)
    _failed_before: dict[str, _Failure] = field(default_factory=dict)

    def last(self, panel: str, question: Hashable) -> Last | None:
        """The last good answer of a panel to this question."""
        found = self.answers.get(panel)
        return found if found is not None and found.question == question else None

    def failed(self, panel: str, error: SourceError) -> None:
        """Note that a panel has no answer of now; it is asked again where that can help."""
        if not (error.trips or isinstance(error, TimedOut | Unreachable | Overloaded)):
            self.answered(panel)
            return
        before = self._failing.get(panel) or self._failed_before.get(panel)
        times = before.times + 1 if before is not None else 1
        self._failing[panel] = _Failure(times, time.monotonic() + RETRIES[min(times, len(RETRIES)) - 1])

    def answered(self, panel: str) -> None:
        """Note that a panel has what it asked for, or asking again would not help."""
        self._failing.pop(panel, None)
        self._failed_before.pop(panel, None)

    @property
    def failing(self) -> bool:
        """Whether a panel of the page failed and may be asked again."""
        return bool(self._failing)

    @property
    def due(self) -> bool:
        """Whether it is time to ask again for a panel that failed."""
        now = time.monotonic()
        return any(one.due <= now for one in list(self._failing.values()))

    def begin_run(self) -> None:
        """The whole page runs: its panels tell anew whether they fail, and those that are gone count no more."""
        self._failed_before, self._failing = self._failing, {}


def current() -> PanelMemory:
    """The memory of the page that is open."""
    memory = st.session_state.get(_MEMORY)
    if memory is None:
        memory = st.session_state[_MEMORY] = PanelMemory()
    return cast("PanelMemory", memory)


def enter(*, another_page: bool) -> None:
    """A run of the whole page begins, of the same page or of another one."""
    if another_page or _MEMORY not in st.session_state:
        st.session_state[_MEMORY] = PanelMemory()
    else:
        current().begin_run()
