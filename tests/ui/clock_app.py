"""A page with every kind of chart over time and a table of times, for ``test_clock_in_browsers.py``.

The address says the window and the zone, as on the console's own pages. Samples lie on whole steps from the window's
start on, one event in its middle.
"""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import streamlit as st

from access import Viewer
from analysis.events import Event, EventKind
from settings import Settings
from ui import charts, context, tables
from ui import format as fmt
from ui.series_panel import plot, touchable
from ui.window import parse
from views.logs.panels import chart as log_chart

SAMPLES = 60

st.set_page_config(layout="wide")
settings = Settings()
window, remarks = parse(st.query_params.to_dict(), settings.view)
context.enter(context.Context(settings, "", window, "clock", "light", Viewer("ada", frozenset(), "test")))
start, end = window.ends(datetime.now(UTC))
step = (end - start) / SAMPLES
index = pd.date_range(start, periods=SAMPLES + 1, freq=step)
values = np.arange(len(index), dtype=float) + 1.0
frame = pd.DataFrame({"p95": values, "p50": values / 2}, index=index)
buckets = pd.DataFrame({0.1: values, 1.0: values * 2, float("inf"): values * 3}, index=index)
counts = pd.DataFrame({"INFO": 10, "ERROR": 3}, index=index, dtype=np.int64)
events = [Event(start + (end - start) / 2, EventKind.DEPLOY, "deploy 1.9.0")]
common = {"window": (start, end), "events": events, "tz": window.tz}
figures = {
    "line": charts.timeseries(frame, unit="count", **common),
    "log": charts.timeseries(frame, unit="count", log=True, **common),
    "uneven": charts.timeseries(frame.drop(index=index[10:13]), unit="count", **common),
    "stacked": charts.stacked(frame, unit="count", **common),
    "heatmap": charts.heatmap(buckets, unit="s", **common),
    "bars": log_chart.histogram(counts, step=int(step.total_seconds()), height=240, theme="light", names={}, **common),
}
for name, figure in figures.items():
    with st.container(key=f"chart-{name}"):
        plot(f"clock-{name}", figure, (start, end), alt=f"{name} over time")
with st.container(key="table"):
    times = pd.DataFrame({"at": [start, end]})
    tables.table(times, columns=[tables.Column("at", "At", "time")], key="times", tz=window.tz)
touchable()
st.text(f"from {fmt.timestamp(start, window.tz, date=True)} to {fmt.timestamp(end, window.tz, date=True)}")
st.text("the page has ended")
