"""What ends a question to PostgreSQL that overruns its time."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from typing import Any

import psycopg

CANCEL_SECONDS = 2.0
"""Longest time that cancelling may take before the connection is cut."""


class Watch:
    """Ends a question that overruns: cancels it from a second connection, and cuts the connection if that fails.

    Attributes:
        fired: Whether it had to.
    """

    def __init__(self, connection: psycopg.Connection[Any], seconds: float) -> None:
        self.fired = False
        self._connection = connection
        self._socket = os.dup(connection.fileno())
        self._done = threading.Event()
        self._timer = threading.Timer(max(seconds, 0.001), self._overran)
        self._timer.name = "postgres-watch"
        self._timer.daemon = True

    def __enter__(self) -> Watch:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._timer.cancel()
        # Its thread may be in the middle of cancelling, and what it would cancel then is the next question.
        self._timer.join()
        os.close(self._socket)

    def _overran(self) -> None:
        if self._done.is_set():
            return
        self.fired = True
        with contextlib.suppress(psycopg.Error):
            self._connection.cancel_safe(timeout=CANCEL_SECONDS)
        if not self._done.wait(CANCEL_SECONDS):
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self._socket)) as cut:
                cut.shutdown(socket.SHUT_RDWR)
