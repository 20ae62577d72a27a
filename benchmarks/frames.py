"""``frames``: a range answer of Prometheus becomes a frame."""

from __future__ import annotations

import gc
import json
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec
from prometheus_api_client import MetricRangeDataFrame

from benchmarks import history
from benchmarks.measured import Benchmark, Figure, medians
from benchmarks.parts import prometheus
from collectors.prometheus.wire import Envelope, MatrixData, frame_of
from collectors.span import Span

SERIES, POINTS, STEP = 300, 1440, 60
ROUNDS = 9


def measure() -> Mapping[str, float]:
    """Ask a real Prometheus once, then decode its bytes again and again."""
    body, span = _answer()
    decoder = msgspec.json.Decoder(Envelope[MatrixData], strict=False)
    decoded = json.loads(body)["data"]["result"]

    def ours() -> None:
        data = decoder.decode(body).data
        frame = frame_of(data.result if data is not None else [], span)
        if frame.shape != (POINTS, SERIES) or frame.isna().to_numpy().any():
            raise RuntimeError(f"the frame has another shape than was asked for: {frame.shape}")

    # What is kept from one round to the next is no work of either way, so the collector leaves it alone.
    gc.collect()
    gc.freeze()
    times = medians(
        ROUNDS,
        ours,
        lambda: decoder.decode(body),
        lambda: MetricRangeDataFrame(json.loads(body)["data"]["result"]),
        lambda: MetricRangeDataFrame(decoded),
        clock=time.thread_time,
    )
    frame, decode, library, library_alone = times
    return {
        "speedup_over_library": library / frame,
        "speedup_over_library_given_objects": library_alone / frame,
        "times_bare_decode": frame / decode,
        "milliseconds": frame * 1000,
        "megabytes": len(body) / 1e6,
    }


def _answer() -> tuple[bytes, Span]:
    labels = 'job="synaptic",pod="synaptic-{}",operation_type="retrieve",memory_type="short_term"'
    series = [history.Line("synaptic_memory_nodes_total", labels.format(number), 1e4) for number in range(SERIES)]
    with tempfile.TemporaryDirectory(prefix="synaptic-benchmark-") as name:
        folder = Path(name)
        now = time.time()
        with prometheus(folder, history.write(folder, now, 2, series, STEP)) as port:
            end = int(now) // STEP * STEP
            start = end - (POINTS - 1) * STEP
            form = {"query": "synaptic_memory_nodes_total", "start": str(start), "end": str(end), "step": str(STEP)}
            url = f"http://127.0.0.1:{port}/api/v1/query_range"
            answer = httpx.post(url, data=form, timeout=60, trust_env=False).raise_for_status()
    return answer.content, Span(datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC), STEP)


BENCHMARK = Benchmark(
    "frames",
    f"A range answer of {SERIES} series of {POINTS:,} points, as Prometheus sent it, becomes a frame.",
    {
        "speedup_over_library": Figure(
            "Time of the official client's way (JSON to objects to MetricRangeDataFrame) by that of the collectors' "
            "way, both from the answer's bytes to a frame.",
            ">= 10",
        ),
        "speedup_over_library_given_objects": Figure(
            "The same, but the official client is given the decoded objects and only makes its frame, while the "
            "collectors still start from the bytes."
        ),
        "times_bare_decode": Figure(
            "Time from bytes to frame by the time that decoding the bytes into typed structs takes alone.", "<= 2"
        ),
        "milliseconds": Figure("Time of the collectors' way on this machine."),
        "megabytes": Figure("Size of the answer."),
    },
    measure,
)
