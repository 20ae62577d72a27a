"""What the supervisor is given: a program of the installation, as data."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from demo.supervisor_processes import port_is_free


@dataclass(frozen=True)
class Part:
    """One program of the installation.

    Attributes:
        name: What it is called on the screen, in the log folder and in other parts' ``depends_on``.
        command: Program and arguments, or a function that gives them anew at each start.
        environment: Variables beyond those of the supervisor.
        depends_on: Names of the parts that have to be ready (tasks: done) before.
        ports: Loopback ports that it will listen on; the first is the one to talk to.
        task: Whether it does its work and ends, with code 0, instead of running on.
        prepare: Called once, before the first start: writes configuration, creates data folders.
        ready: Asked until true, in a thread; without it a running process is a ready one.
        settle: Called once, in a thread, when it is ready for the first time and before anybody who
            depends on it starts; may be repeated by the next start of the installation.
        ready_seconds: How long it may take to become ready, or a task to end; longer while it is seen to work.
        stop_signal: What it understands as "please end".
        stop_seconds: How long it may take to end before force is used.
        container: Folder in which its output is kept as Docker keeps a container's; ``None`` for a plain log.
    """

    name: str
    command: Sequence[str] | Callable[[], Sequence[str]]
    environment: Mapping[str, str] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    task: bool = False
    prepare: Callable[[], None] | None = None
    ready: Callable[[], bool] | None = None
    settle: Callable[[], None] | None = None
    ready_seconds: float = 60.0
    stop_signal: int = signal.SIGTERM
    stop_seconds: float = 15.0
    container: Path | None = None


class StartError(Exception):
    """The installation cannot start; the text says why, for the person who started it."""


def refuse_busy_ports(parts: Iterable[Part]) -> None:
    """Make sure that every port is free.

    Raises:
        StartError: Some are not; the text names each with its part.
    """
    busy = [f"{port} ({part.name})" for part in parts for port in part.ports if not port_is_free(port)]
    if busy:
        noun, verb = ("Port", "is") if len(busy) == 1 else ("Ports", "are")
        raise StartError(
            f"{noun} {', '.join(busy)} {verb} used by another program: stop it, or choose other ports with "
            "DEMO_BASE_PORT, for example `DEMO_BASE_PORT=18600 make demo`."
        )
