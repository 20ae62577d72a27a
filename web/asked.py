"""Whether the console's own pages ask, for routes that any page on the web could make a browser ask."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request

from settings import Settings
from web.hardening import is_loopback
from web.policy import host_of, origin_of

_OURS = frozenset({"same-origin", "none"})


def by_own_page(request: Request, settings: Settings) -> bool:
    """Whether the console's own page, or no page at all, asks for this.

    Browsers say who asks (``Sec-Fetch-Site``), but to addresses that they trust only: https and loopback. There a
    request without it comes from no browser. Elsewhere it has to come with the address of one of our pages.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in _OURS
    host = request.headers.get("host", "").lower()
    addresses = (settings.server.public_url, *settings.server.allowed_origins)
    if is_loopback(urlsplit(f"//{host}").hostname):
        return True
    if any(address.startswith("https:") and host_of(address) == host for address in addresses):
        return True
    referer = request.headers.get("referer", "")
    try:
        return bool(referer) and origin_of(referer) in {origin_of(address) for address in addresses}
    except ValueError:
        return False
