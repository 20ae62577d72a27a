"""The age of what is made of several answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from collectors.cache import Answer

T = TypeVar("T")


def oldest(answers: Sequence[Answer[object]], value: T) -> Answer[T]:
    """``value``, made of several answers, with the age of the oldest and the first error among them."""
    error = next((kept.error for kept in answers if kept.error is not None), None)
    return Answer(value, min(kept.as_of for kept in answers), error)
