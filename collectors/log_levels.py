"""The levels of lines in the ways in which they are written, by the table ``spellings`` of ``log_fields.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from collectors.log_fields import catalogue

FATAL, ERROR = "FATAL", "ERROR"


def level_of(written: object) -> str:
    """The level of the table that a value stands for, whatever its case; empty where the table has it not."""
    return _levels().get(_folded(written), "")


def shown_level(written: object) -> str:
    """A level as a line shows it: a word as it was written, in capitals; a number by its name."""
    text = "" if written is None else str(written)
    if _folded(written).lstrip("-").isdecimal():
        return level_of(written) or text
    return text.upper() if text.isascii() else text


def counted_level(written: object) -> str:
    """A level as lines are counted by it: every spelling of a level is one, and what is graver than an error is one."""
    level = level_of(written)
    return ERROR if level == FATAL else level or shown_level(written)


def spellings(typed: str, *, prefix: bool = False) -> tuple[str, ...]:
    """Every way in which the level is written that a word of a search means; empty where it means none.

    Args:
        typed: The word.
        prefix: Whether it is the beginning of a word only.
    """
    word = _folded(typed)
    if prefix:
        meant = {level for written, level in _levels().items() if written.startswith(word)}
    elif word.isdecimal():
        return ()
    else:
        meant = {level_of(word)} - {""}
    if ERROR in meant:
        meant.add(FATAL)
    table = _table()
    return tuple(written for level in table if level in meant for written in (level.lower(), *table[level]))


def _folded(written: object) -> str:
    if isinstance(written, float) and written.is_integer():
        written = int(written)
    return "" if written is None else str(written).strip().lower()


def _table() -> Mapping[str, tuple[str, ...]]:
    return catalogue()["level"].spellings


@cache
def _levels() -> dict[str, str]:
    return {written: level for level, ways in _table().items() for written in (level.lower(), *ways)}
