"""The lines of the logs, from Elasticsearch: pages without a line lost or doubled, counts, fields, surroundings.

How the pages stay whole while lines arrive: the first page is a plain search, so that it is there at once. The second
one opens a point in time and leaves out what the first has shown; all further ones continue in it by ``search_after``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from collectors.cache import Kept
from collectors.deadline import remaining
from collectors.elasticsearch import CountAnswer, Elasticsearch
from collectors.elasticsearch_fields import listed
from collectors.elasticsearch_search import TIME, FieldCaps, Hit, SearchAnswer, SnapshotAnswer, line
from collectors.errors import BadAnswer, SourceError
from collectors.log_dsl import Clause, to_dsl
from collectors.log_query import EVERYTHING
from collectors.logs import (
    Around,
    Bookmark,
    Field,
    Fields,
    Histogram,
    Kinship,
    Line,
    Order,
    Page,
    Question,
    TopValues,
)

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

OTHER, MISSING = "other", ""

_KIN: Mapping[Kinship, str] = {"pod": "pod", "request": "request_id", "trace": "trace_id", "session": "session_id"}


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
            SourceError: No usable answer; also where the store no longer keeps the list that ``after`` is from.
        """
        query = self._query(question)
        if after is None:
            answer = self._search(
                query, index=self._indices(question), size=size, sort=self._sort(order), track_total_hits=False
            )
            return self._page(answer, query, size, _seen)
        bounded = _beyond(query, after, order)
        snapshot = after.snapshot or self._snapshot(self._indices(question))
        request: dict[str, Any] = {
            "size": size,
            "sort": [*self._sort(order), {"_shard_doc": "desc" if order == "newest" else "asc"}],
            "pit": {"id": snapshot, "keep_alive": KEEP_ALIVE},
            "track_total_hits": False,
        }
        if after.position:
            request["search_after"] = list(after.position)
        try:
            answer = self._search(bounded, index=None, **request)
        except BadAnswer as error:
            raise BadAnswer(
                error.source,
                error.address,
                f"no longer keeps this list: {error.what}",
                hint="Load the list anew; it is kept for five minutes after each page.",
                trips=False,
            ) from error

        def bookmark(hits: Sequence[Hit]) -> Bookmark:
            return Bookmark(tuple(hits[-1].sort), answer.pit_id or snapshot, after.seen)

        found = self._page(answer, bounded, size, bookmark)
        if found.after is None:
            self.release(Bookmark((), answer.pit_id or snapshot))
        return found

    def release(self, bookmark: Bookmark) -> None:
        """Give back the point in time of a bookmark; never raises."""
        if not bookmark.snapshot:
            return
        try:
            self._store.ask(msgspec.Raw, lambda client: client.close_point_in_time(id=bookmark.snapshot))
        except SourceError:
            return  # it ends by itself after five minutes

    def histogram(self, question: Question, *, step: int, by: str = "level", limit: int = 8) -> Kept[Histogram]:
        """Lines over time, see :class:`collectors.logs.LogSource`.

        Raises:
            SourceError: No usable answer, and none young enough is kept.
            ValueError: More than ``MOST_BUCKETS`` buckets.
        """
        length = (question.end - question.start).total_seconds()
        if length / step > MOST_BUCKETS:
            raise ValueError(f"{length / step:.0f} buckets are more than a chart can show")
        view = ("histogram", round(length), step, by, limit, question.query)
        return self._kept(view, question, lambda: self._load_histogram(question, step, by, limit))

    def count(self, question: Question) -> Kept[int]:
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
            return answer.count

        return self._kept(("count", question.query), question, load)

    def top_values(self, question: Question, fields: Sequence[str], *, limit: int = 10) -> Kept[tuple[TopValues, ...]]:
        """The most frequent values of some fields, asked together.

        Raises:
            SourceError: No usable answer, and none young enough is kept.
        """
        view = ("top values", tuple(fields), limit, question.query)
        return self._kept(view, question, lambda: self._load_top_values(question, fields, limit))

    def fields(self) -> Kept[Fields]:
        """The fields that can be asked for.

        Raises:
            SourceError: No usable answer, and none young enough is kept.
        """

        def load() -> Fields:
            caps = self._store.ask(
                FieldCaps,
                lambda client: client.field_caps(
                    index=self._index, fields="*", allow_no_indices=True, ignore_unavailable=True
                ),
            )
            if not caps.fields:
                return Fields((), remarks=(f"No index matches {self._index}: no line has arrived under this name.",))
            return listed(caps)

        return self._store.cache.get((self._store.environment, "logs", "fields"), None, load, ttl=FIELDS_TTL)

    def timeless(self) -> int:
        """How many lines have no time, and so belong to no window.

        Raises:
            SourceError: No usable answer.
        """
        query = {"bool": {"must_not": [{"exists": {"field": TIME}}]}}
        return self._store.ask(
            CountAnswer,
            lambda client: client.count(index=self._index, allow_no_indices=True, ignore_unavailable=True, query=query),
        ).count

    def line(self, line_id: str) -> Line | None:
        """One line by its identity; ``None`` where it is gone.

        Raises:
            SourceError: No usable answer.
        """
        index, _, document = line_id.rpartition("/")
        if not index or not document:
            return None
        # Asked of the configured pattern and compared here, so that no address can read another index.
        answer = self._search({"ids": {"values": [document]}}, size=20)
        return next((line(hit) for hit in answer.hits.hits if hit.index == index), None)

    def around(self, line: Line, *, same: Kinship = "pod", size: int = 20) -> Around:
        """The lines just before and just after a line.

        Raises:
            SourceError: No usable answer.
        """
        name = _KIN.get(same, "")
        value = line.fields.get(name)
        shared = {name: str(value)} if name and value is not None else {}
        if not line.stamp or (name and not shared):
            missing = f"This line has no {name.removesuffix('_id') or 'time'} to share with others."
            return Around((), line, (), {}, missing)
        kin = [_equal(self.fields().value, name, text) for name, text in shared.items()]

        def ask(limits: Clause, direction: str, most: int) -> SearchAnswer:
            query = {"bool": {"filter": [*kin, {"range": {TIME: limits}}]}}
            return self._search(query, size=most, sort=[{TIME: {"order": direction}}], track_total_hits=False)

        stamp = line.stamp
        earlier = ask({"lt": stamp}, "desc", size)
        level = ask({"gte": stamp, "lte": stamp}, "asc", MOST_AT_ONCE // 10)
        later = ask({"gt": stamp}, "asc", size)
        # Lines of one moment have no order that a store could tell but the one in which they were written.
        ties = sorted((_line(hit) for hit in level.hits.hits), key=_written)
        place = next((number for number, one in enumerate(ties) if one.id == line.id), len(ties))
        before = [*(_line(hit) for hit in reversed(earlier.hits.hits)), *ties[:place]][-size:]
        after = [*ties[place + 1 :], *(_line(hit) for hit in later.hits.hits)][:size]
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
            {"range": {TIME: {"gte": begin.isoformat(), "lt": (begin + sliver).isoformat()}}}
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
        lines = tuple(_line(hit) for hit in answer.hits.hits)
        told = f"{len(lines):,} of {total:,} lines were looked at, from {SLICES} moments spread over the window."
        return Page(lines, None, f"{told} {answer.partial}".strip(), _told({"query": query}))

    def _load_histogram(self, question: Question, step: int, by: str, limit: int) -> Histogram:
        query = self._query(question)
        places = self._countable(by) if by else []
        inner = {f"by{number}": {"terms": {"field": place, "size": limit}} for number, place in enumerate(places)}
        over_time: dict[str, Any] = {
            "date_histogram": {"field": TIME, "fixed_interval": f"{step}s", "min_doc_count": 1}
        }
        if inner:
            over_time["aggs"] = inner
        answer = self._search(
            query, index=self._indices(question), size=0, aggs={"time": over_time}, track_total_hits=True
        )
        buckets = answer.aggregations.get("time", {}).get("buckets", [])
        first = int(question.start.timestamp() // step) * step
        count = int(question.end.timestamp() // step) - first // step + 1
        index = pd.DatetimeIndex(np.datetime64(first, "s") + np.arange(count) * np.timedelta64(step, "s"), tz="UTC")
        columns: dict[str, np.ndarray] = {}

        def add(name: str, row: int, lines: int) -> None:
            if lines > 0 and 0 <= row < count:
                columns.setdefault(name, np.zeros(count, np.int64))[row] += lines

        for bucket in buckets:
            row = (int(bucket["key"]) // 1000 - first) // step
            lines = int(bucket["doc_count"])
            if not places:
                add("lines", row, lines)
                continue
            for number in range(len(places)):
                found = bucket.get(f"by{number}", {})
                for value in found.get("buckets", []):
                    add(_shown(value, by), row, int(value["doc_count"]))
                    lines -= int(value["doc_count"])
                add(OTHER, row, int(found.get("sum_other_doc_count", 0)))
                lines -= int(found.get("sum_other_doc_count", 0))
            add(MISSING, row, lines)
        return Histogram(
            _ordered(columns, index, limit) if places else _single(columns, index),
            step,
            *_total(answer),
            answer.partial,
            _told({"query": query, "aggs": {"time": over_time}}),
        )

    def _load_top_values(self, question: Question, fields: Sequence[str], limit: int) -> tuple[TopValues, ...]:
        query = self._query(question)
        places = {name: self._countable(name) for name in fields}
        aggs: dict[str, Any] = {}
        for number, name in enumerate(fields):
            for place_number, place in enumerate(places[name]):
                aggs[f"f{number}p{place_number}"] = {"terms": {"field": place, "size": limit}}
        answer = self._search(query, index=self._indices(question), size=0, aggs=aggs, track_total_hits=True)
        total, exact = _total(answer)
        found: list[TopValues] = []
        for number, name in enumerate(fields):
            counts: dict[str, int] = {}
            other = 0
            for place_number in range(len(places[name])):
                one = answer.aggregations.get(f"f{number}p{place_number}", {})
                other += int(one.get("sum_other_doc_count", 0))
                for bucket in one.get("buckets", []):
                    value = _shown(bucket, name)
                    counts[value] = counts.get(value, 0) + int(bucket["doc_count"])
            values = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            other += sum(lines for _, lines in values[limit:])
            missing = max(total - other - sum(lines for _, lines in values[:limit]), 0)
            found.append(TopValues(name, tuple(values[:limit]), other, missing, total, not exact, answer.partial))
        return tuple(found)

    def _countable(self, name: str) -> list[str]:
        """Paths under which the values of a field can be counted; a text is counted by its keyword beside it."""
        known = self.fields().value
        found = []
        for one in known.each(name):
            keyword = f"{one.path}.keyword"
            if one.countable:
                found.append(one.path)
            elif any(other.path == keyword for other in known.known):
                found.append(keyword)
        return list(dict.fromkeys(found))

    def _query(self, question: Question) -> Clause:
        window = {"range": {TIME: {"gte": question.start.isoformat(), "lte": question.end.isoformat()}}}
        if question.query == EVERYTHING:
            return {"bool": {"filter": [window]}}
        return {"bool": {"filter": [window, to_dsl(question.query, self.fields().value)]}}

    @staticmethod
    def _sort(order: Order) -> list[dict[str, Any]]:
        return [{TIME: {"order": "desc" if order == "newest" else "asc", "unmapped_type": "date"}}]

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

    def _snapshot(self, index: str) -> str:
        answer = self._store.ask(
            SnapshotAnswer,
            lambda client: client.open_point_in_time(index=index, keep_alive=KEEP_ALIVE, ignore_unavailable=True),
        )
        return answer.id

    @staticmethod
    def _page(answer: SearchAnswer, query: Clause, size: int, bookmark: Any) -> Page:
        hits = answer.hits.hits
        after = bookmark(hits) if len(hits) == size and hits else None
        return Page(tuple(_line(hit) for hit in hits), after, answer.partial, _told({"query": query}))

    def _kept(self, view: tuple[Any, ...], question: Question, load: Any) -> Kept[Any]:
        moment = (question.start, question.end)
        return self._store.cache.get((self._store.environment, "logs", *view), moment, load)


_line = line


def _seen(hits: Sequence[Hit]) -> Bookmark:
    """After a first page: its last moment, and the lines of that moment that were shown."""
    last = hits[-1]
    stamp = line(last).stamp
    return Bookmark((), "", (stamp, *(hit.id for hit in hits if hit.sort[:1] == last.sort[:1])))


def _beyond(query: Clause, after: Bookmark, order: Order) -> Clause:
    """The query without what the first page has shown."""
    stamp, *shown = after.seen
    side = "lte" if order == "newest" else "gte"
    return {
        "bool": {
            "filter": [query, {"range": {TIME: {side: stamp}}}],
            "must_not": [{"ids": {"values": shown}}],
        }
    }


def _equal(fields: Fields, name: str, value: str) -> Clause:
    """A field of the catalogue with exactly this value, in all places that the store has."""
    places: list[Field] = list(fields.each(name))
    clauses = [
        {"match_phrase": {one.path: {"query": value}}} if one.kind == "text" else {"term": {one.path: {"value": value}}}
        for one in places
    ]
    return {"bool": {"should": clauses, "minimum_should_match": 1}} if clauses else {"match_none": {}}


def _written(one: Line) -> tuple[int, str]:
    """The order in which lines of one moment were written, where the shipper tells it."""
    log = one.document.get("log")
    offset = log.get("offset") if isinstance(log, Mapping) else one.document.get("log.offset")
    return (offset if isinstance(offset, int) else 0, one.id)


def _shown(bucket: Mapping[str, Any], name: str) -> str:
    value = str(bucket.get("key_as_string", bucket["key"]))
    return value.upper() if name == "level" else value


def _ordered(columns: Mapping[str, np.ndarray], index: pd.DatetimeIndex, limit: int) -> pd.DataFrame:
    """The largest values first, the rest as one column, and lines without the field last."""
    named = sorted((name for name in columns if name not in (OTHER, MISSING)), key=lambda name: -columns[name].sum())
    frame = {name: columns[name] for name in named[:limit]}
    rest = [columns[name] for name in (*named[limit:], *([OTHER] if OTHER in columns else []))]
    if rest:
        frame[OTHER] = np.sum(rest, axis=0)
    if MISSING in columns:
        frame[MISSING] = columns[MISSING]
    return pd.DataFrame(frame, index=index)


def _single(columns: Mapping[str, np.ndarray], index: pd.DatetimeIndex) -> pd.DataFrame:
    return pd.DataFrame({"lines": columns.get("lines", np.zeros(len(index), np.int64))}, index=index)


def _total(answer: SearchAnswer) -> tuple[int, bool]:
    total = answer.hits.total
    return (total.value, total.relation == "eq") if total is not None else (0, True)


def _told(request: Mapping[str, Any]) -> str:
    return msgspec.json.format(msgspec.json.encode(request), indent=2).decode()
