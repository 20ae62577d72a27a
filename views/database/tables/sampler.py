"""What the worker notes of tables, indexes and sequences, and how it is read again: growth, use, transaction ids.

The records are the only source: what was before the first look is not known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from collectors.postgres.tables import listed
from collectors.registry import Sources
from records.database import Database
from records.errors import RecordsError
from records.leases import Lease
from records.relations import Kind, RelationSample, Sweep, Track, read_sweeps, read_tracks, save_sweep
from views.database.rules import growth, indexes, xids
from views.database.rules.relations import Figures, Index, Table, whole_tables
from views.database.rules.relations import Sequence as NumberSequence

LATEST = 12
"""Looks that are read as they were taken, the newest ones."""

WEEK = 28
"""How many of those of the last week, evenly spread."""

SPREAD = 20
"""And how many of all before: for every relation, a page reads no more than these."""

FRESH = 60.0
"""Seconds that what was read from the records stays fresh."""

GROWTH = timedelta(days=7)
"""Over which time growth is told, where there is as much."""

RATE = timedelta(hours=1)
"""Over which time the use of transaction ids is told, where there is as much; else over a day."""

RATE_LONG = timedelta(days=1)

HALF = 0.5
"""Share of the interval within which another console's look is as good as one of our own."""


@dataclass(frozen=True)
class Remembered:
    """What the records know of the relations of an environment.

    Attributes:
        sweeps: The looks, the newest last.
        tracks: Kind and name → what was seen in some of the looks, the newest last.
        error: Why nothing is known; empty where the records could be read.
    """

    sweeps: tuple[Sweep, ...] = ()
    tracks: Mapping[tuple[str, str], Track] | None = None
    error: str = ""

    def track(self, kind: Kind, name: str) -> Track:
        """What was seen of one relation in some of the looks, the newest last."""
        return (self.tracks or {}).get((kind, name), ())

    def grown(self, kind: Kind, name: str, now: datetime) -> float | None:
        """Bytes that a relation grows in a day over the last week; ``None`` where not known."""
        return growth.per_day(
            [(moment, float(one.bytes)) for moment, one in self.track(kind, name) if moment > now - GROWTH]
        )

    def sizes(self, kind: Kind, name: str) -> list[float]:
        """Its size over time, for a small chart."""
        return [float(one.bytes) for _, one in self.track(kind, name)]

    def used(self, name: str) -> list[float]:
        """How often an index was used a second, from each look that was read to the next."""
        track = self.track("index", name)
        return growth.rates([(moment, float(one.scans)) for moment, one in track if one.scans is not None])

    def dead(self, name: str) -> list[tuple[datetime, float]]:
        """Dead rows of a table over time."""
        return [
            (moment, float(one.dead_rows)) for moment, one in self.track("table", name) if one.dead_rows is not None
        ]

    def database_growth(self, now: datetime) -> float | None:
        """Bytes that the database grows in a day over the last week; ``None`` where not known."""
        return growth.per_day(
            [
                (one.taken_at, float(one.bytes))
                for one in self.sweeps
                if one.bytes is not None and one.taken_at > now - GROWTH
            ]
        )

    def xid_rate(self, figures: Figures) -> float | None:
        """Transaction ids used a second, up to now; ``None`` where no earlier look is known."""
        now = figures.as_of
        for length in (RATE, RATE_LONG):
            counted = [(one.taken_at, one.next_xid) for one in self.sweeps if now - length < one.taken_at < now]
            if counted:
                return xids.rate([*counted, (now, figures.next_xid)])
        return None

    def moving(self, name: str) -> float | None:
        """How much the value of a sequence moves in a second over the last week; ``None`` where not known."""
        seen = [(moment, one.live_rows) for moment, one in self.track("sequence", name) if one.live_rows is not None]
        for place, ((_, value), (_, later)) in reversed(list(enumerate(pairwise(seen), 1))):
            if abs(later) < abs(value):  # it was set back: what is before that is another life
                seen = seen[place:]
                break
        if len(seen) < 2:
            return None
        seconds = (seen[-1][0] - seen[0][0]).total_seconds()
        return (seen[-1][1] - seen[0][1]) / seconds if seconds > 0 else None

    def uses(self, found: Sequence[Index], figures: Figures) -> dict[str, indexes.Use]:
        """What is known about the use of each index."""
        scans, lasts = indexes.scans_of(found), indexes.last_scans_of(found)
        told = {}
        for one in found:
            counted = [
                (moment, float(seen.scans)) for moment, seen in self.track("index", one.name) if seen.scans is not None
            ]
            now = scans[one.name]
            if now is not None:
                counted.append((figures.as_of, float(now)))
            told[one.name] = indexes.Use(now, figures.counted_since, lasts[one.name], growth.still_since(counted))
        return told


def remembered(sources: Sources, database: Database | None, keep: float) -> Remembered:
    """What the records know; never raises, as a page without them still has the database itself.

    Args:
        sources: The environment's sources.
        database: The records; ``None`` where they cannot be reached.
        keep: Seconds that looks are kept.
    """
    if database is None:
        return Remembered(error="The records cannot be reached: growth and use over time are not known.")

    def load() -> Remembered:
        now = datetime.now(UTC)
        try:
            sweeps = read_sweeps(database, sources.environment, now - timedelta(seconds=keep), now + timedelta(hours=1))
            tracks = read_tracks(database, sources.environment, moments([one.taken_at for one in sweeps]))
        except RecordsError as error:
            return Remembered(error=f"{error} Growth and use over time are not known.")
        return Remembered(tuple(sweeps), tracks)

    return sources.cache.get((sources.environment, "records", "relations"), None, load, ttl=FRESH).value


def moments(taken: Sequence[datetime]) -> list[datetime]:
    """The looks of which everything is read: the newest, and of those before them some, evenly spread.

    Args:
        taken: When looks were taken, the newest last.
    """
    if not taken:
        return []
    week = taken[-1] - GROWTH
    older, latest = taken[:-LATEST], taken[-LATEST:]
    found = [
        *_spread([one for one in older if one < week], SPREAD),
        *_spread([one for one in older if one >= week], WEEK),
    ]
    return [*found, *latest]


def _spread(taken: Sequence[datetime], most: int) -> list[datetime]:
    step = max(len(taken) / most, 1.0)
    return [taken[int(number * step)] for number in range(min(most, len(taken)))]


def note(
    sources: Sources, database: Database, lease: Lease, *, interval: float, keep: float, now: datetime | None = None
) -> int:
    """Look at all relations now, and keep what was seen.

    Args:
        sources: The environment's sources.
        database: The records.
        lease: The right to do so.
        interval: Seconds between two looks.
        keep: Seconds that looks are kept.
        now: The time by the records' clock; this machine's by default.

    Returns:
        How many relations were kept; 0 where another console has just looked.

    Raises:
        SourceError: The database did not answer.
        LeaseLostError: Another worker has taken over.
        RecordsError: The records could not be used.
    """
    now = now or datetime.now(UTC)
    if read_sweeps(database, sources.environment, now - timedelta(seconds=interval * HALF), now):
        return 0
    postgres = sources.postgres
    (figures,) = listed(postgres, "database_figures", Figures)
    tables = listed(postgres, "tables", Table)
    found = listed(postgres, "indexes", Index)
    numbers = listed(postgres, "sequences", NumberSequence)
    samples = samples_of(tables, found, numbers)
    totals = [group[0].total if group else 0 for group in (tables, found, numbers)]
    sweep = Sweep(now, figures.bytes, figures.next_xid, figures.xid_age, figures.mxid_age, sum(totals))
    save_sweep(database, lease, sources.environment, sweep, samples, keep=timedelta(seconds=keep))
    return len(samples)


def samples_of(
    tables: Sequence[Table], found: Sequence[Index], numbers: Sequence[NumberSequence]
) -> list[RelationSample]:
    """What is kept of each relation: the biggest tables and indexes first, sequences near their end among them."""
    scans, sizes = indexes.scans_of(found), indexes.bytes_of(found)
    whole = whole_tables(tables)
    samples = [
        RelationSample(
            "table", one.name, one.parent, one.bytes, one.live_rows, one.dead_rows, one.seq_scans, one.writes
        )
        for one in whole
    ]
    samples += [RelationSample("index", one.name, one.table, sizes[one.name], scans=scans[one.name]) for one in found]
    samples.sort(key=lambda one: -one.bytes)
    return [
        *(RelationSample("sequence", one.name, one.table, 0, one.last_value) for one in numbers[:30]),
        *samples,
    ]
