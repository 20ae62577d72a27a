"""Database: who waits for whom, what got slower, what will break next, and what would mend it?"""

from collections.abc import Callable
from functools import partial

import streamlit as st

import access
from collectors import advice, registry
from collectors.cache import Kept
from collectors.span import Span
from ui import context, database, format
from ui import database_load as load_parts
from ui import database_moments as moments
from ui import database_now as now_parts
from ui import database_table as table_parts
from ui import database_tables as tables_parts
from ui.panel import panel
from ui.parts import heading, nothing_configured
from views import (
    database_load,
    database_now,
    database_table,
    database_tables,
    database_verdict,
)

EVERY = 2
"""Seconds between two looks at the sessions."""

EVERY_TABLES = 30
"""Seconds between two looks at tables and indexes: the answer about all of them is kept as long."""


def now(visit: context.Context) -> None:
    """Who waits for whom at this moment: verdict, figures, the tree, and the sessions with the opened one."""
    sources = registry.sources(visit.settings, visit.environment)
    identifiers = access.may(visit.viewer, access.Right.IDENTIFIERS)
    who, pid = partial(database_verdict.who, value=format.value), now_parts.opened_pid()

    def load_told(_: Span) -> Kept[database_verdict.Told]:
        return database_verdict.load_told(sources, format.value)

    def load_now(_: Span) -> Kept[database_now.Now]:
        return database_now.load_now(sources)

    panel("now-verdict", load_told, now_parts.verdict, height=64, border=False, every=EVERY)
    left, right = st.columns(2)
    with left:
        panel("now-sessions", load_told, now_parts.session_figures, height=114, border=False, every=EVERY)
    with right:
        panel(
            "now-connections",
            lambda _: database_verdict.load_told_connections(sources, format.value),
            now_parts.connection_figures,
            height=114,
            border=False,
            every=EVERY,
        )
    panel(
        "now-tree",
        load_now,
        partial(now_parts.tree, who=who, mend=database_verdict.mend, literals=identifiers),
        title="Who waits for whom",
        height=60,
        empty=now_parts.why_no_tree,
        about=now_parts.about_tree,
        every=EVERY,
    )
    left, right = st.columns(2)
    with left:
        panel(
            "now-states", load_now, now_parts.states, title="Sessions by what they do", height=220, every=EVERY,
        )  # fmt: skip
    with right:
        panel(
            "now-findings",
            load_told,
            partial(now_parts.findings, advice=advice.catalogue()),
            title="Why it matters, and what mends it",
            height=220,
        )
    only = now_parts.sessions_shown()
    wide, side = st.columns([3, 2]) if pid is not None else (st.container(), None)
    with wide:
        panel(
            "now-table",
            load_now,
            partial(now_parts.sessions, only=only, literals=identifiers, addresses=identifiers),
            title="Sessions",
            height=320,
            about=now_parts.about_sessions,
            every=EVERY,
        )
    if side is not None and pid is not None:
        with side:
            panel(
                "now-session",
                lambda _: database_now.load_session(sources, pid),
                partial(
                    now_parts.one_session, mend=database_verdict.ended, literals=identifiers, addresses=identifiers
                ),
                title=f"Session {pid}",
                height=320,
                empty=now_parts.why_gone,
                every=EVERY,
            )


def load(visit: context.Context) -> None:
    """Load over time: verdict, average active sessions by wait, query, user or client, and past blocking."""
    sources = registry.sources(visit.settings, visit.environment)
    titles = {name: title for name, (_, title) in database_load.BY.items()}
    narrow = load_parts.narrowed(titles)
    enabled, records = visit.settings.worker.enabled, visit.records
    load_parts.chips(narrow, titles)
    panel(
        "load-verdict",
        partial(database_load.load_judged, sources, records, narrow, enabled=enabled),
        load_parts.verdict,
        height=240,
        border=False,
        empty=load_parts.why_no_verdict,
    )
    by = load_parts.chosen_by(titles)
    panel(
        "load-chart",
        partial(database_load.load_over_time, sources, records, by, narrow, enabled=enabled),
        load_parts.chart,
        title=f"Average active sessions by {titles[by]}",
        height=load_parts.HEIGHT,
        empty=load_parts.why_empty,
        about=load_parts.about_chart,
    )
    panel(
        "load-parts",
        partial(database_load.load_parts, sources, records, narrow, enabled=enabled),
        load_parts.parts,
        title="What it is made of",
        height=420,
        empty=load_parts.why_no_parts,
        about=load_parts.about_parts,
    )
    moment = moments.chosen_moment()
    if moment is not None:
        panel(
            "load-moment",
            lambda _: database_load.load_moment(sources, records, moment),
            partial(moments.moment, who=partial(database_verdict.who, value=format.value)),
            title=moments.title_of(moment),
            height=240,
            empty=moments.why_no_moment,
        )
    panel(
        "load-moments",
        partial(database_load.load_moments, sources, records),
        moments.moments,
        title="Who waited for whom",
        height=90,
        empty=moments.why_no_moments,
        about=moments.about_moments,
    )


def tables(visit: context.Context) -> None:
    """Tables and indexes: verdict, findings, sizes over time, and the tables of all, with the opened one beside."""
    sources = registry.sources(visit.settings, visit.environment)
    keep = visit.settings.worker.keep_relations
    opened, told = tables_parts.opened_table(), advice.catalogue()

    def load_all(_: Span) -> Kept[database_tables.Relations]:
        return database_tables.load_relations(sources, visit.records, keep)

    panel("tables-verdict", load_all, tables_parts.verdict, height=200, border=False, every=EVERY_TABLES)
    left, right = st.columns(2)
    with left:
        panel(
            "tables-findings",
            load_all,
            partial(tables_parts.findings, advice=told),
            title="Why it matters, and what mends it",
            height=280,
            every=EVERY_TABLES,
        )
    with right:
        panel(
            "tables-sizes",
            lambda _: database_tables.load_sizes(sources, visit.records, keep),
            tables_parts.sizes,
            title="Size of the largest tables",
            height=280,
            empty=tables_parts.why_no_sizes,
            about=tables_parts.about_sizes,
            every=EVERY_TABLES,
        )
    wide, side = st.columns([3, 2]) if opened else (st.container(), None)
    with wide:
        panel(
            "tables-all",
            load_all,
            tables_parts.all_tables,
            title="Tables",
            height=320,
            about=tables_parts.about_tables,
            every=EVERY_TABLES,
        )
        panel(
            "tables-indexes",
            load_all,
            tables_parts.all_indexes,
            title="Indexes",
            height=320,
            about=tables_parts.about_indexes,
            every=EVERY_TABLES,
        )
    if side is not None:
        with side:
            panel(
                "tables-one",
                lambda _: database_table.load_opened(
                    sources, visit.records, keep, opened, measure=table_parts.measuring()
                ),
                partial(table_parts.one_table, advice=told),
                title=f"Table {opened}",
                height=640,
                empty=table_parts.why_gone,
                every=EVERY_TABLES,
            )
    left, right = st.columns(2)
    with left:
        panel(
            "tables-partitions",
            load_all,
            tables_parts.partitions,
            title="Partitions by time",
            height=200,
            empty=tables_parts.why_no_partitions,
            every=EVERY_TABLES,
        )
    with right:
        panel(
            "tables-sequences",
            load_all,
            tables_parts.sequences,
            title="Sequences",
            height=200,
            empty=tables_parts.why_no_sequences,
            every=EVERY_TABLES,
        )


PARTS: dict[str, tuple[str, Callable[[context.Context], None]]] = {
    "now": ("Now", now),
    "load": ("Load", load),
    "tables": ("Tables & indexes", tables),
}
"""Name in the address → title and what draws it."""

heading("Database", "Who waits for whom, what got slower, what will break next, and what would mend it?")
visit = context.current()
if visit.configured is None:
    nothing_configured()
else:
    PARTS[database.chosen_part({name: title for name, (title, _) in PARTS.items()})][1](visit)
