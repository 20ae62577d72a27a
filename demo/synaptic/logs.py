"""Lines on standard output in the form of ``tracing_subscriber``'s JSON layer, one object a line."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

from demo.synaptic.spans import Span, TagValue, current_span

Level = Literal["ERROR", "WARN", "INFO", "DEBUG", "TRACE"]
SECURITY_TARGET = "synaptic::security::audit"
FieldValue = TagValue | None


def line(level: Level, target: str, message: str, fields: dict[str, FieldValue], span: Span | None) -> str:
    """One log line without its line feed.

    Args:
        level: Severity.
        target: Rust path of the module that speaks, ``synaptic::memory``.
        message: What happened.
        fields: Structured fields; those that are ``None`` are left out.
        span: Within which span; its ids and those of its parents are added.
    """
    body: dict[str, object] = {
        "timestamp": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "level": level,
        "fields": {"message": message, **{key: value for key, value in fields.items() if value is not None}},
        "target": target,
    }
    if span is not None:
        chain = [span]
        while chain[-1].parent is not None:
            chain.append(chain[-1].parent)
        body["span"] = {"name": span.name}
        body["spans"] = [{"name": one.name} for one in reversed(chain)]
        body["trace_id"] = span.trace_id
        body["span_id"] = span.span_id
    return json.dumps(body, ensure_ascii=False, default=str, separators=(",", ":"))


def log(level: Level, target: str, message: str, /, **fields: FieldValue) -> None:
    """Write one line, within the current span."""
    sys.stdout.write(line(level, target, message, fields, current_span()) + "\n")
    sys.stdout.flush()


class RuntimeHandler(logging.Handler):
    """Lets libraries that use Python's logging speak in the same form."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record under the target ``synaptic::runtime``."""
        level: Level = "ERROR" if record.levelno >= logging.ERROR else "WARN"
        log(level, "synaptic::runtime", record.getMessage(), component="runtime", operation=record.name)


def route_library_logs() -> None:
    """Send warnings and errors of all libraries through :class:`RuntimeHandler`."""
    root = logging.getLogger()
    root.handlers = [RuntimeHandler()]
    root.setLevel(logging.WARNING)
