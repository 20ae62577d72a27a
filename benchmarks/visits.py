"""What a page asks, taken from the page itself: its script runs once, and its panels are noted instead of drawn."""

from __future__ import annotations

import logging
import runpy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import access
import ui.panel
import ui.series_panel
import views.database.panels
import views.logs.panels.field
from collectors import registry
from collectors.cache import Answer
from collectors.registry import Sources
from collectors.span import Span
from settings import Settings
from ui import context
from ui.panel import Outcome, outcome
from ui.window import Window

PAGES = Path(__file__).resolve().parent.parent / "pages"


@dataclass(frozen=True)
class Asked:
    """One panel: its name, and what it asks over a span."""

    key: str
    load: Callable[[Span], Answer[Any]]


@dataclass(frozen=True)
class Visit:
    """A visit of a page without a browser.

    Attributes:
        sources: The collectors that its panels ask.
        panels: All panels of the page.
        span: Its window.
        seconds: The deadline of a panel.
    """

    sources: Sources
    panels: Sequence[Asked]
    span: Span
    seconds: float

    def load(self) -> list[Outcome[Any]]:
        """Load all panels side by side, as the page does.

        Raises:
            RuntimeError: A panel failed or is stale, so that its time says nothing.
        """
        with ThreadPoolExecutor(max_workers=len(self.panels)) as threads:
            found = list(threads.map(self._outcome, self.panels))
        for panel, one in zip(self.panels, found, strict=True):
            if one.error is not None or one.state == "failed":
                raise RuntimeError(f"panel {panel.key} failed: {one.error or one.reason}")
        return found

    def close(self) -> None:
        """Close all connections."""
        for collector in self.sources.configured():
            collector.close()

    def _outcome(self, panel: Asked) -> Outcome[Any]:
        return outcome(lambda: panel.load(self.span), lambda _: "", self.seconds)


def visit(
    settings: Settings, window: Window, now: datetime | None = None, page: str = "overview", part: str = ""
) -> Visit:
    """A visit with collectors of its own, and so with nothing kept yet.

    Args:
        settings: Settings with the environment ``benchmark``.
        window: The page's window.
        now: Where a live window ends.
        page: Name of the page.
        part: Which part of a page that has some.
    """
    sources = registry.build(settings, "benchmark")
    here = context.Context(settings, "benchmark", window, page, "light", access.identify(settings))
    panels = _panels(here, sources, part)
    return Visit(sources, panels, window.span(now or datetime.now(UTC), settings.limits), settings.limits.deadline)


def _panels(here: context.Context, sources: Sources, part: str) -> list[Asked]:
    """Run the page with the one function that shows data replaced by one that notes it."""
    noted: list[Asked] = []

    def note(key: str, load: Callable[[Span], Answer[Any]], *_: Any, **__: Any) -> None:
        noted.append(Asked(key, load))

    replaced: list[tuple[Any, str, Any]] = [
        (ui.panel, "panel", note),
        (ui.series_panel, "panel", note),
        (registry, "sources", lambda *_: sources),
        (views.database.panels, "chosen_part", lambda _: part),
        # Components can be mounted in a running server only.
        (views.logs.panels.field, "own", lambda *_: lambda **__: None),
    ]
    kept = [(module, name, getattr(module, name)) for module, name, _ in replaced]
    for module, name, value in replaced:
        setattr(module, name, value)
    # The panels of series ask for the visit again while they load, so this one stays.
    context.current = lambda: here
    logging.disable(logging.WARNING)  # outside a server Streamlit remarks at every call that there is none
    try:
        runpy.run_path(str(PAGES / f"{here.page}.py"))
    finally:
        logging.disable(logging.NOTSET)
        for module, name, value in kept:
            setattr(module, name, value)
    return noted
