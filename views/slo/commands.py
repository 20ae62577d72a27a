"""``python -m cli rules``: the Prometheus rules that belong to a file of objectives."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from collectors import slo_rules, slos
from settings import Settings
from views.subject import MISTAKE, Command


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--slo", type=Path, default=slos.CATALOG, help="file of objectives (default: the shipped one)")
    parser.add_argument("--job", default="synaptic", help="the job label of Synaptic's metrics (default: %(default)s)")


def _run(_: Settings | None, chosen: Namespace) -> int:
    file: Path = chosen.slo
    try:
        objectives = slos.load(file)
    except slos.SlosError as error:
        print(error, file=sys.stderr)
        return MISTAKE
    for remark in (remark for one in objectives.values() for remark in one.remarks):
        print(f"{file.name}: {remark}", file=sys.stderr)
    print(slo_rules.rules(objectives.values(), job=chosen.job), end="")
    return 0


RULES = Command("rules", "print the Prometheus rules of the objectives", _arguments, _run, needs_settings=False)
