"""The parts of the demo, as data for the supervisor; one module a kind of program."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from demo.parts import console, monitoring, nginx, postgres, stores, synaptic
from demo.plan import Plan
from demo.supervisor_part import Part, StartError


def all_parts(plan: Plan, without: Collection[str] = ()) -> tuple[Part, ...]:
    """Everything that runs, in the order in which it is shown.

    Args:
        plan: Ports, folders and names of this copy.
        without: Names of parts to leave out, for example ``console`` when one runs it by hand.

    Raises:
        StartError: A program is not installed, or ``without`` names an unknown part.
    """
    parts = (
        *postgres.parts(plan),
        stores.valkey(plan),
        stores.elasticsearch(plan),
        console.part(plan),
        *synaptic.service(plan),
        *monitoring.parts(plan),
        *nginx.parts(plan),
        *synaptic.users(plan),
    )
    unknown = set(without) - {part.name for part in parts}
    if unknown:
        names = ", ".join(part.name for part in parts)
        raise StartError(f"There is no part called {', '.join(sorted(unknown))}. The parts are: {names}.")
    shared = synaptic.shared_environment(plan)
    return tuple(
        replace(
            part,
            environment={**shared, **part.environment},
            depends_on=tuple(name for name in part.depends_on if name not in without),
        )
        for part in parts
        if part.name not in without
    )
