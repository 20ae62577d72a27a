"""Decoded memories that the process holds, for similarity searches: the memory that ``/admin/gc`` frees."""

from __future__ import annotations

import ctypes
import gc
import mmap
import re
import sys
from collections.abc import Mapping
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 1024
# 16 MiB of vectors at most: when they are full the process collects by itself.
CAPACITY = 4096

_WORD = re.compile(r"[a-z]{3,}")


def embed(text: str) -> NDArray[np.float32]:
    """A unit vector of 1024 hashed words (the hashing trick): similar words, small angle."""
    vector = np.zeros(DIMENSIONS, dtype=np.float32)
    for word in _WORD.findall(text.lower()):
        code = crc32(word.encode())
        vector[code % DIMENSIONS] += 1.0 if code & 0x8000_0000 else -1.0
    length = float(np.linalg.norm(vector))
    return vector / np.float32(length) if length else vector


def _no_vectors() -> NDArray[np.float32]:
    """Room for all vectors, in pages that become resident when they are written to and leave with the array.

    Not ``numpy.zeros``: once a large block was freed, glibc takes the next one from the heap and clears it.
    """
    size = CAPACITY * DIMENSIONS * np.dtype(np.float32).itemsize
    return np.frombuffer(mmap.mmap(-1, size), dtype=np.float32).reshape(CAPACITY, DIMENSIONS)


class WorkingSet:
    """Memories by id with a vector each."""

    def __init__(self) -> None:
        self._memories: list[dict[str, object]] = []
        self._rows: dict[str, int] = {}
        self._vectors = _no_vectors()

    def __len__(self) -> int:
        return len(self._memories)

    @property
    def full(self) -> bool:
        """Whether nothing more fits."""
        return len(self._memories) >= CAPACITY

    def add(self, memory: Mapping[str, object]) -> None:
        """Hold a memory; without effect when it is held already or there is no room."""
        key = str(memory["id"])
        if key in self._rows or self.full:
            return
        row = len(self._memories)
        self._rows[key] = row
        self._vectors[row] = embed(str(memory["content"]))
        self._memories.append(dict(memory))

    def similar(self, text: str, count: int) -> list[dict[str, object]]:
        """The held memories that are most similar to a text, best first, with ``score`` between -1 and 1."""
        # Called from another thread: both names must be of the same set when it is dropped meanwhile.
        memories, vectors = self._memories, self._vectors
        size = len(memories)
        if not size:
            return []
        scores = vectors[:size] @ embed(text)
        best = np.argsort(scores)[::-1][:count]
        return [{**memories[int(row)], "score": round(float(scores[row]), 4)} for row in best]

    def bytes_held(self) -> int:
        """Bytes of the vectors in use and of the decoded memories."""
        records = sum(
            sys.getsizeof(one) + sum(sys.getsizeof(value) for value in one.values()) for one in self._memories
        )
        return records + len(self._memories) * DIMENSIONS * self._vectors.itemsize

    def drop(self) -> int:
        """Let go of everything and give the memory back to the system.

        Returns:
            Bytes that were held.
        """
        freed = self.bytes_held()
        self._memories = []
        self._rows = {}
        self._vectors = _no_vectors()
        give_back()
        return freed


def give_back() -> None:
    """Collect garbage and return free heap pages to the system (glibc keeps them otherwise)."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
