"""The axes of a chart: a clock in the viewer's zone across, a scale with readable ticks upwards."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ui import format as fmt
from ui import theme as looks
from ui.clean import for_plotly
from ui.theme import Theme

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Window = tuple[datetime, datetime]

MARGIN_TOP = 26
MARGIN_BOTTOM = 40
MARGIN_LEFT = 72
MARGIN_RIGHT = 22  # half of a tick's label: the last one may stand under the very end
# With margins that follow the labels Plotly draws every axis twice, and measures each label in between.
FIXED = {"automargin": False, "ticklabeloverflow": "allow"}
RIBBON = 22
"""Pixels of the ribbon's row; in pixels, so that it looks the same under a low and under a high chart."""
RIBBON_GAP = 8


@dataclass(frozen=True, slots=True)
class Threshold:
    """A level that matters, drawn as a thin labelled line.

    Attributes:
        value: The level, in the unit of the frame.
        label: What it is, in a word or two.
        status: ``risk`` or ``broken``; ``unknown`` draws it in grey, as for an objective.
    """

    value: float
    label: str
    status: Literal["risk", "broken", "unknown"] = "risk"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the zone's distance from UTC: summer time begins or ends.

    Attributes:
        moment: The first moment of the new distance, aware UTC.
        before: The name of the zone until then.
        after: Its name from then on.
    """

    moment: datetime
    before: str
    after: str


def changes(start: datetime, end: datetime, zone: tzinfo) -> tuple[Change, ...]:
    """The changes of a zone's distance from UTC after ``start`` and up to ``end``, to the second."""
    found = []
    low = start
    while low < end:
        high = min(low + timedelta(days=1), end)
        if low.astimezone(zone).utcoffset() != high.astimezone(zone).utcoffset():
            first, last = math.floor(low.timestamp()), math.ceil(high.timestamp())
            before = datetime.fromtimestamp(first, zone).utcoffset()
            while last - first > 1:
                middle = (first + last) // 2
                if datetime.fromtimestamp(middle, zone).utcoffset() == before:
                    first = middle
                else:
                    last = middle
            moment = datetime.fromtimestamp(last, UTC)
            found.append(
                Change(moment, fmt.zone_name(moment - timedelta(seconds=1), zone), fmt.zone_name(moment, zone))
            )
        low = high
    return tuple(found)


class Clock:
    """The time axis of a window: where each moment stands on it, and what the viewer's clock shows there.

    Plotly knows no zones. What it gets are times without a zone, as text: it reads numbers as the local time of the
    browser. They are UTC moved by the zone's distance at the window's end, one distance for the whole axis: so every
    place on it is one moment, and an hour is as wide as any other also where clocks change. Where they change within
    the window, ticks and hovered times are written by us, each with the distance of its own moment.
    """

    def __init__(self, window: Window, zone: tzinfo) -> None:
        self.start, self.end = window
        self.tz = zone
        self.offset = self.end.astimezone(zone).utcoffset() or timedelta()
        self.zone = fmt.zone_name(self.end, zone)
        self.changes = changes(self.start, self.end, zone)

    def at(self, moment: datetime) -> str:
        """Where a moment is on the axis."""
        return (moment.astimezone(UTC) + self.offset).replace(tzinfo=None).isoformat(" ", "milliseconds")

    def moment(self, place: str) -> datetime:
        """The moment, in UTC, of a place on the axis; the other way round than :meth:`at`.

        Raises:
            ValueError: The text is not a time.
        """
        try:
            return datetime.fromisoformat(place[:26]).replace(tzinfo=UTC) - self.offset
        except OverflowError as error:
            raise ValueError(f"not a time on this axis: {place[:40]}") from error

    def places(self, times: Floats) -> list[str]:
        """Where moments, in milliseconds since 1970, are on the axis."""
        shifted = np.rint(times + self.offset.total_seconds() * 1000).astype("datetime64[ms]")
        return [str(place) for place in np.datetime_as_string(shifted)]

    def written(self, moment: datetime) -> str:
        """A moment in full, by the viewer's clock."""
        return fmt.timestamp(moment, self.tz, date=True)

    def time_of_day(self, moment: datetime) -> str:
        """What the viewer's clock shows at a moment, with the zone's name only where there are two of them."""
        return fmt.timestamp(moment, self.tz) if self.changes else fmt.clock(moment, self.tz)

    @property
    def range(self) -> list[str]:
        """The ends of the axis."""
        return [self.at(self.start), self.at(self.end)]


def selected(ends: Sequence[str], window: Window, zone: tzinfo) -> Window:
    """The UTC moments of a selection that was dragged on a chart drawn for this window and zone.

    Args:
        ends: Both ends as Plotly reports them in ``selection.box[0]["x"]``, in any order.
        window: The window that the chart was drawn for.
        zone: The zone that it was drawn for.

    Raises:
        ValueError: The ends are not two times.
    """
    if len(ends) != 2:
        raise ValueError("a selection has two ends")
    clock = Clock(window, zone)
    first, last = sorted(clock.moment(str(end)) for end in ends)
    return first, last


def milliseconds(index: "pd.Index[Any]") -> Floats:
    """The times of a frame as milliseconds since 1970.

    Raises:
        ValueError: The index is not of times with a zone.
    """
    if not isinstance(index, pd.DatetimeIndex) or (index.tz is None and len(index)):
        raise ValueError("a chart over time needs an index of times with a zone")
    moments = index.tz_convert(None) if index.tz is not None else index
    return moments.to_numpy("datetime64[ns]").astype(np.int64) / 1e6


# A grid that misses more samples than it has is sent as single times.
_SPARSE = 4


def points(times: Floats, values: Floats, clock: Clock) -> dict[str, Any]:
    """The ``x`` and ``y`` of a trace: even times as start and step, and a hole wherever a sample is missing."""
    steps = np.diff(times)
    step = float(np.median(steps)) if steps.size else 0.0
    places = np.rint((times - times[:1]) / step) if step > 0 else np.zeros(0)
    even = (
        len(places) > 1
        and places[-1] < _SPARSE * len(places)
        and bool(np.all(np.diff(places) >= 1))
        and bool(np.all(np.abs(times - times[0] - places * step) < 1))
    )
    if even:
        filled = np.full(int(places[-1]) + 1, np.nan)
        filled[places.astype(int)] = values
        times, values = times[0] + step * np.arange(len(filled)), filled
    elif (holes := np.flatnonzero(steps > 1.5 * step)).size:
        times = np.insert(times, holes + 1, times[holes] + step)
        values = np.insert(values, holes + 1, np.nan)
    across: dict[str, Any] = {"x0": clock.places(times[:1])[0], "dx": step} if even else {"x": clock.places(times)}
    return across | {"y": values}


def spoken(times: Floats, clock: Clock, upright: Mapping[str, Any]) -> dict[str, Any]:
    """A trace that is not seen and says, first in the hover box, what the viewer's clock showed at each time.

    For axes on which clocks change: Plotly's own heading knows one distance from UTC only.
    """
    top = float(upright["range"][1])
    return {
        "type": "scatter",
        "mode": "lines",
        "x": clock.places(times),
        "y": [10.0**top if upright.get("type") == "log" else top] * len(times),
        "customdata": [clock.written(datetime.fromtimestamp(time / 1000, UTC)) for time in times.tolist()],
        "hovertemplate": "<b>%{customdata}</b><extra></extra>",
        "line": {"color": "rgba(0,0,0,0)", "width": 0},
        "name": "",
        "showlegend": False,
    }


def alone(values: Floats) -> Bools:
    """Which values have no neighbour, so that a line through them would not be seen."""
    known = np.isfinite(values)
    padded = np.concatenate([[False], known, [False]])
    lonely: Bools = known & ~padded[:-2] & ~padded[2:]
    return lonely


def spans(mask: Bools) -> Iterator[tuple[int, int]]:
    """First and last place of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    for first, after in edges.reshape(-1, 2):
        yield int(first), int(after) - 1


@dataclass(frozen=True, slots=True)
class Upright:
    """The value axis of one chart.

    Attributes:
        factor: What values are multiplied by before they are plotted.
        top: The upper end of the axis, plotted.
        look: The Plotly settings of the axis.
        hover: The Plotly template of a hovered value; None where each value has a text of its own.
        unit: The unit of the values before they are multiplied.
        log: Whether it is logarithmic.
    """

    factor: float
    top: float
    look: dict[str, Any]
    hover: str | None
    unit: str
    log: bool


# A level farther above the data than this would press the lines flat; it is then named at the edge.
_REACH = 2.0


FARTHEST = 300
"""Decades on either side of 1 that an axis shows: beyond them sums, margins and powers are no numbers any more."""


MOST_DECADES = 12
"""Ticks of a logarithmic axis that is longer than any that is meant."""


def _drawable(values: Floats) -> Floats:
    """The values that are numbers, moved to where an axis can end."""
    known: Floats = np.clip(values[np.isfinite(values)], -(10.0**FARTHEST), 10.0**FARTHEST)
    return known


def linear(values: Floats, levels: Sequence[Threshold], unit: str) -> Upright:
    """An axis from zero (or from the lowest value, if that is below) to a little above the highest one."""
    known = _drawable(values)
    highest = float(known.max()) if known.size else 0.0
    lowest = min(0.0, float(known.min())) if known.size else 0.0
    near = [level.value for level in levels if highest == 0.0 or level.value <= highest * _REACH]
    top = max([highest, *near])
    if top <= lowest:
        top = lowest + max(1.0, abs(lowest) / 1000)
    chosen = fmt.axis(np.array([top, lowest]), unit)
    suffix = f" {chosen.unit}" if chosen.unit and not chosen.unit.startswith("/") else chosen.unit
    margin = (top - lowest) * 0.08
    ceiling = (top + margin) * chosen.factor
    look = {
        "range": [(lowest - (margin if lowest < 0 else 0.0)) * chosen.factor, ceiling],
        "tickformat": chosen.tick_format,
        "ticksuffix": for_plotly(suffix),
        "nticks": 6,
    }
    return Upright(
        chosen.factor,
        ceiling,
        look,
        f"%{{y:{chosen.hover_format}}}{for_plotly(suffix)}",
        unit,
        log=False,
    )


def logarithmic(values: Floats, levels: Sequence[Threshold], unit: str) -> Upright:
    """A logarithmic axis over what is above zero, with ticks at 1, 2, 5 or at whole decades."""
    known = _drawable(values)
    known = np.maximum(known[known > 0], 10.0**-FARTHEST)
    lowest, highest = (float(known.min()), float(known.max())) if known.size else (0.1, 1.0)
    near = [level.value for level in levels if 0 < level.value <= highest * 4]
    low = math.floor(math.log10(min([lowest, *near])) * 4) / 4
    high = math.ceil(math.log10(max([highest, *near]) * 1.05) * 4) / 4
    # Of a very long axis every so many decades have a tick.
    decades = range(math.floor(low), math.ceil(high) + 1, max(1, math.ceil((high - low) / MOST_DECADES)))
    steps = (1, 2, 5) if high - low <= 2.5 else (1,)
    ticks = [tick for decade in decades for step in steps if low <= math.log10(tick := step * 10.0**decade) <= high]
    look = {
        "type": "log",
        "range": [low, high],
        "tickmode": "array",
        "tickvals": ticks,
        "ticktext": [for_plotly(fmt.value(tick, unit)) for tick in ticks],
    }
    return Upright(1.0, 10.0**high, look, None, unit, log=True)


def time_layout(clock: Clock, theme: Theme, height: int, *, ribbon: bool) -> dict[str, Any]:
    """The layout of a chart over time, with or without the row for the ribbon."""
    look = looks.LOOKS[theme]
    inner = max(1, height - MARGIN_TOP - MARGIN_BOTTOM)
    floor = (RIBBON + RIBBON_GAP) / inner if ribbon else 0.0
    axis = looks.axis_look(theme) | FIXED
    layout = looks.layout(theme) | {
        "height": height,
        "margin": {"l": MARGIN_LEFT, "r": MARGIN_RIGHT, "t": MARGIN_TOP, "b": MARGIN_BOTTOM, "pad": 2},
        "hovermode": "x unified",
        "hoversubplots": "axis",
        "hoverdistance": 12,
        "dragmode": "select",
        "selectdirection": "h",
        "newselection": {"line": {"color": look.muted, "width": 1, "dash": "solid"}},
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1,
            "yanchor": "bottom",
            "font": {"color": look.text, "size": 13},
            "bgcolor": "rgba(0,0,0,0)",
            "itemclick": "toggleothers",
            "itemdoubleclick": "toggle",
            "itemwidth": 30,
        },
        "xaxis": axis
        | {
            "type": "date",
            "range": clock.range,
            "anchor": "y2" if ribbon else "y",
            "showgrid": True,
            "fixedrange": True,
            **ticks(clock),
            "showspikes": True,
            "spikemode": "across",
            "spikethickness": 1,
            "spikedash": "solid",
            "spikecolor": look.line,
            "spikesnap": "hovered data",
        },
        "yaxis": axis | {"domain": [floor, 1.0], "fixedrange": True},
    }
    if ribbon:
        layout["yaxis2"] = axis | {
            "domain": [0.0, RIBBON / inner],
            "range": [-1, 1],
            "fixedrange": True,
            "showgrid": False,
            "tickmode": "array",
            "tickvals": [0],
            "ticktext": ["events"],
        }
    return layout


# Steps between ticks, in seconds; each is a whole part of a day or whole days.
_STEPS = (1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200)
_DAY = 86400
_MOST_TICKS = 7


def ticks(clock: Clock) -> dict[str, Any]:
    """The Plotly settings of ticks and hovered time: Plotly's own where no clocks change, else each as it was."""
    if not clock.changes:
        return {
            "hoverformat": f"%Y-%m-%d %H:%M:%S {clock.zone}",
            "nticks": 10,
            "tickformatstops": [
                {"dtickrange": [None, 60_000], "value": "%H:%M:%S\n%-d %b"},
                {"dtickrange": [60_000, 86_400_000], "value": "%H:%M\n%-d %b"},
                {"dtickrange": [86_400_000, None], "value": "%-d %b"},
            ],
        }
    seconds = (clock.end - clock.start).total_seconds()
    days = (_DAY * 2**power for power in range(12))
    step = next(step for step in (*_STEPS, *days) if seconds / step <= _MOST_TICKS)
    edges = [clock.start, *(change.moment for change in clock.changes), clock.end]
    moments: list[datetime] = []
    for first, last in pairwise(edges):
        offset = (first.astimezone(clock.tz).utcoffset() or timedelta()).total_seconds()
        wall = math.ceil((first.timestamp() + offset) / step) * step
        while (moment := datetime.fromtimestamp(wall - offset, UTC)) <= last:
            if (not moments or (moment - moments[-1]).total_seconds() > step / 3) and (
                moment < last or last == clock.end
            ):
                moments.append(moment)
            wall += step
    texts = []
    day = ""
    for moment in moments:
        local = moment.astimezone(clock.tz)
        text = f"{local:%-d %b}" if step >= _DAY else f"{local:%H:%M:%S}" if step < 60 else f"{local:%H:%M}"
        if step < _DAY and day != (day := f"{local:%-d %b}"):
            text += f"<br>{day}"
        texts.append(text)
    places = [clock.at(moment) for moment in moments]
    # The heading of the hover box is left empty, see :func:`spoken`.
    return {"tickmode": "array", "tickvals": places, "ticktext": texts, "unifiedhovertitle": {"text": " "}}


def time_notes(clock: Clock, theme: Theme, *, ribbon: bool) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The zone beside the ticks, and a line where clocks change.

    Args:
        clock: The axis.
        theme: The page's theme.
        ribbon: Whether anything is drawn in the ribbon's row; Plotly leaves out an empty one, and ticks move up.

    Returns:
        Plotly shapes and annotations.
    """
    name = fmt.zone_name(clock.start, clock.tz)
    place = {
        "xanchor": "right",
        "yanchor": "top",
        "yref": "paper" if ribbon else "y domain",
        "xshift": -_HALF_TICK,
        "yshift": -4,
    }
    notes = [note(for_plotly(name), theme, name=ZONE, x=0, y=0, **place)]
    shapes: list[dict[str, Any]] = []
    look = looks.LOOKS[theme]
    for change in clock.changes:
        at = clock.at(change.moment)
        shapes.append(
            {"type": "line", "xref": "x", "yref": "paper", "x0": at, "x1": at, "y0": 0, "y1": 1}
            | {"line": {"color": look.muted, "width": 1, "dash": "dash"}}
        )
        late = (change.moment - clock.start) > (clock.end - clock.start) / 2
        words = for_plotly(f"clocks change: {change.before} to {change.after}")
        aside = {"xref": "x", "x": at, "xanchor": "right" if late else "left", "y": 1, "yanchor": "top"}
        notes.append(note(words, theme, **aside, bgcolor=look.background, opacity=0.9))
    return shapes, notes


ZONE = "zone"
"""Name of the remark that says which zone's times the ticks are."""

# Half of a tick's label, which stands under the left end of the axis.
_HALF_TICK = 20


def note(text: str, theme: Theme, **place: Any) -> dict[str, Any]:
    """A small grey remark on the plot; ``place`` says where, in Plotly's words."""
    return {
        "text": text,
        "showarrow": False,
        "xref": "paper",
        "yref": "paper",
        "font": {"color": looks.LOOKS[theme].muted, "size": 12},
        **place,
    }


def draw_levels(
    levels: Sequence[Threshold], axis: Upright, theme: Theme
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Thin labelled lines for the levels that fit, and remarks at the upper edge for those that do not.

    Returns:
        Plotly shapes and annotations.
    """
    shapes: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    beyond: list[str] = []
    below: float | None = None
    for level in sorted(levels, key=lambda level: level.value):
        words = f"{for_plotly(level.label)} {fmt.value(level.value, axis.unit)}"
        plotted = level.value * axis.factor
        if not math.isfinite(plotted) or (axis.log and plotted <= 0):
            continue
        if plotted > axis.top:
            beyond.append(f"{words} ↑")
            continue
        colour = looks.LEVELS[level.status].colour(theme)
        dash = "dash" if level.status == "unknown" else "dot"
        shapes.append(
            {"type": "line", "xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": plotted, "y1": plotted}
            | {"line": {"color": colour, "width": 1.25, "dash": dash}}
        )
        # Labels stand over the oldest values, as the newest are what is looked at. Of two labels at nearly the same
        # height the second one moves aside; one at the upper edge hangs below its line.
        hanging = _distance(axis.top, plotted, axis) < _LABEL_HEIGHT
        room = 2 * _LABEL_HEIGHT if hanging else _LABEL_HEIGHT
        crowded = below is not None and _distance(plotted, below, axis) < room
        below = plotted
        notes.append(
            note(
                words,
                theme,
                x=0,
                xanchor="left",
                xshift=_LABEL_WIDTH if crowded else 0,
                y=math.log10(plotted) if axis.log else plotted,
                yref="y",
                yanchor="top" if hanging else "bottom",
                font={"color": colour, "size": 12},
                bgcolor=looks.LOOKS[theme].background,
                opacity=0.9,
                borderpad=1,
            )
        )
    if beyond:
        # Above the plot, not in it: lines that fill the plot would run through the words.
        notes.append(note(" · ".join(beyond), theme, x=1, y=1, xanchor="right", yanchor="bottom", name=BEYOND))
    return shapes, notes


BEYOND = "levels beyond the axis"
"""Name of the remark above the plot; charts leave a line for it between plot and legend."""

# A label's height as a share of a chart of usual height.
_LABEL_HEIGHT = 0.12
_LABEL_WIDTH = 165


def _distance(one: float, other: float, axis: Upright) -> float:
    low, high = (float(end) for end in axis.look["range"])
    if axis.log:
        one, other = math.log10(one), math.log10(other)
    return abs(one - other) / (high - low)
