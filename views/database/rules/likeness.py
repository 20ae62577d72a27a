"""Whether two texts are the same statement: one as a session shows it, one as pg_stat_statements keeps it.

A session that waits for a table while its statement is still read has no identifier for it yet, so in a pile-up behind
a table lock most sessions have none. Their text is known, and it is that of a statement that is known by its identifier
from calmer times, but for the values in it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from views.database.rules.sql_text import HIDDEN, shown

LONG = 900
"""Characters from which on a session's text may be cut: the server keeps 1,024 bytes unless it is told otherwise."""

_COMMENT = re.compile(rf"--\s{{0,20}}{HIDDEN}|/\*\s{{0,20}}{HIDDEN}\s{{0,20}}\*/")
_VALUE = re.compile(rf"\$\d+|{HIDDEN}")
_SPACE = re.compile(r"\s+")
_TAIL = 40
"""Characters at the end of a cut text that may be half a word."""


def likeness(text: str) -> str:
    """A statement without its values, parameters' numbers, comments and line breaks.

    >>> likeness("SELECT a  FROM t WHERE id = 7 -- of ann") == likeness("SELECT a FROM t WHERE id = $1;")
    True
    """
    plain = _COMMENT.sub(" ", shown(text, literals=False))
    return _SPACE.sub(" ", _VALUE.sub("?", plain)).strip().rstrip(";").rstrip()


def identifier_of(text: str, known: Mapping[str, int]) -> int:
    """The identifier of a statement by its text.

    Args:
        text: As a session shows it, perhaps cut at the end.
        known: Likeness → identifier.

    Returns:
        The identifier of the statement that is alike; one of our own, made of the text, where none is.
    """
    own = likeness(text)
    found = known.get(own)
    if found is None and len(text) >= LONG:
        begins = own[:-_TAIL]
        found = next((number for other, number in known.items() if other.startswith(begins)), None)
    if found is not None:
        return found
    number = int.from_bytes(hashlib.blake2b(own.encode("utf-8", "replace"), digest_size=8).digest(), signed=True)
    # 0 and -1 stand for no statement and for the rest.
    return number if number not in {0, -1} else 1
