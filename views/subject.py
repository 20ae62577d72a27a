"""What a subject tells the rest of the house: its page, its evidence, its events, its sources, its background work.

``views/<subject>/__init__.py`` fills in one :class:`Subject`, and :mod:`views.registry` lists them. Whoever needs all
pages, all samplers or all kinds of event asks the registry, so that a new subject edits nothing but its line there.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from analysis.events import Event
from analysis.place import Place
from analysis.verdict import Words
from collectors.cache import Answer
from collectors.registry import Sources
from collectors.span import Span
from records.database import Database
from records.leases import Lease
from settings import Environment, Settings
from settings import Worker as Intervals
from views.shared.reports import SourceCheck

MISTAKE = 64
"""Exit code of a command for wrong settings or arguments, as ``EX_USAGE`` of sysexits.h."""

GoOn = Callable[[], bool]
"""Whether a turn of background work may go on; asked between two questions, it also keeps the lease."""


@dataclass(frozen=True)
class Page:
    """A page of the menu; its script is ``pages/<name>.py``.

    Attributes:
        name: Part of its address.
        title: What the menu and the browser's tab call it.
        icon: Its icon in the menu.
        order: Its place in the menu; the smallest comes first.
    """

    name: str
    title: str
    icon: str
    order: int


@dataclass(frozen=True)
class Happenings:
    """Events that a subject knows of within a span.

    Attributes:
        events: The events, in any order.
        remarks: Which kinds of event are missing, and why.
        answers: What they are made of: the oldest tells how old the events are.
    """

    events: tuple[Event, ...] = ()
    remarks: tuple[str, ...] = ()
    answers: tuple[Answer[object], ...] = ()


@dataclass(frozen=True)
class Task:
    """What background work is given once, before its first turn.

    Attributes:
        settings: The settings.
        environment: Key of the environment.
        database: The records.
        now: The time by the records' database.
        words: Writes numbers in sentences that are kept; ``None`` in a process that writes none.
        connect: Gives the environment's sources.
    """

    settings: Settings
    environment: str
    database: Database
    now: Callable[[], datetime]
    words: Words | None
    connect: Callable[[Settings, str], Sources]

    @property
    def sources(self) -> Sources:
        """The environment's sources."""
        return self.connect(self.settings, self.environment)


@dataclass(frozen=True)
class Sampling:
    """Background work that has begun.

    Attributes:
        turn: Does it once.
        end: Writes what is still in memory, when the work is given back because this process ends.
    """

    turn: Callable[[Lease, GoOn], object]
    end: Callable[[Lease], object] | None = None


@dataclass(frozen=True)
class Sampler:
    """A piece of background work, done by one of all consoles for each environment.

    Attributes:
        name: What it is called in metrics and in its lease.
        interval: Seconds from the beginning of one turn to that of the next, by the settings.
        wanted: Whether an environment gives cause for it.
        begin: Prepares it; called once for each environment.
        again: Seconds after which it is tried again where a turn failed for a while; by default the usual interval.
        needs_words: Whether it is left out in a process that writes no sentences.
    """

    name: str
    interval: Callable[[Intervals], float]
    wanted: Callable[[Environment], bool]
    begin: Callable[[Task], Sampling]
    again: float | None = None
    needs_words: bool = False


@dataclass(frozen=True)
class Command:
    """A command of ``python -m cli``.

    Attributes:
        name: What it is called.
        help: What it does, in a few words.
        arguments: Adds what it may be told.
        run: Does it and returns the exit code; the settings are ``None`` where it needs none.
        needs_settings: Whether the settings are read before it runs.
    """

    name: str
    help: str
    arguments: Callable[[ArgumentParser], object]
    run: Callable[[Settings | None, Namespace], int]
    needs_settings: bool = True


@dataclass(frozen=True)
class Subject:
    """One subject, as the rest of the house sees it.

    Attributes:
        name: Its folder below ``views/``.
        page: Its page; ``None`` where it has none of its own.
        places: Subject of a finding or key of a signal → where its evidence lies.
        reports: Source → how it is looked at, for Sources and ``doctor``.
        events: What it knows to have happened within a span, for the ribbon of every chart.
        samplers: Its background work.
        commands: Its commands of the terminal.
    """

    name: str
    page: Page | None = None
    places: Mapping[str, Place] = field(default_factory=dict)
    reports: Mapping[str, SourceCheck] = field(default_factory=dict)
    events: Callable[[Sources, Span], Happenings] | None = None
    samplers: tuple[Sampler, ...] = ()
    commands: tuple[Command, ...] = ()
