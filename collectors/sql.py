"""The statements that PostgreSQL is asked, each in a file of ``catalog/sql/``, and which version gets which file.

A file is one statement that reads. Its head are comments: what it answers, ``since`` (the oldest major version that it
is written for), and, where they matter, ``needs`` (a role that the console's role must be a member of) and
``extension``: then ``{schema}`` stands for the schema in which that is, and a brace that is none is written twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from psycopg import sql as composing

FOLDER = Path(__file__).parent / "catalog" / "sql"

OLDEST = 15
"""The oldest major version of PostgreSQL that statements are written for."""

VERSIONS: Mapping[str, tuple[tuple[int, str], ...]] = {
    "server": ((15, "server.sql"),),
    "sessions": ((15, "sessions.sql"),),
    "now_server": ((15, "now_server.sql"),),
    "now_locks": ((15, "now_locks.sql"),),
    "now_session_locks": ((15, "now_session_locks.sql"),),
    "now_prepared": ((15, "now_prepared.sql"),),
    "activity": ((15, "activity.sql"),),
    "activity_texts": ((15, "activity_texts.sql"),),
    "activity_statements": ((15, "activity_statements.sql"),),
    "statements": ((15, "statements.sql"), (17, "statements_17.sql"), (18, "statements_18.sql")),
    "statements_info": ((15, "statements_info.sql"),),
    "statement_names": ((15, "statement_names.sql"),),
    "statement_texts": ((15, "statement_texts.sql"),),
    "table_indexes": ((15, "table_indexes.sql"),),
    "plan_relations": ((15, "plan_relations.sql"),),
    "plan_readable": ((15, "plan_readable.sql"),),
    "plan_texts": ((15, "plan_texts.sql"),),
    "plan_path": ((15, "plan_path.sql"),),
    "plan_strangers": ((15, "plan_strangers.sql"),),
    "plan_indexes": ((15, "plan_indexes.sql"),),
    "tables": ((15, "tables.sql"), (18, "tables_18.sql")),
    "indexes": ((15, "indexes.sql"), (16, "indexes_16.sql")),
    "sequences": ((15, "sequences.sql"),),
    "partitions": ((15, "partitions.sql"),),
    "database_figures": ((15, "database_figures.sql"),),
    "oldest_xids": ((15, "oldest_xids.sql"),),
    "horizon": ((15, "horizon.sql"),),
    "foreign_keys": ((15, "foreign_keys.sql"),),
    "heap_statistics": ((15, "heap_statistics.sql"),),
    "index_statistics": ((15, "index_statistics.sql"),),
    "heap_measured": ((15, "heap_measured.sql"),),
    "index_measured": ((15, "index_measured.sql"),),
    "upkeep_progress": ((15, "upkeep_progress.sql"), (17, "upkeep_progress_17.sql")),
    "upkeep_replication": ((15, "upkeep_replication.sql"),),
    "upkeep_slots": ((15, "upkeep_slots.sql"), (16, "upkeep_slots_16.sql"), (17, "upkeep_slots_17.sql")),
    "upkeep_receiver": ((15, "upkeep_receiver.sql"),),
    "upkeep_wal": ((15, "upkeep_wal.sql"), (18, "upkeep_wal_18.sql")),
    "upkeep_checkpoints": ((15, "upkeep_checkpoints.sql"), (17, "upkeep_checkpoints_17.sql")),
    "upkeep_last_checkpoint": ((15, "upkeep_last_checkpoint.sql"),),
    "upkeep_archiver": ((15, "upkeep_archiver.sql"),),
    "upkeep_wal_directory": ((15, "upkeep_wal_directory.sql"),),
    "upkeep_database": ((15, "upkeep_database.sql"),),
    "upkeep_autovacuum": ((15, "upkeep_autovacuum.sql"),),
    "upkeep_horizon": ((15, "upkeep_horizon.sql"),),
    "upkeep_io": ((16, "upkeep_io.sql"), (18, "upkeep_io_18.sql")),
    "upkeep_settings": ((15, "upkeep_settings.sql"),),
    "upkeep_role_settings": ((15, "upkeep_role_settings.sql"),),
    "upkeep_file_allowed": ((15, "upkeep_file_allowed.sql"),),
    "upkeep_file_settings": ((15, "upkeep_file_settings.sql"),),
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


def within(one: Statement, schema: str) -> bytes:
    """A statement of an extension with the schema that the extension is in, for the driver.

    Args:
        one: The statement.
        schema: The schema, as the catalogue has it.
    """
    # The driver takes a percent sign for the begin of a parameter, in names as well.
    name = composing.SQL(quoted(schema).replace("%", "%%"))
    return composing.SQL(one.text).format(schema=name).as_bytes(None)


def quoted(name: str) -> str:
    """A name as SQL writes it, in quotes whatever is in it."""
    return composing.Identifier(name).as_string(None)


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
