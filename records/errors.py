"""The one error of the records, and the table that maps every failure of a database to it."""

from __future__ import annotations

import sqlite3
from typing import Literal

from sqlalchemy import exc

Kind = Literal["unreachable", "timed-out", "locked", "read-only", "full", "denied", "damaged", "newer", "unusable"]
"""What went wrong, for code that treats one kind apart; people read the sentence."""


class RecordsError(Exception):
    """The records cannot be used. ``str()`` is a sentence for a person, without address and credentials.

    Attributes:
        kind: What went wrong, in a word.
    """

    def __init__(self, kind: Kind, sentence: str) -> None:
        self.kind = kind
        super().__init__(sentence)


# By primary result code; the extended ones carry it in their low byte.
_SQLITE: dict[int, tuple[Kind, str]] = {
    sqlite3.SQLITE_BUSY: ("locked", "The records stayed locked by another process."),
    sqlite3.SQLITE_LOCKED: ("locked", "The records stayed locked by another process."),
    sqlite3.SQLITE_READONLY: ("read-only", "The records cannot be written: their file or its folder is read-only."),
    sqlite3.SQLITE_PERM: ("denied", "The console may not open the file of the records."),
    sqlite3.SQLITE_AUTH: ("denied", "The console may not open the file of the records."),
    sqlite3.SQLITE_FULL: ("full", "The records cannot be written: the disk is full."),
    sqlite3.SQLITE_CANTOPEN: (
        "unreachable",
        "The file of the records cannot be opened: its folder must exist, and the console must be able to write there.",
    ),
    sqlite3.SQLITE_IOERR: ("unreachable", "The disk that holds the records failed to read or write."),
    sqlite3.SQLITE_CORRUPT: ("damaged", "The file of the records is damaged: restore it from a backup."),
    sqlite3.SQLITE_NOTADB: ("damaged", "The file that records.url names is not a SQLite database."),
}

# By SQLSTATE, the longest prefix wins; PostgreSQL's manual, appendix A, lists them.
_POSTGRESQL: dict[str, tuple[Kind, str]] = {
    "25006": ("read-only", "The records cannot be written: the database only allows reading (a standby?)."),
    "53100": ("full", "The records cannot be written: the database's disk is full."),
    "55P03": ("locked", "The records stayed locked by another session."),
    "57014": ("timed-out", "The database of the records did not finish in time."),
    "40": ("locked", "The database of the records gave way to another session; try again."),
    "42501": ("denied", "The console's role may not do this in the database of the records."),
    "28": ("denied", "The database of the records refused the console's role or password."),
    "3D": ("unreachable", "The database that records.url names does not exist on that server."),
    "53": ("unreachable", "The database of the records is out of connections or memory."),
    "57": ("unreachable", "The database of the records is starting up or shutting down."),
    "58": ("unreachable", "The database of the records failed to read or write."),
    "08": ("unreachable", "The connection to the database of the records broke."),
    "XX": ("damaged", "The database of the records reports an internal error: its log says more."),
}

# A connection that was never made has no SQLSTATE; libpq's words are all there is.
_REFUSED_WORDS = ("password authentication failed", "no pg_hba.conf entry", "no password supplied", "role ")


def map_error(error: exc.SQLAlchemyError) -> RecordsError:
    """The :class:`RecordsError` for any exception of SQLAlchemy or of the driver below it."""
    original = error.orig if isinstance(error, exc.DBAPIError) else None
    if isinstance(original, sqlite3.Error):
        code = getattr(original, "sqlite_errorcode", None)
        if code is not None and (known := _SQLITE.get(code & 0xFF)) is not None:
            return RecordsError(*known)
    elif original is not None:
        state = getattr(original, "sqlstate", None)
        if state is None and isinstance(error, exc.OperationalError):
            return _not_connected(str(original))
        for length in (5, 2):
            if state is not None and (known := _POSTGRESQL.get(state[:length])) is not None:
                return RecordsError(*known)
    if isinstance(error, exc.DBAPIError) and error.connection_invalidated:
        return RecordsError("unreachable", "The connection to the database of the records broke.")
    # The class' name only: the text of such an error may hold values that were to be written.
    return RecordsError("unusable", f"The records cannot be used ({type(original or error).__name__}).")


def _not_connected(text: str) -> RecordsError:
    if any(words in text for words in _REFUSED_WORDS):
        return RecordsError(*_POSTGRESQL["28"])
    if "does not exist" in text:
        return RecordsError(*_POSTGRESQL["3D"])
    return RecordsError("unreachable", "The database of the records cannot be reached.")
