"""The form of a log document in the store: one place for the shipper and for the history of logs.

A container's line arrives as Docker's json-file driver writes it. The line inside is what the service
printed: one JSON object of ``tracing_subscriber`` or, when something else spoke, plain text. The
document is what Filebeat's ``decode_json_fields`` and ``add_kubernetes_metadata`` make of it.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

Document = dict[str, Any]

TEMPLATE_NAME = "synaptic-logs"

_KEYWORD: Document = {"type": "keyword", "ignore_above": 1024}

# Words are searched in the message only; everything else is filtered, counted and sorted exactly.
# A string field nobody announced becomes a keyword, so that a new field can be broken down by at once.
MAPPINGS: Document = {
    "dynamic_templates": [{"strings": {"match_mapping_type": "string", "mapping": _KEYWORD}}],
    "properties": {
        "@timestamp": {"type": "date"},
        "level": _KEYWORD,
        "target": _KEYWORD,
        "message": {"type": "text", "fields": {"keyword": _KEYWORD}},
        "stream": _KEYWORD,
        "trace_id": _KEYWORD,
        "span_id": _KEYWORD,
        "fields": {
            "properties": {
                "message": {"type": "text", "fields": {"keyword": _KEYWORD}},
                "component": _KEYWORD,
                "operation": _KEYWORD,
                "user_id": _KEYWORD,
                "session_id": _KEYWORD,
                "request_id": _KEYWORD,
                "duration_ms": {"type": "double"},
                "error": _KEYWORD,
                "event_type": _KEYWORD,
                "severity": _KEYWORD,
                "resource": _KEYWORD,
                "success": {"type": "boolean"},
                "ip_address": _KEYWORD,
                "risk_level": _KEYWORD,
            }
        },
        "span": {"properties": {"name": _KEYWORD}},
        "log": {"properties": {"offset": {"type": "long"}, "file": {"properties": {"path": _KEYWORD}}}},
        "container": {"properties": {"id": _KEYWORD, "name": _KEYWORD, "image": {"properties": {"name": _KEYWORD}}}},
        "kubernetes": {
            "properties": {
                "namespace": _KEYWORD,
                "pod": {"properties": {"name": _KEYWORD}},
                "container": {"properties": {"name": _KEYWORD}},
            }
        },
    },
}


def template(index_prefix: str) -> Document:
    """Body of the index template for the daily indices ``<index_prefix>-YYYY.MM.dd``."""
    return {
        "index_patterns": [f"{index_prefix}-*"],
        "priority": 100,
        "template": {"settings": {"number_of_shards": 1, "number_of_replicas": 0}, "mappings": MAPPINGS},
    }


def moment(text: object) -> datetime | None:
    """The instant that an RFC 3339 text names, in UTC, or None when it names none."""
    if not isinstance(text, str):
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def index_of(document: Document, index_prefix: str) -> str:
    """The daily index of a document, by the UTC day of its ``@timestamp``."""
    when = moment(document["@timestamp"])
    assert when is not None  # every document is made by `document`, which sets a valid stamp
    return f"{index_prefix}-{when:%Y.%m.%d}"


def identity(pod: str, offset: int, raw: bytes) -> str:
    """A document id that is the same whenever the same line of the same container is sent again.

    The raw line carries Docker's time in nanoseconds, so two equal texts differ; the offset tells apart
    what a coarse clock stamps alike. The inode is left out: a copied file holds the same lines.
    """
    return hashlib.blake2b(b"%s\0%d\0%s" % (pod.encode(), offset, raw), digest_size=16).hexdigest()


def document(log: str, *, time: str, pod: str, stream: str = "stdout", offset: int = 0) -> Document:
    """The document of one line that a container wrote.

    Args:
        log: What the service printed: a JSON object of ``tracing_subscriber``, or any text.
        time: When Docker received it, RFC 3339; used when the line itself has no valid time.
        pod: Name of the pod; the folder of the container's log file.
        stream: ``stdout`` or ``stderr``.
        offset: Where the line begins in its file, in bytes.

    Returns:
        ``@timestamp``, ``level``, ``target``, ``fields``, ``span``, ``trace_id`` and ``span_id`` of the line plus
        ``kubernetes`` and ``container``; a line that is not such an object stays whole in ``message``.
    """
    text = log.rstrip("\r\n")
    body = _event(text)
    received = moment(time) or datetime.now(UTC)
    made: Document = dict(body) if body is not None else {"message": text}
    stamp = moment(made.pop("timestamp", None)) or received
    made["@timestamp"] = stamp.isoformat(timespec="microseconds").replace("+00:00", "Z")
    span = made.get("span")
    if isinstance(span, dict):
        # tracing_subscriber puts a span's own fields beside its name; the ids belong to the event as well.
        for key in ("trace_id", "span_id"):
            if key in span:
                made.setdefault(key, span[key])
    container_id = hashlib.sha256(pod.encode()).hexdigest()
    made["stream"] = stream
    made["log"] = {"offset": offset, "file": {"path": f"/var/lib/docker/containers/{pod}/{pod}-json.log"}}
    made["container"] = {"id": container_id, "name": "synaptic"}
    made["kubernetes"] = {"namespace": "synaptic", "pod": {"name": pod}, "container": {"name": "synaptic"}}
    return made


def _event(text: str) -> Document | None:
    """The line as an event, or None when it is not a JSON object of the expected shape."""
    if not text.startswith("{"):
        return None
    try:
        body = json.loads(text)
    except ValueError:
        return None
    if not isinstance(body, dict) or not isinstance(body.get("fields", {}), dict):
        return None
    if not isinstance(body.get("span", {}), dict):
        return None
    return body
