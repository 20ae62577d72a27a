"""What the worker notes of the cache once a minute, and how it is read again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from collectors.redis.info import COUNTERS, Histogram, Info
from collectors.registry import Sources
from records.cache import CacheSample, read_cache_samples, save_cache_sample
from records.database import Database
from records.leases import Lease
from views.cache.rules.samples import FLUSHES, LOOKS, Sample

GAUGES = (
    "connected_clients", "maxclients", "blocked_clients", "used_memory", "used_memory_rss", "maxmemory",
    "mem_fragmentation_ratio", "uptime_in_seconds", "master_last_io_seconds_ago",
)  # fmt: skip
"""The figures that are kept beside the counters."""

MOST_COMMANDS = 150
"""Commands of which calls and time are kept: those that took most; a service uses some twenty."""

MOST_TIMES = 12
"""Commands of which it is kept how long their calls took: those that were called most."""


class _Kept(msgspec.Struct, frozen=True):
    """The figures of a sample, as they are written; short names, since there are many of them.

    A figure is null where an older console noted one that was not finite.
    """

    f: dict[str, float | None]
    c: dict[str, tuple[int, int]]
    t: dict[str, dict[int, int]]


def sample_of(info: Info, times: Mapping[str, Histogram], moment: datetime, database: int) -> Sample:
    """What was told at a moment, as it is compared with other moments.

    Args:
        info: What INFO told.
        times: How long commands took.
        moment: When.
        database: Number of the database that the service uses.
    """
    stats = info.stats
    told = {name: float(found) for name in (*COUNTERS, *GAUGES) if (found := getattr(stats, name)) is not None}
    figures = {name: found for name, found in told.items() if math.isfinite(found)}
    keyspace = info.databases.get(database)
    if info.counts_keys:
        figures["keys"] = float(keyspace.keys if keyspace is not None else 0)
        figures["expires"] = float(keyspace.expires if keyspace is not None else 0)
    if stats.keyspace_hits is not None:
        looks = sum(info.commands[name].calls for name in LOOKS if name in info.commands)
        figures["hits"] = float(max(stats.keyspace_hits - looks, 0))
    if stats.master_link_status is not None:
        figures["master_link_up"] = float(stats.master_link_status == "up")
    by_time = sorted(info.commands.items(), key=lambda item: -item[1].usec)[:MOST_COMMANDS]
    by_calls = sorted(times, key=lambda name: -max(times[name].values(), default=0))[:MOST_TIMES]
    return Sample(
        moment,
        stats.run_id or "",
        figures,
        {name: (one.calls, one.usec) for name, one in by_time if one.calls},
        {name: times[name] for name in sorted(by_calls)},
    )


def note(sources: Sources, database: Database, lease: Lease, keep: timedelta, now: datetime | None = None) -> None:
    """Take a sample and keep it.

    Raises:
        SourceError: The cache did not answer; that minute is a gap.
        LeaseLostError: Another worker has taken over.
        RecordsError: The records could not be used.
    """
    cache = sources.redis
    now = now or datetime.now(UTC)
    info, times = cache.sample()
    sample = sample_of(info, times, now, cache.settings.database)
    flushes = sum(info.commands[name].calls for name in FLUSHES if name in info.commands)
    written = msgspec.json.encode(_Kept(dict(sample.figures), dict(sample.commands), _plain(sample.times))).decode()
    kept = CacheSample(now, sample.run_id, flushes if info.commands else None, written)
    save_cache_sample(database, lease, sources.environment, kept, keep)


def remembered(database: Database, environment: str, start: datetime, end: datetime) -> list[Sample]:
    """The samples that are kept from ``start`` to ``end``, in order of time.

    Raises:
        RecordsError: The records could not be used.
    """
    return [
        Sample(one.taken_at, one.run_id, _told(found.f), found.c, found.t)
        for one in read_cache_samples(database, environment, start, end)
        if (found := _decoded(one.figures)) is not None
    ]


def _decoded(text: str) -> _Kept | None:
    """A sample as it was written; one of a form that is no longer known is left out."""
    try:
        return msgspec.json.decode(text, type=_Kept)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None


def _told(figures: Mapping[str, float | None]) -> dict[str, float]:
    return {name: found for name, found in figures.items() if found is not None}


def _plain(times: Mapping[str, Mapping[int, int]]) -> dict[str, dict[int, int]]:
    return {name: dict(one) for name, one in times.items()}
