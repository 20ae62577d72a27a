"""How it stands with a source: the report that Sources and ``doctor`` show, and what its checks are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from collectors.cache import Answer
from collectors.errors import LONGEST, SourceError
from collectors.guard import BreakerState, Health
from collectors.registry import Sources
from telemetry.masks import foreign

Status = Literal["ok", "risk", "broken", "unknown"]
T = TypeVar("T")


@dataclass(frozen=True)
class Lack:
    """Something that a source does not have, and that the console would use. Secrets in its words are masked.

    Attributes:
        text: What is missing, and what that costs.
        mend: What brings it.
    """

    text: str
    mend: str

    def __post_init__(self) -> None:
        _mask(self, "text", "mend")


@dataclass(frozen=True)
class SourceReport:
    """How it stands with one source. Secrets in its words are masked.

    Attributes:
        name: The source.
        purpose: What the console has it for.
        status: ``ok``; ``risk`` where it is slow or lacks something; ``broken``; ``unknown`` where not configured.
        summary: The state in a few words.
        address: Where it is, without credentials; empty where not configured.
        version: Its version; empty where it did not tell.
        health: How requests went; ``None`` where not configured.
        lacks: What is missing.
        hint: What to do about a failure.
    """

    name: str
    purpose: str
    status: Status
    summary: str
    address: str = ""
    version: str = ""
    health: Health | None = None
    lacks: tuple[Lack, ...] = ()
    hint: str = ""

    def __post_init__(self) -> None:
        _mask(self, "summary", "address", "version", "hint")

    @property
    def breaker(self) -> BreakerState | None:
        """State of its breaker."""
        return self.health.breaker if self.health is not None else None


@dataclass(frozen=True)
class SourceCheck:
    """How a source is looked at.

    Attributes:
        purpose: What the console has it for.
        find: Its collector among an environment's sources; raises ``NotConfigured`` where there is none.
        check: Asks it for its version and for what it lacks; raises ``SourceError`` where it does not answer.
    """

    purpose: str
    find: Callable[[Sources], Any]
    check: Callable[[Any], tuple[str, list[Lack]]]


def _mask(told: object, *names: str) -> None:
    """Mask the named fields of a frozen record.

    Here and not where they are shown: sources repeat the addresses and headers of others (a target's last error),
    and the page must not show what the terminal hides.
    """
    for name in names:
        object.__setattr__(told, name, foreign(getattr(told, name), LONGEST))


def or_refusal(ask: Callable[[], T]) -> T | SourceError:
    """The answer of an endpoint, or why it alone has none; a source that is down is an error as always.

    Raises:
        SourceError: The source as a whole failed, or its answer is an old one.
    """
    try:
        found = ask()
    except SourceError as error:
        if error.trips:
            raise
        return error
    if isinstance(found, Answer) and found.error is not None:
        if found.error.trips:
            raise found.error
        return found.error
    return found


def refusal(read: Callable[[], object]) -> SourceError | None:
    """Why something cannot be read though its source answers; ``None`` where it can."""
    found = or_refusal(read)
    return found if isinstance(found, SourceError) else None
