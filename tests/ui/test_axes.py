"""The time axis: where moments stand on it, what its ticks say, and what a dragged selection means."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui import axes, charts
from ui import format as fmt
from ui.axes import Clock

ZONES = sorted(available_timezones() - {"localtime"})
AWKWARD = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Asia/Kolkata", "Australia/Lord_Howe"]
zones = (st.sampled_from(AWKWARD) | st.sampled_from(ZONES)).map(ZoneInfo)
moments = st.integers(0, 4_000_000_000).map(lambda second: datetime.fromtimestamp(second, UTC))
lengths = st.integers(60, 400 * 86_400).map(lambda seconds: timedelta(seconds=seconds))

CHANGES = {
    "Europe/Berlin": [
        (datetime(2026, 3, 29, 1, tzinfo=UTC), "CET", "CEST"),
        (datetime(2026, 10, 25, 1, tzinfo=UTC), "CEST", "CET"),
    ],
    "America/New_York": [
        (datetime(2026, 3, 8, 7, tzinfo=UTC), "EST", "EDT"),
        (datetime(2026, 11, 1, 6, tzinfo=UTC), "EDT", "EST"),
    ],
    "Australia/Lord_Howe": [
        (datetime(2026, 4, 4, 15, tzinfo=UTC), "UTC+11", "UTC+1030"),
        (datetime(2026, 10, 3, 15, 30, tzinfo=UTC), "UTC+1030", "UTC+11"),
    ],
    "Asia/Kathmandu": [],
    "UTC": [],
}


def browsers(place: str) -> str:
    """How Plotly reports a place of a date axis: without a zone, trailing zeros of the time left out."""
    day, time = place.replace("T", " ").split(" ")
    time = time.rstrip("0").rstrip(".") if "." in time else time
    return f"{day} {time.removesuffix(':00')}"


@given(zones, moments, lengths, st.data())
def test_what_is_dragged_between_two_moments_comes_back_as_these_moments_in_every_zone(
    zone: ZoneInfo, end: datetime, length: timedelta, data: st.DataObject
) -> None:
    window = (end - length, end)
    clock = Clock(window, zone)
    inside = st.integers(0, int(length.total_seconds())).map(lambda second: window[0] + timedelta(seconds=second))
    first, last = sorted((data.draw(inside), data.draw(inside)))
    assert axes.selected([browsers(clock.at(last)), browsers(clock.at(first))], window, zone) == (first, last)
    # Where a series is drawn is where a single moment is.
    times = np.array([first.timestamp() * 1000, last.timestamp() * 1000])
    assert [clock.moment(place) for place in clock.places(times)] == [first, last]


@given(zones, moments, lengths)
def test_an_axis_is_as_long_as_its_window_and_ends_with_what_the_clock_on_the_wall_shows(
    zone: ZoneInfo, end: datetime, length: timedelta
) -> None:
    first, last = (datetime.fromisoformat(place) for place in Clock((end - length, end), zone).range)
    assert last - first == length
    assert last == end.astimezone(zone).replace(tzinfo=None)


@given(zones, moments, st.integers(60, 40 * 86_400).map(lambda seconds: timedelta(seconds=seconds)))
def test_own_ticks_say_the_clock_of_their_own_moment(zone: ZoneInfo, end: datetime, length: timedelta) -> None:
    clock = Clock((end - length, end), zone)
    drawn = axes.ticks(clock)
    if not clock.changes:
        assert "tickvals" not in drawn
        # One distance from UTC holds for all of the window, so that Plotly's own ticks are right.
        steps = (clock.start + length * share / 50 for share in range(51))
        assert {moment.astimezone(zone).utcoffset() for moment in steps} == {clock.offset}
        return
    assert len(drawn["tickvals"]) <= 12
    for place, text in zip(drawn["tickvals"], drawn["ticktext"], strict=True):
        local = clock.moment(place).astimezone(zone)
        said = text.split("<br>")[0]
        assert said in {f"{local:%H:%M:%S}", f"{local:%H:%M}", f"{local:%-d %b}"}
        assert local.second == 0 or said == f"{local:%H:%M:%S}"


@pytest.mark.parametrize("name", CHANGES)
def test_changes_of_clocks_are_found_to_the_second(name: str) -> None:
    found = axes.changes(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), ZoneInfo(name))
    assert [(one.moment, one.before, one.after) for one in found] == CHANGES[name]


@pytest.mark.parametrize(
    ("start", "ticks", "remark"),
    [
        (
            datetime(2026, 10, 24, 22, tzinfo=UTC),
            ["00:00<br>25 Oct", "01:00", "02:00", "02:00", "03:00", "04:00", "05:00"],
            "clocks change: CEST to CET",
        ),
        (
            datetime(2026, 3, 28, 23, tzinfo=UTC),
            ["00:00<br>29 Mar", "01:00", "03:00", "04:00", "05:00", "06:00", "07:00"],
            "clocks change: CET to CEST",
        ),
    ],
)
def test_an_axis_over_a_change_of_clocks_shows_the_hour_twice_or_not_at_all_and_says_where(
    start: datetime, ticks: list[str], remark: str
) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    window = (start, start + timedelta(hours=6))
    frame = pd.DataFrame({"a": np.arange(7.0)}, index=pd.date_range(*window, freq="1h"))
    figure = charts.timeseries(frame, unit="s", window=window, tz=berlin).to_dict()
    axis: dict[str, Any] = figure["layout"]["xaxis"]
    assert axis["ticktext"] == ticks
    assert remark in [note["text"] for note in figure["layout"]["annotations"]]
    times, line = figure["data"]
    assert times["customdata"] == [
        f"{moment.astimezone(berlin):%Y-%m-%d %H:%M:%S %Z}" for moment in frame.index.to_pydatetime()
    ]
    assert (times["x"][0], len(times["x"])) == (line["x0"], 7)


@pytest.mark.parametrize("ends", [("", ""), ("x", "2026-01-01"), ("9999-12-31 23:59", "0001-01-01"), ("2026-01-01",)])
def test_a_selection_that_is_not_two_times_is_refused(ends: tuple[str, ...]) -> None:
    window = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
    with pytest.raises(ValueError, match=r"."):
        axes.selected(ends, window, ZoneInfo("Asia/Tokyo"))


EXTREMES = [1e308, -1e308, 1.7976931348623157e308, 5e-324, -5e-324, math.inf, -math.inf, math.nan, 0.0, 1.0]


@pytest.mark.parametrize("unit", ["s", "ratio", "B", "count", "ops/s"])
@pytest.mark.parametrize("extreme", EXTREMES)
def test_an_axis_has_finite_ends_whatever_a_store_counts(extreme: float, unit: str):
    for other in EXTREMES:
        values = np.array([extreme, other])
        for axis in (axes.linear(values, (), unit), axes.logarithmic(values, (), unit)):
            low, high = axis.look["range"]
            assert math.isfinite(low)
            assert math.isfinite(high)
            assert low < high
            assert math.isfinite(axis.top)
            assert len(axis.look.get("tickvals", ())) <= 3 * axes.MOST_DECADES
        assert len(fmt.texts(values, unit)) == len(fmt.column(values.tolist(), unit)) == 2
