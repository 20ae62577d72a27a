"""The log store as far as Overview and Sources need it: is it there, what does the index hold, counts.

The official client (the 8 line, which speaks to servers 8 and 9) builds the requests. Its transport is
given a node of ours, so that every request has a total deadline and runs behind the breaker; what the
client makes of the answers is checked and turned into typed structs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
from elastic_transport import (
    ApiError,
    ApiResponse,
    ApiResponseMeta,
    BaseNode,
    HttpHeaders,
    NodeConfig,
)
from elastic_transport._node import NodeApiResponse  # the return type of a node is not exported
from elasticsearch import Elasticsearch as Client
from elasticsearch import exceptions

from collectors.cache import Answer, AnswerCache
from collectors.elasticsearch.dsl import ISO
from collectors.elasticsearch.failures import failure, reason, refusal
from collectors.elasticsearch.values import as_utf8, has_half_characters, told
from collectors.errors import BadAnswer, Denied, Overloaded, Partial, SourceError, TimedOut, Unreachable
from collectors.http import ANOTHER_SERVICE, EXCERPT, HttpAnswer, HttpSource
from collectors.span import Span
from settings import Elasticsearch as ElasticsearchSettings
from telemetry.masks import foreign

T = TypeVar("T")


LINES_TTL = 30.0
"""Seconds for which a count of lines up to now is believed."""

MOST_DAYS = 14
"""Most daily indices that are named one by one; the address of a request is no place for a year of them."""


class ServerVersion(msgspec.Struct):
    """Version part of ``GET /``."""

    number: str = ""
    build_flavor: str = ""


class Info(msgspec.Struct):
    """``GET /``."""

    cluster_name: str = ""
    version: ServerVersion = msgspec.field(default_factory=ServerVersion)


class ClusterHealth(msgspec.Struct):
    """``GET /_cluster/health``: ``green``, ``yellow`` or ``red``; empty where it is not told."""

    status: str = ""
    number_of_nodes: int = 0
    unassigned_shards: int = 0


class ShardFailure(msgspec.Struct):
    """Why a shard gave no answer; what it nests stays as it came."""

    index: str | None = None
    reason: dict[str, Any] = {}


class Shards(msgspec.Struct):
    """How many shards answered."""

    total: int = 0
    successful: int = 0
    failed: int = 0
    failures: list[ShardFailure] = []


class Clusters(msgspec.Struct):
    """How many clusters answered, where the index pattern names remote ones."""

    total: int = 0
    skipped: int = 0
    partial: int = 0
    failed: int = 0

    @property
    def silent(self) -> int:
        """How many gave no answer, or a part of one."""
        return self.skipped + self.partial + self.failed


class IndexRow(msgspec.Struct):
    """One index of ``_cat/indices``; a closed one has no count."""

    documents: int | None = msgspec.field(name="docs.count", default=None)


class CountAnswer(msgspec.Struct):
    """``_count``."""

    count: int
    terminated_early: bool = False
    shards: Shards = msgspec.field(name="_shards", default_factory=Shards)
    clusters: Clusters = msgspec.field(name="_clusters", default_factory=Clusters)


class Elasticsearch:
    """The logs of one environment.

    Args:
        environment: Key of the environment.
        settings: Where the store is and which index holds the lines.
        cache: Where answers are kept.
    """

    def __init__(self, environment: str, settings: ElasticsearchSettings, cache: AnswerCache) -> None:
        self.environment = environment
        self.settings = settings
        self.cache = cache
        headers = {}
        if settings.api_key is not None:
            headers["Authorization"] = f"ApiKey {settings.api_key.get_secret_value()}"
        self.source = HttpSource(environment, "elasticsearch", settings, headers=headers)
        parts = urlsplit(settings.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        node = NodeConfig(
            parts.scheme, parts.hostname or "", port, path_prefix=parts.path, _extras={"source": self.source}
        )
        # One node and no retries here: deadline, repetition and breaker are the source's own.
        self._client = Client([node], node_class=_Node, max_retries=0, dead_node_backoff_factor=0)

    def info(self) -> Info:
        """Name of the cluster and version of the server.

        Raises:
            SourceError: No usable answer.
        """
        return self.ask(Info, lambda client: client.info())

    def health(self) -> ClusterHealth:
        """Health of the cluster.

        Raises:
            SourceError: No usable answer.
        """
        return self.ask(ClusterHealth, lambda client: client.cluster.health())

    def documents(self) -> int:
        """How many lines the index pattern holds; 0 where it matches no index.

        Raises:
            SourceError: No usable answer.
        """
        index = self.settings.index
        if "*" in index:  # asked by its name, an index that is missing is an error and not an empty list
            try:  # not by counting, which some stores do by reading every line
                found = self.ask(
                    list[IndexRow], lambda client: client.cat.indices(index=index, h="docs.count", format="json")
                )
                return sum(one.documents or 0 for one in found)
            except SourceError as error:
                if error.trips:
                    raise
        # Who may read lines may count them, also where the list of indices is not theirs to see.
        return self.ask(CountAnswer, lambda client: client.count(index=index, ignore_unavailable=True)).count

    def whole(self, answer: CountAnswer) -> int:
        """The number of a count of all lines.

        Raises:
            Partial: Some lines were not counted.
        """
        if answer.shards.failed:
            why = f"{answer.shards.failed} of {answer.shards.total} shards failed"
        elif answer.clusters.silent:
            why = f"{answer.clusters.silent} of {answer.clusters.total} clusters did not answer"
        elif answer.terminated_early:
            why = "the store ended the count early"
        else:
            return answer.count
        hint = "Look at the health of the cluster."
        raise Partial(self.source.name, self.source.address, f"counted in part only ({why})", hint=hint)

    def lines(self, span: Span) -> Answer[int]:
        """How many lines there are within a span, both ends included.

        Counting is slow on a busy cluster and the number moves slowly. So for a live span the last count
        of a span of this length stands for ``LINES_TTL`` and then while the next is made behind it.

        Raises:
            SourceError: No usable answer, and none young enough is kept.
        """

        def load() -> int:
            limits = {"gte": span.start.isoformat(), "lte": span.end.isoformat(), "format": ISO}
            window = {"range": {"@timestamp": limits}}
            answer = self.ask(
                CountAnswer,
                lambda client: client.count(
                    index=self.indices(span.start, span.end),
                    allow_no_indices=True,
                    ignore_unavailable=True,
                    query=window,
                ),
            )
            return self.whole(answer)

        view = (self.environment, "elasticsearch", "lines", span.seconds, span.live or span.start)
        moment = None if span.live else (span.start, span.end)
        return self.cache.get(view, moment, load, ttl=LINES_TTL)

    def indices(self, start: datetime, end: datetime) -> str:
        """The index, or with ``daily`` the indices, that can hold lines of a stretch of time."""
        days = (end.date() - start.date()).days + 1
        if not self.settings.daily or not self.settings.index.endswith("*") or days > MOST_DAYS:
            return self.settings.index
        stem = self.settings.index.removesuffix("*")
        return ",".join(f"{stem}{start + timedelta(days=number):%Y.%m.%d}" for number in range(days))

    def close(self) -> None:
        """Close all connections."""
        self._client.close()
        self.source.close()

    def ask(self, shape: type[T], call: Callable[[Client], ApiResponse[Any]]) -> T:
        """Run a method of the official client and decode its answer.

        The client checks that the server is an Elasticsearch and raises its own errors; both become a
        ``SourceError`` here.

        Raises:
            SourceError: No usable answer.
        """
        try:
            answer = call(self._client)
        except SourceError:
            raise
        except ELASTIC_ERRORS as error:
            raise map_elastic_error(self.source, error) from error
        except UNREADABLE as error:
            what = f"answered with something that cannot be read ({type(error).__name__})"
            raise self.source.bad_answer(what, hint="Ask for less, or for something else.", trips=False) from None
        return convert(self.source, answer.body, shape)


def convert(source: HttpSource, body: Any, shape: type[T]) -> T:
    """Typed structs from the plain objects that the official client decoded.

    Raises:
        BadAnswer: The body is not of this shape; it names the path.
    """
    try:
        return msgspec.convert(told(body), shape, strict=False)
    except msgspec.ValidationError as error:
        raise source.bad_answer(f"answered in an unexpected form: {error}", hint=ANOTHER_SERVICE, trips=False) from None
    except UNREADABLE as error:
        what = f"answered with something that cannot be read ({type(error).__name__})"
        raise source.bad_answer(what, hint="Ask for less, or for something else.", trips=False) from None


UNREADABLE = (RecursionError, OverflowError, ValueError)
"""What decoding an answer can raise beside the client's own exceptions, as of one that is nested too deep."""

ELASTIC_ERRORS = (ApiError, exceptions.TransportError)
"""The roots of all exceptions that the official client and its transport raise; a test proves it."""

_ELASTIC_ERRORS: tuple[tuple[type[Exception], type[SourceError], str, str], ...] = (
    (exceptions.AuthenticationException, Denied, "asked for credentials (401)", "Check the sign-in of this source."),
    (exceptions.AuthorizationException, Denied, "refused the credentials (403)", "The console needs read and monitor."),
    (exceptions.UnsupportedProductError, BadAnswer, "is not an Elasticsearch", "Check the address."),
    (exceptions.ConnectionTimeout, TimedOut, "did not answer in time", "Look at the health of the cluster."),
    (exceptions.ConnectionError, Unreachable, "cannot be reached", "Check that it runs, and its address."),
    (exceptions.SerializationError, BadAnswer, "answered with JSON that cannot be read", "Check the address."),
    (ApiError, BadAnswer, "could not answer this question", "Ask for less, or for something else."),
    (exceptions.TransportError, Unreachable, "cannot be asked", "Check the address in the settings file."),
)  # fmt: skip


def map_elastic_error(source: HttpSource, error: Exception) -> SourceError:
    """The :class:`SourceError` for an exception of the official client; the most specific row wins."""
    for exception, kind, what, hint in _ELASTIC_ERRORS:
        if isinstance(error, exception):
            status = error.meta.status if isinstance(error, ApiError) else 0
            if isinstance(error, ApiError) and (known := failure(source, status, error.body)) is not None:
                return known
            if isinstance(error, ApiError) and (refused := refusal(source, status, error.body)) is not None:
                return refused
            if status in (429, 503):
                return Overloaded(source.name, source.address, f"is overloaded ({status})", hint=hint)
            said = (
                f": {reason(error.body) or foreign(error.message, EXCERPT)}"
                if isinstance(error, ApiError) and kind is BadAnswer
                else ""
            )
            # That it is JSON was seen before: what cannot be read of it is an odd value, as a number without an end.
            odd = isinstance(error, exceptions.SerializationError)
            trips = kind is not BadAnswer or status >= 500 or not (status or odd)
            return kind(source.name, source.address, f"{what}{said}", hint=hint, trips=trips)
    raise error


MOST = ((b"{", 1_000_000, "objects"), (b"[", 1_000_000, "lists"))
"""What one answer may hold: lines of a log are made of objects, and their texts may be JSON again."""

_BLAMES_QUESTION = (400, 404, 410, 422)
_HAS_WORDS = (403, 429, 500, 503)
"""Statuses that are about the source, unless the body says that they are about the question."""


class _Node(BaseNode):
    """The official client's way to the server, through ``HttpSource``."""

    _CLIENT_META_HTTP_CLIENT = ("hx", "0")

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        self._source: HttpSource = config._extras["source"]

    def perform_request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: HttpHeaders | None = None,
        request_timeout: Any = None,
    ) -> NodeApiResponse:
        """Send one request; statuses that blame the question go back to the client, which knows their bodies."""
        sent = {name: value for name, value in (headers or {}).items() if name.lower() != "user-agent"}
        answer = self._source.ask(
            method, target, self._checked, content=body, headers=sent, accept=(*_BLAMES_QUESTION, *_HAS_WORDS)
        )
        meta = ApiResponseMeta(
            status=answer.status,
            http_version="1.1",
            headers=HttpHeaders(answer.headers),
            duration=0.0,
            node=self.config,
        )
        return NodeApiResponse(meta, answer.body)

    def _checked(self, answer: HttpAnswer) -> HttpAnswer:
        # Here, and not in the client's serializer, a body that is not JSON counts as the source's failure.
        if answer.status < 300:
            self._source.refuse_dear(answer.body, MOST)
            answer = replace(answer, body=as_utf8(answer.body))
            try:
                self._source.json(msgspec.Raw)(answer)
            except BadAnswer:
                # A half of a character is no JSON to it; to the client, which is to read it, it is.
                if not has_half_characters(answer.body):
                    raise
        elif answer.status in _HAS_WORDS:
            known = None
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                body = msgspec.json.decode(answer.body)
                known = failure(self._source, answer.status, body) or refusal(self._source, answer.status, body)
            if known is not None:
                raise known
            self._source.refuse_bad_status(answer)
        return answer
