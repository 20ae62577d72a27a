"""Latency & SLO: is it slow or failing, for whom, since when, and how much of the promise is left?"""

from functools import partial
from pathlib import Path

import streamlit as st

from collectors import registry
from collectors.registry import Sources
from collectors.signals import catalogue
from collectors.slos import SlosError
from ui import context
from ui.panel import panel
from ui.parts import heading, nothing_configured
from ui.series_panel import LoadSeries, series_panel
from ui.source_banner import source_banner
from views.latency import panels as parts
from views.latency import view as latency
from views.shared.series import load_series
from views.shared.silence import load_silences
from views.slo.panels import budgets as slo
from views.slo.panels import corrections as slo_corrections
from views.slo.view import load_budget, load_objectives, objectives_of


def show(visit: context.Context) -> None:
    """The page for a configured environment."""
    sources = registry.sources(visit.settings, visit.environment)
    source_banner(partial(load_silences, sources, ("prometheus",)))
    kind = latency.KINDS[parts.chosen_kind(latency.KINDS)]
    threshold = catalogue()[kind.quantile].threshold
    limits = (threshold.risk, threshold.broken) if threshold is not None else (None, None)
    split = parts.chosen_split(kind, latency.BY_TITLES)
    only = parts.chosen_filters(kind)
    configured = visit.configured.synaptic if visit.configured is not None else None
    replicas = [one.name for one in configured.replicas] if configured is not None else []
    parts.filters(kind, only, {"$replica": replicas})

    def series(signal: str, by: tuple[str, ...] = ()) -> LoadSeries:
        return partial(load_series, sources, signal, by=by, filters=latency.fitting(sources, signal, only))

    panel(
        "verdict",
        partial(latency.load_slow_or_failing, sources, kind, filters=only),
        parts.verdict(kind, limits),
        height=220,
        border=False,
        empty=parts.why_nothing,
        leads=True,
    )
    objectives_in_a_line(visit, sources)
    series_panel(
        "quantiles",
        partial(latency.load_quantiles, sources, kind, filters=only),
        title=f"{kind.title} by quantile",
        height=340,
        log=True,
    )
    panel(
        "heat",
        partial(latency.load_distribution, sources, kind, filters=only),
        parts.heat,
        title="How many took how long",
        height=260,
        empty=parts.why_no_heat,
        about=parts.about_heat,
    )
    left, right = st.columns(2)
    with left:
        series_panel(
            "split",
            series(kind.quantile, by=(split,)),
            title=f"p95 by {latency.BY_TITLES[split]}",
            log=True,
        )
        series_panel("pool", series("pool_connections", by=("state",)), title="Database connection pool")
        if kind.errors:
            failing = catalogue()[kind.errors]
            of = split if split in failing.by else failing.by[0]
            series_panel("errors", series(kind.errors, by=(of,)), title="Share that failed")
    with right:
        rated = catalogue()[kind.rate] if kind.rate else None
        if rated is not None:
            by = (split,) if split in rated.by else ()
            series_panel("rate", series(kind.rate, by=by), title="Throughput")
        series_panel("cpu", series("cpu_use", by=("$replica",)), title="CPU by replica")
        series_panel("throttled", series("cpu_throttled", by=("$replica",)), title="CPU held back")
    panel(
        "combinations",
        lambda span: latency.load_combinations(sources, kind, span, context.current().earlier(span), filters=only),
        partial(parts.combinations, labels=kind.combination),
        title="Where the time goes" if not visit.window.compare else "What moved",
        height=300,
        empty=lambda found: "" if len(found) else "Nothing was counted in this window.",
        about=parts.about_combinations,
    )


def objectives_in_a_line(visit: context.Context, sources: Sources) -> None:
    """What is left of each objective's budget, near the top; nothing where the objectives cannot be used."""
    file = visit.configured.slo if visit.configured is not None else None
    try:
        objectives = objectives_of(file)
    except SlosError:
        return  # the part below says what is wrong with them
    if objectives:
        excluded = slo_corrections.corrections(visit)
        panel(
            "promises", partial(load_objectives, sources, objectives, excluded), slo.in_a_line, height=40, border=False
        )


def promises(visit: context.Context, file: Path | None) -> None:
    """The objectives: how much of each promise is kept and left, and the budget of one over its period."""
    sources = registry.sources(visit.settings, visit.environment)
    try:
        objectives = objectives_of(file)
    except SlosError as error:
        parts.mistakes(str(error))
        return
    if parts.chosen_filters(latency.KINDS[parts.chosen_kind(latency.KINDS, shown=False)]):
        st.caption("The objectives count everything; the filter above is not about them.")
    excluded = slo_corrections.corrections_or_told(visit)
    st.subheader("Objectives", anchor=slo.SECTION)
    with st.container(horizontal=True, vertical_alignment="center"):
        chosen = slo.choose(objectives)
        slo_corrections.corrections_form(visit, objectives, excluded)
    panel(
        "budget",
        partial(load_budget, sources, objectives[chosen], excluded),
        slo.budget_chart,
        title="Budget left over the period",
        height=slo.CHART_HEIGHT,
        empty=slo.why_no_budget,
        about=slo.about_budget,
    )
    panel(
        "ledger",
        partial(load_budget, sources, objectives[chosen], excluded),
        slo.spent_on,
        title="What the budget was spent on",
        height=120,
        empty=slo.why_no_budget,
        about=slo.about_ledger,
    )
    panel(
        "objectives",
        partial(load_objectives, sources, objectives, excluded),
        slo.objectives,
        title="How each objective stands",
        height=600,
        border=False,
        empty=slo.why_no_objectives,
        about=slo.about_objectives,
    )


heading("Latency & SLO", "Is it slow or failing, for whom, since when, and how much of the promise is left?")
visit = context.current()
if visit.configured is None:
    nothing_configured()
else:
    show(visit)
    promises(visit, visit.configured.slo)
