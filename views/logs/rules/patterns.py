"""Log patterns: lines that say the same about different things, told by one template.

Two steps. *Masking*: what is a value by its form becomes a word in angle brackets. *Merging*: lines of one level and
component that have as many words and the same first one, and of which at least half of the words are equal, are of one
pattern; words that differ become ``<*>``. So the number of words stays, and a template keeps at least half of its own.

The rule is that of Drain (He et al., *Drain: An Online Log Parsing Approach with Fixed Depth Tree*, ICWS 2017: length,
first word, similarity) without its tree, after masking; ``python -m benchmarks patterns`` sets one against the other.
Two things were added because a pattern that hides another is worse here than two for one thing:

* two words are merged only in a crowd: "pool exhausted" and "pool recovered" are two patterns, and the names in
  "connected alice", "connected bob", … are one as soon as there are ``CROWD`` of them;
* in a crowd of first words the first word is a value too.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from operator import eq
from typing import TypeVar

K = TypeVar("K")

WILDCARD = "<*>"
"""Stands for a word that differs from line to line."""

ERROR_MARK = "→"
"""The word between a message and the error that came with it; no line has it as a word of its own."""

MOST_CHARACTERS = 4096
MOST_WORDS = 200
MOST_WORD = 100
"""How much of a line counts: a line of 32 kB costs no more than one of 4 kB. Later words, and the ends of longer words,
are not looked at."""

MOST_PATTERNS = 2000
"""Patterns that a miner holds; beyond it the one that was not seen for the longest time is forgotten."""

CROWD = 16
"""How many different words in one place make it a place for values."""

_KEPT_ANSWERS = 20_000

MASKS = {
    "text": r"\"[^\"]{0,1000}\"|(?<!\w)'[^']{0,1000}'(?!\w)",
    "uuid": r"(?<!\w)[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?!\w)",
    "url": r"(?<!\w)[a-z][a-z0-9+]{1,15}://[^\s,;\"']+",
    "email": r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+",
    "time": (
        r"(?<![\w.])\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)?(?!\w)"
        r"|(?<![\w.:])\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?![\w:])"
    ),
    "ip": (
        r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5}|/\d{1,2})?(?![\w.]*\w)"
        r"|(?<![\w:])(?:[0-9a-fA-F]{1,4}:){2,7}(?::|[0-9a-fA-F]{1,4})(?::?[0-9a-fA-F]{1,4}){0,7}(?![\w:])"
    ),
    "path": r"(?<![\w./<])~?(?:/[\w.@%+-]+){2,}/?",
    "duration": r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d)(?:\d+(?:\.\d+)?(?:ms|s|m|h))*(?!\w)",
    "size": r"(?<![\w.])\d+(?:\.\d+)?(?:[kKMGTP]i?B|B|bytes)(?!\w)",
    "percent": r"(?<![\w.])[-+]?\d+(?:\.\d+)?%",
    "hex": r"(?<!\w)(?:0x[0-9a-fA-F]+|(?=[0-9]*[a-fA-F])(?=[a-fA-F]*[0-9])[0-9a-fA-F]{6,})(?!\w)",
    "id": r"(?<!\w)(?:[^\W\d][\w-]{0,200}\d|\d{1,200}[^\W\d])[\w-]*",
    "number": r"(?<!\w)[-+]?\d+(?:[.,:/-]?\d+)*(?!\w)",
}
"""What is a value by its form: the word that stands for it, and the expression that finds it. Of two that match at one
place the first counts. Each begins at the edge of a word or is bounded, so that the time of a line grows with its
length and with nothing else. None tells one digit from another."""

UNITS = {
    **dict.fromkeys(("ns", "us", "µs", "ms", "s", "sec", "min", "h", "d"), "duration"),
    **dict.fromkeys(("second", "seconds", "minute", "minutes", "hour", "hours", "day", "days"), "duration"),
    **dict.fromkeys(("B", "kB", "KB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB", "byte", "bytes"), "size"),
    "%": "percent",
}
"""Units that may stand as a word of their own behind a number: ``5 s`` is one value, as ``5s`` is."""

_NUMBER = "<number>"
_QUOTED = re.compile(MASKS["text"])
_MASK = re.compile("|".join(f"(?P<{name}>{expression})" for name, expression in MASKS.items() if name != "text"))
_DIGITS = str.maketrans("123456789", "000000000")
_forms: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern.

    Attributes:
        id: Its identity: a digest of level, component and the first line's masked words. It stays when the template
            becomes more general.
        level: Level of its lines.
        component: Component of its lines; may be empty.
        words: The template's words.
    """

    id: str
    level: str
    component: str
    words: tuple[str, ...]

    @property
    def template(self) -> str:
        """The template as one text; foreign, cleaned where it is shown."""
        return " ".join(self.words)


def text_of(message: str, error: str = "") -> str:
    """What of a line makes its pattern: the message, and the error where the message does not tell it."""
    # No word of the message itself may look like the mark.
    message = message.replace(ERROR_MARK, "->")
    return message if not error or error in message else f"{message} {ERROR_MARK} {error.replace(ERROR_MARK, '->')}"


def masked(text: str) -> tuple[str, ...]:
    """The words of a text, values by their form replaced: ``took 12 ms`` is ``("took", "<duration>")``."""
    text = text[:MOST_CHARACTERS]
    if '"' in text or "'" in text:
        text = _QUOTED.sub("<text>", text)
    words: list[str] = []
    for word in text.split(maxsplit=MOST_WORDS)[:MOST_WORDS]:
        if not word.isalpha():
            word = _masked_word(word)
        if words and words[-1].endswith(_NUMBER):
            unit = word.rstrip(",.;:)]")
            if unit in UNITS:
                words[-1] = f"{words[-1].removesuffix(_NUMBER)}<{UNITS[unit]}>{word[len(unit) :]}"
                continue
        words.append(word[:MOST_WORD])
    return tuple(words)


def _masked_word(word: str) -> str:
    # No mask tells one digit from another, so words of one form share an answer: "12.3ms," and "45.6ms,".
    form = word.translate(_DIGITS)
    found = _forms.get(form)
    if found is None:
        found = _MASK.sub(lambda match: f"<{match.lastgroup}>", form)
        _remember(_forms, form, found)
    return found


def fixed_phrases(pattern: Pattern) -> tuple[tuple[str, str], ...]:
    """What all lines of a pattern have in common, as phrases to search for.

    Returns:
        Pairs of ``message`` or ``error`` and a run of words without values; the longest runs first, at most four.
        Lines of another pattern may hold the same phrases.
    """
    found: list[tuple[str, str]] = []
    where, run = "message", list[str]()
    for word in (*pattern.words, WILDCARD):
        if word != ERROR_MARK and not re.search(r"<(?:\*|\w+)>", word):
            run.append(word)
            continue
        if run:
            found.append((where, " ".join(run)))
            run = []
        if word == ERROR_MARK:
            where = "error"
    return tuple(sorted(found, key=lambda pair: -len(pair[1]))[:4])


class Miner:
    """Learns patterns from lines, one after the other. Not safe for several threads at once.

    Args:
        known: Patterns to begin with, the one that was seen longest ago first; they keep their identity.
        most: Most patterns to hold.
    """

    def __init__(self, known: Iterable[Pattern] = (), most: int = MOST_PATTERNS) -> None:
        self._most = most
        self._patterns: OrderedDict[str, Pattern] = OrderedDict()
        self._groups: dict[tuple[str, str, int, str], list[str]] = {}
        self._first_words: dict[tuple[str, str, int], set[str]] = {}
        self._answers: dict[tuple[str, str, tuple[str, ...]], str] = {}
        for pattern in known:
            self._keep(pattern)

    def __len__(self) -> int:
        return len(self._patterns)

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """All patterns, the one that was seen longest ago first."""
        return tuple(self._patterns.values())

    def get(self, pattern_id: str) -> Pattern | None:
        """A pattern as it is by now; ``None`` where it is not known or was forgotten."""
        return self._patterns.get(pattern_id)

    def add(self, level: str, component: str, text: str) -> str:
        """Learn from a line.

        Args:
            level: The line's level; ``warn`` and ``WARN`` are one.
            component: The component or service that wrote it; may be empty.
            text: What it says, see :func:`text_of`.

        Returns:
            Identity of its pattern.
        """
        # Many lines are the same once they are masked.
        key = (level.upper()[:MOST_WORD], component[:MOST_WORD], masked(text))
        found = self._answers.get(key)
        if found is None or found not in self._patterns:
            found = self._learn(*key)
            _remember(self._answers, key, found)
        self._patterns.move_to_end(found)
        return found

    def _learn(self, level: str, component: str, words: tuple[str, ...]) -> str:
        group = self._group(level, component, words)
        if group[3] == WILDCARD:
            words = (WILDCARD, *words[1:])
        near = self._nearest(group, words)
        if near is None:
            pattern = Pattern(_identity(level, component, words), level, component, words)
            if pattern.id not in self._patterns:
                self._keep(pattern)
            return pattern.id
        merged = merge(near.words, words)
        if merged != near.words:
            self._patterns[near.id] = replace(near, words=merged)
        return near.id

    def _nearest(self, group: tuple[str, str, int, str], words: Sequence[str]) -> Pattern | None:
        """The pattern of the group with the most equal words, where enough are equal."""
        members = self._groups.get(group, [])
        half = (len(words) + 1) // 2
        alone = len(words) <= 2 and len(members) < CROWD
        best, most = None, 0
        for member in members:
            pattern = self._patterns[member]
            if pattern.words == words:
                return pattern
            equal = sum(map(eq, pattern.words, words))
            general = WILDCARD in pattern.words
            if general:  # a place for values says nothing about likeness
                equal -= sum(one == other == WILDCARD for one, other in zip(pattern.words, words, strict=True))
            if equal > most and equal >= (len(words) if alone and not general else half):
                best, most = pattern, equal
        return best

    def _group(self, level: str, component: str, words: tuple[str, ...]) -> tuple[str, str, int, str]:
        first = words[0] if words else ""
        firsts = self._first_words.setdefault((level, component, len(words)), set())
        if first not in firsts and len(firsts) >= 4 * CROWD and len(words) > 2:
            first = WILDCARD
        return (level, component, len(words), first)

    def _keep(self, pattern: Pattern) -> None:
        first = pattern.words[0] if pattern.words else ""
        self._patterns[pattern.id] = pattern
        self._groups.setdefault((pattern.level, pattern.component, len(pattern.words), first), []).append(pattern.id)
        self._first_words.setdefault((pattern.level, pattern.component, len(pattern.words)), set()).add(first)
        if len(self._patterns) > self._most:
            self._forget(next(iter(self._patterns.values())))

    def _forget(self, pattern: Pattern) -> None:
        first = pattern.words[0] if pattern.words else ""
        group = (pattern.level, pattern.component, len(pattern.words), first)
        del self._patterns[pattern.id]
        self._groups[group].remove(pattern.id)
        if not self._groups[group]:
            del self._groups[group]
            firsts = self._first_words[group[:3]]
            firsts.discard(first)
            if not firsts:
                del self._first_words[group[:3]]


def merge(ours: Sequence[str], theirs: Sequence[str]) -> tuple[str, ...]:
    """Two templates of as many words as one: words that differ are values; of ``user=alice`` the name stays."""
    return tuple(one if one == other else _differing(one, other) for one, other in zip(ours, theirs, strict=True))


def _differing(one: str, other: str) -> str:
    name, sign, _ = one.partition("=")
    return f"{name}={WILDCARD}" if sign and name and other.startswith(f"{name}=") else WILDCARD


def _identity(level: str, component: str, words: Sequence[str]) -> str:
    told = "\x1f".join((level, component, *words))
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _remember(answers: dict[K, str], key: K, found: str) -> None:
    if len(answers) >= _KEPT_ANSWERS:
        answers.clear()
    answers[key] = found
