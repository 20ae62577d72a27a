"""The statements that PostgreSQL is asked, each in a file of ``catalog/sql/``, and which version gets which file.

A file is one statement that reads. Its head are comments: what it answers, ``since`` (the oldest major version that it
is written for), and, where they matter, ``needs`` (a role that the console's role must be a member of) and
``extension``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "catalog" / "sql"

OLDEST = 15
"""The oldest major version of PostgreSQL that statements are written for."""

VERSIONS: Mapping[str, tuple[tuple[int, str], ...]] = {
    "server": ((15, "server.sql"),),
    "sessions": ((15, "sessions.sql"),),
}
"""Name of a statement → from which major version on which file; the newest that is not newer than the server holds."""

_HEAD = re.compile(r"^-- (since|needs|extension): (.+)$")


class SqlError(Exception):
    """A file of the catalogue has a mistake; the text names the file and what is wrong."""


@dataclass(frozen=True)
class Statement:
    """One statement.

    Attributes:
        name: What it is asked by.
        text: Its text, with ``%(name)s`` for each parameter.
        purpose: What it answers, in a sentence.
        since: Oldest major version that it is written for.
        needs: Role that the console's role must be a member of; empty for none.
        extension: Extension that it reads; empty for none.
    """

    name: str
    text: str
    purpose: str
    since: int
    needs: str = ""
    extension: str = ""


def statement(name: str, version: int) -> Statement:
    """The statement for a server.

    Args:
        name: A key of :data:`VERSIONS`.
        version: Major version of the server.

    Raises:
        KeyError: There is no such statement.
        SqlError: Its file has a mistake, or the server is older than all of its files.
    """
    fitting = [file for since, file in VERSIONS[name] if since <= version]
    if not fitting:
        raise SqlError(f"{name} is written for PostgreSQL {VERSIONS[name][0][0]} and newer")
    return _read(name, FOLDER / fitting[-1])


@cache
def _read(name: str, path: Path) -> Statement:
    return read(name, path)


def read(name: str, path: Path) -> Statement:
    """Read one file.

    Raises:
        SqlError: It cannot be read, or its head is not as it should be.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SqlError(f"{path.name}: {error}") from None
    head = [line for line in text.splitlines() if line.startswith("--")]
    keys = {match[1]: match[2].strip() for line in head if (match := _HEAD.match(line))}
    purpose = " ".join(line.removeprefix("-- ") for line in head if not _HEAD.match(line))
    if not purpose:
        raise SqlError(f"{path.name}: the first line should say what it answers, as a comment")
    if not keys.get("since", "").isdecimal():
        raise SqlError(f'{path.name}: since is missing; write "-- since: {OLDEST}"')
    body = text.strip()
    if ";" in re.sub(r"'[^']*'|--[^\n]*", "", body).rstrip().rstrip(";"):
        raise SqlError(f"{path.name}: holds more than one statement")
    return Statement(
        name, body, purpose, int(keys["since"]), needs=keys.get("needs", ""), extension=keys.get("extension", "")
    )
