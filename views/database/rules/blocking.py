"""Who waits for whom: the sessions of a database as trees, each from the session that keeps all others waiting.

What a session waits for are all sessions that ``pg_blocking_pids`` names: holders of a conflicting lock, and those
that stand before it in the queue for one. So behind a queue each session has many blockers. It is drawn once, below
the one of them that is nearest to a root, and names the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

PREPARED = 0
"""The number under which a prepared transaction appears among blockers: no process belongs to it."""


@dataclass(frozen=True, slots=True)
class Node:
    """One session in a tree.

    Attributes:
        pid: Its process; :data:`PREPARED` for prepared transactions.
        depth: 0 for a root.
        parent: The blocker that it is drawn below; ``None`` for a root.
        blockers: All that it waits for, ``parent`` among them.
        waited: Seconds that it has waited; ``None`` for a root, and where unknown.
        behind: How many sessions wait for it, directly or through others.
        elsewhere: Sessions that wait for it directly and are drawn below another blocker.
        cycle: Whether it waits for itself through others: a deadlock that the server is about to end.
    """

    pid: int
    depth: int
    parent: int | None
    blockers: tuple[int, ...]
    waited: float | None
    behind: int
    elsewhere: tuple[int, ...] = ()
    cycle: bool = False


def blocking(blocked_by: Mapping[int, Iterable[int]], waited: Mapping[int, float | None] | None = None) -> list[Node]:
    """The trees, in the order in which they are drawn: each node before those below it.

    Args:
        blocked_by: Session → the sessions in its way. Those without any may be left out.
        waited: Session → seconds that it has waited.

    Returns:
        The root with the most sessions behind it first; below one node the longest wait first. Where all wait in a
        circle the one that waits longest is the root. Equal ones are in the order of their numbers, so that a second
        look at the same sessions has the same order.
    """
    ages = waited or {}
    above = {pid: tuple(sorted(set(blockers))) for pid, blockers in blocked_by.items()}
    above = {pid: blockers for pid, blockers in above.items() if blockers}
    below: dict[int, list[int]] = {}
    for pid, blockers in above.items():
        for blocker in blockers:
            below.setdefault(blocker, []).append(pid)
    everyone = sorted({*above, *below})
    groups = _circles(everyone, above)
    behind = _behind(groups, below)
    circling = {pid for group in groups for pid in group if len(group) > 1 or pid in above.get(pid, ())}

    def first(pid: int) -> tuple[float, int]:
        return -(ages.get(pid) or 0.0), pid

    free = [group for group in groups if all(blocker in group for pid in group for blocker in above.get(pid, ()))]
    roots = sorted((min(group, key=first) for group in free), key=lambda pid: (-behind[pid], *first(pid)))
    parents, depths = _nearest(roots, below, first)
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        if parent is not None:
            children.setdefault(parent, []).append(pid)
    nodes: list[Node] = []
    open_ones = list(reversed(roots))
    while open_ones:
        pid = open_ones.pop()
        own = sorted(children.get(pid, ()), key=first)
        elsewhere = tuple(sorted(set(below.get(pid, ())) - set(own) - {pid}))
        age = ages.get(pid) if pid in above else None
        nodes.append(
            Node(pid, depths[pid], parents[pid], above.get(pid, ()), age, behind[pid], elsewhere, pid in circling)
        )
        open_ones.extend(reversed(own))
    return nodes


def _nearest(
    roots: Sequence[int], below: Mapping[int, Sequence[int]], first: Callable[[int], tuple[float, int]]
) -> tuple[dict[int, int | None], dict[int, int]]:
    """Parent and depth of each, by the shortest way from a root."""
    parents: dict[int, int | None] = dict.fromkeys(roots)
    depths = dict.fromkeys(roots, 0)
    level = list(roots)
    while level:
        following: list[int] = []
        for pid in level:
            for waiter in below.get(pid, ()):
                if waiter not in parents:
                    parents[waiter] = pid
                    depths[waiter] = depths[pid] + 1
                    following.append(waiter)
        level = sorted(following, key=first)
    return parents, depths


def _behind(groups: Sequence[Sequence[int]], below: Mapping[int, Sequence[int]]) -> dict[int, int]:
    """How many wait behind each. Sets are kept as bits: a queue of a thousand has half a million pairs."""
    places = {pid: place for place, pid in enumerate(pid for group in groups for pid in group)}
    reach: dict[int, int] = {}
    counts: dict[int, int] = {}
    # The groups come with blockers before those that wait, so backwards what is below is known.
    for group in reversed(groups):
        members = 0
        for pid in group:
            members |= 1 << places[pid]
        found = members
        for pid in group:
            for waiter in below.get(pid, ()):
                found |= reach.get(waiter, 0)
        for pid in group:
            reach[pid] = found
            counts[pid] = (found & ~(1 << places[pid])).bit_count()
    return counts


def _circles(everyone: Sequence[int], above: Mapping[int, Sequence[int]]) -> list[list[int]]:
    """Groups of sessions that wait for each other, most of one member; blockers before those that wait for them.

    Tarjan's strongly connected components, without recursion: a chain may be longer than Python's stack.
    """
    numbers: dict[int, int] = {}
    lowest: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    groups: list[list[int]] = []
    for start in everyone:
        if start in numbers:
            continue
        work = [(start, iter(above.get(start, ())))]
        numbers[start] = lowest[start] = len(numbers)
        stack.append(start)
        on_stack.add(start)
        while work:
            pid, rest = work[-1]
            for blocker in rest:
                if blocker not in numbers:
                    numbers[blocker] = lowest[blocker] = len(numbers)
                    stack.append(blocker)
                    on_stack.add(blocker)
                    work.append((blocker, iter(above.get(blocker, ()))))
                    break
                if blocker in on_stack:
                    lowest[pid] = min(lowest[pid], numbers[blocker])
            else:
                work.pop()
                if work:
                    lowest[work[-1][0]] = min(lowest[work[-1][0]], lowest[pid])
                if lowest[pid] == numbers[pid]:
                    group = []
                    while True:
                        member = stack.pop()
                        on_stack.discard(member)
                        group.append(member)
                        if member == pid:
                            break
                    groups.append(group)
    return groups
