"""A plan of PostgreSQL (``EXPLAIN (FORMAT JSON)``) as a tree: what costs most, and what it reads.

Costs are the planner's estimates, in its own unit; nothing was run. Source: PostgreSQL's manual, 14.1 "Using EXPLAIN".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a plan.

    Attributes:
        kind: Such as ``Seq Scan``.
        detail: What it is about, in the words of the plan: table, index, condition.
        schema: Schema of the table that it reads or writes; empty where the plan does not say.
        table: The table; empty for none.
        index: The index; empty for none.
        filter: Condition that is checked row by row after reading.
        condition: Condition by which rows are found or joined.
        sort: Sort keys.
        rows: Rows that the planner expects, each time it runs.
        width: Bytes of a row.
        loops: How often it runs, as the planner expects.
        total: Cost of one run with all below it.
        share: Share of its own work in the cost of the whole plan, from 0 to 1.
        children: What is below it.
    """

    kind: str
    detail: str
    schema: str
    table: str
    index: str
    filter: str
    condition: str
    sort: tuple[str, ...]
    rows: float
    width: float
    loops: float
    total: float
    share: float
    children: tuple[Node, ...]

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Node]]:
        """Each node with its depth, in the order of the tree."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)


class NoPlan(ValueError):
    """What was given is no plan; the text says what is missing."""


def read(answer: Any) -> Node:
    """The tree of a plan, from what PostgreSQL answers.

    Raises:
        NoPlan: It has another form.
    """
    try:
        top = answer[0]["Plan"]
        tree = _node(top, 1.0)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise NoPlan(f"the plan has another form than expected: {error!r}") from None
    whole = sum(_own(one) for _, one in tree.walk())
    return _shared(tree, whole)


def costliest(tree: Node) -> Node:
    """The node whose own work costs most."""
    return max((node for _, node in tree.walk()), key=lambda node: node.share)


def _node(raw: Mapping[str, Any], loops: float) -> Node:
    kind = str(raw["Node Type"])
    children = []
    parts: Sequence[Mapping[str, Any]] = raw.get("Plans", ())
    outer_rows = next((float(part["Plan Rows"]) for part in parts if part.get("Parent Relationship") == "Outer"), 1.0)
    for part in parts:
        again = loops
        if kind == "Nested Loop" and part.get("Parent Relationship") == "Inner":
            again = loops * max(outer_rows, 1.0)
        elif part.get("Parent Relationship") == "SubPlan":
            again = loops * max(float(raw.get("Plan Rows", 1)), 1.0)
        children.append(_node(part, again))
    sort = tuple(str(key) for key in raw.get("Sort Key", ()))
    conditions = ("Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "TID Cond", "One-Time Filter")
    condition = next((str(raw[name]) for name in conditions if name in raw), "")
    filters = " AND ".join(str(raw[name]) for name in ("Filter", "Join Filter") if name in raw)
    return Node(
        kind=_named(kind, raw),
        detail=_detail(raw, condition, filters, sort),
        schema=str(raw.get("Schema", "")),
        table=str(raw.get("Relation Name", "")),
        index=str(raw.get("Index Name", "")),
        filter=filters,
        condition=condition,
        sort=sort,
        rows=float(raw["Plan Rows"]),
        width=float(raw.get("Plan Width", 0)),
        loops=loops,
        total=float(raw["Total Cost"]),
        share=0.0,
        children=tuple(children),
    )


def _named(kind: str, raw: Mapping[str, Any]) -> str:
    if kind == "ModifyTable":
        return str(raw.get("Operation", kind))
    if kind == "Aggregate":
        return {"Hashed": "Hash Aggregate", "Sorted": "Group Aggregate"}.get(str(raw.get("Strategy")), kind)
    parallel = "Parallel " if raw.get("Parallel Aware") else ""
    join = str(raw.get("Join Type", "Inner"))
    return f"{parallel}{kind}" + (f" ({join})" if "Join Type" in raw and join != "Inner" else "")


def _detail(raw: Mapping[str, Any], condition: str, filters: str, sort: Sequence[str]) -> str:
    words = []
    if "Relation Name" in raw:
        words.append(f"on {raw['Relation Name']}")
    if "Index Name" in raw:
        words.append(f"by {raw['Index Name']}")
    reads = "Relation Name" in raw or "Index Name" in raw
    if condition:
        words.append(f"where {unqualified(condition)}" if reads else f"on {condition}")
    if filters:
        words.append(f"filter {unqualified(filters) if reads else filters}")
    if sort:
        words.append(f"by {', '.join(sort)}")
    if "Group Key" in raw:
        words.append(f"by {', '.join(map(str, raw['Group Key']))}")
    if "CTE Name" in raw:
        words.append(f"of {raw['CTE Name']}")
    return " ".join(words)


_QUALIFIED = re.compile(r"(?P<skip>'(?:[^']|'')*')|(?<![\w.\"])(?:[a-z_][\w$]{0,128}|\"[^\"]{1,128}\")\.(?=[a-z_\"])")


def unqualified(condition: str) -> str:
    """A condition without the tables before its columns: in a scan there is one table only."""
    return _QUALIFIED.sub(lambda match: match["skip"] or "", condition)


def _own(node: Node) -> float:
    """The cost of a node's own work over all its runs: what it costs more than what is below it."""
    below = sum(min(child.total * child.loops / max(node.loops, 1e-9), node.total) for child in node.children)
    # Below a LIMIT the child's cost is that of reading everything, which it will not do.
    if node.kind == "Limit":
        return 0.0
    return max(node.total - below, 0.0) * node.loops


def _shared(node: Node, whole: float) -> Node:
    children = tuple(_shared(child, whole) for child in node.children)
    return replace(node, children=children, share=_own(node) / whole if whole > 0 else 0.0)


def indexes_of(tree: Node) -> tuple[str, ...]:
    """The indexes that a plan uses, each once."""
    return tuple(dict.fromkeys(node.index for _, node in tree.walk() if node.index))


def tables_of(tree: Node) -> tuple[tuple[str, str], ...]:
    """The tables that a plan touches, each once: schema and name."""
    return tuple(dict.fromkeys((node.schema, node.table) for _, node in tree.walk() if node.table))
