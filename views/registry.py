"""All subjects of the console: a new one is a folder below ``views/`` and a line here."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from itertools import chain

from analysis.place import Place
from settings import SOURCE_NAMES
from views.shared.reports import SourceCheck
from views.subject import Command, Page, Sampler, Subject

MODULES = [
    "views.overview",
    "views.latency",
    "views.slo",
    "views.logs",
    "views.database",
    "views.cache",
    "views.sources",
]
"""Packages that have a ``SUBJECT``."""


def subjects() -> tuple[Subject, ...]:
    """All subjects."""
    # Imported when they are asked for: what subjects share may ask for all of them, and they import that.
    return tuple(import_module(name).SUBJECT for name in MODULES)


def pages() -> dict[str, Page]:
    """All pages by name, in the order of the menu."""
    found = sorted((one.page for one in subjects() if one.page is not None), key=lambda page: page.order)
    return {page.name: page for page in found}


def places() -> dict[str, Place]:
    """Subject of a finding or key of a signal → where its evidence lies."""
    return dict(chain.from_iterable(one.places.items() for one in subjects()))


def checks() -> dict[str, SourceCheck]:
    """Source → how it is looked at, in the order in which sources are shown."""
    found = dict(chain.from_iterable(one.reports.items() for one in subjects()))
    known = [name for name in SOURCE_NAMES if name in found]
    return {name: found[name] for name in (*known, *(name for name in found if name not in known))}


def samplers() -> Iterator[Sampler]:
    """All background work."""
    return chain.from_iterable(one.samplers for one in subjects())


def commands() -> dict[str, Command]:
    """All commands of the terminal by name."""
    return {command.name: command for one in subjects() for command in one.commands}
