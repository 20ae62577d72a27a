"""How many sessions may be open, in all and from one address, and how many file descriptors there are for them.

A session costs descriptors, memory and a thread's time whether anybody looks at it or not; without a bound one
program that opens sockets would take them from everybody.
"""

from __future__ import annotations

import ipaddress
import resource
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape

from starlette.types import Scope

from telemetry import logs

log = logs.get_logger(__name__)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PROXIED = "a proxy that is not named"
"""Stands for the address of whoever comes through a proxy that the settings do not name."""

RETRY_SECONDS = 10
"""After how long the page that says "full" asks again."""

MOST_DESCRIPTORS = 65_536
"""The soft limit is raised no further: nothing here needs more, and some programs look at each possible one."""

FEWEST_DESCRIPTORS = 4096
"""Below this a warning is written at start."""

_DESCRIPTORS_A_SESSION = 4
_OTHER_DESCRIPTORS = 640
"""Sources, records, assets on their way, and the 128 sessions that Streamlit keeps for two minutes after they left."""

_FORWARDED = frozenset({b"forwarded", b"via", b"x-forwarded-for", b"x-real-ip"})
_MOST_HOPS = 20


@dataclass(frozen=True, slots=True)
class Limits:
    """How many sessions may be open.

    Attributes:
        sessions: In all.
        per_address: From one address.
        trusted_proxies: Whose ``X-Forwarded-For`` is believed.
    """

    sessions: int = 300
    per_address: int = 100
    trusted_proxies: tuple[Network, ...] = ()


class Sessions:
    """Counts what is open; used on the event loop only."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._open: Counter[str] = Counter()

    def full(self, scope: Scope) -> str:
        """Why no further session fits for this client, as a sentence; empty where one does."""
        address = self._address(scope)
        most = self._most(address)
        if self._open.total() >= self.limits.sessions:
            return f"All {self.limits.sessions} sessions of this console are in use."
        if self._open[address] >= most:
            return f"All {most} sessions that one address may have are in use."
        return ""

    def enter(self, scope: Scope) -> Callable[[], None]:
        """Count one session; what is returned ends it, and does nothing the second time."""
        address = self._address(scope)
        self._open[address] += 1
        ended = False

        def leave() -> None:
            nonlocal ended
            if not ended:
                ended = True
                self._open[address] -= 1
                if not self._open[address]:
                    del self._open[address]

        return leave

    def _most(self, address: str) -> int:
        if address != PROXIED:
            return self.limits.per_address
        # Many people may stand behind it. They have all but what one address may have, so that somebody who only
        # pretends to come through a proxy cannot lock out those who do not.
        return max(self.limits.sessions - self.limits.per_address, self.limits.per_address)

    def _address(self, scope: Scope) -> str:
        client = scope.get("client")
        address = str(client[0]) if client else ""
        forwarded = [value for name, value in scope["headers"] if name in _FORWARDED]
        if not forwarded:
            return address
        if not self._trusted(address):
            return PROXIED
        hops = [hop.strip() for hop in _forwarded_for(scope["headers"])]
        # The last one that no proxy of ours added: whatever stands before it, the client may have written itself.
        return next((hop for hop in reversed(hops[-_MOST_HOPS:]) if not self._trusted(hop)), PROXIED)[:64]

    def _trusted(self, address: str) -> bool:
        try:
            ip = ipaddress.ip_address(address.strip("[]"))
        except ValueError:
            return False
        return any(ip in network for network in self.limits.trusted_proxies)


def _forwarded_for(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    values = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
    return ",".join(values)[-2000:].split(",")


def raise_descriptors() -> int:
    """Raise the soft limit of open files as far as it may be; returns what it is then.

    The usual soft limit of 1,024 dates from a time of ``select``; the hard one is what the machine really allows.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return MOST_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


def sessions_for(descriptors: int, wanted: int) -> int:
    """How many of the wanted sessions fit into so many file descriptors; at least ten."""
    return max(10, min(wanted, (descriptors - _OTHER_DESCRIPTORS) // _DESCRIPTORS_A_SESSION))


def full_page(sentence: str) -> bytes:
    """The page for a person whose session does not fit; it asks again by itself."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Synaptic Console is full</title>
<meta http-equiv="refresh" content="{RETRY_SECONDS}"><meta name="viewport" content="width=device-width">
<style>body{{font:16px/1.5 sans-serif;max-width:34rem;margin:15vh auto;padding:0 1rem;color-scheme:light dark}}</style>
</head><body><h1>The console is full</h1>
<p>{escape(sentence)} This page tries again every {RETRY_SECONDS} seconds.</p>
<p>A tab that is closed makes room. Who runs the console can allow more with
<code>server.sessions</code> and <code>server.sessions_per_address</code>.</p></body></html>
""".encode()
