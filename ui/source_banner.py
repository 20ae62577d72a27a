"""The first lines of a page: which of its sources do not answer, since when; and what asks again for failed panels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from ui import context, format, panel_memory
from ui.clean import inert
from ui.theme import STATUS

if TYPE_CHECKING:
    from views.shared.silence import Silence

WATCH_SECONDS = 10
"""Seconds between two looks at whether the sources answer; also in a window that stands still."""


def source_banner(load: Callable[[], Sequence[Silence]]) -> None:
    """Say first what does not answer, and ask again for what failed.

    Panels of a live window ask again by themselves. In one that stands still nothing would, so that those that failed
    are asked again from here, all at once and after longer and longer rests.

    Args:
        load: The sources that do not answer, the one that the page is about first; must not wait for any.
    """
    page = context.current().page

    @st.fragment(parallel=True, key=f"{page}/source-banner", run_every=WATCH_SECONDS)
    def body() -> None:
        context.follow()
        memory = panel_memory.current()
        if not context.current().window.live and memory.due:
            st.rerun(scope="app")
        silences = load()
        if not silences:
            return
        with st.container(border=True, gap="small", key=f"source-banner-{page}"):
            for place, silence in enumerate(silences):
                _tell(silence, first=place == 0)
            if memory.failing:
                again_button("source-banner")

    body()


def _tell(silence: Silence, *, first: bool) -> None:
    broken, error = STATUS["broken"], silence.error
    since = format.timestamp(silence.since, context.current().tz)
    below = "; below is what was before" if silence.answered else ""
    sentence = f":{broken.markdown}[{broken.icon}] {silence.clause} {since}{below}."
    st.markdown(f"### {sentence}" if first else sentence, anchors=False)
    place = f" ({error.address})" if error.address else ""
    hint = f" {error.hint}" if error.hint else ""
    st.caption(inert(f"It {error.what}{place}.{hint}", 600))


def again_button(name: str) -> None:
    """The button that asks again for every panel of the page that failed."""
    st.button(
        "Try again",
        key=f"retry-{context.current().page}-{name}",
        icon=":material/refresh:",
        type="tertiary",
        help="Asks again for everything on this page that failed.",
        on_click=context.run_again,
    )
