"""Numbers as stores write them: sample values, bucket bounds and counts, in text or in JSON."""

from __future__ import annotations

import math


def number(value: object) -> float:
    """A number as a float, for whatever a store wrote.

    Text may hold what Go, C and Python write: ``+Inf``, ``-Inf``, ``NaN``, ``1e400`` (an infinity), ``0x1p-2``.

    Returns:
        NaN for what is no number: other text, a boolean, nothing.

    >>> number("+Inf"), number("0x1p-2"), number(2**80) == 2**80, number("1e400")
    (inf, 0.25, True, inf)
    """
    if isinstance(value, float):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    if not isinstance(value, str) or not value.isascii() or "_" in value or len(value) > LONGEST:
        return math.nan
    try:
        return float.fromhex(value) if "x" in value.lower() else float(value)
    except OverflowError:
        return -math.inf if value.strip().startswith("-") else math.inf
    except ValueError:
        return math.nan


LONGEST = 400
"""Characters of the longest number that is read: a float64 written out in full has some 330."""
