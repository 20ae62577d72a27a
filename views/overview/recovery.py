"""What the records know of troubles of late: since when those of now last, and what is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from analysis.verdict import Cause, Finding, Status, worst
from records.database import Database
from records.errors import RecordsError
from records.troubles import Trouble, list_troubles
from views.overview.silences import gave_an_error

TOLD = timedelta(minutes=20)
"""How long it is told that something is over."""

LEAST = timedelta(seconds=15)
"""How long a trouble must have lasted for its end to be worth a word."""

TOGETHER = timedelta(minutes=3)
"""Troubles that end and begin within this time of each other are one incident."""

SMALL = frozenset({Cause.ALERT, Cause.REMARK})
"""Kinds of findings whose end is no recovery, and that may go on after one."""


@dataclass(frozen=True)
class Recovery:
    """The last incident, which is over.

    Attributes:
        at: When, aware UTC.
        began: When it had begun.
        was: What was said of it, the cause, with times in UTC.
        status: How bad it was.
        subject: What it was about.
        cause: What kind of thing it was.
    """

    at: datetime
    began: datetime
    was: str
    status: Status
    subject: str
    cause: Cause


def load_recent(database: Database | None, environment: str) -> list[Trouble]:
    """Troubles that last or were over lately; none where the records cannot be read. Never raises."""
    if database is None:
        return []
    try:
        return list_troubles(database, environment, datetime.now(UTC) - TOLD)
    except RecordsError:
        return []


def beginnings(troubles: Sequence[Trouble]) -> Mapping[str, datetime]:
    """Key → when it began, of troubles that last."""
    return {one.key: one.began_at for one in troubles if one.ended_at is None}


def recovery_of(troubles: Sequence[Trouble], found: Sequence[Finding]) -> Recovery | None:
    """What is over, where nothing but small things is wrong any more.

    Args:
        troubles: What the records know of late.
        found: What there is to say now.
    """
    present = {one.identity for one in found if one.status in ("risk", "broken", "unknown")}
    if any(one.cause not in SMALL and one.status != "ok" for one in found):
        return None
    over = [
        (one, one.ended_at if one.ended_at is not None else one.seen_at)
        for one in troubles
        if cause_of(one) not in SMALL and one.key not in present and one.seen_at - one.began_at >= LEAST
    ]
    if not over:
        return None
    over.sort(key=lambda pair: pair[1], reverse=True)
    at = began = over[0][1]
    incident: list[Trouble] = []
    for one, ended in over:
        if began - ended > TOGETHER:
            break
        incident.append(one)
        began = min(began, one.began_at)
    findings = [as_finding(one) for one in incident]
    first = worst(findings)[0]
    return Recovery(at, began, first.text, first.status, first.subject, first.cause)


def as_finding(one: Trouble) -> Finding:
    """A trouble of the records as a finding about its time."""
    status: Status = "broken" if one.status == "broken" else "risk" if one.status == "risk" else "unknown"
    if gave_an_error(one.key, one.text):
        status = "broken"  # an answer, if a bad one: nothing about it is unknown
    ended = one.ended_at if one.ended_at is not None else one.seen_at
    return Finding(status, one.text, one.subject, one.began_at, one.key, cause_of(one), ended, one.weight)


def cause_of(one: Trouble) -> Cause:
    """Which kind of thing a trouble was; one that a newer console knows is a remark here."""
    if gave_an_error(one.key, one.text):
        return Cause.SYMPTOM
    return Cause(one.cause) if one.cause in {int(known) for known in Cause} else Cause.REMARK
