"""What happened to the database itself, for the ribbon of every chart: starts, failovers, resets of its statistics."""

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

SIGNALS = {"database_started": "instance", "database_is_standby": "instance", "database_statistics_reset": "datname"}
"""The signals that tell it, with the label that each is split by."""

SAME = timedelta(seconds=5)
"""Starts within this time are one: the exporter and the server itself tell of the same."""


def load_events(sources: Sources, span: Span) -> Happenings:
    """Events of the database within a span; none without a database.

    The server itself is not waited for: what it told last of its start is used, so that a database that hangs costs no
    other panel anything.

    Raises:
        SourceError: Prometheus could not be asked, and no good answer is kept.
    """
    postgres = sources.database
    if postgres is None:
        return Happenings()
    ask = sources.prometheus.range
    answers: list[Answer[Range]] = side_by_side(
        *(partial(ask, catalogue()[key], span, by=(label,)) for key, label in SIGNALS.items())
    )
    started, standby, reset = (kept.value for kept in answers)
    events = [
        Event(moment, EventKind.RESTART, "PostgreSQL started", "its own start time, by its exporter", Severity.WARNING)
        for moment, _ in changes.moments(started.frame, started.labels, SIGNALS["database_started"])
    ]
    told = postgres.known
    if told is not None and not any(abs(event.time - told.started_at) < SAME for event in events):
        detail = f"version {told.version_text}, as the server tells it"
        events.append(Event(told.started_at, EventKind.RESTART, "PostgreSQL started", detail, Severity.WARNING))
    for moment, name, is_standby in changes.switches(standby.frame, standby.labels, SIGNALS["database_is_standby"]):
        title = f"PostgreSQL {name} became a standby" if is_standby else f"PostgreSQL {name} was promoted"
        events.append(Event(moment, EventKind.RESTART, title, "failover", Severity.WARNING))
    for moment, name in changes.moments(reset.frame, reset.labels, SIGNALS["database_statistics_reset"]):
        detail = f"counters of database {name} began again from 0" if name else "its shared counters began from 0"
        events.append(Event(moment, EventKind.ANNOTATION, "statistics of PostgreSQL reset", detail))
    remarks = []
    if started.absent:
        least = "only its last one is" if told is not None else "none is"
        remarks.append(f"Starts of PostgreSQL: {least} shown, Prometheus has no {', '.join(started.absent)}")
    return Happenings(tuple(events), tuple(remarks), tuple(answers))
