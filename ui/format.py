"""The one formatter: every figure that the console shows as text goes through here.

Three significant digits, a unit that fits, a true minus sign, and an en dash for what is not known.
Never ``nan``, ``None``, or a number in scientific notation. Units are those of the signal catalogue:
``s``, ``B``, ``B/s``, ``ops/s``, ``req/s``, ``1/h``, ``ratio`` (0 to 1, shown as percent), ``percent``
(already 0 to 100), ``count``, ``cores`` and ``timestamp`` (seconds since 1970); any other word is
written behind the number as it is.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import SupportsFloat

import numpy as np
import numpy.typing as npt

UNKNOWN = "–"
"""What is shown for a value that is not known; never a zero."""

MINUS = "\u2212"

Number = SupportsFloat | None
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Step:
    """One rung of a ladder of units: from ``size`` upwards a value is written as a multiple of it."""

    size: float
    suffix: str


@dataclass(frozen=True, slots=True)
class Scale:
    """How a whole column or axis is written: shown = value * factor, with ``decimals``, then ``suffix``."""

    factor: float
    suffix: str
    decimals: int


@dataclass(frozen=True, slots=True)
class Axis:
    """How a linear chart axis is written.

    Attributes:
        factor: What the values are multiplied by before they are plotted.
        unit: The text behind each tick and each hovered value, for example ``ms``; empty for a bare count.
        tick_format: The d3 format of the ticks.
        hover_format: The d3 format of a hovered value; counts are exact there.
    """

    factor: float
    unit: str
    tick_format: str
    hover_format: str


_SECONDS = (
    Step(1e-9, " ns"),
    Step(1e-6, " µs"),
    Step(1e-3, " ms"),
    Step(1.0, " s"),
    Step(60.0, " min"),
    Step(3600.0, " h"),
    Step(86400.0, " d"),
)
_BYTES = tuple(
    Step(1024.0**power, f" {name}") for power, name in enumerate(("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"))
)
_THOUSANDS = (Step(1.0, ""), Step(1e3, " k"), Step(1e6, " M"), Step(1e9, " G"), Step(1e12, " T"))
_COUNTS = (Step(1.0, ""), Step(1e4, " k"), Step(1e6, " M"), Step(1e9, " G"), Step(1e12, " T"))
_PERCENT = (Step(1.0, " %"),)

_LARGEST_SHOWN = 999_999.0
_SMALLEST_SHOWN = 0.001
# No quantity is this large; from here on arithmetic would overflow, so it is as unknown as infinity.
_ABSURD = 1e305


def _ladder(unit: str) -> tuple[Step, ...]:
    match unit:
        case "s":
            return _SECONDS
        case "B":
            return _BYTES
        case "B/s":
            return tuple(Step(step.size, step.suffix + "/s") for step in _BYTES)
        case "ratio" | "percent":
            return _PERCENT
        case "count" | "":
            return _COUNTS
        case "cores":
            return (Step(1.0, " cores"),)
        case _ if unit.startswith("1/"):
            return tuple(Step(step.size, step.suffix + unit[1:]) for step in _THOUSANDS)
        case _:
            return tuple(Step(step.size, f"{step.suffix} {unit}") for step in _THOUSANDS)


def _divisor(step: Step) -> float:
    # Counts are written in full up to 10,000, and in thousands (not in ten thousands) from there.
    return 1e3 if step.size == 1e4 else step.size


def _number(value: Number) -> float | None:
    """The value as a finite float, or None for whatever is not one."""
    if value is None or isinstance(value, str | bytes):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if abs(number) < _ABSURD else None


def _significant(value: float, digits: int = 3) -> float:
    if value == 0 or not math.isfinite(value):
        return 0.0
    return round(value, digits - 1 - math.floor(math.log10(abs(value))))


def _plain(value: float) -> str:
    """Three significant digits without an exponent; the sign is left to the caller, zeros at the end go."""
    if value == 0:
        return "0"
    if value < _SMALLEST_SHOWN:
        return f"<{_SMALLEST_SHOWN}"
    if value > _LARGEST_SHOWN:
        return f">{_LARGEST_SHOWN:,.0f}"
    decimals = max(0, 2 - math.floor(math.log10(value)))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text


def _on_ladder(value: Number, ladder: Sequence[Step]) -> str:
    number = _number(value)
    if number is None:
        return UNKNOWN
    size = abs(number)
    if ladder is _COUNTS and number.is_integer() and size < 1e4:
        step, text = ladder[0], f"{size:,.0f}"
    else:
        step = Step(1.0, " s") if ladder is _SECONDS and size == 0 else _step_of(size, ladder)
        text = _plain(_significant(size / _divisor(step)))
    sign = MINUS if number < 0 and text != "0" else ""
    return f"{sign}{text}{step.suffix}"


def seconds(value: Number) -> str:
    """A length of time in seconds, in the unit that fits.

    >>> seconds(0.84), seconds(0.0000123), seconds(5400), seconds(None)
    ('840 ms', '12.3 µs', '1.5 h', '–')
    """
    return _on_ladder(value, _SECONDS)


def bytes_iec(value: Number) -> str:
    """A size in bytes, in IEC units (powers of 1,024).

    >>> bytes_iec(1181116006), bytes_iec(512), bytes_iec(float("nan"))
    ('1.1 GiB', '512 B', '–')
    """
    return _on_ladder(value, _BYTES)


def rate(value: Number, unit: str = "ops/s") -> str:
    """A number per time.

    >>> rate(1241), rate(0.4, "req/s"), rate(7, "1/h")
    ('1.24 k ops/s', '0.4 req/s', '7/h')
    """
    return _on_ladder(value, _ladder(unit))


def percent(value: Number) -> str:
    """A percentage that is already between 0 and 100.

    >>> percent(99.95), percent(0.4), percent(0.00001), percent(-2)
    ('100 %', '0.4 %', '<0.001 %', '−2 %')
    """
    return _on_ladder(value, _PERCENT)


def count(value: Number) -> str:
    """A number of things: exact below 10,000, short from there.

    >>> count(9876), count(12412), count(3_400_000), count(0.5)
    ('9,876', '12.4 k', '3.4 M', '0.5')
    """
    return _on_ladder(value, _COUNTS)


def exact(value: Number) -> str:
    """A number of things in full, for a hover text or a detail.

    >>> exact(12412), exact(0.25), exact(None)
    ('12,412', '0.25', '–')
    """
    number = _number(value)
    if number is None:
        return UNKNOWN
    if abs(number) >= 1e15:
        return count(number)
    text = f"{abs(number):,.0f}" if number.is_integer() else f"{abs(number):,.6f}".rstrip("0").rstrip(".")
    return (MINUS if number < 0 and text != "0" else "") + text


def money(value: Number, currency: str = "USD") -> str:
    """An amount of money: cents from 1 to 1,000, short from 10,000.

    >>> money(12.5), money(1240), money(12_412), money(0.0042)
    ('12.50 USD', '1,240 USD', '12.4 k USD', '0.0042 USD')
    """
    number = _number(value)
    if number is None:
        return UNKNOWN
    sign = MINUS if number < 0 else ""
    size = abs(number)
    if 1 <= size < 1000 and f"{size:.2f}" != "1000.00":
        return f"{sign}{size:.2f} {currency}"
    return f"{count(round(number) if 1000 <= size < 1e4 else number)} {currency}"


def value(number: Number, unit: str) -> str:
    """A value with its unit, by the unit words of the signal catalogue.

    >>> value(0.84, "s"), value(0.004, "ratio"), value(1241, "ops/s"), value(7, "1/h"), value(3, "cores")
    ('840 ms', '0.4 %', '1.24 k ops/s', '7/h', '3 cores')
    >>> value(1795442712, "timestamp"), value(None, "B")
    ('2026-11-23 14:05:12 UTC', '–')
    """
    known = _number(number)
    if known is None:
        return UNKNOWN
    if unit == "timestamp":
        try:
            moment = datetime.fromtimestamp(known, UTC)
        except (OverflowError, OSError, ValueError):
            return UNKNOWN
        return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    return _on_ladder(known * 100 if unit == "ratio" else known, _ladder(unit))


def scale(values: Iterable[Number], unit: str) -> Scale:
    """The one unit and precision that suits a whole column: the middle value has three significant digits.

    >>> scale([0.012, 0.84, 0.2], "s")
    Scale(factor=1000.0, suffix=' ms', decimals=0)
    """
    sizes = _sizes(values) * (100 if unit == "ratio" else 1)
    ladder = _ladder(unit)
    factor = 100.0 if unit == "ratio" else 1.0
    if not sizes.size:
        step = Step(1.0, _step_of(1.0, ladder).suffix)
        return Scale(factor, step.suffix, 0)
    # Sorted, so that the middle is a value that exists: the mean of two would be nobody's.
    middle = float(np.sort(sizes)[sizes.size // 2])
    step = _step_of(middle, ladder)
    whole = bool(np.all(sizes == np.floor(sizes)))
    if ladder is _COUNTS and whole and float(sizes.max()) < 1e6:
        return Scale(factor, "", 0)
    if whole and _divisor(step) == 1.0:
        return Scale(factor, step.suffix, 0)
    shown = middle / _divisor(step)
    decimals = min(3, max(0, 2 - math.floor(math.log10(_significant(shown)))))
    return Scale(factor / _divisor(step), step.suffix, decimals)


def column(values: Sequence[Number], unit: str) -> list[str]:
    """The values of one column, all in the same unit with the same number of decimals.

    >>> column([0.012, 0.84, None, 12.4], "s")
    ['12 ms', '840 ms', '–', '12,400 ms']
    >>> column([1, 12412], "count")
    ['1', '12,412']
    """
    if unit == "timestamp":
        return [value(number, unit) for number in values]
    chosen = scale(values, unit)
    return [_in_scale(_number(number), chosen, unit) for number in values]


def _in_scale(number: float | None, chosen: Scale, unit: str) -> str:
    if number is None:
        return UNKNOWN
    shown = number * chosen.factor
    if abs(shown) > _LARGEST_SHOWN:
        return value(number, unit)
    text = f"{abs(shown):,.{chosen.decimals}f}"
    if number != 0 and not text.strip("0.,"):
        return f"<{10.0**-chosen.decimals:.{chosen.decimals}f}{chosen.suffix}"
    return (MINUS if number < 0 else "") + text + chosen.suffix


def axis(values: Iterable[Number], unit: str) -> Axis:
    """How a linear axis that must show ``values`` is written, by the largest of them.

    >>> axis([0.02, 0.84], "s")
    Axis(factor=1000.0, unit='ms', tick_format=',.3~r', hover_format=',.3~r')
    >>> axis([12412], "ops/s")
    Axis(factor=1.0, unit='ops/s', tick_format='.3~s', hover_format=',.4~r')
    """
    percentage = 100.0 if unit == "ratio" else 1.0
    sizes = _sizes(values) * percentage
    largest = float(sizes.max()) if sizes.size else 1.0
    ladder = _ladder(unit)
    if unit in {"s", "B", "B/s", "ratio", "percent"}:
        step = _step_of(largest, ladder)
        return Axis(percentage / step.size, step.suffix.strip(), ",.3~r", ",.3~r")
    # Counts and rates keep their own size: the ticks are short (12k), a hovered value is exact.
    tick_format = ".3~s" if largest >= ladder[1 if len(ladder) > 1 else 0].size and len(ladder) > 1 else ",.3~r"
    hover_format = ",.0f" if ladder is _COUNTS and bool(np.all(sizes == np.floor(sizes))) else ",.4~r"
    return Axis(1.0, ladder[0].suffix.strip(), tick_format, hover_format)


def texts(values: Floats, unit: str) -> list[str]:
    """Like :func:`value` for a whole array, some twenty times faster: for hovered texts of long series.

    >>> texts(np.array([0.84, 0.0000123, float("nan")]), "s")
    ['840 ms', '12.3 µs', '–']
    """
    ladder = _ladder(unit)
    with np.errstate(over="ignore"):
        amounts = values * 100 if unit == "ratio" else values
    # Zero, gaps and negative values take the slow way below.
    known = np.isfinite(amounts) & (amounts > 0)
    safe = np.where(known, amounts, 1.0)
    rungs = np.searchsorted([step.size * _ROUNDS_UP for step in ladder], safe, side="right") - 1
    rungs = np.clip(rungs, 0, None)
    shown = safe / np.array([_divisor(step) for step in ladder])[rungs]
    # Within these bounds "%g" writes three digits, no zeros at the end and no exponent.
    plain = known & (shown >= _SMALLEST_SHOWN) & (shown < 999.5)
    suffixes = [step.suffix for step in ladder]
    rows = zip(plain.tolist(), shown.tolist(), rungs.tolist(), values.tolist(), strict=True)
    return [f"{size:.3g}{suffixes[rung]}" if easy else value(raw, unit) for easy, size, rung, raw in rows]


def _sizes(values: Iterable[Number]) -> Floats:
    if isinstance(values, np.ndarray):
        numbers = np.abs(values.astype(np.float64, copy=False).ravel())
    else:
        known = (_number(number) for number in values)
        numbers = np.abs(np.array([number for number in known if number is not None], dtype=np.float64))
    chosen: Floats = numbers[(numbers > 0) & (numbers < _ABSURD)]
    return chosen


# What three digits round up to the next unit: 999.7 ms are written as 1 s and not as 1,000 ms.
_ROUNDS_UP = 0.9995


def _step_of(size: float, ladder: Sequence[Step]) -> Step:
    return next((step for step in reversed(ladder) if size >= step.size * _ROUNDS_UP), ladder[0])


def on_clock(moment: datetime, zone: tzinfo) -> datetime:
    """A moment on the clock of a zone; one at the edge of the calendar, where that zone has no time, stays in UTC.

    >>> from zoneinfo import ZoneInfo
    >>> on_clock(datetime.max.replace(tzinfo=UTC), ZoneInfo("Asia/Tokyo")).year
    9999
    """
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment.replace(tzinfo=UTC)


def zone_name(moment: datetime, zone: tzinfo) -> str:
    """The name of a time zone at a moment, as it is printed behind a time.

    >>> from zoneinfo import ZoneInfo
    >>> noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    >>> zone_name(noon, UTC), zone_name(noon, ZoneInfo("Europe/Berlin")), zone_name(noon, ZoneInfo("Asia/Dubai"))
    ('UTC', 'CET', 'UTC+04')
    """
    name = on_clock(moment, zone).tzname() or ""
    return f"UTC{name}" if name[:1] in "+-" and name else name or "UTC"


def timestamp(moment: datetime | None, zone: tzinfo = UTC, *, date: bool = False, now: datetime | None = None) -> str:
    """A moment as clock time with its zone; with the date before it where it is not of today, or if asked for.

    Args:
        moment: With a time zone.
        zone: The viewer's.
        date: Whether today's date is written too.
        now: What decides what today is; the clock by default.

    Raises:
        ValueError: The moment has no time zone, so that nobody could say when it was.

    >>> noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    >>> timestamp(datetime(2026, 11, 23, 14, 5, 12, tzinfo=UTC), now=noon)
    '14:05:12 UTC'
    >>> timestamp(datetime(2026, 11, 22, 14, 5, 12, tzinfo=UTC), now=noon)
    '2026-11-22 14:05:12 UTC'
    """
    if moment is None:
        return UNKNOWN
    return f"{clock(moment, zone, date=date, now=now)} {zone_name(moment, zone)}"


def clock(
    moment: datetime, zone: tzinfo, *, date: bool = False, milliseconds: bool = False, now: datetime | None = None
) -> str:
    """What the viewer's clock showed at a moment, without its zone; the rest as for :func:`timestamp`.

    Raises:
        ValueError: The moment has no time zone.

    >>> clock(datetime(2026, 11, 23, 14, 5, 12, 345678, tzinfo=UTC), UTC, date=True, milliseconds=True)
    '2026-11-23 14:05:12.345'
    """
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone cannot be shown")
    local = on_clock(moment, zone)
    text = f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}" if milliseconds else f"{local:%H:%M:%S}"
    dated = date or local.date() != (now or datetime.now(UTC)).astimezone(zone).date()
    return f"{local.date().isoformat()} {text}" if dated else text


# As views, which know of no viewer, write a moment in a sentence.
_IN_UTC = re.compile(r"\b(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC\b")


def localised(text: str, zone: tzinfo, now: datetime | None = None) -> str:
    """A sentence with its moments, written as ``2026-11-23 14:05:12 UTC``, on the viewer's clock.

    >>> from zoneinfo import ZoneInfo
    >>> noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    >>> localised("Reset before 2026-11-23 14:05:12 UTC.", ZoneInfo("Asia/Kolkata"), now=noon)
    'Reset before 19:35:12 IST.'
    """

    def by_the_viewers_clock(found: re.Match[str]) -> str:
        try:
            return timestamp(datetime.fromisoformat(found[1]).replace(tzinfo=UTC), zone, now=now)
        except (ValueError, OverflowError):
            return found[0]

    return _IN_UTC.sub(by_the_viewers_clock, text)


_PARTS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def duration(length: timedelta | Number) -> str:
    """A length of time in its two largest parts; below a minute as :func:`seconds`.

    >>> duration(5400), duration(timedelta(days=2, hours=3, minutes=5)), duration(0.84), duration(-90)
    ('1 h 30 min', '2 d 3 h', '840 ms', '−1 min 30 s')
    """
    number = length.total_seconds() if isinstance(length, timedelta) else _number(length)
    if number is None:
        return UNKNOWN
    if abs(number) < 59.95:
        return seconds(number)
    left = round(abs(number))
    if left >= 1_000_000 * 86400:
        return seconds(number)
    words: list[str] = []
    for name, size in _PARTS:
        amount, left = divmod(left, size)
        if amount or words:
            words.append(f"{amount:,} {name}" if amount else "")
        if len(words) == 2:
            break
    return (MINUS if number < 0 else "") + " ".join(word for word in words if word)


def ago(moment: datetime | None, now: datetime) -> str:
    """How long before ``now`` a moment was, in one unit.

    >>> now = datetime(2026, 11, 23, 14, 5, 12, tzinfo=UTC)
    >>> ago(now - timedelta(minutes=3, seconds=20), now), ago(now, now), ago(now + timedelta(hours=2), now)
    ('3 min ago', 'just now', 'in 2 h')
    """
    if moment is None:
        return UNKNOWN
    passed = (now - moment).total_seconds()
    if abs(passed) < 1:
        return "just now"
    name, size = next((part for part in _PARTS if abs(passed) >= part[1]), _PARTS[-1])
    words = f"{int(abs(passed) // size):,} {name}"
    return f"{words} ago" if passed > 0 else f"in {words}"


def change(now: Number, before: Number) -> str:
    """How a value compares with the one before: in percent, from twice as much on as a factor.

    >>> change(103, 100), change(98, 100), change(340, 100), change(100.2, 100), change(5, 0), change(None, 1)
    ('+3 %', '−2 %', '3.4×', '=', 'new', '–')
    """
    current, earlier = _number(now), _number(before)
    if current is None or earlier is None:
        return UNKNOWN
    if earlier == 0:
        return "=" if current == 0 else "new"
    ratio = current / earlier
    if not math.isfinite(ratio):
        return "new"
    if ratio >= 2:
        return f"{_plain(_significant(ratio, 2))}×"
    percentage = (current - earlier) / abs(earlier) * 100
    if abs(percentage) < 0.5:
        return "="
    sign = "+" if percentage > 0 else MINUS
    return f"{sign}{_plain(_significant(abs(percentage), 2))} %"
