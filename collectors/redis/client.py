"""Redis and Valkey: how the cache of one environment does, asked by commands that only read.

What may be sent is in :mod:`collectors.redis.server`, what the answers mean in :mod:`collectors.redis.info`, the look
at the keys in :mod:`collectors.redis.keys`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from datetime import UTC, datetime
from typing import Any, TypeVar

from redis.exceptions import ResponseError

from collectors.cache import Answer, AnswerCache
from collectors.errors import BadAnswer, SourceError
from collectors.redis import info as redis_info
from collectors.redis import keys as redis_keys
from collectors.redis.info import Client, Histogram, Info, Slow, Stats
from collectors.redis.keys import Look
from collectors.redis.server import CLIENT_NAME, CONFIG_KEYS, RedisServer, Word
from settings import Redis as RedisSettings

T = TypeVar("T")

UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What reading an answer of another form than the documented one can raise."""

MOST_PRIMARIES = 3
"""Servers that are named of those that a Sentinel watches."""

OLDEST = 6
"""Oldest major version whose answers the console knows; what came later is missing there and told so."""

SLOW_COMMANDS = 128
"""Commands that are read of the slow log: a server keeps 128 unless it was told otherwise."""

CONFIG_TTL = 60.0
"""Seconds for which settings of the server are taken for unchanged."""

LOOK_TTL = 600.0
"""Seconds for which a look at the keys is shown before the next one."""

ASKED_LOOK_TTL = 86_400.0
"""The same for a look that somebody asked for at a large instance: it is not repeated by itself."""


class NotACache(BadAnswer):
    """A server that is well and holds no keys: it cannot tell how the cache does."""

    kind = "not a cache"
    default_trips = False


class Redis:
    """The cache of one environment.

    Args:
        environment: Key of the environment.
        settings: Where it is.
        cache: Where answers are kept.

    Attributes:
        source: Its connections, with name, address and guard.
        known: What it told last, and when; ``None`` before its first answer.
    """

    def __init__(self, environment: str, settings: RedisSettings, cache: AnswerCache) -> None:
        self.environment = environment
        self.settings = settings
        self.source = RedisServer(environment, settings)
        self.known: tuple[Info, datetime] | None = None
        self._cache = cache

    def info(self) -> Answer[Info]:
        """What the server tells about itself.

        Raises:
            SourceError: No usable answer, and none young enough is kept.
        """

        def load() -> Info:
            found = self._cache_only(self._read(redis_info.info, "INFO", "all"))
            self.known = (found, datetime.now(UTC))
            return found

        return self._kept("info", load)

    def sample(self) -> tuple[Info, dict[str, Histogram]]:
        """What the server tells about itself and how long its commands took, now, in one question.

        Returns:
            Without histograms where the server does not tell them.

        Raises:
            SourceError: No usable answer.
        """
        with self.source.session() as session:
            commands = (("INFO", "all"), ("LATENCY", "HISTOGRAM"))
            told, times = session.answers(*commands)
            if isinstance(told, ResponseError):
                raise self.source.named(commands[0], told)
        found = self._cache_only(self._decoded(redis_info.info, told))
        self.known = (found, datetime.now(UTC))
        return found, {} if isinstance(times, ResponseError) else self._decoded(redis_info.histograms, times)

    def latest(self) -> Answer[tuple[Info, dict[str, Histogram]]]:
        """The same as :meth:`sample`, computed once for all viewers.

        Raises:
            SourceError: No usable answer, and none young enough is kept.
        """
        return self._kept("sample", self.sample)

    def config(self) -> Answer[dict[str, str]]:
        """The settings of the server that the console knows, by name.

        Raises:
            Denied: The console's user may not read them.
            BadAnswer: A managed service does not show them.
            SourceError: No usable answer, and none young enough is kept.
        """

        def decode(answer: Any) -> dict[str, str]:
            return {
                name.decode("utf-8", "replace"): value.decode("utf-8", "replace")
                for name, value in redis_info.pairs(answer)
                if isinstance(name, bytes) and isinstance(value, bytes)
            }

        return self._kept(
            "config", lambda: self._read(decode, "CONFIG", "GET", *sorted(CONFIG_KEYS), listed=True), ttl=CONFIG_TTL
        )

    def slow(self) -> Answer[tuple[Slow, ...]]:
        """The slow log, newest first.

        Raises:
            SourceError: No usable answer, and none young enough is kept.
        """
        return self._kept("slow log", lambda: self._read(redis_info.slow, "SLOWLOG", "GET", SLOW_COMMANDS, listed=True))

    def clients(self) -> Answer[tuple[Client, ...]]:
        """The connections of the server, without the console's own.

        Raises:
            SourceError: No usable answer, and none young enough is kept.
        """

        def decode(text: bytes) -> tuple[Client, ...]:
            found = redis_info.clients(text)
            if not found:
                raise ValueError("not even the connection that asked")
            return tuple(one for one in found if one.name != CLIENT_NAME)

        return self._kept("clients", lambda: self._read(decode, "CLIENT", "LIST"))

    def look(self, asked: str = "") -> Answer[Look]:
        """A look at some keys; it is shown for ten minutes before the next one.

        Args:
            asked: Where somebody asked for it: when, so that another click is another look. It is not repeated then.

        Raises:
            Denied: The console's user may not scan.
            SourceError: No usable answer, and none young enough is kept.
        """
        ttl = ASKED_LOOK_TTL if asked else LOOK_TTL
        most = self.settings.sample_keys

        def load() -> Look:
            return self._decoded(lambda server: redis_keys.look(server, most), self.source)

        return self._kept("look", load, asked or None, ttl=ttl)

    def close(self) -> None:
        """Close all connections."""
        self.source.close()

    def _kept(
        self, name: str, load: Callable[[], T], moment: Hashable = None, *, ttl: float | None = None
    ) -> Answer[T]:
        view = (self.environment, "redis", name)
        return self._cache.get(view, moment, load, ttl=ttl)

    def _cache_only(self, found: Info) -> Info:
        """The same, where it is told by a server that holds keys.

        Raises:
            BadAnswer: It has no figure at all: something else was answered, by a proxy or out of turn.
            NotACache: It is a Sentinel.
        """
        if found.stats == Stats() and not found.databases and not found.commands:
            what = "answered INFO without a single figure"
            hint = "Look who answers at this address: a proxy may stand before the server."
            raise BadAnswer(self.source.name, self.source.address, what, hint=hint, trips=False)
        if found.mode != "sentinel":
            return found
        watched = " and ".join(f"{name} at {address}" for name, address in found.primaries[:MOST_PRIMARIES])
        what = "is a Sentinel, which holds no keys" + (f": it watches {watched}" if watched else "")
        place = found.primaries[0][1] if len(found.primaries) == 1 else "that primary"
        hint = f"Set host and port of this source to {place}."
        raise NotACache(self.source.name, self.source.address, what, hint=hint)

    def _read(self, decode: Callable[[Any], T], *words: Word, listed: bool = False) -> T:
        answer = self.source.ask(*words)
        # A word in place of a list (QUEUED) would be read as one without entries.
        if listed and not isinstance(answer, list):
            raise self._unknown_form(type(answer).__name__)
        return self._decoded(decode, answer)

    def _decoded(self, decode: Callable[[Any], T], answer: Any) -> T:
        try:
            return decode(answer)
        except SourceError:
            raise
        except UNREADABLE as error:
            raise self._unknown_form(type(error).__name__) from None

    def _unknown_form(self, which: str) -> BadAnswer:
        what = f"answered in a form that the console does not know: {which}"
        return BadAnswer(self.source.name, self.source.address, what, trips=False)
