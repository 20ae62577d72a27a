"""What is wrong with a cache, and what a flush of it would cost the database.

The limits are this console's own unless a source is named; they are constants here so that one place has them all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.diagnosis import Diagnosis
from analysis.verdict import Status, Words

NEARLY = 0.9
"""Share of maxmemory from which on memory counts as full: under noeviction writes will soon fail."""

WHOLE_MACHINE = 0.5
"""Share of its machine's memory that a cache without a limit may take before it is told."""

FRAGMENTED, FRAGMENTED_BYTES = 1.5, 100 * 2**20
"""Ratio of memory taken to memory used, as Redis' manual of INFO names it, and by how much it must be more."""

SWAPPED, SWAPPED_BYTES = 0.8, 64 * 2**20
"""A ratio below which a part of the memory is swapped out; small caches measure nothing there."""

MANY_CLIENTS = 0.8
"""Share of maxclients."""

LAG_SECONDS = 10
"""Seconds without a word of a replica; one speaks once a second."""

SLOW_SECONDS = 0.01
"""p99 of commands from which on they are slow: one command stands in the way of all others."""

WORTH_A_WORD = 1.0
"""Look-ups a second from which on a hit ratio says something."""

EVICTING = 0.05
"""Keys a second from which on a cache evicts in earnest."""


@dataclass(frozen=True)
class State:
    """What is known of a cache; ``None`` is what is not.

    Attributes:
        used: Bytes that it uses.
        limit: Its maxmemory in bytes; 0 is none.
        limit_before: The largest maxmemory within the window, where it was another one.
        policy: Its maxmemory-policy.
        resident: Bytes that its process takes of the machine.
        machine: Bytes of its machine.
        fragmentation: Its own ratio of taken to used memory.
        hits: Hits a second within the window.
        misses: Misses a second.
        share_before: Hit ratio before evictions began within the window.
        evicted: Keys evicted a second within the window.
        evicted_now: The same at the end of the window.
        evicting_since: When that began, in words; empty where before the window or not at all.
        rejected: Connections refused within the window.
        clients: Connections now.
        most_clients: Its maxclients.
        keys: Keys in the service's database.
        expires: Those of them with a time to live.
        save_failed: Whether the last snapshot failed.
        append_failed: Whether the last write of the append-only file failed.
        loading: Seconds until its data are loaded, where it is loading; -1 where that is not told.
        link_down: Seconds since a replica lost its primary; ``None`` where it did not.
        primary: Address of that primary.
        replicas_lost: Replicas that do not follow, or have not spoken for long.
        slow: p99 of commands within the window, in seconds.
        keys_calls: How often KEYS was sent within the window.
        past: Whether all this is of a window of the past: at its end, and not now.
    """

    used: int | None = None
    limit: int | None = None
    limit_before: int | None = None
    policy: str | None = None
    resident: int | None = None
    machine: int | None = None
    fragmentation: float | None = None
    hits: float | None = None
    misses: float | None = None
    share_before: float | None = None
    evicted: float | None = None
    evicted_now: float | None = None
    evicting_since: str = ""
    rejected: float | None = None
    clients: int | None = None
    most_clients: int | None = None
    keys: int | None = None
    expires: int | None = None
    save_failed: bool = False
    append_failed: bool = False
    loading: float | None = None
    link_down: int | None = None
    primary: str = ""
    replicas_lost: tuple[str, ...] = ()
    slow: float | None = None
    keys_calls: float | None = None
    past: bool = False

    @property
    def share(self) -> float | None:
        """Hits of all look-ups."""
        if self.hits is None or self.misses is None or self.hits + self.misses <= 0:
            return None
        return self.hits / (self.hits + self.misses)

    @property
    def lookups(self) -> float | None:
        """Look-ups a second."""
        return None if self.hits is None or self.misses is None else self.hits + self.misses


def diagnoses(state: State, risk: float, broken: float, value: Words) -> list[Diagnosis]:
    """What is wrong with a cache.

    Args:
        state: What is known of it.
        risk: Hit ratio below which it is at risk.
        broken: Hit ratio below which it is broken.
        value: Writes a number with its unit.
    """
    return [*_serving(state, value), *_memory(state, value), *_hits(state, risk, broken, value), *_others(state, value)]


def _serving(state: State, value: Words) -> list[Diagnosis]:
    found = []
    if state.loading is not None:
        left = f", for about {value(state.loading, 's')} more" if state.loading >= 0 else ""
        found.append(Diagnosis("cache-loading", "broken", "", f"It is loading its data and serves no key{left}."))
    if state.link_down is not None:
        text = f"It is a replica that lost its primary {state.primary} {value(state.link_down, 's')} ago: it grows old."
        found.append(Diagnosis("cache-replica-link", "broken", state.primary, text, "INFO replication"))
    if state.replicas_lost:
        text = f"{len(state.replicas_lost)} of its replicas do not follow: {', '.join(state.replicas_lost[:3])}."
        found.append(Diagnosis("cache-replica-link", "risk", state.replicas_lost[0], text, "INFO replication"))
    if state.save_failed:
        text = "The last snapshot failed; unless stop-writes-on-bgsave-error is no, every write is refused."
        found.append(Diagnosis("cache-save", "broken", "", text, "BGSAVE"))
    if state.append_failed:
        text = "The last write of the append-only file failed: writes are refused until one succeeds."
        found.append(Diagnosis("cache-save", "broken", "", text, "INFO persistence"))
    return found


def _memory(state: State, value: Words) -> list[Diagnosis]:
    found = []
    used, limit = state.used, state.limit
    policy = state.policy or ""
    if used is not None and limit:
        nothing_to_evict = policy == "noeviction" or (policy.startswith("volatile") and state.expires == 0)
        if nothing_to_evict and used >= NEARLY * limit:
            why = (
                "the policy is noeviction"
                if policy == "noeviction"
                else f"{policy} evicts only keys with a time to live"
            )
            full = used >= limit
            text = (
                f"Memory is {value(used, 'B')} of maxmemory {value(limit, 'B')} and {why}: writes "
                f"{'are refused' if full else 'will be refused when it is full'}."
            )
            mend = "CONFIG SET maxmemory-policy allkeys-lru"
            found.append(Diagnosis("cache-full", "broken" if full else "risk", "maxmemory-policy", text, mend))
    if used is not None and limit == 0 and state.machine and used >= WHOLE_MACHINE * state.machine:
        text = (
            f"There is no maxmemory, and {value(used, 'B')} of the machine's {value(state.machine, 'B')} are used: "
            "the system will end it when the machine is full."
        )
        mend = f"CONFIG SET maxmemory {_size(int(state.machine * 0.75))}"
        found.append(Diagnosis("cache-limit", "risk", "maxmemory", text, mend))
    ratio, resident = state.fragmentation, state.resident
    if ratio is not None and used is not None and resident is not None:
        if ratio >= FRAGMENTED and resident - used >= FRAGMENTED_BYTES:
            text = (
                f"Its process takes {value(resident, 'B')} for {value(used, 'B')} of data ({ratio:.2g}×): fragmented."
            )
            found.append(Diagnosis("cache-fragmentation", "risk", "activedefrag", text, "CONFIG SET activedefrag yes"))
        elif ratio <= SWAPPED and used - resident >= SWAPPED_BYTES:
            text = f"Only {value(resident, 'B')} of its {value(used, 'B')} are in memory: the rest is swapped out."
            found.append(Diagnosis("cache-fragmentation", "risk", "memory", text))
    return found


def _hits(state: State, risk: float, broken: float, value: Words) -> list[Diagnosis]:
    share, lookups = state.share, state.lookups
    told = share is not None and lookups is not None and lookups >= WORTH_A_WORD
    status: Status = "ok"
    if told and share is not None:
        status = "broken" if share < broken else "risk" if share < risk else "ok"
    evicting = state.evicted_now is not None and state.evicted_now >= EVICTING
    if evicting:
        return [_evicting(state, "risk" if status == "ok" else status, value)]
    if status == "ok" or share is None:
        return []
    text = f"It answers only {value(share, 'ratio')} of {value(lookups, 'look-ups/s')}; the others go to the database."
    return [Diagnosis("cache-hits", status, "", text)]


def _evicting(state: State, status: Status, value: Words) -> Diagnosis:
    if state.limit and state.used is not None and state.used < NEARLY * state.limit:
        # The rate is that of the last minute, and since then somebody gave it room.
        until, has, are = ("the end of this window", "then it had", "were") if state.past else (
            "a moment ago", "now it has", "are",
        )  # fmt: skip
        text = (
            f"It evicted {value(state.evicted_now, 'keys/s')} until {until}; {has} room: "
            f"{value(state.used, 'B')} of maxmemory {value(state.limit, 'B')} {are} used."
        )
        return Diagnosis("cache-evicting", status, "maxmemory", text)
    lowered = state.limit_before is not None and state.limit is not None and 0 < state.limit < state.limit_before
    at = f"maxmemory {value(state.limit, 'B')}" if state.limit else "its limit"
    parts = [f"It evicts {value(state.evicted_now, 'keys/s')}"]
    if state.evicting_since:
        parts[0] += f" since {state.evicting_since}"
    cause = f"memory is at {at} ({state.policy or 'policy unknown'})"
    if lowered:
        cause = f"maxmemory was lowered from {value(state.limit_before, 'B')} to {value(state.limit, 'B')}"
    parts[0] += f", because {cause}"
    share = state.share
    if share is not None and state.share_before is not None and share < state.share_before - 0.02:
        parts.append(f"the hit ratio fell from {value(state.share_before, 'ratio')} to {value(share, 'ratio')}")
    wanted = state.limit_before if lowered and state.limit_before else 2 * (state.limit or 0)
    mend = f"CONFIG SET maxmemory {_size(wanted)}" if wanted else ""
    return Diagnosis("cache-evicting", status, "maxmemory", "; ".join(parts) + ".", mend)


def _others(state: State, value: Words) -> list[Diagnosis]:
    found = []
    most, clients = state.most_clients, state.clients
    if state.rejected:
        text = f"{value(state.rejected, 'count')} connections were refused in this window; maxclients is {most or '–'}."
        found.append(Diagnosis("cache-clients", "broken", "maxclients", text, _more_clients(most)))
    elif clients is not None and most and clients >= MANY_CLIENTS * most:
        text = f"{clients} of at most {most} connections are taken; at the limit new ones are refused."
        found.append(Diagnosis("cache-clients", "risk", "maxclients", text, _more_clients(most)))
    if state.slow is not None and state.slow >= SLOW_SECONDS:
        text = f"1 of 100 commands takes about {value(state.slow, 's')} of its single thread; all others wait so long."
        found.append(Diagnosis("cache-slow", "risk", "", text, "SLOWLOG GET 32"))
    if state.keys_calls:
        times = "once" if state.keys_calls == 1 else f"{value(state.keys_calls, 'count')} times"
        text = f"KEYS was sent {times} in this window: it stops everything else."
        found.append(Diagnosis("cache-keys-command", "risk", "KEYS", text, "SCAN 0 MATCH … COUNT 100"))
    return found


def _more_clients(most: int | None) -> str:
    return f"CONFIG SET maxclients {most * 2}" if most else ""


def _size(bytes_: int) -> str:
    """A size in the words of Redis' configuration, in whole mebibytes.

    >>> _size(64 * 2**20), _size(100)
    ('64mb', '1mb')
    """
    return f"{max(math.ceil(bytes_ / 2**20), 1)}mb"


@dataclass(frozen=True)
class FlushCost:
    """What would become of the database if the cache were emptied now.

    The look-ups that it answers now would be reads of the database. Each of them brings its key back, so with look-ups
    spread evenly over ``keys`` keys the hit ratio grows as 1 - exp(-t · look-ups / keys): half of it is back after
    0.69 · keys / look-ups, nine tenths after 2.3 · keys / look-ups. Uneven look-ups bring it back earlier.

    Attributes:
        hits: Hits a second that would become reads.
        lookups: Look-ups a second.
        keys: Keys that would have to come back.
        reads_now: Reads of the database a second; ``None`` where that is not known.
    """

    hits: float
    lookups: float
    keys: int
    reads_now: float | None

    @property
    def half(self) -> float:
        """Seconds until half of the hit ratio is back."""
        return math.log(2) * self.keys / self.lookups

    @property
    def most(self) -> float:
        """Seconds until nine tenths of it are back."""
        return math.log(10) * self.keys / self.lookups

    @property
    def reads_then(self) -> float | None:
        """Reads of the database a second right after the flush."""
        return None if self.reads_now is None else self.reads_now + self.hits

    @property
    def times(self) -> float | None:
        """How many times as many reads as now that is."""
        return None if not self.reads_now else (self.reads_now + self.hits) / self.reads_now


def flush_cost(hits: float | None, misses: float | None, keys: int | None, reads: float | None) -> FlushCost | None:
    """What a flush would cost; ``None`` where nothing is looked up, or that is not known."""
    if hits is None or misses is None or not keys or hits <= 0:
        return None
    return FlushCost(hits, hits + misses, keys, reads)


def lost_replicas(replicas: Sequence[tuple[str, str, int | None]]) -> tuple[str, ...]:
    """Addresses of the replicas that do not follow: each given with its state and the seconds since its last word."""
    return tuple(
        address for address, state, lag in replicas if state != "online" or (lag is not None and lag > LAG_SECONDS)
    )
