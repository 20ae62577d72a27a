"""What the supervisor leaves on disk about its parts, for ``status``, ``stop`` and the next start.

One JSON file, replaced as a whole at every change. It is written before a part counts as started, so
that a supervisor that is killed without warning leaves a true list of what it started.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from demo.plan import ROOT
from demo.supervisor_processes import Identity, end_group, is_alive, uptime_seconds

STATE_FILE = "supervisor.json"
LOCK_FILE = "supervisor.lock"


@dataclass(frozen=True)
class PartState:
    """Where one part stands.

    Attributes:
        state: ``waiting``, ``starting``, ``ready``, ``done`` (a task that ended well), ``restarting``,
            ``failed`` or ``stopped``.
        identity: Its process, when it has one.
        ports: The ports it listens on; the first is the one to talk to.
        restarts: How often it was started again after a crash.
        stop_signal: Number of the signal that ends it.
        stop_seconds: How long it may take to end before force is used.
    """

    state: str = "waiting"
    identity: Identity | None = None
    ports: tuple[int, ...] = ()
    restarts: int = 0
    stop_signal: int = signal.SIGTERM
    stop_seconds: float = 15.0


@dataclass(frozen=True)
class State:
    """The whole installation.

    Attributes:
        supervisor: The supervisor's own process.
        phase: ``starting``, ``ready``, ``failed``, ``stopping`` or ``stopped``.
        parts: By name, in the order in which they are declared.
    """

    supervisor: Identity
    phase: str
    parts: Mapping[str, PartState] = field(default_factory=dict)


def write_state(folder: Path, state: State) -> None:
    """Replace the state file in ``folder``."""
    draft = folder / (STATE_FILE + ".new")
    draft.write_text(json.dumps(asdict(state), indent=1))
    draft.replace(folder / STATE_FILE)


def read_state(folder: Path) -> State | None:
    """The state that the last supervisor wrote in ``folder``, or ``None`` when none ever ran there."""
    try:
        raw = json.loads((folder / STATE_FILE).read_text())
    except FileNotFoundError:
        return None
    parts = {
        name: PartState(
            **{
                **part,
                "identity": Identity(**part["identity"]) if part["identity"] else None,
                "ports": tuple(part["ports"]),
            }
        )
        for name, part in raw["parts"].items()
    }
    return State(supervisor=Identity(**raw["supervisor"]), phase=raw["phase"], parts=parts)


def running_supervisor(folder: Path) -> Identity | None:
    """The living supervisor of ``folder``, if there is one."""
    state = read_state(folder)
    return state.supervisor if state is not None and is_alive(state.supervisor) else None


def end_leftovers(folder: Path, home: Path) -> list[str]:
    """End what a supervisor that was killed left running; blocks until it is gone.

    Args:
        folder: Folder of the state file.
        home: Folder of the installation's data.

    Returns:
        The names of the parts that had to be ended, last one declared first.
    """
    state = read_state(folder)
    if state is None or is_alive(state.supervisor):
        return []
    return [
        name
        for name, part in reversed(list(state.parts.items()))
        if part.identity is not None
        and end_group(part.identity, part.stop_signal, part.stop_seconds, folders=(ROOT, home))
    ]


def table(state: State) -> list[str]:
    """The state as lines of text: part, state, process id, port, uptime, restarts."""
    lines = [f"{'part':<22}{'state':<12}{'pid':>8}{'port':>8}{'uptime':>11}{'restarts':>10}"]
    for name, part in state.parts.items():
        alive = part.identity is not None and is_alive(part.identity)
        claimed = part.state in {"ready", "starting"}
        shown = "gone" if claimed and part.identity is not None and not alive else part.state
        pid = str(part.identity.pid) if alive and part.identity else "-"
        uptime = _duration(uptime_seconds(part.identity)) if alive and part.identity else "-"
        port = str(part.ports[0]) if part.ports else "-"
        lines.append(f"{name:<22}{shown:<12}{pid:>8}{port:>8}{uptime:>11}{part.restarts:>10}")
    return lines


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"
