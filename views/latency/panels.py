"""The parts of Latency & SLO: what is shown, the verdict in words with its figures, heatmap, combinations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from analysis.verdict import Status, before, in_words
from ui import address, charts, context, format, menu, tab, tables
from ui.clean import clean, inert
from ui.panel import About
from ui.series_panel import plot
from ui.tables import Column
from ui.theme import STATUS

if TYPE_CHECKING:
    from collectors.span import Span
    from views.latency.view import Distribution, Kind, SlowOrFailing, Trouble

KIND, SPLIT, ONLY = "of", "by", "only"
"""Names of the page's choices in its address."""

AROUND = timedelta(minutes=1)
"""How much is shown before and after a trouble when its lines are opened."""

REPLICA = "$replica"
"""The label of the replica, whatever it is called in the settings; ``replica`` in the address."""

WORSE = 1.5
"""How many times its level of a week earlier a latency that is within its objective must be to be worth a word."""


def chosen_kind(kinds: Mapping[str, Kind], *, shown: bool = True) -> str:
    """Which latency the page shows; the choice is in the address.

    Args:
        kinds: What there is.
        shown: Whether the choice is drawn as well.
    """
    now = address.choice(KIND, kinds, next(iter(kinds)))
    if not shown:
        return now
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
    now = address.choice(SPLIT, kind.by, kind.by[0])
    key = f"latency-split-{now}"

    def chosen() -> None:
        context.change(**{SPLIT: st.session_state[key] or now})

    st.segmented_control(
        "Split by", list(kind.by), default=now, format_func=lambda name: f"by {titles[name]}", key=key,
        on_change=chosen, label_visibility="collapsed",
    )  # fmt: skip
    return now


def chosen_filters(kind: Kind) -> dict[str, list[str]]:
    """What the page is narrowed to: label → values, of the labels of this kind; the choice is in the address."""
    found: dict[str, list[str]] = {}
    for text in address.several(ONLY, 300):
        label, _, value = text.partition(":")
        label = REPLICA if label == "replica" else label
        if label in kind.by and value and len(value) <= 200:
            found.setdefault(label, []).append(value)
    return found


def filters(kind: Kind, chosen: Mapping[str, Sequence[str]], known: Mapping[str, Sequence[str]]) -> None:
    """The filters as chips that a click removes.

    Args:
        kind: What the page shows.
        chosen: What it is narrowed to.
        known: Label → values that can be chosen without having seen data, such as the replicas.
    """
    texts = [_written(label, value) for label, values in chosen.items() for value in values]
    offered = [_written(label, value) for label, values in known.items() if label in kind.by for value in values]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="latency-filters"):
        for number, text in enumerate(texts):
            st.button(
                f"only {inert(text, 80)}",
                key=f"latency-only-{number}-{text}",
                icon=":material/close:",
                help="Remove this filter",
                on_click=_narrow,
                args=([one for one in texts if one != text],),
            )
        _more(texts, offered, "latency-narrow")


def _more(texts: Sequence[str], offered: Sequence[str], name: str) -> None:
    """A choice of one more filter."""
    options = [one for one in dict.fromkeys(offered) if one not in texts]
    key = f"{name}-{len(texts)}-{'-'.join(texts)}"

    def add() -> None:
        chosen = st.session_state[key]
        if chosen:
            _narrow([*texts, chosen])

    if options:
        st.selectbox(
            "Show only",
            options,
            index=None,
            placeholder="Show only …",
            key=key,
            format_func=lambda text: clean(text, 80),
            on_change=add,
            label_visibility="collapsed",
            width=280,
        )


def _narrow(texts: Sequence[str]) -> None:
    context.change(**{ONLY: list(dict.fromkeys(texts))})


def _written(label: str, value: str) -> str:
    return f"{'replica' if label == REPLICA else label}:{value}"


def verdict(kind: Kind, limits: tuple[float | None, float | None]) -> Callable[[SlowOrFailing, Span], None]:
    """The first row: is it slow or failing, for whom, since when; with the figures behind it.

    Args:
        kind: What is shown.
        limits: Seconds from which p95 is at risk and broken.
    """

    def draw(found: SlowOrFailing, span: Span) -> None:
        status, sentence = _sentence(kind, found, limits)
        word = STATUS[status]
        tab.mark(status)
        st.markdown(f"### :{word.markdown}[{word.icon}] {inert(sentence, 500)}", anchors=False)
        for one in found.unlike[:3]:
            outlier = one.outlier
            mark = STATUS["risk"]
            has, others = (format.value(value, one.unit) for value in (outlier.value, outlier.others))
            st.markdown(
                f":{mark.markdown}[{mark.icon}] Replica {inert(outlier.name, 80)} is unlike the others: "
                f"{one.measure} {inert(has)} against {inert(others)}."
            )
        _ways(found)
        _figures(kind, found)

    return draw


def _sentence(kind: Kind, found: SlowOrFailing, limits: tuple[float | None, float | None]) -> tuple[Status, str]:
    p95 = found.distribution.overall["p95"]
    if p95 is None:
        return "unknown", f"{kind.title}: nothing was counted in this window, so nothing is known."
    risk, broken = limits
    trouble, tz = found.trouble, context.current().tz
    status: Status = "ok"
    if trouble is not None and trouble.end is None:
        status = "broken" if broken is not None and trouble.p95 >= broken else "risk"
        parts = [f"{kind.title} take {_least(trouble.p95, found)} (p95)"]
        if found.before and trouble.p95 >= WORSE * found.before:
            parts.append(f"{in_words(trouble.p95 / found.before)} a week earlier")
        parts.append(f"since {format.timestamp(trouble.start, tz)}{_cause(found, trouble)}")
        if found.worst is not None:
            parts.append(f"most of the time goes into {found.worst['name']}")
    elif trouble is not None and trouble.end is not None:
        now = f" (p95 {format.value(trouble.since, 's')})" if trouble.since is not None else ""
        parts = [
            f"{kind.title} are quick again since {format.timestamp(trouble.end, tz)}{now}",
            f"after {_least(trouble.p95, found)} from {format.timestamp(trouble.start, tz)} on{_cause(found, trouble)}",
        ]
    else:
        parts = [f"{kind.title} take {_least(p95, found)} (p95)"]
        if risk is not None:
            parts.append(f"within the objective of {format.value(risk, 's')}")
        if found.before and p95 >= WORSE * found.before:
            parts.append(f"but {in_words(p95 / found.before)} a week earlier")
            status = "risk"
        if found.slow_part is not None:
            # The promise is about all together; a part that is slow by its nature is said and breaks no promise.
            parts.append(f"taken together; {found.slow_part['name']} takes {format.value(found.slow_part['p95'], 's')}")
    if found.errors is not None and found.errors >= 0.01:
        parts.append(f"{format.value(found.errors, 'ratio')} fail")
        status = "broken" if found.errors >= 0.05 else "risk" if status == "ok" else status
    return status, ", ".join(parts) + "."


def _least(p95: float, found: SlowOrFailing) -> str:
    """A latency in words; one at the last bucket's bound is really higher."""
    return f"{'at least ' if p95 >= found.distribution.top else ''}{format.value(p95, 's')}"


def _cause(found: SlowOrFailing, trouble: Trouble) -> str:
    cause = before(trouble.start, found.events)
    return f", after {cause.title}" if cause is not None else ""


def _ways(found: SlowOrFailing) -> None:
    """Links to the lines of the log of the trouble, or of the whole window."""
    visit = context.current()
    trouble = found.trouble
    window = visit.window
    words = "Lines of this window"
    if trouble is not None:
        end = trouble.end or datetime.now(UTC)
        window = window.between(trouble.start - AROUND, min(end + AROUND, datetime.now(UTC)))
        words = "Lines of that time"
    with st.container(horizontal=True, gap="small"):
        menu.link("logs", words, params=visit.params(window))
        menu.link("logs", "Its warnings and errors", params={**visit.params(window), "q": "level:(warn OR error)"})
        if visit.configured is not None and visit.configured.postgres is not None:
            menu.link("database", "Database load at that moment", params={**visit.params(window), "part": "load"})


def _figures(kind: Kind, found: SlowOrFailing) -> None:
    distribution = found.distribution
    frame = distribution.series.frame
    shown: list[tuple[str, str, str | None, str, object]] = []
    for name in ("p50", "p95", "p99"):
        value = distribution.overall[name]
        usually = found.before if name == "p95" else None
        delta = f"{format.change(value, usually)} to a week earlier" if usually and value is not None else None
        least = "≥ " if value is not None and value >= distribution.top else ""
        shown.append((name, f"{least}{format.value(value, 's')}", delta, _HELP[name], frame[name]))
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
        _reached(found.heat), unit="s", window=window, amount="ops/s", events=found.series.events, tz=visit.tz,
        height=260, theme=visit.theme,
    )  # fmt: skip
    plot("latency-heat", figure, window, alt="Number of requests by how long they took, over time")


def _reached(heat: pd.DataFrame) -> pd.DataFrame:
    """The buckets from the first to the last that holds anything: a native histogram has many more."""
    peaks = heat.max().fillna(0.0).to_numpy()
    total = peaks[-1] if len(peaks) else 0.0
    if total <= 0:
        return heat
    first = max(int((peaks > 0).argmax()) - 1, 0)
    everything = (heat.sub(heat.iloc[:, -1], axis=0).abs().max().fillna(0.0) <= 1e-9 * total).to_numpy()
    last = int(everything.argmax())
    return heat.iloc[:, [*range(first, last + 1), *([len(peaks) - 1] if last < len(peaks) - 1 else [])]]


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


def combinations(found: pd.DataFrame, _span: Span, labels: Sequence[str]) -> None:
    """The combinations of labels, with what moved where the page compares, and the choice to see only one of them.

    Args:
        found: The combinations.
        labels: The columns of it that are labels.
    """
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
    here = [label for label in labels if label in found.columns]
    named = {"replica" if label == REPLICA else label for label in here}
    # A new table with each filter, so that the click's mark goes with it.
    key = f"latency-combinations-{'-'.join(address.several(ONLY, 300))[:200]}"
    st.session_state["latency-combinations drawn"] = [
        [_written(label, str(row[label])) for label in here if row[label]] for row in found[here].to_dict("records")
    ]

    def narrow() -> None:
        drawn = st.session_state["latency-combinations drawn"]
        row = tables.chosen(key, len(drawn))
        if row is not None:
            others = [text for text in address.several(ONLY, 300) if text.partition(":")[0] not in named]
            _narrow([*others, *drawn[row]])

    tables.table(found, columns=columns, key=key, on_select=narrow, alt="Latency by combination of labels")
    offered = [_written(label, value) for label in here for value in found[label].dropna().unique() if value]
    _more(list(address.several(ONLY, 300)), sorted(offered), "latency-narrow-to")
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
