"""Fills Prometheus' data folder through a Prometheus of our own that scrapes nothing and ends when it is done.

Its remote-write door takes a million samples a second, which ``promtool tsdb create-blocks-from`` is far from.
A snapshot turns what is still in memory into a block, so the real server starts at once and replays nothing.
"""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from demo.history import remote_write
from demo.plan import HOST

# The largest block that a server with 60 days of retention makes (10 % of it, in its steps of 2, 6, 18 and 54 h):
# it then has nothing to merge. Samples may be half of this out of order.
BLOCK = "54h"
START_SECONDS = 60.0


class LoadError(Exception):
    """The history could not be loaded; the text says what Prometheus said."""


class Loader:
    """A Prometheus on a data folder that takes samples and nothing else.

    Args:
        data: The data folder; made if it is not there.

    Raises:
        LoadError: From each method, when Prometheus refuses or ends.
    """

    def __init__(self, data: Path) -> None:
        self.data = data
        self._log = data.parent / "filling.log"
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Loader:
        configuration = self.data.parent / "filling.yml"
        self.data.mkdir(parents=True, exist_ok=True)
        configuration.write_text("global: {scrape_interval: 1h}\n")
        command = (
            shutil.which("prometheus") or "/usr/bin/prometheus",
            f"--config.file={configuration}",
            f"--storage.tsdb.path={self.data}",
            "--storage.tsdb.retention.time=10y",
            f"--storage.tsdb.min-block-duration={BLOCK}",
            f"--storage.tsdb.max-block-duration={BLOCK}",
            f"--web.listen-address={HOST}:{self._port}",
            "--web.enable-remote-write-receiver",
            "--web.enable-admin-api",
            "--log.level=warn",
        )
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until = time.monotonic() + START_SECONDS
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise LoadError(f"Prometheus did not start: {self._last_words()}")
            time.sleep(0.05)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def newest(self) -> float:
        """Time of the newest sample in the folder, seconds since 1970; 0 when there is none."""
        head = json.loads(self._ask("GET", "/api/v1/status/tsdb"))["data"]["headStats"]
        times = [head["maxTime"] if head["numSeries"] else 0]
        times += [json.loads(meta.read_text())["maxTime"] for meta in self.data.glob("*/meta.json")]
        return max(times) / 1000

    def write(self, names: list[bytes], timestamps: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        """Stores samples; see `remote_write.request` for the shapes."""
        headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
        self._ask("POST", "/api/v1/write", remote_write.request(names, timestamps, values), headers)

    def finish(self) -> None:
        """Turns everything into blocks, stops, and puts them in the place of the data folder."""
        name = json.loads(self._ask("POST", "/api/v1/admin/tsdb/snapshot"))["data"]["name"]
        self.stop()
        with _replaced(self.data) as draft:
            (self.data / "snapshots" / name).rename(draft)

    def stop(self) -> None:
        """Ends the process; what was written stays in the folder."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(60)

    def _ready(self) -> bool:
        try:
            self._ask("GET", "/-/ready")
        except (OSError, LoadError):
            return False
        return True

    def _ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=120)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise LoadError(f"Prometheus answered {answer.status} to {path}: {text[:300].decode(errors='replace')}")
        return text

    def _last_words(self) -> str:
        return " / ".join(self._log.read_text(errors="replace").splitlines()[-3:])


@contextmanager
def _replaced(folder: Path) -> Iterator[Path]:
    """Gives a name to put a new folder at; then that one takes the place of ``folder``."""
    draft, old = folder.with_name(f"{folder.name}.new"), folder.with_name(f"{folder.name}.old")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    yield draft
    folder.rename(old)
    draft.rename(folder)
    shutil.rmtree(old)


def recover(folder: Path) -> None:
    """Puts back a data folder whose replacement was interrupted between its two steps."""
    old = folder.with_name(f"{folder.name}.old")
    if old.exists() and not folder.exists():
        old.rename(folder)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
