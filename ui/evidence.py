"""Where the evidence lies for what a page says: page, part, filter and window of a finding, a figure, an alert."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from analysis.place import Place
from collectors.log_query import Term, write
from ui import context

BEFORE = timedelta(minutes=10)
"""How much of the time before a trouble its window shows: what changed comes first."""

AFTER = timedelta(minutes=20)
"""How much of the time after an event its window shows."""


_PLACES: dict[str, Place] = {}


def register(places: Mapping[str, Place]) -> None:
    """Say where the evidence of findings and signals lies; to be called once, before the first page.

    Args:
        places: Subject of a finding or key of a signal → the place.
    """
    _PLACES.update(places)


LINES = Place("logs", "Warnings and errors", {"q": "level:(warn OR error)"})
"""Where to look for what has no place of its own."""


OBJECTIVES = Place("latency", "Objectives")
"""Where the objectives are shown."""

OBJECTIVE = "slo"
"""Label of an alert that names its objective by its key, and the part of that page's address that chooses it."""


def lines_of(pod: str) -> Place:
    """The lines of one replica; of all of them without a name."""
    return Place("logs", "Its lines", {"q": write(Term("pod", pod))} if pod else {})


def place(subject: str) -> Place | None:
    """Where the evidence of a finding's subject or of a signal lies; ``None`` where this page has all that is known."""
    return _PLACES.get(subject)


def of_alert(labels: Mapping[str, str], objectives: Callable[[], Collection[str]]) -> Place:
    """Where to look for what an alert says: its objective, else its signal, else the lines of that time.

    Args:
        labels: The alert's labels.
        objectives: Gives the keys of the objectives; asked only where the alert names one. An address with another
            key would show the first objective as if it were the one that is meant.
    """
    shown = place(labels.get("signal", ""))
    key = labels.get("slo", "")
    if key and key in objectives():
        kept = shown.params if shown is not None and shown.page == OBJECTIVES.page else {}
        return Place(OBJECTIVES.page, OBJECTIVES.label, {**kept, OBJECTIVE: key})
    return shown or LINES


def params(
    found: Place, since: datetime | None = None, until: datetime | None = None
) -> dict[str, str | Sequence[str]]:
    """The address of a place, with the window of a trouble, or with the page's own where it is not known when it began.

    Args:
        found: The place.
        since: When the trouble began.
        until: When it ended; ``None`` while it lasts.
    """
    visit = context.current()
    if since is None:
        return {**visit.params(), **found.params}
    now = datetime.now(UTC)
    end = min(until + AFTER, now) if until is not None else now
    return {**visit.params(visit.window.between(since - BEFORE, end)), **found.params}


def around(moment: datetime) -> dict[str, str]:
    """The address of a page with the window around an event."""
    visit = context.current()
    window = visit.window.between(moment - BEFORE, min(moment + AFTER, datetime.now(UTC)))
    return visit.params(window)
