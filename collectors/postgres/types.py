"""How values of PostgreSQL are read so that no odd one costs the other rows.

Sessions speak the encoding of their database, so that the server converts nothing and cannot fail to; what is no text
in it is replaced here. Times outside of Python's calendar (``infinity``, before Christ) become ``None``: not known.
"""

from __future__ import annotations

import codecs
import json
from typing import Any

import psycopg
from psycopg import BaseConnection
from psycopg.abc import AdaptContext
from psycopg.adapt import Buffer, Loader
from psycopg.types.datetime import DateLoader, TimestampLoader, TimestamptzLoader

_PYTHON = {"UTF8": "utf-8", "SQL_ASCII": "utf-8", "KOI8R": "koi8-r", "KOI8U": "koi8-u"}
"""Encodings that Python calls otherwise; of the rest it knows the name, or the one with ``cp`` for ``WIN``."""


def codec(encoding: str) -> str:
    """Python's name of an encoding of PostgreSQL; that of UTF-8 for ``SQL_ASCII``, and where it does not know it."""
    name = _PYTHON.get(encoding, encoding)
    if name.startswith("WIN"):
        name = f"cp{name.removeprefix('WIN')}"
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "utf-8"


def codec_of(connection: BaseConnection[Any] | None) -> str:
    """Python's name of the encoding that a session speaks."""
    told = connection.info.parameter_status("client_encoding") if connection is not None else None
    return codec(told or "UTF8")


def spoken(server_encoding: str) -> str:
    """The ``client_encoding`` in which a database is asked: its own, or UTF-8 where Python does not know it."""
    return server_encoding if codec(server_encoding) != "utf-8" or server_encoding == "SQL_ASCII" else "UTF8"


def text_of(octets: bytes, encoding: str, most: int) -> str:
    """Text of a database, of which some octets at the end may be cut off.

    Args:
        octets: As the server keeps them.
        encoding: That of the database it comes from, as ``pg_encoding_to_char`` names it; empty for unknown.
        most: Most characters.
    """
    text = octets.decode(codec(encoding), "replace")
    return text.removesuffix("\ufffd")[:most]


class _TextLoader(Loader):
    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        self._codec = codec_of(self.connection)

    def load(self, data: Buffer) -> Any:
        return bytes(data).decode(self._codec, "replace")


class _JsonLoader(_TextLoader):
    def load(self, data: Buffer) -> Any:
        return json.loads(super().load(data))


class _TimestamptzLoader(TimestamptzLoader):
    # Whoever reads it takes None for "not known".
    def load(self, data: Buffer) -> Any:
        return _or_none(super().load, data)


class _TimestampLoader(TimestampLoader):
    def load(self, data: Buffer) -> Any:
        return _or_none(super().load, data)


class _DateLoader(DateLoader):
    def load(self, data: Buffer) -> Any:
        return _or_none(super().load, data)


def _or_none(load: Any, data: Buffer) -> Any:
    try:
        return load(data)
    except (psycopg.DataError, ValueError, OverflowError):
        return None


_LOADERS: dict[str, type[Loader]] = {
    **dict.fromkeys(("text", "varchar", "bpchar", "name", '"char"', "xml"), _TextLoader),
    **dict.fromkeys(("json", "jsonb"), _JsonLoader),
    "timestamptz": _TimestamptzLoader,
    "timestamp": _TimestampLoader,
    "date": _DateLoader,
}


def register(connection: psycopg.Connection[Any]) -> None:
    """Let a connection read values as this module says."""
    for name, loader in _LOADERS.items():
        connection.adapters.register_loader(name, loader)
