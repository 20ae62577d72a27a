"""Which one of several like parts is unlike the others: a replica that is slower, busier, or fails more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

FAR = 3.5
"""Robust distances that count as far (Iglewicz and Hoaglin, *How to Detect and Handle Outliers*, 1993)."""

RATIO = 1.5
"""How many times the others it must be as well: with three replicas a spread can be small by chance."""

FLOOR = 0.1
"""Least spread, as a share of the others' level, for the same reason."""


@dataclass(frozen=True)
class Outlier:
    """One part that is unlike the others.

    Attributes:
        name: Which one.
        value: What it has.
        others: The median of what the others have.
        distance: How many robust deviations of the others lie between; positive where it has more.
    """

    name: str
    value: float
    others: float
    distance: float


def outliers(values: Mapping[str, float], floor: float = 0.0) -> list[Outlier]:
    """The parts that are far from all others, the farthest first; none with fewer than three parts.

    Each is compared with the others alone, by their median and 1.4826 times their median absolute deviation: with a
    few replicas one that is far off would otherwise widen the spread that it is measured by.

    Args:
        values: What each part has; those without a value are left out.
        floor: The least distance that matters, in the unit of the values.
    """
    known = {name: value for name, value in values.items() if np.isfinite(value)}
    if len(known) < 3:
        return []
    found = []
    for name, value in known.items():
        rest = np.array([other for key, other in known.items() if key != name])
        middle = float(np.median(rest))
        spread = max(1.4826 * float(np.median(np.abs(rest - middle))), FLOOR * abs(middle), floor)
        distance = (value - middle) / spread if spread > 0 else 0.0
        apart = max(abs(value), abs(middle)) >= RATIO * min(abs(value), abs(middle))
        if abs(distance) >= FAR and apart and abs(value - middle) >= floor:
            found.append(Outlier(name, value, middle, distance))
    return sorted(found, key=lambda one: -abs(one.distance))
