"""One signal in two forms: a histogram that was classic and became native, put together to one history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from collectors.deadline import look
from collectors.prometheus.chunks import SeriesKey
from collectors.prometheus.wire import MatrixSeries, Point

SWAPPED = (
    "a part of this window is counted in classic buckets, the rest in native ones: their bounds differ, so a small "
    "step of a quantile may come from that"
)


@dataclass(frozen=True)
class Form:
    """Which metrics a signal is asked with.

    Attributes:
        names: Slot of the signal → names that the server has.
        native: Slots whose names are native histograms.
    """

    names: Mapping[str, Sequence[str]]
    native: frozenset[str]


@dataclass(frozen=True)
class Samples:
    """Samples of one question over a span.

    Attributes:
        values: float64, shape (points, series); NaN where there is no sample.
        keys: The labels of each series.
        query: The PromQL that was asked.
        warnings: What the server remarked.
        total: How many series there are, where only the largest were asked.
    """

    values: npt.NDArray[np.float64]
    keys: tuple[SeriesKey, ...]
    query: str
    warnings: tuple[str, ...] = ()
    total: int | None = None

    def filled(self, other: Samples) -> Samples:
        """These samples; at moments at which a group of labels has none, those of ``other``.

        A group are all series that differ in nothing but ``le``: a histogram is taken whole from one form.
        """
        groups: dict[SeriesKey, list[int]] = {}
        for column, key in enumerate(self.keys):
            groups.setdefault(_group(key), []).append(column)
        columns = {key: column for column, key in enumerate(self.keys)}
        new = [key for key in other.keys if key not in columns]
        columns |= {key: len(self.keys) + place for place, key in enumerate(new)}
        values = np.full((len(self.values), len(columns)), np.nan)
        values[:, : len(self.keys)] = self.values
        used = False
        for column, key in enumerate(other.keys):
            mine = self.values[:, groups.get(_group(key), [])]
            rows = np.isnan(mine).all(axis=1) & ~np.isnan(other.values[:, column])
            values[rows, columns[key]] = other.values[rows, column]
            used |= bool(rows.any())
        if not used:
            return replace(self, warnings=(*self.warnings, *other.warnings))
        both = not np.isnan(self.values).all()
        return Samples(
            values,
            tuple(columns),
            self.query if both else other.query,
            (*self.warnings, *other.warnings, *((SWAPPED,) if both else ())),
            self.total if both else other.total,
        )


def distinct(series: Sequence[MatrixSeries]) -> tuple[list[MatrixSeries], int]:
    """The series without those that came twice, and how many did; of each moment the first sample counts."""
    found: dict[SeriesKey, list[MatrixSeries]] = {}
    for one in series:
        look()
        found.setdefault(tuple(sorted(one.metric.items())), []).append(one)
    return [same[0] if len(same) == 1 else _merged(same) for same in found.values()], len(series) - len(found)


def _merged(series: Sequence[MatrixSeries]) -> MatrixSeries:
    """Series of the same labels as one, in time's order; sorted once, however many there are."""
    points: dict[float, Point] = {}
    for one in series:
        look()
        for point in one.values:
            points.setdefault(point.time, point)
    return MatrixSeries(series[0].metric, sorted(points.values(), key=attrgetter("time")))


def _group(key: SeriesKey) -> SeriesKey:
    return tuple(pair for pair in key if pair[0] != "le")
