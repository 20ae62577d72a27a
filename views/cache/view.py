"""Cache: does it carry its share, and what does it throw away?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from analysis.diagnosis import Diagnosis
from analysis.usual import last_stay
from analysis.verdict import Clock, Status, Words
from collectors.cache import Answer
from collectors.redis.info import Info
from collectors.registry import Sources
from collectors.signals import catalogue
from collectors.span import Span
from views.cache.history import History, Memory, load_history
from views.cache.rules import diagnoses as conclusions
from views.cache.rules import samples as cache_samples
from views.cache.rules.diagnoses import State, lost_replicas
from views.cache.rules.samples import Emptied, Restarted, Sample
from views.cache.series import OWN_COMMANDS, rated

MINOR = frozenset({"cache-fragmentation", "cache-keys-command", "cache-limit", "cache-slow"})
"""Kinds of diagnoses that are told after the others of their status."""

LAST_CELLS = 3
"""Cells of a chart that are "now": the newest one may be known in part, and evictions come in bursts."""


@dataclass(frozen=True)
class Figure:
    """One figure of the first row.

    Attributes:
        title: What it is.
        value: Over the window, or now; ``None`` where it is not known.
        unit: Its unit.
        trend: Over the window, float64; may be empty.
        status: How bad it is.
        help: What it means.
        beside: What it is set against, in words.
    """

    title: str
    value: float | None
    unit: str
    trend: pd.Series
    status: Status
    help: str
    beside: str = ""


@dataclass(frozen=True)
class Verdict:
    """What is said about the cache in the first row.

    Attributes:
        state: What is known of it.
        diagnoses: What is wrong, the worst first.
        figures: The figures behind it.
        emptied: When it lost most of its keys within the window.
        restarts: When another process answered within the window.
        product: Name and version; empty where it does not answer.
        covered: Whether anything is known of what it did within the window.
        silent: Why it does not answer now, so that all of this was before; empty where it does, and for the past.
        remarks: What the reader must know.
        over: Texts of those of the diagnoses that tell of something that has passed.
        past: Whether it is about a window of the past, from the samples of that time alone.
    """

    state: State
    diagnoses: tuple[Diagnosis, ...]
    figures: tuple[Figure, ...]
    emptied: tuple[Emptied, ...]
    restarts: tuple[Restarted, ...]
    product: str
    covered: bool
    silent: str
    remarks: tuple[str, ...]
    over: frozenset[str] = frozenset()
    past: bool = False


def load_verdict(sources: Sources, memory: Memory, span: Span, value: Words, clock: Clock) -> Answer[Verdict]:
    """What there is to say about the cache within a window.

    Args:
        sources: The environment's sources.
        memory: Where samples are kept.
        span: The window.
        value: Writes a number with its unit.
        clock: Writes a time in the viewer's zone.

    Raises:
        SourceError: It does not answer, and no sample of the window is kept.
    """
    kept = load_history(sources, memory, span)
    history = kept.value
    state = state_of(history, span, clock)
    happened = [one for one in cache_samples.emptied(history.found) if one.moment >= span.start]
    told = _told(happened, value, clock, past=not span.reaches_now)
    threshold = catalogue()["cache_hit_share"].threshold
    risk = threshold.risk if threshold is not None and threshold.risk is not None else 0.0
    broken = threshold.broken if threshold is not None and threshold.broken is not None else 0.0
    found = [*conclusions.diagnoses(state, risk, broken, value), *told]
    found.sort(key=lambda one: one.key in MINOR)
    restarted = tuple(one for one in cache_samples.restarts(history.found) if one.moment >= span.start)
    verdict = Verdict(
        state,
        tuple(found),
        _figures(history, state, span, risk, broken, value),
        tuple(happened),
        restarted,
        history.info.product if history.info is not None else "",
        history.covered,
        history.error.what if history.error is not None else "",
        history.remarks,
        frozenset(one.text for one, emptied in zip(told, happened, strict=True) if emptied.refilled is not None),
        not span.reaches_now,
    )
    return kept.with_value(verdict)


def state_of(history: History, span: Span, clock: Clock) -> State:
    """What is known of a cache within a window."""
    # The sample before a window tells what was gained in it, and not how it stood at its end.
    newest = history.samples[-1] if history.samples and history.samples[-1].moment >= span.start else None
    totals = {
        name: cache_samples.total(history.found, name, span.start, span.end)
        for name in ("hits", "keyspace_misses", "evicted_keys", "rejected_connections")
    }
    per_second = rated({name: name for name in ("hits", "keyspace_misses", "evicted_keys")})(history)
    evicted = per_second["evicted_keys"]
    now = _number(evicted.iloc[-LAST_CELLS:].mean())
    stay = last_stay(evicted, conclusions.EVICTING) if now is not None and now >= conclusions.EVICTING else None
    # Where it began before what is known, nobody can say when.
    began = stay.start - history.step if stay is not None and stay.start > evicted.dropna().index[0] else None
    before = None
    if began is not None:
        earlier = per_second[per_second.index <= began].sum(min_count=1)
        before = cache_samples.hit_share(_number(earlier["hits"]), _number(earlier["keyspace_misses"]))
    hits, misses = totals["hits"].rate, totals["keyspace_misses"].rate
    if began is not None:  # the ratio that evictions left, not one that has the time before them in it
        after = per_second[per_second.index > began].mean()
        hits, misses = _number(after["hits"]), _number(after["keyspace_misses"])
    limits = [found for one in history.samples if (found := one.value("maxmemory"))]
    limit = newest.value("maxmemory") if newest is not None else None
    highest = max(limits, default=0.0)
    keys_calls = sum(
        gain[0] for one in history.found if one.after.moment >= span.start and (gain := one.calls("keys")) is not None
    )
    return State(
        used=_whole(newest, "used_memory"),
        limit=None if limit is None else int(limit),
        limit_before=int(highest) if limit and highest > limit else None,
        resident=_whole(newest, "used_memory_rss"),
        fragmentation=newest.value("mem_fragmentation_ratio") if newest is not None else None,
        hits=hits,
        misses=misses,
        share_before=before,
        evicted=totals["evicted_keys"].rate,
        evicted_now=now,
        evicting_since=clock(began) if began is not None else "",
        rejected=totals["rejected_connections"].gain,
        clients=_whole(newest, "connected_clients"),
        most_clients=_whole(newest, "maxclients"),
        keys=_whole(newest, "keys"),
        expires=_whole(newest, "expires"),
        slow=cache_samples.quantile(cache_samples.took(history.found, without=OWN_COMMANDS), 0.99),
        keys_calls=float(keys_calls),
        past=not span.reaches_now,
        **_of_info(history.info),
    )


def _of_info(info: Info | None) -> dict[str, Any]:
    """What only INFO of this moment tells."""
    if info is None:
        return {}
    stats = info.stats
    down = stats.master_link_status not in (None, "up")
    return {
        "policy": stats.maxmemory_policy,
        "machine": stats.total_system_memory,
        "save_failed": stats.rdb_last_bgsave_status not in (None, "ok"),
        "append_failed": bool(stats.aof_enabled) and stats.aof_last_write_status not in (None, "ok"),
        "loading": float(stats.loading_eta_seconds if stats.loading_eta_seconds is not None else -1)
        if stats.loading
        else None,
        "link_down": max(stats.master_link_down_since_seconds or 0, 0) if down else None,
        "primary": f"{stats.master_host}:{stats.master_port}" if stats.master_host else "",
        "replicas_lost": lost_replicas([(one.address, one.state, one.lag) for one in info.replicas]),
    }


def _told(happened: Sequence[Emptied], value: Words, clock: Clock, *, past: bool) -> list[Diagnosis]:
    """Each time that the cache was emptied within the window, in a sentence."""
    words = {
        "flush": "It was flushed",
        "restart": "It was started anew without its keys",
        "gone": "Most of its keys were deleted",
    }
    found = []
    for one in happened:
        text = (
            f"{words[one.kind]} between {clock(one.since)} and {clock(one.moment)}: "
            f"{value(one.keys_before, 'count')} keys became {value(one.keys_after, 'count')}"
        )
        if one.share_before is not None and one.share_lowest is not None:
            text += (
                f", the hit ratio fell from {value(one.share_before, 'ratio')} to {value(one.share_lowest, 'ratio')}"
            )
        if one.refilled is not None:
            text += f" and was back after {value((one.refilled - one.moment).total_seconds(), 's')}"
        elif one.share_before:
            text += " and was not back by the end of this window" if past else " and is not back yet"
        key = "cache-restart" if one.kind == "restart" else "cache-flushed"
        found.append(Diagnosis(key, "risk", "", f"{text}."))
    return found


def _figures(
    history: History, state: State, span: Span, risk: float, broken: float, value: Words
) -> tuple[Figure, ...]:
    frame = rated({name: name for name in ("hits", "keyspace_misses", "evicted_keys", "expired_keys")})(history)
    lookups = frame["hits"] + frame["keyspace_misses"]
    share_over_time = frame["hits"] / lookups.where(lookups > 0)
    used = cache_samples.levels(history.samples, ["used_memory", "connected_clients"], history.cells, history.longest)
    of_window = cache_samples.hit_share(
        cache_samples.total(history.found, "hits", span.start, span.end).gain,
        cache_samples.total(history.found, "keyspace_misses", span.start, span.end).gain,
    )
    status: Status = "unknown" if of_window is None else "ok"
    if of_window is not None and of_window < risk:
        status = "broken" if of_window < broken else "risk"
    full = state.used is not None and bool(state.limit) and state.used >= conclusions.NEARLY * (state.limit or 0)
    at = "at the end of this window" if state.past else "now"
    rate = partial(cache_samples.total, history.found, start=span.start, end=span.end)
    return (
        Figure(
            "Hit ratio", of_window, "ratio", share_over_time, status,
            "Hits of all look-ups in this window: differences of keyspace_hits and keyspace_misses.",
            f"at risk below {value(risk, 'ratio')}",
        ),
        Figure(
            "Look-ups", rate(name="hits").rate and _sum(rate(name="hits").rate, rate(name="keyspace_misses").rate),
            "1/s", lookups, "ok", "Keys that were looked up, a second of this window.",
        ),
        Figure(
            "Evicted", rate(name="evicted_keys").rate, "1/s", frame["evicted_keys"],
            "risk" if (state.evicted_now or 0) >= conclusions.EVICTING else "ok",
            "Keys a second of this window that were thrown away to make room.",
        ),
        Figure(
            "Expired", rate(name="expired_keys").rate, "1/s", frame["expired_keys"], "ok",
            "Keys a second of this window that came to the end of their time to live.",
        ),
        Figure(
            "Memory", state.used, "B", used["used_memory"], "risk" if full and state.policy == "noeviction" else "ok",
            f"used_memory {at}, against maxmemory.",
            f"of {value(state.limit, 'B')}" if state.limit else "no maxmemory" if state.limit == 0 else "",
        ),
        Figure(
            "Clients", state.clients, "count", used["connected_clients"], "ok",
            f"Connections {at}, against maxclients.",
            f"of at most {value(state.most_clients, 'count')}" if state.most_clients else "",
        ),
    )  # fmt: skip


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


def _whole(sample: Sample | None, name: str) -> int | None:
    found = sample.value(name) if sample is not None else None
    return None if found is None else int(found)


def _number(found: object) -> float | None:
    number = float(found)  # type: ignore[arg-type]
    return number if number == number else None
