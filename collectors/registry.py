"""The collectors of every environment, built once from the settings and shared by all viewers."""

from __future__ import annotations

import sys
import threading
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from collectors.alertmanager.client import Alertmanager
from collectors.cache import AnswerCache
from collectors.elasticsearch.client import Elasticsearch
from collectors.elasticsearch.logs import ElasticsearchLogs
from collectors.errors import NotConfigured, SourceError
from collectors.guard import Guard
from collectors.logs import LogSource
from collectors.postgres.client import Postgres
from collectors.prometheus.client import Prometheus
from collectors.prometheus.wire import Range
from collectors.redis.client import Redis
from collectors.synaptic.client import Synaptic
from settings import Settings


@dataclass(frozen=True)
class Sources:
    """The sources of one environment; asking for one that is not configured raises ``NotConfigured``."""

    environment: str
    cache: AnswerCache
    _synaptic: Synaptic | None
    _prometheus: Prometheus | None
    _alertmanager: Alertmanager | None
    _elasticsearch: Elasticsearch | None
    _postgres: Postgres | None
    _redis: Redis | None

    @property
    def synaptic(self) -> Synaptic:
        """The service itself."""
        return self._synaptic or self._missing("synaptic")

    @property
    def prometheus(self) -> Prometheus:
        """Its metrics."""
        return self._prometheus or self._missing("prometheus")

    @property
    def alertmanager(self) -> Alertmanager:
        """Its alerts and silences."""
        return self._alertmanager or self._missing("alertmanager")

    @property
    def elasticsearch(self) -> Elasticsearch:
        """Its logs."""
        return self._elasticsearch or self._missing("elasticsearch")

    @property
    def logs(self) -> LogSource:
        """The lines of its logs, whichever store has them."""
        return ElasticsearchLogs(self.elasticsearch)

    @property
    def postgres(self) -> Postgres:
        """Its database."""
        return self._postgres or self._missing("postgres")

    @property
    def redis(self) -> Redis:
        """Its cache."""
        return self._redis or self._missing("redis")

    @property
    def database(self) -> Postgres | None:
        """Its database; ``None`` where none is configured."""
        return self._postgres

    @property
    def store(self) -> Redis | None:
        """The server of its cache; ``None`` where none is configured."""
        return self._redis

    def configured(self) -> list[Any]:
        """The collectors that exist."""
        each = (self._synaptic, self._prometheus, self._alertmanager, self._elasticsearch, self._postgres, self._redis)
        return [one for one in each if one is not None]

    def _missing(self, name: str) -> Any:
        raise NotConfigured(
            name,
            "",
            "is not configured for this environment",
            hint=f"Add [environments.{self.environment}.{name}] with its address to the settings file.",
        )


MOST_MEASURED = 100
"""Items of a sequence whose size is measured."""

_lock = threading.Lock()
_built: dict[tuple[int, str], Sources] = {}


def sources(settings: Settings, environment: str) -> Sources:
    """The sources of an environment, built on first use.

    Raises:
        KeyError: The settings have no such environment.
    """
    with _lock:
        key = (id(settings), environment)
        if key not in _built:
            _built[key] = build(settings, environment)
        return _built[key]


def build(settings: Settings, environment: str) -> Sources:
    """New collectors for an environment, with a cache of their own.

    Raises:
        KeyError: The settings have no such environment.
    """
    one = settings.environments[environment]
    limits = settings.limits
    guards: dict[str, Guard] = {}

    def silence(view: Hashable) -> SourceError | None:
        """Why the source that a view of the cache is about is silent; a view names it after its environment."""
        guard = guards.get(str(view[1])) if isinstance(view, tuple) and len(view) > 1 else None
        outage = guard.health().silent if guard is not None else None
        return outage.error if outage is not None else None

    cache = AnswerCache(limits.cache_bytes, limits.answer_ttl, limits.keep_stale, size_of, silence)
    found = Sources(
        environment,
        cache,
        Synaptic(environment, one.synaptic, cache) if one.synaptic else None,
        Prometheus(environment, one.prometheus, limits, cache) if one.prometheus else None,
        Alertmanager(environment, one.alertmanager, cache) if one.alertmanager else None,
        Elasticsearch(environment, one.elasticsearch, cache) if one.elasticsearch else None,
        Postgres(environment, one.postgres, cache) if one.postgres else None,
        Redis(environment, one.redis, cache) if one.redis else None,
    )
    guards |= {collector.source.name: collector.source.guard for collector in found.configured()}
    if "elasticsearch" in guards:
        guards["logs"] = guards["elasticsearch"]
    return found


def close_all() -> None:
    """Close the connections of everything that was built."""
    with _lock:
        for each in _built.values():
            for collector in each.configured():
                collector.close()
        _built.clear()


def size_of(value: Any) -> int:
    """About how many bytes an answer costs to keep."""
    if isinstance(value, Range):
        # Eight bytes a number; asking pandas takes longer than making many an answer.
        return 8 * (value.frame.size + len(value.frame.index)) + 300 * len(value.labels)
    if isinstance(value, pd.DataFrame):
        return int(value.memory_usage(index=True, deep=True).sum())
    if isinstance(value, np.ndarray):
        return int(value.nbytes)
    if isinstance(value, Mapping):
        return sys.getsizeof(value) + sum(size_of(key) + size_of(inner) for key, inner in value.items())
    if isinstance(value, list | tuple):
        # Of many, as many spread over them stand for all: to look into each line of a log takes longer than to read it.
        some = value if len(value) <= MOST_MEASURED else value[:: len(value) // MOST_MEASURED]
        inner = sum(map(size_of, some))
        return sys.getsizeof(value) + (inner * len(value) // len(some) if some else 0)
    if isinstance(value, set | frozenset):
        return sys.getsizeof(value) + sum(map(size_of, value))
    if isinstance(value, msgspec.Struct):
        return sys.getsizeof(value) + sum(size_of(getattr(value, name)) for name in value.__struct_fields__)
    if is_dataclass(value) and not isinstance(value, type):
        return sys.getsizeof(value) + sum(size_of(getattr(value, one.name)) for one in fields(value))
    return sys.getsizeof(value)
