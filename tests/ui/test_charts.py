import base64
import json
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from analysis.events import Event, EventKind, Severity
from ui import charts, theme
from ui.charts import Threshold
from ui.theme import LOOKS, STATUS, Theme

END = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
START = END - timedelta(hours=1)
WINDOW = (START, END)
THEMES: list[Theme] = ["light", "dark"]


def frame(**columns: Any) -> pd.DataFrame:
    size = len(next(iter(columns.values())))
    return pd.DataFrame(columns, index=pd.date_range(START, periods=size, freq="1min"), dtype=float)


def spec(figure: go.Figure) -> dict[str, Any]:
    """The figure as the browser gets it, after Plotly itself has checked every setting."""
    checked = go.Figure(figure.to_dict())
    answer: dict[str, Any] = json.loads(checked.to_json())
    return answer


def numbers(array: Any) -> list[float]:
    if isinstance(array, dict):
        kind = {"f8": "<f8", "f4": "<f4", "i1": "i1"}[array["dtype"]]
        return [float(number) for number in np.frombuffer(base64.b64decode(array["bdata"]), kind)]
    return [float("nan") if number is None else float(number) for number in array]


def lines(figure: dict[str, Any]) -> list[dict[str, Any]]:
    return [trace for trace in figure["data"] if trace.get("yaxis") != "y2"]


def test_every_kind_of_chart_is_valid_for_plotly_in_both_themes() -> None:
    series = frame(p50=[0.1, np.nan, 0.3], p95=[0.4, 0.5, 0.6])
    events = [Event(START + timedelta(minutes=index), kind, "title") for index, kind in enumerate(EventKind)]
    levels = [Threshold(0.5, "slow"), Threshold(0.52, "broken", "broken"), Threshold(50, "far")]
    buckets = pd.DataFrame([[1, 3, 4.0]] * 3, index=series.index, columns=[0.1, 1.0, np.inf])
    for look in THEMES:
        common: dict[str, Any] = {"window": WINDOW, "unit": "s", "theme": look, "events": events}
        drawn = [
            charts.timeseries(series, thresholds=levels, objective=0.2, previous=series, **common),
            charts.timeseries(series, log=True, thresholds=levels, **common),
            charts.stacked(series, **common),
            charts.heatmap(buckets, **common),
            charts.bars(pd.Series({"a": 1.0, "b": 2.0}), unit="s", theme=look),
        ]
        for figure in drawn:
            spec(figure)


@pytest.mark.parametrize("draw", [charts.timeseries, charts.stacked, charts.heatmap])
def test_an_empty_frame_is_an_empty_chart_of_the_same_window(draw: Any) -> None:
    empty = pd.DataFrame(index=pd.DatetimeIndex([], tz="UTC"))
    figure = spec(draw(empty, unit="s", window=WINDOW))
    assert figure["layout"]["xaxis"]["range"] == ["2026-11-23 13:00:00.000", "2026-11-23 14:00:00.000"]


def test_a_series_of_nothing_but_gaps_is_drawn_without_a_warning() -> None:
    for log in (False, True):
        spec(charts.timeseries(frame(a=[np.nan] * 3), unit="s", window=WINDOW, log=log))


def test_missing_values_stay_gaps() -> None:
    (line,) = lines(spec(charts.timeseries(frame(a=[1, np.nan, 3]), unit="cores", window=WINDOW)))
    assert line["connectgaps"] is False
    assert np.isnan(numbers(line["y"])[1])


def test_missing_rows_become_gaps() -> None:
    series = frame(a=[1, 2, 3, 4, 5, 6]).drop(index=START + timedelta(minutes=3))
    (line,) = lines(spec(charts.timeseries(series, unit="cores", window=WINDOW)))
    assert [np.isnan(number) for number in numbers(line["y"])] == [False, False, False, True, False, False]


def test_a_value_between_two_gaps_can_be_seen() -> None:
    (line,) = lines(spec(charts.timeseries(frame(a=[1, np.nan, 3, np.nan, 5, 6]), unit="cores", window=WINDOW)))
    assert line["mode"] == "lines+markers"
    assert numbers(line["marker"]["size"]) == [4, 0, 4, 0, 0, 0]


def test_even_times_are_sent_as_start_and_step() -> None:
    (line,) = lines(spec(charts.timeseries(frame(a=range(60)), unit="cores", window=WINDOW)))
    assert (line["x0"], line["dx"]) == ("2026-11-23T13:00:00.000", 60_000)
    assert "x" not in line


def test_the_axis_is_in_the_unit_that_fits_and_starts_at_zero() -> None:
    figure = spec(charts.timeseries(frame(a=[0.2, 0.84]), unit="s", window=WINDOW))
    assert figure["layout"]["yaxis"]["ticksuffix"] == " ms"
    assert figure["layout"]["yaxis"]["range"][0] == 0
    assert numbers(lines(figure)[0]["y"]) == pytest.approx([200, 840])


def test_large_counts_are_sent_exactly() -> None:
    (line,) = lines(spec(charts.timeseries(frame(a=[2**24 + 1, 5]), unit="count", window=WINDOW)))
    assert numbers(line["y"])[0] == 2**24 + 1


def test_a_log_axis_says_so_and_hides_what_is_not_above_zero() -> None:
    figure = spec(charts.timeseries(frame(a=[0.0, 0.05, 1.2]), unit="s", window=WINDOW, log=True))
    assert figure["layout"]["yaxis"]["type"] == "log"
    assert any("log axis" in note["text"] for note in figure["layout"]["annotations"])
    (line,) = lines(figure)
    assert np.isnan(numbers(line["y"])[0])
    assert line["text"] == ["–", "50 ms", "1.2 s"]


def test_a_level_near_the_data_is_a_line_and_one_far_above_is_only_named() -> None:
    levels = [Threshold(0.3, "slow"), Threshold(60, "timeout", "broken")]
    layout = spec(charts.timeseries(frame(a=[0.2, 0.25]), unit="s", window=WINDOW, thresholds=levels))["layout"]
    assert [shape["y0"] for shape in layout["shapes"]] == [300]
    assert [note["text"] for note in layout["annotations"]] == ["slow 300 ms", "timeout 1 min ↑", "UTC"]
    assert layout["yaxis"]["range"][1] < 400


def test_more_series_than_a_legend_holds_have_none() -> None:
    few = frame(**{f"s{index}": [1.0, 2.0] for index in range(charts.LEGEND_LIMIT)})
    many = frame(**{f"s{index}": [1.0, 2.0] for index in range(charts.LEGEND_LIMIT + 1)})
    assert spec(charts.timeseries(few, unit="s", window=WINDOW))["layout"]["showlegend"] is True
    assert spec(charts.timeseries(many, unit="s", window=WINDOW))["layout"]["showlegend"] is False


def test_the_previous_period_is_dashed_in_the_same_colour() -> None:
    now = frame(p95=[1.0, 2.0])
    before, current = lines(spec(charts.timeseries(now, unit="s", window=WINDOW, previous=now * 2)))
    assert before["line"]["dash"] == "dash"
    assert before["line"]["color"] == current["line"]["color"] == theme.colour_of("p95")


def test_the_ribbon_shows_only_the_window_and_tells_kinds_apart() -> None:
    events = [
        Event(START + timedelta(minutes=10), EventKind.DEPLOY, "deploy 1.8.2", "by ci"),
        Event(START + timedelta(minutes=20), EventKind.ALERT, "SearchSlow", severity=Severity.CRITICAL),
        Event(END + timedelta(minutes=1), EventKind.DEPLOY, "too late"),
    ]
    figure = spec(charts.timeseries(frame(a=[1.0, 2.0]), unit="s", window=WINDOW, events=events))
    deploy, alert = (trace for trace in figure["data"] if trace.get("yaxis") == "y2")
    assert deploy["customdata"] == ["2026-11-23 13:10:00 <b>deploy 1.8.2</b>: by ci"]
    assert deploy["marker"]["symbol"] != alert["marker"]["symbol"]
    assert alert["marker"]["color"] == [STATUS["broken"].light]
    assert figure["layout"]["xaxis"]["anchor"] == "y2"


def test_remarks_and_levels_beyond_the_axis_are_not_written_over_each_other() -> None:
    now = frame(a=[0.2, 0.25])
    figure = charts.timeseries(now, unit="s", window=WINDOW, previous=now, thresholds=[Threshold(60, "broken")])
    above = [note["text"] for note in spec(figure)["layout"]["annotations"] if (note["x"], note["y"]) == (1, 1)]
    assert above == ["dashed: before · broken 1 min ↑"]


def test_the_zone_stands_at_the_ticks_with_and_without_events() -> None:
    events = [Event(START + timedelta(minutes=10), EventKind.DEPLOY, "deploy 1.8.2")]
    for happened, level in ((events, "paper"), ([], "y domain"), (None, "y domain")):
        layout = spec(charts.timeseries(frame(a=[1.0, 2.0]), unit="s", window=WINDOW, events=happened))["layout"]
        (zone,) = (note for note in layout["annotations"] if note["text"] == "UTC")
        assert (zone["yref"], zone["y"], zone["xanchor"]) == (level, 0, "right")


def test_a_storm_of_events_becomes_a_few_marks_that_say_how_many() -> None:
    storm = [Event(START + timedelta(seconds=index), EventKind.RESTART, f"pod {index}") for index in range(3600)]
    figure = spec(charts.timeseries(frame(a=[1.0, 2.0]), unit="s", window=WINDOW, events=storm))
    (marks,) = (trace for trace in figure["data"] if trace.get("yaxis") == "y2")
    assert len(marks["x"]) <= 121
    assert marks["customdata"][0].endswith("and 25 more")


def test_foreign_names_and_events_are_inert_in_a_chart() -> None:
    bad = "<a href='javascript:alert(1)'>x</a>$y$"
    events = [Event(START, EventKind.DEPLOY, bad, bad)]
    text = json.dumps(
        spec(charts.timeseries(frame(**{bad: [1.0], "b": [2.0]}), unit=bad, window=WINDOW, events=events))
    )
    assert "<a" not in text
    assert "$y$" not in text
    assert "<a" not in json.dumps(spec(charts.bars(pd.Series({bad: 1.0}), unit=bad)))


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"])
def test_a_dragged_selection_comes_back_as_the_moments_that_were_drawn(zone: str) -> None:
    wanted = (START + timedelta(minutes=12), START + timedelta(minutes=34))
    place = ZoneInfo(zone)
    drawn = [(moment + (END.astimezone(place).utcoffset() or timedelta())) for moment in wanted]
    # Plotly reports the far end first when it was dragged to the left.
    ends = [f"{moment:%Y-%m-%d %H:%M:%S.%f}" for moment in reversed(drawn)]
    assert charts.selected(ends, WINDOW, place) == wanted


def test_a_frame_without_a_zone_is_refused() -> None:
    naive = pd.DataFrame({"a": [1.0]}, index=pd.DatetimeIndex(["2026-11-23"]))
    with pytest.raises(ValueError, match="zone"):
        charts.timeseries(naive, unit="s", window=WINDOW)


def test_a_whole_gap_in_stacked_parts_is_blanked_and_says_so() -> None:
    parts = frame(a=[1, np.nan, np.nan, 4], b=[1, np.nan, np.nan, 4])
    layout = spec(charts.stacked(parts, unit="ops/s", window=WINDOW))["layout"]
    assert [shape["label"]["text"] for shape in layout["shapes"]] == ["no data"]


def test_a_heatmap_counts_each_bucket_once() -> None:
    buckets = pd.DataFrame([[2, 5, 6.0], [2, 1.9, 3]], index=frame(a=[0, 0]).index, columns=[0.1, 1.0, np.inf])
    (heat,) = spec(charts.heatmap(buckets, unit="s", window=WINDOW))["data"]
    shown = np.array(numbers(heat["z"])).reshape(3, 2)
    assert shown[:, 0].tolist() == [2, 3, 1]
    assert np.isnan(shown[1, 1])
    assert [row[0] for row in heat["customdata"]] == ["0 s to 100 ms", "100 ms to 1 s", "above 1 s"]


def test_bars_are_sorted_and_say_what_they_leave_out() -> None:
    values = pd.Series({f"op{index}": float(index) for index in range(20)} | {"unknown": np.nan})
    (trace,) = spec(charts.bars(values, unit="count", limit=3))["data"]
    assert [row[0] for row in trace["customdata"]] == ["op19", "op18", "op17", "17 more, together"]
    assert trace["x"] == [19, 18, 17, sum(range(17))]


def test_latencies_are_not_added_up() -> None:
    (trace,) = spec(charts.bars(pd.Series({"a": 3.0, "b": 2.0, "c": 1.0}), unit="s", limit=2))["data"]
    assert trace["x"] == [3, 2]
    assert trace["customdata"][1][0] == "b (1 more below)"


def test_a_legend_table_starts_with_the_largest_last_value() -> None:
    table = charts.legend_table(frame(a=[9.0, 1.0], b=[1.0, 5.0], c=[np.nan, np.nan], d=[7.0, np.nan]))
    assert table["name"].tolist() == ["d", "b", "a", "c"]
    assert table["max"].tolist()[:3] == [7, 5, 9]


def test_a_sparkline_is_short_and_has_no_gaps() -> None:
    assert charts.sparkline([1.0, np.nan, 3.0]) == [1, 3]
    assert len(charts.sparkline(np.arange(1000.0))) == 40
    assert charts.sparkline([]) == []


def test_a_name_has_one_colour_on_all_charts_and_no_two_series_share_one() -> None:
    assert theme.colours_of(["x", "p95"])["p95"] == theme.colours_of(["p95", "search-0"])["p95"]
    names = ["read", "write", "search", "delete", *(f"pod-{index}" for index in range(4))]
    assert len(set(theme.colours_of(names).values())) == len(names)


def contrast(one: str, other: str) -> float:
    """WCAG 2.2 contrast ratio of two sRGB colours."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("look", THEMES)
def test_text_and_statuses_can_be_read_and_lines_can_be_seen(look: Theme) -> None:
    page = LOOKS[look]
    for colour in (page.text, page.muted, *(status.colour(look) for status in STATUS.values())):
        assert contrast(colour, page.background) >= 4.5
        assert contrast(colour, page.surface) >= 4.5
    for name in ["p50", "p90", "p95", "p99", "error", "warn", *map(str, range(40))]:
        assert contrast(theme.colour_of(name, look), page.background) >= 3


@pytest.mark.parametrize("look", THEMES)
def test_the_page_and_the_charts_have_the_same_colours(look: Theme) -> None:
    settings = tomllib.loads(Path(".streamlit/config.toml").read_text(encoding="utf-8"))["theme"][look]
    page = LOOKS[look]
    assert settings["backgroundColor"] == page.background
    assert settings["secondaryBackgroundColor"] == page.surface
    assert settings["textColor"] == page.text
    for status in STATUS.values():
        assert settings[f"{status.markdown}TextColor"] == status.colour(look)
        assert contrast(status.colour(look), settings[f"{status.markdown}BackgroundColor"]) >= 4.5
    assert contrast(settings["linkColor"], page.background) >= 4.5
    assert settings["chartCategoricalColors"] == [theme.series(key, look) for key in theme.DEALT]
