import doctest
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import cells
from analysis.cells import csv_cell
from telemetry import masks
from telemetry.spellings import Known
from ui import clean

ANY_TEXT = st.text(st.characters(codec=None), max_size=400)


def test_every_example_in_the_docstrings_is_true() -> None:
    failed, tried = doctest.testmod(clean)
    assert failed == 0
    assert tried >= 4
    assert doctest.testmod(cells) == (0, 1)


@given(ANY_TEXT)
def test_nothing_hidden_is_left(text: str) -> None:
    for character in clean.clean(text, 1000):
        assert unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"]), max_size=300))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert clean.clean(text) == text


@given(ANY_TEXT)
def test_cleaned_text_can_always_be_sent(text: str) -> None:
    for made in (clean.clean(text), clean.inert(text), clean.for_plotly(text), str(csv_cell(text))):
        made.encode("utf-8")


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "␛]8;;http://x␛\\link␛]8;;␛\\"),
        ("pay\u202etxt.exe", "pay<U+202E>txt.exe"),
        ("zero\u200bwidth", "zero<U+200B>width"),
        ("tag\U000e0041", "tag<U+E0041>"),
        ("blank\u3164", "blank<U+3164>"),
        ("half \ud800 pair", "half <U+D800> pair"),
        ("a\x00b\x7fc\x9bd", "a␀b␡c<U+009B>d"),
        ("line\r\nline", "line␍␊line"),
        ("wide\u00a0space", "wide space"),
        ("Grüße, 世界, здравствуй, مرحبا", "Grüße, 世界, здравствуй, مرحبا"),
        (b"bytes \xff", "bytes \\xff"),
        (42, "42"),
    ],
)
def test_each_trick_is_made_visible(foreign: object, shown: str) -> None:
    assert clean.clean(foreign) == shown


def test_lines_are_kept_where_they_are_asked_for() -> None:
    assert clean.clean("a\n\tb\r", lines=True) == "a\n\tb␍"


def test_marks_cannot_climb_over_the_neighbouring_lines() -> None:
    assert len(clean.clean("e" + "\u0301" * 100)) == 5


def test_long_text_is_cut_in_the_middle_and_says_how_much_is_missing() -> None:
    shown = clean.clean("a" * 600_000 + "b" * 600_000, 300)
    assert shown.startswith("a" * 200)
    assert shown.endswith("b" * 100)
    assert "1,199,700 more characters" in shown
    assert clean.clean("x" * 100, 36) == "x" * 24 + "…[+64]…" + "x" * 12


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\x00=1", "  =1", "\uff1d1"])
def test_no_cell_is_a_formula(cell: str) -> None:
    assert str(csv_cell(cell)).startswith("'")


@pytest.mark.parametrize("cell", [-1, -2.5, 0, True, None, "plain", "a=b", ""])
def test_numbers_and_plain_texts_stay_what_they_are(cell: object) -> None:
    assert csv_cell(cell) == cell


def test_a_secret_of_the_settings_is_hidden_also_where_a_long_text_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masks, "_values", frozenset())
    monkeypatch.setattr(masks, "_known", Known())
    masks.register_secret("hunter2-of-the-database")
    masks.register_secret("synaptic")  # a plain word says nothing on a page
    assert clean.clean("synaptic said hunter2-of-the-database") == "synaptic said ***"
    assert "hunter2" not in clean.clean("x" * 190 + "hunter2-of-the-database" + "y" * 500, 300)
    assert "database" not in clean.clean("x" * 500 + "hunter2-of-the-database" + "y" * 90, 300)
