"""One table of the database with all that is known of it, measured where that is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from analysis.diagnosis import Diagnosis
from collectors.cache import Answer
from collectors.errors import SourceError
from collectors.postgres.tables import measured
from collectors.registry import Sources
from records.database import Database
from records.errors import RecordsError
from records.relations import Track, read_track
from views.database.rules.relations import Index, MeasuredHeap, MeasuredIndex, Table
from views.database.tables.view import Relations, load_relations


@dataclass(frozen=True)
class Opened:
    """One table with all that is known of it.

    Attributes:
        relations: Everything.
        table: The table; ``None`` where there is none of that name.
        track: What the records have of it within the kept time, the newest last.
        measured: The table as it was measured; ``None`` where it was not asked for, or is too big.
        measured_indexes: Its B-tree indexes likewise.
        refused: Why it could not be measured; ``None`` where nothing was asked or it was.
    """

    relations: Relations
    table: Table | None
    track: Track
    measured: MeasuredHeap | None = None
    measured_indexes: tuple[MeasuredIndex, ...] = ()
    refused: SourceError | None = None

    @property
    def indexes(self) -> list[Index]:
        """Its indexes, the biggest first."""
        name = self.table.name if self.table is not None else ""
        return sorted((one for one in self.relations.indexes if one.table == name), key=lambda one: -one.bytes)

    @property
    def partitions(self) -> list[Table]:
        """Its partitions, the biggest first."""
        name = self.table.name if self.table is not None else ""
        return sorted((one for one in self.relations.tables if one.parent == name), key=lambda one: -one.bytes)

    @property
    def findings(self) -> list[Diagnosis]:
        """What is wrong with it and with its indexes."""
        if self.table is None:
            return []
        names = {self.table.name, *(one.name for one in self.indexes)}
        return [one for one in self.relations.findings if one.subject in names]


def load_opened(
    sources: Sources, database: Database | None, keep: float, name: str, *, measure: bool = False
) -> Answer[Opened]:
    """One table with all that is known of it.

    Args:
        sources: The environment's sources.
        database: The records; ``None`` where they cannot be reached.
        keep: Seconds that the records keep what was seen.
        name: Its name as SQL writes it; without a schema the biggest of that name.
        measure: Whether to read it for how much of it is free; bounded by size and the source's deadline.

    Raises:
        SourceError: The database could not be asked, and no good answer is kept.
    """
    kept = load_relations(sources, database, keep)
    fitting = [one for one in kept.value.tables if name in (one.name, one.name.partition(".")[2])]
    table = max(fitting, key=lambda one: (one.name == name, one.bytes), default=None)
    if table is None:
        return kept.with_value(Opened(kept.value, None, ()))
    track: Track = ()
    if database is not None:
        end = datetime.now(UTC)
        try:
            track = read_track(database, sources.environment, "table", table.name, end - timedelta(seconds=keep), end)
        except RecordsError:
            track = ()  # which the list of what is lacking tells
    heap: MeasuredHeap | None = None
    trees: tuple[MeasuredIndex, ...] = ()
    refused: SourceError | None = None
    if measure and table.kind != "p":
        try:
            heap = next(iter(measured(sources.postgres, "heap_measured", MeasuredHeap, table.name).value), None)
            trees = measured(sources.postgres, "index_measured", MeasuredIndex, table.name).value
        except SourceError as error:
            refused = error
    return kept.with_value(Opened(kept.value, table, track, heap, trees, refused))
