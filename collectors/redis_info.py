"""What INFO, SLOWLOG, CLIENT LIST and LATENCY HISTOGRAM answer, as typed records.

What a server leaves out (an older version, a managed service) is ``None``: unknown is not zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from telemetry.masks import foreign

LONGEST_WORD = 2000
"""Characters that are kept of one argument of a slow command."""


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of INFO that the console uses, under the server's own names and in its units.

    Those of ``COUNTERS`` only grow, until the server is started anew or CONFIG RESETSTAT is sent.
    """

    redis_version: str | None = None
    valkey_version: str | None = None
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
    """

    stats: Stats
    databases: dict[int, Keyspace]
    commands: dict[str, Command]
    replicas: tuple[Replica, ...]

    @property
    def product(self) -> str:
        """``Valkey 8.1.8`` or ``Redis 7.0.15``."""
        if self.stats.valkey_version:
            return f"Valkey {self.stats.valkey_version}"
        return f"Redis {self.stats.redis_version}" if self.stats.redis_version else "a server of unknown version"

    @property
    def major(self) -> int | None:
        """Major version of Redis, or the one that a Valkey answers as."""
        first = (self.stats.redis_version or "").partition(".")[0]
        return int(first) if first.isdigit() else None


class Slow(msgspec.Struct, frozen=True):
    """A command of the slow log.

    Attributes:
        id: Its number.
        time: When it ran, seconds since 1970.
        usec: How long it took, without waiting and without the network.
        words: The command and its arguments, cut; a server keeps no more than 32 of them.
        client: Address of who sent it.
        name: How that connection calls itself.
    """

    id: int
    time: int
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
        age: Seconds since it was made.
        idle: Seconds since its last command.
        command: Its last command.
        flags: The server's letters: ``b`` waits in a blocking command, ``S`` is a replica, ``P`` listens to channels.
        memory: Bytes that it takes; ``None`` where the server does not tell.
    """

    address: str
    name: str
    user: str
    age: int
    idle: int
    command: str
    flags: str
    memory: int | None


Histogram = dict[int, int]
"""Upper bound in microseconds → calls that took at most as long, for the bounds at which the number grows."""


def info(text: bytes) -> Info:
    """Read an answer to INFO; what is unknown in it is left out."""
    lines = [line.strip() for line in text.decode("utf-8", "replace").splitlines()]
    told = dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))
    stats = {name: found for name in Stats.__struct_fields__ if (found := _figure(name, told)) is not None}
    databases = {
        int(name[2:]): Keyspace(_whole(one.get("keys")) or 0, _whole(one.get("expires")) or 0)
        for name, value in told.items()
        if name.startswith("db") and name[2:].isdigit() and (one := _parts(value))
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
        if name.startswith("slave") and name[5:].isdigit() and "state=" in value
    )
    return Info(Stats(**stats), databases, commands, replicas)


def slow(rows: Sequence[Sequence[Any]]) -> tuple[Slow, ...]:
    """Read an answer to SLOWLOG GET."""
    return tuple(
        Slow(
            int(row[0]),
            int(row[1]),
            int(row[2]),
            tuple(_text(word) for word in row[3]),
            _text(row[4]) if len(row) > 4 else "",
            _text(row[5]) if len(row) > 5 else "",
        )
        for row in rows
    )


def clients(text: bytes) -> tuple[Client, ...]:
    """Read an answer to CLIENT LIST."""
    found = []
    for line in text.decode("utf-8", "replace").splitlines():
        one = dict(part.split("=", 1) for part in line.split(" ") if "=" in part)
        found.append(
            Client(
                one.get("addr", ""),
                one.get("name", ""),
                one.get("user", ""),
                _whole(one.get("age")) or 0,
                _whole(one.get("idle")) or 0,
                one.get("cmd", ""),
                one.get("flags", ""),
                _whole(one.get("tot-mem")),
            )
        )
    return tuple(found)


def histograms(rows: Sequence[Any]) -> dict[str, Histogram]:
    """Read an answer to LATENCY HISTOGRAM: command → its histogram."""
    found = {}
    for name, told in zip(rows[::2], rows[1::2], strict=True):
        parts = dict(zip(told[::2], told[1::2], strict=True))
        pairs = parts.get(b"histogram_usec", [])
        found[_text(name).lower()] = {
            int(bound): int(calls) for bound, calls in zip(pairs[::2], pairs[1::2], strict=True)
        }
    return found


def _figure(name: str, told: Mapping[str, str]) -> Any:
    """A figure of INFO as its declared type; ``None`` where it is not told, or not as a figure."""
    text = told.get(name, "")
    kind = _KINDS[name]
    if kind is str:
        return text or None
    try:
        return kind(text)
    except ValueError:
        return None


_KINDS: dict[str, type[Any]] = {
    field.name: next(kind for kind in (int, float, str) if kind in field.type.__args__)
    for field in msgspec.structs.fields(Stats)
}


def _parts(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split(",") if "=" in part)


def _whole(text: str | None) -> int | None:
    try:
        return int(text or "")
    except ValueError:
        return None


def _command(name: str, text: str, told: Mapping[str, str]) -> Command:
    one = _parts(text)
    counts = [_whole(one.get(key)) or 0 for key in ("calls", "usec", "rejected_calls", "failed_calls")]
    percentiles = _parts(told.get(f"latency_percentiles_usec_{name}", ""))
    found: list[float | None] = []
    for key in ("p50", "p99", "p99.9"):
        try:
            found.append(float(percentiles.get(key, "")))
        except ValueError:
            found.append(None)
    return Command(*counts, *found)


def _replica(one: Mapping[str, str], offset: int | None) -> Replica:
    taken = _whole(one.get("offset"))
    behind = max(offset - taken, 0) if offset is not None and taken is not None else None
    return Replica(f"{one.get('ip', '')}:{one.get('port', '')}", one.get("state", ""), _whole(one.get("lag")), behind)


def _text(word: Any) -> str:
    return foreign(word.decode("utf-8", "backslashreplace") if isinstance(word, bytes) else str(word), LONGEST_WORD)
