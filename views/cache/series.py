"""What charts show of the samples of the cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from analysis.series import Series
from collectors.cache import Answer
from collectors.errors import SourceError
from collectors.registry import Sources
from collectors.span import Span
from views.cache.history import History, Memory, load_history
from views.cache.rules import samples as cache_samples
from views.cache.rules.samples import Between, Sample
from views.shared.events import events_or_none
from views.shared.parallel import side_by_side

OWN_COMMANDS = frozenset(
    {"client|list", "client|setname", "config|get", "info", "latency|histogram", "memory|usage", "slowlog|get"}
)
"""Commands of those who look, this console among them; they are left out of what the service does."""


Draw = Callable[[History], pd.DataFrame]


def load_samples(
    sources: Sources, memory: Memory, kind: str, span: Span, earlier: Span | None = None
) -> Answer[Series]:
    """Something about the cache over a window, as a chart shows it.

    Args:
        sources: The environment's sources.
        memory: Where samples are kept.
        kind: A key of ``KINDS``.
        span: When.
        earlier: The span of the earlier period to draw beside it.

    Raises:
        SourceError: It does not answer, and no sample of the window is kept.
    """
    one = KINDS[kind]
    kept, events = side_by_side(partial(load_history, sources, memory, span), partial(events_or_none, sources, span))
    history: History = kept.value
    previous = None
    if earlier is not None:
        try:
            previous = one.draw(load_history(sources, memory, earlier).value)
            previous.index = previous.index + (span.start - earlier.start)
        except SourceError:
            previous = None
    frame = one.draw(history)
    if history.error is None and history.samples:  # cells that are not over yet are no gap
        unknown = frame.isna().all(axis=1) & (frame.index > history.samples[-1].moment)
        frame = frame[~unknown]
    if not history.covered and one.counted:
        frame = frame.iloc[:0]
    series = Series(one.title, one.unit, one.help, frame, previous=previous, events=events, remarks=history.remarks)
    return Answer(series, kept.as_of, kept.error)


@dataclass(frozen=True)
class Kind:
    """Something that is drawn of the samples.

    Attributes:
        title: What it is.
        unit: Unit of its values.
        help: What it means and where it comes from.
        draw: Makes its frame.
        counted: Whether it is a difference of counters, of which one sample tells nothing.
    """

    title: str
    unit: str
    help: str
    draw: Draw
    counted: bool = True


def rated(names: Mapping[str, str]) -> Draw:
    """Counters a second under names of their own."""

    def draw(history: History) -> pd.DataFrame:
        frame = cache_samples.rates(history.found, list(names), history.cells, history.longest)
        return frame.clip(lower=0.0).rename(columns=dict(names))

    return draw


def _memory(history: History) -> pd.DataFrame:
    names = {"used_memory": "used", "used_memory_rss": "taken of the machine", "maxmemory": "maxmemory"}
    frame = cache_samples.levels(history.samples, list(names), history.cells, history.longest)
    frame["maxmemory"] = frame["maxmemory"].where(frame["maxmemory"] > 0)
    return frame.rename(columns=names).dropna(axis=1, how="all")


def _clients(history: History) -> pd.DataFrame:
    names = {"connected_clients": "connected", "blocked_clients": "blocked"}
    return cache_samples.levels(history.samples, list(names), history.cells, history.longest).rename(columns=names)


MOST_LINES = 6
"""Commands that are drawn one by one; the others are one."""


def _commands(history: History) -> pd.DataFrame:
    """Seconds of the server's time a second that commands took, the largest ones and the rest."""
    found = [one for one in history.found if not one.broken]
    names = {name for one in found for name in one.after.commands} - OWN_COMMANDS
    sums = {name: sum((gain or (0, 0))[1] for one in found for gain in [one.calls(name)]) for name in names}
    largest = sorted(sums, key=lambda name: -sums[name])[:MOST_LINES]
    rest = names - set(largest)
    as_counters = [
        Between(_with_times(one.before, largest, rest), _with_times(one.after, largest, rest), one.broken)
        for one in history.found
    ]
    shown = [*largest, *(["others"] if rest else [])]
    return cache_samples.rates(as_counters, shown, history.cells, history.longest).clip(lower=0.0)


def _with_times(sample: Sample, largest: list[str], rest: set[str]) -> Sample:
    told = {name: sample.commands.get(name, (0, 0))[1] / 1e6 for name in largest}
    told["others"] = sum(usec for name, (_, usec) in sample.commands.items() if name in rest) / 1e6
    return Sample(sample.moment, sample.run_id, told)


QUANTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}


def _latency(history: History) -> pd.DataFrame:
    """How long commands took, by the bounds of the server's own histograms."""
    if not len(history.cells):
        return pd.DataFrame(columns=list(QUANTILES), dtype=float)
    step = history.step.total_seconds()
    ends = cache_samples.seconds_of(history.cells)
    cells: dict[int, list[Between]] = {}
    for one in history.found:
        if 0 < one.seconds <= history.longest:
            cells.setdefault(int(np.searchsorted(ends, one.after.moment.timestamp() - step / 2)), []).append(one)
    rows = []
    for place in range(len(ends)):
        histogram = cache_samples.took(cells.get(place, []), without=OWN_COMMANDS)
        rows.append({name: cache_samples.quantile(histogram, share) for name, share in QUANTILES.items()})
    return pd.DataFrame(rows, index=history.cells, columns=list(QUANTILES), dtype=float)


KINDS: dict[str, Kind] = {
    "hits": Kind(
        "Look-ups",
        "1/s",
        "Reads of keys a second that found it (hit) and that did not (miss), as the cache itself counts them: "
        "differences of keyspace_hits and keyspace_misses in INFO. What TYPE and PTTL found is left out: the "
        "console's own look at "
        "the keys consists of them. Sampled once a minute by the worker; where no sample is, there is a gap.",
        rated({"hits": "hit", "keyspace_misses": "miss"}),
    ),
    "memory": Kind(
        "Memory",
        "B",
        "used_memory, used_memory_rss and maxmemory of INFO. What is used counts against maxmemory; what is taken of "
        "the machine has fragmentation and buffers in it.",
        _memory,
        counted=False,
    ),
    "removed": Kind(
        "Keys removed",
        "1/s",
        "Keys a second that came to the end of their time to live (expired_keys) and that were thrown away to make "
        "room (evicted_keys), differences of INFO.",
        rated({"evicted_keys": "evicted", "expired_keys": "expired"}),
    ),
    "commands": Kind(
        "Time by command",
        "ratio",
        "Share of one core that commands took: differences of usec in INFO commandstats. A server runs them one after "
        "the other, so all together reach 1 at most, and the higher they are the longer each one waits. INFO and other "
        "commands of those who only look are left out.",
        _commands,
    ),
    "latency": Kind(
        "Time of commands",
        "s",
        "How long a call took at most, for half of the calls, 99 and 99.9 of 100: differences of LATENCY HISTOGRAM. "
        "Its buckets are a factor of two wide, and so is the uncertainty. Waiting in line and the network are not "
        "in it; "
        "commands that wait on purpose (BLPOP, XREAD and their kin) are left out.",
        _latency,
    ),
    "clients": Kind(
        "Clients",
        "count",
        "connected_clients and blocked_clients of INFO; who is blocked waits in a command such as BLPOP.",
        _clients,
        counted=False,
    ),
}
"""What can be drawn of the samples."""
