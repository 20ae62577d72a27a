"""Batches into the store, at least once, with back-off when it is down."""

from __future__ import annotations

import json
import logging
import threading
import time
from datetime import UTC, date, datetime, timedelta

from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch

from demo.plan import HOST, Plan
from demo.shipper import documents
from demo.shipper.tails import Line, Registry

log = logging.getLogger(__name__)

BATCH_SECONDS = 5.0
"""How long lines are collected, as Filebeat does: the store writes all that it holds to disk after each batch."""
FULL_BATCH = 500
"""From how many lines on the next batch is sent at once: there are more."""
KEEP_DAYS = 3
"""Daily indices that are older are deleted, as a life cycle policy does."""
FIRST_BACKOFF_SECONDS = 0.25
LAST_BACKOFF_SECONDS = 5.0
FLUSH_SECONDS = 5.0  # after a signal; what is not sent by then is sent at the next start
RETRY_STATUS = frozenset({408, 429, 500, 502, 503, 504})


class StoreDownError(Exception):
    """The store did not take a batch; nothing of it may be counted as delivered."""


def connect(plan: Plan, seconds: float = 10.0) -> Elasticsearch:
    """A client of the plan's store that never retries by itself: the caller's back-off does.

    Args:
        plan: Whose store.
        seconds: How long an answer may take.
    """
    return Elasticsearch(f"http://{HOST}:{plan.elasticsearch_port}", request_timeout=seconds, max_retries=0)


def send(client: Elasticsearch, lines: list[tuple[str, Line]], index_prefix: str) -> None:
    """Stores lines, each given with its pod.

    A line that the store refuses for what it says (a text where the mapping wants a number) is stored again as plain
    text with the reason, so that it is not lost.

    Raises:
        StoreDownError: The store did not answer, is overloaded, or refused with a fault of its own.
    """
    wanted = {documents.identity(pod, line.start, line.raw): line.document for pod, line in lines}
    refused = bulk(client, wanted, index_prefix)
    if not refused:
        return
    plain = {
        key: {
            "@timestamp": wanted[key]["@timestamp"],
            "message": json.dumps(wanted[key].get("fields", wanted[key].get("message", ""))),
            "level": str(wanted[key].get("level", "")),
            "kubernetes": wanted[key]["kubernetes"],
            "container": wanted[key]["container"],
            "error": {"message": reason},
        }
        for key, reason in refused.items()
    }
    for key, reason in bulk(client, plain, index_prefix).items():
        log.error("line %s was refused twice and is lost: %s", key, reason)


def bulk(client: Elasticsearch, wanted: dict[str, documents.Document], index_prefix: str) -> dict[str, str]:
    """Indexes documents by id; what the store refused for its content, with the reason."""
    operations: list[documents.Document] = []
    for key, body in wanted.items():
        operations += [{"index": {"_index": documents.index_of(body, index_prefix), "_id": key}}, body]
    try:
        answer = client.bulk(operations=operations)
    except (TransportError, ApiError) as error:
        raise StoreDownError(str(error)) from error
    if not answer["errors"]:
        return {}
    results = [item["index"] for item in answer["items"]]
    if busy := [result for result in results if result["status"] in RETRY_STATUS]:
        raise StoreDownError(f"{len(busy)} of {len(results)} lines were not taken: {busy[0].get('error')}")
    return {result["_id"]: str(result.get("error")) for result in results if result["status"] >= 400}


def ship(plan: Plan, stop: threading.Event) -> None:
    """Follows the plan's container logs until ``stop`` is set; then sends what is there and returns."""
    registry = Registry(plan.container_logs, plan.run / "shipper-registry.json")
    client = connect(plan)
    prepared = False
    pruned: date | None = None
    backoff = FIRST_BACKOFF_SECONDS
    flush_until = 0.0
    try:
        while True:
            stopping = stop.is_set()  # read first: what was written before the signal is then still sent
            if stopping:
                flush_until = flush_until or time.monotonic() + FLUSH_SECONDS
            try:
                if not prepared:
                    client.indices.put_index_template(
                        name=documents.TEMPLATE_NAME, **documents.template(plan.index_prefix)
                    )
                    prepared = True
                today = datetime.now(UTC).date()
                if today != pruned:
                    prune(client, plan.index_prefix, today)
                    pruned = today
                delivered = _pass(client, registry, plan.index_prefix)
                backoff = FIRST_BACKOFF_SECONDS
            except (StoreDownError, TransportError, ApiError) as error:
                if stopping:
                    log.warning("stopped with lines not sent; they are sent at the next start: %s", error)
                    return
                log.warning("the store does not take logs, next try in %.2f s: %s", backoff, error)
                stop.wait(backoff)
                backoff = min(2 * backoff, LAST_BACKOFF_SECONDS)
                continue
            if stopping and (not delivered or time.monotonic() > flush_until):
                return
            if delivered < FULL_BATCH:
                stop.wait(BATCH_SECONDS)
    finally:
        registry.close()
        client.close()


def prune(client: Elasticsearch, index_prefix: str, today: date) -> None:
    """Deletes the daily indices of days more than ``KEEP_DAYS`` before ``today``."""
    oldest = f"{index_prefix}-{today - timedelta(days=KEEP_DAYS):%Y.%m.%d}"
    # The demo's store answers 404 while there is none.
    for index in client.options(ignore_status=404).indices.get(index=f"{index_prefix}-*"):
        if index.startswith(f"{index_prefix}-") and index < oldest:
            client.indices.delete(index=index)


def _pass(client: Elasticsearch, registry: Registry, index_prefix: str) -> int:
    """One chunk of each file; how many lines were delivered."""
    delivered = 0
    for tail in registry.scan():
        lines = tail.read()
        if not lines:
            continue
        send(client, [(tail.pod, line) for line in lines], index_prefix)
        tail.acknowledge(lines[-1].end)
        registry.save()
        delivered += len(lines)
    return delivered
