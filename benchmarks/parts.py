"""The real parts that benchmarks ask: each on a free port of loopback, stopped by its process at the end.

Prometheus with a back-filled past, Alertmanager, a store that answers as Elasticsearch, and NGINX. NGINX answers
as Synaptic's replicas, and stands in front of all of them as a proxy whose log holds every request that passed.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import httpx

from benchmarks import history
from settings import Environment, Limits, Settings

T = TypeVar("T")

START_SECONDS = 90
HOST = "127.0.0.1"
SOURCES = ("synaptic", "prometheus", "alertmanager", "elasticsearch")
LOG_LINES = 3_000

_SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
_MARKER = "/marker-of-the-benchmark"


@dataclass(frozen=True)
class Request:
    """One request as it passed the proxy.

    Attributes:
        source: Which source it was for.
        method: HTTP method.
        path: Path with the query.
        body: Its body.
        content_type: Of the body.
        accept: What it accepted.
    """

    source: str
    method: str
    path: str
    body: str
    content_type: str
    accept: str


@dataclass
class Installation:
    """All sources of one environment, direct and through the proxy that counts.

    Attributes:
        direct: Source → port.
        proxied: Source → port of the proxy in front of it.
        end: Epoch seconds of the newest sample.
    """

    direct: dict[str, int]
    proxied: dict[str, int]
    end: float
    _log: Path
    _marks: int = 0
    _read: int = 0

    def settings(self, *, counted: bool, limits: Limits | None = None) -> Settings:
        """Settings with one environment ``benchmark``, asked directly or through the proxy."""
        ports = self.proxied if counted else self.direct
        addresses: dict[str, dict[str, object]] = {
            name: {"url": f"http://{HOST}:{port}", "deadline": 60} for name, port in ports.items()
        }
        synaptic = addresses["synaptic"]
        synaptic["replicas"] = [{"name": pod, "url": f"{synaptic['url']}/{pod}"} for pod in history.PODS]
        addresses["prometheus"]["scrape_interval"] = history.DENSE
        environment = Environment.model_validate(addresses)
        return Settings(environments={"benchmark": environment}, limits=limits or Limits(deadline=60))

    def requests(self) -> list[Request]:
        """The requests that passed the proxy since the last call."""
        self._marks += 1
        mark = f"{_MARKER}-{self._marks}"
        httpx.get(f"http://{HOST}:{self.proxied['alertmanager']}{mark}", trust_env=False)
        # The proxy has one worker and writes a line when an answer is sent: behind the mark there is nothing older.
        lines = _until(lambda: _complete(self._log, mark), "the proxy's log being written")
        found = [json.loads(line) for line in lines[self._read :]]
        self._read = len(lines)
        return [Request(**row) for row in found if not row["path"].startswith(_MARKER)]


@contextmanager
def installation(days: int) -> Iterator[Installation]:
    """All parts, with a past of so many days; they end with the block."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="synaptic-benchmark-")))
        end = time.time()
        ports = {
            "prometheus": stack.enter_context(prometheus(folder, history.write(folder, end, days))),
            "alertmanager": stack.enter_context(_alertmanager(folder)),
            "elasticsearch": stack.enter_context(_elasticsearch(folder)),
        }
        direct, proxied, log = stack.enter_context(_nginx(folder, ports))
        yield Installation(direct, proxied, end, log)


@contextmanager
def prometheus(folder: Path, files: Sequence[Path]) -> Iterator[int]:
    """Prometheus that scrapes nothing and holds what is in the files; its port."""
    history.load(files, folder / "data")
    configuration = folder / "prometheus.yml"
    configuration.write_text("global: {scrape_interval: 15s}\n")
    port = free_port()
    command = [
        program("prometheus"),
        f"--config.file={configuration}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=90d",
        f"--web.listen-address={HOST}:{port}",
        "--log.level=error",
    ]
    with running(command, f"http://{HOST}:{port}/-/ready", folder / "prometheus.log"):
        yield port


@contextmanager
def _alertmanager(folder: Path) -> Iterator[int]:
    configuration = folder / "alertmanager.yml"
    configuration.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    port = free_port()
    command = [
        program("prometheus-alertmanager"),
        f"--config.file={configuration}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={HOST}:{port}",
        "--cluster.listen-address=",
    ]
    url = f"http://{HOST}:{port}"
    with running(command, f"{url}/-/ready", folder / "alertmanager.log"):
        labels = {"alertname": "SynapticSearchSlow", "severity": "warning"}
        alert = {"labels": labels, "endsAt": "2099-01-01T00:00:00Z"}
        httpx.post(f"{url}/api/v2/alerts", json=[alert], trust_env=False).raise_for_status()
        yield port


@contextmanager
def _elasticsearch(folder: Path) -> Iterator[int]:
    spec = find_spec("noida_db")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package noida-db is not installed; make benchmarks installs it")
    binary = Path(spec.origin).parent / "noida-db"
    binary.chmod(binary.stat().st_mode | 0o100)
    port = free_port()
    command = [str(binary), "start", "--data-dir", str(folder / "logs"), "--only", "elasticsearch"]
    url = f"http://{HOST}:{port}"
    with running([*command, "--elasticsearch-port", str(port)], f"{url}/_cluster/health", folder / "logs.log"):
        _fill_logs(url)
        yield port


def _fill_logs(url: str) -> None:
    index = f"synaptic-logs-{datetime.now(UTC):%Y.%m.%d}"
    properties = {"@timestamp": {"type": "date"}, "level": {"type": "keyword"}}
    now = time.time()
    lines = []
    for number in range(LOG_LINES):
        moment = datetime.fromtimestamp(now - number, UTC).isoformat()
        level = "ERROR" if number % 100 == 0 else "INFO"
        lines.append(f'{{"index":{{}}}}\n{{"@timestamp":"{moment}","level":"{level}","message":"request served"}}\n')
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        client.put(f"/{index}", json={"mappings": {"properties": properties}}).raise_for_status()
        headers = {"Content-Type": "application/x-ndjson"}
        client.post(f"/{index}/_bulk?refresh=true", content="".join(lines), headers=headers).raise_for_status()


@contextmanager
def _nginx(folder: Path, upstreams: dict[str, int]) -> Iterator[tuple[dict[str, int], dict[str, int], Path]]:
    direct = {"synaptic": free_port(), **upstreams}
    proxied = {name: free_port() for name in direct}
    log = folder / "requests.log"
    configuration = folder / "nginx.conf"
    proxies = "\n".join(
        f"server {{ listen {HOST}:{proxied[name]}; set $source {name}; access_log {log} requests;\n"
        f"  location / {{ proxy_pass http://{HOST}:{direct[name]}; }} }}"
        for name in direct
    )
    temporary = "\n".join(
        f"{kind}_temp_path {folder / kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration.write_text(f"""\
daemon off;
worker_processes 1;
pid {folder / "nginx.pid"};
error_log stderr error;
events {{ worker_connections 2048; }}
http {{
  {temporary}
  access_log off;
  client_body_buffer_size 1m;
  proxy_max_temp_file_size 0;
  proxy_http_version 1.1;
  log_format requests escape=json '{{"source":"$source","method":"$request_method","path":"$request_uri",'
    '"body":"$request_body","content_type":"$content_type","accept":"$http_accept"}}';
  server {{
    listen {HOST}:{direct["synaptic"]};
    default_type application/json;
    location ~ /health$ {{ return 200 '{{"status":"healthy","version":"{history.VERSIONS[-1]}"}}'; }}
    location ~ /ready$ {{ return 200 '{{"status":"ready"}}'; }}
  }}
  {proxies}
}}
""")
    command = [program("nginx"), "-c", str(configuration), "-e", "stderr"]
    with running(command, f"http://{HOST}:{direct['synaptic']}/health", folder / "nginx.log"):
        yield direct, proxied, log


def program(name: str) -> str:
    """Path of a Debian program; servers are in sbin, which is not in an ordinary user's path.

    Raises:
        RuntimeError: It is not installed.
    """
    path = shutil.which(name, path=_SEARCH_PATH)
    if path is None:
        raise RuntimeError(f"{name} is not installed; make benchmarks installs what is missing")
    return path


def free_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str],
    ready: str,
    log: Path,
    environment: dict[str, str] | None = None,
    folder: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A program while the block runs; it has answered ``ready`` before the block starts.

    Raises:
        RuntimeError: It ended by itself, or did not answer.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=folder)

    def answers() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"{command[0]} ended by itself: {log.read_text(errors='replace')[-1000:]}")
        try:
            return httpx.get(ready, timeout=5, trust_env=False).status_code < 400
        except httpx.HTTPError:
            return False

    try:
        _until(answers, f"{command[0]} being ready")
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _complete(log: Path, mark: str) -> list[str]:
    lines = log.read_text().splitlines()
    return lines if any(mark in line for line in lines[-50:]) else []


def _until(condition: Callable[[], T], what: str) -> T:
    ends = time.monotonic() + START_SECONDS
    while not (value := condition()):
        if time.monotonic() > ends:
            raise RuntimeError(f"{what} did not come to hold within {START_SECONDS} s")
        time.sleep(0.05)
    return value
