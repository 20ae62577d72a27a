"""Whether the viewer's screen is as narrow as a phone's: what style sheets cannot decide, such as a table's columns."""

from __future__ import annotations

import streamlit as st

from ui.components import own

_KEY = "screen"


def watch() -> None:
    """Ask the browser, in each run of a page; the page is run again where the answer is another one."""
    own("screen", "<i hidden></i>")(key=_KEY, data={"narrow": narrow()}, on_narrow_change=lambda: None, height=1)


def narrow() -> bool:
    """Whether the screen has at most 640 pixels across; not, until the browser has said so."""
    return bool(getattr(st.session_state.get(_KEY), "narrow", False))
