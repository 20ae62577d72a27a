"""Decoding that one odd value does not spoil: what can be read is read, the rest takes its default and is told.

Answers are decoded into typed structs at once (:mod:`msgspec`). Where that fails, because a store wrote ``+Inf``,
``null`` for an empty list, or a number where text should be, the same body is read again here, value by value. What a
struct requires is still required: the answer of another service stays an error.
"""

from __future__ import annotations

import json
import math
import re
import types
import typing
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from collectors.deadline import look
from collectors.numbers import LONGEST, number

T = TypeVar("T")

LARGEST = 4 * 1024 * 1024
"""Bytes of the largest body that is read with care: value by value takes a hundred times as long as at once."""

MOST_REMARKS = 3
"""Odd values that are named one by one; the others are counted."""


def decoded(body: bytes, shape: Any) -> tuple[Any, tuple[str, ...]]:
    """A JSON body as ``shape``, and remarks about what could not be read, as clauses.

    Bare ``NaN`` and ``Infinity``, a byte order mark and bytes that are no UTF-8 are taken as well.

    Raises:
        msgspec.ValidationError: A value that the shape requires is missing or of another kind.
        msgspec.DecodeError: The body is not JSON.
        RecursionError: It is nested too deeply.
    """
    try:
        text = body.decode("utf-8-sig", "replace")
        raw = json.loads(text, parse_int=_integer)
        if _SURROGATE.search(text):
            raw = _without_surrogates(raw)
        reading = _Reading()
        return reading.value(raw, shape, "$"), reading.remarks()
    except msgspec.ValidationError:
        raise
    except ValueError as error:
        raise msgspec.DecodeError(str(error)) from None


def empty(shape: Any) -> Any:
    """What ``null`` is where ``shape`` is wanted: the empty list, object or text, a struct of defaults, NaN.

    Raises:
        msgspec.ValidationError: A struct with something that it requires.
    """
    return _Reading().value(None, shape, "$")


class _Reading:
    """One body that is read; it remembers where a value was odd."""

    def __init__(self) -> None:
        self._named: list[str] = []
        self._number_of_odd = 0

    def remarks(self) -> tuple[str, ...]:
        """What could not be read, as clauses: the first places, and how many there are besides."""
        named = [f"a value could not be read ({place})" for place in self._named]
        more = self._number_of_odd - len(named)
        return (*named, f"{more} more values could not be read") if more else tuple(named)

    def _odd(self, place: str) -> None:
        # An answer may be odd in each of its values: only the places that are told are kept.
        self._number_of_odd += 1
        if len(self._named) < MOST_REMARKS:
            self._named.append(place)

    def value(self, raw: Any, shape: Any, place: str) -> Any:
        """``raw`` as ``shape``; msgspec does all of it that it can, and only what fails is taken apart."""
        look()
        if shape is float:
            return self._number(raw, place)
        try:
            return msgspec.convert(raw, shape, strict=False)
        except msgspec.ValidationError:
            origin = typing.get_origin(shape)
            for kinds, read in self._readers():
                if shape in kinds or origin in kinds:
                    return read(raw, shape, place)
            if isinstance(origin or shape, type) and issubclass(origin or shape, msgspec.Struct):
                return self._struct(raw, shape, place)
            raise

    def _readers(self) -> tuple[tuple[tuple[Any, ...], Callable[[Any, Any, str], Any]], ...]:
        return (
            ((list,), self._list),
            ((dict,), self._dict),
            ((tuple,), self._tuple),
            ((str,), self._text),
            ((datetime,), self._instant),
            ((typing.Union, types.UnionType), self._optional),
        )

    def _number(self, raw: Any, place: str) -> float:
        found = number(raw)
        if math.isnan(found) and not _written_nan(raw):
            self._odd(place)
        return found

    def _struct(self, raw: Any, shape: Any, place: str) -> Any:
        fields = msgspec.structs.fields(shape)
        struct = typing.get_origin(shape) or shape
        if struct.__struct_config__.array_like:
            if not isinstance(raw, Sequence) or isinstance(raw, str):
                raise msgspec.ValidationError(f"Expected `array`, got {_kind_of(raw)} - at `{place}`")
            given = {field.encode_name: item for field, item in zip(fields, raw, strict=False)}
        elif isinstance(raw, dict) or raw is None:
            given = {name: item for name, item in (raw or {}).items() if item is not None}
        else:
            raise msgspec.ValidationError(f"Expected `object`, got {_kind_of(raw)} - at `{place}`")
        values: dict[str, Any] = {}
        for field in fields:
            if field.encode_name not in given:
                if field.required:
                    raise msgspec.ValidationError(f"Object missing required field `{field.encode_name}` - at `{place}`")
                continue
            at = f"{place}.{field.encode_name}"
            try:
                values[field.name] = self.value(given[field.encode_name], field.type, at)
            except msgspec.ValidationError:
                if field.required:
                    raise
                self._odd(at)
        return struct(**values)

    def _list(self, raw: Any, shape: Any, place: str) -> list[Any]:
        if raw is None:
            return []
        if not isinstance(raw, list):
            raise msgspec.ValidationError(f"Expected `array`, got {_kind_of(raw)} - at `{place}`")
        (item,) = typing.get_args(shape) or (Any,)
        found = []
        for i, one in enumerate(raw):
            at = f"{place}[{i}]"
            try:
                found.append(self.value(one, item, at))
            except msgspec.ValidationError:
                self._odd(at)
        return found

    def _dict(self, raw: Any, shape: Any, place: str) -> dict[Any, Any]:
        if raw is None:
            return {}
        if not isinstance(raw, dict):
            raise msgspec.ValidationError(f"Expected `object`, got {_kind_of(raw)} - at `{place}`")
        _, item = typing.get_args(shape) or (str, Any)
        return {key: self.value(one, item, f"{place}.{key}") for key, one in raw.items() if one is not None}

    def _tuple(self, raw: Any, shape: Any, place: str) -> tuple[Any, ...]:
        kinds = typing.get_args(shape)
        if not isinstance(raw, list) or len(raw) < len(kinds):
            raise msgspec.ValidationError(f"Expected `array`, got {_kind_of(raw)} - at `{place}`")
        return tuple(
            self.value(one, kind, f"{place}[{i}]") for i, (one, kind) in enumerate(zip(raw, kinds, strict=False))
        )

    def _text(self, raw: Any, _shape: Any, place: str) -> str:
        if raw is None:
            return ""
        if isinstance(raw, bool | int | float):
            return json.dumps(raw)
        raise msgspec.ValidationError(f"Expected `str`, got {_kind_of(raw)} - at `{place}`")

    def _instant(self, raw: Any, _shape: Any, place: str) -> datetime:
        seconds = number(raw)
        if math.isfinite(seconds):
            # Seconds, milliseconds, microseconds or nanoseconds since the epoch: the first that gives a likely year.
            for unit in (1, 1e3, 1e6, 1e9):
                if abs(seconds / unit) < LATEST:
                    return datetime.fromtimestamp(seconds / unit, UTC)
        raise msgspec.ValidationError(f"Expected `datetime`, got {_kind_of(raw)} - at `{place}`")

    def _optional(self, raw: Any, shape: Any, place: str) -> Any:
        if raw is None:
            return None
        (kind,) = (one for one in typing.get_args(shape) if one is not type(None))
        return self.value(raw, kind, place)


LATEST = 1e11
"""Epoch seconds of the year 5138: a larger figure counts finer units."""


def _integer(text: str) -> int | float:
    """A whole number; one that no float can hold is infinite. Python refuses to read one of thousands of digits."""
    return int(text) if len(text) <= LONGEST else -math.inf if text.startswith("-") else math.inf


_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def _without_surrogates(raw: Any) -> Any:
    """The same without lone halves of surrogate pairs in its text: no file, database or browser can hold them."""
    if isinstance(raw, str):
        return raw.encode("utf-8", "replace").decode()
    if isinstance(raw, list):
        return [_without_surrogates(one) for one in raw]
    if isinstance(raw, dict):
        return {_without_surrogates(key): _without_surrogates(one) for key, one in raw.items()}
    return raw


def _written_nan(raw: Any) -> bool:
    return isinstance(raw, float) or (isinstance(raw, str) and raw.strip().lower().lstrip("+-") == "nan")


def _kind_of(raw: object) -> str:
    """What JSON calls it. Never the value itself: cut in its middle, a secret in it would not be known as one."""
    kinds = {"NoneType": "null", "bool": "bool", "int": "int", "float": "float", "str": "str", "list": "array"}
    return f"`{kinds.get(type(raw).__name__, 'object')}`"
