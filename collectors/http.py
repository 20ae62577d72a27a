"""The one way to an HTTP source: one deadline for the whole answer, bounded, without redirects.

All requests run on one event loop in a thread of its own, because only a cancelled task gives a
deadline that holds against every kind of slowness: a connection that is never accepted, headers that
drip, a body that drips. Callers are ordinary threads and wait. Proxies of the environment are not
used and redirects are not followed, so a source can never send the console somewhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import threading
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from collectors import lenient
from collectors.deadline import Allowance, allowance, reading
from collectors.errors import BadAnswer, Denied, Overloaded, SourceError, TimedOut, Unreachable
from collectors.guard import Guard
from settings import HttpEndpoint
from telemetry.masks import MARGIN, foreign

T = TypeVar("T")

USER_AGENT = "synaptic-console"
ANOTHER_SERVICE = "Check the address: another service, or another version of it, may answer there."
EXCERPT = 100
"""Characters that are told of a body in no form that is known: it may repeat whatever it was sent."""

GAVE_UP = (408, 504, 524)
"""Statuses of a proxy whose patience ended."""

LESS = "Ask for less: a shorter window, or fewer series."

MOST: tuple[tuple[bytes, int, str], ...] = (
    (b"{", 250_000, "objects"),
    (b"[", 1_500_000, "lists"),
    (b":", 1_000_000, "pairs of name and value"),
    (b",", 4_000_000, "values"),
)
"""What one answer may hold, told by what no value is written without: a series is two objects, a sample a list."""

_INFINITE = b',"+Inf"]'

PROXY_BETWEEN = "Look at what stands between: a proxy?"


@dataclass(frozen=True)
class HttpAnswer:
    """A complete answer with a status that the caller said it can use."""

    status: int
    headers: httpx.Headers
    body: bytes


@dataclass(frozen=True)
class Request:
    """What is sent; the fields are httpx' own."""

    method: str
    url: str
    params: Mapping[str, Any] | None = None
    form: Mapping[str, Any] | None = None
    content: bytes | None = None
    headers: Mapping[str, str] | None = None


class HttpSource:
    """One HTTP source of one environment.

    Args:
        environment: Key of the environment.
        name: Name of the source, as in ``settings.SOURCE_NAMES``.
        endpoint: Where it is and what it may cost.
        headers: Sent with every request, beside the credentials of ``endpoint``.
        light: Whether it is asked nothing that takes long, so that an error of what stands in front is its own.
    """

    def __init__(
        self,
        environment: str,
        name: str,
        endpoint: HttpEndpoint,
        *,
        headers: Mapping[str, str] | None = None,
        light: bool = False,
    ) -> None:
        self.environment = environment
        self.name = name
        self.endpoint = endpoint
        self.address = endpoint.url
        self.guard = Guard(environment, name)
        self._light = light
        self._headers = {
            "User-Agent": USER_AGENT,
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            **(headers or {}),
        }
        if endpoint.bearer_token is not None:
            self._headers["Authorization"] = f"Bearer {endpoint.bearer_token.get_secret_value()}"
        self._auth = (
            httpx.BasicAuth(endpoint.username, endpoint.password.get_secret_value())
            if endpoint.username is not None and endpoint.password is not None
            else None
        )
        self._client: httpx.AsyncClient | None = None
        self._client_lock = threading.Lock()

    def ask(
        self,
        method: str,
        path: str,
        read: Callable[[HttpAnswer], T],
        *,
        params: Mapping[str, Any] | None = None,
        form: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        base_url: str | None = None,
        deadline: float | None = None,
        accept: tuple[int, ...] = (),
        repeatable: bool = True,
        guard: Guard | None = None,
    ) -> T:
        """Send one request, read the whole answer and decode it; all three count as one success or failure.

        Args:
            method: HTTP method.
            path: Path below the source's address, with its leading slash.
            read: Makes the result of a complete answer, for example :meth:`json`; may raise ``SourceError``.
            params: Query parameters.
            form: Form fields of the body.
            content: Body, instead of a form.
            headers: Further headers.
            base_url: Another address of the same source (one replica), instead of the endpoint's.
            deadline: Seconds for the whole answer; the endpoint's by default.
            accept: Error statuses that ``read`` wants to see itself.
            repeatable: Whether a request on a connection that broke may be sent once more.
            guard: Another breaker than the source's own, for a part of it that may be down alone.

        Raises:
            SourceError: No usable answer; see :mod:`collectors.errors` for the kinds.
        """
        request = Request(method, (base_url or self.address) + path, params, form, content, headers)
        limit = self.endpoint.deadline if deadline is None else deadline
        allowed = allowance(self.name, self.address, limit)
        with (guard or self.guard).attempt():
            answer = self._wait(run_on_loop(self._exchange(request, allowed, repeatable)), allowed)
            if answer.status not in accept:
                self.refuse_bad_status(answer)
            with reading(self.name, self.address, limit):
                return read(answer)

    def json(self, shape: type[T] | msgspec.json.Decoder[T]) -> Callable[[HttpAnswer], T]:
        """A reader for :meth:`ask` that decodes a JSON body into typed structs.

        The reader raises :class:`BadAnswer` where the body is not JSON or not of this shape; it names the path.
        """
        decoder = shape if isinstance(shape, msgspec.json.Decoder) else msgspec.json.Decoder(shape, strict=False)

        def read(answer: HttpAnswer) -> T:
            try:
                return decoder.decode(answer.body)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise self._not_decoded(answer, error) from None

        return read

    def lenient(self, shape: Any) -> Callable[[HttpAnswer], tuple[Any, tuple[str, ...]]]:
        """A reader like :meth:`json` that odd values do not spoil; beside the answer it gives remarks about them."""
        decoder = msgspec.json.Decoder(shape, strict=False)

        def read(answer: HttpAnswer) -> tuple[Any, tuple[str, ...]]:
            self.refuse_dear(answer.body)
            try:
                return decoder.decode(answer.body), ()
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                pass  # one odd value, and all of it is read again
            # The one that is common: a ratio without a divisor. In an array it is a sample and never a label.
            if _INFINITE in answer.body:
                with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    return decoder.decode(answer.body.replace(_INFINITE, b',"Inf"]')), ()
            if len(answer.body) > lenient.LARGEST and answer.body.lstrip()[:1] in (b"{", b"["):
                raise self.bad_answer(
                    f"answered with {len(answer.body) // 1024 // 1024} MiB of which some values are odd, "
                    f"and above {lenient.LARGEST // 1024 // 1024} MiB such an answer is not taken apart",
                    hint=LESS,
                    trips=False,
                )
            try:
                return lenient.decoded(answer.body, shape)
            except (msgspec.DecodeError, RecursionError) as error:
                raise self._not_decoded(answer, error) from None

        return read

    def refuse_dear(self, body: bytes, bounds: Sequence[tuple[bytes, int, str]] = MOST) -> None:
        """Raise where an answer has more values than any of ours, however few bytes each takes on the wire.

        An empty object is two bytes there and hundreds here; what is decoded at once cannot be stopped.

        Raises:
            BadAnswer: It has; that is about this question.
        """
        for mark, most, what in bounds:
            if body.count(mark) > most:
                raise self.bad_answer(f"answered with more than {most:,} {what}", hint=LESS, trips=False)

    def _not_decoded(self, answer: HttpAnswer, error: Exception) -> BadAnswer:
        if isinstance(error, msgspec.ValidationError):
            return self.bad_answer(f"answered in an unexpected form: {error}", hint=ANOTHER_SERVICE)
        if isinstance(error, RecursionError):
            return self.bad_answer("answered with JSON that is nested too deep to be read", trips=False)
        what = f"answered with something that is not JSON ({str(error)[:200]})"
        return self.bad_answer(what, hint=_looks_like(answer.body))

    def bad_answer(self, what: str, *, hint: str = "", trips: bool = True) -> BadAnswer:
        """A :class:`BadAnswer` of this source."""
        return BadAnswer(self.name, self.address, what, hint=hint, trips=trips)

    def close(self) -> None:
        """Close all connections."""
        with self._client_lock:
            client, self._client = self._client, None
        if client is not None:
            run_on_loop(client.aclose()).result(timeout=5)

    async def _exchange(self, request: Request, allowed: Allowance, repeatable: bool) -> HttpAnswer:
        try:
            async with asyncio.timeout(allowed.seconds):
                try:
                    return await self._once(request, allowed.seconds)
                except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
                    # A kept connection that the server closed meanwhile breaks on its next use; what
                    # may be repeated is sent once more, on a new connection, within the same deadline.
                    if not repeatable:
                        raise
                    return await self._once(request, allowed.seconds)
        except HTTPX_ERRORS as error:
            if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.PoolTimeout):
                raise self._timed_out(allowed) from None
            raise map_httpx_error(self.name, self.address, error, allowed.words) from error
        except TimeoutError:
            raise self._timed_out(allowed) from None

    async def _once(self, request: Request, seconds: float) -> HttpAnswer:
        client = self._connected()
        # A request that waited nine tenths of its time for a connection would get no answer in the
        # rest; ended here, it can be told from one that the source did not answer.
        timeout = httpx.Timeout(seconds, pool=0.9 * seconds)
        built = client.build_request(
            request.method,
            request.url,
            params=request.params,
            data=request.form,
            content=request.content,
            headers=request.headers,
            timeout=timeout,
        )
        response = await client.send(built, stream=True, auth=self._auth or httpx.USE_CLIENT_DEFAULT)
        try:
            parts: list[bytes] = []
            size = 0
            async for part in self._unpacked(response):
                size += len(part)
                if size > self.endpoint.max_bytes:
                    raise self.bad_answer(
                        f"answered with more than {self.endpoint.max_bytes // 1024 // 1024} MiB",
                        hint="Ask for less (a shorter window, fewer series), or raise max_bytes of this source.",
                    )
                parts.append(part)
            return HttpAnswer(response.status_code, response.headers, b"".join(parts))
        finally:
            await response.aclose()

    async def _unpacked(self, response: httpx.Response) -> AsyncIterator[bytes]:
        """The body in parts, of which none is much larger than an answer may be, however well it was packed."""
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding in ("", "identity"):
            async for part in response.aiter_raw():
                yield part
            return
        if encoding not in ("gzip", "x-gzip"):
            shown = foreign(encoding, EXCERPT)
            raise self.bad_answer(f"answered in an encoding that nobody asked for ({shown})", hint=PROXY_BETWEEN)
        unpacker, empty = zlib.decompressobj(wbits=31), True
        try:
            async for part in response.aiter_raw():
                rest = part
                while rest:
                    if unpacker.eof:
                        # A body may be several packed ones after each other; zeros after the last one are padding.
                        rest = rest.lstrip(b"\0")
                        if not rest:
                            break
                        unpacker = zlib.decompressobj(wbits=31)
                    empty = False
                    yield unpacker.decompress(rest, self.endpoint.max_bytes + 1)
                    rest = unpacker.unused_data
        except zlib.error:
            raise self.bad_answer("sent an answer that cannot be unpacked", hint=PROXY_BETWEEN) from None
        if not unpacker.eof and not empty:
            raise self.bad_answer("sent an answer that ends in the middle", hint=PROXY_BETWEEN)

    def _connected(self) -> httpx.AsyncClient:
        with self._client_lock:
            if self._client is None:
                self._client = httpx.AsyncClient(
                    headers=self._headers,
                    verify=self._tls(),
                    trust_env=False,
                    follow_redirects=False,
                    limits=httpx.Limits(
                        max_connections=self.endpoint.connections,
                        max_keepalive_connections=self.endpoint.connections,
                        keepalive_expiry=30,
                    ),
                )
            return self._client

    def _tls(self) -> ssl.SSLContext | bool:
        if urlsplit(self.address).scheme != "https":
            return False  # nothing to check; loading the system's authorities would cost 20 ms a source
        ca_file = self.endpoint.ca_file
        try:
            context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        except OSError as error:
            raise Unreachable(
                self.name,
                self.address,
                f"is not asked, because its ca_file {ca_file} cannot be used ({error.strerror or error})",
                hint="Give the path of a PEM file that the console may read.",
            ) from None
        if not self.endpoint.verify_tls:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _wait(self, future: Future[HttpAnswer], allowed: Allowance) -> HttpAnswer:
        try:
            # The task ends itself at its deadline; the second more is for a loop that is itself held up.
            return future.result(timeout=allowed.seconds + 1)
        except TimeoutError:
            future.cancel()
            raise self._timed_out(allowed) from None

    def _timed_out(self, allowed: Allowance) -> TimedOut:
        error = TimedOut(
            self.name,
            self.address,
            f"did not answer completely {allowed.words}",
            hint="Look whether it is overloaded; a shorter window asks for less. Its deadline is a setting.",
        )
        allowed.judge(error)
        return error

    def refuse_bad_status(self, answer: HttpAnswer) -> None:
        """Raise what an answer's status means, where it is not a success.

        Raises:
            SourceError: ``Denied``, ``Overloaded`` or ``BadAnswer``.
        """
        status = answer.status
        if status < 300:
            return
        if status in (401, 403):
            raise Denied(
                self.name,
                self.address,
                "asked for credentials (401)" if status == 401 else "refused the credentials (403)",
                hint="Check bearer_token, or username and password, of this source in the settings file.",
            )
        if status in (429, 503):
            wait = answer.headers.get("retry-after", "")
            raise Overloaded(
                self.name,
                self.address,
                f"is overloaded ({status})",
                hint=f"It asked to wait {wait} s." if wait.isdigit() else "It is asked again after a rest.",
            )
        if 300 <= status < 400:
            raise self.bad_answer(
                f"answered with a redirect ({status}), which is not followed",
                hint="Give the final address in the settings file; a sign-in page in front of it redirects too.",
            )
        if status in GAVE_UP and not self._light:
            # What stands between waited for this question; others it may well answer. A source that is silent behind
            # its proxy is found by the light questions of views/overview/silences.py.
            late = TimedOut(
                self.name,
                self.address,
                f"did not answer before what stands in front of it gave up ({status})",
                hint="Shorten the window, or ask for less; or give the proxy more time.",
                trips=False,
            )
            late.code = str(status)
            raise late
        raise self.bad_answer(f"answered with an error ({status})", hint=_looks_like(answer.body), trips=status >= 500)


def _looks_like(body: bytes) -> str:
    start = body[: EXCERPT + MARGIN].lstrip()
    if start.startswith(b"<"):
        return "The answer is a web page: the address may be a proxy or a sign-in page, not the source."
    text = foreign(start.decode("utf-8", "replace").strip(), EXCERPT)
    return f"It said: {text}" if text else "The answer was empty."


def map_httpx_error(source: str, address: str, error: Exception, within: str) -> SourceError:
    """The :class:`SourceError` for an exception of httpx; the most specific row of the table wins.

    Args:
        source: Name of the source.
        address: Where it is, without credentials.
        error: One of ``HTTPX_ERRORS``.
        within: The limit that it had, in words: :attr:`collectors.deadline.Allowance.words`.
    """
    for exception, kind, what, hint in _HTTPX_ERRORS:
        if isinstance(error, exception):
            cause = _root_cause(error)
            if isinstance(cause, ssl.SSLError):
                reason = getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or "TLS failed"
                return Unreachable(
                    source,
                    address,
                    f"has a certificate that is not trusted, or does not speak TLS ({reason})",
                    hint="Give the authority that signed it as ca_file of this source, and check the host name.",
                )
            detail = f" ({_os_reason(cause)})" if isinstance(cause, OSError) else ""
            # Connections that are all in use are our own share, and no failure of the source.
            trips = False if exception is httpx.PoolTimeout else None
            return kind(source, address, what.format(within=within) + detail, hint=hint, trips=trips)
    raise error


HTTPX_ERRORS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, httpx.CookieConflict)
"""The roots of all exceptions that httpx raises; a test proves it."""

_HTTPX_ERRORS: tuple[tuple[type[Exception], type[SourceError], str, str], ...] = (
    (
        httpx.PoolTimeout,
        Overloaded,
        "got no free connection of ours {within}",
        "Too many requests at once: raise `connections` of this source, or look why it is slow.",
    ),
    (httpx.TimeoutException, TimedOut, "did not answer completely {within}", "Is it overloaded?"),
    (
        httpx.ConnectError,
        Unreachable,
        "cannot be reached",
        "Check that it runs, and its address in the settings file.",
    ),
    (httpx.ProxyError, Unreachable, "cannot be reached through its proxy", "Check the address in the settings file."),
    (httpx.NetworkError, Unreachable, "broke the connection", "Look whether it is restarting."),
    (
        httpx.RemoteProtocolError,
        Unreachable,
        "broke off in the middle of its answer, or does not speak HTTP",
        "Look whether it is restarting, and whether the port in the settings file is right.",
    ),
    (
        httpx.UnsupportedProtocol,
        BadAnswer,
        "has an address that is not http or https",
        "Correct the address in the settings file.",
    ),
    (httpx.ProtocolError, BadAnswer, "could not be asked this way", "This is a mistake of the console."),
    (httpx.DecodingError, BadAnswer, "sent an answer that cannot be unpacked", PROXY_BETWEEN),
    (httpx.TooManyRedirects, BadAnswer, "answered with a redirect", "Give the final address in the settings file."),
    (httpx.HTTPError, BadAnswer, "gave an answer that cannot be used", ""),
    (httpx.InvalidURL, BadAnswer, "has an address that is not valid", "Correct the address in the settings file."),
    (httpx.StreamError, BadAnswer, "gave an answer that was read twice", "This is a mistake of the console."),
    (httpx.CookieConflict, BadAnswer, "sent cookies that contradict each other", ""),
)  # fmt: skip


def _os_reason(error: OSError) -> str:
    # asyncio words a refused connection by its address; the system's own words are shorter and known.
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or type(error).__name__


def _root_cause(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error


_loop: asyncio.AbstractEventLoop | None = None
_loop_lock = threading.Lock()


def run_on_loop(work: Coroutine[Any, Any, T]) -> Future[T]:
    """Start a coroutine on the collectors' event loop, which is started on first use."""
    global _loop
    with _loop_lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="collectors-http", daemon=True).start()
        return asyncio.run_coroutine_threadsafe(work, _loop)
