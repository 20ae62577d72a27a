"""The verdict of Overview: is it healthy, and if not, where and since when, in words.

Pure: it gets what was measured and returns findings, the worst first. Formatting of numbers and times
comes in as functions, so that the words of a page and of a terminal are the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from analysis.events import ROLL_BACK, Event, EventKind

Status = Literal["ok", "risk", "broken", "unknown"]

FAR = 3.0
"""From how many times its usual (or below one by how many times) a signal without thresholds is worth a word."""

AFTER = timedelta(minutes=15)
"""How long before the trouble a deploy may lie to be named with it."""

BACK = timedelta(minutes=2)
"""The same for a roll-back: it ends a trouble as a rule, so only one right before the next is named with it."""

STEP = timedelta(seconds=15)
"""How much later than its effect a deploy may seem to be: both are read off the same grid of samples."""

_RANK: dict[Status, int] = {"broken": 3, "risk": 2, "unknown": 1, "ok": 0}


@dataclass(frozen=True)
class Finding:
    """One thing worth saying.

    Attributes:
        status: How bad it is.
        text: A sentence without a full stop.
        subject: Signal key, ``replicas``, ``alerts``, ``database``, ``database-<part>`` or ``sources``: what a click
            should open.
        since: When it began, where that is known.
    """

    status: Status
    text: str
    subject: str
    since: datetime | None = None


@dataclass(frozen=True)
class Reading:
    """What a signal says now.

    Attributes:
        key: The signal.
        title: Its title.
        unit: Unit of the values.
        now: The newest value; ``None`` where there is none.
        usual: What is usual at this time of day; ``None`` where that is not known.
        status: By the signal's threshold.
        limit: The threshold that was crossed; ``None`` where none was.
        since: When it was crossed.
        compare: Which distance from what is usual is worth a word: ``high``, ``both`` ways or ``none``.
    """

    key: str
    title: str
    unit: str
    now: float | None
    usual: float | None = None
    status: Status = "ok"
    limit: float | None = None
    since: datetime | None = None
    compare: Literal["high", "both", "none"] = "high"

    @property
    def times_usual(self) -> float | None:
        """How many times its usual it is; ``None`` where that says nothing."""
        if self.compare == "none" or self.now is None or not self.usual or self.usual <= 0:
            return None
        return self.now / self.usual


Words = Callable[[float | None, str], str]
Clock = Callable[[datetime], str]


def of_reading(reading: Reading, events: Sequence[Event], value: Words, clock: Clock) -> Finding | None:
    """What there is to say about a signal; ``None`` where nothing."""
    if reading.now is None:
        return None
    times = reading.times_usual
    far = times is not None and (times >= FAR or (times <= 1 / FAR and reading.compare == "both"))
    if reading.status == "ok" and not far:
        return None
    parts = [f"{reading.title} {'are' if reading.title.endswith('s') else 'is'} {value(reading.now, reading.unit)}"]
    if times is not None and far:
        parts.append(f"{in_words(times)} usual" if times >= 1 else f"usually {value(reading.usual, reading.unit)}")
    if reading.limit is not None:
        parts.append(f"limit {value(reading.limit, reading.unit)}")
    if reading.since is not None:
        parts.append(f"since {clock(reading.since)}")
    text = ", ".join(parts)
    cause = before(reading.since, events)
    if cause is not None and reading.since is not None:
        minutes = round((reading.since - cause.time).total_seconds() / 60)
        text += f", {'right' if minutes <= 2 else f'{minutes} min'} after {cause.title}"
    status: Status = reading.status if reading.status != "ok" else "risk"
    return Finding(status, text, reading.key, reading.since)


def in_words(times: float) -> str:
    """A factor with two digits, and never in powers of ten.

    >>> in_words(3.42), in_words(171.3), in_words(1234.5)
    ('3.4×', '171×', 'over 1000×')
    """
    if times >= 1000:
        return "over 1000×"
    return f"{times:.0f}×" if times >= 10 else f"{times:.2g}×"


def before(moment: datetime | None, events: Sequence[Event]) -> Event | None:
    """The last deploy within ``AFTER`` before a moment, never one that came after it.

    A roll-back is named within ``BACK`` only, and what it has undone is no cause any more.
    """
    if moment is None:
        return None
    near = [
        event for event in events if event.kind is EventKind.DEPLOY and moment - AFTER <= event.time <= moment + STEP
    ]
    last = near[-1] if near else None
    if last is not None and last.title.startswith(ROLL_BACK) and last.time < moment - BACK:
        return None
    return last


def worst(findings: Sequence[Finding]) -> list[Finding]:
    """Findings with the worst first; of equals the one that began first, because it is nearer to the cause."""
    return sorted(
        findings,
        key=lambda one: (-_RANK[one.status], one.since.timestamp() if one.since else float("inf")),
    )


def overall(findings: Sequence[Finding], known: int) -> Status:
    """The status of all together.

    A source that fails hides something, but what is known otherwise still counts: it makes the verdict
    ``unknown`` only where nothing else is known.

    Args:
        findings: What there is to say.
        known: How many things have been measured; without any nothing is called healthy.
    """
    told = [finding.status for finding in worst(findings) if finding.status != "unknown"]
    if told:
        return told[0]
    return "ok" if known else "unknown"
