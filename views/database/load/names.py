"""By what the load of the database is told apart, and how each value of that is called."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from records.activity import NO_QUERY, OTHER, OTHER_QUERY, Dimension, Group
from views.database.rules import activity

BY: Mapping[str, tuple[Dimension, str]] = {
    "wait": ("wait", "wait event"),
    "query": ("query_id", "query"),
    "user": ("user", "user"),
    "client": ("client", "client"),
}
"""Name in the address → dimension, and how it is called."""


def shares_of(groups: Mapping[Group, int], by: str, looks: float, texts: Mapping[int, str]) -> pd.DataFrame:
    """What each value of a dimension has of the load.

    Args:
        groups: Sessions that were seen, by all dimensions.
        by: A key of :data:`BY`.
        looks: How often it was looked.
        texts: Statements by their identifiers.

    Returns:
        ``key`` (as in the address; empty for the rest), ``name``, ``load`` and ``share``; the largest first.
    """
    column = BY[by][0]
    rows = pd.DataFrame(
        {
            "key": [getattr(group, column) for group in groups],
            "sessions": [float(seen) for seen in groups.values()],
        }
    )
    found = activity.shares(rows, "key", looks).rename(columns={"name": "key"})
    found["name"] = [called(by, key, texts) for key in found["key"]]
    found["key"] = ["" if is_rest(by, key) else str(key) for key in found["key"]]
    return found


def called(by: str, key: Any, texts: Mapping[int, str]) -> str:
    """How a value of a dimension is called."""
    if by == "query":
        number = int(key)
        if number == NO_QUERY:
            return "(no statement identifier)"
        if number == OTHER_QUERY:
            return "(other queries)"
        text = " ".join(texts.get(number, "").split())
        return text or f"(text not known) {number}"
    return str(key) or ("(background work)" if by == "user" else "(no name)")


def is_rest(by: str, key: Any) -> bool:
    """Whether a value stands for what is not told apart."""
    if by == "query":
        return int(key) == OTHER_QUERY
    return key == OTHER or (by == "wait" and str(key).endswith(f":{OTHER}"))


def names_of(by: str, columns: Collection[str], texts: Mapping[int, str]) -> dict[str, str]:
    """How the columns of a chart are called, each by a name of its own; the rest keeps its name."""
    shown = [name for name in columns if name != activity.OTHER]
    names = {name: called(by, name, texts) for name in shown}
    # Two statements may begin alike; lines of one chart need names of their own.
    shortened = {name: _short(text) for name, text in names.items()} if by == "query" else names
    twice = {text for text in shortened.values() if list(shortened.values()).count(text) > 1}
    return {name: f"{text} [{name[-4:]}]" if text in twice else text for name, text in shortened.items()}


def _short(text: str, limit: int = 50) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
