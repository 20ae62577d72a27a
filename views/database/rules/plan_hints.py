"""What about a plan is worth a word: tables that are read whole, sorts through files, loops over many rows.

The forms of expressions are those that PostgreSQL writes; what is not understood gets no advice. Source: PostgreSQL's
manual, 14.1 "Using EXPLAIN" and chapter 11 "Indexes".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from views.database.rules.plan import Node, unqualified

BIG_ROWS = 10_000
"""Rows of a table from which reading all of them for a few is worth a word."""

COSTLY = 0.25
"""Share of the whole cost from which a node is worth advice."""

BIG_OUTER = 10_000
"""Rows of the outer side of a nested loop from which its inner side is looked at."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A table as far as a plan's advice needs it.

    Attributes:
        schema: Its schema.
        name: Its name.
        rows: Rows by the last ANALYZE; ``None`` where there was none.
        bytes: Size of its data.
        parent: The partitioned table that it is a partition of; empty for none.
        indexes: Definitions of its valid indexes.
    """

    schema: str
    name: str
    rows: float | None
    bytes: int
    parent: str
    indexes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hint:
    """Something about a plan that is worth a word.

    Attributes:
        key: Its kind, an entry of ``collectors/catalog/advice.toml``.
        table: Which table it is about; empty for none.
        text: What it is, as a sentence.
        mend: The statement that would help; empty for none.
        share: Share of the cost that it is about.
    """

    key: str
    table: str
    text: str
    mend: str
    share: float


def hints(tree: Node, relations: Mapping[str, Relation], work_mem: int | None) -> list[Hint]:
    """What about a plan is worth a word, the costliest first.

    Args:
        tree: The plan.
        relations: What is known of its tables, by their names.
        work_mem: Bytes that one sort may use; ``None`` where not known.
    """
    found = [*_scans(tree, relations), *_sorts(tree, work_mem), *_loops(tree)]
    return sorted(found, key=lambda one: -one.share)


def _scans(tree: Node, relations: Mapping[str, Relation]) -> Iterator[Hint]:
    """Tables that are read from end to end for a part of their rows; partitions of one table are told once."""
    groups: dict[tuple[str, str], list[tuple[Node, Relation]]] = {}
    for node, sort in _with_sort(tree):
        relation = relations.get(node.table)
        if "Seq Scan" not in node.kind or not node.filter or relation is None:
            continue
        if _OF_A_MARK.search(unqualified(node.filter)):
            # Nobody can say whether an index on the expression would serve: its constants are not known here.
            continue
        groups.setdefault((relation.parent or relation.name, sort), []).append((node, relation))
    for (table, sort), parts in groups.items():
        share = sum(node.share for node, _ in parts)
        known = [relation.rows for _, relation in parts if relation.rows is not None]
        rows = sum(known)
        if share < COSTLY or not known or rows < BIG_ROWS:
            continue
        largest = max(parts, key=lambda part: part[0].share)[0]
        # Below a LIMIT fewer rows are read, but nobody knows how many.
        wanted = sum(node.rows for node, _ in parts)
        schema = parts[0][1].schema
        candidate = index_for(schema, table, largest.filter, sort, partitioned=bool(parts[0][1].parent))
        what = f"All {rows:,.0f} rows of {table} are read to find those with {_shortly(largest.filter)}"
        what += f" (about {wanted:,.0f})" if wanted < rows else ""
        if candidate and all(_served(candidate, relation.indexes) for _, relation in parts):
            what += "; an index that begins with this column is there, but the planner does not choose it"
            candidate = ""
        elif candidate:
            what += "; no index serves this condition"
        yield Hint("plan-sequential-scan", table, f"{what}.", candidate, share)


def _served(candidate: str, indexes: Sequence[str]) -> bool:
    """Whether an index that is there begins with what the candidate begins with, and holds all rows or as many."""
    leading = re.search(r"USING (\w+) \((.+?)[,)]", candidate)
    if leading is None:
        return False
    begins = re.compile(rf"USING {leading[1]} \({re.escape(leading[2])}(?=[,) ])")
    return any(begins.search(one) and (" WHERE " not in one or " WHERE " in candidate) for one in indexes)


_OF_A_MARK = re.compile(r"\b[a-z_]\w*\((?:[^()]*, )?\(?\$\d+\)?[^()]*, [a-z_][^()]*\) *(?:@@|=|~~)")


def _with_sort(tree: Node) -> Iterator[tuple[Node, str]]:
    """Each node with the sort key that is wanted of what comes from it under a LIMIT; empty for none."""

    def walk(node: Node, sort: str, limited: bool) -> Iterator[tuple[Node, str]]:
        if node.kind == "Limit":
            limited = True
        elif node.sort and limited and len(node.sort) == 1:
            sort = node.sort[0]
        elif node.kind not in {"Append", "Merge Append", "Gather", "Gather Merge"} and node.children:
            sort, limited = "", False
        yield node, sort
        for child in node.children:
            yield from walk(child, sort, limited)

    yield from walk(tree, "", False)


def _sorts(tree: Node, work_mem: int | None) -> Iterator[Hint]:
    for _, node in tree.walk():
        if "Sort" not in node.kind or work_mem is None or node.share < COSTLY / 5:
            continue
        size = node.rows * (node.width + 24)  # a tuple's header in memory
        if size > work_mem:
            text = (
                f"The sort by {_shortly(', '.join(node.sort))} of about {node.rows:,.0f} rows takes some "
                f"{size / 2**20:,.0f} MiB and work_mem is {work_mem / 2**20:,.3g} MiB: it goes through files."
            )
            yield Hint("plan-sort-spills", "", text, "", node.share)


def _loops(tree: Node) -> Iterator[Hint]:
    for _, node in tree.walk():
        if not node.kind.startswith("Nested Loop") or len(node.children) < 2:
            continue
        outer, inner = node.children[0], node.children[1]
        share = sum(below.share for _, below in inner.walk()) + node.share
        if outer.rows >= BIG_OUTER and share >= COSTLY:
            about = inner.table or next((below.table for _, below in inner.walk() if below.table), "")
            text = (
                f"{inner.kind} {inner.detail[:120]} is run again for each of about {outer.rows:,.0f} rows. A nested "
                "loop is right for few rows: look whether that estimate is right, and whether a hash join is possible."
            )
            yield Hint("plan-nested-loop", about, text, "", share)


def _shortly(condition: str, most: int = 160) -> str:
    """A condition without the casts that PostgreSQL writes into it."""
    plain = unqualified(condition)
    plain = re.sub(r"::(?:\"[^\"]+\"|[\w .]+?(?:\[\])?)(?=[\s),=<>~!@|]|$)", "", plain)
    return plain if len(plain) <= most else plain[: most - 1] + "…"


_COLUMN = r"(?:\(?(?P<column>[a-z_][\w$]{0,128}|\"[^\"]{1,128}\")\)?(?:::[\w ]{1,128}?)?)"
_EQUAL = re.compile(rf"^\(?{_COLUMN} = (?!ANY)(?P<value>.+)$")
_ANY = re.compile(rf"^\(?{_COLUMN} = ANY (?P<value>.+)$")
_RANGE = re.compile(rf"^\(?{_COLUMN} (?:<|>|<=|>=) (?P<value>.+)$")
_NULL = re.compile(rf"^\(?{_COLUMN} (?P<what>IS NULL|IS NOT NULL)\)?$")
_LIKE = re.compile(r"^\(?(?P<expression>.+?) (?:~~\*?|~\*?) (?P<value>.+)$")
_SEARCH = re.compile(r"^\(?(?P<expression>.+?) @@ (?P<value>.+)$")
_CALL_EQUAL = re.compile(r"^\(?(?P<expression>[a-z_]\w*\(.+\)) = (?P<value>.+)$")


def index_for(schema: str, table: str, condition: str, sort: str = "", *, partitioned: bool = False) -> str:
    """An index that would find the rows of a condition, as a statement for a person to judge; empty for none.

    Columns that are compared for equality come first, then one range or the sort key. A condition on NULL becomes the
    condition of the index. Texts that are searched by pattern or by words take a GIN index.
    """
    equal: list[str] = []
    ranges: list[str] = []
    partial: list[str] = []
    special = ""
    for part in _conjuncts(unqualified(condition)):
        if match := _NULL.match(part):
            partial.append(f"{match['column']} {match['what']}")
        elif match := _SEARCH.match(part):
            special = special or f"gin ({_as_index(match['expression'])})"
        elif (match := _EQUAL.match(part)) or (match := _ANY.match(part)):
            equal.append(match["column"])
        elif match := _RANGE.match(part):
            ranges.append(match["column"])
        elif match := _CALL_EQUAL.match(part):
            equal.append(_as_index(match["expression"]))
        elif match := _LIKE.match(part):
            special = special or f"gin ({_as_index(match['expression'])} gin_trgm_ops)"
    equal = [name for name in equal if "$" not in name]
    columns = list(dict.fromkeys(equal))
    key, down = _sort_key(sort)
    if key and key not in columns:
        columns.append(key + down)
    elif ranges and not key:
        columns += [name for name in dict.fromkeys(ranges) if name not in columns][:1]
    if not equal and special and "$" not in special:
        using = special
    elif equal or ranges:
        using = f"btree ({', '.join(columns or ranges[:1])})"
    else:
        return ""
    where = f" WHERE {' AND '.join(partial)}" if partial else ""
    name = f"{schema}.{table}" if schema and schema != "public" else table
    if not partitioned:
        text = f"CREATE INDEX CONCURRENTLY ON {name} USING {using}{where};"
    else:
        text = (
            f"-- On each partition of {name}, then on the table itself, which takes them over:\n"
            f"CREATE INDEX CONCURRENTLY ON <partition> USING {using}{where};\n"
            f"CREATE INDEX ON {name} USING {using}{where};"
        )
    return ("CREATE EXTENSION IF NOT EXISTS pg_trgm;\n" if "gin_trgm_ops" in using else "") + text


def _sort_key(sort: str) -> tuple[str, str]:
    """The column of a sort key without its table, and its direction; empty where it is an expression."""
    match = re.fullmatch(
        r"(?:[\w$]{1,128}\.)?(?P<column>[a-z_][\w$]{0,128}|\"[^\"]{1,128}\")(?P<down> DESC)?(?: NULLS \w+)?", sort
    )
    return (match["column"], match["down"] or "") if match else ("", "")


def _as_index(expression: str) -> str:
    """An expression as an index takes it: a column by itself, anything else in brackets."""
    plain = expression.strip()
    while plain.startswith("(") and plain.endswith(")") and _closes(plain):
        plain = plain[1:-1].strip()
    bare = re.sub(r"::[\w ]+$", "", plain)
    bare = bare[1:-1] if bare.startswith("(") and bare.endswith(")") and _closes(bare) else bare
    if re.fullmatch(r"[a-z_][\w$]{0,128}|\"[^\"]{1,128}\"", bare):
        return bare
    return (
        plain
        if re.fullmatch(r"[a-z_]\w{0,128}\(.{0,2000}\)", plain) and _closes(plain[plain.index("(") :])
        else f"({plain})"
    )


def _closes(text: str) -> bool:
    """Whether the bracket at the beginning of a text is closed at its very end."""
    depth = 0
    for place, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return place == len(text) - 1
    return False


def _conjuncts(condition: str) -> list[str]:
    """The parts of a condition that all must hold; one with OR at its top has none."""
    plain = condition.strip()
    while plain.startswith("(") and plain.endswith(")") and _closes(plain):
        plain = plain[1:-1].strip()
    parts, depth, start, quoted = [], 0, 0, False
    for place, character in enumerate(plain):
        if character == "'":
            quoted = not quoted
        if quoted:
            continue
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0 and plain.startswith(" OR ", place):
            return []
        if depth == 0 and plain.startswith(" AND ", place):
            parts.append(plain[start:place].strip())
            start = place + 5
    parts.append(plain[start:].strip())
    if len(parts) == 1:
        return parts
    return [inner for part in parts for inner in _conjuncts(part)]
