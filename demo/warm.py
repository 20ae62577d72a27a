"""A cache as an hour of use leaves it, and the sessions of those who are signed in.

Without it the first minutes of live data would be a burst of sign-ins and of reads that miss: a step in every chart.
"""

from __future__ import annotations

import json
import random
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
import redis
from psycopg.rows import dict_row

from demo import rhythm
from demo.plan import Plan
from demo.synaptic.cache import SESSIONS, memory_key
from demo.synaptic.config import Settings

COLUMNS = "id::text, content, memory_type, importance, user_id, created_at, last_accessed"
NEWEST = f"SELECT {COLUMNS} FROM memories WHERE deleted_at IS NULL ORDER BY created_at DESC LIMIT %s"


@dataclass(frozen=True)
class Warm:
    """What was there or was put there.

    Attributes:
        sessions: Ids of living sessions with their users.
        memories: Type and id of memories, the most read first.
    """

    sessions: tuple[tuple[str, str], ...]
    memories: tuple[tuple[str, str], ...]


def warm(plan: Plan, users: Sequence[str], known: int, popularity: float) -> Warm:
    """Fill up the sessions and, where the cache holds no memories, what an hour would have put there.

    Args:
        plan: Whose cache and database.
        users: Who is signed in, one for each session that there should be; those that live already are kept.
        known: How many memories are read at all.
        popularity: The exponent by which few of them are read most; see ``demo.load``.

    Raises:
        psycopg.Error: The database does not answer.
        redis.RedisError: The cache does not answer.
    """
    now = time.time()
    cache = redis.Redis.from_url(plan.redis_url, decode_responses=True, socket_timeout=5.0)
    with cache, psycopg.connect(plan.postgres_dsn, row_factory=dict_row, connect_timeout=5) as connection:
        living = [str(one) for one in cache.zrangebyscore(SESSIONS, now, "+inf")]
        names = cache.mget([f"session:{one}" for one in living]) if living else []
        sessions = [(one, str(name)) for one, name in zip(living, names, strict=True) if name]
        ttl = Settings.session_timeout
        with cache.pipeline(transaction=False) as pipe:
            for user in users[len(sessions) :]:
                one = secrets.token_urlsafe(18)
                left = random.randint(ttl // 2, ttl)
                pipe.set(f"session:{one}", user, ex=left)
                pipe.zadd(SESSIONS, {one: now + left})
                sessions.append((one, user))
            pipe.execute()
        rates = {name: float(rate) for name, rate in rhythm.rates(now).items()}
        missed = rates["read"] * (1 - float(rhythm.cache_hit_ratio(now)))
        stored = int(Settings.cache_ttl * 0.85 * (rates["store"] + missed))
        rows = connection.execute(NEWEST, (max(stored, known),)).fetchall()
        read = rows[:known]
        if not cache.exists(*(memory_key(row["memory_type"], row["id"]) for row in read[:50])):
            # So many of the most read ones that reads find the usual share; the others as hits would have left them.
            hot = int(known * float(rhythm.cache_hit_ratio(now)) ** popularity)
            with cache.pipeline(transaction=False) as pipe:
                for row in [*read[:hot], *rows[known : known + max(0, stored - hot)]]:
                    key = memory_key(row["memory_type"], row["id"])
                    pipe.set(key, json.dumps(row, default=str), ex=random.randint(60, Settings.cache_ttl))
                pipe.execute()
    return Warm(tuple(sessions), tuple((row["memory_type"], row["id"]) for row in read))
