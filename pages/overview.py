"""Overview: is Synaptic healthy, and if not, where and since when?"""

from functools import partial

import streamlit as st

from collectors import registry
from collectors.signals import catalogue
from ui import context, format
from ui.panel import panel
from ui.parts import heading, nothing_configured
from ui.series_panel import series_panel
from ui.source_banner import source_banner
from views.cache.history import Memory
from views.overview import panels as parts
from views.overview.alerts import load_alerts_of
from views.overview.view import FIGURES, load_figure, load_verdict
from views.shared.events import load_events
from views.shared.series import load_series
from views.slo.view import keys_of

EVERY = 10
"""Seconds between two looks at whether everything is well; what is asked for it is kept and shared by all viewers."""


def show(visit: context.Context) -> None:
    """The page for a configured environment: verdict, figures, the chart that matters, breakdowns, tables."""
    sources = registry.sources(visit.settings, visit.environment)
    signals = catalogue()
    series = partial(partial, load_series, sources)
    clock = partial(format.timestamp, zone=visit.tz)
    memory = Memory(visit.records, visit.settings.worker.interval, visit.settings.worker.enabled)

    source_banner(tuple)  # the verdict says first what does not answer
    panel(
        "verdict",
        lambda span: load_verdict(sources, span, format.value, clock, memory, visit.settings.worker.keep_relations),
        parts.verdict,
        height=96,
        border=False,
        every=EVERY,
    )
    with st.grid(len(FIGURES), min_column_width=150):
        for key in FIGURES:
            panel(
                key,
                partial(load_figure, sources, signals[key]),
                parts.figure,
                height=parts.TILE_HEIGHT,
                empty=parts.why_no_figure,
                border=False,
                tile=signals[key].title,
            )

    wide, side = st.columns([3, 1])
    with wide:
        series_panel(
            "search",
            series("search_latency", quantiles=(0.5, 0.95, 0.99)),
            title="Search latency by quantile",
            height=320,
            log=True,
        )
    with side:
        panel(
            "events",
            partial(load_events, sources),
            parts.events,
            title="What happened",
            height=parts.EVENTS_HEIGHT,
            empty=lambda found: "" if found.events else "No deploy, restart or alert in this window.",
        )

    left, right = st.columns(2)
    with left:
        series_panel("operations", series("memory_operations", by=("operation_type",)), title="Memory operations")
        series_panel("pool", series("pool_connections", by=("state",)), title="Database connection pool")
        series_panel("sessions", series("active_sessions"), title="Active sessions")
        series_panel("logins", series("failed_logins"), title="Failed sign-ins")
    with right:
        series_panel("errors", series("error_share_by_operation", by=("operation_type",)), title="Errors by operation")
        series_panel("memory", series("memory_use", by=("$replica",)), title="Memory by replica")
        series_panel("gc", series("gc_freed", by=("$replica",)), title="Freed by garbage collection")
        series_panel(
            "violations",
            series("security_violations", by=("violation_type",)),
            title="Security violations",
        )

    left, right = st.columns([2, 3])
    with left:
        panel(
            "replicas",
            lambda span: sources.synaptic.state(),
            parts.replicas,
            title="Replicas",
            height=180,
            of_now=True,
        )
    with right:
        panel(
            "alerts",
            partial(load_alerts_of, sources),
            partial(parts.alerts_of, objectives=partial(keys_of, visit.configured.slo if visit.configured else None)),
            title="Alerts",
            height=180,
            empty=parts.why_no_alerts,
            of_now=parts.alerts_are_of_now,
            every=EVERY,
        )


heading("Overview", "Is Synaptic healthy, and if not, where and since when?")
visit = context.current()
if visit.configured is None:
    nothing_configured()
else:
    show(visit)
