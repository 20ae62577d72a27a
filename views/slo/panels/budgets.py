"""Objectives as a reader sees them: kept or not, what is left of the budget and how that comes about, how it burns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from ui import address, charts, context, evidence, format, tables
from ui.clean import clean, inert
from ui.panel import About
from ui.series_panel import plot
from ui.theme import STATUS

if TYPE_CHECKING:
    from collectors.slos import BurnRule, Objective
    from collectors.span import Span
    from views.slo.rules.budgets import Budget, Burn
    from views.slo.rules.ledger import Episode
    from views.slo.view import BudgetOverTime, Standing

CHOSEN = evidence.OBJECTIVE
"""Part of the address that names the chosen objective; links from alerts write it too."""

CARD_HEIGHT = 250
"""Pixels of one objective: what a page keeps for it while it loads."""

CARD_WIDTH = 560
"""Pixels below which there is one objective a row."""

CHART_HEIGHT = 260

MOST_EPISODES = 12
"""Episodes of the ledger that are listed; older ones are in its sum."""

SECTION = "objectives"
"""The anchor of the objectives' part of the page."""

_THEN = {"critical": "page", "warning": "ticket"}
_NAMES = {"raw": "budget left", "corrected": "budget left, excluded windows not counted"}


def choose(objectives: Mapping[str, Objective]) -> str:
    """Which objective's budget the page shows, by its key; the choice is in the address.

    Raises:
        ValueError: There is no objective to choose.
    """
    if not objectives:
        raise ValueError("there is no objective to choose")
    keys = list(objectives)
    now = address.choice(CHOSEN, keys, keys[0])
    widget = f"slo-chosen-{now}"

    def chosen() -> None:
        context.change(**{CHOSEN: st.session_state[widget]})

    st.selectbox(
        "Objective",
        keys,
        index=keys.index(now),
        format_func=lambda key: clean(objectives[key].title),
        key=widget,
        on_change=chosen,
        label_visibility="collapsed",
        width=320,
    )
    return now


def objectives(found: tuple[Standing, ...], _span: Span) -> None:
    """Every objective: status, attainment, budget with its formula, burn rates, time to exhaustion, corrections."""
    with st.grid(2, min_column_width=CARD_WIDTH):
        for one in found:
            with st.container(border=True, gap="small", key=f"slo-{one.objective.key}"):
                _card(one)


def _card(one: Standing) -> None:
    _head(one)
    _figures(one)
    if one.counts is not None:
        st.caption(formula(one.counts, one.objective))
    _burns(one)
    if one.corrections:
        _both_accounts(one)
    for text in (*_coverage(one), *one.remarks):
        st.caption(f":material/info: {inert(text, 400)}")


def about_objectives(found: tuple[Standing, ...], _span: Span) -> About:
    """How the figures come about, and the questions behind them."""
    return About(
        "Attainment is good events by all events of the period, summed over all replicas. The budget is the share "
        "that may be bad. A burn rate of 1 spends it in exactly one period; a page or ticket is due where the long "
        "and the short window are both beyond the limit and at least 5 events were bad in the short one. "
        "A window of more than 6 h counts after half of it was measured.",
        tuple(dict.fromkeys(query for one in found for query in one.queries)),
    )


def why_no_objectives(found: tuple[Standing, ...]) -> str:
    """Why there is nothing to show; an empty text where there is something."""
    return "" if found else "No objective is defined. docs/slo.md says how to write slo.toml."


def budget_chart(found: BudgetOverTime, _span: Span) -> None:
    """What was left of the budget over its period, raw and corrected, with the line below which the promise is broken.

    Below it is what happened meanwhile.
    """
    visit = context.current()
    window = (found.standing.start, found.standing.now)
    figure = charts.timeseries(
        found.frame,
        unit="ratio",
        window=window,
        names=_NAMES,
        thresholds=[charts.Threshold(0.0, "nothing left:", "broken")],
        events=found.events,
        tz=visit.tz,
        height=CHART_HEIGHT,
        theme=visit.theme,
    )
    key = found.standing.objective.key
    plot(
        f"{visit.page}-budget-{key}", figure, window, alt=f"Budget of {found.standing.objective.title} over its period"
    )


def spent_on(found: BudgetOverTime, _span: Span) -> None:
    """The ledger: which episodes spent how much of the budget, the newest first, each with the window around it."""
    visit = context.current()
    episodes = found.ledger.episodes[:MOST_EPISODES]
    if episodes:
        rows = pd.DataFrame(
            {
                "start": [_utc(one.start) for one in episodes],
                "lasted": [one.end - one.start for one in episodes],
                "spent": [one.spent for one in episodes],
                "bad": [one.bad for one in episodes],
                "share": [one.bad / one.total for one in episodes],
                "cause": [_cause(found, one) for one in episodes],
                "open": [_around(visit, one) for one in episodes],
            }
        )
        columns = [
            tables.Column(
                "start", "Began", "time", width=190, help="Within half an hour after this time, for the past."
            ),
            tables.Column("lasted", "Lasted", "number", unit="s", width=80),
            tables.Column("spent", "Budget spent", "number", unit="ratio", width=105, help="Of the whole period's."),
            tables.Column(
                "bad", "Bad", "number", unit="count", width=70, help="Requests that failed or were too slow."
            ),
            tables.Column("share", "Of requests", "number", unit="ratio", width=95, help="Bad ones of all meanwhile."),
            tables.Column("cause", "What happened", help="The deploy before it, or else the first trouble in it."),
            tables.Column("open", "Window", "link", width=75, help="This page in the time around it."),
        ]
        tables.table(rows, columns=columns, key=f"{visit.page}-ledger-{found.standing.objective.key}", tz=visit.tz)
    st.caption(_accounts(found))


def _accounts(found: BudgetOverTime) -> str:
    """Where all of the budget went, as a sentence; our own words and digits only."""
    left = found.standing.counts.left if found.standing.counts is not None else 1.0
    episodes, rest = found.ledger.episodes, found.ledger.rest
    parts = []
    if len(episodes) > MOST_EPISODES:
        parts.append(f"{share(sum(one.spent for one in episodes[MOST_EPISODES:]))} went in older episodes")
    if episodes:
        spent = share(sum(one.spent for one in episodes[:MOST_EPISODES]))
        parts.insert(0, f"{spent} of the budget went in {'these episodes' if len(episodes) > 1 else 'this episode'}")
        parts.append(f"{share(rest)} in single failures between")
    else:
        parts.append(f"{share(rest)} of the budget went in single failures, in no episode that stands out")
    return f"{', '.join(parts)}; {share(left)} is left."


def _cause(found: BudgetOverTime, episode: Episode) -> str | None:
    event = found.cause(episode)
    return (f"{event.title}: {event.detail}" if event.detail else event.title) if event is not None else None


def _around(visit: context.Context, episode: Episode) -> str:
    margin = max((episode.end - episode.start) / 2, 900.0)
    end = min(_utc(episode.end + margin), datetime.now(UTC))
    return f"/{visit.page}?{urlencode(visit.params(visit.window.between(_utc(episode.start - margin), end)))}"


def _utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def about_ledger(found: BudgetOverTime, _span: Span) -> About:
    """How episodes come about."""
    return About(
        "An episode is a time in which the budget burnt at least twice as fast as it may and at least 5 requests of a "
        "stretch were bad. Stretches are half an hour long for a period of 30 days, and a minute in the last six "
        "hours, so an episode of the past began within half an hour after the time that is given. What happened is "
        "the deploy before it, or else the first trouble in it: a hint, and no proof.",
        found.standing.queries,
    )


def in_a_line(found: tuple[Standing, ...], _span: Span) -> None:
    """Each objective in a few words, leading to the part of the page that tells more."""
    with st.container(horizontal=True, gap="medium", key="slo-line"):
        for one in found:
            status = STATUS[one.status]
            left = f"{share(one.counts.left)} of the budget left" if one.counts is not None else "not known"
            st.markdown(
                f":{status.markdown}[{status.icon}] [{inert(one.objective.title)}](#{SECTION}): {left}",
                width="content",
            )


def about_budget(found: BudgetOverTime, _span: Span) -> About:
    """What the chart shows, and the questions behind it."""
    one = found.standing
    return About(
        f"Share of the budget of {_days(one.objective)} that was left at each moment. It begins at 100 % with the "
        "period and ends at the figure of today; the budget itself is that of the whole period. Nothing is drawn where "
        "nothing was measured.",
        one.queries,
        (*_coverage(one), *one.remarks),
    )


def why_no_budget(found: BudgetOverTime) -> str:
    """Why there is no chart; an empty text where there is one."""
    return "" if found.standing.counts is not None else _nothing(found.standing)


def formula(budget: Budget, objective: Objective) -> str:
    """How the budget that is left is computed, with its numbers; our own words and digits only.

    The first part counts requests, the second one minutes of a full outage.
    """
    promise = f"{objective.objective * 100:g} %"
    total, bad, allowed, left = map(format.exact, (_whole(budget.tally.total), *_requests(budget)))
    return (
        f"Requests: (100 % − {promise}) × {total} = {allowed} may fail; {allowed} − {bad} failed = {left} left. "
        f"Time: (100 % − {promise}) × {minutes(budget.tally.seconds)} measured = {minutes(budget.seconds)}; "
        f"× {share(budget.left)} left = {minutes(budget.seconds_left)}."
    )


def _requests(budget: Budget) -> tuple[float, float, float]:
    """Requests that failed, that may fail and that may still fail, whole and such that they add up."""
    bad, allowed = _whole(budget.tally.bad), _whole(budget.events)
    return bad, allowed, allowed - bad


def _whole(number: float) -> float:
    """A number of requests; NaN where the server counted infinitely many."""
    return float(round(number)) if math.isfinite(number) else math.nan


def minutes(seconds: float) -> str:
    """A length of time in minutes, to a tenth where it is short.

    >>> minutes(2592), minutes(2592000), minutes(-90)
    ('43.2 min', '43,200 min', '−1.5 min')
    """
    number = seconds / 60
    text = f"{abs(number):,.1f}".removesuffix(".0")
    return f"{format.MINUS if number < 0 and text != '0' else ''}{text} min"


def share(value: float) -> str:
    """A share of the budget in percent, to a tenth.

    >>> share(0.6234), share(-1.5)
    ('62.3 %', '−150 %')
    """
    text = f"{abs(value) * 100:,.1f}".removesuffix(".0")
    return f"{format.MINUS if value < 0 and text != '0' else ''}{text} %"


def attained(value: float, objective: float) -> str:
    """An attainment with as many digits as tell it from its objective, rounded down: 100 % is said of all only.

    >>> attained(0.998626, 0.995), attained(0.9999999, 0.99), attained(1, 0.999)
    ('99.862 %', '99.99 %', '100 %')
    """
    if value >= 1:
        return "100 %"
    digits = min(max(2 - math.floor(math.log10((1 - objective) * 100) + 1e-9), 2), 6)
    # A rounding of the subtraction before must not cost a digit.
    return f"{math.floor(value * 100 * 10**digits + 1e-9) / 10**digits:.{digits}f} %"


def _head(one: Standing) -> None:
    status = STATUS[one.status]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":{status.markdown}[{status.icon}] **{inert(one.objective.title)}**", width="content")
        st.badge(status.word, icon=status.icon, color=status.markdown)
        with st.popover(
            f"About {inert(one.objective.title)}",
            icon=":material/help:",
            type="tertiary",
            help="What is promised, to whom, and why?",
            key=f"about-slo-{one.objective.key}",
        ):
            _promise(one.objective)
        st.caption(inert(one.why if one.counts is not None else _nothing(one), 300), width="content")


def _promise(objective: Objective) -> None:
    st.markdown(f"**{inert(objective.title)}**: {_promised(objective)}")
    st.markdown(inert(objective.why, 1000))
    if objective.labels:
        chosen = "; ".join(f"{label} is {' or '.join(values)}" for label, values in objective.labels.items())
        st.markdown(f"Counted are events of which {inert(chosen, 500)}.")
    if objective.owner:
        st.markdown(f"Ask: {inert(objective.owner)}.")
    if objective.runbook:
        st.markdown(f"Runbook: {inert(objective.runbook)}.")


def _promised(objective: Objective) -> str:
    what = "succeed"
    if objective.threshold is not None:
        what = f"end within {format.seconds(objective.threshold)}"
    return f"{objective.objective * 100:g} % of all requests {what}, over {_days(objective)}."


def _days(objective: Objective) -> str:
    return f"{objective.period.removesuffix('d')} days"


def _figures(one: Standing) -> None:
    kept, left, requests, until = st.columns(4)
    budget, goal = one.counts, one.objective.objective
    kept.metric(
        "Attainment",
        attained(budget.attainment, goal) if budget else format.UNKNOWN,
        f"promised {goal * 100:g} %",
        delta_color="off",
        delta_arrow="off",
    )
    left.metric(
        "Budget left, time",
        minutes(budget.seconds_left) if budget else format.UNKNOWN,
        f"{share(budget.left)} of {minutes(budget.seconds)}" if budget else None,
        delta_color="off",
        delta_arrow="off",
        help="Minutes in which every request may fail, before the promise of the period is broken.",
    )
    requests.metric(
        "Budget left, requests",
        format.count(_requests(budget)[2]) if budget else format.UNKNOWN,
        f"of {format.count(_whole(budget.events))} that may fail" if budget else None,
        delta_color="off",
        delta_arrow="off",
        help="Requests that may still fail, or be too slow, before the promise of the period is broken.",
    )
    until.metric(
        "Budget spent in",
        *_exhausted(one),
        delta_color="off",
        delta_arrow="off",
        help="How long the budget lasts if requests go on as in the last hour. The period moves with the clock, so old "
        "failures leave it and give budget back; not in sight means that it is never spent at this pace.",
    )


def _exhausted(one: Standing) -> tuple[str, str]:
    """When the budget is gone, and what that is based on."""
    if one.counts is None:
        return format.UNKNOWN, "nothing is known"
    if one.exhausted_in == 0:
        return "spent", "nothing is left"
    if one.pace.seconds <= 0:
        return format.UNKNOWN, "not measured now"
    if one.pace.total <= 0:
        return format.UNKNOWN, "no request in 1 h"
    if one.exhausted_in is None:
        return "not in sight", "last hour's pace"
    return format.duration(one.exhausted_in), "last hour's pace"


def _burns(one: Standing) -> None:
    if not one.burns:
        return
    with st.container(horizontal=True, gap="small"):
        st.caption("Burn rate", width="content")
        for rule, burn in one.burns:
            st.caption(_burn(rule, burn), width="content")


def _burn(rule: BurnRule, burn: Burn) -> str:
    """One pair of windows: both rates, the limit, and what is due beyond it."""
    status = STATUS["unknown" if burn.fires is None else "ok" if not burn.fires else _worse(rule)]
    young = f" ({format.duration(burn.measured)} of it measured)" if burn.young and burn.long is not None else ""
    rates = ", ".join(
        f"{format.duration(seconds)}{of_it}: {_rate(rate)}"
        for seconds, of_it, rate in ((rule.long, young, burn.long), (rule.short, "", burn.short))
    )
    return f":{status.markdown}[{status.icon}] {rates} ({_THEN[rule.severity]} from {rule.factor:g})"


def _worse(rule: BurnRule) -> str:
    return "broken" if rule.severity == "critical" else "risk"


def _rate(rate: float | None) -> str:
    return "no requests" if rate is None else f"**{rate:.2f}**" if rate < 10 else f"**{format.count(rate)}**"


def _both_accounts(one: Standing) -> None:
    """Raw and corrected side by side, and what is excluded."""
    raw, corrected = one.raw, one.corrected
    goal = one.objective.objective

    def told(budget: Budget | None) -> str:
        if budget is None:
            return "no event is left to count"
        left = f"{share(budget.left)} of the budget left ({minutes(budget.seconds_left)})"
        return f"{attained(budget.attainment, goal)}, {left}"

    tz = context.current().tz
    st.caption(f"Corrected: {told(corrected)}. Raw, with all events: {told(raw)}.")
    for each in one.corrections:
        start = format.timestamp(each.start, tz, date=True)
        st.caption(
            f":material/event_busy: {start}, {format.duration(each.end - each.start)}: "
            f"{inert(each.reason, 200)} ({inert(each.created_by, 60)})"
        )


def _coverage(one: Standing) -> tuple[str, ...]:
    """What of the period was not measured."""
    if one.raw is None:
        return ()
    tz = context.current().tz
    if one.since is not None:
        since = format.timestamp(one.since, tz, date=True)
        return (f"There is data since {since} only; budget and attainment are those of the time since.",)
    measured = one.raw.tally.seconds / one.objective.seconds
    if measured < 0.999:
        return (f"{share(1 - measured)} of the period was not measured, and counts neither as good nor as bad.",)
    return ()


def _nothing(one: Standing) -> str:
    """Why nothing is known about an objective."""
    if one.absent:
        return f"Prometheus has no metric {' and no '.join(one.absent)}: this build of Synaptic does not report it."
    if one.corrections and one.raw is not None:
        return "All events of the period lie in excluded windows, so nothing is known about this promise."
    return one.why
