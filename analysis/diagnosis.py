"""What is wrong with a part of the installation, in a form that says what it is about and what would mend it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from analysis.verdict import Status

_WORST_FIRST: tuple[Status, ...] = ("broken", "risk", "unknown", "ok")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing that is wrong, or will be.

    Attributes:
        key: Its kind: an entry of ``collectors/catalog/advice.toml``, which says why it matters and what mends it.
        status: ``broken`` where it hurts now, ``risk`` where it will, ``unknown`` where it could not be looked at.
        subject: What it is about: a table, a session, a slot, a setting; foreign text.
        text: The finding with its figures, as a sentence.
        mend: The statement, command or setting that mends it; empty where none is known.
    """

    key: str
    status: Status
    subject: str
    text: str
    mend: str = ""


def worst_first(found: Iterable[Diagnosis]) -> list[Diagnosis]:
    """What is broken first; within a status in the order given."""
    return sorted(found, key=lambda one: _WORST_FIRST.index(one.status))


def overall(found: Iterable[Diagnosis]) -> Status:
    """The worst status that was found; ``ok`` where nothing was."""
    return next((status for status in _WORST_FIRST if status in {one.status for one in found}), "ok")
