"""Small frames over time for the tests of the pure functions."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pandas as pd

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
NAN = float("nan")


def minute(number: float) -> datetime:
    return START + timedelta(minutes=number)


def index(rows: int, step: timedelta = timedelta(minutes=1), start: datetime = START) -> pd.DatetimeIndex:
    return pd.date_range(start, periods=rows, freq=step, name="time")


def series(values: Sequence[float], step: timedelta = timedelta(minutes=1), start: datetime = START) -> pd.Series:
    return pd.Series([float(value) for value in values], index=index(len(values), step, start))


def running(*columns: str) -> pd.DataFrame:
    """One column for each text: ``#`` where there is a sample, ``.`` where there is none."""
    values = {place: [1.0 if mark == "#" else NAN for mark in column] for place, column in enumerate(columns)}
    return pd.DataFrame(values, index=index(len(columns[0])))
