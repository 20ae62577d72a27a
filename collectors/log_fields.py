"""The fields of a line that the console knows by name, read from ``catalog/log_fields.toml``.

The file is data that an SRE may change; this module only checks it. A mistake names file, field and key.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

CATALOG = Path(__file__).parent / "catalog" / "log_fields.toml"

Kind = Literal["keyword", "text", "number", "time", "boolean", "address"]


class LogFieldsError(Exception):
    """The catalogue of fields has mistakes; one sentence a line."""


class KnownField(BaseModel):
    """One field of a line.

    Attributes:
        name: What is typed in a search.
        paths: Where it may be in a document; all that a store has are asked together.
        kind: What can be asked of it, where the store does not say otherwise.
        title: How a column of it is called.
        help: What it means, in a sentence.
        identifier: Whether it tells who somebody is, so that it is masked for who may not see that.
        looks_like: Of an identifier the forms that its values have, as regular expressions for a whole word: who may
            not search by it may not look for such a word in the text either.
        spellings: Of the level: a level → how it is written elsewhere, in small letters.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    paths: tuple[str, ...] = Field(min_length=1)
    kind: Kind
    title: str
    help: str
    identifier: bool = False
    looks_like: tuple[re.Pattern[str], ...] = ()
    spellings: dict[str, tuple[str, ...]] = {}

    @model_validator(mode="after")
    def _each_spelling_is_one_level(self) -> KnownField:
        every = [written for ways in self.spellings.values() for written in ways]
        if twice := sorted({written for written in every if every.count(written) > 1}):
            raise ValueError(f"spellings: {', '.join(twice)} stands for two levels")
        if wrong := [written for written in every if written != written.lower()]:
            raise ValueError(f"spellings: {', '.join(wrong)} must be written in small letters")
        return self

    @model_validator(mode="after")
    def _forms_of_an_identifier(self) -> KnownField:
        if self.looks_like and not self.identifier:
            raise ValueError("looks_like is for fields with identifier = true")
        return self


def load(path: Path = CATALOG) -> dict[str, KnownField]:
    """All fields of a catalogue file, by name, in the file's order.

    Raises:
        LogFieldsError: The file cannot be used; it names the field and the key of each mistake.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LogFieldsError(f"{path.name}: {error}") from None
    known: dict[str, KnownField] = {}
    mistakes: list[str] = []
    for name, entry in raw.items():
        if not isinstance(entry, dict):
            mistakes.append(f"{path.name}: {name} is not a table; write [{name}]")
            continue
        try:
            known[name] = KnownField.model_validate({"name": name, **entry})
        except ValidationError as error:
            for item in error.errors(include_url=False):
                where = ".".join([name, *(str(part) for part in item["loc"])])
                mistakes.append(f"{path.name}: {where}: {item['msg'].removeprefix('Value error, ')}")
    owners: dict[str, str] = {}
    for one in known.values():
        for place in one.paths:
            other = owners.setdefault(place, one.name)
            if other != one.name:
                mistakes.append(f"{path.name}: {one.name}.paths: {place} belongs to {other} already")
    if mistakes:
        raise LogFieldsError("\n".join(mistakes))
    return known


@cache
def catalogue() -> dict[str, KnownField]:
    """The shipped fields, read once."""
    return load()


def identifiers() -> frozenset[str]:
    """Names and paths of the fields that tell who somebody is."""
    return frozenset(written for one in catalogue().values() if one.identifier for written in (one.name, *one.paths))


def known_field(written: str) -> KnownField | None:
    """The shipped field of this name or path; ``None`` where it is another one."""
    return next((one for one in catalogue().values() if written == one.name or written in one.paths), None)


def tells_who(field: str) -> bool:
    """Whether a field of a store tells who somebody is: an identifier, wherever it is nested, and what is made of it.

    ``user_id.keyword`` and ``log.fields.user_id`` tell as much as ``user_id``.
    """
    return any(f".{one}." in f".{field}." for one in identifiers())
