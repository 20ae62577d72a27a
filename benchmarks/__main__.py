"""``python -m benchmarks --list`` says what can be measured, ``python -m benchmarks NAME --json`` measures it."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import textwrap
from collections.abc import Sequence

from benchmarks.measured import Benchmark

NAMES = (
    *("frames", "page", "viewers", "window30d", "paint", "logsearch", "patterns", "ash", "statements", "catalogue"),
    *("regex", "crowd"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """List or run; the exit code is 1 where an aim is not met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", choices=NAMES, help="which to run")
    parser.add_argument("--list", action="store_true", help="explain every benchmark and figure")
    parser.add_argument("--json", action="store_true", help="one JSON line instead of a table")
    chosen = parser.parse_args(arguments)
    if chosen.list or chosen.name is None:
        print("\n\n".join(described(benchmark(name)) for name in NAMES))
        return 0
    return run(benchmark(chosen.name), as_json=chosen.json)


def benchmark(name: str) -> Benchmark:
    """The benchmark of this name."""
    found: Benchmark = importlib.import_module(f"benchmarks.{name}").BENCHMARK
    return found


def described(one: Benchmark) -> str:
    """What it does and what each figure means."""
    lines = [one.name, textwrap.fill(one.about, 110, initial_indent="  ", subsequent_indent="  ")]
    for name, figure in one.figures.items():
        lines.append(f"    {name}" + (f"  (aim {figure.aim})" if figure.aim else ""))
        lines.append(textwrap.fill(figure.explanation, 110, initial_indent="      ", subsequent_indent="      "))
    return "\n".join(lines)


def run(one: Benchmark, *, as_json: bool) -> int:
    """Measure and print; 0 where every aim is met, else 1."""
    measured = one.measure()
    figures = {name: float(f"{measured[name]:.4g}") for name in one.figures}
    met = all(figure.met(measured[name]) for name, figure in one.figures.items())
    if as_json:
        aims = {name: figure.aim for name, figure in one.figures.items() if figure.aim}
        print(json.dumps({"name": one.name, "figures": figures, "aims": aims, "met": met}))
    else:
        for name, figure in one.figures.items():
            word = "" if not figure.aim else "met" if figure.met(measured[name]) else "missed"
            print(f"{name:<40} {figures[name]:>10g}  {figure.aim:<8} {word}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
