"""A list of diagnoses: what is wrong, why it matters, and what would mend it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from analysis.diagnosis import Diagnosis, worst_first
from ui import context
from ui.clean import clean, inert
from ui.format import localised
from ui.parts import all_well
from ui.theme import STATUS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collectors.advice import Advice

MOST = 30
"""Most diagnoses that are listed; the rest is counted."""


def runbook(name: str) -> str:
    """How a runbook is named while the console has none: the statement beside it is what it will do."""
    return f"Runbook {name} (not in the console yet: by hand, as shown)"


def diagnoses(found: Sequence[Diagnosis], advice: Mapping[str, Advice], *, well: str = "") -> None:
    """Each diagnosis with its reason behind a fold, the worst first.

    Args:
        found: What was found.
        advice: What is known about each kind.
        well: What is said where nothing was found.
    """
    if not found:
        if well:
            all_well(well)
        return
    ordered = worst_first(found)
    for one in ordered[:MOST]:
        word, told = STATUS[one.status], advice.get(one.key)
        with st.expander(f":{word.markdown}[{word.icon}] {inert(localised(one.text, context.current().tz), 400)}"):
            if told is not None:
                st.markdown(inert(told.why, 600))
            if one.mend:
                st.code(clean(one.mend, 2000, lines=True), language=None, wrap_lines=True)
            if told is not None:
                by = f"{runbook(told.runbook)} · " if told.runbook else ""
                st.caption(inert(f"{by}{told.source}", 400))
    if len(ordered) > MOST:
        st.caption(f"{len(ordered) - MOST} more are not listed.")
