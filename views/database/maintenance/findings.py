"""What is wrong with PostgreSQL's housekeeping, each thing with its figures and what would mend it.

Thresholds are named constants here; why each kind matters is in ``collectors/catalog/advice.toml``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from analysis.diagnosis import Diagnosis, worst_first
from analysis.verdict import Status
from collectors.cache import Answer
from collectors.postgres.upkeep import Holder
from collectors.registry import Sources
from collectors.span import Span
from views.database.maintenance.view import Upkeep, load_upkeep
from views.database.maintenance.wal import GIB, Length, Words, archive, past, slots, standby_side, standbys
from views.database.rules.vacuum_due import NOTABLE_ROWS

HELD_SECONDS: tuple[float, float] = (60.0, 3600.0)
"""How long a prepared or idle transaction may hold back vacuum; one that works for its result gets :data:`WORKING`."""

WORKING = 30.0
"""How many times longer a transaction that is at work may hold it back."""

HELD_TRANSACTIONS = 1_000_000
"""How many transactions may have begun since, whatever the time."""

REQUESTED_SHARE = 0.5
"""From which share of requested checkpoints on WAL is too small for what is written."""

LEAST_CHECKPOINTS = 4
"""Fewer between looks say nothing about their causes."""

LEAST_SINCE_RESET = 12
"""The same since the reset: an hour of them by the clock, so that what was asked for at the beginning weighs little."""

TEMP_BYTES_HOURLY = GIB
"""Temporary files an hour that are worth a word."""

ROLLBACK_SHARE = 0.1
"""Share of transactions rolled back that is worth a word."""

LEAST_TRANSACTIONS = 100
"""Fewer say nothing about a share."""

AGE_OVER_LIMIT = 1.25
"""How far above autovacuum_freeze_max_age a database may be: beyond, the vacuums against wraparound do not keep up."""

FAILSAFE_AGE = 1_600_000_000
"""Default of vacuum_failsafe_age: from here on vacuum drops everything else to freeze; at 2.1e9 writes are refused."""


@dataclass(frozen=True)
class Told:
    """The verdict on housekeeping.

    Attributes:
        upkeep: What was looked at.
        status: The worst that was found.
        sentence: The verdict in words.
        diagnoses: What is wrong, the worst first.
    """

    upkeep: Upkeep
    status: Status
    sentence: str
    diagnoses: tuple[Diagnosis, ...]


def load_told(sources: Sources, span: Span, *, value: Words, length: Length) -> Answer[Told]:
    """How PostgreSQL keeps itself, in words.

    Args:
        sources: The environment's sources.
        span: The page's window, for what is counted in it.
        value: Writes a value with its unit.
        length: Writes a length of time.

    Raises:
        SourceError: It could not be asked at all, and no good answer is kept.
    """
    kept = load_upkeep(sources, span)
    found = findings(kept.value, value, length)
    return kept.with_value(Told(kept.value, *sentence(kept.value, found), tuple(found)))


def findings(found: Upkeep, value: Words, length: Length) -> list[Diagnosis]:
    """What is wrong, the worst first.

    Args:
        found: What was looked at.
        value: Writes a value with its unit.
        length: Writes a length of time.
    """
    every = (
        slots, standbys, standby_side, archive, _horizon, _age, _stuck, _autovacuum, _checkpoints, _counters,
        _settings,
    )  # fmt: skip
    return worst_first(one for part in every for one in part(found, value, length))


def sentence(found: Upkeep, diagnoses: list[Diagnosis]) -> tuple[Status, str]:
    """The verdict in words."""
    if diagnoses:
        first = diagnoses[0]
        more = len(diagnoses) - 1
        text = first.text.rstrip(".")
        rest = f", and {more} more {'thing' if more == 1 else 'things'} to look at" if more else ""
        return first.status, f"{text}{rest}."
    if found.missing:
        names = ", ".join(one.what.lower() for one in found.missing[:3])
        return "unknown", f"Nothing is wrong with what can be seen; not seen: {names}."
    kind = "standby" if found.server.standby else "server"
    return "ok", f"This {kind} keeps itself well: nothing is held back, nothing fails, nothing falls behind."


def _horizon(found: Upkeep, value: Words, length: Length) -> Iterator[Diagnosis]:
    for one in (found.holders or [])[:5]:
        status = _held(one, found)
        if status == "ok":
            continue
        age = f"{value(one.age, 'count')} transactions old" if one.age > 0 else ""
        since = f"for {length(past(one.since, found))}" if one.since is not None else ""
        of = {
            "session": "Session",
            "prepared transaction": "Prepared transaction",
            "slot": "Slot",
            "standby": "Standby",
        }
        what = f"{of.get(one.kind, one.kind)} {one.name}"
        what += f" (pid {one.pid}, {one.detail})" if one.pid is not None else f" ({one.detail})"
        told = ", ".join(part for part in (since, age) if part)
        text = f"{what} holds back vacuum{': ' if told else ''}{told}; rows that died since stay in all tables"
        key = "prepared-transaction" if one.kind == "prepared transaction" else "horizon-held"
        yield Diagnosis(key, status, one.name, text, _release(one))


def _held(one: Holder, found: Upkeep) -> Status:
    seconds = (found.as_of - one.since).total_seconds() if one.since is not None and one.kind != "standby" else 0.0
    if one.kind == "session" and one.detail == "active":
        seconds /= WORKING
    limit = found.autovacuum.freeze_max_age if found.autovacuum is not None else None
    if seconds >= HELD_SECONDS[1] or (limit is not None and one.age > limit):
        return "broken"
    return "risk" if seconds >= HELD_SECONDS[0] or one.age >= HELD_TRANSACTIONS else "ok"


def _release(one: Holder) -> str:
    name = one.name.replace("'", "''")
    match one.kind:
        case "prepared transaction":
            return f"ROLLBACK PREPARED '{name}';\n-- or, where its other half was committed: COMMIT PREPARED '{name}';"
        case "session":
            return f"SELECT pg_terminate_backend({one.pid});"
        case "slot":
            return f"SELECT pg_drop_replication_slot('{name}');"
        case _:
            return "Look for a long query on that standby: its hot_standby_feedback is on."


def _age(found: Upkeep, value: Words, _: Length) -> Iterator[Diagnosis]:
    limit = (
        found.autovacuum.freeze_max_age if found.autovacuum is not None else found.setting("autovacuum_freeze_max_age")
    )
    for one in found.counted or []:
        if one.transaction_age is None or limit is None or one.transaction_age < AGE_OVER_LIMIT * limit:
            continue
        status: Status = "broken" if one.transaction_age >= FAILSAFE_AGE else "risk"
        holder = found.holders[0] if found.holders and found.holders[0].age > limit else None
        by = f"; {holder.kind} {holder.name} keeps it from freezing" if holder is not None else ""
        text = (
            f"Database {one.database} is {value(one.transaction_age, 'count')} transactions old, and autovacuum should "
            f"have frozen it at {value(limit, 'count')}{by}"
        )
        mend = (
            _release(holder)
            if holder is not None
            else "VACUUM (FREEZE, VERBOSE) the oldest tables, see Tables & indexes."
        )
        yield Diagnosis("wraparound", status, one.database, text, mend)


def _stuck(found: Upkeep, value: Words, _: Length) -> Iterator[Diagnosis]:
    """Tables that must be frozen, and somebody who is older than all that could be frozen."""
    one, holder = found.autovacuum, found.holders[0] if found.holders else None
    if one is None or not one.old or holder is None or holder.age < HELD_TRANSACTIONS:
        return
    tables = "1 table is" if one.old == 1 else f"{one.old} tables are"
    text = (
        f"{tables} older than autovacuum_freeze_max_age and cannot be frozen: {holder.kind} {holder.name} is "
        f"{value(holder.age, 'count')} transactions old"
    )
    yield Diagnosis("wraparound", "risk", holder.name, text, _release(holder))


def _autovacuum(found: Upkeep, value: Words, _: Length) -> Iterator[Diagnosis]:
    one = found.autovacuum
    if one is None or found.server.standby:
        return
    tables = "1 table is" if one.over == 1 else f"{one.over} tables are"
    waiting = f"{tables} over the threshold with {value(one.dead, 'count')} dead rows"
    if not one.enabled:
        text = f"Autovacuum is off, and {waiting}"
        yield Diagnosis(
            "autovacuum-off",
            "broken",
            "autovacuum",
            text,
            "ALTER SYSTEM SET autovacuum = on;\nSELECT pg_reload_conf();",
        )
    elif one.over > 0 and one.workers >= one.most:
        text = f"All {one.most} autovacuum workers are busy, and {waiting}"
        yield Diagnosis("autovacuum-behind", "risk", "autovacuum", text)
    elif one.over > one.most:
        text = f"Autovacuum is behind: {waiting}, {one.workers} of {one.most} workers are at work"
        yield Diagnosis("autovacuum-behind", "risk", "autovacuum", text)
    table = one.disabled_worst
    if one.enabled and one.disabled_dead >= NOTABLE_ROWS:
        more = f"; {one.disabled_over} tables wait in vain" if one.disabled_over > 1 else ""
        yield Diagnosis(
            "autovacuum-off",
            "risk",
            table,
            f"Autovacuum is switched off for {table} (autovacuum_enabled=false), where "
            f"{value(one.disabled_dead, 'count')} dead rows are over its threshold{more}",
            f"ALTER TABLE {table} RESET (autovacuum_enabled);\nVACUUM (VERBOSE, ANALYZE) {table};",
        )


def _checkpoints(found: Upkeep, value: Words, length: Length) -> Iterator[Diagnosis]:
    share, number, since = requested(found, length)
    if share is None or share < REQUESTED_SHARE:
        return
    text = f"{value(share, 'ratio')} of {number} checkpoints {since} were requested and did not come by the clock"
    limit = found.setting("max_wal_size")
    mend = (
        f"ALTER SYSTEM SET max_wal_size = '{2 * limit / GIB:.0f}GB';\nSELECT pg_reload_conf();"
        if limit and limit >= GIB
        else ""
    )
    yield Diagnosis("checkpoints-requested", "risk", "checkpoints", text, mend)


def requested(found: Upkeep, length: Length) -> tuple[float | None, int, str]:
    """Share of requested checkpoints, of how many, and since when; between looks where those saw enough of them.

    The share is ``None`` where too few are known.
    """
    seen, all_of_them = found.checkpoints_seen, found.checkpoints
    if seen is not None and sum(seen.by.values()) >= LEAST_CHECKPOINTS:
        number = int(sum(seen.by.values()))
        return seen.by["requested"] / number, number, f"in the last {length(past(seen.since, found))}"
    if all_of_them is None:
        return None, 0, ""
    number = all_of_them.timed + all_of_them.requested
    since = (
        f"since the statistics were reset {length(past(all_of_them.reset_at, found))} ago"
        if all_of_them.reset_at
        else "so far"
    )
    return (all_of_them.requested / number if number >= LEAST_SINCE_RESET else None), number, since


def _counters(found: Upkeep, value: Words, length: Length) -> Iterator[Diagnosis]:
    def when(name: str) -> str:
        amount = found.amounts[name]
        return "in this window" if amount.since is None else f"in the last {length(past(amount.since, found))}"

    for one in found.counted or []:
        if one.checksum_failures:
            last = (
                f", the last {length(past(one.checksum_last_failure, found))} ago" if one.checksum_last_failure else ""
            )
            of = f"Database {one.database}" if one.database else "What all databases share"
            text = f"{of} has {one.checksum_failures} pages with a wrong checksum{last}"
            yield Diagnosis("checksum-failure", "broken", one.database, text)
    deadlocks = found.amounts.get("deadlocks")
    if deadlocks is not None and round(deadlocks.value) >= 1:
        number = round(deadlocks.value)
        text = f"{number} {'deadlock was' if number == 1 else 'deadlocks were'} broken {when('deadlocks')}"
        yield Diagnosis("deadlocks", "risk", "deadlocks", text)
    temp = found.amounts.get("temp_bytes")
    if temp is not None and temp.hourly >= TEMP_BYTES_HOURLY:
        text = f"Statements wrote {value(temp.value, 'B')} of temporary files {when('temp_bytes')}"
        yield Diagnosis("temp-files", "risk", "temporary files", text)
    conflicts = found.amounts.get("conflicts")
    if conflicts is not None and round(conflicts.value) >= 1:
        text = f"Recovery cancelled {round(conflicts.value)} statements on this standby {when('conflicts')}"
        yield Diagnosis("recovery-conflicts", "risk", "conflicts", text)
    share = rollback_share(found)
    if share is not None and share >= ROLLBACK_SHARE:
        yield Diagnosis(
            "rollbacks",
            "risk",
            "transactions",
            f"{value(share, 'ratio')} of all transactions were rolled back {when('rollbacks')}",
        )


def rollback_share(found: Upkeep) -> float | None:
    """Share of transactions that were rolled back; ``None`` where too few are known, or not over the same time."""
    back, done = found.amounts.get("rollbacks"), found.amounts.get("commits")
    if back is None or done is None or back.since != done.since or back.value + done.value < LEAST_TRANSACTIONS:
        return None
    return back.value / (back.value + done.value)


def _settings(found: Upkeep, _value: Words, _length: Length) -> Iterator[Diagnosis]:
    report = found.report
    if report is None:
        return
    for one in report.judged:
        if one.status == "broken" and one.name != "autovacuum":
            text = f"{one.name} is {one.value}: {one.why}"
            yield Diagnosis(
                "dangerous-setting", "broken", one.name, text.rstrip("."), f"Advice: {one.advice}; takes {one.takes}."
            )
    if report.pending:
        names = ", ".join(report.pending[:5])
        waits = "1 setting waits" if len(report.pending) == 1 else f"{len(report.pending)} settings wait"
        text = f"{waits} for a restart: {names}"
        yield Diagnosis("pending-restart", "risk", names, text)
    for line in (report.mistakes or ())[:5]:
        text = f"{line.file} line {line.line} has a mistake: {line.name or 'a line'}: {line.error}"
        yield Diagnosis("settings-file", "risk", line.file, text)
