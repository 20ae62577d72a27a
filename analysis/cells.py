"""The cells of a file that a spreadsheet opens."""

from __future__ import annotations

_FORMULA = "=+-@\t\r\n\x00"
_FULLWIDTH_FORMULA = "＝＋－＠"  # noqa: RUF001 - spreadsheets read the full-width forms as formulas too


def csv_cell(cell: object) -> object:
    """A value as it may stand in a CSV file that a spreadsheet opens.

    Numbers stay numbers. A text that a spreadsheet would take for a formula gets an apostrophe in front, which makes
    it text (OWASP, *CSV Injection*); NUL is made visible, as many readers end the file there, and a broken surrogate,
    which cannot be written, shows its number.

    >>> csv_cell("=1+1"), csv_cell(-2.5), csv_cell("plain")
    ("'=1+1", -2.5, 'plain')
    """
    if cell is None or isinstance(cell, bool | int | float):
        return cell
    text = cell.decode("utf-8", "backslashreplace") if isinstance(cell, bytes | bytearray) else str(cell)
    text = text.replace("\x00", "␀").encode("utf-8", "backslashreplace").decode("utf-8")
    guarded = text.lstrip(" \u00a0")[:1]
    risky = guarded in _FORMULA or guarded in _FULLWIDTH_FORMULA or text.startswith("␀")
    return f"'{text}" if guarded and risky else text
