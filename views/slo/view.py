"""Objectives: how much of each promise is kept, how much of its budget is left, and how fast it burns.

Each objective has two accounts where windows are excluded: the raw one, which is what the alert rules see, and the
corrected one, in which the events of excluded windows count neither as good nor as bad. Status, budget and time to
exhaustion are those of the corrected account where there is one; burn rates are always raw, as in the rules.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.events import ROLL_BACK, Event, EventKind, Severity
from analysis.quantities import length
from analysis.verdict import AFTER, Status
from collectors.cache import Answer
from collectors.registry import Sources
from collectors.slos import BurnRule, Objective, SlosError, load, shipped
from collectors.span import Span
from records.corrections import Correction
from views.shared.ages import oldest
from views.shared.events import events_or_none
from views.shared.parallel import side_by_side
from views.slo.events import RECENT, Events, coarse_step, load_events
from views.slo.rules.budgets import (
    ENOUGH_BAD,
    Budget,
    Burn,
    Tally,
    Window,
    budget,
    budget_left,
    burning,
    exhaustion,
    merged,
    tally,
)
from views.slo.rules.ledger import Episode, Ledger, ledger

LOW = 0.1
"""Share of the budget below which an objective is at risk, whatever its burn rate."""

PACE = 3600.0
"""Seconds whose events are the pace at which the time to exhaustion is told."""

FRESH = 900.0
"""Seconds within which something must have been measured, so that the status is one of now; as in the rules."""

DETAILED = 6
"""Episodes of the ledger around which it is asked finely what happened."""

ROUNDING = timedelta(seconds=60)
"""How much later than it was an event may stand."""

RAW, CORRECTED = "raw", "corrected"
"""Columns of :class:`BudgetOverTime`."""


@dataclass(frozen=True)
class Standing:
    """How one objective stands at a moment.

    Attributes:
        objective: The promise.
        status: ``broken``: the budget is gone, or a page is due; ``risk``: a ticket is due, or little is left;
            ``unknown``: nothing was counted in the period, or nothing was measured in the last quarter of an hour.
        why: What the status comes from, as a sentence.
        raw: The budget of all events of the period; ``None`` where none was counted.
        corrected: The budget without the excluded windows; ``None`` where none is excluded, or nothing is left.
        burns: Each rule of the objective with its burn rates now, the most urgent first.
        exhausted_in: Seconds until the budget is gone at the pace of the last hour, 0 where it is gone, ``None``
            where it never is at this pace; look at ``pace`` for whether there is one.
        pace: The events of the last hour.
        now: The end of the period, aware UTC.
        start: Its beginning, aware UTC.
        since: Since when there is data, where that is later than the beginning; ``None`` otherwise.
        corrections: The excluded windows within the period.
        remarks: What the reader must know, as sentences.
        queries: The questions behind it.
        absent: Metrics that the server does not have.
    """

    objective: Objective
    status: Status
    why: str
    raw: Budget | None
    corrected: Budget | None
    burns: tuple[tuple[BurnRule, Burn], ...]
    exhausted_in: float | None
    pace: Tally
    now: datetime
    start: datetime
    since: datetime | None
    corrections: tuple[Correction, ...]
    remarks: tuple[str, ...]
    queries: tuple[str, ...]
    absent: tuple[str, ...]

    @property
    def counts(self) -> Budget | None:
        """The account that the status is made of."""
        return self.corrected if self.corrections else self.raw


@dataclass(frozen=True)
class BudgetOverTime:
    """What was left of an objective's budget, over its period.

    Attributes:
        standing: How the objective stands at the end.
        frame: Index: aware UTC ``DatetimeIndex``; float64 columns ``raw`` and, where windows are excluded,
            ``corrected``: the share of the whole period's budget that was left. It begins at 1 and ends at
            what the standing says. NaN where nothing was measured.
        ledger: What it was spent on, of the account that the status is made of.
        events: What happened within the period, oldest first.
    """

    standing: Standing
    frame: pd.DataFrame
    ledger: Ledger
    events: tuple[Event, ...] = ()

    def cause(self, episode: Episode) -> Event | None:
        """What an episode may come from: a deploy just before it, or else the first trouble of another kind in it.

        Of a deploy and its roll-back the deploy is named. An alert is named where there is nothing else.
        """
        begin, first, end = (datetime.fromtimestamp(at, UTC) for at in (episode.start, episode.first, episode.end))
        near = [event for event in self.events if begin - AFTER <= event.time <= end]
        deploys = [one for one in near if one.kind is EventKind.DEPLOY and one.time <= first + ROUNDING]
        forward = [one for one in deploys if not one.title.startswith(ROLL_BACK)]
        others = [one for one in near if one.severity is not Severity.INFO and one.kind is not EventKind.ALERT]
        alerts = [one for one in near if one.kind is EventKind.ALERT]
        for found in (forward[-1:], deploys[-1:], others[:1], alerts[:1]):
            if found:
                return found[0]
        return None


def objectives_of(file: Path | None) -> Mapping[str, Objective]:
    """The objectives of an installation: those of its file, or the shipped ones.

    Raises:
        SlosError: The file has mistakes; one sentence a line.
    """
    return shipped() if file is None else load(file)


def keys_of(file: Path | None) -> Collection[str]:
    """The keys of an installation's objectives; none where its file has mistakes, which their own page tells."""
    try:
        return objectives_of(file).keys()
    except SlosError:
        return ()


def load_objectives(
    sources: Sources, objectives: Mapping[str, Objective], corrections: Sequence[Correction], span: Span
) -> Answer[tuple[Standing, ...]]:
    """How all objectives stand at the end of the span, in the order in which they are written.

    Args:
        sources: The environment's sources.
        objectives: What is promised.
        corrections: Windows that do not count, of this environment.
        span: The page's window; of a live one the clock is the end, whatever its step is.

    Raises:
        SourceError: The metrics could not be asked, and no good answer is kept.
        NotConfigured: The environment has no Prometheus.
    """
    asked = [partial(_load, sources, one, corrections, span) for one in objectives.values()]
    if not asked:
        return Answer((), datetime.now(UTC))
    answers: list[Answer[Events]] = side_by_side(*asked)
    each = zip(objectives.values(), answers, strict=True)
    return oldest(answers, tuple(standing(one, kept.value, corrections) for one, kept in each))


def load_budget(
    sources: Sources, objective: Objective, corrections: Sequence[Correction], span: Span
) -> Answer[BudgetOverTime]:
    """The budget of one objective over its period, which ends with the span; arguments as for the others.

    Raises:
        SourceError: The metrics could not be asked, and no good answer is kept.
        NotConfigured: The environment has no Prometheus.
    """
    kept = _load(sources, objective, corrections, span)
    found = budget_over_time(objective, kept.value, corrections)
    return oldest([kept], replace(found, events=_happened(sources, objective, span, found.ledger)))


def _happened(sources: Sources, objective: Objective, span: Span, spent_on: Ledger) -> tuple[Event, ...]:
    """What happened in the objective's period: coarsely, and finely in its last hours and around the newest episodes.

    A deploy that was rolled back within a step of the whole period would not be there otherwise.
    """
    step = coarse_step(objective.seconds)
    last = int(span.end.timestamp()) // step * step
    first = last - int(objective.seconds) // step * step
    spans = [
        Span(datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC), step),
        Span.of(span.end - timedelta(seconds=RECENT), span.end, 361, live=span.live),
        *(_around(episode) for episode in spent_on.episodes[:DETAILED] if episode.end < last - RECENT),
    ]
    coarse, *fine = side_by_side(*(partial(events_or_none, sources, one) for one in spans))
    outside = [event for event in coarse if not any(one.start <= event.time <= one.end for one in spans[1:])]
    found = [*outside, *(event for events in fine for event in events)]
    return tuple(sorted(dict.fromkeys(found), key=lambda event: event.time))


def _around(episode: Episode) -> Span:
    start = datetime.fromtimestamp(episode.start, UTC) - 2 * AFTER
    return Span.of(start, datetime.fromtimestamp(episode.end, UTC) + AFTER, 361)


def standing(objective: Objective, events: Events, corrections: Sequence[Correction] = ()) -> Standing:
    """How an objective stands after these events.

    Args:
        objective: The promise.
        events: What was counted.
        corrections: Windows that do not count; those of other objectives and other times are left out.
    """
    buckets, now = events.buckets, events.now
    start = now - objective.seconds
    mine = _within(corrections, objective, start, now)
    excluded = _windows(mine)
    raw = budget(tally(buckets, start, now), objective.objective)
    corrected = budget(tally(buckets, start, now, excluded), objective.objective) if mine else None
    burns = tuple(
        (rule, burning(buckets, now, objective.objective, rule.factor, rule.long, rule.short, rule.least))
        for rule in objective.rules
    )
    pace = tally(buckets, now - PACE, now)
    counts = corrected if mine else raw
    measured = tally(buckets, now - FRESH, now).seconds > 0
    status, why = _judged(counts, burns, measured=measured)
    since = _since(events, start)
    return Standing(
        objective,
        status,
        why,
        raw,
        corrected,
        burns,
        exhaustion(buckets, now, objective.seconds, objective.objective, pace, excluded) if counts else None,
        pace,
        datetime.fromtimestamp(now, UTC),
        datetime.fromtimestamp(start, UTC),
        since,
        mine,
        _remarks(objective, events),
        events.queries,
        events.absent,
    )


def budget_over_time(objective: Objective, events: Events, corrections: Sequence[Correction] = ()) -> BudgetOverTime:
    """The budget of an objective over its period; arguments as for :func:`standing`."""
    now, buckets = events.now, events.buckets
    start = now - objective.seconds
    found = standing(objective, events, corrections)
    columns = {RAW: budget_left(buckets, start, now, objective.objective)}
    if found.corrections:
        excluded = _windows(found.corrections)
        columns[CORRECTED] = budget_left(buckets, start, now, objective.objective, excluded)
    index = pd.DatetimeIndex(np.minimum(buckets.ends, now).astype("datetime64[s]"), name="time").tz_localize("UTC")
    spent_on = ledger(buckets, start, now, objective.objective, _windows(found.corrections))
    return BudgetOverTime(found, pd.DataFrame(columns, index=index), spent_on)


def _load(sources: Sources, objective: Objective, corrections: Sequence[Correction], span: Span) -> Answer[Events]:
    # The step of a long window is coarse; what burns now must not wait for its next point.
    now = max(span.end, datetime.now(UTC)) if span.live else span.end
    mine = _within(corrections, objective, now.timestamp() - objective.seconds, now.timestamp())
    return load_events(sources, objective, now, _windows(mine))


def _within(
    corrections: Sequence[Correction], objective: Objective, start: float, end: float
) -> tuple[Correction, ...]:
    return tuple(
        one
        for one in corrections
        if one.holds_for(objective.key) and one.end.timestamp() > start and one.start.timestamp() < end
    )


def _windows(corrections: Sequence[Correction]) -> list[Window]:
    return merged([(one.start.timestamp(), one.end.timestamp()) for one in corrections])


def _judged(counts: Budget | None, burns: Sequence[tuple[BurnRule, Burn]], *, measured: bool) -> tuple[Status, str]:
    """The status of an objective and where it comes from; what is not known is never called fine."""
    if counts is None:
        return "unknown", "No event was counted in the period, so nothing is known about this promise."
    if counts.left <= 0:
        return "broken", "The whole budget of the period is spent: the promise is broken."
    firing = [rule for rule, burn in burns if burn.fires]
    if any(rule.severity == "critical" for rule in firing):
        return "broken", f"The budget burns so fast that somebody should look now: {_decided(firing[0])}."
    if not measured:
        return "unknown", "Nothing was measured in the last quarter of an hour, so how it stands now is not known."
    if firing:
        return "risk", f"The budget will not last for the period: {_decided(firing[0])}."
    if counts.left < LOW:
        return "risk", f"Less than {LOW * 100:g} % of the budget is left."
    return "ok", _not_firing(burns)


def _decided(rule: BurnRule) -> str:
    """Which pair of windows a page or a ticket comes from."""
    times = "faster than it may" if rule.factor == 1 else f"more than {rule.factor:g} times as fast as it may"
    return f"over {length(rule.long)} and over {length(rule.short)} it burns {times}"


def _not_firing(burns: Sequence[tuple[BurnRule, Burn]]) -> str:
    """Why nothing is due although a figure beside it may be beyond its limit; the most urgent such pair is named."""
    for rule, burn in burns:
        if burn.short is None or burn.long is None:
            continue
        long, short = length(rule.long), length(rule.short)
        due = "a page" if rule.severity == "critical" else "a ticket"
        if burn.short > rule.factor and burn.young:
            return (
                f"The last {short} burn too fast, but only {length(burn.measured)} of {long} were measured: too little "
                f"to say that {due} is due."
            )
        if burn.short > rule.factor and burn.long > rule.factor:
            return f"Over {long} and {short} the rate is high, but from fewer than {ENOUGH_BAD:g} bad requests."
        if burn.short > rule.factor:
            return f"Only the last {short} burn too fast; {due} is due when {long} do too."
        if burn.long > rule.factor and not burn.young:
            return f"Over {long} the budget burnt too fast; in the last {short} it no longer does."
    return "The budget burns no faster than it may."


def _since(events: Events, start: float) -> datetime | None:
    """When data begins, where that is after the period's start by more than one stretch."""
    buckets = events.buckets
    known = np.flatnonzero(buckets.known)
    if not known.size or known[0] == 0:
        return None
    first = float(buckets.starts[known[0]])
    return datetime.fromtimestamp(first, UTC) if first > start else None


def _remarks(objective: Objective, events: Events) -> tuple[str, ...]:
    found: list[str] = []
    if objective.kind == "latency" and events.bounds and objective.threshold not in events.bounds:
        written = ", ".join(f"{bound:g}" for bound in events.bounds)
        wanted = f"The histogram has no bucket that ends at {objective.threshold:g} s (it has {written} s)"
        if events.bound is None:
            found.append(f"{wanted}, and none below it: how many events were quick enough is not known.")
        else:
            found.append(f"{wanted}; events within {events.bound:g} s are counted as quick, which is stricter.")
    found += [f"{text}." for text in objective.remarks]
    found += [f"Prometheus remarks: {warning}" for warning in events.warnings]
    return tuple(found)
