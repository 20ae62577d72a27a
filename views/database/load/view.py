"""The load of the database over time: who was active, and what they ran or waited for.

All of it is read from the records, where the worker keeps its samples, so it can be seen while the database is down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import pandas as pd

from analysis.events import Event
from collectors.cache import Answer
from collectors.errors import SourceError, TimedOut, Unreachable
from collectors.registry import Sources
from collectors.span import Span
from records.activity import HOUR, MINUTE, MINUTES_KEPT, Blocking, Dimension
from records.activity_reading import Load, list_blocking, read_groups, read_load, read_texts
from records.database import Database
from records.errors import RecordsError
from views.database.load.names import BY, is_rest, names_of, shares_of
from views.database.load.processors import Processors, load_processors
from views.database.rules import activity
from views.shared.events import events_or_none
from views.shared.parallel import side_by_side
from views.shared.silence import silence_of

T = TypeVar("T")

MOST_SHOWN = 9
"""How many values of a dimension a chart tells apart."""

LATE = timedelta(minutes=3)
"""How old the newest samples may be before it is said that they stopped: they are written once a minute."""

Narrow = Mapping[str, str]
"""What the page is narrowed to: name of :data:`BY` → value, as in the address."""


@dataclass(frozen=True)
class OverTime:
    """Load over time by one dimension.

    Attributes:
        by: Name of the dimension, as in the address.
        frame: Average active sessions; columns as text, the largest first, the rest as ``other``; as
            :func:`views.database.rules.activity.over_time`, cut where the newest samples are.
        names: Column → how it is called.
        processors: What it is set against.
        events: What happened meanwhile.
        step: Seconds between two rows.
        newest: End of the newest stretch that is kept at all; ``None`` where none is.
        oldest: Start of the oldest one.
        unknown: Why there are no samples; empty where there are.
    """

    by: str
    frame: pd.DataFrame
    names: Mapping[str, str]
    processors: Processors
    events: tuple[Event, ...]
    step: int
    newest: datetime | None
    oldest: datetime | None
    unknown: str

    @property
    def total(self) -> pd.Series:
        """All active sessions over time."""
        return activity.total(self.frame)


@dataclass(frozen=True)
class Parts:
    """What the load of a span is made of.

    Attributes:
        shares: Name of the dimension → ``name``, ``load``, ``share`` and ``key`` (as in the address; empty for the
            rest), the largest first; of queries also ``id``.
        looks: How often it was looked within the span.
        unknown: Why there is nothing; empty where there is.
    """

    shares: Mapping[str, pd.DataFrame]
    looks: float
    unknown: str


@dataclass(frozen=True)
class Judged:
    """What the first row is made of.

    Attributes:
        over_time: Load by wait event.
        heavy: The newest stretch with too much of it; ``None`` where there was none.
        parts: What that stretch is made of, or the whole window.
        worst: The moment of that stretch, or of the window, at which most sessions waited for others; ``None`` where
            none is kept.
        narrowed: Whether only a part of the load is looked at.
        stopped: Since when there are no samples although there should be; ``None`` where they go on.
        why: Why they stopped, as a sentence; may be empty.
    """

    over_time: OverTime
    heavy: activity.Heavy | None
    parts: Parts
    worst: Blocking | None
    narrowed: bool
    stopped: datetime | None
    why: str


def load_over_time(
    sources: Sources,
    database: Database | None,
    by: str,
    narrow: Narrow,
    span: Span,
    *,
    most: int | None = MOST_SHOWN,
    enabled: bool = True,
) -> Answer[OverTime]:
    """Load over the window by one dimension.

    Args:
        sources: The environment's sources.
        database: The records; ``None`` where they cannot be reached.
        by: A key of :data:`BY`.
        narrow: What it is narrowed to.
        span: The window.
        most: How many values are told apart; ``None`` for all.
        enabled: Whether this console does background work, for the words where nothing is kept.

    Raises:
        SourceError: The records could not be read, or the environment has no database.
    """
    _ = sources.postgres  # without one there is nothing to tell
    records = records_of(database)
    hours, step, start = grain_of(span)
    columns = _columns(narrow)

    def read() -> Load:
        return told(
            lambda: read_load(
                records, sources.environment, BY[by][0], start, span.end, hours=hours, narrow=columns, most=most
            )
        )

    found, processors, events = side_by_side(
        read, partial(load_processors, sources), partial(events_or_none, sources, span)
    )
    sessions: dict[tuple[datetime, str], int] = {}
    for (moment, name), seen in found.sessions.items():
        column = activity.OTHER if name is None or (by != "wait" and is_rest(by, name)) else str(name)
        sessions[(moment, column)] = sessions.get((moment, column), 0) + seen
    whole = activity.over_time(found.samples, sessions, start, span.end, step)
    frame = _cut(whole, found.newest, step)
    if most is not None:
        frame = activity.top(frame, most)
    texts: dict[int, str] = {}
    if by == "query":
        asked = [int(name) for name in frame.columns if name != activity.OTHER]
        texts = told(lambda: read_texts(records, sources.environment, asked))
    names = names_of(by, frame.columns, texts)
    newest = found.newest + timedelta(seconds=MINUTE) if found.newest is not None else None
    unknown = "" if bool(activity.total(frame).notna().any()) else _why_nothing(sources, found, span, enabled=enabled)
    over_time = OverTime(by, frame, names, processors, events, step, newest, found.oldest, unknown)
    return Answer(over_time, _as_of(newest, span), _silence(sources, newest, span))


def load_parts(
    sources: Sources, database: Database | None, narrow: Narrow, span: Span, *, enabled: bool = True
) -> Answer[Parts]:
    """What the load of the window is made of, by each dimension; arguments as for :func:`load_over_time`.

    Raises:
        SourceError: The records could not be read, or the environment has no database.
    """
    _ = sources.postgres
    records = records_of(database)
    hours, _step, start = grain_of(span)
    return _parts(sources, records, narrow, start, span, hours=hours, enabled=enabled)


def load_judged(
    sources: Sources, database: Database | None, narrow: Narrow, span: Span, *, enabled: bool = True
) -> Answer[Judged]:
    """Is it too much, since when, and what is it; arguments as for :func:`load_over_time`.

    Raises:
        SourceError: The records could not be read, or the environment has no database.
    """
    # All events, for those of one class are summed up.
    kept = load_over_time(sources, database, "wait", narrow, span, most=None, enabled=enabled)
    records, found = records_of(database), kept.value
    heavy = activity.heavy(found.frame, found.processors.count, found.step)
    whole = span
    if heavy is not None:
        whole = Span(heavy.start, heavy.end or span.end, span.step, span.live and heavy.end is None)
    hours, _, start = grain_of(span)
    start = max(start, heavy.start) if heavy is not None else start
    parts = _parts(sources, records, narrow, start, whole, hours=hours, enabled=enabled).value
    moments = told(lambda: list_blocking(records, sources.environment, whole.start, whole.end))
    worst = max(moments, key=lambda one: one.waiting, default=None)
    stopped, why = None, ""
    if found.newest is not None and span.live and datetime.now(UTC) - found.newest > LATE:
        stopped, why = found.newest, why_not_sampled(sources, enabled=enabled)
    return kept.with_value(Judged(found, heavy, parts, worst, bool(narrow), stopped, why))


def _silence(sources: Sources, newest: datetime | None, span: Span) -> SourceError | None:
    """Why the samples that end a live window are not of now; a window of the past has all that it will have."""
    return silence_of(sources.postgres.source.guard) if newest is not None and span.live else None


def why_not_sampled(sources: Sources, *, enabled: bool) -> str:
    """Why the worker takes no samples, as far as this console can tell; empty where it cannot."""
    if not enabled:
        return "This console does no background work: worker.enabled is off in its settings."
    try:
        kept = sources.postgres.server()
        error, server = kept.error, kept.value
    except SourceError as failed:
        error, server = failed, None
    if error is not None:
        return f"{error.source} {error.what}. {error.hint}".strip()
    if server is not None and not server.read_all_stats:
        return f'The role {server.role} may not see what sessions do: GRANT pg_monitor TO "{server.role}";'
    return ""


def _why_nothing(sources: Sources, found: Load, span: Span, *, enabled: bool) -> str:
    if found.newest is None or found.oldest is None:
        cause = why_not_sampled(sources, enabled=enabled)
        begins = "The worker writes its first samples a minute after it began."
        return f"The sessions of this database have not been sampled yet. {cause or begins}"
    if span.end <= found.oldest:
        return f"No samples in this window: the oldest that are kept are of {found.oldest:%Y-%m-%d %H:%M:%S} UTC."
    return (
        "No samples in this window: no console sampled the sessions then, or the server did not answer. The newest "
        f"ones are of {found.newest:%Y-%m-%d %H:%M:%S} UTC."
    )


def _parts(
    sources: Sources,
    records: Database,
    narrow: Narrow,
    start: datetime,
    span: Span,
    *,
    hours: bool,
    enabled: bool,
) -> Answer[Parts]:
    environment, columns = sources.environment, _columns(narrow)
    looked, groups = side_by_side(
        lambda: told(lambda: read_load(records, environment, None, start, span.end, hours=hours)),
        lambda: told(lambda: read_groups(records, environment, start, span.end, hours=hours, narrow=columns)),
    )
    looks = float(sum(looked.samples.values()))
    texts = told(lambda: read_texts(records, environment, {group.query_id for group in groups}))
    shares = {by: shares_of(groups, by, looks, texts) for by in BY}
    unknown = "" if looks else _why_nothing(sources, looked, span, enabled=enabled)
    if looks and not groups:
        unknown = "No session was active in this window."
    error = _silence(sources, looked.newest if looks else None, span)
    as_of = datetime.now(UTC) if error is None else _as_of(looked.newest, span)
    return Answer(Parts(shares, looks, unknown), as_of, error)


def _cut(frame: pd.DataFrame, newest: datetime | None, step: int) -> pd.DataFrame:
    """Without the minutes at the end that are not written yet; a longer silence is a gap and stays."""
    if newest is None:
        return frame
    last = pd.Timestamp(newest)
    late = frame.index[-1] - last
    if not pd.Timedelta(0) < late <= LATE + pd.Timedelta(seconds=step):
        return frame
    return frame.loc[:last]


def grain_of(span: Span) -> tuple[bool, int, datetime]:
    """Whether hours are read, the seconds between two rows, and where the first row begins."""
    hours = span.seconds > MINUTES_KEPT.total_seconds() or span.start < datetime.now(UTC) - MINUTES_KEPT
    step = max(span.step, HOUR if hours else MINUTE)
    step += -step % (HOUR if hours else MINUTE)
    return hours, step, datetime.fromtimestamp(span.start.timestamp() // step * step, UTC)


def _columns(narrow: Narrow) -> dict[Dimension, Any]:
    return {BY[by][0]: int(value) if by == "query" else value for by, value in narrow.items()}


def _as_of(newest: datetime | None, span: Span) -> datetime:
    now = datetime.now(UTC)
    return min(newest, now) if newest is not None and span.live else now


def records_of(database: Database | None) -> Database:
    """The records.

    Raises:
        Unreachable: There are none.
    """
    if database is None:
        raise Unreachable("records", "", "cannot be reached", hint="The console's log says why.")
    return database


def told(read: Callable[[], T]) -> T:
    """What the records answer.

    Raises:
        SourceError: They could not be read; their error as that of a source.
    """
    try:
        return read()
    except RecordsError as error:
        kind = TimedOut if error.kind in {"timed-out", "locked"} else Unreachable
        raise kind("records", "", f"could not be read: {error}", hint="The console's log says more.") from None
