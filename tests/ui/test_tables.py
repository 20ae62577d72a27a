import csv as csv_format
import io
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from ui import tables
from ui.tables import Column

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ROWS = pd.DataFrame(
    {
        "state": ["ok", "broken", "no such state"],
        "statement": ["select 1", "=cmd|' /C calc'!A0", "a\u202eb " + "x" * 5000],
        "mean": [0.00084, 0.0123, np.nan],
        "calls": [124120, 3, 900],
        "share": [0.4, 0.004, None],
        "seen": [NOON, pd.NaT, NOON],
        "trend": [list(range(1000)), [1.0, np.nan], None],
        "go": ["/search?w=1h", "//evil.example", "javascript:alert(1)"],
    }
)
COLUMNS = [
    Column("state", "State", "status"),
    Column("statement", "Statement"),
    Column("mean", "Mean", "number", "s"),
    Column("calls", "Calls", "number", "count"),
    Column("share", "Share", "number", "ratio"),
    Column("seen", "Seen", "time"),
    Column("trend", "Trend", "sparkline"),
    Column("go", "Open", "link"),
    Column("absent", "Absent"),
]


def page() -> None:
    from zoneinfo import ZoneInfo

    from tests.ui.test_tables import COLUMNS, ROWS
    from ui import tables

    tables.table(ROWS, columns=COLUMNS, key="rows", on_select="rerun", tz=ZoneInfo("Europe/Berlin"), alt="Statements")


def drawn() -> Any:
    app = AppTest.from_function(page, default_timeout=60).run()
    assert not app.exception
    return app.dataframe[0]


def config(element: Any) -> dict[str, Any]:
    import json

    answer: dict[str, Any] = json.loads(element.proto.columns)
    return answer


def test_numbers_of_a_column_are_written_in_one_unit_and_precision() -> None:
    settings = config(drawn())
    assert settings["mean"]["type_config"]["format"] == "%.1f ms"
    assert settings["calls"]["type_config"]["format"] == "%.0f"
    assert settings["share"]["type_config"]["format"].endswith(" %%")
    cells = tables.prepared(ROWS, COLUMNS[:-1])
    assert cells["mean"].iloc[:2].tolist() == pytest.approx([0.84, 12.3])
    assert cells["mean"].dtype == np.float64


def test_times_are_shown_in_the_zone_that_the_heading_names() -> None:
    settings = config(drawn())["seen"]
    assert settings["label"].startswith("Seen (CE")
    assert settings["type_config"]["timezone"] == "Europe/Berlin"


def test_columns_that_the_frame_lacks_are_left_out() -> None:
    assert "absent" not in drawn().value.columns


def test_foreign_text_is_cleaned_cut_and_no_formula() -> None:
    texts = tables.prepared(ROWS, COLUMNS[:2])["statement"].tolist()
    assert texts[1] == "'=cmd|' /C calc'!A0"
    assert texts[2].startswith("a<U+202E>b ")
    assert len(texts[2]) < 250


def test_statuses_are_told_by_word_and_mark_and_an_unknown_one_is_not_ok() -> None:
    assert tables.prepared(ROWS, COLUMNS[:1])["state"].tolist() == [["✓ ok"], ["✕ broken"], ["? unknown"]]


def test_only_addresses_within_the_console_are_links() -> None:
    cells = tables.prepared(ROWS, [Column("go", "Open", "link")])["go"]
    assert cells.isna().tolist() == [False, True, True]


def test_sparklines_are_short_and_may_be_missing() -> None:
    trends = tables.prepared(ROWS, [Column("trend", "Trend", "sparkline")])["trend"].tolist()
    assert [len(trend) for trend in trends] == [40, 1, 0]


def test_an_empty_table_is_drawn() -> None:
    empty = ROWS.iloc[:0]
    assert len(tables.prepared(empty, COLUMNS[:-1])) == 0


def read(content: bytes) -> list[list[str]]:
    return list(csv_format.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_a_csv_file_has_full_numbers_utc_times_and_no_formula() -> None:
    header, first, second, _ = read(tables.csv(ROWS, COLUMNS))
    assert header == ["State", "Statement", "Mean (s)", "Calls (count)", "Share (ratio)", "Seen", "Open"]
    assert first == ["ok", "select 1", "0.00084", "124120", "0.4", "2026-11-23T12:00:00+00:00", "/search?w=1h"]
    assert second[1] == "'=cmd|' /C calc'!A0"
    assert second[5] == ""


def test_headings_and_negative_numbers_of_a_csv_file_are_safe() -> None:
    frame = pd.DataFrame(
        {
            "=bad": [-5, -2.5],
            "when": [NOON.astimezone(ZoneInfo("Asia/Tokyo"))] * 2,
            "s": pd.Series(["\ud800", "ü"], dtype=object),
        }
    )
    assert read(tables.csv(frame)) == [
        ["'=bad", "when", "s"],
        ["-5.0", "2026-11-23T12:00:00+00:00", "\\ud800"],
        ["-2.5", "2026-11-23T12:00:00+00:00", "ü"],
    ]
