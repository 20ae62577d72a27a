"""``python -m demo.shipper``: follows the plan's container logs until SIGTERM or SIGINT."""

from __future__ import annotations

import logging
import signal
import sys
import threading

from demo.plan import Plan
from demo.shipper.delivery import ship

log = logging.getLogger("demo.shipper")


def main() -> int:
    """Ships until a signal, then sends what is there; always exit code 0."""
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("elastic_transport").setLevel(logging.WARNING)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    plan = Plan.from_environment()
    log.info("shipping %s to port %d", plan.container_logs, plan.elasticsearch_port)
    ship(plan, stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
