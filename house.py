"""Puts the house together: what the subjects offer is made known to the rooms that know no subject."""

from __future__ import annotations

from ui import evidence, menu
from views import registry


def assemble() -> None:
    """Tell the menu and the links of all pages and places; to be called once in a process that draws pages."""
    menu.register({name: (page.title, page.icon) for name, page in registry.pages().items()})
    evidence.register(registry.places())
