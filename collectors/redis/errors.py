"""What redis-py's exceptions mean to the reader: one table, by the server's words first, then by the exception's class.

The codes at the beginning of an answer are those of the Redis documentation on error handling and of its source
(``server.c``, ``createSharedObjects``); Valkey has the same.
"""

from __future__ import annotations

import ssl

from redis import exceptions

from collectors.deadline import WITHIN
from collectors.errors import BadAnswer, Denied, Overloaded, SourceError, TimedOut, Unreachable
from collectors.redis.parser import TooMuch
from telemetry.masks import foreign

_NOT_ITS_PROTOCOL = (IndexError, MemoryError, OverflowError, RecursionError, ValueError)
"""What redis-py's parser raises over an answer of another form: a length that is none, lists without an end."""

DRIVER_ERRORS: tuple[type[Exception], ...] = (exceptions.RedisError, OSError, *_NOT_ITS_PROTOCOL)
"""All that sending a command and reading its answer can raise."""

LONGEST_REASON = 300
"""Characters of the server's own words that are told."""

# Words of the server → error, what happened, what to do, whether it concerns the whole source. "{words}" are its own.
# The first row that fits wins.
_BY_WORDS: tuple[tuple[str, tuple[type[SourceError], str, str, bool]], ...] = (
    ("max number of clients reached", (Overloaded, "has no connection left", "Look who holds them; raise maxclients.",
                                       True)),
    ("running in protected mode", (Denied, "is in protected mode and lets nobody in from here",
                                   "Give its default user a password, and set it for this source.", True)),
    ("invalid username-password pair", (Denied, "refused the sign-in: {words}",
                                        "Check user and password of this source.", True)),
    ("without any password configured", (Denied, "refused the sign-in: it has no password for the default user",
                                         "Take password out of this source's settings.", True)),
    ("unknown command", (BadAnswer, "does not know this command: {words}",
                         "A managed service or rename-command leaves it out.", False)),
    ("unknown subcommand", (BadAnswer, "does not know this command: {words}", "It came with Redis 7.0.", False)),
    ("SELECT is not allowed in cluster mode", (BadAnswer, "is one node of a cluster, which has database 0 only",
                                               "Set database = 0 for this source in the settings.", True)),
    ("DB index is out of range", (BadAnswer, "has no such database",
                                  "Correct database of this source in the settings.", True)),
    ("certificate", (Unreachable, "shows a certificate that is not trusted: {words}",
                     "Give ca_file, or correct host to the name in the certificate.", True)),
)  # fmt: skip

# Class of the exception → the same; the most exact class wins.
_BY_CLASS: dict[type[Exception], tuple[type[SourceError], str, str, bool]] = {
    exceptions.NoPermissionError: (Denied, "refused: {words}", "Give the console's user the right to it.", False),
    exceptions.AuthenticationError: (
        Denied, "refused the sign-in: {words}", "Check user and password of this source.", True
    ),
    exceptions.AuthorizationError: (Denied, "refused: {words}", "Check user and password of this source.", True),
    exceptions.ExternalAuthProviderError: (Denied, "refused the sign-in: {words}", "Look at its log.", True),
    exceptions.BusyLoadingError: (
        Unreachable, "is loading its data and answers nothing yet", "Wait for it; INFO persistence tells how long.",
        True,
    ),
    exceptions.MasterDownError: (
        Unreachable, "is a replica that has lost its primary and serves no stale data", "Look at its primary.", False
    ),
    exceptions.OutOfMemoryError: (Overloaded, "is out of memory: {words}", "Look at maxmemory.", False),
    exceptions.MaxConnectionsError: (Overloaded, "has no connection left", "Raise connections of this source.", False),
    exceptions.ReadOnlyError: (BadAnswer, "refused to write: the console only reads", "", False),
    exceptions.MovedError: (BadAnswer, "is one node of a cluster and has not this key: {words}", "", False),
    exceptions.AskError: (BadAnswer, "is one node of a cluster and has not this key: {words}", "", False),
    exceptions.ClusterError: (BadAnswer, "has trouble in its cluster: {words}", "Look at CLUSTER INFO.", False),
    exceptions.ClusterDownError: (Unreachable, "is part of a cluster that is down: {words}", "Look at CLUSTER INFO.",
                                  True),
    exceptions.ResponseError: (BadAnswer, "answered with an error: {words}", "", False),
    exceptions.InvalidResponse: (
        BadAnswer, "answered in a form that is not Redis' protocol: {words}", "Check host and port of this source.",
        True,
    ),
    exceptions.TimeoutError: (TimedOut, f"did not answer {WITHIN}", "Look at its load and at its log.", True),
    exceptions.ConnectionError: (Unreachable, "cannot be reached: {words}", "Look whether it runs.", True),
    TooMuch: (BadAnswer, "answered with {words}, which is more than the console reads",
              "Look who is at this address; CLIENT LIST is long where there are very many connections.", False),
    exceptions.RedisError: (BadAnswer, "could not be asked: {words}", "", False),
    ssl.SSLError: (Unreachable, "cannot be reached over TLS: {words}", "Check tls and ca_file of this source.", True),
    TimeoutError: (TimedOut, f"did not answer {WITHIN}", "Look at its load and at its log.", True),
    OSError: (Unreachable, "cannot be reached: {words}", "Look whether it runs.", True),
    **dict.fromkeys(_NOT_ITS_PROTOCOL, (
        BadAnswer, "answered in a form that is not Redis' protocol: {words}", "Check host and port of this source.",
        False,
    )),
}  # fmt: skip


def mapped(error: Exception, source: str, address: str) -> SourceError:
    """The source error that an exception of the driver means.

    Args:
        error: What redis-py raised: one of ``DRIVER_ERRORS``.
        source: Name of the source.
        address: Where it is, without credentials.

    Raises:
        KeyError: It is no exception of the driver but a mistake of the console.
    """
    words = reason(error)
    row = next((row for part, row in _BY_WORDS if part.lower() in words.lower()), None)
    if row is None:
        row = _BY_CLASS[
            next(kind for kind in (*type(error).__mro__, KeyError) if kind in _BY_CLASS or kind is KeyError)
        ]
    kind, what, hint, trips = row
    return kind(source, address, what.format(words=words or "no words"), hint=hint, trips=trips)


def reason(error: Exception) -> str:
    """The server's own words, or the system's, on one line, cut."""
    if isinstance(error, OSError) and error.strerror:
        return foreign(error.strerror, LONGEST_REASON)
    told = " ".join(str(error).split())
    # redis-py writes: Error 111 connecting to 127.0.0.1:6379. Connection refused.
    if told.startswith("Error ") and " connecting to " in told:
        told = told.partition(". ")[2] or told
    return foreign(told.rstrip("."), LONGEST_REASON)
