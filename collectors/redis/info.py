"""What INFO, SLOWLOG, CLIENT LIST and LATENCY HISTOGRAM answer, as typed records.

What a server leaves out (an older version, a managed service) is ``None``: unknown is not zero.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from telemetry.masks import foreign

LONGEST_WORD = 2000
"""Characters that are kept of one argument of a slow command."""

LARGEST = 2**63 - 1
"""The largest whole number that is taken for one; servers write larger ones where a figure fell below zero."""

LONGEST_SECONDS = 9_000_000_000
"""Seconds, as an age or since 1970, up to which a time can be told (the year 2255)."""

_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,19}(?:\.[0-9]{0,19})?(?:[eE][+-]?[0-9]{1,4})?")
_TIMES = ("_seconds", "_seconds_ago", "_sec", "_time")


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of INFO that the console uses, under the server's own names and in its units.

    Those of ``COUNTERS`` only grow, until the server is started anew or CONFIG RESETSTAT is sent.
    """

    redis_version: str | None = None
    valkey_version: str | None = None
    dragonfly_version: str | None = None
    redis_mode: str | None = None
    server_mode: str | None = None
    run_id: str | None = None
    uptime_in_seconds: int | None = None
    connected_clients: int | None = None
    maxclients: int | None = None
    blocked_clients: int | None = None
    used_memory: int | None = None
    used_memory_rss: int | None = None
    used_memory_peak: int | None = None
    used_memory_dataset: int | None = None
    used_memory_startup: int | None = None
    total_system_memory: int | None = None
    maxmemory: int | None = None
    maxmemory_policy: str | None = None
    mem_fragmentation_ratio: float | None = None
    mem_fragmentation_bytes: int | None = None
    mem_clients_normal: int | None = None
    loading: int | None = None
    loading_eta_seconds: int | None = None
    rdb_changes_since_last_save: int | None = None
    rdb_bgsave_in_progress: int | None = None
    rdb_last_save_time: int | None = None
    rdb_last_bgsave_status: str | None = None
    rdb_last_bgsave_time_sec: int | None = None
    aof_enabled: int | None = None
    aof_last_write_status: str | None = None
    aof_last_bgrewrite_status: str | None = None
    total_connections_received: int | None = None
    total_commands_processed: int | None = None
    total_net_input_bytes: int | None = None
    total_net_output_bytes: int | None = None
    rejected_connections: int | None = None
    expired_keys: int | None = None
    evicted_keys: int | None = None
    evicted_clients: int | None = None
    keyspace_hits: int | None = None
    keyspace_misses: int | None = None
    total_error_replies: int | None = None
    used_cpu_sys: float | None = None
    used_cpu_user: float | None = None
    role: str | None = None
    connected_slaves: int | None = None
    master_host: str | None = None
    master_port: int | None = None
    master_link_status: str | None = None
    master_last_io_seconds_ago: int | None = None
    master_link_down_since_seconds: int | None = None
    master_sync_in_progress: int | None = None
    master_repl_offset: int | None = None
    slave_repl_offset: int | None = None
    cluster_enabled: int | None = None


COUNTERS: tuple[str, ...] = (
    "total_connections_received", "total_commands_processed", "total_net_input_bytes", "total_net_output_bytes",
    "rejected_connections", "expired_keys", "evicted_keys", "evicted_clients", "keyspace_hits", "keyspace_misses",
    "total_error_replies", "used_cpu_sys", "used_cpu_user",
)  # fmt: skip
"""The figures of :class:`Stats` that count since the server was started."""


class Keyspace(msgspec.Struct, frozen=True):
    """One database of a server.

    Attributes:
        keys: How many it holds.
        expires: Those of them that have a time to live.
    """

    keys: int
    expires: int


class Command(msgspec.Struct, frozen=True):
    """What a server did of one command since it was started, or since its counters were reset.

    Attributes:
        calls: How often it ran.
        usec: Microseconds of the server's own time that took.
        rejected: How often it was refused before it ran.
        failed: How often it ran and failed.
        p50: Median time of one call in microseconds since the start; ``None`` where it is not kept.
        p99: The same for 99 of 100.
        p999: The same for 999 of 1,000.
    """

    calls: int
    usec: int
    rejected: int = 0
    failed: int = 0
    p50: float | None = None
    p99: float | None = None
    p999: float | None = None


class Replica(msgspec.Struct, frozen=True):
    """A replica as its primary sees it.

    Attributes:
        address: Host and port.
        state: ``online`` where it follows.
        lag: Seconds since its last word; ``None`` where the server does not tell.
        behind: Bytes that it has not taken yet; ``None`` where the server does not tell.
    """

    address: str
    state: str
    lag: int | None
    behind: int | None


class Info(msgspec.Struct, frozen=True):
    """What INFO told.

    Attributes:
        stats: The figures.
        databases: Number of a database → what is in it.
        commands: Name of a command, with ``|`` before its subcommand → what was done of it.
        replicas: The replicas of this server.
        primaries: Of a Sentinel: name and address of each server that it watches.
        counts_keys: Whether it tells of its databases at all; an empty one is not listed then.
    """

    stats: Stats
    databases: dict[int, Keyspace]
    commands: dict[str, Command]
    replicas: tuple[Replica, ...]
    primaries: tuple[tuple[str, str], ...] = ()
    counts_keys: bool = True

    @property
    def mode(self) -> str:
        """``standalone``, ``cluster`` or ``sentinel``; empty where it is not told."""
        return self.stats.server_mode or self.stats.redis_mode or ""

    @property
    def product(self) -> str:
        """``Valkey 8.1.8`` or ``Redis 7.0.15``."""
        if self.stats.dragonfly_version:
            return f"Dragonfly {self.stats.dragonfly_version.removeprefix('df-')}"
        if self.stats.valkey_version:
            return f"Valkey {self.stats.valkey_version}"
        return f"Redis {self.stats.redis_version}" if self.stats.redis_version else "a server of unknown version"

    @property
    def major(self) -> int | None:
        """Major version of Redis, or the one that a Valkey answers as."""
        first = (self.stats.redis_version or "").partition(".")[0]
        return _whole(first)


class Slow(msgspec.Struct, frozen=True):
    """A command of the slow log.

    Attributes:
        id: Its number.
        time: When it ran, seconds since 1970; ``None`` where that is not told.
        usec: How long it took, without waiting and without the network.
        words: The command and its arguments, cut; a server keeps no more than 32 of them.
        client: Address of who sent it.
        name: How that connection calls itself.
    """

    id: int
    time: int | None
    usec: int
    words: tuple[str, ...]
    client: str
    name: str


class Client(msgspec.Struct, frozen=True):
    """A connection of the server.

    Attributes:
        address: Host and port it comes from.
        name: How it calls itself.
        user: As whom it signed in.
        age: Seconds since it was made; ``None`` where the server does not tell.
        idle: Seconds since its last command; ``None`` where the server does not tell.
        command: Its last command.
        flags: The server's letters: ``b`` waits in a blocking command, ``S`` is a replica, ``P`` listens to channels.
        memory: Bytes that it takes; ``None`` where the server does not tell.
    """

    address: str
    name: str
    user: str
    age: int | None
    idle: int | None
    command: str
    flags: str
    memory: int | None


Histogram = dict[int, int]
"""Upper bound in microseconds → calls that took at most as long, for the bounds at which the number grows."""


def info(text: bytes) -> Info:
    """Read an answer to INFO; what is unknown in it is left out."""
    lines = [line.strip() for line in text.decode("utf-8", "replace").split("\n")]
    told = dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))
    stats = {name: found for name in Stats.__struct_fields__ if (found := _figure(name, told)) is not None}
    databases = {
        number: Keyspace(keys, _whole(one.get("expires")) or 0)
        for name, value in told.items()
        if name.startswith("db")
        and (number := _whole(name[2:])) is not None
        and (one := _parts(value))
        and (keys := _whole(one.get("keys"))) is not None
    }
    commands = {
        name.removeprefix("cmdstat_").lower(): _command(name.removeprefix("cmdstat_"), value, told)
        for name, value in told.items()
        if name.startswith("cmdstat_")
    }
    offset = _whole(told.get("master_repl_offset"))
    replicas = tuple(
        _replica(_parts(value), offset)
        for name, value in told.items()
        if name.startswith("slave") and _whole(name[5:]) is not None and "state=" in value
    )
    primaries = tuple(
        (one.get("name", ""), one["address"])
        for name, value in told.items()
        if name.startswith("master") and _whole(name[6:]) is not None and "address" in (one := _parts(value))
    )
    counts_keys = bool(databases) or any(line.lower() == "# keyspace" for line in lines)
    return Info(Stats(**stats), databases, commands, replicas, primaries, counts_keys)


def slow(rows: Sequence[Any]) -> tuple[Slow, ...]:
    """Read an answer to SLOWLOG GET; an entry that cannot be read is left out."""
    return tuple(one for row in rows if (one := _slow(row)) is not None)


def _slow(row: Any) -> Slow | None:
    if not isinstance(row, list | tuple) or len(row) < 4 or not isinstance(row[3], list | tuple):
        return None
    number, moment, usec = (_whole(_text(part)) for part in row[:3])
    if number is None or usec is None or usec < 0:
        return None
    known = moment is not None and 0 <= moment <= LONGEST_SECONDS
    client, name = (_text(row[place]) if len(row) > place and row[place] is not None else "" for place in (4, 5))
    return Slow(number, moment if known else None, usec, tuple(_text(word) for word in row[3]), client, name)


def clients(text: bytes) -> tuple[Client, ...]:
    """Read an answer to CLIENT LIST."""
    found = []
    for line in text.decode("utf-8", "backslashreplace").split("\n"):
        one = dict(part.split("=", 1) for part in line.strip().split(" ") if "=" in part)
        if not one:
            continue
        found.append(
            Client(
                one.get("addr", ""),
                one.get("name", ""),
                one.get("user", ""),
                _whole(one.get("age")),
                _whole(one.get("idle")),
                one.get("cmd", ""),
                one.get("flags", ""),
                _whole(one.get("tot-mem")),
            )
        )
    return tuple(found)


def histograms(rows: Any) -> dict[str, Histogram]:
    """Read an answer to LATENCY HISTOGRAM: command → its histogram; one that cannot be read is left out."""
    found = {}
    for name, told in pairs(rows):
        parts = {_text(key): value for key, value in pairs(told)}
        counts = [(_whole(_text(bound)), _whole(_text(calls))) for bound, calls in pairs(parts.get("histogram_usec"))]
        known = {bound: calls for bound, calls in counts if bound is not None and calls is not None}
        if len(known) == len(counts):
            found[_text(name).lower()] = known
    return found


def pairs(answer: Any) -> Iterable[tuple[Any, Any]]:
    """Names and values: a map in the newer protocol, a flat list in the older one."""
    if isinstance(answer, Mapping):
        return list(answer.items())
    flat = list(answer) if isinstance(answer, list | tuple) else []
    return zip(flat[::2], flat[1::2], strict=False)


def _figure(name: str, told: Mapping[str, str]) -> Any:
    """A figure of INFO as its declared type; ``None`` where it is not told, or not as a figure."""
    text = told.get(name, "")
    kind = _KINDS[name]
    if kind is str:
        return text or None
    found = _whole(text) if kind is int else _number(text)
    return None if found is not None and name.endswith(_TIMES) and abs(found) > LONGEST_SECONDS else found


_KINDS: dict[str, type[Any]] = {
    field.name: next(kind for kind in (int, float, str) if kind in field.type.__args__)
    for field in msgspec.structs.fields(Stats)
}


def _parts(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split(",") if "=" in part)


def _whole(text: str | None) -> int | None:
    """A whole number of at most 64 bits; ``None`` for anything else."""
    if text is None or not _WHOLE.fullmatch(text):
        return None
    found = int(text)
    return found if abs(found) <= LARGEST else None


def _number(text: str | None) -> float | None:
    """A finite number; ``None`` for anything else, as ``-nan`` or ``inf`` of a ratio without a denominator."""
    if text is None or not _DECIMAL.fullmatch(text):
        return None
    found = float(text)
    return found if math.isfinite(found) else None


def _command(name: str, text: str, told: Mapping[str, str]) -> Command:
    one = _parts(text)
    counts = [_whole(one.get(key)) or 0 for key in ("calls", "usec", "rejected_calls", "failed_calls")]
    percentiles = _parts(told.get(f"latency_percentiles_usec_{name}", ""))
    return Command(*counts, *(_number(percentiles.get(key)) for key in ("p50", "p99", "p99.9")))


def _replica(one: Mapping[str, str], offset: int | None) -> Replica:
    taken = _whole(one.get("offset"))
    behind = max(offset - taken, 0) if offset is not None and taken is not None else None
    return Replica(f"{one.get('ip', '')}:{one.get('port', '')}", one.get("state", ""), _whole(one.get("lag")), behind)


def _text(word: Any) -> str:
    return foreign(word.decode("utf-8", "backslashreplace") if isinstance(word, bytes) else str(word), LONGEST_WORD)
