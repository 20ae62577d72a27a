"""How PostgreSQL would run a statement: ``EXPLAIN``, and never ``ANALYZE``, so that nothing of it is run.

The statement is another's text. It is sent in a session that can only read, with its limits; the server itself refuses
it where it holds more than one statement; and only kinds of statements that have a plan are sent at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from collectors.cache import Kept
from collectors.errors import BadAnswer, Denied
from collectors.postgres import Postgres

GENERIC_SINCE = 16
"""The oldest version that plans a statement without the values of its parameters (``GENERIC_PLAN``)."""

TTL = 60.0
"""Seconds for which a plan is taken for unchanged."""

_KINDS = re.compile(r"\s*\(*\s*(?:SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|VALUES)\b", re.IGNORECASE)
_LEADING_COMMENT = re.compile(r"\s*(?:/\*(?:[^*]|\*(?!/))*\*/|--[^\n]*(?:\n|$))")
_PARAMETER = re.compile(r"\$\d+")

# Where pg_stat_statements replaced a value, what is left is no SQL: interval '1 day' became interval $1. Each is put
# into a form that takes a parameter. The first alternative steps over strings, names and comments.
_SKIP = r"(?P<skip>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|/\*.*?\*/|--[^\n]*)"
_TYPED = re.compile(
    rf"{_SKIP}|\b(?P<type>interval|date|timestamptz|timestamp|timetz|time|uuid|inet|jsonb?)\s+(?P<typed>\$\d+)"
    rf"|\bextract\s*\(\s*(?P<field>\$\d+)\s+from\b",
    re.IGNORECASE | re.DOTALL,
)


_MARK = re.compile(rf"{_SKIP}|\$\d+", re.DOTALL)


class PlanRelation(msgspec.Struct, frozen=True):
    """A table that a plan touches.

    Attributes:
        schema: Its schema.
        name: Its name.
        rows: Rows by the last ANALYZE; negative where there was none.
        bytes: Size of its data.
        parent_schema: Schema of the table that it is a partition of.
        parent: That table; empty for none.
        indexes: Definitions of its valid indexes.
        work_mem: Bytes that one sort may use.
    """

    schema: str
    name: str
    rows: float
    bytes: int
    parent_schema: str
    parent: str
    indexes: list[str]
    work_mem: int


@dataclass(frozen=True, slots=True)
class Explained:
    """A plan.

    Attributes:
        answer: As PostgreSQL gives it in JSON.
        statement: What was asked, for a person who wants to ask it again.
    """

    answer: Any
    statement: str


def explain(database: Postgres, text: str) -> Kept[Explained]:
    """The plan of a statement, with marks (``$1``) for its values.

    Args:
        database: The database.
        text: The whole statement, as ``pg_stat_statements`` has it.

    Raises:
        Denied: The console's role may not read one of the tables; the hint is the GRANT.
        BadAnswer: It has no plan, the server is too old for it, or does not understand it (any more).
        SourceError: No usable answer.
    """
    return database.kept_under("explain", text, lambda: _explain(database, text), ttl=TTL)


def asked(text: str, major: int) -> str:
    """The statement that asks for a plan.

    Raises:
        ValueError: There can be none; the text says why, as a clause after "PostgreSQL".
    """
    plain = text
    while match := _LEADING_COMMENT.match(plain):
        plain = plain[match.end() :]
    if not _KINDS.match(plain):
        raise ValueError("has no plan for this kind of statement")
    if major >= GENERIC_SINCE:
        return f"EXPLAIN (GENERIC_PLAN, VERBOSE, FORMAT JSON) {_renumbered(_TYPED.sub(_parsable, plain))}"
    if _PARAMETER.search(plain):
        raise ValueError(f"{major} cannot plan a statement without its values: that takes version {GENERIC_SINCE}")
    return f"EXPLAIN (VERBOSE, FORMAT JSON) {plain}"


def _parsable(match: re.Match[str]) -> str:
    if match["skip"] is not None:
        return match[0]
    if match["typed"] is not None:
        return f"{match['typed']}::{match['type']}"
    # Any field has the same plan.
    return "extract(epoch FROM"


def _renumbered(text: str) -> str:
    """The marks counted from 1 without a gap: the type of one that is not there could not be found out."""
    numbers: dict[str, str] = {}

    def renumber(match: re.Match[str]) -> str:
        return match[0] if match["skip"] is not None else numbers.setdefault(match[0], f"${len(numbers) + 1}")

    return _MARK.sub(renumber, text)


def _explain(database: Postgres, text: str) -> Explained:
    source, server = database.source, database.server().value
    try:
        statement = asked(text, server.major)
    except ValueError as error:
        raise BadAnswer(source.name, source.address, str(error), trips=False) from None
    try:
        rows = source.ask(statement, foreign=True)
    except Denied as error:
        raise _denied(database, error, server.role, text) from None
    return Explained(rows.rows[0][0], statement)


_MISSING = re.compile(
    r"permission denied for (?P<kind>table|view|schema|function|sequence|materialized view) (?P<name>\S+)"
)
_WRITES = re.compile(r"\s*(?:INSERT|UPDATE|DELETE|MERGE)\b|\b(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM)\b", re.IGNORECASE)


def _denied(database: Postgres, error: Denied, role: str, text: str) -> Denied:
    """The error with the GRANT that brings the plan; a role that only reads is never given the right to write."""
    match = _MISSING.search(error.what)
    if match is None:
        return error
    name, kind = match["name"], match["kind"]
    what = f"shows the role {role} no plan: {match[0]}"
    rights = {"schema": f"USAGE ON SCHEMA {name}", "function": f"EXECUTE ON FUNCTION {name}"}
    hint = f'GRANT {rights.get(kind, f"SELECT ON {name}")} TO "{role}";'
    if _WRITES.search(text):
        writes = "A statement that writes is planned only for a role that may write: ask for its plan as its owner."
        readable = database.ask("plan_readable", {"name": name}).rows if kind not in rights else []
        hint = writes if readable and all(row[0] for row in readable) else f"{hint} {writes}"
    return Denied(error.source, error.address, what, hint=hint, trips=False)


def expression_indexes(database: Postgres, names: tuple[str, ...]) -> tuple[str, ...]:
    """The definitions of the indexes of tables that have an expression or a condition.

    Raises:
        SourceError: No usable answer.
    """
    return tuple(str(row[0]) for row in database.ask("plan_indexes", {"names": list(names)}).rows) if names else ()


def relations(database: Postgres, names: tuple[tuple[str, str], ...]) -> Kept[list[PlanRelation]]:
    """What is known about tables: size, partitioned table, indexes.

    Args:
        database: The database.
        names: Schema and name of each.

    Raises:
        SourceError: No usable answer.
    """
    given = {"schemas": [schema for schema, _ in names], "names": [name for _, name in names]}

    def load() -> list[PlanRelation]:
        return database.source.convert(database.ask("plan_relations", given), PlanRelation)

    return database.kept_under("plan_relations", names, load, ttl=TTL)
