"""What the console sends to the cache, as the server itself sees it, and the same sent by redis-py alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis

from benchmarks.parts import HOST

KEYS = 5_000
MARK = "benchmark-mark"

Batch = tuple[tuple[str, ...], ...]
"""Commands that are sent together."""

TOGETHER = frozenset({"TYPE", "PTTL", "MEMORY"})
"""The commands of a look at keys, which goes in groups between two SCANs."""


def fill(port: int) -> None:
    """Fill a server as the service does: memories with a time to live, sessions, some keys without an end."""
    client = _client(port)
    pipe = client.pipeline(transaction=False)
    for number in range(KEYS):
        name = f"session:{number}" if number % 10 == 0 else f"memory:semantic:{number}"
        pipe.set(name, "x" * 500, ex=None if number % 8 == 0 else 3600)
        pipe.get(name)
    pipe.execute()
    client.close()


@contextmanager
def noted(port: int) -> Iterator[list[list[Batch]]]:
    """What a server is sent while the block runs: for each connection its batches, in order; filled at the end."""
    found: list[list[Batch]] = []
    seen: dict[str, list[tuple[str, ...]]] = {}
    listening = threading.Event()
    client = _client(port)

    def listen() -> None:
        with client.monitor() as monitor:
            listening.set()
            for told in monitor.listen():
                words = tuple(told["command"].split(" "))
                if words[0].upper() == "ECHO" and words[1:] == (MARK,):
                    return
                seen.setdefault(told["client_port"], []).append(words)

    thread = threading.Thread(target=listen)
    thread.start()
    listening.wait()
    try:
        yield found
    finally:
        marking = _client(port)
        marking.echo(MARK)
        marking.close()
        thread.join()
        client.close()
        found += [_batches(commands) for commands in seen.values()]


def send(batches: Sequence[Batch], port: int) -> None:
    """Send the batches of one connection, one after the other, and read the answers."""
    client = _client(port)
    for batch in batches:
        pipe = client.pipeline(transaction=False)
        for words in batch:
            pipe.execute_command(*words)
        pipe.execute(raise_on_error=True)
    client.close()


def _batches(commands: Sequence[tuple[str, ...]]) -> list[Batch]:
    found: list[list[tuple[str, ...]]] = []
    for words in commands:
        together = words[0].upper() in TOGETHER
        if together and found and found[-1][-1][0].upper() in TOGETHER:
            found[-1].append(words)
        else:
            found.append([words])
    return [tuple(one) for one in found]


def _client(port: int) -> Any:
    client = redis.Redis(host=HOST, port=port, protocol=2, single_connection_client=True, driver_info=None)
    client.response_callbacks.clear()  # nobody looks at the answers
    return client
