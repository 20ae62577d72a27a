"""Runs a fault until SIGTERM: ``python -m demo.faults NAME``; ``off`` heals all; without a name: the list."""

from __future__ import annotations

import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import psycopg
from redis.exceptions import RedisError

from demo.faults import FAULTS
from demo.plan import Plan


def main(arguments: list[str]) -> int:
    """Do what the arguments say.

    Returns:
        0, or 1 when something could not be healed, or 2 for a name that is not known.
    """
    plan = Plan.from_environment()
    if not arguments:
        for fault in FAULTS.values():
            print(f"{fault.NAME:<20}{fault.SUMMARY}")
        return 0
    name = arguments[0]
    if name == "off":
        return _heal_all(plan)
    if name not in FAULTS:
        print(f"There is no fault called {name}. The faults are: {', '.join(FAULTS)}; off heals.", file=sys.stderr)
        return 2
    fault = FAULTS[name]
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    print(f"{name}: {fault.SUMMARY}", flush=True)
    for signal_name, direction in fault.MOVES.items():
        print(f"  {signal_name}: {direction}", flush=True)
    # Not in this thread: a handler that sets an event while it interrupts the very wait for it would hang.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(fault.run, plan, stop).result()
    print(f"{name}: healed. {fault.HEALS}", flush=True)
    return 0


def _heal_all(plan: Plan) -> int:
    failed = False
    for fault in FAULTS.values():
        try:
            fault.heal(plan)
        except (psycopg.Error, RedisError, OSError) as error:
            failed = True
            print(f"{fault.NAME} could not be healed: {error}", file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
