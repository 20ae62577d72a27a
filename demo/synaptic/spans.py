"""Spans of what the service does, kept as traces in the form of Jaeger's query API.

The last traces are in memory and, one JSON object a line, in a file of bounded size.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

TagValue = str | int | float | bool

RING_TRACES = 500
FILE_BYTES = 8_000_000
# A trace that took longer is kept in any case.
SLOW_SECONDS = 0.25


@dataclass
class Span:
    """One piece of work.

    Attributes:
        trace_id: Id of the trace, 32 hexadecimal digits.
        span_id: Own id, 16 hexadecimal digits.
        name: What was done.
        parent: The span within which it was done.
        parent_id: Its id; that of the caller's span where the request carried a ``traceparent``.
        tags: ``operation.type`` and the like.
        started: Seconds since 1970.
        seconds: Duration; set at the end.
        failed: Whether it, or something within it, ended with an error.
        finished: Spans of the trace that have ended; shared by all of them.
    """

    trace_id: str
    span_id: str
    name: str
    parent: Span | None
    parent_id: str | None
    tags: dict[str, TagValue]
    started: float = field(default_factory=time.time)
    seconds: float = 0.0
    failed: bool = False
    finished: list[Span] = field(default_factory=list)

    def fail(self, reason: str) -> None:
        """Mark it, and what it is part of, as failed."""
        self.tags["error"] = True
        self.tags["error.message"] = reason
        span: Span | None = self
        while span is not None:
            span.failed = True
            span = span.parent


_current: ContextVar[Span | None] = ContextVar("current_span", default=None)


def current_span() -> Span | None:
    """The innermost span of this task."""
    return _current.get()


class Tracer:
    """Starts spans, and keeps the traces that ended.

    Args:
        pod: Name of the replica.
        version: Version of the service.
        file: Where traces are written; the file before it has the suffix ``.1``.
        share: Share of the ordinary traces that are kept.
    """

    def __init__(self, pod: str, version: str, file: Path, share: float) -> None:
        self._process = {
            "serviceName": "synaptic",
            "tags": [_tag("hostname", pod), _tag("service.version", version), _tag("k8s.pod.name", pod)],
        }
        self._file = file
        self._share = share
        self.traces: deque[dict[str, object]] = deque(maxlen=RING_TRACES)
        self._unwritten: deque[dict[str, object]] = deque(maxlen=RING_TRACES)

    @contextmanager
    def span(self, name: str, traceparent: str | None = None, **tags: TagValue) -> Iterator[Span]:
        """Open a span within the current one, or a new trace.

        Args:
            name: What is done.
            traceparent: W3C header of a request that opens a trace.
            **tags: Tags; two underscores stand for a dot (``operation__type``).
        """
        parent = _current.get()
        trace_id, parent_id = _caller(traceparent)
        if parent is not None:
            trace_id, parent_id = parent.trace_id, parent.span_id
        span = Span(
            trace_id=trace_id or f"{random.getrandbits(128):032x}",
            span_id=f"{random.getrandbits(64):016x}",
            name=name,
            parent=parent,
            parent_id=parent_id,
            tags={key.replace("__", "."): value for key, value in tags.items()},
            finished=parent.finished if parent is not None else [],
        )
        token = _current.set(span)
        begun = time.perf_counter()
        try:
            yield span
        except BaseException as error:
            span.fail(f"{type(error).__name__}: {error}")
            raise
        finally:
            span.seconds = time.perf_counter() - begun
            _current.reset(token)
            span.finished.append(span)
            if parent is None:
                self._keep(span)

    def _keep(self, root: Span) -> None:
        if root.failed or root.seconds >= SLOW_SECONDS or random.random() < self._share:
            trace: dict[str, object] = {
                "traceID": root.trace_id,
                "spans": [_as_jaeger(span) for span in sorted(root.finished, key=lambda span: span.started)],
                "processes": {"p1": self._process},
                "warnings": None,
            }
            self.traces.append(trace)
            self._unwritten.append(trace)

    def write(self) -> None:
        """Append what ended since the last call to the file; begin a new file when it is full."""
        if not self._unwritten:
            return
        lines = "".join(json.dumps(self._unwritten.popleft()) + "\n" for _ in range(len(self._unwritten)))
        self._file.parent.mkdir(parents=True, exist_ok=True)
        if self._file.exists() and self._file.stat().st_size + len(lines) > FILE_BYTES:
            os.replace(self._file, self._file.with_name(self._file.name + ".1"))
        with self._file.open("a") as file:
            file.write(lines)


def _caller(traceparent: str | None) -> tuple[str | None, str | None]:
    """Trace and span of the caller (``00-<trace id>-<span id>-<flags>``), or nothing when the header is not valid."""
    parts = (traceparent or "").split("-")
    if len(parts) != 4 or len(parts[1]) != 32 or len(parts[2]) != 16:
        return None, None
    return parts[1], parts[2]


def _tag(key: str, value: TagValue) -> dict[str, TagValue]:
    kind = {bool: "bool", int: "int64", float: "float64"}.get(type(value), "string")
    return {"key": key, "type": kind, "value": value}


def _as_jaeger(span: Span) -> dict[str, object]:
    references = [{"refType": "CHILD_OF", "traceID": span.trace_id, "spanID": span.parent_id}] if span.parent_id else []
    return {
        "traceID": span.trace_id,
        "spanID": span.span_id,
        "operationName": span.name,
        "references": references,
        "startTime": int(span.started * 1e6),
        "duration": max(1, int(span.seconds * 1e6)),
        "tags": [_tag(key, value) for key, value in span.tags.items()],
        "logs": [],
        "processID": "p1",
        "warnings": None,
    }
