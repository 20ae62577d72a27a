"""What spent an error budget: the episodes in which it was spent fast, and what went in single failures between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from views.slo.rules.budgets import ENOUGH_BAD, Buckets, Window, counted, tally

FAST = 2.0
"""Burn rate beyond which a stretch of time belongs to an episode: twice as fast as the budget may be spent."""

APART = 1800.0
"""Seconds between two fast stretches up to which they are one episode."""


@dataclass(frozen=True)
class Episode:
    """A time in which the budget was spent fast.

    Attributes:
        start: Epoch seconds at which its first stretch begins.
        first: Epoch seconds at which its first stretch ends: it began somewhere between the two.
        end: Epoch seconds at which its last stretch ends.
        bad: Bad events.
        total: All events.
        spent: Share of the period's budget that they were.
    """

    start: float
    first: float
    end: float
    bad: float
    total: float
    spent: float


@dataclass(frozen=True)
class Ledger:
    """Everything that a period's budget was spent on.

    Attributes:
        episodes: The newest first.
        rest: Share of the budget that was spent outside of them.
    """

    episodes: tuple[Episode, ...]
    rest: float


def ledger(buckets: Buckets, start: float, end: float, objective: float, excluded: Sequence[Window] = ()) -> Ledger:
    """What the budget of a period was spent on.

    A stretch of time belongs to an episode where at least ``ENOUGH_BAD`` of its events were bad and the budget burnt
    faster than ``FAST``; stretches up to ``APART`` from each other are one, with what lies between them.

    Args:
        buckets: The events.
        start: Epoch seconds of the period's start.
        end: Epoch seconds of its end.
        objective: Share of events that must be good.
        excluded: Stretches whose events count neither as good nor as bad.
    """
    whole = tally(buckets, start, end, excluded)
    if whole.total <= 0:
        return Ledger((), 0.0)
    allowed = 1.0 - objective
    shares = counted(buckets, start, end, excluded) / (buckets.ends - buckets.starts)
    bad, total = (np.where(buckets.known, shares * np.nan_to_num(one), 0.0) for one in (buckets.bad, buckets.total))
    places = np.flatnonzero((bad >= ENOUGH_BAD) & (bad > FAST * allowed * total))
    groups: list[list[int]] = []
    for place in places.tolist():
        if groups and buckets.starts[place] - buckets.ends[groups[-1][-1]] <= APART:
            groups[-1].append(place)
        else:
            groups.append([place])
    found = [
        Episode(
            float(max(buckets.starts[group[0]], start)),
            float(buckets.ends[group[0]]),
            float(min(buckets.ends[group[-1]], end)),
            float(bad[inside].sum()),
            float(total[inside].sum()),
            float(bad[inside].sum() / (allowed * whole.total)),
        )
        for group in groups
        for inside in [slice(group[0], group[-1] + 1)]
    ]
    spent = whole.bad / (allowed * whole.total)
    return Ledger(tuple(reversed(found)), max(spent - sum(one.spent for one in found), 0.0))
