"""The log patterns of a window: how many lines of each, since when, and which are new or far more than usual.

Patterns are found in lines spread over the window and counts are scaled to the true number of lines. What the worker
keeps (:mod:`views.logs.sampler`) tells when each was first seen and what is usual; without it the patterns are shown
all the same, and it is said that this is not known yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from analysis.events import Event, EventKind
from collectors.cache import Answer
from collectors.log_levels import counted_level
from collectors.log_query import EVERYTHING, Expression
from collectors.logs import LEVELS, Line, LogSource, Question
from collectors.registry import Sources
from collectors.span import Span
from records.database import Database
from records.pattern_mutes import Mute
from records.patterns import Memory
from views.logs.masks import Visibility, masked, masked_pattern, masked_text
from views.logs.pattern_baseline import Floats, Remembered, Volume, standing_of, stretches
from views.logs.rules.pattern_changes import Usual, is_new, surged
from views.logs.rules.patterns import Miner, Pattern
from views.logs.sampler import LINES, Sampled, known_to_miner, mine, sample, told_by

TREND_POINTS = 40
"""Points of a pattern's trend over the window."""

EXAMPLES = 5
"""Lines of each pattern that are kept as examples, spread over those that were looked at."""

AFTER_DEPLOY = timedelta(minutes=30)
"""How long after a deploy a pattern that appears is told together with it."""


@dataclass(frozen=True)
class Mined:
    """A pattern and its lines within a window, as far as they were looked at.

    Attributes:
        pattern: The pattern.
        times: Epoch seconds of its lines, float64, in order.
        examples: Some of its lines, identifiers unmasked: masked before they are shown.
    """

    pattern: Pattern
    times: Floats
    examples: tuple[Line, ...]


@dataclass(frozen=True)
class Found:
    """A pattern within a window.

    Attributes:
        pattern: The pattern.
        count: Its lines within the window, scaled to all lines.
        share: Of all lines of the window, 0 to 1.
        trend: Lines in each of ``TREND_POINTS`` equal parts of the window.
        examples: Some of its lines, as the viewer may see them.
        first_seen: When it was first seen, ever; ``None`` where that is not known.
        version: What ran then; empty where that is not known.
        after: The deploy shortly before it was first seen, where that was within the window's events.
        new: Whether it appeared within the window; ``None`` where that is not known.
        surge: Whether there is far more of it than usual; ``None`` where that is not known.
        busiest: Most lines within a quarter of an hour of the window, or within the window where it is shorter.
        usual: What is usual within such a time; ``None`` where that is not known.
        mute: The mute that holds for it: it is not told as new or surged.
    """

    pattern: Pattern
    count: int
    share: float
    trend: tuple[float, ...]
    examples: tuple[Line, ...]
    first_seen: datetime | None = None
    version: str = ""
    after: Event | None = None
    new: bool | None = None
    surge: bool | None = None
    busiest: float = 0.0
    usual: Usual | None = None
    mute: Mute | None = None

    @property
    def told(self) -> bool:
        """Whether it is to catch the eye: new or surged, and not muted."""
        return self.mute is None and bool(self.new or self.surge)


@dataclass(frozen=True)
class Patterns:
    """All patterns of a window.

    Attributes:
        found: New ones first, then those that surged, of each the gravest level first; then by their number of lines.
        lines: Lines that were looked at.
        total: Lines within the window.
        known_since: Since when patterns are kept; ``None`` where they are not.
        mutes: The mutes that hold now, also of patterns that the window does not have.
        remarks: What the reader must know, each a sentence.
        query: What the source was asked, in its own language.
    """

    found: tuple[Found, ...]
    lines: int
    total: int
    known_since: datetime | None
    mutes: tuple[Mute, ...]
    remarks: tuple[str, ...]
    query: str = ""

    def of(self, line: Line) -> Found | None:
        """The pattern of a line, given unmasked; ``None`` where the window's patterns do not hold it."""
        miner = Miner(one.pattern for one in self.found)
        key = miner.add(line.level, str(line.fields.get("component", "")), told_by(line))
        return next((one for one in self.found if one.pattern.id == key), None)

    def by_id(self, pattern_id: str) -> Found | None:
        """The pattern of this identity; ``None`` where the window does not have it."""
        return next((one for one in self.found if one.pattern.id == pattern_id), None)


def load_patterns(
    sources: Sources,
    database: Database | None,
    span: Span,
    query: Expression = EVERYTHING,
    *,
    visibility: Visibility,
    events: Sequence[Event] = (),
    size: int = LINES,
) -> Answer[Patterns]:
    """The patterns of the lines within a window that match a query.

    Args:
        sources: The environment's sources.
        database: The records; ``None`` where they cannot be reached.
        span: The window.
        query: Which lines.
        visibility: What the viewer may see of the examples.
        events: What happened within the window, for the deploy that ran when a pattern appeared.
        size: Most lines to look at.

    Raises:
        SourceError: The logs could not be asked, and no good answer is kept.
    """
    remembered = Remembered.read(database, sources, span)

    def load() -> tuple[Sampled, tuple[Mined, ...]]:
        return _mined(sources.logs, Question(span.start, span.end, query), remembered.memory, size)

    view = (sources.environment, "logs", "patterns", span.seconds, span.live or span.start, repr(query), size)
    kept = sources.cache.get(view, (span.start, span.end), load)
    sampled, mined = kept.value
    whole = query == EVERYTHING
    # A part of the lines cannot be set against counts of all lines.
    parts = (stretches(one.times, span) * sampled.weight for one in mined)
    volume = Volume.of(parts, span, remembered) if whole else None
    found = [_found(one, sampled, span, remembered, visibility, events, volume) for one in mined]
    found.sort(key=_urgency)
    remarks = [*_remarks(sampled, whole), *remembered.remarks]
    patterns = Patterns(
        tuple(found),
        len(sampled.lines),
        sampled.total,
        remembered.memory.since if remembered.memory is not None else None,
        tuple(replace(mute, template=masked_text(mute.template, visibility)) for mute in remembered.mutes),
        tuple(remarks),
        sampled.query,
    )
    return kept.with_value(patterns)


def _mined(logs: LogSource, question: Question, memory: Memory | None, size: int) -> tuple[Sampled, tuple[Mined, ...]]:
    sampled = sample(logs, question, size)
    miner = Miner(known_to_miner(memory))
    found = []
    for pattern_id, lines in mine(miner, sampled.lines).items():
        pattern = miner.get(pattern_id)
        if pattern is None:  # forgotten already, among more patterns than a miner holds
            continue
        times = np.sort(np.array([line.time.timestamp() for line in lines if line.time is not None], dtype=float))
        chosen = sorted({round(place) for place in np.linspace(0, len(lines) - 1, EXAMPLES)})
        found.append(Mined(pattern, times, tuple(lines[place] for place in chosen)))
    return sampled, tuple(found)


def _found(
    mined: Mined,
    sampled: Sampled,
    span: Span,
    remembered: Remembered,
    visibility: Visibility,
    events: Sequence[Event],
    volume: Volume | None,
) -> Found:
    known = remembered.known.get(mined.pattern.id)
    memory = remembered.memory
    earliest = datetime.fromtimestamp(mined.times[0], UTC) if len(mined.times) else None
    first, version = None, ""
    if known is not None:
        first, version = min(known.first_seen, earliest or known.first_seen), known.version
    elif memory is not None and earliest is not None and earliest >= memory.until:
        first = earliest  # since the worker's last turn; an earlier one was so rare that its sample missed it
    parts = stretches(mined.times, span) * sampled.weight
    busiest = float(parts.max())
    standing = standing_of(mined.pattern.id, parts, remembered, volume) if volume is not None else None
    new = is_new(first, span.start, memory.since if memory is not None else None)
    count = round(len(mined.times) * sampled.weight)
    return Found(
        masked_pattern(mined.pattern, visibility),
        count,
        count / sampled.total if sampled.total else 0.0,
        tuple((_trend(mined.times, span) * sampled.weight).tolist()),
        tuple(masked(line, visibility) for line in mined.examples),
        first,
        version,
        _deploy_before(first, events),
        new,
        # What is new has no usual, and that it is more than none goes without saying.
        False if new else surged(busiest, standing),
        busiest,
        None if new else standing,
        next((mute for mute in remembered.mutes if mute.pattern_id == mined.pattern.id), None),
    )


def _trend(times: Floats, span: Span) -> Floats:
    edges = np.linspace(span.start.timestamp(), span.end.timestamp(), TREND_POINTS + 1)
    return np.histogram(times, edges)[0].astype(float)


def _urgency(found: Found) -> tuple[bool, bool, int, int]:
    level = counted_level(found.pattern.level)
    gravity = LEVELS.index(level) if found.told and level in LEVELS else len(LEVELS)
    return (not found.told, not (found.told and found.new), gravity, -found.count)


def _deploy_before(first_seen: datetime | None, events: Sequence[Event]) -> Event | None:
    if first_seen is None:
        return None
    deploys = [
        event
        for event in events
        if event.kind is EventKind.DEPLOY and event.time <= first_seen <= event.time + AFTER_DEPLOY
    ]
    return max(deploys, key=lambda event: event.time, default=None)


def _remarks(sampled: Sampled, whole: bool) -> list[str]:
    remarks = []
    if sampled.sampled:
        remarks.append(
            f"{len(sampled.lines):,} of {sampled.total:,} lines were looked at, spread over the window; counts are "
            "scaled to all of them, and a pattern of very few lines may be missing."
        )
    elif sampled.partial:
        remarks.append(sampled.partial)
    if not whole:
        remarks.append("A search or filter is set, so what is usual is not known for the lines that are left.")
    return remarks
