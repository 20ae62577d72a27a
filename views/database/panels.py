"""The frame of the Database page: its parts, of which one is shown at a time; the choice is in the address."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from ui import address, context, tab
from ui.clean import inert
from ui.theme import STATUS

PART = "part"
"""Name of the choice in the address."""


def chosen_part(parts: Mapping[str, str]) -> str:
    """Which part of the page is shown, with the choice drawn.

    Args:
        parts: Name in the address → title, in their order; the first one is shown where the address names none.
    """
    asked = address.text(PART, 40)
    titles = {title.lower(): name for name, title in parts.items()}
    now = asked if asked in parts else titles.get(asked.lower(), next(iter(parts)))
    if asked and asked != now and asked.lower() not in titles:
        st.warning(f"Database has no part “{inert(asked)}”; this is {parts[now]}.", icon=STATUS["risk"].icon)
    key = f"database-part-{now}"
    tab.show(context.current(), parts[now])

    def chosen() -> None:
        context.change(**{PART: st.session_state[key] or now})

    st.segmented_control(
        "Part", list(parts), default=now, format_func=lambda name: parts[name], key=key, on_change=chosen,
        label_visibility="collapsed",
    )  # fmt: skip
    return now
