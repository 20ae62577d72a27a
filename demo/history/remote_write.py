"""Prometheus' remote-write form, made straight from numpy arrays.

A request is a protobuf ``WriteRequest`` in a snappy block. Written sample by sample in Python, thirty days would
take many minutes; here all samples of a series are one array operation, because each has the same length on the wire:

    TimeSeries.samples   0x12 0x10              field 2, 16 bytes
      Sample.value       0x09 + 8 bytes         field 1, a little-endian double
      Sample.timestamp   0x10 + 6 bytes         field 2, a varint; milliseconds from 2004 to 2109 take six bytes

Sources: the remote-write 1.0 specification, Protocol Buffers' encoding, snappy's format description.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

SAMPLE_BYTES = 18
_TIMESTAMP_BYTES = 6
EARLIEST_MS = 1 << 7 * (_TIMESTAMP_BYTES - 1)
LATEST_MS = (1 << 7 * _TIMESTAMP_BYTES) - 1

Labels = Mapping[str, str]


def labels(pairs: Labels) -> bytes:
    """The labels of one series, ``__name__`` among them, in the order that the specification asks for."""
    return b"".join(
        _field(1, _field(1, name.encode()) + _field(2, value.encode())) for name, value in sorted(pairs.items())
    )


def request(names: Sequence[bytes], timestamps: NDArray[np.int64], values: NDArray[np.float64]) -> bytes:
    """The body of a request, to be sent with ``Content-Encoding: snappy``.

    Args:
        names: The labels of each series, from `labels`.
        timestamps: Milliseconds since 1970, ascending, shape (samples,).
        values: Shape (series, samples); NaN where a series has no sample.

    Raises:
        ValueError: A time does not take six bytes.
    """
    if len(timestamps) and not (EARLIEST_MS <= timestamps[0] <= timestamps[-1] <= LATEST_MS):
        raise ValueError("the times of the samples must lie between 2004 and 2109")
    encoded = _samples(timestamps, values)
    absent = np.isnan(values)
    parts = []
    for name, row, holes in zip(names, encoded, absent, strict=True):
        samples = row[~holes] if holes.any() else row
        if len(samples):
            parts.append(_field(1, name + samples.tobytes()))
    return _snappy(b"".join(parts))


def _samples(timestamps: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """All samples on the wire, shape (series, samples, `SAMPLE_BYTES`)."""
    series, count = values.shape
    wire = np.empty((series, count, SAMPLE_BYTES), np.uint8)
    wire[:, :, 0] = 0x12
    wire[:, :, 1] = 16
    wire[:, :, 2] = 0x09
    doubles = np.ascontiguousarray(values, dtype="<f8")
    wire[:, :, 3:11] = doubles.view(np.uint8).reshape(series, count, 8)
    wire[:, :, 11] = 0x10
    for place in range(_TIMESTAMP_BYTES):
        more = 0x80 if place < _TIMESTAMP_BYTES - 1 else 0
        wire[:, :, 12 + place] = (timestamps >> 7 * place) & 0x7F | more
    return wire


def _field(number: int, payload: bytes) -> bytes:
    """A length-delimited field of protobuf."""
    return bytes([number << 3 | 2]) + _varint(len(payload)) + payload


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _snappy(data: bytes) -> bytes:
    """A valid snappy block that compresses nothing: the way is loopback, and there is no library to bring along."""
    if not data:
        return _varint(0)
    return _varint(len(data)) + b"\xfc" + (len(data) - 1).to_bytes(4, "little") + data
