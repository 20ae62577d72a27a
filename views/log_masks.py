"""The one place where identifiers of people are masked: what a viewer may see of a line.

Masking happens after the answers of a source are kept, so that viewers with and without the right share them; nothing
that a view returns has passed it by. What is masked: the values of the identifier fields of ``log_fields.toml``, the
same values wherever else they stand in the line, what follows the name of such a field in a text, and e-mail and IP
addresses in any text. Times, levels, names of pods and ids of requests and traces tell of no person and stay.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from analysis.patterns import WILDCARD, Pattern
from collectors.log_fields import catalogue
from collectors.logs import Around, Line
from settings import Settings

_PROCESS_KEY = secrets.token_bytes(32)

_SHORTEST_NUMBER = 5
"""Digits from which a number is taken for the same one elsewhere in a text; a user called 12 is not every 12."""

# Every part is bounded, so that the time grows with the length of the text and with nothing else.
_ADDRESSES = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
    r"|(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\w)"
    r"|(?<![\w:.])(?=[0-9a-fA-F:]*:[0-9a-fA-F:]*:)(?=[0-9a-fA-F:]*[0-9a-fA-F])(?!\d\d:\d\d:\d\d(?![\w:]))"
    r"(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}(?![\w:])"
)


@dataclass(frozen=True)
class Sight:
    """What a viewer may see of the lines.

    Attributes:
        identifiers: Whether they see who: user ids, sessions, addresses.
        key: What pseudonyms are made with.
    """

    identifiers: bool
    key: bytes = _PROCESS_KEY

    @classmethod
    def of(cls, settings: Settings, identifiers: bool) -> Sight:
        """The sight of a viewer with or without the right, with pseudonyms as the settings want them."""
        configured = settings.server.pseudonym_key
        return cls(identifiers, configured.get_secret_value().encode() if configured is not None else _PROCESS_KEY)

    def pseudonym(self, name: str, value: object) -> str:
        """What stands for a value of a field: the same for the same value, and nobody can compute it backwards.

        A plain hash would not do: the ids of all users can be hashed one by one.
        """
        digest = hashlib.blake2b(str(value).encode("utf-8", "surrogatepass"), key=self.key[:64], digest_size=4)
        return f"{name}~{digest.hexdigest()}"


def masked(line: Line, sight: Sight) -> Line:
    """The line as somebody with this sight may see it."""
    if sight.identifiers:
        return line
    mask = _Mask(line, sight)
    fields = {name: _known(name, value, mask, sight) for name, value in line.fields.items()}
    return replace(line, message=mask.text(line.message), fields=fields, document=mask.tree(line.document, ()))


def masked_around(around: Around, sight: Sight) -> Around:
    """The lines around a line as somebody with this sight may see them."""
    if sight.identifiers:
        return around
    return replace(
        around,
        before=tuple(masked(line, sight) for line in around.before),
        line=masked(around.line, sight),
        after=tuple(masked(line, sight) for line in around.after),
        same={name: sight.pseudonym(name, value) if _tells_who(name) else value for name, value in around.same.items()},
    )


def masked_pattern(pattern: Pattern, sight: Sight) -> Pattern:
    """A pattern as somebody with this sight may see it: a word that tells of a person is left open.

    Nothing of it may be told by a filter that is made of its words either.
    """
    if sight.identifiers:
        return pattern
    words = tuple(word if masked_text(word, sight) == word else WILDCARD for word in pattern.words)
    # A name and its value may be two words; what changes then cannot be told word by word.
    if words == pattern.words and masked_text(pattern.template, sight) != pattern.template:
        words = (WILDCARD,)
    return replace(pattern, words=words)


def masked_text(text: str, sight: Sight) -> str:
    """A text that belongs to no line, as somebody with this sight may see it."""
    if sight.identifiers:
        return text
    text = _named().sub(lambda match: match["before"] + sight.pseudonym(match["name"], match["value"]), text)
    return _ADDRESSES.sub(lambda match: sight.pseudonym("address", match.group()), text)


def identified_by(text: str) -> str:
    """The identifier that a word of a search looks like, in words; empty where it looks like none.

    A word whose beginning is looked for counts as the shortest value that it may be the beginning of.
    """
    if _ADDRESSES.search(text):
        return "an address"
    for word in text.split():
        for one in catalogue().values():
            if any(form.fullmatch(word) or form.fullmatch(f"{word}0") for form in one.looks_like):
                return f"a value of {one.name}"
    return ""


class _Mask:
    """What to replace in the texts of one line."""

    def __init__(self, line: Line, sight: Sight) -> None:
        self._sight = sight
        self._paths = _paths()
        self._values: dict[str, str] = {}
        for name in set(self._paths.values()):
            self._remember(name, line.fields.get(name))
        self._collect(line.document, ())
        known = ((value, word) for value, word in self._values.items() if _tells(value))
        self._known = sorted(known, key=lambda pair: len(pair[0]), reverse=True)

    def text(self, text: str) -> str:
        """A text with everything replaced that tells of a person."""
        text = _named().sub(lambda match: match["before"] + self._sight.pseudonym(match["name"], match["value"]), text)
        for value, word in self._known:
            if value in text:
                # Neither part of a pseudonym holds a backslash, so it may stand as a replacement.
                text = re.sub(rf"(?<![A-Za-z0-9_]){re.escape(value)}(?![A-Za-z0-9_])", word, text)
        return _ADDRESSES.sub(lambda match: self._sight.pseudonym("address", match.group()), text)

    def tree(self, value: Any, path: tuple[str, ...]) -> Any:
        """A document with the same done to all of it."""
        if isinstance(value, list | tuple):
            return [self.tree(inner, path) for inner in value]
        name = _field_at(self._paths, path)
        if name is not None and value is not None:
            return self._sight.pseudonym(name, value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.tree(inner, (*path, str(key))) for key, inner in value.items()}
        return self.text(value) if isinstance(value, str) else value

    def _collect(self, value: Any, path: tuple[str, ...]) -> None:
        name = _field_at(self._paths, path)
        if name is not None:
            self._remember(name, value)
        if isinstance(value, Mapping):
            for key, inner in value.items():
                self._collect(inner, (*path, str(key)))
        elif isinstance(value, list | tuple):
            for inner in value:
                self._collect(inner, path)

    def _remember(self, name: str, value: object) -> None:
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value):
            self._values[str(value)] = self._sight.pseudonym(name, value)


def _tells(value: str) -> bool:
    return len(value) > 1 and not (value.isdecimal() and len(value) < _SHORTEST_NUMBER)


@cache
def _paths() -> dict[tuple[str, ...], str]:
    """Where identifiers are in a document, and the field that each place is."""
    found: dict[tuple[str, ...], str] = {}
    for one in catalogue().values():
        for path in (one.name, *one.paths) if one.identifier else ():
            parts = tuple(path.split("."))
            found[parts] = one.name
            # A line that was kept as text has its fields at another depth than the mapping says.
            if parts[0] == "fields":
                found[parts[1:]] = one.name
    return found


def _field_at(paths: Mapping[tuple[str, ...], str], path: tuple[str, ...]) -> str | None:
    """The identifier field that a path of a document ends in; dotted keys count as their parts."""
    parts = tuple(".".join(path).split(".")) if path else ()
    return next((name for known, name in paths.items() if known == parts[-len(known) :]), None)


@cache
def _named() -> re.Pattern[str]:
    """A name of an identifier field in a text, and the value behind it: ``user_id=u7``, ``"user_id": "u7"``."""
    names = sorted({".".join(parts) for parts in _paths()}, key=len, reverse=True)
    return re.compile(
        rf"(?P<before>(?<![A-Za-z0-9_])(?P<name>{'|'.join(map(re.escape, names))})[\"']?[ ]?[=:][ ]?[\"']?)"
        r"(?P<value>[^\s\"',;(){}\[\]]{1,200})",
        re.IGNORECASE,
    )


def _tells_who(name: str) -> bool:
    known = catalogue().get(name)
    return known is not None and known.identifier


def _known(name: str, value: Any, mask: _Mask, sight: Sight) -> Any:
    return sight.pseudonym(name, value) if _tells_who(name) else mask.tree(value, ())
