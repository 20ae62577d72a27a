"""Thirty days of metrics and two days of logs, as if the installation had been running all along."""

from __future__ import annotations

from demo.plan import Plan


def backfill(plan: Plan) -> None:
    """Fills in what is missing of the metrics and the logs.

    The store of log lines must answer; Prometheus must not run, as its data folder is written.
    """
    # Here and not above: who ships logs needs none of this.
    from demo.history import logs, metrics

    metrics.backfill(plan)
    logs.backfill(plan)
