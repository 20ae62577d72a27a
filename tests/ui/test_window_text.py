"""Windows as people type them: each form has one meaning, and what has none is answered with a sentence."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ui.window import LONGEST, Window, seconds_of
from ui.window_text import EXAMPLES, WindowTextError, understood

NOW = datetime(2026, 11, 26, 14, 5, 12, tzinfo=UTC)
"""A Thursday; 15:05 in Berlin, 19:35 in Kolkata, 09:05 in New York."""

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "America/Sao_Paulo")


def ends(text, zone="UTC", now=NOW):
    window = understood(text, Window("1h", compare="day", zone=zone), now)
    assert (window.compare, window.zone, window.live) == ("day", zone, False)
    return tuple(moment.strftime("%m-%d %H:%M") for moment in window.ends(now))


@pytest.mark.parametrize(
    ("text", "preset"),
    [
        ("90m", "90m"), ("90 min", "90m"), ("last 90 minutes", "90m"), ("past 2h", "2h"), ("2 hours", "2h"),
        ("1h30m", "90m"), ("1h 30min", "90m"), ("1.5h", "90m"), ("3d", "3d"), ("1d", "24h"), ("2W", "14d"),
        ("last hour", "1h"), ("last day", "24h"), ("60s", "1m"), ("90s", "90s"), ("last 1 h", "1h"), ("168h", "7d"),
        ("  15M ", "15m"), ("400d", "400d"),
    ],
)  # fmt: skip
def test_a_length_is_a_live_window(text, preset):
    assert understood(text, Window("6h", compare="day", zone="Asia/Tokyo"), NOW) == Window(
        preset, compare="day", zone="Asia/Tokyo"
    )
    held = Window(None, NOW - timedelta(hours=3), NOW - timedelta(hours=2))
    assert understood(text, held, NOW).preset == preset


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("today", "11-26 00:00", "11-26 14:05"),
        ("Yesterday", "11-25 00:00", "11-26 00:00"),
        ("monday", "11-23 00:00", "11-24 00:00"),
        ("last Monday", "11-23 00:00", "11-24 00:00"),
        ("thursday", "11-26 00:00", "11-26 14:05"),
        ("last thu", "11-19 00:00", "11-20 00:00"),
        ("this week", "11-23 00:00", "11-26 14:05"),
        ("last week", "11-16 00:00", "11-23 00:00"),
        ("last month", "10-01 00:00", "11-01 00:00"),
        ("2026-11-23", "11-23 00:00", "11-24 00:00"),
        ("23 Nov", "11-23 00:00", "11-24 00:00"),
        ("Nov 23, 2026", "11-23 00:00", "11-24 00:00"),
        ("30 november 2025", "11-30 00:00", "12-01 00:00"),
        ("30 nov", "11-30 00:00", "12-01 00:00"),  # the one that was, a year ago
        ("2026-11-23 13:00 to 14:30", "11-23 13:00", "11-23 14:30"),
        ("2026-11-23 13:00 to 2026-11-24 14:30", "11-23 13:00", "11-24 14:30"),
        ("2026-11-23T13:00:00Z/2026-11-23T14:30:00Z", "11-23 13:00", "11-23 14:30"),
        ("2026-11-23T13:00-03:00 to now", "11-23 16:00", "11-26 14:05"),
        ("13:00 to 13:30", "11-26 13:00", "11-26 13:30"),
        ("13:00-13:30", "11-26 13:00", "11-26 13:30"),
        ("09:00 - 10:30", "11-26 09:00", "11-26 10:30"),
        ("from 1pm until 1:30 pm", "11-26 13:00", "11-26 13:30"),
        ("13:00 to 14:30", "11-26 13:00", "11-26 14:05"),  # not beyond now
        ("15:00 to 16:00", "11-25 15:00", "11-25 16:00"),  # today's has not come yet
        ("23:00 to 01:00", "11-25 23:00", "11-26 01:00"),
        ("monday to tuesday", "11-23 00:00", "11-25 00:00"),
        ("yesterday 13:00 to today 01:00", "11-25 13:00", "11-26 01:00"),
        ("yesterday 13:00 to 14:00", "11-25 13:00", "11-25 14:00"),
        ("last monday at 9am to 10am", "11-23 09:00", "11-23 10:00"),
        ("23 nov 22:00 to 24 nov 03:00", "11-23 22:00", "11-24 03:00"),
        ("2h ago to 1h ago", "11-26 12:05", "11-26 13:05"),
        ("2026-11-23 13:00 for 90m", "11-23 13:00", "11-23 14:30"),
        ("yesterday for 2h", "11-25 00:00", "11-25 02:00"),
        ("since 13:00", "11-26 13:00", "11-26 14:05"),
        ("since yesterday", "11-25 00:00", "11-26 14:05"),
        ("from monday", "11-23 00:00", "11-26 14:05"),
        ("12:05", "11-26 11:50", "11-26 12:20"),
        ("14:05", "11-26 13:50", "11-26 14:05"),
        ("14:06", "11-25 13:51", "11-25 14:21"),
        ("yesterday 14:05", "11-25 13:50", "11-25 14:20"),
        ("14:05 yesterday", "11-25 13:50", "11-25 14:20"),
        ("2 hours ago", "11-26 11:50", "11-26 12:20"),
        ("1795438800", "11-23 12:45", "11-23 13:15"),
        ("1795438800000 to 1795442400000", "11-23 13:00", "11-23 14:00"),
    ],
)
def test_a_stretch_a_day_and_a_moment_stand_still_and_end_by_now(text, start, end):
    assert ends(text) == (start, end)


@pytest.mark.parametrize(
    ("text", "zone", "start", "end"),
    [
        ("13:00 to 14:30", "Europe/Berlin", "11-26 12:00", "11-26 13:30"),
        ("yesterday", "Asia/Kolkata", "11-24 18:30", "11-25 18:30"),
        ("13:00 to 13:30 UTC", "Europe/Berlin", "11-26 13:00", "11-26 13:30"),
        ("13:00 to 14:30 CET", "Europe/Berlin", "11-26 12:00", "11-26 13:30"),
        ("13:00Z", "Europe/Berlin", "11-26 12:45", "11-26 13:15"),
        ("13:00 to 14:30 +01:00", "UTC", "11-26 12:00", "11-26 13:30"),
        ("13:00 to 14:30 europe/berlin", "Asia/Kolkata", "11-26 12:00", "11-26 13:30"),
        ("2026-11-23 13:00 to 14:30 -03", "America/Sao_Paulo", "11-23 16:00", "11-23 17:30"),
        # Days on which the clock is changed: 23 and 25 hours long, and an hour that there was twice is shown whole.
        ("2026-03-29", "Europe/Berlin", "03-28 23:00", "03-29 22:00"),
        ("2026-10-25", "Europe/Berlin", "10-24 22:00", "10-25 23:00"),
        ("2026-10-25 02:00 to 02:30", "Europe/Berlin", "10-25 00:00", "10-25 01:30"),
        ("2026-11-01 01:30", "America/New_York", "11-01 05:15", "11-01 06:45"),
        ("2018-11-04", "America/Sao_Paulo", "11-04 03:00", "11-05 02:00"),  # a day that began at 01:00
    ],
)
def test_times_are_of_the_viewers_zone_unless_the_text_names_another(text, zone, start, end):
    now = NOW + timedelta(hours=1)
    window = understood(text, Window("1h", zone=zone), now)
    assert tuple(moment.strftime("%m-%d %H:%M") for moment in window.ends(now)) == (start, end)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", f"Nothing is written. Write for example {EXAMPLES}."),
        ("soon", "“soon” is not a time or a day. Write for example 90m"),
        ("<script>", "“<script>” is not a time or a day."),
        ("25:00", "“25:00” is not a time of day: hours go from 00 to 23"),
        ("13:60", "“13:60” is not a time of day"),
        ("13pm", "“13pm” is not a time of day: with am and pm, hours go from 1 to 12."),
        ("2026-02-30", "“2026-02-30” is not a date: the calendar has no such day."),
        ("29 feb 2026", "“29 feb 2026” is not a date"),
        ("31 nov", "“31 nov” is not a date"),
        ("11/23/2026", "“11/23/2026” can be read in more than one way. Write the date as 2026-11-23."),
        ("2026-12-01", "“2026-12-01” has not come yet. A window begins before now."),
        ("2026-11-23 14:30 to 2026-11-23 13:00", "Write the earlier one first: 2026-11-23 13:00 to 2026-11-23 14:30."),
        ("13:30 to 13:00", "“13:00” comes before the beginning, and that of the day after has not come yet."),
        ("13:00 to", "One end is missing. Write for example 13:00 to 14:30."),
        ("13:00 to soon", "“soon” is not a time or a day."),
        ("13:00 to 14:00 to 15:00", "There is more than one “to”."),
        ("30s", "“30s” is shorter than a minute. The shortest window is 1m."),
        ("0m", "“0m” is shorter than a minute."),
        ("5y", "Lengths are not counted in “y”. Write days or weeks, such as 30d or 4w."),
        ("3 months", "Lengths are not counted in “months”."),
        ("401d", "“401d” is longer than 400 days"),
        ("2024-01-01 to now", "This is longer than 400 days."),
        ("13:00 for ever", "“ever” is not a length. Write for example 90m, 2h or 3d."),
        ("0001-01-01", "“0001-01-01” is out of reach: years go from 1971"),
        ("9999-12-31", "is out of reach"),
        ("1h " * 50, "This is longer than 120 characters."),
    ],
)
def test_what_is_no_window_is_answered_with_what_is_wrong_and_what_to_write(text, words):
    with pytest.raises(WindowTextError) as caught:
        understood(text, Window("1h"), NOW)
    assert words in str(caught.value)


def test_an_hour_that_the_clock_left_out_is_named():
    with pytest.raises(WindowTextError, match=r"did not exist on 2026-03-29 in Europe/Berlin.*Write 03:30\."):
        understood("2026-03-29 02:30 to 04:00", Window("1h", zone="Europe/Berlin"), NOW)


WORDS = st.sampled_from([
    "last", "to", "-", "for", "since", "at", "ago", "now", "today", "yesterday", "monday", "nov", "23", "2026", "/",
    "2026-11-23", "13:00", "02:30", "2pm", "99", "90m", "3d", "1.5h", "Z", "utc", "+01:00", "-03", "europe/berlin",
    "1795438800", ",", "T",
])  # fmt: skip
FUZZ = st.lists(WORDS, max_size=9).map(" ".join) | st.lists(WORDS, max_size=9).map("".join) | st.text(max_size=150)


@given(FUZZ, st.sampled_from(ZONES), st.datetimes(datetime(1971, 6, 1), datetime(2190, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds must be naive
@example("9999999999", "UTC", NOW)
@example("٣ days", "UTC", NOW)
def test_any_text_is_a_window_that_has_begun_or_a_short_sentence(text, zone, now):
    window, problem = None, ""
    try:
        window = understood(text, Window("1h", zone=zone), now)
    except WindowTextError as error:
        problem = str(error)
    assert len(problem) < 400
    if window is None:
        assert problem.endswith(".")
        return
    start, end = window.ends(now)
    assert timedelta(seconds=60) <= end - start <= LONGEST
    assert start < now
    assert window.preset is None or seconds_of(window.preset) == (end - start).total_seconds()


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 10, 20)),  # noqa: DTZ001 - bounds must be naive
    st.integers(11, 40_000),
    st.sampled_from(ZONES),
)
def test_the_title_of_a_window_can_be_typed_again(start, minutes, zone):
    first = start.replace(second=0, microsecond=0, tzinfo=UTC)
    window = Window("1h", zone=zone).between(first, first + timedelta(minutes=minutes))
    local = [moment.astimezone(window.tz) for moment in window.ends(NOW)]
    if any(moment.replace(fold=0).utcoffset() != moment.replace(fold=1).utcoffset() for moment in local):
        return  # an hour that there was twice has two meanings
    assert understood(window.title(NOW), window, NOW) == window
