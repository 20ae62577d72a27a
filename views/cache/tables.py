"""The tables of Cache: commands, slow log, clients, replication and persistence, keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import pandas as pd

from analysis.diagnosis import Diagnosis
from analysis.verdict import Status, Words
from collectors.cache import Answer
from collectors.errors import SourceError
from collectors.redis.info import Info, Slow
from collectors.redis.keys import Look
from collectors.registry import Sources
from collectors.span import Span
from views.cache.history import Memory, load_history
from views.cache.rules import keys as cache_keys
from views.cache.rules import samples as cache_samples
from views.cache.rules.keys import Prefix, Seen, shown
from views.cache.series import OWN_COMMANDS, QUANTILES
from views.shared.ages import oldest

BIGGEST = 20
"""Keys of a look that are listed by size."""

MASK = "…"

# Commands of which the arguments are no keys, by their first word; of all others the first argument is one.
_KEYLESS = frozenset(
    {"acl", "auth", "client", "cluster", "command", "config", "dbsize", "debug", "eval", "evalsha", "fcall", "flushall",
     "flushdb", "function", "hello", "info", "keys", "latency", "memory", "monitor", "multi", "ping", "psubscribe",
     "publish", "scan", "script", "select", "slowlog", "subscribe"}
)  # fmt: skip
_SUBCOMMANDS = frozenset({"acl", "client", "cluster", "command", "config", "debug", "function", "latency", "memory",
                          "object", "script", "slowlog", "xgroup", "xinfo"})  # fmt: skip


def load_commands(sources: Sources, memory: Memory, span: Span) -> Answer[pd.DataFrame]:
    """What each command did within a window, the one that took most of the server's time first.

    Returns:
        Columns: ``command``, ``rate`` (calls a second), ``share`` (of the server's time for commands), ``mean``,
        ``p50``, ``p99``, ``p99.9`` (seconds a call; quantiles are upper bounds, NaN where unknown), ``failed`` (share
        of all calls since the counters began). Empty where nothing is known of the window.

    Raises:
        SourceError: The cache does not answer, and no sample of the window is kept.
    """
    kept = load_history(sources, memory, span)
    history = kept.value
    frame = cache_samples.spent(history.found, span.start, span.end, OWN_COMMANDS)
    inside = [one for one in history.found if one.after.moment >= span.start]
    frame["rate"] = frame["calls"] / frame["covered"]
    frame["mean"] = frame["seconds"] / frame["calls"]
    for name, share in QUANTILES.items():
        times = [cache_samples.quantile(cache_samples.took(inside, (command,)), share) for command in frame["command"]]
        frame[name] = pd.Series(times, dtype=float)
    told = history.info.commands if history.info is not None else {}
    failed = [
        (one.failed + one.rejected) / (one.calls + one.rejected)
        if (one := told.get(command)) is not None and one.calls + one.rejected
        else None
        for command in frame["command"]
    ]
    frame["failed"] = pd.Series(failed, dtype=float)
    return kept.with_value(frame.drop(columns=["calls", "seconds", "covered"]))


@dataclass(frozen=True)
class SlowLog:
    """The slow log.

    Attributes:
        rows: ``time``, ``took`` (seconds), ``command``, ``client``, ``name``; newest first.
        threshold: Seconds from which on a command is written into it; negative where that is off; ``None`` where the
            settings cannot be read.
        remark: Why they cannot.
    """

    rows: pd.DataFrame
    threshold: float | None
    remark: str


def load_slow(sources: Sources, identifiers: bool) -> Answer[SlowLog]:
    """The slow log, with keys and addresses masked for those who may not see them; values are never shown.

    Raises:
        Denied: The console's user may not read it; the hint is the rule that lets it.
        SourceError: It does not answer, and no good answer is kept.
    """
    kept = sources.redis.slow()
    threshold, remark = None, ""
    try:
        config = sources.redis.config().value
        threshold = int(config.get("slowlog-log-slower-than", "")) / 1e6
    except SourceError as error:
        remark = f"redis {error.what}, so it is not known from which time on commands are noted. {error.hint}"
    except ValueError:
        remark = "From which time on commands are noted is not told."
    rows = pd.DataFrame(
        [
            {
                "time": pd.NaT if one.time is None else pd.Timestamp(one.time, unit="s", tz="UTC"),
                "took": one.usec / 1e6,
                "command": masked(one.words, identifiers),
                "client": one.client if identifiers else MASK,
                "name": one.name,
            }
            for one in kept.value
            if _of_the_service(one)
        ],
        columns=["time", "took", "command", "client", "name"],
    )
    return kept.with_value(SlowLog(rows, threshold, remark))


def _of_the_service(one: Slow) -> bool:
    return "|".join(one.words[:2]).lower() not in OWN_COMMANDS and one.words[:1] != ("INFO",)


def masked(words: tuple[str, ...], identifiers: bool) -> str:
    """A slow command with its key, as somebody may see it; the values in it belong to people and are never shown.

    >>> masked(("SET", "memory:semantic:17", "a secret"), False)
    'SET memory:… …'
    >>> masked(("CONFIG", "SET", "requirepass", "x"), True)
    'CONFIG SET …'
    """
    if not words:
        return ""
    name = words[0].lower()
    kept = 2 if name in _SUBCOMMANDS else 1
    told = [*words[:kept]]
    if name not in _KEYLESS and len(words) > kept:
        told.append(shown(words[kept], identifiers))
        kept += 1
    if name == "keys" and len(words) > 1:
        told.append(words[1] if identifiers else MASK)
        kept += 1
    return " ".join([*told, *([MASK] if len(words) > kept else [])])


def load_clients(sources: Sources, identifiers: bool) -> Answer[pd.DataFrame]:
    """Connections by where they come from, how they call themselves and what they did last, the most memory first.

    Returns:
        Columns: ``name``, ``host``, ``user``, ``connections``, ``blocked``, ``memory`` (bytes), ``idle`` (seconds of
        the one that is idle for longest), ``oldest`` (seconds), ``command`` (the last one of most of them).

    Raises:
        Denied: The console's user may not list them; the hint is the rule that lets it.
        SourceError: It does not answer, and no good answer is kept.
    """
    kept = sources.redis.clients()
    columns = ["name", "host", "user", "connections", "blocked", "memory", "idle", "oldest", "command"]
    frame = pd.DataFrame(
        [
            {
                "name": one.name,
                "host": one.address.rpartition(":")[0] if identifiers else MASK,
                "user": one.user,
                "memory": _float(one.memory),
                "blocked": "b" in one.flags,
                "idle": _float(one.idle),
                "oldest": _float(one.age),
                "command": one.command,
            }
            for one in kept.value
        ]
    )
    if frame.empty:
        return kept.with_value(pd.DataFrame(columns=columns))
    grouped = frame.groupby(["name", "host", "user"], sort=False)
    found = grouped.agg(
        connections=("idle", "size"),
        blocked=("blocked", "sum"),
        memory=("memory", lambda sizes: sizes.astype(float).sum(min_count=1)),
        idle=("idle", "max"),
        oldest=("oldest", "max"),
        command=("command", lambda names: names.mode().iloc[0]),
    ).reset_index()
    return kept.with_value(found.sort_values("memory", ascending=False, ignore_index=True)[columns])


def _float(number: int | None) -> float:
    """A number for a column of a frame: NaN where it is not told."""
    return float("nan") if number is None else float(number)


@dataclass(frozen=True)
class Row:
    """One fact about replication or persistence."""

    subject: str
    status: Status
    text: str


def load_safety(sources: Sources, value: Words) -> Answer[list[Row]]:
    """How the cache stands with its replicas and with what it has on disk.

    Args:
        sources: The environment's sources.
        value: Writes a number with its unit.

    Raises:
        SourceError: It does not answer, and no good answer is kept.
    """
    kept = sources.redis.info()
    rows = [*_replication(kept.value, value), *_persistence(kept.value, value)]
    try:
        config = sources.redis.config()
    except SourceError as error:
        rows.append(Row("Settings", "unknown", f"redis {error.what}. {error.hint}"))
        return kept.with_value(rows)
    save, append = config.value.get("save", ""), config.value.get("appendonly", "")
    if not save and append == "no":
        rows.append(Row("After a restart", "ok", "Neither snapshots nor an append-only file: it starts empty."))
    elif save:
        rows.append(Row("Snapshots are taken", "ok", _saves(save, value)))
    return oldest([kept, config], rows)


def _replication(info: Info, value: Words) -> list[Row]:
    stats = info.stats
    if stats.role in ("slave", "replica"):
        up = stats.master_link_status == "up"
        primary = f"{stats.master_host}:{stats.master_port}"
        if up:
            last = stats.master_last_io_seconds_ago
            return [Row("Replication", "ok", f"It follows {primary}, whose last word is {value(last, 's')} old.")]
        down = stats.master_link_down_since_seconds
        since = f" for {value(down, 's')}" if down is not None and down >= 0 else ""
        return [Row("Replication", "broken", f"It is a replica and has lost its primary {primary}{since}.")]
    if not info.replicas:
        return [Row("Replication", "ok", "It has no replica: when it fails, its keys must be read anew.")]
    return [
        Row(
            f"Replica {one.address}",
            "ok" if one.state == "online" and (one.lag or 0) <= 10 else "risk",
            f"{one.state}, {value(one.behind, 'B')} behind, last word {value(one.lag, 's')} ago",
        )
        for one in info.replicas
    ]


def _persistence(info: Info, value: Words) -> list[Row]:
    stats = info.stats
    rows = []
    if stats.rdb_last_save_time is not None:
        age = max(datetime.now(UTC).timestamp() - stats.rdb_last_save_time, 0)
        failed = stats.rdb_last_bgsave_status not in (None, "ok")
        took = stats.rdb_last_bgsave_time_sec
        never = took is not None and took < 0
        text = f"{value(age, 's')} ago" if not never else f"none since it was started {value(age, 's')} ago"
        if stats.rdb_changes_since_last_save is not None:
            text += f", {value(stats.rdb_changes_since_last_save, 'count')} changes since"
        rows.append(
            Row(
                "Last snapshot", "broken" if failed else "ok", f"{'failed; the last good one ' if failed else ''}{text}"
            )
        )
    if stats.aof_enabled:
        bad = stats.aof_last_write_status not in (None, "ok") or stats.aof_last_bgrewrite_status not in (None, "ok")
        text = f"last write {stats.aof_last_write_status}, last rewrite {stats.aof_last_bgrewrite_status}"
        rows.append(Row("Append-only file", "broken" if bad else "ok", text))
    return rows


def _saves(save: str, value: Words) -> str:
    """What ``save 300 100`` means."""
    words = save.split()
    pairs = zip(words[::2], words[1::2], strict=False)
    told = [f"after {value(float(every), 's')} with {changes} changes" for every, changes in pairs if every.isdigit()]
    return " or ".join(told) or save


Why = Literal["", "off", "large"]


@dataclass(frozen=True)
class Keys:
    """What a look at the keys says.

    Attributes:
        why_not: Why there was none: it is switched off, or the instance is too large to be looked at unasked.
        total: Keys in the service's database.
        forever: Those of them without a time to live, as the server itself counts; ``None`` where not known.
        seen: Keys that were looked at.
        whole: Whether these are all.
        prefixes: What they say about all keys by prefix.
        biggest: ``key``, ``kind``, ``size`` (bytes), ``ttl`` (seconds, NaN without an end), ``length`` (bytes of the
            name), the largest first.
        diagnoses: What is wrong.
        remarks: What was not looked at and why.
        most: Most keys of one look, by the settings.
        limit: More keys than this are not looked at unasked, by the settings.
    """

    why_not: Why
    total: int
    forever: int | None
    seen: int
    whole: bool
    prefixes: tuple[Prefix, ...]
    biggest: pd.DataFrame
    diagnoses: tuple[Diagnosis, ...]
    remarks: tuple[str, ...]
    most: int
    limit: int


def load_keys(sources: Sources, identifiers: bool, asked: str = "") -> Answer[Keys]:
    """A look at the keys, by a bounded SCAN; never KEYS.

    Args:
        sources: The environment's sources.
        identifiers: Whether the viewer may see the names of keys.
        asked: Where somebody asked for it: when. An instance with more keys than the settings' limit is not looked at
            otherwise.

    Raises:
        Denied: The console's user may not scan; the hint is the rule that lets it.
        SourceError: It does not answer, and no good answer is kept.
    """
    cache = sources.redis
    kept = cache.info()
    space = kept.value.databases.get(cache.settings.database)
    total = space.keys if space is not None else 0
    forever = total - space.expires if space is not None else 0
    why: Why = "off" if not cache.settings.sample_keys else ""
    if not why and total > cache.settings.sample_limit and not asked:
        why = "large"
    limits = (cache.settings.sample_keys, cache.settings.sample_limit)
    if why:
        nothing = Keys(why, total, forever, 0, False, (), pd.DataFrame(), (), (), *limits)
        return kept.with_value(nothing)
    look = cache.look(asked)
    return look.with_value(_of_look(look.value, identifiers, forever, limits))


def _of_look(look: Look, identifiers: bool, forever: int, limits: tuple[int, int]) -> Keys:
    seen = [Seen(key.name, key.kind, key.ttl, key.size) for key in look.keys]
    # Keys come and go while they are looked at: where the look saw all of them, these are all.
    total = len(seen) if look.whole else max(look.total, len(seen))
    found = cache_keys.prefixes(seen, total)
    largest = sorted(look.keys, key=lambda key: -(key.size or 0))[:BIGGEST]
    biggest = pd.DataFrame(
        [
            {
                "key": shown(key.name, identifiers),
                "kind": key.kind,
                "size": float(key.size) if key.size is not None else None,
                "ttl": key.ttl if key.ttl is not None and key.ttl >= 0 else None,
                "ends": "" if key.ttl is None else "never" if key.ttl < 0 else "yes",
                "length": float(key.length),
            }
            for key in largest
        ],
        columns=["key", "kind", "size", "ttl", "ends", "length"],
    )
    told = tuple(cache_keys.without_end(found))
    return Keys("", total, forever, len(seen), look.whole, tuple(found), biggest, told, look.remarks, *limits)
