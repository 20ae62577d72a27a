"""PostgreSQL's settings against advice, as data: ``catalog/settings_advice.toml``, which an SRE may change.

This module checks the file; a mistake names file, entry and key. Whether a setting fits is told by
:mod:`views.database.maintenance.settings`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from collectors.toml_tables import read_tables

CATALOG = Path(__file__).parent / "catalog" / "settings_advice.toml"

MEMORY = "memory"
"""What a share may be of beside a setting: the memory of the machine."""

_UNITS = {
    "": 1.0, "b": 1.0, "kb": 2.0**10, "mb": 2.0**20, "gb": 2.0**30, "tb": 2.0**40,
    "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0,
}  # fmt: skip
_QUANTITY = re.compile(r"^\s*(-?\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*$")


class SettingsAdviceError(Exception):
    """The file of advice about settings has mistakes; one sentence a line."""


def quantity(text: str) -> float | None:
    """A value as PostgreSQL writes it, in bytes or seconds, or as the number that it is; ``None`` for a word.

    >>> quantity("128MB"), quantity("5min"), quantity("0.9"), quantity("on")
    (134217728.0, 300.0, 0.9, None)
    """
    match = _QUANTITY.match(text)
    factor = _UNITS.get(match[2].lower()) if match else None
    return float(match[1]) * factor if match and factor is not None else None


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Bound(_Model):
    """At least or at most a value."""

    kind: Literal["minimum", "maximum"]
    value: str

    @field_validator("value")
    @classmethod
    def _a_number(cls, value: str) -> str:
        if quantity(value) is None:
            raise ValueError(f'"{value}" is no quantity; write it as PostgreSQL does: "256MB", "5min", "0.9"')
        return value


class Equal(_Model):
    """Exactly a value."""

    kind: Literal["equal"]
    value: str = Field(min_length=1)


class OneOf(_Model):
    """One of some values."""

    kind: Literal["one_of"]
    values: tuple[str, ...] = Field(min_length=1)


class Share(_Model):
    """The setting, times another one where named, as a share of another setting or of the memory."""

    kind: Literal["share"]
    of: str = Field(min_length=1)
    times: str = ""
    least: float | None = Field(default=None, gt=0)
    most: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _bounded(self) -> Share:
        if self.least is None and self.most is None:
            raise ValueError("a share needs least or most")
        return self


class Connections(_Model):
    """All replicas with their whole pools must fit beside what the server reserves."""

    kind: Literal["connections"]
    replicas: int = Field(gt=0)
    pool: int = Field(gt=0)


Rule = Annotated[Bound | Equal | OneOf | Share | Connections, Field(discriminator="kind")]


class SettingAdvice(_Model):
    """What one setting should be.

    Attributes:
        rules: All must hold.
        off: Values that mean "off" or "without a limit": they never fit a minimum or maximum.
        inherits: The setting that counts where this one is -1.
        of_role: Whether the value of the service's role counts.
        advice: What it should be, in words.
        why: What happens otherwise.
        source: Where that is written.
        severity: What it means where it does not fit.
    """

    rules: tuple[Rule, ...] = Field(min_length=1)
    off: tuple[str, ...] = ()
    inherits: str = ""
    of_role: bool = False
    advice: str = Field(min_length=1, max_length=200)
    why: str = Field(min_length=1, max_length=400)
    source: str = Field(min_length=1, max_length=200)
    severity: Literal["risk", "broken"]


@cache
def catalogue() -> Mapping[str, SettingAdvice]:
    """The advice that is shipped, by the name of the setting.

    Raises:
        SettingsAdviceError: The file has mistakes.
    """
    return read(CATALOG)


def read(path: Path) -> Mapping[str, SettingAdvice]:
    """Read a file of advice about settings.

    Raises:
        SettingsAdviceError: It cannot be read, or an entry has a mistake.
    """
    return read_tables(path, SettingAdvice, SettingsAdviceError)
