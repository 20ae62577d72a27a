"""What Elasticsearch answers to a search, and what a document becomes: a line with its known fields.

Answers are declared as structs with the parts that are used. A document may hold its fields nested or dotted, and may
hold the whole line as JSON text in ``message`` (Filebeat without a JSON parser): that is parsed here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import msgspec

from collectors.elasticsearch.client import Clusters, Shards
from collectors.elasticsearch.failures import reason
from collectors.elasticsearch.values import valid
from collectors.log_fields import catalogue
from collectors.log_levels import shown_level
from collectors.logs import Line

TIME = "@timestamp"

LONGEST_PARSED = 1_000_000
"""Characters up to which a message that holds JSON is parsed."""


DEEPEST = 100
"""Levels of a document that are kept; what lies deeper is replaced by a remark."""

_TOO_DEEP = f"(more than {DEEPEST} levels deep: left out)"

_LATEST_MILLISECONDS = 253_402_300_800_000
"""The year 10000. What an index sorts by is in milliseconds or, where it is larger than this, in nanoseconds."""

_NO_TIME = (2**63 - 1, -(2**63))
"""What a line without a time is sorted by: it stands behind all others."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FRACTION = re.compile(r"[.,]([0-9]{1,9})(?![0-9])")


class Hit(msgspec.Struct):
    """One document that matched; without ``_source`` where its index keeps none."""

    id: str = msgspec.field(name="_id")
    index: str = msgspec.field(name="_index")
    source: dict[str, Any] = msgspec.field(name="_source", default_factory=dict)
    fields: dict[str, Any] = {}
    sort: list[Any] = []


class Total(msgspec.Struct):
    """How many matched; ``gte`` where the store stopped counting."""

    value: int
    relation: str = "eq"


class Hits(msgspec.Struct):
    """The documents of an answer."""

    hits: list[Hit] = []
    total: Total | int | None = None


class Bucket(msgspec.Struct):
    """One bucket of an aggregation; what is inside it stays as it came."""

    key: Any
    doc_count: int
    key_as_string: str = ""
    inner: dict[str, Any] = {}


class SearchAnswer(msgspec.Struct):
    """``_search``."""

    hits: Hits = msgspec.field(default_factory=Hits)
    timed_out: bool = False
    terminated_early: bool = False
    shards: Shards = msgspec.field(name="_shards", default_factory=Shards)
    pit_id: str = ""
    clusters: Clusters = msgspec.field(name="_clusters", default_factory=Clusters)
    aggregations: dict[str, dict[str, Any]] = {}

    @property
    def partial(self) -> str:
        """What is missing and why, as a sentence; empty where the answer is whole."""
        if self.shards.failed:
            words = [reason({"error": one.reason}) for one in self.shards.failures]
            because = next((f" ({text})" for text in words if text), "")
            count = f"{self.shards.failed} of {self.shards.total} shards failed{because}"
            return f"{count}: lines are missing. Look at the health of the cluster."
        if self.clusters.silent:
            count = f"{self.clusters.silent} of {self.clusters.total} clusters did not answer, or in part only"
            return f"{count}: lines are missing. Look at the remote clusters."
        if self.timed_out:
            return "The search was ended by its time limit: lines are missing. Narrow the window or the search."
        if self.terminated_early:
            return "The store ended the search early by a limit of its own: lines are missing. Narrow the search."
        return ""


class SnapshotAnswer(msgspec.Struct):
    """``_pit``."""

    id: str


class FieldType(msgspec.Struct):
    """One type of a field in ``_field_caps``."""

    searchable: bool = True
    aggregatable: bool = True
    metadata_field: bool = False
    indices: list[str] | None = None


class FieldCaps(msgspec.Struct):
    """``_field_caps``: for each field its types."""

    fields: dict[str, dict[str, FieldType]] = {}


def line_of(hit: Hit) -> Line:
    """The line of a document.

    When it was written is what its index sorts by, whatever format its text has; the text tells it more exactly where
    it tells the same.
    """
    document = bounded(parsed(hit.source or hit.fields))
    leaves = _leaves(document)
    known = {}
    for name, paths in _known_paths():
        for path in paths:
            value = leaves.get(path)
            if value is not None:
                known[name] = value
                break
    stamp = leaves.get(TIME)
    message = known.pop("message", None)
    level = known.pop("level", None)
    if message is None:
        raw = document.get("message")
        message = raw if isinstance(raw, str) else ""
    return Line(
        f"{hit.index}/{hit.id}",
        time_of(hit.sort, stamp),
        "" if stamp is None else str(stamp),
        shown_level(level),
        str(message),
        known,
        document,
        tuple(hit.sort),
    )


def time_of(sort: list[Any], stamp: object) -> datetime | None:
    """When a line was written, to the microsecond; ``None`` where nothing tells it.

    Args:
        sort: What its index sorted it by; may be empty.
        stamp: Its time as the document has it.
    """
    told = moment(stamp)
    indexed = _indexed(sort)
    if indexed is None:
        return told
    return told if told is not None and abs(told - indexed) < timedelta(milliseconds=1) else indexed


def exact(line: Line) -> str:
    """The time of a line for a question to its store: ISO 8601 in UTC, to the nanosecond where that is known.

    Empty where the line has no time.
    """
    if line.time is None:
        return ""
    value = line.position[0] if line.position else None
    if isinstance(value, int) and not isinstance(value, bool) and value >= _LATEST_MILLISECONDS:
        digits = f"{value % 1_000_000_000:09}"
    else:
        digits = f"{line.time.microsecond:06}"
        written = _FRACTION.search(line.stamp)
        if written is not None and written[1].ljust(6, "0").startswith(digits):
            digits = written[1].ljust(6, "0")
    return f"{line.time.replace(microsecond=0, tzinfo=None).isoformat()}.{digits}Z"


def _indexed(sort: list[Any]) -> datetime | None:
    """The time that an index sorts a line by: whole milliseconds or nanoseconds since 1970."""
    value = sort[0] if sort else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    if value in _NO_TIME:
        return None
    microseconds = int(value) // 1000 if value >= _LATEST_MILLISECONDS else int(value) * 1000
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return None


def bounded(document: dict[str, Any]) -> dict[str, Any]:
    """A document that everything behind here can go through: its texts are valid, and it is not too deep."""
    found: dict[str, Any] = _bounded(document, DEEPEST)
    return found


def _bounded(value: Any, levels: int) -> Any:
    if isinstance(value, str):
        return valid(value)
    if isinstance(value, dict):
        if not levels:
            return _TOO_DEEP
        return {valid(key): _bounded(inner, levels - 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [_bounded(inner, levels - 1) for inner in value] if levels else _TOO_DEEP
    return value


def parsed(document: dict[str, Any]) -> dict[str, Any]:
    """A document whose ``message`` or ``log`` is a JSON object as text: with the object in its place."""
    found = document
    for key in ("message", "log"):
        text = document.get(key)
        if isinstance(text, str) and text.startswith("{") and len(text) <= LONGEST_PARSED:
            try:
                inner = msgspec.json.decode(text)
            except (msgspec.DecodeError, RecursionError, UnicodeError):
                continue
            if isinstance(inner, dict):
                found = {**found, key: inner}
    return found


def at(document: Mapping[str, Any], path: str) -> Any:
    """The value at a path, written nested or dotted, also within a line that was JSON text; ``None`` without one."""
    for part in (document, document.get("message"), document.get("log")):
        found = _walk(part, path) if isinstance(part, dict) else None
        if found is not None:
            return found[0] if isinstance(found, list) and found else found
    return None


def _walk(document: Mapping[str, Any], path: str) -> Any:
    if path in document:
        return document[path]
    head, _, rest = path.partition(".")
    while rest:
        inner = document.get(head)
        if isinstance(inner, dict) and (found := _walk(inner, rest)) is not None:
            return found
        more, _, rest = rest.partition(".")
        head = f"{head}.{more}"
    return None


@cache
def _known_paths() -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((one.name, one.paths) for one in catalogue().values())


@cache
def _deepest() -> int:
    """How many names deep a known field may be; what is deeper is not looked into, however deep a line is."""
    return max(path.count(".") + 1 for _, paths in _known_paths() for path in paths)


def _leaves(document: dict[str, Any]) -> dict[str, Any]:
    """Every value of a document by its path, as :func:`at` finds it; all at once, because a line has many fields."""
    found: dict[str, Any] = {}
    _gather(document, "", found, _deepest())
    for key in ("message", "log"):
        inner = document.get(key)
        if isinstance(inner, dict):
            _gather(inner, "", found, _deepest())
    return found


def _gather(document: dict[str, Any], above: str, found: dict[str, Any], levels: int) -> None:
    for key, value in document.items():
        if isinstance(value, dict):
            if levels > 1:
                _gather(value, f"{above}{key}.", found, levels - 1)
            continue
        if isinstance(value, list):
            value = value[0] if value else value
        if value is not None and not isinstance(value, dict):
            found.setdefault(above + key, value)


def moment(stamp: object) -> datetime | None:
    """The time of a stamp: ISO 8601 with up to nine digits of a second, or milliseconds since the epoch."""
    try:
        if isinstance(stamp, int | float) and not isinstance(stamp, bool):
            return datetime.fromtimestamp(stamp / 1000, UTC)
        if isinstance(stamp, str):
            if stamp.isascii() and stamp.isdecimal():
                return datetime.fromtimestamp(int(stamp) / 1000, UTC)
            found = datetime.fromisoformat(stamp)
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None
