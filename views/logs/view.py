"""The logs as the page shows them: what was asked, a page of lines with what happened between them, one line.

A search is a text in the language of :mod:`collectors.log_query`, and filters beside it that are texts of the same
language. Whatever is returned from here has passed :mod:`views.logs.masks`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from analysis.events import Event
from collectors.cache import Answer
from collectors.deadline import deadline
from collectors.elasticsearch.dsl import check, forbidden_fields
from collectors.elasticsearch.search import TIME, at
from collectors.errors import SourceError
from collectors.log_fields import catalogue, identifiers, known_field, tells_who
from collectors.log_query import (
    Compare,
    Expression,
    Not,
    QueryMistake,
    Term,
    Text,
    both,
    fields_of,
    negated,
    parse,
    values_of,
    write,
)
from collectors.logs import Around, Bookmark, Kinship, Line, Order, Question
from collectors.registry import Sources
from collectors.span import Span
from views.logs.masks import Visibility, identified_by, masked, masked_around, masked_pattern
from views.logs.rules.patterns import WILDCARD, Miner, Pattern, fixed_phrases, text_of
from views.shared.events import load_events
from views.shared.parallel import side_by_side

PAGE = 200
"""Lines of one page of the list."""

LONGEST_MESSAGE, LONGEST_CELL = 400, 120
"""Characters of a message and of a cell in the list; the opened line has all of them."""

EVENTS_PATIENCE = 1.5
"""Seconds that a page of lines waits for what happened between them; it is shown without them otherwise."""

RELATED = ("request_id", "trace_id", "session_id", "user_id", "pod")
"""Fields whose value leads from one line to all that share it."""


@dataclass(frozen=True)
class Mistake:
    """What cannot be asked.

    Attributes:
        message: What is wrong, as a sentence.
        text: The text that it is about; empty where it is about none.
        position: Index of the character in ``text``; ``None`` where no place is to blame.
        length: Characters to blame from there.
        suggestion: What ``text`` may have been meant to be; empty where that cannot be told.
        filter: Whether the text is a filter and not the search.
    """

    message: str
    text: str = ""
    position: int | None = None
    length: int = 0
    suggestion: str = ""
    filter: bool = False


@dataclass(frozen=True)
class Asked:
    """A search that could be read.

    Attributes:
        text: The text of the search field.
        filters: The filters beside it, as they were written.
        expression: What both say together.
        mistakes: What could not be read and is left out; nothing is asked where the search itself is among it.
    """

    text: str
    filters: tuple[str, ...]
    expression: Expression
    mistakes: tuple[Mistake, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether there is something to ask."""
        return not self.mistakes


@dataclass(frozen=True)
class Row:
    """A line as the list shows it: small, so that a page of lines may be kept for each viewer.

    Attributes:
        id: Identity of the line.
        time: When it was written, aware UTC; ``None`` where it does not say.
        level: As the source has it; may be empty.
        message: The message and the error that came with it, cut.
        cells: The values of the chosen columns as texts, cut; empty where the line has none.
    """

    id: str
    time: datetime | None
    level: str
    message: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Next:
    """Where the next page begins.

    Attributes:
        bookmark: For the source.
        time: When the last line before it was written, so that what happened in between is on one page and not on two.
    """

    bookmark: Bookmark
    time: datetime | None


@dataclass(frozen=True)
class LogPage:
    """A page of the list.

    Attributes:
        rows: Lines and what happened between them, in the order asked for.
        start: First moment of the window that the list shows, aware UTC.
        end: Its last moment.
        after: Where the next page begins; ``None`` at the end.
        remarks: What is missing and why, each a sentence.
        query: What the source was asked, in its own language.
        mistake: What the source's fields say against the search; there are no rows then.
    """

    rows: tuple[Row | Event, ...]
    start: datetime
    end: datetime
    after: Next | None = None
    remarks: tuple[str, ...] = ()
    query: str = ""
    mistake: Mistake | None = None

    @property
    def lines(self) -> int:
        """Lines among the rows."""
        return sum(isinstance(row, Row) for row in self.rows)


@dataclass(frozen=True)
class Opened:
    """One line.

    Attributes:
        line: All of it, as the viewer may see it.
        related: Field name → filter for all lines with the same value, of :data:`RELATED`.
        filters: Field name → filter for its value, where the viewer may filter by it.
        pattern: What it says without its values; masked like the line.
        same_pattern: Filter for lines of its pattern; empty where nothing in the pattern is fixed.
    """

    line: Line
    related: Mapping[str, str]
    filters: Mapping[str, str]
    pattern: str
    same_pattern: str


def understood(text: str, filters: Sequence[str], visibility: Visibility) -> Asked:
    """What a search and its filters ask for; never raises.

    Searching by who somebody is needs the right to see who: the number of hits would tell it otherwise.
    """
    parts: list[Expression] = []
    mistakes: list[Mistake] = []
    for place, one in enumerate((text, *filters)):
        try:
            expression = parse(one)
        except QueryMistake as mistake:
            mistakes.append(_mistaken(mistake, one, filter=place > 0))
            continue
        who = frozenset(filter(tells_who, fields_of(expression)))
        refused = () if visibility.identifiers else forbidden_fields(expression, who)
        if refused:
            start = max(one.find(refused[0]), 0)
            mistakes.append(
                Mistake(
                    f"{refused[0]} tells who somebody is: searching by it needs the role operator.",
                    one,
                    start,
                    len(refused[0]),
                    filter=place > 0,
                )
            )
            continue
        for word, what in () if visibility.identifiers else _identified(expression):
            if what:
                start = max(one.find(word), 0)
                message = f"{word} looks like {what}: searching for who somebody is needs the role operator."
                mistakes.append(Mistake(message, one, start, min(len(word), len(one) - start), filter=place > 0))
        parts.append(expression)
    return Asked(text, tuple(filters), both(*parts), tuple(mistakes))


def _identified(expression: Expression) -> Iterator[tuple[str, str]]:
    """Each word or value that a query looks for, and the identifier that it looks like."""
    for one in values_of(expression):
        match one:
            case Text(words, _, prefix):
                yield words, identified_by(words, prefix=prefix)
            case Term(field, value, _, prefix):
                known = known_field(field)
                loose = known is not None and known.kind == "text"
                yield value, identified_by(value, prefix=prefix, loose=loose)
            case Compare(field, low, high) if field != TIME:
                yield from ((value, identified_by(value, loose=False)) for value in (low, high) if value)


def checked(sources: Sources, asked: Asked) -> Mistake | None:
    """What the fields that the source has say against a search; ``None`` where it can be asked.

    Raises:
        SourceError: The fields could not be asked, and no good answer is kept.
    """
    fields = sources.logs.fields().value
    for place, one in enumerate((asked.text, *asked.filters)):
        try:
            check(one, parse(one), fields)
        except QueryMistake as mistake:
            return _mistaken(mistake, one, filter=place > 0)
    return None


def load_page(
    sources: Sources,
    asked: Asked,
    span: Span,
    *,
    order: Order = "newest",
    after: Next | None = None,
    columns: Sequence[str] = (),
    visibility: Visibility,
    size: int = PAGE,
) -> LogPage:
    """A page of lines, with the deploys, restarts and alerts between them.

    Args:
        sources: The environment's sources.
        asked: Which lines.
        span: The window that the whole list is from.
        order: Newest or oldest first.
        after: Where the page begins; the list's beginning otherwise.
        columns: Fields whose values the rows have.
        visibility: What the viewer may see.
        size: Most lines of the page.

    Raises:
        SourceError: No usable answer from the log source.
    """
    mistake = checked(sources, asked)
    if mistake is not None:
        return LogPage((), span.start, span.end, mistake=mistake)
    question = Question(span.start, span.end, asked.expression)
    bookmark = after.bookmark if after is not None else None
    ask = partial(sources.logs.page, question, size=size, order=order, after=bookmark)
    page, (events, remarks) = side_by_side(ask, partial(_events, sources, span))
    lines = [masked(line, visibility) for line in page.lines]
    found = [_row(line, columns) for line in lines]
    rows = interleaved(found, events, order, before=after.time if after is not None else None, last=page.after is None)
    following = Next(page.after, found[-1].time) if page.after is not None else None
    partly = (*((page.partial,) if page.partial else ()), *page.remarks)
    return LogPage(rows, span.start, span.end, following, (*partly, *remarks), page.query)


def newer(sources: Sources, asked: Asked, since: datetime, until: datetime) -> int | None:
    """How many lines arrived after a list was made; ``None`` where that is not known."""
    if until <= since:
        return 0
    try:
        # Both ends count as within; what was written in the very microsecond of the end is told a little late.
        return sources.logs.count(Question(since, until, asked.expression)).value
    except SourceError:
        return None


def interleaved(
    rows: Sequence[Row], events: Sequence[Event], order: Order, *, before: datetime | None, last: bool
) -> tuple[Row | Event, ...]:
    """The lines of a page with the events among them, each event on one page.

    Args:
        rows: The lines, in their order.
        events: All events of the window.
        order: The order of the lines.
        before: When the last line of the page before was written; ``None`` on the first page.
        last: Whether it is the last page, so that all events behind its last line belong to it.
    """
    down = order == "newest"
    end = None if last or not rows else rows[-1].time
    low, high = (end, before) if down else (before, end)
    inside = [event for event in events if (low is None or event.time > low) and (high is None or event.time <= high)]
    waiting = deque(sorted(inside, key=lambda event: event.time, reverse=down))
    found: list[Row | Event] = []
    for row in rows:
        while waiting and row.time is not None and (waiting[0].time > row.time) == down:
            found.append(waiting.popleft())
        found.append(row)
    return (*found, *waiting)


def load_line(sources: Sources, line_id: str, visibility: Visibility) -> Answer[Opened | None]:
    """One line with all it has; ``None`` where it is gone.

    Raises:
        SourceError: No usable answer.
    """
    found = sources.logs.line(line_id)
    return Answer(None if found is None else _opened(found, visibility), datetime.now(UTC))


def load_around(
    sources: Sources, line_id: str, same: Kinship, visibility: Visibility, size: int = 20
) -> Answer[Around | None]:
    """The lines just before and just after a line; ``None`` where it is gone.

    Raises:
        SourceError: No usable answer.
    """
    found = sources.logs.line(line_id)
    around = None if found is None else sources.logs.around(found, same=same, size=size)
    return Answer(None if around is None else masked_around(around, visibility), datetime.now(UTC))


def filter_of(name: str, value: object, *, out: bool = False) -> str:
    """The filter for lines whose field has a value, or for all others."""
    text = "true" if value is True else "false" if value is False else str(value)
    term = Term(name, text)
    return write(Not(term) if out else term)


def inverted(text: str) -> str:
    """The filter for what a filter leaves out; the same text where it cannot be read."""
    try:
        return write(negated(parse(text)))
    except QueryMistake:
        return text


def pattern_filter(pattern: Pattern, *, out: bool = False) -> str:
    """The filter for lines of a pattern, by the phrases that all of them have; empty where they have none.

    Lines of another pattern may hold the same phrases, so it may show a few lines more.
    """
    parts: list[Expression] = [parse(write(Term(where, words, phrase=True))) for where, words in fixed_phrases(pattern)]
    if not parts:
        return ""
    if pattern.level:
        parts.append(Term("level", pattern.level))
    if pattern.component:
        parts.append(Term("component", pattern.component))
    found = both(*parts)
    return write(negated(found) if out else found)


def told(line: Line) -> str:
    """What a line says in a row: its message, and the error where the message does not tell it."""
    return text_of(line.message, str(line.fields.get("error", "")))


def _mistaken(mistake: QueryMistake, text: str, *, filter: bool) -> Mistake:
    return Mistake(mistake.message, text, mistake.position, mistake.length, mistake.suggestion, filter)


def _events(sources: Sources, span: Span) -> tuple[tuple[Event, ...], tuple[str, ...]]:
    try:
        with deadline(EVENTS_PATIENCE):
            found = load_events(sources, span).value
    except SourceError as error:
        return (), (f"Deploys, restarts and alerts are not shown between the lines: {error.source} {error.what}.",)
    return found.events, found.remarks


def _row(line: Line, columns: Sequence[str]) -> Row:
    cells = tuple(_cut(_value(line, name), LONGEST_CELL) for name in columns)
    return Row(line.id, line.time, line.level, _cut(told(line), LONGEST_MESSAGE), cells)


def _value(line: Line, name: str) -> Any:
    found = line.fields.get(name)
    return at(line.document, name) if found is None else found


def _cut(value: Any, length: int) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _opened(line: Line, visibility: Visibility) -> Opened:
    miner = Miner()
    component = str(line.fields.get("component", ""))
    pattern = miner.get(miner.add(line.level, component, told(line)))
    seen = masked(line, visibility)
    allowed = {
        name: value for name, value in line.fields.items() if visibility.identifiers or name not in identifiers()
    }
    if line.level:
        allowed["level"] = line.level
    filters = {
        name: filter_of(name, value)
        for name, value in allowed.items()
        if isinstance(value, str | int | float) and name in catalogue() and catalogue()[name].kind != "text"
    }
    related = {name: filters[name] for name in RELATED if name in filters}
    if pattern is None:
        return Opened(seen, related, filters, "", "")
    shown = masked(replace(line, message=pattern.template), visibility).message
    # What was masked is no phrase to search for: the filter would tell it.
    words = tuple(
        ours if ours == theirs else WILDCARD for ours, theirs in zip(shown.split(), pattern.words, strict=False)
    )
    whole = len(words) == len(pattern.words)
    safe = masked_pattern(replace(pattern, words=words), visibility)
    return Opened(seen, related, filters, shown, pattern_filter(safe) if whole else "")
