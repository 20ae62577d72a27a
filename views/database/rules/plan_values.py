"""Values put back into a normalised statement, where an index shows what they must be.

The server replaces every constant of a counted statement by a mark, also the ``'english'`` of
``to_tsvector('english', content)``. With a mark in its place the planner cannot recognise an index on that expression,
or an index whose condition compares with a constant, and would plan to read the whole table. So where a statement has
an expression of an index with marks instead of constants, those of the index are taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_LITERAL = re.compile(r"'(?:[^']|''){0,200}'(?:::(?:\"[^\"]{1,128}\"|[\w .]{1,128}?(?:\[\])?))?(?=[\s),]|$)")
_CALL = re.compile(r"\b[a-z_]\w*\(")
_COMPARED = re.compile(r"\(?\b(?P<column>[a-z_]\w*)\)?(?:::[\w ]+)? = (?P<value>'(?:[^']|'')*')")


def with_constants(text: str, indexes: Iterable[str]) -> tuple[str, dict[str, str]]:
    """A statement with the constants of indexes in the place of its marks.

    Args:
        text: The statement with its marks (``$1``).
        indexes: Definitions of the indexes of its tables, as ``pg_get_indexdef`` writes them.

    Returns:
        The statement, and which mark was replaced by what.

    >>> index = "CREATE INDEX i ON t USING gin (to_tsvector('english'::regconfig, content))"
    >>> with_constants("SELECT 1 FROM t WHERE to_tsvector($2, content) @@ to_tsquery($2, $1)", [index])
    ("SELECT 1 FROM t WHERE to_tsvector('english', content) @@ to_tsquery('english', $1)", {'$2': "'english'"})
    """
    found: dict[str, str] = {}
    for index in indexes:
        for pattern, values in _patterns(index):
            for match in pattern.finditer(text):
                marks = match.groups()
                found |= {mark: value for mark, value in zip(marks, values, strict=True) if mark not in found}
    return re.sub(r"\$\d+", lambda mark: found.get(mark[0], mark[0]), text), found


def _patterns(index: str) -> Iterable[tuple[re.Pattern[str], list[str]]]:
    """What to look for in a statement, and the constants that stand in the place of its marks."""
    keys, _, condition = index.partition(" WHERE ")
    for match in _CALL.finditer(keys.partition(" USING ")[2]):
        expression = _closed(match.string[match.start() :])
        values = [_bare(value[0]) for value in _LITERAL.finditer(expression)]
        if values and not expression.startswith(tuple(f"{kind} (" for kind in ("btree", "gin", "gist", "hash"))):
            yield re.compile(_marked(expression), re.IGNORECASE), values
    for compared in _COMPARED.finditer(condition):
        yield re.compile(rf"\b{compared['column']}\s*=\s*(\$\d+)", re.IGNORECASE), [compared["value"]]


def _closed(text: str) -> str:
    """A call up to the bracket that closes it."""
    depth = 0
    for place, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == ")" and depth == 0:
            return text[: place + 1]
    return text


def _bare(literal: str) -> str:
    return re.match(r"'(?:[^']|'')*'", literal)[0]  # type: ignore[index]


def _marked(expression: str) -> str:
    """An expression as a pattern: marks for its constants, any space, casts and names of tables allowed."""
    parts = []
    place = 0
    for literal in _LITERAL.finditer(expression):
        parts += [_loosely(expression[place : literal.start()]), r"(\$\d{1,9})(?:::\w{1,128})?"]
        place = literal.end()
    return "".join([*parts, _loosely(expression[place:])])


_SPACE = r"\s{0,5}"
"""Between the words of an expression; bounded, as two of them may meet."""


def _loosely(text: str) -> str:
    words = re.findall(r"::[\w ]+|\w+|\S", text)
    return _SPACE.join(
        r"(?:::[\w ]{1,128})?"
        if word.startswith("::")
        else rf"(?:\w{{1,128}}\.)?{word}"
        if word[0].isalpha()
        else re.escape(word)
        for word in words
    ).join((_SPACE, _SPACE))
