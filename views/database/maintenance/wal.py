"""What is wrong with where WAL goes: slots, standbys, this standby itself, the archive and the folder.

Thresholds are named constants; why each kind matters is in ``collectors/catalog/advice.toml``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from analysis.diagnosis import Diagnosis
from analysis.verdict import Status
from collectors.postgres.upkeep import Slot, Standby
from views.database.maintenance.view import Upkeep

Words = Callable[[float | None, str], str]
"""Writes a value with its unit."""

Length = Callable[[float], str]
"""Writes a length of time in seconds."""

MIB, GIB = 2.0**20, 2.0**30

LAG_SECONDS: tuple[float, float] = (10.0, 300.0)
"""From when on a standby is at risk and broken; the guide's recovery point of an hour is far beyond."""

LAG_BYTES: tuple[float, float] = (256 * MIB, 4 * GIB)
"""The same in bytes, for a standby that tells no time."""

WAITING_FILES = 16
"""WAL files that wait for the archive."""


def past(moment: datetime, found: Upkeep) -> float:
    """Seconds from a moment to the look, by the server's clock."""
    return max((found.as_of - moment).total_seconds(), 0.0)


def slots(found: Upkeep, value: Words, length: Length) -> Iterator[Diagnosis]:
    """Slots that nobody uses, that are far behind, or that are lost."""
    limit = found.setting("max_wal_size")
    unlimited = found.setting("max_slot_wal_keep_size") == -1
    for slot in found.slots or []:
        name = slot.name.replace("'", "''")
        drop = f"SELECT pg_drop_replication_slot('{name}');"
        if slot.wal_status == "lost" or slot.invalid or slot.conflicting:
            why = f" ({slot.invalid})" if slot.invalid else ""
            text = f"Slot {slot.name} is lost{why}: whoever used it must be built anew"
            yield Diagnosis("slot-lost", "broken", slot.name, text, drop)
        elif not slot.active and not slot.temporary and slot.retained is not None:
            large = slot.wal_status in {"extended", "unreserved"} or (limit is not None and slot.retained > limit)
            unused = _since(slot, found, length)
            text = f"Nobody uses slot {slot.name}{unused}; it keeps {value(slot.retained, 'B')} of WAL"
            yield Diagnosis(
                "slot-inactive",
                "broken" if large else "risk",
                slot.name,
                text + _grows(found, slot, value, unlimited=unlimited),
                drop,
            )
        elif slot.active and slot.wal_status in {"extended", "unreserved"}:
            text = f"Slot {slot.name} is used but far behind: it keeps {value(slot.retained, 'B')} of WAL"
            yield Diagnosis("slot-inactive", "risk", slot.name, text + _grows(found, slot, value, unlimited=unlimited))


def _since(slot: Slot, found: Upkeep, length: Length) -> str:
    return f" for {length(past(slot.inactive_since, found))}" if slot.inactive_since is not None else ""


def _grows(found: Upkeep, slot: Slot, value: Words, *, unlimited: bool) -> str:
    parts = []
    if found.wal_now is not None and found.wal_now.value > 0:
        parts.append(
            f"{value(found.wal_now.value / found.wal_now.seconds * 3600, 'B')} more an hour as WAL is written now"
        )
    if slot.safe is not None:
        parts.append(f"{value(max(slot.safe, 0), 'B')} are left until it is lost")
    elif unlimited:
        parts.append("no limit but the disk")
    return f", {', '.join(parts)}" if parts else ""


def standbys(found: Upkeep, value: Words, _: Length) -> Iterator[Diagnosis]:
    """Standbys that are behind."""
    for one in found.standbys or []:
        if one.state == "backup":
            continue
        status = _lag(one.replay_seconds, one.behind)
        if status != "ok":
            yield Diagnosis("replica-behind", status, one.name, f"Standby {one.name} is {behind(one, value)} behind")
        elif one.state not in {"streaming", ""}:
            text = f"Standby {one.name} does not stream yet ({one.state}), {value(one.behind, 'B')} behind"
            yield Diagnosis("replica-behind", "risk", one.name, text)


def behind(one: Standby, value: Words) -> str:
    """How far a standby is behind, in words."""
    parts = [value(one.behind, "B")] if one.behind is not None else []
    if one.replay_seconds is not None:
        parts.append(value(one.replay_seconds, "s"))
    return " and ".join(parts) or "an unknown distance"


def _lag(seconds: float | None, size: int | None) -> Status:
    reached = [(seconds, LAG_SECONDS), (float(size) if size is not None else None, LAG_BYTES)]
    if any(one is not None and one >= limits[1] for one, limits in reached):
        return "broken"
    return "risk" if any(one is not None and one >= limits[0] for one, limits in reached) else "ok"


def standby_side(found: Upkeep, value: Words, length: Length) -> Iterator[Diagnosis]:
    """What is wrong where this server is a standby itself."""
    one = found.receiver
    if one is None or not one.standby:
        return
    if not one.status:
        last = f"; the last transaction it has is {length(past(one.replayed, found))} old" if one.replayed else ""
        text = f"This is a standby and no WAL arrives: its receiver does not run{last}"
        yield Diagnosis("receiver-down", "broken", "this standby", text)
    if one.pause not in {"", "not paused"}:
        text = f"Replay on this standby is paused, {value(one.behind, 'B')} wait"
        yield Diagnosis("replay-paused", "risk", "this standby", text, "SELECT pg_wal_replay_resume();")
    elif (status := _lag(one.seconds, one.behind)) != "ok" and one.status:
        text = f"This standby is {value(one.behind, 'B')} and {value(one.seconds, 's')} behind in what it applies"
        yield Diagnosis("replica-behind", status, "this standby", text)


def archive(found: Upkeep, value: Words, length: Length) -> Iterator[Diagnosis]:
    """WAL that does not reach the archive, or that piles up."""
    one, folder = found.archiver, found.folder
    if one is not None and one.mode != "off":
        if one.failing and one.failed_at is not None:
            last = (
                f"the last success was {length(past(one.archived_at, found))} ago"
                if one.archived_at
                else "none succeeded yet"
            )
            text = (
                f"WAL does not reach the archive: {one.last_failed} failed {length(past(one.failed_at, found))} ago, "
                f"{value(one.failed, 'count')} failures, {last}"
            )
            mend = "The server's log has the words of archive_command; its disk, credentials and target come first."
            yield Diagnosis("archiver-failing", "broken", one.last_failed, text, mend)
        elif folder is not None and folder.waiting >= WAITING_FILES:
            text = f"{folder.waiting} WAL files wait for the archive: it is slower than what is written"
            yield Diagnosis("archiver-behind", "risk", "archiver", text)
    limit = found.setting("max_wal_size")
    if folder is not None and limit is not None and folder.bytes > 2 * limit:
        text = (
            f"The WAL folder has {value(folder.bytes, 'B')}, max_wal_size is {value(limit, 'B')}: something keeps files"
        )
        yield Diagnosis("wal-folder", "risk", "WAL folder", text)
