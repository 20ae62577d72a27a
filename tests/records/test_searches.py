"""Saved searches, on both databases."""

import uuid

import pytest
from sqlalchemy import select

from records import searches
from records.schema import saved_searches
from records.searches import InvalidSearch, delete_search, list_searches, save_search


def save(database, label="pool", environment="production", **more):
    given = {"query": 'level:error "pool timed out"', "created_by": "local", **more}
    return save_search(database, environment=environment, label=label, **given)


def test_what_was_saved_is_listed_as_it_was_saved(database):
    saved = save(database, "  Пул исчерпан ", filters=["level:ERROR", '-component:"a b"'], columns=["pod", "component"])
    assert list_searches(database, "production") == [saved]
    assert saved.label == "Пул исчерпан"
    assert saved.filters == ("level:ERROR", '-component:"a b"')


def test_the_list_holds_one_environment_the_newest_first_up_to_the_limit(database):
    for label in ("first", "second", "third"):
        save(database, label)
    save(database, "elsewhere", environment="staging")
    assert [search.label for search in list_searches(database, "production")] == ["third", "second", "first"]
    assert [search.label for search in list_searches(database, "production", limit=2)] == ["third", "second"]
    assert [search.label for search in list_searches(database, "staging")] == ["elsewhere"]


def test_a_label_is_taken_once_in_an_environment_and_free_again_after_deleting(database):
    saved = save(database)
    with pytest.raises(InvalidSearch, match='already a search called "pool"'):
        save(database)
    save(database, environment="staging")
    assert delete_search(database, saved.id, by="ada")
    again = save(database)
    assert list_searches(database, "production") == [again]


def test_a_deleted_search_is_gone_once_and_the_records_say_who_deleted_it(database):
    saved = save(database)
    assert delete_search(database, saved.id, by="ada") is True
    assert delete_search(database, saved.id, by="bob") is False
    assert delete_search(database, uuid.uuid4(), by="bob") is False
    assert list_searches(database, "production") == []
    with database.reading() as connection:
        assert connection.execute(select(saved_searches.c.deleted_by)).scalar_one() == "ada"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"label": "   "}, "needs a label"),
        ({"label": "x" * 81}, "at most 80 characters; this one has 81"),
        ({"label": "two\nlines"}, "one line"),
        ({"query": "  "}, "nothing to save"),
        ({"query": "x" * 2001}, "at most 2,000 characters"),
        ({"query": "a\0b"}, "no NUL"),
        ({"filters": ["a"] * 51}, "at most 50 filters; this one has 51"),
        ({"columns": ["a\0b"]}, "no NUL"),
    ],
)
def test_what_cannot_be_saved_is_refused_with_a_sentence(database, given, said):
    with pytest.raises(InvalidSearch, match=said):
        save(database, **given)
    assert list_searches(database, "production") == []


def test_text_is_kept_as_text_whatever_it_says(database):
    hostile = "'); DROP TABLE saved_searches; -- <script>%s {x} :y \N{RIGHT-TO-LEFT OVERRIDE}"
    saved = save(database, query=hostile, filters=[hostile], columns=[hostile])
    assert list_searches(database, "production") == [saved]


def test_there_is_a_limit_of_searches_in_an_environment_and_of_deleted_ones_that_are_remembered(database, monkeypatch):
    monkeypatch.setattr(searches, "MOST_KEPT", 2)
    monkeypatch.setattr(searches, "MOST_DELETED", 1)
    kept = [save(database, label) for label in ("first", "second")]
    with pytest.raises(InvalidSearch, match="There are 2 saved searches already"):
        save(database, "third")
    save(database, "elsewhere", environment="staging")
    for one in kept:
        assert delete_search(database, one.id, by="ada")
    save(database, "third")
    with database.reading() as connection:
        labels = set(connection.execute(select(saved_searches.c.label)).scalars())
    assert labels == {"second", "third", "elsewhere"}
