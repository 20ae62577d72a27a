"""Names and values as SQL writes them, for statements that are shown to a person and sent by nobody here."""

from __future__ import annotations

import re

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


def identifier(name: str) -> str:
    """A name for a statement, in double quotes where it needs them.

    A key word is not known here; names that are made of an existing one and a date are none.

    >>> identifier("memories_2027"), identifier('odd"name')
    ('memories_2027', '"odd""name"')
    """
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    r"""A text for a statement.

    >>> print(literal("it's"), literal("back\\slash"))
    'it''s' E'back\\slash'
    """
    quoted = value.replace("'", "''")
    return "E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in quoted else f"'{quoted}'"


def bare(name: str) -> str:
    """The last part of a name that SQL wrote, without its quotes.

    >>> bare("public.memories"), bare('public."a ""b"".c"')
    ('memories', 'a "b".c')
    """
    if name.endswith('"'):
        start = len(name) - 1
        while (start := name.rfind('"', 0, start)) > 0:
            doubled = len(name[:start]) - len(name[:start].rstrip('"'))
            if doubled % 2 == 0:
                break
            start -= doubled
        return name[start + 1 : -1].replace('""', '"')
    return name.rpartition(".")[2]
