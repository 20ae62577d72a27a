"""``python -m demo.history metrics`` or ``logs``: fills in what is missing of the one or the other.

Two tasks for the supervisor: metrics are written before Prometheus starts, logs when their store answers.
"""

from __future__ import annotations

import argparse

from demo.plan import Plan


def main() -> None:
    """Fill in one kind of history and say what was done."""
    parser = argparse.ArgumentParser(prog="python -m demo.history", description=__doc__)
    parser.add_argument("kind", choices=("metrics", "logs"))
    kind = parser.parse_args().kind
    plan = Plan.from_environment()
    # Each needs libraries that the other does not.
    if kind == "metrics":
        from demo.history import metrics

        print(metrics.backfill(plan))
    else:
        from demo.history import logs

        print(logs.backfill(plan))


if __name__ == "__main__":
    main()
