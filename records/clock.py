"""One clock for all consoles: that of the records' database.

What a console writes under its own clock may lie in the future of the others, and then nothing is learned until that
time has come. A console whose own clock is off asks here what time it is, and says that it is off.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache

from records.database import Database
from records.leases import database_time

AGAIN_SECONDS = 30.0
"""How long a reading is carried on by this machine's count of seconds, which nobody can set."""

OFF_SECONDS = 5.0
"""From how far beside the database's clock on a console's own clock is said to be off."""


class Clock:
    """The database's clock as this process knows it; safe to use from many threads.

    Args:
        database: The records.
        local: This machine's own clock.
    """

    def __init__(self, database: Database, local: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._local = local
        self._lock = threading.Lock()
        self._read: datetime | None = None
        self._read_at = 0.0
        self.ahead = 0.0
        """Seconds that this machine's clock was ahead of the database's at the last reading; negative behind."""

    def now(self) -> datetime:
        """The time, aware UTC.

        Raises:
            RecordsError: The database could not be asked.
        """
        with self._lock:
            if self._read is None or time.monotonic() - self._read_at > AGAIN_SECONDS:
                with self._database.reading() as connection:
                    before = time.monotonic()
                    self._read = database_time(connection)
                    self._read_at = time.monotonic()
                half = timedelta(seconds=(self._read_at - before) / 2)
                self.ahead = (self._local() - half - self._read).total_seconds()
            return self._read + timedelta(seconds=time.monotonic() - self._read_at)

    @property
    def off(self) -> str:
        """A sentence where this machine's clock is off; empty where it is not."""
        if abs(self.ahead) < OFF_SECONDS:
            return ""
        way = "ahead of" if self.ahead > 0 else "behind"
        return (
            f"The clock of this console's machine is {abs(self.ahead):,.0f} s {way} that of the records' database. "
            "Windows that end now end at the wrong time; what the worker keeps has the database's time."
        )


@cache
def clock(database: Database) -> Clock:
    """The clock of these records, one for the process."""
    return Clock(database)
