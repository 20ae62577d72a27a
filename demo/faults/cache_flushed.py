"""A clean-up job that takes the cache for garbage."""

from __future__ import annotations

from threading import Event

from redis import Redis
from redis.exceptions import RedisError

from demo.plan import Plan

NAME = "cache-flushed"
SUMMARY = "The cache is flushed, sessions included, and its memories are removed again twice a second."
MOVES = {
    "synaptic_cache_hit_ratio": "down",
    "synaptic_cache_operations_total{result=miss}": "up",
    "synaptic_storage_operations_total{operation_type=read}": "up: reads go to the database",
    "synaptic_active_sessions": "down at once, then up again as users sign in",
    "synaptic_authentication_attempts_total": "up for a while",
}
HEALS = "The job ends; the cache fills again by itself."

PAUSE_SECONDS = 0.5


def inject(plan: Plan) -> None:
    """Flush everything once."""
    with Redis.from_url(plan.redis_url) as redis:
        redis.flushdb()


def heal(plan: Plan) -> None:
    """Nothing is to undo: the cache fills again by itself."""


def run(plan: Plan, stop: Event) -> None:
    """Flush, then remove the cached memories until told to stop."""
    begun = False
    with Redis.from_url(plan.redis_url) as redis:
        while not stop.is_set():
            try:
                if not begun:
                    redis.flushdb()
                    begun = True
                for key in redis.scan_iter("memory:*", count=1_000):
                    redis.unlink(key)
            except RedisError as error:
                print(f"{NAME}: {error}", flush=True)
            stop.wait(PAUSE_SECONDS)
