"""Real programs for the tests: each on a free port of loopback, asked until it answers, and stopped by its id."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import httpx

from tests.support.looping import until

# Debian keeps servers in sbin, which is not in an ordinary user's path.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
STOP_SECONDS = 30
ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def debian(program: str) -> str:
    path = shutil.which(program, path=SEARCH_PATH)
    assert path, f"{program} is not installed; `make test` installs what is missing"
    return path


@contextmanager
def running(command: Sequence[str], ready_url: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The program while the block runs; it has answered ``ready_url`` before the block starts."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        until(lambda: _answers(process, ready_url, log), f"{command[0]} being ready")
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(process: subprocess.Popen[bytes], url: str, log: Path) -> bool:
    if process.poll() is not None:
        raise AssertionError(f"{process.args!r} ended by itself:\n{log.read_text(errors='replace')[-2000:]}")
    try:
        return httpx.get(url, timeout=5, trust_env=False).status_code < 400
    except httpx.HTTPError:
        return False


@contextmanager
def prometheus(
    folder: Path, openmetrics: Path | None = None, configuration: str = "", features: str = "exemplar-storage"
) -> Iterator[int]:
    """Prometheus on an empty folder, or on blocks made of an OpenMetrics file; its port."""
    data = folder / "data"
    if openmetrics is not None:
        promtool = [debian("promtool"), "tsdb", "create-blocks-from", "--max-block-duration=24h"]
        done = subprocess.run([*promtool, "openmetrics", str(openmetrics), str(data)], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
    settings = folder / "prometheus.yml"
    settings.write_text(configuration or "global: {scrape_interval: 15s}\n")
    port = free_port()
    command = [
        debian("prometheus"),
        f"--config.file={settings}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=60d",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
        f"--enable-feature={features}",
    ]
    with running(command, f"http://127.0.0.1:{port}/-/ready", folder / "prometheus.log"):
        yield port


@contextmanager
def alertmanager(folder: Path) -> Iterator[int]:
    """Alertmanager alone, with a receiver that tells nobody; its port."""
    settings = folder / "alertmanager.yml"
    settings.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    port = free_port()
    command = [
        debian("prometheus-alertmanager"),
        f"--config.file={settings}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with running(command, f"http://127.0.0.1:{port}/-/ready", folder / "alertmanager.log"):
        yield port


@contextmanager
def elasticsearch(folder: Path) -> Iterator[int]:
    """The store that answers as Elasticsearch 8, or with ``ELASTICSEARCH=real`` a real one; its port."""
    if os.environ.get("ELASTICSEARCH") == "real":
        port = free_port()
        command = [str(ROOT / "scripts" / "elasticsearch.sh"), "run", str(folder), str(port)]
        with running(command, f"http://127.0.0.1:{port}/_cluster/health", folder / "elasticsearch.log"):
            yield port
        return
    spec = find_spec("noida_db")
    assert spec is not None, "the package noida-db is not installed; `make test` installs what is missing"
    program = Path(str(spec.origin)).parent / "noida-db"
    # The wheel's file has no execute permission; its own starter sets it in the same way.
    if not program.stat().st_mode & 0o100:
        program.chmod(0o755)
    port = free_port()
    command = [str(program), "start", "--data-dir", str(folder / "data"), "--only", "elasticsearch"]
    ready = f"http://127.0.0.1:{port}/_cluster/health"
    with running([*command, "--elasticsearch-port", str(port)], ready, folder / "elasticsearch.log"):
        yield port
