"""Lines of a log for the tests, written to a real store in the form that Filebeat ships."""

import json
import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime

import httpx

KEYWORD = {"type": "keyword"}
MAPPING = {
    "properties": {
        "@timestamp": {"type": "date"},
        "level": KEYWORD,
        "target": KEYWORD,
        "fields": {
            "properties": {
                "message": {"type": "text"},
                "error": {"type": "text"},
                "component": KEYWORD,
                "user_id": KEYWORD,
            }
        },
    }
}


def document(
    moment: datetime | None, message: str, level: str = "INFO", component: str = "memory", **fields: object
) -> dict[str, object]:
    """One line as a document; without a moment it has no ``@timestamp``."""
    made: dict[str, object] = {
        "level": level,
        "target": f"synaptic::{component}",
        "fields": {"message": message, "component": component, **fields},
        "kubernetes": {"pod": {"name": "synaptic-a"}},
    }
    if moment is not None:
        made["@timestamp"] = moment.isoformat().replace("+00:00", "Z")
    return made


def every(start: datetime, end: datetime, count: int) -> Iterator[datetime]:
    """As many moments, evenly from ``start`` up to but without ``end``."""
    for number in range(count):
        yield start + (end - start) * number / count


def new_index(url: str) -> str:
    """An empty index of a name that nobody else uses."""
    name = f"lines-{uuid.uuid4().hex}"
    httpx.put(f"{url}/{name}", json={"mappings": MAPPING}, timeout=60, trust_env=False).raise_for_status()
    return name


def write(url: str, index: str, documents: Iterable[dict[str, object]]) -> int:
    """Write documents, so that they are found when this returns; how many."""
    made = list(documents)
    body = "".join(f'{{"index":{{}}}}\n{json.dumps(one)}\n' for one in made)
    headers = {"Content-Type": "application/x-ndjson"}
    sent = httpx.post(
        f"{url}/{index}/_bulk?refresh=true", content=body, headers=headers, timeout=60, trust_env=False
    ).raise_for_status()
    assert not sent.json()["errors"], sent.text[:2000]
    return len(made)
