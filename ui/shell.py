"""The frame of every page: who looks, at which environment and window, and the way to the other pages.

This script runs first at every visit, whatever address was opened; the pages are run by it and never
by themselves. (It lives outside the folder of ``pages/`` on purpose: beside it, Streamlit would take
each page as a program of its own and a deep link would pass this file by.)
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

import access
from records.database import Database, open_database
from records.errors import RecordsError
from settings import Settings
from settings import current as current_settings
from telemetry import logs
from ui import address, bar, context, menu, screen, series_panel, tab, zones
from ui.clean import inert
from ui.theme import STATUS, Theme, css
from ui.window import parse

FAVICON = Path(__file__).resolve().parent / "assets" / "favicon.png"
log = logs.get_logger(__name__)

SIDEBAR_WIDTH = 210
"""Pixels of the menu; the rest of the screen is for data."""


@st.cache_resource
def records(_settings: Settings) -> Database:
    """The console's own database, opened and brought up to date once.

    Raises:
        RecordsError: It cannot be used now; the next visit tries again.
    """
    database = open_database(_settings.records.url)
    database.migrate()
    return database


def _database(settings: Settings) -> Database | None:
    try:
        return records(settings)
    except RecordsError as error:
        log.error("records not available", reason=str(error))
        return None


def _theme() -> Theme:
    return "dark" if st.context.theme.type == "dark" else "light"


def _environment(settings: Settings, remarks: list[str]) -> str:
    names = list(settings.environments)
    asked = address.text("env", 100)
    if asked in settings.environments:
        return asked
    if asked and names:
        remarks.append(f"There is no environment {asked[:40]}; showing {names[0]}.")
    return names[0] if names else ""


def _home() -> None:
    """The address without a path leads to Overview, which has an address of its own to be shared."""
    st.switch_page(menu.pages()["overview"], query_params=st.query_params.to_dict())


def main() -> None:
    """Draw the frame, then the chosen page inside it."""
    st.set_page_config(
        page_title=tab.NAME,
        page_icon=FAVICON,
        layout="wide",
        initial_sidebar_state=SIDEBAR_WIDTH,
    )
    home = st.Page(_home, title="Synaptic Console", default=True, visibility="hidden")
    page = st.navigation([home, *menu.pages().values()], position="hidden")
    if page.url_path not in menu.PAGES:
        page.run()
        return
    settings = current_settings()
    window, remarks = parse(st.query_params.to_dict(), settings.view, zones.usual(settings.view))
    visit = context.Context(
        settings=settings,
        environment=_environment(settings, remarks),
        window=window,
        page=page.url_path,
        theme=_theme(),
        viewer=access.identify(settings),
        records=_database(settings),
        usual_zone=zones.left_out(settings.view),
    )
    context.enter(visit)
    tab.show(visit)
    st.html(f"<style>{css(visit.theme)}</style>")
    with st.sidebar:
        st.markdown("### Synaptic Console")
        for name in menu.PAGES:
            menu.link(name)
        st.caption(f"{inert(visit.viewer.name)} · {', '.join(sorted(visit.viewer.roles))}")
    bar.bar(visit, visit.records)
    with st.container(key="unseen"):
        zones.remember()
        screen.watch()
        menu.keep_address()
        series_panel.touchable()
    for remark in remarks:
        st.warning(inert(remark, 300), icon=STATUS["risk"].icon)
    if not access.may(visit.viewer, access.Right.LOOK):
        st.error("You may not look at this console. Ask its administrators for the role “viewer”.")
        return
    page.run()


main()
