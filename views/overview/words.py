"""The verdict in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.verdict import Cause, Clock, Finding, Reading, Status
from settings import SOURCE_TITLES
from views.overview.findings import Facts
from views.overview.recovery import Recovery
from views.shared.figures import FIGURES

NEAR = 1.25
"""How many times its usual a figure may be, and how many times less, to be called near it: the tiles beside the words
tell each distance."""

BEFORE = "below is what was before"


def headline(status: Status, found: Sequence[Finding], facts: Facts, recovered: Recovery | None, clock: Clock) -> str:
    """All in one sentence, the cause first; without a full stop.

    Args:
        status: Of all together.
        found: What there is to say, the cause first.
        facts: What it is made of.
        recovered: What was over lately.
        clock: Writes a time in the viewer's zone.
    """
    if status == "ok":
        if recovered is not None and recovered.cause is not Cause.BLIND:
            return f"Synaptic is well again since {clock(recovered.at)}"
        if found:
            return "Synaptic looks healthy, as far as is known"
        shown = [one for one in facts.readings if one.key in FIGURES and one.now is not None]
        near = " and near its usual" if shown and all(map(_near_usual, shown)) else ""
        return f"Synaptic is healthy: every figure is within its limits{near}"
    if not found:
        return "Nothing is known about Synaptic: no source tells how it is"
    if facts.known == 0 and facts.service is None and status == "unknown" and len(facts.silent) > 1:
        names = [SOURCE_TITLES.get(one.source, one.source) for one in facts.silent]
        listed = ", ".join(names[:-1]) + f" and {names[-1]}"
        return f"Nothing is known about Synaptic: {listed} do not answer"
    first = found[0]
    text = upper_first(first.text)
    if first.key.startswith("late:") and status == "unknown":
        return f"Not all is known yet: {text}"
    if first.key.startswith("silent:"):
        return f"{text.partition(': it ')[0]}; {BEFORE}"
    if first.cause is Cause.ALERT and recovered is not None and recovered.cause is not Cause.BLIND:
        return f"Well again since {clock(recovered.at)}; {first.text}"
    return text


def _near_usual(reading: Reading) -> bool:
    """Whether a figure is near its usual, either way; what has none is no claim, and what is not known is not near."""
    if reading.compare == "none":
        return True
    if reading.now is None or reading.usual is None:
        return False
    return reading.usual / NEAR <= reading.now <= reading.usual * NEAR


def upper_first(text: str) -> str:
    """A sentence's beginning as it is written."""
    return text[:1].upper() + text[1:]
