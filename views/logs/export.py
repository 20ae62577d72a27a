"""All lines of a search as a file: NDJSON with whole documents, or CSV with the columns of the list.

What a file holds is what the page shows to the same viewer, masked in the same place. It is made page by page while it
is sent, so its size costs no memory; a file that is not whole says so in its last line.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from analysis.cells import csv_cell
from collectors.elasticsearch.search import at
from collectors.errors import SourceError
from collectors.logs import Line, Question
from collectors.registry import Sources
from views.logs.masks import Visibility, masked
from views.logs.view import checked, told, understood

PAGE = 1000
"""Lines that are asked for at a time."""
CHUNK = 200
"""Lines that are sent at a time."""

FORMATS = {"ndjson": "application/x-ndjson; charset=utf-8", "csv": "text/csv; charset=utf-8"}

Write = Callable[[Line], bytes]


class InvalidExport(ValueError):
    """An export cannot be made as it was asked for; ``str()`` says why, in a sentence."""


@dataclass(frozen=True)
class Export:
    """A file that can be sent.

    Attributes:
        name: Its name.
        media_type: What it is.
        total: Lines that match.
        lines: Lines that the file will have; fewer than ``total`` where it is cut.
        chunks: Its content; raises nothing but ends with a line that tells what went wrong.
    """

    name: str
    media_type: str
    total: int
    lines: int
    chunks: Iterator[bytes]


def prepare(
    sources: Sources, params: Mapping[str, Sequence[str]], visibility: Visibility, most: int, size: int = PAGE
) -> Export:
    """A file of the lines that the parameters of an address ask for.

    Args:
        sources: The environment's sources.
        params: ``from`` and ``to`` (ISO 8601 with a zone), ``q``, ``f`` (repeated), ``cols`` (with commas), ``order``
            (``newest`` or ``oldest``) and ``format`` (``ndjson`` or ``csv``).
        visibility: What the viewer may see.
        most: Most lines of a file.
        size: Lines that are in memory at a time.

    Raises:
        InvalidExport: Something in the parameters cannot be used.
        SourceError: The logs could not be asked.
    """
    start, end = _moment(params, "from"), _moment(params, "to")
    if end <= start:
        raise InvalidExport("to must be after from.")
    form = _one(params, "format", "ndjson")
    if form not in FORMATS:
        raise InvalidExport("format must be ndjson or csv.")
    order = _one(params, "order", "newest")
    if order not in ("newest", "oldest"):
        raise InvalidExport("order must be newest or oldest.")
    asked = understood(_one(params, "q", ""), params.get("f", ()), visibility)
    mistake = next(iter(asked.mistakes), None) or checked(sources, asked)
    if mistake is not None:
        raise InvalidExport(f"The search cannot be asked: {mistake.message}")
    columns = [name.strip() for name in _one(params, "cols", "").split(",") if name.strip()]
    question = Question(start, end, asked.expression)
    total = sources.logs.count(question).value
    pages = sources.logs.scan(question, order="oldest" if order == "oldest" else "newest", size=size, most=most)
    lines = (masked(line, visibility) for page in pages for line in page.lines)
    cut = f"Cut after {most:,} of {total:,} lines." if total > most else ""
    make = _ndjson if form == "ndjson" else _csv
    name = f"logs-{start:%Y%m%dT%H%M%SZ}-{end:%Y%m%dT%H%M%SZ}.{form}"
    return Export(name, FORMATS[form], total, min(total, most), make(lines, columns, cut))


def _ndjson(lines: Iterator[Line], _columns: Sequence[str], cut: str) -> Iterator[bytes]:
    def write(line: Line) -> bytes:
        return _json({"_id": line.id, **line.document})

    yield from _guarded(lines, write, cut, lambda why: _json({"_incomplete": why}))


def _csv(lines: Iterator[Line], columns: Sequence[str], cut: str) -> Iterator[bytes]:
    def row(cells: Sequence[object]) -> bytes:
        file = io.StringIO()
        csv.writer(file).writerow([csv_cell(cell) for cell in cells])
        return file.getvalue().encode("utf-8", "backslashreplace")

    def write(line: Line) -> bytes:
        moment = line.stamp if line.time is None else line.time.isoformat()
        return row([moment, line.level, *(_cell(line, name) for name in columns), told(line), line.id])

    # A spreadsheet reads UTF-8 only behind this mark.
    yield b"\xef\xbb\xbf" + row(["time", "level", *columns, "message", "id"])
    yield from _guarded(lines, write, cut, lambda why: row([why]))


def _guarded(lines: Iterator[Line], write: Write, cut: str, last: Callable[[str], bytes]) -> Iterator[bytes]:
    """The lines, some hundred to a chunk; then, where the file is not whole, why it is not."""
    chunk: list[bytes] = []
    try:
        for line in lines:
            chunk.append(write(line))
            if len(chunk) == CHUNK:
                yield b"".join(chunk)
                chunk.clear()
    except SourceError as error:
        cut = f"Not all lines are here: {error.source} {error.what}."
    if cut:
        chunk.append(last(cut))
    yield b"".join(chunk)


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace") + b"\n"


def _cell(line: Line, name: str) -> object:
    found = line.fields.get(name)
    found = at(line.document, name) if found is None else found
    return json.dumps(found, ensure_ascii=False, default=str) if isinstance(found, list | dict) else found


def _one(params: Mapping[str, Sequence[str]], name: str, usual: str) -> str:
    values = params.get(name, ())
    if len(values) > 1:
        raise InvalidExport(f"{name} is given twice.")
    return values[0] if values else usual


def _moment(params: Mapping[str, Sequence[str]], name: str) -> datetime:
    text = _one(params, name, "")
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidExport(f"{name} must be a time with its zone, such as 2026-11-24T12:00:00Z.")
