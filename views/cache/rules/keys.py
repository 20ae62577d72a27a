"""What a sample of keys says about all of them: by prefix, with the uncertainty that a sample has."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.diagnosis import Diagnosis

Z = 1.96
"""Standard deviations of a confidence of 95 %."""

MOST_PREFIXES = 20
"""Prefixes that are told apart; the rest is one."""

OTHERS = "(others)"
LONGEST_PREFIX = 60

NO_TTL_SHARE = 0.01
"""Share of a prefix without a time to live from which on it is told, where the others of the prefix have one."""

SECRET = re.compile(r"(?i)(^|[:._-])(auth|csrf|jwt|otp|password|reset|secret|session|sess|token)s?([:._-]|$)")
"""Names of which the end lets somebody in who knows it; they are masked for everybody."""


@dataclass(frozen=True)
class Seen:
    """One key of the sample.

    Attributes:
        name: Its name.
        kind: Its type; empty where unknown.
        ttl: Seconds that it has to live, -1 without an end; ``None`` where unknown.
        size: Bytes; ``None`` where unknown.
    """

    name: str
    kind: str
    ttl: float | None
    size: int | None


@dataclass(frozen=True)
class Estimate:
    """A figure with its bounds, at a confidence of 95 %."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Prefix:
    """The keys that begin alike.

    Attributes:
        name: How they begin, with ``*`` for the rest.
        seen: How many are in the sample.
        share: Share of all keys.
        keys: How many of all keys.
        size: Bytes of all of them; ``None`` where no size is known.
        forever: Share of them without a time to live; ``None`` where that is not known.
        kinds: Their types.
        lives: Middle of their times to live in seconds; ``None`` where none has one.
    """

    name: str
    seen: int
    share: Estimate
    keys: Estimate
    size: Estimate | None
    forever: Estimate | None
    kinds: tuple[str, ...]
    lives: float | None


def prefix(name: str) -> str:
    """What a key's name begins with: all before its first colon, or the name without its numbers.

    >>> prefix("memory:semantic:17"), prefix("user17"), prefix("sessions"), prefix("8f3a-22bc91d0e7")
    ('memory:*', 'user*', 'sessions', '*')
    """
    head, colon, _ = name.partition(":")
    if colon and len(head) <= LONGEST_PREFIX and head:
        return f"{head}:*"
    word = re.match(r"[A-Za-z_.-]{3,60}(?=\d|$)", name)
    if word is None:
        return "*"
    return word.group() if word.group() == name else f"{word.group()}*"


def shown(name: str, identifiers: bool) -> str:
    """A key's name as somebody may see it: whole, or its prefix alone where they may see no identifiers.

    What lets somebody in (a session's key) is masked for everybody.

    >>> shown("memory:semantic:17", True), shown("memory:semantic:17", False), shown("session:s3cr3t", True)
    ('memory:semantic:17', 'memory:…', 'session:…')
    """
    found = SECRET.search(name)
    head, colon, rest = name.partition(":")
    if found is not None and rest and found.start() < len(head):
        return f"{head}:…"
    if found is not None and not colon and found.end() < len(name):
        return f"{name[: found.end()]}…"
    if found is not None and rest:
        return f"{name[: found.end()].rstrip(':._-')}:…" if found.end() < len(name) else name
    if identifiers:
        return name
    if colon:
        return f"{head[:LONGEST_PREFIX]}:…"
    word = prefix(name)
    return word if word == name else word.replace("*", "…")


def share(hits: int, seen: int, total: int) -> Estimate:
    """The share of all keys of which ``hits`` of ``seen`` were found: Wilson's interval for a sample without return.

    Args:
        hits: How many of the sample have it.
        seen: How many are in the sample.
        total: How many there are.
    """
    if seen <= 0:
        return Estimate(math.nan, 0.0, 1.0)
    found = hits / seen
    # Fewer are left to be wrong about the more were seen; a sample of all is certain.
    left = max(total - seen, 0) / max(total - 1, 1)
    if left == 0:
        return Estimate(found, found, found)
    size = seen / left
    middle = (found + Z**2 / (2 * size)) / (1 + Z**2 / size)
    wide = Z / (1 + Z**2 / size) * math.sqrt(found * (1 - found) / size + Z**2 / (4 * size**2))
    # What was seen is certain: at least so many have it, and at least so many have it not.
    least, most = hits / max(total, 1), 1 - (seen - hits) / max(total, 1)
    low = 0.0 if hits == 0 else max(middle - wide, least)
    high = 1.0 if hits == seen else min(middle + wide, most)
    return Estimate(found, low, high)


def prefixes(keys: Sequence[Seen], total: int) -> list[Prefix]:
    """What the keys of a sample say about all keys by prefix, the most bytes first."""
    groups: dict[str, list[Seen]] = {}
    for key in keys:
        groups.setdefault(prefix(key.name), []).append(key)
    ordered = sorted(groups, key=lambda name: -sum(key.size or 0 for key in groups[name]))
    if len(ordered) > MOST_PREFIXES:
        rest = [key for name in ordered[MOST_PREFIXES - 1 :] for key in groups[name]]
        groups = {**{name: groups[name] for name in ordered[: MOST_PREFIXES - 1]}, OTHERS: rest}
    return [_prefix(name, found, len(keys), total) for name, found in groups.items()] if keys else []


def _prefix(name: str, found: Sequence[Seen], seen: int, total: int) -> Prefix:
    whole = share(len(found), seen, total)
    many = Estimate(whole.value * total, whole.low * total, whole.high * total)
    lives = sorted(key.ttl for key in found if key.ttl is not None and key.ttl >= 0)
    asked = [key for key in found if key.ttl is not None]
    forever = None
    if asked:
        forever = share(sum(key.ttl == -1 for key in asked), len(asked), max(round(many.value), len(asked)))
    return Prefix(
        name,
        len(found),
        whole,
        many,
        size_of(found, seen, total),
        forever,
        tuple(sorted({key.kind for key in found if key.kind})),
        lives[len(lives) // 2] if lives else None,
    )


def size_of(found: Sequence[Seen], seen: int, total: int) -> Estimate | None:
    """Bytes of all keys of a kind, of which these are in a sample: their sum times all by seen.

    The bounds are those of a mean of a sample: the sizes of other keys count as zero. A few very large keys among many
    small ones are easily missed, and then the bounds are too narrow.
    """
    sizes = [key.size for key in found if key.size is not None]
    if not sizes or seen <= 0:
        return None
    scale = total / seen
    mean = sum(sizes) / seen
    variance = max(sum(size**2 for size in sizes) / seen - mean**2, 0.0)
    left = max(total - seen, 0) / max(total - 1, 1)
    wide = Z * math.sqrt(variance / seen * left) * total
    value = sum(sizes) * scale
    return Estimate(value, max(value - wide, float(sum(sizes))), value + wide)


def without_end(found: Sequence[Prefix]) -> list[Diagnosis]:
    """Prefixes of which some keys have no time to live though others of them have one: those will stay for ever."""
    told = []
    for one in found:
        few = one.forever
        if few is None or one.lives is None or one.name in (OTHERS, "*") or few.low < NO_TTL_SHARE or few.value >= 1:
            continue
        sure = "" if few.low == few.high else f" (between {_percent(few.low)} and {_percent(few.high)})"
        text = (
            f"{_percent(few.value)} of {one.name} have no time to live{sure}, about {few.value * one.keys.value:,.0f} "
            f"keys; the others live {one.lives:,.0f} s at the middle. They stay until they are evicted or deleted."
        )
        told.append(Diagnosis("cache-no-ttl", "risk", one.name, text))
    return told


def _percent(part: float) -> str:
    """A share in words.

    >>> _percent(0.12), _percent(0.0123), _percent(1.0)
    ('12 %', '1.2 %', '100 %')
    """
    return f"{part * 100:.0f} %" if part >= 0.095 else f"{part * 100:.1f} %"
