"""What the search field offers while somebody types: the fields and values that the viewer may see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from functools import partial

from collectors.deadline import deadline
from collectors.errors import SourceError
from collectors.log_complete import Completion, Known, complete
from collectors.log_fields import catalogue, tells_who
from collectors.log_query import EVERYTHING, MOST_CHARACTERS
from collectors.logs import Question
from collectors.registry import Sources
from views.logs.masks import Visibility, masked_value

PATIENCE = 2.0
"""Seconds that values may take: who types on does not wait for them."""

LONGEST_VALUE = 100
MOST_VALUES = 50

LATEST = 32_503_680_000.0
"""The year 3000 as epoch seconds: no window ends later."""

_GRID = 300
"""Seconds to which the window is rounded, so that all who type within them share one answer."""


def answer(sources: Sources, params: Mapping[str, str], visibility: Visibility) -> list[dict[str, object]]:
    """What may come next, as the search field wants it; nothing where the parameters make no sense.

    Args:
        sources: The environment's sources.
        params: ``text``, ``cursor`` (characters before it), and ``from`` and ``to``: the window as epoch seconds.
        visibility: What the viewer may see.
    """
    try:
        first, last = (float(params[name]) for name in ("from", "to"))
        text, cursor = params["text"][:MOST_CHARACTERS], int(params["cursor"][:10])
    except (KeyError, ValueError):
        return []
    if not 0 <= first < last <= LATEST:  # also where one of them is no number
        return []
    start, end = datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC)
    found = completions(sources, start, end, visibility, text, cursor)
    return [{field.name: getattr(one, field.name) for field in fields(one)} for one in found]


def completions(
    sources: Sources, start: datetime, end: datetime, visibility: Visibility, text: str, cursor: int
) -> tuple[Completion, ...]:
    """What may come at the cursor of a search; never raises.

    Where the source does not answer, the fields of the catalogue are offered and no values.
    """
    return complete(text, cursor, _known(sources, visibility), partial(_values, sources, start, end, visibility))


def _known(sources: Sources, visibility: Visibility) -> list[Known]:
    found = {
        one.name: Known(one.name, one.help, one.kind in ("number", "time"))
        for one in catalogue().values()
        if visibility.identifiers or not one.identifier
    }
    try:
        with deadline(PATIENCE):
            listed = sources.logs.fields().value
    except SourceError:
        return list(found.values())
    for one in listed.known:
        hidden = not visibility.identifiers and (tells_who(one.name) or tells_who(one.path))
        if one.name not in found and not hidden:
            found[one.name] = Known(one.name, one.conflict, one.kind in ("number", "time"))
    return list(found.values())


def _values(sources: Sources, start: datetime, end: datetime, visibility: Visibility, name: str) -> Mapping[str, int]:
    if not visibility.identifiers and tells_who(name):
        return {}
    question = Question(_on_grid(start.timestamp() // _GRID), _on_grid(-(-end.timestamp() // _GRID)), EVERYTHING)
    try:
        with deadline(PATIENCE):
            known = sources.logs.fields().value
            if not any(one.countable for one in known.each(name)):
                return {}
            (top,) = sources.logs.top_values(question, [name], limit=MOST_VALUES).value
    except SourceError:
        return {}
    # What is masked cannot be searched for, so it is not offered.
    return {
        value: count
        for value, count in top.values
        if len(value) <= LONGEST_VALUE and masked_value(name, value, visibility) == value
    }


def _on_grid(number: float) -> datetime:
    return datetime.fromtimestamp(number * _GRID, UTC)
