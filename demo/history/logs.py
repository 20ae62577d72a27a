"""Two days of log lines into the store, or what is missing there since the last run."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch

from demo.history.events import Event, Writer, stamp
from demo.plan import Plan
from demo.shipper import documents
from demo.shipper.delivery import StoreDownError, bulk, connect

DAYS = 2
SHORTEST_GAP = 120.0
LINES_AT_ONCE = 2_000
# A store that has just started may be slow to take its first lines.
TRIES = 5
# On a busy machine the store takes that long for a batch.
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Filled:
    """What was written: seconds since 1970 from and to, and how many lines. None: there was no gap."""

    begin: float
    end: float
    lines: int


def backfill(plan: Plan, now: float | None = None, *, days: float = DAYS) -> Filled:
    """Writes the lines of the last two days, or of the gap since the newest line.

    Args:
        plan: Whose store; it must answer.
        now: Where history ends, seconds since 1970; the present by default.
        days: How far back it goes.

    Raises:
        demo.shipper.delivery.StoreDownError: The store does not take the lines.
    """
    end = time.time() if now is None else now
    client = connect(plan, PATIENCE_SECONDS)
    try:
        client.indices.put_index_template(name=documents.TEMPLATE_NAME, **documents.template(plan.index_prefix))
        begin = max(newest(client, plan.index_prefix), end - days * 86_400)
        if end - begin < SHORTEST_GAP:
            return Filled(begin, end, 0)
        lines = Writer(plan, seed=int(begin)).between(begin, end)
        made = _documents(lines)
        stored = 0
        while batch := dict(islice(made, LINES_AT_ONCE)):
            _store(client, batch, plan.index_prefix)
            stored += len(batch)
            # Said, so that the supervisor sees the work, and who waits where it is.
            print(f"{stored} of {len(lines)} lines", flush=True)
        return Filled(begin, end, len(lines))
    except (TransportError, ApiError) as error:
        raise StoreDownError(str(error)) from error
    finally:
        client.close()


def newest(client: Elasticsearch, index_prefix: str) -> float:
    """Time of the newest line in the store, seconds since 1970; 0 when there is none.

    Asked for as the first of the sorted lines: the demo's store has no ``max`` of a date.
    """
    pattern = f"{index_prefix}-*"
    client.indices.refresh(index=pattern, ignore_unavailable=True, allow_no_indices=True)
    found = client.search(
        index=pattern,
        size=1,
        sort=[{"@timestamp": {"order": "desc", "unmapped_type": "date"}}],
        source_includes=["@timestamp"],
        ignore_unavailable=True,
        allow_no_indices=True,
    )
    hits = found["hits"]["hits"]
    when = documents.moment(hits[0]["_source"]["@timestamp"]) if hits else None
    return when.timestamp() if when is not None else 0.0


def _documents(lines: list[Event]) -> Iterator[tuple[str, documents.Document]]:
    """Ids and documents, in the very form that the shipper gives to a container's lines."""
    offsets: dict[str, int] = defaultdict(int)
    for event in lines:
        offset = offsets[event.pod]
        raw = event.line.encode()
        offsets[event.pod] += len(raw) + 80  # and Docker's own words around it
        made = documents.document(event.line, time=stamp(event.time), pod=event.pod, offset=offset)
        yield documents.identity(event.pod, offset, raw), made


def _store(client: Elasticsearch, batch: dict[str, documents.Document], index_prefix: str) -> None:
    for attempt in range(TRIES):
        try:
            refused = bulk(client, batch, index_prefix)
        except StoreDownError:
            if attempt == TRIES - 1:
                raise
            time.sleep(0.5 * 2**attempt)
        else:
            if refused:
                raise StoreDownError(f"{len(refused)} lines were refused: {next(iter(refused.values()))}")
            return
