"""Transaction ids: how old the oldest rows that are not frozen are, how long that may go on, and who prevents freezing.

PostgreSQL counts transactions in 32 bits (manual, Routine Vacuuming > Preventing Transaction ID Wraparound Failures): a
row must be frozen before two thousand million later transactions. At ``autovacuum_freeze_max_age`` autovacuum comes by
force; three million before the end the server takes no more commands that need a transaction id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from analysis.diagnosis import Diagnosis
from analysis.quantities import amount, length
from analysis.verdict import Status
from views.database.rules.relations import Figures, Frozen, Holder, options_of
from views.database.rules.sql_names import literal

STOP = 2**31 - 3_000_000
"""Age at which the server takes no more commands that write (access/transam/varsup.c, xidStopLimit)."""

SOON = timedelta(days=7)
"""Time left below which it is broken and not only a risk."""

LONG = timedelta(hours=1)
"""How long somebody may hold back the horizon before that alone is a finding."""

PREPARED_LONG = timedelta(minutes=5)
"""The same for a prepared transaction: it stays until somebody ends it, through a restart too."""

NOTABLE_AGE = 10_000
"""Transaction ids that somebody must hold back at least; before that there is nothing to gain."""

ALARMING_SHARE = 0.5
"""Share of a table's limit that somebody must hold back to be named whatever the time."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """How long it may go on if nothing is frozen.

    Attributes:
        age: Transaction ids since the oldest row that is not frozen, of all databases of the server.
        limit: Age at which autovacuum comes by force.
        rate: Transaction ids used a second; ``None`` where not known.
    """

    age: int
    limit: int
    rate: float | None

    @property
    def forced(self) -> float | None:
        """Seconds until autovacuum comes by force, 0 where it does; ``None`` where not known."""
        return self._left(self.limit)

    @property
    def stopped(self) -> float | None:
        """Seconds until the server takes no more commands that write; ``None`` where not known."""
        return self._left(STOP)

    def _left(self, limit: int) -> float | None:
        if self.age >= limit:
            return 0.0
        return (limit - self.age) / self.rate if self.rate else None


def rate(counted: Sequence[tuple[datetime, int]]) -> float | None:
    """Transaction ids used a second over samples of the counter, the newest last; ``None`` from fewer than two.

    The counter goes back only where the records are about another server than before; then what is older is left out.
    """
    kept: list[tuple[datetime, int]] = []
    for moment, value in counted:
        if kept and value < kept[-1][1]:
            kept = []
        kept.append((moment, value))
    if len(kept) < 2:
        return None
    seconds = (kept[-1][0] - kept[0][0]).total_seconds()
    return (kept[-1][1] - kept[0][1]) / seconds if seconds > 0 else None


def limit_of(options: list[str], figures: Figures) -> int:
    """Age at which autovacuum comes to a table by force; its own parameter may only lower it."""
    try:
        own = int(options_of(options)["autovacuum_freeze_max_age"])
    except (KeyError, ValueError):
        return figures.freeze_max_age
    return min(own, figures.freeze_max_age)


def diagnose(
    figures: Figures, oldest: Sequence[Frozen], holders: Sequence[Holder] | None, used: float | None
) -> list[Diagnosis]:
    """Whether transaction ids run out, of which tables, how soon, and who prevents that rows are frozen.

    Args:
        figures: The database as a whole.
        oldest: The tables that are farthest behind, measured by their own limit.
        holders: Who holds back the horizon, the oldest first; ``None`` where that is not known.
        used: Transaction ids used a second; ``None`` where not known.
    """
    here = [one for one in holders or () if one.here and one.age]
    past = [one for one in oldest if one.xid_age > limit_of(one.options, figures)]
    lowest = min((limit_of(one.options, figures) for one in oldest), default=figures.freeze_max_age)
    outlook = Outlook(figures.oldest_xid_age, figures.freeze_max_age, used)
    found = [*_server(figures, outlook), *_past(figures, past, here, outlook)]
    found += [_holder(one, figures, bool(past)) for one in here if _holds(one, figures.as_of, lowest)]
    if figures.mxid_age > figures.multixact_freeze_max_age:
        text = (
            f"Multixacts of this database are {amount(figures.mxid_age)} old, past autovacuum_multixact_freeze_max_age "
            f"({amount(figures.multixact_freeze_max_age)})."
        )
        found.append(Diagnosis("mxid-age", "risk", "multixacts", text, "VACUUM (FREEZE, VERBOSE);"))
    return found


def named(one: Holder, now: datetime) -> str:
    """Who holds back the horizon, in words."""
    since = f"for {length((now - one.since).total_seconds())}" if one.since is not None else ""
    state = one.state if one.kind == "session" else ""
    about = ", ".join(word for word in (one.who, state, since) if word)
    told = f" ({about})" if about else ""
    match one.kind:
        case "prepared":
            return f"prepared transaction {one.name}{told}"
        case "slot":
            return f"{one.state} replication slot {one.name}{told}"
        case "standby":
            return f"standby of process {one.name}{told}"
        case _:
            return f"session {one.name}{told}"


def ended_by(one: Holder) -> str:
    """The statement that ends who holds back the horizon."""
    match one.kind:
        case "prepared":
            return f"ROLLBACK PREPARED {literal(one.name)};  -- or COMMIT PREPARED; in its own database"
        case "slot":
            return f"SELECT pg_drop_replication_slot({literal(one.name)});  -- if nobody needs it any more"
        case "standby":
            return "-- On the standby: end its long queries, or ALTER SYSTEM SET hot_standby_feedback = off;"
        case _:
            return f"SELECT pg_terminate_backend({one.name});"


def _server(figures: Figures, outlook: Outlook) -> list[Diagnosis]:
    left = outlook.stopped
    # Below the limit vacuum has not even been asked to freeze: until then a busy hour is no danger.
    soon = outlook.age >= outlook.limit and left is not None and left < SOON.total_seconds()
    if not (outlook.age >= figures.failsafe_age or soon):
        return []
    time = f", {_left(outlook)}" if left is not None else ""
    text = (
        f"Database {figures.oldest_database} is {amount(outlook.age)} transactions behind in freezing of "
        f"{amount(STOP)} at which the server stops writing{time}."
    )
    return [Diagnosis("xid-age", "broken", figures.oldest_database, text, "VACUUM (FREEZE, VERBOSE);")]


def _past(figures: Figures, past: Sequence[Frozen], holders: Sequence[Holder], outlook: Outlook) -> list[Diagnosis]:
    if not past:
        return []
    # What the service owns is told first; the catalogue is as old as it where somebody holds all back.
    ordered = sorted(past, key=lambda one: (one.name.startswith(("pg_catalog.", "information_schema.")), -one.xid_age))
    first = ordered[0]
    limit = limit_of(first.options, figures)
    others = len({one.name for one in past} - {first.name})
    more = f", as {others} more {'table is' if others == 1 else 'tables are'}" if others else ""
    holder = next((one for one in holders if (one.age or 0) >= ALARMING_SHARE * limit), None)
    if holder is not None:
        cause = f"vacuum cannot freeze what {named(holder, figures.as_of)} may still see"
        mend = f"{ended_by(holder)}\nVACUUM (FREEZE, VERBOSE) {first.name};"
    else:
        cause = "autovacuum has not come to freeze it yet" if figures.autovacuum else "autovacuum is switched off"
        mend = f"VACUUM (FREEZE, VERBOSE) {first.name};"
    status: Status = "broken" if first.xid_age >= figures.failsafe_age else "risk"
    toast = "The TOAST table of " if first.toast else ""
    text = (
        f"{toast}{first.name} is {amount(first.xid_age)} transactions old, past its autovacuum_freeze_max_age of "
        f"{amount(limit)}{more}: {cause}. {_left(outlook).capitalize()}."
    )
    return [Diagnosis("xid-age", status, first.name, text, mend)]


def _left(outlook: Outlook) -> str:
    left = outlook.stopped
    if left is None:
        return "how long that may go on is not known yet: samples of the counter are still missing"
    if not outlook.rate:
        return "no transaction ids are used at present"
    used = f"{outlook.rate:,.0f}" if outlook.rate >= 10 else f"{outlook.rate:.2g}"
    return f"at {used} transactions/s the server stops writing in {length(left)}"


def _holds(one: Holder, now: datetime, lowest: int) -> bool:
    age = one.age or 0
    if age >= ALARMING_SHARE * lowest:
        return True
    if age < NOTABLE_AGE:
        return False
    patience = PREPARED_LONG if one.kind == "prepared" else LONG
    return one.since is None or now - one.since >= patience


def _holder(one: Holder, figures: Figures, past: bool) -> Diagnosis:
    what = "in the system catalogue" if one.catalogue_only else "in any table"
    name = named(one, figures.as_of)
    text = (
        f"{name[0].upper()}{name[1:]} holds back the horizon by {amount(one.age or 0)} transactions: vacuum can remove "
        f"and freeze nothing newer {what}."
    )
    return Diagnosis("xid-horizon", "broken" if past else "risk", one.name, text, ended_by(one))
