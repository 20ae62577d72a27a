"""One statement: its history, who runs it and where it comes from, and how the database would run it now."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from analysis.diagnosis import Diagnosis
from analysis.events import Event
from analysis.verdict import before
from collectors.cache import Answer
from collectors.errors import BadAnswer, SourceError
from collectors.postgres import plan as postgres_plan
from collectors.postgres.tables import ExpectedIndex, expected, table_indexes
from collectors.registry import Sources
from collectors.span import Span
from records import statement_reads as reads
from records.database import Database
from records.statements import SampleRow
from views.database.rules import plan, plan_hints, plan_values, sql_tags, sql_text
from views.database.rules.indexes import serves
from views.database.rules.plan import Node, NoPlan
from views.database.rules.sql_names import bare
from views.database.rules.statement_rates import Stretches, rates
from views.database.statements.parts import BLOCK, Change, Statement, Statements, Sums, sums_by
from views.database.statements.view import asked_records, load_statements, named, records_or_raise
from views.shared.events import events_or_none

POINTS = 240

HEAVY = 0.5
"""Share of the time of the heaviest statement that another one must take for its change to be told first."""

_WORD = re.compile(r"[a-z_][a-z0-9_]*")
_LITERAL = re.compile(r"'[^']*'(?:::\w+)?")
_ORDERS = frozenset({"asc", "desc", "nulls", "first", "last"})

HISTORY = ("calls", "rows", "total_ms", "blocks_hit", "blocks_read", "temp_written", "wal_bytes")


@dataclass(frozen=True)
class Runner:
    """Who ran a statement.

    Attributes:
        user: Role.
        database: In which database.
        toplevel: Whether a client sent it itself.
        sums: What was counted.
    """

    user: str
    database: str
    toplevel: bool
    sums: Sums


@dataclass(frozen=True)
class History:
    """One statement over a window.

    Attributes:
        query_id: Its number.
        text: Its text as the viewer may see it; foreign.
        short: What it does, in a few words; foreign.
        tags: What comments in it say about where it comes from; foreign.
        tables: Tables that it names, as far as a look finds them.
        runners: Who ran it, the one who took most time first.
        total: Everything together.
        share: Its share of the time of all statements; ``None`` where nothing was counted at all.
        frame: Over time: ``calls`` (a second), ``mean`` (seconds a call), ``rows``, ``hit`` and ``read`` (bytes of
            blocks a second); NaN where nothing is known.
        events: What happened in the window.
        first_seen: When it was seen first; ``None`` where it was there before the console looked.
        since: From when on the console has looked; ``None`` where it never has.
        after: The deploy before it was first seen; ``None`` where there was none shortly before.
    """

    query_id: int
    text: str
    short: str
    tags: Mapping[str, str]
    tables: tuple[str, ...]
    runners: tuple[Runner, ...]
    total: Sums
    share: float | None
    frame: pd.DataFrame
    events: tuple[Event, ...]
    first_seen: datetime | None
    since: datetime | None
    after: Event | None


@dataclass(frozen=True)
class Plan:
    """How the database would run a statement.

    Attributes:
        tree: The plan.
        statement: What was asked for it.
        tables: The tables that it touches, with the partitioned table instead of its partitions: schema and name.
        indexes: The indexes that it uses.
        hints: What is worth a word, the costliest first.
        diagnoses: The same in the form of a diagnosis.
        constants: Marks of the statement that were replaced by the constants of an index.
    """

    tree: Node
    statement: str
    tables: tuple[tuple[str, str], ...]
    indexes: tuple[str, ...]
    hints: tuple[plan_hints.Hint, ...]
    diagnoses: tuple[Diagnosis, ...]
    constants: Mapping[str, str]


@dataclass(frozen=True)
class Verdict:
    """What the first row of the part is made of.

    Attributes:
        found: All statements.
        culprit: The statement that the verdict is about; ``None`` where nothing was counted.
        change: How it changed; ``None`` where it did not.
        hint: The index that one of its tables lacks; ``None`` where none is known to be missing.
    """

    found: Statements
    culprit: Statement | None
    change: Change | None
    hint: plan_hints.Hint | None


def load_verdict(
    sources: Sources, records: Database | None, span: Span, earlier: Span | None, *, literals: bool
) -> Answer[Verdict]:
    """What is the matter with the statements, and what would mend it.

    Raises:
        SourceError: Nothing is known, and this is why.
    """
    kept = load_statements(sources, records, span, earlier, literals=literals)
    found = kept.value
    if not found.found:
        return kept.with_value(Verdict(found, None, None, None))
    change = _headline(found)
    culprit = change.statement if change is not None else found.found[0]
    return kept.with_value(Verdict(found, culprit, change, _lacking(sources, records, culprit)))


def _lacking(sources: Sources, records: Database | None, culprit: Statement) -> plan_hints.Hint | None:
    """The index that the service needs and a table of the statement lacks; nobody has to plan it to know that."""
    if records is None:
        return None
    texts = asked_records(lambda: reads.read_texts(records, sources.environment, [culprit.query_id]))
    text = texts.get(culprit.query_id, "")
    tables, words = {bare(name) for name in sql_tags.tables(text)}, set(_WORD.findall(text.lower()))
    wanted = [one for one in expected() if one.table in tables and _first_key(one) <= words]
    if not wanted:
        return None
    try:
        known = table_indexes(sources.postgres, tuple(sorted({one.table for one in wanted}))).value
    except SourceError:
        return None
    for one in wanted:
        candidates = [row for row in known if row.table == one.table]
        own = max(candidates, key=lambda row: (row.partitioned, row.pages), default=None)
        if own is None:
            continue
        there = [row for row in candidates if row.schema == own.schema and row.name]
        locked = any(not row.definition for row in there)
        if not locked and not any(serves(row.name, row.definition, one.names, one.method, one.on) for row in there):
            why = f"{one.table} lacks an index: {one.names[0]}, which the service needs, is not there."
            return plan_hints.Hint("index-missing", one.table, why, f"{_definition(one)};", 1.0)
    return None


def _headline(found: Statements) -> Change | None:
    """The change that the verdict is about; ``None`` where the statement that takes most time is the greater matter."""
    top = found.found[0]
    mine = next((one for one in found.changes if one.statement.query_id == top.query_id and one.until is None), None)
    first = found.changes[0] if found.changes else None
    if mine is not None or first is None:
        return mine
    heavy = first.statement.share >= HEAVY * top.share
    return first if first.until is None and heavy else None


def load_history(
    sources: Sources, records: Database | None, span: Span, query_id: int, *, literals: bool
) -> Answer[History]:
    """A statement over a window.

    Raises:
        SourceError: The records could not be asked.
    """
    kept = records_or_raise(records)
    found, as_of = asked_records(lambda: _history(sources, kept, span, query_id, literals))
    return Answer(found, as_of)


def _history(
    sources: Sources, records: Database, span: Span, query_id: int, literals: bool
) -> tuple[History, datetime]:
    environment = sources.environment
    samples = reads.read_samples(records, environment, span.start, span.end)
    gains = reads.read_gains(records, environment, span.start, span.end, HISTORY, query_id=query_id)
    totals = reads.read_totals(records, environment, span.start, span.end)
    mine = totals[totals["query_id"] == query_id]
    whole = float(totals["total_ms"].sum()) / 1000
    text = reads.read_texts(records, environment, [query_id]).get(query_id, "")
    first = reads.read_first_seen(records, environment, query_id)
    after = None
    if first is not None:
        around = Span.of(first - timedelta(minutes=20), first + timedelta(minutes=1), 121)
        after = before(first, events_or_none(sources, around))
    total = Sums.of(mine)
    history = History(
        query_id,
        sql_text.shown(text, literals),
        named(text, sql_text.shown(text, literals)) if text else f"Statement {query_id}",
        sql_tags.tags(text),
        tuple(sql_tags.tables(text)),
        _runners(mine),
        total,
        total.seconds / whole if whole else None,
        _over_time(samples, gains, span),
        events_or_none(sources, span),
        first,
        reads.read_first(records, environment),
        after,
    )
    return history, samples[-1].taken_at if samples else span.end


def _runners(mine: pd.DataFrame) -> tuple[Runner, ...]:
    sums = sums_by(mine, pd.Series(range(len(mine)), index=mine.index))
    found = [
        Runner(str(user), str(database), bool(toplevel), sums[place])
        for place, (user, database, toplevel) in enumerate(
            mine[["user", "database", "toplevel"]].itertuples(index=False, name=None)
        )
    ]
    return tuple(sorted(found, key=lambda one: -one.sums.seconds))


def _over_time(samples: list[SampleRow], gains: pd.DataFrame, span: Span) -> pd.DataFrame:
    stretches = Stretches.of(
        [(one.since.timestamp(), one.taken_at.timestamp(), one.seconds) for one in samples if one.since is not None]
    )
    place = {one.id: number for number, one in enumerate(samples)}
    values = np.zeros((len(samples), len(HISTORY)))
    for row in gains.itertuples(index=False, name=None):
        values[place[int(row[0])]] += np.array(row[2:], np.float64)
    width = max(span.seconds / POINTS, float(span.step), stretches.usual)
    width = float(np.ceil(width / span.step) * span.step)
    start, end = span.start.timestamp(), span.end.timestamp()
    edges = np.append(np.arange(start, end - 1e-9, width), end)
    table = rates(stretches, values, edges) if len(samples) else np.full((len(edges) - 1, len(HISTORY)), np.nan)
    calls, rows, ms, hit, read = table[:, :5].T
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(calls > 0, ms / 1000 / calls, np.nan)
    middles = pd.to_datetime((edges[:-1] + edges[1:]) / 2, unit="s", utc=True)
    columns = {"calls": calls, "mean": mean, "rows": rows, "hit": hit * BLOCK, "read": read * BLOCK}
    return pd.DataFrame(columns, index=middles)


def load_plan(sources: Sources, query_id: int) -> Answer[Plan]:
    """How the database would run a statement now. Planning may run functions of its role: only where somebody asks.

    Raises:
        Denied: Its role is not one whose statements may be planned, or the role that asks for plans may not read one
            of its tables; the hint says what allows it.
        BadAnswer: It has no plan, or the server is too old for it.
        SourceError: No usable answer.
    """
    postgres = sources.postgres

    def load() -> Plan:
        sent = postgres_plan.sent(postgres, query_id)
        tables = tuple(bare(name) for name in sql_tags.tables(sent.text))
        there = postgres_plan.expression_indexes(postgres, tables)
        wanted = [_definition(one) for one in expected() if one.table in tables]
        text, constants = plan_values.with_constants(sent.text, [*there, *wanted])
        explained = postgres_plan.explain(postgres, replace(sent, text=text)).value
        try:
            tree = plan.read(explained.answer)
        except NoPlan as error:
            raise BadAnswer("postgres", postgres.source.address, f"answered in another form: {error}") from None
        touched = plan.tables_of(tree)
        known = postgres_plan.relations(postgres, touched).value if touched else []
        relations = {
            one.name: plan_hints.Relation(
                one.schema, one.name, one.rows if one.rows >= 0 else None, one.bytes, one.parent, tuple(one.indexes)
            )
            for one in known
        }
        parents = {(one.schema, one.name): (one.parent_schema, one.parent) for one in known if one.parent}
        hints = tuple(map(_expected, plan_hints.hints(tree, relations, known[0].work_mem if known else None)))
        return Plan(
            tree,
            explained.statement,
            tuple(dict.fromkeys(parents.get(one, one) for one in touched)),
            plan.indexes_of(tree),
            hints,
            tuple(Diagnosis(one.key, "risk", one.table, one.text, one.mend) for one in hints),
            constants,
        )

    return postgres.kept_under("plan", query_id, load, ttl=postgres_plan.TTL)


def _first_key(one: ExpectedIndex) -> set[str]:
    """The names in the first key of an index: a statement without them has no use for it."""
    depth, key = 0, ""
    for character in one.on[1:]:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0 or (character == "," and depth == 0):
            break
        key += character
    return set(_WORD.findall(_LITERAL.sub("", key).lower())) - _ORDERS


def _definition(one: ExpectedIndex) -> str:
    return f"CREATE INDEX {one.names[0]} ON {one.table} USING {one.method} {one.on}"


def _expected(hint: plan_hints.Hint) -> plan_hints.Hint:
    """A hint that names the index that is missing, where it is one that the service is known to need."""
    mend = _plain(hint.mend)
    for one in expected():
        keys = one.on.partition(" WHERE ")[0]
        if one.table == hint.table and f"using{one.method}{_plain(keys)}" in mend:
            text = f"{hint.text} {one.names[0]}, which the service needs, is not there."
            return replace(hint, text=text, mend=hint.mend)
    return hint


def _plain(text: str) -> str:
    """A part of a definition without spaces and casts, to compare it with another."""
    return re.sub(r"::\w+|\s+", "", text).lower()
