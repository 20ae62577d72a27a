"""The objectives: what is promised about Synaptic, read from ``catalog/slo.toml`` or a file of one's own.

The file is data that an SRE may change; this module only checks it. A mistake names file, objective and key.
An objective counts the events of one metric of the signal catalogue: all of them, and those that were bad
(``kind = "availability"``) or quick enough (``kind = "latency"``).
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from collectors.signals import Metric, Signal, catalogue

CATALOG = Path(__file__).parent / "catalog" / "slo.toml"

DAY = 86400
SHORTEST, LONGEST = 7, 366
"""Days that a period may have. A shorter one would need alert windows of less than four scrapes of 15 s."""

Labels = Mapping[str, Sequence[str]]


class SlosError(Exception):
    """A file of objectives has mistakes; one sentence a line."""


LONGEST_DIRECT = 6 * 3600.0
"""Seconds up to which the rules ask a window of the counters themselves; longer ones add up what was recorded."""

LEAST_RECORDED = 0.5
"""Share of a window beyond ``LONGEST_DIRECT`` that must have been measured before its burn rate counts. Otherwise the
first bad hour of a young installation would be told as a bad day."""


@dataclass(frozen=True)
class BurnRule:
    """When a burn rate is too high, over a long window and, so that it ends when the trouble ends, a short one.

    Attributes:
        factor: The burn rate that both windows must exceed; 1 spends the budget in exactly one period.
        share: The share of the period's budget that is spent within the long window at that rate.
        long: Seconds of the long window.
        short: Seconds of the short window.
        severity: ``critical`` wakes somebody (a page), ``warning`` is looked at in working hours (a ticket).
    """

    factor: float
    share: float
    long: float
    short: float
    severity: Literal["critical", "warning"]

    @property
    def least(self) -> float:
        """Seconds of the long window that must have been measured before it counts, see :func:`least_recorded`."""
        return least_recorded(self.long)


def least_recorded(window: float) -> float:
    """Seconds of a window that must have been measured before its burn rate counts.

    None for windows up to ``LONGEST_DIRECT``: there waiting would keep a page back from those whose Prometheus was
    away during the same trouble.
    """
    return window * LEAST_RECORDED if window > LONGEST_DIRECT else 0.0


_OF_30_DAYS: tuple[tuple[float, float, float, Literal["critical", "warning"]], ...] = (
    (14.4, 0.02, 3600, "critical"),
    (6.0, 0.05, 6 * 3600, "critical"),
    (3.0, 0.10, 24 * 3600, "warning"),
    (1.0, 0.10, 72 * 3600, "warning"),
)
"""Factor, share of the budget, long window, severity: Google, "The Site Reliability Workbook", chapter 5, table 5-8."""

SHORT_PART = 12
"""The short window is the twelfth part of the long one (the workbook's recommendation)."""


def burn_rules(period: float) -> tuple[BurnRule, ...]:
    """The burn rates that are too high for a period, the most urgent first.

    The factors and shares are the workbook's; a window is as long as it takes to spend the share at the factor,
    ``share * period / factor``. To keep the windows of 30 days and change the factors would be wrong: for seven
    days the last factor would be 0.23, an alert while the promise is kept.

    Args:
        period: Seconds of the objective's period.
    """
    scale = period / (30 * DAY)
    return tuple(
        BurnRule(factor, share, window * scale, window * scale / SHORT_PART, severity)
        for factor, share, window, severity in _OF_30_DAYS
    )


def _period(text: str) -> str:
    days = re.fullmatch(r"([0-9]{1,3})d", text)
    if days is None or not SHORTEST <= int(days[1]) <= LONGEST:
        raise ValueError(f'write a number of days from {SHORTEST} to {LONGEST}, like "30d"')
    return text


class Objective(BaseModel):
    """One promise.

    Attributes:
        key: Its name in rules, links and corrections.
        title: What it is called.
        kind: ``availability``: events that are not bad are good; ``latency``: events within ``threshold`` are good.
        objective: Share of the events that must be good.
        period: The days over which it is kept, as ``30d``; it moves with the clock.
        signal: Key of the signal whose metric counts the events.
        metric: Which of the signal's metrics; needed where it has several.
        labels: Which of the events: label → values. All of them without.
        bad: For availability, what makes an event bad: label → values.
        threshold: For latency, seconds; it must be a bound of the histogram's buckets.
        why: What it means to users, for those who did not write it.
        owner: Who is to be asked about it.
        runbook: The runbook to reach for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)
    title: str = Field(min_length=1, max_length=80)
    kind: Literal["availability", "latency"]
    objective: float = Field(gt=0, lt=1)
    period: Annotated[str, AfterValidator(_period)] = "30d"
    signal: str
    metric: str = ""
    labels: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]] = {}
    bad: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]] = {}
    threshold: float | None = Field(default=None, gt=0)
    why: str = Field(min_length=1)
    owner: str = ""
    runbook: str = ""

    @model_validator(mode="after")
    def _kind_fits(self) -> Objective:
        if self.kind == "availability" and (not self.bad or self.threshold is not None):
            raise ValueError("availability needs bad, such as { status = ['error'] }, and has no threshold")
        if self.kind == "latency" and (self.threshold is None or self.bad):
            raise ValueError("latency needs threshold, in seconds, and has no bad")
        return self

    @property
    def seconds(self) -> float:
        """Length of the period in seconds."""
        return float(int(self.period[:-1]) * DAY)

    @property
    def allowed(self) -> float:
        """Share of the events that may be bad."""
        return 1.0 - self.objective

    @property
    def rules(self) -> tuple[BurnRule, ...]:
        """The burn rates that are too high for it and that can be reached."""
        return tuple(rule for rule in burn_rules(self.seconds) if self.can_fire(rule))

    def can_fire(self, rule: BurnRule) -> bool:
        """Whether events can burn that fast at all: where every one is bad, the rate is one by the allowed share."""
        return rule.factor < 1.0 / self.allowed

    @property
    def remarks(self) -> tuple[str, ...]:
        """What its author should know although it is no mistake: burn rates that can never be reached."""
        return tuple(
            f"{self.key}: a burn rate of {rule.factor:g} can never be reached with an objective of "
            f"{self.objective * 100:g} %, because even without a single good event the rate is "
            f"{1 / self.allowed:.3g}; that {'page' if rule.severity == 'critical' else 'ticket'} is left out"
            for rule in burn_rules(self.seconds)
            if not self.can_fire(rule)
        )


def load(path: Path = CATALOG, signals: Mapping[str, Signal] | None = None) -> dict[str, Objective]:
    """All objectives of a file, by key, in the file's order.

    Args:
        path: The file.
        signals: The signals that objectives may count; the shipped ones by default.

    Raises:
        SlosError: The file cannot be used; it names the objective and the key of each mistake.
    """
    known = catalogue() if signals is None else signals
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        # Its own words name the whole path, which is nobody's business who only looks.
        raise SlosError(f"{path.name}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SlosError(f"{path.name}: {error}") from None
    objectives: dict[str, Objective] = {}
    mistakes: list[str] = []
    for key, entry in raw.items():
        if not isinstance(entry, dict):
            mistakes.append(f"{path.name}: {key} is not a table; write [{key}]")
            continue
        try:
            one = Objective.model_validate({**entry, "key": key})
        except ValidationError as error:
            mistakes += [f"{path.name}: {_where(key, item)}" for item in error.errors(include_url=False)]
            continue
        mistakes += [f"{path.name}: {key}.{mistake}" for mistake in _mistakes(one, known)]
        objectives[key] = one
    if mistakes:
        raise SlosError("\n".join(mistakes))
    if not objectives:
        raise SlosError(f"{path.name}: names no objective; see docs/slo.md for how to write one")
    return objectives


def _where(key: str, item: Mapping[str, Any]) -> str:
    place = ".".join([key, *(str(part) for part in item["loc"])])
    return f"{place}: {str(item['msg']).removeprefix('Value error, ')}"


def _mistakes(one: Objective, signals: Mapping[str, Signal]) -> list[str]:
    """What is wrong with an objective in the light of the signals."""
    signal = signals.get(one.signal)
    if signal is None:
        return [f"signal: there is no signal {one.signal!r} in the catalogue of signals"]
    names = ", ".join(signal.metrics)
    if one.metric and one.metric not in signal.metrics:
        return [f"metric: signal {signal.key} has no metric {one.metric!r}; it has {names}"]
    if not one.metric and len(signal.metrics) > 1:
        return [f"metric: signal {signal.key} has several metrics; say which: {names}"]
    found: list[str] = []
    metric = counted_metric(one, signal)
    if one.kind == "latency" and metric.suffix != "_bucket":
        found.append(f"signal: latency needs the buckets of a histogram, which {metric.names[0]} is not")
    if one.kind == "availability" and metric.suffix == "_bucket":
        found.append(f"signal: availability needs a counter; {metric.names[0]}_bucket would count events many times")
    for field, labels in (("labels", one.labels), ("bad", one.bad)):
        splits = ", ".join(label for label in signal.by if not label.startswith("$"))
        found += [
            f"{field}: signal {signal.key} has no label {label!r}; it has {splits}"
            for label in labels
            if label not in signal.by
        ]
    both = sorted(set(one.labels) & set(one.bad))
    found += [
        f"bad: {label} stands in labels as well; say there which events count, here which are bad" for label in both
    ]
    return found


def counted_metric(one: Objective, signal: Signal) -> Metric:
    """The metric whose events an objective counts."""
    return signal.metrics[one.metric] if one.metric else next(iter(signal.metrics.values()))


def counter(one: Objective, signals: Mapping[str, Signal] | None = None) -> Signal:
    """The events of an objective's metric a second, as a signal of its own; ``filters`` choose which of them.

    It may be split and filtered by the labels of its signal and by ``le``.
    """
    signal = (catalogue() if signals is None else signals)[one.signal]
    return Signal(
        key=f"events_of_{signal.key}_{one.metric}",
        title=one.title,
        unit="ops/s",
        help=one.why,
        metrics={"events": counted_metric(one, signal)},
        query="sum by ($by) (rate($events[$rate]))",
        by=(*signal.by, "le"),
        usual="none",
    )


def all_events(one: Objective) -> dict[str, Sequence[str]]:
    """Which series of the counter together are all events."""
    return {**one.labels, **({"le": ["+Inf"]} if one.kind == "latency" else {})}


def told_events(one: Objective, bound: float | None = None) -> dict[str, Sequence[str]]:
    """Which series are told apart: the bad events for availability, the good ones for latency.

    Args:
        one: The objective.
        bound: Another bucket bound than the threshold, where the server lacks that one.
    """
    if one.kind == "availability":
        return {**one.labels, **one.bad}
    return {**one.labels, "le": spellings(bound if bound is not None else one.threshold or 0.0)}


def spellings(bound: float) -> list[str]:
    """The ways in which a bucket bound is written in the label ``le``; client libraries differ.

    >>> spellings(1), spellings(0.25)
    (['1.0', '1'], ['0.25'])
    """
    return list(dict.fromkeys([repr(float(bound)), f"{bound:g}"]))


def usable_bound(threshold: float, bounds: Sequence[float]) -> float | None:
    """The bucket bound to count quick events by: the threshold, or else the next lower bound.

    The lower one is stricter than the promise: some events that were quick enough count as bad, and none that
    was too slow counts as good.

    Args:
        threshold: The objective's threshold in seconds.
        bounds: The bounds that the server has.

    Returns:
        ``None`` where every bound is above the threshold.
    """
    lower = [bound for bound in bounds if bound <= threshold * (1 + 1e-9) and math.isfinite(bound)]
    return max(lower, default=None)


@cache
def shipped() -> dict[str, Objective]:
    """The shipped objectives, read once."""
    return load()
