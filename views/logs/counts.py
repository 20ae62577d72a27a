"""Counts of the lines that a search finds: over time, by the values of fields, by what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from analysis.events import Event
from collectors.cache import Answer
from collectors.log_fields import catalogue, tells_who
from collectors.logs import Fields, Histogram, Question, TopValues
from collectors.registry import Sources
from collectors.span import STEPS, Span
from records.database import Database
from views.logs.masks import Visibility, masked_histogram, masked_top
from views.logs.patterns import Patterns, load_patterns
from views.logs.view import Asked, checked
from views.shared.ages import oldest
from views.shared.events import events_or_none
from views.shared.parallel import side_by_side

BARS = 80
"""Most bars of the histogram; as many as can be told apart and dragged over."""

LISTED = ("level", "component", "operation", "pod")
"""Fields whose most frequent values are shown before anybody chose one."""

MOST_VALUES = 6


@dataclass(frozen=True)
class Counts:
    """Lines over time.

    Attributes:
        histogram: The counts.
        by: The field they are broken down by.
        events: What happened within the window.
        remarks: What the reader must know, each a sentence.
    """

    histogram: Histogram
    by: str
    events: tuple[Event, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Values:
    """The most frequent values of some fields.

    Attributes:
        fields: All fields that can be asked for.
        top: The values.
        hidden: Titles of identifier fields that the viewer may not count.
        masked: Field and value of each in ``top`` that stands for others: no line has it, so it makes no filter.
    """

    fields: Fields
    top: tuple[TopValues, ...]
    hidden: tuple[str, ...] = ()
    masked: frozenset[tuple[str, str]] = frozenset()


def load_counts(sources: Sources, asked: Asked, span: Span, by: str, visibility: Visibility) -> Answer[Counts | None]:
    """Lines over time, broken down by a field; ``None`` where the search cannot be asked.

    Raises:
        SourceError: No usable answer, and none young enough is kept.
    """
    if checked(sources, asked) is not None:
        return _nothing(sources)
    remarks: list[str] = []
    if tells_who(by) and not visibility.identifiers:
        remarks.append(f"{by} tells who somebody is: counting by it needs the role operator. Levels are shown.")
        by = "level"
    step = next((step for step in STEPS if span.seconds / step <= BARS), STEPS[-1])
    question = Question(span.start, span.end, asked.expression)
    kept, events = side_by_side(
        lambda: sources.logs.histogram(question, step=step, by=by), lambda: events_or_none(sources, span)
    )
    found = masked_histogram(kept.value, by, visibility)
    if found.partial:
        remarks.append(found.partial)
    return Answer(Counts(found, by, events, tuple(remarks)), kept.as_of, kept.error)


def load_values(
    sources: Sources, asked: Asked, span: Span, more: Sequence[str], visibility: Visibility
) -> Answer[Values | None]:
    """The most frequent values of the listed fields and of those in ``more``; ``None`` where it cannot be asked.

    Raises:
        SourceError: No usable answer, and none young enough is kept.
    """
    if checked(sources, asked) is not None:
        return _nothing(sources)
    kept = sources.logs.fields()
    fields = kept.value
    hidden: tuple[str, ...] = ()
    if not visibility.identifiers:
        fields = replace(
            fields, known=tuple(one for one in fields.known if not tells_who(one.name) and not tells_who(one.path))
        )
        hidden = tuple(one.title for one in catalogue().values() if one.identifier)
    countable = {name for one in fields.known if one.countable for name in (one.name, one.path)}
    names = [name for name in dict.fromkeys((*more, *LISTED)) if name in countable]
    if not names:
        return kept.with_value(Values(fields, (), hidden))
    question = Question(span.start, span.end, asked.expression)
    top = sources.logs.top_values(question, names, limit=MOST_VALUES)
    shown = tuple(masked_top(one, visibility) for one in top.value)
    plain = {(one.field, value) for one in top.value for value, _ in one.values}
    masked = frozenset((one.field, value) for one in shown for value, _ in one.values) - plain
    return oldest([kept, top], Values(fields, shown, hidden, masked))


def load_said(
    sources: Sources, database: Database | None, asked: Asked, span: Span, visibility: Visibility
) -> Answer[Patterns | None]:
    """The patterns of the lines that match; ``None`` where the search cannot be asked.

    Raises:
        SourceError: No usable answer, and none young enough is kept.
    """
    if checked(sources, asked) is not None:
        return _nothing(sources)
    events = events_or_none(sources, span)
    return load_patterns(sources, database, span, asked.expression, visibility=visibility, events=events)


def _nothing(sources: Sources) -> Answer[None]:
    kept = sources.logs.fields()
    return kept.with_value(None)
