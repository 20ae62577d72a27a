"""Foreign text made visible: no character in it hides, reorders or drives a terminal, and no secret is in it.

Pages take it through :mod:`ui.clean`, the command line uses it as it is.
"""

from __future__ import annotations

import re
import unicodedata

from telemetry.masks import MARGIN, mask_known

_ROOM_FOR_WORDS = 80
_LEAST_CUT = 25
_MARKS_IN_A_ROW = 4
"""More combining marks than any language needs on one letter; further ones climb over the neighbouring lines."""

# Characters that Unicode counts as letters or marks and that nevertheless show nothing.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u3164\uffa0\u2800")
_SELECTORS = re.compile("[\ufe00-\ufe0e\U000e0100-\U000e01ef]")


def visible(text: object, limit: int, *, lines: bool = False) -> str:
    """A text with its hidden characters shown, cut in the middle where it is longer than ``limit`` characters.

    Args:
        text: The text; bytes are read as UTF-8, anything else is turned into text first.
        limit: The longest text that is shown whole, in characters.
        lines: Keep line breaks and tabs; otherwise they are made visible too.
    """
    # Cut first: a text of megabytes then costs no more than a text of the limit.
    return _visible(_cut(_text(text), limit), lines=lines)


def _text(text: object) -> str:
    if isinstance(text, str):
        return text
    if isinstance(text, bytes | bytearray):
        return bytes(text).decode("utf-8", "backslashreplace")
    return str(text)


def _cut(text: str, limit: int) -> str:
    # A text is not cut where the mark would be longer than what it hides.
    if len(text) <= limit + (_LEAST_CUT if limit >= _ROOM_FOR_WORDS else 0):
        return mask_known(text)
    head = max(1, limit * 2 // 3)
    tail = max(1, limit - head)
    left_out = len(text) - head - tail
    # On a label there is room for the number alone.
    words = f" …[{left_out:,} more characters]… " if limit >= _ROOM_FOR_WORDS else f"…[+{left_out:,}]…"
    # Beyond the cuts as well: half a secret is one too.
    return f"{mask_known(text[: head + MARGIN])[:head]}{words}{mask_known(text[-tail - MARGIN :])[-tail:]}"


def _visible(text: str, *, lines: bool) -> str:
    # One quick look suffices for nearly every text: printable ASCII has nothing to hide.
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        if lines and character in "\n\t":
            shown.append(character)
        elif character < " ":
            shown.append(chr(0x2400 + ord(character)))
        elif character == "\x7f":
            shown.append("␡")
        elif category == "Zs":
            shown.append(" ")
        elif category[0] == "C" or category in {"Zl", "Zp"} or character in _BLANK or _SELECTORS.match(character):
            shown.append(f"<U+{ord(character):04X}>")
        elif marks > _MARKS_IN_A_ROW:
            continue
        else:
            shown.append(character)
    return "".join(shown)
