"""The patterns panel on the Logs page: what a click on a pattern does there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import access
from records import pattern_mutes
from records.errors import RecordsError
from ui.context import Context
from ui.panel import About
from views.logs.panels import pattern_table as patterns
from views.logs.panels import state as log_state
from views.logs.panels.pattern_table import Deeds

if TYPE_CHECKING:
    from collectors.span import Span
    from records.pattern_mutes import Mute
    from views.logs.patterns import Patterns
    from views.logs.rules.patterns import Pattern

UNREACHABLE = "The records cannot be reached, so nothing can be muted now."


def deeds(visit: Context, filter_of: Callable[..., str]) -> Deeds:
    """What can be done with a pattern here.

    Args:
        visit: The visit.
        filter_of: ``filter_of(pattern, out=False)``: the filter for its lines, empty where nothing in it is fixed.
    """
    database = visit.records

    def mute(pattern: Pattern, length: timedelta, reason: str) -> object:
        if database is None:
            raise RecordsError("unreachable", UNREACHABLE)
        return pattern_mutes.mute_pattern(
            database,
            environment=visit.environment,
            pattern_id=pattern.id,
            template=pattern.template,
            reason=reason,
            muted_by=visit.viewer.name,
            length=length,
        )

    def lift(muted: Mute) -> object:
        if database is None:
            raise RecordsError("unreachable", UNREACHABLE)
        return pattern_mutes.lift_mute(database, muted.id, by=visit.viewer.name)

    allowed = access.may(visit.viewer, access.Right.RUN_CHANGE)
    return Deeds(
        open=log_state.open_pattern,
        only=lambda pattern: log_state.add_filter(filter_of(pattern)),
        without=lambda pattern: log_state.add_filter(filter_of(pattern, out=True)),
        mute=mute,
        lift=lift,
        may_mute=allowed and database is not None,
        who_may="Muting a pattern needs the role operator." if not allowed else UNREACHABLE,
    )


def said(found: Patterns | None, span: Span, deeds: Deeds, opened: str) -> None:
    """The patterns of the lines that match, and the opened one."""
    if found is not None:
        patterns.patterns(found, span, deeds, opened)


def about(found: Patterns | None, span: Span) -> About:
    """What the info button tells."""
    return About() if found is None else patterns.about(found, span)


def why_empty(found: Patterns | None) -> str:
    """Why there is nothing to show; an empty text where there is."""
    if found is None:
        return "The search has a mistake; the list says which."
    return patterns.why_empty(found)
