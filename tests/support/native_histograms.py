"""Native histograms for a real Prometheus, written through its remote-write door.

The form is ``prompb.Histogram`` of Prometheus' ``types.proto``: schema, spans of buckets and the
differences of their counts.
"""

import struct
from collections.abc import Mapping, Sequence

from demo.history.remote_write import _field, _snappy, _varint, labels

SCHEMA = 3
"""Buckets end at 2 ** (i / 8): what clients make with a factor of 1.1."""


def index_of(seconds: float) -> int:
    """The bucket that an observation belongs to: the first whose upper bound is not below it."""
    index = -200
    while 2.0 ** (index / 8) < seconds * (1 - 1e-12):
        index += 1
    return index


def request(series: Mapping[tuple[tuple[str, str], ...], Sequence[tuple[int, Sequence[float]]]]) -> bytes:
    """A write request.

    Args:
        series: Labels → its samples: milliseconds, and all observations up to then.
    """
    parts = []
    for pairs, samples in series.items():
        body = labels(dict(pairs)) + b"".join(_field(4, _histogram(moment, seen)) for moment, seen in samples)
        parts.append(_field(1, body))
    return _snappy(b"".join(parts))


def _histogram(milliseconds: int, observed: Sequence[float]) -> bytes:
    counts: dict[int, int] = {}
    for one in observed:
        counts[index_of(one)] = counts.get(index_of(one), 0) + 1
    spans, deltas, before, last = b"", b"", 0, None
    for index in sorted(counts):
        offset = index if last is None else index - last - 1
        spans += _field(11, b"\x08" + _zigzag(offset) + b"\x10" + _varint(1))
        deltas += _zigzag(counts[index] - before)
        before, last = counts[index], index
    return (
        b"\x08" + _varint(len(observed))  # count_int
        + b"\x19" + struct.pack("<d", sum(observed))
        + b"\x20" + _zigzag(SCHEMA)
        + b"\x29" + struct.pack("<d", 1e-128)  # zero_threshold
        + b"\x30" + _varint(0)  # zero_count_int
        + spans
        + _field(12, deltas)
        + b"\x78" + _varint(milliseconds)
    )  # fmt: skip


def _zigzag(number: int) -> bytes:
    return _varint((number << 1) ^ (number >> 63))
