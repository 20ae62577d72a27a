"""``crowd``: what one client can do to the others, by sockets, foreign messages and long addresses."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlencode

import httpx
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Origin, Subprotocol

from benchmarks import history
from benchmarks.measured import Benchmark, Figure
from benchmarks.parts import HOST, free_port, prometheus

ROOT = Path(__file__).resolve().parent.parent
SOCKETS, FRAMES, VISITS, FILTERS = 500, 500, 26, 800
PAGES_NEED = frozenset({"rerun_script", "stop_script", "app_heartbeat"})
START_SECONDS, VISIT_SECONDS = 120, 120


def measure() -> Mapping[str, float]:
    """Do it all to a console of its own over a real Prometheus, while another client asks whether it is alive."""
    with tempfile.TemporaryDirectory(prefix="synaptic-benchmark-") as name:
        folder = Path(name)
        with (
            prometheus(folder, history.write(folder, time.time(), 1)) as metrics_port,
            _console(folder, metrics_port) as (port, process),
        ):
            asyncio.run(_visit(port, 1))  # what every console keeps once somebody has looked at it
            before = _resident(process)
            with _Probe(port) as probe:
                held = asyncio.run(_crowd(port))
            return {
                "worst_healthz_seconds": probe.worst,
                "megabytes_kept": _resident(process) - before,
                "sessions_held": held,
            }


async def _crowd(port: int) -> int:
    """Sockets that say nothing, then messages of every foreign kind, then long filters; how many sockets stayed."""
    sockets: list[ClientConnection] = []
    for _ in range(SOCKETS):
        with suppress(WebSocketException, OSError):
            sockets.append(await _connected(port))
    for one in sockets:
        await one.close()
    for kind, field in BackMsg.DESCRIPTOR.fields_by_name.items():
        if kind in PAGES_NEED:
            continue
        message = BackMsg()
        if field.message_type is None:
            setattr(message, kind, True)
        else:
            getattr(message, kind).SetInParent()
        with suppress(WebSocketException, OSError):
            async with await _connected(port) as one:
                for _ in range(FRAMES):
                    await one.send(message.SerializeToString())
    await _visit(port, VISITS)
    return len(sockets)


async def _visit(port: int, times: int) -> None:
    async with await _connected(port) as one:
        for number in range(times):
            only = [("only", f"replica:{'v' * 12}{place}z{number}") for place in range(FILTERS)]
            message = BackMsg()
            message.rerun_script.page_name = "latency"
            message.rerun_script.query_string = urlencode([("w", "24h"), *only])
            message.rerun_script.widget_states.SetInParent()
            await one.send(message.SerializeToString())
            async with asyncio.timeout(VISIT_SECONDS):
                while ForwardMsg.FromString(await one.recv()).WhichOneof("type") != "script_finished":
                    pass


async def _connected(port: int) -> ClientConnection:
    return await connect(
        f"ws://{HOST}:{port}/_stcore/stream",
        origin=Origin(f"http://{HOST}:{port}"),
        subprotocols=[Subprotocol("streamlit")],
        compression=None,
        max_size=None,
        proxy=None,
        open_timeout=60,
    )


class _Probe:
    """Asks ``/healthz`` again and again, as an orchestrator does; ``worst`` is the longest answer in seconds."""

    def __init__(self, port: int) -> None:
        self._url = f"http://{HOST}:{port}/healthz"
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.worst = 0.0

    def __enter__(self) -> _Probe:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _ask(self) -> None:
        with httpx.Client(trust_env=False, timeout=120) as client:
            while not self._ended.wait(0.05):
                began = time.monotonic()
                client.get(self._url).raise_for_status()
                self.worst = max(self.worst, time.monotonic() - began)


@contextmanager
def _console(folder: Path, metrics_port: int) -> Iterator[tuple[int, int]]:
    port = free_port()
    config = folder / "console.toml"
    config.write_text(
        f'[server]\npublic_url = "http://{HOST}:{port}"\n[records]\nurl = "sqlite:///{folder}/records.sqlite3"\n'
        f'[environments.benchmark.prometheus]\nurl = "http://{HOST}:{metrics_port}"\n'
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STREAMLIT_", "SYNAPTIC_"))}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    with (folder / "console.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**kept, "SYNAPTIC_CONSOLE_CONFIG": str(config)}, stdout=log, stderr=log
        )
        try:
            ends = time.monotonic() + START_SECONDS
            while True:
                with suppress(httpx.TransportError):
                    if httpx.get(f"http://{HOST}:{port}/healthz", trust_env=False).is_success:
                        break
                if process.poll() is not None or time.monotonic() > ends:
                    raise RuntimeError(f"the console did not start: {(folder / 'console.log').read_text()[-2000:]}")
                time.sleep(0.1)
            yield port, process.pid
        finally:
            process.terminate()
            process.wait()


def _resident(process: int) -> float:
    """Megabytes of a process that are in memory."""
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


BENCHMARK = Benchmark(
    "crowd",
    f"One client opens {SOCKETS} sockets, sends {FRAMES} messages of each kind that no page sends, and visits Latency "
    f"{VISITS} times with {FILTERS} filters in its address, while another asks whether the console is alive.",
    {
        "worst_healthz_seconds": Figure("Longest time in which /healthz answered meanwhile.", "<= 1"),
        "megabytes_kept": Figure("Memory that the console has more afterwards than before.", "<= 50"),
        "sessions_held": Figure(f"How many of the {SOCKETS} sockets were let in."),
    },
    measure,
)
