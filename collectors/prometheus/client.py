"""Metrics: signals over a span or at an instant, targets, rules and alerts, from Prometheus' query API.

The official client builds the requests; it is given a session of ours, so that every request has a
total deadline, runs behind the breaker, and is decoded once into typed structs with the server's
warnings kept (the client itself drops them).
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import MetricValueConversionError, PrometheusApiClientException

from collectors import lenient
from collectors.cache import Answer, AnswerCache
from collectors.deadline import reading
from collectors.errors import BadAnswer, Denied, SourceError
from collectors.guard import Guard
from collectors.http import ANOTHER_SERVICE, LESS, HttpAnswer, HttpSource
from collectors.prometheus.chunks import ChunkStore
from collectors.prometheus.failures import QUERY_HINT, not_offered, reason, refusal
from collectors.prometheus.forms import Form, Samples, distinct
from collectors.prometheus.native import TooMany, expanded
from collectors.prometheus.promql import duration, one_of, quote, render
from collectors.prometheus.wire import (
    Alert,
    AlertsData,
    BuildInfo,
    Envelope,
    MatrixData,
    MatrixSeries,
    Range,
    RuleGroup,
    RulesData,
    Sample,
    Target,
    TargetsData,
    Vector,
    VectorData,
    grid,
)
from collectors.signals import Metric, Signal, catalogue
from collectors.span import STEPS, Span
from settings import Limits
from settings import Prometheus as PrometheusSettings

T = TypeVar("T")

NAMES_TTL = 60.0
"""Seconds for which the server's list of metric names is believed."""

OLD = 6 * 3600.0
"""Seconds after which samples may be sparser than the scrape interval, so that it is worth asking."""


@dataclass(frozen=True)
class Coverage:
    """Which metrics of the catalogue a server has.

    Attributes:
        absent: Signal key → candidate names of which none exists.
        doubled: Canonical name → the doubled name that exists beside it or instead of it.
    """

    absent: Mapping[str, tuple[str, ...]]
    doubled: Mapping[str, str]


class Prometheus:
    """The metrics of one environment.

    Args:
        environment: Key of the environment.
        settings: Where the server is and how it is asked.
        limits: What one view may ask.
        cache: Where answers are kept.
    """

    def __init__(self, environment: str, settings: PrometheusSettings, limits: Limits, cache: AnswerCache) -> None:
        self.environment = environment
        self.settings = settings
        self.limits = limits
        self.source = HttpSource(environment, "prometheus", settings)
        self._cache = cache
        self._chunks = ChunkStore(limits.cache_bytes // 4)
        self._guards: dict[str, Guard] = {}
        self._session = _Session(self.source)
        self._client = PrometheusConnect(settings.url, session=self._session, method="POST")

    def range(
        self,
        signal: Signal,
        span: Span,
        *,
        by: Sequence[str] = (),
        filters: Mapping[str, Sequence[str]] | None = None,
        quantile: float | None = None,
        most: int | None = None,
    ) -> Answer[Range]:
        """A signal over a span.

        Args:
            signal: What is asked.
            span: From when to when, and how fine.
            by: Labels to split by; the frame holds the ``limits.series`` largest series.
            filters: Label → values to keep.
            quantile: Another quantile than the signal's own.
            most: Another bound than ``limits.series``, for what is computed with and not drawn.

        Raises:
            SourceError: No usable answer, and none young enough is kept.
        """
        limit = self.limits.series if most is None else most
        view = self._view("range", signal, span, tuple(by), _frozen(filters), quantile, limit)
        return self._cache.get(
            view, (span.start, span.end), lambda: self._load_range(signal, span, by, filters or {}, quantile, limit)
        )

    def instant(
        self,
        signal: Signal,
        at: datetime,
        *,
        look_back: float | None = None,
        by: Sequence[str] = (),
        filters: Mapping[str, Sequence[str]] | None = None,
        quantile: float | None = None,
    ) -> Answer[Vector]:
        """A signal at one instant; a rate looks back ``look_back`` seconds.

        Raises:
            SourceError: No usable answer, and none young enough is kept.
        """
        rate = max(look_back or 0.0, self.rate(1, self.settings.scrape_interval))
        view = self._view("instant", signal, rate, tuple(by), _frozen(filters), quantile)

        def load() -> Vector:
            forms, absent = self._resolve(signal)
            if absent:
                return Vector((), absent=absent)
            found = Vector(())
            for form in forms:
                found = self.query(self._render(signal, form, rate, by, filters or {}, quantile), at)
                if found.samples:
                    break
            return found

        return self._cache.get(view, at, load)

    def query(self, query: str, at: datetime) -> Vector:
        """A PromQL expression of ours at one instant, not kept.

        Raises:
            SourceError: No usable answer.
        """
        answer = self._call("instant", lambda: self._client.custom_query(query, {"time": f"{at.timestamp():.3f}"}))
        data: VectorData = answer.data
        samples = tuple(Sample(one.metric, one.value[1]) for one in data.result if one.value is not None)
        return Vector(samples, query, answer.warnings)

    def names(self) -> frozenset[str]:
        """The names of all metrics that the server has; asked at most once a minute.

        Raises:
            SourceError: No usable answer, and none young enough is kept.
        """
        return self._cache.get(
            (self.environment, "prometheus", "names"), None, lambda: frozenset(self._get_names()), ttl=NAMES_TTL
        ).value

    def coverage(self, signals: Mapping[str, Signal]) -> Coverage:
        """Which of the signals' metrics the server lacks, and which it has under doubled names.

        Raises:
            SourceError: The names could not be asked.
        """
        existing = self.names()
        metrics = [(signal.key, metric) for signal in signals.values() for metric in signal.metrics.values()]
        absent = {
            key: metric.names
            for key, metric in metrics
            if not any(name + metric.suffix in existing or _native(metric, name, existing) for name in metric.names)
        }
        doubled = {
            metric.names[0]: name
            for _, metric in metrics
            for name in metric.names[1:]
            if name + metric.suffix in existing and name.endswith(metric.names[0])
        }
        return Coverage(absent, doubled)

    def targets(self) -> Answer[list[Target]]:
        """All active scrape targets.

        Raises:
            SourceError: No usable answer, and none young enough is kept.
        """

        def load() -> list[Target]:
            return self._part("/api/v1/targets", TargetsData, {"state": "active"}).active_targets

        return self._cache.get((self.environment, "prometheus", "targets"), None, load)

    def alerts(self) -> Answer[list[Alert]]:
        """All alerts that are pending or firing.

        Raises:
            SourceError: No usable answer, and none young enough is kept.
        """
        return self._cache.get(
            (self.environment, "prometheus", "alerts"), None, lambda: self._part("/api/v1/alerts", AlertsData).alerts
        )

    def rules(self) -> Answer[list[RuleGroup]]:
        """All rules with their health.

        Raises:
            SourceError: No usable answer, and none young enough is kept.
        """
        return self._cache.get(
            (self.environment, "prometheus", "rules"), None, lambda: self._part("/api/v1/rules", RulesData).groups
        )

    def version(self) -> str:
        """The server's version, or an empty text where it does not tell (some stores do not).

        Raises:
            SourceError: No usable answer.
        """
        try:
            return self._part("/api/v1/status/buildinfo", BuildInfo).version
        except BadAnswer as error:
            if error.trips:
                raise
            return ""

    def close(self) -> None:
        """Close all connections."""
        self.source.close()

    def rate(self, step: float, spacing: float) -> float:
        """Seconds that a rate must look back.

        At least four scrapes, so that one lost scrape leaves no gap, and a step and a scrape, so that no
        sample falls between two points (the rule of Grafana's ``$__rate_interval``).
        """
        return max(4 * spacing, step + spacing, self.settings.rate_floor)

    def spacing(self, span: Span) -> float:
        """Seconds between two samples of ``span``, where they are the farthest apart: at its start, middle or end.

        Recent samples are as dense as the scrape interval; old ones may be sparser (a down-sampled
        store, a slower scrape in the past), and a rate that looks back too little finds nothing there.
        """
        start, end = span.start.timestamp(), span.end.timestamp()
        old = datetime.now(UTC).timestamp() - OLD
        if start > old:
            return self.settings.scrape_interval
        hours = [int(start // 3600) + 1, *(int(at // 3600) for at in ((start + end) / 2, end) if at <= old)]
        return max(self._spacing(hour) for hour in dict.fromkeys(hours))

    def _spacing(self, hour: int) -> float:
        """Seconds between two samples in the hour before ``hour``, counted from the epoch, rounded up to a step."""
        usual = self.settings.scrape_interval
        look_back = max(3600.0, 2.0 * usual)
        query = f"max(count_over_time(up{{job={quote(self.settings.job)}}}[{duration(look_back)}]))"
        at = datetime.fromtimestamp(hour * 3600, UTC)
        found = self._cache.get(
            (self.environment, "prometheus", "spacing", hour), None, lambda: self.query(query, at), ttl=3600
        ).value
        counts = [sample.value for sample in found.samples if sample.value > 1]
        if not counts:
            return usual
        # A round figure: one sample more or less within the look-back must not make another query of it,
        # for which nothing is kept.
        measured = 0.9 * look_back / max(counts)
        return max(usual, next((float(step) for step in STEPS if step >= measured), measured))

    def _load_range(
        self,
        signal: Signal,
        span: Span,
        by: Sequence[str],
        filters: Mapping[str, Sequence[str]],
        quantile: float | None,
        limit: int,
    ) -> Range:
        forms, absent = self._resolve(signal)
        if absent:
            return Range(pd.DataFrame(index=grid(span)), (), absent=absent)
        rate = self.rate(span.step, self.spacing(span))
        asked = partial(self._load_form, signal, span, rate, by, filters, quantile, limit)
        found = asked(forms[0])
        # Bounds of classic buckets are labels; a native histogram has none that a filter or a split could name.
        if len(forms) > 1 and "le" not in (*by, *filters) and bool(np.isnan(found.values).all(axis=1).any()):
            found = found.filled(asked(forms[1]))
        order = _largest_first(found.values)[:limit] if by else _largest_first(found.values)
        return Range(
            pd.DataFrame(found.values[:, order], index=grid(span)),
            tuple(dict(found.keys[i]) for i in order),
            found.query,
            tuple(dict.fromkeys(found.warnings))[:MOST_WARNINGS],
            total=found.total or (len(found.keys) if len(found.keys) > len(order) else None),
        )

    def _load_form(
        self,
        signal: Signal,
        span: Span,
        rate: float,
        by: Sequence[str],
        filters: Mapping[str, Sequence[str]],
        quantile: float | None,
        limit: int,
        form: Form,
    ) -> Samples:
        """The samples of a signal over a span, from metrics of one form."""
        query = self._render(signal, form, rate, by, filters, quantile)
        total = None
        if by:
            kept, total = self._largest(signal, query, span, by, limit)
            if kept is not None:
                query = self._render(signal, form, rate, by, {**filters, **kept}, quantile)
        warnings: list[str] = []

        def fetch(first: int, last: int, step: int) -> tuple[Sequence[MatrixSeries], bool]:
            answer = self._call(
                "range",
                lambda: self._client.custom_query_range(
                    query, datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC), str(step)
                ),
            )
            warnings.extend(answer.warnings)
            data: MatrixData = answer.data
            with reading(self.source.name, self.source.address, self.settings.deadline):
                series, doubled = self._series(data.result, (last - first) // step + 1)
            if doubled:
                warnings.append(f"{doubled} series came twice; the first sample of each moment counts")
            return series, answer.whole

        values, keys = self._chunks.samples(query, span, fetch)
        return Samples(values, tuple(keys), query, tuple(warnings), total)

    def _series(self, answered: Sequence[MatrixSeries], points: int) -> tuple[list[MatrixSeries], int]:
        """The series of an answer, each once and with classic buckets, and how many came twice.

        Raises:
            BadAnswer: They are more than can be computed with; it is about this question.
        """
        found: tuple[list[MatrixSeries], int] | None = None
        with contextlib.suppress(TooMany):
            found = distinct(expanded(answered, MOST_SAMPLES))
        if found is None or len(found[0]) * points > MOST_SAMPLES:
            raise self.source.bad_answer(f"answered with more than {MOST_SAMPLES:,} samples", hint=LESS, trips=False)
        return found

    def _largest(
        self, signal: Signal, query: str, span: Span, by: Sequence[str], limit: int
    ) -> tuple[dict[str, list[str]] | None, int | None]:
        """Where a split has more series than a chart shows: the label values of its largest, and their number.

        The sizes are averages over the span; they are asked at most every five minutes, because which
        series are the largest changes slowly and a set that jumps about cannot be read.
        """

        def load() -> tuple[dict[str, list[str]] | None, int | None]:
            counted = self.query(f"count({query})", span.end).samples
            # A count that is infinite or no number says nothing: the server is then asked for all, and what
            # it answers is cut here.
            number = int(counted[0].value) if counted and math.isfinite(counted[0].value) else 0
            if number <= limit:
                return None, None
            window, step = duration(span.seconds), duration(max(span.seconds / 20, 1))
            largest = self.query(f"topk({limit}, avg_over_time(({query})[{window}:{step}]))", span.end).samples
            kept = {label: sorted({sample.labels.get(label, "") for sample in largest}) for label in by}
            return kept, number

        view = self._view("largest", signal, span.seconds, tuple(by), query, limit)
        return self._cache.get(view, None, load, ttl=300).value

    def _render(
        self,
        signal: Signal,
        form: Form,
        rate: float,
        by: Sequence[str],
        filters: Mapping[str, Sequence[str]],
        quantile: float | None,
    ) -> str:
        return render(
            signal,
            form.names,
            job=self.settings.job,
            replica=self.settings.replica_label,
            rate=rate,
            by=by,
            filters=filters,
            quantile=quantile,
            native=form.native,
        )

    def _resolve(self, signal: Signal) -> tuple[list[Form], tuple[str, ...]]:
        """The forms in which the server has the signal's metrics, and the candidates of slots that it lacks.

        A histogram that the server has in both forms is asked in the classic one: each request is in both of them.
        But a server remembers names for as long as it keeps samples, so the classic one may have ended long ago:
        the native form is there for what the first one has no sample of.
        """
        existing = self.names()
        classic = {
            slot: tuple(name for name in metric.names if name + metric.suffix in existing)
            for slot, metric in signal.metrics.items()
        }
        natives = {
            slot: tuple(name for name in metric.names if _native(metric, name, existing))
            for slot, metric in signal.metrics.items()
        }
        absent = tuple(
            metric.names[0] + metric.suffix
            for slot, metric in signal.metrics.items()
            if not classic[slot] and not natives[slot]
        )
        forms = [
            Form(
                {slot: classic[slot] or natives[slot] for slot in signal.metrics},
                frozenset(slot for slot in signal.metrics if not classic[slot]),
            ),
            Form(
                {slot: natives[slot] or classic[slot] for slot in signal.metrics},
                frozenset(slot for slot in signal.metrics if natives[slot]),
            ),
        ]
        return forms[:1] if forms[0] == forms[1] else forms, absent

    def _view(self, kind: str, signal: Signal, span: Any, *rest: Any) -> tuple[Any, ...]:
        """The part of a cache key that does not move with the clock."""
        length = (span.seconds, span.step, span.live or span.start) if isinstance(span, Span) else span
        return (self.environment, "prometheus", kind, signal.key, length, *rest)

    def _get_names(self) -> list[str]:
        path = "/api/v1/label/__name__/values"
        try:
            found: list[str] = self._get(path, list[str], only=path).data
            return found
        except (BadAnswer, Denied) as error:
            if error.trips:
                raise
        # The server does not tell its names, so it is asked which of ours it has now.
        candidates = {
            name + suffix
            for signal in catalogue().values()
            for metric in signal.metrics.values()
            for name in metric.names
            for suffix in {"", metric.suffix}
        }
        counted = self.query(f"count by (__name__) ({{__name__=~{one_of(sorted(candidates))}}})", datetime.now(UTC))
        return [sample.labels["__name__"] for sample in counted.samples if "__name__" in sample.labels]

    def _part(self, path: str, shape: type[T], params: Mapping[str, str] | None = None) -> T:
        """Data of an endpoint that a server may lack, or refuse to show, while it answers queries.

        It has a breaker of its own, so that its failures never rest the queries.
        """
        guard = self._guards.setdefault(path, Guard(self.environment, f"prometheus{path}"))
        return self._get(path, shape, params, only=path, guard=guard).data  # type: ignore[no-any-return]

    def _get(
        self,
        path: str,
        shape: Any,
        params: Mapping[str, str] | None = None,
        *,
        only: str = "",
        guard: Guard | None = None,
    ) -> _Answer:
        """The answer of an endpoint that the official client has no method for."""
        read = self._session.reader(shape, only)
        answer: _Answer = self.source.ask("GET", path, read, params=params, accept=ERRORS, guard=guard)
        return answer

    def _call(self, kind: str, call: Any) -> _Answer:
        """Run a method of the official client and return what our session decoded for it."""
        try:
            return self._session.run(_SHAPES[kind], call)
        except CLIENT_ERRORS as error:
            raise map_client_error(self.source, error) from error


def _native(metric: Metric, name: str, existing: Collection[str]) -> bool:
    """Whether a part of a histogram is to be had from a native one: that has its bare name, a classic one never has."""
    return bool(metric.suffix) and name in existing


CLIENT_ERRORS = (PrometheusApiClientException, MetricValueConversionError)
"""All exceptions of the official client; a test proves it."""


def map_client_error(source: HttpSource, error: Exception) -> SourceError:
    """The :class:`SourceError` for an exception of the official client; our session leaves it no cause for one."""
    return source.bad_answer(f"gave an answer that its client cannot use ({error})", hint=ANOTHER_SERVICE)


ERRORS = tuple(range(400, 600))
"""Statuses whose body says what is at fault: :mod:`collectors.prometheus.failures` reads it."""

MOST_SAMPLES = 3_000_000
"""Series by points of one answer that is computed with: a thousand times what a chart shows."""

MOST_WARNINGS = 10
"""Remarks of the server about one question that are told."""

_SHAPES: dict[str, Any] = {"range": MatrixData, "instant": VectorData}


@dataclass(frozen=True)
class _Answer:
    """What was answered.

    Attributes:
        data: The decoded data; the empty one of its shape where there was none.
        warnings: What the server remarked, and what of its answer was odd.
        whole: Whether nothing is missing, so that it may be kept for good.
    """

    data: Any
    warnings: tuple[str, ...]
    whole: bool = True


class _Session:
    """What the official client sees as its ``requests`` session; every request goes through ``HttpSource``.

    The client reads ``response.json()["data"]["result"]`` and drops the rest, so what was decoded is
    handed over beside it, in the calling thread.
    """

    verify = True
    cert = None
    proxies: Mapping[str, str] = {}

    def __init__(self, source: HttpSource) -> None:
        self._source = source
        self._local = threading.local()
        self._readers: dict[Any, Any] = {}

    def mount(self, prefix: str, adapter: object) -> None:
        """Connections are ours; there is nothing to mount."""

    def run(self, shape: Any, call: Any) -> _Answer:
        """What ``call`` of the official client was answered, decoded as ``Envelope[shape]``."""
        self._local.shape = shape
        call()
        answer: _Answer = self._local.answer
        return answer

    def request(self, method: str, url: str, params: Mapping[str, Any] | None = None, **_: Any) -> _Response:
        """Send what the client asks for; its own time-out, sign-in and headers give way to the source's."""
        asked = dict(params or {})
        if "query" in asked:
            asked["timeout"] = duration(self._source.endpoint.deadline)
        path = urlsplit(url).path.removeprefix(urlsplit(self._source.address).path)
        read = self.reader(self._local.shape)
        # A query may be longer than a URL can be, so it travels in the body.
        sent = {"form": asked} if method == "POST" else {"params": asked}
        self._local.answer = self._source.ask(method, path, read, accept=ERRORS, **sent)  # type: ignore[arg-type]
        return _Response(self._local.answer)

    def reader(self, shape: Any, only: str = "") -> Any:
        """A reader of the query API's envelope around ``shape``.

        Args:
            shape: What the envelope holds.
            only: Path of an endpoint that the server may lack, or refuse, without being down.
        """
        if shape not in self._readers:
            self._readers[shape] = self._source.lenient(Envelope[shape])
        decode = self._readers[shape]

        def read(answer: HttpAnswer) -> _Answer:
            if answer.status >= 300:
                error = not_offered(self._source, answer, only) if only else None
                error = error or refusal(self._source, answer)
                if error is not None:
                    raise error
                self._source.refuse_bad_status(answer)
            envelope, odd = decode(answer)
            if envelope.status != "success":
                raise self._source.bad_answer(
                    f"could not run the query: {reason(envelope.error) or envelope.status}",
                    hint=QUERY_HINT,
                    trips=False,
                )
            data = envelope.data if envelope.data is not None else lenient.empty(shape)
            missing = (PARTIAL,) if envelope.isPartial else ()
            # Remarks about the query itself (of PromQL's functions) say nothing about whether all data is there.
            whole = not missing and not odd and all(text.startswith("PromQL ") for text in envelope.warnings)
            remarks = (*missing, *envelope.warnings, *envelope.infos, *odd)
            return _Answer(data, tuple(reason(text) for text in remarks[:MOST_WARNINGS]), whole)

        return read


PARTIAL = "a part of the storage did not answer, so sums may be too low (isPartial)"


class _Response:
    """The little of ``requests.Response`` that the official client reads."""

    status_code = 200
    ok = True
    content = b""

    def __init__(self, answer: _Answer) -> None:
        self._answer = answer

    def json(self) -> dict[str, Any]:
        """The envelope, as far as the client looks into it."""
        data = self._answer.data
        return {"data": {"result": data.result} if hasattr(data, "result") else data}


def _largest_first(values: np.ndarray) -> list[int]:
    """Columns by their mean over the samples that exist, largest first."""
    present = ~np.isnan(values)
    means = np.where(present, values, 0.0).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    return [int(i) for i in np.argsort(-means, kind="stable")]


def _frozen(filters: Mapping[str, Sequence[str]] | None) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple(sorted((label, tuple(values)) for label, values in (filters or {}).items()))
