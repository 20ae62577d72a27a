"""The mark of what is of this moment under a window of the past: one look for all that has no history."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from collectors.span import Span

OF_NOW = "Of now, not of this window."


def mark_of_now(span: Span) -> None:
    """Say plainly that what follows is of this moment, where the window does not reach it."""
    if span.reaches_now:
        return
    # Bold and in the colour of text: it changes what everything below it means.
    st.markdown(
        f":material/schedule: **{OF_NOW}**",
        help="Its source keeps no history of it. While the window stands still it is not asked for again by itself.",
    )
