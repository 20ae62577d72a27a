"""The language of the log search: text in, a tree out, and the tree back as text.

``level:error component:storage duration_ms>500 "pool timed out" -user_id:u7 (a OR b)``: words stand side by side and
all must hold; ``OR``, ``-`` or ``NOT`` and parentheses; a star at the end of a word only; ``field:*`` for lines that
have the field; ``field:[100 TO 500}`` for a range. A backslash makes the next character an ordinary one.

Nothing here knows a store: :mod:`collectors.elasticsearch.dsl` turns the tree into a question.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

MOST_CHARACTERS = 2_000
MOST_CLAUSES = 200
MOST_DEPTH = 20
"""Bounds of a query: what nobody types, and what would cost a store more than a screen is worth."""


@dataclass(frozen=True)
class Everything:
    """Every line."""


@dataclass(frozen=True)
class Text:
    """Words in the message.

    Attributes:
        words: What is looked for.
        phrase: Whether the words stand together in this order (written in quotes).
        prefix: Whether it is the beginning of a word (written with a star).
    """

    words: str
    phrase: bool = False
    prefix: bool = False


@dataclass(frozen=True)
class Term:
    """A field with a value; ``phrase`` where it was written in quotes, ``prefix`` where only its beginning is given."""

    field: str
    value: str
    phrase: bool = False
    prefix: bool = False


@dataclass(frozen=True)
class Compare:
    """A field between two values, as they were written; ``None`` for an open end."""

    field: str
    low: str | None
    high: str | None
    include_low: bool = True
    include_high: bool = True


@dataclass(frozen=True)
class Exists:
    """Lines that have the field."""

    field: str


@dataclass(frozen=True)
class Not:
    """Lines that do not match."""

    item: Expression


@dataclass(frozen=True)
class And:
    """Lines that match all of at least two."""

    items: tuple[Expression, ...]


@dataclass(frozen=True)
class Or:
    """Lines that match one of at least two."""

    items: tuple[Expression, ...]


Expression = Everything | Text | Term | Compare | Exists | Not | And | Or

EVERYTHING = Everything()


class QueryMistake(ValueError):
    """A query that cannot be understood.

    Attributes:
        position: Index of the character where the mistake is, from 0.
        length: How many characters it has; 0 where something is missing there.
        message: What is wrong, as a sentence.
        suggestion: The whole query as it may have been meant; empty where that cannot be told.
    """

    def __init__(self, position: int, length: int, message: str, suggestion: str = "") -> None:
        self.position = position
        self.length = length
        self.message = message
        self.suggestion = suggestion
        super().__init__(message)


def parse(text: str) -> Expression:
    """The tree of a query; no text at all is every line.

    Raises:
        QueryMistake: It cannot be understood; never anything else, whatever the text.
    """
    if len(text) > MOST_CHARACTERS:
        raise QueryMistake(
            MOST_CHARACTERS,
            len(text) - MOST_CHARACTERS,
            f"A query has at most {MOST_CHARACTERS:,} characters; this one has {len(text):,}.",
        )
    return _Parser(text).whole()


def write(expression: Expression) -> str:
    """The text of a tree: what :func:`parse` makes the same tree of."""
    return "" if isinstance(expression, Everything) else _written(expression, top=True)


def both(*expressions: Expression) -> Expression:
    """Lines that match all of these."""
    items: list[Expression] = []
    for one in expressions:
        if isinstance(one, And):
            items.extend(one.items)
        elif not isinstance(one, Everything):
            items.append(one)
    unique = tuple(dict.fromkeys(items))
    return EVERYTHING if not unique else unique[0] if len(unique) == 1 else And(unique)


def either(*expressions: Expression) -> Expression:
    """Lines that match one of these; there must be one."""
    items: list[Expression] = []
    for one in expressions:
        if isinstance(one, Everything):
            return EVERYTHING
        items.extend(one.items if isinstance(one, Or) else (one,))
    unique = tuple(dict.fromkeys(items))
    return unique[0] if len(unique) == 1 else Or(unique)


def negated(expression: Expression) -> Expression:
    """Lines that do not match."""
    return expression.item if isinstance(expression, Not) else Not(expression)


def fields_of(expression: Expression) -> tuple[str, ...]:
    """The names of all fields in a query, each once, in the order in which they stand."""
    return tuple(dict.fromkeys(_fields(expression)))


def _fields(expression: Expression) -> Iterator[str]:
    match expression:
        case Term() | Compare() | Exists():
            yield expression.field
        case Not(item):
            yield from _fields(item)
        case And(items) | Or(items):
            for one in items:
                yield from _fields(one)
        case _:
            return


def values_of(expression: Expression) -> tuple[Text | Term | Compare, ...]:
    """The parts of a query that look for words or values, each once, in the order in which they stand."""
    return tuple(dict.fromkeys(_values(expression)))


def _values(expression: Expression) -> Iterator[Text | Term | Compare]:
    match expression:
        case Text() | Term() | Compare():
            yield expression
        case Not(item):
            yield from _values(item)
        case And(items) | Or(items):
            for one in items:
                yield from _values(one)
        case _:
            return


_KEYWORDS = ("AND", "OR", "NOT")
_FIELD = re.compile(r"[A-Za-z_@][A-Za-z0-9_@.\-]{0,255}")
_FIELD_CLAUSE = re.compile(r"(?P<field>[A-Za-z_@][A-Za-z0-9_@.\-]{0,255})(?P<operator>:|>=|<=|>|<|==?)")


def _escaped(text: str, special: str) -> str:
    return "".join(f"\\{char}" if char in special or char.isspace() else char for char in text)


def _word(text: str) -> str:
    if text in _KEYWORDS:
        return f"\\{text}"
    found = _escaped(text, '\\"()*:<>=')
    return f"\\{found}" if found.startswith("-") else found


def _value(text: str) -> str:
    if text in _KEYWORDS:
        return f"\\{text}"
    found = _escaped(text, '\\"()*')
    return f"\\{found}" if found[:1] in tuple("-<>=[{") else found


def _bound(text: str | None) -> str:
    if text is None:
        return "*"
    found = _escaped(text, '\\"()[]{}*')
    return f"\\{found}" if found == "TO" or found[:1] in tuple("<>=") else found


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _written(expression: Expression, *, top: bool = False) -> str:
    match expression:
        case Everything():
            return "*"
        case Text(words, phrase, prefix):
            return _quoted(words) if phrase else _word(words) + ("*" if prefix else "")
        case Term(field, value, phrase, prefix):
            return f"{field}:{_quoted(value) if phrase else _value(value) + ('*' if prefix else '')}"
        case Exists(field):
            return f"{field}:*"
        case Compare(field, low, None, include_low, _):
            return f"{field}{'>=' if include_low else '>'}{_bound(low)}"
        case Compare(field, None, high, _, include_high):
            return f"{field}{'<=' if include_high else '<'}{_bound(high)}"
        case Compare(field, low, high, include_low, include_high):
            opening, closing = "[" if include_low else "{", "]" if include_high else "}"
            return f"{field}:{opening}{_bound(low)} TO {_bound(high)}{closing}"
        case Not(item):
            return f"-{_written(item)}"
        case And(items):
            joined = " ".join(_written(one) for one in items)
        case Or(items):
            joined = " OR ".join(_written(one) for one in items)
    return joined if top else f"({joined})"


class _Parser:
    """Reads a query from left to right; each method stands at the place where what it reads begins."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._clauses = 0

    def whole(self) -> Expression:
        self._skip()
        if self._at == len(self._text):
            return EVERYTHING
        found = self._any_of(self._clause, 0)
        if self._at < len(self._text):  # only a parenthesis ends the reading before the end
            raise self._mistake(
                "This parenthesis closes nothing.", self._at, 1, self._text[: self._at] + self._text[self._at + 1 :]
            )
        return found

    def _any_of(self, clause: Callable[[int], Expression], depth: int) -> Expression:
        items = [self._all_of(clause, depth)]
        while self._keyword("OR"):
            items.append(self._all_of(clause, depth))
        return either(*items)

    def _all_of(self, clause: Callable[[int], Expression], depth: int) -> Expression:
        items: list[Expression] = []
        while True:
            self._skip()
            if self._peek() in ("", ")") or self._sees("OR"):
                if not items:
                    raise self._nothing()
                return both(*items) if len(items) > 1 else items[0]
            if items and self._keyword("AND"):
                self._skip()
                if self._peek() in ("", ")") or self._sees("OR"):
                    raise self._nothing()
            items.append(self._unary(clause, depth))

    def _unary(self, clause: Callable[[int], Expression], depth: int) -> Expression:
        if depth > MOST_DEPTH:
            raise self._mistake(f"A query nests at most {MOST_DEPTH} deep.", self._at, 1)
        start = self._at
        if self._keyword("NOT") or self._take("-"):
            if self._text[start] != "-":
                self._skip()
            if self._peek() in ("", ")") or self._peek().isspace():
                raise self._mistake(
                    "Here something must follow that is to be left out; for the character itself write \\-.",
                    start,
                    self._at - start,
                )
            return negated(self._unary(clause, depth + 1))
        if self._take("("):
            found = self._any_of(clause, depth + 1)
            if not self._take(")"):
                raise self._mistake("This parenthesis is not closed.", start, 1, f"{self._text})")
            return found
        return clause(depth)

    def _clause(self, depth: int) -> Expression:
        """A field with its value, or words."""
        found = _FIELD_CLAUSE.match(self._text, self._at)
        if found is None:
            return self._plain(None)
        field, operator = found["field"], found["operator"]
        start, self._at = self._at, found.end()
        if operator in ("=", "=="):
            rest = self._text[self._at :]
            raise self._mistake(
                f"A value follows its field after a colon: {field}:….",
                found.start("operator"),
                len(operator),
                f"{self._text[: found.start('operator')]}:{rest}",
            )
        if operator != ":":
            return self._compared(field, operator)
        if self._peek() == "(":
            self._at += 1
            inner = self._any_of(lambda _: self._plain(field), depth + 1)
            if not self._take(")"):
                raise self._mistake(
                    "This parenthesis is not closed.", self._text.index("(", start), 1, f"{self._text})"
                )
            return inner
        return self._plain(field)

    def _plain(self, field: str | None) -> Expression:
        """A word or its beginning or a phrase; with a field also a range, a comparison, the star of any value."""
        self._count()
        start = self._at
        if field is not None:
            if self._peek() in ("[", "{"):
                return self._range(field)
            for operator in (">=", "<=", ">", "<"):
                if self._text.startswith(operator, self._at):
                    self._at += len(operator)
                    return self._compared(field, operator)
        if self._peek() == '"':
            words = self._phrase()
            return Text(words, phrase=True) if field is None else Term(field, words, phrase=True)
        word, prefix = self._read('"()')
        if not word and not prefix:
            if field is None:
                raise self._mistake("A word is missing here.", start, max(self._at - start, 0))
            raise self._mistake(
                f"The value of {field} is missing. For lines that have any value write {field}:*.",
                start,
                0,
                f"{self._text[:start]}*{self._text[start:]}",
            )
        if not word:
            return EVERYTHING if field is None else Exists(field)
        return Text(word, prefix=prefix) if field is None else Term(field, word, prefix=prefix)

    def _compared(self, field: str, operator: str) -> Expression:
        self._count()
        bound = self._bound_value(f"What {field} is compared with is missing.", '"()')
        inclusive = operator.endswith("=")
        if operator.startswith(">"):
            return Compare(field, bound, None, include_low=inclusive)
        return Compare(field, None, bound, include_high=inclusive)

    def _range(self, field: str) -> Expression:
        start = self._at
        include_low = self._peek() == "["
        self._at += 1
        form = f"A range is written {field}:[100 TO 500], with * for an open end."
        self._skip()
        low = self._bound_value(form, '"()[]{}', open_end=True)
        self._skip()
        if not self._keyword("TO"):
            raise self._mistake(form, start, max(self._at - start, 1))
        self._skip()
        high = self._bound_value(form, '"()[]{}', open_end=True)
        self._skip()
        if self._peek() not in ("]", "}"):
            raise self._mistake(form, start, max(self._at - start, 1))
        include_high = self._peek() == "]"
        self._at += 1
        if low is None and high is None:
            return Exists(field)
        return Compare(
            field, low, high, include_low=include_low or low is None, include_high=include_high or high is None
        )

    def _bound_value(self, missing: str, special: str, *, open_end: bool = False) -> str | None:
        start = self._at
        if self._peek() == '"':
            return self._phrase()
        word, star = self._read(special)
        if star and not word and open_end:
            return None
        if star:
            raise self._mistake("A star has no meaning in a comparison.", self._at - 1, 1)
        if not word:
            raise self._mistake(missing, start, 0)
        return word

    def _phrase(self) -> str:
        start = self._at
        self._at += 1
        characters: list[str] = []
        while self._at < len(self._text):
            char = self._text[self._at]
            self._at += 1
            if char == '"':
                if not characters:
                    raise self._mistake("There is nothing between these quotes.", start, 2)
                return "".join(characters)
            if char == "\\" and self._at < len(self._text):
                char = self._text[self._at]
                self._at += 1
            characters.append(char)
        raise self._mistake("This quote is not closed.", start, 1, f'{self._text}"')

    def _read(self, special: str) -> tuple[str, bool]:
        """A word up to a space or a special character, and whether a star ended it."""
        characters: list[str] = []
        start = self._at
        while self._at < len(self._text):
            char = self._text[self._at]
            if char.isspace() or char in special:
                break
            self._at += 1
            if char == "*":
                following = self._peek()
                if following and not following.isspace() and following not in special:
                    raise self._star(start)
                return "".join(characters), True
            if char == "\\":
                if self._at == len(self._text):
                    raise self._mistake(
                        "A backslash needs a character after it; for itself write \\\\.", self._at - 1, 1
                    )
                char = self._text[self._at]
                self._at += 1
            characters.append(char)
        return "".join(characters), False

    def _star(self, start: int) -> QueryMistake:
        place = self._at - 1
        end = place
        while end < len(self._text) and not self._text[end].isspace() and self._text[end] not in '"()[]{}':
            end += 1
        if place == start:
            rest = self._text[start:end].strip("*")
            meant = f"{rest}*" if rest and "*" not in rest else ""
        else:
            meant = f"{self._text[start:place]}*"
        suggestion = f"{self._text[:start]}{meant}{self._text[end:]}" if meant else ""
        return self._mistake("A star may stand at the end of a word only.", place, 1, suggestion)

    def _count(self) -> None:
        self._clauses += 1
        if self._clauses > MOST_CLAUSES:
            raise self._mistake(f"A query has at most {MOST_CLAUSES} parts.", self._at, 1)

    def _nothing(self) -> QueryMistake:
        before = self._text[: self._at].rstrip()
        if before.endswith("("):
            return self._mistake("There is nothing between these parentheses.", len(before) - 1, 1)
        if self._sees("OR"):
            return self._mistake(
                "OR stands between two things; for the word itself write \\OR.",
                self._at,
                2,
                f"{self._text[: self._at]}\\{self._text[self._at :]}",
            )
        if not before:
            return self._mistake("This parenthesis closes nothing.", self._at, 1, self._text[self._at + 1 :].lstrip())
        length = 3 if before.endswith("AND") else 2
        kept = before[:-length].rstrip() + self._text[self._at :]
        return self._mistake("Here something must follow.", max(len(before) - length, 0), length, kept)

    def _sees(self, keyword: str) -> bool:
        end = self._at + len(keyword)
        following = self._text[end : end + 1]
        return self._text.startswith(keyword, self._at) and (not following or following.isspace() or following in "()")

    def _keyword(self, keyword: str) -> bool:
        self._skip()
        if not self._sees(keyword):
            return False
        self._at += len(keyword)
        return True

    def _take(self, character: str) -> bool:
        self._skip()
        if self._peek() != character:
            return False
        self._at += 1
        return True

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip(self) -> None:
        while self._peek().isspace():
            self._at += 1

    @staticmethod
    def _mistake(message: str, position: int, length: int, suggestion: str = "") -> QueryMistake:
        return QueryMistake(position, length, message, suggestion)
