"""The parts of Latency & SLO: what is shown, the verdict in words with its figures, heatmap, combinations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from analysis import usual
from analysis.verdict import Status, before, in_words
from ui import charts, context, format, tables
from ui.clean import inert
from ui.panel import About
from ui.series_panel import plot
from ui.tables import Column
from ui.theme import STATUS

if TYPE_CHECKING:
    from collectors.span import Span
    from views.latency import Distribution, Kind, SlowOrFailing

KIND, SPLIT = "of", "by"
"""Names of the page's choices in its address."""

WORSE = 1.5
"""How many times its level of a week earlier a latency must be to be worth a word."""


def chosen_kind(kinds: Mapping[str, Kind]) -> str:
    """Which latency the page shows; the choice is in the address."""
    asked = st.query_params.get(KIND, "")
    now = asked if asked in kinds else next(iter(kinds))
    key = f"latency-kind-{now}"

    def chosen() -> None:
        context.change(**{KIND: st.session_state[key] or now})

    st.segmented_control(
        "Latency of", list(kinds), default=now, format_func=lambda name: kinds[name].title, key=key, on_change=chosen,
        label_visibility="collapsed",
    )  # fmt: skip
    return now


def chosen_split(kind: Kind, titles: Mapping[str, str]) -> str:
    """By which label the split chart is split; the choice is in the address."""
    asked = st.query_params.get(SPLIT, "")
    now = asked if asked in kind.by else kind.by[0]
    key = f"latency-split-{now}"

    def chosen() -> None:
        context.change(**{SPLIT: st.session_state[key] or now})

    st.segmented_control(
        "Split by", list(kind.by), default=now, format_func=lambda name: f"by {titles[name]}", key=key,
        on_change=chosen, label_visibility="collapsed",
    )  # fmt: skip
    return now


def verdict(kind: Kind, limits: tuple[float | None, float | None]) -> Callable[[SlowOrFailing, Span], None]:
    """The first row: is it slow or failing, for whom, since when; with the figures behind it.

    Args:
        kind: What is shown.
        limits: Seconds from which p95 is at risk and broken.
    """

    def draw(found: SlowOrFailing, span: Span) -> None:
        status, sentence = _sentence(kind, found, limits)
        word = STATUS[status]
        st.markdown(f"### :{word.markdown}[{word.icon}] {inert(sentence, 500)}", anchors=False)
        for one in found.unlike[:3]:
            outlier = one.outlier
            mark = STATUS["risk"]
            has, others = (format.value(value, one.unit) for value in (outlier.value, outlier.others))
            st.markdown(
                f":{mark.markdown}[{mark.icon}] Replica {inert(outlier.name, 80)} is unlike the others: "
                f"{one.measure} {inert(has)} against {inert(others)}."
            )
        _figures(kind, found)

    return draw


def _sentence(kind: Kind, found: SlowOrFailing, limits: tuple[float | None, float | None]) -> tuple[Status, str]:
    p95 = found.distribution.overall["p95"]
    if p95 is None:
        return "unknown", f"{kind.title}: nothing was counted in this window, so nothing is known."
    risk, broken = limits
    status: Status = "ok"
    if broken is not None and p95 >= broken:
        status = "broken"
    elif risk is not None and p95 >= risk:
        status = "risk"
    beyond = "at least " if p95 >= found.distribution.top else ""
    parts = [f"{kind.title} take {beyond}{format.value(p95, 's')} (p95)"]
    if found.before and p95 >= WORSE * found.before:
        parts.append(f"{in_words(p95 / found.before)} a week earlier")
        status = "risk" if status == "ok" else status
    if status != "ok":
        level = risk if risk is not None and p95 >= risk else WORSE * (found.before or p95)
        since = usual.since(found.distribution.series.frame["p95"], level)
        if since is not None:
            parts.append(f"since {format.timestamp(since, context.current().tz)}")
            cause = before(since, found.events)
            if cause is not None:
                parts.append(f"after {cause.title}")
        if found.worst is not None:
            parts.append(f"most of the time goes into {found.worst['name']}")
    elif risk is not None:
        parts.append(f"within the objective of {format.value(risk, 's')}{_stretch(found, risk)}")
    if found.errors is not None and found.errors >= 0.01:
        parts.append(f"{format.value(found.errors, 'ratio')} fail")
        status = "broken" if found.errors >= 0.05 else "risk" if status == "ok" else status
    return status, ", ".join(parts) + "."


def _stretch(found: SlowOrFailing, risk: float) -> str:
    """That it was beyond the objective for a while within the window, and when; empty where it was not."""
    p95 = found.distribution.series.frame["p95"]
    slow = p95.index[p95 >= risk]
    if not len(slow):
        return ""
    tz = context.current().tz
    length = len(slow) * (p95.index[1] - p95.index[0]).total_seconds() if len(p95) > 1 else 0.0
    cause = before(slow[0].to_pydatetime(), found.events)
    after = f", after {cause.title}" if cause is not None else ""
    first, last = format.timestamp(slow[0], tz), format.timestamp(slow[-1], tz)
    return f" over the whole window; beyond it for {format.value(length, 's')} between {first} and {last}{after}"


def _figures(kind: Kind, found: SlowOrFailing) -> None:
    distribution = found.distribution
    frame = distribution.series.frame
    shown: list[tuple[str, str, str | None, str, object]] = []
    for name in ("p50", "p95", "p99"):
        value = distribution.overall[name]
        usually = found.before if name == "p95" else None
        delta = f"{format.change(value, usually)} to a week earlier" if usually and value is not None else None
        shown.append((name, format.value(value, "s"), delta, _HELP[name], frame[name]))
    satisfied, tolerating = (format.value(times * distribution.target, "s") for times in (1, 4))
    shown.append(
        (
            "Apdex",
            format.UNKNOWN if distribution.apdex is None else f"{distribution.apdex:.3f}",
            None,
            f"(satisfied + tolerating / 2) / all, by the Apdex Alliance: satisfied within {satisfied}, "
            f"tolerating within {tolerating}.",
            None,
        )
    )
    shown.append(("Number", format.value(distribution.requests, "count"), None, f"{kind.title} in this window.", None))
    failed = format.value(found.errors, "ratio") if found.errors is not None else format.UNKNOWN
    shown.append(("Failed", failed, None, f"Share of {kind.title.lower()} that ended with an error.", None))
    with st.grid(len(shown), min_column_width=140):
        for title, value_, delta, help_, trend in shown:
            st.metric(
                title,
                value_,
                delta,
                delta_color="off",
                delta_arrow="off",
                help=help_,
                border=True,
                height=130,
                chart_data=(charts.sparkline(trend) or None) if isinstance(trend, pd.Series) else None,
            )


_HELP = {
    "p50": "Half of all in this window took at most this long; from the sum of all counts.",
    "p95": "95 % of all in this window took at most this long; from the sum of all counts, never a mean of quantiles.",
    "p99": "99 % of all in this window took at most this long; from the sum of all counts.",
}


def why_nothing(found: SlowOrFailing) -> str:
    """Why there is no verdict; an empty text where there is one."""
    absent = found.distribution.series.absent
    return f"Prometheus has no metric {absent[0]}: this build of Synaptic does not report it." if absent else ""


def heat(found: Distribution, span: Span) -> None:
    """The heatmap: how many took how long, over time."""
    visit = context.current()
    window = (span.start, span.end)
    figure = charts.heatmap(
        found.heat, unit="s", window=window, amount="ops/s", events=found.series.events, tz=visit.tz, height=260,
        theme=visit.theme,
    )  # fmt: skip
    plot("latency-heat", figure, window, alt="Number of requests by how long they took, over time")


def about_heat(found: Distribution, _span: Span) -> About:
    """What the heatmap is made of."""
    return About(
        "Each row is a bucket of the histogram, each cell how many a second fell into it. Two bands are two kinds of "
        "requests, which a quantile hides.",
        found.series.queries,
    )


def why_no_heat(found: Distribution) -> str:
    """Why there is no heatmap; an empty text where there is one."""
    if found.series.absent:
        return f"Prometheus has no metric {' and no '.join(found.series.absent)}."
    return "" if found.requests > 0 else "Nothing was counted in this window."


def combinations(found: pd.DataFrame, _span: Span) -> None:
    """The combinations of labels, with what moved where the page compares."""
    columns = [
        Column("name", "Combination", width="medium"),
        Column("share", "Share of time", "number", unit="ratio", width=100, help="Of all time spent in this window."),
        Column("requests", "Number", "number", unit="count", width=90),
        Column("p95", "p95", "number", unit="s", width=80, help="Over the whole window, from the sum of all counts."),
        Column("mean", "Mean", "number", unit="s", width=80),
        Column("trend", "p95 over the window", "sparkline", width=150),
    ]
    if "moved" in found.columns:
        columns += [
            Column("p95_before", "p95 before", "number", unit="s", width=90),
            Column("requests_before", "Number before", "number", unit="count", width=110),
            Column(
                "moved", "Time moved", "number", unit="s", width=100, help="Seconds spent a second, more than before."
            ),
        ]
    tables.table(found, columns=columns, key="latency-combinations", alt="Latency by combination of labels")
    few = found.loc[found["noisy"].fillna(False).astype(bool), "name"].tolist()
    if few:
        names = ", ".join(inert(name, 60) for name in few[:4])
        st.caption(f"Too few requests for a p95 that means something (fewer than 20 in this window): {names}.")


def about_combinations(found: pd.DataFrame, _span: Span) -> About:
    """How the table comes about."""
    moved = " Sorted by how much the time spent has moved, either way." if "moved" in found.columns else ""
    return About(
        "Which combinations of labels take the time: number of requests times their mean time. All figures are made "
        f"of the sums of all counts in the window.{moved}"
    )


def mistakes(told: str) -> None:
    """What is wrong with the file of objectives, a sentence a line; nothing is known of them until it is mended."""
    for sentence in told.splitlines():
        st.error(inert(sentence, 500), icon=STATUS["broken"].icon)
