"""What is usual for log patterns: what the records tell about the time before a window, and all lines beside each."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from collectors.registry import Sources
from collectors.span import Span
from records.database import Database
from records.errors import RecordsError
from records.pattern_mutes import Mute, list_mutes
from records.patterns import BUCKET, KnownPattern, Memory, bucket_of, read_counts, read_memory
from views.logs.rules.pattern_changes import Usual, growth_of, usual
from views.logs.sampler import SETTLE

Floats = npt.NDArray[np.float64]

BASELINE = timedelta(days=7)
"""How far before the window it is looked for what is usual."""

COUNTS_TTL = 300.0
"""Seconds for which the counts before a window are kept."""


@dataclass(frozen=True)
class Remembered:
    """What the records tell about the time before a window; all of it may be missing.

    Attributes:
        memory: All that is kept of the patterns; ``None`` where nothing is.
        known: Its patterns by their identity.
        counts: Identity of a pattern → start of a bucket → lines in it; buckets without lines are left out.
        buckets: The whole buckets before the window for which there are counts.
        mutes: The mutes that hold now.
        remarks: What is missing and why, each a sentence.
    """

    memory: Memory | None
    known: Mapping[str, KnownPattern]
    counts: Mapping[str, Mapping[datetime, int]]
    buckets: tuple[datetime, ...]
    mutes: tuple[Mute, ...]
    remarks: tuple[str, ...]

    @classmethod
    def read(cls, database: Database | None, sources: Sources, span: Span) -> Remembered:
        """Ask the records, which may be out of reach (``None``) or fail; never raises."""
        unknown = "When a pattern was first seen and what is usual is not known:"
        if database is None:
            return cls(None, {}, {}, (), (), (f"{unknown} the records cannot be reached.",))
        try:
            mutes = tuple(list_mutes(database, sources.environment))
            memory = read_memory(database, sources.environment)
            if memory is None:
                return cls(None, {}, {}, (), mutes, (f"{unknown} no worker has looked at the log yet.",))
            start = max(memory.since, span.start - BASELINE)
            counts = _counts(database, sources, bucket_of(start), bucket_of(span.start))
        except RecordsError as error:
            return cls(None, {}, {}, (), (), (f"{unknown} {error}",))
        remarks = []
        if memory.until < datetime.now(UTC) - 10 * SETTLE - BUCKET:
            remarks.append("The worker is behind: what is new since its last turn may be told as not known.")
        return cls(
            memory, {one.id: one for one in memory.patterns}, counts, _buckets(start, span), mutes, tuple(remarks)
        )


def _counts(
    database: Database, sources: Sources, start: datetime, end: datetime
) -> Mapping[str, Mapping[datetime, int]]:
    """Lines of each pattern in the buckets before a window; they change once a bucket, so they are kept for a while."""

    def load() -> dict[str, dict[datetime, int]]:
        counts: dict[str, dict[datetime, int]] = defaultdict(dict)
        for pattern_id, bucket, lines in read_counts(database, sources.environment, start, end):
            counts[pattern_id][bucket] = lines
        return counts

    return sources.cache.get((sources.environment, "pattern counts"), (start, end), load, ttl=COUNTS_TTL).value


def _buckets(start: datetime, span: Span) -> tuple[datetime, ...]:
    """The whole buckets from ``start`` up to where the window begins."""
    first, found = bucket_of(start), list[datetime]()
    if first < start:
        first += BUCKET
    while first + BUCKET <= span.start:
        found.append(first)
        first += BUCKET
    return tuple(found)


@dataclass(frozen=True)
class Volume:
    """All lines, which those of one pattern are set against.

    Attributes:
        parts: Lines in each stretch of the window, the newest first.
        share: Length of a stretch by that of a bucket.
        before: Lines in each bucket before the window.
    """

    parts: Floats
    share: float
    before: Floats

    @classmethod
    def of(cls, parts: Iterable[Floats], span: Span, remembered: Remembered) -> Volume:
        """The sum of the lines of all patterns, each in stretches as :func:`stretches` gives them."""
        before = [
            float(sum(counts.get(bucket, 0) for counts in remembered.counts.values())) for bucket in remembered.buckets
        ]
        total = sum(parts, start=stretches(np.array([]), span))
        return cls(total, _seconds(span) / BUCKET.total_seconds(), np.array(before))


def standing_of(pattern_id: str, parts: Floats, remembered: Remembered, volume: Volume) -> Usual | None:
    """How the pattern's busiest stretch stands to the buckets before the window."""
    counts = remembered.counts.get(pattern_id, {})
    earlier = np.array([float(counts.get(bucket, 0)) for bucket in remembered.buckets])
    place = int(parts.argmax())
    growth = growth_of(volume.parts[place] - parts[place], volume.before - earlier, volume.share)
    return usual(float(parts[place]), earlier, volume.share, growth)


def stretches(times: Floats, span: Span) -> Floats:
    """Lines in each stretch of the window that is as long as a bucket, or in the whole window where it is shorter.

    Args:
        times: Epoch seconds of the lines.
        span: The window.

    Returns:
        Counts, float64; the newest stretch first, which is whole: the rest of the window is at its beginning.
    """
    count = math.ceil(span.seconds / _seconds(span))
    places = np.floor((span.end.timestamp() - times) / _seconds(span)).clip(0, count - 1).astype(int)
    return np.bincount(places, minlength=count).astype(float)


def _seconds(span: Span) -> float:
    return min(span.seconds, BUCKET.total_seconds())
