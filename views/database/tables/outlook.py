"""What will stop the service although its sessions are well: its database runs out of something.

A few light questions, so that Overview may ask them; Database has the rest under Tables & indexes and Housekeeping.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from analysis.diagnosis import Diagnosis, worst_first
from analysis.quantities import length
from analysis.verdict import Words
from collectors.cache import Answer
from collectors.errors import SourceError
from collectors.postgres import settings as postgres_settings
from collectors.postgres import upkeep as postgres_upkeep
from collectors.postgres.client import Postgres
from collectors.postgres.tables import listed
from collectors.registry import Sources
from records.database import Database
from views.database.maintenance.view import Upkeep
from views.database.maintenance.wal import archive, slots
from views.database.rules import partitions, sequences, xids
from views.database.rules.relations import Figures, Frozen, Holder, Partition, Sequence
from views.database.tables.sampler import remembered
from views.shared.parallel import side_by_side

T = TypeVar("T")

FRESH = 60.0
"""Seconds that the answer stays fresh: nothing of it comes about within seconds."""

KINDS = {
    "xid-age": "tables",
    "xid-horizon": "tables",
    "partition-missing": "tables",
    "sequence-end": "tables",
    "slot-inactive": "upkeep",
    "archiver-failing": "upkeep",
    "wal-folder": "upkeep",
}
"""Kinds of diagnoses that it is about → part of Database that has the rest: in the end writes are refused, or the disk
is full."""

ONLY_BROKEN = ("xid-age", "xid-horizon")
"""Kinds of which only the worst counts: a table that waits for its freezing, or a transaction of an hour, stops
nothing."""


def load_outlook(
    sources: Sources, database: Database | None, keep: float, value: Words
) -> Answer[tuple[Diagnosis, ...]]:
    """What the database runs out of, the worst first; a part that the console may not see is left out.

    Args:
        sources: The environment's sources.
        database: The records, for how fast; ``None`` where they cannot be reached.
        keep: Seconds that the records keep what was seen of relations.
        value: Writes a number with its unit.

    Raises:
        SourceError: It could not be asked at all, and no good answer is kept.
    """
    postgres = sources.postgres

    def load() -> tuple[Diagnosis, ...]:
        found = [*_relations(sources, database, keep), *_wal(postgres, value)]
        return tuple(worst_first(one for one in found if _matters(one)))

    return postgres.kept_under("outlook", "", load, ttl=FRESH)


def _matters(one: Diagnosis) -> bool:
    return one.key in KINDS and (one.status == "broken" or one.key not in ONLY_BROKEN)


def _relations(sources: Sources, database: Database | None, keep: float) -> list[Diagnosis]:
    postgres = sources.postgres
    figures, oldest, holders, parts, numbers = side_by_side(
        partial(_seen, partial(listed, postgres, "database_figures", Figures)),
        partial(_seen, partial(listed, postgres, "oldest_xids", Frozen)),
        partial(_seen, partial(listed, postgres, "horizon", Holder)),
        partial(_seen, partial(listed, postgres, "partitions", Partition)),
        partial(_seen, partial(listed, postgres, "sequences", Sequence)),
    )
    if not figures:
        return []
    now = figures[0]
    memory = remembered(sources, database, keep)
    moving = {one.name: rate for one in numbers or () if (rate := memory.moving(one.name)) is not None}
    return [
        *xids.diagnose(now, oldest or (), holders, memory.xid_rate(now)),
        *partitions.diagnose(partitions.coverages(parts or (), now.as_of), now.as_of),
        *sequences.diagnose(sequences.fills(numbers or (), moving)),
    ]


def _wal(postgres: Postgres, value: Words) -> list[Diagnosis]:
    kept, archiver, folder, settings = side_by_side(
        partial(_seen, lambda: postgres_upkeep.slots(postgres).value),
        partial(_seen, lambda: postgres_upkeep.archiver(postgres).value),
        partial(_seen, lambda: postgres_upkeep.wal_folder(postgres).value),
        partial(_seen, lambda: postgres_settings.settings(postgres).value),
    )
    server = postgres.server()
    found = Upkeep(server.value, server.as_of, slots=kept, archiver=archiver, folder=folder, settings=settings)
    return [*slots(found, value, length), *archive(found, value, length)]


def _seen(call: Callable[[], T]) -> T | None:
    """What a call returned; ``None`` where the console may not see it."""
    try:
        return call()
    except SourceError as error:
        if error.trips:
            raise
        return None
