"""The window of a page: which stretch of time all of its panels show, compared with what, in which zone.

The whole of it is in the address of the page, so a link pasted into chat opens the same picture:
``w=1h`` for a window that ends now, ``from`` and ``to`` for one that stands still, ``cmp`` for the
period beside it, ``tz`` for the zone of all times. This module has no Streamlit in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from collectors.span import Span
from settings import Limits, View
from ui import format

PRESETS: dict[str, int] = {
    "15m": 900,
    "1h": 3600,
    "3h": 3 * 3600,
    "6h": 6 * 3600,
    "12h": 12 * 3600,
    "24h": 24 * 3600,
    "2d": 2 * 86400,
    "7d": 7 * 86400,
    "30d": 30 * 86400,
}
"""Relative windows, in seconds, in the order of the list that people choose from."""

_UNITS = {"s": (1, "s"), "m": (60, "min"), "h": (3600, "h"), "d": (86400, "d")}


def preset_title(preset: str) -> str:
    """How a window that ends now is called.

    >>> preset_title("90m")
    'last 90 min'
    """
    return f"last {preset[:-1]} {_UNITS[preset[-1]][1]}"


PRESET_TITLES = {key: preset_title(key) for key in PRESETS}

COMPARE_TITLES: dict[str, str] = {
    "": "no comparison",
    "previous": "previous period",
    "day": "a day earlier",
    "week": "a week earlier",
}

SHORTEST = timedelta(seconds=60)
LONGEST = timedelta(days=400)
EARLIEST, LATEST = datetime(1971, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""Times outside are nobody's; within, every move and comparison stays among the times that Python knows."""

KEYS = ("w", "from", "to", "cmp", "tz")
"""The parameters of an address that belong to the window."""


@dataclass(frozen=True)
class Window:
    """What a page shows.

    Attributes:
        preset: A length such as ``1h`` or ``90m`` for a window that ends now; ``None`` for one that stands still.
        start: First moment of a window that stands still, aware UTC.
        end: Its last moment.
        compare: Which earlier period is drawn beside it: a key of ``COMPARE_TITLES``, or both ends of a stretch as
            ISO 8601 has it (``2026-11-23T14:00:00Z/2026-11-23T15:00:00Z``).
        zone: Name of the time zone of all times on the page.
    """

    preset: str | None
    start: datetime | None = None
    end: datetime | None = None
    compare: str = ""
    zone: str = "UTC"

    @property
    def live(self) -> bool:
        """Whether it ends now and so moves with the clock."""
        return self.preset is not None

    @property
    def tz(self) -> ZoneInfo:
        """The zone of all times."""
        return ZoneInfo(self.zone)

    def ends(self, now: datetime) -> tuple[datetime, datetime]:
        """First and last moment, with the clock at ``now``."""
        if self.start is not None and self.end is not None:
            return self.start, self.end
        return now - timedelta(seconds=seconds_of(self.preset or "1h")), now

    def span(self, now: datetime, limits: Limits) -> Span:
        """The window as sources are asked for it; all viewers within ``answer_ttl`` share it."""
        start, end = self.ends(now)
        return Span.of(start, end, limits.points, live=self.live, quantum=limits.answer_ttl)

    def compared(self, span: Span) -> Span | None:
        """The earlier period for ``span``, on the same step; ``None`` without comparison.

        A stretch is laid on ``span`` by its beginning, and is compared as far as both of them reach.
        """
        if not self.compare:
            return None
        stretch = interval(self.compare)
        if stretch is not None:
            start = stretch[0] - timedelta(seconds=stretch[0].timestamp() % span.step)
            steps = max(int(min((stretch[1] - start).total_seconds(), span.seconds) // span.step), 1)
            return replace(span, start=start, end=start + timedelta(seconds=steps * span.step), live=False)
        back = {"previous": span.seconds, "day": 86400.0, "week": 7 * 86400.0}[self.compare]
        return span.shifted(back)

    def params(self, usual_zone: str = "") -> dict[str, str]:
        """Its part of the address; what is as usual is left out, but for the window itself.

        Args:
            usual_zone: The zone of an address that names none; empty where the address has to name it.
        """
        if self.start is not None and self.end is not None:
            found = {"from": _stamp(self.start), "to": _stamp(self.end)}
        else:
            found = {"w": self.preset or "1h"}
        if self.compare:
            found["cmp"] = self.compare
        if self.zone != usual_zone:
            found["tz"] = self.zone
        return found

    def between(self, start: datetime, end: datetime) -> Window:
        """A window that stands still, at least ``SHORTEST`` long (grown around its middle)."""
        start, end = min(start, end), max(start, end)
        if end - start < SHORTEST:
            middle = start + (end - start) / 2
            start, end = middle - SHORTEST / 2, middle + SHORTEST / 2
        return replace(self, preset=None, start=_whole(start), end=_whole(end))

    def ending_now(self, preset: str) -> Window:
        """A window of that length that moves with the clock."""
        return replace(self, preset=preset, start=None, end=None)

    def moved(self, now: datetime, lengths: float) -> Window:
        """The window moved by a multiple of its length; one that would pass now ends now and stands still."""
        start, end = self.ends(now)
        by = (end - start) * lengths
        by = min(by, now - end)
        return self.between(start + by, end + by)

    def widened(self, now: datetime) -> Window:
        """Twice as long around the same middle, and not beyond now; a preset becomes the next longer one."""
        if self.preset is not None:
            longer = [key for key, seconds in PRESETS.items() if seconds >= 2 * seconds_of(self.preset)]
            return replace(self, preset=longer[0] if longer else self.preset)
        start, end = self.ends(now)
        half = (end - start) / 2
        wide_start, wide_end = start - half, min(end + half, now)
        return self.between(max(wide_start, wide_end - LONGEST), wide_end)

    def held(self, now: datetime) -> Window:
        """The same picture, standing still."""
        return self.between(*self.ends(now))

    def title(self, now: datetime) -> str:
        """How it is called on the page: ``last 1 h`` or ``23 Nov 13:00 – 14:00 UTC``."""
        if self.preset is not None:
            return preset_title(self.preset)
        start, end = (moment.astimezone(self.tz) for moment in self.ends(now))
        before, after = (format.zone_name(moment, self.tz) for moment in (start, end))
        clock = "%H:%M:%S" if start.second or end.second or end - start < timedelta(minutes=10) else "%H:%M"
        day = "%-d %b" if start.year == now.year else "%-d %b %Y"
        until = clock if start.date() == end.date() else f"{day} {clock}"
        between = "" if before == after else f" {before}"  # clocks change within the window
        return f"{start.strftime(f'{day} {clock}')}{between} – {end.strftime(until)} {after}"


def parse(params: Mapping[str, str], view: View, zone: str = "UTC") -> tuple[Window, list[str]]:
    """The window of an address.

    Args:
        params: The address' parameters; those that are not of the window are ignored.
        view: What holds where the address says nothing.
        zone: The zone of an address that names none.

    Returns:
        The window, and a sentence for each parameter that could not be used and what is shown instead.
    """
    remarks: list[str] = []
    window = Window(view.window, zone=zone)
    if "w" in params:
        if _is_preset(params["w"]):
            window = replace(window, preset=params["w"])
        else:
            remarks.append(
                f"w={_short(params['w'])} is not a window; it can be {', '.join(PRESETS)}, or a length such as 90m."
            )
    if "from" in params or "to" in params:
        start, end = moment(params.get("from", "")), moment(params.get("to", ""))
        if start is None or end is None:
            remarks.append("from and to must both be times such as 2026-11-23T14:05:00Z; showing the usual window.")
        elif end <= start:
            remarks.append("from must be before to; showing the usual window.")
        elif end - start > LONGEST:
            remarks.append(f"The window is longer than {LONGEST.days} days; showing its last {LONGEST.days} days.")
            window = window.between(end - LONGEST, end)
        else:
            window = window.between(start, end)
    compare = params.get("cmp", "")
    if compare in COMPARE_TITLES or interval(compare) is not None:
        window = replace(window, compare=compare)
    else:
        remarks.append(
            f"cmp={_short(compare)} is not a comparison; it can be previous, day, week, or two times with a slash "
            "between them."
        )
    if "tz" in params:
        try:
            ZoneInfo(params["tz"])
            window = replace(window, zone=params["tz"])
        except (ZoneInfoNotFoundError, ValueError, OSError):
            remarks.append(f"tz={_short(params['tz'])} is not a time zone; times are in {window.zone}.")
    return window, remarks


def seconds_of(preset: str) -> int:
    """The length of a window that ends now."""
    return int(preset[:-1]) * _UNITS[preset[-1]][0]


def preset_of(seconds: int) -> str:
    """A length as ``Window.preset`` and the address have it: as it is usually called, or else in its largest unit.

    >>> preset_of(5400), preset_of(86400), preset_of(3 * 86400)
    ('90m', '24h', '3d')
    """
    usual = next((key for key, length in PRESETS.items() if length == seconds), "")
    unit = next(unit for unit in ("d", "h", "m", "s") if seconds % _UNITS[unit][0] == 0)
    return usual or f"{seconds // _UNITS[unit][0]}{unit}"


def _is_preset(text: str) -> bool:
    found = re.fullmatch(r"[1-9][0-9]{0,7}[smhd]", text)
    return found is not None and SHORTEST.total_seconds() <= seconds_of(text) <= LONGEST.total_seconds()


def stretch(start: datetime, end: datetime) -> str:
    """A stretch of time as ``Window.compare`` and the address have it."""
    return f"{_stamp(start)}/{_stamp(end)}"


def interval(text: str) -> tuple[datetime, datetime] | None:
    """Both ends of a stretch that :func:`stretch` wrote; ``None`` where it is none."""
    first, _, last = text.partition("/")
    start, end = moment(first), moment(last)
    if start is None or end is None or not SHORTEST <= end - start <= LONGEST:
        return None
    return start, end


def instant(local: datetime, zone: ZoneInfo, *, last: bool = False) -> datetime:
    """The UTC moment of a time without a zone by the clocks of ``zone``.

    Args:
        local: What the clock shows.
        zone: Whose clock.
        last: Which of two moments is meant where clocks go back and show a time twice; else the first.
    """
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return second if last and second > first else first


def moment(text: str) -> datetime | None:
    """An aware time from ISO 8601 (UTC where it names no zone) or from epoch seconds or milliseconds."""
    try:
        if text.isascii() and text.isdecimal() and len(text) <= 16:
            number = int(text)
            found = datetime.fromtimestamp(number / 1000 if number > 10**11 else number, UTC)
        else:
            found = datetime.fromisoformat(text.replace(" ", "+"))
            found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return found if EARLIEST <= found <= LATEST else None


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _whole(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"
