"""The console's own logs: one JSON object a line on standard output, with every secret masked.

All loggers of the process are led here, also those that bring handlers of their own (uvicorn,
Streamlit). JSON escapes what is not ASCII, so a newline, an escape sequence or a right-to-left
mark in a message cannot forge a line or change how one looks.
"""

from __future__ import annotations

import logging
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog

from telemetry.masks import mask_value, register_secret

__all__ = ["configure", "get_logger", "register_secret"]

MAX_TEXT = 16_384
"""Characters of one text in a line; the rest is cut, so that a foreign answer cannot flood the log."""

# The loggers of these say at INFO what each request does; errors are worth a line, each request is not.
_QUIET = (
    "uvicorn.access",
    "urllib3",
    "elastic_transport",
    "httpx",
    "httpcore",
    "asyncio",
    "fsevents",
    "watchdog",
    "websockets",
)


class _LedLogger(logging.Logger):
    """A logger that always hands its records up to the root and keeps no handler of its own.

    Streamlit gives each of its loggers a handler that writes plain text to standard error, also to
    those that it creates later; such a line would be neither JSON nor masked.
    """

    def addHandler(self, hdlr: logging.Handler) -> None:  # noqa: N802 - the name is the standard library's
        """Ignored: the root's handler is the only one."""

    @property
    def propagate(self) -> bool:
        """Always true."""
        return True

    @propagate.setter
    def propagate(self, value: bool) -> None:
        pass


THIN_AFTER, THIN_SECONDS = 5, 60.0
"""Warnings of one kind written in so many seconds; further ones are counted, and a later one tells how many."""

_HANDSHAKES = ('%s - "WebSocket', "connection ")
_MOST_KINDS = 1000
_KIND = ("job", "environment", "source", "reason", "check", "kind", "page", "panel", "reference")
"""Fields that make lines of the same event different kinds."""


class Thinning(logging.Filter):
    """Lets so many lines of a kind pass in a stretch of time, so that what fails in a loop does not fill the disk.

    Args:
        now: Seconds of a clock that only goes on.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._kinds: OrderedDict[tuple[object, ...], list[float]] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        if record.levelno < logging.WARNING:
            # Two lines for each handshake, refused ones too; what matters of them the guard counts and writes.
            return not (record.name == "uvicorn.error" and str(record.msg).startswith(_HANDSHAKES))
        told = record.msg if isinstance(record.msg, dict) else {}
        event = told.get("event", record.msg)
        kind = (record.name, record.levelno, str(event)[:200], *(str(told.get(name, "")) for name in _KIND))
        now = self._now()
        since, lines = self._kinds.pop(kind, (now, 0.0))
        if now - since >= THIN_SECONDS:
            left_out = int(lines - THIN_AFTER)
            if left_out > 0 and told:
                told["left_out"] = left_out
            since, lines = now, 0.0
        self._kinds[kind] = [since, lines + 1]
        if len(self._kinds) > _MOST_KINDS:
            self._kinds.popitem(last=False)
        return lines < THIN_AFTER


def configure(level: int = logging.INFO) -> None:
    """Lead structlog and every logger of the process to JSON lines on standard output.

    To be called once, as early as possible; a second call replaces the first.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _masked,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    handler.addFilter(Thinning())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.setLoggerClass(_LedLogger)
    for logger in list(logging.root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            logger.handlers.clear()
            logger.propagate = True
            # Ones that exist already learn the rule as well: uvicorn sets its own up before the app is imported.
            if type(logger) is logging.Logger:
                logger.__dict__.pop("propagate", None)
                logger.__class__ = _LedLogger
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of one module; fields are given as keywords: ``log.warning("what happened", source="redis")``."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def _masked(_logger: Any, _method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The last step before JSON: everything that will be written is made of plain types, cut and masked."""
    # uvicorn sends a second copy of the message with terminal colours.
    event_dict.pop("color_message", None)
    event_dict["logger"] = event_dict.get("logger") or "root"
    fields = mask_value(dict(event_dict))
    if not isinstance(fields, dict):  # pragma: no cover - mask_value keeps a mapping a mapping
        raise TypeError("masked fields are not a mapping")
    return {key: _cut(value) for key, value in fields.items()}


def _cut(value: Any) -> Any:
    if isinstance(value, str) and len(value) > MAX_TEXT:
        return f"{value[:MAX_TEXT]} … {len(value) - MAX_TEXT} more characters"
    return value
