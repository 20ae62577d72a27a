"""The load of the database as a page draws it; kept apart from its tests, since Streamlit runs it elsewhere."""

from datetime import UTC, datetime, timedelta

import pandas as pd

from access import Role, Viewer
from analysis.events import Event, EventKind
from collectors.span import Span
from records.activity import Blocking
from settings import Settings
from ui.context import Context
from ui.window import Window
from views.database.load.processors import Processors
from views.database.load.view import Judged, OverTime, Parts
from views.database.rules import activity

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SPAN = Span(NOON - timedelta(hours=1), NOON, 10)
HOSTILE = "**bold** :red[x] <b>b</b> \x1b[31m \u202e https://example.org"
CONTEXT = Context(
    Settings(), "test", Window("1h"), "database", "light", Viewer("ada", frozenset({Role.OPERATOR}), "a test"), None
)


def over_time(by: str = "wait", processors: int | None = 2, **loads: list[float]) -> OverTime:
    """A minute after another up to noon; names with a double underscore stand for a colon."""
    length = max(map(len, loads.values()))
    start = NOON - length * MINUTE
    sessions = {
        (start + place * MINUTE, name.replace("__", ":")): round(load * 60)
        for name, values in loads.items()
        for place, load in enumerate(values)
    }
    looks = {start + place * MINUTE: 60 for place in range(length)}
    frame = activity.over_time(looks, sessions, SPAN.start, SPAN.end, 60)
    events = (Event(start + 9 * MINUTE, EventKind.DEPLOY, "deploy 1.8.2"),)
    told = Processors(processors, "postgres.cpus says so." if processors else "It is not known.")
    return OverTime(by, frame, {}, told, events, 60, NOON, start, "")


def shares(*rows: tuple[str, str, float, float]) -> pd.DataFrame:
    """Key, name, load and share of each."""
    return pd.DataFrame(rows, columns=["key", "name", "load", "share"])


PARTS = Parts(
    {
        "wait": shares(
            ("Lock:transactionid", "Lock:transactionid", 4.0, 0.6), ("Lock:tuple", "Lock:tuple", 1.0, 0.2),
            ("CPU", "CPU", 1.0, 0.2),
        ),
        "query": shares(
            ("8", "UPDATE memories SET owner = $1", 5.0, 0.8), ("7", HOSTILE, 0.5, 0.1), ("", "(rest)", 0.5, 0.1)
        ),
        "user": shares(("synaptic", "synaptic", 6.0, 1.0)),
        "client": shares((HOSTILE, HOSTILE, 6.0, 1.0)),
    },
    3600.0,
    "",
)  # fmt: skip
BAD = over_time(CPU=[0.5] * 10 + [1.0] * 20, Lock__transactionid=[0.0] * 10 + [5.0] * 20)
WORST = Blocking(NOON - 3 * MINUTE, 9, f"UPDATE held {HOSTILE}")


def judged(load: OverTime = BAD, parts: Parts = PARTS, worst: Blocking | None = WORST, **more: object) -> Judged:
    """What the first row is made of."""
    heavy = activity.heavy(load.frame, load.processors.count, 60)
    return Judged(load, heavy, parts, worst, **{"narrowed": False, "stopped": None, "why": "", **more})
