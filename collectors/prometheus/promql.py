"""How a signal becomes PromQL: names resolved, values quoted, never glued together from text.

A template holds slots: ``$operations`` (a metric of the signal), optionally with matchers of its own
(``$operations{status="error"}``), ``$by`` (labels to group by, may be empty), ``$rate`` (the look-back
of a rate), ``$replica`` (the replica label) and ``$quantile``. Values reach a query through
:func:`quote` and :func:`matcher` alone; label names are checked against what the signal allows.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from collectors.signals import Signal

_SLOT = re.compile(
    r"rate\(\$(?P<rated>[a-z_]+)(?P<rated_own>\{[^{}]*\})?\[\$rate\]\)|\$(?P<slot>[a-z_]+)(?P<own>\{[^{}]*\})?"
)
_NATIVE_PARTS = {"_sum": "histogram_sum", "_count": "histogram_count"}
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_RE2_SPECIAL = re.compile(r"([\\.+*?()|\[\]{}^$])")


def quote(value: str) -> str:
    r"""A PromQL string literal for any text.

    >>> print(quote('a"b\\c'))
    "a\"b\\c"
    """
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


def one_of(values: Sequence[str]) -> str:
    r"""An anchored regular expression, as a literal, that matches exactly these values and no other.

    >>> print(one_of(["a.b", "c"]))
    "a\\.b|c"
    """
    return quote("|".join(_RE2_SPECIAL.sub(r"\\\1", value) for value in values))


def matcher(label: str, values: Sequence[str]) -> str:
    """A matcher for one label: equality for one value, alternatives for several.

    Raises:
        ValueError: ``label`` is not a label name.
    """
    if not _LABEL.fullmatch(label):
        raise ValueError(f"{label!r} is not a label name")
    return f"{label}={quote(values[0])}" if len(values) == 1 else f"{label}=~{one_of(values)}"


def duration(seconds: float) -> str:
    """A PromQL duration in whole seconds, at least one."""
    return f"{max(round(seconds), 1)}s"


def render(
    signal: Signal,
    names: Mapping[str, Sequence[str]],
    *,
    job: str,
    replica: str,
    rate: float,
    by: Sequence[str] = (),
    filters: Mapping[str, Sequence[str]] | None = None,
    quantile: float | None = None,
    native: Collection[str] = (),
) -> str:
    """The PromQL of a signal.

    Args:
        signal: What is asked.
        names: For each metric slot of the signal, the names that the server really has.
        job: Value of the ``job`` label for slots that are Synaptic's own metrics.
        replica: The label that tells replicas apart; it is what ``$replica`` in ``signal.by`` stands for.
        rate: Seconds that a rate looks back.
        by: Labels to group by; each must be one of ``signal.by``.
        filters: For each label, the values to keep; labels must be of ``signal.by`` as well.
        quantile: For signals with a ``$quantile`` slot; the signal's own default otherwise.
        native: Slots whose names are native histograms: their buckets, sum and count are parts of one sample.

    Raises:
        ValueError: A label that the signal does not have, or a slot without a name.
    """
    chosen = filters or {}
    known = [replica if label == "$replica" else label for label in signal.by]
    for label in (*by, *chosen):
        if label not in known:
            raise ValueError(f"signal {signal.key} cannot be split by {label!r}; it knows {', '.join(known)}")
    common = [matcher(label, values) for label, values in chosen.items() if values]

    def matchers_of(slot: str, own: str | None) -> list[str]:
        given = (own or "{}")[1:-1].strip().rstrip(",")
        job_matcher = [f"job={quote(job)}"] if signal.metrics[slot].own else []
        return [*job_matcher, *([given] if given else []), *common]

    def names_of(slot: str) -> list[str]:
        found = names.get(slot) or ()
        if not found:
            raise ValueError(f"signal {signal.key} has no name for ${slot}")
        suffix = "" if slot in native else signal.metrics[slot].suffix
        return [name + suffix for name in found]

    def fill(match: re.Match[str]) -> str:
        if (slot := match["rated"]) is not None:
            # A rate drops the name, so series that had one name and then the other would clash inside
            # one rate and fail the whole query: each name gets a rate of its own.
            matchers = matchers_of(slot, match["rated_own"])
            rates = [f"rate({_selector([name], matchers)}[{duration(rate)}])" for name in names_of(slot)]
            part = _NATIVE_PARTS.get(signal.metrics[slot].suffix, "") if slot in native else ""
            rates = [f"{part}({one})" if part else one for one in rates]
            return rates[0] if len(rates) == 1 else f"({' or '.join(rates)})"
        slot = match["slot"]
        if slot == "by":
            return ", ".join(by)
        if slot == "replica":
            return replica
        if slot == "rate":
            return duration(rate)
        if slot == "quantile":
            return repr(quantile if quantile is not None else signal.quantile)
        return _selector(names_of(slot), matchers_of(slot, match["own"]))

    return _SLOT.sub(fill, " ".join(signal.query.split()))


def _selector(names: Sequence[str], matchers: Sequence[str]) -> str:
    if len(names) > 1:
        return "{" + ",".join([f"__name__=~{one_of(names)}", *matchers]) + "}"
    return f"{names[0]}{{{','.join(matchers)}}}" if matchers else names[0]
