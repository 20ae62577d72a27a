"""Foreign text costs linear time: every regular expression of the console, and what is made of several of them."""

import re
import time
from collections.abc import Callable

import pytest

from benchmarks.regex import CALLS, Expression, expressions, hard_texts, seconds
from collectors import log_query
from collectors.postgres import plan as postgres_plan
from telemetry import masks
from telemetry.spellings import Known, spellings
from telemetry.visible import visible
from views.database.rules import likeness, plan_values, sql_tags, sql_text
from views.database.statements.panels.detail import formatted
from views.database.statements.sampler import storable
from views.logs.masks import Visibility, masked_text
from views.logs.rules.patterns import Miner

SMALL, TIMES = 1_000, 8
STEEP = 2.5
"""How many times more than its length the time of a text may grow; at a quadratic one it is ``TIMES``."""


def growth(cost: Callable[[int], float]) -> float:
    """By how much more than the length the time grows; measured anew while it looks bad, for other work disturbs it."""
    found = []
    for size in (SMALL, 4 * SMALL, 16 * SMALL):
        small, large = cost(size), cost(TIMES * size)
        found.append(large / max(small, 1e-9) / TIMES)
        if found[-1] <= STEEP:
            break
    return min(found)


@pytest.mark.parametrize("expression", expressions(), ids=lambda one: one.place)
def test_no_expression_takes_more_than_linear_time_for_any_text(expression: Expression):
    timed = sorted(hard_texts(expression.pattern), key=lambda make: seconds(expression.pattern, make(SMALL)))
    for make in timed[-3:]:
        assert growth(lambda size, make=make: seconds(expression.pattern, make(size))) <= STEEP, make(60)


def test_the_expressions_that_are_tried_are_those_of_the_console():
    places = {one.place for one in expressions()}
    assert {"views.database.rules.sql_text._SECRET", "collectors.postgres.plan._MARK", "telemetry.masks._JWT"} <= places
    assert any(place.startswith("views.logs.masks") for place in places)
    assert any(re.search(r":\d+$", place) for place in places), "those inside of functions"
    assert {"compile", "sub", "finditer"} <= CALLS


HARD = (
    "'", "\\'", "''", "$a$", "/*", "/**/", "/*a", "--\n", '"', "1e+", ".", "a", "a ", " ", "(", "password ",
    "password=", "a://", "x://a:", "@", ";", "e'", "u&'", "é", "a,", "::a ", "FROM ", "WITH a AS (", "$1", "1.1.1.1 ",
    "a@", "user_id=", "Bearer ", "authorization:", "?token", "eyJ-", "://", "\x1b[", "\u0301", "NOT ", "x:(", "[", "\\",
    "%25", "%", "\\x", "&amp;", "\\u0027", "73", "s3cr3t&P<a>ss!", "''\\\\", "%25%25", "a@a ", "Digest a=", "AUTH ",
    '"token":"', "-----BEGIN PRIVATE KEY-----", "://:a", "://a:b",
)  # fmt: skip


def _mined(text: str) -> object:
    return Miner().add("ERROR", "component", text)


def _planned(text: str) -> object:
    return postgres_plan.asked(f"SELECT {text}", 18)


def _searched(text: str) -> object:
    try:
        return log_query.parse(text)
    except log_query.QueryMistake as mistake:
        return mistake


def _begun(text: str) -> object:
    try:
        return postgres_plan.asked(f"/*c*/{text} SET x", 18)
    except ValueError as refused:
        return refused


SECRETS = ("s3cr3t&P<a>ss!w0rd+'q\"", "''''\\\\\\%%%%\"\"''", "%25%25%25%25x", "a@a a@a@a a@")
HIDDEN = Known(one for secret in SECRETS for one in spellings(secret))
INDEX = "CREATE INDEX i ON t USING gin (to_tsvector('english'::regconfig, a)) WHERE (state = 'new'::text)"
FUNCTIONS: dict[str, Callable[[str], object]] = {
    "shown": lambda text: _shown(text, literals=False),
    "shown with literals": lambda text: _shown(text, literals=True),
    "storable": storable,
    "tags": sql_tags.tags,
    "bare": sql_tags.bare,
    "tables": sql_tags.tables,
    "in_short": sql_tags.in_short,
    "likeness": likeness.likeness,
    "with_constants": lambda text: plan_values.with_constants(f"SELECT {text}", [INDEX]),
    "a plan": _planned,
    "a plan of what begins oddly": _begun,
    "formatted": formatted,
    "mask": masks.mask,
    "secrets": lambda text: [[*one.spans(text)] for one in HIDDEN.all],
    "where secrets may be": lambda text: HIDDEN.near(text),
    "masked_text": lambda text: masked_text(text, Visibility(False)),
    "visible": lambda text: visible(text, len(text)),
    "patterns": _mined,
    "a search": _searched,
}


def _shown(text: str, *, literals: bool) -> str:
    sql_text._shown.cache_clear()
    return sql_text._shown(text, literals)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_function_that_meets_foreign_text_takes_more_than_linear_time(name: str):
    function = FUNCTIONS[name]

    def cost(text: str) -> float:
        began = time.thread_time()
        function(text)
        return time.thread_time() - began

    timed = sorted(HARD, key=lambda part: cost(part * (SMALL // len(part))))
    for part in timed[-4:]:
        assert growth(lambda size, part=part: cost(part * (size // len(part)))) <= STEEP, part


def test_a_statement_of_any_length_is_looked_at_in_its_beginning_only():
    text = "SELECT 1 /* " + "x://a:" * 100_000 + " */"
    assert len(sql_text.shown(text, literals=True)) <= sql_text.LONGEST + 10
    hidden = "SELECT '" + "\\'" * 5_000 + "x://u:secret@h"
    assert "secret" not in sql_text.shown(hidden, literals=True)
