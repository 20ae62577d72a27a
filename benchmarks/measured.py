"""The shape of a benchmark's result, and how times are taken."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """What one figure of a benchmark means.

    Attributes:
        explanation: What is set against what, in a sentence.
        aim: ``<= 1.25`` or ``>= 10``; empty for a figure that only explains another.
    """

    explanation: str
    aim: str = ""

    def met(self, value: float) -> bool:
        """Whether a value reaches the aim."""
        if not self.aim:
            return True
        sign, limit = self.aim.split()
        return value <= float(limit) if sign == "<=" else value >= float(limit)


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    Attributes:
        name: Its name on the command line.
        about: What it does, in a sentence.
        figures: What it finds.
        measure: Runs it and returns a value for each figure.
    """

    name: str
    about: str
    figures: Mapping[str, Figure]
    measure: Callable[[], Mapping[str, float]]


Clock = Callable[[], float]


def seconds(work: Callable[[], object], clock: Clock = time.perf_counter) -> float:
    """How long one call takes."""
    started = clock()
    work()
    return clock() - started


def medians(rounds: int, *works: Callable[[], object], clock: Clock = time.perf_counter) -> list[float]:
    """The median time of each work in seconds.

    The works take turns, so that a machine that is busy for a while is unfair to all of them.

    Args:
        rounds: How often each is run.
        works: What is measured.
        clock: The wall's by default; ``time.thread_time`` for what only computes, so that the wait for a
            processor that others use does not count.
    """
    times: Sequence[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for work, taken in zip(works, times, strict=True):
            taken.append(seconds(work, clock))
    return [statistics.median(taken) for taken in times]
