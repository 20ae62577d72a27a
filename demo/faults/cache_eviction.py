"""A cache that was made too small."""

from __future__ import annotations

from statistics import fmean
from threading import Event
from typing import cast

from redis import Redis
from redis.exceptions import RedisError

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
KEPT_KEYS = 250
KEPT_SHARE = 0.5  # at most
SAMPLED_KEYS = 50
# The limit is felt for, since nobody tells how much of the used memory is not keys: below that no key is left, and the
# cache refuses writes, which would be another fault. So each step drives out some of the keys and then looks again.
# Buffers of its clients come and go, and are as much as dozens of keys: it is looked at more often than other faults.
LOOK_SECONDS = 0.5
STEP = 5  # a fifth of the keys
STEPS = 60
USUAL_BYTES = 500  # of a key, where there is none to measure


def inject(plan: Plan) -> None:
    """Lower the limit until only a part of the keys is left that are there now."""
    with Redis.from_url(plan.redis_url) as redis:
        _keep(redis, _kept(redis))


def _kept(redis: Redis) -> int:
    return max(int(min(KEPT_SHARE * redis.dbsize(), KEPT_KEYS)), 1)


def _keep(redis: Redis, kept: int) -> None:
    """Set the limit so that about so many keys fit: clients that connect meanwhile take from the same memory."""
    for _ in range(STEPS):
        keys = redis.dbsize()
        if kept / 2 <= keys <= kept * 1.5 and _limited(redis):
            return
        missing = kept - keys
        if missing < 0:
            missing = -max(min(-missing, keys // STEP), 1)
        memory = cast("dict[str, int]", redis.info("memory"))
        redis.config_set("maxmemory", memory["used_memory"] + int(missing * _bytes_of_a_key(redis)))
        if missing > 0:
            return


def _limited(redis: Redis) -> bool:
    """Whether the limit is already near to what is used, and not that of a cache that was restarted."""
    memory = cast("dict[str, int]", redis.info("memory"))
    return 0 < memory["maxmemory"] < 2 * memory["used_memory"]


def _bytes_of_a_key(redis: Redis) -> float:
    names = [redis.randomkey() for _ in range(SAMPLED_KEYS)]
    return fmean([size for name in names if name is not None and (size := redis.memory_usage(name))] or [USUAL_BYTES])


def heal(plan: Plan) -> None:
    """Set the limit to what the installation's settings say."""
    with Redis.from_url(plan.redis_url) as redis:
        redis.config_set("maxmemory", VALKEY_OPTIONS["maxmemory"])


def run(plan: Plan, stop: Event) -> None:
    """Keep the limit low until told to stop, also across a restart of the cache."""
    kept: int | None = None
    try:
        with Redis.from_url(plan.redis_url) as redis:
            while not stop.is_set():
                try:
                    kept = kept or _kept(redis)
                    _keep(redis, kept)
                except RedisError as error:
                    print(f"{NAME}: {error}", flush=True)
                stop.wait(LOOK_SECONDS)
    finally:
        heal(plan)
