"""Pages of a list that grows meanwhile: where a page ends, and what the store is asked for the next one.

The place between two pages is a moment and those of its lines that were shown. It holds whatever the store does: lines
that arrive later are newer or have another identity, so none is lost and none comes twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from collectors.elasticsearch.dsl import ISO, Clause
from collectors.elasticsearch.search import TIME, Hit, SearchAnswer, at, exact, line_of, moment
from collectors.logs import Bookmark, Line, Order, Page


@dataclass(frozen=True)
class Moment:
    """The last moment that pages have shown, and which of its lines.

    Attributes:
        value: As the store sorts by it.
        stamp: The same for a question.
        lines: Identities of its lines that were shown.
    """

    value: Any
    stamp: str
    lines: tuple[str, ...]


def page_of(
    answer: SearchAnswer,
    query: Clause,
    size: int,
    order: Order,
    before: Moment | None,
    latest: Moment | None,
    snapshot: str,
) -> Page:
    """A page, and where the next one begins.

    Args:
        answer: What the store found.
        query: What it was asked.
        size: How many lines were asked for; fewer are the last ones.
        order: In which order.
        before: The last moment before the snapshot that it is from; ``None`` without one.
        latest: The last moment of the page before it; ``None`` for the first one.
        snapshot: Which snapshot it is from; empty without one.
    """
    hits = answer.hits.hits
    lines = [line_of(hit) for hit in hits]
    after = None
    if hits and len(hits) == size:
        moment = _last_moment(hits, lines, latest)
        after = Bookmark(tuple(hits[-1].sort) if snapshot else (), snapshot, (before or moment, moment))
    if all(one.time is not None for one in lines):
        # A store may keep less of a time than the lines tell: within one moment of its own they tell the order.
        lines.sort(key=written, reverse=order == "newest")
    return Page(tuple(lines), after, answer.partial, as_json({"query": query}), remarks(hits, lines))


def remarks(hits: Sequence[Hit], lines: Sequence[Line]) -> tuple[str, ...]:
    """What is odd about the lines of a page, each a sentence."""
    found = []
    if odd := [one for one in lines if one.stamp and one.time is not None and moment(one.stamp) is None]:
        found.append(
            f"{len(odd):,} lines write @timestamp in a form of their own (“{odd[0].stamp[:40]}”): "
            "they are shown at the time that their index has for them."
        )
    if bare := sum(not hit.source for hit in hits):
        found.append(f"{bare:,} lines have no _source: their index does not keep what was written.")
    return tuple(found)


def _last_moment(hits: Sequence[Hit], lines: Sequence[Line], latest: Moment | None) -> Moment:
    value = next(iter(hits[-1].sort), None)
    shown = tuple(one.id for hit, one in zip(hits, lines, strict=True) if next(iter(hit.sort), None) == value)
    if latest is not None and latest.value == value:
        shown = (*latest.lines, *shown)
    return Moment(value, exact(lines[-1]), shown)


def beyond(query: Clause, moment: Moment, order: Order) -> Clause:
    """The query for what is not shown yet."""
    shown: dict[str, list[str]] = {}
    for index, _, document in (one.partition("/") for one in moment.lines):
        shown.setdefault(index, []).append(document)
    return {
        "bool": {
            "filter": [query, {"range": {TIME: {"lte" if order == "newest" else "gte": moment.stamp, "format": ISO}}}],
            "must_not": [
                {"bool": {"filter": [{"term": {"_index": index}}, {"ids": {"values": documents}}]}}
                for index, documents in shown.items()
            ],
        }
    }


def written(one: Line) -> tuple[datetime, int]:
    """The order in which lines were written, also those of one moment where the shipper tells it."""
    offset = at(one.document, "log.offset")
    return (one.time or datetime.min.replace(tzinfo=UTC), offset if isinstance(offset, int) else 0)


def as_json(request: Mapping[str, Any]) -> str:
    """What the store was asked, for the info button."""
    return msgspec.json.format(msgspec.json.encode(request), indent=2).decode()
