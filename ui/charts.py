"""Plotly charts over time and of parts, in one look: frames in, figures out, no Streamlit.

A figure is drawn with ``st.plotly_chart(figure, theme=None, config=config())``. Times are plotted by the
clock of the viewer's zone, see :class:`ui.axes.Clock`; :func:`selected` turns a dragged selection back into UTC. A
value that is missing stays a gap. Foreign text (names, events) is cleaned here.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.events import Event
from ui import axes, ribbon
from ui import format as fmt
from ui import theme as looks
from ui.axes import Clock, Floats, Threshold, Upright, Window, selected
from ui.clean import for_plotly
from ui.theme import Theme

__all__ = [
    "LEGEND_LIMIT",
    "Threshold",
    "Window",
    "bars",
    "config",
    "heatmap",
    "legend_table",
    "selected",
    "sparkline",
    "stacked",
    "timeseries",
]

LEGEND_LIMIT = 5
"""With more series than this the legend is a table beside the chart, see :func:`legend_table`."""


def config(name: str = "chart") -> dict[str, Any]:
    """What ``st.plotly_chart(config=...)`` gets: the image is the one tool; ``name`` is that of its file.

    There is one zoom, the page's window: none of Plotly's own, which would change one chart until its next refresh.
    """
    return {
        "displaylogo": False,
        "displayModeBar": "hover",
        "modeBarButtons": [["toImage"]],
        "scrollZoom": False,
        "doubleClick": False,
        "showTips": False,
        "responsive": True,
        "toImageButtonOptions": {"format": "png", "filename": name, "scale": 2},
    }


def timeseries(
    frame: pd.DataFrame,
    *,
    unit: str,
    window: Window,
    names: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
    thresholds: Sequence[Threshold] = (),
    objective: float | None = None,
    log: bool = False,
    events: Sequence[Event] | None = (),
    tz: tzinfo = UTC,
    previous: pd.DataFrame | None = None,
    height: int = 260,
    theme: Theme = "light",
) -> go.Figure:
    """Lines over time with their thresholds, and under them the ribbon of what happened.

    Args:
        frame: Index: UTC times, ascending; one float column a series, NaN where there is no value.
        unit: The unit of all columns, see :mod:`ui.format`.
        window: First and last moment of the axis; all charts of a page get the same.
        names: Column to the name that is shown; columns that are not in it are shown by their own name.
        colours: Column to colour, where :func:`ui.theme.colours_of` is not wanted.
        thresholds: Levels to draw. One far above the data is named at the upper edge instead of flattening the lines.
        objective: The level that was promised, drawn like a threshold.
        log: A logarithmic axis, and said so on it. Values of zero and below do not exist on it.
        events: What happened. None leaves the ribbon out.
        tz: The viewer's zone.
        previous: The same columns of an earlier period, its index already moved into this window; dashed.
        height: Of the whole figure in pixels.
        theme: The page's theme.

    Raises:
        ValueError: The index of a frame has no time zone.
    """
    clock = Clock(window, tz)
    labels = _labels(frame, names)
    chosen = _colours(frame, labels, colours, theme)
    levels = [*thresholds, *([] if objective is None else [Threshold(objective, "objective", "unknown")])]
    values = frame.to_numpy(np.float64, copy=False)
    before = frame.iloc[:0] if previous is None else previous[[name for name in frame if name in previous]]
    span = np.concatenate([values.ravel(), before.to_numpy(np.float64, copy=False).ravel()])
    axis = axes.logarithmic(span, levels, unit) if log else axes.linear(span, levels, unit)

    traces: list[dict[str, Any]] = []
    if len(before):
        times = axes.milliseconds(before.index)
        for column in before.columns:
            line = {"color": chosen[column], "width": 1, "dash": "dash"}
            trace = _line(times, before[column].to_numpy(np.float64), axis, clock)
            name = for_plotly(f"{labels[column]}, before")
            traces.append(trace | {"name": name, "line": line, "opacity": 0.7, "showlegend": False})
    times = axes.milliseconds(frame.index)
    used: set[str] = set()
    for place, column in enumerate(frame.columns):
        trace = _line(times, values[:, place], axis, clock)
        # With more series than colours the second one of a colour is dotted.
        line = {"color": chosen[column], "width": 1.75, "dash": "dot" if chosen[column] in used else "solid"}
        used.add(chosen[column])
        traces.append(trace | {"name": for_plotly(labels[column]), "line": line})

    shapes, notes = axes.draw_levels(levels, axis, theme)
    remarks = [word for word, said in (("log axis", log), ("dashed: before", len(before) > 0)) if said]
    beyond = next((one for one in notes if one.get("name") == axes.BEYOND), None)
    if remarks and beyond is not None:  # both stand at the same place
        beyond["text"] = " · ".join([*remarks, beyond["text"]])
    elif remarks:
        notes.append(axes.note(" · ".join(remarks), theme, x=1, y=1, xanchor="right", yanchor="bottom"))
    return _over_time(traces, shapes, notes, axis.look, clock, times, events, theme, height, len(frame.columns))


def stacked(
    frame: pd.DataFrame,
    *,
    unit: str,
    window: Window,
    names: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
    thresholds: Sequence[Threshold] = (),
    legend: int = LEGEND_LIMIT,
    held: bool = False,
    events: Sequence[Event] | None = (),
    tz: tzinfo = UTC,
    height: int = 260,
    theme: Theme = "light",
) -> go.Figure:
    """Parts of a whole over time, one on top of the other; arguments as for :func:`timeseries`.

    Thresholds are set against the whole. With up to ``legend`` parts the chart has a legend of its own, which makes it
    higher by the lines that it takes: colours of areas cannot be told from a table. Where values are ``held`` each
    holds up to the next time, as an average over a stretch does.

    Where every part is missing the chart is blanked and says "no data"; a part that alone is missing counts as zero.
    """
    clock = Clock(window, tz)
    labels = _labels(frame, names)
    chosen = _colours(frame, labels, colours, theme)
    values = frame.to_numpy(np.float64, copy=False)
    axis = axes.linear(np.nansum(values, axis=1), thresholds, unit)
    times = axes.milliseconds(frame.index)
    if held and len(times) > 1:  # the last one has its own length too
        times = np.append(times, 2 * times[-1] - times[-2])
        values = np.vstack([values, values[-1:]])
    traces: list[dict[str, Any]] = []
    for place, column in enumerate(frame.columns):
        trace = _line(times, np.nan_to_num(values[:, place]), axis, clock)
        line = {"color": chosen[column], "width": 0.75, "shape": "hv" if held else "linear"}
        fill = {"stackgroup": "parts", "fillcolor": _faded(chosen[column]), "line": line}
        traces.append(trace | fill | {"name": for_plotly(labels[column])})
    shapes, notes = axes.draw_levels(thresholds, axis, theme)
    for first, last in axes.spans(np.isnan(values).all(axis=1)):
        ends = times[[max(0, first if held else first - 1), min(len(times) - 1, last + 1)]]
        shapes.append(_blank(clock.places(ends), theme))
    figure = _over_time(traces, shapes, notes, axis.look, clock, times, events, theme, height, len(frame.columns))
    if legend > LEGEND_LIMIT:
        figure.layout.legend.traceorder = "normal"  # from the bottom upwards, as the parts are stacked
    if LEGEND_LIMIT < len(frame.columns) <= legend:
        more = _LEGEND_LINE * (_lines(labels.values()) - 1)
        layout = figure.layout
        layout.showlegend = True
        layout.margin.t += more
        layout.height += more
    return figure


def heatmap(
    frame: pd.DataFrame,
    *,
    unit: str,
    window: Window,
    amount: str = "req/s",
    cumulative: bool = True,
    events: Sequence[Event] | None = (),
    tz: tzinfo = UTC,
    height: int = 260,
    theme: Theme = "light",
) -> go.Figure:
    """A histogram over time: how much fell into each bucket, on a logarithmic axis.

    Args:
        frame: Index: UTC times. Columns: the buckets' upper bounds (``le``) as floats, ascending, with or without
            ``inf``. Values: the rate of each bucket.
        unit: The unit of the bounds.
        window: First and last moment of the axis.
        amount: The unit of the values.
        cumulative: Each bucket includes the ones below it, as Prometheus counts them.
        events: As for :func:`timeseries`.
        tz: The viewer's zone.
        height: Of the whole figure in pixels.
        theme: The page's theme.
    """
    clock = Clock(window, tz)
    bounds = np.array([float(bound) for bound in frame.columns])
    values = frame.to_numpy(np.float64, copy=False)
    if cumulative:
        # Buckets are scraped one after the other; a small step back is no negative number of requests.
        values = np.clip(np.diff(values, axis=1, prepend=0.0), 0.0, None)
    edges = _edges(bounds)
    words = [_bucket(low, high, unit) for low, high in zip([0.0, *bounds], bounds, strict=False)]
    times = axes.milliseconds(frame.index)
    when = "%{hovertext}" if clock.changes else f"%{{x|%Y-%m-%d %H:%M:%S}} {for_plotly(clock.zone)}"
    trace: dict[str, Any] = {
        "type": "heatmap",
        "x": clock.places(times),
        "y": edges,
        "z": np.where(values > 0, values, np.nan).T,
        "customdata": [[word] * len(times) for word in words],
        "colorscale": [list(stop) for stop in looks.HEAT[theme]],
        "zmin": 0,
        "hovertemplate": f"{when}<br>%{{customdata}}: %{{z:,.3~r}} {for_plotly(amount)}<extra></extra>",
        "hoverongaps": False,
        # A colour bar would make this chart narrower than the others, and their times no longer stand below each other.
        "showscale": False,
    }
    if clock.changes:
        trace["hovertext"] = [[clock.written(moment) for moment in frame.index]] * len(words)
    ticks = [float(bound) for bound in bounds if np.isfinite(bound)]
    ticks = ticks[:: max(1, round(len(ticks) / 6))]
    upright = {
        "type": "log",
        "range": [float(np.log10(edges[0])), float(np.log10(edges[-1]))],
        "tickmode": "array",
        "tickvals": ticks,
        "ticktext": [fmt.value(tick, unit) for tick in ticks],
        "showgrid": False,
    }
    most = float(np.nanmax(values, initial=0.0))
    shade = "darker" if theme == "light" else "brighter"
    remark = f"{shade} is more, up to {for_plotly(fmt.value(most, amount))} · log axis"
    notes = [axes.note(remark, theme, x=1, y=1, xanchor="right", yanchor="bottom")]
    figure = _over_time([trace], [], notes, upright, clock, times[:0], events, theme, height, 1)
    figure.layout.hovermode = "closest"
    return figure


def bars(
    values: pd.Series,
    *,
    unit: str,
    colours: Mapping[str, str] | None = None,
    limit: int = 12,
    theme: Theme = "light",
) -> go.Figure:
    """Sorted horizontal bars with their values; beyond ``limit`` the rest is one bar that says how many it is.

    Args:
        values: Index: names. Values: floats; those that are missing are left out.
        unit: The unit of the values.
        colours: Name to colour; otherwise all bars have one colour, as the names already tell them apart.
        limit: The most bars that are drawn.
        theme: The page's theme.
    """
    known = values.dropna().sort_values(ascending=False)
    shown = known.iloc[:limit]
    names = [str(name) for name in shown.index]
    sizes = [float(size) for size in shown]
    paint = [(colours or {}).get(name, looks.series("blue", theme)) for name in names]
    if len(known) > limit and unit not in {"ratio", "percent", "s"}:
        names.append(f"{len(known) - limit} more, together")
        sizes.append(float(known.iloc[limit:].sum()))
        paint.append(looks.series("slate", theme))
    elif len(known) > limit:
        # Ratios and latencies do not add up.
        names[-1] = f"{names[-1]} ({len(known) - limit} more below)"
    trace: dict[str, Any] = {
        "type": "bar",
        "orientation": "h",
        "x": sizes,
        "y": list(range(len(names))),
        "text": [for_plotly(text) for text in fmt.column(sizes, unit)],
        "customdata": [
            [for_plotly(name, 300), for_plotly(fmt.value(size, unit))] for name, size in zip(names, sizes, strict=True)
        ],
        "textposition": "outside",
        "cliponaxis": False,
        "textfont": {"color": looks.LOOKS[theme].text},
        "marker": {"color": paint, "line": {"width": 0}},
        "hovertemplate": "%{customdata[0]}<br>%{customdata[1]}<extra></extra>",
    }
    layout = looks.layout(theme) | {
        "height": min(360, max(80, 26 * len(names) + 16)),
        "margin": {"l": 4, "r": 72, "t": 4, "b": 4},
        "bargap": 0.35,
        "showlegend": False,
        "dragmode": False,
        "xaxis": looks.axis_look(theme) | {"visible": False, "range": [min([0.0, *sizes]), max([0.0, *sizes]) or 1.0]},
        "yaxis": looks.axis_look(theme)
        | {
            "autorange": "reversed",
            "tickmode": "array",
            "tickvals": list(range(len(names))),
            "ticktext": [for_plotly(name, 36) for name in names],
            "tickfont": {"color": looks.LOOKS[theme].text, "size": 13},
            "showgrid": False,
        },
    }
    return _figure([trace], layout)


def sparkline(values: pd.Series | Floats | Sequence[float], points: int = 40) -> list[float]:
    """A series as the few numbers of a tiny chart, for ``st.metric(chart_data=...)`` and sparkline columns.

    Longer series are averaged in equal parts; parts without any value are left out, as a line of a
    hundred pixels has no room for a gap.
    """
    numbers = np.asarray(values, dtype=np.float64)
    parts = np.array_split(numbers, min(points, len(numbers))) if len(numbers) else []
    return [float(known.mean()) for part in parts if (known := part[np.isfinite(part)]).size]


def legend_table(frame: pd.DataFrame, names: Mapping[str, str] | None = None) -> pd.DataFrame:
    """The legend of a chart of many series, largest last value first.

    Returns:
        A frame with the columns ``name`` (foreign text, not yet cleaned), ``last`` (the newest known value), ``max``
        and ``mean``.
    """
    last = frame.ffill().iloc[-1] if len(frame) else pd.Series(np.nan, index=frame.columns)
    table = pd.DataFrame(
        {
            "name": [str((names or {}).get(column, column)) for column in frame.columns],
            "last": last.to_numpy(np.float64),
            "max": frame.max().to_numpy(np.float64),
            "mean": frame.mean().to_numpy(np.float64),
        }
    )
    return table.sort_values("last", ascending=False, na_position="last", ignore_index=True)


# Below this single precision holds whole numbers exactly, and halves what is sent to the browser.
_EXACT_IN_SINGLE = 2.0**24


def _labels(frame: pd.DataFrame, names: Mapping[str, str] | None) -> dict[str, str]:
    return {column: str((names or {}).get(column, column)) for column in frame.columns}


def _colours(
    frame: pd.DataFrame, labels: Mapping[str, str], given: Mapping[str, str] | None, theme: Theme
) -> dict[str, str]:
    by_label = looks.colours_of(labels.values(), theme)
    return {column: (given or {}).get(column, by_label[labels[column]]) for column in frame.columns}


def _line(times: Floats, values: Floats, axis: Upright, clock: Clock) -> dict[str, Any]:
    if axis.log:
        values = np.where(values > 0, values, np.nan)
    trace: dict[str, Any] = {"type": "scatter", "mode": "lines", "connectgaps": False}
    trace |= axes.points(times, values * axis.factor, clock)
    lonely = axes.alone(trace["y"])
    if axis.top < _EXACT_IN_SINGLE:
        trace["y"] = trace["y"].astype(np.float32)
    if lonely.any():
        trace |= {"mode": "lines+markers", "marker": {"size": np.where(lonely, 4, 0), "opacity": 1}}
    if axis.hover is None:
        return trace | {
            "text": fmt.texts(trace["y"].astype(np.float64), axis.unit),
            "hovertemplate": "%{text}",
        }
    return trace | {"hovertemplate": axis.hover}


def _over_time(
    traces: list[dict[str, Any]],
    shapes: list[dict[str, Any]],
    notes: list[dict[str, Any]],
    upright: Mapping[str, Any],
    clock: Clock,
    times: Floats,
    events: Sequence[Event] | None,
    theme: Theme,
    height: int,
    series: int,
) -> go.Figure:
    layout = axes.time_layout(clock, theme, height, ribbon=events is not None)
    layout["yaxis"] |= upright
    drawn = ribbon.draw(events or (), clock, theme)
    layout["showlegend"] = 1 < series <= LEGEND_LIMIT
    turns, remarks = axes.time_notes(clock, theme, ribbon=bool(drawn.traces))
    layout["shapes"] = shapes + drawn.shapes + turns
    layout["annotations"] = notes + remarks
    if clock.changes and len(times):
        traces = [axes.spoken(times, clock, layout["yaxis"]), *traces]
    if layout["showlegend"] and any(one.get("name") == axes.BEYOND for one in notes):
        margin = layout["margin"]
        plot = height - margin["t"] - margin["b"] - _REMARK_LINE
        layout["margin"] = {**margin, "t": margin["t"] + _REMARK_LINE}
        layout["legend"] = {**layout.get("legend", {}), "y": 1 + _REMARK_LINE / max(plot, 1)}
    return _figure(traces + drawn.traces, layout)


# Pixels of a line of the legend, of a character in it, of what stands before each name, and of a narrow chart.
_LEGEND_LINE, _LEGEND_CHARACTER, _LEGEND_MARK, _NARROW = 20, 6.3, 46, 950


def _lines(names: Iterable[str]) -> int:
    """How many lines a legend takes at most: Plotly gives each name the width of the longest one."""
    names = [for_plotly(name) for name in names]
    width = max(len(name) for name in names) * _LEGEND_CHARACTER + _LEGEND_MARK
    return math.ceil(len(names) / max(int(_NARROW // width), 1))


# Pixels of the line of remarks between the plot and the legend.
_REMARK_LINE = 16


def _figure(traces: list[dict[str, Any]], layout: dict[str, Any]) -> go.Figure:
    # Validation takes most of the time of building a figure (17 of 20 ms for ten lines); tests validate them all.
    return go.Figure(data=traces, layout=layout, _validate=False)


def _faded(colour: str) -> str:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.5)"


def _blank(ends: Sequence[str], theme: Theme) -> dict[str, Any]:
    look = looks.LOOKS[theme]
    return {
        "type": "rect",
        "xref": "x",
        "yref": "y domain",
        "x0": ends[0],
        "x1": ends[1],
        "y0": 0,
        "y1": 1,
        "fillcolor": look.background,
        "line": {"width": 0},
        "layer": "above",
        "label": {"text": "no data", "font": {"color": look.muted, "size": 12}},
    }


def _edges(bounds: Floats) -> Floats:
    """Edges of the buckets on a logarithmic axis: neither 0 nor infinity are on it, so both get a bucket's width."""
    finite = bounds[np.isfinite(bounds) & (bounds > 0)]
    if not finite.size:
        return np.array([0.1, 1.0])
    ratio = float(finite[1] / finite[0]) if finite.size > 1 else 2.0
    edges = np.concatenate([[finite[0] / ratio], finite])
    return np.append(edges, finite[-1] * ratio) if np.isinf(bounds).any() else edges


def _bucket(low: float, high: float, unit: str) -> str:
    if np.isinf(high):
        return f"above {fmt.value(low, unit)}"
    return f"{fmt.value(low, unit)} to {fmt.value(high, unit)}"
