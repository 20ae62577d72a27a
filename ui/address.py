"""What a page's address says, each part within bounds: whoever writes an address can write anything into it.

All pages read their parameters here. What cannot be used counts as if it were not there.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar

import streamlit as st

from ui.window import moment as as_moment

T = TypeVar("T", bound=str)

MOST_FILTERS = 20
"""Filters that a page takes from its address; a person sees no more."""

LONGEST = 2000
"""Characters of one parameter."""

BIGINT = (-(2**63), 2**63 - 1)
"""Bounds of an identifier of PostgreSQL."""


def text(name: str, most: int = LONGEST, usual: str = "") -> str:
    """A parameter, cut to ``most`` characters."""
    return st.query_params.get(name, usual)[:most]


def choice(name: str, known: Iterable[T], usual: T) -> T:
    """A parameter that is one of the known ones; the usual one where it is none of them."""
    asked = st.query_params.get(name, "")
    return next((one for one in known if one == asked), usual)


def integer(name: str, low: int = 0, high: int = BIGINT[1]) -> int | None:
    """A parameter that is a whole number in ASCII within these bounds; ``None`` where it is none."""
    return whole(st.query_params.get(name, ""), low, high)


def whole(written: str, low: int = 0, high: int = BIGINT[1]) -> int | None:
    """A whole number as people write it, within these bounds; ``None`` where a text is none."""
    digits = written.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 19):
        return None
    found = int(written)
    return found if low <= found <= high else None


def several(name: str, most: int = LONGEST) -> tuple[str, ...]:
    """The values of a parameter that may be there several times: each once, not too many, none too long."""
    values = (value for value in st.query_params.get_all(name) if value.strip() and len(value) <= most)
    return tuple(dict.fromkeys(values))[:MOST_FILTERS]


def moment(name: str) -> datetime | None:
    """A parameter that is a time, as ``from`` and ``to`` may be; ``None`` where it is none or nobody's."""
    written = st.query_params.get(name, "")
    return as_moment(written) if len(written) <= 40 else None
