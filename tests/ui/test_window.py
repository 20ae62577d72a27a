"""The window of a page: every address gives a window, and every window gives an address that opens it again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settings import Limits, View
from ui.window import COMPARE_TITLES, KEYS, LONGEST, PRESET_TITLES, PRESETS, SHORTEST, Window, instant, parse, stretch

NOW = datetime(2026, 11, 23, 14, 5, 12, 345678, UTC)
LAST_YEAR = datetime(2025, 12, 31, 10, tzinfo=UTC)
VIEW = View()
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata")

presets = st.builds(
    Window, st.sampled_from(list(PRESETS)), compare=st.sampled_from(list(COMPARE_TITLES)), zone=st.sampled_from(ZONES)
)
moments = st.datetimes(datetime(2001, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds must be naive
lengths = st.timedeltas(timedelta(0), LONGEST)
still = st.builds(lambda window, start, length: window.between(start, start + length), presets, moments, lengths)


def at(hour: int, minute: int = 0, second: int = 0, day: int = 23) -> datetime:
    return datetime(2026, 11, day, hour, minute, second, tzinfo=UTC)


def held(start: datetime, end: datetime, zone: str = "UTC") -> Window:
    return Window(None, start, end, zone=zone)


@given(presets | still, st.sampled_from(ZONES))
def test_a_window_survives_the_way_through_an_address(window, usual_zone):
    assert parse(window.params(usual_zone), VIEW, usual_zone) == (window, [])
    # Somebody else, whose usual zone is another one, sees the same where the address has to name it.
    assert parse(window.params(), VIEW, "Asia/Tokyo") == (window, [])


def test_an_address_without_a_window_shows_the_usual_one():
    view = View(window="6h")
    assert parse({"env": "production"}, view, "Europe/Berlin") == (Window("6h", zone="Europe/Berlin"), [])


@given(
    st.dictionaries(
        st.sampled_from(KEYS), st.text() | st.sampled_from(["1h", "UTC", "0", "9" * 30]) | st.integers().map(str)
    )
)
def test_no_address_raises_and_whatever_it_gives_can_be_shown(params):
    window, remarks = parse(params, VIEW)
    span = window.span(NOW, Limits())
    window.compared(span)
    window.moved(NOW, -1)
    window.widened(NOW)
    assert window.title(NOW)
    assert all(len(remark) < 200 for remark in remarks)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"w": "5y"}, "w=5y is not a window"),
        ({"w": "x" * 10_000}, "…"),
        ({"w": "<script>alert(1)</script>"}, "is not a window"),
        ({"from": "2026-11-23T13:00:00Z"}, "from and to must both be times"),
        ({"from": "yesterday", "to": "now"}, "from and to must both be times"),
        ({"from": "2026-11-23T14:00:00Z", "to": "2026-11-23T13:00:00Z"}, "from must be before to"),
        ({"from": "2026-11-23T14:00:00Z", "to": "2026-11-23T14:00:00Z"}, "from must be before to"),
        ({"from": "0001-01-01T00:00:00Z", "to": "0001-01-01T00:00:10Z"}, "from and to must both be times"),
        ({"from": "9999-12-31T23:59:00Z", "to": "9999-12-31T23:59:59Z"}, "from and to must both be times"),
        ({"from": "0", "to": "9" * 40}, "from and to must both be times"),
        ({"cmp": "tomorrow"}, "cmp=tomorrow is not a comparison"),
        ({"tz": "Mars/Base"}, "tz=Mars/Base is not a time zone; times are in UTC"),
        ({"tz": "../../etc/passwd"}, "is not a time zone"),
        ({"tz": "Europe"}, "is not a time zone"),
        ({"tz": ""}, "is not a time zone"),
        ({"tz": "a\0b"}, "is not a time zone"),
    ],
)
def test_an_address_that_cannot_be_used_is_told_and_shows_the_usual_window(params, says):
    window, remarks = parse(params, VIEW)
    assert window == Window("1h")
    assert len(remarks) == 1
    assert says in remarks[0]


def test_a_window_that_is_too_long_shows_its_end():
    window, remarks = parse({"from": "2020-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, VIEW)
    assert window == held(datetime(2026, 1, 1, tzinfo=UTC) - LONGEST, datetime(2026, 1, 1, tzinfo=UTC))
    assert "longer than 400 days" in remarks[0]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-11-23T13:00:00Z", "2026-11-23T14:00:00Z"),
        ("2026-11-23T14:00:00+01:00", "2026-11-23T15:00:00+01:00"),
        ("2026-11-23T14:00:00 01:00", "2026-11-23T15:00:00 01:00"),  # a plus that the address turned into a space
        ("2026-11-23T13:00:00", "2026-11-23T14:00:00"),
        ("1795438800", "1795442400"),
        ("1795438800000", "1795442400000"),
    ],
)
def test_times_are_understood_as_iso_8601_and_as_epoch_seconds_or_milliseconds(start, end):
    assert parse({"from": start, "to": end}, VIEW) == (held(at(13), at(14)), [])


def test_a_live_window_ends_now_and_one_that_stands_still_does_not():
    live, still_one = Window("1h"), held(at(13), at(14))
    assert live.live
    assert live.ends(NOW) == (NOW - timedelta(hours=1), NOW)
    assert not still_one.live
    assert still_one.ends(NOW) == (at(13), at(14))


def test_viewers_within_the_same_ten_seconds_ask_for_the_same_span():
    window = Window("15m")
    early, late = (NOW.replace(second=second) for second in (10, 19))
    assert window.span(early, Limits()) == window.span(late, Limits())
    assert window.span(early, Limits()) != window.span(NOW.replace(second=20), Limits())


@given(presets | still)
def test_no_window_asks_for_more_points_than_the_limit(window):
    assert window.span(NOW, Limits()).points <= Limits().points


@pytest.mark.parametrize(
    ("compare", "back"),
    [("previous", timedelta(hours=1)), ("day", timedelta(days=1)), ("week", timedelta(days=7))],
)
def test_the_compared_period_has_the_same_length_and_step(compare, back):
    window = Window(None, at(13), at(14), compare)
    span = window.span(NOW, Limits())
    earlier = window.compared(span)
    assert earlier is not None
    assert (earlier.start, earlier.end, earlier.step) == (span.start - back, span.end - back, span.step)
    assert not earlier.live


def test_without_comparison_there_is_no_earlier_period():
    assert Window("1h").compared(Window("1h").span(NOW, Limits())) is None


def test_a_tiny_or_reversed_selection_becomes_a_window_of_the_shortest_length_around_it():
    window = Window("1h").between(at(14, 0, 10), at(14, 0, 0))
    assert window.ends(NOW) == (at(13, 59, 35), at(14, 0, 35))
    assert Window("1h").between(at(14), at(13)).ends(NOW) == (at(13), at(14))


def test_moving_earlier_and_later_goes_by_the_length_and_never_past_now():
    window = held(at(12), at(13))
    assert window.moved(NOW, -1).ends(NOW) == (at(11), at(12))
    assert window.moved(NOW, 1).ends(NOW) == (at(13), at(14))
    at_the_edge = held(at(13), at(14)).moved(NOW, 1)
    assert at_the_edge.ends(NOW) == (at(13, 5, 12), at(14, 5, 12))


def test_a_live_window_that_moves_earlier_stands_still():
    assert Window("1h").moved(NOW, -1) == held(at(12, 5, 12), at(13, 5, 12))


def test_widening_goes_to_the_next_longer_preset_that_is_at_least_twice_as_long():
    assert [Window(key).widened(NOW).preset for key in PRESETS] == [
        "1h", "3h", "6h", "12h", "24h", "2d", "7d", "30d", "30d",
    ]  # fmt: skip


def test_widening_a_still_window_doubles_it_around_its_middle_and_stops_at_now_and_at_the_longest():
    assert held(at(10), at(12)).widened(NOW).ends(NOW) == (at(9), at(13))
    assert held(at(12), at(14)).widened(NOW).ends(NOW) == (at(11), at(14, 5, 12))
    longest = held(NOW - LONGEST, NOW - timedelta(days=1)).widened(NOW)
    start, end = longest.ends(NOW)
    assert end - start == LONGEST


def test_holding_a_live_window_keeps_its_picture_comparison_and_zone():
    window = Window("1h", compare="day", zone="Asia/Kolkata").held(NOW)
    assert window == Window(None, at(13, 5, 12), at(14, 5, 12), "day", "Asia/Kolkata")


@pytest.mark.parametrize(
    ("window", "title"),
    [
        (Window("15m"), "last 15 min"),
        (Window("24h"), "last 24 h"),
        (Window("30d"), "last 30 d"),
        (held(at(13), at(14)), "23 Nov 13:00 – 14:00 UTC"),
        (held(at(13), at(14), "Europe/Berlin"), "23 Nov 14:00 – 15:00 CET"),
        (held(at(13, 0, 30), at(14)), "23 Nov 13:00:30 – 14:00:00 UTC"),
        (held(at(13), at(13, 5)), "23 Nov 13:00:00 – 13:05:00 UTC"),
        (held(at(22, day=22), at(3)), "22 Nov 22:00 – 23 Nov 03:00 UTC"),
        (held(LAST_YEAR, LAST_YEAR + timedelta(hours=2)), "31 Dec 2025 10:00 – 12:00 UTC"),
    ],
)
def test_the_title_tells_the_window_in_the_viewers_zone(window, title):
    assert window.title(NOW) == title


def test_presets_are_listed_from_short_to_long_with_a_title_each():
    assert all(shorter < longer for shorter, longer in pairwise(PRESETS.values()))
    assert list(PRESET_TITLES) == list(PRESETS)
    assert min(PRESETS.values()) >= SHORTEST.total_seconds()


def test_a_saved_stretch_is_compared_from_its_beginning_as_far_as_both_reach():
    chosen = stretch(at(3), at(3, 30))
    window, remarks = parse({"from": "2026-11-23T13:00:00Z", "to": "2026-11-23T14:00:00Z", "cmp": chosen}, View())
    assert (window.compare, remarks) == (chosen, [])
    span = window.span(NOW, Limits())
    earlier = window.compared(span)
    assert earlier is not None
    assert (earlier.start, earlier.end, earlier.step) == (at(3), at(3, 30), span.step)
    longer = replace(window, compare=stretch(at(3), at(9))).compared(span)
    assert longer is not None
    assert (longer.start, longer.seconds) == (at(3), span.seconds)


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-11-23T13:00:00Z", "/", "2026-11-23T13:00:00Z/2026-11-23T12:00:00Z"]
)
def test_what_is_no_stretch_is_no_comparison_and_is_told(text):
    window, remarks = parse({"w": "1h", "cmp": text}, View())
    assert window.compare == ""
    assert "is not a comparison" in remarks[0]


@pytest.mark.parametrize(
    ("local", "first", "last"),
    [
        (datetime(2026, 10, 25, 1, 30), datetime(2026, 10, 24, 23, 30, tzinfo=UTC), None),  # noqa: DTZ001
        (datetime(2026, 10, 25, 2, 30), at(0, 30, day=25).replace(month=10), at(1, 30, day=25).replace(month=10)),  # noqa: DTZ001
        (datetime(2026, 3, 29, 2, 30), datetime(2026, 3, 29, 1, 30, tzinfo=UTC), None),  # noqa: DTZ001
    ],
)
def test_a_time_that_clocks_show_twice_begins_a_window_early_and_ends_it_late(local, first, last):
    berlin = ZoneInfo("Europe/Berlin")
    assert instant(local, berlin) == first
    assert instant(local, berlin, last=True) == (last or first)
