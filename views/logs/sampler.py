"""What the worker learns from the log: the patterns of new lines, when each was first seen, and how many there were.

The lines since the last turn are taken an hour at a time, a busy hour in parts. Where a part has more than ``LINES``
lines, as many spread over it stand for all, and counts are scaled to the true number; then a pattern of very few lines
may be missed.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from collectors import log_fields
from collectors.errors import SourceError
from collectors.logs import Line, LogSource, Question
from collectors.registry import Sources
from collectors.signals import catalogue
from collectors.span import Span
from records.database import Database
from records.leases import Lease
from records.patterns import KnownPattern, Learned, Memory, bucket_of, read_memory, save_learned
from views.logs.masks import Visibility, masked
from views.logs.rules.patterns import Miner, Pattern, text_of

LINES = 5000
"""Most lines that are looked at of one stretch."""

STRETCH = timedelta(hours=1)
"""Longest stretch that is learned from at once."""

SHORTEST = timedelta(minutes=15)
"""Length below which a busy stretch is not divided further, so that catching up ends."""

SETTLE = timedelta(seconds=30)
"""How old a line must be: shippers and the store's refresh deliver late, and not in order."""

FIRST = timedelta(days=1)
"""How far back the first turn looks, so that not everything looks new on the first day."""

LONGEST_GAP = timedelta(days=2)
"""After a longer pause the memory begins anew with the last day: to catch up on weeks would take an hour."""

# A shorter value would be found in half of all texts.
_SHORTEST_IDENTIFIER = 3


@dataclass(frozen=True)
class Sampled:
    """Lines that stand for all lines of a stretch.

    Attributes:
        lines: The lines that were looked at.
        total: How many there are.
        sampled: Whether there are more than were looked at.
        partial: What is missing and why, as a sentence; empty where the answer is whole.
        query: What the source was asked, in its own language.
    """

    lines: tuple[Line, ...]
    total: int
    sampled: bool
    partial: str = ""
    query: str = ""

    @property
    def weight(self) -> float:
        """For how many lines each that was looked at stands."""
        return self.total / len(self.lines) if self.lines else 1.0


def sample(logs: LogSource, question: Question, size: int = LINES) -> Sampled:
    """At most ``size`` lines spread over a question, and how many there are.

    Raises:
        SourceError: The source did not answer; an older answer would count other lines.
    """
    counted = logs.count(question)
    if counted.error is not None:
        raise counted.error
    page = logs.sample(question, size=size)
    total = max(len(page.lines), counted.value)
    return Sampled(page.lines, total, total > len(page.lines), page.partial, page.query)


def told_by(line: Line) -> str:
    """What of a line makes its pattern, with the values of identifier fields replaced by the fields' names.

    ``user ada signed in`` of a line whose field ``user_id`` is ``ada`` is ``user <user_id> signed in``: a pattern tells
    of no person, and one person is no pattern.
    """
    text = text_of(line.message, str(line.fields.get("error", "")))
    for name in _identifiers():
        value = str(line.fields.get(name, ""))
        if len(value) >= _SHORTEST_IDENTIFIER and value in text:
            text = re.sub(rf"(?<!\w){re.escape(value)}(?![\w@])", f"<{name}>", text)
    return text


@cache
def _identifiers() -> tuple[str, ...]:
    return tuple(one.name for one in log_fields.catalogue().values() if one.identifier)


def mine(miner: Miner, lines: Iterable[Line]) -> dict[str, list[Line]]:
    """Learn from lines; the lines of each pattern by its identity, in their order."""
    found: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        found[miner.add(line.level, str(line.fields.get("component", "")), told_by(line))].append(line)
    return found


def known_to_miner(memory: Memory | None) -> list[Pattern]:
    """The patterns that are kept, as a miner begins with them."""
    kept = memory.patterns if memory is not None else ()
    return [Pattern(one.id, one.level, one.component, tuple(one.template.split())) for one in kept]


def learn(sources: Sources, database: Database, lease: Lease, now: datetime, go_on: Callable[[], bool]) -> int:
    """Learn from all lines since the last turn.

    Args:
        sources: The environment's sources.
        database: The records.
        lease: The right to write what was learned.
        now: The time.
        go_on: Asked before each stretch; ends the turn early where it says no. What was learned until then is kept.

    Returns:
        How many lines were looked at.

    Raises:
        SourceError: The logs did not answer; the next turn begins where this one ended.
        LeaseLostError: Another worker has taken over.
        RecordsError: The records could not be used.
    """
    looked, first = 0, True
    while go_on():
        memory = read_memory(database, sources.environment)
        # Where nothing was learned yet, earlier lines may have arrived since: a history that was loaded.
        anew = memory is None or (first and not memory.patterns)
        start = memory.until if memory is not None and not anew else _beginning(sources.logs, now)
        first = False
        if start > now:  # written by a console whose clock was ahead
            start = now - 2 * SETTLE
        if start < now - LONGEST_GAP:
            start = _beginning(sources.logs, now)
        end = _whole(min(start + STRETCH, now - SETTLE))
        if end <= start:
            break
        end = _whole(_divided(sources.logs, start, end))
        stretch = sample(sources.logs, _question(start, end))
        miner = Miner(known_to_miner(memory))
        running = load_running(sources, start, end)
        learned = _learned(miner, mine(miner, stretch.lines), stretch.weight, running)
        save_learned(database, lease, sources.environment, start=start, end=end, learned=learned)
        looked += len(stretch.lines)
    return looked


def _beginning(logs: LogSource, now: datetime) -> datetime:
    """Where learning begins without a past: at the oldest line of the last day, or now where there is none.

    What is kept as "known since" must have been looked at: a store that is an hour old knows nothing of yesterday, and
    everything in it would be told as new.
    """
    page = logs.page(_question(now - FIRST, now - SETTLE), size=1, order="oldest")
    oldest = page.lines[0].time if page.lines else None
    latest = now - 2 * SETTLE
    return _whole(min(max(oldest, now - FIRST), latest) if oldest is not None else latest)


def _whole(moment: datetime) -> datetime:
    """The beginning of its millisecond: stores compare by these; on a finer boundary a line is in both stretches."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _question(start: datetime, end: datetime) -> Question:
    # Both ends of a question belong to it; the line that is exactly at the end belongs to the next one.
    return Question(start, end - timedelta(microseconds=1))


def _divided(logs: LogSource, start: datetime, end: datetime) -> datetime:
    """An earlier end for a stretch of too many lines, where it is long enough to be divided."""
    total = logs.count(_question(start, end)).value
    if total <= LINES or end - start <= SHORTEST:
        return end
    return start + max((end - start) * (LINES / total), SHORTEST)


def _learned(
    miner: Miner, found: Mapping[str, list[Line]], weight: float, running: Callable[[datetime], str]
) -> list[Learned]:
    learned = []
    for pattern_id, lines in found.items():
        pattern = miner.get(pattern_id)
        times = sorted(line.time for line in lines if line.time is not None)
        if pattern is None or not times:  # forgotten already, among more patterns than a miner holds
            continue
        example = masked(lines[0], Visibility(identifiers=False)).message
        known = KnownPattern(
            pattern.id,
            pattern.level,
            pattern.component,
            pattern.template,
            example,
            running(times[0]),
            times[0],
            times[-1],
        )
        buckets = Counter(bucket_of(time) for time in times)
        learned.append(Learned(known, {bucket: round(count * weight) for bucket, count in buckets.items()}))
    return learned


def load_running(sources: Sources, start: datetime, end: datetime) -> Callable[[datetime], str]:
    """Which version ran at a moment between two; never raises.

    Returns:
        A function of a moment that gives the version, several during a roll-out (``1.8.1, 1.8.2``), or an empty text
        where that is not known.
    """
    before = start - timedelta(minutes=5)  # the sample that holds at the start may be a little older
    try:
        answer = sources.prometheus.range(catalogue()["build"], Span.of(before, end, 121), by=("version",)).value
    except SourceError:
        return lambda _: ""
    frame = answer.frame
    names = [label.get("version", "") for label in answer.labels]
    if frame.empty or not names:
        return lambda _: ""
    known = frame.notna().to_numpy()
    times = [moment.to_pydatetime() for moment in frame.index]

    def running(moment: datetime) -> str:
        rows = [row for row, time in enumerate(times) if time <= moment.astimezone(UTC) and known[row].any()]
        if not rows:
            return ""
        return ", ".join(sorted({name for name, there in zip(names, known[rows[-1]], strict=True) if there and name}))

    return running
