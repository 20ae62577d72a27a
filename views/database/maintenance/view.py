"""Housekeeping of PostgreSQL: does it keep itself well, what stands in its way, and what would mend it?

What PostgreSQL counts it counts since its statistics were reset. For "in this window" Prometheus is asked, where it has
the exporter's counters; otherwise what grew between two looks of this console is told, with the time of the first. What
neither knows is told as it is: since the reset.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import numpy as np

from collectors.cache import Answer
from collectors.errors import BadAnswer, NotConfigured, SourceError
from collectors.postgres import settings as postgres_settings
from collectors.postgres import upkeep as postgres_upkeep
from collectors.postgres.client import Server
from collectors.postgres.looks import Growth, Looks, looks
from collectors.postgres.settings import Setting
from collectors.postgres.upkeep import (
    Archiver,
    Autovacuum,
    Checkpoints,
    Counted,
    Holder,
    Io,
    Receiver,
    Slot,
    Standby,
    Wal,
    WalFolder,
    Work,
)
from collectors.registry import Sources
from collectors.settings_advice import SettingsAdviceError
from collectors.signals import catalogue
from collectors.span import Span
from views.database.maintenance.settings import SettingsReport, load_settings
from views.shared.ages import oldest
from views.shared.parallel import or_error, side_by_side

T = TypeVar("T")

NOW = timedelta(minutes=1)
"""How far back the present rate of WAL looks."""

COUNTERS = ("deadlocks", "temp_files", "temp_bytes", "commits", "rollbacks", "conflicts")
"""What a database counts that is told for the window: the signal ``database_<name>`` has it."""


@dataclass(frozen=True)
class Missing:
    """A part that could not be looked at.

    Attributes:
        what: Which one.
        why: What PostgreSQL said.
        hint: What would bring it: often a GRANT.
    """

    what: str
    why: str
    hint: str


@dataclass(frozen=True)
class Amount:
    """How much of something there was.

    Attributes:
        value: The amount.
        seconds: Over how long.
        since: From when on; ``None`` where it is the page's window.
    """

    value: float
    seconds: float
    since: datetime | None = None

    @property
    def hourly(self) -> float:
        """Amount an hour; what was counted over less than an hour is not scaled up."""
        return self.value / max(self.seconds / 3600, 1.0)


@dataclass(frozen=True)
class Upkeep:
    """What PostgreSQL does to keep itself well; a part that could not be looked at is ``None``.

    Attributes:
        server: Which server.
        as_of: The server's own clock where it told it.
        standbys: Who receives WAL from it.
        slots: Its replication slots.
        receiver: Its own side of replication.
        wal: WAL written since the reset.
        wal_now: Bytes of WAL over the last minute of looks.
        checkpoints: Since the reset.
        checkpoints_seen: Growth between looks: ``timed``, ``requested``.
        last_checkpoint: When the last one was made.
        archiver: Whether WAL reaches the archive.
        folder: The folder of WAL files.
        counted: What each database counted.
        amounts: Name of :data:`COUNTERS` → how much in the window or since the first look.
        autovacuum: Its workers and backlog.
        holders: Who keeps rows from being removed.
        io: Which kind of process read and wrote.
        settings: In force, by name.
        report: Settings against advice.
        missing: What could not be looked at.
    """

    server: Server
    as_of: datetime
    standbys: list[Standby] | None = None
    slots: list[Slot] | None = None
    receiver: Receiver | None = None
    wal: Wal | None = None
    wal_now: Amount | None = None
    checkpoints: Checkpoints | None = None
    checkpoints_seen: Growth | None = None
    last_checkpoint: datetime | None = None
    archiver: Archiver | None = None
    folder: WalFolder | None = None
    counted: list[Counted] | None = None
    amounts: Mapping[str, Amount] = field(default_factory=dict)
    autovacuum: Autovacuum | None = None
    holders: list[Holder] | None = None
    io: list[Io] | None = None
    settings: Mapping[str, Setting] | None = None
    report: SettingsReport | None = None
    missing: tuple[Missing, ...] = ()

    @property
    def own(self) -> Counted | None:
        """What the console's own database counted."""
        return next((one for one in self.counted or [] if one.own), None)

    def setting(self, name: str) -> float | None:
        """A setting in bytes or seconds, or as its number; ``None`` where it is not known."""
        found = (self.settings or {}).get(name)
        return found.amount if found is not None else None


@dataclass(frozen=True)
class Running:
    """Work that runs now.

    Attributes:
        work: The work, the oldest first.
        left: Process → seconds that its present phase will still take; what cannot be measured is left out.
    """

    work: tuple[Work, ...]
    left: Mapping[int, float]


def load_running(sources: Sources, _span: Span | None = None) -> Answer[Running]:
    """Vacuum, index builds, analyze, COPY, rewrites and base backups that run now.

    Raises:
        SourceError: It could not be asked, and no good answer is kept.
    """
    kept = postgres_upkeep.work(sources.postgres)
    return kept.with_value(Running(tuple(kept.value), looks(sources.postgres).left(kept.value)))


_PARTS: Mapping[str, tuple[str, Callable[[Any], Answer[Any]]]] = {
    "standbys": ("Standbys", postgres_upkeep.standbys),
    "slots": ("Replication slots", postgres_upkeep.slots),
    "receiver": ("The standby's own side", postgres_upkeep.receiver),
    "wal": ("WAL", postgres_upkeep.wal),
    "checkpoints": ("Checkpoints", postgres_upkeep.checkpoints),
    "last_checkpoint": ("The last checkpoint", postgres_upkeep.last_checkpoint),
    "archiver": ("The archiver", postgres_upkeep.archiver),
    "folder": ("The folder of WAL files", postgres_upkeep.wal_folder),
    "counted": ("Counters of the databases", postgres_upkeep.counted),
    "autovacuum": ("Autovacuum", postgres_upkeep.autovacuum),
    "holders": ("Who holds back vacuum", postgres_upkeep.holders),
    "settings": ("Settings", postgres_settings.settings),
}


def load_upkeep(sources: Sources, span: Span) -> Answer[Upkeep]:
    """How PostgreSQL keeps itself; a part that it does not tell costs that part only.

    Raises:
        SourceError: It could not be asked at all, and no good answer is kept.
    """
    postgres = sources.postgres
    server = postgres.server()
    calls: list[Callable[[], Answer[Any] | SourceError]] = [
        partial(or_error, partial(load, postgres)) for _, load in _PARTS.values()
    ]
    calls.append(partial(or_error, partial(_advised, sources)))
    if server.value.major >= 16:
        calls.append(partial(or_error, partial(postgres_upkeep.io, postgres)))
    counts = partial(_in_window, sources, span)
    *answers, window = side_by_side(*calls, counts)
    names = [*_PARTS, "report", "io"]
    titles = [*(title for title, _ in _PARTS.values()), "Settings against advice", "Reads and writes"]
    good = [one for one in answers if isinstance(one, Answer)]
    bad = [one for one in answers if isinstance(one, SourceError)]
    if not good:
        raise bad[0]
    missing = tuple(
        Missing(title, f"PostgreSQL {one.what}", one.hint)
        for title, one in zip(titles, answers, strict=False)
        if isinstance(one, SourceError)
    )
    parts = {name: one.value for name, one in zip(names, answers, strict=False) if isinstance(one, Answer)}
    seen = looks(postgres)
    _note(seen, parts)
    now = seen.growth("wal", NOW)
    found = Upkeep(
        server.value,
        parts["wal"].as_of if "wal" in parts else server.as_of,
        wal_now=Amount(now.by["bytes"], now.seconds, now.since) if now is not None else None,
        checkpoints_seen=seen.growth("checkpoints"),
        amounts=_amounts(window, seen.growth("database")),
        missing=missing,
        **parts,
    )
    return oldest([server, *good], found)


def _advised(sources: Sources) -> Answer[SettingsReport]:
    try:
        return load_settings(sources)
    except SettingsAdviceError as error:
        what, source = f"is not compared with advice: {error}", sources.postgres.source
        raise BadAnswer(source.name, source.address, what, hint="Mend that file.", trips=False) from None


def _note(seen: Looks, parts: Mapping[str, Any]) -> None:
    """Remember the counters of this look."""
    wal: Wal | None = parts.get("wal")
    if wal is not None and wal.position is not None:
        # The position is never reset, so neither is this.
        seen.note("wal", wal.as_of, None, {"bytes": wal.position})
    checkpoints: Checkpoints | None = parts.get("checkpoints")
    if checkpoints is not None:
        values = {"timed": checkpoints.timed, "requested": checkpoints.requested}
        seen.note("checkpoints", checkpoints.as_of, checkpoints.reset_at, values)
    own = next((one for one in parts.get("counted", ()) if one.own), None)
    if own is not None:
        counters = {name: float(getattr(own, name)) for name in COUNTERS}
        seen.note("database", own.as_of, own.reset_at, counters)


def _amounts(window: Mapping[str, Amount], seen: Growth | None) -> Mapping[str, Amount]:
    found = {} if seen is None else {name: Amount(value, seen.seconds, seen.since) for name, value in seen.by.items()}
    return {**found, **window}


def _in_window(sources: Sources, span: Span) -> Mapping[str, Amount]:
    """What Prometheus counted in the window; what it does not have is left out."""
    try:
        prometheus = sources.prometheus
    except NotConfigured:
        return {}
    only = own_database(sources)

    def one(name: str) -> Amount | None:
        signal = catalogue()[f"database_{name}"]
        try:
            answer = prometheus.range(signal, span, filters=only).value
        except SourceError:
            return None
        values = answer.frame.to_numpy(np.float64)
        known = values[np.isfinite(values)]
        each = span.step / (3600 if signal.unit == "1/h" else 1)
        return Amount(float(known.sum()) * each, len(known) * span.step) if len(known) else None

    found = side_by_side(*(partial(one, name) for name in COUNTERS))
    return {name: amount for name, amount in zip(COUNTERS, found, strict=True) if amount is not None}


def own_database(sources: Sources) -> Mapping[str, Sequence[str]]:
    """The filter by which the exporter's counters are those of the console's own database."""
    postgres = sources.database
    return {"datname": [postgres.settings.database]} if postgres is not None else {}
