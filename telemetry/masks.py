"""The masks: which values must never be seen, and the one function that hides them.

Secrets are masked by value and not by the name of a field, because a value travels: into an
exception's text, a URL, a header, a base64 blob. Beside the registered values, what looks like a
credential by its form (userinfo in a URL, an ``Authorization`` header) is masked as well.
"""

from __future__ import annotations

import base64
import html
import json
import re
import threading
from urllib.parse import quote, quote_plus, unquote, urlsplit

MASK = "***"

MIN_LENGTH = 4
"""Shorter values are not masked by value: "on" as a password would blot out half of every line."""

MARGIN = 8192
"""Characters beyond a cut that are looked at before it, so that no secret is cut in two and half of it shown."""

_LEAST_ON_PAGES = 8
"""A word such as "postgres" as a password would blot out half a page: see :func:`mask_known`."""

# Each begins at a place that no text holds often within one run, and its parts are bounded or end at such a place:
# the time grows with the length of the text (tests/test_expressions.py).
_USERINFO = re.compile(r"(?<=://)[^/?#@\s\"']{0,2000}@")
_HEADER = re.compile(
    r"\b((?:proxy-)?authorization|(?:set-)?cookie|x-api-key)\b"
    r"(?P<between>[\"']?\s{0,20}[:=,]\s{0,20}(?:b(?=[\"']))?[\"']?)[^\"'\r\n]+",
    re.IGNORECASE,
)
_CREDENTIAL = re.compile(r"\b(Bearer|Basic|ApiKey)\s{1,20}[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE)
_PARAMETER = re.compile(
    r"(?<=[?&])((?:[a-z_-]{0,60}(?:password|passwd|secret|token|signature)|api_?key|sig)=)[^&#\s\"']+", re.IGNORECASE
)
_ASSIGNED = re.compile(
    r"(?<![A-Za-z0-9_-])((?:[a-z]{1,20}[_-]){0,3}(?:password|passwd|pwd|secret|api[_-]?key|token)[\"']?\s{0,3}=\s{0,3}"
    r"|(?:password|passwd|secret|api[_-]?key)[\"']?\s{0,3}:\s{0,3})"
    r"(?P<quote>[\"']?)(?!\s|[$%<{*])[^\s\"',;&)]{3,}",
    re.IGNORECASE,
)
_JWT = re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)?")
_SENSITIVE_KEY = re.compile(
    r"authorization|cookie|password|passwd|secret|api_?key|private_?key|(?:^|_)token$", re.IGNORECASE
)

_lock = threading.Lock()
_forms: set[str] = set()
_known: tuple[str, ...] = ()
_pattern: re.Pattern[str] | None = None


def register_secret(value: str) -> None:
    """Hide this value, in all its forms, from now on.

    Forms: as it is, percent-encoded, base64 at each of its three alignments (so that it is found
    inside ``user:password`` as well), escaped as in JSON, Python, HTML and CSV, and each longer line of a value of
    several lines. Of an address with a password, the password is registered too.
    """
    global _known, _pattern
    found = _forms_of(value)
    if "://" in value:
        found = _forms_of_url(value)
    with _lock:
        _forms.update(found)
        _known = tuple(form for form in _forms if _is_no_word(form))
        # Longest first: a secret that holds another one is hidden whole.
        alternatives = "|".join(re.escape(form) for form in sorted(_forms, key=len, reverse=True))
        _pattern = re.compile(alternatives) if alternatives else None


def _forms_of_url(value: str) -> set[str]:
    """An address is only secret as far as it carries a password; without one its name may be shown."""
    password = urlsplit(value).password
    if password is None:
        return set()
    return _forms_of(value) | _forms_of(password) | _forms_of(unquote(password))


def _forms_of(value: str) -> set[str]:
    if len(value) < MIN_LENGTH:
        return set()
    percent = {quote(value, safe=""), quote_plus(value), quote(value)}
    forms = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1], *percent}
    forms |= {json.dumps(value)[1:-1].replace("/", "\\/"), html.escape(value), value.replace('"', '""')}
    forms |= {re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), form) for form in percent}
    raw = value.encode()
    for offset in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            # A byte of the neighbours shares its first and last character with ours: leave those out.
            text = encode(bytes(offset) + raw).decode().rstrip("=")
            whole = (offset + len(raw)) % 3 == 0
            core = text[(0, 2, 3)[offset] : len(text) if whole else -1]
            if len(core) >= MIN_LENGTH:
                forms.add(core)
    forms |= {line.strip() for line in value.splitlines() if len(line.strip()) >= 8}
    return forms


def mask(text: str) -> str:
    """``text`` with every registered secret, and what looks like a credential, replaced by ``***``."""
    pattern = _pattern
    if pattern is not None:
        text = pattern.sub(MASK, text)
    text = _USERINFO.sub(f"{MASK}@", text)
    text = _HEADER.sub(rf"\1\g<between>{MASK}", text)
    text = _CREDENTIAL.sub(rf"\1 {MASK}", text)
    text = _PARAMETER.sub(rf"\1{MASK}", text)
    text = _ASSIGNED.sub(rf"\1\g<quote>{MASK}", text)
    return _JWT.sub(MASK, text)


def foreign(text: str, most: int) -> str:
    """The first ``most`` characters of a foreign text, masked before it is cut: half a secret is one too."""
    return mask(text[: most + MARGIN])[:most]


def mask_known(text: str) -> str:
    """``text`` with the registered secrets replaced by ``***``, for pages and exports.

    Quicker than :func:`mask`, and it leaves alone what only looks like a credential: somebody who reads a log wants
    to see it. A secret that is a plain word is left alone too, since every such word on a page would be hidden.
    """
    pattern = _pattern
    if pattern is None or not any(form in text for form in _known):
        return text
    return pattern.sub(lambda match: MASK if _is_no_word(match[0]) else match[0], text)


def _is_no_word(form: str) -> bool:
    return len(form) >= _LEAST_ON_PAGES and not (form.isalpha() and (form.islower() or form.istitle()))


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
