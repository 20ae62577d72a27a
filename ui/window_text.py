"""A window as a person types it: ``90m``, ``yesterday``, ``2026-11-23 13:00 to 14:30``, ``14:05``.

Times are those of the viewer's zone unless the text names another one. Where a clock was put back, a window begins with
the first and ends with the second of two hours of one name. This module has no Streamlit in it.
"""

from __future__ import annotations

import re
from calendar import day_name, month_name
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from ui.window import EARLIEST, LATEST, LONGEST, SHORTEST, Window, preset_of

EXAMPLES = "90m, 2h, yesterday, last monday, 13:00 to 14:30, 2026-11-23 13:00 to 14:30"
"""What may be typed, for the reader."""

LONGEST_TEXT = 120
"""Characters; a longer text is no window."""

AROUND = timedelta(minutes=15)
"""What is shown on either side of a single moment."""

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "d"),
    **dict.fromkeys(("w", "wk", "week", "weeks"), "w"),
}
_UNIT = "|".join(sorted(_UNITS, key=len, reverse=True))
_PART = re.compile(rf"([0-9]{{1,6}}(?:\.[0-9]{{1,3}})?) ?({_UNIT})(?![a-z])")
_DURATION = re.compile(rf"(?:[0-9]{{1,6}}(?:\.[0-9]{{1,3}})? ?(?:{_UNIT}) ?){{1,4}}")
_TO = re.compile(
    r" (?:to|until|till) | ?(?:–|—|\.\.) ?| - "
    r"|(?<=[0-9])(?<!t[0-9]{2}:[0-9]{2})(?<!t[0-9]{2}:[0-9]{2}:[0-9]{2})-(?=[0-9]{1,2}:)"  # not an offset of ISO 8601
    r"|(?<=[0-9z])/(?=[0-9]{4}-)"
)
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]{1,6})?)? ?(am|pm)?|([0-9]{1,2}) ?(am|pm)")
_OFFSET = re.compile(r"(?<=[0-9:]) ?(?:utc|gmt)?([+-])([0-9]{2}):?([0-9]{2})?$")
_ISO_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})t([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)"
    r"(z|[+-][0-9]{2}:[0-9]{2})?"
)
_ISO_DATE = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})")
_DAY_MONTH = re.compile(r"([0-9]{1,2})\.? ([a-z]{3,9})\.?(?:,? ([0-9]{4}))?")
_MONTH_DAY = re.compile(r"([a-z]{3,9})\.? ([0-9]{1,2})(?:,? ([0-9]{4}))?")
_EPOCH = re.compile(r"[0-9]{10}|[0-9]{13}")

_WEEKDAYS = {name.lower()[:size]: number for number, name in enumerate(day_name) for size in (3, 4, 5, len(name))}
_MONTHS = {name.lower()[:size]: number for number, name in enumerate(month_name) if name for size in (3, 4, len(name))}


class WindowTextError(ValueError):
    """A text is no window; ``str()`` is a sentence that names what is wrong with it and what can be written."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """What a part of the text means: both ends, the same ones for a moment."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class _Reader:
    """What the meaning of a text depends on.

    Attributes:
        now: The time of the clock, aware.
        tz: The zone of all times in the text.
        zone: What that zone is called, for the reader.
    """

    now: datetime
    tz: tzinfo
    zone: str

    @property
    def today(self) -> date:
        return self.now.astimezone(self.tz).date()

    def whole_days(self, first: date, days: int = 1) -> _Stretch:
        """From the first to the last moment of days as this zone has them; they may have 23 or 25 hours."""
        start, end = (datetime.combine(one, time(), self.tz) for one in (first, first + timedelta(days=days)))
        return _Stretch(start.astimezone(UTC), end.astimezone(UTC))

    def moment(self, day: date, clock: time, text: str) -> _Stretch:
        """A time of a day: two of them where the clock was put back.

        Raises:
            WindowTextError: The clock was put forward over this time.
        """
        first = datetime.combine(day, clock, self.tz)
        start, end = (first.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
        if start.astimezone(self.tz).replace(tzinfo=None) != first.replace(tzinfo=None):
            there = start.astimezone(self.tz)
            raise WindowTextError(
                f"“{text}” did not exist on {day} in {self.zone}: the clock was put forward. Write {there:%H:%M}."
            )
        return _Stretch(start, end)


def understood(text: str, window: Window, now: datetime) -> Window:
    """The window that a text means; comparison and zone are kept.

    A length (``90m``) is a live window; everything else stands still, and ends now where it would pass now.

    Args:
        text: What was typed.
        window: What is shown now; times without a zone are in its zone.
        now: The time of the clock, aware.

    Raises:
        WindowTextError: It is no window, for a reason that the error tells.
    """
    if len(text) > LONGEST_TEXT:
        raise WindowTextError(f"This is longer than {LONGEST_TEXT} characters. Write for example {EXAMPLES}.")
    plain = " ".join(text.lower().split())
    if not plain:
        raise WindowTextError(f"Nothing is written. Write for example {EXAMPLES}.")
    seconds = _length(re.sub(r"^(?:the )?(?:last|past) ", "", plain))
    if seconds is not None:
        return window.ending_now(preset_of(seconds))
    plain, reader = _zoned(plain, _Reader(now, window.tz, window.zone))
    stretch = _stretch(plain, reader)
    start, end = stretch.start, min(stretch.end, now)
    if start >= now:
        raise WindowTextError(f"“{_short(plain)}” has not come yet. A window begins before now.")
    if not EARLIEST <= start <= end <= LATEST:
        raise WindowTextError(f"A window lies between {EARLIEST.year} and {LATEST.year}.")
    if end - start > LONGEST:
        raise WindowTextError(f"This is longer than {LONGEST.days} days. Write a shorter window, such as 30d.")
    return window.between(start, end)


def _zoned(plain: str, reader: _Reader) -> tuple[str, _Reader]:
    """The text without the zone at its end, and how to read it."""
    if offset := _OFFSET.search(plain):
        # 13:00-14:30 is a stretch; zones may be called by their distance (13:00 -03, 13:00 UTC-03:30).
        called = re.fullmatch(r" -[0-9]{2}(?:[0-9]{2})?| ?(?:utc|gmt)-[0-9]{2}:?(?:[0-9]{2})?", offset[0]) is not None
        tz = _fixed(offset[1], offset[2], offset[3])
        if tz is not None and ":" in plain[: offset.start()] and (offset[1] == "+" or called):
            return plain[: offset.start()], replace(reader, tz=tz, zone=str(tz))
    if re.search(r"[0-9]z$", plain):
        return plain[:-1], replace(reader, tz=UTC, zone="UTC")
    before, _, last = plain.rpartition(" ")
    if not before:
        return plain, reader
    if last in {"utc", "gmt", "z"}:
        return before, replace(reader, tz=UTC, zone="UTC")
    # What the reader's own zone is called in any part of the year.
    seasons = ((reader.now + timedelta(days=days)).astimezone(reader.tz) for days in (0, 91, 182, 273))
    if last in {str(moment.tzname()).lower() for moment in seasons}:
        return before, reader
    if name := _zones().get(last):
        return before, replace(reader, tz=ZoneInfo(name), zone=name)
    return plain, reader


def _fixed(sign: str, hours: str, minutes: str | None) -> timezone | None:
    by = timedelta(hours=int(hours), minutes=int(minutes or 0))
    return timezone(-by if sign == "-" else by) if by <= timedelta(hours=14) else None


@cache
def _zones() -> dict[str, str]:
    return {name.lower(): name for name in available_timezones() if "/" in name}


def _stretch(plain: str, reader: _Reader) -> _Stretch:
    since = re.fullmatch(r"(?:since|from) (.*)", plain)
    body = since[1] if since else plain
    first, separator, rest = body.partition(" for ")
    if separator:
        seconds = _length(rest)
        if seconds is None:
            raise WindowTextError(f"“{_short(rest)}” is not a length. Write for example 90m, 2h or 3d.")
        start = _term(first, reader).start
        return _Stretch(start, start + timedelta(seconds=seconds))
    parts = [part.strip() for part in _TO.split(f" {body} ")]
    if len(parts) > 2:
        raise WindowTextError("There is more than one “to”. Write one beginning and one end, such as 13:00 to 14:30.")
    begin = _term(parts[0], reader)
    if len(parts) == 2:
        end = _term(parts[1], reader, after=begin)
        if end.end <= begin.start:
            raise WindowTextError(
                f"“{_short(parts[1])}” is not after “{_short(parts[0])}”. Write the earlier one first: "
                f"{_short(parts[1])} to {_short(parts[0])}."
            )
        return _Stretch(begin.start, end.end)
    if since:
        return _Stretch(begin.start, reader.now)
    if re.search(r"[0-9]:|am$|pm$|ago$|^now$", body) or _EPOCH.fullmatch(body):
        return _Stretch(begin.start - AROUND, begin.end + AROUND)
    return begin


def _term(text: str, reader: _Reader, after: _Stretch | None = None) -> _Stretch:
    """A moment or a day; ``after`` is what it follows, for one that names no day or no year."""
    text, reader = _zoned(text, reader)
    if not text:
        raise WindowTextError("One end is missing. Write for example 13:00 to 14:30.")
    if text == "now":
        return _Stretch(reader.now, reader.now)
    if text.endswith(" ago") and (seconds := _length(text.removesuffix(" ago"))) is not None:
        moment = reader.now - timedelta(seconds=seconds)
        return _Stretch(moment, moment)
    if _EPOCH.fullmatch(text):
        return _epoch(text)
    if iso := _ISO_MOMENT.fullmatch(text):
        sign, hours, minutes = (iso[3][0], iso[3][1:3], iso[3][4:]) if iso[3] and iso[3] != "z" else ("+", "00", "00")
        tz = _fixed(sign, hours, minutes) if iso[3] else reader.tz
        if tz is None:
            raise WindowTextError(f"“{iso[3]}” is not an offset from UTC. Write for example +01:00 or Z.")
        reader = replace(reader, tz=tz, zone=str(tz) if iso[3] else reader.zone)
        return reader.moment(_day(iso[1], reader, after) or reader.today, _clock(iso[2]), text)
    if _CLOCK.fullmatch(text):
        return _time_of_day(text, reader, after)
    if dated := re.fullmatch(rf"(.{{1,40}}?),?(?: at)? ({_CLOCK.pattern})", text):
        day_text, clock_text = dated[1], dated[2]
    elif dated := re.fullmatch(rf"({_CLOCK.pattern}),?(?: on)? (.{{1,40}})", text):
        day_text, clock_text = dated[dated.lastindex or 1], dated[1]
    else:
        day_text, clock_text = text, ""
    if not clock_text and (days := _days(day_text, reader)) is not None:
        return days
    day = _day(day_text, reader, after)
    if day is None:
        raise WindowTextError(f"“{_short(day_text)}” is not a time or a day. Write for example {EXAMPLES}.")
    return reader.moment(day, _clock(clock_text), text) if clock_text else reader.whole_days(day)


def _time_of_day(text: str, reader: _Reader, after: _Stretch | None) -> _Stretch:
    """A time without a day: the next one after ``after``, or else the last one that was."""
    clock = _clock(text)
    if after is None:
        today = reader.moment(reader.today, clock, text)
        return today if today.start <= reader.now else reader.moment(reader.today - timedelta(days=1), clock, text)
    day = after.start.astimezone(reader.tz).date()
    same = reader.moment(day, clock, text)
    if same.end > after.start:
        return same
    following = reader.moment(day + timedelta(days=1), clock, text)
    if following.start > reader.now:
        raise WindowTextError(
            f"“{_short(text)}” comes before the beginning, and that of the day after has not come yet. "
            "Write the earlier one first, such as 13:00 to 14:30."
        )
    return following


def _clock(text: str) -> time:
    match = _CLOCK.fullmatch(text)
    if match is None:
        raise WindowTextError(f"“{_short(text)}” is not a time of day. Write for example 14:05.")
    hour, minute, second = (int(part or 0) for part in (match[1] or match[5], match[2], match[3]))
    half = match[4] or match[6]
    if half and not 1 <= hour <= 12:
        raise WindowTextError(
            f"“{text}” is not a time of day: with am and pm, hours go from 1 to 12. Write for example 2:05 pm."
        )
    if half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    if hour > 23 or minute > 59 or second > 59:
        raise WindowTextError(
            f"“{text}” is not a time of day: hours go from 00 to 23, minutes from 00 to 59. Write for example 14:05."
        )
    return time(hour, minute, second)


def _days(text: str, reader: _Reader) -> _Stretch | None:
    """Several days that have a name."""
    monday = reader.today - timedelta(days=reader.today.weekday())
    month = reader.today.replace(day=1)
    match text:
        case "this week":
            return reader.whole_days(monday, 7)
        case "last week" | "previous week":
            return reader.whole_days(monday - timedelta(days=7), 7)
        case "this month":
            return reader.whole_days(month, (reader.today - month).days + 1)
        case "last month" | "previous month":
            before = (month - timedelta(days=1)).replace(day=1)
            return reader.whole_days(before, (month - before).days)
    return None


def _day(text: str, reader: _Reader, after: _Stretch | None) -> date | None:
    """The day that a text names; ``None`` where it names none."""
    today = reader.today
    if text in {"today", "yesterday"}:
        return today - timedelta(days=text == "yesterday")
    name = text.removeprefix("last ").removeprefix("on ")
    if name in _WEEKDAYS:
        back = (today.weekday() - _WEEKDAYS[name]) % 7
        return today - timedelta(days=7 if back == 0 and text.startswith("last ") else back)
    if iso := _ISO_DATE.fullmatch(text):
        return _date(int(iso[1]), int(iso[2]), int(iso[3]), text)
    if (match := _DAY_MONTH.fullmatch(text)) and match[2] in _MONTHS:
        day, month, year = match[1], match[2], match[3]
    elif (match := _MONTH_DAY.fullmatch(text)) and match[1] in _MONTHS:
        day, month, year = match[2], match[1], match[3]
    else:
        if re.fullmatch(r"[0-9]{1,4}[/.][0-9]{1,2}[/.]?[0-9]{0,4}", text):
            raise WindowTextError(f"“{text}” can be read in more than one way. Write the date as 2026-11-23.")
        return None
    if year:
        return _date(int(year), _MONTHS[month], int(day), text)
    return _date_without_year(_MONTHS[month], int(day), text, today, after, reader.tz)


def _date_without_year(month: int, day: int, text: str, today: date, after: _Stretch | None, tz: tzinfo) -> date:
    """The next such day after ``after``, or else the last one that was."""
    if after is None:
        years = [year for year in range(today.year, today.year - 9, -1) if _exists(year, month, day)]
        days = [found for year in years if (found := date(year, month, day)) <= today]
    else:
        first = after.start.astimezone(tz).date()
        years = [year for year in range(first.year, first.year + 9) if _exists(year, month, day)]
        days = [found for year in years if (found := date(year, month, day)) >= first]
    if not days:
        raise WindowTextError(f"“{text}” is not a date. Write for example 23 Nov or 2026-11-23.")
    return days[0]


def _exists(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _date(year: int, month: int, day: int, text: str) -> date:
    if not EARLIEST.year <= year < LATEST.year:
        raise WindowTextError(f"“{text}” is out of reach: years go from {EARLIEST.year} to {LATEST.year - 1}.")
    if not _exists(year, month, day):
        raise WindowTextError(f"“{text}” is not a date: the calendar has no such day. Write for example 2026-11-23.")
    return date(year, month, day)


def _epoch(text: str) -> _Stretch:
    moment = datetime.fromtimestamp(int(text) / (1000 if len(text) == 13 else 1), UTC)
    return _Stretch(moment, moment)


def _length(text: str) -> int | None:
    """Seconds of a length such as ``90m`` or ``1h 30min``; ``None`` where the text is none.

    Raises:
        WindowTextError: It is a length that no window can have.
    """
    text = text if text[:1].isdigit() else f"1{text}" if text in {"minute", "hour", "day"} else ""
    if years := re.fullmatch(r"[0-9]{1,6} ?(y|yr|year|years|mo|month|months)", text):
        raise WindowTextError(f"Lengths are not counted in “{years[1]}”. Write days or weeks, such as 30d or 4w.")
    if not _DURATION.fullmatch(text):
        return None
    seconds = round(sum(float(number) * _SECONDS[_UNITS[unit]] for number, unit in _PART.findall(text)))
    if seconds < SHORTEST.total_seconds():
        raise WindowTextError(f"“{text}” is shorter than a minute. The shortest window is 1m.")
    if seconds > LONGEST.total_seconds():
        raise WindowTextError(f"“{text}” is longer than {LONGEST.days} days, the longest window.")
    return seconds


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
