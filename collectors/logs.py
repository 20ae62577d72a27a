"""What a log source answers: the seam between the views and whichever store holds the lines.

Elasticsearch is the first store (:mod:`collectors.elasticsearch.logs`); another one (CloudWatch Logs) comes in by
answering the same questions. Nothing here knows of any store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

import pandas as pd

from collectors.cache import Answer
from collectors.log_query import EVERYTHING, Expression

LEVELS = ("ERROR", "WARN", "INFO", "DEBUG", "TRACE")
"""Levels as Synaptic writes them, the gravest first."""

Order = Literal["newest", "oldest"]

Kinship = Literal["pod", "request", "trace", "session", "all"]
"""What the lines around a line have in common with it."""


@dataclass(frozen=True)
class Question:
    """Which lines are asked for.

    Attributes:
        start: First moment, aware UTC, included.
        end: Last moment, aware UTC, included.
        query: What they must match; filters are part of it.
    """

    start: datetime
    end: datetime
    query: Expression = EVERYTHING


@dataclass(frozen=True)
class Line:
    """One line of a log.

    Attributes:
        id: Its identity within the source; the same line has the same one whenever it is found.
        time: When it was written, aware UTC to the microsecond; ``None`` where it does not say.
        stamp: The same as the source has it, to the nanosecond where it is that exact; may be empty.
        level: One of ``LEVELS`` or as the source has it; empty where it has none.
        message: Its message; may be empty.
        fields: Its known fields by their names in ``log_fields.toml`` (``component``, ``user_id``, ``pod``, …);
            only those that it has.
        document: All of it, with JSON that was kept as text parsed.
        position: Where it lies in the order of the lines, for asking what comes after it; opaque.
    """

    id: str
    time: datetime | None
    stamp: str
    level: str
    message: str
    fields: Mapping[str, Any]
    document: Mapping[str, Any]
    position: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Page:
    """A page of lines.

    Attributes:
        lines: In the order asked for.
        after: Where the next page begins; ``None`` at the end.
        partial: What is missing and why, as a sentence; empty where the answer is whole.
        query: What the source was asked, in its own language, for the info button.
        remarks: What is odd about these lines, each a sentence.
    """

    lines: tuple[Line, ...]
    after: Bookmark | None
    partial: str = ""
    query: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bookmark:
    """Where the next page begins.

    Attributes:
        position: Of the last line that was given.
        snapshot: Identity of the snapshot that the pages are read from, so that lines that arrive meanwhile shift
            nothing; empty where none was made yet.
        seen: What was shown at the last moments of the pages before; opaque.
    """

    position: tuple[Any, ...]
    snapshot: str = ""
    seen: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Histogram:
    """Lines over time.

    Attributes:
        frame: int64 counts; index: starts of the buckets, aware UTC ``DatetimeIndex``, every ``step`` seconds without
            holes; columns: values of the field that it is broken down by, the largest first, ``"other"`` for the rest
            and ``""`` for lines without the field; a single column ``"lines"`` where it is not broken down.
        step: Seconds of a bucket.
        total: How many lines match.
        exact: Whether ``total`` is exact; a lower bound otherwise.
        partial: What is missing and why, as a sentence; empty where the answer is whole.
        query: What the source was asked, in its own language.
    """

    frame: pd.DataFrame
    step: int
    total: int
    exact: bool = True
    partial: str = ""
    query: str = ""


@dataclass(frozen=True)
class TopValues:
    """The most frequent values of a field.

    Attributes:
        field: Name of the field as it was asked for.
        values: Value and number of lines, the most frequent first.
        other: Lines with another value.
        missing: Lines without the field.
        lines: Lines that were looked at.
        sampled: Whether only a part of the matching lines was looked at.
        partial: What is missing and why, as a sentence; empty where the answer is whole.
    """

    field: str
    values: tuple[tuple[str, int], ...]
    other: int = 0
    missing: int = 0
    lines: int = 0
    sampled: bool = False
    partial: str = ""


@dataclass(frozen=True)
class Field:
    """A field that can be asked for.

    Attributes:
        name: How it is written in a query: its name in ``log_fields.toml``, or its path.
        path: Its path in the source.
        kind: What can be asked of it.
        countable: Whether its values can be counted.
        conflict: In how many ways the indices disagree about it, as a sentence; empty where they agree.
        nested: Path of the list of objects that it is part of, where the source keeps each of them by itself.
        keys: Whether it holds keys of any name that are listed nowhere and can be asked for all the same.
    """

    name: str
    path: str
    kind: Literal["keyword", "text", "number", "time", "boolean", "address", "other"]
    countable: bool
    conflict: str = ""
    nested: str = ""
    keys: bool = False


@dataclass(frozen=True)
class Fields:
    """The fields of the lines of a window.

    Attributes:
        known: Those of ``log_fields.toml`` that exist, in its order, then the others by name.
        remarks: What the source lacks, each as a sentence that says what it means for the view.
        unlisted: Further ones, too many to be listed; they can be asked for by their path.
    """

    known: tuple[Field, ...]
    remarks: tuple[str, ...] = ()
    unlisted: tuple[Field, ...] = field(default=(), repr=False)

    @property
    def cut(self) -> int:
        """How many more there are than are listed; 0 where the list is whole."""
        return len(self.unlisted)

    def each(self, name: str) -> tuple[Field, ...]:
        """All places of the field that is written so in a query, by its name or by its path."""
        every = (*self.known, *self.unlisted)
        if found := tuple(one for one in every if name in (one.name, one.path)):
            return found
        return tuple(
            Field(name, name, "keyword", countable=True)
            for one in every
            if one.keys and name.startswith(f"{one.path}.") and not name.endswith(".")
        )

    def named(self, name: str) -> Field | None:
        """The first place of the field that is written so in a query."""
        return next(iter(self.each(name)), None)


@dataclass(frozen=True)
class Around:
    """The lines around a line.

    Attributes:
        before: The lines just before it, the oldest first.
        line: The line itself.
        after: The lines just after it, the oldest first.
        same: What they have in common with it, as field names and values; empty for all lines.
        partial: What is missing and why, as a sentence; empty where the answer is whole.
    """

    before: tuple[Line, ...]
    line: Line
    after: tuple[Line, ...]
    same: Mapping[str, str] = field(default_factory=dict)
    partial: str = ""


class LogSource(Protocol):
    """A store of log lines. Every method raises ``SourceError`` where it has no usable answer."""

    def page(
        self, question: Question, *, size: int = 100, order: Order = "newest", after: Bookmark | None = None
    ) -> Page:
        """A page of lines; follow ``after`` to the very last one without a line lost or doubled. Not kept."""

    def release(self, bookmark: Bookmark) -> None:
        """Give back what a bookmark holds at the source; never raises, it would end by itself as well."""

    def histogram(self, question: Question, *, step: int, by: str = "level", limit: int = 8) -> Answer[Histogram]:
        """Lines over time in buckets of ``step`` seconds, broken down by a field where ``by`` names one."""

    def count(self, question: Question) -> Answer[int]:
        """How many lines match."""

    def top_values(
        self, question: Question, fields: Sequence[str], *, limit: int = 10
    ) -> Answer[tuple[TopValues, ...]]:
        """The most frequent values of some fields, asked together."""

    def fields(self) -> Answer[Fields]:
        """The fields that can be asked for."""

    def timeless(self) -> Answer[int]:
        """How many lines have no time, and so belong to no window."""

    def line(self, line_id: str) -> Line | None:
        """One line by its identity; ``None`` where it is gone."""

    def around(self, line: Line, *, same: Kinship = "pod", size: int = 20) -> Around:
        """The ``size`` lines just before and just after a line that share its pod, request, trace or session."""

    def scan(self, question: Question, *, order: Order = "newest", size: int = 1000, most: int) -> Iterator[Page]:
        """All lines in pages, at most ``most``, for exports and samplers; closes its snapshot at the end."""

    def sample(self, question: Question, *, size: int) -> Page:
        """At most ``size`` lines spread evenly over the window rather than its newest ones; ``partial`` says so."""
