"""Valkey or Redis: the cache of memories (cache-aside, TTL) and the sessions of users."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from demo.synaptic.config import Settings
from demo.synaptic.logs import log
from demo.synaptic.metrics import ServiceMetrics

# Ids of the living sessions, scored by the moment at which each ends.
SESSIONS = "sessions"


def memory_key(memory_type: str, memory_id: str) -> str:
    """Where a memory is cached."""
    return f"memory:{memory_type}:{memory_id}"


class Cache:
    """What the service keeps in the cache; without it memories are read from the database.

    Args:
        settings: Address and times to live.
        metrics: Where operations are counted.
    """

    def __init__(self, settings: Settings, metrics: ServiceMetrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._redis = Redis.from_url(
            settings.redis_url,
            decode_responses=True,
            socket_timeout=2.0,
            socket_connect_timeout=2.0,
            max_connections=50,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._redis.aclose()

    async def memory(self, memory_type: str, memory_id: str) -> dict[str, Any] | None:
        """A cached memory, or nothing: not there, or the cache does not answer."""
        try:
            text = await self._redis.get(memory_key(memory_type, memory_id))
        except RedisError as error:
            self._unavailable("get", error)
            return None
        self._metrics.looked_up(hit=text is not None)
        return None if text is None else dict(json.loads(text))

    async def put_memory(self, memory: dict[str, Any]) -> None:
        """Cache a memory for the time to live; a cache that does not answer is no failure."""
        key = memory_key(str(memory["memory_type"]), str(memory["id"]))
        try:
            await self._redis.set(key, json.dumps(memory, default=str), ex=self._settings.cache_ttl)
        except RedisError as error:
            self._unavailable("set", error)
            return
        self._metrics.count("synaptic_cache_operations_total", "set", "memory", "success")

    async def drop_memories(self, *keys: str) -> None:
        """Forget memories, named by :func:`memory_key`."""
        if not keys:
            return
        try:
            await self._redis.unlink(*keys)
        except RedisError as error:
            self._unavailable("delete", error)
            return
        self._metrics.count("synaptic_cache_operations_total", "delete", "memory", "success")

    def _unavailable(self, operation: str, error: RedisError) -> None:
        self._metrics.failed("cache", "unavailable", "medium")
        if operation == "get":
            self._metrics.count("synaptic_cache_operations_total", "get", "memory", "error")
        log("WARN", "synaptic::cache", "cache unavailable", component="cache", operation=operation, error=str(error))

    async def begin_session(self, user_id: str) -> str:
        """Begin a session.

        Returns:
            Its id.

        Raises:
            RedisError: The cache does not answer.
        """
        session_id = secrets.token_urlsafe(18)
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.set(f"session:{session_id}", user_id, ex=self._settings.session_timeout)
            pipe.zadd(SESSIONS, {session_id: time.time() + self._settings.session_timeout})
            await pipe.execute()
        self._metrics.count("synaptic_cache_operations_total", "set", "session", "success")
        return session_id

    async def user_of(self, session_id: str) -> str | None:
        """The user of a living session, which then lives on for the full time again.

        Raises:
            RedisError: The cache does not answer.
        """
        user_id = await self._redis.getex(f"session:{session_id}", ex=self._settings.session_timeout)
        self._metrics.count("synaptic_cache_operations_total", "get", "session", "hit" if user_id else "miss")
        if user_id is None:
            return None
        await self._redis.zadd(SESSIONS, {session_id: time.time() + self._settings.session_timeout})
        return str(user_id)

    async def end_session(self, session_id: str) -> None:
        """End a session.

        Raises:
            RedisError: The cache does not answer.
        """
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.unlink(f"session:{session_id}")
            pipe.zrem(SESSIONS, session_id)
            await pipe.execute()
        self._metrics.count("synaptic_cache_operations_total", "delete", "session", "success")

    async def active_sessions(self) -> int:
        """How many sessions live.

        Raises:
            RedisError: The cache does not answer.
        """
        await self._redis.zremrangebyscore(SESSIONS, 0, time.time())
        return int(await self._redis.zcard(SESSIONS))

    async def used_bytes(self) -> int:
        """Memory that the cache uses.

        Raises:
            RedisError: The cache does not answer.
        """
        return int((await self._redis.info("memory"))["used_memory"])

    async def count_up(self, key: str, seconds: int) -> int:
        """Add one to a number that is forgotten after so many seconds without being added to.

        Raises:
            RedisError: The cache does not answer.
        """
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.incr(key)
            pipe.expire(key, seconds)
            number, _ = await pipe.execute()
        return int(number)

    async def number(self, key: str) -> int:
        """A number made by :meth:`count_up`, 0 when forgotten.

        Raises:
            RedisError: The cache does not answer.
        """
        return int(await self._redis.get(key) or 0)

    async def forget(self, *keys: str) -> None:
        """Remove keys.

        Raises:
            RedisError: The cache does not answer.
        """
        await self._redis.unlink(*keys)
