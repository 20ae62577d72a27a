"""Partitions by time: how wide they are, up to when there is one, and the statement that makes the next."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from analysis.diagnosis import Diagnosis
from analysis.quantities import amount, length
from analysis.verdict import Status
from views.database.rules.relations import Partition
from views.database.rules.sql_names import identifier, literal

LEAD = 1 / 6
"""Share of a partition's width before its end at which the next one should be there: two months of a year."""

_RANGE = re.compile(r"FOR VALUES FROM \((.{1,600})\) TO \((.{1,600})\)", re.DOTALL)
_TYPES = ("timestamp with time zone", "timestamp without time zone", "date")
_DATES = ("%Y_%m_%d", "%Y-%m-%d", "%Y%m%d", "%Y_%m", "%Y-%m", "%Y%m", "%Y")
_LAST = datetime.max.replace(tzinfo=UTC)
_FIRST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Width:
    """How long a partition is: months, or a fixed time.

    Attributes:
        months: Calendar months; 0 where it is a fixed time.
        time: The fixed time.
    """

    months: int
    time: timedelta = timedelta()

    def after(self, moment: datetime) -> datetime:
        """The end of a partition that begins at a moment.

        Raises:
            ValueError: There is no such day.
        """
        if not self.months:
            return moment + self.time
        year, month = divmod(moment.year * 12 + moment.month - 1 + self.months, 12)
        return moment.replace(year=year, month=month + 1)

    @property
    def about(self) -> timedelta:
        """About how long that is."""
        return timedelta(days=365.25 / 12 * self.months) if self.months else self.time

    @property
    def words(self) -> str:
        """How it is called."""
        if self.months:
            return {1: "monthly", 3: "quarterly", 12: "yearly"}.get(self.months, f"every {self.months} months")
        days = self.time / timedelta(days=1)
        return {1.0: "daily", 7.0: "weekly"}.get(days, f"every {length(self.time.total_seconds())}")


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far the partitions of a table reach.

    Attributes:
        parent: The partitioned table.
        count: How many partitions it has.
        width: How wide they are; ``None`` where they are not alike.
        typical: About how long the last ones are.
        current: The partition that takes what is written now; empty for none but the default one.
        until: Up to when there is one without a gap from now on; ``None`` where there is none now or no end.
        endless: Whether the last one has no end.
        default: The partition that takes the rest; empty for none.
        default_rows: Rows in it by the statistics.
        statement: What makes the next one; empty where it cannot be told.
    """

    parent: str
    count: int
    width: Width | None
    typical: timedelta
    current: str
    until: datetime | None
    endless: bool
    default: str
    default_rows: int
    statement: str


def ranges(partition: Partition) -> tuple[datetime, datetime] | None:
    """Bounds of a partition by time, aware UTC; ``None`` for another kind, and where they are not known."""
    match = _RANGE.fullmatch(partition.bounds)
    if match is None or partition.strategy != "range" or partition.type not in _TYPES:
        return None
    start, end = (_moment(text) for text in match.groups())
    return (start, end) if start is not None and end is not None else None


def coverages(partitions: Sequence[Partition], now: datetime) -> list[Coverage]:
    """How far the partitions of each table that is partitioned by time reach.

    Args:
        partitions: All partitions.
        now: The server's clock.
    """
    by_parent: dict[str, list[Partition]] = defaultdict(list)
    for one in partitions:
        by_parent[one.parent].append(one)
    found = (_coverage(parent, group, now) for parent, group in by_parent.items())
    return [one for one in found if one is not None]


def diagnose(found: Sequence[Coverage], now: datetime) -> list[Diagnosis]:
    """Tables whose next partition is missing, and rows that found no partition of their own."""
    told: list[Diagnosis] = []
    for one in found:
        rest = f"go into {one.default}" if one.default else "are refused"
        if not one.current:
            text = f"{one.parent} has no partition for what is written now: new rows {rest}."
            status: Status = "risk" if one.default else "broken"
            told.append(Diagnosis("partition-missing", status, one.parent, text, one.statement))
        elif one.until is not None and one.until - now < one.typical * LEAD:
            left = length((one.until - now).total_seconds())
            text = (
                f"The next partition of {one.parent} is missing: in {left}, from {one.until:%Y-%m-%d %H:%M:%S} UTC "
                f"on, new rows {rest}."
            )
            told.append(Diagnosis("partition-missing", "risk", one.parent, text, one.statement))
        if one.default and one.default_rows > 0:
            text = (
                f"{one.default} holds {amount(one.default_rows)} rows for which {one.parent} has no partition: they "
                "are read by every query, and no partition can be made for them while they are there."
            )
            mend = "\n".join(
                (
                    "BEGIN;",
                    f"ALTER TABLE {one.parent} DETACH PARTITION {one.default};",
                    "-- CREATE TABLE ... PARTITION OF ... for the times of its rows, then:",
                    f"INSERT INTO {one.parent} SELECT * FROM {one.default};",  # noqa: S608 -- to be shown only
                    f"TRUNCATE {one.default};",
                    f"ALTER TABLE {one.parent} ATTACH PARTITION {one.default} DEFAULT;",
                    "COMMIT;",
                )
            )
            told.append(Diagnosis("partition-default-rows", "risk", one.default, text, mend))
    return told


def _coverage(parent: str, group: Sequence[Partition], now: datetime) -> Coverage | None:
    spans = sorted(((span, one) for one in group if (span := ranges(one)) is not None), key=lambda pair: pair[0])
    default = next((one for one in group if one.is_default), None)
    if not spans:
        return None
    current = next((one for (start, end), one in spans if start <= now < end), None)
    until = None
    for (start, end), _ in spans:
        if start <= now < end or (until is not None and start == until):
            until = end
    width = _width([span for span, _ in spans])
    endless = until == _LAST
    last, statement = spans[-1], ""
    if width is not None and not endless:
        beginning = until if until is not None else _beginning(last[0][1], width, now)
        statement = _statement(last[1], last[0][0], beginning, width) if beginning is not None else ""
    return Coverage(
        parent,
        len(group),
        width,
        width.about if width is not None else _length(last[0]),
        current.name if current is not None else "",
        None if endless else until,
        endless,
        default.name if default is not None else "",
        default.live_rows if default is not None else 0,
        statement,
    )


def _beginning(end: datetime, width: Width, now: datetime) -> datetime | None:
    """Where the partition begins that would take what is written now; ``None`` where the gap is no whole number."""
    start = end
    for _ in range(1000):
        if start > now:
            return None
        following = width.after(start)
        if now < following:
            return start
        start = following
    return None


def _width(spans: Sequence[tuple[datetime, datetime]]) -> Width | None:
    """The width that most of the last partitions have."""
    closed = [(start, end) for start, end in spans if start != _FIRST and end != _LAST][-6:]
    counted = Counter(_between(start, end) for start, end in closed)
    if not counted:
        return None
    width, often = counted.most_common(1)[0]
    return width if often * 2 > len(closed) else None


def _between(start: datetime, end: datetime) -> Width:
    months = (end.year - start.year) * 12 + end.month - start.month
    alike = (start.day, start.timetz()) == (end.day, end.timetz())
    # A month's last day in UTC is a first one further east.
    return (
        Width(months)
        if (alike and months > 0 and start.day <= 28) or (alike and months % 12 == 0 and months > 0)
        else Width(0, end - start)
    )


def _statement(model: Partition, began: datetime, start: datetime, width: Width) -> str:
    try:
        end = width.after(start)
    except ValueError:
        return ""
    name = identifier(_next_name(model, began, start, width))
    from_, to = (literal(_written(one, model.type)) for one in (start, end))
    return (
        f"CREATE TABLE {model.parent_schema}.{name} PARTITION OF {model.parent}\n"
        f"    FOR VALUES FROM ({from_}) TO ({to});"
    )


def _next_name(model: Partition, began: datetime, start: datetime, width: Width) -> str:
    """The name of the newest partition with its date moved on."""
    # The middle of the first day: where the zone is another one, midnight may be the day before in UTC.
    inside = min(width.about / 2, timedelta(hours=12))
    for pattern in _DATES:
        old = (began + inside).strftime(pattern)
        if old in model.short_name:
            return model.short_name.replace(old, (start + inside).strftime(pattern))
    return f"{model.short_parent}_{start + inside:%Y%m%d}"


def _length(span: tuple[datetime, datetime]) -> timedelta:
    start, end = span
    return timedelta() if _FIRST in span or _LAST in span else end - start


def _written(moment: datetime, type_: str) -> str:
    match type_:
        case "date":
            return f"{moment:%Y-%m-%d}"
        case "timestamp without time zone":
            return f"{moment:%Y-%m-%d %H:%M:%S}"
        case _:
            return f"{moment:%Y-%m-%d %H:%M:%S}+00"


def _moment(text: str) -> datetime | None:
    if text == "MINVALUE":
        return _FIRST
    if text == "MAXVALUE":
        return _LAST
    try:
        moment = datetime.fromisoformat(text.strip("'"))
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
