"""The title of the browser's tab: page, part, window that is held, environment, and the mark of the last verdict."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from ui import context
from ui.clean import clean
from ui.context import Context
from ui.menu import PAGES
from ui.theme import STATUS, is_outdated

NAME = "Synaptic Console"

_MARK = "tab mark"
_PICTURE = "tab picture"


def title(visit: Context, part: str = "", status: str = "") -> str:
    """What the tab is called.

    Args:
        visit: The visit.
        part: Which part of the page is shown, where it has any.
        status: A key of :data:`ui.theme.STATUS`, where the page has a verdict.
    """
    page = f"{PAGES[visit.page][0]}: {part}" if part else PAGES[visit.page][0]
    configured = visit.configured
    words = [
        page,
        "" if visit.window.live else visit.window.title(datetime.now(UTC)),
        clean(configured.title or visit.environment, 60) if configured is not None else "",
        NAME,
    ]
    mark = f"{STATUS[status].mark} " if status else ""
    return mark + " · ".join(word for word in words if word)


def show(visit: Context, part: str = "") -> None:
    """Name the tab, with the mark that this picture had last; the shell does it, and a page that has parts.

    Args:
        visit: The visit.
        part: Which part of the page is shown, where it has any.
    """
    picture = (visit.page, visit.environment, visit.window, part)
    kept = st.session_state.get(_MARK)
    st.session_state[_PICTURE] = picture
    st.set_page_config(page_title=title(visit, part, kept[1] if kept is not None and kept[0] == picture else ""))


def mark(status: str) -> None:
    """Mark the tab with the verdict of its page, as unknown where it is not of now; from the panel that draws it.

    Args:
        status: A key of :data:`ui.theme.STATUS`.
    """
    picture = st.session_state.get(_PICTURE)
    if picture is not None:
        status = "unknown" if is_outdated() else status
        st.session_state[_MARK] = (picture, status)
        st.set_page_config(page_title=title(context.current(), picture[3], status))
