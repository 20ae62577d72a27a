"""What a statement says of itself: in a few words what it does, and in a comment which part of a program sent it.

Two conventions write such comments: sqlcommenter (``/*key='value',other='more'*/``, values encoded as in an address;
https://google.github.io/sqlcommenter/spec) and marginalia (``/*application:Shop,controller:users*/``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

# One without its end goes on to the end of the text: looking for it from each beginning anew would take for ever.
_COMMENT = re.compile(r"/\*(?P<block>.*?)(?P<end>\*/|\Z)|--[^\n]*", re.DOTALL)
_STRING = re.compile(r"'(?:[^']|'')*'")
_SQLCOMMENTER = re.compile(
    r"\s{0,20}(?P<key>[\w.%\-]{1,60})\s{0,20}=\s{0,20}'(?P<value>(?:[^'\\]|\\.){0,300})'\s{0,20}(?:,|$)"
)
_MARGINALIA = re.compile(r"\s{0,20}(?P<key>[a-z][\w\-]{0,40}):(?P<value>[^,'\"]{1,200})(?:,|$)")
_NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)'
_TABLE = re.compile(
    rf"\b(?P<word>FROM|INTO|UPDATE(?!\s+OF)|JOIN|TABLE(?:\s+IF\s+(?:NOT\s+)?EXISTS)?|USING)\s+(?:ONLY\s+)?"
    rf"(?P<name>{_NAME}(?:\.{_NAME})?)(?![\w$.])(?P<call>\s*\()?",
    re.IGNORECASE,
)
# FROM stands in some functions as well.
_IN_FUNCTION = re.compile(r"\b(?:extract|trim|substring|overlay)\s*\([^()]*?\bFROM\b", re.IGNORECASE)
_NOT_TABLES = frozenset({"select", "lateral", "set", "values", "unnest", "of", "current", "where"})
_WITH = re.compile(rf"(?:\bWITH|,)\s+(?:RECURSIVE\s+)?(?P<name>{_NAME})\s+AS\s*(?:NOT\s+)?(?:MATERIALIZED\s*)?\(", re.I)
_WHERE = re.compile(
    r"\bWHERE\b(?P<condition>.+?)(?:\b(?:ORDER BY|GROUP BY|LIMIT|RETURNING|UNION|WINDOW|FOR UPDATE)\b|$)", re.IGNORECASE
)
_VERB = re.compile(r"\b(INSERT|UPDATE|DELETE|MERGE)\b", re.IGNORECASE)


def tags(text: str) -> Mapping[str, str]:
    """The tags in the comments of a statement, in their order; empty where it has none.

    >>> tags("SELECT 1 /*operation='search%20full',route='/s'*/")
    {'operation': 'search full', 'route': '/s'}
    >>> tags("SELECT 1 /*application:Shop,controller:users*/"), tags("SELECT 1 /* a note: hm */")
    ({'application': 'Shop', 'controller': 'users'}, {})
    """
    found: dict[str, str] = {}
    for comment in _COMMENT.finditer(text):
        body = comment["block"]
        if body is None or not comment["end"]:
            continue
        for form in (_SQLCOMMENTER, _MARGINALIA):
            pairs = _pairs(body, form)
            if pairs:
                found |= pairs
                break
    return found


def _pairs(body: str, form: re.Pattern[str]) -> dict[str, str]:
    """All pairs of a comment that consists of nothing else."""
    pairs: dict[str, str] = {}
    place = 0
    while place < len(body):
        match = form.match(body, place)
        if match is None:
            return {}
        pairs[unquote(match["key"])] = unquote(match["value"].replace("\\'", "'")).strip()
        place = match.end()
    return pairs


def bare(text: str) -> str:
    """A statement without its comments, on one line.

    >>> bare("SELECT 1 /* x */ -- y")
    'SELECT 1'
    """
    return " ".join(_COMMENT.sub(" ", text).split())


def tables(text: str) -> list[str]:
    """The tables that a statement names, in their order, as far as a look without a parser finds them.

    >>> tables('WITH a AS (SELECT * FROM b) SELECT * FROM a JOIN public."C" USING (id)')
    ['b', 'public."C"']
    """
    plain = _IN_FUNCTION.sub("f(", _STRING.sub("''", bare(text)))
    own = {match["name"].lower() for match in _WITH.finditer(plain)}
    named = [match for match in _TABLE.finditer(plain) if not match["call"] or match["word"].upper() == "INTO"]
    found = [match["name"] for match in named]
    wanted = [name for name in found if name.lower() not in own | _NOT_TABLES and not name[0].isdigit()]
    return list(dict.fromkeys(wanted))


def in_short(text: str) -> str:
    """What a statement does in a few words.

    >>> in_short("SELECT id FROM memories WHERE user_id = $1 LIMIT $2"), in_short("COMMIT")
    ('SELECT … FROM memories WHERE user_id = $1', 'COMMIT')
    >>> in_short("WITH c AS (UPDATE m SET n = $1 RETURNING id) INSERT INTO f SELECT id FROM c")
    'UPDATE m, f'
    """
    plain = bare(text)
    words = plain.split(None, 2)
    if not words:
        return ""
    verb = words[0].upper().strip("(")
    if verb == "WITH":
        written = _VERB.search(_STRING.sub("''", plain))
        verb = written[1].upper() if written else "SELECT"
    named = tables(text)[:3]
    if verb not in {"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"} or not named:
        return _shortened(plain, 80)
    link = {"SELECT": " … FROM ", "INSERT": " INTO ", "DELETE": " FROM ", "MERGE": " INTO "}.get(verb, " ")
    where = _WHERE.search(plain)
    condition = "" if where is None or verb == "INSERT" else f" WHERE {_shortened(where['condition'].strip(), 60)}"
    return f"{verb}{link}{', '.join(named)}{condition}"


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
