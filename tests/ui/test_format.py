import doctest
import math
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui import format as fmt

UNITS = ["s", "B", "B/s", "ops/s", "req/s", "1/h", "ratio", "percent", "count", "cores", "timestamp", "", "widgets"]
ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True)


def test_every_example_in_the_docstrings_is_true() -> None:
    failed, tried = doctest.testmod(fmt)
    assert failed == 0
    assert tried > 20


def is_readable(text: str) -> bool:
    lowered = text.lower()
    return (
        text != "" and "nan" not in lowered and "none" not in lowered and "inf" not in lowered and "e+" not in lowered
    )


@given(ANY_FLOAT, st.sampled_from(UNITS))
def test_no_value_is_ever_nan_none_or_scientific(number: float, unit: str) -> None:
    text = fmt.value(number, unit)
    assert is_readable(text)
    assert "e-" not in text
    assert len(text) <= 32


@given(st.lists(st.one_of(st.none(), ANY_FLOAT), max_size=12), st.sampled_from(UNITS))
def test_no_column_is_ever_nan_none_or_scientific(numbers: list[float | None], unit: str) -> None:
    assert all(is_readable(text) for text in fmt.column(numbers, unit))


@given(st.floats(min_value=1e-9, max_value=1e6), st.sampled_from(["s", "ops/s", "percent", "cores"]))
def test_a_value_never_has_more_than_three_significant_digits(number: float, unit: str) -> None:
    digits = fmt.value(number, unit).split(" ")[0].replace(",", "").replace("<", "").replace(">", "")
    significant = digits.replace(".", "").strip("0")
    assert len(significant) <= 3 or digits.startswith("999999")


@given(st.floats(min_value=1e-9, max_value=86400 * 900))
def test_a_length_of_time_reads_back_within_three_digits(number: float) -> None:
    amount, unit = fmt.seconds(number).split(" ")
    sizes = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86400}
    assert math.isclose(float(amount.replace(",", "")) * sizes[unit], number, rel_tol=0.006)


@given(st.lists(st.floats(min_value=0.001, max_value=100), min_size=1, max_size=20))
def test_a_column_has_one_unit_and_one_precision(numbers: list[float]) -> None:
    texts = [text for text in fmt.column(numbers, "s") if not text.startswith("<")]
    assert len({text.split(" ")[1] for text in texts}) <= 1
    assert len({len(text.split(" ")[0].partition(".")[2]) for text in texts}) <= 1


@given(st.lists(st.floats(min_value=1e-7, max_value=1e5), min_size=1, max_size=50))
def test_hovered_texts_read_like_single_values(numbers: list[float]) -> None:
    for text, number in zip(fmt.texts(np.array(numbers), "s"), numbers, strict=True):
        alone = fmt.seconds(number)
        # Two ways to round may differ in the last digit when a value lies in the middle; never in the unit.
        assert text == alone or text.split(" ")[1] == alone.split(" ")[1]


@pytest.mark.parametrize(
    ("number", "unit", "text"),
    [
        (0.9997, "s", "1 s"),
        (1023.9, "B", "1 KiB"),
        (1048576, "B", "1 MiB"),
        (0, "s", "0 s"),
        (-0.84, "s", "−840 ms"),
        (9999, "count", "9,999"),
        (10000, "count", "10 k"),
        (999_999, "count", "1 M"),
        (0.0000001, "percent", "<0.001 %"),
        (1e300, "B", ">999,999 EiB"),
        (0.95, "ratio", "95 %"),
        (312, "req/s", "312 req/s"),
    ],
)
def test_values_at_the_edges_of_a_unit(number: float, unit: str, text: str) -> None:
    assert fmt.value(number, unit) == text


@pytest.mark.parametrize("unknown", [None, float("nan"), float("inf"), np.float64("nan")])
@pytest.mark.parametrize("unit", UNITS)
def test_what_is_not_known_is_a_dash_and_not_zero(unknown: float | None, unit: str) -> None:
    assert fmt.value(unknown, unit) == fmt.UNKNOWN


def test_an_axis_of_latencies_is_in_the_unit_of_its_largest_value() -> None:
    assert fmt.axis([0.02, 0.84], "s").unit == "ms"
    assert fmt.axis([0.02, 12.4], "s").unit == "s"
    assert fmt.axis([3 * 2**30], "B") == fmt.Axis(1 / 2**30, "GiB", ",.3~r", ",.3~r")
    assert fmt.axis([0.04], "ratio").factor == 100


def test_hovered_counts_are_exact() -> None:
    assert fmt.axis([12412, 3], "count").hover_format == ",.0f"


def test_a_time_says_its_zone() -> None:
    moment = datetime(2026, 7, 1, 12, tzinfo=UTC)
    berlin = ZoneInfo("Europe/Berlin")
    assert fmt.timestamp(moment, berlin, now=moment) == "14:00:00 CEST"
    assert fmt.timestamp(moment, ZoneInfo("Asia/Dubai"), date=True) == "2026-07-01 16:00:00 UTC+04"


def test_a_time_that_is_not_of_today_says_its_date_by_the_viewers_calendar() -> None:
    now = datetime(2026, 11, 27, 3, tzinfo=UTC)
    new_york, kathmandu = ZoneInfo("America/New_York"), ZoneInfo("Asia/Kathmandu")
    # 27 November has begun in Kathmandu and not in New York.
    assert fmt.timestamp(datetime(2026, 11, 26, 20, tzinfo=UTC), kathmandu, now=now) == "01:45:00 UTC+0545"
    assert fmt.timestamp(datetime(2026, 11, 26, 14, tzinfo=UTC), kathmandu, now=now) == "2026-11-26 19:45:00 UTC+0545"
    assert fmt.timestamp(datetime(2026, 11, 26, 14, tzinfo=UTC), new_york, now=now) == "09:00:00 EST"
    assert fmt.timestamp(datetime(2026, 11, 23, 14, 30, tzinfo=UTC), now=now) == "2026-11-23 14:30:00 UTC"
    assert fmt.timestamp(datetime(2026, 11, 28, 14, 30, tzinfo=UTC), now=now) == "2026-11-28 14:30:00 UTC"


def test_moments_in_sentences_of_views_are_on_the_viewers_clock_and_other_texts_stay() -> None:
    now = datetime(2026, 11, 27, 3, tzinfo=UTC)
    kathmandu = ZoneInfo("Asia/Kathmandu")
    said = "Newest of 2026-11-27 02:00:01 UTC, oldest of 2026-11-20 23:59:59 UTC; 2026-99-27 02:00:01 UTC; 12:00 UTC."
    assert fmt.localised(said, kathmandu, now) == (
        "Newest of 07:45:01 UTC+0545, oldest of 2026-11-21 05:44:59 UTC+0545; 2026-99-27 02:00:01 UTC; 12:00 UTC."
    )
    assert fmt.localised("0001-01-01 00:00:00 UTC", ZoneInfo("America/New_York")) == "0001-01-01 00:00:00 UTC"


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        fmt.timestamp(datetime(2026, 7, 1))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("length", "text"),
    [(59.9, "59.9 s"), (59.99, "1 min"), (3600, "1 h"), (3661, "1 h 1 min"), (86400 * 40, "40 d"), (None, "–")],
)
def test_durations_have_two_parts_at_most(length: float | None, text: str) -> None:
    assert fmt.duration(length) == text


def test_ages_grow_through_the_units() -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    ages = [
        timedelta(seconds=0.5),
        timedelta(seconds=59),
        timedelta(minutes=59),
        timedelta(hours=47),
        timedelta(days=3),
    ]
    assert [fmt.ago(now - age, now) for age in ages] == ["just now", "59 s ago", "59 min ago", "1 d ago", "3 d ago"]
    assert fmt.ago(None, now) == "–"


@given(ANY_FLOAT, ANY_FLOAT)
def test_a_change_is_always_readable(now: float, before: float) -> None:
    assert is_readable(fmt.change(now, before).replace("new", "x"))


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York", "UTC"])
@pytest.mark.parametrize("moment", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_a_time_at_the_edge_of_the_calendar_is_shown_in_every_zone(moment, zone):
    shown = fmt.timestamp(moment, ZoneInfo(zone))
    assert re.fullmatch(r"(0001-01-01|9999-12-31) \d\d:\d\d:\d\d [A-Z]+", shown)
