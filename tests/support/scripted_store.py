"""A log store that answers what a test wrote down, for answers that no real one can be made to give."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

Answer = tuple[int, object]
"""Status, and a body: bytes as they are, anything else as JSON."""

FIELDS = {
    "@timestamp": {"date": {"type": "date", "searchable": True, "aggregatable": True}},
    "message": {"text": {"type": "text", "searchable": True, "aggregatable": False}},
    "level": {"keyword": {"type": "keyword", "searchable": True, "aggregatable": True}},
}
WELL: dict[str, Answer] = {
    "/": (200, {"cluster_name": "c", "version": {"number": "8.17.4"}}),
    "/_cluster/health": (200, {"status": "green", "number_of_nodes": 1, "unassigned_shards": 0}),
    "/_cat/indices": (200, [{"docs.count": "3"}]),
    "/_field_caps": (200, {"fields": FIELDS}),
    "/_count": (200, {"count": 3, "_shards": {"total": 1, "successful": 1, "failed": 0}}),
    "/_search": (200, {"hits": {"hits": []}}),
    "/_pit": (404, {"error": {"type": "x", "reason": "no handler found for uri"}, "status": 404}),
}
"""A store without lines that does all else well, and knows no points in time; by the end or a part of the path."""


@contextmanager
def answering(answers: Mapping[str, Answer]) -> Iterator[str]:
    """The address of a store that answers so, and like ``WELL`` for the rest."""
    known = {**WELL, **answers}

    class Store(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = urlsplit(self.path).path
            place = next((one for one in known if one != "/" and one in path), "/")
            status, body = known[place]
            sent = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if sent.startswith(b"<") else "application/json")
            self.send_header("X-Elastic-Product", "Elasticsearch")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: object) -> None:
            return

    for method in ("GET", "POST", "DELETE"):
        setattr(Store, f"do_{method}", Store.answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
