"""Sequences that come to their end: by their own limit, or by that of the column they fill."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from analysis.diagnosis import Diagnosis
from analysis.quantities import amount, length, share
from analysis.verdict import Status
from views.database.rules.relations import Sequence

RISK, BROKEN = 0.75, 0.9
"""Share of a sequence's values from which it is named: a change of type takes weeks of preparation on a big table."""

SOON = 30 * 86400.0
"""Seconds left below which it is named whatever the share."""

_LARGEST: Mapping[str, int] = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}


@dataclass(frozen=True, slots=True)
class Fill:
    """How full a sequence is.

    Attributes:
        sequence: The sequence.
        end: Its last value: that of its own or of its column, whichever comes first.
        used: Share of its values that are used, 0 to 1; ``None`` where its last value is not known.
        left: Seconds until its end at the present rate; ``None`` where not known or where it does not move.
    """

    sequence: Sequence
    end: int
    used: float | None
    left: float | None


def fills(sequences: Iterable[Sequence], rates: Mapping[str, float]) -> list[Fill]:
    """How full each sequence is, the fullest first.

    Args:
        sequences: The sequences.
        rates: Name of a sequence → how much its value moves in a second.
    """
    found = [_fill(one, rates.get(one.name)) for one in sequences]
    return sorted(found, key=lambda one: -(one.used if one.used is not None else -1.0))


def diagnose(found: Iterable[Fill]) -> list[Diagnosis]:
    """Sequences near their end."""
    told: list[Diagnosis] = []
    for one in found:
        sequence = one.sequence
        if one.used is None or sequence.cycles:
            continue
        soon = one.left is not None and one.left < SOON
        if one.used < RISK and not soon:
            continue
        status: Status = "broken" if one.used >= BROKEN or (soon and one.used >= 0.5) else "risk"
        kind = f" ({sequence.column_type})" if sequence.column_type else f" ({sequence.type})"
        where = f" of {sequence.table}.{sequence.column}" if sequence.table else ""
        left = f", {length(one.left)} left at the present rate" if one.left is not None else ""
        text = (
            f"Sequence {sequence.name}{where}{kind} is at {share(one.used)} of its values: "
            f"{amount(sequence.last_value or 0)} of {amount(one.end)}{left}. After the last one every insert fails."
        )
        told.append(Diagnosis("sequence-end", status, sequence.name, text, _mend(sequence, one.end)))
    return told


def _fill(one: Sequence, rate: float | None) -> Fill:
    column = _LARGEST.get(one.column_type)
    if one.increment > 0:
        end = min(one.most, column) if column is not None else one.most
    else:
        end = max(one.least, -column - 1) if column is not None else one.least
    if not one.readable:
        return Fill(one, end, None, None)
    last = one.last_value if one.last_value is not None else one.start_value
    room = end - one.start_value
    used = min(max((last - one.start_value) / room, 0.0), 1.0) if room else None
    moving = rate is not None and (rate > 0) == (one.increment > 0) and rate != 0
    left = max((end - last) / rate, 0.0) if moving and rate else None
    return Fill(one, end, used, left)


def _mend(one: Sequence, end: int) -> str:
    lines = []
    if one.column_type in {"smallint", "integer"}:
        lines += [
            "-- Rewrites and locks the whole table: in a maintenance window, or through a new column in steps.",
            f"ALTER TABLE {one.table} ALTER COLUMN {one.column} TYPE bigint;",
        ]
    own = one.most if one.increment > 0 else one.least
    if own == end or one.type != "bigint":
        lines.append(f"ALTER SEQUENCE {one.name} AS bigint {'NO MAXVALUE' if one.increment > 0 else 'NO MINVALUE'};")
    return "\n".join(lines)
