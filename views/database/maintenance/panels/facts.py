"""Housekeeping of the database as tables: WAL, checkpoints, archive and counters line by line, and the settings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from analysis.verdict import Status
from ui import format, tables
from ui.clean import clean, inert
from ui.panel import About
from ui.tables import Column
from ui.theme import STATUS
from views.database.maintenance.panels.work import over, statuses

if TYPE_CHECKING:
    from collectors.span import Span
    from views.database.maintenance.findings import Told
    from views.database.maintenance.settings import SettingsReport
    from views.database.maintenance.view import Upkeep

_OFF = "off"
"""How an archive is told that is not made: a note, as nothing fails."""

Row = tuple[str, str, str, str, tuple[str, ...]]
"""What, how much, over which time, why it matters, kinds of diagnosis that are about it."""

SETTINGS_HEIGHT = 460


def facts(found: Told, _span: Span) -> None:
    """WAL, checkpoints, archive, autovacuum and counters, a line each, with why it matters."""
    upkeep, keys = found.upkeep, statuses(found)
    rows = [*_wal(upkeep), *_checkpoints(upkeep), *_archive(upkeep), *_rows(upkeep), *_counters(upkeep)]
    frame = pd.DataFrame(
        [
            {"status": _status(value, kinds, keys), "what": what, "value": value, "over": since, "why": why}
            for what, value, since, why, kinds in rows
        ]
    )
    tables.table(frame, columns=_FACTS, key="upkeep-facts", alt="Housekeeping line by line", height=_height(len(frame)))


def _height(rows: int) -> int:
    return rows * 35 + 38


def _status(value: str, kinds: Sequence[str], keys: dict[str, Status]) -> str:
    found: Status | None = next((keys[kind] for kind in kinds if kind in keys), None)
    if found is None and value == _OFF:
        return "note"
    return found or ("unknown" if value == format.UNKNOWN else "ok")


_FACTS = (
    Column("status", "Status", "status", width=90),
    Column("what", "What", width=160),
    Column("value", "Now", width=230),
    Column("over", "Counted", width=180),
    Column("why", "Why it matters", width=640, limit=400),
)


def _since(upkeep: Upkeep, moment: datetime | None) -> str:
    if moment is None:
        return "in all its time"
    return f"since the reset {format.ago(moment, upkeep.as_of)}"


def _wal(upkeep: Upkeep) -> list[Row]:
    wal, now, folder = upkeep.wal, upkeep.wal_now, upkeep.folder
    rows: list[Row] = []
    if not upkeep.server.standby:
        rate = format.value(now.value / now.seconds, "B/s") if now is not None else format.UNKNOWN
        since = f"in the last {format.duration(now.seconds)}" if now is not None else "told from the second look on"
        why = "All of it is written, flushed, sent to each standby and archived; every slot that stands keeps as much."
        rows.append(("WAL written", rate, since, why, ("wal-folder",)))
    if wal is not None and wal.bytes:
        pages = wal.full_pages * 8192 / wal.bytes
        why = (
            "After a checkpoint each page is written as a whole; many mean checkpoints too close or no wal_compression."
        )
        value = f"about {format.value(min(pages, 1.0), 'ratio')} of WAL"
        rows.append(("Whole pages in WAL", value, _since(upkeep, wal.reset_at), why, ("checkpoints-requested",)))
        why = "Sessions had to write WAL themselves because wal_buffers were full."
        full = format.count(wal.buffers_full)
        rows.append(("WAL buffers full", full, _since(upkeep, wal.reset_at), why, ()))
    size = f"{format.value(folder.bytes, 'B')} in {folder.files} files" if folder is not None else format.UNKNOWN
    limit = upkeep.setting("max_wal_size")
    of = f"max_wal_size {format.value(limit, 'B')}" if limit else ""
    why = "It grows beyond max_wal_size only when something keeps files: a slot, the archiver, wal_keep_size."
    rows.append(("WAL folder", size, of, why, ("wal-folder",)))
    return rows


def _checkpoints(upkeep: Upkeep) -> list[Row]:
    found = upkeep.checkpoints
    if found is None:
        return []
    since = _since(upkeep, found.reset_at)
    number = found.timed + found.requested
    rows: list[Row] = [
        (
            "Checkpoints",
            f"{format.count(found.timed)} by the clock, {format.count(found.requested)} requested",
            since,
            "Requested ones come because max_wal_size was reached (or somebody asked): they write in bursts.",
            ("checkpoints-requested",),
        )
    ]
    if upkeep.last_checkpoint is not None:
        interval = upkeep.setting("checkpoint_timeout")
        of = f"checkpoint_timeout {format.duration(interval)}" if interval else ""
        why = "A recovery after a crash begins here; a quiet server makes none, which is right."
        rows.append(("Last checkpoint", format.ago(upkeep.last_checkpoint, upkeep.as_of), of, why, ()))
    if number:
        write, sync = (each / 1000 / number for each in (found.write_milliseconds, found.sync_milliseconds))
        why = "Writing is spread on purpose. Long flushes are a disk that cannot keep up; all commits wait for it."
        value = f"{format.value(write, 's')} writing, {format.value(sync, 's')} flushing"
        rows.append(("Mean checkpoint", value, since, why, ()))
    return rows


def _archive(upkeep: Upkeep) -> list[Row]:
    one, folder = upkeep.archiver, upkeep.folder
    if one is None:
        return []
    if one.mode == "off":
        why = "Only the last backup can be restored: with one every 6 h the recovery point of 1 h cannot be kept."
        return [("WAL archive", _OFF, "archive_mode", why, ())]
    last = format.ago(one.archived_at, upkeep.as_of) if one.archived_at is not None else "none yet"
    value = f"last success {last}, {format.count(one.failed)} failures"
    waiting = f", {folder.waiting} files wait" if folder is not None else ""
    why = "What is not in the archive is lost with the machine, and stays on its disk until it is there."
    return [
        ("WAL archive", value + waiting, _since(upkeep, one.reset_at), why, ("archiver-failing", "archiver-behind"))
    ]


def _rows(upkeep: Upkeep) -> list[Row]:
    one, holders = upkeep.autovacuum, upkeep.holders
    rows: list[Row] = []
    if one is not None:
        value = f"{one.workers} of {one.most} workers, {one.over} {'table waits' if one.over == 1 else 'tables wait'}"
        dead = f"{format.count(one.dead)} dead rows in them" if one.over else ""
        off = f"; switched off for {one.disabled}" if one.disabled else ""
        why = "It removes dead rows and freezes old ones. When all workers are busy the rest of the tables bloat."
        rows.append(("Autovacuum", value + off, dead, why, ("autovacuum-behind", "autovacuum-off")))
    age = upkeep.own.transaction_age if upkeep.own is not None else None
    if age is not None:
        limit = f"frozen at {format.count(one.freeze_max_age)}" if one is not None else ""
        why = "At two billion the server refuses writes; autovacuum freezes long before, unless something holds it."
        rows.append(("Oldest transaction id", f"{format.count(age)} transactions old", limit, why, ("wraparound",)))
    if holders is not None:
        why = "Rows that died after it began cannot be removed, in no table of this database."
        value = "nobody"
        if holders:
            first = holders[0]
            since = f" for {format.duration(upkeep.as_of - first.since)}" if first.since is not None else ""
            value = clean(f"{first.kind} {first.name}{since}", 120)
        count = f"{len(holders)} in all" if holders else ""
        rows.append(("Holds back vacuum", value, count, why, ("horizon-held", "prepared-transaction")))
    return rows


_COUNTED = (
    ("deadlocks", "Deadlocks", "count", "Each ended a request with an error after deadlock_timeout.", ("deadlocks",)),
    ("temp_bytes", "Temporary files", "B", "Sorts and hashes went to disk for want of work_mem.", ("temp-files",)),
    ("conflicts", "Recovery conflicts", "count", "On a standby: queries cut by replay.", ("recovery-conflicts",)),
)  # fmt: skip


def _counters(upkeep: Upkeep) -> list[Row]:
    own = upkeep.own
    if own is None:
        return []
    rows: list[Row] = []
    for name, title, unit, why, kinds in _COUNTED:
        amount = upkeep.amounts.get(name)
        whole = f"{format.value(getattr(own, name), unit)} {_since(upkeep, own.reset_at)}"
        if amount is None:
            rows.append((title, whole, "", why, kinds))
        else:
            much = float(round(amount.value)) if unit == "count" else amount.value
            rows.append((title, f"{format.value(much, unit)} {over(amount)}", whole, why, kinds))
    number = own.commits + own.rollbacks
    back = format.value(own.rollbacks / number, "ratio") if number else format.UNKNOWN
    why = "Work that was done and thrown away; each is a request that failed or a client that gave up."
    rows.append(("Rolled back", f"{back} of transactions", _since(upkeep, own.reset_at), why, ("rollbacks",)))
    ended = own.sessions_abandoned + own.sessions_fatal + own.sessions_killed
    value = f"{own.sessions_abandoned} clients went away, {own.sessions_fatal} by errors, {own.sessions_killed} ended"
    why = "Sessions that did not end as they should: networks, crashes, timeouts, people."
    rows.append(("Sessions ended badly", value if ended else "none", _since(upkeep, own.reset_at), why, ()))
    failures = [one.checksum_failures for one in upkeep.counted or [] if one.checksum_failures is not None]
    value = format.count(sum(failures)) if failures else "no checksums"
    why = "A page that the disk spoilt. Without checksums nobody notices, and it goes into every backup."
    rows.append(("Wrong checksums", value, "in all databases", why, ("checksum-failure",)))
    return rows


def about_facts(_found: Told, _span: Span) -> About:
    """Where the lines come from."""
    return About(
        "PostgreSQL counts since its statistics were reset. In this window: by the exporter's counters in Prometheus. "
        "In the last …: between two looks of this console.",
        ("pg_stat_wal, pg_stat_checkpointer (pg_stat_bgwriter before 17), pg_stat_archiver, pg_stat_database",),
    )


def io(found: Told, _span: Span) -> None:
    """Which kind of process read and wrote how much."""
    rows = [
        {
            "kind": one.kind, "read": one.read_bytes, "written": one.written_bytes, "extended": one.extended_bytes,
            "evictions": one.evictions, "fsyncs": one.fsyncs,
        }
        for one in found.upkeep.io or []
    ]  # fmt: skip
    columns = (
        Column("kind", "Process", width="medium"),
        Column("read", "Read", "number", unit="B"),
        Column("written", "Written", "number", unit="B", help="By clients: the background writer does not keep up."),
        Column("extended", "New pages", "number", unit="B"),
        Column("evictions", "Evicted", "number", unit="count", help="Pages that had to make room in shared_buffers."),
        Column("fsyncs", "Flushes", "number", unit="count", help="By clients: commits wait for the disk."),
    )
    tables.table(pd.DataFrame(rows), columns=columns, key="upkeep-io", alt="Reads and writes by process")
    reset = next((one.reset_at for one in found.upkeep.io or [] if one.reset_at is not None), None)
    st.caption(inert(f"{_since(found.upkeep, reset).capitalize()}; data files, without WAL."))


def why_no_io(found: Told) -> str:
    """Why nothing is told about reads and writes; an empty text where something is."""
    if found.upkeep.server.major < 16:
        return "PostgreSQL tells who reads and writes from version 16 on (pg_stat_io)."
    return "" if found.upkeep.io else "Nothing was read or written since the statistics were reset."


def settings(report: SettingsReport, _span: Span) -> None:
    """Settings against advice, the ones that differ first."""
    frame = pd.DataFrame(
        [
            {
                # A setting that merely differs harms nothing now: the verdict above says so of what does.
                "status": "note" if one.status in ("risk", "broken") else one.status,
                "name": one.name, "value": one.value or format.UNKNOWN, "told": one.told,
                "advice": one.advice, "why": one.why, "takes": one.takes, "source": one.source,
            }
            for one in report.judged
        ]
    )  # fmt: skip
    known = sum(one.status != "unknown" for one in report.judged)
    st.caption(f"{report.differing} of {known} settings differ from the advice.")
    tables.table(frame, columns=_SETTINGS, key="upkeep-settings", height=SETTINGS_HEIGHT, alt="Settings against advice")
    for remark in report.remarks:
        mark = STATUS["unknown"]
        st.markdown(f":{mark.markdown}[{mark.icon}] {inert(remark, 400)}")
    if report.grant:
        with st.expander("What lets the console check the configuration files too"):
            st.markdown(
                "Mistakes in the files, and values that the console's own sessions hide from it (statement_timeout, "
                "lock_timeout), can be seen with:"
            )
            st.code(clean(report.grant, 600, lines=True), language="sql")


_SETTINGS = (
    Column("status", "Status", "status", width=90),
    Column("name", "Setting", width=210),
    Column("value", "Value", width=90),
    Column("told", "Differs", width=200, limit=300),
    Column("advice", "Advice", width=260, limit=200),
    Column("why", "Why", width=420, limit=400),
    Column("takes", "Takes", width=110),
    Column("source", "Source", width=260),
)


def about_settings(_report: SettingsReport, _span: Span) -> About:
    """Where the advice comes from."""
    return About(
        "The advice is data: collectors/catalog/settings_advice.toml, with a source for each. It knows neither the "
        "load nor the machine, unless memory is given in the console's settings: it says where to look, no more.",
        ("pg_settings, pg_db_role_setting, pg_file_settings where granted",),
    )


def mistakes(told: str) -> None:
    """What is wrong with a file of advice, a sentence a line."""
    for sentence in told.splitlines():
        st.error(inert(sentence, 500), icon=STATUS["broken"].icon)
