"""A signal over a span, ready to be drawn: the shape in which views hand series to charts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from analysis.events import Event


@dataclass(frozen=True)
class Limit:
    """A level that matters: a threshold or an objective."""

    value: float
    label: str
    status: Literal["risk", "broken", "unknown"]


@dataclass(frozen=True)
class Series:
    """What a chart of a signal needs.

    Attributes:
        title: The signal's title.
        unit: Unit of all values, in the words of ``signals.toml``.
        help: What the signal means.
        frame: Aware UTC ``DatetimeIndex``; float64 columns named as their lines, NaN where there is no sample.
        queries: The questions that were asked, in the source's language.
        limits: Levels to draw.
        previous: The same columns for an earlier period, its index moved into this span; ``None`` without.
        events: What happened within the span, for the ribbon; ``None`` where that is not known.
        remarks: What the reader must know: a cut to the largest series, warnings of the server.
        absent: Metric names that the server does not have; the frame is empty then.
    """

    title: str
    unit: str
    help: str
    frame: pd.DataFrame
    queries: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    previous: pd.DataFrame | None = None
    events: tuple[Event, ...] | None = ()
    remarks: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is no sample at all."""
        return self.frame.empty or not bool(self.frame.notna().to_numpy().any())
