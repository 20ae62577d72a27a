"""The statements of a window: which take the database's time, which became slower, and after which deploy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd

from analysis.events import Event
from analysis.verdict import before
from collectors.cache import Answer
from collectors.errors import NotConfigured, SourceError, Unreachable
from collectors.postgres import statements as postgres_statements
from collectors.postgres.statements import Info
from collectors.registry import Sources
from collectors.span import Span
from records import statement_reads as reads
from records.database import Database
from records.errors import RecordsError
from records.statements import SampleRow
from views.database.rules import sql_tags, sql_text
from views.database.rules.statement_changes import Step, oftener, slower
from views.database.rules.statement_rates import Stretches, rates
from views.database.rules.statements import OTHERS
from views.database.statements.parts import Change, Statement, Statements, Sums, sums_by
from views.shared.events import events_or_none

T = TypeVar("T")

TOP = 4
"""Statements that the chart tells apart; the others are one part."""

MOST = 500
"""Most statements of a table; the rest is told as a number."""

LEAST_SHARE = 0.01
"""Share of the load from which a change of a statement is worth a word."""

LEAST_PAST, LEAST_PAST_AFTER_DEPLOY = timedelta(hours=20), timedelta(minutes=10)
"""For how long statements must be known before one may be called new; right after a deploy less is enough."""

LOOK_BACK = timedelta(hours=1)
"""How much before the window what is usual is taken from."""

QUIET = 5
"""Samples without a run of it after which a new statement counts as one that came and went."""

TREND_POINTS = 40

INFO_TTL = 10.0


def load_statements(
    sources: Sources, records: Database | None, span: Span, earlier: Span | None, *, literals: bool
) -> Answer[Statements]:
    """The statements of a window.

    Args:
        sources: The environment's sources.
        records: The console's own memory; ``None`` where it cannot be reached.
        span: The window.
        earlier: What it is compared with.
        literals: Whether the viewer may see values and comments in texts.

    Raises:
        SourceError: Nothing is known, and this is why.
    """
    postgres = sources.postgres

    def load() -> Statements:
        info, trouble = _info(sources)
        found = asked_records(lambda: _load(sources, records_or_raise(records), span, earlier, info, literals))
        if trouble is not None and not found.seconds:
            raise trouble
        return replace(found, trouble=trouble)

    view = (postgres.environment, "statements", span.seconds, literals)
    kept = sources.cache.get(view, (span, earlier), load)
    value = kept.value
    return Answer(value, value.until or kept.as_of, kept.error or value.trouble)


def records_or_raise(records: Database | None) -> Database:
    """The records.

    Raises:
        Unreachable: They cannot be reached.
    """
    if records is None:
        raise Unreachable("records", "", "cannot be reached, and what statements gained is kept there", trips=False)
    return records


def asked_records(ask: Callable[[], T]) -> T:
    """What the records answer, with their error as that of a source.

    Raises:
        SourceError: They could not be asked.
    """
    try:
        return ask()
    except RecordsError as error:
        raise Unreachable("records", "", f"cannot be used: {error}", trips=False) from None


def _info(sources: Sources) -> tuple[Info | None, SourceError | None]:
    """What the server says about its counting now, or why it does not."""
    postgres = sources.postgres
    try:
        kept = postgres.kept_under("statement info", None, lambda: _allowed(sources), ttl=INFO_TTL)
    except NotConfigured:
        raise
    except SourceError as error:
        return None, error
    return kept.value, kept.error


def _allowed(sources: Sources) -> Info:
    """The same, and no error only where the counters may be read as well."""
    postgres = sources.postgres
    postgres.ask("statement_texts", {"ids": [], "characters": 1})
    return postgres_statements.info(postgres)


def _load(
    sources: Sources, records: Database, span: Span, earlier: Span | None, info: Info | None, literals: bool
) -> Statements:
    environment = sources.environment
    start, end = span.start, span.end
    samples = reads.read_samples(records, environment, start, end)
    totals = reads.read_totals(records, environment, start, end)
    own = _own_role(sources, totals)
    totals = totals[totals["user"] != own]
    events = events_or_none(sources, _wider(span))
    if not samples:
        return Statements(
            (), Sums(), Sums(), 0.0, None, None, pd.DataFrame(), (), (), remarks=_remarks(samples, info, own, 0.0)
        )
    gains = reads.read_gains(records, environment, start - LOOK_BACK, end, without_user=own)
    past = reads.read_samples(records, environment, start - LOOK_BACK, start)
    series = _Series([*past, *samples], gains)
    seconds = sum(one.seconds for one in samples)
    statements = _statements(totals, records, environment, series, span, literals)
    total = Sums.of(totals)
    compared, matched = None, statements
    if earlier is not None:
        compared, matched = _compared(records, environment, earlier, own, seconds, statements)
    others = next((one.sums for one in matched if one.query_id == OTHERS), Sums())
    listed = tuple(one for one in matched if one.query_id != OTHERS)
    first = reads.read_first(records, environment)
    return Statements(
        listed[:MOST],
        others,
        total,
        seconds,
        samples[0].since,
        samples[-1].taken_at,
        _load_over_time(listed, series, span),
        tuple(event for event in events if start <= event.time <= end),
        _changes(listed, series, span, events, first),
        left_out=max(len(listed) - MOST, 0),
        remarks=_remarks(samples, info, own, others.seconds / total.seconds if total.seconds else 0.0),
        compared=compared,
    )


def _own_role(sources: Sources, totals: pd.DataFrame) -> str:
    """The console's role, whose statements are left out; empty where the service is the same role."""
    role = sources.postgres.settings.user
    return role if (totals["user"] != role).any() else ""


def _wider(span: Span) -> Span:
    """The window and what is looked at before it."""
    return Span.of(span.start - LOOK_BACK - timedelta(minutes=15), span.end, span.points)


def _by_number(frame: pd.DataFrame) -> dict[int, pd.DataFrame]:
    """The rows of each statement."""
    return {int(str(number)): part for number, part in frame.groupby("query_id", sort=False)}


class _Series:
    """The gains of statements in each sample, the looked-back ones included."""

    def __init__(self, samples: Sequence[SampleRow], gains: pd.DataFrame) -> None:
        self.samples = samples
        self.stretches = Stretches.of(
            [(one.since.timestamp(), one.taken_at.timestamp(), one.seconds) for one in samples if one.since is not None]
        )
        self._place = {one.id: place for place, one in enumerate(samples)}
        self._groups = _by_number(gains)

    @property
    def numbers(self) -> list[int]:
        """All statements that gained anything, and the others as one."""
        return list(self._groups)

    def of(self, query_id: int, column: str) -> np.ndarray:
        """What a statement gained in each sample; zero where it is not among those that were kept."""
        values = np.zeros(len(self.samples))
        part = self._groups.get(query_id)
        if part is not None:
            places = part["sample_id"].map(self._place)
            there = places.notna()
            np.add.at(values, places[there].astype(int).to_numpy(), part.loc[there, column].to_numpy())
        return values

    def edges(self, span: Span, points: int) -> np.ndarray:
        """Bounds of at most ``points`` cells of the window, none shorter than a sample usually is."""
        start, end = span.start.timestamp(), span.end.timestamp()
        width = max((end - start) / points, float(span.step), self.stretches.usual)
        width = float(np.ceil(width / span.step) * span.step)
        return np.append(np.arange(start, end - 1e-9, width), end)


def _statements(
    totals: pd.DataFrame, records: Database, environment: str, series: _Series, span: Span, literals: bool
) -> list[Statement]:
    """The statements of a window, the one that took most time first."""
    whole = float(totals["total_ms"].sum()) / 1000
    order = totals.groupby("query_id")["total_ms"].sum().sort_values(ascending=False).index
    chosen = [int(number) for number in order]
    texts = reads.read_texts(records, environment, chosen[:MOST])
    edges = series.edges(span, TREND_POINTS)
    groups, sums = _by_number(totals), sums_by(totals, totals["query_id"])
    found = []
    for place, number in enumerate(chosen):
        part = groups[number]
        known = part["first_seen"].notna().all()
        full = texts.get(number, "")
        text = sql_text.shown(full, literals)
        trend: tuple[float, ...] = ()
        if place < MOST:
            trend = tuple(rates(series.stretches, series.of(number, "total_ms") / 1000, edges)[:, 0].tolist())
        found.append(
            Statement(
                number,
                text,
                named(full, text) or _unnamed(number),
                tuple(sorted({*part["user"]} - {""})),
                tuple(sorted({*part["database"]})),
                sums[number],
                sums[number].seconds / whole if whole else 0.0,
                trend,
                _aware(part["first_seen"].min()) if known else None,
                not bool(part["toplevel"].any()),
            )
        )
    return found


def named(whole: str, shown: str) -> str:
    """A statement in a few words, with the operation that its comment names before them.

    Args:
        whole: Its text.
        shown: Its text as the viewer may see it.
    """
    operation = sql_tags.tags(whole).get("operation", "") or sql_tags.tags(whole).get("action", "")
    short = sql_tags.in_short(shown)
    return f"{operation[:40]}: {short}" if operation and short else short


def _unnamed(number: int) -> str:
    return "others" if number == OTHERS else f"statement {number} (its text is not known)"


def _aware(moment: Any) -> datetime | None:
    if pd.isna(moment):
        return None
    return pd.Timestamp(moment).to_pydatetime().astimezone(UTC)


def _load_over_time(listed: Sequence[Statement], series: _Series, span: Span) -> pd.DataFrame:
    """Seconds of execution a second: the foremost statements, and all others as one."""
    edges = series.edges(span, span.points)
    foremost = [one.query_id for one in listed[:TOP]]
    columns = [series.of(number, "total_ms") / 1000 for number in foremost]
    everything = sum((series.of(number, "total_ms") for number in series.numbers), np.zeros(len(series.samples))) / 1000
    rest = np.maximum(everything - sum(columns, np.zeros(len(series.samples))), 0.0)
    table = rates(series.stretches, np.column_stack([*columns, rest]), edges)
    middles = pd.to_datetime((edges[:-1] + edges[1:]) / 2, unit="s", utc=True)
    frame = pd.DataFrame(table, index=middles, columns=[*map(str, foremost), str(OTHERS)])
    # What comes after the newest sample is not missing, it is not there yet.
    return frame.loc[: frame.last_valid_index()] if span.live else frame


def _compared(
    records: Database, environment: str, earlier: Span, own: str, seconds: float, statements: Iterable[Statement]
) -> tuple[Sums | None, list[Statement]]:
    """Each statement with what it was in an earlier period, as much of it as was watched of the window."""
    samples = reads.read_samples(records, environment, earlier.start, earlier.end)
    watched = sum(one.seconds for one in samples)
    if not watched:
        return None, list(statements)
    totals = reads.read_totals(records, environment, earlier.start, earlier.end)
    totals = totals[totals["user"] != own]
    scale = seconds / watched
    groups = {number: sums.scaled(scale) for number, sums in sums_by(totals, totals["query_id"]).items()}
    found = [replace(one, earlier=groups.pop(one.query_id, Sums())) for one in statements]
    return Sums.of(totals).scaled(scale), found


def _changes(
    listed: Sequence[Statement], series: _Series, span: Span, events: Sequence[Event], first: datetime | None
) -> tuple[Change, ...]:
    """Statements that are not as they were, the heaviest first."""
    lengths = series.stretches.ends - series.stretches.begins
    found: list[Change] = []
    for one in listed:
        if one.share < LEAST_SHARE:
            break
        cause = before(one.first_seen, events)
        if one.first_seen is not None and one.first_seen >= span.start and _is_new(one.first_seen, first, cause):
            until = _until(series.of(one.query_id, "calls"), series.samples)
            found.append(Change("new", one, one.first_seen, until, None, one.sums.mean or 0.0, cause))
            continue
        calls, ms = series.of(one.query_id, "calls"), series.of(one.query_id, "total_ms")
        step, kind = slower(calls, ms), "slower"
        if step is None and (lengths > 0).all():
            step, kind = oftener(calls, lengths), "oftener"
        if step is not None:
            change = _change(kind, one, step, series.samples, events)
            if change.until is None or change.until > span.start:
                found.append(change)
    # What lasts is told before what is over.
    return tuple(sorted(found, key=lambda one: (one.until is not None, -one.statement.share)))


def _is_new(first_seen: datetime, known_since: datetime | None, cause: Event | None) -> bool:
    """Whether a statement that was seen first at that moment is news: on the first day nearly all are seen first."""
    if known_since is None:
        return True
    return first_seen - known_since >= (LEAST_PAST_AFTER_DEPLOY if cause is not None else LEAST_PAST)


def _until(calls: np.ndarray, samples: Sequence[SampleRow]) -> datetime | None:
    """When a statement ran last, where it has not for some samples; ``None`` where it still does."""
    last = int(np.flatnonzero(calls)[-1]) if calls.any() else len(calls) - 1
    return samples[last].taken_at if len(calls) - 1 - last >= QUIET else None


def _change(kind: str, one: Statement, step: Step, samples: Sequence[SampleRow], events: Sequence[Event]) -> Change:
    began, scale = samples[step.place], 1000.0 if kind == "slower" else 1.0
    until = samples[step.end].since if step.end < len(samples) else None
    since = began.since or began.taken_at
    # A deploy within the first sample that differs came before what differs in it.
    cause = before(began.taken_at, [event for event in events if event.time <= began.taken_at])
    named: Literal["slower", "oftener"] = "slower" if kind == "slower" else "oftener"
    return Change(named, one, since, until, step.before / scale, step.after / scale, cause)


def _remarks(samples: Sequence[SampleRow], info: Info | None, own: str, others: float) -> tuple[str, ...]:
    told = []
    resets = [one for one in samples if one.reset]
    if resets:
        moments = ", ".join(f"{one.taken_at:%Y-%m-%d %H:%M:%S} UTC" for one in resets[:5])
        told.append(
            f"The counters were reset {len(resets)} time{'s' if len(resets) > 1 else ''} (noticed at {moments}): what "
            "was counted between the sample before and the reset is not known."
        )
    evictions = sum(one.evictions for one in samples if not one.reset)
    if evictions:
        most = f" ({info.most:,})" if info is not None and info.most else ""
        told.append(
            f"The server threw rare statements out {evictions:,} time{'s' if evictions > 1 else ''}, because there are "
            f"more kinds of statements than pg_stat_statements.max{most}: what these gained is not all known."
        )
    begun = sum(one.begun_again for one in samples)
    if begun:
        told.append(f"{begun:,} entries began again; what they gained is the least that it can have been.")
    usual = float(np.median([one.seconds for one in samples])) if samples else 0.0
    long = [one for one in samples if one.step == 0 and one.seconds > max(5 * usual, 300.0)]
    if long:
        longest = max(long, key=lambda one: one.seconds)
        told.append(
            f"Nobody looked for {longest.seconds / 60:,.0f} min up to {longest.taken_at:%Y-%m-%d %H:%M:%S} UTC: what "
            "was gained in that time is drawn as its mean."
        )
    if others >= 0.005:
        told.append(
            f"{others:.1%} of the time went into statements that were not among the foremost of their minute; they are "
            "kept together as others, and a statement's own sum may lack some of it."
        )
    if own:
        told.append(f"The console's own statements (role {own}) are left out.")
    if info is not None and info.track == "none":
        told.append("pg_stat_statements.track is none: nothing is counted.")
    if info is not None and not info.track_io_timing:
        told.append("track_io_timing is off, so the time of reading blocks is not known.")
    return tuple(told)
