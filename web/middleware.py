"""The guard in front of every page and route: plain ASGI, for HTTP and for WebSockets alike.

Streamlit accepts WebSockets without an ``Origin`` and under any ``Host``, and serves more paths than
a console needs. So everything that comes in is compared with a short list of what is expected, and
what is not on it is refused before Streamlit sees it, counted and logged.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from telemetry import logs, metrics
from web.hardening import is_loopback
from web.policy import METRICS, PROBES, STREAM, Policy

log = logs.get_logger(__name__)

_POLICY_VIOLATION = 1008
_UNSUPPORTED_DATA = 1003
_TOO_BIG = 1009

# Streamlit's own answers may name other origins than ours (every port of localhost among them).
_DROPPED = (b"server", b"access-control-")

_WORDS = {403: "Forbidden", 404: "Not found", 405: "Method not allowed", 413: "Too large", 421: "Misdirected request"}


class BodyTooLargeError(Exception):
    """A request's body is larger than the policy allows."""


class Guard:
    """ASGI middleware that lets in what the policy knows, and dresses every answer."""

    def __init__(self, app: ASGIApp, policy: Policy) -> None:
        self.app = app
        self.policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or refuse it."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            _hide_server_name(receive)
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
        if length is not None and (not length.isdigit() or int(length) > self.policy.body_bytes):
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
        frames = _Frames(receive, send, self.policy, scope)
        try:
            await self.app(scope, frames.receive, frames.send)
        finally:
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
                message = {**message, "headers": [*theirs, *ours]}
            await send(message)

        return dressed


class _Frames:
    """One session's messages: counts it while it is open, and closes it over what Streamlit never sends.

    Streamlit's protocol is binary; a text message makes its handler fail with a traceback, so the
    session is ended here.
    """

    def __init__(self, receive: Receive, send: Send, policy: Policy, scope: Scope) -> None:
        self._receive = receive
        self._send = send
        self._policy = policy
        self._scope = scope
        self._open = False
        self._closed = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] != "websocket.receive":
            return message
        data = message.get("bytes")
        if data is None:
            return await self._close("text frame", _UNSUPPORTED_DATA)
        if len(data) > self._policy.frame_bytes:
            return await self._close("frame size", _TOO_BIG)
        return message

    async def send(self, message: Message) -> None:
        if self._closed:
            return
        if message["type"] == "websocket.accept":
            self._open = True
            metrics.session_opened()
            message = {**message, "headers": [*message.get("headers", ()), *self._policy.headers]}
        elif message["type"] == "websocket.close":
            self._closed = True
        await self._send(message)

    async def _close(self, reason: str, code: int) -> Message:
        _note(reason, self._scope)
        await self.send({"type": "websocket.close", "code": code})
        return {"type": "websocket.disconnect", "code": code}

    def ended(self) -> None:
        if self._open:
            self._open = False
            metrics.session_closed()


def _header(scope: Scope, name: bytes) -> str | None:
    """The value of a header that occurs exactly once; None where it is absent or doubled."""
    values = [value for key, value in scope["headers"] if key == name]
    return values[0].decode("latin-1") if len(values) == 1 else None


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


def _hide_server_name(receive: Receive) -> None:
    """Keep uvicorn from sending ``Server: uvicorn``, which it adds below every middleware.

    Under ``streamlit run`` nobody can pass ``server_header=False``; the lifespan's ``receive`` is the
    one thing here that knows uvicorn's configuration. Another server has nothing to hide this way.
    """
    config = getattr(getattr(receive, "__self__", None), "config", None)
    sent = getattr(config, "encoded_headers", None)
    if config is not None and isinstance(sent, list):
        config.encoded_headers = [(name, value) for name, value in sent if name != b"server"]
