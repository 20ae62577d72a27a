"""The log shipper against the real store: nothing lost, nothing doubled, whatever happens in between."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch

from demo.parts.programs import wheel
from demo.plan import HOST, ROOT, Plan
from demo.shipper import documents, tails
from demo.shipper.delivery import prune
from demo.supervisor_logs import ContainerLog

POD = "synaptic-7f9c4d5b6-2xkqp"
STAMP = f"{datetime.now(UTC):%Y-%m-%d}T10:00:00.123456Z"  # of these days: older indices are deleted


def event(text: str, **fields: object) -> str:
    """A line as tracing_subscriber writes it."""
    body = {
        "timestamp": STAMP,
        "level": "INFO",
        "target": "synaptic::memory",
        "fields": {"message": text, **fields},
        "span": {"name": "search"},
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "span_id": "00f067aa0ba902b7",
    }
    return json.dumps(body) + "\n"


def until(condition: Callable[[], bool], what: str, deadline: float = 60) -> None:
    """Waits for a condition."""
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end, f"never came true: {what}"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@dataclass
class Yard:
    """A store and shippers in a folder of their own."""

    plan: Plan
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        environment = os.environ | {"DEMO_HOME": str(self.plan.home), "DEMO_BASE_PORT": str(self.plan.base_port)}
        self.plan.logs.mkdir(parents=True, exist_ok=True)
        with (self.plan.logs / "out.log").open("ab") as out:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out)
        self.processes.append(process)
        return process

    def start_store(self) -> subprocess.Popen[bytes]:
        # The program itself: the wheel's starter would leave it running when it is killed.
        program = wheel("noida_db", "noida-db")
        assert program is not None
        program.chmod(0o755)
        data, port = str(self.plan.home / "store"), str(self.plan.elasticsearch_port)
        process = self._start(
            str(program), "start", "--data-dir", data, "--only", "elasticsearch", "--elasticsearch-port", port
        )
        until(self.store_answers, "the store answers")
        return process

    def start_shipper(self) -> subprocess.Popen[bytes]:
        return self._start(sys.executable, "-m", "demo.shipper")

    def client(self) -> Elasticsearch:
        return Elasticsearch(f"http://{HOST}:{self.plan.elasticsearch_port}", max_retries=0)

    def store_answers(self) -> bool:
        with self.client() as client:
            return bool(client.ping())

    def stop(self, process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> int:
        process.send_signal(number)
        return process.wait(60)

    def log(self, pod: str = POD, **options: int) -> ContainerLog:
        return ContainerLog(self.plan.container_logs / pod, **options)

    def stored(self) -> list[dict[str, object]]:
        """All documents."""
        with self.client() as client:
            try:
                client.indices.refresh(index="synaptic-logs-*")
                answer = client.search(index="synaptic-logs-*", size=10_000, sort=[{"log.offset": "asc"}])
            except (ApiError, TransportError):
                return []
            return [hit["_source"] for hit in answer["hits"]["hits"]]

    def count(self) -> int:
        with self.client() as client:
            try:
                client.indices.refresh(index="synaptic-logs-*")
                return int(client.count(index="synaptic-logs-*")["count"])
            except (ApiError, TransportError):
                return 0

    def messages(self) -> Counter[str]:
        return Counter(str(body.get("fields", {}).get("message", body.get("message"))) for body in self.stored())

    def await_messages(self, expected: list[str]) -> None:
        until(lambda: self.count() >= len(expected), f"{len(expected)} lines stored")
        assert self.messages() == Counter(expected)


@contextmanager
def _yard(home: Path) -> Iterator[Yard]:
    yard = Yard(Plan(home=home, base_port=free_port() - 40))
    try:
        yield yard
    finally:
        for process in yard.processes:
            if process.poll() is None:
                process.kill()
            process.wait()


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    with _yard(tmp_path) as made:
        yield made


def test_indices_of_days_long_past_are_deleted_and_those_of_others_stay(yard: Yard) -> None:
    yard.start_store()
    with yard.client() as client:
        for index in (
            "synaptic-logs-2026.11.20",
            "synaptic-logs-2026.11.24",
            "synaptic-logs-2026.11.27",
            "other-2020.01.01",
        ):
            client.index(index=index, document={"@timestamp": "2026-11-20T00:00:00Z"}, refresh=True)
        prune(client, "synaptic-logs", date(2026, 11, 27))
        assert sorted(client.indices.get(index="*")) == [
            "other-2020.01.01",
            "synaptic-logs-2026.11.24",
            "synaptic-logs-2026.11.27",
        ]


def test_document_has_the_contract_fields() -> None:
    line = event("search took long", component="query", operation="search", user_id="u-1", duration_ms=812.5)
    made = documents.document(line, time="2026-11-20T10:00:01.000000001Z", pod=POD, offset=7)
    assert made["@timestamp"] == STAMP
    assert (made["level"], made["target"]) == ("INFO", "synaptic::memory")
    assert made["fields"]["message"] == "search took long"
    assert made["fields"]["duration_ms"] == 812.5
    assert made["span"]["name"] == "search"
    assert made["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert made["kubernetes"]["pod"]["name"] == POD
    assert len(made["container"]["id"]) == 64
    assert "timestamp" not in made


@pytest.mark.parametrize(
    "text", ["thread 'main' panicked at src/main.rs:7", '{"cut": "of', '["a", "list"]', '{"fields": "no object"}', ""]
)
def test_line_of_another_form_stays_whole_in_message(text: str) -> None:
    made = documents.document(text + "\n", time=STAMP, pod=POD)
    assert made["message"] == text
    assert made["@timestamp"] == STAMP
    assert made["kubernetes"]["pod"]["name"] == POD


def test_ids_are_the_same_for_the_same_line_and_differ_else() -> None:
    ids = {documents.identity(pod, offset, raw) for pod in "ab" for offset in (0, 9) for raw in (b"x", b"y")}
    assert len(ids) == 8
    assert documents.identity("a", 0, b"x") in ids


def test_one_reading_is_bounded_however_long_the_file(tmp_path: Path) -> None:
    log = ContainerLog(tmp_path / POD, max_bytes=100_000_000)
    for number in range(30_000):
        log.write(event(f"line {number}"), "stdout")
    log.close()
    registry = tails.Registry(tmp_path, tmp_path / "registry.json")
    (tail,) = registry.scan()
    lines = tail.read()
    assert 0 < lines[-1].end <= tails.CHUNK_BYTES
    assert tail.read()[0].start == 0, "nothing is passed over before it was acknowledged"
    registry.close()


def test_line_longer_than_a_reading_is_given_in_pieces(tmp_path: Path) -> None:
    folder = tmp_path / POD
    folder.mkdir()
    (folder / f"{POD}-json.log").write_bytes(b"x" * (tails.CHUNK_BYTES + 10) + b"\n")
    registry = tails.Registry(tmp_path, tmp_path / "registry.json")
    (tail,) = registry.scan()
    first = tail.read()
    tail.acknowledge(first[-1].end)
    second = tail.read()
    assert [len(line.document["message"]) for line in first + second] == [tails.CHUNK_BYTES, 10]
    registry.close()


@pytest.mark.integration
def test_lines_survive_rotation_once_each(yard: Yard) -> None:
    yard.start_store()
    yard.start_shipper()
    log = yard.log(max_bytes=20_000, keep=200)
    expected = [f"line {number}" for number in range(2000)]
    for text in expected:
        log.write(event(text), "stdout")
        log.flush()
    log.close()
    yard.await_messages(expected)


@pytest.mark.integration
def test_lines_survive_truncation_once_each(yard: Yard) -> None:
    yard.start_store()
    yard.start_shipper()
    log = yard.log()
    expected: list[str] = []
    for generation, size in enumerate((50, 20, 90)):  # shorter, then longer than what was there before
        os.truncate(log.path, 0)
        for number in range(size):
            expected.append(f"generation {generation} line {number}")
            log.write(event(expected[-1]), "stdout")
        log.flush()
        yard.await_messages(expected)
    log.close()


@pytest.mark.integration
def test_lines_survive_a_store_that_is_down_at_first_and_goes_down_later(yard: Yard) -> None:
    log = yard.log()
    expected: list[str] = []

    def write(count: int) -> None:
        for _ in range(count):
            expected.append(f"line {len(expected)}")
            log.write(event(expected[-1]), "stdout")
        log.flush()

    yard.start_shipper()
    write(100)
    store = yard.start_store()
    yard.await_messages(expected)
    yard.stop(store)
    assert not yard.store_answers()
    write(100)
    yard.start_store()
    write(100)
    yard.await_messages(expected)
    log.close()


@pytest.mark.integration
def test_lines_survive_kill_nine_and_restart_once_each(yard: Yard) -> None:
    yard.start_store()
    log = yard.log(max_bytes=50_000, keep=200)
    expected: list[str] = []
    for _ in range(4):
        shipper = yard.start_shipper()
        before = len(expected)
        for _ in range(1000):
            expected.append(f"line {len(expected)}")
            log.write(event(expected[-1]), "stdout")
        log.flush()
        until(lambda: yard.count() > before, "some of the new lines stored")  # noqa: B023
        yard.stop(shipper, signal.SIGKILL)
    yard.start_shipper()
    yard.await_messages(expected)
    log.close()


@pytest.mark.integration
def test_termination_sends_what_is_there_and_a_restart_sends_nothing_again(yard: Yard) -> None:
    yard.start_store()
    shipper = yard.start_shipper()
    log = yard.log()
    log.write(event("first"), "stdout")
    log.flush()
    yard.await_messages(["first"])
    log.write(event("last words"), "stdout")
    log.flush()
    assert yard.stop(shipper) == 0
    assert yard.messages() == Counter(["first", "last words"])
    again = yard.start_shipper()
    log.write(event("a new day"), "stdout")
    log.flush()
    log.close()
    yard.await_messages(["first", "last words", "a new day"])
    assert yard.stop(again) == 0


@pytest.mark.integration
def test_pieces_are_joined_and_what_the_store_refuses_is_kept_as_text(yard: Yard) -> None:
    yard.start_store()
    log = yard.log()
    long = event("w" * 40_000)
    for start in range(0, len(long), 16_384):
        log.write(long[start : start + 16_384], "stdout")
    log.write(event("refused", duration_ms="soon"), "stdout")
    log.close()
    yard.start_shipper()
    until(lambda: yard.count() == 2, "both lines stored")
    texts = {str(body.get("fields", body)) for body in yard.stored()}
    assert any("w" * 40_000 in text for text in texts)
    (kept,) = [body for body in yard.stored() if "error" in body]
    assert "soon" in str(kept["message"])
    assert "duration_ms" in str(kept["error"])
