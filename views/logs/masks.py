"""The one place where identifiers of people are masked: what a viewer may see of a line.

Masking happens after the answers of a source are kept, so that viewers with and without the right share them; nothing
that a view returns has passed it by. What is masked: the values of the identifier fields of ``log_fields.toml``, the
same values wherever else they stand in the line, what follows the name of such a field in a text, and e-mail and IP
addresses in any text. Times, levels, names of pods and ids of requests and traces tell of no person and stay.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from collectors.log_fields import catalogue, known_field
from collectors.logs import Around, Histogram, Line, TopValues
from settings import Settings
from views.logs.rules.patterns import WILDCARD, Pattern

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

_ADDRESS_BEGINNING = re.compile(r"\d{1,3}(?:\.\d{1,3}){1,3}\.?|\d{1,3}\.|(?:[0-9a-f]{1,4}:){1,7}[0-9a-f]{0,4}")
_WORDS = re.compile(r"[\w.\-\u00ad\u2010-\u2015\u2212\ufe58\ufe63\uff0d]{1,200}")
"""Words as identifiers are written, with what stands for a hyphen."""
_PARTS = re.compile(r"\w{1,200}(?:[.']\w{1,200}){0,20}")
"""Words as the store's standard analyser cuts them: at hyphens, and not at points within."""
_MAILBOX = re.compile(
    r"[a-z]{2,30}\.(?!(?:rs|py|go|js|ts|toml|ya?ml|json|conf|cfg|log|sql|html?|xml|txt|csv|md|lock|com|org|net|local)\b)"
    r"[a-z]{2,30}"
)
_SHORTEST_LOOSE = 3
"""Digits from which on a number alone may be the one of an identifier: ``398`` finds ``user-398``."""


@dataclass(frozen=True)
class Visibility:
    """What a viewer may see of the lines.

    Attributes:
        identifiers: Whether they see who: user ids, sessions, addresses.
        key: What pseudonyms are made with.
    """

    identifiers: bool
    key: bytes = _PROCESS_KEY

    @classmethod
    def of(cls, settings: Settings, identifiers: bool) -> Visibility:
        """The visibility of a viewer with or without the right, with pseudonyms as the settings want them."""
        configured = settings.server.pseudonym_key
        return cls(identifiers, configured.get_secret_value().encode() if configured is not None else _PROCESS_KEY)

    def pseudonym(self, name: str, value: object) -> str:
        """What stands for a value of a field: the same for the same value, and nobody can compute it backwards.

        A plain hash would not do: the ids of all users can be hashed one by one.
        """
        digest = hashlib.blake2b(str(value).encode("utf-8", "surrogatepass"), key=self.key[:64], digest_size=4)
        return f"{name}~{digest.hexdigest()}"


def masked(line: Line, visibility: Visibility) -> Line:
    """The line as somebody with this visibility may see it."""
    if visibility.identifiers:
        return line
    mask = _Mask(line, visibility)
    fields = {name: _known(name, value, mask, visibility) for name, value in line.fields.items()}
    return replace(line, message=mask.text(line.message), fields=fields, document=mask.tree(line.document, ()))


def masked_around(around: Around, visibility: Visibility) -> Around:
    """The lines around a line as somebody with this visibility may see them."""
    if visibility.identifiers:
        return around
    return replace(
        around,
        before=tuple(masked(line, visibility) for line in around.before),
        line=masked(around.line, visibility),
        after=tuple(masked(line, visibility) for line in around.after),
        same={
            name: visibility.pseudonym(name, value) if _tells_who(name) else value
            for name, value in around.same.items()
        },
    )


def masked_pattern(pattern: Pattern, visibility: Visibility) -> Pattern:
    """A pattern as somebody with this visibility may see it: a word that tells of a person is left open.

    Nothing of it may be told by a filter that is made of its words either.
    """
    if visibility.identifiers:
        return pattern
    words = tuple(word if masked_text(word, visibility) == word else WILDCARD for word in pattern.words)
    # A name and its value may be two words; what changes then cannot be told word by word.
    if words == pattern.words and masked_text(pattern.template, visibility) != pattern.template:
        words = (WILDCARD,)
    return replace(pattern, words=words)


def masked_text(text: str, visibility: Visibility) -> str:
    """A text that belongs to no line, as somebody with this visibility may see it."""
    if visibility.identifiers:
        return text
    text = _named().sub(lambda match: match["before"] + visibility.pseudonym(match["name"], match["value"]), text)
    return _ADDRESSES.sub(lambda match: visibility.pseudonym("address", match.group()), text)


def masked_value(field: str, value: str, visibility: Visibility) -> str:
    """A value that is counted or offered apart from its line, as somebody with this visibility may see it.

    Without its line nothing tells whose it is but its form.
    """
    if visibility.identifiers:
        return value
    known = known_field(field)
    telling = known is None or known.kind == "text"

    def mask(match: re.Match[str]) -> str:
        word = _folded(match.group())
        # Names of parts may begin like an identifier, so in their fields a digit is needed too.
        apart = any(mark.isdigit() or (telling and mark in "-_.") for mark in word)
        name = _form_of(word) if apart else ""
        return visibility.pseudonym(name, match.group()) if name else match.group()

    return masked_text(_WORDS.sub(mask, value), visibility)


def masked_histogram(found: Histogram, by: str, visibility: Visibility) -> Histogram:
    """Counts over time as somebody with this visibility may see them; columns that become one are added."""
    names = [masked_value(by, str(column), visibility) for column in found.frame.columns]
    if names == list(found.frame.columns):
        return found
    return replace(found, frame=found.frame.T.groupby(names, sort=False).sum().T)


def masked_top(found: TopValues, visibility: Visibility) -> TopValues:
    """Frequent values as somebody with this visibility may see them; those that become one are added."""
    counts: dict[str, int] = {}
    for value, count in found.values:
        shown = masked_value(found.field, value, visibility)
        counts[shown] = counts.get(shown, 0) + count
    return replace(found, values=tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0]))))


def identified_by(text: str, *, prefix: bool = False, loose: bool = True) -> str:
    """The identifier that a word or value of a search looks like, in words; empty where it looks like none.

    It is looked at as the store will: in small letters, and cut where the store cuts words, so that another spelling
    does not find what this one may not. A word whose beginning is looked for counts as the shortest value that it may
    be the beginning of.

    Args:
        text: What is looked for.
        prefix: Whether it is the beginning of a word.
        loose: Whether it is looked for among the words of a text, where a part of an identifier finds it.
    """
    prefix = prefix or text.endswith("*")
    folded = _folded(text).rstrip("*")
    if _ADDRESSES.search(folded):
        return "an address"
    if prefix and _ADDRESS_BEGINNING.fullmatch(folded):
        return "the beginning of an address"
    parts = _PARTS.findall(folded)
    together = [f"{one}-{other}" for one, other in itertools.pairwise(parts) if any(map(str.isdigit, other))]
    for word in (*folded.split(), *parts, *together):
        if name := _form_of(word) or (prefix and _form_of(f"{word}0")):
            return f"a value of {name}"
    if loose and len(parts) == 1 and parts[0].isdecimal() and len(parts[0]) >= _SHORTEST_LOOSE - prefix:
        return "the number of somebody; within quotes and with the word before it, it is searched for"
    if loose and any(_MAILBOX.fullmatch(part) for part in parts):
        return "the name of a mailbox"
    return ""


def _form_of(word: str) -> str:
    """The field whose values have the form of a word in small letters; empty where none has."""
    return next((one.name for one in catalogue().values() if any(form.fullmatch(word) for form in one.looks_like)), "")


def _folded(text: str) -> str:
    """A text in small letters, with one kind of hyphen and nothing that cannot be seen."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    kinds = ((mark, unicodedata.category(mark)) for mark in plain)
    return "".join("-" if kind == "Pd" else mark for mark, kind in kinds if kind != "Cf")


class _Mask:
    """What to replace in the texts of one line."""

    def __init__(self, line: Line, visibility: Visibility) -> None:
        self._sight = visibility
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


def _known(name: str, value: Any, mask: _Mask, visibility: Visibility) -> Any:
    return visibility.pseudonym(name, value) if _tells_who(name) else mask.tree(value, ())
