"""Corrections on the page: which windows do not count, and the form to enter one or to remove it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

import access
from records import corrections as records
from records.corrections import Correction
from records.database import Database
from records.errors import RecordsError
from ui import format
from ui.clean import clean, inert
from ui.context import Context
from ui.window import instant

if TYPE_CHECKING:
    from collectors.slos import Objective

RIGHT = access.Right.RUN_CHANGE
"""What somebody must be allowed to do to enter or remove a correction: it changes what the figures say."""

OLDEST = timedelta(days=2 * 366)
"""Corrections that ended longer ago belong to no period any more."""

_ALL = "all objectives"


def corrections_or_told(visit: Context) -> tuple[Correction, ...]:
    """The corrections of the visit's environment; where they cannot be read, none, with a word on the page."""
    found, cause = _corrections(visit)
    if cause:
        st.warning(f"Excluded windows are not known, so all figures of objectives are raw. {inert(cause, 300)}")
    return found


def corrections(visit: Context) -> tuple[Correction, ...]:
    """The same without a word."""
    return _corrections(visit)[0]


def _corrections(visit: Context) -> tuple[tuple[Correction, ...], str]:
    """The corrections, and why they are not known."""
    if visit.records is None:
        return (), "The console's log says why the records cannot be reached."
    try:
        since = datetime.now(UTC) - OLDEST
        return tuple(records.list_corrections(visit.records, visit.environment, since=since)), ""
    except RecordsError as error:
        return (), str(error)


def corrections_form(visit: Context, objectives: Mapping[str, Objective], found: tuple[Correction, ...]) -> None:
    """A button with the excluded windows behind it, and the form for those who may change them."""
    count = len(found)
    title = f"{count or 'No'} excluded window{'' if count == 1 else 's'}"
    with st.popover(title, icon=":material/event_busy:", help="Windows that count neither as good nor as bad"):
        may = access.may(visit.viewer, RIGHT)
        for one in found:
            _listed(visit, objectives, one, may=may)
        if not found:
            st.caption("Every event counts. A window of announced maintenance can be left out, with its reason.")
        if not may:
            st.caption(
                "You may look at excluded windows and not change them: that takes the role operator or admin, and "
                "a name that can stand beside the reason."
            )
        elif visit.records is not None:
            _form(visit, visit.records, objectives)


def _listed(visit: Context, objectives: Mapping[str, Objective], one: Correction, *, may: bool) -> None:
    start = format.timestamp(one.start, visit.tz, date=True)
    length = format.duration(one.end - one.start)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(
            f"{start}, {length}, {_whose(objectives, one)}: {inert(one.reason, 300)} "
            f":gray[(entered by {inert(one.created_by, 60)})]",
            width="stretch",
        )
        if may and visit.records is not None:
            remove = partial(records.remove_correction, visit.records, one.id, by=visit.viewer.name)
            if st.button(
                "", key=f"slo-remove-{one.id}", icon=":material/delete:", type="tertiary", help="Let this window count"
            ):
                _done_or_told(remove)


def _whose(objectives: Mapping[str, Objective], one: Correction) -> str:
    if one.objective is None:
        return _ALL
    known = objectives.get(one.objective)
    return inert(known.title if known is not None else one.objective)


def _form(visit: Context, database: Database, objectives: Mapping[str, Objective]) -> None:
    zone = visit.tz
    start, end = (
        moment.astimezone(zone).replace(tzinfo=None, second=0, microsecond=0)
        for moment in visit.window.ends(datetime.now(UTC))
    )
    with st.form("slo-exclude", border=False, clear_on_submit=False):
        whose = st.selectbox(
            "Exclude from",
            [None, *objectives],
            format_func=lambda key: _ALL if key is None else clean(objectives[key].title),
        )
        left, right = st.columns(2)
        first = left.datetime_input(f"From ({visit.window.zone})", start, step=timedelta(minutes=1))
        last = right.datetime_input(f"To ({visit.window.zone})", end, step=timedelta(minutes=1))
        reason = st.text_input("Reason", max_chars=300, placeholder="Announced maintenance of the database")
        if st.form_submit_button("Exclude", icon=":material/event_busy:") and first and last:
            _done_or_told(
                lambda: records.add_correction(
                    database,
                    environment=visit.environment,
                    objective=whose,
                    start=instant(first, zone),
                    end=instant(last, zone, last=True),
                    reason=reason,
                    created_by=visit.viewer.name,
                )
            )


def _done_or_told(write: Callable[[], object]) -> None:
    """Run a change; the page is drawn anew after it is on disk, or says why it is not."""
    try:
        write()
    except (RecordsError, ValueError) as error:
        st.warning(inert(str(error), 300))
        return
    st.rerun(scope="app")
