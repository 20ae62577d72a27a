"""What may come next in a log search: names of fields, values, comparisons, words that join; decided at the cursor."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from collectors.log_query import Term, write

MOST = 12
"""Most completions that are offered at once."""

_FIELD = re.compile(r"[A-Za-z_@][A-Za-z0-9_@.\-]{0,255}")
_CLAUSE = re.compile(r"(?P<field>[A-Za-z_@][A-Za-z0-9_@.\-]{0,255})(?P<operator>:)(?P<value>.*)", re.DOTALL)
_GROUP = re.compile(r"(?P<field>[A-Za-z_@][A-Za-z0-9_@.\-]{0,255}):$")
_JOINING = {"AND": "both sides must hold", "OR": "one side must hold", "NOT": "leave out what follows"}
_COMPARED = {">": "more than", ">=": "at least", "<": "less than", "<=": "at most", ":*": "lines that have it"}


@dataclass(frozen=True)
class Known:
    """A field that may be offered.

    Attributes:
        name: How it is written in a search.
        help: What it means; may be empty.
        ordered: Whether it can be compared: a number or a time.
    """

    name: str
    help: str = ""
    ordered: bool = False


@dataclass(frozen=True)
class Completion:
    """One thing that may come next.

    Attributes:
        label: What is shown.
        help: What it means, in a few words; may be empty.
        insert: What is written.
        start: First character of the search that it takes the place of.
        end: The character behind the last one.
    """

    label: str
    help: str
    insert: str
    start: int
    end: int


def complete(
    text: str, cursor: int, fields: Sequence[Known], values: Callable[[str], Mapping[str, int]]
) -> tuple[Completion, ...]:
    """What may come at the cursor, the likeliest first; nothing within quotes, where every word is right.

    Args:
        text: The search as it was typed so far.
        cursor: Where in it is typed.
        fields: The fields that may be offered.
        values: Gives the frequent values of a field, with how many lines have each; asked only where one is wanted.
    """
    cursor = min(max(cursor, 0), len(text))
    before = text[:cursor]
    start = _beginning(before)
    if start is None:
        return ()
    sign = before[start : start + 1]
    if sign == "-":
        start += 1
    typed = before[start:]
    group = _group_of(before[:start])
    if group is not None:
        return _values(group, typed, start, cursor, values, inside=True)
    clause = _CLAUSE.fullmatch(typed)
    if clause is not None:
        name = clause["field"]
        known = next((one for one in fields if one.name == name), None)
        if known is not None and known.ordered:
            return _comparisons(known, clause["value"], start, cursor)
        return _values(name, clause["value"], start, cursor, values)
    if typed and not _FIELD.fullmatch(typed):
        return ()
    return (*_names(typed, start, cursor, fields), *_joining(typed, start, cursor, before))[:MOST]


def _beginning(before: str) -> int | None:
    """Where the word at the end begins; ``None`` within quotes."""
    quoted, start, place = False, 0, 0
    while place < len(before):
        character = before[place]
        if character == "\\":
            place += 2
            continue
        if character == '"':
            quoted = not quoted
        elif not quoted and (character.isspace() or character in "()"):
            start = place + 1
        place += 1
    return None if quoted else min(start, len(before))


def _group_of(before: str) -> str | None:
    """The field of the innermost open parenthesis, as in ``component:(a OR ``; ``None`` where it has none."""
    opened: list[int] = []
    quoted, place = False, 0
    while place < len(before):
        character = before[place]
        if character == "\\":
            place += 2
            continue
        if character == '"':
            quoted = not quoted
        elif not quoted and character == "(":
            opened.append(place)
        elif not quoted and character == ")" and opened:
            opened.pop()
        place += 1
    found = _GROUP.search(before[: opened[-1]]) if opened else None
    return found["field"] if found else None


def _names(typed: str, start: int, end: int, fields: Sequence[Known]) -> list[Completion]:
    wanted = typed.lower()
    first = [one for one in fields if one.name.lower().startswith(wanted)]
    later = [one for one in fields if wanted and wanted in one.name.lower() and one not in first]
    return [Completion(one.name, one.help, f"{one.name}:", start, end) for one in (*first, *later)]


def _joining(typed: str, start: int, end: int, before: str) -> list[Completion]:
    fresh = not before[:start].strip() or before[:start].rstrip().endswith(("(", "-"))
    return [
        Completion(word, meaning, f"{word} ", start, end)
        for word, meaning in _JOINING.items()
        if typed and word.startswith(typed) and (word == "NOT" or not fresh)
    ]


def _comparisons(known: Known, value: str, start: int, end: int) -> tuple[Completion, ...]:
    if value:
        return ()
    found = [
        Completion(f"{known.name}{sign}", words, f"{known.name}{sign}", start, end) for sign, words in _COMPARED.items()
    ]
    found.append(Completion(f"{known.name}:[… TO …]", "between two values", f"{known.name}:[", start, end))
    return tuple(found)


def _values(
    name: str,
    typed: str,
    start: int,
    end: int,
    values: Callable[[str], Mapping[str, int]],
    *,
    inside: bool = False,
) -> tuple[Completion, ...]:
    wanted = typed.strip('"').lower()
    found = values(name)
    first = [value for value in found if value.lower().startswith(wanted)]
    later = [value for value in found if wanted and wanted in value.lower() and value not in first]
    offered = []
    for value in (*first, *later)[:MOST]:
        written = write(Term(name, value))
        count = f"{found[value]:,} lines".replace(",", " ") if found[value] != 1 else "1 line"
        offered.append(Completion(value, count, written.partition(":")[2] if inside else written, start, end))
    return tuple(offered)
