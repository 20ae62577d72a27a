"""A cache that was made too small."""

from __future__ import annotations

from statistics import median
from threading import Event
from typing import cast

from redis import Redis
from redis.exceptions import RedisError

from demo.faults.catalogue import KEEP_ON_SECONDS
from demo.parts.stores import VALKEY_OPTIONS
from demo.plan import Plan

NAME = "cache-eviction"
SUMMARY = "maxmemory of the cache is set to less than it needs: it evicts keys all the time."
MOVES = {
    "synaptic_cache_hit_ratio": "down",
    "synaptic_cache_operations_total{result=miss}": "up",
    "synaptic_storage_operations_total{operation_type=read}": "up: reads go to the database",
    "synaptic_authentication_attempts_total": "up: sessions are evicted as well, and users sign in again",
    "INFO.evicted_keys": "up, by several a second",
    "INFO.maxmemory": "down, to about what is used",
}
HEALS = "maxmemory is what it was; the cache fills again by itself."

# What is read again and again is a few hundred memories: they do not fit any more, nor do all sessions. To keep half of
# the keys would not do: most of a cache that has run for an hour is what nobody reads any more.
KEPT_KEYS = 150
KEPT_SHARE = 0.5  # at most
SAMPLED_KEYS = 50


def inject(plan: Plan) -> None:
    """Lower the limit, to what a part of its keys needs that are there now."""
    with Redis.from_url(plan.redis_url) as redis:
        redis.config_set("maxmemory", _limit(redis, _kept(redis)))


def _bytes_of_keys(redis: Redis) -> int:
    names = [redis.randomkey() for _ in range(SAMPLED_KEYS)]
    sizes = [size for name in names if name is not None and (size := redis.memory_usage(name))]
    return int(redis.dbsize() * median(sizes or [0]))


def _kept(redis: Redis) -> int:
    keys = redis.dbsize()
    return int(_bytes_of_keys(redis) * min(KEPT_SHARE, KEPT_KEYS / keys)) if keys else 0


def _limit(redis: Redis, kept: int) -> int:
    memory = cast("dict[str, int]", redis.info("memory"))
    return memory["used_memory"] - _bytes_of_keys(redis) + kept


def heal(plan: Plan) -> None:
    """Set the limit to what the installation's settings say."""
    with Redis.from_url(plan.redis_url) as redis:
        redis.config_set("maxmemory", VALKEY_OPTIONS["maxmemory"])


def run(plan: Plan, stop: Event) -> None:
    """Keep the limit low until told to stop, also across a restart of the cache.

    It is reckoned anew each time: the buffers of whoever connects meanwhile count as used memory. They would leave a
    cache of a few hundred keys without any, which then refuses writes, and that would be another fault.
    """
    kept: int | None = None
    try:
        with Redis.from_url(plan.redis_url) as redis:
            while not stop.is_set():
                try:
                    kept = kept or _kept(redis)
                    redis.config_set("maxmemory", _limit(redis, kept))
                except RedisError as error:
                    print(f"{NAME}: {error}", flush=True)
                stop.wait(KEEP_ON_SECONDS)
    finally:
        heal(plan)
