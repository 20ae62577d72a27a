"""Which zone the times of a visit are in, where its address names none: the viewer's own.

The zone that this browser chose last, as it is in a cookie; else the one of the settings; else the browser's. What a
viewer chooses is in the address from then on, and in the cookie for the next visit. A zone that a link names holds for
who opens it, and is not remembered.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from settings import BROWSER_ZONE, View
from ui.components import own

COOKIE = "synaptic-zone"
_USUAL = "usual zone"
_CHOSEN = "chosen zone"

# What browsers still call by their former names, which not every system's list of zones has.
_RENAMED = {
    "America/Buenos_Aires": "America/Argentina/Buenos_Aires",
    "America/Godthab": "America/Nuuk",
    "Asia/Calcutta": "Asia/Kolkata",
    "Asia/Katmandu": "Asia/Kathmandu",
    "Asia/Rangoon": "Asia/Yangon",
    "Asia/Saigon": "Asia/Ho_Chi_Minh",
    "Atlantic/Faeroe": "Atlantic/Faroe",
    "Etc/UTC": "UTC",
    "Europe/Kiev": "Europe/Kyiv",
}


def browser() -> str | None:
    """The zone of the browser; ``None`` where it tells none that is known here."""
    return known(st.context.timezone)


def known(name: str | None) -> str | None:
    """The zone's name where it is one; ``None`` for whatever else a browser sends."""
    if not name or len(name) > 60:
        return None
    name = _RENAMED.get(name, name)
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def usual(view: View) -> str:
    """The zone of an address that names none; the same for all of a session."""
    if _USUAL not in st.session_state:
        configured = None if view.time_zone == BROWSER_ZONE else view.time_zone
        st.session_state[_USUAL] = known(st.context.cookies.get(COOKIE)) or configured or browser() or "UTC"
    return str(st.session_state[_USUAL])


def left_out(view: View) -> str:
    """The zone that addresses need not name: the usual one, and none after the viewer chose one in this session."""
    return "" if _CHOSEN in st.session_state else usual(view)


def choose(zone: str) -> None:
    """Take a zone as the viewer's choice, for this session and for later ones."""
    st.session_state[_CHOSEN] = zone


def remember() -> None:
    """Leave the viewer's choice in the browser; to be called in each run of a page."""
    choice = {"name": COOKIE, "zone": st.session_state.get(_CHOSEN, "")}
    own("zone", "<i hidden></i>")(key="zone", data=choice, height=1)


def offered(view: View) -> dict[str, str]:
    """The zones to choose from before all others: name → whose it is."""
    zones = {} if (own_zone := browser()) is None else {own_zone: "browser"}
    if view.time_zone != BROWSER_ZONE:
        zones.setdefault(view.time_zone, "settings")
    return zones
