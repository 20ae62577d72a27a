"""Plain values that a store answers with, before they become typed structs: nulls, and texts that are no text."""

from __future__ import annotations

import json
from typing import Any

_DOCUMENTS = frozenset({"_source", "sort"})
"""Keys whose values belong to lines: a null there is a value."""


def told(answer: Any) -> Any:
    """An answer without its nulls: a store writes null where it has nothing to tell, also in place of an empty list.

    What belongs to a line stays as it is.
    """
    if isinstance(answer, dict):
        return {key: value if key in _DOCUMENTS else told(value) for key, value in answer.items() if value is not None}
    if isinstance(answer, list):
        return [told(one) for one in answer if one is not None]
    return answer


def valid(text: str) -> str:
    """A text that can be encoded: halves of a character are joined, or replaced where the other half is missing."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def as_utf8(body: bytes) -> bytes:
    """A body in UTF-8, with what is none of it replaced."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return body.decode("utf-8", "replace").encode()
    return body


def has_half_characters(body: bytes) -> bool:
    """Whether a body is JSON in which halves of characters are escaped and stand alone."""
    if b"\\ud" not in body and b"\\uD" not in body:
        return False
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True
