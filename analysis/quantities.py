"""Figures inside the sentences of findings: three significant digits, a unit that fits, no exponent."""

from __future__ import annotations

import math

UNKNOWN = "–"
"""What stands for a figure that is no number, or infinite."""

_SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_AMOUNTS = ("", " k", " M", " G", " T")
_TIMES = (("d", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0))
_YEAR = 365.25 * 86400


def size(value: float) -> str:
    """A number of bytes.

    >>> size(0), size(1536), size(5 * 2**30)
    ('0 B', '1.5 KiB', '5 GiB')
    """
    if not math.isfinite(value):
        return UNKNOWN
    power = min(int(math.log(abs(value), 1024)), len(_SIZES) - 1) if abs(value) >= 1 else 0
    return f"{_digits(value / 1024**power)} {_SIZES[power]}"


def amount(value: float) -> str:
    """A number of things, in full below 10,000.

    >>> amount(9876), amount(12_412), amount(2_100_000_000)
    ('9,876', '12.4 k', '2.1 G')
    """
    if not math.isfinite(value):
        return UNKNOWN
    if abs(value) < 10_000:
        return f"{value:,.0f}"
    power = min(int(math.log10(abs(value)) // 3), len(_AMOUNTS) - 1)
    return f"{_digits(value / 1000**power)}{_AMOUNTS[power]}"


def share(value: float) -> str:
    """A share of one, in percent.

    >>> share(0.413), share(0.004), share(1)
    ('41 %', '0.4 %', '100 %')
    """
    percent = value * 100
    return f"{percent:.0f} %" if percent >= 10 or percent == 0 else f"{percent:.2g} %"


def length(seconds: float) -> str:
    """A length of time in one unit and at most two digits; beyond two years in years.

    >>> length(42), length(5400), length(3 * 86400), length(40 * 365.25 * 86400)
    ('42 s', '1.5 h', '3 d', '40 years')
    """
    if seconds >= 2 * _YEAR:
        years = seconds / _YEAR
        return f"{years:,.0f} years" if years < 1000 else "over 1,000 years"
    name, unit = next((one for one in _TIMES if seconds >= one[1]), _TIMES[-1])
    value = seconds / unit
    text = f"{value:.1f}".removesuffix(".0") if value < 10 else f"{value:.0f}"
    return f"{text} {name}"


def _digits(value: float) -> str:
    whole = len(f"{abs(value):.0f}")
    text = f"{value:,.{max(0, 2 - (whole - 1))}f}" if whole < 3 else f"{value:,.0f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
