"""What the Logs page is set to, all of it in its address: search, filters, columns, order, what is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import streamlit as st

from ui import address, context

if TYPE_CHECKING:
    from collectors.logs import Order

Reading = Literal["newest", "oldest", "tail"]
"""How the list is read: newest first, oldest first, or newest first and asked for anew every few seconds."""

COLUMNS = ("component", "pod")
"""Columns of the list, besides time, level and message, until a viewer chooses others."""

_READINGS: tuple[Reading, ...] = ("newest", "oldest", "tail")

MOST_COLUMNS = 12
_LONGEST = 2000
LONGEST_PATTERN = 64
"""Characters of a pattern's identity; ours have 16."""


@dataclass(frozen=True)
class LogState:
    """The part of the address that belongs to the Logs page.

    Attributes:
        query: Text of the search field (``q``).
        filters: Filters beside it, each as it is written in a query (``f``, repeated).
        columns: Names of the fields that are columns of the list (``cols``).
        by: Field that the histogram is broken down by (``by``).
        reading: How the list is read (``order``).
        line: Identity of the opened line (``line``); empty where none is.
        pattern: Identity of the opened pattern (``pattern``); empty where none is.
    """

    query: str = ""
    filters: tuple[str, ...] = ()
    columns: tuple[str, ...] = COLUMNS
    by: str = "level"
    reading: Reading = "newest"
    line: str = ""
    pattern: str = ""

    @property
    def order(self) -> Order:
        """The order of the lines."""
        return "oldest" if self.reading == "oldest" else "newest"


def read() -> LogState:
    """What the address says; what it cannot mean is as usual."""
    columns: tuple[str, ...] = COLUMNS
    if "cols" in st.query_params:
        columns = tuple(
            dict.fromkeys(name.strip()[:200] for name in address.text("cols", 4000).split(",") if name.strip())
        )
    return LogState(
        query=address.text("q", _LONGEST + 1),
        filters=address.several("f", _LONGEST),
        columns=columns[:MOST_COLUMNS],
        by=address.text("by", 200, "level") or "level",
        reading=address.choice("order", _READINGS, "newest"),
        line=address.text("line", _LONGEST),
        pattern=address.text("pattern", LONGEST_PATTERN),
    )


def search(text: str) -> None:
    """Search for another text; the filters stay."""
    context.change(q=text.strip(), line="", pattern="")


def add_filter(text: str) -> None:
    """Show only lines that match this as well."""
    filters = read().filters
    if text and text not in filters:
        context.change(f=[*filters, text], line="", pattern="")


def remove_filter(text: str) -> None:
    """Show the lines that this filter left out."""
    context.change(f=[one for one in read().filters if one != text])


def replace_filter(old: str, new: str) -> None:
    """Put another filter in the place of one."""
    context.change(f=list(dict.fromkeys(new if one == old else one for one in read().filters)))


def only(text: str) -> None:
    """Show all lines that match this filter, whatever was searched for before."""
    context.change(q="", f=[text], line="", pattern="")


def load(query: str, filters: Sequence[str], columns: Sequence[str]) -> None:
    """Show what a saved search found, as it was listed."""
    context.change(q=query, f=list(filters), cols=_written(columns), line="", pattern="")


def choose_columns(names: Sequence[str]) -> None:
    """Show these columns."""
    context.change(cols=_written(names))


def break_down(by: str) -> None:
    """Break the histogram down by another field."""
    context.change(by="" if by == "level" else by)


def read_as(reading: Reading) -> None:
    """Read the list in another way."""
    context.change(order="" if reading == "newest" else reading, line="")


def open_line(line_id: str) -> None:
    """Open a line beside the list, or close the opened one with an empty text."""
    context.change(line=line_id)


def open_pattern(pattern_id: str) -> None:
    """Open a pattern below the table of them, or close the opened one with an empty text."""
    context.change(pattern=pattern_id)


def link(**values: str | Sequence[str]) -> dict[str, list[str]]:
    """The parameters of a link to this page in its present window, with nothing else of its state but ``values``."""
    found = {name: [value] for name, value in context.current().params().items()}
    found |= {name: [value] if isinstance(value, str) else list(value) for name, value in values.items() if value}
    return found


def _written(columns: Sequence[str]) -> str:
    # A field with a comma in its name cannot be a column; "," stands for no columns at all.
    return "" if tuple(columns) == COLUMNS else ",".join(name for name in columns if "," not in name) or ","
