"""Writes ``docs/settings.md`` from the fields of ``settings.py``: ``python -m scripts.settings_reference``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import AfterValidator, BaseModel, BeforeValidator, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import settings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"

HEAD = """\
# Settings

<!-- Written by `python -m scripts.settings_reference` from `settings.py`; edit the descriptions there. -->

The console reads one TOML file: the one that `SYNAPTIC_CONSOLE_CONFIG` names, else `console.toml` in the folder
it is started in. `console.example.toml` is such a file with every key. A mistake in it keeps the console from starting,
with one sentence for each that names the file, the key, the value and what is allowed. Unknown keys are mistakes.

- Any text may hold `${NAME}`: the environment variable of that name, which must exist.
- A *secret* may be `"file:/path"`: the content of that file. Secrets are never shown, logged or cached.
- A *duration* is `"5s"`, `"1h30m"`, `"250ms"`, or a number of seconds.
"""

_VALIDATORS = {
    "parse_duration": "duration",
    "_http_url": "address",
    "_time_zone": "time zone",
    "_host": "host name, address or path",
    "_network": "address",
}
_BOUNDS = (("gt", "more than {}"), ("ge", "at least {}"), ("le", "at most {}"))


def text() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_sections(settings.Settings, "")])


def main() -> None:
    """Write the page."""
    PAGE.write_text(text(), encoding="utf-8")


def _sections(model: type[BaseModel], path: str) -> Iterator[str]:
    tables: list[tuple[str, FieldInfo, type[BaseModel]]] = []
    rows: list[str] = []
    for name, field in model.model_fields.items():
        inner = settings._inner_model(field.annotation)
        if inner is None:
            rows.append(f"| `{name}` | {_kind(field)} | {_default(field)} | {field.description} |")
        else:
            tables.append((name, field, inner))
    if rows:
        yield from ["| Key | Allowed | Default | Meaning |", "| --- | --- | --- | --- |", *rows, ""]
    for name, field, inner in tables:
        below = f"{path}.{name}" if path else name
        origin = get_origin(field.annotation)
        if origin is dict:
            below = f"{below}.NAME"
        heading = f"[[{below}]]" if origin is tuple else f"[{below}]"
        yield from [f"## `{heading}`", "", field.description or "", ""]
        yield from _sections(inner, below)


def _kind(field: FieldInfo) -> str:
    words = [_kind_of(field.annotation, field.metadata)]
    for name, phrase in _BOUNDS:
        bound = next((getattr(one, name) for one in field.metadata if hasattr(one, name)), None)
        if bound is not None:
            words.append(phrase.format(_words(bound) if words[0] == "duration" else bound))
    return ", ".join(words)


def _kind_of(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    for one in metadata:
        if isinstance(one, AfterValidator | BeforeValidator):
            return _VALIDATORS[one.func.__name__]
    arguments = get_args(annotation)
    if get_origin(annotation) is Literal:
        return " or ".join(f'`"{value}"`' for value in arguments)
    if get_origin(annotation) is tuple:
        return f"list of {_kind_of(arguments[0])}es"
    if NoneType in arguments:
        return _kind_of(next(part for part in arguments if part is not NoneType))
    if hasattr(annotation, "__metadata__"):
        return _kind_of(arguments[0], annotation.__metadata__)
    return {bool: "`true` or `false`", SecretStr: "secret", Path: "path", str: "text"}.get(annotation, "number")


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None or value in ("", ()):
        return "none"
    if _kind_of(field.annotation, field.metadata) == "duration":
        value = _words(value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _words(seconds: float) -> str:
    """A duration as people write it, in the largest unit that leaves no rest."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"


if __name__ == "__main__":
    main()
