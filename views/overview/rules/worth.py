"""Which trouble a window of the past is about: what lasted and was bad, and no blip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from analysis.verdict import Cause, Finding, worst

BRIEF = timedelta(seconds=30)
"""What is shorter was there for less than two judgements of the worker, and is told after all that lasted."""

SHORT = timedelta(minutes=2)
DWARFED = 10
"""What lasted less than ``SHORT``, and ten times less than the longest trouble that was broken, is told after it."""

LOCKS_KEY = "database:locks"
"""Key of the finding that sessions waited for locks."""

SAMPLED = timedelta(minutes=1)
"""How long one moment of waiting for locks stands for: the worst one of a minute is kept."""

INCIDENT = frozenset({Cause.SILENT, Cause.LOCK, Cause.EXHAUSTED, Cause.DEPLOY, Cause.SYMPTOM})
"""Kinds of findings of which one that lasted makes others short: what will run out may go on for days."""


@dataclass(frozen=True)
class Frame:
    """The window.

    Attributes:
        start: Its first moment.
        end: Its last moment.
        step: Seconds between two samples of its figures.
    """

    start: datetime
    end: datetime
    step: int


def by_worth(found: Sequence[Finding], frame: Frame) -> list[Finding]:
    """Findings of a window with the most important first: what lasted, the cause of it, how bad it was.

    A blip is never told before what lasted, whatever kind of thing it was: a balancer that could not reach a replica
    that just started is not what a night was about.
    """
    longest = max(
        (_lasted(one, frame) for one in found if one.status == "broken" and one.cause in INCIDENT), default=timedelta()
    )

    def place(one: Finding) -> int:
        if _is_blip(one, frame):
            return 2
        lasted = _lasted(one, frame)
        return 1 if one.cause is not Cause.ALERT and lasted < SHORT and lasted * DWARFED < longest else 0

    return sorted(worst(found), key=place)


def lasting(found: Sequence[Finding], frame: Frame) -> list[Finding]:
    """Findings without the blips among them; all of them where nothing lasted."""
    return [one for one in found if not _is_blip(one, frame)] or list(found)


def how_bad(one: Finding, frame: Frame) -> tuple[bool, bool, float, timedelta]:
    """To find the worst episode of a trouble: one that lasted before a blip."""
    return not _is_blip(one, frame), one.status == "broken", one.weight, _lasted(one, frame)


def _is_blip(one: Finding, frame: Frame) -> bool:
    """Whether a trouble is too short to be what a window is about."""
    # The times of alerts are those of their beginnings, and they fire after a while only.
    return one.cause is not Cause.ALERT and _lasted(one, frame) < BRIEF


def _lasted(one: Finding, frame: Frame) -> timedelta:
    """How much of the window a trouble took, by the coarseness with which it was looked at."""
    began = max(one.since, frame.start) if one.since is not None else frame.start
    ended = min(one.until, frame.end) if one.until is not None else frame.end
    looked = timedelta()
    if one.identity == LOCKS_KEY:
        looked = SAMPLED
    elif one.identity.startswith("signal:"):
        looked = timedelta(seconds=frame.step)  # a trouble of one sample was there until the next one
    return max(ended - began, timedelta()) + looked
