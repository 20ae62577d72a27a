"""Which fields the lines have, from what Elasticsearch tells about its mappings."""

from __future__ import annotations

from collections.abc import Set
from typing import Literal

from collectors.elasticsearch.search import FieldCaps, FieldType
from collectors.log_fields import catalogue
from collectors.logs import Field, Fields

MOST_FIELDS = 1_000
"""Most fields that are listed by name; Elasticsearch's own default bound of an index."""

Kind = Literal["keyword", "text", "number", "time", "boolean", "address", "other"]

_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("keyword", "constant_keyword", "wildcard", "flattened", "version"), "keyword"),
    **dict.fromkeys(("text", "match_only_text"), "text"),
    **dict.fromkeys(
        ("long", "integer", "short", "byte", "double", "float", "half_float", "scaled_float", "unsigned_long"), "number"
    ),
    **dict.fromkeys(("date", "date_nanos"), "time"),
    "boolean": "boolean",
    "ip": "address",
}

_CONTAINERS = frozenset({"object", "nested"})


def listed(caps: FieldCaps) -> Fields:
    """The fields of the catalogue that exist, in its order, then the others by name, at most ``MOST_FIELDS``."""
    usable = {path: types for path, types in caps.fields.items() if _usable(path, types)}
    lists = {path for path, types in caps.fields.items() if "nested" in types}
    known = [
        _field(one.name, path, usable[path], lists)
        for one in catalogue().values()
        for path in one.paths
        if path in usable
    ]
    named = {one.path for one in known}
    others = sorted(path for path in usable if path not in named)
    room = max(MOST_FIELDS - len(known), 0)
    remarks = tuple(one.conflict for one in known if one.conflict)
    rest = [_field(path, path, usable[path], lists) for path in others]
    return Fields((*known, *rest[:room]), remarks, tuple(rest[room:]))


def mixed_times(caps: FieldCaps, path: str) -> bool:
    """Whether some indices keep a time to the millisecond and others to the nanosecond."""
    return {"date", "date_nanos"} <= set(caps.fields.get(path, {}))


def _usable(path: str, types: dict[str, FieldType]) -> bool:
    if path.startswith("_") or any(one.metadata_field for one in types.values()):
        return False
    return not set(types) <= _CONTAINERS and any(one.searchable for one in types.values())


def _field(name: str, path: str, types: dict[str, FieldType], lists: Set[str]) -> Field:
    present = {kind: one for kind, one in types.items() if kind not in _CONTAINERS and kind != "unmapped"}
    kinds = {_KINDS.get(kind, "other") for kind in present}
    # Where indices disagree the question must be one that all of them understand.
    kind: Kind = next(iter(kinds)) if len(kinds) == 1 else "text" if "text" in kinds else "other"
    conflict = ""
    if len(kinds) > 1:
        ways = " and ".join(
            f"{written} in {', '.join(sorted(one.indices)[:3])}" if one.indices else written
            for written, one in sorted(present.items())
        )
        how = "as text" if kind == "text" else "by whole values"
        conflict = f"The indices disagree about {name}: it is {ways}. It is searched {how}, and cannot be counted."
    parts = path.split(".")
    above = (".".join(parts[:length]) for length in range(len(parts) - 1, 0, -1))
    nested = next((one for one in above if one in lists), "")
    # Of nested objects the counts would be those of objects, and not of lines.
    countable = len(kinds) == 1 and not nested and all(one.aggregatable for one in present.values())
    return Field(name, path, kind, countable, conflict, nested, keys="flattened" in present)
