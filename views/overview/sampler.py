"""What the worker notes of the verdict every few seconds: which troubles there are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from analysis.verdict import Cause, Finding, Words
from collectors.registry import Sources
from collectors.span import Span
from records.database import Database
from records.leases import Lease
from records.troubles import Present, save_troubles
from views.cache.history import Memory
from views.overview.view import load_verdict

WINDOW = timedelta(hours=1)
"""The window that is judged, as a viewer's usual one."""

POINTS = 361


def note(
    sources: Sources,
    database: Database,
    lease: Lease,
    value: Words,
    *,
    interval: float,
    keep: timedelta,
    keep_relations: float,
    now: datetime | None = None,
) -> int:
    """Judge, and keep which troubles there are.

    Args:
        sources: The environment's sources; those that fail are troubles themselves.
        database: The records.
        lease: The right to write.
        value: Writes a number with its unit.
        interval: Seconds between two samples of the cache.
        keep: How long troubles are kept.
        keep_relations: Seconds that samples of the database's relations are kept.
        now: The time by the records' clock; this machine's by default.

    Returns:
        How many troubles there are.

    Raises:
        LeaseLostError: Another worker has taken over.
        RecordsError: The records could not be used.
    """
    now = now or datetime.now(UTC)
    span = Span.of(now - WINDOW, now, POINTS, live=True, quantum=10.0)
    verdict = load_verdict(sources, span, value, _clock, Memory(database, interval), keep_relations).value
    present = {one.identity: one for one in reversed(verdict.findings) if _kept(one)}
    save_troubles(database, lease, sources.environment, [_present(one) for one in present.values()], keep)
    return len(present)


def _kept(one: Finding) -> bool:
    """Whether a finding is trouble; what merely was not answered yet, or is not told, is none."""
    return one.status != "ok" and one.cause is not Cause.REMARK and not one.key.startswith("late:")


def _present(one: Finding) -> Present:
    return Present(one.identity, one.subject, int(one.cause), one.status, one.weight, one.text, one.since)


def _clock(moment: datetime) -> str:
    """In the form that a page puts on its viewer's clock."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
