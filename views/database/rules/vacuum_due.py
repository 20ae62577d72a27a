"""When autovacuum comes to a table, which tables are past that, and what keeps it away.

The formulas are PostgreSQL's own (manual, Automatic Vacuuming > The Autovacuum Daemon), with a table's own parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from analysis.diagnosis import Diagnosis
from analysis.quantities import amount, length, share
from views.database.rules.relations import Figures, Holder, Table, options_of
from views.database.rules.xids import ended_by, named

NOTABLE_ROWS = 1_000
"""Fewer dead rows than this are no finding, however small the table."""

NOTABLE_SHARE = 0.2
"""Share of dead rows from which a table is named even below its threshold: that of PostgreSQL's own scale factor."""

BROKEN_SHARE = 0.4
BROKEN_ROWS = 10_000
"""From which share and number on dead rows hurt now: every scan reads nearly twice of what it needs."""

STALE_TIMES = 2.0
STALE_ROWS = 10_000
STALE_AFTER = timedelta(hours=1)
"""How far past its analyze threshold, and for how long not analyzed, a table must be to be named."""

DELAY = timedelta(minutes=10)
"""How long autovacuum may take to come: its naptime is a minute, and others may be before it."""


@dataclass(frozen=True, slots=True)
class Due:
    """When autovacuum comes to a table.

    Attributes:
        vacuum: Dead rows beyond which it vacuums.
        insert: Inserted rows beyond which it does; ``None`` for never.
        analyze: Changed rows beyond which it analyzes.
        enabled: Whether it comes at all, but to prevent wraparound.
    """

    vacuum: float
    insert: float | None
    analyze: float
    enabled: bool


def due(table: Table, figures: Figures) -> Due:
    """When autovacuum comes to a table, with its own storage parameters before the server's settings."""
    options = options_of(table.options)

    def setting(name: str, otherwise: float) -> float:
        try:
            return float(options[f"autovacuum_{name}"])
        except (KeyError, ValueError):
            return otherwise

    rows = max(table.planner_rows or 0.0, 0.0)
    vacuum = setting("vacuum_threshold", figures.vacuum_threshold)
    vacuum += setting("vacuum_scale_factor", figures.vacuum_scale) * rows
    most = setting("vacuum_max_threshold", figures.vacuum_max_threshold)
    if most >= 0:
        vacuum = min(vacuum, most)
    insert: float | None = setting("vacuum_insert_threshold", figures.insert_threshold)
    if insert is not None and insert >= 0:
        # From 18 on only what is not frozen counts.
        frozen = min(table.frozen_pages or 0, table.pages) / table.pages if table.pages else 0.0
        insert += setting("vacuum_insert_scale_factor", figures.insert_scale) * rows * (1 - frozen)
    else:
        insert = None
    analyze = setting("analyze_threshold", figures.analyze_threshold)
    analyze += setting("analyze_scale_factor", figures.analyze_scale) * rows
    return Due(vacuum, insert, analyze, figures.autovacuum and not switched_off(table))


def switched_off(table: Table) -> bool:
    """Whether autovacuum is switched off for this table."""
    return options_of(table.options).get("autovacuum_enabled", "true") in {"false", "off", "0", "no", "f", "n"}


def over_since(dead: Sequence[tuple[datetime, float]], threshold: float) -> datetime | None:
    """From when on more rows than the threshold were dead without a break; ``None`` where they are not now.

    Args:
        dead: Dead rows over time, the newest last.
        threshold: As it is now.
    """
    since = None
    for moment, rows in reversed(dead):
        if rows <= threshold:
            break
        since = moment
    return since


def diagnose(
    tables: Sequence[Table],
    figures: Figures,
    holders: Iterable[Holder] | None,
    dead: Callable[[str], Sequence[tuple[datetime, float]]],
) -> list[Diagnosis]:
    """Tables with too many dead rows or stale statistics, each with what keeps autovacuum away.

    Args:
        tables: The tables.
        figures: The database as a whole.
        holders: Who holds back the horizon; ``None`` where that is not known.
        dead: Name of a table → its dead rows over time, the newest last.
    """
    found: list[Diagnosis] = []
    if not figures.autovacuum:
        text = "Autovacuum is switched off for the whole server: dead rows and transaction ids pile up in every table."
        mend = "ALTER SYSTEM SET autovacuum = on;\nALTER SYSTEM SET track_counts = on;\nSELECT pg_reload_conf();"
        found.append(Diagnosis("autovacuum-off", "broken", "autovacuum", text, mend))
    blocking = [one for one in holders or () if one.here and not one.catalogue_only and one.age]
    busy = sum(table.vacuuming for table in tables) >= figures.workers
    for table in tables:
        if table.kind == "p":
            continue
        when = due(table, figures)
        rows = _dead_rows(table, figures, when, blocking, busy, dead)
        if rows is not None:
            found.append(rows)
        elif switched_off(table):
            text = (
                f"Autovacuum is switched off for {table.name} (autovacuum_enabled=false): only somebody's own VACUUM "
                "comes to it."
            )
            mend = f"ALTER TABLE {table.name} RESET (autovacuum_enabled);"
            found.append(Diagnosis("autovacuum-off", "risk", table.name, text, mend))
        stale = _stale(table, figures, when)
        if stale is not None:
            found.append(stale)
    return found


def _dead_rows(
    table: Table,
    figures: Figures,
    when: Due,
    holders: Sequence[Holder],
    busy: bool,
    history: Callable[[str], Sequence[tuple[datetime, float]]],
) -> Diagnosis | None:
    dead, part = table.dead_rows, table.dead_share
    if dead is None or part is None or dead < NOTABLE_ROWS:
        return None
    over = dead > when.vacuum
    if not (part >= NOTABLE_SHARE or (over and not when.enabled)):
        return None
    now = figures.as_of
    came = table.vacuumed
    ago = (
        f"it was vacuumed last {length((now - came).total_seconds())} ago"
        if came is not None
        else "it was never vacuumed since the statistics were reset"
    )
    vacuum = f"VACUUM (VERBOSE, ANALYZE) {table.name};"
    mend = vacuum
    oldest = next((one for one in holders if came is not None and (one.since is None or one.since < came)), None)
    if table.vacuuming:
        cause, mend = "a vacuum is at it now", ""
    elif not figures.autovacuum:
        cause = f"autovacuum is off for the whole server, and {ago}"
        mend = f"ALTER SYSTEM SET autovacuum = on;\nSELECT pg_reload_conf();\n{vacuum}"
    elif switched_off(table):
        cause = f"autovacuum is switched off for it (autovacuum_enabled=false), and {ago}"
        mend = f"ALTER TABLE {table.name} RESET (autovacuum_enabled);\n{vacuum}"
    elif oldest is not None:
        cause = f"{ago} and vacuum cannot remove what {named(oldest, now)} may still see"
        mend = f"{ended_by(oldest)}\n{vacuum}"
    elif over:
        since = over_since([*history(table.name), (now, float(dead))], when.vacuum)
        lasting = f" for {length((now - since).total_seconds())}" if since is not None and since < now else ""
        others = f"; all {figures.workers} workers are busy elsewhere" if busy else ""
        cause = f"that is over autovacuum's threshold of {amount(when.vacuum)}{lasting}, and {ago}{others}"
    else:
        cause = f"autovacuum comes only at {amount(when.vacuum)} dead rows, and {ago}"
        mend = f"{vacuum}\nALTER TABLE {table.name} SET (autovacuum_vacuum_scale_factor = 0.05);"
    # Somebody's own vacuum a moment ago is no comfort where nobody comes after it.
    lately = when.enabled and came is not None and now - came < DELAY and oldest is None
    bad = part >= BROKEN_SHARE and dead >= BROKEN_ROWS and not table.vacuuming and not lately
    rows = amount(dead + (table.live_rows or 0))
    text = f"{table.name} has {share(part)} dead rows ({amount(dead)} of {rows}): {cause}."
    return Diagnosis("dead-rows", "broken" if bad else "risk", table.name, text, mend)


def _stale(table: Table, figures: Figures, when: Due) -> Diagnosis | None:
    changed = table.modified
    if changed is None or changed < STALE_ROWS or changed <= STALE_TIMES * when.analyze:
        return None
    looked = table.analyzed
    since = figures.as_of - (looked or figures.counted_since)
    if since < STALE_AFTER and when.enabled:
        return None
    ago = f"{length(since.total_seconds())} ago" if looked is not None else "never since the statistics were reset"
    text = (
        f"{amount(changed)} rows of {table.name} changed since it was analyzed ({ago}): the planner decides by old "
        "figures."
    )
    return Diagnosis("analyze-due", "risk", table.name, text, f"ANALYZE {table.name};")
