"""Outputs as JSON, for journals and caches, and back as they were.

A node's inputs are made of other nodes' outputs, and a call is known again by its inputs. So an output must come back as what went on in the
first process, or calls that depend on it would be made a second time. JSON values come back as they are, NaN, infinities, whole numbers of
any size up to 4,000 digits and halves of surrogate pairs included; tuples and subclasses (a `defaultdict`, numpy's `float64`) become JSON's own
types. Anything else (data classes, pydantic models, sets, dates, bytes that are UTF-8) comes back if the return type of its tool says what it
is, and is refused otherwise.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python

Restore = Callable[[Any], Any]
"""`Tool.restore`."""

_ATOMS = frozenset({str, float, bool, type(None)})
_FLAT = _ATOMS | {int}
_NAMES = frozenset({str})
_EXACT = (bytes, date, time, timedelta, Decimal, UUID, PurePath, Enum)
"""Their text says everything about them."""
_MAX_BITS = 13_287
"""Of a whole number: 4,000 digits, for Python reads no more than 4,300."""
_TYPED, _PLAIN = "$typed", "$plain"
_DUMP = json.JSONEncoder(separators=(",", ":")).encode


class Unkeepable(ValueError):
    """A value that has no JSON form from which it could be made again."""


def keep(value: Any, restore: Restore | None = None) -> tuple[Any, Any]:
    """The JSON form of `value`, and what `bring_back` makes of that: `value` itself, or its equal. Raises `Unkeepable`."""
    if type(value) in _ATOMS:
        return value, value
    try:
        if _is_json(value):
            return ({_PLAIN: value} if type(value) is dict and _marked(value) else value), value
        form = to_jsonable_python(value, inf_nan_mode="constants")
        for back, kept in _readings(form, restore):
            if _same(back, value):
                return kept, back
    except RecursionError:
        raise Unkeepable("it is nested too deeply, or contains itself") from None
    except (PydanticSerializationError, ValueError) as error:
        raise Unkeepable(str(error)) from error
    raise Unkeepable(f"a value of type {type(value).__name__} cannot be made again from its JSON form")


def bring_back(form: Any, restore: Restore | None = None) -> Any:
    """The value that `keep` was given."""
    if type(form) is dict and len(form) == 1:
        if _TYPED in form:
            return form[_TYPED] if restore is None else restore(form[_TYPED])
        if _PLAIN in form:
            return form[_PLAIN]
    return form


def typed(form: Any) -> Any:
    """`form`, to be read as its tool's return type says, for values that people write."""
    return {_TYPED: form}


def dump(form: Any) -> str:
    """JSON text. Half of a surrogate pair is escaped."""
    try:
        return to_json(form, inf_nan_mode="constants").decode()
    except PydanticSerializationError:
        return _DUMP(form)


def fingerprint(what: str, inputs: Any) -> str:
    """Equal for `what` with equal inputs, in every process; sets count in any order. Raises `Unkeepable` for an input whose content nobody knows."""
    try:
        # The first test is the usual case, and quick: this is done for every call of a journaled run.
        flat = type(inputs) is dict and _FLAT.issuperset(map(type, inputs.values()))
        text = dump(inputs if flat or _is_json(inputs) else _canonical(inputs))
    except RecursionError:
        raise Unkeepable("it is nested too deeply, or contains itself") from None
    return hashlib.blake2b(f"{what}\0{text}".encode(), digest_size=16).hexdigest()


def _is_json(value: Any) -> bool:
    """Whether JSON gives exactly this back."""
    kind = type(value)
    if kind is dict:
        if not _NAMES.issuperset(map(type, value)):
            return False
        value = value.values()
    elif kind is int:
        if value.bit_length() > _MAX_BITS:
            raise Unkeepable("a whole number has more than 4,000 digits")
        return True
    elif kind is not list:
        return kind in _ATOMS
    return _ATOMS.issuperset(map(type, value)) or all(map(_is_json, value))


def _marked(value: dict[str, Any]) -> bool:
    return len(value) == 1 and (_TYPED in value or _PLAIN in value)


def _readings(form: Any, restore: Restore | None) -> Iterable[tuple[Any, Any]]:
    """What a JSON form could be read as, and how each is kept."""
    if restore is not None:
        yield restore(form), typed(form)
    yield form, ({_PLAIN: form} if type(form) is dict and _marked(form) else form)


def _same(back: Any, value: Any) -> bool:
    """Whether the one may stand for the other: numbers may have become floats, tuples lists, and subclasses of JSON's types those types."""
    match value:
        case bool():
            return back is value
        case int() | float():
            return isinstance(back, (int, float)) and (back == value or (math.isnan(back) and math.isnan(value)))
        case str():
            return isinstance(back, str) and back == value
        case list() | tuple():
            return isinstance(back, (list, tuple)) and len(back) == len(value) and all(map(_same, back, value))
        case dict():
            return isinstance(back, dict) and list(back) == list(value) and all(_same(back[name], value[name]) for name in value)
    if type(back) is not type(value):
        return False
    if (parts := _fields(value)) is not None:
        return _same(_fields(back), parts)
    return bool(back == value)


def _canonical(value: Any) -> Any:
    """`value` as JSON in which different values look different; it need not be made again."""
    if value is None or (isinstance(value, (str, int, float)) and not isinstance(value, Enum)):
        return value
    match value:
        case list() | tuple():
            return [_canonical(item) for item in value]
        case dict() if all(type(name) is str for name in value):
            return {name: _canonical(item) for name, item in value.items()}
        case dict():
            return {"$items": [[_canonical(name), _canonical(item)] for name, item in value.items()]}
        case set() | frozenset():
            return {"$set": sorted(_DUMP(_canonical(item)) for item in value)}
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if isinstance(value, _EXACT):
        return {"$value": [kind, repr(value) if isinstance(value, bytes) else str(value)]}
    if (parts := _fields(value)) is not None:
        return {"$object": [kind, _canonical(parts)]}
    raise Unkeepable(f"a value of type {type(value).__name__} has no content that could be compared")


def _fields(value: Any) -> dict[str, Any] | None:
    if isinstance(value, BaseModel):
        return {**value.__dict__, **(value.model_extra or {})}
    names = getattr(type(value), "__dataclass_fields__", None)
    return {name: getattr(value, name) for name in names if hasattr(value, name)} if names else None
