"""Saved windows, on both databases."""

import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select

from records import windows
from records.schema import saved_windows
from records.windows import InvalidWindow, delete_window, list_windows, save_window

START = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
END = START + timedelta(minutes=50)


def save(database, label="outage", environment="production", **more):
    given = {"start": START, "end": END, "created_by": "local", **more}
    return save_window(database, environment=environment, label=label, **given)


def test_what_was_saved_is_listed_as_it_was_saved(database):
    berlin = timezone(timedelta(hours=1))
    saved = save(
        database, "  Выкат 1.8.2 — медленный поиск ", start=START.astimezone(berlin), note="rolled back\nat 14:50"
    )
    assert list_windows(database, "production") == [saved]
    assert saved.label == "Выкат 1.8.2 — медленный поиск"
    assert saved.start == START
    assert saved.start.tzinfo is UTC


def test_the_list_holds_one_environment_the_newest_first_up_to_the_limit(database):
    for label in ("first", "second", "third"):
        save(database, label)
    save(database, "elsewhere", environment="staging")
    assert [window.label for window in list_windows(database, "production")] == ["third", "second", "first"]
    assert [window.label for window in list_windows(database, "production", limit=2)] == ["third", "second"]
    assert [window.label for window in list_windows(database, "staging")] == ["elsewhere"]


def test_a_label_is_taken_once_in_an_environment_and_free_again_after_deleting(database):
    saved = save(database)
    with pytest.raises(InvalidWindow, match='already a window called "outage"'):
        save(database)
    save(database, environment="staging")
    assert delete_window(database, saved.id, by="ada")
    again = save(database)
    assert list_windows(database, "production") == [again]


def test_a_deleted_window_is_gone_once_and_the_records_say_who_deleted_it(database):
    saved = save(database)
    assert delete_window(database, saved.id, by="ada") is True
    assert delete_window(database, saved.id, by="bob") is False
    assert delete_window(database, uuid.uuid4(), by="bob") is False
    assert list_windows(database, "production") == []
    with database.reading() as connection:
        assert connection.execute(select(saved_windows.c.deleted_by)).scalar_one() == "ada"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"label": "   "}, "needs a label"),
        ({"label": "x" * 81}, "at most 80 characters; this one has 81"),
        ({"label": "two\nlines"}, "one line"),
        ({"label": "a\N{RIGHT-TO-LEFT OVERRIDE}b"}, "control characters"),
        ({"label": "a\0b"}, "control characters"),
        ({"note": "x" * 2001}, "at most 2,000 characters"),
        ({"note": "a\0b"}, "control characters"),
        ({"end": START}, "must end after it starts"),
    ],
)
def test_what_cannot_be_saved_is_refused_with_a_sentence(database, given, said):
    with pytest.raises(InvalidWindow, match=said):
        save(database, **given)
    assert list_windows(database, "production") == []


def test_text_is_kept_as_text_whatever_it_says(database):
    hostile = "'); DROP TABLE saved_windows; -- <script>%s {x} :y"
    saved = save(database, hostile, note=hostile)
    assert list_windows(database, "production") == [saved]


def test_the_longest_texts_fit_in_any_alphabet(database):
    saved = save(database, "\N{CJK UNIFIED IDEOGRAPH-8A18}" * 80, note="\N{EARTH GLOBE EUROPE-AFRICA}" * 2000)
    assert list_windows(database, "production") == [saved]


def test_there_is_a_limit_of_windows_in_an_environment_and_of_deleted_ones_that_are_remembered(database, monkeypatch):
    monkeypatch.setattr(windows, "MOST_KEPT", 2)
    monkeypatch.setattr(windows, "MOST_DELETED", 1)
    kept = [save(database, label) for label in ("first", "second")]
    with pytest.raises(InvalidWindow, match="There are 2 saved windows already"):
        save(database, "third")
    save(database, "elsewhere", environment="staging")
    for one in kept:
        assert delete_window(database, one.id, by="ada")
    save(database, "third")
    with database.reading() as connection:
        labels = set(connection.execute(select(saved_windows.c.label)).scalars())
    assert labels == {"second", "third", "elsewhere"}
