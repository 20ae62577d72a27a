"""A window of the past: what was wrong then, at its worst and with its times.

It is told from the history that the sources keep, and from the records.

What only is known of this moment (who is ready, which alerts are held, who waits) says nothing about another time and
is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from analysis.events import Event, EventKind
from analysis.verdict import Cause, Clock, Finding, Reading, Status, Words, in_a_line, of_reading, when
from collectors.cache import Answer
from collectors.errors import NotConfigured, SourceError
from collectors.registry import Sources
from collectors.signals import catalogue
from collectors.span import Span
from records.activity_reading import list_blocking
from records.database import Database
from records.errors import RecordsError
from records.troubles import list_troubles
from views.cache import view as cache_view
from views.cache.history import Memory
from views.database.sessions.locks import LockLoad, lock_load, worst_moment
from views.database.sessions.verdict import MANY_WAIT
from views.overview.badges import Badge
from views.overview.recovery import as_finding
from views.overview.rules.worth import LOCKS_KEY, Frame, by_worth, how_bad, lasting
from views.shared.events import load_events
from views.shared.figures import ALSO_JUDGED, FIGURES, load_reading
from views.shared.parallel import side_by_side

FEW = 3
"""Sessions that waited at one moment from which on that is worth a word of a window of the past."""

MOST_KEPT = 320
"""Characters of a sentence of the records: its times stand behind it and must stay readable."""

FROM_FIGURES = frozenset({"alerts"})
"""Keys of troubles of the records that the window's own history tells better."""


@dataclass(frozen=True)
class Past:
    """What is known of a window of the past.

    Attributes:
        findings: What was wrong, the cause first; each with its times.
        readings: The signals at their worst.
        events: What happened.
        locks: How much was waited for locks; ``None`` where nobody looked.
        most_waiting: How many sessions waited at the worst moment that is kept.
        cache: What is said about the cache; ``None`` where nothing is known of it.
        recorded: Whether the records could be read.
        failures: Why a part is missing.
        judged: Those of the findings by which the window is judged: no blips, where anything lasted.
    """

    findings: tuple[Finding, ...]
    readings: tuple[Reading, ...]
    events: tuple[Event, ...]
    locks: LockLoad | None
    most_waiting: int
    cache: cache_view.Verdict | None
    recorded: bool
    failures: tuple[SourceError, ...]
    judged: tuple[Finding, ...]

    @property
    def known(self) -> int:
        """How many signals have a value."""
        return sum(one.now is not None for one in self.readings)


@dataclass(frozen=True)
class _Database:
    locks: LockLoad | None = None
    finding: Finding | None = None
    most_waiting: int = 0


def load_past(sources: Sources, span: Span, value: Words, clock: Clock, where: Memory) -> Answer[Past]:
    """What was wrong within a window of the past; a part that cannot be asked is left out.

    Args:
        sources: The environment's sources.
        span: The window.
        value: Writes a number with its unit.
        clock: Writes a time in the viewer's zone.
        where: The records.
    """
    failures: dict[str, SourceError] = {}

    def readings() -> list[Reading]:
        signals = catalogue()
        judged = [signals[key] for key in (*FIGURES, *ALSO_JUDGED) if key in signals]
        try:
            answers = side_by_side(*(partial(load_reading, sources, one, span) for one in judged))
        except SourceError as error:
            failures["prometheus"] = error
            return []
        return [kept.value for kept in answers]

    def happened() -> tuple[Event, ...]:
        try:
            return load_events(sources, span).value.events
        except SourceError as error:
            failures.setdefault(error.source, error)
            return ()

    def cache() -> cache_view.Verdict | None:
        try:
            found = cache_view.load_verdict(sources, where, span, value, clock).value
        except NotConfigured:
            return None
        except SourceError as error:
            failures.setdefault(error.source, error)
            return None
        return found if found.covered else None

    figures, events, of_cache, of_database, (recorded, troubles) = side_by_side(
        readings, happened, cache, partial(_database, sources, span, clock, value, where),
        partial(_troubles, sources, span, clock, where),
    )  # fmt: skip
    deploys = [one for one in events if one.kind is EventKind.DEPLOY]
    found = [told for one in figures if (told := of_reading(one, deploys, value, clock)) is not None]
    if of_database.finding is not None:
        found.append(of_database.finding)
    known = {one.identity for one in found}
    found += [one for one in troubles if one.identity not in known]
    alerts = _alerts(events, clock)
    if alerts is not None:
        found.append(alerts)
    frame = _frame(span)
    past = Past(
        tuple(by_worth(found, frame)),
        tuple(figures),
        events,
        of_database.locks,
        of_database.most_waiting,
        of_cache,
        recorded,
        tuple(failures.values()),
        tuple(lasting(found, frame)),
    )
    return Answer(past, datetime.now(UTC))


def overall(past: Past) -> Status:
    """How bad it was at its worst, as the headline tells it: a blip does not colour what lasted and was less bad."""
    statuses = {one.status for one in past.judged}
    for status in ("broken", "risk", "unknown"):
        if status in statuses:
            return status
    return "ok" if past.known else "unknown"


def headline(past: Past, span: Span, clock: Clock) -> str:
    """The worst of the window in one sentence, with its times; without a full stop."""
    if past.findings:
        text = past.findings[0].text
        return text[:1].upper() + text[1:]
    window = f"from {clock(span.start)} to {clock(span.end)}"
    if not past.known:
        return f"Nothing is known about the time {window}: there are no samples of it"
    return f"Nothing is known to have been wrong {window}"


def badges(past: Past, value: Words) -> tuple[Badge, ...]:
    """What is known of the parts at that time; a part without history is left out."""
    made: list[Badge] = []
    alerts = [one for one in past.events if one.kind is EventKind.ALERT]
    if past.known:
        text = f"{len(alerts) or 'no'} alert{'' if len(alerts) == 1 else 's'} began to fire"
        made.append(Badge("alerts", text, "risk" if alerts else "ok", "alerts"))
    if past.locks is not None:
        worst_: Status = next((one.status for one in past.findings if one.identity == LOCKS_KEY), "ok")
        text = f"at most {past.most_waiting} waited for a lock" if past.most_waiting else "hardly any lock waits"
        made.append(Badge("database", f"database: {text}", worst_, "database"))
    if past.cache is not None and past.cache.state.share is not None:
        bad = any(one.identity.startswith(("cache:", "signal:cache")) for one in past.findings)
        text = f"cache: {value(past.cache.state.share, 'ratio')} hits"
        made.append(Badge("cache", text, "risk" if bad else "ok", "cache"))
    return tuple(made)


def _database(sources: Sources, span: Span, clock: Clock, value: Words, where: Memory) -> _Database:
    """Who waited for locks within the window, from the samples of the worker."""
    if where.database is None or sources.database is None:
        return _Database()
    try:
        load = lock_load(where.database, sources.environment, span.start, span.end)
        worst_one = worst_moment(where.database, sources.environment, span.start, span.end)
        if worst_one is None or worst_one.waiting < FEW:
            return _Database(load, None, worst_one.waiting if worst_one is not None else 0)
        began, ended = _blocked(where.database, sources.environment, span)
    except RecordsError:
        return _Database()
    status: Status = "broken" if worst_one.waiting >= MANY_WAIT else "risk"
    share = f", {value(load.share, 'ratio')} of the load of the window" if load is not None and load.share else ""
    times = when(began, ended, clock) if began != ended else ""
    text = (
        f"Database: {worst_one.waiting} sessions waited for locks at {clock(worst_one.taken_at)}, in front "
        f"{in_a_line(worst_one.root)}{share}{f', {times}' if times else ''}"
    )
    finding = Finding(status, text, "database", began, LOCKS_KEY, Cause.LOCK, ended, weight=float(worst_one.waiting))
    return _Database(load, finding, worst_one.waiting)


def _blocked(database: Database, environment: str, span: Span) -> tuple[datetime, datetime]:
    """First and last moment of blocking that is kept of the window."""
    moments = [one.taken_at for one in list_blocking(database, environment, span.start, span.end)]
    return min(moments), max(moments)


def _troubles(sources: Sources, span: Span, clock: Clock, where: Memory) -> tuple[bool, list[Finding]]:
    """Episodes of the records that overlap the window, the worst of each key."""
    if where.database is None:
        return False, []
    try:
        kept = list_troubles(where.database, sources.environment, span.start, span.end)
    except RecordsError:
        return False, []
    found: dict[str, Finding] = {}
    for one in kept:
        told = as_finding(one)
        if told.cause is Cause.REMARK or one.key in FROM_FIGURES or one.key.startswith("signal:"):
            continue  # the figures' own history is exact
        times = when(told.since, told.until if one.ended_at is not None else None, clock)
        told = replace(told, text=f"{in_a_line(_without_times(told.text), MOST_KEPT)}, {times}")
        before = found.get(one.key)
        if before is None or how_bad(told, _frame(span)) > how_bad(before, _frame(span)):
            found[one.key] = told
    return True, list(found.values())


def _frame(span: Span) -> Frame:
    return Frame(span.start, span.end, span.step)


def _without_times(text: str) -> str:
    """A sentence of then without its own beginning, which the episode has in the viewer's zone."""
    for now, then in (
        (" has not answered since ", "did not answer"),
        (" has given no usable answer since ", "gave no usable answer"),
    ):
        head, _, tail = text.partition(now)
        if tail:
            return f"{head} {then}"
    return text.partition(", since ")[0]


def _alerts(events: Sequence[Event], clock: Clock) -> Finding | None:
    """Alerts that began to fire within the window."""
    fired = [one for one in events if one.kind is EventKind.ALERT]
    if not fired:
        return None
    names = list(dict.fromkeys(one.title for one in fired))
    listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    number = len(fired)
    bad = any(one.severity == "critical" for one in fired)
    text = f"{number} alert{'' if number == 1 else 's'} began to fire: {listed}, the first at {clock(fired[0].time)}"
    return Finding("broken" if bad else "risk", text, "alerts", fired[0].time, "alerts", Cause.ALERT, fired[-1].time)
