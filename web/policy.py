"""What the server answers and what every answer carries, worked out once from the settings."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network
from urllib.parse import urlsplit

from settings import Settings
from web.sessions import Limits, sessions_for

Headers = tuple[tuple[bytes, bytes], ...]

_DEFAULT_PORTS = {"http": 80, "https": 443}

PROBES = frozenset({"/healthz", "/readyz"})
"""Paths that answer under any ``Host``: probes come by address, and these tell nothing but a state."""

METRICS = "/metrics"
"""Answers under any ``Host`` too: a scraper comes by address. The route itself decides who may read it."""

EXPORT_LOGS = "/export/logs"
"""Log lines as a file; answers under the console's own ``Host`` only, and decides itself who gets one."""

COMPLETE_LOGS = "/complete/logs"
"""What may come next in a log search; under the console's own ``Host`` only."""

STREAM = "/_stcore/stream"
"""The one path for WebSockets."""

# Streamlit's own. Left out on purpose: /_stcore/metrics, /_stcore/agent/*, /_stcore/upload_file/*,
# /_stcore/script-health-check, the other /_stcore/bidi-components/*, /component/*, /app/static/*, /auth/*.
_STREAMLIT = re.compile(
    r"/favicon\.png|/manifest\.json|/_stcore/(?:health|host-config)|"
    r"/_stcore/bidi-components/synaptic-console\.(?:log_scroll/log_scroll\.js|zone/zone\.js|"
    r"charts/charts\.js|screen/screen\.js|links/links\.js|"
    r"(?:log_field/log_field|copy_link/copy_link)\.(?:js|css))|"
    r"/static/(?:js|css|media)/[A-Za-z0-9_-][A-Za-z0-9_.-]*"
)

_BELOW_PAGE = re.compile(r"(/[^/]+)/_stcore/(?:health|host-config)")

# Pictures that a page draws, by the hash of their content. Other kinds are closed: whoever knows the
# address of such a file gets it without signing in, so what is for download has routes of its own.
_PICTURE = re.compile(r"/media/[0-9a-f]{32,64}\.(?:png|jpe?g|gif|webp|svg)")


_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Policy:
    """What is let in and what goes out.

    Attributes:
        origins: The exact values of ``Origin`` under which browsers may open sessions.
        hosts: The exact values of ``Host`` that are answered.
        pages: The paths of the pages, ``/`` among them.
        loopback_only: Whether only connections within this machine are answered.
        headers: What every answer carries.
        picture_headers: What replaces them for pictures, which could hold scripts.
        body_bytes: Most bytes of a request's body.
        frame_bytes: Most bytes of one message from a browser.
        limits: How many sessions may be open.
        secure_cookies: Whether cookies go over TLS only.
    """

    origins: frozenset[str]
    hosts: frozenset[str]
    pages: frozenset[str]
    loopback_only: bool
    headers: Headers
    picture_headers: Headers
    body_bytes: int = 64 * 1024
    frame_bytes: int = 1024 * 1024
    limits: Limits = _LIMITS
    secure_cookies: bool = False

    def is_open(self, path: str) -> bool:
        """Whether this path is one that the console serves over HTTP."""
        return (
            path in self.pages or path in PROBES or path in {METRICS, EXPORT_LOGS, COMPLETE_LOGS} or self.is_asset(path)
        )

    def is_asset(self, path: str) -> bool:
        """Whether this path belongs to Streamlit's front end or is a picture on a page."""
        return _STREAMLIT.fullmatch(path) is not None or self.is_picture(path)

    def is_known_miss(self, path: str) -> bool:
        """Whether browsers ask for this path by themselves although it is not here, so that it tells of nobody.

        Streamlit's front end looks for its server below the address of the page before it looks at the root.
        """
        page = _BELOW_PAGE.fullmatch(path)
        return path == "/favicon.ico" or (page is not None and page[1] in self.pages)

    def is_picture(self, path: str) -> bool:
        """Whether this path is a picture on a page."""
        return _PICTURE.fullmatch(path) is not None


def origin_of(url: str) -> str:
    """The ``Origin`` that a browser sends from a page at this address: default ports are left out."""
    return f"{urlsplit(url).scheme.lower()}://{host_of(url)}"


def host_of(url: str) -> str:
    """The ``Host`` that a browser sends to this address: default ports are left out."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if ":" in host:
        host = f"[{host}]"
    port = parts.port
    return host if port is None or port == _DEFAULT_PORTS.get(parts.scheme) else f"{host}:{port}"


def inline_script_hashes(html: str) -> list[str]:
    """Sources for a content security policy that allow exactly the inline scripts of ``html``."""
    scripts = [behind.partition("</script>")[0] for behind in html.split("<script>")[1:]]
    return [f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts]


def build(settings: Settings, pages: Iterable[str], index_html: str, descriptors: int | None = None) -> Policy:
    """The policy for these settings.

    Args:
        settings: The console's settings.
        pages: Paths of the pages besides ``/``, such as ``/sources``.
        index_html: The page that Streamlit's front end starts from; its inline scripts are allowed by their hashes.
        descriptors: How many files this process may have open; as many as needed by default.
    """
    server = settings.server
    addresses = (server.public_url, *server.allowed_origins)
    sockets = " ".join(dict.fromkeys(f"{'wss' if a.startswith('https:') else 'ws'}://{host_of(a)}" for a in addresses))
    content = "; ".join(
        (
            "default-src 'none'",
            # Streamlit's front end counts in 64 bits with a little WebAssembly; scripts from text stay forbidden.
            f"script-src 'self' 'wasm-unsafe-eval' {' '.join(inline_script_hashes(index_html))}".rstrip(),
            # Streamlit (emotion) and Plotly write style elements and style attributes while they draw.
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            # 'self' does not cover WebSockets in every browser, so their address is named.
            f"connect-src 'self' {sockets}",
            "manifest-src 'self'",
            "worker-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
    https = urlsplit(server.public_url).scheme == "https"
    common = {
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        # The address of a page holds what somebody looked for.
        "referrer-policy": "same-origin",
        "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), "
        "midi=(), display-capture=(), fullscreen=(self), clipboard-read=(), clipboard-write=(self)",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "x-permitted-cross-domain-policies": "none",
        **({"strict-transport-security": "max-age=31536000"} if https else {}),
    }
    picture = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
    return Policy(
        origins=frozenset(origin_of(address) for address in addresses),
        hosts=frozenset(host_of(address) for address in addresses),
        pages=frozenset({"/", *pages}),
        loopback_only=server.mode == "none",
        headers=_encoded({"content-security-policy": content, **common}),
        picture_headers=_encoded({"content-security-policy": picture, **common}),
        limits=Limits(
            server.sessions if descriptors is None else sessions_for(descriptors, server.sessions),
            server.sessions_per_address,
            tuple(ip_network(one) for one in server.trusted_proxies),
        ),
        secure_cookies=https,
    )


def _encoded(headers: dict[str, str]) -> Headers:
    return tuple((name.encode(), value.encode()) for name, value in headers.items())
