"""How a search becomes a question to Elasticsearch: the bool query, made of a few harmless kinds of clause only.

What a clause becomes depends on the field: a keyword is compared as it is, a text by its words, a number as a number.
``query_string``, scripts, regular expressions and leading wildcards never appear, so nobody can order a costly scan.
"""

from __future__ import annotations

import difflib
import ipaddress
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from collectors.log_levels import spellings
from collectors.log_query import (
    And,
    Compare,
    Everything,
    Exists,
    Expression,
    Not,
    Or,
    QueryMistake,
    Term,
    Text,
    fields_of,
)
from collectors.logs import Field, Fields

Clause = dict[str, Any]

ALLOWED = frozenset(
    {"bool", "exists", "match", "match_all", "match_none", "match_phrase", "match_phrase_prefix", "nested", "prefix",
     "range", "term", "terms"}
)  # fmt: skip
"""All kinds of query that :func:`to_dsl` makes."""

_UNITS = {"us": 0.001, "µs": 0.001, "ms": 1.0, "s": 1000.0, "min": 60_000.0, "m": 60_000.0, "h": 3_600_000.0}
_NUMBER = re.compile(
    r"(?P<number>[+-]?(?:[0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?)(?P<unit>us|µs|ms|min|s|m|h)?"
)
_WHOLE = re.compile(r"[+-]?[0-9]{1,20}")

_SMALLEST, _LARGEST = -(2**63), 2**64 - 1
"""What a field of whole numbers can hold: ``long`` or ``unsigned_long``."""

ISO = "strict_date_optional_time"
"""How times are written in a question; said each time, because an index may have another format of its own."""


def to_dsl(expression: Expression, fields: Fields) -> Clause:
    """The query of an expression.

    Args:
        expression: What is searched for.
        fields: The fields that the store has.

    Raises:
        QueryMistake: A value that cannot be asked for; without a position, which :func:`check` tells.
    """
    match expression:
        case Everything():
            return {"match_all": {}}
        case Text():
            return _each(_named(fields, "message"), lambda field: _words(field, expression))
        case Term():
            return _each(_named(fields, expression.field), lambda field: _term(field, expression))
        case Compare():
            return _each(_named(fields, expression.field), lambda field: _range(field, expression))
        case Exists(name):
            return _each(_named(fields, name), lambda field: {"exists": {"field": field.path}})
        case Not(item):
            return {"bool": {"must_not": [to_dsl(item, fields)]}}
        case And(items):
            return {"bool": {"filter": [to_dsl(one, fields) for one in items]}}
        case Or(items):
            return {"bool": {"should": [to_dsl(one, fields) for one in items], "minimum_should_match": 1}}


def check(text: str, expression: Expression, fields: Fields) -> None:
    """Whether the fields and values of a query can be asked for.

    Args:
        text: The query as it was typed, to point into.
        expression: What was read in it.
        fields: The fields that the store has.

    Raises:
        QueryMistake: It points at the field, and suggests one that is written alike.
    """
    for name in fields_of(expression):
        if fields.each(name) or not fields.known:
            continue
        place = re.search(rf"(?<![\w.@-]){re.escape(name)}(?=[:<>=])", text)
        start = place.start() if place else 0
        near = difflib.get_close_matches(name, [one.name for one in fields.known], n=3, cutoff=0.6)
        told = f" Did you mean {' or '.join(near)}?" if near else ' For the text itself write it in quotes: "…".'
        meant = f"{text[:start]}{near[0]}{text[start + len(name) :]}" if near and place else ""
        raise QueryMistake(start, len(name), f"There is no field {name}.{told}", meant)
    try:
        to_dsl(expression, fields)
    except QueryMistake as mistake:
        blamed = re.search(r"of (\S+) ", mistake.message)
        place = re.search(rf"(?<![\w.@-]){re.escape(blamed[1])}(?=[:<>=])", text) if blamed else None
        if place is None:
            raise
        raise QueryMistake(place.start(), place.end() - place.start(), mistake.message, mistake.suggestion) from None


def forbidden_fields(expression: Expression, names: frozenset[str]) -> tuple[str, ...]:
    """Those of ``names`` that a query asks for: it would tell what its reader may not see."""
    return tuple(name for name in fields_of(expression) if name in names)


def _named(fields: Fields, name: str) -> tuple[Field, ...]:
    return fields.each(name)


def _each(candidates: tuple[Field, ...], clause: Callable[[Field], Clause]) -> Clause:
    """A clause over all places of a field; a field that nobody has matches nothing."""
    if not candidates:
        return {"match_none": {}}
    clauses = [_within(field, clause(field)) for field in candidates]
    return clauses[0] if len(clauses) == 1 else {"bool": {"should": clauses, "minimum_should_match": 1}}


def _within(field: Field, clause: Clause) -> Clause:
    """A clause where its field is looked for: nested objects are documents of their own to the store."""
    if not field.nested:
        return clause
    return {"nested": {"path": field.nested, "query": clause, "ignore_unmapped": True}}


def _words(field: Field, text: Text) -> Clause:
    if text.prefix and field.conflict:  # where some indices have it as a keyword, a phrase cannot begin
        return {"prefix": {field.path: {"value": text.words, "case_insensitive": True}}}
    if text.prefix:
        return {"match_phrase_prefix": {field.path: {"query": text.words, "max_expansions": 50}}}
    if text.phrase:
        return {"match_phrase": {field.path: {"query": text.words}}}
    return {"match": {field.path: {"query": text.words, "operator": "and"}}}


def _term(field: Field, term: Term) -> Clause:
    if field.name == "level" and (ways := spellings(term.value, prefix=term.prefix)):
        return _level(field, ways)
    if field.kind == "other":
        if term.prefix:
            raise _unusable(field, f"{term.value}*", "has no beginnings to search for; give the whole value")
        # Lenient, because a number of some indices is a word in others.
        return {"match": {field.path: {"query": term.value, "lenient": True}}}
    if field.kind == "text" or field.conflict:
        return _words(field, Text(term.value, phrase=not term.prefix, prefix=term.prefix))
    if term.prefix:
        if field.kind != "keyword":
            raise _unusable(field, f"{term.value}*", "has no beginnings to search for; compare it with < and >")
        return {"prefix": {field.path: {"value": term.value}}}
    value = _typed(field, term.value)
    if isinstance(value, datetime):
        return {"range": {field.path: {"gte": value.isoformat(), "lte": value.isoformat(), "format": ISO}}}
    return {"term": {field.path: {"value": value}}}


def _level(field: Field, ways: tuple[str, ...]) -> Clause:
    """A level in all the ways in which it is written; those that a field of this kind can have."""
    if field.kind == "number":
        return {"terms": {field.path: [int(way) for way in ways if way.isdecimal()]}}
    if field.kind == "keyword":
        forms = [form for way in ways for form in (way, way.upper(), way.capitalize())]
        return {"terms": {field.path: list(dict.fromkeys(forms))}}
    # By words, and lenient because a number of some indices is a word in others.
    clauses = [{"match": {field.path: {"query": way, "lenient": True}}} for way in ways]
    return {"bool": {"should": clauses, "minimum_should_match": 1}}


def _range(field: Field, compare: Compare) -> Clause:
    if field.kind in ("text", "boolean", "other"):
        raise _unusable(field, compare.low or compare.high or "", "cannot be compared; it is no number and no time")
    limits: Clause = {}
    for bound, inclusive, names in (
        (compare.low, compare.include_low, ("gt", "gte")),
        (compare.high, compare.include_high, ("lt", "lte")),
    ):
        if bound is not None:
            value = _typed(field, bound)
            limits[names[inclusive]] = value.isoformat() if isinstance(value, datetime) else value
    return {"range": {field.path: {**limits, "format": ISO} if field.kind == "time" else limits}}


def _typed(field: Field, written: str) -> str | int | float | bool | datetime:
    """A value as the field has it."""
    match field.kind:
        case "number":
            found = _NUMBER.fullmatch(written.strip())
            unit = found["unit"] if found is not None else None
            if found is None or (unit is not None and not field.name.endswith("_ms")):
                raise _unusable(field, written, "is a number")
            if unit is None and _WHOLE.fullmatch(found["number"]) and _SMALLEST <= int(found["number"]) <= _LARGEST:
                return int(found["number"])  # a float has room for 53 bits, and would be another number
            value = float(found["number"]) * (_UNITS[unit] if unit else 1.0)
            if not math.isfinite(value):
                raise _unusable(field, written, "is a number below 1.8e308")
            return value
        case "boolean":
            if written.lower() not in ("true", "false"):
                raise _unusable(field, written, "is true or false")
            return written.lower() == "true"
        case "time":
            try:
                moment = datetime.fromisoformat(written)
                return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
            except (ValueError, OverflowError):  # its zone may lead out of the years that there are
                raise _unusable(field, written, "is a time such as 2026-11-23T14:05:00Z") from None
        case "address":
            try:
                ipaddress.ip_network(written, strict=False)
            except ValueError:
                raise _unusable(
                    field, written, "is an address such as 10.0.0.7 or a network such as 10.0.0.0/8"
                ) from None
            return written
        case _:
            return written


def _unusable(field: Field, written: str, why: str) -> QueryMistake:
    return QueryMistake(0, 0, f"The value of {field.name} {why}: “{written[:60]}” cannot be used.")
