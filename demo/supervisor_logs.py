"""What the parts say, on disk: Docker's json-file form for containers, bounded plain files for the rest."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

# Docker's own limit: longer lines are stored in pieces, and only the last one ends with a line feed.
PIECE_BYTES = 16 * 1024


class ContainerLog:
    r"""A container's output in the form that Docker's json-file driver writes, with rotation by size.

    Lines are ``{"log": "...\n", "stream": "stdout", "time": "2026-11-23T10:00:00.123456789Z"}``. The
    current file is ``<name>-json.log``; older ones are ``<name>-json.log.1``, ``.2`` and so on.

    Args:
        folder: The container's folder, ``<container_logs>/<name>``.
        max_bytes: Size at which a new file is begun.
        keep: How many older files stay.
    """

    def __init__(self, folder: Path, max_bytes: int = 10_000_000, keep: int = 2) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{folder.name}-json.log"
        self._max_bytes = max_bytes
        self._keep = keep
        self._file = self.path.open("ab")

    def write(self, text: str, stream: str) -> None:
        """Append one line, or one piece of an overlong one.

        Args:
            text: What was written, with its line feed if it had one.
            stream: ``stdout`` or ``stderr``.
        """
        entry = {"log": text, "stream": stream, "time": _nanoseconds_stamp(time.time_ns())}
        self._file.write(json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        if self._file.tell() >= self._max_bytes:
            self._rotate()

    def flush(self) -> None:
        """Hand what was written to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """Flush and close the file."""
        self._file.close()

    def _rotate(self) -> None:
        self._file.close()
        for number in range(self._keep, 0, -1):
            older = self._numbered(number - 1) if number > 1 else self.path
            if older.exists():
                older.replace(self._numbered(number))
        self._file = self.path.open("ab")

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


def _nanoseconds_stamp(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


async def copy_output(process: asyncio.subprocess.Process, folder: Path) -> None:
    """Keep what a process writes as a container's output, until it closes both pipes.

    Args:
        process: Started with pipes for its standard output and error.
        folder: See :class:`ContainerLog`.
    """
    assert process.stdout is not None
    assert process.stderr is not None
    log = ContainerLog(folder)
    try:
        await asyncio.gather(
            _copy_stream(process.stdout, log, "stdout"),
            _copy_stream(process.stderr, log, "stderr"),
        )
    finally:
        log.close()


async def _copy_stream(source: asyncio.StreamReader, log: ContainerLog, stream: str) -> None:
    rest = b""
    while chunk := await source.read(256 * 1024):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            _write_line(log, line + b"\n", stream)
        while len(rest) >= PIECE_BYTES:
            log.write(rest[:PIECE_BYTES].decode(errors="replace"), stream)
            rest = rest[PIECE_BYTES:]
        log.flush()
    if rest:
        log.write(rest.decode(errors="replace"), stream)
        log.flush()


def _write_line(log: ContainerLog, line: bytes, stream: str) -> None:
    for start in range(0, len(line), PIECE_BYTES):
        log.write(line[start : start + PIECE_BYTES].decode(errors="replace"), stream)


def shorten(path: Path, max_bytes: int = 20_000_000) -> None:
    """Move what a plain log holds to ``<name>.1`` and empty it, once it is larger than ``max_bytes``.

    Copy and truncate, because the writer keeps its descriptor; all writers append, so none leaves a hole.
    """
    try:
        if path.stat().st_size > max_bytes:
            shutil.copyfile(path, path.with_name(path.name + ".1"))
            os.truncate(path, 0)
    except FileNotFoundError:
        return


def last_lines(path: Path, count: int = 15) -> list[str]:
    """The last lines of a log, of either form, decoded; empty when there is no such file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 64 * 1024))
            lines = file.read().decode(errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        return []
    if not path.name.endswith("-json.log"):
        return lines
    return [str(json.loads(line)["log"]).rstrip("\n") for line in lines if line.startswith('{"log"')]
