"""The database at this moment: the verdict, figures, what is wrong, and sessions by what they do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from analysis.diagnosis import overall
from ui import context, diagnoses, format, tab, tables
from ui.clean import clean, inert
from ui.parts import all_well
from ui.tables import Column
from ui.theme import STATUS

if TYPE_CHECKING:
    from collectors.advice import Advice
    from collectors.span import Span
    from views.database.sessions.verdict import Told, ToldConnections
    from views.database.sessions.view import Now

MOST_FINDINGS = 12
"""Most findings that are listed; the rest is counted."""

FIGURE_HEIGHT = 110

STATES = {"active": 0, "idle in transaction": 1, "idle in transaction (aborted)": 2, "idle": 3}
"""States of a session in the order in which they are listed; others come behind."""


def verdict(found: Told, _span: Span) -> None:
    """The worst in words, and what else there is to say below it."""
    ordered = found.diagnoses
    status = STATUS[overall(ordered)]
    tab.mark(overall(ordered))
    headline = ordered[0].text if ordered else found.calm
    st.markdown(
        f"### :{status.markdown}[{status.icon}] {inert(headline[:1].upper() + headline[1:], 500)}.", anchors=False
    )
    for one in ordered[1:4]:
        mark = STATUS[one.status]
        st.markdown(f":{mark.markdown}[{mark.icon}] {inert(one.text[:1].upper() + one.text[1:], 400)}.")
    if len(ordered) > 4:
        st.caption(f"and {len(ordered) - 4} more, below")


def _figures(figures: Sequence[tuple[str, str, str | None, str, str]]) -> None:
    """Title, value, words below it, help and status of each."""
    with st.grid(len(figures), min_column_width=200):
        for title, value, below, help_, status in figures:
            bad = status in ("risk", "broken")
            st.metric(
                title,
                value,
                inert(below, 60) if below else None,
                delta_color=STATUS[status].markdown if bad else "off",
                delta_arrow="off",
                icon=STATUS[status].icon if bad else None,
                help=inert(help_, 600),
                border=True,
                height=FIGURE_HEIGHT,
            )


def session_figures(told: Told, _span: Span) -> None:
    """Active, waiting, idle in transaction, oldest transaction."""
    found, keys = told.now, told.statuses
    idle, oldest = found.idle_in_transaction, found.oldest
    longest = max((seat.node.waited or 0.0 for seat in found.seats), default=0.0)
    working = sum(1 for one in found.active if not one.waiting)
    cpus = f"{working} at work, {found.cpus} CPUs" if found.cpus is not None else f"{working} at work"
    _figures(
        [
            (
                "Active", format.count(len(found.active)), cpus,
                "Sessions that run a statement at this moment; at work are those that wait for nothing, against the "
                "processors of the machine (postgres.cpus in "
                "the settings). The console's own are left out.", keys.get("busy", "ok"),
            ),
            (
                "Waiting for a lock", format.count(found.waiting),
                f"longest {format.value(longest, 's')}" if found.waiting else None,
                "Sessions that another one keeps from a lock. An idle client waits for nothing and is not counted.",
                keys.get("blocking", keys.get("prepared-blocks", "ok")),
            ),
            (
                "Idle in transaction", format.count(len(idle)),
                f"longest {format.value(idle[0].since(idle[0].state_change), 's')}" if idle else None,
                "Sessions that do nothing and keep the locks of their transaction.",
                keys.get("idle-in-transaction", "ok"),
            ),
            (
                "Oldest transaction",
                format.value(oldest.since(oldest.xact_start), "s") if oldest is not None else "none",
                f"pid {oldest.pid} {oldest.name}" if oldest is not None else None,
                "The transaction that has been open for the longest time.", keys.get("long-transaction", "ok"),
            ),
        ]
    )  # fmt: skip


def connection_figures(told: ToldConnections, _span: Span) -> None:
    """Connections against the server's limit and against the pools, deadlocks, and who holds back vacuum."""
    found, keys = told.connections, told.statuses
    standing, pool, holder = found.standing, found.pool, found.holder
    visit = context.current()
    since = standing.reset_at or standing.started_at
    kept = standing.max_connections - standing.usable
    _figures(
        [
            (
                "Connections", f"{standing.clients} / {standing.usable}",
                f"{format.value(standing.clients / standing.usable, 'ratio')} of usable" if standing.usable else None,
                f"Of all programs together, the console's own among them. max_connections is "
                f"{standing.max_connections}; {kept} of them are reserved.", keys.get("connections", "ok"),
            ),
            (
                "Pools may open", format.UNKNOWN if pool is None else format.count(pool.connections),
                "not known" if pool is None else f"{pool.replicas} replicas",
                f"Connections that the replicas' pools may open in all: {found.pool_unknown}." if pool is None else
                f"Connections that the replicas' pools may open in all, as their metrics tell; the server has "
                f"{standing.usable} for everybody.", keys.get("pool-above-server", "ok"),
            ),
            (
                "Deadlocks", format.count(standing.deadlocks), f"since {since.astimezone(visit.tz):%-d %b %H:%M}",
                "Deadlocks in this database that the server has ended, since its statistics were reset.", "ok",
            ),
            (
                "Holds back vacuum",
                format.count(holder.age) if holder is not None else format.UNKNOWN if found.holder_unknown else "none",
                f"{holder.kind} {holder.name}" if holder is not None else "not known" if found.holder_unknown else None,
                f"Not known: {found.holder_unknown}" if found.holder_unknown else
                "Transactions that began since the oldest one whose rows are still kept: what died since then cannot "
                "be removed. Below it who keeps them: a session, a prepared transaction, a slot or a standby.", "ok",
            ),
        ]
    )  # fmt: skip


def findings(found: Told, _span: Span, *, advice: Mapping[str, Advice]) -> None:
    """Everything that is wrong, with why it matters and what mends it.

    The heads hold no figure that changes with each look: a fold whose head changes closes itself.
    """
    if not found.diagnoses:
        all_well("Nothing is wrong at this moment.")
    for one in found.diagnoses[:MOST_FINDINGS]:
        word, told = STATUS[one.status], advice.get(one.key)
        title = told.title if told is not None else one.key
        with st.expander(f":{word.markdown}[{word.icon}] {inert(title)}: {inert(one.subject, 100)}"):
            st.markdown(f"{inert(one.text[:1].upper() + one.text[1:], 500)}.")
            if told is not None:
                st.markdown(inert(told.why, 600))
            if one.mend:
                st.code(clean(one.mend, 1000, lines=True), language="sql", wrap_lines=True)
            if told is not None:
                by = f"{diagnoses.runbook(told.runbook)} · " if told.runbook else ""
                st.caption(inert(f"{by}{told.source}", 400))
    if len(found.diagnoses) > MOST_FINDINGS:
        st.caption(f"{len(found.diagnoses) - MOST_FINDINGS} more are not listed.")


def states(found: Now, _span: Span) -> None:
    """How many sessions are in which state, and what those that run a statement wait for."""
    rows: dict[tuple[str, str], list[float]] = {}
    for one in found.sessions.clients:
        waits = one.waiting or ("works" if one.state == "active" else "")
        since = one.since(one.query_start if one.state == "active" else one.state_change) or 0.0
        rows.setdefault((one.state or "not told", waits), []).append(since)
    ordered = sorted(rows.items(), key=lambda row: (STATES.get(row[0][0], 9), -len(row[1]), row[0][1]))
    frame = pd.DataFrame(
        [
            {"state": state, "waits": waits, "number": float(len(ages)), "longest": max(ages)}
            for (state, waits), ages in ordered
        ]
    )
    tables.table(
        frame,
        columns=[
            Column("state", "State", width=150),
            Column("waits", "Waits for", width=200, help="Type and event; an idle client waits for nothing."),
            Column("number", "Sessions", "number", unit="count", width=80),
            Column("longest", "Longest", "number", unit="s", width=80),
        ],
        key="database-states",
        alt="Sessions by state and by what they wait for",
    )
