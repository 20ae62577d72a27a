"""Files of the catalogue that are tables by key: read, and each table checked against its model."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

M = TypeVar("M", bound=BaseModel)


def read_tables(path: Path, model: type[M], mistake: type[Exception]) -> dict[str, M]:
    """All tables of a file, in its order.

    Args:
        path: The file.
        model: What each table must be.
        mistake: Raised with one sentence a line, each naming file, table and key.

    Raises:
        Exception: ``mistake``: the file cannot be read, or a table is not what it should be.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise mistake(f"{path.name}: {error}") from None
    found: dict[str, M] = {}
    mistakes: list[str] = []
    for key, table in tables.items():
        try:
            found[key] = model.model_validate(table)
        except ValidationError as error:
            mistakes += [
                f"{path.name}: {'.'.join([key, *map(str, one['loc'])])}: {one['msg'].removeprefix('Value error, ')}"
                for one in error.errors(include_url=False)
            ]
    if mistakes:
        raise mistake("\n".join(mistakes))
    return found
