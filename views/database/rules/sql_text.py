"""Statements as they may be shown: without the values in them, and never with a password.

A statement of a live session holds what people typed. It may also be cut at any place, because the server keeps the
beginning only, and it may be no valid SQL at all, because the server shows it before it reads it. So whatever is in
doubt is hidden: all that follows a quote without its end, and all that follows a string whose end depends on a
setting of the session.

Lexical rules: PostgreSQL's manual, chapter "Lexical Structure".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

HIDDEN = "…"
"""Stands for a value."""

_SECRET = re.compile(
    r"pass_?(?:word|wd|phrase)|\bpwd\b|secret|credential|(?:api|private|access|encryption)[_-]?key"
    r"|\w_token\b|\bbearer\b|\w://[^\s/@:]{0,100}:[^\s@]{0,200}@|scram-sha-256\$|\bmd5[0-9a-f]{32}\b",
    re.IGNORECASE,
)
"""Words and forms that come with something secret: passwords, keys, addresses with a password, stored verifiers."""

_ADDRESS = re.compile(r"\w://")

# The order matters: a string with its prefix before a word, a number after a word (which may hold digits).
_TOKEN = re.compile(
    r"""
      (?P<line>--[^\n\r]*)
    | (?P<block>/\*)
    | (?P<escaped>[eE]'(?:[^'\\]|\\.|'')*(?P<escaped_end>')?)
    | (?P<plain>(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*(?P<plain_end>')?)
    | (?P<quoted>"(?:[^"]|"")*(?P<quoted_end>")?)
    | (?P<dollar>\$(?:(?:[^\W\d]|[^\x00-\x7f])(?:\w|[^\x00-\x7f])*)?\$)
    | (?P<parameter>\$\d+)
    | (?P<word>(?:[^\W\d]|[^\x00-\x7f])(?:[\w$]|[^\x00-\x7f])*)
    | (?P<number>(?:\d|\.\d)[\w.]*(?:(?<=[eE])[+-]\d+)?)
    | (?P<space>\s+)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)


LONGEST = 20_000
"""Characters of a statement that are looked at; what follows is left out."""


def shown(text: str, literals: bool) -> str:
    """A statement as a viewer may see it.

    Args:
        text: Its text, whole or cut at the end.
        literals: Whether its values may be seen. Passwords, and all values of a statement that is about one, are
            hidden even so.

    Returns:
        The beginning of the text with ``…`` for each value that is hidden. Without ``literals`` comments are hidden as
        well, for values stand in them too.

    >>> shown("SELECT * FROM memories WHERE owner = 'ann' AND n > 5 -- for ann", False)
    'SELECT * FROM memories WHERE owner = … AND n > … -- …'
    >>> shown("ALTER ROLE ann PASSWORD 'hunter2'", True)
    'ALTER ROLE ann PASSWORD …'
    """
    return _shown(text[:LONGEST], literals)


@lru_cache(maxsize=512)
def _shown(text: str, literals: bool) -> str:
    # One word of the kind anywhere hides all values: which of them is the password cannot be told for certain.
    seen = literals and not _SECRET.search(text)
    written: list[str] = []
    after_password = unquoted = False
    place = 0
    last_address = max((match.start() for match in _ADDRESS.finditer(text)), default=-1)
    for kind, part, ended in _tokens(text):
        # With standard_conforming_strings off a backslash keeps the quote behind it from ending the string.
        doubtful = not ended or (kind == "plain" and "\\'" in part)
        if doubtful and (not seen or last_address >= place):
            written.append(_hidden(kind))
            break
        place += len(part)
        # What follows the word may be a password that somebody forgot to quote; it goes on to the next space.
        begins = after_password and kind in {"word", "number", "quoted"} and part.upper() not in _AFTER_PASSWORD
        unquoted = (unquoted or begins) and kind != "space" and part != ";"
        hide = unquoted or (not seen and (kind in _VALUES or (kind == "quoted" and "@" in part)))
        written.append(_hidden(kind) if hide else part)
        if kind not in {"space", "line", "block"} and part != "=":
            after_password = kind == "word" and part.upper() == "PASSWORD"
    return "".join(written)


_AFTER_PASSWORD = frozenset(
    {
        "NULL", "IS", "IN", "NOT", "LIKE", "ILIKE", "AS", "AND", "OR", "FROM", "WHERE", "ASC", "DESC", "TO", "SET",
        "VALID", "THEN", "ELSE", "END", "TEXT", "VARCHAR", "ON", "ORDER", "GROUP", "LIMIT", "DROP", "TYPE", "USING",
    }
)  # fmt: skip
"""Words that may follow a column of this name; anything else is taken for the password itself."""


def _hidden(kind: str) -> str:
    return {"line": f"-- {HIDDEN}", "block": f"/* {HIDDEN} */"}.get(kind, HIDDEN)


def _tokens(text: str) -> Iterator[tuple[str, str, bool]]:
    """Kind, text and whether it has its end, for each token; together they are the whole text."""
    place = 0
    while match := _TOKEN.match(text, place):
        end, ended = match.end(), True
        # Of groups within each other the outer one is the last to be closed.
        kind = match.lastgroup or "other"
        if kind in {"escaped", "plain", "quoted"}:
            ended = match[f"{kind}_end"] is not None
        elif kind == "dollar":
            closing = text.find(match["dollar"], end)
            ended = closing >= 0
            end = closing + len(match["dollar"]) if ended else len(text)
        elif kind == "block":
            end, ended = _comment_end(text, end)
        yield kind, text[place:end], ended
        place = end


_VALUES = frozenset({"line", "block", "escaped", "plain", "dollar", "number"})
"""Kinds of tokens that hold values."""

_COMMENT = re.compile(r"/\*|\*/")


def _comment_end(text: str, place: int) -> tuple[int, bool]:
    """Where a comment ends whose beginning was read, and whether it does; comments may stand in comments."""
    depth = 1
    while depth:
        match = _COMMENT.search(text, place)
        if match is None:
            return len(text), False
        depth += 1 if match[0] == "/*" else -1
        place = match.end()
    return place, True
