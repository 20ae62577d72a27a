"""The layer of events that every chart shares: what happened to the service within a span."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from analysis.events import Event
from collectors.cache import Answer
from collectors.errors import SourceError
from collectors.registry import Sources
from collectors.span import Span
from views import registry
from views.shared.ages import oldest
from views.shared.parallel import side_by_side


@dataclass(frozen=True)
class Happened:
    """Events within a span.

    Attributes:
        events: All of them, oldest first.
        remarks: Which kinds of event are missing, and why.
    """

    events: tuple[Event, ...]
    remarks: tuple[str, ...] = ()


def load_events(sources: Sources, span: Span) -> Answer[Happened]:
    """Deploys, restarts, alerts, what happened to database and cache within a span; found once for all of a page.

    Raises:
        SourceError: None of them could be asked, and no good answer is kept.
    """
    view = (sources.environment, "events", span.seconds, span.live or span.start)
    kept = sources.cache.get(view, (span.start, span.end, span.step), lambda: _load(sources, span))
    found = kept.value
    return found if found.error is not None or kept.error is None else replace(found, error=kept.error)


def _load(sources: Sources, span: Span) -> Answer[Happened]:
    asked = [partial(one.events, sources, span) for one in registry.subjects() if one.events is not None]
    found = side_by_side(*asked)
    events = chain.from_iterable(one.events for one in found)
    inside = sorted((event for event in events if span.start <= event.time <= span.end), key=lambda event: event.time)
    told = Happened(tuple(inside), tuple(chain.from_iterable(one.remarks for one in found)))
    return oldest(list(chain.from_iterable(one.answers for one in found)), told)


def events_or_none(sources: Sources, span: Span) -> tuple[Event, ...]:
    """The events for a chart's ribbon: none where they cannot be asked, since the chart says so itself."""
    try:
        return load_events(sources, span).value.events
    except SourceError:
        return ()
