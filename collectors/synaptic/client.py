"""Synaptic itself: health, readiness and version, replica by replica and through its balancer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Literal, TypeVar

import msgspec

from collectors.cache import Answer, AnswerCache
from collectors.errors import BadAnswer, SourceError
from collectors.guard import Guard
from collectors.http import HttpAnswer, HttpSource
from settings import Synaptic as SynapticSettings

T = TypeVar("T")


class HealthAnswer(msgspec.Struct):
    """Body of ``GET /health``; what a build leaves out is "not reported"."""

    status: str = ""
    version: str = ""
    timestamp: str = ""


class ReadyAnswer(msgspec.Struct):
    """Body of ``GET /ready``."""

    status: str = ""
    reason: str = ""


State = Literal["ready", "not ready", "unhealthy", "unreachable"]


@dataclass(frozen=True)
class ReplicaState:
    """What one replica, or the balancer, said.

    Attributes:
        name: The replica's name; empty for the balancer.
        state: ``ready``; ``not ready`` with a reason; ``unhealthy`` where it lives but says otherwise;
            ``unreachable`` where it gave no usable answer.
        version: Its version; empty where it did not report one.
        detail: The reason in its own words, or what went wrong.
        error: Why there is no usable answer.
    """

    name: str
    state: State
    version: str = ""
    detail: str = ""
    error: SourceError | None = None


@dataclass(frozen=True)
class ServiceState:
    """What all replicas and the balancer said.

    Attributes:
        balancer: The answer through the balancer, which is what users get.
        replicas: The answers of the replicas that the settings name, in their order.
    """

    balancer: ReplicaState
    replicas: tuple[ReplicaState, ...]


class Synaptic:
    """The service of one environment.

    Args:
        environment: Key of the environment.
        settings: Where the service is.
        cache: Where answers are kept.
    """

    def __init__(self, environment: str, settings: SynapticSettings, cache: AnswerCache) -> None:
        self.environment = environment
        self.settings = settings
        self._cache = cache
        self.source = HttpSource(environment, "synaptic", settings, light=True)
        # A replica that is down is a fact about the replica, not about the source: each has its own breaker.
        self._guards = {replica.name: Guard(environment, f"synaptic/{replica.name}") for replica in settings.replicas}
        self._threads = ThreadPoolExecutor(max_workers=len(settings.replicas) + 1, thread_name_prefix="synaptic")

    def state(self) -> Answer[ServiceState]:
        """Health and readiness of the balancer and of every replica, asked side by side.

        Raises:
            SourceError: Neither the balancer nor any replica gave a usable answer.
        """
        return self._cache.get((self.environment, "synaptic", "state"), None, self._load_state)

    def version(self) -> str:
        """The version that the balancer's answer reports, or an empty text.

        Raises:
            SourceError: No usable answer.
        """
        return self.source.ask("GET", "/health", self.source.json(HealthAnswer)).version

    def answers(self) -> None:
        """Return when it answers through the balancer, whatever it says of itself.

        Raises:
            SourceError: No usable answer.
        """
        self.source.ask("GET", "/health", self._reader(HealthAnswer), accept=(500, 503))

    def close(self) -> None:
        """Close all connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.source.close()

    def _load_state(self) -> ServiceState:
        asked = [("", self.settings.url), *((replica.name, replica.url) for replica in self.settings.replicas)]
        context = copy_context()  # the caller's deadline holds in the threads too
        balancer, *replicas = self._threads.map(lambda one: context.copy().run(self._ask, *one), asked)
        if balancer.error is not None and all(replica.error is not None for replica in replicas):
            raise balancer.error
        return ServiceState(balancer, tuple(replicas))

    def _ask(self, name: str, url: str) -> ReplicaState:
        guard = self._guards.get(name)
        try:
            health = self.source.ask(
                "GET", "/health", self._reader(HealthAnswer), base_url=url, accept=(500, 503), guard=guard
            )
            ready = self.source.ask(
                "GET", "/ready", self._reader(ReadyAnswer), base_url=url, accept=(503,), guard=guard
            )
        except SourceError as error:
            return ReplicaState(name, "unreachable", detail=f"{error.what}", error=error)
        if health.status and health.status != "healthy":
            return ReplicaState(name, "unhealthy", health.version, health.status)
        if ready.status != "ready":
            return ReplicaState(name, "not ready", health.version, ready.reason or ready.status)
        return ReplicaState(name, "ready", health.version)

    def _reader(self, shape: type[T]) -> Callable[[HttpAnswer], T]:
        """A reader of Synaptic's own words, which come with 503 too; other words with 503 are a proxy's."""
        decode = self.source.json(shape)

        def read(answer: HttpAnswer) -> T:
            try:
                return decode(answer)
            except BadAnswer:
                self.source.refuse_bad_status(answer)
                raise

        return read


def versions(replicas: Sequence[ReplicaState]) -> list[str]:
    """The different versions that replicas reported, sorted."""
    return sorted({replica.version for replica in replicas if replica.version})
