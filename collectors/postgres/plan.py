"""How PostgreSQL would run a statement: ``EXPLAIN``, and never ``ANALYZE``.

The statement is another's text, and planning it is not harmless: PostgreSQL runs functions that are marked IMMUTABLE
while it plans, as whoever asks. So plans are for statements of roles that the settings name. They are asked for as a
role without the rights of ``pg_monitor``, on a connection of their own, in a transaction that only reads and is rolled
back; names are looked up where the statement's role looks them up, and not at all where others have put functions
there. The server itself refuses a text that holds more than one statement.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from typing import Any

import msgspec
import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus

from collectors import sql
from collectors.cache import Answer
from collectors.errors import BadAnswer, Denied
from collectors.postgres.client import Postgres
from collectors.postgres.server import Cursor
from collectors.postgres.types import codec_of, text_of
from collectors.sql import quoted

GENERIC_SINCE = 16
"""The oldest version that plans a statement without the values of its parameters (``GENERIC_PLAN``)."""

TTL = 60.0
"""Seconds for which a plan is taken for unchanged."""

CHARACTERS = 100_000
"""Most characters of a text that is planned."""

PATH_OCTETS = 4000
"""Longest search path of a role."""

MOST_TOLD = 5
"""Most reasons not to plan that are told at a time."""

_HOW = (
    "Name the service's role in plan_roles of this source, and in plan_user a role that may read its tables and is not "
    "in pg_monitor."
)
_RIGHTS = (
    "SELECT pg_has_role('pg_read_all_stats', 'USAGE'), r.rolsuper FROM pg_roles AS r WHERE r.rolname = current_user"
)
_SET_PATH = "SELECT pg_catalog.set_config('search_path', %s, true)"
_ALWAYS = "pg_catalog"
_SCHEMAS = "SELECT pg_catalog.current_schemas(false)::pg_catalog.text[]"

_KINDS = re.compile(r"(?:SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|VALUES)\b", re.IGNORECASE)
_SKIPPED = re.compile(r"\s+|/\*.*?(?:\*/|\Z)|--[^\n]*(?:\n|$)", re.DOTALL)
_PARAMETER = re.compile(r"\$\d+")

# Where pg_stat_statements replaced a value, what is left is no SQL: interval '1 day' became interval $1. Each is put
# into a form that takes a parameter. The first alternative steps over strings, names and comments.
_SKIP = r"(?P<skip>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|/\*.*?(?:\*/|\Z)|--[^\n]*)"
_TYPED = re.compile(
    rf"{_SKIP}|\b(?P<type>interval|date|timestamptz|timestamp|timetz|time|uuid|inet|jsonb?)\s{{1,20}}(?P<typed>\$\d+)"
    rf"|\bextract\s{{0,20}}\(\s{{0,20}}(?P<field>\$\d{{1,9}})\s{{1,20}}from\b",
    re.IGNORECASE | re.DOTALL,
)


_MARK = re.compile(rf"{_SKIP}|\$\d+", re.DOTALL)

# What stands before a dot: a schema, or an alias that is taken for one in vain.
_SMALL = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_BEFORE_DOT = re.compile(r"(?:\"(?P<quoted>(?:[^\"]|\"\"){1,64})\"|(?P<plain>[^\W\d][\w$]{0,63}))\s{0,20}\.")


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
class Sent:
    """A statement, and who sent it.

    Attributes:
        role: The role.
        text: The whole text, with marks (``$1``) for its values.
    """

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Explained:
    """A plan.

    Attributes:
        answer: As PostgreSQL gives it in JSON.
        statement: What was asked, for a person who wants to ask it again.
    """

    answer: Any
    statement: str


def sent(database: Postgres, query_id: int) -> Sent:
    """A statement of a role whose statements may be planned, as the server has it.

    Args:
        database: The database.
        query_id: Its number.

    Raises:
        Denied: None of the roles that have sent it is one whose statements may be planned; the hint says what does.
        BadAnswer: It has none, or not in this database.
        SourceError: No usable answer.
    """
    source, roles = database.source, database.settings.plan_roles
    _refuse_without_settings(database)
    asked_for = {"id": query_id, "roles": list(roles), "characters": CHARACTERS}
    found = database.ask("plan_texts", asked_for).records()
    if not found:
        raise BadAnswer(source.name, source.address, "no longer has the text of this statement", trips=False)
    here = [one for one in found if one["here"]]
    if not here:
        where = ", ".join(sorted({one["database"] for one in found}))
        what = f"plans it in its own database only: it ran in {where}, the console is in {database.settings.database}"
        raise BadAnswer(source.name, source.address, what, trips=False)
    one = here[0]
    if one["role"] not in roles:
        what = (
            f"is asked for plans of statements of {', '.join(roles)} only, and this one was sent by {one['role']}: "
            "planning runs functions that a statement calls"
        )
        hint = f"Where its functions are trusted, add {one['role']} to plan_roles of this source."
        raise Denied(source.name, source.address, what, hint=hint, trips=False)
    if one["text"] is None or len(one["text"]) >= CHARACTERS:
        raise BadAnswer(source.name, source.address, "has a text of it that is too long to plan", trips=False)
    return Sent(one["role"], one["text"])


def explain(database: Postgres, statement: Sent) -> Answer[Explained]:
    """The plan of a statement, with marks (``$1``) for its values.

    Args:
        database: The database.
        statement: The whole statement, as ``pg_stat_statements`` has it, and who sent it.

    Raises:
        Denied: Plans are not allowed for its role, or the role that asks may not read one of the tables; the hint says
            what allows it.
        BadAnswer: It has no plan, the server is too old for it, or does not understand it (any more).
        SourceError: No usable answer.
    """
    return database.kept_under("explain", statement, lambda: _explain(database, statement), ttl=TTL)


def _refuse_without_settings(database: Postgres) -> None:
    source, settings = database.source, database.settings
    lacking = [name for name in ("plan_roles", "plan_user") if not getattr(settings, name)]
    if lacking:
        what = f"is not asked for plans: the settings of this source lack {' and '.join(lacking)}"
        raise Denied(source.name, source.address, what, hint=_HOW, trips=False)


def asked(text: str, major: int) -> str:
    """The statement that asks for a plan.

    Raises:
        ValueError: There can be none; the text says why, as a clause after "PostgreSQL".
    """
    place = 0
    while match := _SKIPPED.match(text, place):
        place = match.end()
    plain = text[place:]
    if not _KINDS.match(plain.lstrip("( \t\r\n")):
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


def _explain(database: Postgres, sent_: Sent) -> Explained:
    source, server, settings = database.source, database.server().value, database.settings
    _refuse_without_settings(database)
    if sent_.role not in settings.plan_roles or settings.plan_user is None:
        raise Denied(source.name, source.address, f"is not asked for plans of {sent_.role}", hint=_HOW, trips=False)
    try:
        statement = asked(sent_.text, server.major)
    except ValueError as error:
        raise BadAnswer(source.name, source.address, str(error), trips=False) from None
    path = _path(database, sent_.role)
    secret = settings.plan_password.get_secret_value() if settings.plan_password is not None else None
    try:
        answer = source.apart(settings.plan_user, secret, lambda cursor: _answer(database, cursor, statement, path))
    except Denied as error:
        raise _denied(database, error, settings.plan_user, sent_.text) from None
    return Explained(answer, statement)


def _path(database: Postgres, role: str) -> str:
    """Where a role's names are looked up, with the role's own name for ``"$user"``.

    Raises:
        SourceError: It cannot be told, or is too long.
    """
    ((octets, encoding),) = database.ask("plan_path", {"role": role, "octets": PATH_OCTETS + 1}).rows
    if len(octets) > PATH_OCTETS:
        what = f"has a search path for {role} that is too long to look names up in"
        raise BadAnswer(database.source.name, database.source.address, what, trips=False)
    path = text_of(octets, encoding, PATH_OCTETS)
    own = quoted(role)
    return (path or f"{own}, public").replace('"$user"', own).replace("$user", own)


def _answer(database: Postgres, cursor: Cursor, statement: str, path: str) -> Any:
    """The plan, after what is reached by it was found to be that of the server and of roles that are trusted."""
    source, settings = database.source, database.settings
    ((sees_all, superuser),) = cursor.execute(_RIGHTS).fetchall()
    if sees_all or superuser:
        what = f"is not asked for plans as {settings.plan_user}: that role sees what others do"
        hint = "Take pg_monitor and pg_read_all_stats from it, or name another plan_user."
        raise Denied(source.name, source.address, what, hint=hint, trips=False)
    cursor.execute(_SET_PATH, [path])
    ((schemas,),) = cursor.execute(_SCHEMAS).fetchall()
    cursor.execute(_SET_PATH, [_ALWAYS])
    _refuse_strangers(database, cursor, [*schemas, *_schemas_named(statement)])
    # The schemas that were looked at and no others: one that is made meanwhile is not on this path.
    cursor.execute(_SET_PATH, [", ".join(quoted(one) for one in schemas)])
    _refuse_more_than_one(cursor.connection, statement)
    return cursor.execute(statement.encode(codec_of(cursor.connection))).fetchall()[0][0]


def _schemas_named(statement: str) -> list[str]:
    """Whatever a statement may name as a schema; what is none finds none."""
    found: set[str] = set()
    for match in _BEFORE_DOT.finditer(statement):
        if match["plain"] is None:
            found.add(match["quoted"].replace('""', '"'))
        else:  # Which letters besides those of ASCII become small ones depends on encoding and locale.
            found |= {match["plain"].lower(), match["plain"].translate(_SMALL)}
    return sorted(found)


def _refuse_strangers(database: Postgres, cursor: Cursor, schemas: list[str]) -> None:
    """See to it that what the statement names is what a trusted role has made, and stays so until it is planned.

    To read and plan a statement PostgreSQL may run functions by way of nearly everything that has a name: views and
    rules (which are read in), types and domains (their CHECK, for a value that is written out), operators, casts,
    conversions, functions themselves. No list of kinds would be complete, so it is asked who may create anything, and
    who has made anything, in the schemas in which names are looked up, that of the server included, and in those that
    the statement writes out.

    What has no name of its own is covered by what it belongs to: a row policy, rule, expression or partial index,
    CHECK, generated column, statistics object or partition bound is made by the owner of its table only, and a table is
    made a partition or a child of another by who owns both. A cast takes the owner of one of its types, which must
    be named or come in by a function or an operator. Operator classes, the default ones too, base types, languages,
    access methods and event triggers are made by superusers only. Triggers do not run: EXPLAIN is without ANALYZE.

    What is not looked at is where trusted roles' own views, functions and partitioned tables lead to in other
    schemas: by naming another's table or function there, or by giving a partition away, they trust its owner.

    Raises:
        Denied: Others could, or have made something there; the hint is the statement that changes that.
    """
    source, settings = database.source, database.settings
    text = sql.statement("plan_strangers", database.server().value.major).text.encode()
    given = {"schemas": [*schemas, _ALWAYS], "roles": list(settings.plan_roles)}
    found = cursor.execute(text, given).fetchall()
    if not found:
        return
    told, mends = [], []
    for schema, deed, role in found[:MOST_TOLD]:
        who = role or "everybody"
        place, to = quoted(schema), quoted(role) if role else "PUBLIC"
        if deed == "create":
            told.append(f"{who} may create in the schema {schema}")
            mends.append(f"REVOKE CREATE ON SCHEMA {place} FROM {to};")
        elif deed == "own":
            told.append(f"{who} owns the schema {schema}")
            mends.append(f"ALTER SCHEMA {place} OWNER TO {quoted(settings.plan_roles[0])};")
        else:
            told.append(f"{who} has made something in the schema {schema}")
            mends.append(f"Drop or move what {who} has made in {schema}, or give it to another owner.")
    more = f" and {len(found) - MOST_TOLD} more" if len(found) > MOST_TOLD else ""
    what = (
        f"is not asked for plans: {', '.join(told)}{more}, where names of this statement are looked up, and planning "
        "runs what they mean"
    )
    # One who created there may be on the list for several reasons.
    hint = f"{' '.join(dict.fromkeys(mends))} Or, where such a role is trusted, name it in plan_roles of this source."
    raise Denied(source.name, source.address, what, hint=hint, trips=False)


def _refuse_more_than_one(connection: psycopg.Connection[Any], statement: str) -> None:
    """Let the server read a statement without running it; it knows what one statement is, and we need not guess.

    Raises:
        psycopg.Error: It is no statement, or more than one.
    """
    codec = codec_of(connection)
    result = connection.pgconn.prepare(b"", statement.encode(codec))
    if result.status != ExecStatus.COMMAND_OK:
        raise error_from_result(result, encoding=codec)


_MISSING = re.compile(
    r"permission denied for (?P<kind>table|view|schema|function|sequence|materialized view) (?P<name>\S{1,300})"
)
_WRITES = re.compile(
    r"\s{0,20}(?:INSERT|UPDATE|DELETE|MERGE)\b|\b(?:INSERT\s{1,20}INTO|UPDATE|DELETE\s{1,20}FROM)\b", re.IGNORECASE
)


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
        readable = database.ask("plan_readable", {"name": name, "role": role}).rows if kind not in rights else []
        hint = writes if readable and all(row[0] for row in readable) else f"{hint} {writes}"
    return Denied(error.source, error.address, what, hint=hint, trips=False)


def expression_indexes(database: Postgres, names: tuple[str, ...]) -> tuple[str, ...]:
    """The definitions of the indexes of tables that have an expression or a condition.

    Raises:
        SourceError: No usable answer.
    """
    return tuple(str(row[0]) for row in database.ask("plan_indexes", {"names": list(names)}).rows) if names else ()


def relations(database: Postgres, names: tuple[tuple[str, str], ...]) -> Answer[list[PlanRelation]]:
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
