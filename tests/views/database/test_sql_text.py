"""What a statement shows to whom: no value to those who may not see values, no password to anybody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from views.database.rules.sql_text import HIDDEN, shown

MARK = "zqx7marked"
"""Stands in every value of the statements below and nowhere else."""

_VALUES = st.sampled_from(
    [
        f"'{MARK}'",
        f"'it''s {MARK}'",
        f"E'a\\'{MARK}\\\\'",
        f"e'{MARK}\\''",
        f"U&'{MARK}\\0041'",
        f"N'{MARK}'",
        f"$${MARK}$$",
        f"$tag$ $$ ' {MARK} \" $tag$",
        f"'-- {MARK}'",
        f"'/* {MARK}'",
        f"-- {MARK} '\n",
        f"/* ' {MARK} /* nested */ {MARK} */",
        f"'two\n{MARK} lines'",
        f"'\\' {MARK}",
        f"'\\'' {MARK}",
        f'"{MARK}@example.org"',
    ]
)
_PLAIN = st.sampled_from(
    [
        "SELECT", "FROM memories", "m.id", '"a ""quoted"" name"', '"it\'s"', "$1", "a$b$", "=", "(", ")", ",", "::text",
        "somE", "$", "-", "/", "é", "→", "\n",
    ]
)  # fmt: skip
_STATEMENTS = st.lists(st.one_of(_VALUES, _PLAIN), max_size=12).map(" ".join)


@given(_STATEMENTS, st.integers(min_value=0, max_value=400))
def test_no_value_is_seen_in_any_statement_cut_at_any_place(statement, length):
    assert "zqx" not in shown(statement[:length], literals=False)


@given(st.text(alphabet="aE'\"\\$-/*\n .;1x", max_size=60), st.text(alphabet="aE'\"\\$-/*\n .;1x", max_size=30))
def test_nothing_that_follows_an_unterminated_quote_is_seen(before, after):
    for quote in ("'", "E'", "$t$", '"'):
        text = f"SELECT {quote}{MARK}"
        assert shown(text, literals=False) == f"SELECT {HIDDEN}"
        assert MARK not in shown(f"{text}{after.replace(chr(39), '').replace(chr(34), '').replace('$', '')}", False)
    assert isinstance(shown(before + after, literals=False), str)
    assert isinstance(shown(before + after, literals=True), str)


@given(st.lists(_PLAIN, max_size=12).map(" ".join))
def test_what_is_no_value_stays_as_it_is(statement):
    assert shown(statement, literals=False) == statement


@given(st.lists(st.one_of(_VALUES, _PLAIN), max_size=12).map(" ".join))
def test_who_may_see_values_sees_the_statement_as_it_is(statement):
    assert shown(statement, literals=True) == statement


@pytest.mark.parametrize(
    "statement",
    [
        f"ALTER ROLE ann PASSWORD '{MARK}'",
        f"create user ann with encrypted password E'{MARK}'",
        f"CREATE ROLE ann PASSWORD $x${MARK}$x$ VALID UNTIL 'infinity'",
        f"ALTER ROLE ann PASSWORD {MARK}",
        f"ALTER ROLE ann PASSWORD {MARK}!{MARK}",
        f"ALTER ROLE ann PASSWORD = {MARK}",
        f'ALTER ROLE ann PASSWORD "{MARK}"',
        f"ALTER ROLE ann /* why */ PASSWORD -- so\n '{MARK}",
        f"ALTER ROLE ann PASSWORD '\\' {MARK}",
        f"DO $$ BEGIN ALTER ROLE ann PASSWORD '{MARK}'; END $$",
        f"CREATE USER MAPPING FOR ann SERVER s OPTIONS (user 'ann', password '{MARK}')",
        f"CREATE SUBSCRIPTION s CONNECTION 'host=db user=ann password={MARK}' PUBLICATION p",
        f"SELECT dblink_connect('postgresql://ann:{MARK}@db/x')",
        f"SELECT dblink_connect('postgresql://ann:{MARK}",
        f"SELECT set_config('app.secret', '{MARK}', false), 'password'",
        f"INSERT INTO users (name, password_hash) VALUES ('ann', '{MARK}')",
        f"UPDATE users SET \"Password\" = '{MARK}'",
        f'SELECT \'{{"api_key": "{MARK}"}}\'::json',
        f"-- password {MARK}\nSELECT 1",
        f"SELECT 1 /* postgres://ann:{MARK}@db */",
        f"SELECT 'SCRAM-SHA-256$4096:{MARK}'",
    ],
)
@pytest.mark.parametrize("literals", [True, False])
def test_a_password_is_seen_by_nobody(statement, literals):
    assert MARK not in shown(statement, literals=literals)


def test_a_statement_stays_readable_without_its_values():
    text = "SELECT id FROM memories WHERE owner = 'ann' AND tags @> ARRAY['x','y'] AND n > 1.5e-3 LIMIT 10 OFFSET $1"
    assert shown(text, literals=False) == (
        "SELECT id FROM memories WHERE owner = … AND tags @> ARRAY[…,…] AND n > … LIMIT … OFFSET $1"
    )
    assert shown("INSERT INTO t2 VALUES (0x1F, 1_000, -7, 'a' 'b', NULL, true)", literals=False) == (
        "INSERT INTO t2 VALUES (…, …, -…, … …, NULL, true)"
    )
