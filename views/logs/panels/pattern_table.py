"""Log patterns: a table of them, one in detail with examples, and the form that mutes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from records.errors import RecordsError
from ui import context, format, screen, tables
from ui.clean import clean, inert
from ui.panel import About
from ui.tables import Column
from ui.theme import STATUS

if TYPE_CHECKING:
    from collectors.span import Span
    from records.pattern_mutes import Mute
    from views.logs.patterns import Found, Patterns
    from views.logs.rules.pattern_changes import Usual
    from views.logs.rules.patterns import Pattern

TABLE_ROWS = 200
"""Most patterns in the table; the rest is told as a number."""

_DRAWN = "patterns drawn"
"""Where it is kept which patterns the rows of the table are: a click tells a row's number only."""

MUTES: dict[str, timedelta] = {
    "1 hour": timedelta(hours=1),
    "8 hours": timedelta(hours=8),
    "1 day": timedelta(days=1),
    "7 days": timedelta(days=7),
    "30 days": timedelta(days=30),
}
"""How long a mute may last, as it is chosen."""

_HELP = (
    "Lines that say the same about different things, told by one template; what differs stands in angle brackets. "
    "New: first seen within the window. Surged: in the busiest quarter of an hour at least 10 lines, 3 times the "
    "median of the 7 days before, 3.5 robust spreads above it, and more than in 98 % of their quarters of an hour. "
    "Where all other lines have become more as well, what is usual is taken as many times."
)


@dataclass(frozen=True)
class Deeds:
    """What can be done with a pattern; the page says how, and whether the viewer may.

    Attributes:
        open: Open a pattern by its identity, or close the opened one with an empty text.
        only: Show only lines of this pattern.
        without: Show all other lines.
        mute: Mute it for a time with a reason; raises ``ValueError`` or ``RecordsError`` with a sentence.
        lift: End a mute; raises ``RecordsError``.
        may_mute: Whether the viewer may mute and lift.
        who_may: Who may, as a sentence for those who may not.
    """

    open: Callable[[str], None]
    only: Callable[[Pattern], None]
    without: Callable[[Pattern], None]
    mute: Callable[[Pattern, timedelta, str], object]
    lift: Callable[[Mute], object]
    may_mute: bool
    who_may: str


def patterns(found: Patterns, span: Span, deeds: Deeds, opened: str = "") -> None:
    """All patterns of the window; the opened one in detail below, and the mutes that hold.

    Args:
        found: The patterns.
        span: The window.
        deeds: What can be done with one.
        opened: Identity of the opened pattern, as the address names it; empty where none is.
    """
    shown = found.found[:TABLE_ROWS]
    told = Column("told", "", width=110, help="New: first seen within this window. Surged: far more than usual.")
    count = Column("count", "Lines", "number", unit="count", width=80)
    template = Column("template", "Pattern", width="large")
    others = [
        Column("share", "Share", "number", unit="ratio", width=75, help="Of all lines of the window."),
        Column("trend", "Over the window", "sparkline", width=140),
        Column("level", "Level", width=75),
        Column("component", "Component", width=120),
    ]
    last = [Column("first_seen", "First seen", "time", width=150), Column("version", "Version then", width=100)]
    # A new table with each opened pattern, so that the click's mark goes with it.
    key = f"patterns-{opened}"
    st.session_state[_DRAWN] = tuple(one.pattern.id for one in shown)
    tables.table(
        pd.DataFrame([_row(one) for one in shown]),
        # On a phone what the lines say comes first and the rest by a swipe.
        columns=(
            [count, template, told, *others, *last] if screen.narrow() else [told, count, *others, template, *last]
        ),
        key=key,
        on_select=lambda: clicked(key, deeds),
        tz=context.current().tz,
        alt="Log patterns with their number of lines, trend and first appearance; a click opens one",
    )
    if len(found.found) > len(shown):
        st.caption(f"and {len(found.found) - len(shown)} patterns with fewer lines")
    if opened:
        chosen = found.by_id(opened)
        if chosen is not None:
            detail(chosen, span, deeds)
        else:
            _gone(deeds)
    if found.mutes:
        _mutes(found, deeds)


def clicked(key: str, deeds: Deeds) -> None:
    """Open the pattern whose row of a table was clicked, as the table was drawn."""
    drawn: tuple[str, ...] = st.session_state[_DRAWN]
    row = tables.chosen(key, len(drawn))
    if row is not None:
        deeds.open(drawn[row])


def _gone(deeds: Deeds) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption("No line of the opened pattern matches within this window.", width="content")
        _close(deeds)


def _close(deeds: Deeds) -> None:
    st.button(
        "Close the pattern",
        key="pattern-close",
        icon=":material/close:",
        type="tertiary",
        on_click=deeds.open,
        args=("",),
    )


def detail(found: Found, span: Span, deeds: Deeds) -> None:
    """One pattern: the whole template, what there is to say about it, examples, and what can be done."""
    pattern = found.pattern
    with st.container(border=True, gap="small", key=f"pattern-{pattern.id}"):
        st.code(clean(pattern.template, 4000), language=None, wrap_lines=True)
        for sentence in sentences(found, span):
            st.markdown(sentence)
        with st.container(horizontal=True, gap="small"):
            st.button(
                "Only these lines",
                key=f"pattern-only-{pattern.id}",
                icon=":material/filter_alt:",
                type="tertiary",
                on_click=deeds.only,
                args=(pattern,),
            )
            st.button(
                "Without these lines",
                key=f"pattern-without-{pattern.id}",
                icon=":material/filter_alt_off:",
                type="tertiary",
                on_click=deeds.without,
                args=(pattern,),
            )
            with st.popover("Mute", icon=":material/notifications_off:", type="tertiary"):
                _mute_form(found, deeds)
            _close(deeds)
        if found.examples:
            st.caption("Examples")
        tz = context.current().tz
        for line in found.examples:
            moment = format.timestamp(line.time, tz)
            st.code(clean(f"{moment}  {line.message}", 2000, lines=True), language=None, wrap_lines=True)


def sentences(found: Found, span: Span) -> list[str]:
    """What there is to say about a pattern, each as inert Markdown."""
    tz = context.current().tz
    told = []
    risk = STATUS["risk"]
    if found.first_seen is None:
        told.append("When it was first seen is not known yet.")
    else:
        version = f", version {inert(found.version)} ran then" if found.version else ""
        deploy = ""
        if found.after is not None:
            later = format.duration(found.first_seen - found.after.time)
            deploy = f", {later} after {inert(found.after.title)}"
        moment = format.timestamp(found.first_seen, tz, date=True)
        mark = f":{risk.markdown}[{risk.icon} **New.**] " if found.new else ""
        told.append(f"{mark}First seen {moment}{deploy}{version}.")
    if found.usual is not None:
        length = format.duration(min(span.seconds, 900.0))
        mark = f":{risk.markdown}[{risk.icon} **Surged.**] " if found.surge else ""
        told.append(
            f"{mark}{format.count(found.busiest)} lines in the busiest {length} of the window; usual are "
            f"{format.count(found.usual.median)}, and 98 % of the time at most {format.count(found.usual.high)} "
            f"({found.usual.counts:,} quarters of an hour before the window{_growth(found.usual)})."
        )
    elif found.new is not True:
        told.append("How much of it is usual is not known.")
    if found.mute is not None:
        told.append(_mute_sentence(found.mute))
    return told


def _growth(usual: Usual) -> str:
    if usual.growth < 1.1:
        return ""
    return f", times {usual.growth:.1f}, as there are {usual.growth:.1f} times as many other lines as usual"


def about(found: Patterns, _span: Span) -> About:
    """What the info button tells."""
    return About(_HELP, (found.query,) if found.query else (), found.remarks)


def why_empty(found: Patterns) -> str:
    """Why there is nothing to show; an empty text where there is."""
    return "" if found.found else "No lines match within this window, so there are no patterns."


def _row(found: Found) -> dict[str, object]:
    return {
        "told": _told(found),
        "count": found.count,
        "share": found.share,
        "trend": list(found.trend),
        "level": found.pattern.level or format.UNKNOWN,
        "component": found.pattern.component or format.UNKNOWN,
        "template": found.pattern.template or "(empty)",
        "first_seen": pd.Timestamp(found.first_seen) if found.first_seen is not None else pd.NaT,
        "version": found.version or format.UNKNOWN,
    }


def _told(found: Found) -> str:
    if found.mute is not None:
        return "muted"
    if found.new:
        return "▲ new"
    if found.surge and found.usual is not None:
        times = format.change(found.busiest, found.usual.median) if found.usual.median else ""
        return f"▲ surged {times}".strip()
    return ""


def _mute_form(found: Found, deeds: Deeds) -> None:
    if not deeds.may_mute:
        st.caption(inert(deeds.who_may))
        return
    pattern = found.pattern
    st.caption("A muted pattern stays in the table and is not told as new or surged until the mute ends.")
    with st.form(f"mute-{pattern.id}", border=False, clear_on_submit=True):
        length = st.selectbox("For", list(MUTES), index=2)
        reason = st.text_input("Reason", max_chars=2000, placeholder="Known, ticket OPS-123")
        if st.form_submit_button("Mute", icon=":material/notifications_off:"):
            _do(lambda: deeds.mute(pattern, MUTES[length], reason))


def _mutes(found: Patterns, deeds: Deeds) -> None:
    with st.expander(f"{len(found.mutes)} muted {'pattern' if len(found.mutes) == 1 else 'patterns'}"):
        for mute in found.mutes:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                with st.container(gap="xsmall"):
                    st.code(clean(mute.template, 300), language=None)
                    st.markdown(_mute_sentence(mute))
                if deeds.may_mute and st.button("End the mute", key=f"lift-{mute.id}", type="tertiary"):
                    _do(lambda mute=mute: deeds.lift(mute))  # type: ignore[misc]


def _mute_sentence(mute: Mute) -> str:
    until = format.timestamp(mute.expires_at, context.current().tz, date=True)
    return f":material/notifications_off: Muted until {until} by {inert(mute.muted_by)}: {inert(mute.reason, 500)}"


def _do(deed: Callable[[], object]) -> None:
    """Do it, and draw anew what it changed; what went wrong is told in its place."""
    try:
        deed()
    except (RecordsError, ValueError) as error:
        st.warning(inert(error, 300))
        return
    st.rerun(scope="app")
