"""Real processes that stand still: they hold their ports and connections, and answer nothing."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

_LISTENING = "0A"


def processes_of(port: int) -> list[int]:
    """The process that listens on this port of loopback, and all of its descendants."""
    wanted = {
        row.split()[9]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for row in Path(table).read_text().splitlines()[1:]
        if row.split()[3] == _LISTENING and int(row.split()[1].rpartition(":")[2], 16) == port
    }
    sockets = {f"socket:[{inode}]" for inode in wanted}
    parents: dict[int, int] = {}
    found: set[int] = set()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if any(os.readlink(one) in sockets for one in (folder / "fd").iterdir()):
                found.add(int(folder.name))
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    assert found, f"nobody listens on {port}"
    assert os.getpid() not in found
    return sorted(found)


@contextlib.contextmanager
def frozen(port: int) -> Iterator[None]:
    """Stop all processes of the program that listens on this port; they go on afterwards, whatever happened."""
    pids = processes_of(port)
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
