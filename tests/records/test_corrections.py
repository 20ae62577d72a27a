"""Corrections of objectives, on both databases."""

import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select

from records.corrections import InvalidCorrection, add_correction, list_corrections, remove_correction
from records.schema import slo_corrections

START = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
END = START + timedelta(minutes=30)


def add(database, objective="search_latency", environment="production", **more):
    given = {"start": START, "end": END, "reason": "announced maintenance", "created_by": "ada", **more}
    return add_correction(database, environment=environment, objective=objective, **given)


def test_what_was_entered_is_listed_as_it_was_entered(database):
    berlin = timezone(timedelta(hours=1))
    added = add(database, start=START.astimezone(berlin), reason="  計画停止\n告知済み ")
    assert list_corrections(database, "production") == [added]
    assert added.reason == "計画停止\n告知済み"
    assert added.start == START
    assert added.start.tzinfo is UTC


def test_an_objective_has_its_own_corrections_and_those_of_all(database):
    own, everyone, other = add(database), add(database, None), add(database, "operations")
    assert {one.id for one in list_corrections(database, "production", objective="search_latency")} == {
        own.id,
        everyone.id,
    }
    assert len(list_corrections(database, "production")) == 3
    assert [one.holds_for("search_latency") for one in (own, everyone, other)] == [True, True, False]


def test_the_list_holds_one_environment_the_latest_window_first_up_to_the_limit(database):
    for hours in (1, 3, 2):
        add(database, end=END + timedelta(hours=hours), reason=str(hours))
    add(database, environment="staging")
    assert [one.reason for one in list_corrections(database, "production")] == ["3", "2", "1"]
    assert [one.reason for one in list_corrections(database, "production", limit=2)] == ["3", "2"]
    recent = list_corrections(database, "production", since=END + timedelta(hours=2))
    assert [one.reason for one in recent] == ["3"]


def test_a_removed_correction_is_gone_once_and_the_records_say_who_removed_it(database):
    added = add(database)
    assert remove_correction(database, added.id, by="ada") is True
    assert remove_correction(database, added.id, by="bob") is False
    assert remove_correction(database, uuid.uuid4(), by="bob") is False
    assert list_corrections(database, "production") == []
    with database.reading() as connection:
        assert connection.execute(select(slo_corrections.c.deleted_by)).scalar_one() == "ada"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"reason": "   "}, "needs a reason"),
        ({"reason": "x" * 2001}, "at most 2,000 characters; this one has 2,001"),
        ({"reason": "a\0b"}, "control characters"),
        ({"reason": "a\N{RIGHT-TO-LEFT OVERRIDE}b"}, "control characters"),
        ({"objective": ""}, "1 to 80 characters"),
        ({"objective": "x" * 81}, "this one has 81"),
        ({"end": START}, "must end after it starts"),
    ],
)
def test_what_cannot_be_recorded_is_refused_with_a_sentence(database, given, said):
    with pytest.raises(InvalidCorrection, match=said):
        add(database, **given)
    assert list_corrections(database, "production") == []


def test_text_is_kept_as_text_whatever_it_says(database):
    hostile = "'); DROP TABLE slo_corrections; -- <script>%s {x} :y"
    added = add(database, reason=hostile)
    assert list_corrections(database, "production") == [added]
