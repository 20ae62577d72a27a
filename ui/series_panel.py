"""Panels of series and figures: a chart with ribbon and drag-to-zoom, and the tile of one number."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import plotly.graph_objects as go
import streamlit as st

from analysis.series import Series
from collectors.cache import Answer
from collectors.span import Span
from ui import axes, charts, context, menu, tables
from ui.components import own
from ui.panel import About, panel

LoadSeries = Callable[[Span, Span | None], Answer[Series]]


def series_panel(
    key: str,
    load: LoadSeries,
    *,
    title: str,
    height: int = 240,
    log: bool = False,
    stacked: bool = False,
) -> None:
    """A chart of a signal over the page's window.

    Args:
        key: Name of the panel on its page.
        load: Asks for the series of a span, and of an earlier one where the page compares.
        title: Heading.
        height: Of the chart in pixels; the legend table of many series comes below it.
        log: Whether the value axis is logarithmic.
        stacked: Whether the series are parts of a whole.
    """
    visit = context.current()

    def draw(series: Series, span: Span) -> None:
        window = (span.start, span.end)
        if stacked:
            figure = charts.stacked(
                series.frame, unit=series.unit, window=window, events=series.events, tz=visit.tz, height=height,
                theme=visit.theme,
            )  # fmt: skip
        else:
            figure = charts.timeseries(
                series.frame,
                unit=series.unit,
                window=window,
                thresholds=[charts.Threshold(limit.value, limit.label, limit.status) for limit in series.limits],
                log=log,
                events=series.events,
                tz=visit.tz,
                previous=series.previous,
                height=height,
                theme=visit.theme,
            )
        plot(f"{visit.page}-{key}", figure, window, alt=f"{title} over time")
        if series.frame.shape[1] > charts.LEGEND_LIMIT:
            _legend(series, f"legend-{visit.page}-{key}")

    panel(
        key,
        lambda span: load(span, context.current().earlier(span)),
        draw,
        title=title,
        height=height,
        empty=why_empty,
        about=_about,
    )


def _about(series: Series, span: Span) -> About:
    graph = menu.prometheus_graph(series.queries[0], span) if series.queries else None
    return About(series.help, series.queries, series.remarks, {"Open in Prometheus": graph} if graph else {})


def _legend(series: Series, key: str) -> None:
    """The legend of many lines: a table with their last, highest and mean values."""
    columns = [tables.Column("name", series.title)]
    columns += [
        tables.Column(name, name.capitalize(), "number", unit=series.unit, width=90) for name in ("last", "max", "mean")
    ]
    tables.table(charts.legend_table(series.frame), columns=columns, key=key, height=180)


def why_empty(series: Series) -> str:
    """Why a chart of a series has nothing to show; an empty text where it has something."""
    if series.absent:
        return f"Prometheus has no metric {' and no '.join(series.absent)}: nothing that it scrapes reports it."
    return "No samples in this window." if series.empty else ""


def touchable() -> None:
    """Let a finger that begins on a chart scroll the page; to be called once in each run of a page with charts."""
    own("charts", "<i hidden></i>")(key="charts", height=1)


def plot(key: str, figure: go.Figure, window: tuple[datetime, datetime], *, alt: str) -> None:
    """Draw a time chart; a span that is dragged on it becomes the window of the whole page."""
    visit = context.current()

    def zoom() -> None:
        # Called before the panel is drawn anew. Afterwards it would be too late: what is drawn then is another
        # chart (a live window has moved on), and the selection was made on this one.
        boxes = st.session_state[key]["selection"]["box"]
        ends = tuple(str(end) for end in boxes[0].get("x", ())) if boxes else ()
        if len(ends) != 2:
            return
        try:
            start, end = axes.selected(ends, window, visit.tz)
        except ValueError:
            return
        context.show_at_once(visit.window.between(start, end))

    st.plotly_chart(
        figure,
        key=key,
        theme=None,
        on_select=zoom,
        selection_mode="box",
        config=charts.config(key),
        alt=alt,
    )
