"""The search of the Logs page: the field, what is wrong with it, the filters beside it, saved searches."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

import access
from records import searches as saved
from records.database import Database
from records.errors import RecordsError
from ui import context
from ui.clean import clean, inert
from ui.theme import STATUS
from views.logs.panels import state as log_state
from views.logs.panels.field import log_field
from views.logs.panels.state import LogState

if TYPE_CHECKING:
    from views.logs.view import Mistake

_EXAMPLE = 'level:error component:storage duration_ms>500 "pool timed out" -user_id:u7 (a OR b)'
_AROUND = 60
"""Characters of a long search that are shown on either side of a mistake."""

OPERATORS = {
    "is": ("{field}:{value}", True),
    "is not": ("-{field}:{value}", True),
    "begins with": ("{field}:{value}*", True),
    "exists": ("{field}:*", False),
    "does not exist": ("-{field}:*", False),
    "at least": ("{field}>={value}", True),
    "at most": ("{field}<={value}", True),
}
"""How a filter is put together: its words, how it is written, and whether it needs a value."""


_ASKED = "logs search to delete"
_TURN = "logs saved searches turn"
_JOINING = ("AND", "OR", "NOT", "TO")


def search(
    state: LogState, mistakes: Sequence[Mistake], inverted: Callable[[str], str], fields: Mapping[str, str]
) -> None:
    """The search field with everything that belongs to it.

    Args:
        state: What the page is set to.
        mistakes: What cannot be asked.
        inverted: Turns a filter into its opposite.
        fields: Names of fields that a filter may be about, with what each means.
    """
    visit = context.current()
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="logs-search-row"):
        with st.container(width="stretch"):
            log_field(state.query, _EXAMPLE, visit.environment, visit.span(), log_state.search)
        with st.popover("Filter", icon=":material/add:", help="Put a filter together", key="logs-add-filter"):
            _builder(fields)
        with (
            st.container(key="logs-saved", width="content"),
            # After a choice it is drawn as another one, which is closed.
            st.popover(
                "Saved",
                icon=":material/bookmark:",
                help="Saved searches",
                key=f"logs-saved-{st.session_state.get(_TURN, 0)}",
            ),
        ):
            _saved(state)
        with st.popover(
            "How to search", icon=":material/help:", type="tertiary", help="How to search", key="logs-help"
        ):
            _how()
    for number, mistake in enumerate(mistakes):
        told(mistake, str(number))
    if state.filters:
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="logs-filters"):
            for number, one in enumerate(state.filters):
                _chip(number, one, inverted)
            if len(state.filters) > 1:
                st.button("Remove all", key="logs-no-filters", type="tertiary", on_click=lambda: context.change(f=[]))


def told(mistake: Mistake, key: str) -> None:
    """A mistake, with a mark under the character that it is about, and what may have been meant.

    Args:
        mistake: What cannot be asked.
        key: A name that no other mistake on the page has.
    """
    word = STATUS["risk"]
    what = "This filter" if mistake.filter else "The search"
    with st.container(gap="xsmall", key=f"logs-mistake-{key}"):
        st.markdown(f":{word.markdown}[{word.icon}] {what} is not asked. {inert(mistake.message, 400)}")
        if mistake.text and mistake.position is not None:
            st.code(pointed(mistake.text, mistake.position, mistake.length), language=None)
        if mistake.suggestion:
            change: Callable[[], None] = partial(log_state.search, mistake.suggestion)
            if mistake.filter:
                change = partial(log_state.replace_filter, mistake.text, mistake.suggestion)
            st.button(
                f"Search for {inert(mistake.suggestion, 120)}",
                key=f"logs-suggestion-{key}",
                icon=":material/auto_fix_high:",
                type="tertiary",
                on_click=change,
            )


def pointed(text: str, position: int, length: int) -> str:
    """A text and, in a second line, carets under what is wrong in it; far ends of a long text are left out.

    >>> print(pointed("level:error foo:", 12, 3))
    level:error foo:
                ^^^
    """
    start = max(position - _AROUND, 0)
    end = min(position + max(length, 1) + _AROUND, len(text))
    before = ("…" if start else "") + clean(text[start:position], len(text) + 1)
    blamed = clean(text[position : position + length], len(text) + 1)
    blamed = blamed if len(blamed) <= _AROUND else f"{blamed[: _AROUND - 1]}…"
    behind = clean(text[position + length : end], len(text) + 1) + ("…" if end < len(text) else "")
    return f"{before}{blamed}{behind}\n{' ' * len(before)}{'^' * max(len(blamed), 1)}"


def _chip(number: int, text: str, inverted: Callable[[str], str]) -> None:
    """One filter: a click on its text turns it around, the cross removes it."""
    opposite = inverted(text)
    out = text.startswith("-")
    with st.container(
        horizontal=True, vertical_alignment="center", gap=None, width="content", key=f"logs-chip-{number}"
    ):
        st.button(
            inert(text, 60),
            key=f"logs-turn-{number}-{text}",
            icon=":material/block:" if out else ":material/filter_alt:",
            help=f"{inert(text, 500)}  \nClick to search for {inert(opposite, 500)} instead.",
            on_click=log_state.replace_filter,
            args=(text, opposite),
        )
        st.button(
            "Remove this filter",
            key=f"logs-remove-{number}-{text}",
            icon=":material/close:",
            help="Remove this filter",
            type="tertiary",
            on_click=log_state.remove_filter,
            args=(text,),
        )


def _builder(fields: Mapping[str, str]) -> None:
    field = st.selectbox(
        "Field",
        list(fields),
        key="logs-filter-field",
        help="Any other field by its path, such as log.offset.",
        accept_new_options=True,
    )
    if field in fields:
        st.caption(inert(fields[field]))
    operator = st.selectbox("How", list(OPERATORS), key="logs-filter-operator")
    valued = OPERATORS[operator][1]
    value = st.text_input("Value", key="logs-filter-value", disabled=not valued, max_chars=500)
    ready = bool(field) and (not valued or bool(value.strip()))
    text = written(str(field or "").strip(), operator, value.strip()) if ready else ""
    st.button(
        "Add",
        key="logs-filter-add",
        icon=":material/add:",
        disabled=not ready,
        on_click=log_state.add_filter,
        args=(text,),
    )


def written(field: str, operator: str, value: str) -> str:
    """A filter in the language of the search; every character of the value stands for itself."""
    escaped = "".join(f"\\{char}" if not (char.isalnum() or char in "_.@/") else char for char in value)
    # Words that would join two filters are escaped as well.
    return OPERATORS[operator][0].format(field=field, value=f"\\{escaped}" if escaped in _JOINING else escaped)


def _saved(state: LogState) -> None:
    """Searches that somebody saved under a label: open, save this one, delete."""
    visit = context.current()
    if visit.records is None:
        st.caption("Saved searches are not available: the records cannot be reached.")
        return
    database = visit.records
    try:
        kept = saved.list_searches(database, visit.environment, limit=30)
    except RecordsError as error:
        st.caption(inert(f"Saved searches are not available: {error}", 300))
        return
    if not kept:
        st.caption("Nobody has saved a search here yet.")
    for one in kept:
        _saved_search(one, visit, database)
    if not access.may(visit.viewer, access.Right.SAVE):
        st.caption("Saving a search needs the role operator.")
        return
    with st.form("logs-save", border=False, clear_on_submit=True):
        label = st.text_input("Save this search as", max_chars=80, placeholder="Pool exhausted")
        if st.form_submit_button("Save", icon=":material/bookmark:") and label.strip():
            _kept_or_told(
                partial(
                    saved.save_search,
                    database,
                    environment=visit.environment,
                    label=label,
                    query=state.query,
                    filters=state.filters,
                    columns=state.columns,
                    created_by=visit.viewer.name,
                )
            )


def _saved_search(one: saved.SavedSearch, visit: context.Context, database: Database) -> None:
    """One search; deleting it asks first."""
    deletable = access.may_delete(visit.viewer, one.created_by)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        what = " ".join([one.query, *one.filters]).strip()
        st.button(
            inert(one.label, 60),
            key=f"logs-open-{one.id}",
            type="tertiary",
            width="stretch",
            help=f"{inert(what, 500)}  \nSaved by {inert(one.created_by)}.",
            on_click=_open,
            args=(one,),
        )
        if deletable:
            st.button(
                f"Delete {inert(one.label, 60)}",
                key=f"logs-delete-{one.id}",
                icon=":material/delete:",
                type="tertiary",
                help="Delete this search",
                on_click=_ask,
                args=(one.id,),
            )
    if deletable and st.session_state.get(_ASKED) == one.id:
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"logs-sure-{one.id}"):
            st.markdown(f"Delete “{inert(one.label, 60)}” for everybody?", width="stretch")
            if st.button("Delete", key=f"logs-yes-{one.id}", type="primary"):
                _ask(None)
                _kept_or_told(partial(saved.delete_search, database, one.id, by=visit.viewer.name))
            st.button("Keep", key=f"logs-keep-{one.id}", on_click=_ask, args=(None,))


def _open(one: saved.SavedSearch) -> None:
    st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1
    log_state.load(one.query, one.filters, one.columns)


def _ask(search_id: uuid.UUID | None) -> None:
    st.session_state[_ASKED] = search_id


def _kept_or_told(write: Callable[[], object]) -> None:
    try:
        write()
    except (RecordsError, ValueError) as error:
        st.warning(inert(str(error), 300))
        return
    st.rerun(scope="app")


_HOW = (
    ("pool timed out", "lines with all three words in the message"),
    ('"pool timed out"', "these words in this order"),
    ("time*", "words that begin so; a star stands at the end only"),
    ("level:error component:storage", "both fields have these values"),
    ("duration_ms>500 · duration_ms:[100 TO 500}", "compared, and a range without its upper end"),
    ("error:* · -user_id:*", "lines that have a field, and that lack one"),
    ("-pod:a (x OR y)", "leave out, and one or the other"),
)


def _how() -> None:
    st.markdown("Words stand side by side and all must hold. Enter searches.")
    for text, meaning in _HOW:
        st.markdown(f"`{text}`  \n{meaning}")
