"""What psycopg's exceptions mean to the reader: one table, by SQLSTATE, and by words where there is none.

The codes are those of PostgreSQL's documentation, appendix A; the most exact row wins.
"""

from __future__ import annotations

import psycopg

from collectors.deadline import WITHIN
from collectors.errors import BadAnswer, Denied, Overloaded, SourceError, TimedOut, Unreachable
from telemetry.masks import foreign

LONGEST_REASON = 300
"""Characters of the server's own words that are told."""

# SQLSTATE or its first two characters → error, what happened, what to do, whether it concerns the whole source.
# "{words}" are the server's own.
_BY_STATE: dict[str, tuple[type[SourceError], str, str, bool]] = {
    "28": (Denied, "refused the sign-in: {words}", "Check user and password of this source, and pg_hba.conf.", True),
    "3D000": (Denied, "has no such database: {words}", "Check database of this source in the settings.", True),
    "42501": (Denied, "refused: {words}", "GRANT pg_monitor TO the console's role.", False),
    "53300": (Overloaded, "has no connection left", "Look who holds connections; raise max_connections.", True),
    "53": (Overloaded, "is out of a resource: {words}", "Look at disk, memory and connections of the server.", True),
    "54": (BadAnswer, "finds this question too large: {words}", "", False),
    "55P03": (TimedOut, "waited for a lock longer than the console may", "Look at the blocking tree.", False),
    "55000": (BadAnswer, "is not ready for this: {words}", "", False),
    "57014": (TimedOut, f"did not end {WITHIN}", "Look at the load of the server.", False),
    "57P01": (Unreachable, "ended this connection: it is shutting down, or somebody ended the session", "", True),
    "57P02": (Unreachable, "crashed and is recovering", "Look at its log.", True),
    "57P03": (Unreachable, "accepts no connections yet: {words}", "Wait for its recovery; look at its log.", True),
    "57P05": (Unreachable, "ended this connection because it was idle", "", False),
    "57": (Unreachable, "was interrupted: {words}", "", True),
    "58": (BadAnswer, "has trouble with its files: {words}", "Look at its log and at its disk at once.", False),
    "08": (Unreachable, "lost the connection: {words}", "Look whether it runs.", True),
    "25006": (BadAnswer, "refused to write: the console only reads", "", False),
    "42P01": (BadAnswer, "has no such view or table: {words}", "", False),
    "42883": (BadAnswer, "has no such function: {words}", "", False),
    "42": (BadAnswer, "does not understand the question: {words}", "", False),
    "XX": (BadAnswer, "has an internal error: {words}", "Look at its log.", False),
    "": (BadAnswer, "answered with an error: {words}", "", False),
}

# A connection that was never made has no SQLSTATE, only words; these are PostgreSQL's and libpq's.
_BY_WORDS: tuple[tuple[str, str], ...] = (
    ("password authentication failed", "28"),
    ("no password supplied", "28"),
    ("pg_hba.conf", "28"),
    ("authentication failed", "28"),
    ("is not permitted to log in", "28"),
    ("too many clients", "53300"),
    ("too many connections", "53300"),
    ("remaining connection slots", "53300"),
    ("no more connections allowed", "53300"),
    ("the database system is", "57P03"),
    ("role ", "28"),
    ("database ", "3D000"),
)


def mapped(error: psycopg.Error, source: str, address: str) -> SourceError:
    """The source error that an exception of the driver means.

    Args:
        error: What psycopg raised.
        source: Name of the source.
        address: Where it is, without credentials.
    """
    words = reason(error)
    state = error.sqlstate
    if state is None and isinstance(error, psycopg.errors.ConnectionTimeout):
        return TimedOut(source, address, f"did not accept a connection {WITHIN}", hint="Look whether it runs.")
    if state is None and isinstance(error, psycopg.OperationalError):
        state = next((code for part, code in _BY_WORDS if part in words), None) if _told_by_server(words) else None
        if state is None:
            return Unreachable(source, address, f"cannot be reached: {words}", hint="Look whether it runs.")
    if state is None and isinstance(error, psycopg.InterfaceError):
        return Unreachable(source, address, f"lost the connection: {words}")
    state = state or ""
    for code in (state, state[:2], ""):
        if code in _BY_STATE:
            kind, what, hint, trips = _BY_STATE[code]
            return kind(source, address, what.format(words=words or "no words"), hint=hint, trips=trips)
    raise AssertionError("the table has a row for everything")


def reason(error: psycopg.Error) -> str:
    """The server's first sentence about an error, or the driver's, cut."""
    told = error.diag.message_primary or str(error)
    # Behind a failed connection libpq asks whether the server runs; the line before tells what happened.
    lines = [line.strip() for line in told.splitlines() if line.strip() and not line.rstrip().endswith("?")]
    line = lines[-1] if lines else type(error).__name__
    return foreign(line.rpartition("FATAL:")[2].rpartition(" failed: ")[2].strip(), LONGEST_REASON)


def _told_by_server(words: str) -> bool:
    """Whether a sentence about a connection is the server's; the system's own sentences are about reaching it."""
    return not any(part in words for part in ("Connection refused", "timeout", "closed the connection", "No route"))
