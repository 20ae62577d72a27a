"""Writes ``docs/signals.md`` from ``collectors/catalog/signals.toml``: ``python -m scripts.signals_reference``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from collectors.signals import Signal, catalogue

PAGE = Path(__file__).resolve().parent.parent / "docs" / "signals.md"

HEAD = """\
# Signals

<!-- Written by `python -m scripts.signals_reference` from `collectors/catalog/signals.toml`; edit that file. -->

Everything that the console can say about Synaptic from its metrics. A signal lists candidate names for each metric; all
that the server has are used together, because some builds put the namespace in front of names that hold it already.
`$replica` is the replica label of the settings; `$rate` is how far a rate looks back, which follows from step and
scrape interval. To add a signal, add a table to the file; its head says what the keys mean.
"""


def text() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(line for signal in catalogue().values() for line in _section(signal))])


def main() -> None:
    """Write the page."""
    PAGE.write_text(text(), encoding="utf-8")


def _section(signal: Signal) -> Iterator[str]:
    yield from [f"## {signal.title}: `{signal.key}`", "", signal.help, "", f"- Unit: {signal.unit}"]
    if signal.by:
        yield f"- Split or filtered by: {', '.join(f'`{label}`' for label in signal.by)}"
    if signal.threshold is not None:
        way = "from there down" if signal.threshold.below else "from there up"
        stages = [("at risk", signal.threshold.risk), ("broken", signal.threshold.broken)]
        told = ", ".join(f"{name} at {value:g}" for name, value in stages if value is not None)
        yield f"- Threshold ({signal.threshold.label}): {told}, {way}"
    if signal.runbook:
        yield f"- Runbook: `{signal.runbook}`"
    for slot, metric in signal.metrics.items():
        names = ", ".join(f"`{name}{metric.suffix}`" for name in metric.names)
        yield f"- `${slot}`: {names}" + ("" if metric.own else " (of any job)")
    yield from ["", "```promql", " ".join(signal.query.split()), "```", ""]


if __name__ == "__main__":
    main()
