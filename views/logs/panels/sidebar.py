"""Fields beside the list: their most frequent values, each with a filter for and a filter out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from ui import format
from ui.clean import clean, inert
from ui.panel import About
from views.logs.panels import state as log_state

if TYPE_CHECKING:
    from collectors.logs import TopValues
    from collectors.span import Span
    from views.logs.counts import Values

MORE = "logs-more-field"
"""The field that a viewer chose to see the values of."""

FilterOf = Callable[..., str]
"""``filter_of(field, value, out=False)``: the filter for a value, as it is written in a search."""


def more() -> tuple[str, ...]:
    """Fields to show beside the usual ones."""
    chosen = st.session_state.get(MORE)
    return (str(chosen),) if chosen else ()


def values(found: Values | None, _span: Span, filter_of: FilterOf) -> None:
    """The values of some fields, and the choice of another one."""
    if found is None:
        return
    countable = list(dict.fromkeys(one.name for one in found.fields.known if one.countable))
    st.selectbox(
        "Another field",
        countable,
        index=None,
        key=MORE,
        format_func=clean,
        placeholder=f"Values of one of {len(countable):,} fields",
        label_visibility="collapsed",
    )
    for one in found.top:
        _field(one, filter_of, found.masked)
    if found.hidden:
        st.caption(f"{', '.join(found.hidden)}: shown as pseudonyms, and not counted. Values need the role operator.")


def why_empty(found: Values | None) -> str:
    """Why there is nothing to show; an empty text where there is."""
    if found is None:
        return "The search has a mistake; the list says which."
    return "" if found.fields.known else " ".join(found.fields.remarks) or "No field is known."


def about(found: Values | None, _span: Span) -> About:
    """What the info button tells."""
    if found is None:
        return About()
    sampled = any(one.sampled for one in found.top)
    remarks = [*found.fields.remarks, *dict.fromkeys(one.partial for one in found.top if one.partial)]
    remarks += [f"{one.name}: {one.conflict}" for one in found.fields.known if one.conflict][:20]
    if found.fields.cut:
        remarks.append(f"{found.fields.cut:,} more fields are not listed; any of them can be searched by its path.")
    note = "Shares are of a sample of the lines." if sampled else ""
    return About(f"The most frequent values among the lines that match. {note}".strip(), (), remarks)


def _field(one: TopValues, filter_of: FilterOf, masked: frozenset[tuple[str, str]]) -> None:
    lines = one.lines or sum(count for _, count in one.values) + one.other + one.missing
    with st.container(gap=None, key=f"logs-values-{one.field}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{inert(one.field, 60)}**", width="stretch")
            current = log_state.read()
            if one.field not in current.columns:
                st.button(
                    f"Show {inert(one.field, 60)} as a column",
                    key=f"logs-column-{one.field}",
                    icon=":material/view_column:",
                    type="tertiary",
                    help="Show it as a column",
                    on_click=log_state.choose_columns,
                    args=([*current.columns, one.field],),
                )
            st.button(
                f"Break the histogram down by {inert(one.field, 60)}",
                key=f"logs-by-{one.field}",
                icon=":material/bar_chart:",
                type="tertiary",
                help="Break the histogram down by it",
                on_click=log_state.break_down,
                args=(one.field,),
                disabled=current.by == one.field,
            )
        for value, count in one.values:
            _value(one.field, value, count, lines, filter_of, known=(one.field, value) not in masked)
        rest = []
        if one.other:
            rest.append(f"other values {_share(one.other, lines)}")
        if one.missing:
            rest.append(f"without it {_share(one.missing, lines)}")
        if rest:
            st.caption(" · ".join(rest))
        elif not one.values:
            st.caption("No line has it.")


def _value(field: str, value: str, count: int, lines: int, filter_of: FilterOf, *, known: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap=None):
        share = _share(count, lines)
        st.button(
            f"{inert(_short(value)) or '(empty)'} :gray[{share}]",
            key=f"logs-plus-{field}-{value}",
            type="tertiary",
            width="stretch",
            help=f"{inert(value, 300)}: {format.exact(count)} lines."
            + (" Click to show only these." if known else " It stands for somebody: a filter needs the role operator."),
            on_click=log_state.add_filter,
            args=(filter_of(field, value),),
            disabled=not known,
        )
        st.button(
            f"Show all but {inert(field, 60)} {inert(_short(value)) or '(empty)'}",
            key=f"logs-minus-{field}-{value}",
            icon=":material/remove:",
            type="tertiary",
            help="Show all others",
            on_click=log_state.add_filter,
            args=(filter_of(field, value, out=True),),
            disabled=not known,
        )


def _short(value: str) -> str:
    """A value for a narrow place: names of pods differ at their ends."""
    return value if len(value) <= 20 else f"{value[:6]}…{value[-11:]}"


def _share(count: int, lines: int) -> str:
    return format.value(count / lines, "ratio") if lines else format.count(count)
