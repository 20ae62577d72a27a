"""What an error of the query API means: whether the question is at fault or the server, and in the server's own words.

Prometheus names the kind of error beside the status (``errorType``), and a query that takes too long is a 503 like a
server that is starting. Stores that speak the same API name the same kinds, or the status once more (VictoriaMetrics).
"""

from __future__ import annotations

import msgspec

from collectors.errors import BadAnswer, Denied, Overloaded, SourceError, TimedOut
from collectors.http import GAVE_UP, HttpAnswer, HttpSource
from telemetry.masks import MARGIN, foreign

LONGEST_REASON = 300
"""Characters of the server's own words that are told."""

QUERY_HINT = "The query is behind the info button; the rest of the page is not affected."
NARROW = "Shorten the window, or split by less; the rest of the page is not affected."

MISSING = (404, 405, 501)
"""Statuses of a server that does not have an endpoint: not every store has all of Prometheus' API."""


class Failure(msgspec.Struct):
    """The envelope of an error."""

    status: str = ""
    errorType: str = ""  # noqa: N815 - the wire's name
    error: str = ""


# Kind as the server names it: what it is to us, what happened, what the reader can do.
_QUESTION: dict[str, tuple[type[SourceError], str, str]] = {
    "timeout": (TimedOut, "gave up on the query", NARROW),
    "canceled": (TimedOut, "gave up on the query", NARROW),
    "bad_data": (BadAnswer, "could not run the query", QUERY_HINT),
    "execution": (BadAnswer, "could not run the query", QUERY_HINT),
    "not_found": (BadAnswer, "could not run the query", QUERY_HINT),
    "not_acceptable": (BadAnswer, "could not run the query", QUERY_HINT),
    "unprocessable": (BadAnswer, "could not run the query", QUERY_HINT),
}
"""Kinds of errors that blame the question; they say nothing about the source."""

_TOO_LONG = ("timeout", "timed out", "deadline exceeded", "canceled", "cancelled")
"""Words of a 503 without a kind that blame the question."""


def refusal(source: HttpSource, answer: HttpAnswer) -> SourceError | None:
    """The error that an answer with an error status names; ``None`` where only the status tells.

    Args:
        source: Whose answer it is.
        answer: Status and body.
    """
    status = answer.status
    if status in (401, 403, 429):
        return None
    said = _envelope(answer.body)
    if said is None:
        if status in (413, 414, 431):
            # Something between finds the question too large; a shorter one would pass.
            return BadAnswer(
                source.name, source.address, f"finds the query too long ({status})", hint=QUERY_HINT, trips=False
            )
        return None
    words = reason(said.error) or said.errorType or str(status)
    if said.errorType in _QUESTION:
        kind, what, hint = _QUESTION[said.errorType]
    elif status in (400, 413, 414, 422, 499):
        kind, what, hint = _QUESTION["execution"]
    elif status in GAVE_UP or (status == 503 and any(part in said.error.lower() for part in _TOO_LONG)):
        kind, what, hint = _QUESTION["timeout"]
    elif status == 503:
        return Overloaded(source.name, source.address, f"is overloaded (503): {words}", hint="It is asked again soon.")
    else:
        return BadAnswer(
            source.name,
            source.address,
            f"answered with an error ({status}): {words}",
            hint="Look at its log.",
            trips=status >= 500 and status != 501,
        )
    return kind(source.name, source.address, f"{what}: {words}", hint=hint, trips=False)


def not_offered(source: HttpSource, answer: HttpAnswer, path: str) -> SourceError | None:
    """The error of an endpoint that this server does not have, or does not let us use; it concerns that one alone."""
    if answer.status in MISSING:
        return BadAnswer(
            source.name,
            source.address,
            f"does not have {path} ({answer.status})",
            hint="Not every store with Prometheus' query API has it; what it would tell is not known.",
            trips=False,
        )
    if answer.status == 403:
        said = _envelope(answer.body)
        words = f": {reason(said.error)}" if said is not None and said.error else ""
        return Denied(
            source.name,
            source.address,
            f"does not let the console read {path} (403){words}",
            hint=f"Let the console's user read {path}.",
            trips=False,
        )
    return None


def reason(text: str) -> str:
    """The server's own words in one line, masked and then cut: half a secret is one too."""
    return foreign(" ".join(text[: LONGEST_REASON + MARGIN].split()), LONGEST_REASON)


def _envelope(body: bytes) -> Failure | None:
    try:
        said = msgspec.json.decode(body, type=Failure, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return said if said.error or said.errorType else None
