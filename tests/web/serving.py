"""A real server for the tests: ``streamlit run`` in a process of its own, on a free port of loopback."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
LITTLE_APP = Path(__file__).with_name("little_app.py")
START_SECONDS = 150
"""When to give up on a process, so that a broken one fails the test; nothing here is expected to be slow."""


@dataclass(frozen=True)
class Server:
    port: int
    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def get(self, path: str, headers: dict[str, str] | None = None, method: str = "GET", **more) -> httpx.Response:
        return httpx.request(method, f"{self.url}{path}", headers=headers, timeout=30, **more)

    def log(self) -> list[dict]:
        return [json.loads(line) for line in (self.folder / "out").read_text().splitlines()]

    def errors(self) -> str:
        return (self.folder / "err").read_text()

    def metric(self, name: str) -> float:
        text = self.get("/metrics").text
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def environment(folder: Path, settings: str) -> dict[str, str]:
    config = folder / "console.toml"
    config.write_text(settings)
    config.chmod(0o600)  # as an operator should; the console warns otherwise
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STREAMLIT_", "SYNAPTIC_"))}
    return {**kept, "SYNAPTIC_CONSOLE_CONFIG": str(config), "PYTHONPATH": str(ROOT), "HOME": str(folder)}


def command(*arguments: str, app: Path = LITTLE_APP) -> list[str]:
    return [sys.executable, "-m", "streamlit", "run", str(app), *arguments]


def run_to_its_end(arguments: list[str], folder: Path, settings: str, cwd: Path = ROOT, **variables: str):
    """Start the server where it must refuse to run, and wait for its end."""
    return subprocess.run(
        arguments,
        cwd=cwd,
        env=environment(folder, settings) | variables,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )


@contextmanager
def serving(folder: Path, settings: str, app: Path = LITTLE_APP) -> Iterator[Server]:
    """The server with these settings, in which ``{port}`` stands for its port; stopped at the end."""
    port = free_port()
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen(
            command("--server.port", str(port), app=app),
            cwd=ROOT,
            env=environment(folder, settings.replace("{port}", str(port))),
            stdout=out,
            stderr=err,
        )
    server = Server(port, process, folder)
    try:
        transport = httpx.HTTPTransport(retries=8)  # refused connections, with growing pauses
        with httpx.Client(transport=transport, timeout=START_SECONDS) as client:
            while process.poll() is None:
                try:
                    if client.get(f"{server.url}/healthz").status_code == 200:
                        break
                except httpx.ConnectError:
                    continue
        assert process.poll() is None, server.errors()
        yield server
    finally:
        process.terminate()
        try:
            process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
