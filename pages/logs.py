"""Logs: what does it say, what is new, and what did it say just before?"""

from functools import partial

import streamlit as st

import access
from collectors import registry
from collectors.log_fields import catalogue
from ui import context
from ui.panel import panel
from ui.parts import heading, nothing_configured
from ui.source_banner import source_banner
from views.logs import view as logs
from views.logs.counts import load_counts, load_said, load_values
from views.logs.masks import Visibility
from views.logs.panels import chart as log_chart
from views.logs.panels import detail as log_detail
from views.logs.panels import lines as log_list
from views.logs.panels import patterns as log_patterns
from views.logs.panels import search as log_search
from views.logs.panels import sidebar as log_sidebar
from views.logs.panels import state as log_state
from views.shared.silence import load_silences


def show(visit: context.Context) -> None:
    """The page for a configured environment: search, histogram, list, and beside it fields or the opened line."""
    sources = registry.sources(visit.settings, visit.environment)
    source_banner(partial(load_silences, sources, ("elasticsearch",)))
    state = log_state.read()
    visibility = Visibility.of(visit.settings, access.may(visit.viewer, access.Right.IDENTIFIERS))
    asked = logs.understood(state.query, state.filters, visibility)
    keywords = [
        one.name
        for one in catalogue().values()
        if one.kind != "text" and (visibility.identifiers or not one.identifier)
    ]
    known = {one.name: one.help for one in catalogue().values() if visibility.identifiers or not one.identifier}
    log_search.search(state, asked.mistakes, logs.inverted, known)
    if not asked.usable:
        return

    # What the panels ask: an opened line is a part of the address and not of their questions.
    question = (asked, visibility)
    wide, side = st.columns([3, 2] if state.line else [4, 1])
    above, below = wide.container(), wide.container()
    # The list is asked first and waits for nothing else: its panel runs beside those of the counts.
    with below:
        panel(
            "lines",
            log_list.held(
                (visit.environment, visit.window, visit.entry, asked, state.order, state.columns, visibility),
                lambda span, after: logs.load_page(
                    sources, asked, span, order=state.order, after=after, columns=state.columns, visibility=visibility
                ),
                tail=state.reading == "tail" and not state.line,
            ),
            lambda page, span: log_list.lines(
                page,
                state,
                list(known),
                lambda since: logs.newer(sources, asked, since, span.end),
                log_list.export_address(page, state),
            ),
            title="Lines",
            height=log_list.HEIGHT,
            empty=log_list.why_empty,
            about=log_list.about,
            every=log_list.TAIL_SECONDS if state.reading == "tail" else None,
            leads=True,
            asks=(question, state.order, state.columns),
        )
    with above:
        panel(
            "histogram",
            lambda span: load_counts(sources, asked, span, state.by, visibility),
            partial(log_chart.counts, fields=keywords),
            title="Lines over time",
            height=log_chart.HEIGHT,
            empty=log_chart.why_empty,
            about=log_chart.about,
            asks=(question, state.by),
        )
    with side:
        if state.line:
            panel(
                "line",
                lambda span: logs.load_line(sources, state.line, visibility),
                log_detail.line,
                title="Line",
                height=log_detail.HEIGHT,
                empty=log_detail.why_empty,
                about=log_detail.about,
            )
            panel(
                "around",
                lambda span: logs.load_around(sources, state.line, log_detail.kinship(), visibility),
                log_detail.around,
                title="What it said just before and after",
                height=log_detail.HEIGHT,
                empty=log_detail.why_nothing_around,
            )
        else:
            panel(
                "fields",
                lambda span: load_values(sources, asked, span, log_sidebar.more(), visibility),
                partial(log_sidebar.values, filter_of=logs.filter_of),
                title="Fields",
                height=log_list.HEIGHT,
                empty=log_sidebar.why_empty,
                about=log_sidebar.about,
            )
    panel(
        "patterns",
        lambda span: load_said(sources, visit.records, asked, span, visibility),
        partial(log_patterns.said, deeds=log_patterns.deeds(visit, logs.pattern_filter), opened=state.pattern),
        title="What the lines say",
        height=360,
        empty=log_patterns.why_empty,
        about=log_patterns.about,
        asks=question,
    )


heading("Logs", "What does it say, what is new, and what did it say just before?")
visit = context.current()
if visit.configured is None:
    nothing_configured()
else:
    show(visit)
