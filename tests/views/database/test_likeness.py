"""A statement of a session is known again as the one that pg_stat_statements keeps."""

import pytest

from views.database.rules.likeness import LONG, identifier_of, likeness


@pytest.mark.parametrize(
    ("session", "kept"),
    [
        ("SELECT a FROM t WHERE id = 7", "SELECT a FROM t WHERE id = $1"),
        ("SELECT a\n  FROM t\tWHERE id = 7;", "SELECT a FROM t WHERE id = $1"),
        ("SELECT a FROM t WHERE name = 'ann' /* of ann */", "SELECT a FROM t WHERE name = $1"),
        ("UPDATE t SET a = $2 WHERE id = $1", "UPDATE t SET a = $1 WHERE id = $2"),
        ("INSERT INTO t VALUES ($$x$$, E'y', 1.5e3)", "INSERT INTO t VALUES ($1, $2, $3)"),
    ],
)
def test_values_comments_and_spaces_make_no_difference(session, kept):
    assert identifier_of(session, {likeness(kept): 7}) == 7


def test_another_statement_has_an_identifier_of_its_own_that_stays_the_same():
    known = {likeness("SELECT a FROM t WHERE id = $1"): 7}
    own = identifier_of("SELECT b FROM t WHERE id = 7", known)
    assert own not in {7, 0, -1}
    assert own == identifier_of("SELECT b FROM t WHERE id = 8", {})
    assert -(2**63) <= own < 2**63


def test_a_text_that_the_server_has_cut_is_known_by_its_beginning():
    whole = f"SELECT {', '.join(f'column_{number}' for number in range(200))} FROM t WHERE id = $1"
    assert identifier_of(whole[: LONG + 50], {likeness(whole): 7}) == 7
    assert identifier_of(whole[:100], {likeness(whole): 7}) != 7
