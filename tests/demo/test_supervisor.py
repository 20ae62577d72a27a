"""The supervisor on real child processes: small ones of Python, and two parts of the demo for the commands."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from demo.parts import all_parts
from demo.plan import HOST, ROOT, Plan
from demo.supervisor import Supervisor
from demo.supervisor_logs import ContainerLog, last_lines, shorten
from demo.supervisor_part import Part, StartError
from demo.supervisor_processes import group_members, identity_of, is_alive, listens, own_identity, port_is_free
from demo.supervisor_state import PartState, State, end_leftovers, read_state, write_state
from tests.support.looping import until as eventually

RUN_ON = "import signal; signal.pause()"


def python(code: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code, *arguments)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Copy:
    """One running supervisor and what it said."""

    def __init__(self, home: Path, *parts: Part) -> None:
        self.home = home
        self.lines: list[str] = []
        self.supervisor = Supervisor(parts, home, announce=self.lines.append)

    @property
    def said(self) -> str:
        return "\n".join(self.lines)

    def part(self, name: str) -> PartState:
        state = read_state(self.home / "run")
        assert state is not None
        return state.parts[name]

    def phase(self) -> str:
        state = read_state(self.home / "run")
        return state.phase if state else ""

    def run_while(self, during: Callable[[], Awaitable[None]]) -> int:
        """Run until ready, do something, stop; the exit code."""

        async def both() -> int:
            running = asyncio.create_task(self.supervisor.run())
            try:
                await until(lambda: self.phase() == "ready" or running.done())
                if not running.done():
                    await during()
            finally:
                self.supervisor.stop()
                code = await running
            return code

        return asyncio.run(both())

    def run(self) -> int:
        return self.run_while(nothing)


async def nothing() -> None:
    return


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110  (other processes set no event)
        await asyncio.sleep(0.02)


def test_a_crashed_part_is_started_again_with_a_new_process(tmp_path: Path) -> None:
    copy = Copy(tmp_path, Part(name="worker", command=python(RUN_ON)))

    async def crash() -> None:
        first = copy.part("worker").identity
        assert first is not None
        os.kill(first.pid, signal.SIGKILL)
        await until(lambda: copy.part("worker").restarts == 1 and copy.part("worker").state == "ready")
        assert copy.part("worker").identity != first
        assert not is_alive(first)

    assert copy.run_while(crash) == 0
    assert "worker                ended with code -9; started again" in copy.said


def test_a_part_that_keeps_crashing_is_started_again_after_growing_pauses(tmp_path: Path) -> None:
    copy = Copy(tmp_path, Part(name="broken", command=python("raise SystemExit(3)")))
    assert copy.run_while(lambda: until(lambda: "again in 1 s" in copy.said)) == 0
    assert copy.said.index("again in 0.5 s") < copy.said.index("again in 1 s")


def test_a_crashed_leader_s_children_are_ended_before_it_is_started_again(tmp_path: Path) -> None:
    children = tmp_path / "children"
    family = (
        "import pathlib, subprocess, sys, signal\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        "with pathlib.Path(sys.argv[1]).open('a') as file: print(child.pid, file=file)\n"
        "signal.pause()\n"
    )
    pids: list[int] = []

    def known() -> list[int]:
        pids[:] = [int(line) for line in children.read_text().split()] if children.exists() else []
        return pids

    copy = Copy(tmp_path, Part(name="family", command=python(family, str(children)), ready=lambda: len(known()) > 0))

    async def crash() -> None:
        leader = copy.part("family").identity
        assert leader is not None
        os.kill(leader.pid, signal.SIGKILL)
        await until(lambda: len(known()) == 2)
        await until(lambda: identity_of(pids[0]) is None)
        assert identity_of(pids[1]) is not None

    assert copy.run_while(crash) == 0
    # They are killed by now; on a busy machine a killed process takes a moment to be gone.
    eventually(lambda: [identity_of(pid) for pid in pids] == [None, None], "both children being gone")


def test_a_part_that_never_gets_ready_is_named_with_its_last_words(tmp_path: Path) -> None:
    good = Part(name="good", command=python(RUN_ON))
    bad = Part(
        name="bad",
        command=python("print('line 1'); print('cannot find the frobnicator', flush=True);" + RUN_ON),
        ready=lambda: False,
        ready_seconds=1.0,
    )
    later = Part(name="later", command=python(RUN_ON), depends_on=("bad",))
    copy = Copy(tmp_path, good, bad, later)
    assert copy.run() == 1
    assert "bad was not ready after 1" in copy.lines[-1]
    assert copy.lines[-1].endswith("cannot find the frobnicator")
    assert copy.phase() == "failed"
    assert copy.part("later").identity is None
    for name in ("good", "bad"):
        identity = copy.part(name).identity
        assert identity is not None
        assert group_members(identity) == []


def test_a_part_that_is_late_is_waited_for_while_it_works_and_not_for_ever(tmp_path: Path) -> None:
    work = "import time\nwhile time.process_time() < float('{seconds}'): pass\n"
    late = Part(name="late", command=python(work.format(seconds=1.5)), task=True, ready_seconds=1.0)
    copy = Copy(tmp_path / "late", late)

    async def done() -> None:
        await until(lambda: copy.part("late").state == "done")

    assert copy.run_while(done) == 0, copy.said
    assert "still at work after 1 s" in copy.said

    endless = Copy(tmp_path / "endless", replace(late, command=python(work.format(seconds="inf")), ready_seconds=0.1))
    assert endless.run() == 1
    assert "late was not ready after" in endless.lines[-1]


def test_a_part_that_ends_while_starting_is_named_with_its_code_and_last_words(tmp_path: Path) -> None:
    code = "import sys; print('no such option', file=sys.stderr); sys.exit(7)"
    for container in (None, tmp_path / "containers" / "pod"):
        copy = Copy(tmp_path, Part(name="wrong", command=python(code), ready=lambda: False, container=container))
        assert copy.run() == 1
        assert "wrong ended with code 7 before it was ready" in copy.lines[-1]
        assert copy.lines[-1].endswith("no such option")


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    copy = Copy(tmp_path, Part(name="absent", command=("/nowhere/program",)))
    assert copy.run() == 1
    assert "absent cannot be started" in copy.lines[-1]
    assert "/nowhere/program" in copy.lines[-1]


def test_a_failing_preparation_names_its_part(tmp_path: Path) -> None:
    def prepare() -> None:
        raise RuntimeError("initdb failed: disk full")

    copy = Copy(tmp_path, Part(name="store", command=python(RUN_ON), prepare=prepare))
    assert copy.run() == 1
    assert "store RuntimeError: initdb failed: disk full" in copy.lines[-1]


def test_parts_wait_for_what_they_depend_on_and_stop_before_it(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    note = (
        "import pathlib, signal, sys\n"
        "def note(what):\n"
        "    with pathlib.Path(sys.argv[1]).open('a') as file: print(what, sys.argv[2], file=file)\n"
        "signal.signal(signal.SIGTERM, lambda *_: (note('stop'), sys.exit(0)))\n"
        "note('start')\n"
    )

    def started(name: str) -> Callable[[], bool]:
        return lambda: diary.exists() and f"start {name}" in diary.read_text()

    def part(name: str, *depends_on: str) -> Part:
        command = python(note + "signal.pause()", str(diary), name)
        return Part(name=name, command=command, depends_on=depends_on, ready=started(name))

    seed = Part(name="seed", command=python(note, str(diary), "seed"), depends_on=("store",), task=True)
    assert Copy(tmp_path, part("store"), seed, part("service", "seed"), part("proxy", "service")).run() == 0
    assert diary.read_text().splitlines() == [
        "start store", "start seed", "start service", "start proxy", "stop proxy", "stop service", "stop store",
    ]  # fmt: skip


def test_stopping_while_parts_are_starting_leaves_nothing(tmp_path: Path) -> None:
    waiting = [Part(name=f"slow-{i}", command=python(RUN_ON), ready=lambda: False) for i in range(5)]
    copy = Copy(tmp_path, *waiting)

    async def stop_early() -> int:
        running = asyncio.create_task(copy.supervisor.run())
        await until(lambda: copy.phase() == "starting" and copy.part("slow-0").identity is not None)
        copy.supervisor.stop()
        return await running

    assert asyncio.run(stop_early()) == 0
    assert copy.phase() == "stopped"
    for part in waiting:
        identity = copy.part(part.name).identity
        assert identity is None or group_members(identity) == []


def test_stopping_ends_whole_groups_by_force_when_they_do_not_listen(tmp_path: Path) -> None:
    deaf = (
        "import os, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.fork(); print('up', flush=True);" + RUN_ON
    )
    log = tmp_path / "logs" / "deaf.log"
    part = Part(
        name="deaf",
        command=python("import signal;" + deaf),
        ready=lambda: log.read_text().count("up") == 2,
        stop_seconds=0.2,
    )
    copy = Copy(tmp_path, part)
    assert copy.run() == 0
    identity = copy.part("deaf").identity
    assert identity is not None
    assert group_members(identity, folders=(ROOT,)) == []


def test_a_busy_port_is_named_with_its_part_and_the_way_out_and_nothing_is_started(tmp_path: Path) -> None:
    with socket.socket() as stranger:
        stranger.bind((HOST, 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        started = tmp_path / "started"
        copy = Copy(
            tmp_path,
            Part(name="first", command=python("import sys; open(sys.argv[1], 'w')", str(started)), task=True),
            Part(name="search", command=python(RUN_ON), ports=(free_port(), port)),
        )
        with pytest.raises(StartError, match=rf"^Port {port} \(search\) is used by another program: .*DEMO_BASE_PORT"):
            asyncio.run(copy.supervisor.run())
    assert not started.exists()


def test_a_second_supervisor_of_the_same_folder_is_refused(tmp_path: Path) -> None:
    copy = Copy(tmp_path, Part(name="worker", command=python(RUN_ON)))

    async def second() -> None:
        other = Copy(tmp_path, Part(name="worker", command=python(RUN_ON)))
        with pytest.raises(StartError, match="already running"):
            await other.supervisor.run()

    assert copy.run_while(second) == 0


def test_a_process_that_only_has_the_number_of_a_leftover_is_not_touched(tmp_path: Path) -> None:
    with subprocess.Popen(python(RUN_ON), start_new_session=True) as stranger:
        try:
            identity = identity_of(stranger.pid)
            assert identity is not None
            gone = replace(own_identity(), started=1)
            for other in (replace(identity, started=identity.started - 1), replace(identity, boot="another boot")):
                write_state(tmp_path, State(gone, "ready", {"worker": PartState("ready", other)}))
                assert end_leftovers(tmp_path, tmp_path) == []
                assert is_alive(identity)
            write_state(tmp_path, State(gone, "ready", {"worker": PartState("ready", identity)}))
            stranger_gone = asyncio.run(reaped_while(stranger, lambda: end_leftovers(tmp_path, tmp_path)))
            assert stranger_gone == ["worker"]
        finally:
            stranger.kill()


async def reaped_while(child: subprocess.Popen[bytes], action: Callable[[], list[str]]) -> list[str]:
    ending = asyncio.create_task(asyncio.to_thread(action))
    await until(lambda: child.poll() is not None)
    return await ending


def test_a_command_given_as_function_is_asked_at_each_start(tmp_path: Path) -> None:
    version = tmp_path / "version"
    version.write_text("1.8.1")

    def command() -> tuple[str, ...]:
        return python("import sys, signal; print(sys.argv[1], flush=True); signal.pause()", version.read_text())

    copy = Copy(tmp_path, Part(name="replica", command=command, container=tmp_path / "containers" / "pod"))
    log = tmp_path / "containers" / "pod" / "pod-json.log"

    async def deploy() -> None:
        await until(lambda: last_lines(log) == ["1.8.1"])
        version.write_text("1.9.0")
        identity = copy.part("replica").identity
        assert identity is not None
        os.kill(identity.pid, signal.SIGTERM)
        await until(lambda: last_lines(log) == ["1.8.1", "1.9.0"])

    assert copy.run_while(deploy) == 0


def test_a_container_s_output_is_kept_as_docker_keeps_it(tmp_path: Path) -> None:
    code = (
        "import sys, signal\n"
        "sys.stdout.write('{\"level\":\"INFO\"}\\n\\u00e4\\n' + 'x' * 20000 + '\\nlast')\n"
        "sys.stdout.flush()\n"
        "sys.stderr.write('oops\\n')\n"
    )
    folder = tmp_path / "containers" / "pod"
    copy = Copy(tmp_path, Part(name="replica", command=python(code), container=folder, task=True))
    assert copy.run() == 0
    entries = [json.loads(line) for line in (folder / "pod-json.log").read_text().splitlines()]
    assert all(set(entry) == {"log", "stream", "time"} for entry in entries)
    assert all(len(entry["time"]) == len("2026-11-23T10:00:00.123456789Z") for entry in entries)
    out = [entry["log"] for entry in entries if entry["stream"] == "stdout"]
    assert out == ['{"level":"INFO"}\n', "ä\n", "x" * 16384, "x" * (20000 - 16384) + "\n", "last"]
    assert [entry["log"] for entry in entries if entry["stream"] == "stderr"] == ["oops\n"]


def test_a_container_log_is_rotated_by_size_without_losing_a_line(tmp_path: Path) -> None:
    log = ContainerLog(tmp_path / "pod", max_bytes=1000, keep=2)
    for number in range(30):
        log.write(f"line {number}\n", "stdout")
    log.close()
    files = [tmp_path / "pod" / f"pod-json.log{suffix}" for suffix in (".2", ".1", "")]
    kept = [json.loads(line)["log"] for file in files for line in file.read_text().splitlines()]
    assert kept == [f"line {number}\n" for number in range(30 - len(kept), 30)]
    assert len(kept) > 20
    assert all(file.stat().st_size < 1200 for file in files)


def test_a_plain_log_that_grows_too_large_is_emptied_and_its_text_kept_once(tmp_path: Path) -> None:
    path = tmp_path / "part.log"
    with path.open("ab", buffering=0) as writer:
        writer.write(b"old\n" * 10)
        shorten(path, max_bytes=100)
        assert path.stat().st_size == 40
        writer.write(b"old\n" * 100)
        shorten(path, max_bytes=100)
        writer.write(b"new\n")
    assert path.read_bytes() == b"new\n"
    assert (tmp_path / "part.log.1").stat().st_size == 440


def test_parts_may_only_depend_on_parts_before_them(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a depends on \['b'\]"):
        Supervisor([Part("a", ("true",), depends_on=("b",)), Part("b", ("true",))], tmp_path)


# The commands, on two real parts: a cache and an exporter.
KEPT = {"valkey", "redis-exporter"}


@pytest.fixture
def make_plan(tmp_path: Path) -> Iterator[Callable[[str], Plan]]:
    plans: list[Plan] = []

    def make(name: str) -> Plan:
        taken = {port for plan in plans for port in range(plan.base_port, plan.base_port + 60)}
        while True:
            base = random.randrange(20000, 30000)
            ports = range(base, base + 60)
            if not taken & set(ports) and all(port_is_free(port) for port in ports):
                break
        plans.append(Plan(home=tmp_path / name, base_port=base))
        return plans[-1]

    yield make
    for plan in plans:
        demo(plan, "stop")


def demo(plan: Plan, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    if command == "up":
        arguments += tuple(
            word for part in all_parts(plan) if part.name not in KEPT for word in ("--without", part.name)
        )
    return subprocess.run(
        [sys.executable, "-m", "demo", command, *arguments],
        cwd=ROOT,
        env={**os.environ, "DEMO_HOME": str(plan.home), "DEMO_BASE_PORT": str(plan.base_port)},
        capture_output=True,
        text=True,
        check=False,
    )


def processes(plan: Plan) -> dict[str, object]:
    state = read_state(plan.run)
    assert state is not None
    return {name: part.identity for name, part in state.parts.items()}


@pytest.mark.integration
def test_detach_returns_when_ready_and_status_and_stop_find_what_it_started(make_plan: Callable[[str], Plan]) -> None:
    plan = make_plan("one")
    assert demo(plan, "status").returncode == 3
    up = demo(plan, "up", "--detach")
    assert up.returncode == 0, up.stdout + up.stderr
    assert "Ready after" in up.stdout
    assert listens(plan.valkey_port)
    assert listens(plan.redis_exporter_port)

    status = demo(plan, "status")
    assert status.returncode == 0
    rows = {line.split()[0]: line.split()[1:] for line in status.stdout.splitlines()[2:]}
    assert set(rows) == KEPT
    state = read_state(plan.run)
    assert state is not None
    identity = state.parts["valkey"].identity
    assert identity is not None
    assert rows["valkey"][:3] == ["ready", str(identity.pid), str(plan.valkey_port)]

    again = demo(plan, "up", "--detach")
    assert again.returncode == 0
    assert "Already running" in again.stdout

    assert demo(plan, "stop").stdout.endswith("Stopped.\n")
    assert not listens(plan.valkey_port)
    assert not is_alive(identity)
    assert not is_alive(state.supervisor)
    assert demo(plan, "status").returncode == 3


@pytest.mark.integration
def test_two_copies_run_side_by_side_and_stop_one_by_one(make_plan: Callable[[str], Plan]) -> None:
    one, two = make_plan("one"), make_plan("two")
    assert demo(one, "up", "--detach").returncode == 0
    assert demo(two, "up", "--detach").returncode == 0
    assert demo(one, "stop").returncode == 0
    assert not listens(one.valkey_port)
    assert listens(two.valkey_port)
    assert demo(two, "status").returncode == 0


@pytest.mark.integration
def test_what_a_killed_supervisor_leaves_is_ended_by_the_next_start_and_by_stop(
    make_plan: Callable[[str], Plan],
) -> None:
    plan = make_plan("one")
    assert demo(plan, "up", "--detach").returncode == 0
    for ended_by in (("up", "--detach"), ("stop",)):
        state = read_state(plan.run)
        assert state is not None
        before = processes(plan)
        os.kill(state.supervisor.pid, signal.SIGKILL)
        asyncio.run(until(lambda killed=state.supervisor: not is_alive(killed)))  # type: ignore[misc]
        assert listens(plan.valkey_port)
        assert "killed" in demo(plan, "status").stdout
        done = demo(plan, *ended_by)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("left over") == len(KEPT)
        assert not any(identity is not None and is_alive(identity) for identity in before.values())
    assert not listens(plan.valkey_port)


@pytest.mark.integration
def test_a_failing_detached_start_says_why_and_leaves_nothing(make_plan: Callable[[str], Plan]) -> None:
    plan = make_plan("one")
    with socket.socket() as stranger:
        stranger.bind((HOST, plan.valkey_port))
        stranger.listen()
        up = demo(plan, "up", "--detach")
    assert up.returncode == 1
    assert f"Port {plan.valkey_port} (valkey)" in up.stdout
    assert not listens(plan.redis_exporter_port)
