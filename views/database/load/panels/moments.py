"""Past moments at which sessions waited for others: their list, and the tree of one as it was then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from ui import address, context, format, tables
from ui.clean import clean, inert
from ui.panel import About
from ui.tables import Column
from ui.theme import STATUS

if TYPE_CHECKING:
    from collectors.span import Span
    from views.database.load.moments import Moments
    from views.database.sessions.view import Now, Seat

AT = "at"
"""Name of the chosen moment in the address, as ISO 8601."""

LIST_HEIGHT = 220
MOST_ROOTS = 5
MOST_WAITERS = 12


def chosen_moment() -> datetime | None:
    """The moment that is opened; ``None`` where the address names none."""
    return address.moment(AT)


def title_of(moment: datetime) -> str:
    """The heading of a moment that is opened."""
    return f"Who waited for whom at {format.timestamp(moment, context.current().tz, date=True)}"


def moments(found: Moments, _span: Span) -> None:
    """The moments of blocking, the newest first; a click opens one."""
    kept = found.found
    frame = pd.DataFrame(
        {
            "time": pd.to_datetime([one.taken_at for one in kept], utc=True),
            "waiting": [float(one.waiting) for one in kept],
            "root": [" ".join(one.root.split()) for one in kept],
        }
    )
    key = f"load-moments-{address.text(AT, 40)}"
    drawn = "load-moments drawn"
    st.session_state[drawn] = [one.taken_at.isoformat() for one in kept]

    def opened() -> None:
        rows, times = st.session_state[key]["selection"]["rows"], st.session_state[drawn]
        if rows and int(rows[0]) < len(times):
            context.change(**{AT: times[int(rows[0])]})

    tables.table(
        frame,
        columns=[
            Column("time", "Time", "time", width=170),
            Column("waiting", "Waiting", "number", unit="count", width=80, help="Sessions that waited for a lock."),
            Column("root", "In front of most of them", width="large", limit=200),
        ],
        key=key,
        height=min(35 * (len(kept) + 1) + 3, LIST_HEIGHT),
        on_select=opened,
        tz=context.current().tz,
        alt="Moments at which sessions waited for others",
    )


def why_no_moments(found: Moments) -> str:
    """Why the list is empty; an empty text where it is not."""
    if found.found:
        return ""
    if not found.looks:
        return "No samples in this window, so it is not known whether somebody waited."
    return "Nobody was seen waiting for a lock of another session in this window."


def about_moments(_found: Moments, _span: Span) -> About:
    """What is kept."""
    return About(
        "While a look at the sessions finds some that wait for locks, who waits for whom is kept every ten seconds; "
        "once a minute where the same session stays in front for more than five minutes. Values in statements are "
        "left out before they are kept. A click opens the moment."
    )


def moment(found: Now | None, _span: Span, *, who: Callable[[Seat], str]) -> None:
    """The trees of one moment: each root with what it did and held, and below it those that waited.

    Args:
        found: The sessions at that moment.
        who: Who sits at a place, in words.
    """
    if found is None:
        return
    roots = [place for place, seat in enumerate(found.seats) if seat.node.depth == 0]
    for number, place in enumerate(roots[:MOST_ROOTS]):
        end = roots[number + 1] if number + 1 < len(roots) else len(found.seats)
        with st.container(border=True, gap="small", key=f"load-root-{number}"):
            _root(found.seats[place], who)
            _waiters(found.seats[place + 1 : end], number)
    if len(roots) > MOST_ROOTS:
        st.caption(f"{len(roots) - MOST_ROOTS} more sessions with fewer behind them are not drawn.")
    st.button("Close", key="load-moment-close", icon=":material/close:", type="tertiary", on_click=_close)


def _close() -> None:
    context.change(**{AT: ""})


def why_no_moment(found: Now | None) -> str:
    """Why a moment cannot be opened; an empty text where it can."""
    return "" if found is not None else "This moment is not kept any more."


def _root(seat: Seat, who: Callable[[Seat], str]) -> None:
    node = seat.node
    mark = STATUS["broken" if node.behind > 1 else "risk"]
    behind = f"{node.behind} session{'s' if node.behind != 1 else ''} behind it"
    st.markdown(f":{mark.markdown}[{mark.icon} **{inert(who(seat), 300)}**] · {behind}")
    told = []
    if node.cycle:
        told.append("waited for itself through others: a deadlock")
    if seat.holds:
        told.append(f"held {', '.join(seat.holds[:4])}")
    if seat.session is not None and seat.session.xact_start is not None:
        told.append(f"transaction open for {format.duration(seat.session.since(seat.session.xact_start))}")
    if told:
        st.caption(inert("; ".join(told), 500))
    if seat.session is not None and seat.session.query:
        lead = "" if seat.session.state == "active" else "-- its last statement, which had ended:\n"
        st.code(clean(lead + seat.session.query, 600, lines=True), language="sql", wrap_lines=True)


def _waiters(seats: Sequence[Seat], number: int) -> None:
    if not seats:
        return
    rows = [
        {
            "who": f"{'·   ' * (seat.node.depth - 1)}└ {seat.node.pid} {_name(seat)}",
            "waited": seat.node.waited if seat.node.waited is not None else float("nan"),
            "behind": float(seat.node.behind),
            "wants": seat.wants or format.UNKNOWN,
            "blockers": ", ".join("prepared" if pid == 0 else str(pid) for pid in seat.node.blockers[:6]),
            "statement": " ".join(seat.session.query.split()) if seat.session is not None else "",
        }
        for seat in seats
    ]
    tables.table(
        pd.DataFrame(rows),
        columns=[
            Column("who", "Waited", width=250, help="Each stands below the one that it waited for."),
            Column("waited", "For", "number", unit="s", width=80),
            Column("behind", "Behind it", "number", unit="count", width=80),
            Column("wants", "Wanted", width=220),
            Column("blockers", "Because of", width=130),
            Column("statement", "Statement", width="large", limit=300),
        ],
        key=f"load-waiters-{number}",
        height=35 * (min(len(rows), MOST_WAITERS) + 1) + 3,
        alt="Sessions that waited, each below the one that it waited for",
    )


def _name(seat: Seat) -> str:
    return seat.session.name if seat.session is not None else "gone"
