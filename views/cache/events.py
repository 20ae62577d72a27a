"""What happened to the cache itself, for the ribbon of every chart: starts and flushes."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from analysis import changes
from analysis.events import Event, EventKind, Severity
from collectors.cache import Answer
from collectors.prometheus.wire import Range
from collectors.registry import Sources
from collectors.signals import catalogue
from collectors.span import Span
from views.shared.parallel import side_by_side
from views.subject import Happenings

SIGNALS = ("cache_started", "cache_flushes")
"""The signals that tell it, each split by ``instance``."""

SAME = timedelta(seconds=5)
"""Starts within this time are one: the exporter counts back from the time of each scrape."""


def load_events(sources: Sources, span: Span) -> Happenings:
    """Starts and flushes of the cache within a span, as its exporter tells them; none without a cache.

    The server itself is not waited for: where there is no exporter, its last start is what it told last.

    Raises:
        SourceError: Prometheus could not be asked, and no good answer is kept.
    """
    cache = sources.store
    if cache is None:
        return Happenings()
    ask = sources.prometheus.range
    answers: list[Answer[Range]] = side_by_side(
        *(partial(ask, catalogue()[key], span, by=("instance",)) for key in SIGNALS)
    )
    started, flushes = (kept.value for kept in answers)
    moments = [moment for moment, _ in changes.moments(started.frame, started.labels, "instance")]
    if cache.known is not None and cache.known[0].stats.uptime_in_seconds is not None:
        info, asked = cache.known
        moments.append(asked - timedelta(seconds=info.stats.uptime_in_seconds or 0))
    events: list[Event] = []
    for moment in sorted(moments):
        if not events or moment - events[-1].time > SAME:
            events.append(Event(moment, EventKind.RESTART, "cache started", "", Severity.WARNING))
    for moment, _ in changes.increases(flushes.frame, flushes.labels, "instance"):
        events.append(Event(moment, EventKind.ANNOTATION, "cache flushed", "FLUSHALL or FLUSHDB", Severity.WARNING))
    remarks = []
    if flushes.absent:
        remarks.append(f"Flushes of the cache are not shown: Prometheus has no {', '.join(flushes.absent)}")
    return Happenings(tuple(events), tuple(remarks), tuple(answers))
