"""The demo's commands: ``python -m demo up | status | stop | gameday``; see ``make help``."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from demo.parts import all_parts, console
from demo.parts.synaptic import shared_environment
from demo.plan import HOST, ROOT, Plan
from demo.supervisor import Supervisor
from demo.supervisor_gamedays import end_gamedays, start_gameday
from demo.supervisor_part import StartError
from demo.supervisor_processes import end_group, is_alive
from demo.supervisor_state import end_leftovers, read_state, running_supervisor, table

# Twice the longest time that one part may take to end, several of which end one after the other.
STOP_SECONDS = 120.0
# As the Linux Standard Base has it for "status": the program is not running.
NOT_RUNNING = 3


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0 when it did what was asked, 1 when not, 3 when ``status`` finds nothing running.
    """
    parser = argparse.ArgumentParser(prog="python -m demo", description="A Synaptic installation on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    up_parser = commands.add_parser("up", help="start everything; Ctrl-C stops it")
    up_parser.add_argument("--detach", action="store_true", help="return when everything is ready")
    up_parser.add_argument("--without", action="append", default=[], metavar="PART", help="leave a part out")
    commands.add_parser("status", help="show each part")
    commands.add_parser("stop", help="stop everything")
    gameday_parser = commands.add_parser("gameday", help="injure the installation")
    gameday_parser.add_argument("fault", nargs="?", default="", help="its name, or off; without one: the list")
    options = parser.parse_args(arguments)
    plan = Plan.from_environment()
    try:
        match options.command:
            case "up":
                return up_detached(plan, options.without) if options.detach else up(plan, options.without)
            case "status":
                return status(plan)
            case "stop":
                return stop(plan)
            case _:
                return gameday(plan, options.fault)
    except StartError as error:
        print(error, file=sys.stderr)
        return 1


def up(plan: Plan, without: list[str]) -> int:
    """Start everything in the foreground and stop it at SIGINT, SIGTERM or SIGHUP.

    Raises:
        StartError: See :meth:`demo.supervisor.Supervisor.run`.
    """
    plan.run.mkdir(parents=True, exist_ok=True)
    parts = all_parts(plan, without)
    if running_supervisor(plan.run) is None:
        # A new start begins healthy: what a game day left behind is gone.
        end_gamedays(plan)
        (plan.run / "version").write_text(f"{plan.version}\n")
    print(f"Starting in {plan.home}, ports from {plan.base_port}")
    # Faults heal on a running installation.
    if "console" in without:
        # Who leaves the console out runs one by hand, with the settings that it would have had.
        plan.home.mkdir(parents=True, exist_ok=True)
        console.settings_file(plan).write_text(console.settings_text(plan))
    supervisor = Supervisor(parts, plan.home, welcome=_welcome(plan, without), farewell=partial(end_gamedays, plan))
    return asyncio.run(supervisor.run())


def _welcome(plan: Plan, without: list[str]) -> tuple[str, ...]:
    address = "left out" if "console" in without else f"http://{HOST}:{plan.console_port}"
    return (
        "",
        f"  Console        {address}",
        f"  Synaptic       http://{HOST}:{plan.nginx_port}",
        f"  Prometheus     http://{HOST}:{plan.prometheus_port}",
        "",
        "  make demo-status, make gameday FAULT=name; Ctrl-C or make demo-stop ends it.",
    )


def up_detached(plan: Plan, without: list[str]) -> int:
    """Start everything in a session of its own, show its progress, return when it is ready."""
    supervisor = running_supervisor(plan.run)
    if supervisor is not None:
        print(f"Already running (process {supervisor.pid}): http://{HOST}:{plan.console_port}")
        return 0
    plan.logs.mkdir(parents=True, exist_ok=True)
    path = plan.logs / "supervisor.log"
    options = [word for name in without for word in ("--without", name)]
    with path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "demo", "up", *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={**os.environ, "DEMO_HOME": str(plan.home), "DEMO_BASE_PORT": str(plan.base_port)},
            start_new_session=True,
        )
    try:
        return _follow(plan, process, path)
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        process.wait()
        return 1


def _follow(plan: Plan, process: subprocess.Popen[bytes], path: Path) -> int:
    """Show what the detached supervisor says until it is ready or has ended."""
    with path.open() as log:
        while True:
            ended = process.poll()
            state = read_state(plan.run)
            ready = state is not None and state.supervisor.pid == process.pid and state.phase == "ready"
            if text := log.read():
                print(text, end="", flush=True)
            if ended is not None:
                return ended or 1
            if ready:
                return 0
            time.sleep(0.1)


def status(plan: Plan) -> int:
    """Print a line for each part."""
    state = read_state(plan.run)
    if state is None or not is_alive(state.supervisor):
        killed = state is not None and state.phase not in {"failed", "stopped"}
        print("Not running." + (" It was killed: `make demo-stop` ends what it left." if killed else ""))
        return NOT_RUNNING
    console = state.parts.get("console")
    address = f", http://{HOST}:{console.ports[0]}" if console is not None else ""
    print(f"{state.phase}, supervisor {state.supervisor.pid}{address}")
    print("\n".join(table(state)))
    return 0 if state.phase == "ready" else 1


def stop(plan: Plan) -> int:
    """Stop everything, also what a supervisor that was killed left running."""
    end_gamedays(plan)
    supervisor = running_supervisor(plan.run)
    if supervisor is not None:
        os.kill(supervisor.pid, signal.SIGTERM)
        until = time.monotonic() + STOP_SECONDS
        while is_alive(supervisor) and time.monotonic() < until:
            time.sleep(0.1)
        if is_alive(supervisor):
            end_group(supervisor, signal.SIGKILL, 5.0)
    leftovers = end_leftovers(plan.run, plan.home)
    for name in leftovers:
        print(f"  {name:<22}ended (left over)")
    print("Stopped." if supervisor or leftovers else "Nothing was running.")
    return 0


def gameday(plan: Plan, fault: str) -> int:
    """List the faults, start one, or heal all."""
    environment = {**os.environ, **shared_environment(plan)}
    if not fault:
        return subprocess.run([sys.executable, "-m", "demo.faults"], cwd=ROOT, check=False).returncode
    if running_supervisor(plan.run) is None:
        raise StartError("The installation is not running: start it with `make demo DETACH=1`.")
    if fault == "off":
        end_gamedays(plan)
        done = subprocess.run([sys.executable, "-m", "demo.faults", "off"], cwd=ROOT, env=environment, check=False)
        return done.returncode
    return start_gameday(plan, fault, environment)


if __name__ == "__main__":
    sys.exit(main())
