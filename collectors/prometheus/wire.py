"""What Prometheus answers, as typed structs, and how a range answer becomes a frame.

Only the fields that are shown are declared: decoding is checking. Prometheus writes sample values as
strings; ``strict=False`` turns them into floats while decoding. What that does not know (``"+Inf"``, ``null``
for an empty list) :mod:`collectors.lenient` reads, so everything that may be missing has a default here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Generic, TypeVar

import msgspec
import numpy as np
import pandas as pd

from collectors.span import Span

T = TypeVar("T")


class Envelope(msgspec.Struct, Generic[T]):
    """What every answer of the query API is wrapped in."""

    status: str
    data: T | None = None
    errorType: str = ""  # noqa: N815 - the wire's name
    error: str = ""
    warnings: list[str] = []
    infos: list[str] = []
    isPartial: bool = False  # noqa: N815 - VictoriaMetrics: a storage node did not answer


class Point(msgspec.Struct, array_like=True, gc=False):
    """One sample: epoch seconds and value, a pair on the wire.

    Outside the garbage collector's view, since it refers to nothing: hundreds of thousands of tuples would
    make the collector look at all of them again and again while they are decoded.
    """

    time: float
    value: float


class NativeBucket(msgspec.Struct, array_like=True, gc=False):
    """One bucket of a native histogram: which ends belong to it, lower and upper bound, observations."""

    rule: int
    low: float
    high: float
    count: float


class NativeHistogram(msgspec.Struct):
    """A native histogram at one instant: buckets that are not empty, and all observations and their sum."""

    count: float = 0.0
    sum: float = math.nan
    buckets: list[NativeBucket] = []


class NativePoint(msgspec.Struct, array_like=True):
    """One sample of a native histogram: epoch seconds and the histogram."""

    time: float
    histogram: NativeHistogram


class MatrixSeries(msgspec.Struct):
    """One series of a range answer; a native histogram has ``histograms`` in the place of ``values``."""

    metric: dict[str, str] = {}
    values: list[Point] = []
    histograms: list[NativePoint] = []


class MatrixData(msgspec.Struct):
    """The data of a range answer."""

    result: list[MatrixSeries] = []


class VectorSample(msgspec.Struct):
    """One sample of an instant answer; a native histogram has no single value."""

    metric: dict[str, str] = {}
    value: tuple[float, float] | None = None


class VectorData(msgspec.Struct):
    """The data of an instant answer."""

    result: list[VectorSample] = []


class Target(msgspec.Struct, rename="camel"):
    """One scrape target."""

    labels: dict[str, str] = {}
    health: str = "unknown"
    scrape_pool: str = ""
    scrape_url: str = ""
    last_error: str = ""
    last_scrape: str = ""
    last_scrape_duration: float = 0.0


class TargetsData(msgspec.Struct, rename="camel"):
    """The active scrape targets."""

    active_targets: list[Target] = []


class Alert(msgspec.Struct, rename="camel"):
    """One alert that is pending or firing."""

    labels: dict[str, str] = {}
    state: str = ""
    annotations: dict[str, str] = {}
    active_at: str = ""
    value: str = ""


class AlertsData(msgspec.Struct):
    """All alerts that are pending or firing."""

    alerts: list[Alert] = []


class Rule(msgspec.Struct, rename="camel"):
    """One rule as Prometheus runs it; ``state`` and ``duration`` are of alerting rules only."""

    name: str = ""
    query: str = ""
    type: str = ""
    health: str = "unknown"
    last_error: str = ""
    state: str = ""
    duration: float = 0.0
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class RuleGroup(msgspec.Struct):
    """A group of rules."""

    name: str = ""
    rules: list[Rule] = []


class RulesData(msgspec.Struct):
    """All groups of rules."""

    groups: list[RuleGroup] = []


class BuildInfo(msgspec.Struct):
    """Which Prometheus it is."""

    version: str = ""


Labels = Mapping[str, str]


@dataclass(frozen=True)
class Range:
    """Series over a span.

    Attributes:
        frame: Index: aware UTC ``DatetimeIndex`` named ``time``, one row for each step of the span;
            columns 0 … n-1, float64, NaN where there is no sample.
        labels: ``labels[i]`` belongs to column ``i``.
        query: The PromQL that was asked.
        warnings: What the server remarked (partial answers of Thanos, for example), and what of its answer was odd.
        absent: Candidate metric names of which the server has none; the frame is empty then.
        total: How many series there are, where the frame holds only the largest of them.
    """

    frame: pd.DataFrame
    labels: tuple[Labels, ...]
    query: str = ""
    warnings: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    total: int | None = None

    @property
    def empty(self) -> bool:
        """Whether there is no sample at all."""
        return self.frame.empty or bool(np.isnan(self.frame.to_numpy()).all())

    def names(self, *by: str) -> list[str]:
        """A display name for each column: the values of these labels, joined."""
        return [" · ".join(labels.get(label, "") or "(none)" for label in by) for labels in self.labels]


@dataclass(frozen=True)
class Sample:
    """One value with its labels."""

    labels: Labels
    value: float


@dataclass(frozen=True)
class Vector:
    """Values at one instant.

    Attributes:
        samples: The values.
        query: The PromQL that was asked.
        warnings: What the server remarked.
        absent: Candidate metric names of which the server has none; there are no samples then.
    """

    samples: tuple[Sample, ...]
    query: str = ""
    warnings: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


def matrix(series: Sequence[MatrixSeries], first: float, step: int, points: int) -> np.ndarray:
    """The samples of a range answer on the grid of its steps.

    Args:
        series: The decoded series.
        first: Epoch seconds of the grid's first point.
        step: Seconds between two points.
        points: Points of the grid.

    Returns:
        float64, shape ``(points, len(series))``; NaN where there is no sample. Samples off the grid
        belong to their nearest point; those outside are left out.
    """
    values = np.full((points, len(series)), np.nan)
    for column, one in enumerate(series):
        count = len(one.values)
        if not count:
            continue
        samples = np.fromiter(map(_VALUE, one.values), np.float64, count)
        if count == points and one.values[0].time == first and one.values[-1].time == first + (points - 1) * step:
            values[:, column] = samples  # as many as the grid has, from its start to its end: all of it
            continue
        times = np.fromiter(map(_TIME, one.values), np.float64, count)
        places = np.rint((times - first) / step)
        inside = (places >= 0) & (places < points)
        values[places[inside].astype(np.intp), column] = samples[inside]
    return values


_TIME, _VALUE = attrgetter("time"), attrgetter("value")


def grid(span: Span) -> pd.DatetimeIndex:
    """The index of a frame over ``span``."""
    first = np.datetime64(int(span.start.timestamp()), "s")
    seconds = np.arange(span.points) * span.step
    return pd.DatetimeIndex(first + seconds.astype("timedelta64[s]"), name="time").tz_localize("UTC")


def frame_of(series: Sequence[MatrixSeries], span: Span) -> pd.DataFrame:
    """A range answer as the frame of :class:`Range`."""
    return pd.DataFrame(matrix(series, span.start.timestamp(), span.step, span.points), index=grid(span), copy=False)
