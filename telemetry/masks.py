"""The masks: which values must never be seen, and the one function that hides them.

Secrets are masked by value and not by the name of a field, because a value travels: into an
exception's text, a URL, a header, a base64 blob. Beside the registered values, what looks like a
credential by its form (userinfo in a URL, an ``Authorization`` header) is masked as well.
"""

from __future__ import annotations

import re
import threading
from urllib.parse import unquote, urlsplit

from telemetry.spellings import Known, is_word, spellings

MASK = "***"

MIN_LENGTH = 4
"""Shorter values are not masked by value: "on" as a password would blot out half of every line."""

MARGIN = 8192
"""Characters beyond a cut that are looked at before it, so that no secret is cut in two and half of it shown."""

_LEAST_ON_PAGES = 8
"""A word such as "postgres" as a password would blot out half a page: see :func:`mask_known`."""

# Each begins at a place that no text holds often within one run, and its parts are bounded or end at such a place:
# the time grows with the length of the text (tests/test_expressions.py).
_USERINFO = re.compile(
    r"(?<=://)(?:[^/?#@\s\"']{0,2000}(?:@[^/?#@\s\"']{0,200}){0,3}|:[^@\r\n]{1,200}?|[^/?#@:\s\"'\[]{1,200}:(?!\d{1,5}(?!\w))[^@\r\n]{1,200}?)@"
)
"""Of an address; also where the password has what should have been escaped, but not what follows a port."""
_PEM = re.compile(r"(-----BEGIN (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY-----)(?:(?!-----END)[\s\S]){1,20000}")
_DIGEST = re.compile(
    r"\b(Digest)\s{1,20}(?:[a-z-]{1,20}\s?=\s?(?:\\{0,3}\"[^\"\r\n]{0,500}\"|[^\s,\"]{1,500})[,\s]{0,5}){1,30}",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"\b((?:proxy-)?authorization|(?:set-)?cookie|x-(?:[a-z]{1,20}-){0,3}(?:token|key|secret|signature))\b"
    r"(?P<between>[\"']?\s{0,20}[:=,]\s{0,20}(?:b(?=[\"']))?[\"']?)[^\"'\r\n]+",
    re.IGNORECASE,
)
_CREDENTIAL = re.compile(r"\b(Bearer|Basic|ApiKey)\s{1,20}[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE)
_PARAMETER = re.compile(
    r"(?<=[?&])((?:[a-z_-]{0,60}(?:password|passwd|secret|token|signature)|api_?key|sig)=)[^&#\s\"']+", re.IGNORECASE
)
_NAMES = (
    r"(?:[a-z]{1,20}[_-]){0,3}(?:pg)?(?:password|passwd|passphrase|pwd|secret|(?:api|access|private)[_-]?key|token)"
)
_VALUE = r"(?P<q>\\{0,3}[\"'])(?![$%<{*])(?:(?!(?P=q))[^\r\n]|(?<=\\)[\"']){1,2000}"
_MEMBER = re.compile(rf"([\"']{_NAMES}\\{{0,3}}[\"']\s{{0,3}}:\s{{0,3}}){_VALUE}", re.IGNORECASE)
_QUOTED = re.compile(
    rf"((?<![A-Za-z0-9_-]){_NAMES}[\"']?\s{{0,3}}=\s{{0,3}}|\b(?:IDENTIFIED\s{{1,3}}BY|PASSWORD)\s{{1,3}}){_VALUE}",
    re.IGNORECASE,
)
_ASSIGNED = re.compile(
    rf"(?<![A-Za-z0-9_-])({_NAMES}[\"']?\s{{0,3}}=\s{{0,3}}"
    r"|(?:password|passwd|secret|api[_-]?key|(?:[a-z]{1,20}[_-]){1,3}token)[\"']?\s{0,3}:\s{0,3})"
    r"(?P<quote>[\"']?)(?!\s|[$%<{*])[^\s\"',;&)]{3,}",
    re.IGNORECASE,
)
_COMMAND = re.compile(
    r"\b(AUTH\s{1,3}(?:default\s{1,3})?|(?:requirepass|masterauth)\s{1,3})(?![$%<{*])\S{3,200}(?:[ \t]{1,3}\S{1,200})?"
)
"""Redis' own; of two words behind AUTH the first may be the user or the password."""
_JWT = re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)?")
_SENSITIVE_KEY = re.compile(
    r"authorization|cookie|passw(?:or)?d|passphrase|secret|(?:api|access|private)[_-]?key|(?:^|[_-])token$|^pwd$",
    re.IGNORECASE,
)

_lock = threading.Lock()
_values: frozenset[str] = frozenset()
_known = Known()


def register_secret(value: str) -> None:
    """Hide this value from now on, in all its spellings (:mod:`telemetry.spellings`) and where its end was cut off.

    Of a value of several lines each longer line is hidden too, of an address with a password the password.
    """
    global _known, _values
    found = _parts_of(value)
    with _lock:
        new = sorted(one for one in found if len(one) >= MIN_LENGTH and one not in _values)
        _known = Known((*_known.all, *(spelling for one in new for spelling in spellings(one))))
        _values = _values.union(new)


def _parts_of(value: str) -> set[str]:
    """What of a value is secret: an address is only as far as it carries a password; without one it may be shown."""
    if "://" in value:
        password = _password_of(value)
        return {value, password, unquote(password)} if password else set()
    return {value, *(line.strip() for line in value.splitlines() if len(line.strip()) >= _LEAST_ON_PAGES)}


def _password_of(address: str) -> str:
    """The password of an address, also of one in which it is not escaped as it should be; empty where it has none."""
    parts = urlsplit(address)
    if parts.password is not None:
        return parts.password
    if re.fullmatch(r"[^:@]+(?::\d*)?", parts.netloc):
        return ""
    return address.partition("://")[2].rpartition("@")[0].partition(":")[2]


def _hidden(text: str, words: bool) -> str:
    """The text without registered secrets; those that are plain words only with ``words``."""
    spans = [
        (start, end)
        for spelling in _known.near(text)
        for start, end in spelling.spans(text)
        if words or _is_no_word(text[start:end])
    ]
    if not spans:
        return text
    parts: list[str] = []
    done, after = 0, 0
    # Secrets that overlap are hidden as one: a secret that holds another one is hidden whole.
    for start, end in sorted(spans):
        if not parts or start >= after:
            parts += [text[done:start], MASK]
        after = done = max(after, end)
    return "".join([*parts, text[done:]])


def mask(text: str) -> str:
    """``text`` with every registered secret, and what looks like a credential, replaced by ``***``."""
    text = _hidden(text, words=True)
    text = _PEM.sub(rf"\1{MASK}", text)
    text = _USERINFO.sub(f"{MASK}@", text)
    text = _DIGEST.sub(rf"\1 {MASK}", text)
    text = _HEADER.sub(rf"\1\g<between>{MASK}", text)
    text = _CREDENTIAL.sub(rf"\1 {MASK}", text)
    text = _PARAMETER.sub(rf"\1{MASK}", text)
    text = _MEMBER.sub(rf"\1\g<q>{MASK}", text)
    text = _QUOTED.sub(rf"\1\g<q>{MASK}", text)
    text = _ASSIGNED.sub(rf"\1\g<quote>{MASK}", text)
    text = _COMMAND.sub(rf"\1{MASK}", text)
    return _JWT.sub(MASK, text)


def foreign(text: str, most: int) -> str:
    """The first ``most`` characters of a foreign text, masked before it is cut: half a secret is one too."""
    return mask(text[: most + MARGIN])[:most]


def mask_known(text: str) -> str:
    """``text`` with the registered secrets replaced by ``***``, for pages and exports.

    Quicker than :func:`mask`, and it leaves alone what only looks like a credential: somebody who reads a log wants
    to see it. A secret that is a plain word is left alone too, since every such word on a page would be hidden.
    """
    return _hidden(text, words=False)


def _is_no_word(form: str) -> bool:
    return len(form) >= _LEAST_ON_PAGES and not is_word(form)


def mask_value(value: object) -> object:
    """``value`` made of JSON's types only, with every text in it masked; what is foreign is shown by its ``repr``."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {
            mask(str(key)): MASK if item and _SENSITIVE_KEY.search(str(key)) else mask_value(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [mask_value(item) for item in value]
    if isinstance(value, bytes):
        return mask(value.decode("utf-8", "backslashreplace"))
    return mask(repr(value))
