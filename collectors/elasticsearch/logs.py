"""The lines of the logs, from Elasticsearch: pages without a line lost or doubled, counts, fields, surroundings.

How the pages stay whole while lines arrive: the first page is a plain search, so that it is there at once. The second
one opens a point in time and leaves out what the first has shown; all further ones continue in it by ``search_after``.
Where the point in time has ended meanwhile, a new one begins where the last page ended. A store that has none is asked
by moments: what is not newer than the last moment shown, without the lines of that moment that were shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import msgspec

from collectors.cache import Answer
from collectors.deadline import remaining
from collectors.elasticsearch.client import CountAnswer, Elasticsearch
from collectors.elasticsearch.counts import (
    histogram_frame,
    histogram_request,
    top_values,
    top_values_request,
    total,
)
from collectors.elasticsearch.dsl import ISO, Clause, to_dsl
from collectors.elasticsearch.fields import listed, mixed_times
from collectors.elasticsearch.pages import Moment, as_json, beyond, page_of, written
from collectors.elasticsearch.search import TIME, FieldCaps, SearchAnswer, SnapshotAnswer, exact, line_of
from collectors.errors import BadAnswer, Denied, SourceError
from collectors.log_query import EVERYTHING
from collectors.logs import (
    Around,
    Bookmark,
    Fields,
    Histogram,
    Kinship,
    Line,
    Order,
    Page,
    Question,
    TopValues,
)
from collectors.parallel import side_by_side

T = TypeVar("T")

KEEP_ALIVE = "5m"
"""How long the store keeps a list between two of its pages."""

FIELDS_TTL = 60.0
"""Seconds for which the list of fields is believed."""

MOST_BUCKETS = 2_000
"""Most buckets of time in one histogram; each may be split once more."""

SLICES = 100
"""From how many moments of the window the lines of a sample are."""

MOST_AT_ONCE = 10_000
"""Elasticsearch's own bound for the lines of one answer (``index.max_result_window``)."""

TIMELESS_TTL = 300.0
"""Seconds for which the number of lines without a time is taken for unchanged: all lines are looked at for it."""

MOST_TIES = 1_000
"""Most lines of one moment that are looked at to find what stands next to one of them."""

SAMPLED_FROM = 1_000_000
"""Matching lines from which on the values of fields are estimated from a part of them."""

SAMPLE = 250_000
"""About how many lines such an estimate looks at."""

NEAR = timedelta(hours=1)
"""How far from a line its surroundings are looked for first; in all time where too few lines are that near."""

_KIN: Mapping[Kinship, str] = {"pod": "pod", "request": "request_id", "trace": "trace_id", "session": "session_id"}


@dataclass(frozen=True)
class _Caps:
    """What the mappings tell: the fields, and whether the indices disagree about how exact a time is."""

    fields: Fields
    mixed_times: bool


class ElasticsearchLogs:
    """A :class:`collectors.logs.LogSource` on Elasticsearch 8 and 9.

    Args:
        store: The collector whose connection, index and cache are used.
    """

    def __init__(self, store: Elasticsearch) -> None:
        self._store = store
        self._index = store.settings.index

    def page(
        self, question: Question, *, size: int = 100, order: Order = "newest", after: Bookmark | None = None
    ) -> Page:
        """A page of lines, see :class:`collectors.logs.LogSource`.

        Raises:
            SourceError: No usable answer.
        """
        query = self._query(question)
        if after is None:
            answer = self._list(query, question, size, order)
            return page_of(answer, query, size, order, None, None, "")
        before, latest = after.seen
        if after.snapshot:
            bounded = beyond(query, before, order)
            try:
                answer = self._list(bounded, question, size, order, after.snapshot, after.position)
            except BadAnswer:
                pass  # it has ended; what follows begins a new one where the last page ended
            else:
                return self._continued(answer, bounded, size, order, before, latest, after.snapshot)
        bounded = beyond(query, latest, order)
        try:
            snapshot = self._snapshot(question)
        except (BadAnswer, Denied) as error:  # a store that cannot, or a user who may not
            if error.trips:
                raise
            answer = self._list(bounded, question, size, order)
            return page_of(answer, bounded, size, order, None, latest, "")
        answer = self._list(bounded, question, size, order, snapshot)
        return self._continued(answer, bounded, size, order, latest, latest, snapshot)

    def release(self, bookmark: Bookmark) -> None:
        """Give back the point in time of a bookmark; never raises."""
        if not bookmark.snapshot:
            return
        try:
            self._store.ask(msgspec.Raw, lambda client: client.close_point_in_time(id=bookmark.snapshot))
        except SourceError:
            return  # it ends by itself after five minutes

    def histogram(self, question: Question, *, step: int, by: str = "level", limit: int = 8) -> Answer[Histogram]:
        """Lines over time, see :class:`collectors.logs.LogSource`.

        Raises:
            SourceError: No usable answer, and none young enough is kept.
            ValueError: More than ``MOST_BUCKETS`` buckets.
        """
        length = (question.end - question.start).total_seconds()
        if length / step > MOST_BUCKETS:
            raise ValueError(f"{length / step:.0f} buckets are more than a chart can show")
        view = ("histogram", step, by, limit, question.query)
        return self._kept(view, question, lambda: self._load_histogram(question, step, by, limit))

    def count(self, question: Question) -> Answer[int]:
        """How many lines match.

        Raises:
            SourceError: No usable answer, and none young enough is kept.
        """

        def load() -> int:
            query = self._query(question)
            answer = self._store.ask(
                CountAnswer,
                lambda client: client.count(
                    index=self._indices(question), allow_no_indices=True, ignore_unavailable=True, query=query
                ),
            )
            return self._store.whole(answer)

        return self._kept(("count", question.query), question, load)

    def top_values(
        self, question: Question, fields: Sequence[str], *, limit: int = 10
    ) -> Answer[tuple[TopValues, ...]]:
        """The most frequent values of some fields, asked together.

        Raises:
            SourceError: No usable answer, and none young enough is kept.
        """
        view = ("top values", tuple(fields), limit, question.query)
        return self._kept(view, question, lambda: self._load_top_values(question, fields, limit))

    def fields(self) -> Answer[Fields]:
        """The fields that can be asked for.

        Raises:
            SourceError: No usable answer, and none young enough is kept.
        """
        kept = self._caps()
        return kept.with_value(kept.value.fields)

    def timeless(self) -> Answer[int]:
        """How many lines have no time, and so belong to no window; asked every few minutes.

        Raises:
            SourceError: No usable answer, and none young enough is kept.
        """
        query = {"bool": {"must_not": [{"exists": {"field": TIME}}]}}

        def load() -> int:
            answer = self._store.ask(
                CountAnswer,
                lambda client: client.count(
                    index=self._index, allow_no_indices=True, ignore_unavailable=True, query=query
                ),
            )
            return self._store.whole(answer)

        view = (self._store.environment, "elasticsearch", "timeless")
        return self._store.cache.get(view, None, load, ttl=TIMELESS_TTL)

    def line(self, line_id: str) -> Line | None:
        """One line by its identity; ``None`` where it is gone.

        Raises:
            SourceError: No usable answer.
        """
        index, _, document = line_id.partition("/")
        if not index or not document:
            return None
        # Asked of the configured pattern, so that no address can read another index.
        query = {"bool": {"filter": [{"term": {"_index": index}}, {"ids": {"values": [document]}}]}}
        # Sorted for what its index takes for its time, whatever format the document has it in.
        answer = self._search(query, size=20, sort=[{TIME: {"order": "desc", "unmapped_type": "date"}}])
        return next((line_of(hit) for hit in answer.hits.hits if hit.index == index), None)

    def around(self, line: Line, *, same: Kinship = "pod", size: int = 20) -> Around:
        """The lines just before and just after a line.

        Raises:
            SourceError: No usable answer.
        """
        name = _KIN.get(same, "")
        value = line.fields.get(name)
        shared = {name: str(value)} if name and value is not None else {}
        stamp = exact(line)
        if line.time is None or not stamp or (name and not shared):
            missing = f"This line has no {name.removesuffix('_id') or 'time'} to share with others."
            return Around((), line, (), {}, missing)
        kin = [self._equal(name, text) for name, text in shared.items()]
        start, end = _shifted(line.time, -NEAR), _shifted(line.time, NEAR)

        def ask(limits: Clause, order: Order, most: int, index: str = "") -> SearchAnswer:
            query = {"bool": {"filter": [*kin, {"range": {TIME: {**limits, "format": ISO}}}]}}
            return self._search(query, index=index, size=most, sort=self._sort(order), track_total_hits=False)

        # Without a bound the store would sort all that it ever kept for a handful of lines, which are mostly near.
        near = self._store.indices(start, end)
        level, earlier, later = side_by_side(
            partial(ask, {"gte": stamp, "lte": stamp}, "oldest", MOST_TIES),
            partial(ask, {"gte": start.isoformat(), "lt": stamp}, "newest", size, near),
            partial(ask, {"gt": stamp, "lte": end.isoformat()}, "oldest", size, near),
        )
        # Lines of one moment have no order that a store could tell but the one in which they were written.
        ties = sorted((line_of(hit) for hit in level.hits.hits), key=written)
        place = next((number for number, one in enumerate(ties) if one.id == line.id), len(ties))
        if place >= MOST_TIES:
            crowd = f"More than {MOST_TIES:,} lines have this very time: which of them stand next to it is not known."
            return Around((), line, (), shared, crowd)
        few_before = len(earlier.hits.hits) + place < size
        few_after = len(later.hits.hits) + len(ties[place + 1 :]) < size
        earlier, later = side_by_side(
            partial(ask, {"lt": stamp}, "newest", size) if few_before else lambda: earlier,
            partial(ask, {"gt": stamp}, "oldest", size) if few_after else lambda: later,
        )
        before = [*(line_of(hit) for hit in reversed(earlier.hits.hits)), *ties[:place]][-size:]
        after = [*ties[place + 1 :], *(line_of(hit) for hit in later.hits.hits)][:size]
        return Around(tuple(before), line, tuple(after), shared, earlier.partial or level.partial or later.partial)

    def scan(self, question: Question, *, order: Order = "newest", size: int = 1000, most: int) -> Iterator[Page]:
        """All lines in pages, at most ``most``; gives its point in time back at the end, however it ends.

        Raises:
            SourceError: No usable answer; pages given before stand.
        """
        given, bookmark = 0, None
        try:
            while given < most:
                found = self.page(question, size=min(size, most - given), order=order, after=bookmark)
                bookmark = found.after
                given += len(found.lines)
                yield found
                if bookmark is None:
                    return
        finally:
            if bookmark is not None:
                self.release(bookmark)

    def sample(self, question: Question, *, size: int) -> Page:
        """At most ``size`` lines, from each stretch of the window as many as its share of all lines.

        Raises:
            SourceError: No usable answer.
        """
        total = self.count(question).value
        if total <= size:
            return self.page(question, size=min(max(size, 1), MOST_AT_ONCE))
        # A sliver at the start of each of many equal stretches, as long as the part of all lines that is wanted: one
        # search, and busy stretches give more lines than quiet ones, as they have more.
        stretch = (question.end - question.start) / SLICES
        sliver = stretch * size / total
        slivers = [
            {"range": {TIME: {"gte": begin.isoformat(), "lt": (begin + sliver).isoformat(), "format": ISO}}}
            for begin in (question.start + stretch * number for number in range(SLICES))
        ]
        query = {"bool": {"filter": [self._query(question), {"bool": {"should": slivers, "minimum_should_match": 1}}]}}
        answer = self._search(
            query,
            index=self._indices(question),
            size=min(2 * size, MOST_AT_ONCE),
            sort=self._sort("newest"),
            track_total_hits=False,
        )
        lines = tuple(line_of(hit) for hit in answer.hits.hits)
        told = f"{len(lines):,} of {total:,} lines were looked at, from {SLICES} moments spread over the window."
        return Page(lines, None, f"{told} {answer.partial}".strip(), as_json({"query": query}))

    def _load_histogram(self, question: Question, step: int, by: str, limit: int) -> Histogram:
        query = self._query(question)
        places = self._countable(by) if by else []
        aggs = histogram_request(step, places, limit)
        answer = self._search(query, index=self._indices(question), size=0, aggs=aggs, track_total_hits=True)
        frame = histogram_frame(answer.aggregations, question.start, question.end, step, places, by, limit)
        lines, exactly = total(answer)
        if answer.hits.total is None:  # a store that does not tell: what stands in the bars is there at least
            lines = int(frame.to_numpy().sum())
        return Histogram(frame, step, lines, exactly, answer.partial, as_json({"query": query, "aggs": aggs}))

    def _load_top_values(self, question: Question, fields: Sequence[str], limit: int) -> tuple[TopValues, ...]:
        query = self._query(question)
        places = {name: self._countable(name) for name in fields}
        aggs = top_values_request(places, limit)
        matching = self.count(question).value
        if matching >= SAMPLED_FROM:
            sampler = {"random_sampler": {"probability": min(SAMPLE / matching, 0.5)}, "aggs": aggs}
            try:
                answer = self._search(
                    query, index=self._indices(question), size=0, aggs={"part": sampler}, track_total_hits=False
                )
            except BadAnswer:
                pass  # a store that cannot: all lines are counted
            else:
                part = answer.aggregations.get("part", {})
                lines = int(part.get("doc_count", 0))
                return top_values(part, places, limit, lines=lines, sampled=True, partial=answer.partial)
        answer = self._search(query, index=self._indices(question), size=0, aggs=aggs, track_total_hits=True)
        lines, exact = total(answer)
        return top_values(answer.aggregations, places, limit, lines=lines, sampled=not exact, partial=answer.partial)

    def _caps(self) -> Answer[_Caps]:
        """What the mappings tell, kept for ``FIELDS_TTL``."""

        def load() -> _Caps:
            caps = self._store.ask(
                FieldCaps,
                lambda client: client.field_caps(
                    index=self._index, fields="*", allow_no_indices=True, ignore_unavailable=True
                ),
            )
            if not caps.fields:
                missing = f"No index matches {self._index}: no line has arrived under this name."
                return _Caps(Fields((), remarks=(missing,)), mixed_times=False)
            return _Caps(listed(caps), mixed_times(caps, TIME))

        return self._store.cache.get((self._store.environment, "logs", "fields"), None, load, ttl=FIELDS_TTL)

    def _countable(self, name: str) -> list[str]:
        """Paths under which the values of a field can be counted; a text is counted by its keyword beside it."""
        known = self.fields().value
        found = []
        for one in known.each(name):
            keyword = f"{one.path}.keyword"
            if one.countable:
                found.append(one.path)
            elif any(other.path == keyword and other.countable for other in known.each(keyword)):
                found.append(keyword)
        return list(dict.fromkeys(found))

    def _equal(self, name: str, value: str) -> Clause:
        """A field of the catalogue with exactly this value, in all places that the store has."""
        clauses: list[Clause] = [{"term": {path: {"value": value}}} for path in self._countable(name)]
        clauses += [
            {"match_phrase": {one.path: {"query": value}}}
            for one in self.fields().value.each(name)
            if one.kind == "text" and f"{one.path}.keyword" not in self._countable(name)
        ]
        return {"bool": {"should": clauses, "minimum_should_match": 1}} if clauses else {"match_none": {}}

    def _query(self, question: Question) -> Clause:
        limits = {"gte": question.start.isoformat(), "lte": question.end.isoformat(), "format": ISO}
        window = {"range": {TIME: limits}}
        if question.query == EVERYTHING:
            return {"bool": {"filter": [window]}}
        return {"bool": {"filter": [window, to_dsl(question.query, self.fields().value)]}}

    def _list(
        self,
        query: Clause,
        question: Question,
        size: int,
        order: Order,
        snapshot: str = "",
        position: Sequence[Any] = (),
    ) -> SearchAnswer:
        """One page: of the indices as they are now, or of a snapshot, where it goes on after a position."""
        rest: dict[str, Any] = {"size": size, "sort": self._sort(order), "track_total_hits": False}
        if not snapshot:
            return self._search(query, index=self._indices(question), **rest)
        rest["sort"].append({"_shard_doc": "desc" if order == "newest" else "asc"})
        rest["pit"] = {"id": snapshot, "keep_alive": KEEP_ALIVE}
        if position:
            rest["search_after"] = list(position)
        return self._search(query, index=None, **rest)

    def _continued(
        self,
        answer: SearchAnswer,
        query: Clause,
        size: int,
        order: Order,
        before: Moment,
        latest: Moment,
        snapshot: str,
    ) -> Page:
        """A page of a snapshot, which is given back after the last one."""
        now = answer.pit_id or snapshot
        found = page_of(answer, query, size, order, before, latest, now)
        if found.after is None:
            self.release(Bookmark((), now))
        return found

    def _sort(self, order: Order) -> list[dict[str, Any]]:
        by: dict[str, Any] = {"order": "desc" if order == "newest" else "asc", "unmapped_type": "date"}
        if self._caps().value.mixed_times:  # else milliseconds would be compared with nanoseconds
            by["numeric_type"] = "date_nanos"
        return [{TIME: by}]

    def _search(self, query: Clause, *, size: int, index: str | None = "", **rest: Any) -> SearchAnswer:
        """One search within what is left of the deadline; the store is told to end a little earlier by itself."""
        left = remaining(self._store.settings.deadline)
        request: dict[str, Any] = {"query": query, "size": size, "timeout": f"{max(int(left * 800), 100)}ms", **rest}
        if index is not None:  # a point in time knows its indices
            request |= {
                "index": index or self._index,
                "allow_no_indices": True,
                "ignore_unavailable": True,
                "allow_partial_search_results": True,
            }
        return self._store.ask(SearchAnswer, lambda client: client.search(**request))

    def _indices(self, question: Question) -> str:
        return self._store.indices(question.start, question.end)

    def _snapshot(self, question: Question) -> str:
        index = self._indices(question)
        answer = self._store.ask(
            SnapshotAnswer,
            lambda client: client.open_point_in_time(index=index, keep_alive=KEEP_ALIVE, ignore_unavailable=True),
        )
        return answer.id

    def _kept(self, view: tuple[Any, ...], question: Question, load: Callable[[], T]) -> Answer[T]:
        moment = (question.start, question.end)
        # The last good answer may stand in for one of another moment, but not for one of another length.
        length = round((question.end - question.start).total_seconds())
        return self._store.cache.get((self._store.environment, "logs", *view, length), moment, load)


def _shifted(moment: datetime, by: timedelta) -> datetime:
    """Another moment; the first or last one that there is where a hostile line lies beside it."""
    try:
        return moment + by
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC) if by < timedelta() else datetime.max.replace(tzinfo=UTC)
