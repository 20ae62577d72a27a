"""Sessions of the database: who waits for whom as a tree, all of them as a table, and one that is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from ui import address, context, diagnoses, format, menu, tables
from ui.clean import clean, inert
from ui.panel import About
from ui.tables import Column
from ui.theme import STATUS
from views.database.rules.locks import words
from views.database.rules.sql_text import shown
from views.database.sessions.panels.now import STATES

if TYPE_CHECKING:
    from collectors.postgres.sessions import Session
    from collectors.span import Span
    from views.database.sessions.view import Now, Opened, Seat

PID, AT, ONLY = "pid", "at", "sessions"
"""Names of the choices in the address: the opened session, beside what it stands, which sessions the table has."""

SHOWN: Mapping[str, tuple[str, Callable[[Session], bool]]] = {
    "busy": ("Busy", lambda one: one.state != "idle"),
    "active": ("Active", lambda one: one.state == "active"),
    "idle-in-transaction": ("Idle in transaction", lambda one: one.state.startswith("idle in transaction")),
    "waiting": ("Waiting for a lock", lambda one: bool(one.blocked_by)),
    "all": ("All", lambda one: True),
}
"""Which sessions the table can show, by the word in the address; the first is shown where it has none."""

MOST_ROOTS = 5
MOST_WAITERS = 10
"""How many trees are drawn, and how many rows of one before it scrolls."""

MOST_OF_STATEMENT = 300
"""Characters of a statement in a table; the opened session has all of it."""

RUNBOOKS = {"pg_cancel_backend": "postgres-cancel-query", "pg_terminate_backend": "postgres-end-session"}
"""Call → key of the runbook that makes it."""

MASKED = "hidden"


def opened_pid() -> int | None:
    """The session that is opened; ``None`` where the address names none."""
    return address.integer(PID, 0, 2**31 - 1)


@contextmanager
def beside(place: str, opened: Callable[[], None]) -> Iterator[None]:
    """Where a list of sessions is drawn, with the opened one beside it if it was opened from there.

    Args:
        place: ``tree`` or ``table``.
        opened: Draws the opened session.
    """
    here = "tree" if address.text(AT, 10) == "tree" else "table"
    if opened_pid() is None or here != place:
        yield
        return
    wide, side = st.columns([3, 2])
    with wide:
        yield
    with side:
        opened()


def tree(
    found: Now,
    _span: Span,
    *,
    who: Callable[[Seat], str],
    mend: Callable[[Seat], str],
    literals: bool,
) -> None:
    """Who waits for whom: a frame for each root, and below it those that wait.

    Args:
        found: The sessions.
        who: Who sits at a root, in words.
        mend: The calls that would end it.
        literals: Whether the viewer may see the values in statements.
    """
    roots = [place for place, seat in enumerate(found.seats) if seat.node.depth == 0]
    for number, place in enumerate(roots[:MOST_ROOTS]):
        end = roots[number + 1] if number + 1 < len(roots) else len(found.seats)
        with st.container(border=True, gap="small", key=f"database-root-{number}"):
            _root(found.seats[place], number, who(found.seats[place]), literals=literals)
            _waiters(found.seats[place + 1 : end], number, literals=literals)
            _calls(mend(found.seats[place]))
    if len(roots) > MOST_ROOTS:
        st.caption(f"{len(roots) - MOST_ROOTS} more sessions with fewer behind them are not drawn.")


def about_tree(_found: Now, _span: Span) -> About:
    """What the tree is made of."""
    return About(
        "pg_blocking_pids of all sessions that wait for a lock: who holds one that conflicts, and who stands before "
        "them in its queue. Each session is drawn once, below the one in its way that is nearest to a root; the column "
        "Because of has them all. pg_locks tells what is held and wanted.",
    )


def why_no_tree(found: Now) -> str:
    """Why there is no tree; an empty text where there is one."""
    return "" if found.seats else "Nobody waits for a lock."


def _root(seat: Seat, number: int, heading: str, *, literals: bool) -> None:
    node = seat.node
    mark = STATUS["broken" if node.behind > 1 else "risk"]
    waits = f"{node.behind} session{'s wait' if node.behind > 1 else ' waits'} behind it"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":{mark.markdown}[{mark.icon} **{inert(heading, 300)}**] · {waits}", width="stretch")
        if seat.session is not None:
            st.button(
                "Open", key=f"database-open-{number}", type="tertiary", icon=":material/open_in_full:",
                help="Its locks, since when, and where it comes from", on_click=_open, args=(node.pid,),
            )  # fmt: skip
    told = []
    if node.cycle:
        told.append("waits for itself through others: a deadlock, which the server is about to end")
    if seat.holds:
        told.append(f"holds {', '.join(seat.holds[:4])}" + (f" and {len(seat.holds) - 4} more" * (len(seat.holds) > 4)))
    if seat.session is not None and seat.session.xact_start is not None:
        told.append(f"transaction open for {format.duration(seat.session.since(seat.session.xact_start))}")
    if seat.node.elsewhere:
        others = ", ".join(map(str, seat.node.elsewhere[:8]))
        more = f" and {len(seat.node.elsewhere) - 8} more" if len(seat.node.elsewhere) > 8 else ""
        told.append(f"also in the way of {others}{more}, drawn below another one")
    if told:
        st.caption(inert("; ".join(told), 700))
    if seat.session is not None:
        lead = "" if seat.session.state == "active" else "-- its last statement, which has ended:\n"
        st.code(
            clean(lead + shown(seat.session.query, literals), 600, lines=True) or "-- no statement yet",
            language="sql", wrap_lines=True,
        )  # fmt: skip


def _waiters(below: Sequence[Seat], number: int, *, literals: bool) -> None:
    if not below:
        return
    frame = pd.DataFrame([_waiter(seat, below, place, literals=literals) for place, seat in enumerate(below)])
    _openable(
        frame,
        [
            Column("who", "Waits", width=250, help="Each stands below the one that it waits for."),
            Column("waited", "For", "number", unit="s", width=80, help="Since it asked for the lock."),
            Column("behind", "Behind it", width=80, help="Sessions that wait for it, directly or through others."),
            Column("wants", "Wants", width=240),
            Column("blockers", "Because of", width=130, help="All sessions in its way: holders, and those before it."),
            Column("statement", "Statement", width="large", limit=300),
        ],
        f"database-waiters-{number}",
        "tree",
        height=35 * (min(len(below), MOST_WAITERS) + 1) + 3,
        alt="Sessions that wait, each below the one that it waits for",
    )


def _waiter(seat: Seat, below: Sequence[Seat], place: int, *, literals: bool) -> dict[str, object]:
    node, session = seat.node, seat.session
    last = not any(
        later.node.depth == node.depth
        for later in _until(below[place + 1 :], lambda other: other.node.depth < node.depth)
    )
    name = session.name if session is not None else "gone"
    return {
        "pid": node.pid,
        # Spaces of a fixed width: a plain one at the beginning would be taken away.
        "who": f"{'·   ' * (node.depth - 1)}{'└' if last else '├'} {node.pid} {name}",
        "waited": node.waited,
        "behind": str(node.behind) if node.behind else "",
        "wants": seat.wants or format.UNKNOWN,
        "blockers": ", ".join("prepared" if pid == 0 else str(pid) for pid in node.blockers[:6])
        + (f" and {len(node.blockers) - 6} more" if len(node.blockers) > 6 else ""),
        "statement": _statement(session, literals=literals),
    }


def _until(seats: Sequence[Seat], ends: Callable[[Seat], bool]) -> list[Seat]:
    found = []
    for seat in seats:
        if ends(seat):
            break
        found.append(seat)
    return found


def _statement(session: Session | None, *, literals: bool) -> str:
    """The beginning of a statement on one line: cut first, since a table of hundreds is drawn every two seconds."""
    return " ".join(shown(session.query[:MOST_OF_STATEMENT], literals).split()) if session is not None else ""


def _calls(mend: str) -> None:
    """What would end it, as text: nothing is done from here."""
    if not mend:
        return
    named = [runbook for call, runbook in RUNBOOKS.items() if call in mend]
    with st.expander("What would mend it", icon=":material/healing:"):
        st.code(clean(mend, 1000, lines=True), language="sql", wrap_lines=True)
        if named:
            st.caption(inert(diagnoses.runbook(" and ".join(named))))


def _openable(
    frame: pd.DataFrame, columns: Sequence[Column], name: str, place: str, *, height: int | None = None, alt: str = ""
) -> None:
    """A table of sessions, of which a click opens one; ``frame`` has a column ``pid``."""
    # A new table with each opened session, so that the click's mark goes with it.
    key = f"{name}-{opened_pid() or 0}"
    drawn = f"{name} drawn"
    st.session_state[drawn] = [int(pid) for pid in frame["pid"]]

    def opened() -> None:
        rows, pids = st.session_state[key]["selection"]["rows"], st.session_state[drawn]
        if rows and int(rows[0]) < len(pids):
            context.change(**{PID: str(pids[int(rows[0])]), AT: place})

    tables.table(
        frame, columns=columns, key=key, height=height, on_select=opened, tz=context.current().tz, alt=alt or None
    )


def sessions_shown() -> str:
    """Which sessions the table has; the choice is in the address."""
    now = address.choice(ONLY, SHOWN, next(iter(SHOWN)))
    key = f"database-sessions-{now}"

    def chosen() -> None:
        context.change(**{ONLY: st.session_state[key] or now})

    st.segmented_control(
        "Sessions", list(SHOWN), default=now, format_func=lambda name: SHOWN[name][0], key=key, on_change=chosen,
        label_visibility="collapsed",
    )  # fmt: skip
    return now


def sessions(found: Now, _span: Span, *, only: str, literals: bool, addresses: bool) -> None:
    """The sessions of programs, the busy ones first.

    Args:
        found: All sessions.
        only: A key of :data:`SHOWN`.
        literals: Whether the viewer may see the values in statements.
        addresses: Whether the viewer may see where sessions come from.
    """
    fits = SHOWN[only][1]
    chosen = [one for one in found.sessions.clients if fits(one)]
    chosen.sort(key=lambda one: (STATES.get(one.state, 9), -(one.since(one.xact_start) or 0.0), one.pid))
    if not chosen:
        st.caption("No session is like that at this moment.")
        return
    frame = pd.DataFrame([_session(one, literals=literals, addresses=addresses) for one in chosen])
    _openable(
        frame,
        [
            Column("number", "pid", width=75),
            Column("application", "Application", width=150),
            Column("state", "State", width=125),
            Column("since", "For", "number", unit="s", width=75, help="Since its statement or its state began."),
            Column("transaction", "Transaction", "number", unit="s", width=95, help="Since its transaction began."),
            Column("waits", "Waits for", width=135),
            Column("blockers", "Because of", width=90),
            Column("statement", "Statement", width="large", limit=300),
            Column("user", "Role", width=95),
            Column("client", "From", width=110),
        ],
        "database-sessions",
        "table",
        alt="Sessions",
    )


def _session(one: Session, *, literals: bool, addresses: bool) -> dict[str, object]:
    return {
        "pid": one.pid,
        "number": str(one.pid),
        "state": one.state or "not told",
        "since": one.since(one.query_start if one.state == "active" else one.state_change),
        "transaction": one.since(one.xact_start),
        "waits": one.waiting,
        "blockers": ", ".join(map(str, dict.fromkeys(one.blocked_by))),
        "application": one.application,
        "user": one.user,
        "client": (one.client or "local") if addresses else MASKED,
        "statement": _statement(one, literals=literals),
    }


def about_sessions(_found: Now, _span: Span) -> About:
    """What the table is made of."""
    return About(
        "pg_stat_activity, without the console's own sessions and without the server's processes. A session that is "
        "idle shows its last statement.",
    )


def one_session(found: Opened, _span: Span, *, mend: Callable[[Session], str], literals: bool, addresses: bool) -> None:
    """One session: its whole statement, what it waits for, its locks, where it comes from, what would end it."""
    session = found.session
    if session is None:
        return
    visit = context.current()
    client = (session.client or "a local socket") if addresses else MASKED
    facts = {
        "State": f"{session.state or session.kind} for {_age(session, session.state_change)}",
        "Waits for": session.waiting or "nothing",
        "Transaction": f"open for {_age(session, session.xact_start)}" if session.xact_start else "none",
        "Statement": f"began {format.timestamp(session.query_start, visit.tz)}" if session.query_start else "none",
        "Program": f"{session.application or 'without a name'}, as {session.user} from {client}, in {session.database}",
        "Connected": f"for {_age(session, session.backend_start)}",
    }
    if session.horizon is not None:
        facts["Holds back vacuum"] = f"by {format.count(session.horizon)} transactions"
    if found.seat is not None and found.seat.wants:
        blockers = ", ".join("a prepared transaction" if pid == 0 else f"pid {pid}" for pid in found.seat.node.blockers)
        waited = format.value(found.seat.node.waited, "s")
        facts["Waits for"] = f"{found.seat.wants}, for {waited}, because of {blockers}"
    if found.seat is not None and found.seat.node.behind:
        many = found.seat.node.behind
        facts["Behind it"] = f"{many} session{'s wait' if many > 1 else ' waits'} for it"
    st.markdown("  \n".join(f":gray[{name}] {inert(text, 300)}" for name, text in facts.items()))
    st.code(clean(shown(session.query, literals), 8000, lines=True) or "-- no statement yet", language="sql",
            wrap_lines=True, height=260 if len(session.query) > 900 else "content")  # fmt: skip
    if not literals:
        st.caption("Values are hidden: to see them takes the right to see identifiers.")
    if session.query_id is not None:
        params = {**visit.params(), "part": "queries", "query": str(session.query_id)}
        menu.link("database", "This statement over time", icon=":material/query_stats:", params=params)
    if found.locks:
        frame = pd.DataFrame(
            [
                {
                    "lock": "its own transaction"
                    if one.granted and one.kind == "transactionid"
                    else words(one.kind, one.mode, one.relation),
                    "state": "held" if one.granted else "waits",
                    "number": float(one.number),
                }
                for one in found.locks
            ]
        )
        tables.table(
            frame,
            columns=[
                Column("state", "", width=60),
                Column("lock", "Lock", width="large"),
                Column("number", "Number", "number", unit="count", width=80),
            ],
            key="database-session-locks",
            height=35 * (min(len(frame), 8) + 1) + 3,
            alt="Locks of the session",
        )
    _calls(mend(session))
    st.button("Close", icon=":material/close:", type="tertiary", key="database-session-close", on_click=_close)


def why_gone(found: Opened) -> str:
    """Why there is nothing to show of an opened session; an empty text where there is something."""
    return "" if found.session is not None else "This session has ended."


def _open(pid: int) -> None:
    context.change(**{PID: str(pid), AT: "tree"})


def _close() -> None:
    context.change(**{PID: "", AT: ""})


def _age(session: Session, moment: object) -> str:
    return format.duration(session.since(moment))  # type: ignore[arg-type]
