"""The guard in front of every page and route: plain ASGI, for HTTP and for WebSockets alike.

Streamlit accepts WebSockets without an ``Origin`` and under any ``Host``, and serves more paths than
a console needs. So everything that comes in is compared with a short list of what is expected, and
what is not on it is refused before Streamlit sees it, counted and logged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from telemetry import logs, metrics
from web.frames import Frames, ReadFrame, refuse_frame
from web.half_sent import bounded
from web.hardening import is_loopback
from web.policy import METRICS, PROBES, STREAM, Policy
from web.sessions import RETRY_SECONDS, Sessions, full_page

log = logs.get_logger(__name__)

_POLICY_VIOLATION = 1008
_TRY_AGAIN_LATER = 1013

# Streamlit's own answers may name other origins than ours (every port of localhost among them).
_DROPPED = (b"server", b"access-control-")

_WORDS = {403: "Forbidden", 404: "Not found", 405: "Method not allowed", 413: "Too large", 421: "Misdirected request"}


class BodyTooLargeError(Exception):
    """A request's body is larger than the policy allows."""


class Guard:
    """ASGI middleware that lets in what the policy knows, and dresses every answer.

    Args:
        app: What is guarded.
        policy: What is let in.
        read_frame: Reads a message of a browser; by default none is let in.
        private: What must not go out in a message to a browser: gets one, and gives it without that.
    """

    def __init__(
        self,
        app: ASGIApp,
        policy: Policy,
        read_frame: ReadFrame = refuse_frame,
        private: Callable[[bytes], bytes] = bytes,
    ) -> None:
        self.app = app
        self.policy = policy
        self.sessions = Sessions(policy.limits)
        self._read_frame = read_frame
        self._private = private

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or refuse it."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            _set_up_server(receive)
            await self.app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        dressed = self._dressed(scope["path"], send)
        refusal = self._http_refusal(scope)
        if refusal is not None:
            status, reason = refusal
            if not (reason == "path" and self.policy.is_known_miss(scope["path"])):
                _note(reason, scope)
            await _answer(status, dressed)
            return
        full = self.sessions.full(scope) if scope["path"] in self.policy.pages else ""
        if full:
            _note("full", scope)
            await _answer_full(full, dressed)
            return
        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await dressed(message)

        try:
            await self.app(scope, _capped(receive, self.policy.body_bytes), noted)
        except BodyTooLargeError:
            _note("body", scope)
            if not started:
                await _answer(413, dressed)

    def _http_refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Status and reason of the refusal, or None for a request that is let in."""
        path: str = scope["path"]
        if path not in PROBES:
            if self.policy.loopback_only and not _is_local(scope):
                return 403, "address"
            if path != METRICS and not self._host_allowed(scope):
                return 421, "host"
        if not self.policy.is_open(path):
            return 404, "path"
        if scope["method"] not in {"GET", "HEAD"}:
            return 405, "method"
        length = _header(scope, b"content-length")
        if length is not None and (not _is_number(length) or int(length) > self.policy.body_bytes):
            return 413, "body"
        return None

    def _host_allowed(self, scope: Scope) -> bool:
        host = _header(scope, b"host")
        return host is not None and host.lower() in self.policy.hosts

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        reason = self._websocket_refusal(scope)
        if reason is not None:
            _note(reason, scope)
            # Before the handshake is accepted the server turns this into status 403.
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        full = self.sessions.full(scope)
        if full:
            _note("full", scope)
            await _refuse_full(scope, full, send)
            return
        leave = self.sessions.enter(scope)
        frames = Frames(receive, send, self.policy, scope, read=self._read_frame, private=self._private, refuse=_note)
        try:
            await self.app(scope, frames.receive, frames.send)
        finally:
            leave()
            frames.ended()

    def _websocket_refusal(self, scope: Scope) -> str | None:
        """Reason of the refusal, or None for a handshake that is let in."""
        if self.policy.loopback_only and not _is_local(scope):
            return "address"
        if not self._host_allowed(scope):
            return "host"
        # Absent, doubled, "null" and any other origin alike: the set holds whole values only.
        if _header(scope, b"origin") not in self.policy.origins:
            return "origin"
        if scope["path"] != STREAM:
            return "path"
        return None

    def _dressed(self, path: str, send: Send) -> Send:
        """``send`` with the policy's headers on every answer that starts."""
        ours = self.policy.picture_headers if self.policy.is_picture(path) else self.policy.headers
        names = {name for name, _ in ours}

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                theirs = [
                    (name, value)
                    for name, value in message.get("headers", ())
                    if name.lower() not in names and not name.lower().startswith(_DROPPED)
                ]
                if self.policy.secure_cookies:
                    theirs = [_secure(*header) for header in theirs]
                message = {**message, "headers": [*theirs, *ours]}
            await send(message)

        return dressed


def _header(scope: Scope, name: bytes) -> str | None:
    """The value of a header that occurs exactly once; None where it is absent or doubled."""
    values = [value for key, value in scope["headers"] if key == name]
    return values[0].decode("latin-1") if len(values) == 1 else None


def _secure(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    if name.lower() != b"set-cookie" or b"; secure" in value.lower():
        return name, value
    return name, value + b"; Secure"


def _is_number(text: str) -> bool:
    return len(text) <= 20 and text.isascii() and text.isdecimal()


def _is_local(scope: Scope) -> bool:
    """Whether the connection arrived at a loopback address of this machine."""
    server = scope.get("server")
    return server is not None and is_loopback(server[0])


def _capped(receive: Receive, limit: int) -> Receive:
    """``receive`` that fails once a body, also one without a stated length, grows beyond ``limit`` bytes."""
    total = 0

    async def capped() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > limit:
            raise BodyTooLargeError
        return message

    return capped


async def _answer(status: int, send: Send) -> None:
    body = f"{_WORDS[status]}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if status == 405:
        headers.append((b"allow", b"GET, HEAD"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _answer_full(sentence: str, send: Send, kind: str = "http.response") -> None:
    body = full_page(sentence)
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"retry-after", str(RETRY_SECONDS).encode()),
    ]
    await send({"type": f"{kind}.start", "status": 503, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})


async def _refuse_full(scope: Scope, sentence: str, send: Send) -> None:
    """Refuse a handshake before it is accepted, so that the browser waits longer each time it asks again."""
    if "websocket.http.response" in (scope.get("extensions") or {}):
        await _answer_full(sentence, send, "websocket.http.response")
    else:
        await send({"type": "websocket.close", "code": _TRY_AGAIN_LATER, "reason": sentence[:120]})


def _note(reason: str, scope: Scope) -> None:
    """Count and log a refusal. Only what tells an attack from a mistake is logged, and no query string."""
    metrics.refused(reason)
    client = scope.get("client")
    log.warning(
        "request refused",
        reason=reason,
        kind=scope["type"],
        method=scope.get("method", "GET"),
        path=scope["path"][:200],
        host=_shown(scope["headers"], b"host"),
        origin=_shown(scope["headers"], b"origin"),
        client=client[0] if client else None,
    )


def _shown(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.decode("latin-1")[:200] for key, value in headers if key == name][:4]


def _set_up_server(receive: Receive) -> None:
    """Settle what only uvicorn's own configuration can.

    It sends ``Server: uvicorn`` below every middleware, waits without end for the rest of a request, and takes what a
    process on this machine writes into ``X-Forwarded-For`` for the client's address, whoever that process is. Under
    ``streamlit run`` nobody can pass arguments to it; the lifespan's ``receive`` is the one thing here that knows its
    configuration. Another server has nothing to settle this way.
    """
    config = getattr(getattr(receive, "__self__", None), "config", None)
    sent = getattr(config, "encoded_headers", None)
    if config is not None and isinstance(sent, list):
        config.encoded_headers = [(name, value) for name, value in sent if name != b"server"]
    app = getattr(config, "loaded_app", None)
    if config is not None and isinstance(app, ProxyHeadersMiddleware):
        config.loaded_app = app.app
    protocol = getattr(config, "http_protocol_class", None)
    if config is not None and isinstance(protocol, type):
        config.http_protocol_class = bounded(protocol)
