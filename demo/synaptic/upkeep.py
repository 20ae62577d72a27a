"""What a replica does without being asked: refresh its gauges, write audit rows and traces, consolidate memories."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import LiteralString

import psycopg
from redis.exceptions import RedisError

from demo.synaptic.audit import Event
from demo.synaptic.logs import log
from demo.synaptic.service import Service

FAST_SECONDS = 1.0
SLOW_SECONDS = 60.0
# Advisory lock of the database: one replica consolidates, the others do not.
CONSOLIDATION_LOCK = 0x53594E41
BATCH_MEMORIES = 100
# Between two batches, so that requests are not held up.
BATCH_PAUSE = 0.2
# Longest text that merging makes, in characters.
LONGEST_CONTENT = 4_000

COUNT_MEMORIES: LiteralString = (
    "SELECT memory_type, deleted_at IS NULL AS active, count(*) AS number FROM memories GROUP BY 1, 2"
)
SIZES: LiteralString = """
    SELECT sum(pg_table_size(relid))::float AS memories, sum(pg_indexes_size(relid))::float AS indexes
    FROM pg_partition_tree('memories')
"""
LAST_UPKEEP: LiteralString = """
    SELECT operation, extract(epoch FROM max(created_at))::float AS at FROM audit_logs
    WHERE operation IN ('backup_completed', 'consolidation_completed') AND success GROUP BY 1
"""
# Fragments go into the memory they belong to, oldest memories first.
MERGE: LiteralString = """
    WITH chosen AS (
        SELECT DISTINCT memory_id FROM memory_fragments WHERE memory_id > %(after)s ORDER BY memory_id LIMIT %(batch)s
    ), gone AS (
        DELETE FROM memory_fragments USING chosen WHERE memory_fragments.memory_id = chosen.memory_id
        RETURNING memory_fragments.memory_id, position, content
    ), pieces AS (
        SELECT memory_id, string_agg(content, ' ' ORDER BY position) AS content, count(*) AS number
        FROM gone GROUP BY memory_id
    ), merged AS (
        UPDATE memories SET content = left(memories.content || ' ' || pieces.content, %(longest)s)
        FROM pieces WHERE memories.id = pieces.memory_id AND memories.deleted_at IS NULL
        RETURNING memories.id
    )
    SELECT (SELECT coalesce(sum(number), 0)::int FROM pieces) AS fragments,
           (SELECT count(*)::int FROM merged) AS memories,
           (SELECT max(memory_id::text) FROM chosen) AS last
"""
# What was not read lately matters less; nothing falls below 0.05.
FADE: LiteralString = """
    WITH chosen AS (
        SELECT id, created_at FROM memories
        WHERE created_at > %(after)s AND deleted_at IS NULL
        ORDER BY created_at LIMIT %(batch)s
    ), faded AS (
        UPDATE memories SET importance = greatest(0.05, importance * 0.99)
        FROM chosen WHERE memories.id = chosen.id AND memories.created_at = chosen.created_at
          AND memories.last_accessed < now() - interval '7 days'
        RETURNING memories.id
    )
    SELECT (SELECT count(*)::int FROM faded) AS memories, (SELECT max(created_at) FROM chosen) AS last
"""


class AlreadyRunning(Exception):
    """Another replica, or another request, consolidates at the moment."""


@dataclass
class Upkeep:
    """The background work of one replica.

    Attributes:
        service: The replica.
        running_since: When the consolidation that runs here began, seconds since 1970.
        progress: What it has done so far.
    """

    service: Service
    running_since: float | None = None
    progress: dict[str, int] = field(default_factory=dict)

    def refresh_fast(self) -> None:
        """Gauges that cost nothing: pool, connections, process."""
        metrics, stats = self.service.metrics, self.service.storage.stats()
        for state, key in (("idle", "idle"), ("in_use", "in_use"), ("waiting", "waiters"), ("max", "max")):
            metrics.set("synaptic_db_pool_connections", float(stats[key]), state)
        metrics.set("synaptic_active_connections", float(self.service.connections()))
        metrics.refresh_process_gauges()

    async def refresh_sessions(self) -> None:
        """The number of living sessions; the last value stays while the cache does not answer."""
        with suppress(RedisError):
            self.service.metrics.set("synaptic_active_sessions", float(await self.service.cache.active_sessions()))

    async def refresh_slow(self) -> None:
        """Gauges that need the database: memories by type, sizes, last backup and consolidation.

        Raises:
            psycopg.Error: The database does not answer; the last values stay.
        """
        service, metrics = self.service, self.service.metrics
        for row in await service.storage.rows("read", COUNT_MEMORIES):
            status = "active" if row["active"] else "deleted"
            metrics.set("synaptic_memory_nodes_total", float(row["number"]), row["memory_type"], status)
        for row in await service.storage.rows("read", SIZES):
            for data_type in ("memories", "indexes"):
                metrics.set("synaptic_storage_size_bytes", row[data_type] or 0.0, "postgresql", data_type)
        for row in await service.storage.rows("read", LAST_UPKEEP):
            name = row["operation"].removesuffix("_completed")
            metrics.set(f"synaptic_{name}_last_success_timestamp_seconds", row["at"])
        with suppress(RedisError):
            metrics.set("synaptic_storage_size_bytes", float(await service.cache.used_bytes()), "redis", "cache")

    async def run(self) -> None:
        """Do all of it until cancelled."""
        await asyncio.gather(self._fast(), self._flush(), self._slow(), self._consolidate_now_and_then())

    async def _fast(self) -> None:
        while True:
            self.refresh_fast()
            await self.refresh_sessions()
            await asyncio.to_thread(self.service.tracer.write)
            await asyncio.sleep(FAST_SECONDS)

    async def _flush(self) -> None:
        while True:
            await self.service.audit.flush()
            await asyncio.sleep(FAST_SECONDS)

    async def _slow(self) -> None:
        while True:
            try:
                await self.refresh_slow()
            except psycopg.Error as error:
                log("WARN", "synaptic::metrics", "gauges not refreshed", component="metrics", error=str(error))
            await asyncio.sleep(SLOW_SECONDS)

    async def _consolidate_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(SLOW_SECONDS)
            try:
                rows = await self.service.storage.rows("read", LAST_UPKEEP)
                last = max((row["at"] for row in rows if row["operation"] == "consolidation_completed"), default=0.0)
                if time.time() - last > self.service.settings.consolidation_interval:
                    await self.consolidate("schedule")
            except AlreadyRunning:
                continue
            except psycopg.Error as error:
                log(
                    "ERROR",
                    "synaptic::consolidation",
                    "consolidation failed",
                    component="consolidation",
                    operation="consolidate",
                    error=f"{type(error).__name__}: {error}",
                )

    async def consolidate(self, asked_by: str) -> dict[str, float]:
        """Merge fragments into their memories and let the unused fade, in small batches.

        Args:
            asked_by: For the audit trail.

        Returns:
            ``fragments``, ``merged``, ``faded`` and ``seconds``.

        Raises:
            AlreadyRunning: Somebody does it already.
            psycopg.Error: The database failed; batches that were done stay done.
        """
        settings = self.service.settings
        # A connection of its own: it is held for minutes, and the pool is for requests.
        connection = await psycopg.AsyncConnection.connect(
            settings.dsn,
            autocommit=True,
            connect_timeout=5,
            application_name=f"synaptic/{settings.replica.pod}/consolidation",
        )
        async with connection:
            locked = await connection.execute("SELECT pg_try_advisory_lock(%s)", (CONSOLIDATION_LOCK,))
            if (await locked.fetchone()) != (True,):
                raise AlreadyRunning
            begun = self.running_since = time.time()
            self.progress = {"fragments": 0, "merged": 0, "faded": 0}
            log(
                "INFO",
                "synaptic::consolidation",
                "consolidation started",
                component="consolidation",
                operation="consolidate",
            )
            try:
                with self.service.tracer.span(
                    "consolidate_memories", operation__type="memory", component="consolidation"
                ):
                    await self._merge(connection, begun)
                    await self._fade(connection, begun)
            finally:
                self.running_since = None
        done = {**self.progress, "seconds": round(time.time() - begun, 3)}
        self.service.metrics.set("synaptic_consolidation_last_success_timestamp_seconds", time.time())
        self.service.audit.note(Event("Computation", "consolidation_completed", asked_by, "memories", details={**done}))
        return done

    def _time_is_up(self, begun: float) -> bool:
        return time.time() - begun > self.service.settings.consolidation_seconds

    async def _merge(self, connection: psycopg.AsyncConnection, begun: float) -> None:
        after = "00000000-0000-0000-0000-000000000000"
        while not self._time_is_up(begun):
            parameters = {"after": after, "batch": BATCH_MEMORIES, "longest": LONGEST_CONTENT}
            row = await (await connection.execute(MERGE, parameters)).fetchone()
            assert row is not None  # a SELECT of scalars has one row
            fragments, merged, last = row
            if last is None:
                return
            self.progress["fragments"] += fragments
            self.progress["merged"] += merged
            after = last
            await asyncio.sleep(BATCH_PAUSE)

    async def _fade(self, connection: psycopg.AsyncConnection, begun: float) -> None:
        after: object = "-infinity"
        while not self._time_is_up(begun):
            row = await (await connection.execute(FADE, {"after": after, "batch": BATCH_MEMORIES})).fetchone()
            assert row is not None
            faded, last = row
            if last is None:
                return
            self.progress["faded"] += faded
            after = last
            await asyncio.sleep(BATCH_PAUSE)
