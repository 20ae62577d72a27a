"""Database: who waits for whom, what got slower, what will break next, and what would mend it?"""

from collections.abc import Callable
from functools import partial

import streamlit as st

import access
from collectors import advice, registry
from collectors.cache import Kept
from collectors.span import Span
from ui import context, database, format
from ui import database_now as now_parts
from ui.panel import panel
from ui.parts import heading, nothing_configured
from views import database_now, database_verdict

EVERY = 2
"""Seconds between two looks at the sessions."""


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


PARTS: dict[str, tuple[str, Callable[[context.Context], None]]] = {
    "now": ("Now", now),
}
"""Name in the address → title and what draws it."""

heading("Database", "Who waits for whom, what got slower, what will break next, and what would mend it?")
visit = context.current()
if visit.configured is None:
    nothing_configured()
else:
    PARTS[database.chosen_part({name: title for name, (title, _) in PARTS.items()})][1](visit)
