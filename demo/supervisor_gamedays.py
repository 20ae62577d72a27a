"""Game days: a fault runs beside the installation, in a process of its own, until it is healed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from demo.plan import ROOT, Plan
from demo.supervisor_logs import last_lines
from demo.supervisor_processes import Identity, end_group, identity_of, is_alive

# A fault that was told to end heals what it did; bad deploys restart three replicas in turn.
HEAL_SECONDS = 60.0
# A fault that cannot begin says so within this time.
BEGIN_SECONDS = 3.0


def start_gameday(plan: Plan, fault: str, environment: Mapping[str, str]) -> int:
    """Start a fault and leave it running.

    Args:
        plan: The installation to injure.
        fault: Name of the fault.
        environment: Variables of its process.

    Returns:
        0 when it runs (or did its work and ended well), its exit code when it could not begin.
    """
    if is_alive_by_name(plan, fault):
        print(f"{fault} is already running; `make gameday FAULT=off` heals.")
        return 0
    path = plan.logs / f"gameday-{fault}.log"
    with path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "demo.faults", fault],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env=environment,
            start_new_session=True,
        )
    identity = identity_of(process.pid)
    if identity is not None:
        _write(plan, {**_read(plan), fault: identity})
    until = time.monotonic() + BEGIN_SECONDS
    while time.monotonic() < until and process.poll() is None:
        time.sleep(0.1)
    print("\n".join(last_lines(path)))
    if process.returncode:
        return process.returncode
    print(f"{fault} is on; `make gameday FAULT=off` heals. Its log: {path}")
    return 0


def is_alive_by_name(plan: Plan, fault: str) -> bool:
    """Whether this fault runs now."""
    identity = _read(plan).get(fault)
    return identity is not None and is_alive(identity)


def end_gamedays(plan: Plan) -> list[str]:
    """End all faults that run, letting each heal what it did.

    Returns:
        The names of those that were ended.
    """
    ended = [
        name
        for name, identity in _read(plan).items()
        if end_group(identity, signal.SIGTERM, HEAL_SECONDS, folders=(ROOT,))
    ]
    _file(plan).unlink(missing_ok=True)
    return ended


def _file(plan: Plan) -> Path:
    return plan.run / "gamedays.json"


def _read(plan: Plan) -> dict[str, Identity]:
    try:
        raw = json.loads(_file(plan).read_text())
    except FileNotFoundError:
        return {}
    return {name: Identity(**identity) for name, identity in raw.items()}


def _write(plan: Plan, running: Mapping[str, Identity]) -> None:
    _file(plan).write_text(json.dumps({name: asdict(identity) for name, identity in running.items()}))
