"""Windows that somebody saved under a label, in the picker: open one, save this one, delete one."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from functools import partial

import streamlit as st

import access
from records import windows as saved
from records.database import Database
from records.errors import RecordsError
from ui import format
from ui.clean import inert
from ui.context import Context
from ui.window import Window

SHOWN = 20
"""Most windows that are listed; the newest ones."""

_ASKED = "bar window to delete"


def saved_windows(visit: Context, database: Database, now: datetime, choose: Callable[[Window], None]) -> None:
    """The saved windows of the environment.

    Args:
        visit: The visit.
        database: Where they are kept.
        now: The time of the clock, aware.
        choose: Shows a window.
    """
    try:
        kept = saved.list_windows(database, visit.environment, limit=SHOWN + 1)
    except RecordsError as error:
        st.caption(inert(f"Saved windows are not available: {error}", 300))
        return
    if kept:
        st.caption("Saved windows")
    for one in kept[:SHOWN]:
        _saved(one, visit, database, now, choose)
    if len(kept) > SHOWN:
        st.caption(f"These are the {SHOWN} newest ones.")
    if not access.may(visit.viewer, access.Right.SAVE):
        st.caption("Saving a window needs the role operator.")
        return
    with st.form("bar-save", border=False, clear_on_submit=True):
        label = st.text_input("Save this window as", max_chars=80, placeholder="Search outage after 1.8.2")
        if st.form_submit_button("Save", icon=":material/bookmark:") and label.strip():
            start, end = visit.window.ends(now)
            _kept_or_told(
                partial(
                    saved.save_window,
                    database,
                    environment=visit.environment,
                    label=label.strip(),
                    start=start,
                    end=end,
                    note="",
                    created_by=visit.viewer.name,
                )
            )


def _saved(
    one: saved.SavedWindow, visit: Context, database: Database, now: datetime, choose: Callable[[Window], None]
) -> None:
    """One window with its dates; deleting it asks first."""
    window = visit.window.between(one.start, one.end)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            f"{inert(one.label, 60)} :gray[{inert(window.title(now))}]",
            key=f"bar-open-{one.id}",
            type="tertiary",
            help=inert(_described(one, visit)),
            width="stretch",
            on_click=choose,
            args=(window,),
        )
        if access.may_delete(visit.viewer, one.created_by):
            st.button(
                f"Delete {inert(one.label, 60)}",
                key=f"bar-delete-{one.id}",
                icon=":material/delete:",
                type="tertiary",
                help="Delete this window",
                on_click=_ask,
                args=(one.id,),
            )
    if st.session_state.get(_ASKED) == one.id and access.may_delete(visit.viewer, one.created_by):
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"bar-sure-{one.id}"):
            st.markdown(f"Delete “{inert(one.label, 60)}” for everybody?", width="stretch")
            if st.button("Delete", key=f"bar-yes-{one.id}", type="primary"):
                _ask(None)
                _kept_or_told(partial(saved.delete_window, database, one.id, by=visit.viewer.name))
            st.button("Keep", key=f"bar-keep-{one.id}", on_click=_ask, args=(None,))


def _ask(window_id: uuid.UUID | None) -> None:
    st.session_state[_ASKED] = window_id


def _described(one: saved.SavedWindow, visit: Context) -> str:
    start = format.timestamp(one.start, visit.tz, date=True)
    return f"{start}, {format.duration(one.end - one.start)}, saved by {one.created_by}. {one.note}"


def _kept_or_told(write: Callable[[], object]) -> None:
    try:
        write()
    except (RecordsError, ValueError) as error:
        st.warning(inert(str(error), 300))
        return
    st.rerun(scope="app")
