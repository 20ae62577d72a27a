"""What a browser may send in a session: which kinds of message, how large, and how many a second.

Streamlit accepts ten kinds of messages from anybody. Some run ``git`` or build long lists on the event loop, one
forgets the answers that are kept for all viewers; pages need three kinds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import Message, Receive, Scope, Send

from telemetry import metrics
from web.policy import Policy

KINDS = frozenset({"rerun_script", "stop_script", "app_heartbeat"})
"""The messages that pages need, by Streamlit's names."""

FIRST_SECONDS = 30.0
"""Time within which a session has to ask for its page; a browser does so at once."""

RATE = 10.0
"""Messages a second that a session may send for long; a page whose panels all refresh sends some one a second."""

BURST = 60
"""Messages that may come at once."""

QUERY_LENGTH = 32 * 1024
"""Most characters of a page's address behind the question mark; servers and browsers stop at less."""

_POLICY_VIOLATION = 1008
_UNSUPPORTED_DATA = 1003
_PROTOCOL_ERROR = 1002
_TOO_BIG = 1009


@dataclass(frozen=True, slots=True)
class Frame:
    """What is in a message.

    Attributes:
        kind: Its kind, by Streamlit's name; empty where it has none.
        query: The query of the page that it asks for; empty where it asks for none.
    """

    kind: str
    query: str = ""


ReadFrame = Callable[[bytes], Frame]
"""Reads a message; raises ``ValueError`` where it is none of Streamlit's."""


def refuse_frame(_data: bytes) -> Frame:
    """Reads no message at all.

    Raises:
        ValueError: Always.
    """
    raise ValueError("nothing is read here")


class Bucket:
    """A token bucket: how long to wait before the next message is taken."""

    def __init__(self, rate: float, burst: int, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._tokens = float(burst)
        self._now = now
        self._filled = now()

    def take(self) -> float:
        """Take one token; seconds until it is there."""
        now = self._now()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate) - 1
        self._filled = now
        return max(0.0, -self._tokens / self._rate)


class Frames:
    """One session's messages: counts it while it is open, and ends it over what a page never sends.

    Too many messages are not refused, they wait: a person who drags a slider loses nothing, and who floods is held
    back by the network, since what is not read is not accepted for long either.
    """

    def __init__(
        self,
        receive: Receive,
        send: Send,
        policy: Policy,
        scope: Scope,
        *,
        read: ReadFrame,
        private: Callable[[bytes], bytes],
        refuse: Callable[[str, Scope], None],
    ) -> None:
        self._receive = receive
        self._send = send
        self._policy = policy
        self._scope = scope
        self._read = read
        self._private = private
        self._refuse = refuse
        self._bucket = Bucket(RATE, BURST)
        self._open = False
        self._closed = False
        self._first_by: float | None = None

    async def receive(self) -> Message:
        """The next message that may go on, or the end of the session."""
        try:
            async with asyncio.timeout_at(self._first_by):
                message = await self._receive()
        except TimeoutError:
            return await self._close("silent session", _POLICY_VIOLATION)
        if message["type"] != "websocket.receive":
            return message
        refused = self._refusal(message.get("bytes"))
        if refused is not None:
            return await self._close(*refused)
        wait = self._bucket.take()
        if wait:
            metrics.frame_delayed()
            await asyncio.sleep(wait)
        return message

    async def send(self, message: Message) -> None:
        """Send a message to the browser, unless the session has ended."""
        if self._closed:
            return
        if message["type"] == "websocket.accept":
            self._open = True
            self._first_by = asyncio.get_running_loop().time() + FIRST_SECONDS
            metrics.session_opened()
            message = {**message, "headers": [*message.get("headers", ()), *self._policy.headers]}
        elif message["type"] == "websocket.close":
            self._closed = True
        elif isinstance(message.get("bytes"), bytes):
            message = {**message, "bytes": self._private(message["bytes"])}
        await self._send(message)

    def ended(self) -> None:
        """Count the session no longer."""
        if self._open:
            self._open = False
            metrics.session_closed()

    def _refusal(self, data: bytes | None) -> tuple[str, int] | None:
        if data is None:
            # Streamlit's protocol is binary; a text message makes its handler fail with a traceback.
            return "text frame", _UNSUPPORTED_DATA
        if len(data) > self._policy.frame_bytes:
            return "frame size", _TOO_BIG
        try:
            frame = self._read(data)
        except ValueError:
            return "malformed frame", _PROTOCOL_ERROR
        if frame.kind not in KINDS:
            return "frame kind", _POLICY_VIOLATION
        if len(frame.query) > QUERY_LENGTH:
            return "query length", _POLICY_VIOLATION
        if frame.kind == "rerun_script":
            self._first_by = None
        return None

    async def _close(self, reason: str, code: int) -> Message:
        self._refuse(reason, self._scope)
        await self.send({"type": "websocket.close", "code": code})
        return {"type": "websocket.disconnect", "code": code}
