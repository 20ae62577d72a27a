"""How a secret is written by whoever repeats it: one pattern for each, character by character.

A source may send back what it was sent in JSON, in a URL, in HTML, in SQL, in the log of its own language or in several
of these at once, with other capitals, or cut. Letters and digits stay what they are in all of them (but in base64 and
hexadecimal, which are spellings of their own), so each other character is matched in any of its forms, and a text is
looked at closely only where the longest run of the secret's letters and digits is in it.
"""

from __future__ import annotations

import base64
import html
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, cached_property
from html.entities import codepoint2name
from itertools import groupby
from urllib.parse import quote, quote_plus

LEAST_PREFIX = 8
"""Characters of a secret that are hidden where its end was cut off, if they are two thirds of it."""

LONGEST = 2000
"""Characters of a secret that are looked for; a longer one has lines, each of which is a secret itself."""

MOST_RUNS = 4
"""Runs of letters and digits that a text must have before it is looked at closely."""

_DOUBLED = "'\"`\\%${}"
"""What SQL, CSV, formats and shells write twice."""

_CONTROL = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f", "\v": "v", "\a": "a", "\0": "0"}
_BETWEEN = r"(?:[ :,-]{1,2}0x|[ :,-]{1,2}|0x|\\{1,4}x|\\{1,4}u00|%(?:25){0,3})?"
_JOINTS = {ord(joint): None for joint in " :,-%\\x"}


class Spelling:
    """One way to write a secret.

    Args:
        units: A pattern for each of its characters, in their order.
        least: How many of them are enough, from the first on.
        anchors: Lower-case texts that are all in every text that holds it.
        bare: Whether they are in what :func:`bare` leaves of it, and not in the text itself.
    """

    def __init__(self, units: Sequence[str], least: int, anchors: Sequence[str], *, bare: bool = False) -> None:
        self.anchors = tuple(anchors)
        self.bare = bare
        self._units = tuple(units)
        self._least = least

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where it is, whole or without its end."""
        for match in self._core.finditer(text):
            whole = self._whole.match(text, match.start())
            end = whole.end() if whole is not None else match.end()
            if whole is None:
                for unit in self._units[self._least :]:
                    more = _compiled(unit).match(text, end)
                    if more is None:
                        break
                    end = more.end()
            yield match.start(), end

    @cached_property
    def _core(self) -> re.Pattern[str]:
        return re.compile("".join(self._units[: self._least]), re.IGNORECASE)

    @cached_property
    def _whole(self) -> re.Pattern[str]:
        return re.compile("".join(self._units), re.IGNORECASE)


class Known:
    """Spellings of several secrets, in such an order that most texts are found to hold none of them at once."""

    def __init__(self, found: Iterable[Spelling] = ()) -> None:
        self.all = tuple(found)
        self._plain = [((*one.anchors, "")[0], one) for one in self.all if not one.bare]
        self._bare = [((*one.anchors, "")[0], one) for one in self.all if one.bare]

    def near(self, text: str) -> list[Spelling]:
        """Those that a text may hold."""
        lowered = text.lower()
        digits = bare(lowered)
        first = [one for anchor, one in self._plain if anchor in lowered]
        return [one for one in first if all(anchor in lowered for anchor in one.anchors)] + [
            one for anchor, one in self._bare if anchor in digits
        ]


def bare(lowered: str) -> str:
    """A text in lower case without what may stand between two bytes in hexadecimal."""
    for escape in ("%25", "%25", "%25", "u00"):
        if escape in lowered:
            lowered = lowered.replace(escape, "%")
    return lowered.replace("0x", "").translate(_JOINTS)


def spellings(value: str) -> list[Spelling]:
    """All ways to write a secret of at least four characters."""
    value = value[:LONGEST]
    found = [_written(value)]
    composed = unicodedata.normalize("NFC", value)
    if composed != value:
        found.append(_written(composed))
    if "\\" in value or re.search(rf"[{re.escape(_DOUBLED)}]{{2}}", value):
        # Runs are taken whole, so that one may take the escape of what follows: the usual forms as they are, too.
        found += [_literal(form) for form in dict.fromkeys(_usual(value))]
    for raw in dict.fromkeys(_bytes(value)):
        if len(raw) >= 4:
            found.append(_hexadecimal(raw))
        found += _base64(raw)
    return found


def _bytes(value: str) -> Iterator[bytes]:
    yield value.encode("utf-8", "surrogatepass")
    try:
        yield value.encode("latin-1")
    except UnicodeEncodeError:
        return


def _written(value: str) -> Spelling:
    """As it is, and escaped in any way."""
    units: list[str] = []
    ends: list[int] = []  # of each unit, in characters
    for character, run in groupby(value):
        count = len([*run])
        for width in [count] if character in _DOUBLED else [1] * count:
            units.append(_unit(character, width))
            ends.append((ends[-1] if ends else 0) + width)
    wanted = _enough(len(value))
    while wanted < len(value) and is_word(value[:wanted]):
        wanted += 1  # "postgres" is no part of "postgres-and-more"
    least = next(place for place, end in enumerate(ends, 1) if end >= wanted)
    return Spelling(units, least, _longest_runs(value[:wanted]))


def _literal(form: str) -> Spelling:
    least = _enough(len(form))
    return Spelling([re.escape(one) for one in form], least, _longest_runs(form[:least]))


def _usual(value: str) -> Iterator[str]:
    in_json = json.dumps(value)[1:-1]
    yield from (value, in_json, json.dumps(in_json)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
    yield from (repr(value)[1:-1], html.escape(value), value.replace("'", "''"), value.replace('"', '""'))
    yield from (quote(value, safe=""), quote_plus(value), quote(quote(value, safe=""), safe=""))


def is_word(text: str) -> bool:
    """Whether it is a plain word, however it is capitalised."""
    return text.isalpha() and (text.islower() or text.istitle() or text.isupper())


def _enough(length: int) -> int:
    return length if length < LEAST_PREFIX else max(LEAST_PREFIX, -(-2 * length // 3))


def _longest_runs(text: str) -> list[str]:
    runs = sorted({run.lower() for run in re.findall(r"[A-Za-z0-9]+", text)}, key=len, reverse=True)
    return runs[:MOST_RUNS]


@cache
def _unit(character: str, count: int) -> str:
    """A pattern for one character in any form, or for a run of it where it may be doubled.

    Runs are taken whole: with each character by itself, a text of quotes could be divided in too many ways.
    """
    if character.isascii() and character.isalnum():
        return character
    forms = "|".join(dict.fromkeys(_forms(character)))
    if character not in _DOUBLED:
        return f"(?:{forms})"
    most = count * (8 if character == "\\" else 2)
    # A percent sign may be followed by the "25" of an escape or of the secret itself: either is tried.
    return f"(?{':' if character == '%' else '>'}(?:{forms}){{{count},{most}}})"


def _forms(character: str) -> Iterator[str]:
    code = ord(character)
    utf8 = character.encode("utf-8", "surrogatepass")
    if code > 0xFFFF:
        high, low = 0xD800 + (code - 0x10000 >> 10), 0xDC00 + (code - 0x10000 & 0x3FF)
        yield rf"\\{{1,4}}u{high:04x}\\{{1,4}}u{low:04x}|\\{{1,4}}U{code:08x}"
    else:
        yield rf"\\{{1,4}}u{code:04x}"
    yield "".join(rf"\\{{1,4}}x{byte:02x}" for byte in utf8)
    yield "".join(f"%(?:25){{0,3}}{byte:02x}" for byte in utf8)
    if 0x80 <= code <= 0xFF:
        yield rf"\\{{1,4}}x{code:02x}|%(?:25){{0,3}}{code:02x}"
    names = [name for name in (codepoint2name.get(code), "apos" if character == "'" else None) if name]
    entities = "|".join([f"#0{{0,5}}{code}", f"#x0{{0,5}}{code:x}", *names])
    yield f"&(?:amp;){{0,2}}(?:{entities});"
    if character in _CONTROL:
        yield rf"\\{{1,4}}{_CONTROL[character]}"
    if character == "\n":
        yield r"\r?\n"
    elif character == "'":
        yield r"'\\''"
    if character == "\\":
        yield r"\\"
    elif character in " +":
        yield r"\\{0,4}[ +]"
    else:
        yield rf"\\{{0,4}}{re.escape(character)}"
    if code >= 0x80:
        yield re.escape(unicodedata.normalize("NFD", character))
        for wrong in ("latin-1", "cp1252"):
            yield re.escape(utf8.decode(wrong, "replace"))
        yield r"\ufffd{1,4}|\?"


def _hexadecimal(raw: bytes) -> Spelling:
    """Each byte in two digits, with or without something between them: also text of which each character is escaped."""
    digits = [f"{byte:02x}" for byte in raw]
    units = [digits[0], *(_BETWEEN + two for two in digits[1:])]
    least = _enough(len(raw))
    # The last of them may be followed by other digits: what is left of an escape of its own would hide it.
    return Spelling(units, least, ["".join(digits[:least])], bare=True)


def _base64(raw: bytes) -> Iterator[Spelling]:
    """At each of its three alignments, so that it is found inside ``user:password`` as well."""
    for offset in range(3):
        # A byte of the neighbours shares its first and last character with ours: leave those out.
        text = base64.b64encode(bytes(offset) + raw).decode().rstrip("=")
        whole = (offset + len(raw)) % 3 == 0
        core = text[(0, 2, 3)[offset] : len(text) if whole else -1]
        if len(core) >= 4:
            least = _enough(len(core))
            yield Spelling([*_base64_units(core)], least, _longest_runs(core[:least]))


def _base64_units(text: str) -> Iterable[str]:
    for character in text:
        yield {"+": f"(?:-|{_unit('+', 1)})", "/": f"(?:_|{_unit('/', 1)})"}.get(character, character)


@cache
def _compiled(unit: str) -> re.Pattern[str]:
    return re.compile(unit, re.IGNORECASE)
