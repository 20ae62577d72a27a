"""The signals: what the console can say about Synaptic, read from ``catalog/signals.toml``.

The file is data that an SRE may change; this module only checks it. A mistake names file, signal and key.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

CATALOG = Path(__file__).parent / "catalog" / "signals.toml"

Unit = Literal["ops/s", "req/s", "1/h", "s", "B", "B/s", "ratio", "percent", "count", "cores", "timestamp"]


class SignalsError(Exception):
    """The catalogue of signals has mistakes; one sentence a line."""


class Metric(BaseModel):
    """One metric that a signal is made of.

    Attributes:
        names: Candidate names; all that the server has are used together.
        suffix: What a histogram's part adds to the name (``_bucket``, ``_sum``, ``_count``).
        own: Whether Synaptic's own scrape job has it, so that the ``job`` label selects it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    names: tuple[str, ...] = Field(min_length=1)
    suffix: Literal["", "_bucket", "_sum", "_count"] = ""
    own: bool = True


class Threshold(BaseModel):
    """Where a value stops being fine.

    Attributes:
        risk: From here on it is at risk (amber); absent where there is no such stage.
        broken: From here on it is broken (red).
        below: Whether low values are the bad ones.
        label: What the line in a chart is called.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    risk: float | None = None
    broken: float | None = None
    below: bool = False
    label: str = "at risk"

    def status(self, value: float | None) -> Literal["ok", "risk", "broken", "unknown"]:
        """What a value means: ``unknown`` where there is none."""
        if value is None or value != value:
            return "unknown"
        for name in ("broken", "risk"):
            limit = getattr(self, name)
            if limit is not None and (value <= limit if self.below else value >= limit):
                return name
        return "ok"


class Signal(BaseModel):
    """One thing that can be measured about Synaptic.

    Attributes:
        key: Its name in pages, links and rules.
        title: How a figure or chart of it is called.
        unit: Unit of its values.
        help: What it means, in a sentence.
        metrics: The metrics behind its slots.
        query: PromQL with slots, see :mod:`collectors.prometheus.promql`.
        by: Labels that it may be split or filtered by; ``$replica`` stands for the replica label of the settings.
        quantile: Default of the ``$quantile`` slot.
        threshold: Where it stops being fine.
        usual: Which distance from what is usual is worth a word: ``high``, ``both`` ways, or ``none``.
        page: The view that tells more.
        runbook: The runbook to reach for.
        optional: Whether an installation may well be without it, so that Sources does not call that a lack.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    title: str
    unit: Unit
    help: str
    metrics: dict[str, Metric]
    query: str
    by: tuple[str, ...] = ()
    quantile: float = Field(default=0.95, gt=0, lt=1)
    threshold: Threshold | None = None
    usual: Literal["high", "both", "none"] = "high"
    page: str = "overview"
    runbook: str = ""
    optional: bool = False

    @model_validator(mode="after")
    def _slots_fit(self) -> Signal:
        slots = set(re.findall(r"\$([a-z_]+)", self.query)) - {"by", "rate", "quantile", "replica"}
        if unknown := slots - set(self.metrics):
            raise ValueError(f"query uses {', '.join(sorted(unknown))}, which metrics does not name")
        if unused := set(self.metrics) - slots:
            raise ValueError(f"metrics names {', '.join(sorted(unused))}, which query does not use")
        return self


def load(path: Path = CATALOG) -> dict[str, Signal]:
    """All signals of a catalogue file, by key, in the file's order.

    Raises:
        SignalsError: The file cannot be used; it names the signal and the key of each mistake.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SignalsError(f"{path.name}: {error}") from None
    signals: dict[str, Signal] = {}
    mistakes: list[str] = []
    for key, entry in raw.items():
        try:
            if not isinstance(entry, dict):
                mistakes.append(f"{path.name}: {key} is not a table; write [{key}]")
                continue
            signals[key] = Signal.model_validate({"key": key, **entry})
        except ValidationError as error:
            for item in error.errors(include_url=False):
                where = ".".join([key, *(str(part) for part in item["loc"])])
                mistakes.append(f"{path.name}: {where}: {item['msg'].removeprefix('Value error, ')}")
    if mistakes:
        raise SignalsError("\n".join(mistakes))
    return signals


@cache
def catalogue() -> dict[str, Signal]:
    """The shipped signals, read once."""
    return load()
