"""Past samples are kept in chunks, so that opening a window again asks only for its newest slice.

A chunk is ``CHUNK_POINTS`` points of one query at one step, aligned to the epoch. Once its last point
is older than ``SETTLED`` late scrapes and rule evaluations are in, and it is kept; younger ones are asked for again.
A window that needs several missing chunks asks for them in one range query.

Samples may arrive much later (remote write that hung, a store whose blocks come by the hour). So a chunk with a hole
is asked for again: at once when it is young, then after ever longer times. Where nothing is missing nothing is asked.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from collectors.cache import size_of_key
from collectors.prometheus.wire import MatrixSeries, matrix
from collectors.span import Span

CHUNK_POINTS = 24
"""Points of a chunk: few enough that the newest one is a small share (24 of 721), enough to keep books small."""

SETTLED = 120.0
"""Seconds after which a point is taken as final: eight scrapes at Prometheus' usual 15 s."""

YOUNG = 6 * 3600.0
"""Seconds of age up to which late samples are likely: what Prometheus' write-ahead log can send again, and more."""

FIRST_REST, LONGEST_REST = 30.0, 3600.0
"""Seconds between two questions for a young hole, doubled each time."""

SeriesKey = tuple[tuple[str, str], ...]
Fetch = Callable[[int, int, int], tuple[Sequence[MatrixSeries], bool]]


@dataclass(frozen=True)
class _Chunk:
    keys: tuple[SeriesKey, ...]
    values: np.ndarray  # (CHUNK_POINTS, len(keys))
    asked: float = 0.0  # epoch seconds
    times: int = 1  # how often it was asked for since it last changed

    @property
    def size(self) -> int:
        return int(self.values.nbytes) + 200 * len(self.keys) + 500

    @property
    def holed(self) -> bool:
        return not self.keys or bool(np.isnan(self.values).any())

    def due(self, now: float, end: float) -> bool:
        """Whether a chunk with a hole is to be asked for again; ``end`` is its last point."""
        age = self.asked - end
        if age > YOUNG:
            return now - self.asked > age / 4
        rest = 0.0 if self.times == 1 else min(FIRST_REST * 2.0 ** min(self.times - 2, 20), LONGEST_REST)
        return now - self.asked >= rest


class ChunkStore:
    """Settled chunks of all range queries of one server, least recently used first out.

    Args:
        max_bytes: Bound of all chunks together.
        now: Clock in epoch seconds.
    """

    def __init__(self, max_bytes: int, now: Callable[[], float] = time.time) -> None:
        self._max_bytes = max_bytes
        self._now = now
        self._lock = threading.Lock()
        self._chunks: OrderedDict[tuple[str, int, int], _Chunk] = OrderedDict()
        self._bytes = 0

    def samples(self, query: str, span: Span, fetch: Fetch) -> tuple[np.ndarray, list[SeriesKey]]:
        """The samples of ``query`` over ``span``, of which only what is not kept is fetched.

        Args:
            query: PromQL; with the step it names the series.
            span: What is wanted.
            fetch: Asks the server for ``(first, last, step)`` in epoch seconds, both inclusive; gives the
                series and whether they are whole. Those that are not (the server warned) are not kept.

        Returns:
            float64 matrix of shape ``(span.points, n)`` and the labels of its n columns.
        """
        length = CHUNK_POINTS * span.step
        start, end = int(span.start.timestamp()), int(span.end.timestamp())
        wanted = range(start // length, end // length + 1)
        have = self._kept(query, span.step, wanted)
        for index in _holes(have):
            if have[index].due(self._now(), (index + 1) * length - span.step):
                del have[index]
        missing = [index for index in wanted if index not in have]
        if missing:
            first = missing[0] * length
            last = min((missing[-1] + 1) * length - span.step, end)
            series, whole = fetch(first, last, span.step)
            have |= self._fetched(query, span.step, first, last, series, whole)
        return _join([have[index] for index in wanted], wanted[0] * length, start, span)

    @property
    def size(self) -> int:
        """Bytes that are kept now."""
        with self._lock:
            return self._bytes

    def _kept(self, query: str, step: int, wanted: range) -> dict[int, _Chunk]:
        with self._lock:
            found: dict[int, _Chunk] = {}
            for index in wanted:
                key = (query, step, index)
                chunk = self._chunks.get(key)
                if chunk is not None:
                    self._chunks.move_to_end(key)
                    found[index] = chunk
            return found

    def _fetched(
        self, query: str, step: int, first: int, last: int, series: Sequence[MatrixSeries], whole: bool
    ) -> dict[int, _Chunk]:
        length = CHUNK_POINTS * step
        count = (last - first) // length + 1
        values = matrix(series, first, step, count * CHUNK_POINTS)
        keys = tuple(tuple(sorted(one.metric.items())) for one in series)
        settled_before = self._now() - SETTLED
        chunks: dict[int, _Chunk] = {}
        for i in range(count):
            part = values[i * CHUNK_POINTS : (i + 1) * CHUNK_POINTS]
            present = ~np.isnan(part).all(axis=0)
            if present.all():
                chunk = _Chunk(keys, part)
            else:
                chunk = _Chunk(tuple(key for key, here in zip(keys, present, strict=True) if here), part[:, present])
            index = first // length + i
            chunks[index] = chunk
            last_point = (index + 1) * length - step
            if whole and last_point <= last and last_point < settled_before:
                self._keep((query, step, index), chunk.keys, chunk.values.copy())
        return chunks

    def _keep(self, key: tuple[str, int, int], keys: tuple[SeriesKey, ...], values: np.ndarray) -> None:
        with self._lock:
            old = self._chunks.pop(key, None)
            times = 1
            if old is not None:
                self._bytes -= old.size + size_of_key(key)
                same = old.keys == keys and np.array_equal(old.values, values, equal_nan=True)
                times = old.times + 1 if same else 1
            chunk = _Chunk(keys, values, self._now(), times)
            self._chunks[key] = chunk
            self._bytes += chunk.size + size_of_key(key)
            while self._bytes > self._max_bytes and len(self._chunks) > 1:
                first, gone = self._chunks.popitem(last=False)
                self._bytes -= gone.size + size_of_key(first)


def _holes(chunks: Mapping[int, _Chunk]) -> list[int]:
    """Which chunks may lack samples: they have a hole, or no sample of a series that is there before and after."""
    order = sorted(chunks)
    holes = {index for index in order if chunks[index].holed}
    if len({chunks[index].keys for index in order}) > 1:
        first: dict[SeriesKey, int] = {}
        last: dict[SeriesKey, int] = {}
        for index in order:
            for key in chunks[index].keys:
                first.setdefault(key, index)
                last[key] = index
        holes |= {
            index
            for index in order
            for key, begin in first.items()
            if begin < index < last[key] and key not in chunks[index].keys
        }
    return sorted(holes)


def _join(chunks: Sequence[_Chunk], first: int, start: int, span: Span) -> tuple[np.ndarray, list[SeriesKey]]:
    columns: dict[SeriesKey, int] = {}
    for chunk in chunks:
        for key in chunk.keys:
            columns.setdefault(key, len(columns))
    values = np.full((len(chunks) * CHUNK_POINTS, len(columns)), np.nan)
    for i, chunk in enumerate(chunks):
        if chunk.keys:
            values[i * CHUNK_POINTS : (i + 1) * CHUNK_POINTS, [columns[key] for key in chunk.keys]] = chunk.values
    offset = (start - first) // span.step
    return values[offset : offset + span.points], list(columns)
