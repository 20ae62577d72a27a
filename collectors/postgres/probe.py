"""Whether a PostgreSQL that gave no session is there at all, and by which code it refuses: no word of it is read.

libpq tells of a connection that was never made nothing but words, in the language of the server. So the start of one is
repeated without a password, and what arrives is looked at before libpq takes it.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import ConnStatus, PGconn, PollingStatus, abc

SECONDS = 2.0
"""Longest time for it."""

MOST_OCTETS = 4096


@dataclass(frozen=True)
class Probe:
    """What a server did with the start of a session.

    Attributes:
        answered: Whether it sent anything, be it a refusal.
        state: SQLSTATE of its refusal; empty where there was none, or where it was not to be seen (TLS, or the server
            asked for a password first).
    """

    answered: bool
    state: str = ""


def probe(there: Mapping[str, Any]) -> Probe:
    """Start a session and see what comes; never raises.

    Args:
        there: Where the server is, for the driver, without a password.
    """
    given = {name: value for name, value in there.items() if value is not None}
    try:
        connection = PGconn.connect_start(make_conninfo("", **given).encode())
    except psycopg.Error:
        return Probe(answered=False)
    try:
        return _followed(connection, time.monotonic() + SECONDS)
    except (psycopg.Error, OSError, ValueError):
        return Probe(answered=False)
    finally:
        connection.finish()


def _followed(connection: abc.PGconn, ends: float) -> Probe:
    found = Probe(answered=False)
    while (left := ends - time.monotonic()) > 0:
        step = connection.connect_poll()
        if step not in (PollingStatus.READING, PollingStatus.WRITING):
            return Probe(answered=True) if step == PollingStatus.OK else found
        reading = step == PollingStatus.READING
        socket_ = [connection.socket]
        if not any(select.select(socket_ if reading else [], [] if reading else socket_, [], left)):
            break
        if reading and connection.status in (ConnStatus.AWAITING_RESPONSE, ConnStatus.AUTH_OK):
            borrowed = socket.socket(fileno=connection.socket)
            try:
                octets = borrowed.recv(MOST_OCTETS, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            finally:
                borrowed.detach()  # it stays libpq's
            if octets:
                found = Probe(answered=True, state="" if connection.ssl_in_use else _state(octets))
    return found


def _state(octets: bytes) -> str:
    """The SQLSTATE of the error that begins here; empty where it is something else."""
    if octets[:1] != b"E":
        return ""
    fields = (field for field in octets[5:].split(b"\0") if field[:1] == b"C" and len(field) == 6)
    return next((field[1:].decode("ascii", "replace") for field in fields), "")
