"""Tables: one look, numbers that can be compared down a column, foreign text that does nothing."""

import csv as csv_format
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Literal

import pandas as pd
import streamlit as st

from analysis.cells import csv_cell
from ui import charts
from ui import format as fmt
from ui.clean import clean
from ui.theme import STATUS

Kind = Literal["text", "number", "time", "sparkline", "link", "status"]

_ROW_HEIGHT = 35
_MOST_ROWS_SHOWN = 15
_SPARKLINE_POINTS = 40


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        name: The frame's column.
        title: Its heading.
        kind: ``text`` (foreign, cleaned), ``number`` (floats, written in ``unit``), ``time`` (moments with a zone),
            ``sparkline`` (a sequence of floats a cell), ``link`` (an address within the console, beginning with one
            slash) or ``status`` (a key of :data:`ui.theme.STATUS`; an empty text where there is none).
        unit: The unit of a number, see :mod:`ui.format`.
        help: What the column means, shown on hover. Our own words: Streamlit parses Markdown here.
        width: ``small``, ``medium``, ``large``, pixels, or None for what fits.
        limit: The longest text that is shown whole; longer ones are cut in the middle.
    """

    name: str
    title: str
    kind: Kind = "text"
    unit: str = ""
    help: str | None = None
    width: Literal["small", "medium", "large"] | int | None = None
    limit: int = 200


def table(
    frame: pd.DataFrame,
    *,
    columns: Sequence[Column],
    key: str,
    height: int | None = None,
    on_select: Callable[[], None] | Literal["rerun"] | None = None,
    tz: tzinfo = UTC,
    alt: str | None = None,
) -> int | None:
    """Draw a table that sorts by a click on a heading.

    Args:
        frame: The rows, in the order in which they are shown at first.
        columns: What is shown, in this order; columns that the frame lacks are left out.
        key: A name for this table that is unique on the page.
        height: In pixels; by default as high as its rows, at most fifteen of them.
        on_select: ``rerun`` or a function: a click on any cell chooses its row, one at a time; a function asks
            :func:`chosen` for it.
        tz: The zone of times, named in their heading.
        alt: One sentence for screen readers.

    Returns:
        The place (``iloc``) of the selected row in ``frame``, or None.
    """
    shown = [column for column in columns if column.name in frame.columns]
    settings = {column.name: _config(column, frame[column.name], tz) for column in shown}
    rows = min(max(len(frame), 1), _MOST_ROWS_SHOWN) + 1
    look: dict[str, Any] = {
        "column_config": settings,
        "hide_index": True,
        "height": height or rows * _ROW_HEIGHT + 3,
        "row_height": _ROW_HEIGHT,
        "key": key,
        "alt": alt,
        "placeholder": fmt.UNKNOWN,
    }
    cells = prepared(frame, shown)
    if on_select is None:
        st.dataframe(cells, **look)
        return None
    # A cell and not a row: rows can be selected by a tick-box only, which is small and says nothing.
    st.dataframe(cells, **look, on_select=on_select, selection_mode="single-cell")
    return chosen(key, len(frame))


def chosen(key: str, rows: int) -> int | None:
    """The place of the row of a table that was clicked last, or None.

    Args:
        key: The table's name.
        rows: How many rows it has now: they may have become fewer since the click.
    """
    cells = st.session_state.get(key, {}).get("selection", {}).get("cells", [])
    return int(cells[0][0]) if cells and int(cells[0][0]) < rows else None


def prepared(frame: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """The cells as they are handed to the browser: numbers scaled, texts cleaned, links checked."""
    return pd.DataFrame({column.name: _cells(frame[column.name], column) for column in columns})


def csv(frame: pd.DataFrame, columns: Sequence[Column] | None = None) -> bytes:
    """The table as a CSV file that a spreadsheet may open: UTF-8 with a mark, no cell that is a formula.

    Numbers are written in their own unit and full precision, times as ISO 8601 in UTC.

    Args:
        frame: The rows.
        columns: Which columns and under which headings; all by their own names otherwise. Sparklines are left out.
    """
    if columns is None:
        titles = {str(name): str(name) for name in frame.columns}
    else:
        chosen = [column for column in columns if column.kind != "sparkline" and column.name in frame.columns]
        titles = {column.name: _csv_title(column) for column in chosen}
    file = io.StringIO()
    writer = csv_format.writer(file)
    writer.writerow([csv_cell(title) for title in titles.values()])
    for row in frame[list(titles)].itertuples(index=False, name=None):
        writer.writerow([_csv_value(cell) for cell in row])
    # A lone surrogate cannot be written; it is shown by its number.
    return b"\xef\xbb\xbf" + file.getvalue().encode("utf-8", "backslashreplace")


def _csv_title(column: Column) -> str:
    return f"{column.title} ({column.unit})" if column.kind == "number" and column.unit else column.title


def _csv_value(cell: object) -> object:
    if isinstance(cell, list | tuple | dict):
        return csv_cell(str(cell))
    if pd.isna(cell):  # type: ignore[call-overload]
        return ""
    if isinstance(cell, pd.Timestamp | datetime):
        return (fmt.on_clock(cell, UTC) if cell.tzinfo else cell).isoformat()
    # NumPy's numbers are no int or float; as such they would be quoted as text.
    return csv_cell(cell.item() if hasattr(cell, "item") else cell)


def _cells(cells: pd.Series, column: Column) -> Any:
    match column.kind:
        case "number":
            return pd.to_numeric(cells, errors="coerce").astype(float) * _scale(cells, column).factor
        case "time":
            return pd.to_datetime(cells, utc=True, errors="coerce")
        case "sparkline":
            return [_sparkline(cell) for cell in cells]
        case "link":
            return [_internal(cell) for cell in cells]
        case "status":
            return [[STATUS.get(str(cell), STATUS["unknown"]).text] if cell != "" else [] for cell in cells]
        case _:
            return [_text(cell, column.limit) for cell in cells]


def _scale(cells: pd.Series, column: Column) -> fmt.Scale:
    return fmt.scale(pd.to_numeric(cells, errors="coerce").to_numpy(float), column.unit)


def _sparkline(cell: object) -> list[float]:
    return charts.sparkline(cell, _SPARKLINE_POINTS) if isinstance(cell, Sequence | pd.Series) else []


def _internal(cell: object) -> str | None:
    """An address within the console; anything that could lead elsewhere is no link at all."""
    address = str(cell)
    within = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if within and address.isprintable() else None


def _text(cell: object, limit: int) -> str:
    if cell is None or (isinstance(cell, float) and cell != cell):
        return fmt.UNKNOWN
    # The table's own toolbar can copy and download: a text that a spreadsheet takes for a formula is quoted here too.
    return str(csv_cell(clean(cell, limit)))


def _config(column: Column, cells: pd.Series, tz: tzinfo) -> Any:
    common: Mapping[str, Any] = {"label": column.title, "help": column.help, "width": column.width}
    match column.kind:
        case "number":
            return st.column_config.NumberColumn(**common, format=_printf(_scale(cells, column)))
        case "time":
            zone = getattr(tz, "key", None) or "UTC"
            heading = {**common, "label": f"{column.title} ({_zone_of(cells, tz)})"}
            return st.column_config.DatetimeColumn(**heading, format="YYYY-MM-DD HH:mm:ss", timezone=zone)
        case "sparkline":
            return st.column_config.LineChartColumn(**common, y_min=0)
        case "link":
            return st.column_config.LinkColumn(**common, display_text="open")
        case "status":
            states = list(STATUS.values())
            return st.column_config.MultiselectColumn(
                **common, options=[state.text for state in states], color=[state.markdown for state in states]
            )
        case _:
            return st.column_config.TextColumn(**common)


def _zone_of(cells: pd.Series, tz: tzinfo) -> str:
    """What a column calls its zone: by the clocks of its times, and by its full name where they are on two."""
    moments = pd.to_datetime(cells, utc=True, errors="coerce").dropna()
    names = {fmt.zone_name(moment, tz) for moment in moments.dt.to_pydatetime()} or {
        fmt.zone_name(datetime.now(UTC), tz)
    }
    return names.pop() if len(names) == 1 else getattr(tz, "key", None) or " / ".join(sorted(names))


def _printf(scale: fmt.Scale) -> str:
    return f"%.{scale.decimals}f{scale.suffix.replace('%', '%%')}"
