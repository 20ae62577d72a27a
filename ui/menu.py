"""The pages of the console and the ways to them: the menu, links between pages, links to other tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlencode

import streamlit as st

from collectors.span import Span
from ui import context
from ui.components import own

ROOT = Path(__file__).resolve().parent.parent

PAGES: dict[str, tuple[str, str]] = {}
"""The pages in the order of the menu: file in ``pages/`` and part of the address → title, icon."""


def register(pages: Mapping[str, tuple[str, str]]) -> None:
    """Say which pages there are; to be called once, before the first of them.

    Args:
        pages: Name → title and icon, in the order of the menu.
    """
    PAGES.update(pages)


def pages() -> dict[str, st.Page]:
    """The pages by name, for this run of the shell."""
    return {
        name: st.Page(ROOT / "pages" / f"{name}.py", title=title, icon=icon, url_path=name)
        for name, (title, icon) in PAGES.items()
    }


def link(
    name: str, label: str = "", *, icon: str | None = None, params: Mapping[str, str | Sequence[str]] | None = None
) -> None:
    """A link to another page, with environment, window and zone kept, or with other parameters."""
    st.page_link(
        pages()[name],
        label=label or PAGES[name][0],
        icon=icon or PAGES[name][1],
        query_params=dict(params) if params is not None else context.current().params(),
    )


def text_link(name: str, label: str, params: Mapping[str, str | Sequence[str]]) -> None:
    """A line of our own Markdown that leads to a page; foreign text in it has passed :func:`ui.clean.inert`."""
    st.page_link(_bare(name), label=label, query_params=dict(params))


def keep_address() -> None:
    """Let links to the page that is open change its address too; to be called in each run of a page."""
    own("links", "<i hidden></i>")(key="links", height=1)


def go(name: str, params: Mapping[str, str | Sequence[str]]) -> None:
    """Leave for another page at once: what a click on a row of a table does.

    Raises:
        streamlit.runtime.scriptrunner.RerunException: Always; it ends this run.
    """
    st.switch_page(pages()[name], query_params=dict(params))


def cover(name: str, label: str, params: Mapping[str, str | Sequence[str]]) -> None:
    """Make the whole of the container around it lead to a page.

    Args:
        name: The page.
        label: What a screen reader says, and who comes by keyboard sees.
        params: Parameters of the page's address.
    """
    with st.container(key=f"cover-{label}"):
        st.page_link(_bare(name), label=label, query_params=dict(params))


def _bare(name: str) -> st.Page:
    """A page without its icon, which Streamlit would put before the words of every link to it."""
    return st.Page(ROOT / "pages" / f"{name}.py", title=PAGES[name][0], url_path=name)


def prometheus_graph(query: str, span: Span) -> str | None:
    """The address of Prometheus' own page for a query over a span; ``None`` where none is configured."""
    configured = context.current().configured
    if configured is None or configured.prometheus is None:
        return None
    base = configured.prometheus.link or configured.prometheus.url
    asked = {
        "g0.expr": query,
        "g0.tab": "0",
        "g0.range_input": f"{int(span.seconds)}s",
        "g0.end_input": span.end.strftime("%Y-%m-%d %H:%M:%S"),
        "g0.step_input": str(span.step),
    }
    return f"{base}/graph?{urlencode(asked)}"
