"""What the game days write down: the tables keep the rows of faults that were not played."""

from demo.faults import FAULTS
from scripts import gamedays, gamedays_database
from scripts.gamedays import Seen
from scripts.gamedays_database import DAYS, PARTS, Look


def test_a_fault_that_is_played_again_replaces_its_row_and_leaves_the_others():
    first = gamedays.report(
        [Seen("bloat", None, (), None, watched=75.0), Seen("bad-deploy", 8.2, ("Slow", "Wrong"), 71.0)]
    )
    assert "| bad-deploy | 8 s | Slow<br>Wrong | 71 s |" in first
    assert "| bloat | not within 75 s | – | not within 300 s |" in first
    again = gamedays.report([Seen("bloat", 12.0, ("Dead rows",), 30.0)], first)
    assert "| bad-deploy | 8 s | Slow<br>Wrong | 71 s |" in again
    assert [line for line in again.splitlines() if line.startswith("| bloat")] == [
        "| bloat | 12 s | Dead rows | 30 s |"
    ]


def test_parts_of_a_game_day_are_replaced_together_and_foreign_text_stays_in_its_cell():
    one = Look("now", "47 sessions wait", "memory-import | idle", "verdict")
    first = gamedays_database.report({"lock-pileup": [one, Look("load", "Load is 36", "", "no")], "bloat": [one]})
    again = gamedays_database.report({"lock-pileup": [one]}, first)
    assert [line for line in again.splitlines() if line.startswith("| lock-pileup")] == [
        "| lock-pileup | now | 47 sessions wait | yes, in the verdict | memory-import \\| idle |"
    ]
    assert [line for line in again.splitlines() if line.startswith("| bloat")] == [
        line for line in first.splitlines() if line.startswith("| bloat")
    ]


def test_every_game_day_of_the_database_is_a_fault_and_looks_at_parts_that_exist():
    assert set(DAYS) <= set(FAULTS)
    for day in DAYS.values():
        assert set(day.pictured) <= set(day.named_by) <= set(PARTS)
