"""What a page and its panels need to know about the visit: environment, window, zone, theme, viewer.

The shell reads it from the address at each run and leaves it here; panels that refresh by themselves
read the same one. It is the one place that writes the address.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import cast
from zoneinfo import ZoneInfo

import streamlit as st

from access import Viewer
from collectors.span import Span
from records.database import Database
from settings import Environment, Settings
from ui import panel_memory
from ui.theme import Theme
from ui.window import KEYS, Window

_CONTEXT = "context"
_HISTORY = "windows before this one"
_HISTORY_LENGTH = 30
_MOVED = "window was moved by a callback"


@dataclass(frozen=True)
class Context:
    """One visit of one page.

    Attributes:
        settings: The settings of this process.
        environment: Key of the chosen environment; empty where none is configured.
        window: What the page shows.
        page: Name of the page, as in its address.
        theme: Light or dark.
        viewer: Who is looking.
        records: The console's own memory; ``None`` where it cannot be reached.
        usual_zone: The zone of an address that names none; empty where addresses have to name it.
        entry: Counts the pages that were entered in this session, so that a panel knows its first drawing.
    """

    settings: Settings
    environment: str
    window: Window
    page: str
    theme: Theme
    viewer: Viewer
    records: Database | None = None
    usual_zone: str = ""
    entry: int = 0

    @property
    def configured(self) -> Environment | None:
        """The settings of the chosen environment."""
        return self.settings.environments.get(self.environment)

    @property
    def tz(self) -> ZoneInfo:
        """The zone of all times."""
        return self.window.tz

    def span(self) -> Span:
        """The window as sources are asked for it, with the clock as it is now."""
        return self.window.span(datetime.now(UTC), self.settings.limits)

    def earlier(self, span: Span) -> Span | None:
        """The period that ``span`` is compared with."""
        return self.window.compared(span)

    def params(self, window: Window | None = None) -> dict[str, str]:
        """The address of this picture, or of the same one with another window: for links to other pages."""
        named = {"env": self.environment} if self.environment else {}
        return {**named, **(window or self.window).params(self.usual_zone)}


def current() -> Context:
    """The context of this visit.

    Raises:
        KeyError: Outside a page that the shell runs.
    """
    return cast("Context", st.session_state[_CONTEXT])


def enter(context: Context) -> None:
    """Make ``context`` the one of this visit; the shell does it at the start of each run."""
    st.session_state.pop(_MOVED, None)  # what a callback moved is followed by this very run
    before: Context | None = st.session_state.get(_CONTEXT)
    if before is not None and before.window != context.window:
        history: list[Window] = st.session_state.setdefault(_HISTORY, [])
        if history and history[-1] == context.window:
            history.pop()  # the viewer went back, by the button or by the browser
        else:
            history.append(before.window)
            del history[:-_HISTORY_LENGTH]
    panel_memory.enter(another_page=before is None or before.page != context.page)
    if before is not None:
        context = replace(context, entry=before.entry + (before.page != context.page))
    st.session_state[_CONTEXT] = context


def first_drawing(key: str) -> bool:
    """Whether the panel ``key`` is drawn for the first time since its page was entered."""
    name = f"drawn {key}"
    entry = current().entry
    first = st.session_state.get(name) != entry
    st.session_state[name] = entry
    return first


def previous_window() -> Window | None:
    """The window that was shown before this one, for the undo button."""
    history: list[Window] = st.session_state.get(_HISTORY, [])
    return history[-1] if history else None


def show(window: Window) -> None:
    """Write a window into the address, in one go, so that the browser's Back undoes it in one step."""
    params = {key: values for key, values in _params().items() if key not in KEYS}
    context = current()
    st.query_params.from_dict({**params, **replace(context, window=window).params()})


def show_at_once(window: Window) -> None:
    """The same from a callback of a panel: the whole page follows, where the panel calls :func:`follow`."""
    show(window)
    st.session_state[_MOVED] = True


def run_again() -> None:
    """Let the whole page run again, from a callback of a panel that calls :func:`follow`."""
    st.session_state[_MOVED] = True


def follow() -> None:
    """Run the whole page again where a callback of this panel moved its window."""
    if st.session_state.pop(_MOVED, False):
        st.rerun(scope="app")


def address() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """All parameters of the address, sorted: what a picture depends on, as a key."""
    return tuple(sorted((name, tuple(st.query_params.get_all(name))) for name in st.query_params))


def show_environment(environment: str) -> None:
    """Write another environment into the address; the window stays."""
    st.query_params.from_dict({**_params(), "env": environment})


def change(**values: str | Sequence[str]) -> None:
    """Write parameters of the page into the address, in one go; an empty value takes one out of it.

    For callbacks. From a panel's callback the whole page follows, where the panel calls :func:`follow`.
    """
    params: dict[str, str | Sequence[str]] = {**_params(), **values}
    st.query_params.from_dict({name: value for name, value in params.items() if value})
    st.session_state[_MOVED] = True


def _params() -> dict[str, list[str]]:
    """The address as it is; a parameter may stand in it more than once."""
    return {name: st.query_params.get_all(name) for name in st.query_params}
