"""The files that are followed: cut into lines, known again after rotation, truncation and restart."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from demo.shipper import documents

log = logging.getLogger(__name__)

CHUNK_BYTES = 2 * 1024 * 1024  # read from one file at a time; a longer line is shipped in pieces of this size
HEAD_BYTES = 1024  # of a file's beginning, by which it is known again
GONE_SECONDS = 10.0  # a deleted file is followed this long, in case its writer still holds it


@dataclass(frozen=True)
class Line:
    """One line of a container, with its place in the file: bytes ``start`` to ``end``."""

    start: int
    end: int
    raw: bytes
    document: documents.Document


@dataclass
class Tail:
    """How far one file has been delivered.

    Attributes:
        handle: The open file; it stays the same file when it is renamed or deleted.
        path: Its name when last seen.
        offset: Bytes that the store has acknowledged.
        head_length: How many bytes of the beginning ``head`` was made from.
        head: Fingerprint of the beginning; another one means another file in the same place.
        gone_since: Monotonic time since when the name is gone, or None.
    """

    handle: FileIO
    path: Path
    offset: int = 0
    head_length: int = 0
    head: str = ""
    gone_since: float | None = None

    @property
    def pod(self) -> str:
        """The pod that wrote it: Docker keeps each container's logs in a folder of its own."""
        return self.path.parent.name

    def fingerprint(self, length: int) -> str:
        """Hash of the first ``length`` bytes."""
        return hashlib.blake2b(os.pread(self.handle.fileno(), length, 0), digest_size=16).hexdigest()

    def acknowledge(self, offset: int) -> None:
        """Notes that everything before ``offset`` is in the store."""
        self.offset = offset
        self.head_length = min(offset, HEAD_BYTES)
        self.head = self.fingerprint(self.head_length)

    def verify(self) -> None:
        """Starts again from the beginning when the file was truncated or its content replaced."""
        size = os.fstat(self.handle.fileno()).st_size
        if size < self.offset or (self.head_length and self.fingerprint(self.head_length) != self.head):
            log.info("%s was truncated or replaced: reading from its beginning", self.path)
            self.offset, self.head_length, self.head = 0, 0, ""

    def read(self) -> list[Line]:
        """The next complete lines, of at most `CHUNK_BYTES` in all; [] when there is nothing new."""
        self.verify()
        chunk = os.pread(self.handle.fileno(), CHUNK_BYTES, self.offset)
        # Nothing is added to a rotated file, and a full chunk has no room: what is unfinished stays so.
        final = len(chunk) == CHUNK_BYTES or not self.path.name.endswith(".log")
        return list(lines_of(chunk, self.offset, self.pod, final=final))


def lines_of(chunk: bytes, base: int, pod: str, *, final: bool) -> Iterator[Line]:
    """Cuts a piece of a json-file log into lines.

    Docker splits a long line into entries of which only the last ends with a newline: they are joined again.
    What is not complete yet is left for the next reading.

    Args:
        chunk: Bytes of the file.
        base: Where they begin in it.
        pod: Whose log it is.
        final: Whether waiting would not complete an unfinished line: then, when it is all there is, it is given
            as it is.
    """
    start = 0  # of the first entry of the line that is being joined
    position = 0
    texts: list[str] = []
    entry: dict[str, Any] = {}
    given = False

    def line(end: int) -> Line:
        raw = chunk[start:end]
        stamp, stream = str(entry.get("time", "")), str(entry.get("stream", "stdout"))
        made = documents.document("".join(texts), time=stamp, pod=pod, stream=stream, offset=base + start)
        return Line(base + start, base + end, raw, made)

    while (newline := chunk.find(b"\n", position)) >= 0:
        entry = _entry(chunk[position:newline])
        position = newline + 1
        texts.append(entry["log"])
        if entry["log"].endswith("\n"):
            yield line(position)
            start, texts, given = position, [], True
    if final and not given and chunk:
        if not texts:  # a single entry longer than the chunk, or torn off
            entry = {"log": chunk.decode(errors="replace")}
            texts, position = [entry["log"]], len(chunk)
        yield line(position)


def _entry(raw: bytes) -> dict[str, Any]:
    """One entry of Docker's json-file form; a torn one is kept as a line of text."""
    try:
        entry = json.loads(raw)
    except ValueError:
        entry = None
    if isinstance(entry, dict) and isinstance(entry.get("log"), str):
        return entry
    return {"log": raw.decode(errors="replace") + "\n"}


class Registry:
    """The tails of all files below a folder, and the file in which their offsets survive a restart."""

    def __init__(self, folder: Path, file: Path) -> None:
        self.folder = folder
        self.file = file
        self.tails: dict[str, Tail] = {}
        try:
            self._saved: dict[str, dict[str, Any]] = json.loads(file.read_text())
        except (FileNotFoundError, ValueError):
            self._saved = {}

    def scan(self) -> list[Tail]:
        """Looks for new, renamed and deleted files; the tails, rotated files first, as they are older."""
        seen = set()
        for path in sorted(self.folder.glob("*/*-json.log*"), reverse=True):
            try:
                key = self._adopt(path)
            except FileNotFoundError:  # rotated away between the listing and the opening
                continue
            seen.add(key)
        now = time.monotonic()
        for key, tail in list(self.tails.items()):
            if key in seen:
                tail.gone_since = None
            elif tail.gone_since is None:
                tail.gone_since = now
            elif now - tail.gone_since > GONE_SECONDS and os.fstat(tail.handle.fileno()).st_size <= tail.offset:
                tail.handle.close()
                del self.tails[key]
        return list(self.tails.values())

    def _adopt(self, path: Path) -> str:
        status = path.stat()
        key = f"{status.st_dev}:{status.st_ino}"
        if key in self.tails:
            self.tails[key].path = path
            return key
        handle = path.open("rb", buffering=0)
        status = os.fstat(handle.fileno())
        key = f"{status.st_dev}:{status.st_ino}"
        if key in self.tails:
            handle.close()
            return key
        tail = Tail(handle, path)
        if saved := self._saved.get(key):
            tail.offset, tail.head_length, tail.head = saved["offset"], saved["head_length"], saved["head"]
            tail.verify()
        self.tails[key] = tail
        return key

    def save(self) -> None:
        """Writes the offsets, whole or not at all."""
        state = {
            key: {"path": str(tail.path), "offset": tail.offset, "head_length": tail.head_length, "head": tail.head}
            for key, tail in self.tails.items()
        }
        self.file.parent.mkdir(parents=True, exist_ok=True)
        draft = self.file.with_suffix(".new")
        with draft.open("w") as stream:
            json.dump(state, stream)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(self.file)

    def close(self) -> None:
        """Closes all files."""
        for tail in self.tails.values():
            tail.handle.close()
