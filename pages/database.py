"""Database: who waits for whom, what got slower, what will break next, and what would mend it?"""

from collections.abc import Callable
from functools import partial

import streamlit as st

import access
from collectors import advice, registry, settings_advice
from collectors.cache import Answer
from collectors.span import Span
from ui import context, format
from ui.panel import panel
from ui.parts import heading, nothing_configured
from ui.series_panel import series_panel
from ui.snapshot import shared
from ui.source_banner import source_banner
from views.database import panels as database
from views.database.load import moments as database_moments
from views.database.load import view as database_load
from views.database.load.names import BY
from views.database.load.panels import chart as load_parts
from views.database.load.panels import moments
from views.database.load.panels import verdict as load_verdict
from views.database.maintenance import findings as database_upkeep_findings
from views.database.maintenance import view as database_upkeep
from views.database.maintenance.panels import facts as upkeep_facts
from views.database.maintenance.panels import work as upkeep_parts
from views.database.maintenance.settings import load_settings
from views.database.sessions import verdict as database_verdict
from views.database.sessions import view as database_now
from views.database.sessions.locks import load_locks_of_late
from views.database.sessions.panels import now as now_parts
from views.database.sessions.panels import table as session_parts
from views.database.statements import detail as statement_detail
from views.database.statements import view as statements
from views.database.statements.panels import detail as statement_parts
from views.database.statements.panels import ranking as statements_parts
from views.database.statements.parts import Statements
from views.database.tables import detail as database_table
from views.database.tables import view as database_tables
from views.database.tables.panels import all as tables_parts
from views.database.tables.panels import detail as table_parts
from views.shared.series import load_series
from views.shared.silence import load_silences

EVERY = 2
"""Seconds between two looks at the sessions."""

SHARED = 1.5
"""Seconds for which the panels of this moment share one look, so that sentence, figures and tree agree."""

SHARED_STILL = 10.0
"""The same in a window that stands still, which draws each panel once: however long that takes, they agree."""

EVERY_TABLES = 15
"""Seconds between two looks at tables and indexes."""

EVERY_UPKEEP = 10
"""Seconds between two looks at housekeeping; running work is looked at as often as sessions."""


def now(visit: context.Context) -> None:
    """Who waits for whom at this moment: verdict, figures, the tree, and the sessions with the opened one."""
    sources = registry.sources(visit.settings, visit.environment)
    identifiers = access.may(visit.viewer, access.Right.IDENTIFIERS)
    who = partial(database_verdict.who, value=format.value)

    def look() -> database_verdict.Look:
        def load() -> Answer[database_verdict.Look]:
            return database_verdict.load_look(sources, format.value, load_locks_of_late(sources, visit.records))

        return shared(f"now of {visit.environment}", load, SHARED if visit.window.live else SHARED_STILL).value

    def load_told(_: Span) -> Answer[database_verdict.Told]:
        return look().told

    def load_now(span: Span) -> Answer[database_now.Now]:
        kept = load_told(span)
        return Answer(kept.value.now, kept.as_of, kept.error)

    def opened() -> None:
        pid = session_parts.opened_pid()
        panel(
            "now-session",
            lambda _: database_now.load_session(sources, pid),
            partial(
                session_parts.one_session, mend=database_verdict.ended, literals=identifiers, addresses=identifiers
            ),
            title=f"Session {pid}",
            height=320,
            empty=session_parts.why_gone,
            every=EVERY,
            of_now=True,
        )

    panel(
        "now-verdict",
        load_told,
        now_parts.verdict,
        height=64,
        border=False,
        every=EVERY,
        leads=True,
        of_now=True,
    )
    left, right = st.columns(2)
    with left:
        panel(
            "now-sessions",
            load_told,
            now_parts.session_figures,
            height=230,
            border=False,
            every=EVERY,
            of_now=True,
        )
    with right:
        panel(
            "now-connections",
            lambda _: look().told_connections,
            now_parts.connection_figures,
            height=230,
            border=False,
            every=EVERY,
            of_now=True,
        )
    with session_parts.beside("tree", opened):
        panel(
            "now-tree",
            load_now,
            partial(session_parts.tree, who=who, mend=database_verdict.mend, literals=identifiers),
            title="Who waits for whom",
            height=60,
            empty=session_parts.why_no_tree,
            about=session_parts.about_tree,
            every=EVERY,
            of_now=True,
        )
    left, right = st.columns(2)
    with left:
        panel(
            "now-states", load_now, now_parts.states, title="Sessions by what they do", height=220, every=EVERY,
            of_now=True,
        )  # fmt: skip
    with right:
        panel(
            "now-findings",
            load_told,
            partial(now_parts.findings, advice=advice.catalogue()),
            title="Why it matters, and what mends it",
            height=220,
            of_now=True,
        )
    only = session_parts.sessions_shown()
    with session_parts.beside("table", opened):
        panel(
            "now-table",
            load_now,
            partial(session_parts.sessions, only=only, literals=identifiers, addresses=identifiers),
            title="Sessions",
            height=320,
            about=session_parts.about_sessions,
            every=EVERY,
            of_now=True,
        )


def load(visit: context.Context) -> None:
    """Load over time: verdict, average active sessions by wait, query, user or client, and past blocking."""
    sources = registry.sources(visit.settings, visit.environment)
    titles = {name: title for name, (_, title) in BY.items()}
    narrow = load_parts.narrowed(titles)
    enabled, records = visit.settings.worker.enabled, visit.records
    load_parts.chips(narrow, titles)
    panel(
        "load-verdict",
        partial(database_load.load_judged, sources, records, narrow, enabled=enabled),
        load_verdict.verdict,
        height=240,
        border=False,
        empty=load_verdict.why_no_verdict,
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
            lambda _: database_moments.load_moment(sources, records, moment),
            partial(moments.moment, who=partial(database_verdict.who, value=format.value)),
            title=moments.title_of(moment),
            height=240,
            empty=moments.why_no_moment,
        )
    panel(
        "load-moments",
        partial(database_moments.load_moments, sources, records),
        moments.moments,
        title="Who waited for whom",
        height=90,
        empty=moments.why_no_moments,
        about=moments.about_moments,
    )


def upkeep(visit: context.Context) -> None:
    """Does PostgreSQL keep itself well: running work, replication, WAL and checkpoints, settings against advice."""
    sources = registry.sources(visit.settings, visit.environment)
    load_told = partial(database_upkeep_findings.load_told, sources, value=format.value, length=format.duration)
    panel(
        "upkeep-verdict",
        load_told,
        upkeep_parts.verdict,
        height=190,
        border=False,
        every=EVERY_UPKEEP,
        leads=True,
        of_now=True,
    )
    panel(
        "upkeep-findings",
        load_told,
        upkeep_parts.why_and_mend(advice.catalogue()),
        title="What is wrong, why it matters, and what mends it",
        height=80,
        every=EVERY_UPKEEP,
        of_now=True,
    )
    panel(
        "upkeep-running",
        partial(database_upkeep.load_running, sources),
        upkeep_parts.running,
        title="Running work",
        height=60,
        empty=upkeep_parts.why_nothing_runs,
        about=upkeep_parts.about_running,
        every=EVERY,
        of_now=True,
    )
    panel(
        "upkeep-replication",
        load_told,
        upkeep_parts.replication,
        title="Replication and slots",
        height=60,
        empty=upkeep_parts.why_no_replication,
        about=upkeep_parts.about_replication,
        every=EVERY_UPKEEP,
        of_now=True,
    )
    panel(
        "upkeep-facts",
        load_told,
        upkeep_facts.facts,
        title="WAL, checkpoints, archive, autovacuum",
        height=520,
        about=upkeep_facts.about_facts,
        every=EVERY_UPKEEP,
        of_now=True,
    )
    only = database_upkeep.own_database(sources)
    left, right = st.columns(2)
    with left:
        deadlocks = partial(load_series, sources, "database_deadlocks", filters=only)
        series_panel("upkeep-deadlocks", deadlocks, title="Deadlocks an hour")
    with right:
        temporary = partial(load_series, sources, "database_temp_bytes", filters=only)
        series_panel("upkeep-temp", temporary, title="Temporary files written")
    panel(
        "upkeep-io",
        load_told,
        upkeep_facts.io,
        title="Who reads and writes",
        height=200,
        empty=upkeep_facts.why_no_io,
        of_now=True,
    )
    try:
        settings_advice.catalogue()
    except settings_advice.SettingsAdviceError as error:
        upkeep_facts.mistakes(str(error))
        return
    panel(
        "upkeep-settings",
        partial(load_settings, sources),
        upkeep_facts.settings,
        title="Settings against advice",
        height=520,
        about=upkeep_facts.about_settings,
        of_now=True,
    )


def tables(visit: context.Context) -> None:
    """Tables and indexes: verdict, findings, sizes over time, and the tables of all, with the opened one beside."""
    sources = registry.sources(visit.settings, visit.environment)
    keep = visit.settings.worker.keep_relations
    opened, told = tables_parts.opened_table(), advice.catalogue()

    def load_all(_: Span) -> Answer[database_tables.Relations]:
        return database_tables.load_relations(sources, visit.records, keep)

    panel(
        "tables-verdict",
        load_all,
        tables_parts.verdict,
        height=200,
        border=False,
        every=EVERY_TABLES,
        leads=True,
        of_now=True,
    )
    left, right = st.columns(2)
    with left:
        panel(
            "tables-findings",
            load_all,
            partial(tables_parts.findings, advice=told),
            title="Why it matters, and what mends it",
            height=280,
            every=EVERY_TABLES,
            of_now=True,
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
            of_now=True,
        )
        panel(
            "tables-indexes",
            load_all,
            tables_parts.all_indexes,
            title="Indexes",
            height=320,
            about=tables_parts.about_indexes,
            every=EVERY_TABLES,
            of_now=True,
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
                of_now=True,
            )
    # Beside an opened table there is room below the others; otherwise they stand beside each other.
    left, right = (wide, wide) if opened else st.columns(2)
    with left:
        panel(
            "tables-partitions",
            load_all,
            tables_parts.partitions,
            title="Partitions by time",
            height=200,
            empty=tables_parts.why_no_partitions,
            every=EVERY_TABLES,
            of_now=True,
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
            of_now=True,
        )


def queries(visit: context.Context) -> None:
    """Which statements take the time, which became slower and after which deploy; and one of them."""
    sources, records = registry.sources(visit.settings, visit.environment), visit.records
    literals = access.may(visit.viewer, access.Right.IDENTIFIERS)
    query_id = statements_parts.opened()
    if query_id is not None:
        query(visit, query_id, literals=literals)
        return

    def load(span: Span) -> Answer[Statements]:
        earlier = context.current().earlier(span)
        return statements.load_statements(sources, records, span, earlier, literals=literals)

    def load_verdict(span: Span) -> Answer[statement_detail.Verdict]:
        earlier = context.current().earlier(span)
        return statement_detail.load_verdict(sources, records, span, earlier, literals=literals)

    panel(
        "queries-verdict", load_verdict, statements_parts.verdict, height=260, border=False,
        empty=statements_parts.why_no_verdict, about=statements_parts.about_verdict, leads=True,
    )  # fmt: skip
    panel(
        "queries-load", load, statements_parts.load, title="Load by statement: sessions that run one at once",
        height=300, empty=statements_parts.why_empty, about=statements_parts.about,
    )  # fmt: skip
    panel(
        "queries-changed", load, statements_parts.changed, title="Slower, more often, or new", height=80,
        empty=statements_parts.why_empty, about=statements_parts.about_changes,
    )  # fmt: skip
    if visit.window.compare:
        panel(
            "queries-moved", load, statements_parts.moved, title="What moved most", height=300,
            empty=statements_parts.why_empty, about=statements_parts.about,
        )  # fmt: skip
    words = statements_parts.searched()
    panel(
        "queries-table", load, partial(statements_parts.table, words=words), title="Statements", height=420,
        empty=statements_parts.why_empty, about=statements_parts.about,
    )  # fmt: skip


def query(visit: context.Context, query_id: int, *, literals: bool) -> None:
    """One statement: what it is, its history, and its plan."""
    sources, records = registry.sources(visit.settings, visit.environment), visit.records
    load = partial(statement_detail.load_history, sources, records, query_id=query_id, literals=literals)
    statement_parts.back()
    panel("query-told", load, statement_parts.told, height=360, border=False, leads=True)
    if statement_parts.plan_asked(query_id):
        panel(
            "query-plan",
            lambda _: statement_detail.load_plan(sources, query_id),
            partial(statement_parts.drawn_plan, advice=advice.catalogue()),
            title="How the database would run it now",
            height=260,
            about=statement_parts.about_plan,
            of_now=True,
        )
    panel(
        "query-history", load, statement_parts.history, title="Over the window", height=460,
        about=statement_parts.about_history,
    )  # fmt: skip


PARTS: dict[str, tuple[str, Callable[[context.Context], None]]] = {
    "now": ("Now", now),
    "load": ("Load", load),
    "queries": ("Queries", queries),
    "tables": ("Tables & indexes", tables),
    "upkeep": ("Housekeeping", upkeep),
}
"""Name in the address → title and what draws it."""

heading("Database", "Who waits for whom, what got slower, what will break next, and what would mend it?")
visit = context.current()
if visit.configured is None:
    nothing_configured()
else:
    part = database.chosen_part({name: title for name, (title, _) in PARTS.items()})
    asked = ("postgres", "prometheus") if part == "upkeep" else ("postgres",)
    source_banner(partial(load_silences, registry.sources(visit.settings, visit.environment), asked))
    PARTS[part][1](visit)
