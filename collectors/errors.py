"""The one tree of what can go wrong with a source; every driver's exceptions are mapped into it.

SourceError
├── NotConfigured   nobody told the console where the source is
├── Unreachable     no connection, or the connection broke
├── TimedOut        no complete answer within the deadline (a slow drip counts)
├── Denied          the source knows us not, or does not let us
├── Overloaded      the source, or our own share of it, has no room now
├── BadAnswer       an answer came, but not one that can be used
└── Partial         a part of the answer is missing, and a part would mislead
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from telemetry.masks import foreign

LONGEST = 4000
"""Characters of one clause about a failure."""


class SourceError(Exception):
    """A source did not give what was asked for. Secrets in its words are masked.

    Attributes:
        source: Which source, as in ``settings.SOURCE_NAMES``.
        address: Where it is, without credentials; empty where none is configured.
        what: What happened, as a clause that reads after the source's name ("refused the connection").
        hint: What the reader can do about it; may be empty.
        trips: Whether it says something about the source as a whole, and so counts for its breaker.
        code: The source's own code for what happened, such as a SQLSTATE; empty where it gave none.
        resting_until: Set while the breaker keeps the console from asking: when it will ask again.
        conclusive: Whether it tells anything about the source; not where other questions had used up its time.
        silent_since: Set once the breaker opened: since when the source as a whole has not answered.
    """

    kind: ClassVar[str] = "failed"
    default_trips: ClassVar[bool] = True
    code: str = ""

    def __init__(
        self,
        source: str,
        address: str,
        what: str,
        *,
        hint: str = "",
        trips: bool | None = None,
        resting_until: datetime | None = None,
    ) -> None:
        # Words of a source may repeat what it was sent: whoever shows, prints or writes this error shows no secret.
        self.source = source
        self.address = foreign(address, LONGEST)
        self.what = foreign(what, LONGEST)
        self.hint = foreign(hint, LONGEST)
        self.trips = self.default_trips if trips is None else trips
        self.resting_until = resting_until
        self.conclusive = True
        self.silent_since: datetime | None = None
        super().__init__(str(self))

    def __str__(self) -> str:
        place = f" ({self.address})" if self.address else ""
        return f"{self.source}{place} {self.what}"

    def resting(self, until: datetime) -> SourceError:
        """The same error, told while the breaker keeps the console from asking again."""
        told = type(self)(self.source, self.address, self.what, hint=self.hint, trips=self.trips, resting_until=until)
        told.silent_since = self.silent_since
        return told


class NotConfigured(SourceError):
    """The environment has no such source."""

    kind = "not configured"
    default_trips = False


class Unreachable(SourceError):
    """No connection could be made, or it broke before the answer was complete."""

    kind = "unreachable"


class TimedOut(SourceError):
    """No complete answer within the deadline."""

    kind = "timed out"


class Denied(SourceError):
    """The source asked for other credentials (401) or refused them (403)."""

    kind = "denied"


class Overloaded(SourceError):
    """The source asked to be left alone (429, 503), or all our own connections to it are busy."""

    kind = "overloaded"


class BadAnswer(SourceError):
    """An answer that cannot be used: an error status, a redirect, too large, or not of the documented form."""

    kind = "bad answer"


class Partial(SourceError):
    """An answer with a part missing, where showing the rest would mislead."""

    kind = "partial answer"
    default_trips = False
