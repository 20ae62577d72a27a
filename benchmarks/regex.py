"""``regex``: every regular expression of the console over texts that are made to be hard for it.

``re`` holds the interpreter's lock while it searches: a pattern whose time grows with the square of a text's length
stops pages, probes and background work for all, and the text is whatever a stranger wrote.
"""

from __future__ import annotations

import ast
import functools
import importlib
import operator
import re
import re._constants as words  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measured import Benchmark, Figure

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("analysis", "collectors", "records", "telemetry", "ui", "views", "web")
FILES = ("access", "cli", "settings", "worker")
MEGABYTE = 1_000_000

FRAGMENTS = (
    *"a0_ ('\"/-:@.$\\=\n,[<{%?&*|é;",
    "a ", " a", "a.", "1.", "0a", "a0", "a(", "(a", "()", "( ", "''", "\\'", '""', "'a", "'a'", "'a',", "a,", "a=",
    "a:", "://", "x://a:", "a@", "/*", "*/", "/**/", "/*a", "--", "--\n", "$1", "$a$", "::", "::a", "::a ", "1e+", "A ",
    "1:",
    "a-", "-a", "a/", "/a", "a_", "a'", "E'", "\n ", "\r\n", "<a>", "[a]", "{a}", "%41", "eyJ", "eyJ-", "1,", "a a",
)  # fmt: skip
"""What hard texts are made of, beside the words of the pattern itself."""


@dataclass(frozen=True)
class Expression:
    """A pattern of the console.

    Attributes:
        place: Where it is: module and name, or module and line.
        pattern: It.
    """

    place: str
    pattern: re.Pattern[str]


def expressions() -> list[Expression]:
    """All patterns that are compiled when a module is imported, and those written inside of functions."""
    found: dict[tuple[str, int], Expression] = {}
    for name in _modules():
        module = importlib.import_module(name)
        for key, value in vars(module).items():
            for pattern in _patterns_in(value):
                found.setdefault((pattern.pattern, pattern.flags), Expression(f"{name}.{key}", pattern))
        for expression in _inline(name):
            found.setdefault((expression.pattern.pattern, expression.pattern.flags), expression)
    return list(found.values())


def _modules() -> Iterator[str]:
    yield from FILES
    for room in ROOMS:
        for file in sorted((ROOT / room).rglob("*.py")):
            if "migrations" not in file.parts and file.stem not in {"__init__", "shell"}:
                yield ".".join(file.relative_to(ROOT).with_suffix("").parts)


def _patterns_in(value: Any) -> Iterator[re.Pattern[str]]:
    if isinstance(value, re.Pattern):
        if isinstance(value.pattern, str):
            yield value
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from _patterns_in(one)
    elif isinstance(value, dict):
        yield from _patterns_in([*value.values()])


def _inline(name: str) -> Iterator[Expression]:
    """The patterns of calls such as ``re.sub("…", …)``; parts that are filled in stand as an ``x``."""
    tree = ast.parse((ROOT / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for node in (inner for function in functions for inner in ast.walk(function)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.func.attr in CALLS
            and (text := _text(node.args[0])) is not None
        ):
            try:
                yield Expression(f"{name}:{node.lineno}", re.compile(text, _flags(node)))
            except re.error:
                continue  # made of parts that are known only when it runs; its module's own list has it


CALLS = frozenset({"compile", "match", "search", "fullmatch", "sub", "subn", "split", "findall", "finditer"})


def _flags(call: ast.Call) -> re.RegexFlag:
    parts = [part for one in [*call.args, *call.keywords] for part in ast.walk(one)]
    names = [part.attr for part in parts if isinstance(part, ast.Attribute) and part.attr in re.RegexFlag.__members__]
    return functools.reduce(operator.or_, (re.RegexFlag[name] for name in names), re.RegexFlag(0))


def _text(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)
    return None


def hard_texts(pattern: re.Pattern[str]) -> Iterator[Callable[[int], str]]:
    """Makers of texts of a given length that are hard for a pattern: its own words, and what may stand between."""
    own = sorted(set(_words(parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG))), key=len)[-12:]
    for fragment in (*FRAGMENTS, *own):
        yield lambda size, part=fragment: part * (size // len(part))  # type: ignore[misc]
    for word in own:
        for filler in ("a", " ", "'", "(", "-", ".", "0", "a ", "a,", ":", "''", "\\'"):
            yield lambda size, part=word, rest=filler: part + rest * (size // len(rest))  # type: ignore[misc]
            yield lambda size, part=word + filler: part * (size // len(part))  # type: ignore[misc]
            yield lambda size, part=filler + word: part * (size // len(part))  # type: ignore[misc]


def _words(tree: Any) -> Iterator[str]:
    """The runs of letters that a pattern has as they are."""
    run = ""
    for operation, argument in tree:
        if operation is words.LITERAL:
            run += chr(argument)
            continue
        if run:
            yield run
            run = ""
        for inner in _below(argument):
            yield from _words(inner)
    if run:
        yield run


def _below(argument: Any) -> Iterator[Any]:
    if isinstance(argument, parser.SubPattern):
        yield argument
    elif isinstance(argument, list | tuple):
        for one in argument:
            yield from _below(one)


def seconds(pattern: re.Pattern[str], text: str) -> float:
    """Processor time of looking for a pattern everywhere in a text, and of comparing it with the whole text."""
    began = time.thread_time()
    for _ in pattern.finditer(text):
        pass
    pattern.fullmatch(text)
    return time.thread_time() - began


def hardest(expression: Expression, size: int) -> Callable[[int], str]:
    """What makes the text of this length that takes a pattern longest."""
    return max(hard_texts(expression.pattern), key=lambda make: seconds(expression.pattern, make(size)))


LOOK, ROUNDS, FEW = 1_000, 3, 6


def measure() -> Mapping[str, float]:
    """Find the hard texts with short ones, then run the hardest at half a megabyte and at one."""
    found = []
    for expression in expressions():
        make = hardest(expression, LOOK)
        found.append((seconds(expression.pattern, make(10 * LOOK)), expression, make))
    found.sort(key=lambda one: one[0], reverse=True)
    whole, growth = 0.0, 0.0
    for _, expression, make in found[:FEW]:
        pairs = [
            (seconds(expression.pattern, make(MEGABYTE // 2)), seconds(expression.pattern, make(MEGABYTE)))
            for _ in range(ROUNDS)
        ]
        whole = max(whole, min(full for _, full in pairs))
        # Both of a pair run one after the other, so that other work on the machine weighs on them alike.
        growth = max(growth, statistics.median(full / half for half, full in pairs))
    return {"worst_seconds_a_megabyte": whole, "times_half": growth, "patterns": len(found)}


BENCHMARK = Benchmark(
    "regex",
    "Every regular expression of the console is run over texts that are made of its own words to be hard for it; the "
    f"{FEW} slowest then over half a megabyte and a whole one.",
    {
        "worst_seconds_a_megabyte": Figure("Processor time of the slowest for one megabyte, looked for everywhere."),
        "times_half": Figure(
            "Time for a megabyte by that for half of it, at worst: 2 is linear, 4 quadratic.", "<= 2.5"
        ),
        "patterns": Figure("How many expressions there are."),
    },
    measure,
)
