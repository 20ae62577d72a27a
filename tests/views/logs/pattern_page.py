"""A page with log patterns, and what was done on it; kept apart from its tests, since Streamlit runs it elsewhere."""

import uuid
from datetime import UTC, datetime, timedelta

from access import Role, Viewer
from analysis.events import Event, EventKind
from collectors.logs import Line
from collectors.span import Span
from records.pattern_mutes import Mute
from settings import Settings
from ui.context import Context
from ui.window import Window
from views.logs.panels.pattern_table import Deeds
from views.logs.patterns import Found, Patterns
from views.logs.rules.pattern_changes import Usual
from views.logs.rules.patterns import Pattern

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SPAN = Span(NOON - timedelta(hours=1), NOON, 10)
HOSTILE = "**bold** :red[x] <b>b</b> \x1b[31m \u202e https://example.org"
MUTE = Mute(
    uuid.UUID(int=1), "test", "b", "gone <*>", HOSTILE, "ada", NOON - timedelta(hours=1), NOON + timedelta(hours=1)
)


def pattern(name: str, template: str = "pool timed out after <duration>") -> Pattern:
    return Pattern(name, "ERROR", "storage", tuple(template.split()))


def line(message: str) -> Line:
    return Line("1", NOON - timedelta(minutes=5), "", "ERROR", message, {}, {})


NEW = Found(
    pattern("a"),
    1234,
    0.5,
    (0.0, 4.0),
    (line("pool timed out after 3 s"), line(HOSTILE)),
    NOON - timedelta(minutes=10),
    "1.8.2",
    Event(NOON - timedelta(minutes=15), EventKind.DEPLOY, "deploy 1.8.2"),
    new=True,
    surge=False,
)
SURGED = Found(
    pattern("b", "evicted <number> entries"),
    600,
    0.25,
    (3.0, 3.0),
    (),
    NOON - timedelta(days=3),
    new=False,
    surge=True,
    busiest=412.0,
    usual=Usual(12.0, 40.0, 9.0, 672),
)
UNKNOWN = Found(pattern("c", HOSTILE), 3, 0.01, (1.0, 2.0), ())
ALL = Patterns((NEW, SURGED, UNKNOWN), 1000, 1837, NOON - timedelta(days=9), (), ("A remark.",), "GET /_search")


class Page:
    """What is drawn, and what was done on it."""

    found = ALL
    chosen: Found | None = None
    opened = ""
    row: int | None = None
    may_mute = True
    error: Exception | None = None
    done: list[tuple[object, ...]] = []  # noqa: RUF012 - cleared by the fixture


def do(*deed: object) -> None:
    if Page.error is not None:
        raise Page.error
    Page.done.append(deed)


CONTEXT = Context(
    Settings(), "test", Window("1h"), "logs", "light", Viewer("ada", frozenset({Role.OPERATOR}), "a test"), 0
)


def deeds() -> Deeds:
    """What can be done on the page: each deed is noted, or fails as the test says."""
    return Deeds(
        open=lambda one: do("open", one),
        only=lambda one: do("only", one.id),
        without=lambda one: do("without", one.id),
        mute=lambda one, length, reason: do("mute", one.id, length, reason),
        lift=lambda mute: do("lift", mute.id),
        may_mute=Page.may_mute,
        who_may="An operator may mute patterns.",
    )
