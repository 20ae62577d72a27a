"""Starts the parts of an installation by dependency, keeps them running, stops them in reverse order.

A part is data (:class:`Part`). Independent parts start at the same time. While starting, a part that ends
or does not become ready ends the whole start with its name and its last words; afterwards a part that ends
is started again, at once if it had run well and with growing pauses if not.

Everything that is started leads a process group and a session of its own, so that a Ctrl-C in the terminal
reaches the supervisor alone, which then stops the parts in order.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from demo.plan import ROOT
from demo.supervisor_logs import copy_output, last_lines, shorten
from demo.supervisor_part import Part, StartError, refuse_busy_ports
from demo.supervisor_processes import Identity, group_seconds, identity_of, own_identity, signal_group
from demo.supervisor_state import LOCK_FILE, PartState, State, end_leftovers, write_state

# A part that ran this long before it ended was well: it is started again at once.
WELL_SECONDS = 10.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
POLL_SECONDS = 0.1
LEAST_WORK = 0.02
"""Processor seconds that a part which is late must have used since it was last looked at, to be waited for longer: one
that only waits uses none, and on a busy machine one that works gets few."""
MOST_PATIENCE = 20
"""How many times its ready_seconds a part that is seen to work is waited for."""
PROGRESS_SECONDS = 10.0
READ_OUT_SECONDS = 2.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """Runs parts until it is told to stop.

    Args:
        parts: What to run; a part may only depend on parts before it.
        home: Folder of the installation's data; process ids and state are kept in ``home/run``, plain logs
            in ``home/logs``.
        announce: Receives each line of progress.
        welcome: Lines to announce when everything is ready.
        farewell: Called in a thread before the parts are stopped, while all of them still run.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        home: Path,
        announce: Callable[[str], None] = lambda line: print(line, flush=True),
        welcome: Sequence[str] = (),
        farewell: Callable[[], object] | None = None,
    ) -> None:
        self._parts = {part.name: part for part in parts}
        for index, part in enumerate(parts):
            if unknown := set(part.depends_on) - {earlier.name for earlier in parts[:index]}:
                raise ValueError(f"{part.name} depends on {sorted(unknown)}, which is not declared before it")
        self._home = home
        self._run_folder = home / "run"
        self._logs = home / "logs"
        self._announce = announce
        self._welcome = welcome
        self._farewell = farewell
        self._stopping = asyncio.Event()
        self._ready = {name: asyncio.Event() for name in self._parts}
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._readers: dict[str, asyncio.Task[None]] = {}
        self._state = State(
            supervisor=own_identity(),
            phase="starting",
            parts={
                name: PartState(ports=part.ports, stop_signal=int(part.stop_signal), stop_seconds=part.stop_seconds)
                for name, part in self._parts.items()
            },
        )

    async def run(self) -> int:
        """Start everything, wait for SIGINT, SIGTERM or :meth:`stop`, stop everything.

        Returns:
            0 after an ordered end, 1 when a part did not come up.

        Raises:
            StartError: Another supervisor runs here, or a port is busy. Nothing was started.
        """
        self._run_folder.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        with (self._run_folder / LOCK_FILE).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StartError("The installation is already running here: see `make demo-status`.") from None
            for name in end_leftovers(self._run_folder, self._home):
                self._announce(f"  {name:<22}ended (left over from a supervisor that was killed)")
            refuse_busy_ports(self._parts.values())
            self._write()
            loop = asyncio.get_running_loop()
            for number in STOP_SIGNALS:
                loop.add_signal_handler(number, self.stop)
            try:
                return await self._until_stopped()
            finally:
                for number in STOP_SIGNALS:
                    loop.remove_signal_handler(number)

    def stop(self) -> None:
        """Make :meth:`run` stop everything and return, as SIGINT and SIGTERM do."""
        self._stopping.set()

    async def _until_stopped(self) -> int:
        keepers: list[asyncio.Task[None]] = []
        stop = asyncio.create_task(self._stopping.wait())
        start = asyncio.create_task(self._start_all(keepers))
        failure: str | None = None
        try:
            await asyncio.wait({stop, start}, return_when=asyncio.FIRST_COMPLETED)
            if start.done():
                await start
                keepers.append(asyncio.create_task(self._shorten_logs()))
                await stop
        except StartError as error:
            failure = str(error)
        finally:
            start.cancel()
            stop.cancel()
            await asyncio.gather(start, stop, return_exceptions=True)
            try:
                if self._farewell is not None:
                    await asyncio.to_thread(self._farewell)
            finally:
                await self._stop_all(keepers)
        self._phase("failed" if failure else "stopped")
        if failure:
            self._announce(failure)
        return 1 if failure else 0

    async def _start_all(self, keepers: list[asyncio.Task[None]]) -> None:
        """Bring all parts up side by side; the first that fails cancels the others."""
        begun = time.monotonic()
        starts = {asyncio.create_task(self._bring_up(part, keepers)) for part in self._parts.values()}
        pending = starts
        try:
            while pending:
                done, pending = await asyncio.wait(
                    pending, timeout=PROGRESS_SECONDS, return_when=asyncio.FIRST_EXCEPTION
                )
                for task in done:
                    task.result()
                busy = [name for name, part in self._state.parts.items() if part.state == "starting"]
                if pending:
                    self._announce(f"  ... {time.monotonic() - begun:.0f} s, working on: {', '.join(busy)}")
        finally:
            for task in starts:
                task.cancel()
            await asyncio.gather(*starts, return_exceptions=True)
        self._announce(f"Ready after {time.monotonic() - begun:.1f} s.")
        for line in self._welcome:
            self._announce(line)
        # Last: who follows a detached start has read everything when it sees this.
        self._phase("ready")

    async def _bring_up(self, part: Part, keepers: list[asyncio.Task[None]]) -> None:
        for name in part.depends_on:
            await self._ready[name].wait()
        begun = time.monotonic()
        self._set(part, state="starting")
        try:
            if part.prepare is not None:
                await asyncio.to_thread(part.prepare)
            process = await self._spawn(part)
            await self._until_ready(part, process)
            if part.settle is not None:
                await asyncio.to_thread(part.settle)
        except StartError:
            self._set(part, state="failed")
            raise
        except Exception as error:  # a part's own hook: name the part, whatever went wrong
            self._set(part, state="failed")
            raise self._failure(part, f"{type(error).__name__}: {error}") from error
        self._set(part, state="done" if part.task else "ready")
        self._announce(f"  {part.name:<22}{'done' if part.task else 'ready':<8}{time.monotonic() - begun:6.1f} s")
        self._ready[part.name].set()
        if not part.task:
            keepers.append(asyncio.create_task(self._keep(part, process)))

    async def _spawn(self, part: Part) -> asyncio.subprocess.Process:
        """Start a part's process and note who it is, also when this is cancelled in between."""
        start = asyncio.create_task(self._start_process(part))
        try:
            return await asyncio.shield(start)
        except asyncio.CancelledError:
            await asyncio.wait({start})
            raise

    async def _start_process(self, part: Part) -> asyncio.subprocess.Process:
        command = part.command() if callable(part.command) else part.command
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **part.environment}
        piped = part.container is not None
        with (self._logs / f"{part.name}.log").open("ab") as log:
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE if piped else log,
                    stderr=asyncio.subprocess.PIPE if piped else asyncio.subprocess.STDOUT,
                    env=environment,
                    cwd=ROOT,
                    start_new_session=True,
                )
            except OSError as error:
                raise StartError(f"{part.name} cannot be started: {error}.") from error
        self._processes[part.name] = process
        self._set(part, identity=identity_of(process.pid))
        if part.container is not None:
            self._readers[part.name] = asyncio.create_task(copy_output(process, part.container))
        return process

    async def _until_ready(self, part: Part, process: asyncio.subprocess.Process) -> None:
        """Wait until a part is ready (a task: done); on a busy machine as long as it is seen to work.

        Raises:
            StartError: It ended, or its time is up and it did nothing lately, or it worked for far too long.
        """
        ended = asyncio.create_task(process.wait())
        begun = time.monotonic()
        waiting, worked = part.ready_seconds, None
        try:
            while not ended.done():
                if not part.task and (part.ready is None or await asyncio.to_thread(part.ready)):
                    return
                await asyncio.wait({ended}, timeout=POLL_SECONDS)
                waited = time.monotonic() - begun
                if worked is None and waited >= part.ready_seconds / 2:
                    worked = await asyncio.to_thread(self._work, part)
                if ended.done() or waited < waiting:
                    continue
                before, worked = worked or 0.0, await asyncio.to_thread(self._work, part)
                if worked - before < LEAST_WORK or waiting >= MOST_PATIENCE * part.ready_seconds:
                    # A task that ended while its work was read shows none.
                    await asyncio.wait({ended}, timeout=POLL_SECONDS)
                    if ended.done():
                        continue
                    raise self._failure(part, f"was not ready after {waiting:g} s")
                self._announce(f"  {part.name:<22}still at work after {waiting:g} s")
                waiting += part.ready_seconds / 2
            if part.task and process.returncode == 0:
                return
            await self._read_out(part.name)
            early = "" if part.task else " before it was ready"
            raise self._failure(part, f"ended with code {process.returncode}{early}")
        finally:
            ended.cancel()

    def _work(self, part: Part) -> float:
        """What a starting part has done so far: processor seconds of its group, and one for each kB that it said."""
        identity = self._state.parts[part.name].identity
        said = self._logs / f"{part.name}.log"
        return (group_seconds(identity) if identity else 0.0) + (said.stat().st_size / 1024 if said.exists() else 0.0)

    async def _keep(self, part: Part, process: asyncio.subprocess.Process) -> None:
        """Start a part again whenever it ends, until cancelled."""
        failures = 0
        while True:
            begun = time.monotonic()
            code = await process.wait()
            failures = 0 if time.monotonic() - begun >= WELL_SECONDS else failures + 1
            pause = min(FIRST_PAUSE_SECONDS * 2 ** (failures - 1), LONGEST_PAUSE_SECONDS) if failures else 0.0
            self._ready[part.name].clear()
            restarts = self._state.parts[part.name].restarts + 1
            self._set(part, state="restarting", restarts=restarts)
            self._announce(f"  {part.name:<22}ended with code {code}; started again in {pause:g} s")
            # Children of a leader that crashed would keep its port.
            self._force(part.name)
            await self._read_out(part.name)
            await asyncio.sleep(pause)
            try:
                process = await self._spawn(part)
                await self._until_ready(part, process)
            except StartError as error:
                self._announce(str(error))
                self._force(part.name)
                continue
            self._set(part, state="ready")
            self._ready[part.name].set()

    async def _stop_all(self, keepers: list[asyncio.Task[None]]) -> None:
        self._phase("stopping")
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        stopped = {name: asyncio.Event() for name in self._parts}
        await asyncio.gather(*(self._stop(part, stopped) for part in self._parts.values()))

    async def _stop(self, part: Part, stopped: Mapping[str, asyncio.Event]) -> None:
        for other in self._parts.values():
            if part.name in other.depends_on:
                await stopped[other.name].wait()
        process = self._processes.get(part.name)
        if process is not None:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.send_signal(part.stop_signal)
                with suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), part.stop_seconds)
            self._force(part.name)
            await process.wait()
            await self._read_out(part.name)
            if not part.task:
                self._set(part, state="stopped")
                self._announce(f"  {part.name:<22}stopped")
        stopped[part.name].set()

    async def _read_out(self, name: str) -> None:
        """Keep what an ended part said last, which may still be in its pipe."""
        reader = self._readers.pop(name, None)
        if reader is not None:
            await asyncio.wait({reader}, timeout=READ_OUT_SECONDS)
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    def _force(self, name: str) -> None:
        """Kill whatever is left of a part's process group."""
        identity = self._state.parts[name].identity
        if identity is not None:
            signal_group(identity, signal.SIGKILL, folders=(ROOT, self._home))

    async def _shorten_logs(self) -> None:
        while True:
            for path in self._logs.glob("*.log"):
                await asyncio.to_thread(shorten, path)
            await asyncio.sleep(60)

    def _failure(self, part: Part, what: str) -> StartError:
        plain = self._logs / f"{part.name}.log"
        path = plain if part.container is None else part.container / f"{part.container.name}-json.log"
        said = "".join(f"\n    {line}" for line in last_lines(path))
        return StartError(f"{part.name} {what}. Its log, {path}, ends with:{said or ' nothing'}")

    def _set(
        self, part: Part, *, state: str | None = None, identity: Identity | None = None, restarts: int | None = None
    ) -> None:
        old = self._state.parts[part.name]
        new = replace(
            old,
            state=state or old.state,
            identity=identity or old.identity,
            restarts=old.restarts if restarts is None else restarts,
        )
        self._state = replace(self._state, parts={**self._state.parts, part.name: new})
        self._write()

    def _phase(self, phase: str) -> None:
        self._state = replace(self._state, phase=phase)
        self._write()

    def _write(self) -> None:
        write_state(self._run_folder, self._state)
