"""A look at the key space: some keys of all, by SCAN, with type, time to live and size of each.

KEYS is never sent: it stops the server for as long as it takes. SCAN walks the buckets of a hash table, in which a
key's place does not depend on its name in any way that somebody can foresee (SipHash with a secret of the process). So
its first keys stand for all of them as if they had been drawn, and shares among them have the uncertainty of a drawn
sample; but until the table grows it is the same sample each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from redis.exceptions import ResponseError

from collectors.redis.server import RedisServer, Session, Word

BATCH = 100
"""COUNT of one SCAN, and so about how many keys are asked for at once; the server does nothing else meanwhile."""

NESTED = 5
"""Elements of a list, set, hash or sorted set that MEMORY USAGE looks at; the size of the others is estimated."""

LONGEST_NAME = 300
"""Characters that are kept of a key's name."""

ASKED_NAME = 65_536
"""Bytes of a name up to which a key is asked for: its name travels three times."""

NAME_BYTES = 16 * 1024 * 1024
"""Bytes of names after which a look ends, whatever is left to see."""

SHARE_OF_TIME = 0.7
"""Share of the time that is there which a look takes before it ends with what it has."""


class Key(msgspec.Struct, frozen=True):
    """One key that was seen.

    Attributes:
        name: Its name, cut; bytes that are no UTF-8 are shown by their numbers.
        length: Bytes of its name.
        kind: Type; empty where it was not asked.
        ttl: Seconds that it has to live, -1 where it has no end; ``None`` where it was not asked.
        size: Bytes that it takes with its name, an estimate for large ones; ``None`` where it was not asked.
    """

    name: str
    length: int
    kind: str
    ttl: float | None
    size: int | None


class Look(msgspec.Struct, frozen=True):
    """What a look saw.

    Attributes:
        keys: The keys, each once.
        total: Keys in the database when it was looked at.
        whole: Whether every key was seen.
        remarks: What was not looked at and why, as sentences.
    """

    keys: tuple[Key, ...]
    total: int
    whole: bool
    remarks: tuple[str, ...]


def look(server: RedisServer, most: int) -> Look:
    """Look at about ``most`` keys; fewer where time or the size of names ends it earlier.

    Raises:
        Denied: The console's user may not scan; the hint is the rule that lets it.
        SourceError: No usable answer.
    """
    found: dict[bytes, Key] = {}
    refused: dict[str, str] = {}
    remarks: list[str] = []
    with server.session() as session:
        until = session.left * (1 - SHARE_OF_TIME)
        total = int(session.ask(("DBSIZE",))[0])
        cursor, bytes_seen, whole = 0, 0, False
        while True:
            next_cursor, names = session.ask(("SCAN", cursor, "COUNT", BATCH))[0]
            cursor = int(next_cursor)
            fresh = [name for name in dict.fromkeys(names) if name not in found][: max(most - len(found), 0)]
            found.update(_asked(server, session, fresh, refused))
            bytes_seen += sum(len(name) for name in names)
            if cursor == 0:
                whole = len(found) < most or len(found) >= total
                break
            if len(found) >= most:
                break
            if session.left <= until or bytes_seen > NAME_BYTES:
                why = "names are very long" if bytes_seen > NAME_BYTES else "time was used up"
                remarks.append(f"The look ended after {len(found)} of {most} keys, because its {why}.")
                break
    remarks += [f"{what}: {rule}" for what, rule in refused.items()]
    unasked = sum(key.length > ASKED_NAME for key in found.values())
    if unasked:
        remarks.append(f"{unasked} keys with names of more than {ASKED_NAME} bytes were not asked for.")
    return Look(tuple(found.values()), total, whole, tuple(remarks))


def _asked(server: RedisServer, session: Session, names: Sequence[bytes], refused: dict[str, str]) -> dict[bytes, Key]:
    """Type, time to live and size of some keys; a key that has gone meanwhile is left out."""
    small = [name for name in names if len(name) <= ASKED_NAME]
    commands: list[Sequence[Word]] = []
    for name in small:
        commands += [("TYPE", name), ("PTTL", name), ("MEMORY", "USAGE", name, "SAMPLES", NESTED)]
    answers = session.answers(*commands) if commands else []
    for words, answer in zip(commands, answers, strict=True):
        if isinstance(answer, ResponseError):
            error = server.named(words, answer)
            refused.setdefault(f"redis {error.what}", error.hint)
    found = {name: Key(_shown(name), len(name), "", None, len(name)) for name in names if len(name) > ASKED_NAME}
    for name, kind, left, size in zip(small, answers[::3], answers[1::3], answers[2::3], strict=True):
        if left == -2 or kind == b"none":
            continue
        ttl = _known(left)
        found[name] = Key(
            _shown(name),
            len(name),
            kind.decode("utf-8", "replace") if isinstance(kind, bytes) else "",
            None if ttl is None else -1.0 if ttl < 0 else ttl / 1000,
            _known(size),
        )
    return found


def _known(answer: Any) -> int | None:
    return answer if isinstance(answer, int) else None


def _shown(name: bytes) -> str:
    return name[: LONGEST_NAME * 4].decode("utf-8", "backslashreplace")[:LONGEST_NAME]
