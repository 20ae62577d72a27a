"""The settings of a PostgreSQL server: what is in force, what belongs to roles, and what the files say.

The console's own session has a few settings of its own (:data:`OWN`): for these the server's value can be seen only
where the console may look at the configuration files.
"""

from __future__ import annotations

from typing import Any

import msgspec

from collectors.cache import Answer
from collectors.postgres.client import Postgres
from collectors.postgres.server import APPLICATION, Rows
from collectors.postgres.session import FIXED
from collectors.postgres.types import text_of
from collectors.postgres.upkeep import SLOW_TTL
from collectors.settings_advice import quantity

OWN = frozenset({"statement_timeout", "lock_timeout", "application_name", "client_encoding", *FIXED})
"""Settings that the console's session has values of its own for."""

LONGEST = 2000
"""Most characters of a value."""

FILE_GRANT = (
    'GRANT SELECT ON pg_file_settings TO "{role}";\nGRANT EXECUTE ON FUNCTION pg_show_all_file_settings() TO "{role}";'
)
"""What lets the console's role see the configuration files."""


class Setting(msgspec.Struct, frozen=True):
    """A setting that is in force.

    Attributes:
        name: Its name.
        setting: Its value, in ``unit``.
        unit: ``8kB``, ``MB``, ``ms``, …; empty for none.
        kind: ``bool``, ``enum``, ``integer``, ``real``, ``string``.
        context: What changing it takes: ``postmaster`` is a restart.
        source: Where it comes from: ``default``, ``configuration file``, ``command line``, ``database``, …
        built_in: Its built-in value.
        pending_restart: Whether the files say another value that a restart would bring.
    """

    name: str
    setting: str
    unit: str
    kind: str
    context: str
    source: str
    built_in: str
    pending_restart: bool

    @property
    def amount(self) -> float | None:
        """The value in bytes or seconds, or as the number that it is; ``None`` for a word."""
        number = quantity(self.setting)
        # -1 has a meaning of its own in every setting that takes it, and no size.
        if number is None or not self.unit or number < 0:
            return number
        each = quantity(self.unit if self.unit[0].isdigit() else f"1{self.unit}")
        return number * each if each is not None else number

    @property
    def written(self) -> str:
        """The value as PostgreSQL writes it, with a unit that fits."""
        number = quantity(self.setting)
        if number is not None and number < 0:
            return self.setting.replace("-", "−")
        if number is None or not self.unit or number == 0 or self.amount is None:
            return self.setting
        sizes = self.unit.lower().endswith("b")
        ladder = (("TB", 2**40), ("GB", 2**30), ("MB", 2**20), ("kB", 2**10)) if sizes else _TIMES
        for name, size in ladder:
            times = self.amount / size
            if times >= 1 and abs(times - round(times)) < 1e-9:
                return f"{round(times)} {name}"
        return f"{self.setting} {self.unit}"


_TIMES = (("d", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 0.001))


class RoleSetting(msgspec.Struct, frozen=True):
    """A setting of a role or of this database, or a role without any (``name`` is empty then).

    Attributes:
        role: The role; empty for all of them.
        here_only: Whether it holds in this database only.
        name: Name of the setting.
        setting: Its value, as it was written.
        connected: Whether the role has sessions in this database; ``None`` for all of them.
        superuser: Whether the role is one.
        watcher: Whether it has the rights of ``pg_monitor``, as an exporter has.
    """

    role: str
    here_only: bool
    name: str
    setting: str
    connected: bool | None
    superuser: bool
    watcher: bool


class FileSetting(msgspec.Struct, frozen=True):
    """A line of a configuration file.

    Attributes:
        file: The file.
        line: Its number.
        name: Name of the setting.
        setting: Its value.
        applied: Whether it is in force, or would be after a reload.
        error: What is wrong with it; empty where nothing is.
    """

    file: str
    line: int
    name: str
    setting: str
    applied: bool
    error: str


class _Allowed(msgspec.Struct, frozen=True):
    allowed: bool


def settings(postgres: Postgres) -> Answer[dict[str, Setting]]:
    """The settings in force, by name.

    Raises:
        SourceError: They cannot be told.
    """

    def load(rows: Rows) -> dict[str, Setting]:
        return {one.name: one for one in postgres.source.convert_records(_readable(rows, "setting"), Setting)}

    return postgres.kept("upkeep_settings", load, ttl=SLOW_TTL)


def role_settings(postgres: Postgres) -> Answer[list[RoleSetting]]:
    """Settings of roles and of this database, and which roles have sessions in it.

    Raises:
        SourceError: They cannot be told.
    """

    def load(rows: Rows) -> list[RoleSetting]:
        records = _readable(rows, "entry")
        for one in records:
            one["name"], _, one["setting"] = one.pop("entry").partition("=")
        return postgres.source.convert_records(records, RoleSetting)

    return postgres.kept("upkeep_role_settings", load, {"own": APPLICATION}, ttl=SLOW_TTL)


def file_settings(postgres: Postgres) -> Answer[list[FileSetting] | None]:
    """The lines of the configuration files; ``None`` where the console may not look at them.

    Raises:
        SourceError: They cannot be told.
    """
    allowed = postgres.kept(
        "upkeep_file_allowed", lambda rows: postgres.source.convert(rows, _Allowed)[0].allowed, ttl=SLOW_TTL
    )
    if not allowed.value:
        return allowed.with_value(None)

    def load(rows: Rows) -> list[FileSetting]:
        return postgres.source.convert_records(_readable(rows, "name", "setting", "error"), FileSetting)

    return postgres.kept("upkeep_file_settings", load, ttl=SLOW_TTL)


def _readable(rows: Rows, *columns: str) -> list[dict[str, Any]]:
    """The rows by the names of their columns, with text in place of the octets of some of them."""
    records = rows.records()
    for one in records:
        encoding = one.pop("encoding")
        one.update({column: text_of(one[column], encoding, LONGEST) for column in columns})
    return records
