"""The log lines of a stretch of the past, as the replicas would have printed them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import NormalDist
from typing import Any

import numpy as np

from demo import rhythm
from demo.history.model import Floats
from demo.history.service import (
    CONSOLIDATION_MINUTE,
    CONSOLIDATION_RUN_SECONDS,
    CONSOLIDATION_SECONDS,
    REFUSED_WRITES_SHARE,
)
from demo.measured import latencies
from demo.plan import Plan
from demo.seed import user_address, user_name
from demo.synaptic.config import Settings
from demo.synaptic.logs import SECURITY_TARGET
from demo.synaptic.spans import SLOW_SECONDS

Rates = Callable[[Floats], Floats]

NORMAL = NormalDist()
CELL = 300.0  # seconds for which a rate counts as constant
GUESTS = 20


@dataclass(frozen=True)
class Kind:
    """How requests of one operation are named in the log.

    Attributes:
        name: Field ``operation``, and the span.
        component: Field, and the end of the target.
        error: What the database says to one that fails.
    """

    name: str
    component: str
    error: str


_NO_ID = 'InvalidTextRepresentation: invalid input syntax for type uuid: "latest"'
_NUL = "DataError: PostgreSQL text fields cannot contain NUL (0x00) bytes"
KINDS: Mapping[str, Kind] = {
    "read": Kind("read_memory", "memory", _NO_ID),
    "store": Kind("store_memory", "memory", _NUL),
    "update": Kind("update_memory", "memory", _NO_ID),
    "delete": Kind("delete_memory", "memory", _NO_ID),
    "full_text": Kind("search_full_text", "query", 'SyntaxError: syntax error in tsquery: "{word} &"'),
    "ranked": Kind("search_ranked", "query", 'SyntaxError: syntax error in tsquery: "{word} & {other} &"'),
    "recent": Kind("search_recent", "query", _NUL),
    "fuzzy": Kind("search_fuzzy", "query", _NUL),
    "similar": Kind("search_similar", "query", ""),
    "logout": Kind("logout", "security", ""),
    "export": Kind("bulk_export", "export", ""),
}


@dataclass(frozen=True)
class Event:
    """One line: when, of which replica, and what it says."""

    time: float
    pod: str
    line: str


class Writer:
    """Makes lines.

    Args:
        plan: Names of the replicas.
        seed: Of chance: the same seed, the same lines.
    """

    def __init__(self, plan: Plan, seed: int) -> None:
        self._pods = [replica.pod for replica in plan.replicas]
        self._latencies = latencies(plan)
        self._chance = np.random.default_rng(seed)
        # For single numbers: numpy takes many times as long for them.
        self._dice = random.Random(seed)

    def between(self, begin: float, end: float) -> list[Event]:
        """All lines of a stretch, in order of time; seconds since 1970."""
        made = [
            *self._requests(begin, end),
            *self._sign_ins(begin, end),
            *self._exports(begin, end),
            *self._refusals(begin, end),
            *self._upkeep(begin, end),
        ]
        return sorted(made, key=lambda event: event.time)

    def _requests(self, begin: float, end: float) -> Iterator[Event]:
        for operation, kind in KINDS.items():
            latency = self._latencies[operation]

            def rate(times: Floats, operation: str = operation) -> Floats:
                return rhythm.rates(times)[operation]

            def slow(times: Floats, operation: str = operation) -> Floats:
                """Share of requests that take longer than a slow one must."""
                median, spread = self._latencies[operation].median_seconds, self._latencies[operation].sigma
                edges = np.log(SLOW_SECONDS / (median * rhythm.latency_factor(times, operation))) / spread
                return np.array([1 - NORMAL.cdf(edge) for edge in edges.tolist()])

            for is_slow in (True, False):
                kept = 1.0 if is_slow else Settings.log_share

                def told(times: Floats, is_slow: bool = is_slow, slow: Rates = slow, rate: Rates = rate) -> Floats:
                    return rate(times) * (slow(times) if is_slow else 1 - slow(times))

                times = self._moments(told, kept, begin, end)
                ranks = self._ranks(1 - slow(times), above=is_slow)
                middle = latency.median_seconds * rhythm.latency_factor(times, operation)
                seconds = middle * np.exp(latency.sigma * ranks)
                for moment, lasted in zip(times.tolist(), seconds.tolist(), strict=True):
                    level, text = ("WARN", "was slow") if is_slow else ("INFO", "completed")
                    yield self._request(moment, kind, level, text, lasted)
            if kind.error:
                share = rhythm.ERROR_SHARE
                for moment in self._moments(rate, share, begin, end).tolist():
                    # The database refuses before it searches.
                    lasted = 0.6 * latency.median_seconds * self._dice.lognormvariate(0.0, latency.sigma)
                    words = self._dice.sample(rhythm.SEARCH_WORDS, 2)
                    error = kind.error.format(word=words[0], other=words[1])
                    yield self._request(moment, kind, "ERROR", "failed", lasted, error=error)

    def _request(self, moment: float, kind: Kind, level: str, text: str, seconds: float, **more: Any) -> Event:
        user, _ = self._user()
        trace = self._digits(32)
        fields = {
            "component": kind.component,
            "operation": kind.name,
            "user_id": user,
            "session_id": self._digits(8),
            "request_id": trace,
            "duration_ms": round(seconds * 1000, 3),
            **more,
        }
        target, message = f"synaptic::{kind.component}", f"{kind.name} {text}"
        return self._event(moment, level, target, message, fields, kind.name, trace)

    def _sign_ins(self, begin: float, end: float) -> Iterator[Event]:
        def rate(times: Floats) -> Floats:
            return rhythm.rates(times)["login"]

        succeed = 1 - rhythm.LOGIN_FAILURE_SHARE
        for share, operation in ((succeed, "login_success"), (rhythm.LOGIN_FAILURE_SHARE, "login_failure")):
            for moment in self._moments(rate, share, begin, end).tolist():
                yield self._security(moment, "Authentication", operation, self._user(), "session", "login")

    def _exports(self, begin: float, end: float) -> Iterator[Event]:
        def rate(times: Floats) -> Floats:
            return rhythm.rates(times)["export"]

        for moment in self._moments(rate, 1.0, begin, end).tolist():
            yield self._security(moment, "MemoryOperation", "bulk_export", self._user(), "memories", "bulk_export")

    def _refusals(self, begin: float, end: float) -> Iterator[Event]:
        def rate(times: Floats) -> Floats:
            every = rhythm.rates(times)
            return REFUSED_WRITES_SHARE * (every["store"] + every["update"] + every["delete"])

        for moment in self._moments(rate, 1.0, begin, end).tolist():
            number = self._dice.randrange(GUESTS)
            guest = f"guest-{number:02d}", f"10.30.0.{number + 1}"
            yield self._security(moment, "AccessControl", "permission_denied", guest, "memory:write", "update_memory")

    def _security(
        self, moment: float, event_type: str, operation: str, user: tuple[str, str], resource: str, span: str
    ) -> Event:
        success = operation in ("login_success", "bulk_export")
        fields = {
            "component": "security",
            "operation": operation,
            "event_type": event_type,
            "user_id": user[0],
            "resource": resource,
            "success": success,
            "ip_address": user[1],
            "risk_level": "Low" if success else "Medium",
            "severity": "low" if success else "medium",
        }
        level, text = "INFO" if success else "WARN", operation.replace("_", " ")
        return self._event(moment, level, SECURITY_TARGET, text, fields, span, self._digits(32))

    def _upkeep(self, begin: float, end: float) -> Iterator[Event]:
        """Each consolidation by one of the replicas."""
        offset = CONSOLIDATION_MINUTE
        first = np.ceil((begin - offset) / CONSOLIDATION_SECONDS) * CONSOLIDATION_SECONDS + offset
        for moment in np.arange(first, end - CONSOLIDATION_RUN_SECONDS, CONSOLIDATION_SECONDS).tolist():
            pod = self._dice.choice(self._pods)
            fields = {"component": "consolidation", "operation": "consolidate"}
            target = "synaptic::consolidation"
            yield self._event(moment, "INFO", target, "consolidation started", fields, None, "", pod)
            done = {
                "component": "security",
                "operation": "consolidation_completed",
                "event_type": "Computation",
                "user_id": "schedule",
                "resource": "memories",
                "success": True,
                "risk_level": "Low",
                "severity": "low",
            }
            ended = moment + CONSOLIDATION_RUN_SECONDS
            yield self._event(ended, "INFO", SECURITY_TARGET, "consolidation completed", done, None, "", pod)

    def _event(
        self,
        moment: float,
        level: str,
        target: str,
        message: str,
        fields: Mapping[str, Any],
        span: str | None,
        trace: str,
        pod: str | None = None,
    ) -> Event:
        body: dict[str, Any] = {
            "timestamp": stamp(moment),
            "level": level,
            "fields": {"message": message, **fields},
            "target": target,
        }
        if span is not None:
            body |= {"span": {"name": span}, "spans": [{"name": span}], "trace_id": trace, "span_id": self._digits(16)}
        return Event(moment, pod or self._dice.choice(self._pods), json.dumps(body))

    def _moments(self, rate: Rates, share: float, begin: float, end: float) -> Floats:
        """Times at which something happens that has a rate of ``rate`` times ``share`` a second."""
        cells = np.arange(begin, end, CELL)
        lengths = np.minimum(CELL, end - cells)
        counts = self._chance.poisson(rate(cells) * share * lengths)
        starts, lasting = np.repeat(cells, counts), np.repeat(lengths, counts)
        return np.sort(starts + lasting * self._chance.random(len(starts)))

    def _ranks(self, edges: Floats, *, above: bool) -> Floats:
        """Standard normal numbers, each above or below that of which ``edges`` says how much lies below it."""
        drawn = self._chance.random(len(edges))
        shares = edges + (1 - edges) * drawn if above else edges * drawn
        return np.array([NORMAL.inv_cdf(share) for share in shares.clip(1e-12, 1 - 1e-12).tolist()])

    def _user(self) -> tuple[str, str]:
        number = self._dice.randrange(rhythm.USERS)
        return user_name(number), user_address(number)

    def _digits(self, count: int) -> str:
        return f"{self._dice.getrandbits(4 * count):0{count}x}"


def stamp(moment: float) -> str:
    """Seconds since 1970 as the service writes them."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
