"""Processes and ports of one machine: who is who, ending a group, whether a port is free.

A process id alone says nothing: after a crash or a reboot another program may have it. A process is
therefore always named by its id *and* its start time, and everything here refuses to touch another.
Linux only (``/proc``), as the rest of the demo.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from demo.plan import HOST

PROC = Path("/proc")


@dataclass(frozen=True)
class Identity:
    """One process, for ever: ids are used again, the pair is not.

    Attributes:
        pid: Process id, and id of its process group when the supervisor started it.
        started: Clock ticks after boot at which it started (field 22 of ``/proc/<pid>/stat``).
        boot: Id of the boot in which it ran.
    """

    pid: int
    started: int
    boot: str


@dataclass(frozen=True)
class _Stat:
    state: str
    group: int
    started: int
    ticks: int


def _stat(pid: int) -> _Stat | None:
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in parentheses may itself hold blanks and parentheses: count from the last one.
    fields = text.rpartition(")")[2].split()
    return _Stat(state=fields[0], group=int(fields[2]), started=int(fields[19]), ticks=sum(map(int, fields[11:15])))


def boot_id() -> str:
    """The id that the kernel gave to this boot."""
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def identity_of(pid: int) -> Identity | None:
    """The identity of a running process, or ``None`` when there is none with this id."""
    stat = _stat(pid)
    return None if stat is None or stat.state == "Z" else Identity(pid, stat.started, boot_id())


def own_identity() -> Identity:
    """The identity of this very process."""
    identity = identity_of(os.getpid())
    assert identity is not None
    return identity


def is_alive(identity: Identity) -> bool:
    """Whether exactly this process still runs (one that only waits to be reaped does not)."""
    return identity_of(identity.pid) == identity


def uptime_seconds(identity: Identity) -> float:
    """Seconds since the process started."""
    now = float((PROC / "uptime").read_text().split()[0])
    return max(0.0, now - identity.started / os.sysconf("SC_CLK_TCK"))


def group_members(identity: Identity, folders: tuple[Path, ...] = ()) -> list[int]:
    """Ids of the living processes in the group that this process leads or led.

    Args:
        identity: The leader.
        folders: When the leader is gone, only members that work in one of these folders count: its
            number may meanwhile belong to a stranger.
    """
    if identity.boot != boot_id():
        return []
    leader = identity_of(identity.pid)
    if leader is not None and leader != identity:
        return []
    members = [pid for pid, stat in _all() if stat.group == identity.pid and stat.state != "Z"]
    return members if leader is not None else [pid for pid in members if _works_in(pid, folders)]


def group_seconds(identity: Identity) -> float:
    """Processor seconds that the living members of the group and their ended children have used."""
    stats = (_stat(pid) for pid in group_members(identity))
    return sum(stat.ticks for stat in stats if stat is not None) / os.sysconf("SC_CLK_TCK")


def _all() -> Iterator[tuple[int, _Stat]]:
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))) is not None:
            yield int(entry.name), stat


def _works_in(pid: int, folders: tuple[Path, ...]) -> bool:
    try:
        current = (PROC / str(pid) / "cwd").readlink()
    except OSError:
        return False
    return any(current.is_relative_to(folder) for folder in folders)


def signal_group(identity: Identity, number: int, folders: tuple[Path, ...] = ()) -> bool:
    """Send a signal to every member of the group; false when nobody was left to receive it."""
    members = group_members(identity, folders)
    for pid in members:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    return bool(members)


def end_group(identity: Identity, stop_signal: int, patience: float, folders: tuple[Path, ...] = ()) -> bool:
    """End a group that is not our child, by signal, then by force; blocks until it is gone.

    The leader alone gets the polite signal: PostgreSQL and NGINX end their own children in order.

    Args:
        identity: The leader of the group.
        stop_signal: What it understands as "please end".
        patience: Seconds until force is used.
        folders: See :func:`group_members`.

    Returns:
        Whether anything had to be ended.
    """
    if not group_members(identity, folders):
        return False
    if is_alive(identity):
        with suppress(ProcessLookupError):
            os.kill(identity.pid, stop_signal)
    else:
        signal_group(identity, signal.SIGTERM, folders)
    until = time.monotonic() + patience
    while group_members(identity, folders):
        if time.monotonic() > until:
            signal_group(identity, signal.SIGKILL, folders)
        time.sleep(0.05)
    return True


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as listener:
        # As servers do: connections of the last run that linger in TIME_WAIT are no obstacle.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            return False
    return True


def listens(port: int) -> bool:
    """Whether somebody accepts connections on this loopback port."""
    try:
        with socket.create_connection((HOST, port), timeout=1.0):
            return True
    except OSError:
        return False
