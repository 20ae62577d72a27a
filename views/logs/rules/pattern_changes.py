"""Whether a log pattern is new, and whether there is far more of it than usual.

A count of lines is compared with the pattern's own counts in earlier stretches of the same length. Log lines come in
bursts, so neither a mean nor a plain standard deviation would hold:

* counts are compared as square roots (Anscombe, *The Transformation of Poisson, Binomial and Negative-Binomial Data*,
  Biometrika 35, 1948): ``2 * sqrt(x + 3/8)`` has a spread of about 1 whatever the mean of a Poisson count is;
* usual is their median, and their spread 1.4826 times the median absolute deviation, at least 1, which is what chance
  alone gives. A distance of more than ``FAR`` spreads is an outlier (Iglewicz and Hoaglin, *How to Detect and Handle
  Outliers*, ASQC 1993);
* what comes in bursts by nature, a nightly job, must also exceed all but ``RARE`` of its earlier counts;
* where all other lines have become more as well, the service has more to do: earlier counts are taken as many times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

FAR = 3.5
"""Distance from usual, in robust spreads, from which a count is an outlier; Iglewicz and Hoaglin's figure."""

TIMES = 3.0
"""How many times its usual a count must be as well: with many lines a small change is certain, and small."""

FEWEST = 10.0
"""Lines below which nothing is a surge: three instead of one say nothing."""

RARE = 0.02
"""Share of earlier counts that may be as large as a surge."""

ENOUGH = 12
"""Earlier counts below which nothing is called usual."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual for a pattern.

    Attributes:
        median: Of the earlier counts.
        high: What all but ``RARE`` of them stay within.
        distance: How far the count in question is from them, in robust spreads.
        counts: How many earlier counts there are.
        growth: How many times as many other lines there are as usual, at least 1; median and high are multiplied by it.
    """

    median: float
    high: float
    distance: float
    counts: int
    growth: float = 1.0


def usual(
    count: float, earlier: npt.NDArray[np.float64] | Sequence[float], share: float = 1.0, growth: float = 1.0
) -> Usual | None:
    """How a count stands to earlier ones.

    Args:
        count: Lines within a stretch of time.
        earlier: Lines within each of the stretches before it, zeros included.
        share: Length of the stretch by that of an earlier one, at most 1: half an hour is 0.5 of an hour.
        growth: See :func:`growth_of`.

    Returns:
        What is usual within a stretch of this length; ``None`` where there are fewer than ``ENOUGH`` earlier counts.
    """
    counts = np.asarray(earlier, dtype=float) * share * growth
    if len(counts) < ENOUGH:
        return None
    roots = 2.0 * np.sqrt(counts + 0.375)
    middle = float(np.median(roots))
    spread = max(1.4826 * float(np.median(np.abs(roots - middle))), 1.0)
    distance = (2.0 * float(np.sqrt(max(count, 0.0) + 0.375)) - middle) / spread
    return Usual(float(np.median(counts)), float(np.quantile(counts, 1.0 - RARE)), distance, len(counts), growth)


def growth_of(others: float, earlier: npt.NDArray[np.float64] | Sequence[float], share: float = 1.0) -> float:
    """How many times as many other lines there are as usual, at least 1; 1 where that is not known.

    Args:
        others: Lines of all other patterns within the stretch.
        earlier: The same in each of the stretches before it.
        share: As for :func:`usual`.
    """
    if len(earlier) < ENOUGH:
        return 1.0
    middle = float(np.median(np.asarray(earlier, dtype=float))) * share
    return max(float(others) / middle, 1.0) if middle > 0 else 1.0


def surged(count: float, standing: Usual | None) -> bool | None:
    """Whether a count is a surge; ``None`` where it is not known what is usual."""
    if standing is None:
        return None
    return count >= FEWEST and standing.distance >= FAR and count >= TIMES * standing.median and count > standing.high


LEAST_PAST = timedelta(hours=6)
"""For how long patterns must be known before one may be called new: rare ones come a few times a day."""


def is_new(first_seen: datetime | None, start: datetime, known_since: datetime | None) -> bool | None:
    """Whether a pattern appeared within a window.

    Args:
        first_seen: When it was seen first; ``None`` where that is not known.
        start: Where the window begins.
        known_since: Since when patterns are kept; ``None`` where they are not.

    Returns:
        ``None`` where it cannot be said: nothing was kept before the window, or only for a short while, so that
        everything would look new.
    """
    if first_seen is None or known_since is None:
        return None
    if first_seen < start:
        return False
    return True if known_since < start and first_seen - known_since >= LEAST_PAST else None
