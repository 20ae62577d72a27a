"""Counting lines in Elasticsearch: over time, and by the values of fields; what is asked and what the answer means.

A field may be in several places (``log_fields.toml`` names them), and all of its places are counted together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from collectors.elasticsearch.dsl import Clause
from collectors.elasticsearch.search import TIME, SearchAnswer
from collectors.elasticsearch.values import valid
from collectors.log_levels import counted_level
from collectors.logs import TopValues

Aggregations = dict[str, Any]

OTHER, MISSING, LINES = "other", "", "lines"
"""Columns of a histogram that are no values of the field."""


def histogram_request(step: int, places: Sequence[str], limit: int) -> Aggregations:
    """What to count for a histogram.

    The values that are frequent in the whole window are found first, and then counted over time. Asked the other way
    round, each bucket would have frequent values of its own, and the rest of a value would be hidden among the others.

    Args:
        step: Seconds of a bucket.
        places: Paths of the field that it is broken down by; empty for none.
        limit: Most values.
    """
    over_time: Clause = {"date_histogram": {"field": TIME, "fixed_interval": f"{step}s", "min_doc_count": 1}}
    asked: Aggregations = {"time": over_time}
    if places:
        asked["missing"] = {"filter": _without(places), "aggs": {"time": over_time}}
    for number, place in enumerate(places):
        values = {"field": place, "size": limit, "collect_mode": "breadth_first"}
        asked[f"by{number}"] = {"terms": values, "aggs": {"time": over_time}}
    return asked


def histogram_frame(
    found: Mapping[str, Any], start: datetime, end: datetime, step: int, places: Sequence[str], by: str, limit: int
) -> pd.DataFrame:
    """The frame of :class:`collectors.logs.Histogram`, of the answer to :func:`histogram_request`."""
    first = int(start.timestamp() // step) * step
    count = int(end.timestamp() // step) - first // step + 1
    index = pd.DatetimeIndex(np.datetime64(first, "s") + np.arange(count) * np.timedelta64(step, "s"), tz="UTC")

    def over_time(inside: Mapping[str, Any]) -> np.ndarray:
        lines = np.zeros(count, np.int64)
        for bucket in inside.get("time", {}).get("buckets", []):
            row = (int(bucket["key"]) // 1000 - first) // step
            if 0 <= row < count:
                lines[row] += int(bucket["doc_count"])
        return lines

    every = over_time(found)
    if not places:
        return pd.DataFrame({LINES: every}, index=index)
    columns: dict[str, np.ndarray] = {}
    for number in range(len(places)):
        for bucket in found.get(f"by{number}", {}).get("buckets", []):
            value = shown(bucket, by)
            columns[value] = columns.get(value, np.zeros(count, np.int64)) + over_time(bucket)
    named = sorted((name for name in columns if name not in (OTHER, MISSING)), key=lambda name: -columns[name].sum())
    frame = {name: columns[name] for name in named[:limit]}
    missing = over_time(found.get("missing", {})) + columns.get(MISSING, 0)
    # Never below zero where a line has the field in two places.
    rest = np.maximum(every - missing - sum(frame.values()), 0)
    frame |= {name: lines for name, lines in ((OTHER, rest), (MISSING, missing)) if lines.any()}
    return pd.DataFrame(frame, index=index)


def top_values_request(places: Mapping[str, Sequence[str]], limit: int) -> Aggregations:
    """What to count for the most frequent values of fields; ``places`` are the paths of each."""
    asked: Aggregations = {}
    for number, (_, paths) in enumerate(places.items()):
        asked[f"f{number}missing"] = {"filter": _without(paths)}
        for place, path in enumerate(paths):
            asked[f"f{number}p{place}"] = {"terms": {"field": path, "size": limit}}
    return asked


def top_values(
    found: Mapping[str, Any],
    places: Mapping[str, Sequence[str]],
    limit: int,
    *,
    lines: int,
    sampled: bool,
    partial: str,
) -> tuple[TopValues, ...]:
    """The most frequent values, of the answer to :func:`top_values_request`.

    Args:
        found: The aggregations of the answer.
        places: As asked.
        limit: As asked.
        lines: How many lines were looked at.
        sampled: Whether these were a part of those that match; the counts are then estimates of the whole.
        partial: What is missing.
    """
    made: list[TopValues] = []
    for number, (name, paths) in enumerate(places.items()):
        counts: dict[str, int] = {}
        other = 0
        for place in range(len(paths)):
            one = found.get(f"f{number}p{place}", {})
            other += int(one.get("sum_other_doc_count", 0))
            for bucket in one.get("buckets", []):
                value = shown(bucket, name)
                counts[value] = counts.get(value, 0) + int(bucket["doc_count"])
        values = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        other += sum(count for _, count in values[limit:])
        missing = int(found.get(f"f{number}missing", {}).get("doc_count", 0))
        made.append(TopValues(name, tuple(values[:limit]), other, missing, lines, sampled, partial))
    return tuple(made)


def shown(bucket: Mapping[str, Any], name: str) -> str:
    """The value of a bucket as a text; levels are one whatever way they are written."""
    value = valid(str(bucket.get("key_as_string", bucket.get("key", ""))))
    return counted_level(value) if name == "level" else value


def total(answer: SearchAnswer) -> tuple[int, bool]:
    """How many lines match, and whether that is exact."""
    found = answer.hits.total
    if isinstance(found, int):  # as older stores write it
        return found, True
    return (found.value, found.relation == "eq") if found is not None else (0, False)


def _without(paths: Sequence[str]) -> Clause:
    return {"bool": {"must_not": [{"exists": {"field": path}} for path in paths]}}
