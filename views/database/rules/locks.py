"""Locks of PostgreSQL in words: ``ACCESS EXCLUSIVE on memories``, ``a row of memories``."""

from __future__ import annotations

import re

_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


def mode(name: str) -> str:
    """A mode as SQL writes it.

    >>> mode("ShareUpdateExclusiveLock"), mode("AccessShareLock"), mode("SIReadLock")
    ('SHARE UPDATE EXCLUSIVE', 'ACCESS SHARE', 'SIREAD')
    """
    return _HUMP.sub(" ", name.removesuffix("Lock")).upper()


def words(kind: str, mode_name: str, relation: str, thing: str = "") -> str:
    """A lock as somebody would say it.

    Args:
        kind: ``locktype`` of ``pg_locks``.
        mode_name: ``mode`` of ``pg_locks``.
        relation: The table or index that it is on or that its row belongs to; empty where unknown.
        thing: Number of the transaction, place of the row, key of the advisory lock.

    >>> words("relation", "AccessExclusiveLock", "memories")
    'ACCESS EXCLUSIVE on memories'
    >>> words("transactionid", "ShareLock", "memories", "771")
    'a row of memories'
    """
    match kind:
        case "relation":
            return f"{mode(mode_name)} on {relation or 'a relation'}"
        case "transactionid":
            return f"a row of {relation}" if relation else f"the end of transaction {thing}"
        case "tuple":
            return f"a row of {relation}" if relation else "a row"
        case "virtualxid":
            return "the end of an older transaction"
        case "advisory":
            return f"advisory lock {thing}"
        case "extend":
            return f"more room for {relation or 'a relation'}"
        case "page":
            return f"a page of {relation or 'a relation'}"
        case _:
            return f"{mode(mode_name)} on {kind}{f' of {relation}' if relation else ''}"
