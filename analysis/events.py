"""What happened to the service: the one shape of a thing that has a moment, whatever source it came from."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

ROLL_BACK = "roll-back to"
"""How the title of a deploy begins that brought an earlier version back."""


class EventKind(StrEnum):
    """The kinds of event that a chart's ribbon tells apart, each with a marker of its own."""

    DEPLOY = "deploy"
    RESTART = "restart"
    ALERT = "alert"
    SCALING = "scaling"
    RUNBOOK = "runbook"
    KUBERNETES = "kubernetes"
    ANNOTATION = "annotation"


class Severity(StrEnum):
    """How much an event should catch the eye: amber is kept for a warning, red for something broken."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Attributes:
        time: When, with a time zone.
        kind: What kind of thing.
        title: A few words, such as ``deploy 1.8.2``; foreign text, cleaned where it is shown.
        detail: A sentence more, or nothing.
        severity: How bad it is by itself.
    """

    time: datetime
    kind: EventKind
    title: str
    detail: str = ""
    severity: Severity = Severity.INFO
