"""Which statements became slower or are called more often: found by a robust test, so that noise is none.

A change is a stretch of samples that lies above what was before it, and lasts or is over again. The stretch is the one
that divides the logarithms of the values best (least squares). It counts where nearly every sample of it lies above
nearly every one before it (Mann and Whitney's U: no single outlier can make or hide it), where the mean changed by
much, and where there were enough calls to say so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

SLOWER = 1.5
"""How many times the mean before the mean after must be."""

OFTENER = 2.0
"""How many times as often a statement must be called."""

APART = 0.97
"""Share of pairs of a sample before and one after in which the latter is higher: 0.5 is no difference."""

SURE = 3.3
"""Standard deviations of U under chance; with an hour of samples before, five after it reach that."""

FAR = 2.0
"""Samples this many times above all before them need no statistics; then ``FEWEST_FAR`` of them are enough."""

VERY_FAR = 4.0
"""The newest one is enough by itself where it is this many times above all before it: nobody waits for more."""

MOST_STRETCHES = 4
"""How many troubles of one statement within the samples are looked for, to find the one of now."""

MOST_SAMPLES = 240
"""More samples than these are added up in groups before a change is looked for."""

FEWEST_BEFORE = 8
FEWEST_FAR = 3
FEWEST_AFTER = 1
"""Samples with calls on each side."""

FEWEST_CALLS = 20
"""Calls on each side."""

LEAST_MS = 0.1
"""Milliseconds by which a mean must grow: below that it is nobody's trouble, however many times it is."""


@dataclass(frozen=True, slots=True)
class Step:
    """A change that was found.

    Attributes:
        place: The first sample after it.
        end: The first sample after which it was over; the number of samples where it lasts.
        before: The value before it: milliseconds a call, or calls a second.
        after: The value from it on until its end.
    """

    place: int
    end: int
    before: float
    after: float

    @property
    def times(self) -> float:
        """How many times its value before."""
        return self.after / self.before if self.before > 0 else float("inf")


def slower(calls: Floats, ms: Floats) -> Step | None:
    """Whether a statement became slower, and when.

    Args:
        calls: Of each sample, in order of time.
        ms: Milliseconds of execution in each.
    """
    there = np.flatnonzero(calls > 0)
    grouped_calls, grouped_ms, starts = _grouped(there.size, calls[there], ms[there])
    found = _risen(grouped_ms / grouped_calls)
    if found is None:
        return None
    first, last, earlier = found
    n_before, n_after = float(grouped_calls[earlier].sum()), float(grouped_calls[first:last].sum())
    before, after = float(grouped_ms[earlier].sum() / n_before), float(grouped_ms[first:last].sum() / n_after)
    if min(n_before, n_after) < FEWEST_CALLS or after < SLOWER * before or after - before < LEAST_MS:
        return None
    end = int(there[starts[last]]) if last < len(starts) else len(calls)
    return Step(int(there[starts[first]]), end, before, after)


def oftener(calls: Floats, seconds: Floats) -> Step | None:
    """Whether a statement is called more often, and from when on.

    Args:
        calls: Of each sample, in order of time; zero where it was not called.
        seconds: Length of each sample; more than zero.
    """
    grouped_calls, grouped_seconds, starts = _grouped(len(calls), calls, seconds)
    found = _risen(grouped_calls / grouped_seconds)
    if found is None:
        return None
    first, last, earlier = found
    n_before, n_after = float(grouped_calls[earlier].sum()), float(grouped_calls[first:last].sum())
    before = n_before / float(grouped_seconds[earlier].sum())
    after = n_after / float(grouped_seconds[first:last].sum())
    if min(n_before, n_after) < FEWEST_CALLS or after < OFTENER * before:
        return None
    end = int(starts[last]) if last < len(starts) else len(calls)
    return Step(int(starts[first]), end, before, after)


def _grouped(count: int, *values: Floats) -> tuple[Floats, Floats, npt.NDArray[np.intp]]:
    """Two rows of samples added up in at most ``MOST_SAMPLES`` groups, and where each group begins."""
    size = max(1, -(-count // MOST_SAMPLES))
    starts = np.arange(0, count, size)
    if size == 1 or not count:
        return values[0], values[1], starts
    return np.add.reduceat(values[0], starts), np.add.reduceat(values[1], starts), starts


def _risen(values: Floats) -> tuple[int, int, npt.NDArray[np.intp]] | None:
    """The stretch that lies above what was before it, beyond chance; rather one that lasts than one that is over.

    Returns:
        Its first place, the first one after it, and the places before it that are as usual.
    """
    places = np.arange(len(values))
    over: tuple[int, int, npt.NDArray[np.intp]] | None = None
    for _ in range(MOST_STRETCHES):
        found = _stretch(values[places])
        if found is None:
            break
        start, end = found
        told = (int(places[start]), int(places[end - 1]) + 1, places[:start])
        if end == len(places):
            return told
        over = over or told
        # A trouble that is over must not hide the one of now, nor count as what is usual before it.
        places = np.delete(places, slice(start, end))
    return over


def _stretch(values: Floats) -> tuple[int, int] | None:
    """The stretch that lies above what was before it, beyond chance: its first place, and the first one after it."""
    count = len(values)
    if count < FEWEST_BEFORE + FEWEST_AFTER:
        return None
    positive = values[values > 0]
    if not positive.size:
        return None
    # A value of zero has no logarithm; a tenth of what is usual stands for "hardly any".
    logs = np.log(values + float(np.median(positive)) / 10)
    sums = np.concatenate(([0.0], np.cumsum(logs - logs.mean())))
    first, last = np.ogrid[: count + 1, : count + 1]
    inside = (last - first).astype(np.float64)
    outside = count - inside
    above = sums[None, :] - sums[:, None]
    # A shorter one only where it is what happens now: of the past a single slow minute is no news.
    long = (inside >= FEWEST_FAR) | ((last == count) & (inside >= FEWEST_AFTER))
    allowed = (first >= FEWEST_BEFORE) & long & (above > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        # The sum of squares between two groups whose common mean is zero.
        gained = np.where(allowed, above**2 / inside + above**2 / outside, -1.0)
    place = int(np.argmax(gained))
    start, end = divmod(place, count + 1)
    if gained[start, end] <= 0:
        return None
    return (start, end) if _higher(values[:start], values[start:end]) else None


def _higher(before: Floats, after: Floats) -> bool:
    """Whether the values after lie above those before, beyond chance (ties count half)."""
    if after.min() > (FAR if len(after) >= FEWEST_FAR else VERY_FAR) * before.max():
        return True
    ordered = np.sort(before)
    below = np.searchsorted(ordered, after, side="left") + np.searchsorted(ordered, after, side="right")
    pairs = len(before) * len(after)
    higher = float(below.sum()) / 2
    spread = float(np.sqrt(pairs * (len(before) + len(after) + 1) / 12.0))
    return higher >= APART * pairs and (higher - pairs / 2) >= SURE * spread
