"""What psycopg's exceptions mean to the reader: one table, by SQLSTATE; and what a refused connection means.

The codes are those of PostgreSQL's documentation, appendix A; the most exact row wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg

from collectors.deadline import WITHIN
from collectors.errors import BadAnswer, Denied, Overloaded, SourceError, TimedOut, Unreachable
from collectors.postgres.probe import probe
from telemetry.masks import foreign

DRIVER_ERRORS = (psycopg.Error, ArithmeticError, LookupError, OSError, RuntimeError, TypeError, ValueError)
"""What the driver raises, its loaders and dumpers included: NotImplementedError for a form that it does not know,
RecursionError, UnicodeError, OverflowError."""

LONGEST_REASON = 300
"""Characters of the server's own words that are told."""

_IN_UTF8 = (
    "Statements of all databases are told in the encoding of the one that the console is connected to. "
    "Name one in UTF8 as database of this source."
)

# SQLSTATE or its first two characters → error, what happened, what to do, whether it concerns the whole source.
# "{words}" are the server's own.
_BY_STATE: dict[str, tuple[type[SourceError], str, str, bool]] = {
    "28": (Denied, "refused the sign-in: {words}", "Check user and password of this source, and pg_hba.conf.", True),
    "3D000": (Denied, "has no such database: {words}", "Check database of this source in the settings.", True),
    "22021": (BadAnswer, "has text that is not in its own encoding: {words}", "", False),
    "22P05": (BadAnswer, "has text that cannot be written in the encoding of this database: {words}", _IN_UTF8, False),
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

_REFUSED = (
    "Check user, password and database of this source, and pg_hba.conf. Its connections may be used up too, those of "
    "all or of this role. Where a PgBouncer or another pooler stands between, set pgbouncer = true."
)

# A connection that was never made has no SQLSTATE, only words, in whatever language the server speaks. That it was
# refused is known without them; where these are PostgreSQL's own in English they make it more exact.
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

# What poolers and libpq itself say, which is never translated.
_OF_POOLERS = ("unsupported startup parameter", "startup options", "command-line options")

# What they say about a question instead of an answer. They have one SQLSTATE for all, that of a lost connection.
_BY_WORDS_OF_POOLERS: tuple[tuple[str, tuple[type[SourceError], str, str, bool]], ...] = (
    ("transaction blocks not allowed", (
        BadAnswer, "is behind a pooler that allows no transactions: {words}",
        "Set pool_mode = transaction (or session) for this database in PgBouncer, or use PostgreSQL's own port: what "
        "the console asks goes with its settings, in one transaction.", False,
    )),
)  # fmt: skip

# Functions of the server that convert text: between two encodings of which none is Unicode's they miss a function, and
# say so by the code of a statement that names none. Their own names are in each error, and are never translated.
_OF_CONVERSION = frozenset({"pg_do_encoding_conversion", "pg_any_to_server", "pg_server_to_any"})
_OF_METHODS = "authentication method requirement"


def mapped(error: Exception, source: str, address: str) -> SourceError:
    """The source error that an exception of the driver means, of a session or of one that was to be.

    Args:
        error: What psycopg raised.
        source: Name of the source.
        address: Where it is, without credentials.
    """
    if not isinstance(error, psycopg.Error):
        # The driver's, on a value that it cannot read or write: the question's fault, not that of the source.
        words = f"{type(error).__name__}: {str(error)[:LONGEST_REASON]}"
        return BadAnswer(source, address, f"answered in a form that the console cannot read ({words})", trips=False)
    words = reason(error)
    state = error.sqlstate
    for part, row in _BY_WORDS_OF_POOLERS:
        if part in words:
            return _of_row(row, state or "", words, source, address)
    if error.diag.source_function in _OF_CONVERSION:
        state = "22P05"
    if state is None and isinstance(error, psycopg.errors.ConnectionTimeout):
        return TimedOut(source, address, f"did not accept a connection {WITHIN}", hint="Look whether it runs.")
    if state is None and isinstance(error, psycopg.OperationalError):
        state = _state_of(words) if _told_by_server(words) else None
        if state is None:
            return Unreachable(source, address, f"cannot be reached: {words}", hint="Look whether it runs.")
    if state is None and isinstance(error, psycopg.InterfaceError):
        return Unreachable(source, address, f"lost the connection: {words}")
    return _of_state(state or "", words, source, address)


def not_connected(error: Exception, there: Mapping[str, Any], source: str, address: str) -> SourceError:
    """The source error that the failure to make a connection means, whatever language the server speaks.

    Args:
        error: What psycopg raised.
        there: Where the server is, for the driver, without the password.
        source: Name of the source.
        address: Where it is, without credentials.
    """
    late = isinstance(error, psycopg.errors.ConnectionTimeout)
    if not isinstance(error, psycopg.OperationalError) or late or error.sqlstate is not None:
        return mapped(error, source, address)
    words = reason(error)
    if any(part in words for part in _OF_POOLERS):
        hint = "A PgBouncer or another pooler stands between: set pgbouncer = true, or use PostgreSQL's own port."
        return Denied(source, address, f"refused the connection: {words}", hint=hint)
    if _OF_METHODS in str(error):
        hint = (
            "It asks for the password in a way that require_auth of this source does not allow, and was not given it. "
            "Let the server use scram-sha-256, or allow the way in the settings."
        )
        return Denied(source, address, f"was not given the password: {words}", hint=hint)
    found = probe(there)
    if not found.answered:
        return Unreachable(source, address, f"cannot be reached: {words}", hint="Look whether it runs.")
    state = found.state or _state_of(words)
    if state:
        return _of_state(state, words, source, address)
    if error.pgconn is not None and error.pgconn.needs_password:
        return _of_state("28", words, source, address)
    return Denied(source, address, f"refused the connection: {words}", hint=_REFUSED)


def _of_state(state: str, words: str, source: str, address: str) -> SourceError:
    for code in (state, state[:2], ""):
        if code in _BY_STATE:
            return _of_row(_BY_STATE[code], state, words, source, address)
    raise AssertionError("the table has a row for everything")


def _of_row(
    row: tuple[type[SourceError], str, str, bool], state: str, words: str, source: str, address: str
) -> SourceError:
    kind, what, hint, trips = row
    found = kind(source, address, what.format(words=words or "no words"), hint=hint, trips=trips)
    found.code = state
    return found


def _state_of(words: str) -> str | None:
    return next((code for part, code in _BY_WORDS if part in words), None)


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
