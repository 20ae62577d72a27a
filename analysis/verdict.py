"""The verdict of Overview: is it healthy, and if not, where and since when, in words.

Pure: it gets what was measured and returns findings, the cause first. Formatting of numbers and times
comes in as functions, so that the words of a page and of a terminal are the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
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


class Cause(IntEnum):
    """What kind of thing a finding is, the nearest to the cause first."""

    SILENT = 0
    """What the service stands on, or the service itself, does not answer."""
    LOCK = 1
    """Sessions of the database wait for each other."""
    EXHAUSTED = 2
    """Something has run out or was lost: connections, memory, the keys of the cache."""
    DEPLOY = 3
    """A figure went bad right after a deploy."""
    BLIND = 4
    """A source that only tells about the service does not answer."""
    SYMPTOM = 5
    """A figure is bad."""
    OUTLOOK = 6
    """Something will run out."""
    ALERT = 7
    """Somebody was told."""
    REMARK = 8
    """A source answers and does not tell all."""


@dataclass(frozen=True)
class Finding:
    """One thing worth saying.

    Attributes:
        status: How bad it is.
        text: A sentence without a full stop.
        subject: Signal key, ``replicas``, ``alerts``, ``database``, ``database-<part>``, ``cache``, ``logs`` or
            ``sources``: what a click should open.
        since: When it began, where that is known.
        key: Which trouble it is: the same as long as it lasts, whatever its words are; ``subject`` by default.
        cause: What kind of thing it is.
        until: When it was over; ``None`` where it lasts.
        weight: How bad it is within its status, to compare the same trouble at two moments.
    """

    status: Status
    text: str
    subject: str
    since: datetime | None = None
    key: str = ""
    cause: Cause = Cause.SYMPTOM
    until: datetime | None = None
    weight: float = 0.0

    @property
    def identity(self) -> str:
        """Its key, or its subject where it has none."""
        return self.key or self.subject


@dataclass(frozen=True)
class Reading:
    """What a signal says now, or said at its worst in a window of the past.

    Attributes:
        key: The signal.
        title: Its title.
        unit: Unit of the values.
        now: The value that is judged, over the last minutes; ``None`` where there is none.
        usual: What is usual at this time of day; ``None`` where that is not known.
        status: By the signal's threshold.
        limit: The threshold that was crossed; ``None`` where none was.
        since: When it was crossed.
        compare: Which distance from what is usual is worth a word: ``high``, ``both`` ways or ``none``.
        unusual: Whether it is far from its usual, and was for long enough to be worth a word.
        at_least: Whether the value is only the lower bound of what it really is.
        until: When it was over; ``None`` where it lasts.
        past: Whether it is about a window of the past.
        cause: What kind of thing its trouble is, where no deploy came right before it.
        of_deploy: Whether a deploy can be the cause of its trouble.
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
    unusual: bool = False
    at_least: bool = False
    until: datetime | None = None
    past: bool = False
    cause: Cause = Cause.SYMPTOM
    of_deploy: bool = True

    @property
    def times_usual(self) -> float | None:
        """How many times its usual it is; ``None`` where that says nothing."""
        if self.compare == "none" or self.now is None or not self.usual or self.usual <= 0:
            return None
        return self.now / self.usual

    @property
    def troubled(self) -> bool:
        """Whether there is anything to say about it: the one rule for its tile and for the verdict."""
        return self.now is not None and (self.status in ("risk", "broken") or self.unusual)

    @property
    def judged(self) -> Status:
        """Its status with what is usual taken into account."""
        return "risk" if self.unusual and self.status == "ok" else self.status


Words = Callable[[float | None, str], str]
Clock = Callable[[datetime], str]


def of_reading(reading: Reading, events: Sequence[Event], value: Words, clock: Clock) -> Finding | None:
    """What there is to say about a signal; ``None`` where nothing."""
    if reading.now is None or not reading.troubled:
        return None
    times = reading.times_usual
    plural = reading.title.endswith("s")
    verb = ("were" if plural else "was") if reading.past else ("are" if plural else "is")
    least = "at least " if reading.at_least else ""
    parts = [f"{reading.title} {verb} {least}{value(reading.now, reading.unit)}"]
    if times is not None and (times >= FAR or (reading.unusual and times <= 1 / FAR)):
        parts.append(f"{in_words(times)} usual" if times >= 1 else f"usually {value(reading.usual, reading.unit)}")
    if reading.limit is not None:
        parts.append(f"limit {value(reading.limit, reading.unit)}")
    parts.append(when(reading.since, reading.until, clock))
    text = ", ".join(part for part in parts if part)
    cause = before(reading.since, events) if reading.of_deploy else None
    if cause is not None and reading.since is not None:
        minutes = round((reading.since - cause.time).total_seconds() / 60)
        text += f", {'right' if minutes <= 2 else f'{minutes} min'} after {cause.title}"
    kind = Cause.DEPLOY if cause is not None and not cause.title.startswith(ROLL_BACK) else reading.cause
    return Finding(
        reading.judged, text, reading.key, reading.since, f"signal:{reading.key}", min(kind, reading.cause),
        reading.until, _weight(reading),
    )  # fmt: skip


def _weight(reading: Reading) -> float:
    """How many times beyond its limit or its usual a value is."""
    against = reading.limit if reading.limit is not None else reading.usual
    if not against or reading.now is None or reading.now <= 0:
        return 0.0
    times = reading.now / against
    return max(times, 1 / times)


def when(since: datetime | None, until: datetime | None, clock: Clock) -> str:
    """``since 10:05:10``, ``from 10:05:10 to 10:12:30``, ``at 10:05:10`` where these are one, or ``until 10:12:30``.

    Empty where neither is known.
    """
    if until is None:
        return f"since {clock(since)}" if since is not None else ""
    if since is not None and clock(since) == clock(until):
        return f"at {clock(since)}"
    return f"from {clock(since)} to {clock(until)}" if since is not None else f"until {clock(until)}"


MOST_FOREIGN = 160
"""Characters of a foreign text within a sentence: what stands behind it must stay readable."""


def in_a_line(text: str, most: int = MOST_FOREIGN) -> str:
    r"""A foreign text such as SQL for the middle of a sentence: on one line, and cut at its end.

    >>> in_a_line("SELECT 1,\n       2", 11)
    'SELECT 1, …'
    """
    plain = " ".join(text.split())
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


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


_ORDER: dict[tuple[Cause, bool], int] = {
    (cause, bad): place
    for place, (cause, bad) in enumerate(
        [
            (Cause.SILENT, False), (Cause.SILENT, True),
            (Cause.LOCK, True), (Cause.LOCK, False),
            (Cause.EXHAUSTED, True), (Cause.DEPLOY, True),
            (Cause.BLIND, True), (Cause.BLIND, False),
            (Cause.SYMPTOM, True), (Cause.DEPLOY, False),
            (Cause.EXHAUSTED, False), (Cause.SYMPTOM, False),
            (Cause.OUTLOOK, True), (Cause.OUTLOOK, False),
            (Cause.ALERT, True), (Cause.ALERT, False),
            (Cause.REMARK, True), (Cause.REMARK, False),
        ]
    )
}  # fmt: skip
"""Kind of finding, and whether it is broken → its place. What only is at risk is no cause of what is broken, but for
locks: a queue behind a lock comes and goes. A database that does not answer comes before replicas that are dead."""


def worst(findings: Sequence[Finding]) -> list[Finding]:
    """Findings with the cause first, then the worst; of equals the one that began first, as it is nearer to the cause.

    What is of equal rank and has no beginning keeps its order.
    """
    return sorted(
        findings,
        key=lambda one: (
            _ORDER[(one.cause, one.status == "broken")],
            -_RANK[one.status],
            one.since.timestamp() if one.since and one.cause is not Cause.SILENT else float("inf"),
        ),
    )


def overall(findings: Sequence[Finding], known: int) -> Status:
    """The status of all together.

    A source that does not answer hides something: nothing is called healthy then. What is known otherwise still
    counts. A source that answers and does not tell all makes the verdict ``unknown`` only where nothing else is known.

    Args:
        findings: What there is to say; those that are over do not count.
        known: How many things have been measured; without any nothing is called healthy.
    """
    told = [finding for finding in findings if finding.until is None]
    ranked = max((_RANK[one.status] for one in told if one.status in ("risk", "broken")), default=0)
    if ranked:
        return "broken" if ranked == _RANK["broken"] else "risk"
    if any(one.status == "unknown" and one.cause in (Cause.SILENT, Cause.BLIND) for one in told):
        return "unknown"
    return "ok" if known else "unknown"
