"""``patterns``: 50,000 lines become patterns, beside drain3 on the same lines."""

from __future__ import annotations

import gc
import importlib
import logging
import random
import string
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

from benchmarks.measured import Benchmark, Figure, medians
from views.logs.rules.patterns import MASKS, Miner

LINES = 50_000
ROUNDS = 5
SEED = 1

# Service, level and template, the most frequent first. Each is one place in a program: one service, one level.
TEMPLATES = (
    ("gateway", "INFO", "answered {method} {route} with 200 in {ms} ms for {user}"),
    ("memory", "INFO", "stored memory {uuid} for user {user} in {ms}ms ({count} bytes)"),
    ("query", "INFO", "search {text} returned {count} results in {ms}ms from {index}"),
    ("cache", "DEBUG", "miss for key memory:{hex} in cache {word}"),
    ("auth", "INFO", "user {user} signed in from {ip} with {word}"),
    ("storage", "DEBUG", "acquired connection {count} of {count} after {ms}ms"),
    ("scheduler", "INFO", "job {word} finished in {seconds} s"),
    ("embedding", "INFO", "embedded {count} texts with model {word} batch={count} took={ms}ms"),
    ("gateway", "WARN", "slow request {method} {route} took {ms}ms request_id={hex32}"),
    ("replication", "INFO", "shipped segment {count} to peer {ip}:{port} lag={ms}ms"),
    ("memory", "INFO", "consolidated {count} memories of {user} into {count}"),
    ("query", "WARN", "query plan for {text} uses a sequential scan on {table}"),
    ("cache", "INFO", "evicted {count} entries, {percent}% of memory in use"),
    ("auth", "WARN", "sign-in of {user} failed from {ip}: wrong password, attempt {count}"),
    ("notify", "INFO", "mail to {email} queued as {hex}"),
    ("billing", "INFO", "invoice {count} for account {word} closed: {count} items"),
    ("storage", "WARN", "transaction {count} on {table} waited {ms}ms for a lock held by {count}"),
    ("export", "INFO", "export {uuid} wrote {path} ({count} bytes)"),
    ("graph", "DEBUG", "edge {hex} from {uuid} to {uuid} weight {ratio}"),
    ("gateway", "ERROR", "upstream {ip}:{port} refused the connection, {count} of {count} tries left"),
    ("memory", "ERROR", "cannot decode memory {uuid}: invalid type {word} at line {count} column {count}"),
    ("backup", "INFO", "backup {path} verified, checksum {hex32}"),
    ("scheduler", "WARN", "job {word} is late by {seconds} s, next run at {time}"),
    ("replication", "WARN", "peer {ip}:{port} is behind by {count} segments"),
    ("embedding", "ERROR", "model {word} answered {count} after {ms}ms: {text}"),
    ("auth", "INFO", "{user} changed role of {user} to {word}"),
    ("storage", "ERROR", "pool timed out after {seconds} s: {count} in use, {count} waiting"),
    ("query", "ERROR", "syntax error in tsquery: {text}"),
    ("cache", "ERROR", "connection to {ip}:{port} lost: broken pipe"),
    ("auth", "ERROR", "token of {user} expired at {time}"),
    ("notify", "ERROR", "mail server {ip} answered {count} {word} for {email}"),
    ("billing", "WARN", "account {word} is over its limit by {percent}%"),
    ("export", "ERROR", "cannot write {path}: no space left on device"),
    ("graph", "WARN", "cycle of length {count} found at {uuid}"),
    ("backup", "ERROR", "backup {path} failed: exit status {count}"),
    ("memory", "INFO", "freed {count} bytes in {ms}ms, {count} objects remain"),
    ("memory", "WARN", "pause of {ms}ms is longer than {ms}ms"),
    ("auth", "WARN", "permission {word} denied to {user} on {table}"),
    ("scheduler", "ERROR", "worker {count} panicked at {path}:{count}: index out of bounds"),
    ("replication", "ERROR", "checksum of segment {count} differs: {hex} is not {hex}"),
)


@dataclass(frozen=True)
class Labelled:
    """A line, and which of the templates it was made from."""

    level: str
    service: str
    message: str
    template: int


def lines(count: int = LINES, seed: int = SEED) -> list[Labelled]:
    """Lines of the templates, the n-th of which is 1/n as frequent as the first (Zipf), in a random order."""
    dice = random.Random(seed)
    values = _values(dice)
    weights = [1 / rank for rank in range(1, len(TEMPLATES) + 1)]
    made = []
    for chosen in dice.choices(range(len(TEMPLATES)), weights, k=count):
        service, level, template = TEMPLATES[chosen]
        parts = []
        for text, name, _, _ in string.Formatter().parse(template):
            parts += [text, values[name]() if name else ""]
        made.append(Labelled(level, service, "".join(parts), chosen))
    return made


def _values(dice: random.Random) -> dict[str, Callable[[], str]]:
    words = ["alpha", "nightly", "semantic", "primary", "compact", "rerank", "weekly", "tiny", "large", "oauth", "saml"]
    names = ["ada", "grace", "alan", "edsger", "barbara", "donald", "tony", "leslie"]

    def digits(count: int) -> str:
        return f"{dice.getrandbits(4 * count):0{count}x}"

    def uuid() -> str:
        return "-".join(digits(count) for count in (8, 4, 4, 4, 12))

    def ip() -> str:
        return f"10.{dice.randrange(256)}.{dice.randrange(256)}.{dice.randrange(1, 255)}"

    def user() -> str:
        return dice.choice(names) if dice.random() < 0.5 else f"u{dice.randrange(5000)}"

    return {
        "method": lambda: dice.choice(["GET", "POST", "PUT", "DELETE"]),
        "route": lambda: dice.choice(["/memories", "/search", f"/memories/{uuid()}", "/sessions/current"]),
        "ms": lambda: f"{dice.lognormvariate(3, 1):.{dice.choice((0, 1, 3))}f}",
        "seconds": lambda: f"{dice.lognormvariate(1, 1):.1f}",
        "count": lambda: str(int(dice.lognormvariate(4, 2))),
        "percent": lambda: f"{dice.random() * 100:.1f}",
        "ratio": lambda: f"{dice.random():.4f}",
        "port": lambda: str(dice.randrange(1024, 65536)),
        "user": user,
        "uuid": uuid,
        "hex": lambda: digits(12),
        "hex32": lambda: digits(32),
        "ip": ip,
        "text": lambda: '"' + " ".join(dice.choices(words, k=dice.randrange(1, 5))) + '"',
        "word": lambda: dice.choice(words),
        "index": lambda: dice.choice(["hnsw", "flat", "ivf"]),
        "table": lambda: dice.choice(["memories", "audit_logs", "memory_fragments"]),
        "email": lambda: f"{dice.choice(names)}@example.org",
        "path": lambda: f"/var/lib/synaptic/{digits(6)}/{dice.choice(words)}.json",
        "time": lambda: f"2026-11-{dice.randrange(1, 29):02d}T{dice.randrange(24):02d}:{dice.randrange(60):02d}:07Z",
    }


def ours(made: Sequence[Labelled]) -> list[str]:
    """The pattern of each line, as the console finds it."""
    miner = Miner()
    return [miner.add(line.level, line.service, line.message) for line in made]


def drain(made: Sequence[Labelled], *, masking: bool) -> list[int]:
    """The cluster of each line, as drain3 finds it with its defaults, or with our masks as its own.

    Raises:
        RuntimeError: drain3 is not installed.
    """
    logging.getLogger("drain3").setLevel(logging.ERROR)
    try:
        drain3, config = importlib.import_module("drain3"), importlib.import_module("drain3.template_miner_config")
        instruction = importlib.import_module("drain3.masking").MaskingInstruction
    except ModuleNotFoundError as missing:
        raise RuntimeError(f"this benchmark needs drain3 to compare with: {missing}") from None
    chosen: Any = config.TemplateMinerConfig()
    if masking:
        chosen.masking_instructions = [instruction(expression, name) for name, expression in MASKS.items()]
    miner = drain3.TemplateMiner(config=chosen)
    return [int(miner.add_log_message(line.message)["cluster_id"]) for line in made]


def purity(found: Sequence[object], truth: Sequence[object]) -> float:
    """Share of lines whose pattern holds mostly lines of their own template."""
    largest: dict[object, int] = {}
    for (pattern, _), count in Counter(zip(found, truth, strict=True)).items():
        largest[pattern] = max(largest.get(pattern, 0), count)
    return sum(largest.values()) / len(found)


def adjusted_rand_index(found: Sequence[object], truth: Sequence[object]) -> float:
    """Agreement of two groupings over all pairs of lines, 0 by chance and 1 where they are the same.

    Hubert and Arabie, *Comparing partitions*, Journal of Classification 2, 1985.
    """
    both = sum(comb(count, 2) for count in Counter(zip(found, truth, strict=True)).values())
    one, other = (sum(comb(count, 2) for count in Counter(groups).values()) for groups in (found, truth))
    by_chance = one * other / comb(len(found), 2)
    return (both - by_chance) / ((one + other) / 2 - by_chance)


def measure() -> Mapping[str, float]:
    """Group the same lines in each way, and set the groups against the templates."""
    made = lines()
    truth = [line.template for line in made]
    gc.collect()
    gc.freeze()
    mine, plain, with_masks = medians(
        ROUNDS,
        lambda: ours(made),
        lambda: drain(made, masking=False),
        lambda: drain(made, masking=True),
        clock=time.thread_time,
    )
    found = ours(made)
    others = [drain(made, masking=False), drain(made, masking=True)]
    quality = purity(found, truth), adjusted_rand_index(found, truth)
    return {
        "purity": quality[0],
        "ari": quality[1],
        "times_drain3": mine / plain,
        "purity_above_drain3": quality[0] - max(purity(other, truth) for other in others),
        "ari_above_drain3": quality[1] - max(adjusted_rand_index(other, truth) for other in others),
        "times_drain3_with_masks": mine / with_masks,
        "patterns": float(len(set(found))),
        "drain3_patterns": float(min(len(set(other)) for other in others)),
        "seconds": mine,
    }


_BETTER = "the better of drain3's two results (its defaults, and our masks as its masking instructions)"

BENCHMARK = Benchmark(
    "patterns",
    f"{LINES:,} lines of {len(TEMPLATES)} templates and 14 services, Zipf, become patterns; each line is labelled with "
    "its template.",
    {
        "purity": Figure("Share of lines whose pattern holds mostly lines of their own template."),
        "ari": Figure("Adjusted Rand index of patterns against templates: 1 is the same grouping, 0 is chance."),
        "times_drain3": Figure("Time of our way by that of drain3 with its defaults, which masks nothing.", "<= 2"),
        "purity_above_drain3": Figure(f"Our purity less that of {_BETTER}.", ">= 0"),
        "ari_above_drain3": Figure(f"Our adjusted Rand index less that of {_BETTER}.", ">= 0"),
        "times_drain3_with_masks": Figure("The same time by that of drain3 with our masks."),
        "patterns": Figure("Patterns that were found."),
        "drain3_patterns": Figure("Clusters that drain3 found, where it found fewer."),
        "seconds": Figure("Time of our way on this machine."),
    },
    measure,
)
