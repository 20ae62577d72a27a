"""What Elasticsearch's own words for a failure mean to the reader: one table, by the type that the answer names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from collectors.errors import BadAnswer, Denied, Overloaded, SourceError
from collectors.http import HttpSource
from telemetry.masks import foreign

LONGEST_REASON = 300
"""Characters of the server's own words that are told."""

_CLUSTER = "Look at the health of the cluster: it is probably red."
_NARROW = "Shorten the window, or narrow the search."

# Type as the server names it, what it is to us, what happened, what the reader can do, and whether it concerns the
# source as a whole. The first row that the answer names wins; the answer nests the cause inside.
_FAILURES: tuple[tuple[str, type[SourceError], str, str, bool], ...] = (
    ("too_many_buckets_exception", BadAnswer, "refused to make that many buckets", _NARROW, False),
    ("too_many_clauses", BadAnswer, "finds this search too large", "Use fewer terms, or longer beginnings.", False),
    ("too_many_nested_clauses", BadAnswer, "finds this search too large", "Use fewer terms.", False),
    ("circuit_breaking_exception", Overloaded, "has too little memory for this question", _NARROW, False),
    ("es_rejected_execution_exception", Overloaded, "has no room for another search now", "Look at its load.", True),
    ("no_shard_available_action_exception", BadAnswer, "has no copy of these lines at hand", _CLUSTER, False),
    ("master_not_discovered_exception", Overloaded, "has no elected master node", _CLUSTER, True),
    ("cluster_block_exception", BadAnswer, "blocks this index or all of them", _CLUSTER, False),
    ("index_closed_exception", BadAnswer, "has closed this index", "Open it, or name another one.", False),
    ("index_not_found_exception", BadAnswer, "has no such index", "Check index of this source in the settings.", False),
    ("search_context_missing_exception", BadAnswer, "no longer keeps this list", "Load the list anew.", False),
)  # fmt: skip


# Beginning of the action that was refused, and the privilege that allows it. The first row that fits wins.
_PRIVILEGES: tuple[tuple[str, str], ...] = (
    ("cluster:monitor/", "the cluster privilege monitor"),
    ("indices:monitor/", "the index privilege monitor"),
    ("indices:data/read/", "the index privilege read"),
    ("indices:admin/", "the index privilege view_index_metadata"),
    ("cluster:", "the cluster privilege monitor"),
)
_ACTION = re.compile(r"\b(?:cluster|indices):[a-z_/*]{1,100}")


def failure(source: HttpSource, status: int, body: object) -> SourceError | None:
    """The error that an answer names; ``None`` where it names none that is known.

    Args:
        source: Whose answer it is.
        status: Its HTTP status.
        body: Its decoded body, whatever that is.
    """
    if not isinstance(body, Mapping):
        return None
    causes = list(_causes(body.get("error")))
    named = {str(cause.get("type", "")) for cause in causes}
    for kind, error, what, hint, trips in _FAILURES:
        if any(name.startswith(kind) for name in named):
            return error(source.name, source.address, what, hint=hint, trips=trips)
    if status == 503 and "search_phase_execution_exception" in named:
        return BadAnswer(source.name, source.address, "has no copy of these lines at hand", hint=_CLUSTER, trips=False)
    return None


def refusal(source: HttpSource, status: int, body: object) -> Denied | None:
    """A question that this user may not ask, though others may be; ``None`` where it is anything else.

    The server names the action; the hint names what allows it.
    """
    if status != 403 or not isinstance(body, Mapping):
        return None
    words = reason(body)
    if not words and not any(cause.get("type") == "security_exception" for cause in _causes(body.get("error"))):
        return None
    action = _ACTION.search(words)
    named = action.group() if action is not None else ""
    needed = next((right for beginning, right in _PRIVILEGES if named.startswith(beginning)), "")
    what = f"does not let this user ask that: {words}" if words else "does not let this user ask that (403)"
    hint = f"Grant {needed} to the user or API key of this source." if needed else "Grant it read and monitor."
    return Denied(source.name, source.address, what, hint=hint, trips=False)


def reason(body: object) -> str:
    """The server's own words for the innermost cause, cut; empty where it gave none."""
    if not isinstance(body, Mapping):
        return ""
    words = [str(cause["reason"]) for cause in _causes(body.get("error")) if cause.get("reason")]
    return foreign(words[-1], LONGEST_REASON) if words else ""


def _causes(error: object, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """An error with all that it says caused it, the innermost last."""
    if not isinstance(error, Mapping) or depth > 8:
        return
    yield error
    for shard in error.get("failed_shards") or []:
        if isinstance(shard, Mapping):
            yield from _causes(shard.get("reason"), depth + 1)
    for cause in error.get("root_cause") or []:
        yield from _causes(cause, depth + 1)
    yield from _causes(error.get("caused_by"), depth + 1)
