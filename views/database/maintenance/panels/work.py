"""Housekeeping of the database: the verdict with its figures, running work, replication, WAL and checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from analysis.verdict import Status
from ui import context, diagnoses, format, menu, tab, tables
from ui.clean import clean, inert
from ui.panel import About
from ui.tables import Column
from ui.theme import STATUS

if TYPE_CHECKING:
    from collectors.advice import Advice
    from collectors.postgres.upkeep import Slot, Standby, Work
    from collectors.span import Span
    from views.database.maintenance.findings import Told
    from views.database.maintenance.view import Amount, Running, Upkeep

FIGURE_HEIGHT = 120
MOST_BARS = 12
"""How many pieces of running work are drawn; the rest is counted."""


def verdict(found: Told, _span: Span) -> None:
    """The verdict in words, and the figures behind it."""
    word = STATUS[found.status]
    tab.mark(found.status)
    st.markdown(f"### :{word.markdown}[{word.icon}] {inert(found.sentence, 500)}", anchors=False)
    upkeep, keys = found.upkeep, statuses(found)
    figures = [
        (
            "WAL",
            *_wal(upkeep),
            "How much is written now, between this look and the first within a minute.",
            ("wal-folder",),
        ),
        (
            "Standby behind",
            *_lag(upkeep),
            "The farthest of the standbys: WAL that it has not applied yet. A standby tells its own distance.",
            ("replica-behind", "receiver-down", "replay-paused"),
        ),
        (
            "WAL kept by slots",
            *_kept(upkeep),
            "The most that one slot keeps the server from removing.",
            ("slot-inactive", "slot-lost"),
        ),
        (
            "Requested checkpoints",
            *_requested(upkeep),
            "Share of checkpoints that did not come by the clock: max_wal_size was reached, or somebody asked.",
            ("checkpoints-requested",),
        ),
        (
            "Deadlocks",
            *_amount(upkeep, "deadlocks", "count"),
            "Deadlocks that were broken by ending a statement.",
            ("deadlocks",),
        ),
        (
            "Temporary files",
            *_amount(upkeep, "temp_bytes", "B"),
            "What statements wrote to disk because work_mem was too small.",
            ("temp-files",),
        ),
        (
            "Autovacuum",
            *_workers(upkeep),
            "Workers at work, of autovacuum_max_workers; below: tables over their threshold.",
            ("autovacuum-behind", "autovacuum-off"),
        ),
    ]
    with st.grid(len(figures), min_column_width=150):
        for title, value, below, help_, kinds in figures:
            status = next((keys[kind] for kind in kinds if kind in keys), "ok")
            bad = status in {"risk", "broken"}
            st.metric(
                title,
                value,
                inert(below, 60) if below else None,
                delta_color=STATUS[status].markdown if bad else "off",
                delta_arrow="off",
                icon=STATUS[status].icon if bad else None,
                help=help_,
                border=True,
                height=FIGURE_HEIGHT,
            )


def why_and_mend(advice: Mapping[str, Advice]) -> Callable[[Told, Span], None]:
    """Draws what is wrong, each with its reason, and what could not be looked at."""

    def draw(found: Told, _span: Span) -> None:
        archiver = found.upkeep.archiver
        unarchived = archiver is not None and archiver.mode == "off"
        more = " WAL is not archived, so that only the last backup can be restored." if unarchived else ""
        diagnoses.diagnoses(found.diagnoses, advice, well=f"Nothing fails in what can be seen.{more}")
        mark = STATUS["unknown"]
        for why, hint in dict.fromkeys((one.why, one.hint) for one in found.upkeep.missing):
            what = "; ".join(one.what for one in found.upkeep.missing if (one.why, one.hint) == (why, hint))
            st.markdown(f":{mark.markdown}[{mark.icon} Not known:] {inert(what, 400)}. {inert(why, 300)}.")
            if hint:
                st.code(clean(hint, 500, lines=True), language=None, wrap_lines=True)
        with st.container(horizontal=True, gap="small"):
            params: dict[str, str] = {**context.current().params(), "part": "tables"}
            menu.link("database", "Tables behind their threshold", params=params)

    return draw


def statuses(found: Told) -> dict[str, Status]:
    """The worst status of each kind of diagnosis."""
    kinds: dict[str, Status] = {}
    for one in found.diagnoses:
        kinds.setdefault(one.key, one.status)
    return kinds


def _wal(upkeep: Upkeep) -> tuple[str, str | None]:
    now, whole = upkeep.wal_now, upkeep.wal
    if upkeep.server.standby:
        return format.UNKNOWN, "standby"
    value = format.value(now.value / now.seconds, "B/s") if now is not None else format.UNKNOWN
    if whole is None or whole.reset_at is None:
        return value, None
    seconds = (whole.as_of - whole.reset_at).total_seconds()
    return value, f"mean {format.value(whole.bytes / seconds, 'B/s')}" if seconds > 0 else None


def _lag(upkeep: Upkeep) -> tuple[str, str | None]:
    own = upkeep.receiver
    if own is not None and own.standby:
        below = "no WAL arrives" if not own.status else f"from {own.sender}"
        return format.value(own.behind, "B"), below
    if upkeep.standbys is None:
        return format.UNKNOWN, None
    following = [one for one in upkeep.standbys if one.state != "backup"]
    if not following:
        return "none", "none is connected"
    farthest = max(following, key=lambda one: one.behind or 0)
    told = [one.replay_seconds for one in following if one.replay_seconds is not None]
    return format.value(farthest.behind, "B"), (f"{format.value(max(told), 's')}, " if told else "") + farthest.name


def _kept(upkeep: Upkeep) -> tuple[str, str | None]:
    if upkeep.slots is None:
        return format.UNKNOWN, None
    if not upkeep.slots:
        return "none", "no slots"
    most = max(upkeep.slots, key=lambda one: one.retained or 0)
    idle = sum(not one.active for one in upkeep.slots)
    return format.value(most.retained, "B"), f"{idle} of {len(upkeep.slots)} unused" if idle else most.name


def _requested(upkeep: Upkeep) -> tuple[str, str | None]:
    found, seen = upkeep.checkpoints, upkeep.checkpoints_seen
    if seen is not None and sum(seen.by.values()) >= 4:
        number = sum(seen.by.values())
        return format.value(
            seen.by["requested"] / number, "ratio"
        ), f"of {number:.0f} in {format.duration(seen.seconds)}"
    if found is None or not found.timed + found.requested:
        return format.UNKNOWN, None
    number = found.timed + found.requested
    return format.value(found.requested / number, "ratio"), f"of {format.count(number)} since the reset"


def _amount(upkeep: Upkeep, name: str, unit: str) -> tuple[str, str | None]:
    amount, own = upkeep.amounts.get(name), upkeep.own
    if amount is not None:
        value = float(round(amount.value)) if unit == "count" else amount.value
        return format.value(value, unit), over(amount)
    if own is None:
        return format.UNKNOWN, None
    return format.value(getattr(own, name), unit), "since the reset" if own.reset_at else "in all its time"


def over(amount: Amount) -> str:
    """Over which time an amount was counted, in words."""
    return "in this window" if amount.since is None else f"in the last {format.duration(amount.seconds)}"


def _workers(upkeep: Upkeep) -> tuple[str, str | None]:
    one = upkeep.autovacuum
    if one is None:
        return format.UNKNOWN, None
    if not one.enabled:
        return "off", f"{one.over} tables wait"
    return f"{one.workers} of {one.most}", f"{one.over} {'table waits' if one.over == 1 else 'tables wait'}"


def running(found: Running, _span: Span) -> None:
    """Each piece of running work with how much of its phase is done."""
    for one in found.work[:MOST_BARS]:
        share = one.share
        head = f"**{inert(_name(one), 120)}** · {inert(one.phase, 80)}"
        told = [_done(one), *_wait(one)]
        left = found.left.get(one.pid)
        if left is not None:
            told.append(f"{format.duration(left)} left in this phase")
        if one.since is not None:
            told.append(f"runs for {format.duration(one.as_of - one.since)}")
        told.append(f"pid {one.pid}, {'autovacuum' if one.automatic else clean(one.user, 60) or 'unknown role'}")
        if one.wraparound:
            told.append("against wraparound: it does not give way to locks")
        text = f"{head} · {inert(' · '.join(part for part in told if part), 400)}"
        if share is None:
            st.markdown(f":material/hourglass_empty: {text}")
        else:
            st.progress(share, text=text)
    if len(found.work) > MOST_BARS:
        st.caption(f"{len(found.work) - MOST_BARS} more are not drawn.")


def _name(one: Work) -> str:
    where = f" {one.relation}" if one.relation else ""
    return f"{one.kind.upper()}{where}" + (f" in {one.database}" if one.relation.isdecimal() else "")


def _done(one: Work) -> str:
    if one.share is not None and one.done is not None:
        unit = "B" if one.unit == "bytes" else "count"
        of = f"{format.value(one.done, unit)} of {format.value(one.total, unit)}"
        return f"{format.value(one.share, 'ratio')} of this phase ({of}{'' if unit == 'B' else f' {one.unit}'})"
    if one.done:
        return format.value(one.done, "B") if one.unit == "bytes" else f"{format.count(one.done)} {one.unit}"
    return ""


def _wait(one: Work) -> list[str]:
    if one.locker is not None:
        return [f"waits for pid {one.locker}"]
    if one.wait_type in {"Lock", "BufferPin"}:
        return [f"waits for a lock ({one.wait_event})"]
    return ["rests by its cost limit"] if one.wait_event == "VacuumDelay" else []


def why_nothing_runs(found: Running) -> str:
    """Why there is no work to show; an empty text where there is some."""
    return "" if found.work else "No vacuum, index build, analyze, COPY, rewrite or base backup runs at this moment."


def about_running(_found: Running, _span: Span) -> About:
    """What the bars mean."""
    return About(
        "Work that PostgreSQL reports the progress of. A bar is the present phase and not the whole: a vacuum comes "
        "back to its first phase as often as its memory for dead rows is full. The time left is measured by what was "
        "done since this console saw the phase first.",
        ("pg_stat_progress_vacuum, _create_index, _analyze, _cluster, _copy, _basebackup",),
    )


def replication(found: Told, _span: Span) -> None:
    """Standbys and slots, and on a standby where its WAL comes from."""
    upkeep, tz = found.upkeep, context.current().tz
    own = upkeep.receiver
    if own is not None and own.standby:
        state = "receives WAL" if own.status else "receives no WAL"
        source = f" from {own.sender}:{own.port}" if own.sender else ""
        slot = f" through slot {own.slot}" if own.slot else ""
        heard = f", heard {format.timestamp(own.heard, tz)}" if own.heard else ""
        behind = f"{format.value(own.behind, 'B')} and {format.value(own.seconds, 's')} are not applied yet"
        st.markdown(inert(f"This server is a standby: it {state}{source}{slot}{heard}; {behind}.", 400))
    if upkeep.standbys:
        frame = pd.DataFrame([_standby(one) for one in upkeep.standbys])
        tables.table(frame, columns=_STANDBY_COLUMNS, key="upkeep-standbys", tz=tz, alt="Who receives WAL")
    if upkeep.slots:
        frame = pd.DataFrame([_slot(one) for one in upkeep.slots])
        tables.table(frame, columns=_SLOT_COLUMNS, key="upkeep-slots", tz=tz, alt="Replication slots")


def _standby(one: Standby) -> dict[str, object]:
    return {
        "name": one.name, "client": one.client or "socket", "state": one.state, "sync": one.sync, "slot": one.slot,
        "behind": one.behind, "unsent": one.unsent, "write": one.write_seconds, "flush": one.flush_seconds,
        "replay": one.replay_seconds, "since": one.since,
    }  # fmt: skip


def _slot(one: Slot) -> dict[str, object]:
    return {
        "name": one.name, "kind": f"{one.kind} {one.plugin}".strip(), "database": one.database,
        "used": f"pid {one.pid}" if one.active else "nobody", "retained": one.retained, "wal": one.wal_status,
        "safe": one.safe, "horizon": one.horizon, "inactive": one.inactive_since, "invalid": one.invalid or (
            "conflicting" if one.conflicting else ""
        ),
    }  # fmt: skip


_STANDBY_COLUMNS = (
    Column("name", "Standby", width="medium"),
    Column("client", "Address"),
    Column("state", "State", help="streaming is right; catchup: it fetches what it missed; backup: a base backup."),
    Column("sync", "Sync", help="With sync or quorum a commit waits for it."),
    Column("slot", "Slot"),
    Column("behind", "Not applied", "number", unit="B", help="WAL that it has not applied: what it would lack."),
    Column("unsent", "Not sent", "number", unit="B", help="A network that is too slow shows here."),
    Column("write", "Write", "number", unit="s", help="Until it had written what was sent last."),
    Column("flush", "Flush", "number", unit="s", help="Until it was on disk there."),
    Column("replay", "Replay", "number", unit="s", help="Until it could be read there."),
    Column("since", "Connected", "time"),
)
_SLOT_COLUMNS = (
    Column("name", "Slot", width="medium"),
    Column("kind", "Kind"),
    Column("database", "Database"),
    Column("used", "Used by"),
    Column("inactive", "Unused since", "time", help="Told from PostgreSQL 17 on."),
    Column("retained", "Keeps WAL", "number", unit="B", help="It cannot be removed while the slot wants it."),
    Column("wal", "WAL", help="reserved is right; extended: more than max_wal_size; unreserved: may go; lost: gone."),
    Column("safe", "Left until lost", "number", unit="B", help="– where max_slot_wal_keep_size sets no limit."),
    Column("horizon", "Old rows", "number", unit="count", help="Age in transactions of the rows that it keeps."),
    Column("invalid", "Lost by"),
)


def why_no_replication(found: Told) -> str:
    """Why there is nothing about replication; an empty text where there is something."""
    upkeep = found.upkeep
    if upkeep.standbys or upkeep.slots or (upkeep.receiver is not None and upkeep.receiver.standby):
        return ""
    if upkeep.standbys is None:
        return "Who receives WAL cannot be seen: see what is wrong, above."
    return "No standby is connected and there is no replication slot: what is on this machine is the only copy."


def about_replication(_found: Told, _span: Span) -> About:
    """Where replication is read from."""
    return About(
        "Lag in bytes is the distance between what this server wrote and what a standby applied. Lag in time is told "
        "while something is written; a standby of a quiet server has none.",
        ("pg_stat_replication, pg_replication_slots, pg_stat_wal_receiver",),
    )
