"""Gains of irregular samples as rates on a regular grid: exact over each cell, and a gap where nobody looked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stretches:
    """When samples were taken.

    Attributes:
        begins: Seconds since 1970 at which each stretch begins, ascending; stretches do not overlap.
        ends: At which each ends.
        seconds: How much of each was watched, at most its length.
    """

    begins: Floats
    ends: Floats
    seconds: Floats

    @classmethod
    def of(cls, stretches: Sequence[tuple[float, float, float]]) -> Stretches:
        """From begin, end and watched seconds of each, in order of time."""
        columns = np.array(stretches, np.float64).reshape(-1, 3).T
        return cls(columns[0], columns[1], columns[2])

    @property
    def usual(self) -> float:
        """The usual length of a stretch in seconds; 60 where there is none."""
        lengths = self.ends - self.begins
        return float(np.median(lengths)) if lengths.size else 60.0


def rates(stretches: Stretches, gains: Floats, edges: Floats) -> Floats:
    """What was gained a second in each cell of a grid.

    A stretch that reaches over several cells is spread over them evenly.

    Args:
        stretches: The samples.
        gains: What was gained in each, one row a sample; NaN where that is not known. May have columns.
        edges: Bounds of the cells, ascending.

    Returns:
        One row a cell: the gain by the watched seconds in it; NaN where nothing was watched, or a part is unknown.
    """
    table = gains.reshape(len(gains), -1)
    if not len(stretches.begins):
        return np.full((len(edges) - 1, table.shape[1] if table.size else 1), np.nan)
    corners = np.column_stack([stretches.begins, stretches.ends]).ravel()
    # Not even a moment may lie twice, or there would be no telling which sum holds there.
    corners = np.maximum.accumulate(corners)
    watched = _at(edges, corners, stretches.seconds)
    unknown = np.isnan(table)
    found = np.empty((len(edges) - 1, table.shape[1]))
    for column in range(table.shape[1]):
        gained = _at(edges, corners, np.where(unknown[:, column], 0.0, table[:, column]))
        with np.errstate(divide="ignore", invalid="ignore"):
            cell = np.where(watched > 1e-6, gained / watched, np.nan)
        if unknown[:, column].any():
            cell[_at(edges, corners, unknown[:, column].astype(np.float64)) > 0] = np.nan
        found[:, column] = cell
    return found


def _at(edges: Floats, corners: Floats, amounts: Floats) -> Floats:
    """How much of the amounts, each spread over its stretch, falls into each cell."""
    sums = np.concatenate(([0.0], np.cumsum(amounts)))
    levels = np.column_stack([sums[:-1], sums[1:]]).ravel()
    return np.diff(np.interp(edges, corners, levels))
