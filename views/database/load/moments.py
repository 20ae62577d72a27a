"""Past moments at which sessions waited for others, as the worker kept them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from collectors.cache import Answer
from collectors.registry import Sources
from collectors.span import Span
from records.activity import Blocking
from records.activity_reading import list_blocking, read_blocking, read_load
from records.database import Database
from views.database.load.view import grain_of, records_of, told
from views.database.sessions.sampler import opened
from views.database.sessions.view import Now, seats, waits


@dataclass(frozen=True)
class Moments:
    """Past moments of blocking.

    Attributes:
        found: They, the newest first, without their sessions.
        looks: How often it was looked within the span.
    """

    found: tuple[Blocking, ...]
    looks: float


def load_moments(sources: Sources, database: Database | None, span: Span) -> Answer[Moments]:
    """The moments of blocking within the window, the newest first.

    Raises:
        SourceError: The records could not be read, or the environment has no database.
    """
    _ = sources.postgres
    records = records_of(database)
    hours, _, start = grain_of(span)

    def read() -> Moments:
        looked = read_load(records, sources.environment, None, start, span.end, hours=hours)
        moments = list_blocking(records, sources.environment, span.start, span.end)
        return Moments(tuple(moments), float(sum(looked.samples.values())))

    return Answer(told(read), datetime.now(UTC))


def load_moment(sources: Sources, database: Database | None, moment: datetime) -> Answer[Now | None]:
    """Who waited for whom at the newest kept moment that is not after ``moment``; ``None`` where none is kept.

    Raises:
        SourceError: The records could not be read, or the environment has no database.
    """
    postgres = sources.postgres
    records = records_of(database)
    found = told(lambda: read_blocking(records, sources.environment, moment))
    if found is None:
        return Answer(None, datetime.now(UTC))
    try:
        picture = opened(found)
    except ValueError:  # written by another version of the console
        return Answer(None, found.taken_at)
    sessions = picture.sessions
    tree = seats(sessions, waits(sessions.rows), picture.locks, ())
    return Answer(Now(sessions, tree, postgres.settings.cpus), found.taken_at)
