"""The histogram of the logs: bars over time, stacked by a field, with the ribbon of events below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis.events import Event
from collectors.span import Span
from ui import axes, context, menu, ribbon
from ui import format as fmt
from ui import theme as looks
from ui.axes import Clock, Window
from ui.clean import clean, for_plotly
from ui.panel import About
from ui.series_panel import plot
from ui.theme import Theme
from views.logs.panels import state as log_state

if TYPE_CHECKING:
    from views.logs.counts import Counts

HEIGHT = 270
"""Pixels of the histogram with its line of controls."""

GRAVEST_LAST = ("", "TRACE", "DEBUG", "INFO", "WARN", "WARNING", "ERROR", "FATAL", "CRITICAL")
"""Levels from the bottom of a bar to its top, where rare and grave ones are seen."""


def histogram(
    frame: pd.DataFrame,
    *,
    step: int,
    window: Window,
    events: Sequence[Event],
    tz: tzinfo,
    height: int,
    theme: Theme,
    names: Mapping[str, str],
) -> go.Figure:
    """Bars of counts over time.

    Args:
        frame: int64 counts; index: starts of the buckets, aware UTC; columns: what the bars are made of.
        step: Seconds of a bucket.
        window: First and last moment of the axis.
        events: What happened, for the ribbon.
        tz: The viewer's zone.
        height: Of the whole figure in pixels.
        theme: The page's theme.
        names: What the columns are called, where not by themselves.
    """
    clock = Clock(window, tz)
    columns = sorted(frame.columns, key=_place)
    labels = {column: names.get(column, str(column)) for column in columns}
    colours = looks.colours_of(labels.values(), theme)
    times = axes.milliseconds(frame.index)
    traces: list[dict[str, Any]] = [
        {
            "type": "bar",
            "x": clock.places(times),
            "y": frame[column].to_numpy(np.int64),
            # Bars begin where their bucket does, so that a hovered one says its own time.
            "offset": step * 1000 * 0.04,
            "width": step * 1000 * 0.92,
            "name": for_plotly(labels[column], 40),
            "marker": {"color": colours[labels[column]], "line": {"width": 0}},
            "hovertemplate": "%{y:,d}",
        }
        for column in columns
    ]
    totals = frame.to_numpy(np.float64).sum(axis=1) if len(columns) else np.zeros(0)
    drawn = ribbon.draw(events, clock, theme)
    layout = axes.time_layout(clock, theme, height, ribbon=True)
    layout["yaxis"] |= axes.linear(totals, (), "count").look
    layout["barmode"] = "stack"
    layout["bargap"] = 0
    layout["showlegend"] = len(columns) > 1
    layout["legend"] = {**layout.get("legend", {}), "traceorder": "reversed"}
    turns, remarks = axes.time_notes(clock, theme, ribbon=bool(drawn.traces))
    layout["shapes"] = drawn.shapes + turns
    layout["annotations"] = remarks
    if clock.changes and len(times):
        traces = [axes.spoken(times, clock, layout["yaxis"]), *traces]
    return go.Figure(data=traces + drawn.traces, layout=layout, _validate=False)


def counts(found: Counts | None, span: Span, fields: Sequence[str]) -> None:
    """Lines over time, with the choice of the field that they are broken down by."""
    if found is None:
        return
    visit = context.current()
    shown = found.histogram
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="logs-histogram-controls"):
        st.caption(caption(shown.total, shown.exact, shown.step), width="stretch")
        key = f"logs-broken-down-{found.by}"
        st.selectbox(
            "Break down by",
            list(dict.fromkeys([found.by, *fields])),
            key=key,
            format_func=lambda name: f"by {clean(name, 60)}",
            on_change=lambda: log_state.break_down(st.session_state[key]),
            label_visibility="collapsed",
            width=170,
        )
        menu.link("latency", "Latency", params=visit.params())
    window = (span.start, span.end)
    figure = histogram(
        shown.frame,
        step=shown.step,
        window=window,
        events=found.events,
        tz=visit.tz,
        height=HEIGHT - 55,
        theme=visit.theme,
        names={"": f"without {found.by}"},
    )
    plot(f"{visit.page}-histogram", figure, window, alt="Lines over time")


def about(found: Counts | None, _span: Span) -> About:
    """What the info button tells."""
    if found is None:
        return About()
    return About(
        "How many lines match, over time. Drag over a part of it to look at that part.",
        (found.histogram.query,) if found.histogram.query else (),
        found.remarks,
    )


def why_empty(found: Counts | None) -> str:
    """Why there is nothing to show; an empty text where there is."""
    if found is None:
        return "The search has a mistake; the list says which."
    return "" if found.histogram.total else " ".join(("No line matches within this window.", *found.remarks))


def caption(total: int, exact: bool, step: int) -> str:
    """How many lines there are and how long a bar is, in words."""
    least = "" if exact else "at least "
    noun = "line" if total == 1 else "lines"
    return f"{least}{fmt.exact(total)} {noun} · a bar is {fmt.duration(step)}"


def _place(column: str) -> tuple[int, str]:
    known = str(column).upper()
    return (GRAVEST_LAST.index(known) if known in GRAVEST_LAST else -1, str(column))
