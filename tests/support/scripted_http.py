"""A server on loopback that answers as a test orders: for what a real store cannot be made to answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Answer = tuple[int, object]
"""A status and a body; what is not bytes is written as JSON."""


class ScriptedServer:
    """Answers each path by what ``answers`` holds for it, and anything else with 404.

    Attributes:
        answers: Path → an answer, or a function that makes one of the request's parameters.
        headers: Sent with every answer.
        asked: Path and parameters of every request so far.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Answer | Callable[[dict[str, str]], Answer]] = {}
        self.headers: dict[str, str] = {"Content-Type": "application/json"}
        self.asked: list[tuple[str, dict[str, str]]] = []
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                self._answer(urlsplit(self.path).query)

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())

            def _answer(self, query: str) -> None:
                path = urlsplit(self.path).path
                asked = dict(parse_qsl(query))
                script.asked.append((path, asked))
                answer = script.answers.get(path, (404, b"404 page not found\n"))
                status, body = answer(asked) if callable(answer) else answer
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in script.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False  # so that closing waits for the last connection to end
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop; whoever is connected must have closed its connections before."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def success(data: object, **more: object) -> Answer:
    """An answer of Prometheus' query API."""
    return 200, {"status": "success", "data": data, **more}


def points(asked: dict[str, str]) -> list[int]:
    """The instants that a range question asks for."""
    first, last, step = (round(float(asked[name])) for name in ("start", "end", "step"))
    return list(range(first, last + 1, step))
